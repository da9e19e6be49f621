/// <reference lib="esnext.disposable" preserve="true" />
/**
 * Public types of this package: what applications see of topics, messages and peers.
 *
 * Own structural interfaces stand for foreign classes (Protomux, Noise streams, Hyperswarm), so that no untyped
 * module is ever part of our declarations.
 */
import type { EquivocationEvidence, IsolationReason, OnFull, Verdict } from './core/types.js'
import type { PeerJson, PeerLinkState, PeerStats, TopicTraceEvent } from './inspection.js'
import type { Limits } from './limits.js'

export type { EquivocationEvidence, IsolationReason, OnFull, SignedStatement, Verdict } from './core/types.js'
export type * from './inspection.js'
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
  /** A topic is cut off from others, or is so no longer. */
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
  /** Messages that came after `ordered` had gone on without them; not delivered, and not in `dropped`. */
  readonly late: number
  /** Ranges lost so far (bounded; see `LagRange.exact`). */
  readonly lags: readonly LagRange[]
  /** Takes nothing new, but delivers what is queued; then the iteration ends. */
  drain(): void
  /** Ends it at once; what is queued is gone. Called by `break`, too. */
  return(): Promise<IteratorResult<Message<T>, undefined>>
  /** The same as `return()`. */
  close(): Promise<void>
  /** The same as `return()`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void>
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
  /**
   * Nothing reaches us although it should: standbys are being asked for help. 'no-links' and 'no-active-links': for 1 s;
   * 'no-progress': for 10 s nothing came, while others told that there is something.
   */
  isolated: (reason: IsolationReason) => void
  /** Over with it. */
  rejoined: () => void
  /**
   * A peer told of another one of this topic that we have no link with, by its Noise key (32 bytes): dial it, if you can.
   * Nobody proved that it exists. `Swarm` does that by itself, on a Hyperswarm of its own.
   */
  hint: (peerKey: Uint8Array) => void
  /** A subscription of this topic lost messages because its reader was slow. */
  lag: (range: LagRange) => void
  /** The network lost messages for good, or an `ordered` subscription went on without them. */
  gap: (range: GapRange) => void
  /** An author signed two different things for one seq; needs the option `detectEquivocation`. */
  equivocation: (equivocation: Equivocation) => void
  /** Remote trouble; the topic goes on. */
  warning: (error: Error) => void
  /** The topic was left, or its Gossip closed; with an error if a local fault ended it. The last event. */
  close: (error?: Error) => void
}

/** The process at the other end of a connection. */
export interface Peer {
  /** Its Noise public key, 32 bytes; empty until the handshake is done. Not an author key. */
  readonly remotePublicKey: Uint8Array
  /** `remotePublicKey` as z-base-32. */
  readonly id: string
  /** Round trip in ms, smoothed; 0 until it is known. */
  readonly rtt: number
  /** Names of the topics shared with it. */
  readonly topics: ReadonlySet<string>
  /** Live: read again, it has grown. */
  readonly stats: PeerStats
  /** Its links, one per shared topic and connection, as of now. */
  readonly links: readonly PeerLinkState[]
  /** Is the link of this topic used for spreading, or kept in reserve? */
  role(topic: string): 'active' | 'standby' | null
  /** Closes our channels on this connection; the stream is the app's. */
  close(): Promise<void>
  /** A copy as plain data. */
  toJSON(): PeerJson
}

/** Options of a Gossip. */
export interface GossipOptions {
  /** Author key pair; default: a fresh one, kept nowhere. */
  keyPair?: KeyPair
  /** Overrides single bounds of `LIMITS`. */
  limits?: Partial<Limits>
  /** Default: nobody is told. */
  logger?: Logger
  /**
   * Sees what happens, event by event, in order and soon after: for people. Costs nothing if it is left out. What it throws
   * is told once, as the warning `WARN_GOSSIP_TRACE_THREW`, and changes nothing else.
   */
  trace?(event: TopicTraceEvent): void
}
