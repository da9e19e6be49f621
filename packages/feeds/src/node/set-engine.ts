/**
 * What is behind a FeedSet: its storage, facts, open feeds and sessions, and the order in which they act.
 *
 * An authorize is on the disk before a feed is opened or granted. A revoke: (1) denied in memory, which shuts the gate's
 * door, hides what is behind a cutoff and rejects what waits; (2) the tombstone is synced, while (3) the feed is detached and
 * closed on every connection; (4) what was invalidated is deleted; (5) resolved. Nobody is asked twice: whoever waited looks
 * again at what is authorized now.
 */
import type { FeedStatus } from '../core/progress.js'
import { FeedsError } from '../errors.js'
import type { FeedsLimits } from '../limits.js'
import type { Feed, ReplicateOptions } from '../types.js'
import { Author } from './author.js'
import { type ClearingHost, clearAll, clearFeed } from './clearing.js'
import type { Connection } from './connection.js'
import { Store } from './corestore.js'
import { Downloads } from './downloads.js'
import type { EngineListeners, EngineOptions } from './engine-types.js'
import { type DenyWish, FactStore } from './fact-store.js'
import type { AuthorizeWish } from './fact-wishes.js'
import type { SetSession } from './feed-session.js'
import { FeedTable, type OpenFeed } from './feed-table.js'
import { Forks } from './forks.js'
import type { GateFeed } from './gate-types.js'
import { type Core, discoveryKeyOf } from './hypercore.js'
import { keyId } from './keys.js'
import { Sessions } from './sessions.js'
import { deviceFileOf } from './storage.js'
import { within } from './within.js'
import { Writers } from './writers.js'

/** Feeds whose lengths are read from the disk in one go. */
const LENGTHS_AT_ONCE = 256

/** See the head of this file. */
export class SetEngine<T> {
  readonly facts: FactStore
  readonly author: Author
  readonly sessions: Sessions<T>
  readonly forks: Forks
  readonly #options: EngineOptions
  readonly #listeners: EngineListeners<T>
  readonly #downloads: Downloads
  readonly #clearing: ClearingHost
  #store: Store | null = null
  #table: FeedTable<T> | null = null
  #writers: Writers<T> | null = null
  #opening: Promise<void> | null = null
  #closing: Promise<void> | null = null
  #isOpened = false
  /** Runs while something waits for room. */
  #crowdTimer: NodeJS.Timeout | null = null

  constructor(options: EngineOptions, listeners: EngineListeners<T>) {
    this.#options = options
    this.#listeners = listeners
    const { limits, namespace } = options
    const warn = (error: FeedsError): void => listeners.warning(error)
    const facts = new FactStore(namespace, limits)
    this.facts = facts
    this.author = new Author(facts, namespace, options.keyPair)
    this.#downloads = new Downloads({
      warn,
      isAuthorized: key => facts.isAuthorized(key),
      termsOf: key => ({
        isEager: facts.policy(key) === 0,
        maxBytes: this.#isOwn(key) ? Number.POSITIVE_INFINITY : facts.maxBytes(key),
        cutoff: facts.cutoff(key)
      })
    })
    this.#clearing = {
      warn,
      store: () => this.store,
      clearing: key => facts.clearing(key),
      clearings: () => facts.clearings(),
      cleared: done => facts.cleared(done)
    }
    this.forks = new Forks({
      warn,
      limits,
      facts,
      store: () => this.store,
      shut: (key, logged) => this.#shut(key, logged),
      isOwn: key => this.#isOwn(key),
      rotate: async (key, length) => this.#writers?.rotate(key, length),
      forked: proof => listeners.forked(proof)
    })
    this.sessions = new Sessions<T>({
      limits,
      warn,
      ready: () => this.ready(),
      isAuthorized: key => facts.isAuthorized(key),
      keyOf: discoveryKey => facts.keyOf(discoveryKey),
      keys: () => facts.keys(),
      isSought: key => this.#isSought(key),
      isUrgent: key => this.#writers?.isRecovering(key) === true,
      isAwaited: key => this.#table?.peek(key)?.core?.isWaitedFor === true,
      lengthOf: key => facts.lengths(key)?.length ?? 0,
      feedOf: key => this.table.session(key),
      gateFeedOf: key => this.#gateFeedOf(key),
      claimed: (key, peer, length) => this.#writers?.claimed(key, peer, length),
      changed: key => listeners.moved(key)
    })
  }

  get limits(): Readonly<FeedsLimits> {
    return this.#options.limits
  }

  /** Was ready() done? Stays true after close(). */
  get isOpened(): boolean {
    return this.#isOpened
  }

  get isClosed(): boolean {
    return this.#closing !== null
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

  /** @throws {FeedsError} `ERR_FEEDS_CLOSED` */
  get writers(): Writers<T> {
    if (this.#writers === null || this.isClosed) throw closedError()
    return this.#writers
  }

  async authorize(key: Uint8Array, wish: AuthorizeWish): Promise<Feed<T>> {
    const isNew = await this.facts.authorize(key, wish)
    // It may be on the disk: an earlier member of the set, or a feed of the application.
    if (isNew && !this.isClosed) await this.#learnLengths(this.store, [key])
    if (this.isClosed) throw closedError()
    // It may have been revoked in the meantime.
    if (!this.facts.isAuthorized(key))
      throw new FeedsError('ERR_FEEDS_NOT_AUTHORIZED', 'the feed was revoked meanwhile')
    this.#termsChanged(key)
    await clearFeed(this.#clearing, key)
    if (isNew) this.#entered(key)
    return this.table.session(key)
  }

  /** @returns Was it authorized until now? */
  async revoke(key: Uint8Array, wish: DenyWish): Promise<boolean> {
    const { wasAuthorized, logged } = this.facts.deny(key, wish)
    await this.#shut(key, logged)
    if (!this.facts.isAuthorized(key)) await clearFeed(this.#clearing, key)
    return wasAuthorized
  }

  /** A session of the set on a connection. */
  replicate(connection: Connection, options: ReplicateOptions<T>): SetSession<T> {
    return this.sessions.add(connection, options)
  }

  /** Where feeds stand; opens none. Default: all that are authorized. */
  statuses(keys: Iterable<Uint8Array> = this.facts.keys()): FeedStatus[] {
    const sessions = [...this.sessions]
    return [...keys].map(key => ({
      ...(this.facts.lengths(key) ?? { length: 0, complete: 0 }),
      id: keyId(key),
      key,
      cutoff: this.facts.cutoff(key),
      isSparse: this.facts.policy(key) === 1,
      isForked: this.facts.isQuarantined(key),
      isOverQuota: this.#downloads.isOver(key),
      isRecovering: this.#writers?.isRecovering(key) === true,
      isSettled: sessions.every(session => session.isSettled(key)),
      peers: this.#table?.peek(key)?.core?.peers() ?? []
    }))
  }

  /** Of the authorized feeds those that are open, or that something is done for on a connection. */
  activeStatuses(): FeedStatus[] {
    const active = new Map<string, Uint8Array>()
    for (const { id, key } of this.#table?.openFeeds() ?? []) active.set(id, key)
    for (const session of this.sessions) for (const key of session.active()) active.set(keyId(key), key)
    return this.statuses([...active.values()].filter(key => this.facts.isAuthorized(key)))
  }

  async #open(): Promise<void> {
    const { storage, namespace, openFile } = this.#options
    const store = await Store.open(storage)
    try {
      await this.facts.open({ folder: store.folder, isShared: !store.isOwned, openFile })
      await this.author.settle(() => store.authorKeyPair(namespace))
      // Before the first fact: a set that survives a power cut is worth nothing in a storage that doesn't.
      if (this.facts.version === 0) await store.settle()
      this.#store = store
      this.#table = this.#makeTable(store)
      this.#writers = this.#makeWriters(store)
      await this.#writers.load()
      await this.#learnLengths(store, [...this.facts.keys()])
    } catch (fault) {
      await this.facts.close()
      await store.close()
      throw fault
    }
    this.#isOpened = true
    for (const key of this.facts.keys()) this.#listeners.authorized(key)
    this.#writers.recover()
    void clearAll(this.#clearing, () => this.isClosed)
  }

  #makeTable(store: Store): FeedTable<T> {
    const { valueEncoding, limits } = this.#options
    const { facts } = this
    return new FeedTable<T>({
      store,
      valueEncoding,
      maxOpen: limits.maxOpen,
      lingerMs: limits.lingerMs,
      writerOf: key => this.author.writerOf(key),
      gateOf: key => this.#writers?.gateOf(key) ?? null,
      stateOf: key => ({
        denied: facts.isAuthorized(key) ? null : refusal(facts.isQuarantined(key)),
        cutoff: facts.cutoff(key)
      }),
      lengths: key => facts.lengths(key) ?? { fork: 0, length: 0, complete: 0 },
      noteLengths: (key, lengths) => facts.noteLengths(key, lengths),
      opened: (feed, core) => this.#onOpened(feed, core),
      demand: (feed, seq) => this.#onDemand(feed, seq),
      room: () => this.sessions.pump(),
      appended: feed => this.#onAppended(feed),
      moved: feed => this.#listeners.moved(feed.key),
      conflict: (feed, _length, _fork, proof) => void this.forks.onConflict(feed.key, proof)
    })
  }

  #makeWriters(store: Store): Writers<T> {
    const { limits, isCautious, bootId, isGateOff, writeFile } = this.#options
    const { facts, author } = this
    return new Writers<T>(
      {
        limits,
        facts,
        author,
        acquire: key => this.table.acquire(key),
        release: key => this.table.release(key),
        authorize: (key, wish) => this.authorize(key, wish),
        feedOf: key => this.table.session(key),
        sync: () => store.flush(),
        recovering: key => {
          this.sessions.demand(key)
          this.#listeners.recovering(this.table.session(key))
        },
        rotated: rotation => this.#listeners.rotated(rotation),
        warn: error => this.#listeners.warning(error)
      },
      { placeFile: deviceFileOf(store.folder), isCautious, bootId, isGateOff, writeFile }
    )
  }

  /** How far the feeds go that this storage holds, without opening them. */
  async #learnLengths(store: Store, keys: Uint8Array[]): Promise<void> {
    for (let from = 0; from < keys.length; from += LENGTHS_AT_ONCE) {
      const group = keys.slice(from, from + LENGTHS_AT_ONCE)
      const lengths = await store.lengths(group)
      for (const [i, key] of group.entries()) {
        const known = lengths[i]
        if (known) this.facts.noteLengths(key, known)
      }
    }
  }

  async #close(): Promise<void> {
    await this.#opening?.catch(() => {}) // whoever called ready() was told
    if (this.#crowdTimer !== null) clearTimeout(this.#crowdTimer)
    this.#table?.stop(closedError())
    await within(this.sessions.close(), this.#options.limits.goodbyeMs, null)
    await this.#writers?.close()
    await this.facts.close().catch(() => {}) // facts that were acknowledged are on the disk already
    if (this.#table !== null) await within(this.#table.settled(), this.#options.limits.goodbyeMs, null)
    await this.#table?.close()
    await this.#store?.close()
  }

  /** A feed is in the set that wasn't. */
  #entered(key: Uint8Array): void {
    for (const session of this.sessions) session.added(key)
    this.#listeners.authorized(key)
    this.#listeners.moved(key)
  }

  /** What may be done with a feed has changed: open ones follow. */
  #termsChanged(key: Uint8Array): void {
    this.#table?.changed(key)
    const feed = this.#table?.peek(key)
    if (feed?.core) this.#downloads.start(key, feed.core, feed.feedSwitch.discoveryKey)
  }

  /** Everything that a deny does in this process. */
  async #shut(key: Uint8Array, logged: Promise<void>): Promise<void> {
    this.#table?.changed(key)
    this.#writers?.changed(key)
    this.#downloads.stop(key)
    // Both are waited for, also if the disk refuses: the feed is closed in any case.
    const [log] = await Promise.allSettled([logged, this.sessions.end(key)])
    if (!this.facts.isAuthorized(key)) await this.#table?.retire(key)
    if (log.status === 'rejected') throw log.reason
  }

  #onOpened(feed: OpenFeed, core: Core): void {
    this.#downloads.start(feed.key, core, feed.feedSwitch.discoveryKey)
    this.#writers?.opened(feed.key, core)
  }

  #onDemand(feed: OpenFeed, seq: number | null): void {
    if (seq !== null) this.#downloads.checkBlock(feed.key, seq)
    if (this.facts.isAuthorized(feed.key)) this.sessions.demand(feed.key)
  }

  #onAppended(feed: OpenFeed): void {
    const { key } = feed
    this.#downloads.grown(key)
    if (!this.facts.isAuthorized(key)) return
    // Peers that we have it open with hear of it from Hypercore; the others only if it is opened.
    for (const session of this.sessions) session.grown(key)
    this.#listeners.appended(this.table.session(key))
  }

  /** Others' feeds of which every block is wanted; of the rest those that the application uses now. */
  #isSought(key: Uint8Array): boolean {
    const isUsed = this.#table?.peek(key)?.core != null
    return isUsed || (this.facts.policy(key) === 0 && !this.#isOwn(key))
  }

  #gateFeedOf(key: Uint8Array): GateFeed {
    return {
      discoveryKey: discoveryKeyOf(key),
      isAllowed: () => !this.isClosed && this.facts.isAuthorized(key),
      hasRoom: (beside, isAsked) => this.#hasRoom(key, beside, isAsked),
      acquire: () => this.table.acquire(key),
      release: () => this.#table?.release(key)
    }
  }

  #hasRoom(key: Uint8Array, beside: number, isAsked: boolean): boolean {
    if (this.#table === null || this.#table.hasRoom(key, beside, isAsked)) return true
    this.#crowdTimer ??= setTimeout(() => {
      this.#crowdTimer = null
      this.#makeRoom()
    }, this.#options.limits.restMs).unref()
    return false
  }

  /** Feeds on which nothing moves give their place to those that wait for one. */
  #makeRoom(): void {
    if (this.#table === null || this.isClosed) return
    for (const { key } of this.#table.openFeeds()) this.sessions.rest(key, this.#options.limits.restMs, true)
    this.sessions.pump() // who still waits starts the timer again
  }

  #isOwn(key: Uint8Array): boolean {
    return this.author.writerOf(key) !== null
  }
}

function refusal(isForked: boolean): FeedsError {
  const reason = isForked ? 'the feed was signed twice for one length' : 'the feed was revoked'
  return new FeedsError('ERR_FEEDS_NOT_AUTHORIZED', reason)
}

/** What every call of a closed set rejects with. */
export function closedError(): FeedsError {
  return new FeedsError('ERR_FEEDS_CLOSED', 'the set is closed')
}

/** What a value rejects with that is known only later. */
export function notReady(what: string): FeedsError {
  return new FeedsError('ERR_FEEDS_NOT_READY', `${what} is known only after ready()`)
}
