/**
 * A wait that a signal ends.
 */
import type { AbortSignalLike } from '../types.js'

/**
 * Settles as `promise` does, or rejects with the signal's reason if that comes first. What is waited for goes on.
 *
 * @param signal - Undefined: nothing ends the wait.
 */
export async function abortable<T>(promise: Promise<T>, signal: AbortSignalLike | undefined): Promise<T> {
  if (signal === undefined) return promise
  promise.catch(() => {}) // it may fail when nobody waits any more
  signal.throwIfAborted()
  let stop = (): void => {}
  const aborted = new Promise<never>((_, reject) => {
    const onAbort = (): void => reject(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
    stop = () => signal.removeEventListener('abort', onAbort)
  })
  try {
    return await Promise.race([promise, aborted])
  } finally {
    stop()
  }
}
