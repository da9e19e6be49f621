/**
 * Authorizations that run out: an accepted introduction, or an admin's authorization, with an expiry.
 *
 * At its time the record is let go (it isn't passed on any more) and its feeds leave the set, without a revocation: a
 * later introduction may bring them back. Feeds of ours, feeds that the app had authorized before, and those that another
 * accepted record covers, stay.
 *
 * Invariant: watches only records that are in the book, so it is bounded with them.
 */
import b4a from 'b4a'
import type { Denials } from './deny.js'
import type { PendingIntroduction } from './introductions.js'
import type { AuthorizeBody, IntroduceBody, PartyRecord } from './records.js'
import type { CoreState } from './state.js'

const SECOND_MS = 1000

type ExpiringRecord = PartyRecord<IntroduceBody | AuthorizeBody>

/** See the head of this file. */
export class Expiries {
  readonly #state: CoreState
  readonly #denials: Denials
  /** When each record (slot, hex) runs out. */
  readonly #watched = new Map<string, number>()
  /** Feeds (hex) that were in the set before the record that would expire. */
  readonly #kept = new Set<string>()
  /** Feeds (hex) that the set was told to let go. */
  readonly #leaving = new Set<string>()

  constructor(state: CoreState, denials: Denials) {
    this.#state = state
    this.#denials = denials
  }

  /** An introduction is being accepted, or an authorization made: what was in the set before doesn't leave it with this record. */
  accepting(entry: Pick<PendingIntroduction, 'slotId' | 'expiresSeconds' | 'keyIds'>): void {
    if (entry.expiresSeconds === 0) return
    this.#watched.set(entry.slotId, entry.expiresSeconds * SECOND_MS)
    for (const id of entry.keyIds) if (this.#state.feeds.byKey(id) !== null) this.#kept.add(id)
  }

  /** A record came from the log. */
  replayed(slotId: string, record: PartyRecord): void {
    if (!isExpiring(record)) return
    if (record.body.expiresSeconds > 0) this.#watched.set(slotId, record.body.expiresSeconds * SECOND_MS)
    else this.#watched.delete(slotId)
  }

  /** When the next one runs out, Unix ms; Infinity: none will. */
  nextMs(): number {
    let earliest = Number.POSITIVE_INFINITY
    for (const atMs of this.#watched.values()) earliest = Math.min(earliest, atMs)
    return earliest
  }

  /** Lets go what has run out. */
  tick(): void {
    for (const [slotId, atMs] of this.#watched) {
      if (atMs > this.#state.nowMs) continue
      this.#watched.delete(slotId)
      const record = this.#state.book.get(1, slotId)
      if (record !== null && isExpiring(record)) this.#expire(record)
    }
  }

  #expire(record: ExpiringRecord): void {
    const { book, nowMs } = this.#state
    // A newer version took its place, with an expiry of its own.
    if (record.body.expiresSeconds === 0 || record.body.expiresSeconds * SECOND_MS > nowMs) return
    book.delete(book.placeOf(record))
    for (const key of keysOf(record)) {
      const id = b4a.toString(key, 'hex')
      const entry = this.#state.feeds.byKey(id)
      if (entry === null || entry.isOwn || this.#kept.has(id) || this.#isCovered(id)) continue
      this.#leaving.add(id)
      this.#state.emit({ type: 'unauthorize', job: this.#state.newJob(), key })
    }
  }

  /** A feed left the set: because it expired, or because somebody denied it. */
  removed(key: Uint8Array): void {
    const id = b4a.toString(key, 'hex')
    this.#kept.delete(id)
    if (this.#leaving.delete(id)) this.#denials.expired(key)
  }

  #isCovered(id: string): boolean {
    for (const record of this.#state.book.all(1)) {
      if (isExpiring(record) && keysOf(record).some(key => b4a.toString(key, 'hex') === id)) return true
    }
    return false
  }
}

function isExpiring(record: PartyRecord): record is ExpiringRecord {
  return record.body.kind === 'introduce' || record.body.kind === 'authorize'
}

function keysOf({ body }: ExpiringRecord): readonly Uint8Array[] {
  return body.kind === 'introduce' ? body.keys : [body.key]
}
