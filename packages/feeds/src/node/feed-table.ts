/**
 * The feeds of a set that are open: our own session of each, and the one that the application gets.
 *
 *   CLOSED  --acquire(), or the application uses its session--> OPEN
 *   PINNED  an open feed that somebody acquired: a gate that has it attached, a writer that recovers
 *   RESTING an open feed that nobody acquired, whose session of the application sleeps or waits for nothing
 *   RESTING --longest of all, and another needs its place | lingerMs--> CLOSED
 *
 * At most `maxOpen` feeds are open because of peers: a gate finds no room until one rests. What the application uses is
 * opened in any case. What a revoke takes away is a switch that all sessions of a feed share.
 */
import { slotOf } from '../core/fact-set.js'
import { FeedsError } from '../errors.js'
import type { Feed, FeedEncoding, KeyPair } from '../types.js'
import type { Store } from './corestore.js'
import { type Bed, type FeedSwitch, type SleepingSession, sleepingSession } from './guarded-core.js'
import { type Core, discoveryKeyOf } from './hypercore.js'
import { keyId } from './keys.js'
import type { WriterGate } from './writer-gate.js'

/** Known lengths of a feed. */
export interface FeedLengths {
  fork: number
  length: number
  complete: number
}

/** One feed that was touched. */
export interface OpenFeed {
  readonly key: Uint8Array
  readonly id: string
  readonly feedSwitch: FeedSwitch
  /** Null while it is closed. */
  core: Core | null
  /** Those who need it open. */
  pins: number
  /** The application's; held strongly only while it must hear what happens. */
  session: WeakRef<SleepingSession> | null
  heard: SleepingSession | null
  usedMs: number
}

/** How the feeds of a set are opened, and who hears of them. */
export interface FeedTableOptions {
  store: Store
  valueEncoding: FeedEncoding
  maxOpen: number
  lingerMs: number
  /** Manifest and key pair of a feed that we write; null for others. */
  writerOf(key: Uint8Array): { manifest: object; keyPair: KeyPair } | null
  /** Stands before the appends of a feed that we write; null for others. */
  gateOf(key: Uint8Array): WriterGate | null
  /** Why a feed is closed to the application, and from which block on it is hidden. */
  stateOf(key: Uint8Array): { denied: FeedsError | null; cutoff: number | null }
  lengths(key: Uint8Array): FeedLengths
  noteLengths(key: Uint8Array, lengths: FeedLengths): void
  /** It is open and ready: what it fetches is to be set up. */
  opened(feed: OpenFeed, core: Core): void
  /** The application waits for a block, or for news (null). Throws if it must not. */
  demand(feed: OpenFeed, seq: number | null): void
  /** An open feed could be closed. */
  room(): void
  appended(feed: OpenFeed): void
  moved(feed: OpenFeed): void
  conflict(feed: OpenFeed, length: number, fork: number, proof: unknown): void
}

/** See the head of this file. */
export class FeedTable<T> {
  readonly #options: FeedTableOptions
  readonly #feeds = new Map<string, OpenFeed>()
  /** Takes away what is left of feeds that the application let go of. */
  readonly #gone = new FinalizationRegistry<string>(slot => this.#forget(slot))
  /** Those that are open and that nobody acquired. */
  readonly #unpinned = new Set<OpenFeed & { core: Core }>()
  #open = 0
  #timer: NodeJS.Timeout | null = null
  #isClosed = false

  constructor(options: FeedTableOptions) {
    this.#options = options
  }

  /** Feeds that are open now. */
  get open(): number {
    return this.#open
  }

  /** A feed that was touched; undefined otherwise. */
  peek(key: Uint8Array): OpenFeed | undefined {
    return this.#feeds.get(slotOf(key))
  }

  /** Feeds that are open now. */
  *openFeeds(): IterableIterator<OpenFeed & { core: Core }> {
    for (const feed of this.#feeds.values()) if (isOpen(feed)) yield feed
  }

  /**
   * Could this feed be opened beside so many more, if need be by closing others that rest? What peers ask for may be twice
   * `maxOpen`: two sets that are both full of what they offer would wait for each other.
   */
  hasRoom(key: Uint8Array, beside: number, isAsked: boolean): boolean {
    const max = this.#options.maxOpen * (isAsked ? 2 : 1)
    if (this.#open + beside < max || this.peek(key)?.core != null) return true
    return this.#countResting(beside + 1) > beside
  }

  /** Opens a feed, and keeps it open until release(). The caller has checked that it may be. */
  async acquire(key: Uint8Array): Promise<Core> {
    const feed = this.#touch(key)
    feed.pins++
    try {
      const core = this.#openCore(feed)
      this.#unpinned.delete(feed as OpenFeed & { core: Core })
      await core.ready()
      return core
    } catch (fault) {
      this.release(key)
      throw fault
    }
  }

  release(key: Uint8Array): void {
    const feed = this.peek(key)
    if (feed === undefined || feed.pins === 0) return
    feed.pins--
    if (feed.pins === 0 && isOpen(feed)) this.#rest(feed)
  }

  /** The application's session: the same object as long as the application holds it, until it closes it. */
  session(key: Uint8Array): Feed<T> {
    const feed = this.#touch(key)
    const known = feed.session?.deref()
    if (known !== undefined && !known.closed) return known as unknown as Feed<T>
    const { valueEncoding, writerOf } = this.#options
    const keyPair = writerOf(key)?.keyPair
    const options = { valueEncoding, ...(keyPair && { keyPair }) }
    const session = sleepingSession(feed.feedSwitch, this.#bedOf(feed), options)
    feed.session = new WeakRef(session)
    feed.heard = null
    this.#gone.register(session, slotOf(key))
    session.once('close', () => {
      if (feed.session?.deref() === session) feed.session = null
      if (feed.heard === session) feed.heard = null
      if (feed.pins === 0 && isOpen(feed)) this.#rest(feed)
    })
    return session as unknown as Feed<T>
  }

  /** What the facts say of a feed has changed: its sessions follow at once. */
  changed(key: Uint8Array): void {
    const feed = this.peek(key)
    if (feed === undefined) return
    Object.assign(feed.feedSwitch, this.#options.stateOf(key))
    const { denied } = feed.feedSwitch
    if (denied === null) return
    feed.core?.stopDownload()
    feed.core?.rejectWaiting(denied)
  }

  /** Closes our session of a feed that was taken away. The application's stays, so that it can read what is here. */
  async retire(key: Uint8Array): Promise<void> {
    const feed = this.peek(key)
    if (feed === undefined) return
    // One that is being opened for the application is closed later, when nobody uses it.
    if (feed.pins > 0) return
    await this.#close(feed)
    if (feed.session?.deref() === undefined) this.#feeds.delete(slotOf(key))
  }

  /** Nothing is let through any more; waiting calls reject. */
  stop(error: FeedsError): void {
    this.#isClosed = true
    if (this.#timer !== null) clearTimeout(this.#timer)
    for (const { feedSwitch, core } of this.#feeds.values()) {
      feedSwitch.denied ??= error
      core?.rejectWaiting(error)
    }
  }

  /** Resolves when what came of the open feeds is written. */
  async settled(): Promise<void> {
    await Promise.allSettled([...this.openFeeds()].map(({ core }) => core.settled()))
  }

  /** Closes everything, the application's sessions too. */
  async close(): Promise<void> {
    const closing: Promise<unknown>[] = []
    for (const { core, session } of this.#feeds.values()) {
      closing.push(session?.deref()?.close() ?? Promise.resolve())
      if (core !== null) closing.push(core.close())
    }
    this.#feeds.clear()
    this.#unpinned.clear()
    this.#open = 0
    await Promise.allSettled(closing)
  }

  #touch(key: Uint8Array): OpenFeed {
    const slot = slotOf(key)
    const known = this.#feeds.get(slot)
    if (known !== undefined) return known
    const { stateOf, gateOf, lengths, demand } = this.#options
    const id = keyId(key)
    const feedSwitch: FeedSwitch = {
      key,
      id,
      discoveryKey: discoveryKeyOf(key),
      gate: gateOf(key),
      known: () => lengths(key),
      demand: seq => demand(feed, seq),
      ...stateOf(key)
    }
    const feed: OpenFeed = { key, id, feedSwitch, core: null, pins: 0, session: null, heard: null, usedMs: 0 }
    this.#feeds.set(slot, feed)
    return feed
  }

  /** Where a session of the application sleeps. While it wakes the feed is pinned; then it has a hold of its own. */
  #bedOf(feed: OpenFeed): Bed {
    let isPinned = false
    return {
      open: async () => {
        const core = await this.acquire(feed.key)
        isPinned = true
        return core.root
      },
      woke: () => {
        if (isPinned) this.release(feed.key)
        isPinned = false
      },
      heard: () => this.#onHeard(feed)
    }
  }

  #onHeard(feed: OpenFeed): void {
    const session = feed.session?.deref()
    if (session === undefined) return
    feed.heard = session
    if (feed.core !== null && session.isAsleep) session.ready().catch(() => {}) // whoever uses it is told
  }

  #openCore(feed: OpenFeed): Core {
    feed.usedMs = performance.now()
    if (feed.core !== null) return feed.core
    if (this.#isClosed) throw new FeedsError('ERR_FEEDS_CLOSED', 'the set was closed')
    this.#makeRoom()
    const { store, writerOf, appended, moved, conflict, opened } = this.#options
    const core = store.openCore(feed.key, writerOf(feed.key)?.manifest)
    feed.core = core
    this.#open++
    core.watch({
      append: () => {
        this.#noteLengths(feed, core)
        appended(feed)
        moved(feed)
      },
      download: () => {
        this.#noteLengths(feed, core)
        moved(feed)
      },
      upload: () => moved(feed),
      conflict: (length, fork, proof) => conflict(feed, length, fork, proof)
    })
    core.ready().then(
      () => {
        if (feed.core !== core) return
        this.#noteLengths(feed, core)
        opened(feed, core)
        // It wants to hear what happens, which only an awake session does.
        if (feed.heard?.isAsleep === true) feed.heard.ready().catch(() => {})
      },
      () => {
        if (feed.core === core) this.#closed(feed)
      }
    )
    return core
  }

  #noteLengths(feed: OpenFeed, core: Core): void {
    if (!core.isClosed) this.#options.noteLengths(feed.key, { ...core.position, complete: core.complete })
  }

  #makeRoom(): void {
    for (const feed of this.#resting()) {
      if (this.#open < this.#options.maxOpen) return
      void this.#close(feed)
    }
  }

  /** Open feeds that may be closed, longest unused first. */
  #resting(): (OpenFeed & { core: Core })[] {
    const resting = [...this.#unpinned].filter(feed => this.#canSleep(feed))
    return resting.sort((a, b) => a.usedMs - b.usedMs)
  }

  #countResting(atMost: number): number {
    let count = 0
    for (const feed of this.#unpinned) {
      if (this.#canSleep(feed)) count++
      if (count === atMost) break
    }
    return count
  }

  /** Has nobody but the set's own session of the application a hold of it, and does that wait for nothing? */
  #canSleep(feed: OpenFeed & { core: Core }): boolean {
    const session = feed.session?.deref()
    const isAwake = session !== undefined && !session.isAsleep && !session.closed
    if (feed.core.sessions > Number(isAwake)) return false
    return !isAwake || session.canSleep
  }

  /** Somebody who kept an open feed from being closed let go of it. */
  #rest(feed: OpenFeed & { core: Core }): void {
    feed.usedMs = performance.now()
    this.#unpinned.add(feed)
    this.#sweepLater()
    this.#options.room()
  }

  async #close(feed: OpenFeed): Promise<void> {
    const { core } = feed
    if (core === null) return
    this.#noteLengths(feed, core)
    feed.session?.deref()?.sleep()
    this.#closed(feed)
    await core.close()
    this.#options.store.closeUnused()
  }

  #closed(feed: OpenFeed): void {
    this.#unpinned.delete(feed as OpenFeed & { core: Core })
    feed.core = null
    this.#open--
    this.#options.room()
  }

  #forget(slot: string): void {
    const feed = this.#feeds.get(slot)
    if (feed === undefined || feed.session?.deref() !== undefined) return
    if (feed.core === null && feed.pins === 0) this.#feeds.delete(slot)
  }

  /** Closes what nobody used for a while, apart from what the application holds awake. */
  #sweepLater(): void {
    if (this.#isClosed) return
    this.#timer ??= setTimeout(() => {
      this.#timer = null
      this.#sweep()
    }, this.#options.lingerMs).unref()
  }

  #sweep(): void {
    for (const feed of this.#resting()) {
      const session = feed.session?.deref()
      if (session !== undefined && !session.isAsleep && !session.closed) continue
      if (performance.now() - feed.usedMs >= this.#options.lingerMs) void this.#close(feed)
    }
    // Also for those in use: of sessions that were made from the application's nobody tells that they are closed.
    if (this.#unpinned.size > 0) this.#sweepLater()
  }
}

function isOpen(feed: OpenFeed): feed is OpenFeed & { core: Core } {
  return feed.core !== null
}
