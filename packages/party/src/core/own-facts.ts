/**
 * Facts about members and feeds in our own name: removals, admissions, invites, authorizations.
 *
 * Invariants: 1. nothing is signed that wouldn't count here: then the job fails with `ERR_PARTY_NOT_AUTHORIZED`. 2. A
 * removal is in force before it is logged, everything else after. 3. A removal and the admissions that take over whom the
 * removed one had admitted are one entry of the log. 4. Of an admin that is removed nothing counts by its own signature
 * any more, whatever number it bears: what it had denied, as far as the remover has seen it, is denied again in the
 * remover's name. So nothing can be backdated.
 */
import { hexOf } from '../key.js'
import type { Announce } from './announce.js'
import type { Denials } from './deny.js'
import type { Expiries } from './expiries.js'
import type { Facts } from './facts.js'
import type { AdmitRecord } from './members.js'
import {
  type AdmitBody,
  CAPABILITY,
  type PartyRecord,
  type RecordBody,
  type RemoveBody,
  type RevokeBody,
  signRecord
} from './records.js'
import type { CoreState } from './state.js'
import type { Admission, Authorization } from './types.js'

/** What an admission says, with what it came by. */
export type NewAdmission = Pick<Admission, 'subject' | 'capabilities' | 'depth' | 'expires' | 'uses'> & {
  readonly via: Uint8Array | null
}

/** We take over what we have seen of an admin, so that none of its own numbers count. */
const NOTHING_SEEN = { adminLength: 0, adminHash: new Uint8Array(32) } as const
/** Records of one entry of the log. */
const RECORDS_PER_ENTRY = 256
/** Denials that are told at once to whoever is connected. */
const PUSHED_MAX = 256
const NO_META = new Uint8Array(0)

/** See the head of this file. */
export class OwnFacts {
  readonly #state: CoreState
  readonly #announce: Announce
  readonly #denials: Denials
  readonly #expiries: Expiries
  readonly #facts: Facts

  constructor(
    state: CoreState,
    parts: { announce: Announce; denials: Denials; expiries: Expiries; facts: Facts }
  ) {
    this.#state = state
    this.#announce = parts.announce
    this.#denials = parts.denials
    this.#expiries = parts.expiries
    this.#facts = parts.facts
  }

  /** Takes a member out, or the key of an invite. */
  remove(about: { subject: Uint8Array; isWithFeeds: boolean; isCascading: boolean; job: number }): void {
    const { subject, isWithFeeds, isCascading, job } = about
    const { members, book } = this.#state
    const subjectId = hexOf(subject)
    if (!this.#mayRemove(subject)) {
      this.#state.emit({ type: 'done', job, code: 'ERR_PARTY_NOT_AUTHORIZED' })
      return
    }
    const version = members.removalOf(subjectId) + 1
    const n = members.nextNumber(this.#state.authorId)
    const body: RemoveBody = { kind: 'remove', version, subject, n, ...NOTHING_SEEN, isWithFeeds }
    const record = this.#sign(this.#aboveHeld(body))
    const counted = this.#denialsOf(subjectId)
    const before = new Map(members.subjects().map(id => [id, members.lastOf(id)]))
    book.put(record)
    const lost = Array.from(before).filter(([id]) => id !== subjectId && !members.isAdmitted(id))
    const readmitted = isCascading ? [] : lost.flatMap(([, last]) => this.#readmit(last))
    this.#denyFeedsOf(subjectId, isWithFeeds)
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
    this.#takeOver(counted)
  }

  // What this author has denied and removed in office, as far as it counts now.
  #denialsOf(authorId: string): PartyRecord<RevokeBody | RemoveBody>[] {
    const { members, book } = this.#state
    const own: PartyRecord<RevokeBody | RemoveBody>[] = []
    for (const record of book.all(0)) {
      if (hexOf(record.author) !== authorId) continue
      if (isRevoke(record)) own.push(record)
      else if (isRemove(record) && members.removalOf(hexOf(record.body.subject)) >= record.body.version)
        own.push(record)
    }
    return own
  }

  #takeOver(denials: readonly PartyRecord<RevokeBody | RemoveBody>[]): void {
    const { book } = this.#state
    const taken = denials.map(({ body }) => this.#inOurName(body)).filter(record => book.put(record))
    for (const [index, record] of taken.entries()) {
      if (index >= PUSHED_MAX) break // whoever doesn't hear of the others compares sets within a minute
      this.#announce.forwardDenial(record, null)
      this.#state.emit({ type: 'publish', record: record.bytes })
    }
    for (let at = 0; at < taken.length; at += RECORDS_PER_ENTRY) {
      const records = taken.slice(at, at + RECORDS_PER_ENTRY).map(record => record.bytes)
      this.#state.emit({ type: 'log', job: this.#state.newJob(), records })
    }
  }

  // A removal keeps its version: else it would undo an admission that came after it.
  #inOurName(body: RevokeBody | RemoveBody): PartyRecord<RevokeBody | RemoveBody> {
    const n = this.#state.members.nextNumber(this.#state.authorId)
    if (body.kind === 'remove') return this.#sign({ ...body, n, ...NOTHING_SEEN })
    return this.#sign({ ...body, n, version: body.version + 1 })
  }

  #mayRemove(subject: Uint8Array): boolean {
    const { members, authorId } = this.#state
    if (hexOf(subject) === members.founderId) return false
    if (members.isAdmin(authorId)) return true
    const body = { kind: 'remove', version: 1, subject, n: 0, ...NOTHING_SEEN, isWithFeeds: false } as const
    return this.#state.isNamed(this.#sign(body))
  }

  // Whoever hung on the removed member is taken over, as far as our own standing allows.
  #readmit(last: AdmitRecord | null): AdmitRecord[] {
    if (last === null) return []
    const { members, authorId } = this.#state
    const own = members.capabilitiesOf(authorId)
    const depth = Math.min(last.body.depth, members.depthOf(authorId) - 1)
    if (depth < 0 || (own & CAPABILITY.invite) === 0) return []
    const { subject, expiresSeconds, uses, via } = last.body
    const capabilities = last.body.capabilities & own
    return [this.#signAdmit({ subject, capabilities, depth, expires: expiresSeconds, uses, via })]
  }

  // From the length on that we know: nothing that is signed later, or said to have been signed before, gets in.
  #denyFeedsOf(subjectId: string, isWithFeeds: boolean): void {
    for (const entry of [...this.#state.feeds]) {
      if (entry.author !== subjectId) continue
      const about = { key: entry.key, cutoff: entry.length, isPurge: false, isCut: !isWithFeeds, reason: '' }
      this.#announce.revoke(this.#denials, { ...about, job: this.#state.newJob() })
    }
  }

  /** Admits somebody, or makes an invite. */
  admit(admission: Admission, job: number): void {
    const via = admission.isInvite && admission.uses > 0 ? admission.subject : null
    const record = this.admission({ ...admission, via })
    if (record !== null) this.#announce.log([record], job)
    else this.#state.emit({ type: 'done', job, code: 'ERR_PARTY_NOT_AUTHORIZED' })
  }

  /** An admission of ours; null: it wouldn't count. */
  admission(about: NewAdmission): AdmitRecord | null {
    const record = this.#signAdmit(about)
    return this.#state.members.isValid(record) ? record : null
  }

  /** An admin's word of ours that a feed may be opened: in the set and in the log by one entry. */
  authorize({ key, role, maxBytes, expires }: Authorization, job: number): void {
    const { members, keys, options, book, authorId } = this.#state
    const slotId = hexOf(keys.authorizeSlot(key))
    const denied = Math.max(
      options.versionOf(key)?.version ?? 0,
      book.versionAt(0, hexOf(keys.feedSlot(key)))
    )
    const version = Math.max(denied, book.versionAt(1, slotId)) + 1
    const n = members.nextNumber(authorId)
    const body = { kind: 'authorize', version, key, n, role, maxBytes, expiresSeconds: expires } as const
    const record = this.#sign(body)
    if (!this.#facts.isAdmissible(record)) {
      this.#state.emit({ type: 'done', job, code: 'ERR_PARTY_NOT_AUTHORIZED' })
      return
    }
    this.#expiries.accepting({ slotId, expiresSeconds: expires, keyIds: [hexOf(key)] })
    this.#announce.expect([record], job)
    const terms = [{ maxBytes, until: null }]
    const about = { keys: [key], record: record.bytes, meta: NO_META, version, terms }
    this.#state.emit({ type: 'authorize', job, ...about })
  }

  #signAdmit(about: NewAdmission): AdmitRecord {
    const { subject, capabilities, depth, expires: expiresSeconds, uses, via } = about
    // Above the removal of the same subject: then it takes it back in.
    const version = this.#state.members.removalOf(hexOf(subject)) + 1
    const body = { kind: 'admit', subject, capabilities, depth, expiresSeconds, uses, via } as const
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

function isRevoke(record: PartyRecord): record is PartyRecord<RevokeBody> {
  return record.body.kind === 'revoke'
}

function isRemove(record: PartyRecord): record is PartyRecord<RemoveBody> {
  return record.body.kind === 'remove'
}
