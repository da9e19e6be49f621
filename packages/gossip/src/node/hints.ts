/**
 * Dials peers that other peers of a topic told of: so a topic finds together also where the DHT is slow or knows little.
 *
 *   (none) --dial()----------------------------------------------------> open   joinPeer
 *   open   --connected | HINT_MS | MAX_HINTS newer ones | clear()------> (none) leavePeer
 *
 * Only for a Hyperswarm of our own: on an application's, leavePeer would also end what the application wants of that peer,
 * and whom it dials is the application's matter. It has the event 'hint'.
 */
import b4a from 'b4a'
import type { NetworkLike, PeerInfoLike } from '../network.js'

/** A peer that can't be reached by then is given up. A guess: two attempts of Hyperswarm, and hole punching. */
const HINT_MS = 30_000
/** Peers dialled at once for that reason. A guess. */
const MAX_HINTS = 16

/** See the head of this file. */
export class Hints {
  readonly #network: NetworkLike
  readonly #bounds: { readonly max: number; readonly ms: number }
  /** By key in hex, oldest first. */
  readonly #open = new Map<string, { peerKey: Uint8Array; timer: ReturnType<typeof setTimeout> }>()

  /** @param bounds - How many are dialled at once, and for how long. */
  constructor(network: NetworkLike, bounds = { max: MAX_HINTS, ms: HINT_MS }) {
    this.#network = network
    this.#bounds = bounds
    network.on('connection', this.#onConnection)
  }

  /** Peers that are being dialled. */
  get size(): number {
    return this.#open.size
  }

  /** Dials a peer, unless it is dialled already. Hyperswarm itself leaves out peers that are connected, and us. */
  dial(peerKey: Uint8Array): void {
    const id = b4a.toString(peerKey, 'hex')
    if (this.#open.has(id)) return
    const [oldest] = this.#open.keys()
    if (oldest !== undefined && this.#open.size >= this.#bounds.max) this.#close(oldest)
    const timer = setTimeout(() => this.#close(id), this.#bounds.ms)
    // Nothing to stay awake for. Only Node's timers have this.
    ;(timer as { unref?(): void }).unref?.()
    this.#open.set(id, { peerKey, timer })
    this.#network.joinPeer?.(peerKey)
  }

  /** Gives up all. Nothing is dialled any more. */
  clear(): void {
    this.#network.off('connection', this.#onConnection)
    for (const id of [...this.#open.keys()]) this.#close(id)
  }

  readonly #onConnection = (_stream: unknown, { publicKey }: PeerInfoLike): void => {
    this.#close(b4a.toString(publicKey, 'hex'))
  }

  #close(id: string): void {
    const hint = this.#open.get(id)
    if (hint === undefined) return
    clearTimeout(hint.timer)
    this.#open.delete(id)
    this.#network.leavePeer?.(hint.peerKey)
  }
}
