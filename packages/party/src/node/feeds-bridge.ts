/**
 * Tells the core what happens in the set: feeds that enter and leave it, and their lengths.
 *
 * Lengths of a feed are known once it was opened, so each feed of the set is opened here once; its blocks stay where they
 * are.
 */
import type { Feed, FeedMeta, FeedProgress, FeedSet } from '@hearsay/feeds'
import type { PartyInput } from '../core/types.js'
import { hexOf } from '../key.js'

/** What hears of the set. */
export interface BridgeHost {
  feed(input: PartyInput): void
  /** A feed entered the set: once for each. */
  onfeed(feed: Feed, meta: FeedMeta | null): void
  onrevoke(key: Uint8Array, reason: string): void
  onprogress(progress: FeedProgress): void
  onwarning(error: Error): void
}

/** See the head of this file. */
export class FeedsBridge {
  readonly #feeds: FeedSet
  readonly #host: BridgeHost
  readonly #seen = new Set<string>()
  readonly #moved = new Set<Feed>()
  #isStopped = false
  readonly #onauthorize = (feed: Feed, meta: FeedMeta | null): void => this.#added(feed, meta)
  readonly #onrevoke = (key: Uint8Array, reason: string | null): void => this.#removed(key, reason ?? '')
  readonly #onappend = (feed: Feed): void => this.#length(feed)
  readonly #onprogress = (progress: FeedProgress): void => this.#progress(progress)
  readonly #onwarning = (error: Error): void => this.#host.onwarning(error)

  constructor(feeds: FeedSet, host: BridgeHost) {
    this.#feeds = feeds
    this.#host = host
  }

  /** Begins: first what is in the set, then what comes. */
  start(): void {
    this.#feeds.on('authorize', this.#onauthorize)
    this.#feeds.on('revoke', this.#onrevoke)
    this.#feeds.on('append', this.#onappend)
    this.#feeds.on('progress', this.#onprogress)
    this.#feeds.on('warning', this.#onwarning)
    for (const key of this.#feeds.keys()) {
      const feed = this.#feeds.get(key)
      if (feed !== null) this.#added(feed, this.#feeds.meta(key))
    }
  }

  stop(): void {
    this.#isStopped = true
    this.#feeds.off('authorize', this.#onauthorize)
    this.#feeds.off('revoke', this.#onrevoke)
    this.#feeds.off('append', this.#onappend)
    this.#feeds.off('progress', this.#onprogress)
    this.#feeds.off('warning', this.#onwarning)
  }

  #added(feed: Feed, meta: FeedMeta | null): void {
    const { key } = feed
    const id = hexOf(key)
    if (this.#seen.has(id)) return
    this.#seen.add(id)
    const version = this.#feeds.versionOf(key)?.version ?? 1
    const isOwn = this.#feeds.origin(key) !== null
    this.#host.feed({ type: 'feedAdded', feed: { key, discoveryKey: feed.discoveryKey, version, isOwn } })
    this.#host.onfeed(feed, meta)
    // The set tells progress ten times a second, which is too slow for what is passed on from hop to hop.
    feed.on('download', () => this.#downloaded(feed))
    feed.ready().then(
      () => this.#length(feed),
      () => {} // it was revoked or closed meanwhile, or couldn't be opened, which the set tells
    )
  }

  #removed(key: Uint8Array, reason: string): void {
    this.#seen.delete(hexOf(key))
    this.#host.feed({ type: 'feedRemoved', key })
    this.#host.onrevoke(key, reason)
  }

  // One step for all blocks of a turn of the event loop.
  #downloaded(feed: Feed): void {
    if (this.#moved.size === 0) setImmediate(() => this.#flush())
    this.#moved.add(feed)
  }

  #flush(): void {
    const moved = [...this.#moved]
    this.#moved.clear()
    if (this.#isStopped) return
    for (const feed of moved) this.#length(feed)
  }

  #length(feed: Feed): void {
    const { key, fork, length, contiguousLength } = feed
    if (!this.#seen.has(hexOf(key))) return
    const complete = Math.min(contiguousLength, length)
    this.#host.feed({ type: 'feedLength', key, fork, length, complete, isWanted: true })
  }

  #progress(progress: FeedProgress): void {
    const { key, length, complete, state } = progress
    const fork = this.#feeds.get(key)?.fork ?? 0
    const isWanted = state !== 'sparse' && state !== 'forked'
    if (this.#seen.has(hexOf(key))) {
      this.#host.feed({ type: 'feedLength', key, fork, length, complete, isWanted })
    }
    this.#host.onprogress(progress)
  }
}
