/**
 * The feeds of a set that are open: our own session of each, and the one that the application gets.
 *
 * The application's session is its own to close; ours goes on serving peers. What a revoke takes away is a switch that all
 * sessions of a feed share, so that also those that a Hyperbee made for itself stop.
 */
import { slotOf } from '../core/fact-set.js'
import { FeedsError } from '../errors.js'
import type { Feed, FeedEncoding, KeyPair } from '../types.js'
import { type Core, discoveryKeyOf, type FeedSwitch, type Store } from './hypercore.js'
import { keyId } from './keys.js'

/** One feed that was opened at least once. */
export interface OpenFeed<T> {
  readonly key: Uint8Array
  readonly id: string
  readonly discoveryKey: Uint8Array
  readonly feedSwitch: FeedSwitch
  /** Null after it was closed. */
  core: Core | null
  /** The application's; null until it asks, and after it closed it. */
  session: Feed<T> | null
}

/** How the feeds of a set are opened, and who hears of them. */
export interface FeedTableOptions<T> {
  store: Store
  valueEncoding: FeedEncoding
  /** Manifest and key pair of a feed that we write; null for others. */
  writerOf(key: Uint8Array): { manifest: object; keyPair: KeyPair } | null
  appended(feed: OpenFeed<T>): void
  moved(feed: OpenFeed<T>): void
  conflict(feed: OpenFeed<T>, length: number, fork: number): void
}

/** See the head of this file. */
export class FeedTable<T> {
  readonly #options: FeedTableOptions<T>
  readonly #feeds = new Map<string, OpenFeed<T>>()

  constructor(options: FeedTableOptions<T>) {
    this.#options = options
  }

  /** A feed that was opened before; undefined otherwise. */
  peek(key: Uint8Array): OpenFeed<T> | undefined {
    return this.#feeds.get(slotOf(key))
  }

  /** Feeds that are open now. */
  *openFeeds(): IterableIterator<OpenFeed<T> & { core: Core }> {
    for (const feed of this.#feeds.values())
      if (feed.core !== null) yield feed as OpenFeed<T> & { core: Core }
  }

  /** Opens a feed, if it isn't open. The caller has checked that it is authorized. */
  open(key: Uint8Array): OpenFeed<T> & { core: Core } {
    let feed = this.#feeds.get(slotOf(key))
    if (feed === undefined) {
      feed = {
        key,
        id: keyId(key),
        discoveryKey: discoveryKeyOf(key),
        feedSwitch: { denied: null },
        core: null,
        session: null
      }
      this.#feeds.set(slotOf(key), feed)
    }
    feed.feedSwitch.denied = null
    feed.core ??= this.#openCore(feed)
    return feed as OpenFeed<T> & { core: Core }
  }

  /** The application's session: the same object until it is closed. */
  session(key: Uint8Array): Feed<T> {
    const feed = this.open(key)
    if (feed.session !== null) return feed.session
    const { valueEncoding, writerOf } = this.#options
    const keyPair = writerOf(key)?.keyPair ?? null
    const session = feed.core.session(feed.feedSwitch, valueEncoding, keyPair) as unknown as Feed<T>
    feed.session = session
    session.once('close', () => {
      if (feed.session === session) feed.session = null
    })
    return session
  }

  /** Takes a feed away: appends and waiting gets reject, at once. */
  deny(key: Uint8Array, reason: string): void {
    const feed = this.#feeds.get(slotOf(key))
    if (feed === undefined) return
    feed.feedSwitch.denied = new FeedsError('ERR_FEEDS_NOT_AUTHORIZED', reason)
    feed.core?.stopDownload()
    feed.core?.rejectWaiting(feed.feedSwitch.denied)
  }

  /** Closes our session of a feed that was taken away. The application's stays, so that it can read what is here. */
  async release(key: Uint8Array): Promise<void> {
    const feed = this.#feeds.get(slotOf(key))
    const core = feed?.core
    if (feed === undefined || !core) return
    feed.core = null
    await core.close()
    if (feed.session === null && feed.core === null) this.#feeds.delete(slotOf(key))
  }

  /** Closes everything, the application's sessions too. */
  async close(): Promise<void> {
    const closing: Promise<void>[] = []
    for (const { core, session, feedSwitch } of this.#feeds.values()) {
      feedSwitch.denied ??= new FeedsError('ERR_FEEDS_CLOSED', 'the set was closed')
      core?.rejectWaiting(feedSwitch.denied)
      if (session !== null) closing.push(session.close())
      if (core !== null) closing.push(core.close())
    }
    this.#feeds.clear()
    await Promise.allSettled(closing)
  }

  #openCore(feed: OpenFeed<T>): Core {
    const { store, writerOf, appended, moved, conflict } = this.#options
    const core = store.openCore(feed.key, writerOf(feed.key)?.manifest)
    core.watch({
      append: () => {
        appended(feed)
        moved(feed)
      },
      download: () => moved(feed),
      upload: () => moved(feed),
      conflict: (length, fork) => conflict(feed, length, fork)
    })
    return core
  }
}
