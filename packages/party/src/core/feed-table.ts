/**
 * The feeds of the party's set as its protocol sees them: key, slot, discovery key, proven author, lengths.
 *
 * The set itself belongs to FeedSet; this table follows it by inputs and never decides what is in it. Lengths are those
 * that were told last; a change marks the feed as dirty, and `Lengths` tells it to the peers.
 *
 * Invariant: every feed is found under its key, its slot and its discovery key, or under none of them.
 */
import b4a from 'b4a'

/** One feed of the set. */
export interface FeedEntry {
  /** Feed key, 32 bytes. */
  readonly key: Uint8Array
  /** Hex of `key`. */
  readonly keyId: string
  /** First 16 bytes of the feed id: names the feed to members without telling its key. */
  readonly slot: Uint8Array
  /** Hex of `slot`. */
  readonly slotId: string
  /** Hex of the discovery key. */
  readonly discoveryId: string
  /** Is it a writer of ours? */
  readonly isOwn: boolean
  /** Version of the local authorization. */
  version: number
  /** Hex of the author that the feed's key was derived from, as far as it was proven; else null. */
  author: string | null
  fork: number
  /** Length known here, in blocks. */
  length: number
  /** Blocks from 0 on that are here without a hole. */
  complete: number
  /** False for feeds of which not everything is wanted: they never count as missing. */
  isWanted: boolean
  /** `changes` of set 2 when its lengths changed last. */
  changedAt: number
}

/** What is known of a feed when it enters the set. */
export type NewFeed = Omit<FeedEntry, 'keyId' | 'slotId'>

/** All feeds of the set. */
export class FeedTable implements Iterable<FeedEntry> {
  readonly #byKey = new Map<string, FeedEntry>()
  readonly #bySlot = new Map<string, FeedEntry>()
  readonly #byDiscovery = new Map<string, FeedEntry>()

  get size(): number {
    return this.#byKey.size
  }

  [Symbol.iterator](): Iterator<FeedEntry> {
    return this.#byKey.values()
  }

  /** Adds a feed, or takes over version and author of one that is there. Returns the entry, and whether it is new. */
  add(feed: NewFeed): { entry: FeedEntry; isNew: boolean } {
    const keyId = b4a.toString(feed.key, 'hex')
    const known = this.#byKey.get(keyId)
    if (known !== undefined) {
      known.version = feed.version
      known.author ??= feed.author
      return { entry: known, isNew: false }
    }
    const entry: FeedEntry = { ...feed, keyId, slotId: b4a.toString(feed.slot, 'hex') }
    this.#byKey.set(keyId, entry)
    this.#bySlot.set(entry.slotId, entry)
    this.#byDiscovery.set(entry.discoveryId, entry)
    return { entry, isNew: true }
  }

  /** Takes a feed out. Returns what it was, or null. */
  remove(keyId: string): FeedEntry | null {
    const entry = this.#byKey.get(keyId)
    if (entry === undefined) return null
    this.#byKey.delete(keyId)
    this.#bySlot.delete(entry.slotId)
    this.#byDiscovery.delete(entry.discoveryId)
    return entry
  }

  /** By hex of the feed key. */
  byKey(keyId: string): FeedEntry | null {
    return this.#byKey.get(keyId) ?? null
  }

  /** By hex of the slot. */
  bySlot(slotId: string): FeedEntry | null {
    return this.#bySlot.get(slotId) ?? null
  }

  /** By hex of the discovery key. */
  byDiscovery(discoveryId: string): FeedEntry | null {
    return this.#byDiscovery.get(discoveryId) ?? null
  }
}
