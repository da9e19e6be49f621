/**
 * FeedSet: the authorized set of feeds on a storage, and what may be replicated of it. Start here.
 *
 * It joins the parts and decides nothing itself: FactStore says what is authorized and keeps it on the disk, FeedTable
 * opens feeds, SetSession grants them on a connection, the gate of the connection lets nothing else through.
 *
 * A revoke: (1) denied in memory, which closes the gate's door and rejects what waits; (2) the tombstone is synced while
 * (3) the feed is detached and closed on every connection; (4) resolved.
 */
import { EventEmitter } from 'eventemitter3'
import { type FeedStatus, progressOf } from '../core/progress.js'
import { FeedsError, rangeError, typeError } from '../errors.js'
import { type FeedsLimits, LIMITS } from '../limits.js'
import type {
  AuthorizeExtra,
  CorestoreLike,
  DuplexLike,
  EntriesOptions,
  Feed,
  FeedEntry,
  FeedMeta,
  FeedProgress,
  FeedSession,
  FeedSetEvents,
  FeedSetOptions,
  Key,
  KeyPair,
  MuxLike,
  ReplicateOptions,
  RevokeOptions,
  WriterOptions
} from '../types.js'
import { connectionOf } from './connection.js'
import { readEntries } from './entries.js'
import type { OpenLogFile } from './fact-log.js'
import { FactStore } from './fact-store.js'
import { SetSession } from './feed-session.js'
import { FeedTable, type OpenFeed } from './feed-table.js'
import type { GateFeed } from './gate.js'
import { checkStorage, discoveryKeyOf, feedKeyOf, manifestOf, Store } from './hypercore.js'
import { checkName, feedNamespaceOf, fullWriterName, keyBytes, keyId, setNamespaceOf, tryKeyBytes } from './keys.js'
import { type SyncedOptions, waitUntilSynced } from './synced.js'
import { within } from './within.js'

/** Name of writer() without a name. */
const DEFAULT_WRITER = 'default'
const MAX_FEEDS = 1_000_000

/** What only tests pass: a log file with faults. */
export interface InternalOptions {
  openFile?: OpenLogFile
}

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
  readonly #storage: string | CorestoreLike
  readonly #options: FeedSetOptions
  readonly #limits: Readonly<FeedsLimits>
  readonly #facts: FactStore
  readonly #openFile: OpenLogFile | undefined
  readonly #sessions = new Set<SetSession<T>>()
  readonly #makingWriters = new Map<string, Promise<Feed<T>>>()
  /** Feeds that moved since the last 'progress', by id. */
  readonly #dirty = new Set<string>()
  #changes: (() => void)[] = []
  #progressTimer: NodeJS.Timeout | null = null
  #moves = 0
  #keyPair: KeyPair | null
  #store: Store | null = null
  #table: FeedTable<T> | null = null
  #opening: Promise<void> | null = null
  #closing: Promise<void> | null = null
  #isOpened = false

  /**
   * @param storage - A folder, which is made if needed, or a Corestore, which is never closed by the set.
   * @throws {TypeError | RangeError} `ERR_FEEDS_STORAGE`, `ERR_FEEDS_BAD_OPTION`. Nothing is opened yet.
   */
  constructor(storage: string | CorestoreLike, options: FeedSetOptions = {}, internal: InternalOptions = {}) {
    super()
    checkStorage(storage)
    checkOptions(options)
    this.#storage = storage
    this.#options = options
    this.#limits = { ...LIMITS, ...options.limits, ...(options.maxFeeds && { maxFeeds: options.maxFeeds }) }
    this.#keyPair = options.keyPair ?? null
    this.#openFile = internal.openFile
    this.namespace = setNamespaceOf(options.namespace ?? '')
    this.#facts = new FactStore(this.namespace, this.#limits)
    this.ready().catch(() => {}) // whoever calls anything hears of it
  }

  /** True from ready() until close(). */
  get opened(): boolean {
    return this.#isOpened && this.#closing === null
  }

  get closed(): boolean {
    return this.#closing !== null
  }

  /** Public key of the writers. @throws {FeedsError} `ERR_FEEDS_NOT_READY` before ready(), if no key pair was passed. */
  get author(): Uint8Array {
    if (this.#keyPair === null) throw notReady('author')
    return this.#keyPair.publicKey
  }

  /** 8 bytes that tell this storage folder from every other. @throws {FeedsError} `ERR_FEEDS_NOT_READY` before ready(). */
  get device(): Uint8Array {
    if (!this.#isOpened) throw notReady('device')
    return this.#facts.device
  }

  /** For protocols on top of a set: what its author signs with. Never log it. @throws {FeedsError} as `author`. */
  authorKeyPair(): KeyPair {
    return this.#writersKeyPair()
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
  get records(): {
    list(): Iterable<Uint8Array>
    append(records: readonly Uint8Array[]): Promise<void>
  } {
    return {
      list: () => this.#facts.records(),
      append: async records => {
        await this.ready()
        return this.#facts.appendRecords(records)
      }
    }
  }

  /**
   * Opens the storage and replays the facts. Every other call waits for it.
   *
   * @throws {FeedsError} `ERR_FEEDS_STORAGE`, `ERR_FEEDS_LOCKED`, `ERR_FEEDS_LOG_DAMAGED`, `ERR_FEEDS_LOG_FOREIGN`.
   */
  ready(): Promise<void> {
    if (this.#closing !== null) return Promise.reject(closed())
    this.#opening ??= this.#open()
    return this.#opening
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
    checkName(name, this.#limits.maxNameBytes)
    await this.ready()
    const running = this.#makingWriters.get(name) ?? this.#makeWriter(name, options)
    this.#makingWriters.set(name, running)
    try {
      return await running
    } finally {
      this.#makingWriters.delete(name)
    }
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
    const { version, record, download } = extra
    if (download !== undefined && download !== 'all' && download !== 'sparse') {
      throw typeError('ERR_FEEDS_BAD_OPTION', "download is 'all' or 'sparse'")
    }
    await this.ready()
    const policy = download === undefined ? undefined : download === 'sparse' ? 1 : 0
    const isNew = await this.#facts.authorize(bytes, { meta, version, record, policy })
    return this.#enter(bytes, isNew)
  }

  /**
   * Takes a feed out of the set. Once it resolves that is on the disk, and no block of the feed is served, taken or
   * delivered by this process. Waiting get() calls reject `ERR_FEEDS_NOT_AUTHORIZED`.
   *
   * @returns Was it authorized until now? A feed that never was is denied in advance.
   * @throws {TypeError | RangeError | FeedsError} `ERR_FEEDS_BAD_KEY`; `ERR_FEEDS_UNSUPPORTED` for `cutoff`;
   * `ERR_FEEDS_STORAGE`: this process keeps to the revoke, but a restart may not know it.
   */
  async revoke(key: Key, options: RevokeOptions = {}): Promise<boolean> {
    const bytes = keyBytes(key)
    const { cutoff, purge = false, reason, version, record } = options
    if (cutoff !== undefined) {
      throw new FeedsError('ERR_FEEDS_UNSUPPORTED', 'cutoff is not enforced by this release, so it is not accepted')
    }
    await this.ready()
    const { wasAuthorized, logged } = this.#facts.deny(bytes, { purge, version, record })
    await this.#shut(bytes, logged, 'the feed was revoked')
    if (purge && !this.#facts.isAuthorized(bytes)) await this.#purge(bytes)
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
    const key = tryKeyBytes(keyOrName) ?? this.#facts.writerKey(String(keyOrName))
    if (key === null || this.#table === null || this.closed || !this.#facts.isAuthorized(key)) return null
    return this.#table.session(key)
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
    return this.#facts.origin(keyBytes(key))
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
    if (this.closed) throw closed()
    const { initiator } = options
    const connection = connectionOf(stream, {
      errorCode: 'ERR_FEEDS_BAD_STREAM',
      ...(initiator === undefined ? {} : { initiator })
    })
    const session = new SetSession<T>(
      {
        limits: this.#limits,
        ready: () => this.ready(),
        isAuthorized: key => this.#facts.isAuthorized(key),
        keys: () => this.keys(),
        feedOf: key => this.#tableOrThrow().session(key),
        gateFeedOf: key => this.#gateFeedOf(key),
        warn: error => void this.emit('warning', error),
        changed: key => this.#onMoved(key),
        ended: ended => void this.#sessions.delete(ended)
      },
      connection,
      options
    )
    this.#sessions.add(session)
    return session
  }

  /** Where each authorized feed stands; opens none. */
  progress(): FeedProgress[] {
    return this.#statuses().map(progressOf)
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
    const sessions = [...this.#sessions]
    const open = new Set<SetSession<T>>()
    for (const session of sessions) void session.opened().then(isOpen => isOpen && open.add(session))
    const host = {
      hasPeer: () => this.#hasPeer(open),
      statuses: () => this.#statuses(),
      moves: () => this.#moves,
      isClosed: () => this.closed,
      uploadIdleMs: this.#limits.uploadIdleMs
    }
    return waitUntilSynced(host, options)
  }

  /**
   * All feeds as one sequence, each author's order kept. Waits for no single feed.
   *
   * @throws {TypeError} `ERR_FEEDS_BAD_CURSOR`, at once. The iterator rejects with `signal.reason` if aborted.
   */
  entries(options: EntriesOptions = {}): AsyncIterableIterator<FeedEntry<T>> {
    return readEntries<T>(
      {
        ready: () => this.ready(),
        isClosed: () => this.closed,
        isAuthorized: key => this.#facts.isAuthorized(key),
        keys: () => this.keys(),
        feedOf: key => this.#tableOrThrow().session(key),
        nextChange: () => new Promise(resolve => this.#changes.push(resolve))
      },
      options
    )
  }

  /**
   * Makes a static feed of what the writer of this name has now, and authorizes it. Nobody can append to it, and its key
   * names its content: a reader needs nothing but the key.
   *
   * @throws {FeedsError} `ERR_FEEDS_EMPTY`, `ERR_FEEDS_NOT_AUTHORIZED` if there is no such writer.
   */
  async freeze(name: string): Promise<Feed<T>> {
    await this.ready()
    const key = this.#facts.writerKey(name)
    if (key === null || !this.#facts.isAuthorized(key)) {
      throw new FeedsError('ERR_FEEDS_NOT_AUTHORIZED', 'there is no writer of this name')
    }
    const { core } = this.#tableOrThrow().open(key)
    await core.ready()
    if (core.length === 0) throw new FeedsError('ERR_FEEDS_EMPTY', 'a feed without a block has nothing to freeze')
    const frozen = await this.#storeOrThrow().freeze(core, this.#writersKeyPair())
    return this.authorize(frozen, { name, static: true })
  }

  /** Resolves when everything appended so far survives a power cut. Costs some 10 ms: not after each append. */
  async flush(): Promise<void> {
    await this.ready()
    await this.#storeOrThrow().flush()
  }

  /** Ends all sessions and closes what is ours; a Corestore that was passed in stays open. Idempotent, bounded. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  /** As close(). */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #open(): Promise<void> {
    const store = await Store.open(this.#storage)
    try {
      await this.#facts.open({ folder: store.folder, isShared: !store.isOwned, openFile: this.#openFile })
      this.#keyPair ??= await store.authorKeyPair(this.namespace)
    } catch (fault) {
      await this.#facts.close()
      await store.close()
      throw fault
    }
    this.#store = store
    this.#table = new FeedTable<T>({
      store,
      valueEncoding: this.#options.valueEncoding ?? 'binary',
      writerOf: key => this.#writerOf(key),
      appended: feed => void this.emit('append', this.#tableOrThrow().session(feed.key)),
      moved: feed => this.#onMoved(feed.key),
      conflict: (feed, length, fork) => void this.#onConflict(feed, length, fork)
    })
    this.#isOpened = true
    for (const key of this.#facts.keys()) this.#tellAuthorized(key)
  }

  async #makeWriter(name: string, options: WriterOptions): Promise<Feed<T>> {
    const keyPair = this.#writersKeyPair()
    const origin = fullWriterName(name, this.#facts.device, 0)
    const key = feedKeyOf(keyPair.publicKey, this.namespace, origin)
    if (this.#facts.isAuthorized(key)) return this.#enter(key, false)
    if (this.#facts.versionOf(key)?.denied) {
      throw new FeedsError('ERR_FEEDS_NOT_AUTHORIZED', 'this writer was revoked; authorize() its key to revive it')
    }
    const isNew = await this.#facts.authorize(key, { meta: options.meta ?? { name }, origin })
    return this.#enter(key, isNew)
  }

  /** Opens a feed that is authorized, and tells who has to know. */
  async #enter(key: Uint8Array, isNew: boolean): Promise<Feed<T>> {
    if (this.closed) throw closed()
    const feed = this.#tableOrThrow().session(key)
    try {
      await feed.ready()
    } catch (cause) {
      throw new FeedsError('ERR_FEEDS_STORAGE', 'the feed could not be opened', { cause })
    }
    // It may have been revoked while it opened.
    if (!this.#facts.isAuthorized(key)) throw new FeedsError('ERR_FEEDS_NOT_AUTHORIZED', 'the feed was revoked meanwhile')
    if (isNew) {
      for (const session of this.#sessions) session.added(key)
      this.#tellAuthorized(key)
      this.#onMoved(key)
    }
    return feed
  }

  /** A feed is opened for the event only if somebody listens: a set of 10,000 feeds opens none at its start. */
  #tellAuthorized(key: Uint8Array): void {
    if (this.listenerCount('authorize') === 0) return
    const feed = this.get(key)
    if (feed !== null) this.emit('authorize', feed, this.#facts.meta(key))
  }

  /** Everything that a deny does in this process. */
  async #shut(key: Uint8Array, logged: Promise<void>, reason: string): Promise<void> {
    this.#table?.deny(key, reason)
    const closing = [...this.#sessions].map(session => session.end(key))
    // Both are waited for, also if the disk refuses: the feed is closed in any case.
    const [log] = await Promise.allSettled([logged, ...closing])
    if (!this.#facts.isAuthorized(key)) await this.#table?.release(key)
    if (log.status === 'rejected') throw log.reason
  }

  async #purge(key: Uint8Array): Promise<void> {
    const core = this.#storeOrThrow().openCore(key)
    try {
      await core.ready()
      await core.clear()
    } catch (cause) {
      throw new FeedsError('ERR_FEEDS_STORAGE', 'the blocks of a revoked feed could not be deleted', { cause })
    } finally {
      await core.close()
    }
  }

  async #onConflict(feed: OpenFeed<T>, length: number, fork: number): Promise<void> {
    const { wasAuthorized, logged } = this.#facts.quarantine(feed.key, length, fork)
    if (!wasAuthorized) return
    try {
      await this.#shut(feed.key, logged, 'the feed was signed twice for one length')
    } catch (fault) {
      if (fault instanceof FeedsError) this.emit('warning', fault)
    }
    this.emit('fork', { key: feed.key, length, fork })
  }

  #gateFeedOf(key: Uint8Array): GateFeed {
    return {
      discoveryKey: this.#table?.peek(key)?.discoveryKey ?? discoveryKeyOf(key),
      isAllowed: () => !this.closed && this.#facts.isAuthorized(key),
      open: async () => {
        const { core } = this.#tableOrThrow().open(key)
        await core.ready()
        if (this.#facts.policy(key) === 0 && this.#facts.isAuthorized(key)) core.downloadAll()
        return core
      }
    }
  }

  /** Manifest and key pair of a feed of our own author; null for others, also for writers of another key pair. */
  #writerOf(key: Uint8Array): { manifest: object; keyPair: KeyPair } | null {
    const origin = this.#facts.origin(key)
    if (origin === null) return null
    const keyPair = this.#writersKeyPair()
    const own = feedKeyOf(keyPair.publicKey, this.namespace, origin)
    if (own.some((byte, i) => byte !== key[i])) return null
    return { manifest: manifestOf(keyPair.publicKey, feedNamespaceOf(this.namespace, origin)), keyPair }
  }

  #statuses(): FeedStatus[] {
    return this.keys().map(key => {
      const core = this.#table?.peek(key)?.core ?? null
      const sessions = [...this.#sessions]
      return {
        id: keyId(key),
        key,
        length: core?.length ?? 0,
        complete: core?.complete ?? 0,
        isSparse: this.#facts.policy(key) === 1,
        isForked: this.#facts.isQuarantined(key),
        isSettled: sessions.every(session => session.isSettled(key)),
        peers: core?.peers() ?? []
      }
    })
  }

  #onMoved(key: Uint8Array): void {
    this.#moves++
    const changes = this.#changes
    this.#changes = []
    for (const resolve of changes) resolve()
    if (this.listenerCount('progress') === 0) return
    this.#dirty.add(keyId(key))
    this.#progressTimer ??= setTimeout(() => this.#tellProgress(), this.#limits.progressMs).unref()
  }

  #tellProgress(): void {
    this.#progressTimer = null
    const dirty = new Set(this.#dirty)
    this.#dirty.clear()
    for (const status of this.#statuses()) if (dirty.has(status.id)) this.emit('progress', progressOf(status))
  }

  async #close(): Promise<void> {
    await this.#opening?.catch(() => {})
    const { goodbyeMs } = this.#limits
    const sessions = [...this.#sessions].map(session => session.close())
    await within(Promise.allSettled(sessions), goodbyeMs, null)
    if (this.#progressTimer !== null) clearTimeout(this.#progressTimer)
    for (const resolve of this.#changes.splice(0)) resolve()
    await this.#facts.close().catch(() => {}) // facts that were acknowledged are on the disk already
    await this.#table?.close()
    await this.#store?.close()
    this.emit('close', null)
  }

  #hasPeer(open: Set<SetSession<T>>): boolean {
    for (const session of this.#sessions) {
      if (open.has(session)) return true
      void session.opened().then(isOpen => isOpen && open.add(session))
    }
    return false
  }

  #writersKeyPair(): KeyPair {
    if (this.#keyPair === null) throw notReady('author')
    return this.#keyPair
  }

  #storeOrThrow(): Store {
    if (this.#store === null || this.closed) throw closed()
    return this.#store
  }

  #tableOrThrow(): FeedTable<T> {
    if (this.#table === null) throw closed()
    return this.#table
  }
}

function closed(): FeedsError {
  return new FeedsError('ERR_FEEDS_CLOSED', 'the set is closed')
}

function notReady(what: string): FeedsError {
  return new FeedsError('ERR_FEEDS_NOT_READY', `${what} is known only after ready()`)
}

function checkOptions(options: FeedSetOptions): void {
  const { keyPair, maxFeeds } = options
  if (keyPair !== undefined && (keyPair?.publicKey?.byteLength !== 32 || keyPair?.secretKey?.byteLength !== 64)) {
    throw typeError('ERR_FEEDS_BAD_OPTION', 'keyPair needs a publicKey of 32 bytes and a secretKey of 64')
  }
  if (maxFeeds === undefined) return
  if (!Number.isInteger(maxFeeds) || maxFeeds < 1 || maxFeeds > MAX_FEEDS) {
    throw rangeError('ERR_FEEDS_BAD_OPTION', `maxFeeds is ${maxFeeds}, it can be 1 to ${MAX_FEEDS}`)
  }
}
