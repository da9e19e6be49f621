/**
 * A peer: the process at the other end of one or more connections.
 *
 * Connections with one remote key are one peer, however many there are: when both sides dial at once there are two for
 * a moment. The key of a stream that is still shaking hands isn't known yet. If it turns out to belong to a known peer,
 * the newer object becomes another name of the older one, which is the one that everybody else sees.
 */
import type { Peer, PeerJson, PeerLinkState, PeerStats } from '../types.js'
import { keyId } from './key-text.js'
import { PeerCounters } from './stats.js'

/** A topic on a connection of the peer. */
export interface PeerLink {
  /** Name of the topic. */
  readonly topic: string
  readonly isUp: boolean
  readonly role: 'active' | 'standby'
  /** How it is now. */
  look(): PeerLinkState
}

/** A connection of the peer. */
export interface PeerConnection {
  readonly links: Iterable<PeerLink>
  /** Bytes that wait to be written. */
  readonly queuedBytes: number
  /** Writes what was handed over, then closes all channels. */
  close(): Promise<void>
}

const UNKNOWN_KEY = new Uint8Array(0)

/** See the head of this file. */
export class ConnectedPeer implements Peer {
  readonly #connections = new Set<PeerConnection>()
  readonly #counters = new PeerCounters()
  #remotePublicKey: Uint8Array = UNKNOWN_KEY
  #other: ConnectedPeer | null = null

  /** The object that stands for this peer: itself, unless its key turned out to be known. */
  get self(): ConnectedPeer {
    return this.#other ?? this
  }

  /** Noise public key of the remote, 32 bytes; empty until the handshake is done. */
  get remotePublicKey(): Uint8Array {
    return this.self.#remotePublicKey
  }

  set remotePublicKey(key: Uint8Array) {
    this.#remotePublicKey = new Uint8Array(key)
  }

  /** The same as z-base-32. */
  get id(): string {
    const { remotePublicKey } = this
    return remotePublicKey.byteLength === 0 ? '' : keyId(remotePublicKey)
  }

  /** Longest smoothed round trip of its links in ms; 0 until one is known. */
  get rtt(): number {
    return this.links.reduce((longest, { rtt }) => Math.max(longest, rtt), 0)
  }

  /** Its links, one per shared topic and connection, as of now. */
  get links(): PeerLinkState[] {
    return [...this.#upLinks()].map(link => link.look())
  }

  /** Names of the topics shared with it, as of now. */
  get topics(): ReadonlySet<string> {
    const topics = new Set<string>()
    for (const link of this.#upLinks()) topics.add(link.topic)
    return topics
  }

  /** Counters over all its connections. */
  get stats(): PeerStats {
    this.#refresh()
    return this.counters
  }

  /** The counters, for those who count. */
  get counters(): PeerCounters {
    return this.self.#counters
  }

  /** Its connections. */
  get connections(): Set<PeerConnection> {
    return this.self.#connections
  }

  /** Is the link of this topic used for spreading, or kept in reserve? Null: no such link. */
  role(topic: string): 'active' | 'standby' | null {
    let role: 'active' | 'standby' | null = null
    for (const link of this.#upLinks()) {
      if (link.topic === topic && role !== 'active') role = link.role
    }
    return role
  }

  /** Writes what was handed over, then closes our channels on its connections; the streams are the application's. */
  async close(): Promise<void> {
    await Promise.all([...this.connections].map(connection => connection.close()))
  }

  /** A copy as plain data. */
  toJSON(): PeerJson {
    this.#refresh()
    const { id, rtt, links } = this
    return { id, rtt, topics: [...this.topics].sort(), links, stats: this.counters.toJSON() }
  }

  /** Makes this another name of `other`, which takes over its connections. */
  become(other: ConnectedPeer): void {
    for (const connection of this.#connections) other.#connections.add(connection)
    this.#connections.clear()
    this.#other = other
  }

  // Those of the counters that are looked up, not counted.
  #refresh(): void {
    const { counters } = this
    counters.queuedBytes = 0
    for (const connection of this.connections) counters.queuedBytes += connection.queuedBytes
    const scores = this.links.map(({ score }) => score)
    counters.score = scores.length === 0 ? 0 : Math.max(...scores)
  }

  *#upLinks(): Iterable<PeerLink> {
    for (const connection of this.connections) {
      for (const link of connection.links) if (link.isUp) yield link
    }
  }
}
