/**
 * FeedSet: the authorized set of feeds on a storage, and what may be replicated of it. Start here.
 *
 * The public face: checks what the caller passes, and emits events. The work is done by SetEngine, which joins FactStore
 * (what is authorized), FeedTable (open feeds), SetSession (one connection) and the gate (lets nothing else through).
 */
import { EventEmitter } from 'eventemitter3'
import { progressOf } from '../core/progress.js'
import { FeedsError, typeError } from '../errors.js'
import type {
  AuthorizeExtra,
  CorestoreLike,
  DuplexLike,
  EntriesOptions,
  Feed,
  FeedEntry,
  FeedLengths,
  FeedMeta,
  FeedProgress,
  FeedSession,
  FeedSetEvents,
  FeedSetOptions,
  ForkProof,
  Key,
  KeyPair,
  MuxLike,
  ReplicateOptions,
  RevokeOptions,
  Rotation,
  SetRecords,
  WriterOptions
} from '../types.js'
import { connectionOf } from './connection.js'
import { checkStorage } from './corestore.js'
import type { EngineOptions } from './engine-types.js'
import { readEntries } from './entries.js'
import { checkName, keyBytes, setNamespaceOf, tryKeyBytes } from './keys.js'
import { Movement } from './movement.js'
import { entriesHostOf, freezeWriter, syncHostOf } from './set-access.js'
import { closedError, notReady, SetEngine } from './set-engine.js'
import { limitsOf } from './set-options.js'
import { type SyncedOptions, waitUntilSynced } from './synced.js'

/** Name of writer() without a name. */
const DEFAULT_WRITER = 'default'

/** What only tests pass: files with faults, another boot of the machine, a gate that is off. */
export type InternalOptions = Pick<EngineOptions, 'openFile' | 'writeFile' | 'bootId' | 'isGateOff'>

/**
 * A durable set of authorized feeds. See the package's README for the guarantees.
 *
 * @example
 * const set = new FeedSet('./storage')
 * const log = await set.writer('log')
 * await log.append('hello')
 * set.replicate(connection)
 */
export class FeedSet<T = unknown> extends EventEmitter<FeedSetEvents<T>> implements Iterable<Feed<T>> {
  /** 32 bytes: what the feeds of this set's writers are derived with. */
  readonly namespace: Uint8Array
  readonly #engine: SetEngine<T>
  readonly #movement: Movement
  readonly #maxNameBytes: number

  /**
   * @param storage - A folder, which is made if needed, or a Corestore, which is never closed by the set.
   * @throws {TypeError | RangeError} `ERR_FEEDS_STORAGE`, `ERR_FEEDS_BAD_OPTION`. Nothing is opened yet.
   */
  constructor(storage: string | CorestoreLike, options: FeedSetOptions = {}, internal: InternalOptions = {}) {
    super()
    checkStorage(storage)
    const limits = limitsOf(options)
    this.namespace = setNamespaceOf(options.namespace ?? '')
    this.#maxNameBytes = limits.maxNameBytes
    this.#movement = new Movement({
      progressMs: limits.progressMs,
      statusOf: key => (this.has(key) ? this.#engine.statuses([key])[0] : undefined),
      isHeard: () => this.listenerCount('progress') > 0,
      tell: progress => void this.emit('progress', progress)
    })
    const { keyPair = null, valueEncoding = 'binary', gate } = options
    const { namespace } = this
    const isCautious = gate === 'always'
    this.#engine = new SetEngine<T>(
      { storage, namespace, keyPair, valueEncoding, limits, isCautious, ...internal },
      {
        authorized: key => this.#tellAuthorized(key),
        appended: feed => void this.emit('append', feed),
        moved: key => this.#movement.moved(key),
        forked: proof => void this.emit('fork', proof),
        recovering: feed => void this.emit('recovering', feed),
        rotated: rotation => void this.emit('rotate', rotation),
        warning: error => void this.emit('warning', error)
      }
    )
    this.ready().catch(() => {}) // whoever calls anything hears of it
  }

  /** True from ready() until close(). */
  get opened(): boolean {
    return this.#engine.isOpened && !this.#engine.isClosed
  }

  /** True from the call of close() on. */
  get closed(): boolean {
    return this.#engine.isClosed
  }

  /** Public key of the writers. @throws {FeedsError} `ERR_FEEDS_NOT_READY` before ready(), if no key pair was passed. */
  get author(): Uint8Array {
    return this.#engine.author.keyPair.publicKey
  }

  /** 8 bytes that tell this storage folder from every other. @throws {FeedsError} `ERR_FEEDS_NOT_READY` before ready(). */
  get device(): Uint8Array {
    if (!this.#engine.isOpened) throw notReady('device')
    return this.#facts.device
  }

  /** For protocols on top of a set: what its author signs with. Never log it. @throws {FeedsError} as `author`. */
  authorKeyPair(): KeyPair {
    return this.#engine.author.keyPair
  }

  /** Authorized feeds. */
  get size(): number {
    return this.#facts.size
  }

  /** For protocols on top of a set: how many facts were ever logged; only grows. */
  get version(): number {
    return this.#facts.version
  }

  /** For protocols on top of a set: opaque records in the same log. list() is complete after ready(). */
  get records(): SetRecords {
    return {
      list: () => this.#facts.records(),
      append: async records => {
        await this.ready()
        return this.#facts.appendRecords(records)
      },
      retain: keep => this.#facts.retainRecords(keep)
    }
  }

  /**
   * Opens the storage and replays the facts. Every other call waits for it.
   *
   * @throws {FeedsError} `ERR_FEEDS_STORAGE`, `ERR_FEEDS_LOCKED`, `ERR_FEEDS_LOG_DAMAGED`, `ERR_FEEDS_LOG_FOREIGN`.
   */
  ready(): Promise<void> {
    return this.#engine.ready()
  }

  /** For structures that open feeds of their own: a new session of the Corestore, the caller's to close. After ready(). */
  store(): CorestoreLike {
    return this.#engine.store.session()
  }

  /**
   * The local writer of this name, made and authorized at its first use.
   *
   * The same name is the same feed, also after a restart, and for two calls at once. A writer that was revoked is not
   * revived by this.
   *
   * @param name - 1 to 64 bytes of UTF-8, not spelt like a key. Default 'default'.
   * @throws {FeedsError} `ERR_FEEDS_NOT_AUTHORIZED` if it was revoked; `ERR_FEEDS_BAD_NAME`, `ERR_FEEDS_STORAGE`.
   */
  async writer(name = DEFAULT_WRITER, options: WriterOptions = {}): Promise<Feed<T>> {
    checkName(name, this.#maxNameBytes)
    await this.ready()
    return this.#engine.writers.make(name, options.meta ?? { name })
  }

  /**
   * Gives a writer up: it takes no more appends, and writer() has its successor, which is returned. Its feed stays in the set.
   * This happens by itself when a writer that may have been rolled back finds no peer, and when it forked.
   *
   * @throws {FeedsError} `ERR_FEEDS_NOT_AUTHORIZED` if there is no such writer, `ERR_FEEDS_STORAGE`.
   */
  async rotate(name = DEFAULT_WRITER): Promise<Feed<T>> {
    await this.ready()
    const key = this.#facts.own.key(name)
    if (key === null) throw new FeedsError('ERR_FEEDS_NOT_AUTHORIZED', 'there is no writer of this name')
    await this.#engine.writers.rotate(key)
    return this.writer(name)
  }

  /** Writers that were given up, oldest first, also in earlier runs: for who has to tell others of the successors. */
  rotations(): Rotation[] {
    return [...this.#facts.own.rotations()].map(({ from, to, length }) => {
      return { name: this.#facts.own.nameOf(from)?.name ?? '', from, to, length }
    })
  }

  /**
   * Puts a feed into the set. Resolves when that is on the disk; from then on it is replicated.
   *
   * After a revoke this is a deliberate revival. Calling it again changes nothing but the meta, if one is passed.
   *
   * @throws {TypeError | RangeError | FeedsError} `ERR_FEEDS_BAD_KEY`, `ERR_FEEDS_BAD_META`, `ERR_FEEDS_SET_FULL`,
   * `ERR_FEEDS_STORAGE`, `ERR_FEEDS_NOT_AUTHORIZED` if it was revoked meanwhile.
   */
  async authorize(key: Key, meta?: FeedMeta, extra: AuthorizeExtra = {}): Promise<Feed<T>> {
    const bytes = keyBytes(key)
    const { version, record, download, maxBytes, until } = extra
    if (download !== undefined && download !== 'all' && download !== 'sparse') {
      throw typeError('ERR_FEEDS_BAD_OPTION', "download is 'all' or 'sparse'")
    }
    await this.ready()
    const policy = download === undefined ? undefined : download === 'sparse' ? 1 : 0
    return this.#engine.authorize(bytes, { meta, version, record, policy, maxBytes, until })
  }

  /**
   * Takes a feed out of the set. Once it resolves that is on the disk, and no block of the feed is served, taken or
   * delivered by this process. Waiting get() calls reject `ERR_FEEDS_NOT_AUTHORIZED`. What is here stays readable in
   * sessions that the application has, and by readable(): all of it, up to `cutoff`, or with `purge` nothing.
   *
   * @returns Was it authorized until now? A feed that never was is denied in advance.
   * @throws {TypeError | RangeError | FeedsError} `ERR_FEEDS_BAD_KEY`, `ERR_FEEDS_BAD_OPTION`, `ERR_FEEDS_SET_FULL`: nothing
   * was changed. `ERR_FEEDS_STORAGE`: this process keeps to the revoke, but a restart may not know it.
   */
  async revoke(key: Key, options: RevokeOptions = {}): Promise<boolean> {
    const bytes = keyBytes(key)
    const { cutoff, purge = false, reason, version, record } = options
    await this.ready()
    const wasAuthorized = await this.#engine.revoke(bytes, { purge, cutoff, version, record })
    if (wasAuthorized) this.emit('revoke', bytes, reason ?? null)
    return wasAuthorized
  }

  /** Is this feed authorized? */
  has(key: Key): boolean {
    const bytes = tryKeyBytes(key)
    return bytes !== null && this.#facts.isAuthorized(bytes)
  }

  /** The feed with this key or writer name; null if it isn't in the set. Every spelling gives the same object. */
  get(keyOrName: Key): Feed<T> | null {
    const key = tryKeyBytes(keyOrName) ?? this.#facts.own.key(String(keyOrName))
    if (key === null || !this.opened || !this.#facts.isAuthorized(key)) return null
    return this.#engine.table.session(key)
  }

  /**
   * What is here of a feed that left the set, by revoke() or because it forked: nothing more comes, and blocks that became
   * invalid are hidden. Null for a feed that never was in the set, and while this set is not open.
   */
  readable(key: Key): Feed<T> | null {
    const bytes = keyBytes(key)
    return this.opened && this.#facts.isKnown(bytes) ? this.#engine.table.session(bytes) : null
  }

  /** What was noted about a feed; null for none, and for a feed that isn't in the set. */
  meta(key: Key): FeedMeta | null {
    const bytes = keyBytes(key)
    return this.#facts.isAuthorized(bytes) ? this.#facts.meta(bytes) : null
  }

  /** Keys of the authorized feeds; opens none. */
  keys(): Uint8Array[] {
    return [...this.#facts.keys()]
  }

  /** For protocols on top of a set: the greatest version of a fact about this feed; null if nothing is known. */
  versionOf(key: Key): { version: number; denied: boolean } | null {
    return this.#facts.versionOf(keyBytes(key))
  }

  /** For protocols on top of a set: full writer name of a local writer, null for others. */
  origin(key: Key): Uint8Array | null {
    return this.#facts.own.origin(keyBytes(key))
  }

  /** How far a feed goes, and how much of it is here, without opening it; null for one that isn't in the set. */
  lengths(key: Key): FeedLengths | null {
    const bytes = keyBytes(key)
    return this.#facts.isAuthorized(bytes) ? this.#facts.lengths(bytes) : null
  }

  /** Feeds that were signed twice for one length, in the order in which that was found. They aren't in the set. */
  forks(): ForkProof[] {
    return this.#engine.forks.list()
  }

  /**
   * Takes the proof of a fork that another set found, as its 'fork' event or forks() gave it. The feed is shut for ever.
   *
   * @returns False: it was known.
   * @throws {TypeError | RangeError | FeedsError} `ERR_FEEDS_BAD_PROOF`, `ERR_FEEDS_SET_FULL`, `ERR_FEEDS_STORAGE`.
   */
  async quarantine(proof: Uint8Array): Promise<boolean> {
    await this.ready()
    return this.#engine.forks.quarantine(proof)
  }

  /** The authorized feeds. Each is opened when it is reached: use keys() to look only. */
  *[Symbol.iterator](): IterableIterator<Feed<T>> {
    for (const key of this.keys()) {
      const feed = this.get(key)
      if (feed !== null) yield feed
    }
  }

  /**
   * Replicates the set with the peer of this connection. May be called right after the constructor.
   *
   * Never call replicate() of a store or core on the same connection: it would be stopped, with a warning.
   *
   * @param stream - A Noise stream, a Protomux, or a plain Duplex (then `initiator` is needed and Noise is added).
   * @throws {TypeError} `ERR_FEEDS_BAD_STREAM`. @throws {FeedsError} `ERR_FEEDS_CLOSED`.
   */
  replicate(stream: DuplexLike | MuxLike, options: ReplicateOptions<T> = {}): FeedSession<T> {
    if (this.closed) throw closedError()
    const { initiator } = options
    const connection = connectionOf(stream, {
      errorCode: 'ERR_FEEDS_BAD_STREAM',
      ...(initiator === undefined ? {} : { initiator })
    })
    return this.#engine.replicate(connection, options)
  }

  /** Where each authorized feed stands; opens none. */
  progress(): FeedProgress[] {
    return this.#engine.statuses().map(progressOf)
  }

  /**
   * One-shot sync: waits for a peer, fixes the goal when every feed is settled, and resolves when it is reached: we have
   * what the peers had, and they what we had.
   *
   * @throws {FeedsError} `ERR_FEEDS_TIMEOUT`, `ERR_FEEDS_CLOSED`; rejects with `signal.reason` if aborted.
   */
  async synced(options: SyncedOptions = {}): Promise<{ feeds: number; blocks: number }> {
    options.signal?.throwIfAborted()
    await this.ready()
    return waitUntilSynced(syncHostOf(this.#engine, this.#movement), options)
  }

  /**
   * All feeds as one sequence, each author's order kept. Waits for no single feed.
   *
   * @throws {TypeError} `ERR_FEEDS_BAD_CURSOR`, at once. The iterator rejects with `signal.reason` if aborted.
   */
  entries(options: EntriesOptions = {}): AsyncIterableIterator<FeedEntry<T>> {
    return readEntries<T>(entriesHostOf(this.#engine, this.#movement), options)
  }

  /**
   * Makes a static feed of what the writer of this name has now, and authorizes it. Nobody can append to it, and its key
   * names its content: a reader needs nothing but the key.
   *
   * @throws {FeedsError} `ERR_FEEDS_EMPTY`, `ERR_FEEDS_NOT_AUTHORIZED` if there is no such writer.
   */
  async freeze(name: string): Promise<Feed<T>> {
    await this.ready()
    return this.authorize(await freezeWriter(this.#engine, name), { name, static: true })
  }

  /**
   * Resolves when everything appended so far survives a power cut. Calls share a sync of a few ms, and there is one in
   * `limits.flushMs` at most.
   *
   * @throws {FeedsError} `ERR_FEEDS_STORAGE`.
   */
  async flush(): Promise<void> {
    await this.ready()
    await this.#engine.writers.flush()
  }

  /** Ends all sessions and closes what is ours; a Corestore that was passed in stays open. Idempotent, bounded. */
  async close(): Promise<void> {
    if (this.#engine.isClosed) return this.#engine.close()
    const closing = this.#engine.close()
    this.#movement.close()
    await closing
    this.emit('close', null)
  }

  /** As close(). */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** A feed is opened for the event only if somebody listens: a set of 10,000 feeds opens none at its start. */
  #tellAuthorized(key: Uint8Array): void {
    if (this.listenerCount('authorize') === 0) return
    const feed = this.get(key)
    if (feed !== null) this.emit('authorize', feed, this.#facts.meta(key))
  }

  get #facts() {
    return this.#engine.facts
  }
}
