/**
 * The two times of a process: one that never decreases, and how far the wall clock is from it.
 *
 * `nowMs` is the wall clock at the start plus monotonic time since, so that no change of the wall clock touches a
 * deadline. The wall clock itself is `nowMs + offsetMs`. The offset is looked at once a second at most, and a new one
 * is told only if it moved by more than a second: with a steady clock both times are one number.
 */

/** How often the wall clock is compared. */
const CHECK_MS = 1000
/** A smaller difference is drift, which nobody needs to know of. */
const STEP_MS = 1000

/** Where the times come from; tests bring their own. */
export interface ClockSource {
  /** Unix ms; may jump. */
  wall(): number
  /** Ms since anything; never decreases. */
  monotonic(): number
}

const SYSTEM: ClockSource = { wall: () => Date.now(), monotonic: () => performance.now() }

/** See the head of this file. */
export class Clock {
  readonly #source: ClockSource
  readonly #origin: number
  #checkedAtMs: number
  #offsetMs = 0

  constructor(source: ClockSource = SYSTEM) {
    this.#source = source
    this.#origin = source.wall() - source.monotonic()
    this.#checkedAtMs = this.nowMs()
  }

  /** Unix ms, whole; never decreases. */
  nowMs(): number {
    return Math.floor(this.#origin + this.#source.monotonic())
  }

  /** The wall clock is `nowMs + offsetMs`. */
  get offsetMs(): number {
    return this.#offsetMs
  }

  /**
   * Looks at the wall clock, unless that was less than a second ago.
   *
   * @returns True if `offsetMs` has another value now.
   */
  check(nowMs: number): boolean {
    if (nowMs - this.#checkedAtMs < CHECK_MS) return false
    this.#checkedAtMs = nowMs
    const offsetMs = Math.round(this.#source.wall() - nowMs)
    if (Math.abs(offsetMs - this.#offsetMs) <= STEP_MS) return false
    this.#offsetMs = offsetMs
    return true
  }
}
