/**
 * Token bucket: so many per second, so many at once.
 *
 * Tokens are counted in thousandths, so that whole milliseconds at a whole rate stay exact: no drift, and `take` always
 * succeeds at the time that `waitMs` named. A pause of any length fills the bucket to its burst and no further.
 */

/** A budget that refills with time. It starts full. */
export class TokenBucket {
  readonly #perSecond: number
  readonly #burst: number
  #thousandths: number
  #atMs = Number.NEGATIVE_INFINITY

  /**
   * @param perSecond - Tokens gained per second.
   * @param burst - Tokens held at most.
   */
  constructor(perSecond: number, burst: number) {
    this.#perSecond = perSecond
    this.#burst = burst * 1000
    this.#thousandths = this.#burst
  }

  /** Takes `n` tokens, or none if there are fewer: then false. More than the burst is never granted. */
  take(n: number, nowMs: number): boolean {
    this.#refill(nowMs)
    if (this.#thousandths < n * 1000) return false
    this.#thousandths -= n * 1000
    return true
  }

  /** Tokens that could be taken now; may have a fraction. */
  left(nowMs: number): number {
    this.#refill(nowMs)
    return this.#thousandths / 1000
  }

  /** Would a new one have no more? */
  isFull(nowMs: number): boolean {
    this.#refill(nowMs)
    return this.#thousandths === this.#burst
  }

  /** How long until `take(n)` succeeds: 0 if it does now, whole ms, Infinity if never. */
  waitMs(n: number, nowMs: number): number {
    this.#refill(nowMs)
    if (this.#thousandths >= n * 1000) return 0
    if (n * 1000 > this.#burst || this.#perSecond <= 0) return Number.POSITIVE_INFINITY
    return Math.ceil((n * 1000 - this.#thousandths) / this.#perSecond)
  }

  #refill(nowMs: number): void {
    if (nowMs <= this.#atMs) return
    // The first call has no earlier time to count from; the bucket is full then anyway.
    const gained = (nowMs - this.#atMs) * this.#perSecond
    this.#thousandths = Math.min(this.#burst, this.#thousandths + gained)
    this.#atMs = nowMs
  }
}
