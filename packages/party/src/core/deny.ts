/**
 * Revocations: whose count, and what follows from one.
 *
 * A denial names its feed by the feed id, so it can be kept and passed on by nodes that don't know the feed. It counts if
 * the founder, an author that the rules name, or the feed's own proven author signed it. For a feed that we don't know
 * nobody can tell the last: such a record waits without effect, under its author, until the feed is introduced.
 *
 * Invariants: 1. a denial is in force in memory before it is logged or passed on. 2. One that isn't admissible is neither
 * put into the book nor passed on. 3. What can't be judged yet waits in `Unchecked`, without effect.
 */
import b4a from 'b4a'
import type { RecordPlace } from './record-book.js'
import type { PartyRecord, RevokeBody } from './records.js'
import type { ChannelState, CoreState } from './state.js'

/** A revocation. */
export type RevokeRecord = PartyRecord<RevokeBody>

/** Judges and applies denials. */
export class Denials {
  readonly #state: CoreState
  /** Feeds (hex) whose authorization ran out at this version: no denial by anybody. */
  readonly #expired = new Map<string, number>()

  constructor(state: CoreState) {
    this.#state = state
  }

  /** Is this feed denied, as far as we can tell? `version`: of an admin's authorization, which a higher one wins back. */
  isDenied(key: Uint8Array, version = 0): boolean {
    const keyId = b4a.toString(key, 'hex')
    if (this.#state.feeds.byKey(keyId) !== null) return false
    const local = this.#state.options.versionOf(key)
    if (local !== null && !local.denied) return false
    const record = this.#state.book.versionAt(0, this.#slotId(key))
    if (record > 0 && record >= version) return true
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
    if (this.#state.members.mayDeny(authorId, record.body.n)) return 'admissible'
    if (this.#state.isNamed(record)) return 'admissible'
    const owner = this.#ownerOf(slotId)
    if (owner !== undefined) return owner === authorId ? 'admissible' : 'inadmissible'
    const held = this.#state.book.get(0, slotId)
    return held !== null ? (sameAuthor(held, record) ? 'admissible' : 'inadmissible') : 'unknown'
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
        return this.#apply(record, place)
      case 'unknown':
        return this.#keep(record, place, channel)
      case 'inadmissible':
        // Its author may turn out to be an admin yet: it is kept, but not passed on.
        this.#state.drop(channel, 'inadmissible')
        this.#keep(record, place, null)
        return false
    }
  }

  #apply(record: RevokeRecord, place: RecordPlace): boolean {
    if (!this.#state.book.put(record, place)) return false
    const feed = this.#state.feeds.bySlot(place.slotId)
    const isRevived = feed !== null && record.body.version < feed.version
    const key = feed?.key ?? this.#keyOfPending(place.slotId)
    if (key === null || isRevived) {
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
    this.#emitDeny(record, key, job)
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
    if (record === null || record.body.kind !== 'revoke') return false
    const known = this.#state.feeds.bySlot(slotId)
    if (known !== null && known.version > record.body.version) return false
    return this.#apply(record, this.#state.book.placeOf(record))
  }
}

function sameAuthor(a: PartyRecord, b: PartyRecord): boolean {
  return b4a.equals(a.author, b.author)
}
