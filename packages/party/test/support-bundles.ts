/** Waiting for what structures show: what was written a moment ago is on its way. */

/** The first value that isn't null, read again every few ms; rejects after 10 s. */
export async function eventually<T>(read: () => Promise<T | null | undefined>): Promise<T> {
  const endMs = performance.now() + 10_000
  for (;;) {
    const value = await read()
    if (value !== null && value !== undefined) return value
    if (performance.now() > endMs) throw new Error(`not within 10 s: ${read.toString()}`)
    await new Promise(resolve => setTimeout(resolve, 5))
  }
}
