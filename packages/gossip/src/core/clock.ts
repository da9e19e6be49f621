/**
 * The two times of a topic. Deadlines follow `nowMs`, which never decreases and is passed to each step. What is signed
 * and what expires follows the wall clock, `nowMs + offset`, which may jump.
 *
 *   offset up by more than maxSkew    --> new own incarnations: late NTP, or a machine that slept
 *   wall back by up to maxSkew        --> `high` stays: messages expire early for a while, nothing forgotten is replayed
 *   wall back by more than maxSkew    --> `high` = wall, `horizon` = wall + maxSkew, new own incarnations
 *   start, if asked for               --> `horizon` = wall + maxSkew: what an earlier process accepted was created before
 *
 * Invariants:
 * 1. `high` is the greatest wall time used so far; it goes back only together with a new horizon.
 * 2. When the wall clock turns out to have been slow, the horizon of the start moves up with it: the earlier process may
 *    have had the right time.
 * 3. Whatever was forgotten because it had expired by `high` is refused afterwards: by expiry, or by the horizon.
 */

/** Did the wall clock jump so far that own incarnations have to be new? */
export type ClockChange = 'steady' | 'jump'

/** Wall clock, expiry clock and horizon of one topic. */
export class Clock {
  readonly #maxSkewMs: number
  #nowMs: number
  #offsetMs = 0
  #highMs: number
  #horizonMs: number
  /** By `nowMs`; -Infinity: none. */
  readonly #bootHorizonMs: number

  /**
   * @param startMs - `nowMs` of the first step.
   * @param maxSkewMs - Greatest difference between any two clocks.
   * @param hasBootHorizon - Refuse what may have been accepted before the start?
   */
  constructor(startMs: number, maxSkewMs: number, hasBootHorizon = false) {
    this.#maxSkewMs = maxSkewMs
    this.#nowMs = startMs
    this.#highMs = startMs
    this.#bootHorizonMs = hasBootHorizon ? startMs + maxSkewMs : Number.NEGATIVE_INFINITY
    this.#horizonMs = this.#bootHorizonMs
  }

  /** Time of this step, for deadlines; Unix ms that never decreases. */
  get nowMs(): number {
    return this.#nowMs
  }

  /** Wall clock: what `created` is set to, and what the future is judged by. */
  get wallMs(): number {
    return this.#nowMs + this.#offsetMs
  }

  /** What expiry is judged by. */
  get highMs(): number {
    return this.#highMs
  }

  /** What was created before it is refused; -Infinity: no horizon. */
  get horizonMs(): number {
    return this.#horizonMs
  }

  /** Goes to the time of a step. An earlier time than the last is taken for the last. */
  advance(nowMs: number): void {
    if (nowMs > this.#nowMs) this.#nowMs = nowMs
    if (this.wallMs > this.#highMs) this.#highMs = this.wallMs
  }

  /** Sets `wall - nowMs`. */
  setOffset(offsetMs: number): ClockChange {
    const before = this.wallMs
    this.#offsetMs = offsetMs
    const wallMs = this.wallMs
    if (this.#highMs - wallMs > this.#maxSkewMs) {
      // Small steps back add up: the distance to `high` counts, not the last step.
      this.#highMs = wallMs
      this.#horizonMs = wallMs + this.#maxSkewMs
      return 'jump'
    }
    if (wallMs > this.#highMs) this.#highMs = wallMs
    this.#horizonMs = Math.max(this.#horizonMs, this.#bootHorizonMs + offsetMs)
    return wallMs - before > this.#maxSkewMs ? 'jump' : 'steady'
  }
}

/** So many clocks have to agree before ours is doubted. */
const MIN_CLOCKS = 3
/** A difference that isn't network delay any more. */
const WRONG_MS = 5000

/** Is our wall clock wrong, by the clocks of the peers? `offsetsMs` are theirs - ours. It decides nothing but a warning. */
export function isClockWrong(offsetsMs: readonly number[]): boolean {
  if (offsetsMs.length < MIN_CLOCKS) return false
  const sorted = [...offsetsMs].sort((a, b) => a - b)
  return Math.abs(sorted[Math.floor(sorted.length / 2)] as number) > WRONG_MS
}
