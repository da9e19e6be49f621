/**
 * Calls of publish() that wait for the core: each is resolved or rejected once, and leaves no listener on its signal.
 */
import type { AbortSignalLike, Published } from '../types.js'

interface WaitingPublish {
  resolve(published: Published): void
  reject(error: unknown): void
  /** Takes the listener off the signal. */
  release?: () => void
}

/** See the head of this file. */
export class Publishes {
  readonly #waiting = new Map<number, WaitingPublish>()
  readonly #oncancel: (publish: number) => void
  #last = 0

  /** @param oncancel - The signal of a call was aborted while it waited. */
  constructor(oncancel: (publish: number) => void) {
    this.#oncancel = oncancel
  }

  /** How many wait. */
  get size(): number {
    return this.#waiting.size
  }

  /** Returns the number of the call. */
  add(waiting: WaitingPublish, signal: AbortSignalLike | undefined): number {
    const publish = ++this.#last
    this.#waiting.set(publish, waiting)
    if (signal === undefined) return publish
    const onAbort = (): void => {
      this.reject(publish, signal.reason)
      this.#oncancel(publish)
    }
    signal.addEventListener('abort', onAbort, { once: true })
    waiting.release = () => signal.removeEventListener('abort', onAbort)
    return publish
  }

  /** The core has signed it. */
  resolve(publish: number, published: Published): void {
    this.#take(publish)?.resolve(published)
  }

  /** It can't be done. */
  reject(publish: number, error: unknown): void {
    this.#take(publish)?.reject(error)
  }

  /** Nothing will be done any more. */
  rejectAll(error: unknown): void {
    for (const publish of [...this.#waiting.keys()]) this.reject(publish, error)
  }

  #take(publish: number): WaitingPublish | undefined {
    const waiting = this.#waiting.get(publish)
    this.#waiting.delete(publish)
    waiting?.release?.()
    return waiting
  }
}
