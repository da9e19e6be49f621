/**
 * Syncs that share the disk: who asks while one runs, or too soon after it, shares the next.
 *
 * A sync that began before the call doesn't count for it, since it may have passed over what was just written.
 */

/** See the head of this file. */
export class GroupFlush {
  readonly #flush: () => Promise<void>
  readonly #everyMs: number
  #running: Promise<void> | null = null
  #next: Promise<void> | null = null
  #startedMs = Number.NEGATIVE_INFINITY

  /** @param everyMs - Between the starts of two syncs, at least. */
  constructor(flush: () => Promise<void>, everyMs: number) {
    this.#flush = flush
    this.#everyMs = everyMs
  }

  /** Resolves when a sync that started after this call is done; rejects as it does. */
  request(): Promise<void> {
    this.#next ??= this.#runNext()
    return this.#next
  }

  /** Resolves when nobody waits for a sync any more. */
  async idle(): Promise<void> {
    while (this.#next !== null) await this.#next.catch(() => {}) // whoever asked is told
  }

  async #runNext(): Promise<void> {
    await this.#running?.catch(() => {}) // whoever asked for that one was told
    const restMs = this.#startedMs + this.#everyMs - performance.now()
    if (restMs > 0) await new Promise(resolve => setTimeout(resolve, restMs))
    this.#next = null
    this.#startedMs = performance.now()
    this.#running = this.#flush()
    await this.#running
  }
}
