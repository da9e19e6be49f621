/**
 * What this process remembers of each (author, incarnation): the window of accepted seqs, the watermark, and how long
 * the memory has to last.
 *
 *   (none) --first valid batch, admission granted--> live --high > lastExpires + maxSkew--> (none)
 *
 * Invariants:
 * 1. An entry leaves only when all that it accepted is refused as expired. Nothing unexpired is evicted: one core signs
 *    10,000 valid authors in 0.14 s, enough to flush any LRU and to replay everything afterwards.
 * 2. So a full table refuses newcomers. Each entry is charged to the peer key that brought its first valid batch until
 *    the entry leaves, also when the link closes before; else reconnecting would multiply the quota.
 * 3. `watermark` is the highest seq below which nothing is missing that could still be had: received, or given up.
 * 4. A batch is never accepted over a hole that could then no longer be filled; see `isTooFarAhead`.
 */
import type { Limits } from '../limits.js'
import { AuthorEntry } from './author-entry.js'
import { TokenBucket } from './budget.js'
import { nameOf } from './keys.js'
import type { AuthorRef, LinkId } from './types.js'
import type { RangeFreshness } from './window.js'

/** Seqs `from` to `to`, both included. */
export interface Span {
  readonly from: number
  readonly to: number
}

/** Who wants in. */
export interface Newcomer {
  readonly ref: AuthorRef
  /** Peer key, hex, that brought it. */
  readonly peerId: string
  /** Authorized by name, or our own: outside the cap and the quotas. */
  readonly isPinned: boolean
}

interface Quota {
  live: number
  readonly bucket: TokenBucket
}

/** The entries of one topic. */
export class AuthorTable {
  readonly #limits: Limits
  readonly #joinedMs: number
  /** By author, oldest first; further incarnations hang on the first. */
  readonly #authors = new Map<string, AuthorEntry>()
  #size = 0
  readonly #quotas = new Map<string, Quota>()
  // Where an entry stood when it left, so that an author who pauses for minutes isn't taken for one whose first
  // messages were lost. Bounded like the table; whether it overflowed decides if a loss can be told.
  readonly #left = new Map<string, number>()
  #hasForgotten = false
  #pinned = 0

  /** @param joinedMs - Wall clock at which this process joined the topic. */
  constructor(limits: Limits, joinedMs: number) {
    this.#limits = limits
    this.#joinedMs = joinedMs
  }

  /** Number of entries. */
  get size(): number {
    return this.#size
  }

  /** Peer keys that are charged for an entry. */
  get chargedPeers(): number {
    return this.#quotas.size
  }

  /** All entries, by author, oldest first. */
  *entries(): Iterable<AuthorEntry> {
    for (const first of this.#authors.values()) yield* chain(first)
  }

  /** The entry of an incarnation. */
  get(ref: AuthorRef): AuthorEntry | undefined {
    let entry = this.#authors.get(ref.authorKey) ?? null
    while (entry !== null && !isSame(entry.ref, ref)) entry = entry.sibling
    return entry ?? undefined
  }

  /** A link told its watermark of an incarnation. False: it has no entry. */
  haveCame(ref: AuthorRef, from: { link: LinkId; nowMs: number }): boolean {
    const entry = this.get(ref)
    if (entry === undefined) return false
    entry.haveCame(from.link, from.nowMs)
    return true
  }

  /** All live entries of an author, by `AuthorRef.authorKey`. */
  of(authorKey: string): Iterable<AuthorEntry> {
    return chain(this.#authors.get(authorKey) ?? null)
  }

  /** Have the seqs of a batch been accepted? Without an entry they are new. Writes nothing. */
  check(ref: AuthorRef, seq0: number, count: number): RangeFreshness {
    return this.get(ref)?.window.checkRange(seq0, count) ?? 'new'
  }

  /** Could `admit` succeed now? Takes nothing: the signature isn't checked yet. */
  canAdmit(newcomer: Newcomer, nowMs: number): boolean {
    const { maxAuthors, maxAuthorsPerPeer, maxIncarnationsPerAuthor } = this.#limits
    let siblings = 0
    for (const _ of this.of(newcomer.ref.authorKey)) siblings++
    if (siblings >= maxIncarnationsPerAuthor) return false
    if (newcomer.isPinned) return true
    if (this.#size - this.#pinned >= maxAuthors) return false
    const quota = this.#quotas.get(newcomer.peerId)
    return quota === undefined || (quota.live < maxAuthorsPerPeer && quota.bucket.waitMs(1, nowMs) === 0)
  }

  /**
   * Makes the entry of a newcomer that `canAdmit` let in, after its first batch was verified.
   *
   * @param seq0 - First seq of that batch.
   */
  admit(newcomer: Newcomer, seq0: number, nowMs: number): AuthorEntry {
    const { ref, peerId, isPinned } = newcomer
    if (!isPinned) this.#charge(peerId, nowMs)
    const left = this.#left.get(nameOf(ref))
    const isSeenFromBirth = ref.startMs >= this.#joinedMs && !this.#hasForgotten
    const entry = this.#make(ref, isPinned ? null : peerId, left ?? (isSeenFromBirth ? 0 : seq0))
    if (left !== undefined) entry.watermark = left - 1
    return entry
  }

  /** Makes the entry of an own incarnation: pinned, not counted by anybody. */
  admitOwn(ref: AuthorRef): AuthorEntry {
    return this.#make(ref, null, 0)
  }

  /**
   * Would accepting a batch push a hole out of the widest window, so that it could never be filled? Such a batch is
   * refused as long as the hole can be repaired; it is asked for again afterwards, in order.
   */
  isTooFarAhead(entry: AuthorEntry, seq0: number, count: number): boolean {
    if (seq0 <= entry.watermark + 1) return false
    return seq0 + count - 1 - entry.watermark > entry.window.seqs
  }

  /**
   * Marks the seqs of a verified batch.
   *
   * @returns What can't be accepted any more because the window moved on; null: nothing.
   */
  accept(entry: AuthorEntry, batch: { seq0: number; count: number; expiresMs: number }): Span | null {
    const { seq0, count, expiresMs } = batch
    entry.window.markRange(seq0, count)
    entry.lives(expiresMs)
    return this.#advance(entry)
  }

  /** Stops waiting for everything up to `to`. Late messages are still accepted while the window remembers. */
  giveUp(entry: AuthorEntry, to: number): void {
    if (to > entry.watermark) entry.watermark = to
    this.#advance(entry)
  }

  /**
   * Drops what can't be replayed any more, and the budgets of those who were quiet.
   *
   * @param times - `highMs`: the expiry clock.
   * @param own - The current own incarnation, which stays: its seqs go on.
   */
  expire({ nowMs, highMs }: { nowMs: number; highMs: number }, own: AuthorRef | null): AuthorEntry[] {
    const gone: AuthorEntry[] = []
    for (const entry of this.entries()) {
      entry.rest(nowMs)
      if (entry.ref !== own && highMs > entry.lastExpiresMs + this.#limits.maxSkewMs) gone.push(entry)
    }
    for (const entry of gone) this.#drop(entry)
    return gone
  }

  #make(ref: AuthorRef, chargedTo: string | null, toldFrom: number): AuthorEntry {
    const { maxWindowSeqs, maxPinnedWindowSeqs } = this.#limits
    const windowSeqs = chargedTo === null ? maxPinnedWindowSeqs : maxWindowSeqs
    const entry = new AuthorEntry(ref, { windowSeqs, chargedTo, toldFrom })
    const siblings = [...this.of(ref.authorKey)]
    const youngest = siblings.at(-1)
    if (youngest === undefined) this.#authors.set(ref.authorKey, entry)
    else youngest.sibling = entry
    this.#size++
    if (chargedTo === null) this.#pinned++
    return entry
  }

  #charge(peerId: string, nowMs: number): void {
    const { maxAuthorsPerPeer, newAuthorsPerSecond } = this.#limits
    let quota = this.#quotas.get(peerId)
    if (quota === undefined) {
      quota = { live: 0, bucket: new TokenBucket(newAuthorsPerSecond, maxAuthorsPerPeer) }
      this.#quotas.set(peerId, quota)
    }
    quota.live++
    quota.bucket.take(1, nowMs)
  }

  #advance(entry: AuthorEntry): Span | null {
    const { window } = entry
    let lost: Span | null = null
    while (entry.watermark < window.top) {
      const next = entry.watermark + 1
      const state = window.check(next)
      if (state === 'fresh') break
      if (state === 'stale') lost = { from: next, to: window.floor - 1 }
      entry.watermark = state === 'stale' ? window.floor - 1 : next
    }
    return lost
  }

  #drop(entry: AuthorEntry): void {
    const { ref, chargedTo } = entry
    this.#unlink(entry)
    this.#size--
    if (chargedTo === null) this.#pinned--
    else this.#discharge(chargedTo)
    this.#left.set(nameOf(ref), Math.max(entry.window.top, entry.watermark) + 1)
    for (const key of this.#left.keys()) {
      if (this.#left.size <= this.#limits.maxAuthors) break
      this.#left.delete(key)
      this.#hasForgotten = true
    }
  }

  #unlink(entry: AuthorEntry): void {
    const { authorKey } = entry.ref
    const older = [...this.of(authorKey)].find(({ sibling }) => sibling === entry)
    if (older !== undefined) older.sibling = entry.sibling
    else if (entry.sibling !== null) this.#authors.set(authorKey, entry.sibling)
    else this.#authors.delete(authorKey)
  }

  #discharge(peerId: string): void {
    const quota = this.#quotas.get(peerId)
    if (quota === undefined) return
    quota.live--
    if (quota.live === 0) this.#quotas.delete(peerId)
  }
}

const isSame = (a: AuthorRef, b: AuthorRef): boolean =>
  a === b || (a.startMs === b.startMs && a.salt === b.salt && a.authorKey === b.authorKey)

function* chain(first: AuthorEntry | null): Iterable<AuthorEntry> {
  for (let entry = first; entry !== null; entry = entry.sibling) yield entry
}
