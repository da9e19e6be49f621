/**
 * What can be looked at from outside: counters, links, why a message is late, and the trace of what happens. Plain data;
 * nothing here is ever needed to publish or to read.
 */
import type { TraceEvent } from './core/types.js'
import type { Peer } from './types.js'

export type {
  TraceDirection,
  TracedBatch,
  TracedIncarnation,
  TracedLinkState,
  TraceEvent
} from './core/types.js'

/** An event of a topic, as `GossipOptions.trace` gets it; keys are z-base-32. */
export type TopicTraceEvent = TraceEvent & {
  /** Name of the topic. */
  topic: string
  /** Unix ms. */
  atMs: number
  /** Noise key of the peer at the other end of `link`; null: there is none. */
  peer: string | null
}

/** Counters of a peer. */
export interface PeerStats {
  /** Frames that came from it, of all topics; also those that were then dropped. */
  framesIn: number
  /** Frames written to it. */
  framesOut: number
  /** Bytes of `framesIn`, before encryption. */
  bytesIn: number
  /** Bytes of `framesOut`, before encryption. */
  bytesOut: number
  /** Messages that this peer brought first. */
  delivered: number
  /** Batches of it that were known already. */
  duplicates: number
  /** Bytes waiting in our queue for it. */
  queuedBytes: number
  /** Demerit points, the most of any shared topic. They halve every minute; at 100 the peer is refused; negative: useful. */
  score: number
  /** Input of it that wasn't delivered, by reason. */
  drops: Readonly<Record<string, number>>
}

/** A topic on a connection of a peer. */
export interface PeerLinkState {
  /** Name of the topic. */
  topic: string
  /** 'active': used for spreading; 'standby': in reserve, hears watermarks only. */
  role: 'active' | 'standby'
  /**
   * 'open': takes messages. 'blocked': more is queued than one write takes. 'lagging': too slow, it is told watermarks and
   * pulls. 'silent': nothing came from it for 3 s.
   */
  state: 'open' | 'blocked' | 'lagging' | 'silent'
  /** Round trip in ms, smoothed; 0 until it is known. */
  rtt: number
  /** Demerit points on this topic; see `PeerStats.score`. */
  score: number
  /** Bytes of this topic waiting for it on this connection. */
  queuedBytes: number
}

/** A peer as plain data; `rtt`, `links` and `stats` as a `Peer` has them. */
export interface PeerJson {
  /** Its Noise public key as z-base-32; empty until the handshake is done. */
  id: string
  rtt: number
  /** Names, sorted. */
  topics: string[]
  links: PeerLinkState[]
  stats: PeerStats
}

/** Messages of an incarnation that are missing, `from` and `to` both among them. */
export interface MissingRange {
  from: number
  to: number
  /** Who was asked for them last and may still answer; null: nobody. */
  askedOf: Peer | null
  /** When somebody is asked next, ms from now; Infinity: not before something new is heard. */
  nextInMs: number
}

/** What this process has of one run of an author, and whom it has it from. */
export interface IncarnationReport {
  /** 16 hex digits, sorts by time. */
  incarnation: string
  /** Who brings its messages; null: nobody in particular, or it is ours. */
  parent: Peer | null
  /** To whom we pass them on. */
  children: Peer[]
  /** Highest seq below which nothing is missing; -1: nothing yet. */
  watermark: number
  /** Highest seq that came; -1: none, others only told of it. */
  top: number
  /** `top - watermark`: how far beyond the first hole messages came; 0: there is none. */
  ahead: number
  /** What is missing, ascending; above `top` what others say that they have. */
  gaps: MissingRange[]
  /** Who last told how much it has of this incarnation, and how long ago; `from` null: gone since. Null: nobody did. */
  lastHave: { from: Peer | null; agoMs: number } | null
}

/** Why a message of an author is late: one entry per live incarnation, none if nothing was heard of it. */
export interface AuthorState {
  /** 32 bytes. */
  author: Uint8Array
  /** In the order in which they were first heard of; those that were only told of last. */
  incarnations: IncarnationReport[]
}

/** What a Gossip counted since it was made, all topics and peers together; these numbers only rise. */
export interface GossipCounters {
  /** Messages of ours that were signed and handed to the links, once each however many links there were. */
  published: number
  /** Messages of others that were accepted here, once each however many subscriptions there are. */
  delivered: number
  /** Messages of others that were passed on, counted once per link. */
  forwarded: number
  /** Batches that came although they were known; the price of several paths. */
  duplicates: number
  /** Signatures made: one per batch, not per message. */
  signed: number
  /** Signatures checked, right and wrong ones. */
  verified: number
  /** Messages sent again because a peer had missed them, counted once per peer. */
  repaired: number
  /** Messages that the network lost for good: those of the event 'gap'. */
  missed: number
  /** Messages that subscriptions of this process lost because their readers were slow: those of the event 'lag'. */
  lagged: number
  /** Messages of ours that were dropped because too many waited: option `onFull: 'drop'`. */
  unsent: number
  /** Events 'equivocation'. */
  equivocations: number
  /** Frames that came, of all topics and peers; also those that were then dropped. */
  framesIn: number
  /** Frames written. */
  framesOut: number
  /** Bytes of `framesIn`, before encryption. */
  bytesIn: number
  /** Bytes of `framesOut`, before encryption. */
  bytesOut: number
  /** Connections that were attached. */
  connectionsOpened: number
  /** Attached connections that have closed. */
  connectionsClosed: number
  /** Links that were proven and admitted; a connection has one per shared topic. */
  linksOpened: number
  /** Such links that went away. */
  linksClosed: number
  /** Links that were refused because the peer could not prove that it knows the topic. */
  badProofs: number
}

/** What a Gossip holds at the moment. */
export interface GossipGauges {
  /** Topics joined. */
  topics: number
  /** Processes at the other end of the attached connections. */
  peers: number
  /** Connections attached. */
  connections: number
  /** Links used for spreading, all topics together. */
  activeLinks: number
  /** Links in reserve. */
  standbyLinks: number
  /** Incarnations of authors that are remembered. */
  authors: number
  /** Bytes of batches kept for repair. */
  cacheBytes: number
  /** Bytes waiting to be written, all connections together. */
  queuedBytes: number
}

/** Counters and gauges of a Gossip as plain data, always with the same keys in the same order. */
export interface GossipStats extends GossipCounters, GossipGauges {
  /** Input that wasn't delivered, by reason; the reasons are a fixed set of words, sorted. */
  drops: Record<string, number>
}
