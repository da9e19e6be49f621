/**
 * All that this package knows of Hypercore and Corestore, and the only file that imports them or touches their internals.
 *
 * Internals used, each pinned by a contract test: `core.replicator.detachFrom`, `replicator.peers` with remoteLength,
 * remoteContiguousLength, remoteSynced and remoteDownloading, `storage.path`, `storage.db.flush`, and that `onwait` is
 * called synchronously before a get() waits. There is no public way to stop replicating to one peer (hypercore #356): if
 * `detachFrom` is gone, this fails loudly and never falls back to a variant that leaks.
 */
import b4a from 'b4a'
import Corestore from 'corestore'
import Hypercore from 'hypercore'
import { FeedsError, typeError } from '../errors.js'
import type { CorestoreLike, FeedEncoding, KeyPair } from '../types.js'
import { feedNamespaceOf } from './keys.js'
import type { MuxLike } from './protomux.js'
import { randomBytes } from './sodium.js'

/** Protocol under which hypercores replicate. */
export const REPLICATION_PROTOCOL = 'hypercore/alpha'
const AUTHOR_NAME = 'hearsay/feeds/1/author'
const LOCK_MESSAGE = 'could not be locked'

/** Shared by all sessions of one feed that this package gives out: why it is closed to them, or null. */
export interface FeedSwitch {
  denied: FeedsError | null
}

/** What one peer has shown of a feed. */
export interface CorePeer {
  /** False until its first message about lengths came. */
  isSynced: boolean
  length: number
  /** Blocks that it has from the first one on. */
  complete: number
  /** Does it fetch what it lacks? */
  isDownloading: boolean
}

/** A session whose feed can be taken away: see FeedSwitch. */
class GuardedCore extends Hypercore {
  readonly #switch: FeedSwitch

  constructor(storage: unknown, key: unknown, options: { parent?: unknown; feedSwitch?: FeedSwitch }) {
    const feedSwitch = options.parent instanceof GuardedCore ? options.parent.#switch : options.feedSwitch
    if (feedSwitch === undefined) throw new Error('a guarded session needs its switch')
    const onwait = (): void => {
      if (feedSwitch.denied !== null) throw feedSwitch.denied
    }
    super(storage, key, { ...options, onwait })
    this.#switch = feedSwitch
  }

  override session(options: object = {}): Hypercore {
    return super.session({ class: GuardedCore, ...options })
  }

  override async append(blocks: unknown, options?: object): Promise<{ length: number; byteLength: number }> {
    if (this.#switch.denied !== null) throw this.#switch.denied
    return super.append(blocks, options)
  }

  override async truncate(length?: number, options?: object): Promise<void> {
    if (this.#switch.denied !== null) throw this.#switch.denied
    return super.truncate(length, options)
  }
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

  /** Opens a feed by its key; by `manifest` too, if the feed is to be made here. No secret is stored. */
  openCore(key: Uint8Array, manifest?: object): Core {
    const options = manifest === undefined ? { key } : { key, manifest }
    return new Core(this.#store.get(options as { key: Uint8Array }))
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
    const manifest = manifestOf(keyPair.publicKey, randomBytes(32))
    const copy = this.#store.get({ keyPair, manifest, exclusive: true } as never)
    try {
      await copy.ready()
      const blocks: unknown[] = []
      for (let seq = 0; seq < core.length; seq++) blocks.push(await core.block(seq))
      await copy.append(blocks, { keyPair })
      const frozen = await this.#store.staticify(copy)
      const { key } = frozen
      await frozen.close()
      return key
    } finally {
      await copy.close()
    }
  }

  /** Closes our session, and the Corestore if it is ours. */
  async close(): Promise<void> {
    await this.#store.close()
  }
}

/** One opened feed: our own session of it, which serves peers as long as it is open. */
export class Core {
  readonly #root: Hypercore
  #download: { destroy(): void } | null = null

  /** @param root - A Hypercore. Not typed as one: our declarations name no module that has no types. */
  constructor(root: object) {
    this.#root = root as Hypercore
  }

  get key(): Uint8Array {
    return this.#root.key
  }

  get length(): number {
    return this.#root.length
  }

  /** Blocks from the first one on that are here without a hole. */
  get complete(): number {
    return this.#root.contiguousLength
  }

  async ready(): Promise<void> {
    await this.#root.ready()
  }

  /** The bytes of a block that is here; null: it isn't. */
  async block(seq: number): Promise<Uint8Array | null> {
    return this.#root.get(seq, { wait: false })
  }

  /** A session for the application; with `keyPair` it can append. */
  session(feedSwitch: FeedSwitch, valueEncoding: FeedEncoding, keyPair: KeyPair | null): object {
    const writer = keyPair === null ? {} : { keyPair }
    return this.#root.session({ class: GuardedCore, feedSwitch, valueEncoding, ...writer })
  }

  /** Fetches every block from now on, as peers show them. */
  downloadAll(): void {
    this.#download ??= this.#root.download({ start: 0, end: -1 })
  }

  stopDownload(): void {
    this.#download?.destroy()
    this.#download = null
  }

  /** Attaches to a muxer; the channel is there one microtask after its stream opened. */
  attach(mux: MuxLike): void {
    this.#root.replicate(mux)
  }

  /** Takes the feed off a muxer. Its channels stay open: close them as well, or blocks go on flowing. */
  detach(mux: MuxLike): void {
    const { detachFrom } = this.#root.core.replicator
    if (typeof detachFrom !== 'function')
      throw new Error('hypercore changed: its replicator has no detachFrom')
    this.#root.core.replicator.detachFrom(mux)
  }

  /** What the peers have shown. */
  peers(): CorePeer[] {
    return this.#root.peers.map(peer => ({
      isSynced: peer.remoteSynced === true,
      length: Number(peer.remoteLength),
      complete: Number(peer.remoteContiguousLength),
      isDownloading: peer.remoteDownloading === true
    }))
  }

  /** Rejects whatever waits for a block, in all sessions that this store made of the feed. */
  rejectWaiting(error: Error): void {
    for (const session of [...(this.#root.sessions ?? [])]) {
      if (session.activeRequests.length > 0) session.clearRequests(session.activeRequests, error)
    }
  }

  /** Deletes the blocks that are here; the length stays. */
  async clear(): Promise<void> {
    await this.#root.clear(0, this.#root.length)
  }

  /** Calls back on 'append', 'download', 'upload', and on 'conflict' with length and fork. */
  watch(listeners: {
    append(): void
    download(): void
    upload(): void
    conflict(length: number, fork: number): void
  }): void {
    this.#root.on('append', listeners.append)
    this.#root.on('download', listeners.download)
    this.#root.on('upload', listeners.upload)
    this.#root.on('conflict', listeners.conflict)
  }

  /** Closes our session. Those of the application stay. */
  async close(): Promise<void> {
    this.stopDownload()
    await this.#root.close()
  }
}

/** Manifest of the feed of this author under this namespace. Version 1 is written out: another gives another key. */
export function manifestOf(author: Uint8Array, namespace: Uint8Array): object {
  return { version: 1, signers: [{ publicKey: author, namespace }] }
}

/**
 * Key of the feed that `author` has under a feed namespace. Anybody can compute it, so it shows whose a feed is.
 *
 * @param feedNamespace - 32 bytes.
 */
export function feedKeyOfNamespace(author: Uint8Array, feedNamespace: Uint8Array): Uint8Array {
  return Hypercore.key(manifestOf(author, feedNamespace) as never)
}

/**
 * Key of the feed that `author` writes in a set under a full writer name (see fullWriterName).
 *
 * @param namespace - The set's namespace, 32 bytes.
 */
export function feedKeyOf(author: Uint8Array, namespace: Uint8Array, origin: Uint8Array): Uint8Array {
  return feedKeyOfNamespace(author, feedNamespaceOf(namespace, origin))
}

/** What a feed is called on a connection. */
export function discoveryKeyOf(key: Uint8Array): Uint8Array {
  return Hypercore.discoveryKey(key)
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
