/**
 * Which of many parties are opened next on one connection, and how many at once.
 *
 *   WAITING --take(), within pace and room--> PENDING
 *   PENDING --answered()-------------------> gone     the peer took or refused it
 *   any     --remove()---------------------> gone
 *
 * Invariants: 1. at most `maxPendingOpens` are PENDING, so a peer that never answers costs no more than these. 2. At most
 * `opensPerTurn` are taken in `openEveryMs`: a connection isn't filled with opens while others wait for blocks on it.
 */
import type { Limits } from '../limits.js'

/** See the head of this file. `T` is what is opened. */
export class OpenQueue<T> {
  readonly #limits: Pick<Limits, 'maxPendingOpens' | 'opensPerTurn' | 'openEveryMs'>
  readonly #waiting = new Set<T>()
  readonly #pending = new Set<T>()
  #turnMs = Number.NEGATIVE_INFINITY
  #takenInTurn = 0

  constructor(limits: Pick<Limits, 'maxPendingOpens' | 'opensPerTurn' | 'openEveryMs'>) {
    this.#limits = limits
  }

  /** Opened, and not answered yet. */
  get pending(): number {
    return this.#pending.size
  }

  /** To be opened; twice is once. */
  add(item: T): void {
    if (!this.#pending.has(item)) this.#waiting.add(item)
  }

  /** Not to be opened any more, or no longer of interest. */
  remove(item: T): void {
    this.#waiting.delete(item)
    this.#pending.delete(item)
  }

  /** The peer took or refused it. @returns Was it one of ours? */
  answered(item: T): boolean {
    return this.#pending.delete(item)
  }

  /** What may be opened now. */
  take(nowMs: number): T[] {
    const { maxPendingOpens, opensPerTurn, openEveryMs } = this.#limits
    if (nowMs - this.#turnMs >= openEveryMs) {
      this.#turnMs = nowMs
      this.#takenInTurn = 0
    }
    const taken: T[] = []
    for (const item of this.#waiting) {
      if (this.#pending.size >= maxPendingOpens || this.#takenInTurn >= opensPerTurn) break
      this.#waiting.delete(item)
      this.#pending.add(item)
      this.#takenInTurn++
      taken.push(item)
    }
    return taken
  }

  /** When take() has more; null: nothing waits, or nothing can be opened before an answer. */
  nextMs(): number | null {
    const isIdle = this.#waiting.size === 0 || this.#pending.size >= this.#limits.maxPendingOpens
    return isIdle ? null : this.#turnMs + this.#limits.openEveryMs
  }
}
