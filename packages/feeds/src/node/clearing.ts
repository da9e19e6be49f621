/**
 * Deletes the blocks that facts invalidated: behind a cutoff, or all of a purged feed. That it is done is a fact, too, so that
 * a process that dies in between goes on with it at its next start.
 */
import type { Clearing } from '../core/fact-set.js'
import { FeedsError } from '../errors.js'
import type { Store } from './corestore.js'

/** What clearing needs of its set. */
export interface ClearingHost {
  store(): Store
  /** What is still to be done for a feed; null: nothing. */
  clearing(key: Uint8Array): Clearing | null
  /** What is still to be done. */
  clearings(): Iterable<Clearing>
  cleared(done: Clearing): Promise<void>
  warn(error: FeedsError): void
}

/** Does what is still to be done for one feed. @throws {FeedsError} `ERR_FEEDS_STORAGE`. */
export async function clearFeed(host: ClearingHost, key: Uint8Array): Promise<void> {
  const clearing = host.clearing(key)
  if (clearing === null) return
  const core = host.store().openCore(key)
  try {
    await core.ready()
    await core.clear(clearing.from)
    await host.cleared(clearing)
  } catch (cause) {
    const text = 'the blocks of a revoked feed could not be deleted; that is tried again at the next start'
    throw new FeedsError('ERR_FEEDS_STORAGE', text, { cause })
  } finally {
    await core.close()
  }
}

/** Does what an earlier process left, one feed after the other. */
export async function clearAll(host: ClearingHost, isClosed: () => boolean): Promise<void> {
  for (const { key } of [...host.clearings()]) {
    if (isClosed()) return
    try {
      await clearFeed(host, key)
    } catch (fault) {
      if (!isClosed() && fault instanceof FeedsError) host.warn(fault)
    }
  }
}
