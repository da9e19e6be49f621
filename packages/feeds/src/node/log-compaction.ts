/**
 * When a fact log is written anew: as soon as it is large, and at a close, if more than half of it is superseded. What comes of
 * it is no matter for anybody: a log that can't be compacted goes on as it is.
 */
import type { FeedsLimits } from '../limits.js'
import type { Compaction, FactLog } from './fact-log.js'

/** At a close it isn't done for less than so many facts. */
const MIN_SUPERSEDED = 64
/** A log that was not worth it is looked at again when it has grown by so much. */
const GROWTH = 1.5

/** See the head of this file. */
export class LogCompaction {
  readonly #log: FactLog
  readonly #limits: Readonly<FeedsLimits>
  readonly #compaction: Compaction
  #nextBytes: number

  constructor(log: FactLog, limits: Readonly<FeedsLimits>, compaction: Compaction) {
    this.#log = log
    this.#limits = limits
    this.#compaction = compaction
    this.#nextBytes = limits.compactBytes
  }

  /** Facts were appended. */
  grown(): void {
    if (this.#log.size.bytes < this.#nextBytes) return
    this.#nextBytes = Math.max(this.#limits.compactBytes, this.#log.size.bytes * GROWTH)
    void this.#run(0)
  }

  async atClose(): Promise<void> {
    await this.#run(MIN_SUPERSEDED)
  }

  async #run(minSuperseded: number): Promise<void> {
    let kept = 0
    for (const _ of this.#compaction.facts()) kept++
    const superseded = this.#log.size.facts - kept
    if (superseded <= kept || superseded < minSuperseded) return
    try {
      await this.#log.compact(this.#compaction)
    } catch {
      return // whoever appends next is told if the log is of no use any more
    }
    this.#nextBytes = Math.max(this.#limits.compactBytes, this.#log.size.bytes * GROWTH)
  }
}
