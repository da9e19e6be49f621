/**
 * Facts about members by others: genesis, admissions, removals; and what follows from them. Those of our own are made in
 * own-facts.ts.
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
import { hexOf } from '../key.js'
import type { Genesis } from '../types.js'
import type { Announce } from './announce.js'
import { encodeCredential } from './credential.js'
import type { Denials } from './deny.js'
import type { AdmitRecord, RemoveRecord } from './members.js'
import type { RecordPlace } from './record-book.js'
import { CAPABILITY, compareVersion, type GenesisBody, type PartyRecord, recordVersion } from './records.js'
import type { ChannelState, CoreState } from './state.js'
import type { Verdicts } from './verdicts.js'

/** What this machine takes. */
export type FactRecord = PartyRecord<GenesisBody> | AdmitRecord | RemoveRecord

const GENESIS_SLOT_ID = '00'.repeat(16)
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
    if (record.body.kind === 'remove') {
      const { maxRemovals, maxRemovalsPerIssuer } = limits
      return (
        members.removals >= maxRemovals || members.removalsBy(hexOf(record.author)) >= maxRemovalsPerIssuer
      )
    }
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
    // The genesis, too: whoever connected before it came here can't judge the word of any admin without it.
    if (place.set === 0) this.#announce.forwardDenial(record, from)
    else this.#announce.forward(record, place, from)
  }

  /** The chain that a peer brought: its records are judged as any others. */
  present(records: readonly PartyRecord[], from: ChannelState | null): void {
    for (const record of records) this.take(record as FactRecord, this.#state.book.placeOf(record), from)
  }

  /** The chain of an unlimited invite (hex of its key), as it goes into a link; null: there is none. */
  chainOfInvite(inviteId: string): Uint8Array | null {
    const genesis = this.#state.book.get(0, GENESIS_SLOT_ID)
    const chain = this.#state.members.invites(inviteId).find(one => one.at(-1)?.body.uses === 0)
    return genesis === null || chain === undefined ? null : encodeCredential([genesis, ...chain])
  }

  /** What the party key follows from; null: we don't know it. */
  get genesis(): Genesis | null {
    const record = this.#state.book.get(0, GENESIS_SLOT_ID)
    if (record?.body.kind !== 'genesis') return null
    return { founderPublicKey: record.author, salt: record.body.salt }
  }

  /** What a newcomer says that holds an invite: the genesis alone. Null: we don't know it. */
  genesisAlone(): Uint8Array | null {
    const genesis = this.#state.book.get(0, GENESIS_SLOT_ID)
    return genesis === null ? null : encodeCredential([genesis])
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
      this.#state.emit({ type: 'members' })
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
}
