/**
 * What is behind a FeedSet: its storage, facts, open feeds and sessions, and the order in which they act.
 *
 * An authorize is on the disk before a feed is opened or granted. A revoke: (1) denied in memory, which shuts the gate's
 * door and rejects what waits; (2) the tombstone is synced, while (3) the feed is detached and closed on every connection;
 * (4) resolved. Nobody is asked twice: whoever waited looks again at what is authorized now.
 */
import type { FeedStatus } from '../core/progress.js'
import { FeedsError } from '../errors.js'
import type { FeedsLimits } from '../limits.js'
import type {
  CorestoreLike,
  Feed,
  FeedEncoding,
  FeedMeta,
  ForkProof,
  KeyPair,
  ReplicateOptions
} from '../types.js'
import type { Connection } from './connection.js'
import type { OpenLogFile } from './fact-log.js'
import { type AuthorizeWish, type DenyWish, FactStore } from './fact-store.js'
import { SetSession } from './feed-session.js'
import { FeedTable, type OpenFeed } from './feed-table.js'
import type { GateFeed } from './gate.js'
import { discoveryKeyOf, feedKeyOf, manifestOf, Store } from './hypercore.js'
import { feedNamespaceOf, fullWriterName, keyId } from './keys.js'
import { within } from './within.js'

/** What an engine is made of. */
export interface EngineOptions {
  storage: string | CorestoreLike
  /** 32 bytes. */
  namespace: Uint8Array
  keyPair: KeyPair | null
  valueEncoding: FeedEncoding
  limits: Readonly<FeedsLimits>
  openFile?: OpenLogFile | undefined
}

/** Who hears of what happened. */
export interface EngineListeners<T> {
  authorized(key: Uint8Array): void
  appended(feed: Feed<T>): void
  moved(key: Uint8Array): void
  forked(proof: ForkProof): void
  warning(error: FeedsError): void
}

/** See the head of this file. */
export class SetEngine<T> {
  readonly facts: FactStore
  readonly sessions = new Set<SetSession<T>>()
  readonly #options: EngineOptions
  readonly #listeners: EngineListeners<T>
  readonly #makingWriters = new Map<string, Promise<Feed<T>>>()
  #keyPair: KeyPair | null
  #store: Store | null = null
  #table: FeedTable<T> | null = null
  #opening: Promise<void> | null = null
  #closing: Promise<void> | null = null
  #isOpened = false

  constructor(options: EngineOptions, listeners: EngineListeners<T>) {
    this.#options = options
    this.#listeners = listeners
    this.#keyPair = options.keyPair
    this.facts = new FactStore(options.namespace, options.limits)
  }

  /** Was ready() done? Stays true after close(). */
  get isOpened(): boolean {
    return this.#isOpened
  }

  get isClosed(): boolean {
    return this.#closing !== null
  }

  /** @throws {FeedsError} `ERR_FEEDS_NOT_READY` */
  get keyPair(): KeyPair {
    if (this.#keyPair === null) throw notReady('author')
    return this.#keyPair
  }

  /** @throws {FeedsError} `ERR_FEEDS_CLOSED` */
  get table(): FeedTable<T> {
    if (this.#table === null) throw closedError()
    return this.#table
  }

  /** @throws {FeedsError} `ERR_FEEDS_CLOSED` */
  get store(): Store {
    if (this.#store === null || this.isClosed) throw closedError()
    return this.#store
  }

  ready(): Promise<void> {
    if (this.#closing !== null) return Promise.reject(closedError())
    this.#opening ??= this.#open()
    return this.#opening
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  /** The local writer of this name; two calls at once make one. */
  async writer(name: string, meta: FeedMeta): Promise<Feed<T>> {
    const running = this.#makingWriters.get(name) ?? this.#makeWriter(name, meta)
    this.#makingWriters.set(name, running)
    try {
      return await running
    } finally {
      this.#makingWriters.delete(name)
    }
  }

  async authorize(key: Uint8Array, wish: AuthorizeWish): Promise<Feed<T>> {
    const isNew = await this.facts.authorize(key, wish)
    return this.#enter(key, isNew)
  }

  /** @returns Was it authorized until now? */
  async revoke(key: Uint8Array, wish: DenyWish): Promise<boolean> {
    const { wasAuthorized, logged } = this.facts.deny(key, wish)
    await this.#shut(key, logged, 'the feed was revoked')
    if (wish.purge && !this.facts.isAuthorized(key)) await this.#purge(key)
    return wasAuthorized
  }

  /** A session of the set on a connection. */
  replicate(connection: Connection, options: ReplicateOptions<T>): SetSession<T> {
    const session = new SetSession<T>(
      {
        limits: this.#options.limits,
        ready: () => this.ready(),
        isAuthorized: key => this.facts.isAuthorized(key),
        keys: () => this.facts.keys(),
        feedOf: key => this.table.session(key),
        gateFeedOf: key => this.#gateFeedOf(key),
        warn: error => this.#listeners.warning(error),
        changed: key => this.#listeners.moved(key),
        ended: ended => void this.sessions.delete(ended)
      },
      connection,
      options
    )
    this.sessions.add(session)
    return session
  }

  /** Where each authorized feed stands; opens none. */
  statuses(): FeedStatus[] {
    const sessions = [...this.sessions]
    return [...this.facts.keys()].map(key => {
      const core = this.#table?.peek(key)?.core ?? null
      return {
        id: keyId(key),
        key,
        length: core?.length ?? 0,
        complete: core?.complete ?? 0,
        isSparse: this.facts.policy(key) === 1,
        isForked: this.facts.isQuarantined(key),
        isSettled: sessions.every(session => session.isSettled(key)),
        peers: core?.peers() ?? []
      }
    })
  }

  async #open(): Promise<void> {
    const { storage, namespace, openFile, valueEncoding } = this.#options
    const store = await Store.open(storage)
    try {
      await this.facts.open({ folder: store.folder, isShared: !store.isOwned, openFile })
      this.#keyPair ??= await store.authorKeyPair(namespace)
    } catch (fault) {
      await this.facts.close()
      await store.close()
      throw fault
    }
    this.#store = store
    this.#table = new FeedTable<T>({
      store,
      valueEncoding,
      writerOf: key => this.#writerOf(key),
      appended: feed => {
        if (this.facts.isAuthorized(feed.key)) this.#listeners.appended(this.table.session(feed.key))
      },
      moved: feed => this.#listeners.moved(feed.key),
      conflict: (feed, length, fork) => void this.#onConflict(feed, length, fork)
    })
    this.#isOpened = true
    for (const key of this.facts.keys()) this.#listeners.authorized(key)
  }

  async #close(): Promise<void> {
    await this.#opening?.catch(() => {}) // whoever called ready() was told
    const sessions = [...this.sessions].map(session => session.close())
    await within(Promise.allSettled(sessions), this.#options.limits.goodbyeMs, null)
    await this.facts.close().catch(() => {}) // facts that were acknowledged are on the disk already
    await this.#table?.close()
    await this.#store?.close()
  }

  async #makeWriter(name: string, meta: FeedMeta): Promise<Feed<T>> {
    const origin = fullWriterName(name, this.facts.device, 0)
    const key = feedKeyOf(this.keyPair.publicKey, this.#options.namespace, origin)
    if (this.facts.isAuthorized(key)) return this.#enter(key, false)
    if (this.facts.versionOf(key)?.denied) {
      throw new FeedsError(
        'ERR_FEEDS_NOT_AUTHORIZED',
        'this writer was revoked; authorize() its key to revive it'
      )
    }
    return this.authorize(key, { meta, origin })
  }

  /** Opens a feed that is authorized, and tells who has to know. */
  async #enter(key: Uint8Array, isNew: boolean): Promise<Feed<T>> {
    if (this.isClosed) throw closedError()
    const feed = this.table.session(key)
    try {
      await feed.ready()
    } catch (cause) {
      throw new FeedsError('ERR_FEEDS_STORAGE', 'the feed could not be opened', { cause })
    }
    // It may have been revoked while it opened.
    if (!this.facts.isAuthorized(key))
      throw new FeedsError('ERR_FEEDS_NOT_AUTHORIZED', 'the feed was revoked meanwhile')
    if (!isNew) return feed
    for (const session of this.sessions) session.added(key)
    this.#listeners.authorized(key)
    this.#listeners.moved(key)
    return feed
  }

  /** Everything that a deny does in this process. */
  async #shut(key: Uint8Array, logged: Promise<void>, reason: string): Promise<void> {
    this.#table?.deny(key, reason)
    const closing = [...this.sessions].map(session => session.end(key))
    // Both are waited for, also if the disk refuses: the feed is closed in any case.
    const [log] = await Promise.allSettled([logged, ...closing])
    if (!this.facts.isAuthorized(key)) await this.#table?.release(key)
    if (log.status === 'rejected') throw log.reason
  }

  async #purge(key: Uint8Array): Promise<void> {
    const core = this.store.openCore(key)
    try {
      await core.ready()
      await core.clear()
    } catch (cause) {
      throw new FeedsError('ERR_FEEDS_STORAGE', 'the blocks of a revoked feed could not be deleted', {
        cause
      })
    } finally {
      await core.close()
    }
  }

  async #onConflict(feed: OpenFeed<T>, length: number, fork: number): Promise<void> {
    const { wasAuthorized, logged } = this.facts.quarantine(feed.key, length, fork)
    if (!wasAuthorized) return
    try {
      await this.#shut(feed.key, logged, 'the feed was signed twice for one length')
    } catch (fault) {
      if (fault instanceof FeedsError) this.#listeners.warning(fault)
    }
    this.#listeners.forked({ key: feed.key, length, fork })
  }

  #gateFeedOf(key: Uint8Array): GateFeed {
    return {
      discoveryKey: this.#table?.peek(key)?.discoveryKey ?? discoveryKeyOf(key),
      isAllowed: () => !this.isClosed && this.facts.isAuthorized(key),
      open: async () => {
        const { core } = this.table.open(key)
        await core.ready()
        if (this.facts.policy(key) === 0 && this.facts.isAuthorized(key)) core.downloadAll()
        return core
      }
    }
  }

  /** Manifest and key pair of a feed of our own author; null for others, also for writers of another key pair. */
  #writerOf(key: Uint8Array): { manifest: object; keyPair: KeyPair } | null {
    const origin = this.facts.origin(key)
    if (origin === null) return null
    const { namespace } = this.#options
    const own = feedKeyOf(this.keyPair.publicKey, namespace, origin)
    if (own.some((byte, i) => byte !== key[i])) return null
    const manifest = manifestOf(this.keyPair.publicKey, feedNamespaceOf(namespace, origin))
    return { manifest, keyPair: this.keyPair }
  }
}

/** What every call of a closed set rejects with. */
export function closedError(): FeedsError {
  return new FeedsError('ERR_FEEDS_CLOSED', 'the set is closed')
}

/** What a value rejects with that is known only later. */
export function notReady(what: string): FeedsError {
  return new FeedsError('ERR_FEEDS_NOT_READY', `${what} is known only after ready()`)
}
