/**
 * Promises of what the core does for a caller: calls and jobs, by number.
 *
 * The core settles each once; what it can't settle any more is rejected when the party closes.
 */
import { PartyError } from '../errors.js'
import type { AbortSignalLike } from '../types.js'

const LONGEST_TIMER_MS = 2 ** 31 - 1

interface Waiting<T> {
  resolve(value: T): void
  reject(fault: unknown): void
  release(): void
}

/** Options of waiting. */
export interface JobOptions {
  signal?: AbortSignalLike | undefined
  timeoutMs?: number | undefined
  /** What the caller asked for, if a part of that is over; for the message. Default `timeoutMs`. */
  askedMs?: number | undefined
  /** The caller lost interest: by its signal, or after `timeoutMs`. */
  oncancel?: (job: number) => void
}

/** Numbered promises. */
export class Jobs<T> {
  readonly #waiting = new Map<number, Waiting<T>>()
  #next = 1

  get size(): number {
    return this.#waiting.size
  }

  /** A new number, and the promise of its outcome. Rejects with the signal's reason, or `ERR_PARTY_TIMEOUT`. */
  open(options: JobOptions = {}): { job: number; promise: Promise<T> } {
    const job = this.#next++
    const { signal, timeoutMs, askedMs = timeoutMs, oncancel } = options
    const promise = new Promise<T>((resolve, reject) => {
      const cancel = (fault: unknown): void => {
        oncancel?.(job)
        this.reject(job, fault)
      }
      const onabort = (): void => cancel(signal?.reason)
      // Without a deadline, too, a timer: while somebody waits, the process stays up, also over streams that are in memory.
      const timer =
        timeoutMs === undefined
          ? setInterval(() => {}, LONGEST_TIMER_MS)
          : setTimeout(() => {
              cancel(
                new PartyError('ERR_PARTY_TIMEOUT', `nothing came of it within ${askedMs} ms (timeoutMs)`)
              )
            }, timeoutMs)
      const release = (): void => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', onabort)
      }
      this.#waiting.set(job, { resolve, reject, release })
      signal?.addEventListener('abort', onabort, { once: true })
    })
    return { job, promise }
  }

  /** The outcome; false: nobody waits for it any more. */
  resolve(job: number, value: T): boolean {
    const waiting = this.#take(job)
    waiting?.resolve(value)
    return waiting !== undefined
  }

  reject(job: number, fault: unknown): boolean {
    const waiting = this.#take(job)
    waiting?.reject(fault)
    return waiting !== undefined
  }

  /** Resolves all that is open. */
  resolveAll(value: T): void {
    for (const job of [...this.#waiting.keys()]) this.resolve(job, value)
  }

  /** Rejects all that is open. */
  rejectAll(fault: unknown): void {
    for (const job of [...this.#waiting.keys()]) this.reject(job, fault)
  }

  #take(job: number): Waiting<T> | undefined {
    const waiting = this.#waiting.get(job)
    this.#waiting.delete(job)
    waiting?.release()
    return waiting
  }
}
