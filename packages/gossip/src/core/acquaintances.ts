/**
 * Peers that tell each other of peers: who has few links learns keys to dial, also where the DHT is slow or cut off.
 *
 * A link that becomes active is told up to 16 random peers of the topic, and again every minute. What a link tells is a
 * hint and nothing else: at most one a second is passed on, only while we have few links, and nobody is asked who the
 * key belongs to. Whoever answers has to prove the topic key like anybody.
 *
 * Bounds: `maxPeersKeys` keys wait, the newest are kept; `MAX_HINTED` are remembered, lest what can't be reached is dialled
 * for ever because all tell of it.
 */
import b4a from 'b4a'
import type { Limits } from '../limits.js'
import { copyOf } from './bytes.js'
import { FEATURE_PEERS } from './hello.js'
import type { Link } from './link.js'
import type { Neighbours } from './neighbours.js'
import type { Outbox } from './outbox.js'
import { SEND_CONTROL } from './types.js'

/** What peers are told with. */
export interface AcquaintancesOptions {
  readonly limits: Limits
  readonly neighbours: Neighbours
  readonly outbox: Outbox
  /** Uniform in [0, 1). */
  readonly random: () => number
  /** Is this peer key (hex) refused? */
  readonly isRefused: (peerId: string) => boolean
}

/** The same key isn't passed on again for so long. A guess: what could not be dialled twice may be gone. */
const HINT_AGAIN_MS = 5 * 60_000
/** Keys remembered for that. */
const MAX_HINTED = 256

/** Tells of peers, and passes on what is told. */
export class Acquaintances {
  readonly #options: AcquaintancesOptions
  /** By hex, oldest first. */
  readonly #waiting = new Map<string, Uint8Array>()
  /** By hex, when it was passed on; oldest first. */
  readonly #hinted = new Map<string, number>()
  #hintAtMs = Number.NEGATIVE_INFINITY
  #tellAtMs = Number.POSITIVE_INFINITY

  constructor(options: AcquaintancesOptions) {
    this.#options = options
  }

  /** When `due` may have something to do; Infinity: never. */
  get nextAtMs(): number {
    return Math.min(this.#tellAtMs, this.#waiting.size > 0 ? this.#hintAtMs : Number.POSITIVE_INFINITY)
  }

  /** A link became active: it is told at once, if it wasn't lately. */
  linkActive(link: Link, nowMs: number): void {
    this.#tell(link, nowMs)
    if (this.#tellAtMs === Number.POSITIVE_INFINITY) this.#tellAtMs = nowMs + this.#options.limits.peersMs
  }

  /** A link tells peers. What comes too early isn't taken. False: it does so far too often. */
  told(link: Link, keys: readonly Uint8Array[], nowMs: number): boolean {
    const { limits } = this.#options
    if (!link.budgets.peers.take(1, nowMs)) return false
    // Half, because two clocks never agree exactly.
    if (nowMs < link.peersHeardMs + limits.peersMs / 2) return true
    link.peersHeardMs = nowMs
    const ownId = b4a.toString(link.binding.publicKey, 'hex')
    for (const key of keys) {
      const peerId = b4a.toString(key, 'hex')
      if (peerId === ownId || this.#waiting.has(peerId) || !this.#isNews(peerId, nowMs)) continue
      this.#waiting.set(peerId, copyOf(key))
    }
    for (const oldest of this.#waiting.keys()) {
      if (this.#waiting.size <= limits.maxPeersKeys) break
      this.#waiting.delete(oldest)
    }
    this.#hintAtMs = Math.max(this.#hintAtMs, nowMs)
    return true
  }

  /** Tells and passes on what is due. */
  due(nowMs: number): void {
    const { limits, neighbours } = this.#options
    if (nowMs >= this.#tellAtMs) {
      for (const link of neighbours.active) this.#tell(link, nowMs)
      this.#tellAtMs = neighbours.active.length > 0 ? nowMs + limits.peersMs : Number.POSITIVE_INFINITY
    }
    if (this.#waiting.size > 0 && nowMs >= this.#hintAtMs) this.#hint(nowMs)
  }

  #hint(nowMs: number): void {
    const { limits, neighbours, outbox } = this.#options
    if (neighbours.up.size >= limits.minPeers) this.#waiting.clear()
    for (const [peerId, peerKey] of this.#waiting) {
      this.#waiting.delete(peerId)
      // It may have come by itself meanwhile.
      if (!this.#isNews(peerId, nowMs)) continue
      this.#remember(peerId, nowMs)
      this.#hintAtMs = nowMs + limits.hintMs
      outbox.add({ type: 'hint', peerKey })
      return
    }
  }

  #isNews(peerId: string, nowMs: number): boolean {
    const { neighbours, isRefused } = this.#options
    const hintedMs = this.#hinted.get(peerId) ?? Number.NEGATIVE_INFINITY
    return nowMs >= hintedMs + HINT_AGAIN_MS && !neighbours.has(peerId) && !isRefused(peerId)
  }

  #remember(peerId: string, nowMs: number): void {
    this.#hinted.delete(peerId)
    this.#hinted.set(peerId, nowMs)
    const [oldest] = this.#hinted.keys()
    if (oldest !== undefined && this.#hinted.size > MAX_HINTED) this.#hinted.delete(oldest)
  }

  #tell(link: Link, nowMs: number): void {
    const { limits, neighbours, outbox, random } = this.#options
    if ((link.features & FEATURE_PEERS) === 0 || nowMs < link.peersToldMs + limits.peersMs) return
    const others = new Map<string, Uint8Array>()
    for (const { peerId, isSuspect, binding } of neighbours.up) {
      if (peerId !== link.peerId && !isSuspect) others.set(peerId, binding.remotePublicKey)
    }
    const keys = [...others.values()]
    const chosen: Uint8Array[] = []
    while (keys.length > 0 && chosen.length < limits.maxPeersKeys) {
      chosen.push(...keys.splice(Math.floor(random() * keys.length), 1))
    }
    if (chosen.length === 0) return
    link.peersToldMs = nowMs
    outbox.send(link, { class: SEND_CONTROL, frame: { kind: 'peers', keys: chosen } }, nowMs)
  }
}
