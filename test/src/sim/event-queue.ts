/**
 * Virtual time: what happens next, ordered by (time, insertion).
 *
 * Time starts at 1, because caches with an injected clock take a start time of 0 for "never". A run that doesn't come
 * to rest within one millisecond fails after a small number of steps instead of running into the runner's timeout.
 */

interface Event {
  readonly atMs: number
  readonly order: number
  readonly run: () => void
}

/** Steps that may happen at one instant. Each is cheap, so that a livelock fails at once. */
const MAX_STEPS_AT_ONCE = 50_000

/** A binary heap of events. */
export class EventQueue {
  /** Virtual Unix ms. */
  nowMs = 1
  /** How many events ran. */
  steps = 0
  readonly #heap: Event[] = []
  #order = 0
  #stepsNow = 0

  /** Runs `run` at `atMs`, or now, behind all that is due now. */
  at(atMs: number, run: () => void): void {
    const event = { atMs: Math.max(atMs, this.nowMs), order: this.#order++, run }
    const heap = this.#heap
    heap.push(event)
    let index = heap.length - 1
    while (index > 0) {
      const parent = (index - 1) >> 1
      if (!isBefore(event, heap[parent] as Event)) break
      heap[index] = heap[parent] as Event
      index = parent
    }
    heap[index] = event
  }

  /** Runs `run` after `ms`. */
  after(ms: number, run: () => void): void {
    this.at(this.nowMs + ms, run)
  }

  /** Runs everything up to `untilMs`, that included, and stands there. */
  runUntil(untilMs: number): void {
    for (let next = this.#heap[0]; next !== undefined && next.atMs <= untilMs; next = this.#heap[0]) {
      this.#pop()
      this.#stepsNow = next.atMs > this.nowMs ? 0 : this.#stepsNow + 1
      if (this.#stepsNow > MAX_STEPS_AT_ONCE) throw new Error(`no rest after ${MAX_STEPS_AT_ONCE} steps`)
      this.nowMs = next.atMs
      this.steps++
      next.run()
    }
    this.nowMs = untilMs
  }

  #pop(): void {
    const heap = this.#heap
    const last = heap.pop() as Event
    if (heap.length === 0) return
    let index = 0
    for (;;) {
      let child = 2 * index + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && isBefore(heap[child + 1] as Event, heap[child] as Event)) child++
      if (!isBefore(heap[child] as Event, last)) break
      heap[index] = heap[child] as Event
      index = child
    }
    heap[index] = last
  }
}

const isBefore = (a: Event, b: Event): boolean => a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order)
