/**
 * Who holds how much of which feed: LENGTHS in both directions, set 2, grants, and what is wanted from whom.
 *
 * A change is told at once, then at most once per `lengthsEveryMs` and feed; nothing is told to a peer that claimed as
 * much itself. Whoever has less opens the feed: nobody pushes.
 *
 * Invariants: 1. a feed is granted only while it is in the set, only to a channel that is LIVE (or, for an explicit
 * grant, in which both sides have spoken), only if `share` says so. 2. GRANT names a feed only to a peer that asked for it or, at
 * its end, was granted it.
 */
import { RowSet } from '@hearsay/feeds/core'
import b4a from 'b4a'
import type { FeedEntry } from './feed-table.js'
import type { LengthEntry } from './frames.js'
import type { ChannelState, CoreState } from './state.js'
import type { AddedFeed, ChannelId } from './types.js'

const VALUE_BYTES = 16
const REFUSED_MAX = 64

/** Lengths, grants and wants of one party. */
export class Lengths {
  readonly #state: CoreState
  readonly #rows = new RowSet()
  readonly #dirty = new Map<string, FeedEntry>()
  readonly #toldAtMs = new Map<string, number>()
  /** Counts changes of set 2. */
  changes = 0

  constructor(state: CoreState) {
    this.#state = state
  }

  /** Rows of set 2 for one channel. */
  snapshot(channel: ChannelId): Uint8Array {
    const { feeds } = this.#state
    return this.#rows.snapshot(slot => {
      const entry = feeds.bySlot(b4a.toString(slot, 'hex'))
      return entry !== null && this.#state.isShared(channel, entry.key)
    })
  }

  /** A feed entered the set. */
  added(feed: AddedFeed): void {
    const { feeds, keys, owners, authorId } = this.#state
    const keyId = b4a.toString(feed.key, 'hex')
    const { entry, isNew } = feeds.add({
      key: feed.key,
      slot: keys.feedSlot(feed.key),
      discoveryId: b4a.toString(feed.discoveryKey, 'hex'),
      isOwn: feed.isOwn,
      version: feed.version,
      author: feed.isOwn ? authorId : (owners.get(keyId) ?? null),
      fork: 0,
      length: 0,
      complete: 0,
      isWanted: true,
      changedAt: 0
    })
    if (!isNew) return
    this.#setRow(entry)
    for (const state of this.#state.channels.values()) this.#grantAdded(state, entry)
    this.#want(entry)
  }

  #grantAdded(state: ChannelState, entry: FeedEntry): void {
    const { channel } = state
    const isExplicit = channel.granted.has(entry.keyId) && channel.isTalking
    if (!isExplicit && !(channel.isLive && this.#state.isShared(channel.id, entry.key))) return
    this.#state.emit({ type: 'grant', channel: channel.id, key: entry.key })
    this.#tellGranted(state, entry)
  }

  /** A feed left the set; its sessions were ended by whoever took it out. */
  removed(keyId: string): FeedEntry | null {
    const entry = this.#state.feeds.remove(keyId)
    if (entry === null) return null
    this.#rows.delete(entry.slot)
    this.changes++
    this.#dirty.delete(entry.slotId)
    this.#toldAtMs.delete(entry.slotId)
    for (const state of this.#state.channels.values()) this.#tellEnded(state, entry)
    return entry
  }

  #tellEnded(state: ChannelState, entry: FeedEntry): void {
    const { channel } = state
    const isExplicit = channel.granted.delete(entry.keyId) && channel.isTalking
    if (!isExplicit && !(channel.isLive && this.#state.isShared(channel.id, entry.key))) return
    this.#state.send(state, { type: 'grant', isGranted: false, slots: [entry.slot], reason: 0 })
  }

  /** What is here of a feed has changed. */
  changed(keyId: string, now: Pick<FeedEntry, 'fork' | 'length' | 'complete' | 'isWanted'>): void {
    const entry = this.#state.feeds.byKey(keyId)
    if (entry === null) return
    const isSame = entry.fork === now.fork && entry.length === now.length && entry.complete === now.complete
    entry.isWanted = now.isWanted
    if (isSame) return
    const hasMore = now.complete !== entry.complete || now.fork !== entry.fork
    entry.fork = now.fork
    entry.length = now.length
    entry.complete = now.complete
    this.#setRow(entry)
    // A head without its blocks is nothing that a peer could fetch here, and would delay the news of the blocks.
    if (hasMore) this.#dirty.set(entry.slotId, entry)
  }

  /** The channel is LIVE: grants what is shared, and answers what was asked too early. */
  live(state: ChannelState): void {
    const { channel } = state
    // The comparison shows what was here when it began; what changed while the peer's READY was awaited was told to nobody.
    const comparedAt = state.compared[2]?.changes ?? this.changes
    const news: FeedEntry[] = []
    for (const entry of this.#state.feeds) {
      if (!this.#state.isShared(channel.id, entry.key)) continue
      this.#state.emit({ type: 'grant', channel: channel.id, key: entry.key })
      this.#tellGranted(state, entry)
      this.#wantFrom(state, entry)
      if (entry.changedAt > comparedAt && this.#isNewsTo(state, entry)) news.push(entry)
    }
    this.#send(state, news)
  }

  /** The app grants a feed to this peer alone. False: it did before. */
  replicate(state: ChannelState, key: Uint8Array): boolean {
    const { channel } = state
    const keyId = b4a.toString(key, 'hex')
    if (channel.granted.has(keyId)) return false
    channel.granted.add(keyId)
    if (channel.isTalking) this.#grantExplicit(state, keyId)
    return true
  }

  /** Both sides have spoken: explicit grants that waited for it. */
  spoken(state: ChannelState): void {
    for (const keyId of state.channel.granted) this.#grantExplicit(state, keyId)
  }

  #grantExplicit(state: ChannelState, keyId: string): void {
    const entry = this.#state.feeds.byKey(keyId)
    if (entry === null) return
    const { channel } = state
    this.#state.emit({ type: 'grant', channel: channel.id, key: entry.key })
    this.#tellGranted(state, entry)
    if (entry.length > 0) this.#send(state, [entry])
    // The peer may hold it without being able to tell us (it finds the feed only when asked), so we look. Not for a writer
    // of ours: to say that a peer may have more of it is to shut it.
    else if (!entry.isOwn)
      this.#state.emit({ type: 'wanted', channel: channel.id, key: entry.key, length: 1 })
  }

  /** The peer opened a feed that isn't granted to it: told when that changes. */
  refused(state: ChannelState, discoveryId: string): void {
    const { refused } = state.channel
    refused.delete(discoveryId)
    refused.add(discoveryId)
    if (refused.size <= REFUSED_MAX) return
    const oldest = refused.values().next().value
    if (oldest !== undefined) refused.delete(oldest)
  }

  #tellGranted(state: ChannelState, entry: FeedEntry): void {
    if (!state.channel.refused.delete(entry.discoveryId)) return
    this.#state.send(state, { type: 'grant', isGranted: true, slots: [entry.slot], reason: 0 })
  }

  /** LENGTHS of the peer. */
  received(state: ChannelState, entries: readonly LengthEntry[]): void {
    for (const { slot, fork, length, complete } of entries) {
      const slotId = b4a.toString(slot, 'hex')
      const promisesMore = state.channel.claims.set(slotId, { fork, length, complete })
      const entry = this.#state.feeds.bySlot(slotId)
      if (entry === null) continue
      if (promisesMore) this.#wantFrom(state, entry)
      // It knows the feed and has less: the first it hears of ours may have come before it accepted the feed.
      if (length < entry.length && complete < entry.complete) this.#dirty.set(slotId, entry)
    }
  }

  /** GRANT of the peer. */
  granted(state: ChannelState, slots: readonly Uint8Array[]): void {
    for (const slot of slots) {
      const entry = this.#state.feeds.bySlot(b4a.toString(slot, 'hex'))
      if (entry !== null) this.#state.emit({ type: 'invited', channel: state.channel.id, key: entry.key })
    }
  }

  /** GRANT of the peer that ends: what it claimed to hold is nothing to wait for any more. */
  ended(state: ChannelState, slots: readonly Uint8Array[]): void {
    for (const slot of slots) state.channel.claims.delete(b4a.toString(slot, 'hex'))
  }

  #want(entry: FeedEntry): void {
    for (const state of this.#state.channels.values()) this.#wantFrom(state, entry)
  }

  #wantFrom(state: ChannelState, entry: FeedEntry): void {
    const { channel } = state
    if (!channel.isTalking) return
    const claim = channel.claims.get(entry.slotId)
    if (claim === null || claim.complete <= entry.complete) return
    this.#state.emit({ type: 'wanted', channel: channel.id, key: entry.key, length: claim.complete })
  }

  /** LENGTHS of these rows (set 2), as the peer asked for them. */
  supply(state: ChannelState, rows: Uint8Array): void {
    const entries: FeedEntry[] = []
    for (let at = 0; at < rows.length; at += 2 * VALUE_BYTES) {
      const entry = this.#state.feeds.bySlot(b4a.toString(rows.subarray(at, at + VALUE_BYTES), 'hex'))
      if (entry !== null && this.#state.isShared(state.channel.id, entry.key)) entries.push(entry)
    }
    this.#send(state, entries)
  }

  /** Tells lengths of a feed on one channel, beside its introduction. */
  tell(state: ChannelState, entries: readonly FeedEntry[]): void {
    this.#send(
      state,
      entries.filter(entry => entry.length > 0)
    )
  }

  /** Tells what changed and is due; all of it with `isForced`. */
  flush(isForced: boolean): void {
    if (this.#dirty.size === 0) return
    const { nowMs, limits } = this.#state
    const due: FeedEntry[] = []
    for (const [slotId, entry] of this.#dirty) {
      const toldAtMs = this.#toldAtMs.get(slotId) ?? Number.NEGATIVE_INFINITY
      if (!isForced && nowMs < toldAtMs + limits.lengthsEveryMs) continue
      this.#dirty.delete(slotId)
      this.#toldAtMs.set(slotId, nowMs)
      due.push(entry)
    }
    if (due.length === 0) return
    for (const state of this.#state.talking()) {
      const { channel } = state
      const news = due.filter(entry => this.#isNewsTo(state, entry))
      this.#send(state, channel.isLive ? news : news.filter(entry => channel.granted.has(entry.keyId)))
    }
  }

  #isNewsTo(state: ChannelState, entry: FeedEntry): boolean {
    const { channel } = state
    const claim = channel.claims.get(entry.slotId)
    if (claim !== null && claim.length >= entry.length && claim.complete >= entry.complete) return false
    return channel.granted.has(entry.keyId) || this.#state.isShared(channel.id, entry.key)
  }

  /** When `flush` has something to do; Infinity: not at all. */
  nextFlushMs(): number {
    let earliest = Number.POSITIVE_INFINITY
    for (const slotId of this.#dirty.keys()) {
      const toldAtMs = this.#toldAtMs.get(slotId) ?? Number.NEGATIVE_INFINITY
      earliest = Math.min(earliest, toldAtMs + this.#state.limits.lengthsEveryMs)
    }
    return earliest
  }

  #send(state: ChannelState, entries: readonly FeedEntry[]): void {
    const { maxLengths } = this.#state.limits
    for (let at = 0; at < entries.length; at += maxLengths) {
      const part = entries.slice(at, at + maxLengths).map(({ slot, fork, length, complete, isWanted }) => {
        // Who doesn't want all of a feed misses nothing of it, and has nothing to offer by counting.
        return { slot, fork, length, complete: isWanted ? Math.min(complete, length) : length }
      })
      this.#state.send(state, { type: 'lengths', entries: part })
    }
  }

  #setRow(entry: FeedEntry): void {
    const value = new Uint8Array(VALUE_BYTES)
    writeLittle(value, { at: 0, size: 4, value: entry.fork })
    writeLittle(value, { at: 4, size: 6, value: entry.length })
    writeLittle(value, { at: 10, size: 6, value: entry.complete })
    if (!this.#rows.set(entry.slot, value)) return
    this.changes++
    entry.changedAt = this.changes
  }
}

function writeLittle(bytes: Uint8Array, field: { at: number; size: number; value: number }): void {
  let left = field.value
  for (let i = 0; i < field.size; i++) {
    bytes[field.at + i] = left % 256
    left = Math.floor(left / 256)
  }
}
