/**
 * A deadline for a promise. Nothing here may wait for a remote or a disk for ever.
 */

/** What `promise` resolves with, or `late` after `ms`; rejects as `promise` does, if that comes first. */
export async function within<T, L>(promise: Promise<T>, ms: number, late: L): Promise<T | L> {
  let timer: NodeJS.Timeout | undefined
  const deadline = new Promise<L>(resolve => {
    timer = setTimeout(resolve, ms, late)
  })
  try {
    return await Promise.race([promise, deadline])
  } finally {
    clearTimeout(timer)
  }
}
