/**
 * What is remembered of one author in one incarnation, and what it may still send.
 *
 * Thousands are kept, most of them of authors that say little. So what is rarely needed is made when it is, and dropped
 * again, and times are counted from the start of the incarnation: V8 keeps an integer below 2^31 in its field, and any
 * other number in an object of 16 bytes.
 */
import type { Limits } from '../limits.js'
import { TokenBucket } from './budget.js'
import type { AuthorRef, LinkId } from './types.js'
import { Window } from './window.js'

/** Budgets of one author in one incarnation. */
interface Pace {
  /** Batches per second, repaired ones too. */
  readonly batches: TokenBucket
  /** Payload bytes of the same. */
  readonly bytes: TokenBucket
}

/** One author in one incarnation. */
export class AuthorEntry {
  /** The one object that stands for this incarnation in batches and frames. */
  readonly ref: AuthorRef
  readonly window: Window
  /** Peer key that pays for the entry; null: pinned. */
  readonly chargedTo: string | null
  /** Losses below this seq aren't told: we may have been away, or may have had them before. */
  readonly toldFrom: number
  /** Highest seq below which nothing is missing; -1: nothing yet. */
  watermark = -1
  /** Another incarnation of this author, younger than this one. */
  sibling: AuthorEntry | null = null
  /** Link that told its watermark last; -1: none did. For people who ask why a message is late. */
  haveFrom: LinkId = -1
  #pace: Pace | null = null
  #expiresAfterMs = 0
  #haveAfterMs = 0

  constructor(ref: AuthorRef, about: { windowSeqs: number; chargedTo: string | null; toldFrom: number }) {
    this.ref = ref
    this.window = new Window(about.windowSeqs)
    this.chargedTo = about.chargedTo
    this.toldFrom = about.toldFrom
  }

  /** When the last of what was accepted expires, by the wall clock; at first the start of the incarnation. */
  get lastExpiresMs(): number {
    return this.ref.startMs + this.#expiresAfterMs
  }

  /** When `haveFrom` told it. */
  get haveMs(): number {
    return this.ref.startMs + this.#haveAfterMs
  }

  /** Something was accepted that expires then. */
  lives(expiresMs: number): void {
    if (expiresMs > this.lastExpiresMs) this.#expiresAfterMs = small(expiresMs - this.ref.startMs)
  }

  /** A link told its watermark. */
  haveCame(link: LinkId, nowMs: number): void {
    this.haveFrom = link
    this.#haveAfterMs = small(nowMs - this.ref.startMs)
  }

  /** Takes a batch from what it may send; false: it sends more than that. */
  takePace(bytes: number, nowMs: number, limits: Limits): boolean {
    this.#pace ??= makePace(limits)
    return this.#pace.batches.take(1, nowMs) && this.#pace.bytes.take(bytes, nowMs)
  }

  /** Drops the budgets if they are as good as new. */
  rest(nowMs: number): void {
    const pace = this.#pace
    if (pace?.batches.isFull(nowMs) === true && pace.bytes.isFull(nowMs)) this.#pace = null
  }
}

// A difference is a number of the large kind, whatever its value, until it went through an integer operator.
const small = (ms: number): number => ((ms | 0) === ms ? ms | 0 : ms)

function makePace({ authorBatchesPerSecond, authorBytesPerSecond }: Limits): Pace {
  return {
    batches: new TokenBucket(authorBatchesPerSecond, authorBatchesPerSecond * 2),
    bytes: new TokenBucket(authorBytesPerSecond, authorBytesPerSecond * 2)
  }
}
