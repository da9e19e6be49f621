/**
 * Puts the messages of each incarnation in order of seq, for a while.
 *
 * A message above a hole is held for at most 2 s, and at most 256 are held per incarnation; then the hole is skipped and
 * told. What arrives below a skipped hole is late and isn't delivered any more.
 *
 * At first contact nobody knows where to begin. A first seq below 256 is taken as a young incarnation, whose beginning
 * may still be repaired: it waits for seq 0 like for any other hole, but what doesn't come isn't told as skipped, since
 * nobody promised it. A higher one is the beginning.
 *
 * Bounds: what is held counts against the bound of the buffer around it; `maxStreams` incarnations are remembered, those
 * that hold nothing are forgotten first.
 */
import b4a from 'b4a'
import type { MessageSource } from './lost-ranges.js'

/** Longest wait for a missing message. */
const HOLD_MS = 2000
/** Messages held per incarnation; also the seq up to which a beginning is waited for. */
const HOLD_MESSAGES = 256

/** A hole that was given up: `from` and `to` included. */
export class SkippedRange {
  readonly source: MessageSource
  readonly from: number
  readonly to: number

  constructor(source: MessageSource, from: number, to: number) {
    this.source = source
    this.from = from
    this.to = to
  }
}

/** What a message tells of its place. */
export type Ordered = MessageSource & { readonly seq: number }

interface Held<M> {
  readonly message: M
  readonly atMs: number
}

interface Stream<M> {
  readonly source: MessageSource
  next: number
  /** Below it nothing was promised, delivered or told. */
  floor: number
  hasBegun: boolean
  /** By seq, in order of arrival. */
  readonly held: Map<number, Held<M>>
}

/** Holds messages back until those before them have come. */
export class OrderBuffer<M extends Ordered> {
  readonly #maxStreams: number
  /** By incarnation; two authors may have drawn the same one. */
  readonly #streams = new Map<string, Stream<M>[]>()
  readonly #waiting = new Set<Stream<M>>()
  #streamCount = 0
  #held = 0

  /** @param maxStreams - Incarnations remembered. */
  constructor(maxStreams: number) {
    this.#maxStreams = maxStreams
  }

  /** Messages held. */
  get held(): number {
    return this.#held
  }

  /** When `tick` has something to do; Infinity: never. */
  get wakeAtMs(): number {
    let atMs = Number.POSITIVE_INFINITY
    for (const stream of this.#waiting) atMs = Math.min(atMs, deadlineOf(stream))
    return atMs
  }

  /**
   * Takes a message. What is in order by now is appended to `ready`.
   *
   * @returns 'taken'; 'late': it comes after its hole was told as skipped; 'unknown': below where we began, never told.
   */
  add(message: M, nowMs: number, ready: (M | SkippedRange)[]): 'taken' | 'late' | 'unknown' {
    const stream = this.#streamOf(message)
    if (message.seq < stream.next) return message.seq < stream.floor ? 'unknown' : 'late'
    stream.held.set(message.seq, { message, atMs: nowMs })
    this.#held++
    this.#drain(stream, ready)
    while (stream.held.size > HOLD_MESSAGES) this.#skip(stream, ready)
    return 'taken'
  }

  /** Skips the holes that were waited for long enough. */
  tick(nowMs: number, ready: (M | SkippedRange)[]): void {
    for (const stream of this.#waiting) {
      while (stream.held.size > 0 && nowMs >= deadlineOf(stream)) this.#skip(stream, ready)
    }
  }

  /** Skips the hole that was waited for the longest. */
  skipOldest(ready: (M | SkippedRange)[]): void {
    let oldest: Stream<M> | undefined
    for (const stream of this.#waiting) {
      if (oldest === undefined || deadlineOf(stream) < deadlineOf(oldest)) oldest = stream
    }
    if (oldest !== undefined) this.#skip(oldest, ready)
  }

  #streamOf(message: M): Stream<M> {
    const { incarnation, author, seq } = message
    const known = this.#streams.get(incarnation)
    for (const stream of known ?? []) if (b4a.equals(stream.source.author, author)) return stream
    if (this.#streamCount >= this.#maxStreams) this.#forgetOne()
    const isYoung = seq < HOLD_MESSAGES
    const stream: Stream<M> = {
      source: { author, incarnation },
      next: isYoung ? 0 : seq,
      floor: isYoung ? 0 : seq,
      hasBegun: !isYoung,
      held: new Map()
    }
    // Looked up again: forgetting may have removed the list.
    this.#streams.set(incarnation, [...(this.#streams.get(incarnation) ?? []), stream])
    this.#streamCount++
    return stream
  }

  #forgetOne(): void {
    for (const [incarnation, streams] of this.#streams) {
      if (streams.some(stream => stream.held.size > 0)) continue
      this.#streams.delete(incarnation)
      this.#streamCount -= streams.length
      return
    }
  }

  /** Appends what follows on `next` without a hole. */
  #drain(stream: Stream<M>, ready: (M | SkippedRange)[]): void {
    for (let held = stream.held.get(stream.next); held !== undefined; held = stream.held.get(stream.next)) {
      ready.push(held.message)
      stream.held.delete(stream.next)
      stream.next++
      stream.hasBegun = true
      this.#held--
    }
    if (stream.held.size > 0) this.#waiting.add(stream)
    else this.#waiting.delete(stream)
  }

  #skip(stream: Stream<M>, ready: (M | SkippedRange)[]): void {
    let first = Number.POSITIVE_INFINITY
    for (const seq of stream.held.keys()) first = Math.min(first, seq)
    if (stream.hasBegun) ready.push(new SkippedRange(stream.source, stream.next, first - 1))
    else stream.floor = first
    stream.next = first
    this.#drain(stream, ready)
  }
}

// The first one held has waited the longest, as a Map keeps the order of insertion.
function deadlineOf<M>(stream: Stream<M>): number {
  const first = stream.held.values().next().value
  return first === undefined ? Number.POSITIVE_INFINITY : first.atMs + HOLD_MS
}
