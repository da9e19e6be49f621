/**
 * What one link was answered, so that it can't have us send the same again and again: a question of 20 bytes may ask for
 * 256 KiB.
 *
 * What was answered since the link took all that waited isn't queued twice: on a slow link the asker hears nothing for long,
 * and asks again. Else the same batch goes out `maxAnswersPerBatch` times within `answerMs`, and all answers together are no
 * more bytes than twice what the link could hear of: what was cached when it asked first, and all that was cached since.
 * What is over that is MISSed as 'over-budget', without points: the asker waits a moment, and asks again or asks somebody
 * else. The first bound is per time, not for ever, because what was answered may not have got out: a full queue drops it.
 *
 * Bound: nothing is kept alive by it; batches of the last `answerMs` that are still cached are remembered.
 */
import type { Limits } from '../limits.js'
import type { Batch } from './types.js'

/** Answers are bounded by so many times what was offered. */
const OFFERED_TIMES = 2

/** How much there is to ask for: bytes in the cache, and all that ever were. */
export interface Cached {
  readonly bytes: number
  readonly addedBytes: number
}

/** What one link was answered. */
export class Answers {
  readonly #limits: Limits
  /** Bytes that had been cached, ever, before the first of what it could ask for. */
  readonly #fromBytes: number
  #times = new WeakMap<Batch, number>()
  #underWay = new WeakSet<Batch>()
  #sinceMs = Number.NEGATIVE_INFINITY
  #bytes = 0

  /** @param cached - What it can ask for now. */
  constructor(limits: Limits, cached: Cached) {
    this.#limits = limits
    this.#fromBytes = cached.addedBytes - cached.bytes
  }

  /** It took all that waited for it. */
  drained(): void {
    this.#underWay = new WeakSet()
  }

  /** What waited for it was dropped: nothing was answered lately. */
  dropped(): void {
    this.#underWay = new WeakSet()
    this.#times = new WeakMap()
  }

  /** Is it being sent this batch still? */
  isUnderWay(batch: Batch): boolean {
    return this.#underWay.has(batch)
  }

  /** May it be sent this batch, of so many bytes, once more? Taken, if so. */
  take(batch: Batch, about: { bytes: number; cached: Cached; nowMs: number }): boolean {
    const { bytes, cached, nowMs } = about
    if (this.#bytes + bytes > OFFERED_TIMES * (cached.addedBytes - this.#fromBytes)) return false
    if (nowMs >= this.#sinceMs + this.#limits.answerMs) {
      this.#times = new WeakMap()
      this.#sinceMs = nowMs
    }
    const times = this.#times.get(batch) ?? 0
    if (times >= this.#limits.maxAnswersPerBatch) return false
    this.#times.set(batch, times + 1)
    this.#bytes += bytes
    this.#underWay.add(batch)
    return true
  }
}
