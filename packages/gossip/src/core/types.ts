/**
 * The contract between the sans-IO core of a topic and whoever drives it (the Node shell, the simulator, another runtime).
 *
 * `TopicCore.step(input, nowMs)` returns effects. The driver applies them in order and skips none; an answer to a
 * question comes back as an input. `nowMs` is Unix time in ms that never decreases. The core reads no clock, draws no
 * randomness of its own, starts no timer and does no I/O: all of that is passed in. Start reading at `topic-core.ts`.
 */
import type { Limits } from '../limits.js'
import type { TraceEvent } from './trace.js'

export type {
  TraceDirection,
  TracedBatch,
  TracedIncarnation,
  TracedLinkState,
  TraceEvent
} from './trace.js'

/** A topic on a connection, numbered by the driver; never used twice in the life of a core. */
export type LinkId = number

/** Why input of a remote wasn't delivered. Each is a counter. */
export type DropReason =
  | 'unproven' // a frame before the hello, or after a wrong one
  | 'unadmitted' // a frame beyond what is held until admit() answers
  | 'too-large'
  | 'malformed'
  | 'unknown-kind'
  | 'unbound-author'
  | 'over-budget'
  | 'from-the-future'
  | 'expired'
  | 'before-horizon'
  | 'unauthorized'
  | 'parked-full'
  | 'duplicate'
  | 'stale'
  | 'overlap'
  | 'own'
  | 'table-full'
  | 'bad-signature'
  | 'too-far-ahead' // over a hole that could then not be filled; it is asked for again afterwards
  | 'ignored'
  | 'rejected'

/** Why a link was closed by us, or went away. */
export type LinkDownReason =
  | 'bad-proof'
  | 'version'
  | 'hello-timeout'
  | 'refused' // admit() said no
  | 'backoff' // the peer key is refused for some time
  | 'malformed'
  | 'too-large'
  | 'demerits' // 100 points
  | 'limit' // no room for another link
  | 'closed' // the channel or the stream closed
  | 'left' // we left the topic

/** Why a topic is isolated: no link at all, no active one, or no news although others have some. */
export type IsolationReason = 'no-links' | 'no-active-links' | 'no-progress'

/** Primitives that the driver injects; all synchronous. */
export interface CryptoPort {
  /** BLAKE2b-256 over the concatenation of `parts`; 32 bytes. */
  hash(...parts: Uint8Array[]): Uint8Array
  /** BLAKE2b-256 keyed with `key` (32 or 64 bytes) over the concatenation of `parts`; 32 bytes. */
  keyedHash(key: Uint8Array, ...parts: Uint8Array[]): Uint8Array
  /** Ed25519 signature (64 bytes) of our author over `digest` (32 bytes). */
  sign(digest: Uint8Array): Uint8Array
  /** Is `signature` that of `author` over `digest`? Never throws. */
  verify(signature: Uint8Array, digest: Uint8Array, author: Uint8Array): boolean
  /** Uniform in [0, 1). */
  random(): number
}

/** What one connection may send, over all topics. */
export interface IntakePort {
  /** May a frame of so many bytes be interpreted now? Taken, if so. */
  take(bytes: number, nowMs: number): boolean
}

/** A budget of signature checks that several cores share. */
export interface VerifyPort {
  /** May a signature that the peer with this Noise key (hex) sent be checked now? Taken, if so. */
  take(peerId: string, nowMs: number): boolean
}

/** What the Noise handshake of a connection fixed; the proof is bound to it. */
export interface ConnectionBinding {
  /** 64 bytes, equal on both ends. */
  handshakeHash: Uint8Array
  /** Did we initiate the Noise handshake? */
  isInitiator: boolean
  /** Our Noise static key, 32 bytes. */
  publicKey: Uint8Array
  /** The remote's Noise static key, 32 bytes. */
  remotePublicKey: Uint8Array
}

/**
 * One author in one incarnation: what a watermark, a window and a tree belong to. One object per entry, compared by
 * identity. Thousands are kept, so it holds little: what is only shown or sent now and then is made when it is read.
 */
export interface AuthorRef {
  /** The 32 bytes of the author, a char each: what authors are looked up by. */
  readonly authorKey: string
  /** Start time in the incarnation, Unix ms: its upper 48 bits. */
  readonly startMs: number
  /** Its lower 16 bits, random. */
  readonly salt: number
  /** Empty; or, for a durable topic, feed key (32 bytes) and writer name. */
  readonly origin: Uint8Array
  /** 32 bytes, made anew each time. */
  readonly author: Uint8Array
  /** Lowercase hex of `author`, made anew each time. */
  readonly authorId: string
  /** 8 bytes: 48-bit start time in ms, big-endian, then 16 random bits. Made anew each time. */
  readonly incarnation: Uint8Array
  /** 16 lowercase hex digits of `incarnation`, made anew each time. */
  readonly incarnationId: string
}

/** A batch as it is signed, forwarded, cached and repaired. Immutable; its bytes are copies, never views on a network frame. */
export interface Batch {
  /** Who signed it. */
  readonly ref: AuthorRef
  /** Seq of the first message; the others follow without a hole. */
  readonly seq0: number
  /** Number of messages, 1 to 64. */
  readonly count: number
  /** When it was closed, Unix ms by its author's clock; never before `ref.startMs`. */
  readonly createdMs: number
  /** 1 to 120. */
  readonly ttlSeconds: number
  /** Signed class: bit 4 DURABLE, else 0. */
  readonly class: number
  /** 64 bytes. */
  readonly signature: Uint8Array
  /** Empty; or the feed's signature of a durable batch. */
  readonly head: Uint8Array
  /** The payload list exactly as it is hashed and sent: count times (uint length, bytes). */
  readonly payloadBytes: Uint8Array
  /** Views on `payloadBytes`, one a message; made anew each time. */
  readonly payloads: readonly Uint8Array[]
}

/** A batch as far as its signature covers it; author and incarnation stand beside it, the topic id is known. */
export type SignedStatement = Pick<
  Batch,
  'seq0' | 'count' | 'createdMs' | 'ttlSeconds' | 'class' | 'signature' | 'payloadBytes'
>

/** Two batches that an author signed for one seq: `verifyEquivocation` tells anybody whether that is so. Plain data. */
export interface EquivocationEvidence {
  /** Who signed both, 32 bytes. */
  readonly author: Uint8Array
  /** In which both were signed, 8 bytes. */
  readonly incarnation: Uint8Array
  /** The one that was accepted here. Elsewhere it may have been the other. */
  readonly first: SignedStatement
  /** The one that came later, and was refused. */
  readonly second: SignedStatement
}

/** Watermark of one incarnation, as HAVE tells it. */
export interface HaveEntry {
  /** Whose watermark. */
  readonly ref: AuthorRef
  /** Watermark + 1; 0: nothing yet. */
  readonly next: number
  /** Highest accepted seq - watermark; 0 without holes. */
  readonly ahead: number
}

/** Why a HAVE is sent. */
export type HaveKind = 'tick' | 'summary' | 'live' | 'join' | 'lag'

/** A range of seqs of one incarnation: `from` .. `from + count - 1`. */
export interface SeqRange {
  /** Whose messages. */
  readonly ref: AuthorRef
  readonly from: number
  /** 0: none; such a WANT only grafts. */
  readonly count: number
}

/** Why a range can't be supplied. */
export type MissReason = 'not-cached' | 'expired' | 'durable' | 'over-budget'

/**
 * A frame that is to be sent. It names authors by reference; the index that stands for one on the wire is bound when the
 * frame is written (`AuthorIndexes`), so that queues with priorities can't mix up bindings.
 */
export type OutFrame =
  | { kind: 'batch'; batch: Batch; hops: number; mark: boolean; repair: boolean; last: boolean }
  | { kind: 'have'; have: HaveKind; entries: readonly HaveEntry[] }
  | { kind: 'want'; graft: boolean; ranges: readonly SeqRange[] }
  | { kind: 'miss'; entries: readonly (SeqRange & { floor: number; reason: MissReason })[] }
  | { kind: 'prune'; refs: readonly AuthorRef[] }
  | { kind: 'offer'; ref: AuthorRef; seq0: number; count: number; bytes: number }
  | { kind: 'skip'; ref: AuthorRef; seq0: number }
  | { kind: 'link'; op: 'ask' | 'ok' | 'no' | 'demote'; high: boolean; backoffMs: number; degree: number }
  | { kind: 'peers'; keys: readonly Uint8Array[] }

/** Verdict of a validator on one message. */
export type Verdict = 'accept' | 'ignore' | 'reject'

/** What the core is told. */
export type TopicInput =
  /**
   * A channel is being opened; its hello hasn't come. `outbound`: we dialled the connection. `intake`: what the connection may
   * send; the same for all cores that have a link on it. Default: an `Intake` of this link's own.
   */
  | {
      type: 'linkOpening'
      link: LinkId
      binding: ConnectionBinding
      outbound: boolean
      intake?: IntakePort
    }
  /** The remote's hello. `bytes` may be a view. */
  | { type: 'hello'; link: LinkId; bytes: Uint8Array }
  /** A frame of kind 0.. (the Protomux message index). `bytes` may be a view on the network frame: the core copies what it keeps. */
  | { type: 'frame'; link: LinkId; kind: number; bytes: Uint8Array }
  | { type: 'linkDown'; link: LinkId }
  /** The application wants no more of this link; when it opens anew, admit() is asked again. */
  | { type: 'dismiss'; link: LinkId }
  /** The link's payload queue is over its bound and was dropped, or the link takes no more: tell it watermarks only. */
  | { type: 'lagging'; link: LinkId }
  /** The link's queue is longer than one write: it shouldn't be given own messages now. */
  | { type: 'blocked'; link: LinkId }
  /** The link takes more again. After 'lagging' the core tells it all watermarks. */
  | { type: 'drained'; link: LinkId }
  /** `payload` is owned by the core from now on. `publish` is the driver's number of the call. */
  | { type: 'publish'; publish: number; payload: Uint8Array; ttlMs?: number }
  /** Forget a publish that is still waiting (its signal was aborted). */
  | { type: 'cancel'; publish: number }
  /** Answer to `ask`; it may come late, twice or never. */
  | { type: 'answer'; question: number; verdicts: readonly Verdict[] }
  /** `wall = nowMs + offsetMs` since now; at start 0. */
  | { type: 'clock'; offsetMs: number }
  /** A deadline that `wake` named may have come. */
  | { type: 'tick' }
  /** Close the open batch now, tell the links that we go, close them. */
  | { type: 'leave' }

/** Priorities of what is sent, served strictly in this order. */
export type SendClass = 0 | 1 | 2 | 3
/** Everything but batches: watermarks, WANT, MISS. Few bytes on which repair depends. */
export const SEND_CONTROL = 0
/** Our own batches, before those of others: what is published here reaches the network even under load. */
export const SEND_OWN = 1
/** Batches of others, up to 4 KiB. */
export const SEND_FORWARD = 2
/** Batches over 4 KiB, and answers to a WANT. */
export const SEND_BULK = 3

/** What the core asks for. */
export type TopicEffect =
  /** One frame for the egress queue of the link's connection (`Egress.push`), which turns it into bytes when it is written. */
  | { type: 'send'; link: LinkId; class: SendClass; frame: OutFrame }
  /** Close the channel; the stream stays. Refuse the peer key on this topic for `backoffMs`: the core does that itself. */
  | { type: 'closeLink'; link: LinkId; reason: LinkDownReason; backoffMs: number }
  /** The link is proven and admitted. */
  | { type: 'linkUp'; link: LinkId; role: 'active' | 'standby' }
  /** Active and standby changed. */
  | { type: 'linkRole'; link: LinkId; role: 'active' | 'standby' }
  /** A link that was up is gone. */
  | { type: 'linkDown'; link: LinkId; reason: LinkDownReason }
  /** A batch that waits for the link needn't be sent any more, if it wasn't written yet (`Egress.cancel`). */
  | { type: 'unsend'; link: LinkId; batch: Batch }
  /** A peer of this topic that we have no link with, 32 bytes: dial it, if that is possible. Nobody proved that it exists. */
  | { type: 'hint'; peerKey: Uint8Array }
  /** Nothing reaches us although it should: look for peers anew. */
  | { type: 'isolated'; reason: IsolationReason }
  /** Over with it. */
  | { type: 'rejoined' }
  /** Deliver the messages of `batch` whose index is in `accepted` (all if null). `link` null: our own (emitSelf is the driver's matter). */
  | { type: 'deliver'; batch: Batch; hops: number; accepted: readonly number[] | null; link: LinkId | null }
  /** A publish was signed and handed to `links` links. */
  | { type: 'published'; publish: number; incarnation: string; seq: number; links: number }
  /** A publish can't be done: left. */
  | { type: 'refused'; publish: number; reason: 'closed' }
  /** A publish can't be done: with it `value` bytes or messages would wait, more than `limit`. 'dropped': by the option `onFull`. */
  | { type: 'refused'; publish: number; reason: 'full' | 'dropped'; limit: keyof Limits; value: number }
  /** 'authorize': one verdict, 'accept' or 'ignore'. 'validate': one verdict a message. 'admit': one verdict. */
  | { type: 'ask'; question: number; about: 'authorize'; author: Uint8Array }
  | { type: 'ask'; question: number; about: 'validate'; batch: Batch; hops: number; link: LinkId | null }
  | { type: 'ask'; question: number; about: 'admit'; link: LinkId }
  /** Input of a link wasn't delivered. `points` of demerit were charged to its peer key. */
  | { type: 'drop'; link: LinkId | null; reason: DropReason; points: number }
  /** Messages that can't be had any more: `[from, to]`, both included. Told once. */
  | { type: 'gap'; author: Uint8Array; incarnation: string; from: number; to: number }
  /**
   * An author signed two different batches for `seq`; told once per incarnation. `evidence` null: the first batch isn't
   * kept any more, so this process knows it but can't prove it; told again should a proof come.
   */
  | {
      type: 'equivocation'
      author: Uint8Array
      incarnation: string
      seq: number
      evidence: EquivocationEvidence | null
    }
  | { type: 'warning'; code: 'clock' | 'clone' | 'slow-peer' | 'bad-proof' | 'version'; link: LinkId | null }
  /** The core wants `tick` at `atMs` (or at once, if that is past). Replaces the earlier wish; Infinity: no wish. */
  | { type: 'wake'; atMs: number }

/**
 * What publish does while every active link is busy. 'wait': waits. 'throw' and 'drop': waits only until as much waits as
 * one link may have queued, then refuses.
 */
export type OnFull = 'wait' | 'throw' | 'drop'

/** What a core is made of. */
export interface TopicCoreOptions {
  /** 32 bytes; see `keys.ts` for how topic id, channel id and proof follow from it. */
  topicKey: Uint8Array
  /** Our author key, 32 bytes. */
  author: Uint8Array
  /** Signs as `author`; its `random` is the only randomness of the core. */
  crypto: CryptoPort
  /** All bounds; start from `LIMITS`. */
  limits: Limits
  /** `nowMs` of the first step. */
  startMs: number
  /** Ask before any signature of an author is checked. Default false: everybody is authorized. */
  asksAuthorize?: boolean
  /** Ask for a verdict on each message. Default false: all are accepted. */
  asksValidate?: boolean
  /** Ask before a proven link opens. Default false. */
  asksAdmit?: boolean
  /** Default time to live of what we publish; default `limits.ttlMs`. */
  ttlMs?: number
  /** Fixed wait before an open batch is closed, 0 to 50; default 0: at the end of the tick. */
  batchMs?: number
  /**
   * Accept only what was created `maxSkewMs` or more after the start, so that nothing is delivered again that a process
   * before this one delivered. Costs up to `maxSkewMs` of silence at each start. Default false.
   */
  bootHorizon?: boolean
  /** Notice authors that sign two batches for one seq: effect 'equivocation'. Costs a hash per copy. Default false. */
  detectEquivocation?: boolean
  /** What becomes of a publish while more waits than a link may have queued; see `TopicOptions`. Default 'wait'. */
  onFull?: OnFull
  /** Signature checks per second over all topics of a process; default: a `VerifyBudget` of this core's own. */
  verifies?: VerifyPort
  /**
   * Typed events for people who look: pushes, duplicates, repairs, drops. Never decides anything. Called in the middle of
   * a step: it must not throw, nor call the core.
   */
  trace?: (event: TraceEvent) => void
}

/** Why a message of an author is late, per incarnation: what `topic.explain()` shows. */
export interface IncarnationState {
  /** 16 hex digits. */
  incarnation: string
  /** Peer that brings this author's messages; null: nobody yet, or it is ourselves. */
  parent: LinkId | null
  /** Highest seq below which nothing is missing; -1: nothing yet. */
  watermark: number
  /** Highest seq accepted; -1: none. */
  top: number
  /** Links to which its batches are pushed. */
  children: readonly LinkId[]
  /** Link that last told how much it has of this incarnation, and when; null: none did. The link may be gone by now. */
  lastHave: { link: LinkId; atMs: number } | null
  /** Missing ranges, both ends included. */
  gaps: readonly { from: number; to: number; askedOf: LinkId | null; nextAtMs: number }[]
}
