/** Waiting in tests without sleeping: for a condition, up to a deadline that fails with what was waited for. */

/** Options of `until`. */
export interface UntilOptions {
  /** Deadline in ms. Default 10,000. */
  readonly ms?: number
  /** What is waited for, for the message. */
  readonly what?: string
}

/**
 * Resolves with the first truthy value of `predicate`, which is asked at once and then every few ms; rejects after `ms`.
 * A test passes as soon as the condition holds, so the deadline may be generous.
 */
export async function until<T>(
  predicate: () => T | Promise<T>,
  { ms = 10_000, what = predicate.toString() }: UntilOptions = {}
): Promise<NonNullable<T>> {
  const deadline = performance.now() + ms
  for (;;) {
    const value = await predicate()
    if (value) return value
    if (performance.now() > deadline) throw new Error(`waited ${ms} ms in vain: ${what}`)
    await new Promise(resolve => setTimeout(resolve, 5))
  }
}

/** `promise`, or a rejection after `ms`: for what would else hang until the runner gives up. */
export async function within<T>(
  promise: Promise<T>,
  { ms = 10_000, what = 'a promise' }: UntilOptions = {}
): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited ${ms} ms in vain: ${what}`)), ms)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}

/** Resolves after `count` turns of the event loop: lets everything happen that is due without time passing. */
export async function turns(count = 1): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise(resolve => setImmediate(resolve))
}

/**
 * As `until`, but looks in each turn of the event loop: for what comes within a few turns, hundreds of times in one test.
 */
export async function soon(
  predicate: () => unknown,
  { ms = 10_000, what = predicate.toString() }: UntilOptions = {}
): Promise<void> {
  const deadline = performance.now() + ms
  while (!predicate()) {
    if (performance.now() > deadline) throw new Error(`waited ${ms} ms in vain: ${what}`)
    await turns()
  }
}
