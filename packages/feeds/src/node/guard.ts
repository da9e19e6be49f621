/**
 * Keeps whatever our code throws away from Protomux.
 *
 * Protomux rethrows a TypeError, RangeError or SyntaxError of a handler as an uncaught exception, so that one crafted
 * frame of a remote could end the process. Every callback that is given to it therefore goes through `guarded`.
 * Application code never runs inside a guard: what it throws would count as the peer's fault.
 *
 * This file has byte-identical copies in the packages that need it; it imports nothing.
 */

/** Hears of what a guarded function threw, or of what its promise rejected with. */
export type FaultListener = (fault: unknown) => void

/**
 * Wraps `fn` so that it neither throws nor rejects.
 *
 * @param onfault - Is told what was thrown, whatever its class; it must not throw itself.
 * @returns A function with the parameters of `fn`; it returns what `fn` returned, or undefined after a fault.
 */
export function guarded<A extends unknown[], R>(
  onfault: FaultListener,
  fn: (...args: A) => R
): (...args: A) => R | Promise<unknown> | undefined {
  return (...args) => {
    try {
      const result = fn(...args)
      return isPromise(result) ? result.then(undefined, onfault) : result
    } catch (fault) {
      onfault(fault)
      return undefined
    }
  }
}

/** What was thrown, as an Error: anything may be thrown. */
export function errorOf(fault: unknown): Error {
  return fault instanceof Error ? fault : new Error(String(fault))
}

function isPromise(value: unknown): value is Promise<unknown> {
  return typeof (value as Promise<unknown> | null | undefined)?.then === 'function'
}
