/**
 * Public types of this package: what applications see of topics, messages and peers.
 *
 * Own structural interfaces stand for foreign classes (Protomux, Noise streams, Hyperswarm), so that no untyped
 * module is ever part of our declarations.
 */
import type { Verdict } from './core/types.js'
import type { Limits } from './limits.js'

export type { Verdict } from './core/types.js'
export type { Limits } from './limits.js'

/** An Ed25519 key pair: `publicKey` 32 bytes, `secretKey` 64 bytes (libsodium's form). */
export interface KeyPair {
  publicKey: Uint8Array
  secretKey: Uint8Array
}

/** A key as 32 bytes, 64 hex digits or 52 z-base-32 characters. */
export type Key = Uint8Array | string

/** A logger in the shape of pino's; every method is optional. */
export interface Logger {
  debug?(fields: object, message?: string): void
  info?(fields: object, message?: string): void
  warn?(fields: object, message?: string): void
}

/** Any duplex byte stream, as Node's or streamx's; or a Noise stream or Protomux, which are recognised. */
export interface DuplexLike {
  // biome-ignore lint/suspicious/noExplicitAny: listeners of foreign emitters can't be typed more narrowly
  on(event: any, listener: (...args: any[]) => void): unknown
  destroy?(error?: Error): unknown
}

/** How values become bytes. `decode` may throw: the message is then dropped and told as a warning. */
export interface Encoding<T> {
  encode(value: T): Uint8Array
  decode(bytes: Uint8Array): T
}

/** Names of the built-in encodings, or one of your own. */
export type ValueEncoding<T> = 'msgpack' | 'json' | 'utf-8' | 'binary' | Encoding<T>

/** Options of a topic. */
export interface TopicOptions<T = unknown> {
  /** Default 'msgpack': any value that msgpack can carry, bytes included. */
  valueEncoding?: ValueEncoding<T>
  /** Judges each message, own ones too. 'ignore': not delivered, no penalty; 'reject': the forwarder is charged. */
  validate?(message: Message<T>): Verdict | Promise<Verdict>
  /** Asked once per author before any signature of its is checked; the answer is cached. */
  authorize?(author: Uint8Array): boolean | Promise<boolean>
  /** Asked once per link after its proof; until it says yes the link stays closed. */
  admit?(peer: Peer): boolean | Promise<boolean>
  /** How long a message lives, 1,000 to 120,000 ms; rounded up to whole seconds. Default 30,000. */
  ttlMs?: number
  /** Fixed wait before messages are signed together, 0 to 50 ms. Default 0: those of one tick. */
  batchMs?: number
  /** Deliver own messages to this topic's listeners, too. Default false. */
  emitSelf?: boolean
}

/** One message, as delivered. */
export interface Message<T = unknown> {
  /** Name of the topic. */
  topic: string
  /** Ed25519 public key that signed it, 32 bytes; verified. */
  author: Uint8Array
  /** `author` as z-base-32. */
  id: string
  /** One run of the author on this topic: 16 hex digits, sorts by time. */
  incarnation: string
  /** Counter of the author in this incarnation, from 0, dense. */
  seq: number
  data: T
  /** Unix ms by the author's clock. */
  createdAt: number
  /** How often it was forwarded on its way; 0: straight from its author. Not signed: a hint. */
  hops: number
  /** The peer that brought it; null for own messages (`emitSelf`). */
  from: Peer | null
}

/** What publish() resolves with. */
export interface Published {
  incarnation: string
  seq: number
  /** Links that it was handed to now; 0: kept for the first peer, until its ttl. */
  peers: number
}

/** Options of publish(). */
export interface PublishOptions {
  /** Overrides the topic's `ttlMs` for this message. */
  ttlMs?: number
  /** Wait until so many peers are linked before publishing. Default 0. */
  waitForPeers?: number
  signal?: AbortSignal
}

/** A range of messages that a slow subscription missed; `from` and `to` are both missed. */
export interface LagRange {
  author: Uint8Array
  incarnation: string
  from: number
  to: number
  count: number
  /** False when neighbouring ranges had to be merged, so that delivered messages lie inside. */
  exact: boolean
}

/** Messages that can't be had any more from anybody within their ttl. */
export interface GapRange {
  author: Uint8Array
  incarnation: string
  from: number
  to: number
}

/** Options of messages(). */
export interface SubscriptionOptions {
  /** Ends the iteration: it rejects with the signal's reason. */
  signal?: AbortSignal
  /** Messages held for a slow reader; default `limits.maxSubscriptionMessages`. Beyond it the oldest are dropped and reported. */
  highWaterMark?: number
  /** Per author in order of seq, waiting at most 2 s or 256 messages for a missing one. Default false. */
  ordered?: boolean
}

/** A bounded queue of messages, read by `for await`. */
export interface Subscription<T = unknown> extends AsyncIterableIterator<Message<T>> {
  /** Messages taken in since it was made. */
  readonly received: number
  /** Messages dropped because the reader was too slow. */
  readonly dropped: number
  /** Messages waiting for the reader. */
  readonly pending: number
  /** Ranges lost so far (bounded; see `LagRange.exact`). */
  readonly lags: readonly LagRange[]
  /** Takes nothing new, but delivers what is queued; then the iteration ends. */
  drain(): void
  return(): Promise<IteratorResult<Message<T>, undefined>>
}

/** Events of a topic. */
export interface TopicEvents<T = unknown> {
  message: (data: T, message: Message<T>) => void
  /** From no peer to one. */
  connected: () => void
  /** From one peer to none. */
  disconnected: () => void
  'peer-add': (peer: Peer) => void
  'peer-remove': (peer: Peer) => void
  /** A subscription of this topic lost messages because its reader was slow. */
  lag: (range: LagRange) => void
  /** The network lost messages for good. */
  gap: (range: GapRange) => void
  /** Two authentic batches of one identity with other bytes. */
  equivocation: (evidence: { author: Uint8Array; incarnation: string; seq: number }) => void
  /** Remote trouble; the topic goes on. */
  warning: (error: Error) => void
  close: (error?: Error) => void
}

/** Counters of a peer. */
export interface PeerStats {
  framesIn: number
  framesOut: number
  bytesIn: number
  bytesOut: number
  /** Messages that this peer brought first. */
  delivered: number
  duplicates: number
  /** Bytes waiting in our queue for it. */
  queuedBytes: number
  /** Input of it that wasn't delivered, by reason. */
  drops: Readonly<Record<string, number>>
}

/** The process at the other end of a connection. */
export interface Peer {
  /** Its Noise public key, 32 bytes. Not an author key. */
  readonly remotePublicKey: Uint8Array
  /** Round trip in ms, smoothed; 0 until it is known. */
  readonly rtt: number
  /** Names of the topics shared with it. */
  readonly topics: ReadonlySet<string>
  readonly stats: PeerStats
  /** Is the link of this topic used for spreading, or kept in reserve? */
  role(topic: string): 'active' | 'standby' | null
  /** Closes our channels on this connection; the stream is the app's. */
  close(): Promise<void>
}

/** Why a message of an author is late. One entry per live incarnation. */
export interface AuthorState {
  author: Uint8Array
  incarnations: readonly {
    incarnation: string
    parent: Peer | null
    watermark: number
    top: number
    gaps: readonly { from: number; to: number; askedOf: Peer | null; nextInMs: number }[]
  }[]
}

/** Counters of a Gossip, all topics and peers together. */
export interface GossipStats {
  published: number
  delivered: number
  forwarded: number
  duplicates: number
  signed: number
  verified: number
  repaired: number
  connectionsOpened: number
  connectionsClosed: number
  linksOpened: number
  linksClosed: number
  badProofs: number
  drops: Record<string, number>
}

/** Options of a Gossip. */
export interface GossipOptions {
  /** Author key pair; default: a fresh one, kept nowhere. */
  keyPair?: KeyPair
  limits?: Partial<Limits>
  logger?: Logger
}
