/**
 * The peers of a party: by connection channel, listed once per member, and which of them are LIVE.
 */
import type { Peer } from '@hearsay/gossip'
import { hexOf } from '../key.js'
import type { PartyPeer } from '../types.js'
import type { PartyMatter } from './driver.js'
import type { MemberPeer } from './party-peer.js'
import { within } from './within.js'

/** What the core says about peers. */
export type PeerMatter = PartyMatter & {
  type: 'peerAdd' | 'peerJoin' | 'live' | 'channelDown' | 'peerRemove'
}

const NO_KEY = new Uint8Array(0)

/** See the head of this file. */
export class PeerTable {
  /** Members, each once, by the object of its first connection. */
  readonly peers = new Set<PartyPeer>()
  readonly #byChannel = new Map<number, MemberPeer>()
  /** By the channel that a peer was added with. */
  readonly #added = new Map<number, MemberPeer>()
  readonly #live = new Set<number>()
  /** Who waits for a Noise key (hex) to be LIVE. */
  readonly #waiting = new Map<string, Set<(isLive: boolean) => void>>()
  #isClosed = false
  readonly #tell: (event: 'peer-add' | 'peer-remove', peer: PartyPeer) => void

  constructor(tell: (event: 'peer-add' | 'peer-remove', peer: PartyPeer) => void) {
    this.#tell = tell
  }

  /** A channel opens on this peer's connection. */
  open(channel: number, peer: MemberPeer): void {
    this.#byChannel.set(channel, peer)
  }

  /** The peer of a channel, or null. */
  get(channel: number | null): MemberPeer | null {
    return channel === null ? null : (this.#byChannel.get(channel) ?? null)
  }

  /** A channel that is open with this peer; 0: none. */
  channelFor(peer: PartyPeer): number {
    for (const [channel, one] of this.#byChannel) if (one === peer) return channel
    return 0
  }

  isLive(channel: number): boolean {
    return this.#live.has(channel)
  }

  /** The LIVE channel with the process of this Noise key; null: there is none. */
  channelOf(peer: Pick<Peer, 'remotePublicKey'> | null): number | null {
    if (peer === null) return null
    const id = hexOf(peer.remotePublicKey)
    for (const channel of this.#live) {
      if (hexOf(this.get(channel)?.remotePublicKey ?? NO_KEY) === id) return channel
    }
    return null
  }

  /** True once this peer of the gossip has a LIVE channel here; false if it has none after `ms`. */
  whenLive(peer: Peer, ms: number): boolean | Promise<boolean> {
    if (this.channelOf(peer) !== null) return true
    if (this.#isClosed) return false
    const id = hexOf(peer.remotePublicKey)
    const waiting = this.#waiting.get(id) ?? new Set()
    this.#waiting.set(id, waiting)
    let resolve: (isLive: boolean) => void = () => {}
    const live = new Promise<boolean>(settle => {
      resolve = settle
    })
    waiting.add(resolve)
    return within(live, ms, false).finally(() => {
      waiting.delete(resolve)
      if (waiting.size === 0 && this.#waiting.get(id) === waiting) this.#waiting.delete(id)
    })
  }

  /** Nobody becomes LIVE any more: who waits for it, and the timers of that, must not outlive the party. */
  close(): void {
    this.#isClosed = true
    for (const waiting of this.#waiting.values()) for (const settle of waiting) settle(false)
  }

  /** Follows the core. */
  apply(effect: PeerMatter): void {
    const peer = this.get(effect.channel)
    switch (effect.type) {
      case 'peerAdd':
        if (peer === null) return
        peer.author = effect.author
        peer.credential = effect.credential
        this.#added.set(effect.channel, peer)
        this.peers.add(peer)
        this.#tell('peer-add', peer)
        return
      case 'peerJoin': {
        const first = this.#added.get(effect.first)
        if (peer === null || first === undefined) return
        peer.author = effect.author
        first.links.add(peer.link)
        return
      }
      case 'live':
        this.#live.add(effect.channel)
        this.#tellLive(peer)
        return
      case 'channelDown':
        this.#live.delete(effect.channel)
        this.#byChannel.delete(effect.channel)
        for (const { links, link } of this.#added.values()) {
          if (peer !== null && link !== peer.link) links.delete(peer.link)
        }
        return
      case 'peerRemove': {
        const added = this.#added.get(effect.channel)
        this.#added.delete(effect.channel)
        if (added === undefined || !this.peers.delete(added)) return
        this.#tell('peer-remove', added)
        return
      }
    }
  }

  #tellLive(peer: MemberPeer | null): void {
    const id = hexOf(peer?.remotePublicKey ?? new Uint8Array(0))
    const waiting = this.#waiting.get(id)
    this.#waiting.delete(id)
    for (const resolve of waiting ?? []) resolve(true)
  }
}
