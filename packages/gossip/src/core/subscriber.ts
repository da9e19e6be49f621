/**
 * What waits for one reader of a topic: bounded in messages and bytes, and honest about what didn't fit.
 *
 * Full: the oldest message is dropped, and a lag range takes its place, so that the reader learns of the loss exactly
 * where it happened. Only the oldest are dropped, so all lost ranges that weren't read yet lie before the first message.
 * A single message is always held, however large. In `ordered` mode messages pass an `OrderBuffer` first; what that one
 * skips stands in the queue at its place. Sans-IO: the driver calls `tick` when `wakeAtMs` has come.
 */
import { LIMITS } from '../limits.js'
import { type LostRange, LostRanges } from './lost-ranges.js'
import { OrderBuffer, SkippedRange } from './order-buffer.js'

export type { LostRange } from './lost-ranges.js'

/** What a buffer has to know of a message. */
export interface BufferedMessage {
  /** 32 bytes. */
  readonly author: Uint8Array
  /** 16 hex digits. */
  readonly incarnation: string
  readonly seq: number
  /** What the message counts against `maxBytes`. */
  readonly bytes: number
}

/** Bounds and mode of a buffer. */
export interface SubscriberOptions {
  /** Default `LIMITS.maxSubscriptionMessages`. */
  maxMessages?: number
  /** Default `LIMITS.maxSubscriptionBytes`. */
  maxBytes?: number
  /** Lost ranges kept apart; default `LIMITS.maxLagRanges`. */
  maxRanges?: number
  /** Incarnations that ordered mode remembers; default `LIMITS.maxAuthors`. */
  maxAuthors?: number
  /** Per incarnation in order of seq, waiting at most 2 s or 256 messages for a missing one. Default false. */
  ordered?: boolean
}

/** What the reader gets next. 'lag': it was too slow. 'skip': ordered mode has waited long enough. */
export type SubscriberItem<M> =
  | { readonly type: 'message'; readonly message: M }
  | { readonly type: 'lag'; readonly range: LostRange }
  | { readonly type: 'skip'; readonly range: LostRange }

/** Read positions before this one are cut off the array, in one move. */
const COMPACT_AT = 1024

/** A bounded queue of messages and of ranges that are missing between them. */
export class SubscriberBuffer<M extends BufferedMessage> {
  readonly #maxMessages: number
  readonly #maxBytes: number
  readonly #order: OrderBuffer<M> | null
  /** Lost before the first message of the queue, not read yet. */
  readonly #unread: LostRanges
  readonly #history: LostRanges
  #queue: (M | SkippedRange | undefined)[] = []
  #at = 0
  #queued = 0
  #bytes = 0
  #received = 0
  #dropped = 0
  #late = 0

  constructor(options: SubscriberOptions = {}) {
    this.#maxMessages = options.maxMessages ?? LIMITS.maxSubscriptionMessages
    this.#maxBytes = options.maxBytes ?? LIMITS.maxSubscriptionBytes
    const maxRanges = options.maxRanges ?? LIMITS.maxLagRanges
    this.#unread = new LostRanges(maxRanges)
    this.#history = new LostRanges(maxRanges)
    this.#order = options.ordered === true ? new OrderBuffer(options.maxAuthors ?? LIMITS.maxAuthors) : null
  }

  /** Messages taken in. */
  get received(): number {
    return this.#received
  }

  /** Messages dropped because the reader was too slow. */
  get dropped(): number {
    return this.#dropped
  }

  /** Messages dropped because they came after ordered mode had gone on without them. */
  get late(): number {
    return this.#late
  }

  /** Messages that wait for the reader, held ones included. */
  get pending(): number {
    return this.#queued + (this.#order?.held ?? 0)
  }

  /** Bytes of those messages. */
  get pendingBytes(): number {
    return this.#bytes
  }

  /** Has `shift` something to return? */
  get isReadable(): boolean {
    return this.#unread.size > 0 || this.#at < this.#queue.length
  }

  /** When `tick` has something to do; Infinity: never. */
  get wakeAtMs(): number {
    return this.#order?.wakeAtMs ?? Number.POSITIVE_INFINITY
  }

  /** Ranges lost since the beginning; bounded, see `LostRange.exact`. */
  get lags(): readonly LostRange[] {
    return this.#history.list
  }

  /** Takes a message in; drops the oldest ones if it is one too many. */
  push(message: M, nowMs: number): void {
    this.#received++
    if (this.#order === null) {
      this.#append(message)
      this.#bytes += message.bytes
    } else if (!this.#pushOrdered(this.#order, message, nowMs)) {
      return
    }
    while (this.pending > this.#maxMessages || (this.#bytes > this.#maxBytes && this.pending > 1)) {
      this.#dropOldest()
    }
  }

  /** Takes the next item; undefined: nothing to read now. */
  shift(): SubscriberItem<M> | undefined {
    const range = this.#unread.shift()
    if (range !== undefined) return { type: 'lag', range }
    const entry = this.#take()
    if (entry === undefined) return undefined
    if (entry instanceof SkippedRange) return { type: 'skip', range: lostRange(entry) }
    this.#bytes -= entry.bytes
    return { type: 'message', message: entry }
  }

  /** Lets ordered mode go on without what it waited for long enough. */
  tick(nowMs: number): void {
    const ready: (M | SkippedRange)[] = []
    this.#order?.tick(nowMs, ready)
    for (const entry of ready) this.#append(entry)
  }

  /** Lets ordered mode wait no longer for anything: the reader drains the buffer. */
  release(): void {
    this.tick(Number.POSITIVE_INFINITY)
  }

  #pushOrdered(order: OrderBuffer<M>, message: M, nowMs: number): boolean {
    const ready: (M | SkippedRange)[] = []
    const taken = order.add(message, nowMs, ready)
    for (const entry of ready) this.#append(entry)
    if (taken === 'taken') {
      this.#bytes += message.bytes
      return true
    }
    this.#late++
    if (taken === 'unknown') this.#lose(message, message.seq, message.seq)
    return false
  }

  #append(entry: M | SkippedRange): void {
    this.#queue.push(entry)
    if (entry instanceof SkippedRange) this.#history.add(entry.source, entry)
    else this.#queued++
  }

  #dropOldest(): void {
    const entry = this.#take()
    if (entry === undefined) {
      const ready: (M | SkippedRange)[] = []
      this.#order?.skipOldest(ready)
      for (const next of ready) this.#append(next)
    } else if (entry instanceof SkippedRange) {
      // It is in the history already; only its place is now before the queue.
      this.#unread.add(entry.source, entry)
    } else {
      this.#dropped++
      this.#bytes -= entry.bytes
      this.#lose(entry, entry.seq, entry.seq)
    }
  }

  #lose(message: M, from: number, to: number): void {
    const { author, incarnation } = message
    this.#unread.add({ author, incarnation }, { from, to })
    this.#history.add({ author, incarnation }, { from, to })
  }

  #take(): M | SkippedRange | undefined {
    const entry = this.#queue[this.#at]
    if (entry === undefined) return undefined
    // What was read is let go at once, not when the array is cut.
    this.#queue[this.#at++] = undefined
    if (!(entry instanceof SkippedRange)) this.#queued--
    if (this.#at === this.#queue.length || (this.#at >= COMPACT_AT && this.#at * 2 > this.#queue.length)) {
      this.#queue = this.#queue.slice(this.#at)
      this.#at = 0
    }
    return entry
  }
}

function lostRange(skipped: SkippedRange): LostRange {
  const { source, from, to } = skipped
  return { ...source, from, to, count: to - from + 1, exact: true }
}
