/**
 * Own messages on their way to the links: gathered into a batch, paced, signed, handed over.
 *
 *   waiting --some active link takes own messages, or there is none--> open batch
 *   open batch --end of tick, 64 messages, 16 KiB, other ttl---------> signed, in the cache, sent
 *
 * Invariants:
 * 1. Order of publish = order of seq. What waits is never overtaken.
 * 2. One slow link among others never holds the publisher up; it waits only while all active links are blocked.
 * 3. An incarnation is drawn at the first batch and kept nowhere. A new one is drawn when the wall clock jumped, when
 *    seqs reach 2^31, and when somebody else was found to use ours. So no (incarnation, seq) is signed twice.
 * 4. What waits is bounded, by number and by bytes. One message may wait, however large.
 * 5. `created` never decreases within an incarnation, and never lies before its start.
 */
import { rangeError } from '../errors.js'
import type { Limits } from '../limits.js'
import { encodePayloads, makeBatch, type SignedBatch } from './batch.js'
import { TokenBucket } from './budget.js'
import { makeAuthorRef, newIncarnation } from './keys.js'
import type { AuthorRef, Batch, CryptoPort, OnFull } from './types.js'

/** A message that isn't signed yet. */
interface Message {
  readonly publish: number
  readonly payload: Uint8Array
  readonly ttlSeconds: number
}

/** A batch that still takes messages. */
interface OpenBatch {
  readonly ttlSeconds: number
  messages: Message[]
  bytes: number
  isFull: boolean
  closeAtMs: number
}

/** A signed batch, with the numbers of the calls that it answers, in order of seq. */
export interface OwnBatch {
  readonly batch: Batch
  readonly publishes: readonly number[]
}

/** A bound of what may wait, and what it would have come to. */
export interface Full {
  readonly limit: 'maxUnsentBytes' | 'maxQueuedBytesPerLink' | 'maxWaitingPublishes'
  readonly value: number
}

/** What a publisher needs. */
export interface PublisherOptions {
  readonly limits: Limits
  readonly crypto: CryptoPort
  /** Our author key, 32 bytes. */
  readonly author: Uint8Array
  readonly digest: (batch: SignedBatch) => Uint8Array
  /** Default time to live. */
  readonly ttlMs: number
  /** Fixed wait before a batch is closed; 0: until the end of the tick. */
  readonly batchMs: number
  /** 'throw' and 'drop' let less wait. */
  readonly onFull: OnFull
}

/** Seqs of one incarnation. Far below what a number holds, so that every implementation can count them. */
const MAX_SEQ = 2 ** 31
/** Incarnations drawn within this time start one ms after the other. */
const SAME_START_MS = 1000
/** Share of what receivers allow an author: two clocks never agree exactly. */
const PACE = 0.8

/** Signs and numbers what we publish. */
export class Publisher {
  readonly #options: PublisherOptions
  readonly #partial: TokenBucket
  readonly #pace: TokenBucket
  readonly #bytePace: TokenBucket
  readonly #maxPacedBytes: number
  #waiting: Message[] = []
  #waitingHead = 0
  #waitingBytes = 0
  #open: OpenBatch | null = null
  #resumeAtMs = Number.POSITIVE_INFINITY
  #ref: AuthorRef | null = null
  #lastStartMs = Number.NEGATIVE_INFINITY
  #nextSeq = 0
  #lastCreatedMs = 0

  constructor(options: PublisherOptions) {
    this.#options = options
    const { authorBatchesPerSecond, authorBytesPerSecond, partialBatchesPerSecond } = options.limits
    const perSecond = authorBatchesPerSecond * PACE
    this.#pace = new TokenBucket(perSecond, perSecond)
    this.#partial = new TokenBucket(partialBatchesPerSecond, Math.max(1, partialBatchesPerSecond / 10))
    this.#maxPacedBytes = authorBytesPerSecond * PACE
    this.#bytePace = new TokenBucket(this.#maxPacedBytes, this.#maxPacedBytes)
  }

  /** The current incarnation; null: the next batch draws one. */
  get ref(): AuthorRef | null {
    return this.#ref
  }

  /** Messages that wait for a link. */
  get waiting(): number {
    return this.#waiting.length - this.#waitingHead
  }

  /** Bytes of those messages. */
  get waitingBytes(): number {
    return this.#waitingBytes
  }

  /** When `pump` has something to do, at a tick; Infinity: nothing. */
  get nextAtMs(): number {
    return Math.min(this.#resumeAtMs, this.#open?.closeAtMs ?? Number.POSITIVE_INFINITY)
  }

  /** The next batch starts a new incarnation. */
  renew(): void {
    this.#ref = null
  }

  /**
   * Takes a message.
   *
   * @returns Null; or, if it wasn't taken, the bound that was reached.
   * @throws RangeError if the payload is over `maxMessageBytes`; the driver is expected to have checked that.
   */
  add(publish: number, payload: Uint8Array, ttlMs: number | undefined): Full | null {
    const { limits } = this.#options
    if (payload.length > limits.maxMessageBytes) {
      const size = `payload is ${payload.length} bytes, limit is ${limits.maxMessageBytes} (maxMessageBytes)`
      throw rangeError('ERR_GOSSIP_TOO_LARGE', size)
    }
    const full = this.#fullWith(payload.length)
    if (full !== null) return full
    const seconds = Math.ceil((ttlMs ?? this.#options.ttlMs) / 1000)
    const ttlSeconds = Math.min(Math.max(1, seconds), Math.floor(limits.maxTtlMs / 1000))
    this.#waiting.push({ publish, payload, ttlSeconds })
    this.#waitingBytes += payload.length
    return null
  }

  /** Forgets a message that isn't signed yet. */
  cancel(publish: number): void {
    const isOther = (message: Message): boolean => message.publish !== publish
    this.#waiting = this.#waiting.slice(this.#waitingHead).filter(isOther)
    this.#waitingHead = 0
    this.#waitingBytes = this.#waiting.reduce((bytes, { payload }) => bytes + payload.length, 0)
    if (this.#open === null) return
    const cancelled = this.#open.messages.find(message => message.publish === publish)
    if (cancelled === undefined) return
    this.#open.messages = this.#open.messages.filter(isOther)
    this.#open.bytes -= cancelled.payload.length
    if (this.#open.messages.length === 0) this.#open = null
  }

  /**
   * Moves messages into batches as far as links and pace allow.
   *
   * @param now.hasRoom - Does a link take own messages, or is there no link at all?
   * @param now.isTick - Is this the end of a tick, so that a partly filled batch may be closed?
   */
  pump(now: { nowMs: number; wallMs: number; hasRoom: boolean; isTick: boolean }): OwnBatch[] {
    const batches: OwnBatch[] = []
    const { nowMs, wallMs } = now
    if (now.isTick && this.#open !== null && nowMs >= this.#open.closeAtMs)
      this.#closeOpen(nowMs, wallMs, batches)
    // A full batch that waits for its pace is closed as soon as it may, tick or not.
    if (this.#open?.isFull === true) this.#closeOpen(nowMs, wallMs, batches)
    this.#resumeAtMs = Number.POSITIVE_INFINITY
    let bytes = 0
    while (now.hasRoom && this.waiting > 0 && this.#open?.isFull !== true) {
      if (bytes > this.#options.limits.blockedBytes / 2) {
        // The links tell that they are blocked only after the step, so a long queue is let out bit by bit.
        this.#resumeAtMs = nowMs
        break
      }
      const message = this.#waiting[this.#waitingHead] as Message
      if (this.#open !== null && !this.#fits(this.#open, message)) this.#open.isFull = true
      else {
        this.#join(message, nowMs)
        bytes += message.payload.length
      }
      if (this.#open?.isFull === true) this.#closeOpen(nowMs, wallMs, batches)
    }
    return batches
  }

  /** Signs what is in the open batch, whatever its pace, and gives up what waits. */
  leave(wallMs: number): { batches: OwnBatch[]; refused: number[] } {
    const batches: OwnBatch[] = []
    if (this.#open !== null) batches.push(this.#sign(this.#open, wallMs))
    const refused = this.#waiting.slice(this.#waitingHead).map(message => message.publish)
    this.#open = null
    this.#waiting = []
    this.#waitingHead = 0
    this.#waitingBytes = 0
    return { batches, refused }
  }

  // Without patience as much may wait as one link may have queued: a burst within a tick isn't yet a busy link.
  #fullWith(bytes: number): Full | null {
    if (this.waiting === 0) return null
    const { limits, onFull } = this.#options
    const { maxUnsentBytes, maxQueuedBytesPerLink, maxWaitingPublishes } = limits
    if (this.waiting >= maxWaitingPublishes) return { limit: 'maxWaitingPublishes', value: this.waiting + 1 }
    const value = this.#waitingBytes + bytes
    if (onFull !== 'wait' && value > maxQueuedBytesPerLink) return { limit: 'maxQueuedBytesPerLink', value }
    return value > maxUnsentBytes ? { limit: 'maxUnsentBytes', value } : null
  }

  #fits(open: OpenBatch, message: Message): boolean {
    const bytes = open.bytes + message.payload.length
    return open.ttlSeconds === message.ttlSeconds && bytes <= this.#options.limits.maxBatchBytes
  }

  #join(message: Message, nowMs: number): void {
    const { limits, batchMs } = this.#options
    this.#shift()
    this.#waitingBytes -= message.payload.length
    if (this.#open === null) {
      const { ttlSeconds } = message
      this.#open = { ttlSeconds, messages: [], bytes: 0, isFull: false, closeAtMs: nowMs + batchMs }
    }
    const open = this.#open
    open.messages.push(message)
    open.bytes += message.payload.length
    open.isFull = open.messages.length >= limits.maxBatchMessages || open.bytes >= limits.maxBatchBytes
  }

  // An index instead of `shift()`: thousands may wait.
  #shift(): void {
    this.#waitingHead++
    if (this.#waitingHead < 1024 && this.#waitingHead < this.#waiting.length) return
    this.#waiting = this.#waiting.slice(this.#waitingHead)
    this.#waitingHead = 0
  }

  #closeOpen(nowMs: number, wallMs: number, batches: OwnBatch[]): void {
    const open = this.#open
    if (open === null) return
    const partialMs = open.isFull ? 0 : this.#partial.waitMs(1, nowMs)
    const bytes = Math.min(open.bytes, this.#maxPacedBytes)
    const waitMs = Math.max(partialMs, this.#pace.waitMs(1, nowMs), this.#bytePace.waitMs(bytes, nowMs))
    if (waitMs > 0) {
      open.closeAtMs = nowMs + waitMs
      return
    }
    if (!open.isFull) this.#partial.take(1, nowMs)
    this.#pace.take(1, nowMs)
    this.#bytePace.take(bytes, nowMs)
    this.#open = null
    batches.push(this.#sign(open, wallMs))
  }

  #sign(open: OpenBatch, wallMs: number): OwnBatch {
    const { crypto, digest } = this.#options
    const count = open.messages.length
    if (this.#ref === null || this.#nextSeq + count > MAX_SEQ) this.#draw(wallMs)
    const ref = this.#ref as unknown as AuthorRef
    this.#lastCreatedMs = Math.max(Math.floor(wallMs), this.#lastCreatedMs)
    const payloadBytes = encodePayloads(open.messages.map(message => message.payload))
    const unsigned = {
      ref,
      seq0: this.#nextSeq,
      count,
      createdMs: this.#lastCreatedMs,
      ttlSeconds: open.ttlSeconds,
      class: 0,
      payloadBytes
    }
    const batch = makeBatch(unsigned, crypto.sign(digest(unsigned)))
    this.#nextSeq += count
    return { batch, publishes: open.messages.map(message => message.publish) }
  }

  #draw(wallMs: number): void {
    const { crypto, author } = this.#options
    const lastMs = this.#lastStartMs
    // 16 random bits tell two processes apart. One that draws twice within a ms must not rely on chance.
    const isSoon = wallMs < lastMs + 1 && wallMs > lastMs - SAME_START_MS
    const startMs = isSoon ? lastMs + 1 : Math.floor(wallMs)
    const ref = makeAuthorRef(
      author,
      newIncarnation(startMs, () => crypto.random())
    )
    this.#ref = ref
    this.#lastStartMs = ref.startMs
    this.#nextSeq = 0
    this.#lastCreatedMs = ref.startMs
  }
}
