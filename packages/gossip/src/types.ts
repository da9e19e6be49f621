/**
 * Public types of this package: what applications see of topics, messages and peers.
 *
 * Own structural interfaces stand for foreign classes (Protomux, Noise streams, Hyperswarm), so that no untyped
 * module is ever part of our declarations.
 */
import type { EquivocationEvidence, OnFull, Verdict } from './core/types.js'
import type { Limits } from './limits.js'

export type { EquivocationEvidence, OnFull, SignedStatement, Verdict } from './core/types.js'
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
  /** Links that come and go. */
  debug?(fields: object, message?: string): void
  /** Not called by this release. */
  info?(fields: object, message?: string): void
  /** Each warning, with the error as `fields.err`; also those that the 'warning' event leaves out when there are too many. */
  warn?(fields: object, message?: string): void
}

/**
 * An AbortSignal, described as far as it is used: every real one fits, and no library of types is needed to name it.
 * Once aborted it stays so, and what waited for it rejects with its `reason`.
 */
export interface AbortSignalLike {
  readonly aborted: boolean
  readonly reason: unknown
  throwIfAborted(): void
  addEventListener(type: 'abort', listener: () => void, options?: { once?: boolean }): void
  removeEventListener(type: 'abort', listener: () => void): void
}

/** Any duplex byte stream, as Node's or streamx's; or a Noise stream or Protomux, which are recognised. */
export interface DuplexLike {
  // biome-ignore lint/suspicious/noExplicitAny: listeners of foreign emitters can't be typed more narrowly
  on(event: any, listener: (...args: any[]) => void): unknown
  destroy?(error?: Error): unknown
}

/**
 * How values become bytes. `encode` may throw: publish() then rejects `ERR_GOSSIP_NOT_ENCODABLE`. `decode` may throw: the
 * message is then dropped and told as a warning.
 */
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
  /**
   * What publish() does while every link is busy. 'wait', the default: waits; it rejects `ERR_GOSSIP_FULL` only when
   * `maxUnsentBytes` or `maxWaitingPublishes` wait already. 'throw': rejects so as soon as `maxQueuedBytesPerLink` wait.
   * 'drop': drops the message then, and resolves with `peers` 0 and `seq` -1; `stats.unsent` counts it.
   */
  onFull?: OnFull
  /**
   * Accept only what was created 30 s (`maxSkewMs`) or more after this process joined. Then no message is delivered again
   * that an earlier run of this application delivered, at the price of up to 30 s of silence. Default false.
   */
  bootHorizon?: boolean
  /** Notice authors that sign two batches for one seq: event 'equivocation'. Costs a hash per copy. Default false. */
  detectEquivocation?: boolean
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
  /** What was published, decoded by the topic's `valueEncoding`. From a stranger: its shape is anything. */
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
  /** Our run on this topic, 16 hex digits; as `Message.incarnation` shows it to others. Empty: dropped, see `onFull`. */
  incarnation: string
  /** Counter in it, from 0; with our author key and the incarnation it names the message. -1: dropped. */
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
  /** Gives up while it waits, for peers or for room; a message that was signed already is sent. */
  signal?: AbortSignalLike
}

/** A range of messages that a slow subscription missed; `from` and `to` are both missed. */
export interface LagRange {
  /** Whose messages, 32 bytes. */
  author: Uint8Array
  /** 16 hex digits. */
  incarnation: string
  from: number
  to: number
  /** Messages missed in it; less than its width if it isn't `exact`. */
  count: number
  /** False when neighbouring ranges had to be merged, so that delivered messages lie inside. */
  exact: boolean
}

/** Messages that can't be had any more from anybody within their ttl; `from` and `to` are both among them. */
export interface GapRange {
  /** Whose messages, 32 bytes. */
  author: Uint8Array
  /** 16 hex digits. */
  incarnation: string
  from: number
  to: number
}

/** Options of messages(). */
export interface SubscriptionOptions {
  /** Ends the iteration: it rejects with the signal's reason. */
  signal?: AbortSignalLike
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
  /** Ends it at once; what is queued is gone. Called by `break`, too. */
  return(): Promise<IteratorResult<Message<T>, undefined>>
}

/** An author signed two different batches for one seq. The one that came first was delivered, the other wasn't. */
export interface Equivocation {
  /** Who signed both, 32 bytes. */
  author: Uint8Array
  /** 16 hex digits; told once for each. */
  incarnation: string
  /** The lowest seq that both have. */
  seq: number
  /**
   * Both batches, with which `verifyEquivocation` of '@hearsay/gossip/core' convinces anybody who knows the topic. Null: the
   * first isn't kept any more; told again should there be a proof later.
   */
  evidence: EquivocationEvidence | null
}

/** Events of a topic. */
export interface TopicEvents<T = unknown> {
  /** Each accepted message once, in the order of arrival, which isn't that of seq. */
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
  /** An author signed two different things for one seq; needs the option `detectEquivocation`. */
  equivocation: (equivocation: Equivocation) => void
  /** Remote trouble; the topic goes on. */
  warning: (error: Error) => void
  /** The topic was left, or its Gossip closed; with an error if a local fault ended it. The last event. */
  close: (error?: Error) => void
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
  /** Live: read again, it has grown. */
  readonly stats: PeerStats
  /** Is the link of this topic used for spreading, or kept in reserve? */
  role(topic: string): 'active' | 'standby' | null
  /** Closes our channels on this connection; the stream is the app's. */
  close(): Promise<void>
}

/** Why a message of an author is late. One entry per live incarnation. */
export interface AuthorState {
  /** 32 bytes. */
  author: Uint8Array
  /**
   * `parent`: who brings its messages, null: nobody in particular; `watermark`: highest seq below which nothing is missing,
   * -1: nothing yet; `top`: highest seq that came; `gaps`: what is missing, both ends included, and when it is asked for next.
   */
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
  /** Messages of ours that were dropped because too many waited: option `onFull: 'drop'`. */
  unsent: number
  /** Connections that were attached; less `connectionsClosed`, those attached now. */
  connectionsOpened: number
  /** Attached connections that have closed. */
  connectionsClosed: number
  /** Links that were proven and admitted; a connection has one per shared topic. */
  linksOpened: number
  /** Such links that went away. */
  linksClosed: number
  /** Links that were refused because the peer could not prove that it knows the topic. */
  badProofs: number
  /** Input that wasn't delivered, by reason; the reasons are a fixed set of words. */
  drops: Record<string, number>
}

/** Options of a Gossip. */
export interface GossipOptions {
  /** Author key pair; default: a fresh one, kept nowhere. */
  keyPair?: KeyPair
  /** Overrides single bounds of `LIMITS`. */
  limits?: Partial<Limits>
  /** Default: nobody is told. */
  logger?: Logger
}
