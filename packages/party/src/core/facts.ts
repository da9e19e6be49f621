/**
 * Facts about members: genesis, admissions, removals; of others and of our own, and what follows from them.
 *
 *   NEW --forged-------------------------> charged to the sender
 *   NEW --issuer counts------------------> in the book, logged, passed on
 *   NEW --issuer doesn't count (yet)-----> UNCHECKED, without effect; judged again when membership changes
 *
 * Invariants: 1. a removal is in force in memory before it is logged or passed on, an admission after it is logged. 2. The
 * book holds only what counts: what a removal or an expiry voids leaves it, and waits as unchecked. 3. Whoever loses its
 * membership has no channel here at the end of that step.
 */
import b4a from 'b4a'
import type { Announce } from './announce.js'
import { encodeCredential } from './credential.js'
import type { Denials } from './deny.js'
import type { AdmitRecord, RemoveRecord } from './members.js'
import type { RecordPlace } from './record-book.js'
import {
  type AdmitBody,
  CAPABILITY,
  compareVersion,
  type GenesisBody,
  type PartyRecord,
  type RecordBody,
  type RemoveBody,
  recordVersion,
  signRecord
} from './records.js'
import type { ChannelState, CoreState } from './state.js'
import type { Admission } from './types.js'
import type { Verdicts } from './verdicts.js'

/** What this machine takes. */
export type FactRecord = PartyRecord<GenesisBody> | AdmitRecord | RemoveRecord

const GENESIS_SLOT_ID = '00'.repeat(16)
const NO_HASH = new Uint8Array(32)
const SECOND_MS = 1000

/** See the head of this file. */
export class Facts {
  readonly #state: CoreState
  readonly #announce: Announce
  readonly #denials: Denials
  readonly #verdicts: Verdicts
  #judgeAgain: (records: readonly Uint8Array[]) => void = () => {}
  #members = new Set<string>()
  #settledAt = 0

  constructor(state: CoreState, parts: { announce: Announce; denials: Denials; verdicts: Verdicts }) {
    this.#state = state
    this.#announce = parts.announce
    this.#denials = parts.denials
    this.#verdicts = parts.verdicts
  }

  /** Who judges records that waited; set once. */
  onJudgeable(judgeAgain: (records: readonly Uint8Array[]) => void): void {
    this.#judgeAgain = judgeAgain
  }

  /** A record of somebody. 'forged': whoever sent it is to be charged. */
  take(record: FactRecord, place: RecordPlace, from: ChannelState | null): 'taken' | 'forged' {
    const { book } = this.#state
    const known = book.get(place.set, place.slotId)
    if (known !== null && recordVersion(known) > recordVersion(record)) return 'taken'
    if (known !== null && b4a.equals(known.bytes, record.bytes)) return 'taken'
    const comparison = compareVersion(book.versionAt(place.set, place.slotId), recordVersion(record))
    if (comparison === 'too-far') {
      this.#state.drop(from?.channel.id ?? null, 'version-step')
      return 'taken'
    }
    if (!book.isAuthentic(record)) return 'forged'
    if (!this.isAdmissible(record)) this.keep(record, place, from)
    else if (this.#isFull(record)) this.#state.drop(from?.channel.id ?? null, 'over-budget')
    else this.#hold(record, place, from)
    return 'taken'
  }

  /** Does its issuer count for this? */
  isAdmissible(record: PartyRecord): boolean {
    const { members } = this.#state
    const authorId = hexOf(record.author)
    switch (record.body.kind) {
      case 'genesis':
        return true // it hashes to the party key, or it isn't authentic
      case 'admit':
        if ((record.body.capabilities & CAPABILITY.admin) !== 0) return members.isOfAdmin(record)
        return members.isValid(record as AdmitRecord)
      case 'authorize':
        return members.isAdmin(authorId) || this.#state.isNamed(record)
      case 'remove': {
        if (hexOf(record.body.subject) === members.founderId) return false
        return members.isOfAdmin(record) || this.#state.isNamed(record)
      }
      case 'revoke':
        return this.#denials.isAdmissible(record as PartyRecord<typeof record.body>)
      default:
        return false
    }
  }

  #isFull(record: PartyRecord): boolean {
    const { members, limits } = this.#state
    if (hexOf(record.author) === members.founderId) return false
    if (record.body.kind === 'remove') return members.removals >= limits.maxRemovals
    if (record.body.kind !== 'admit') return false
    const ofIssuer = members.admissionsOf(hexOf(record.author))
    return members.admissions >= limits.maxAdmissions || ofIssuer >= limits.maxAdmissionsPerIssuer
  }

  /** Keeps a record that can't be judged yet. A removal is passed on, so that it reaches whoever can judge it. */
  keep(record: PartyRecord, place: RecordPlace, from: ChannelState | null): void {
    this.#state.book.refuse(place)
    const kept = this.#state.unchecked.keep(place.slotId, record)
    this.#state.drop(from?.channel.id ?? null, kept === 'full' ? 'unchecked-full' : 'inadmissible')
    if (kept === 'kept' && record.body.kind === 'remove') this.#announce.forwardDenial(record, from)
  }

  #hold(record: FactRecord, place: RecordPlace, from: ChannelState | null): void {
    if (!this.#state.book.put(record, place)) return
    this.#state.emit({ type: 'log', job: this.#state.newJob(), records: [record.bytes] })
    if (record.body.kind === 'genesis') return
    if (place.set === 0) this.#announce.forwardDenial(record, from)
    else this.#announce.forward(record, place, from)
  }

  /** The chain that a peer brought: its records are judged as any others. */
  present(records: readonly PartyRecord[], from: ChannelState | null): void {
    for (const record of records) this.take(record as FactRecord, this.#state.book.placeOf(record), from)
  }

  /** The chain of an author from the genesis down; null if it has none, or the genesis isn't known. */
  chainOf(author: Uint8Array): Uint8Array | null {
    const genesis = this.#state.book.get(0, GENESIS_SLOT_ID)
    const chain = this.#state.members.chainOf(hexOf(author))
    return genesis === null || chain === null ? null : encodeCredential([genesis, ...chain])
  }

  /** Draws the consequences, if who counts has changed since the last time. */
  settle(): void {
    const { members } = this.#state
    while (this.#settledAt !== members.changes) {
      this.#settledAt = members.changes
      this.#sweep()
      const before = this.#members
      this.#members = new Set(members.members())
      const { unchecked } = this.#state
      const again = unchecked.takeWhere(record => this.isAdmissible(record))
      if (again.length > 0) this.#judgeAgain(again.map(record => record.bytes))
      this.#closeLost(before)
      const gained = Array.from(this.#members).filter(id => !before.has(id))
      if (gained.length === 0) continue
      const isGained = new Set(gained)
      this.#state.pending.askAgain(id => isGained.has(id))
      this.#verdicts.pump()
    }
  }

  #sweep(): void {
    const { book, members, unchecked } = this.#state
    for (const record of members.invalid()) {
      const place = book.placeOf(record)
      book.delete(place)
      // A chain may be mended; what has expired stays expired.
      if (record.body.expiresSeconds === 0 || record.body.expiresSeconds * SECOND_MS > this.#state.nowMs) {
        unchecked.keep(place.slotId, record)
      }
      book.refuse(place)
    }
    const removed = new Set(members.removed())
    if (removed.size === 0) return
    for (const record of [...book.all(1)]) {
      if (record.body.kind === 'admit' || !removed.has(hexOf(record.author))) continue
      book.delete(book.placeOf(record))
    }
    for (const id of removed) this.#verdicts.removed(id)
  }

  #closeLost(before: ReadonlySet<string>): void {
    const { members } = this.#state
    for (const { channel } of [...this.#state.channels.values()]) {
      const { authorId } = channel
      const isLost = before.has(authorId) && !this.#members.has(authorId)
      if (isLost || members.isRemoved(authorId)) this.#state.close(channel.id, 'removed')
    }
  }

  /** Takes a member out, in our name. */
  remove(about: { subject: Uint8Array; isWithFeeds: boolean; isCascading: boolean; job: number }): void {
    const { subject, isWithFeeds, isCascading, job } = about
    const { members, book } = this.#state
    const subjectId = hexOf(subject)
    const version = members.removalOf(subjectId) + 1
    const n = members.nextNumber(this.#state.authorId)
    const adminLength = members.seenOf(subjectId)
    const adminHash = NO_HASH
    const body: RemoveBody = { kind: 'remove', version, subject, n, adminLength, adminHash, isWithFeeds }
    const record = this.#sign(this.#aboveHeld(body))
    if (!this.#mayRemove(record)) {
      this.#state.emit({ type: 'done', job, code: 'ERR_PARTY_NOT_AUTHORIZED' })
      return
    }
    const before = members.members()
    const chains = new Map(before.map(id => [id, members.chainOf(id)]))
    book.put(record)
    const lost = before.filter(id => id !== subjectId && members.capabilitiesOf(id) === 0)
    const readmitted = isCascading ? [] : lost.flatMap(id => this.#readmit(chains.get(id)?.at(-1)))
    if (isWithFeeds) this.#revokeFeedsOf(subjectId)
    this.#announce.forwardDenial(record, null)
    this.#state.emit({ type: 'publish', record: record.bytes })
    for (const admit of readmitted) {
      const place = book.placeOf(admit)
      if (!book.put(admit, place)) continue
      if (place.set === 0) this.#announce.forwardDenial(admit, null)
      else this.#announce.forward(admit, place, null)
      this.#state.emit({ type: 'publish', record: admit.bytes })
    }
    const records = [record, ...readmitted].map(one => one.bytes)
    this.#state.emit({ type: 'log', job, records })
  }

  #mayRemove(record: RemoveRecord): boolean {
    const { members, authorId } = this.#state
    if (hexOf(record.body.subject) === members.founderId) return false
    return members.isAdmin(authorId) || this.#state.isNamed(record)
  }

  // Whoever hung on the removed member is taken over, as far as our own standing allows.
  #readmit(last: AdmitRecord | undefined): AdmitRecord[] {
    if (last === undefined) return []
    const { members, authorId } = this.#state
    const own = members.capabilitiesOf(authorId)
    const depth = Math.min(last.body.depth, members.depthOf(authorId) - 1)
    if (depth < 0 || (own & CAPABILITY.invite) === 0) return []
    const { subject, expiresSeconds, uses } = last.body
    const capabilities = last.body.capabilities & own
    return [this.#signAdmit({ subject, capabilities, depth, expires: expiresSeconds, uses })]
  }

  #revokeFeedsOf(subjectId: string): void {
    for (const entry of [...this.#state.feeds]) {
      if (entry.author !== subjectId) continue
      const about = { key: entry.key, cutoff: null, isPurge: false, reason: '' }
      this.#announce.revoke(this.#denials, { ...about, job: this.#state.newJob() })
    }
  }

  /** Admits somebody, in our name. */
  admit(admission: Admission, job: number): void {
    const record = this.#signAdmit(admission)
    if (this.#state.members.isValid(record)) this.#announce.log([record], job)
    else this.#state.emit({ type: 'done', job, code: 'ERR_PARTY_NOT_AUTHORIZED' })
  }

  /** An admin's word of ours that a feed may be opened. */
  authorize(key: Uint8Array, expiresSeconds: number, job: number): void {
    const { members, keys, options, book, authorId } = this.#state
    const denied = Math.max(
      options.versionOf(key)?.version ?? 0,
      book.versionAt(0, hexOf(keys.feedSlot(key)))
    )
    const version = Math.max(denied, book.versionAt(1, hexOf(keys.authorizeSlot(key)))) + 1
    const n = members.nextNumber(authorId)
    const record = this.#sign({ kind: 'authorize', version, key, n, role: 0, maxBytes: 0, expiresSeconds })
    if (this.isAdmissible(record)) this.#announce.log([record], job)
    else this.#state.emit({ type: 'done', job, code: 'ERR_PARTY_NOT_AUTHORIZED' })
  }

  #signAdmit(admission: Admission): AdmitRecord {
    const { subject, capabilities, depth, expires, uses } = admission
    // Above the removal of the same subject: then it takes it back in.
    const version = this.#state.members.removalOf(hexOf(subject)) + 1
    const via = null
    const body = { kind: 'admit', subject, capabilities, depth, expiresSeconds: expires, uses, via } as const
    return this.#sign(this.#aboveHeld({ ...body, version }))
  }

  // Above what is held in the slot, too.
  #aboveHeld<B extends RemoveBody | AdmitBody>(body: B): B {
    const { book } = this.#state
    const { set, slotId } = book.placeOf(this.#sign(body))
    return { ...body, version: Math.max(body.version, book.versionAt(set, slotId) + 1) }
  }

  #sign<B extends RecordBody>(body: B): PartyRecord<B> {
    const { author, crypto } = this.#state.options
    return signRecord({ author, sign: digest => crypto.sign(digest) }, this.#state.keys, body)
  }
}

function hexOf(bytes: Uint8Array): string {
  return b4a.toString(bytes, 'hex')
}
