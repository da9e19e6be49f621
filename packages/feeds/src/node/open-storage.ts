/**
 * One storage under several sets: each of them takes the Corestore, which none of them closes.
 */
import type { CorestoreLike } from '../types.js'
import { checkStorage, Store } from './corestore.js'

/** A storage that is open. */
export interface OpenStorage {
  /** For `new FeedSet(corestore)`, as often as there are sets. */
  readonly corestore: CorestoreLike
  /** The storage folder; the sets' own files, and what belongs to all of them, lie in its folder `hearsay`. */
  readonly folder: string
  /** Call it when the sets are closed. Closes the Corestore itself only if it was opened here. */
  close(): Promise<void>
}

/**
 * For protocols on top of several sets: opens a folder, or takes the Corestore that was passed. A folder is locked against
 * other processes until close().
 *
 * @throws {TypeError} `ERR_FEEDS_STORAGE`: neither folder nor Corestore. @throws {FeedsError} `ERR_FEEDS_LOCKED`,
 * `ERR_FEEDS_STORAGE`.
 */
export async function openStorage(storage: string | CorestoreLike): Promise<OpenStorage> {
  checkStorage(storage)
  const store = await Store.open(storage)
  const corestore = store.session()
  return {
    corestore,
    folder: store.folder,
    async close() {
      await corestore.close()
      await store.close()
    }
  }
}
