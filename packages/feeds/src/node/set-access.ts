/**
 * What readers of a set look at: entries(), synced() and freeze().
 */
import { FeedsError } from '../errors.js'
import type { EntriesHost } from './entries.js'
import type { Movement } from './movement.js'
import type { SetEngine } from './set-engine.js'
import type { SyncHost } from './synced.js'

/** What synced() looks at. */
export function syncHostOf<T>(engine: SetEngine<T>, movement: Movement): SyncHost {
  return {
    sessions: () => engine.sessions,
    statuses: isAll => (isAll ? engine.statuses() : engine.activeStatuses()),
    moves: () => movement.count,
    isClosed: () => engine.isClosed,
    uploadIdleMs: engine.limits.uploadIdleMs
  }
}

/** What entries() reads from. */
export function entriesHostOf<T>(engine: SetEngine<T>, movement: Movement): EntriesHost<T> {
  const { facts } = engine
  return {
    ready: () => engine.ready(),
    isClosed: () => engine.isClosed,
    isAuthorized: key => facts.isAuthorized(key),
    keys: () => [...facts.keys()],
    lengthOf: key => facts.lengths(key)?.length ?? 0,
    feedOf: key => engine.table.session(key),
    watch: () => movement.watch()
  }
}

/**
 * Makes a static feed of what a writer has now. It isn't in the set yet.
 *
 * @returns Its key.
 * @throws {FeedsError} `ERR_FEEDS_EMPTY`, `ERR_FEEDS_NOT_AUTHORIZED` if there is no such writer.
 */
export async function freezeWriter<T>(engine: SetEngine<T>, name: string): Promise<Uint8Array> {
  const { facts, table, store, author } = engine
  const key = facts.own.key(name)
  if (key === null || !facts.isAuthorized(key)) {
    throw new FeedsError('ERR_FEEDS_NOT_AUTHORIZED', 'there is no writer of this name')
  }
  const core = await table.acquire(key)
  try {
    if (core.length > 0) return await store.freeze(core, author.keyPair)
    throw new FeedsError('ERR_FEEDS_EMPTY', 'a feed without a block has nothing to freeze')
  } finally {
    table.release(key)
  }
}
