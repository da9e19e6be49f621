/**
 * How often a peer may open feeds that nobody granted: a bucket that fills by the second. Above it nothing is looked up.
 */
import type { FeedsLimits } from '../limits.js'

/** See the head of this file. */
export class AskBudget {
  readonly #limits: Readonly<FeedsLimits>
  #tokens: number
  #filledMs = performance.now()

  constructor(limits: Readonly<FeedsLimits>) {
    this.#limits = limits
    this.#tokens = limits.asksBurst
  }

  /** @returns False: it is used up. */
  take(): boolean {
    const nowMs = performance.now()
    const { asksPerSecond, asksBurst } = this.#limits
    const gained = (Math.max(0, nowMs - this.#filledMs) / 1_000) * asksPerSecond
    this.#tokens = Math.min(asksBurst, this.#tokens + gained)
    this.#filledMs = nowMs
    if (this.#tokens < 1) return false
    this.#tokens--
    return true
  }
}
