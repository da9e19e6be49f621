/**
 * Token bucket: so many per second, so many at once. It starts full; a pause of any length fills it to its burst and no
 * further. Tokens are counted in thousandths, so that whole milliseconds at a whole rate stay exact.
 */

/** A budget that refills with time. */
export class Budget {
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

  /** Takes one token; false: there is none. */
  take(nowMs: number): boolean {
    if (nowMs > this.#atMs) {
      this.#thousandths = Math.min(this.#burst, this.#thousandths + (nowMs - this.#atMs) * this.#perSecond)
      this.#atMs = nowMs
    }
    if (this.#thousandths < 1000) return false
    this.#thousandths -= 1000
    return true
  }
}
