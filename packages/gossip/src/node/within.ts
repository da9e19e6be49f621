/**
 * Waiting with an end: every call that depends on a remote gets one of these.
 */

/**
 * What the promise resolves to, or `undefined` when it took too long or rejected.
 *
 * @param promise - Its rejection is swallowed, whenever it comes.
 * @param ms - Longest wait.
 */
export function within<T>(promise: Promise<T>, ms: number): Promise<T | undefined> {
  return new Promise(resolve => {
    const timer = setTimeout(() => resolve(undefined), ms)
    const settle = (value?: T) => {
      clearTimeout(timer)
      resolve(value)
    }
    promise.then(settle, () => settle())
  })
}
