/**
 * The Corestore under a set: opening, syncing, freezing. The only file that imports Corestore.
 *
 * Internals used, each pinned by a contract test: `storage.path`, `storage.db.flush`, `storage.getInfos`, `cores._gcCycle`.
 */
import { join } from 'node:path'
import b4a from 'b4a'
import Corestore from 'corestore'
import { FeedsError, typeError } from '../errors.js'
import type { CorestoreLike, KeyPair } from '../types.js'
import { Core, discoveryKeyOf, feedKeyOfNamespace, manifestOf } from './hypercore.js'
import { syncFolder, syncIfThere } from './log-file.js'
import { randomBytes } from './sodium.js'

const AUTHOR_NAME = 'hearsay/feeds/1/author'
const LOCK_MESSAGE = 'could not be locked'
/** Corestore's own, never synced by it. */
const DEVICE_FILE = 'CORESTORE'

interface StoredInfo {
  head: { fork: number; length: number } | null
  hints: { contiguousLength: number } | null
}

/** Is this a Corestore, of whichever copy of the module? */
export function isCorestore(value: unknown): value is CorestoreLike {
  if (typeof value !== 'object' || value === null) return false
  const { get, namespace, replicate, ready, close, storage } = value as Record<string, unknown>
  const areMethods = [get, namespace, replicate, ready, close].every(method => typeof method === 'function')
  return areMethods && typeof storage === 'object' && storage !== null
}

/** A store as a set uses it: its own session of the Corestore, and whether the Corestore is ours to close. */
export class Store {
  readonly #store: Corestore
  readonly #isOwned: boolean
  readonly #folder: string

  private constructor(store: Corestore, folder: string, isOwned: boolean) {
    this.#store = store
    this.#folder = folder
    this.#isOwned = isOwned
  }

  /** Does close() close the Corestore itself? */
  get isOwned(): boolean {
    return this.#isOwned
  }

  /** The storage folder. */
  get folder(): string {
    return this.#folder
  }

  /**
   * Opens a folder, or a session of a Corestore that was passed in.
   *
   * @throws {FeedsError} `ERR_FEEDS_LOCKED`, `ERR_FEEDS_STORAGE`.
   */
  static async open(storage: string | CorestoreLike): Promise<Store> {
    const isOwned = typeof storage === 'string'
    let store: Corestore | null = null
    try {
      store = isOwned ? new Corestore(storage) : (storage as unknown as Corestore).session()
      await store.ready()
      const folder = folderOf(store)
      if (store.readOnly) throw new Error('it was opened read-only')
      return new Store(store, folder, isOwned)
    } catch (cause) {
      await store?.close().catch(() => {})
      throw openError(isOwned ? storage : 'of the Corestore', cause)
    }
  }

  /** A key pair that is the same for this storage and namespace for ever; from the Corestore's own secret. */
  async authorKeyPair(namespace: Uint8Array): Promise<KeyPair> {
    return this.#store.createKeyPair(AUTHOR_NAME, b4a.from(namespace))
  }

  /** A session of the Corestore for the application, closed on its own. */
  session(): CorestoreLike {
    return this.#store.session() as unknown as CorestoreLike
  }

  /** Opens a feed by its key; by `manifest` too, if the feed is to be made here. No secret is stored. */
  openCore(key: Uint8Array, manifest?: object): Core {
    const options = manifest === undefined ? { key } : { key, manifest }
    return new Core(this.#store.get(options as { key: Uint8Array }))
  }

  /** Closes cores that nobody uses now; Corestore itself looks every 2 s. */
  closeUnused(): void {
    this.#store.cores?._gcCycle?.()
  }

  /** Lengths of feeds as they are on the disk, without opening them; null for one that isn't there. */
  async lengths(
    keys: readonly Uint8Array[]
  ): Promise<({ fork: number; length: number; complete: number } | null)[]> {
    const infos: (StoredInfo | null)[] = await this.#store.storage.getInfos(keys.map(discoveryKeyOf), {
      auth: false
    })
    return infos.map(info => {
      if (!info?.head) return null
      const { fork, length } = info.head
      return { fork, length, complete: Math.min(length, info.hints?.contiguousLength ?? 0) }
    })
  }

  /**
   * Syncs what Corestore made when it was opened first: its secret, which authors are derived from, and the file that tells
   * the folder from a copy, without which it is refused.
   */
  async settle(): Promise<void> {
    await this.flush()
    await syncIfThere(join(this.#folder, DEVICE_FILE))
    await syncFolder(this.#folder)
  }

  /** Syncs everything that was appended to the disk. */
  async flush(): Promise<void> {
    // storage.rocks.flush() is another column family and does nothing for appends.
    await this.#store.storage.db.flush()
  }

  /**
   * A static feed with the blocks of `core`: nobody can append to it, and equal blocks give the same key.
   *
   * The blocks are copied first, because Corestore's staticify() turns the very feed that it gets into the static one.
   *
   * @returns Its key.
   */
  async freeze(core: Core, keyPair: KeyPair): Promise<Uint8Array> {
    // A namespace of its own each time: the copy's key is never used again, and an unfinished copy is never continued.
    const namespace = randomBytes(32)
    const manifest = manifestOf(keyPair.publicKey, namespace)
    const key = feedKeyOfNamespace(keyPair.publicKey, namespace)
    // By its key, not by its key pair: Corestore would write that to the disk.
    const copy = this.#store.get({ key, manifest, exclusive: true } as never)
    try {
      await copy.ready()
      const blocks: unknown[] = []
      for (let seq = 0; seq < core.length; seq++) blocks.push(await core.block(seq))
      await copy.append(blocks, { keyPair })
      const frozen = await this.#store.staticify(copy)
      await frozen.close()
      return frozen.key
    } finally {
      await copy.close()
    }
  }

  /** Closes our session, and the Corestore if it is ours. */
  async close(): Promise<void> {
    await this.#store.close()
  }
}

/** @throws {TypeError} `ERR_FEEDS_STORAGE` for anything but a folder or a Corestore. */
export function checkStorage(storage: unknown): asserts storage is string | CorestoreLike {
  if (typeof storage === 'string' && storage.length > 0) return
  if (isCorestore(storage)) return
  const what = storage === null ? 'null' : storage === '' ? 'an empty text' : `a ${typeof storage}`
  throw typeError('ERR_FEEDS_STORAGE', `storage must be a folder or a Corestore, this is ${what}`)
}

function folderOf(store: Corestore): string {
  const { path } = store.storage
  if (typeof path !== 'string') throw new Error('corestore changed: its storage has no path')
  return path
}

function openError(folder: string, cause: unknown): FeedsError {
  if (cause instanceof FeedsError) return cause
  const text = cause instanceof Error ? cause.message : String(cause)
  if (text.includes(LOCK_MESSAGE)) {
    const message = `storage ${folder} is in use: by another process, or by another FeedSet or Corestore of this one`
    return new FeedsError('ERR_FEEDS_LOCKED', message, { cause })
  }
  return new FeedsError('ERR_FEEDS_STORAGE', `storage ${folder} could not be opened: ${text}`, { cause })
}
