/**
 * The async iterable behind `party.introductions()`: first those that are pending, then each new one.
 *
 * Bound: as many as can be pending at all; beyond it the oldest is dropped, which by then was evicted anyway.
 */
import type { AbortSignalLike, Introduction } from '../types.js'

/** One reader. */
export class IntroductionQueue implements AsyncIterableIterator<Introduction, undefined> {
  readonly #queue: Introduction[]
  readonly #max: number
  readonly #onend: (queue: IntroductionQueue) => void
  readonly #signal: AbortSignalLike | undefined
  readonly #onabort = (): void => this.end(this.#signal?.reason)
  #wake: (() => void) | null = null
  #isEnded = false
  #fault: unknown = null

  constructor(
    pending: Iterable<Introduction>,
    options: { max: number; signal: AbortSignalLike | undefined; onend(queue: IntroductionQueue): void }
  ) {
    this.#queue = [...pending]
    this.#max = options.max
    this.#onend = options.onend
    this.#signal = options.signal
    if (this.#signal?.aborted) this.#onabort()
    this.#signal?.addEventListener('abort', this.#onabort, { once: true })
  }

  /** A new one. */
  push(introduction: Introduction): void {
    if (this.#isEnded) return
    this.#queue.push(introduction)
    if (this.#queue.length > this.#max) this.#queue.shift()
    this.#wake?.()
  }

  /** No more come; with a fault the reader hears of it. */
  end(fault: unknown = null): void {
    if (this.#isEnded) return
    this.#isEnded = true
    this.#fault = fault
    this.#signal?.removeEventListener('abort', this.#onabort)
    this.#onend(this)
    this.#wake?.()
  }

  async next(): Promise<IteratorResult<Introduction, undefined>> {
    while (this.#queue.length === 0 && !this.#isEnded) {
      await new Promise<void>(resolve => {
        this.#wake = resolve
      })
      this.#wake = null
    }
    const fault = this.#fault
    this.#fault = null
    if (fault !== null) throw fault
    const value = this.#isEnded ? undefined : this.#queue.shift()
    return value === undefined ? { done: true, value: undefined } : { done: false, value }
  }

  async return(): Promise<IteratorResult<Introduction, undefined>> {
    this.end()
    return { done: true, value: undefined }
  }

  [Symbol.asyncIterator](): this {
    return this
  }
}
