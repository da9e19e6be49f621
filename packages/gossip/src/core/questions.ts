/**
 * Questions that the driver answers: may this author publish, is this batch valid, may this link open. An answer may come
 * at once, late, twice, or never.
 *
 *   (none) --ask--> open --answer----------> (none)   the item is handed back, once
 *                        --timeout---------> (none)   handed back by `due`; a later answer finds nothing
 *                        --link down-------> open     the item says so itself: whoever gets it back looks again
 *
 * Bounds: `maxParked` items that hold a batch per topic, `maxParkedPerLink` per link; `questionTimeoutMs`. A link may have no
 * more of them than there are places left (Choudhury and Hahne, as in verify-budget.ts), and some are for links that have
 * none: so a few that fill theirs don't keep the others out. Nothing that waits is thrown out for something newer.
 */
import type { Limits } from '../limits.js'
import type { LinkId } from './types.js'

/** Part of the places that is kept for links that have none. */
const RESERVED = 1 / 4

interface Open<T> {
  readonly item: T
  readonly deadlineMs: number
}

/** Open questions about items of one type, in the order in which they were asked. */
export class Questions<T> {
  readonly #limits: Limits
  readonly #open = new Map<number, Open<T>>()
  readonly #parked = new Map<LinkId, number>()
  #parkedTotal = 0
  #count = 0

  constructor(limits: Limits) {
    this.#limits = limits
  }

  /** Questions that are open. */
  get size(): number {
    return this.#open.size
  }

  /** Batches that wait for an answer. */
  get parked(): number {
    return this.#parkedTotal
  }

  /** When the oldest question is given up; Infinity: none is open. */
  get nextAtMs(): number {
    for (const { deadlineMs } of this.#open.values()) return deadlineMs
    return Number.POSITIVE_INFINITY
  }

  /** Opens a question. Returns its number, never used twice. */
  ask(item: T, nowMs: number): number {
    const question = ++this.#count
    this.#open.set(question, { item, deadlineMs: nowMs + this.#limits.questionTimeoutMs })
    return question
  }

  /** Takes back the item of an answered question; undefined: it was answered before, or given up. */
  answer(question: number): T | undefined {
    const open = this.#open.get(question)
    this.#open.delete(question)
    return open?.item
  }

  /** Takes back the items whose answer never came. */
  due(nowMs: number): T[] {
    const late: T[] = []
    for (const [question, { item, deadlineMs }] of this.#open) {
      if (deadlineMs > nowMs) break // all wait for the same time, so the oldest come first
      this.#open.delete(question)
      late.push(item)
    }
    return late
  }

  /** Takes a place for a batch that waits. False: no room, or what is left is for links that have less. */
  park(link: LinkId): boolean {
    const count = this.#parked.get(link) ?? 0
    const { maxParkedPerLink, maxParked } = this.#limits
    const left = (count === 0 ? maxParked : maxParked * (1 - RESERVED)) - this.#parkedTotal
    if (count >= maxParkedPerLink || count >= left) return false
    this.#parked.set(link, count + 1)
    this.#parkedTotal++
    return true
  }

  /** Gives the place back. */
  unpark(link: LinkId): void {
    const count = this.#parked.get(link) ?? 0
    if (count <= 1) this.#parked.delete(link)
    else this.#parked.set(link, count - 1)
    this.#parkedTotal--
  }
}
