/**
 * Answers a WANT from the cache: MISS for what isn't there, then the batches in order of seq, the last one marked.
 *
 * One answer is at most `maxRepairBytes`; the rest is asked for again, so the receiver sets the pace. Whoever asks more
 * often than the budget allows hears MISS 'over-budget', and is charged only when it goes on far beyond that.
 */
import type { Limits } from '../limits.js'
import type { BatchCache } from './cache.js'
import { batchFrameBytes } from './frames.js'
import type { Link } from './link.js'
import type { Outbox } from './outbox.js'
import { type Batch, type MissReason, SEND_BULK, SEND_CONTROL, type SeqRange } from './types.js'

type Miss = SeqRange & { floor: number; reason: MissReason }

/** What a supplier needs. */
export interface SupplierOptions {
  readonly limits: Limits
  readonly cache: BatchCache
  readonly outbox: Outbox
}

/** A WANT with what is known about its author. */
export interface Request extends SeqRange {
  /** Our watermark + 1 of it: below, what isn't cached has expired. */
  readonly next: number
}

/** Supplies what others miss. */
export class Supplier {
  readonly #limits: Limits
  readonly #cache: BatchCache
  readonly #outbox: Outbox

  constructor(options: SupplierOptions) {
    this.#limits = options.limits
    this.#cache = options.cache
    this.#outbox = options.outbox
  }

  /**
   * Answers one WANT.
   *
   * @returns False: it is far over its budget, which is worth a demerit.
   */
  answer(link: Link, requests: readonly Request[], times: { nowMs: number; highMs: number }): boolean {
    const { nowMs, highMs } = times
    const isPatient = link.budgets.wantsPatience.take(1, nowMs)
    if (!link.budgets.wantsIn.take(1, nowMs) || link.flow === 'lagging') {
      const misses = requests.map(
        ({ ref, from, count }): Miss => ({ ref, from, count, floor: 0, reason: 'over-budget' })
      )
      if (isPatient) this.#miss(link, misses, nowMs)
      return isPatient
    }
    const misses: Miss[] = []
    const answers = link.budgets.answers(this.#cache)
    const isOpen = link.flow === 'open'
    if (isOpen) answers.drained()
    // A set: one batch may touch two ranges.
    const batches = new Set<Batch>()
    // A link that takes no more now gets little, lest the answer itself makes it lag.
    let left = isOpen ? this.#limits.maxRepairBytes : this.#limits.maxRepairBytes / 4
    for (const request of requests) {
      if (request.count === 0) continue
      const found = this.#cache.range(request.ref, request, highMs)
      misses.push(...this.#missing(request, found, highMs))
      for (const batch of found) {
        const size = batchFrameBytes(batch)
        if (size > link.maxFrameBytes || batches.has(batch)) continue
        if (answers.isUnderWay(batch)) continue
        // At least one, however large, else it could never be had.
        if (size > left && batches.size > 0) break
        if (!answers.take(batch, { bytes: size, cached: this.#cache, nowMs })) {
          misses.push({
            ref: batch.ref,
            from: batch.seq0,
            count: batch.count,
            floor: 0,
            reason: 'over-budget'
          })
          continue
        }
        left -= size
        batches.add(batch)
      }
    }
    this.#miss(link, misses, nowMs)
    let unsent = batches.size
    for (const batch of batches) {
      const last = --unsent === 0
      const hops = this.#cache.hopsOf(batch)
      const frame = { kind: 'batch', batch, hops, mark: false, repair: true, last } as const
      this.#outbox.send(link, { class: SEND_BULK, frame }, nowMs)
    }
    return true
  }

  // The parts of a request that no batch in `found` covers.
  #missing(request: Request, found: readonly Batch[], highMs: number): Miss[] {
    const { ref, from, count, next } = request
    const end = from + count
    const lowest = this.#cache.lowest(ref, highMs)
    const misses: Miss[] = []
    let seq = from
    const add = (to: number): void => {
      if (to <= seq) return
      // Without anything cached the floor is what comes next; a floor below the range says nothing.
      const floor = lowest ?? next
      misses.push({ ref, from: seq, count: to - seq, floor, reason: seq < next ? 'expired' : 'not-cached' })
    }
    for (const batch of found) {
      add(batch.seq0)
      seq = Math.max(seq, batch.seq0 + batch.count)
    }
    add(end)
    return misses
  }

  #miss(link: Link, entries: readonly Miss[], nowMs: number): void {
    if (entries.length === 0) return
    this.#outbox.send(link, { class: SEND_CONTROL, frame: { kind: 'miss', entries } }, nowMs)
  }
}
