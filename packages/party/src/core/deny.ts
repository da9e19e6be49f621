/**
 * Revocations: whose count, and what follows from one.
 *
 * A denial names its feed by the feed id, so it can be kept and passed on by nodes that don't know the feed. It counts if
 * the founder, an author that the rules name, or the feed's own proven author signed it. For a feed that we don't know
 * nobody can tell the last: such a record waits without effect, under its author, until the feed is introduced.
 *
 * A cut is a denial from a block on: the feed stays in the set up to there.
 *
 * Invariants: 1. a denial is in force in memory before it is logged or passed on. 2. One that isn't admissible is neither
 * put into the book nor passed on. 3. What can't be judged yet waits in `Unchecked`, without effect. 4. Tombstones stay for
 * ever, so an admin makes at most `denialsPerHour` of them after a burst: what is more waits, too.
 */
import b4a from 'b4a'
import { DenialBudget } from './denial-budget.js'
import type { RecordPlace } from './record-book.js'
import type { PartyRecord, RevokeBody } from './records.js'
import type { ChannelState, CoreState } from './state.js'
import { type CutRecord, isCut, termsOf } from './terms.js'

/** A revocation. */
export type RevokeRecord = PartyRecord<RevokeBody>

/** Judges and applies denials. */
export class Denials {
  readonly #state: CoreState
  /** Feeds (hex) whose authorization ran out at this version: no denial by anybody. */
  readonly #expired = new Map<string, number>()
  readonly #budget: DenialBudget
  /** Admins (hex) of whom denials wait for their budget. */
  readonly #waiting = new Set<string>()

  constructor(state: CoreState) {
    this.#state = state
    this.#budget = new DenialBudget(state.limits)
  }

  /** Is this feed denied, as far as we can tell? `version`: of an admin's authorization, which a higher one wins back. */
  isDenied(key: Uint8Array, version = 0): boolean {
    const keyId = b4a.toString(key, 'hex')
    if (this.#state.feeds.byKey(keyId) !== null) return false
    const local = this.#state.options.versionOf(key)
    if (local !== null && !local.denied) return false
    const record = this.#state.book.get(0, this.#slotId(key))
    if (record?.body.kind === 'revoke' && !isCut(record) && record.body.version >= version) return true
    if (local === null || this.#expired.get(keyId) === local.version) return false
    return local.version >= version
  }

  /** The authorization of a feed ran out: it left the set, and may be introduced again. */
  expired(key: Uint8Array): void {
    const local = this.#state.options.versionOf(key)
    if (local === null) return
    this.#expired.set(b4a.toString(key, 'hex'), local.version)
    if (this.#expired.size <= this.#state.limits.maxRefused) return
    const oldest = this.#expired.keys().next().value
    if (oldest !== undefined) this.#expired.delete(oldest)
  }

  #slotId(key: Uint8Array): string {
    return b4a.toString(this.#state.keys.feedSlot(key), 'hex')
  }

  /** May this author deny this feed? 'unknown': only whoever knows the feed could tell. */
  #judge(record: RevokeRecord, slotId: string): 'admissible' | 'inadmissible' | 'unknown' {
    const authorId = b4a.toString(record.author, 'hex')
    if (isCut(record)) return this.#mayCut(record, authorId) ? 'admissible' : 'inadmissible'
    if (this.#state.members.mayDeny(authorId, record.body.n)) return 'admissible'
    if (this.#state.isNamed(record)) return 'admissible'
    const owner = this.#ownerOf(slotId)
    if (owner !== undefined) return owner === authorId ? 'admissible' : 'inadmissible'
    const held = this.#state.book.get(0, slotId)
    return held !== null ? (sameAuthor(held, record) ? 'admissible' : 'inadmissible') : 'unknown'
  }

  // In its slot a cut takes the place of a denial of the whole feed: an author must not get its feed back by one.
  #mayCut(record: RevokeRecord, authorId: string): boolean {
    return this.#state.members.isAdmin(authorId) || this.#state.isNamed(record)
  }

  /** Can this record, which waited, be judged now? */
  isAdmissible(record: RevokeRecord): boolean {
    return this.#judge(record, this.#state.book.placeOf(record).slotId) === 'admissible'
  }

  /** Proven author of a feed that is in the set or being introduced; null: nobody has proven it; undefined: unknown. */
  #ownerOf(slotId: string): string | null | undefined {
    const feed = this.#state.feeds.bySlot(slotId)
    if (feed !== null) return feed.author
    for (const entry of this.#state.pending.ofFeed(slotId)) {
      if (entry.own[entry.feedSlots.indexOf(slotId)]) return entry.authorId
    }
    return undefined
  }

  /** A verified denial came. Returns whether it was new and is to be passed on. */
  take(record: RevokeRecord, place: RecordPlace, from: ChannelState | null): boolean {
    const { book } = this.#state
    const channel = from?.channel.id ?? null
    const known = book.get(0, place.slotId)
    if (known !== null && book.versionAt(0, place.slotId) >= record.body.version) {
      this.#state.drop(channel, 'duplicate')
      return false
    }
    switch (this.#judge(record, place.slotId)) {
      case 'admissible':
        return this.#isAffordable(record, place.slotId)
          ? this.#apply(record, place)
          : this.#wait(record, place, channel)
      case 'unknown':
        return this.#keep(record, place, channel)
      case 'inadmissible':
        // Its author may turn out to be an admin yet: it is kept, but not passed on.
        this.#state.drop(channel, 'inadmissible')
        this.#keep(record, place, null)
        return false
    }
  }

  // An author that denies its own feeds needs no budget: these are bounded already.
  #isAffordable(record: RevokeRecord, slotId: string): boolean {
    const authorId = b4a.toString(record.author, 'hex')
    if (this.#ownerOf(slotId) === authorId) return true
    return this.#budget.take(authorId, this.#state.nowMs)
  }

  // Not refused if there is no room for it: then the next comparison brings it again.
  #wait(record: RevokeRecord, place: RecordPlace, channel: number | null): boolean {
    const authorId = b4a.toString(record.author, 'hex')
    if (!this.#waiting.has(authorId)) {
      this.#waiting.add(authorId)
      const most = this.#state.limits.denialsPerHour
      this.#state.warn(
        'WARN_PARTY_LIMIT',
        channel,
        `an admin denies more than ${most} feeds an hour (denialsPerHour)`
      )
    }
    const isFull = this.#state.unchecked.keep(place.slotId, record) === 'full'
    if (!isFull) this.#state.book.refuse(place)
    this.#state.drop(channel, isFull ? 'unchecked-full' : 'over-budget')
    return false
  }

  /** Denials that waited for the budget of their admin and are in force now: to be passed on. */
  takeAffordable(): RevokeRecord[] {
    if (this.#waiting.size === 0) return []
    const { unchecked, book } = this.#state
    const isMine = (record: PartyRecord): record is RevokeRecord =>
      record.body.kind === 'revoke' && this.#waiting.has(b4a.toString(record.author, 'hex'))
    const starved = new Set<string>()
    const taken = unchecked.takeWhere(record => {
      if (!isMine(record) || !this.isAdmissible(record)) return false
      if (this.#isAffordable(record, book.placeOf(record).slotId)) return true
      starved.add(b4a.toString(record.author, 'hex'))
      return false
    }) as RevokeRecord[]
    for (const authorId of this.#waiting) if (!starved.has(authorId)) this.#waiting.delete(authorId)
    return taken.filter(record => this.#apply(record, book.placeOf(record)))
  }

  /** When the next of these may be, Unix ms; Infinity: none waits. */
  nextMs(): number {
    let earliest = Number.POSITIVE_INFINITY
    for (const authorId of this.#waiting) {
      const waitMs = this.#budget.waitMs(authorId, this.#state.nowMs)
      earliest = Math.min(earliest, this.#state.nowMs + Math.max(waitMs, 1))
    }
    return earliest
  }

  /** A feed entered the set: was it cut while that was being written? */
  entered(key: Uint8Array): void {
    const record = this.#state.book.get(0, this.#slotId(key))
    const feed = this.#state.feeds.byKey(b4a.toString(key, 'hex'))
    if (isCut(record) && feed !== null && feed.version < record.body.version) this.#emitCut(record, key, null)
  }

  #emitCut(record: CutRecord, key: Uint8Array, bytes: Uint8Array | null, job = this.#state.newJob()): void {
    const { version, cutoff: length } = record.body
    const { maxBytes } = termsOf(this.#state, key, 0)
    this.#state.emit({ type: 'cut', job, key, version, length, maxBytes, record: bytes })
  }

  #apply(record: RevokeRecord, place: RecordPlace): boolean {
    if (!this.#state.book.put(record, place)) return false
    const feed = this.#state.feeds.bySlot(place.slotId)
    if (isCut(record) && feed !== null && record.body.version > feed.version) {
      feed.version = record.body.version
      this.#emitCut(record, feed.key, record.bytes)
      return true
    }
    const isRevived = feed !== null && record.body.version < feed.version
    const key = feed?.key ?? this.#keyOfPending(place.slotId)
    if (key === null || isRevived || isCut(record)) {
      // Nothing of ours is denied by it: the tombstone is kept for the day somebody introduces the feed.
      this.#state.emit({ type: 'log', job: this.#state.newJob(), records: [record.bytes] })
      return true
    }
    // Also for a feed whose acceptance is just being written: the set then refuses to let it in.
    this.#emitDeny(record, key, this.#state.newJob())
    return true
  }

  #keyOfPending(slotId: string): Uint8Array | null {
    const [entry] = this.#state.pending.ofFeed(slotId)
    return entry?.keys[entry.feedSlots.indexOf(slotId)] ?? null
  }

  #emitDeny(record: RevokeRecord, key: Uint8Array, job: number): void {
    const { version, cutoff, isPurge, reason } = record.body
    this.#state.emit({
      type: 'deny',
      job,
      key,
      version,
      cutoff,
      purge: isPurge,
      reason,
      record: record.bytes
    })
  }

  /** A denial of our own: in force at once, whoever else it counts for. */
  own(record: RevokeRecord, key: Uint8Array, job: number): void {
    this.#state.book.put(record)
    if (!isCut(record)) {
      this.#emitDeny(record, key, job)
      return
    }
    const feed = this.#state.feeds.byKey(b4a.toString(key, 'hex'))
    if (feed !== null) feed.version = record.body.version
    this.#emitCut(record, key, record.bytes, job)
  }

  #keep(record: RevokeRecord, place: RecordPlace, channel: number | null): boolean {
    this.#state.book.refuse(place)
    const kept = this.#state.unchecked.keep(place.slotId, record)
    if (kept === 'full') this.#state.drop(channel, 'unchecked-full')
    return kept === 'kept'
  }

  /** A feed turned out to be this author's. Returns true if the author had denied it before. */
  checkOwner(key: Uint8Array, author: Uint8Array): boolean {
    const slotId = this.#slotId(key)
    const record = this.#state.unchecked.take(b4a.toString(author, 'hex'), slotId) as RevokeRecord | null
    if (record === null || record.body.kind !== 'revoke' || isCut(record)) return false
    const known = this.#state.feeds.bySlot(slotId)
    if (known !== null && known.version > record.body.version) return false
    return this.#apply(record, this.#state.book.placeOf(record))
  }
}

function sameAuthor(a: PartyRecord, b: PartyRecord): boolean {
  return b4a.equals(a.author, b.author)
}
