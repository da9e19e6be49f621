/**
 * Records of others: what is checked, in which order, and what follows from it.
 *
 *   NEW      --expired, not above the known, denied, over a limit--> IGNORED
 *   NEW      --origin or signature wrong---------------------------> dropped   points to who sent it, never to the author
 *   NEW      --admissible------------------------------------------> PENDING   see verdicts.ts
 *
 * Invariants: 1. the cheapest check comes first; a signature is checked once per record. 2. What isn't admissible is
 * neither stored nor passed on. 3. Who sent a bad record is charged, never who is named as its author.
 */
import b4a from 'b4a'
import type { Announce } from './announce.js'
import type { Denials, RevokeRecord } from './deny.js'
import type { FactRecord, Facts } from './facts.js'
import type { AnswerResult } from './frames.js'
import type { NewIntroduction } from './introductions.js'
import { type RecordPlace, rowOf } from './record-book.js'
import {
  type AuthorizeBody,
  checkOrigin,
  compareVersion,
  decodeRecord,
  type IntroduceBody,
  type PartyRecord,
  recordVersion,
  type WithdrawBody
} from './records.js'
import type { ChannelState, CoreState } from './state.js'
import type { PartyDropReason } from './types.js'
import { results, type Verdicts } from './verdicts.js'

const BAD_RECORD_POINTS = 40
const SECOND_MS = 1000
const NO_META = new Uint8Array(0)
/** What counts an introduction that is ignored for this reason. */
const IGNORED = {
  ERR_PARTY_EXPIRED: 'expired',
  ERR_PARTY_REVOKED: 'denied',
  ERR_PARTY_NOT_AUTHORIZED: 'inadmissible'
} as const
type IgnoreReason = keyof typeof IGNORED

type IntroduceRecord = PartyRecord<IntroduceBody>
type AuthorizeRecord = PartyRecord<AuthorizeBody>

/** How records came. */
export interface Arrival {
  /** Null: by gossip, from nobody that we have a channel with. */
  from: ChannelState | null
  /** 'pulled': we asked for it; else it counts against the sender's budget. */
  how: 'pulled' | 'pushed' | 'gossip'
  /** Call that wants an ANSWER; 0: none. */
  call: number
}

/** Judges records. */
export class Judge {
  readonly #state: CoreState
  readonly #denials: Denials
  readonly #announce: Announce
  readonly #verdicts: Verdicts
  readonly #facts: Facts

  constructor(
    state: CoreState,
    parts: { denials: Denials; announce: Announce; verdicts: Verdicts; facts: Facts }
  ) {
    this.#state = state
    this.#denials = parts.denials
    this.#announce = parts.announce
    this.#verdicts = parts.verdicts
    this.#facts = parts.facts
  }

  /** Records of a peer, in one frame. */
  receive(records: readonly Uint8Array[], arrival: Arrival): void {
    const groups = new Map<string, NewIntroduction[]>()
    const decided: AnswerResult[] = []
    for (const bytes of records) {
      if (arrival.from?.channel.phase === 'closed') return
      const results = this.#receiveOne(bytes, arrival, groups)
      if (results !== null) decided.push(...results)
    }
    if (decided.length > 0) this.#announce.answer(arrival.from?.channel.id ?? null, arrival.call, decided)
    for (const group of groups.values()) this.#verdicts.ask(group)
    this.#verdicts.pump()
  }

  #receiveOne(
    bytes: Uint8Array,
    arrival: Arrival,
    groups: Map<string, NewIntroduction[]>
  ): AnswerResult[] | null {
    const { from } = arrival
    if (from !== null && arrival.how === 'pushed' && !from.pushes.take(1, this.#state.nowMs)) {
      this.#state.drop(from.channel.id, 'over-budget')
      return null
    }
    const record = decodeRecord(bytes)
    if (!record.ok) {
      this.#state.drop(from?.channel.id ?? null, record.reason === 'unknown' ? 'unknown-kind' : record.reason)
      if (from !== null && record.reason !== 'unknown') this.#state.close(from.channel.id, 'malformed')
      return null
    }
    return this.#receiveRecord(record.value, arrival, groups)
  }

  #receiveRecord(
    record: PartyRecord,
    arrival: Arrival,
    groups: Map<string, NewIntroduction[]>
  ): AnswerResult[] | null {
    const place = this.#state.book.placeOf(record)
    if (arrival.from !== null) this.#announce.knows(arrival.from, place, recordVersion(record))
    switch (record.body.kind) {
      case 'introduce':
        return this.#introduced(record as IntroduceRecord, place, { arrival, groups })
      case 'withdraw':
        this.#withdrawn(record as PartyRecord<WithdrawBody>, place, arrival.from)
        return null
      case 'revoke':
        this.#revoked(record as RevokeRecord, place, arrival.from)
        return null
      case 'authorize':
        return this.#authorized(record as AuthorizeRecord, place, { arrival, groups })
      default:
        if (this.#facts.take(record as FactRecord, place, arrival.from) === 'forged') {
          this.#bad(arrival.from, 'bad-signature')
        }
        return null
    }
  }

  #bad(from: ChannelState | null, reason: PartyDropReason): void {
    this.#state.drop(from?.channel.id ?? null, reason)
    if (from === null) return
    this.#state.warn('WARN_PARTY_BAD_RECORD', from.channel.id, reason)
    this.#state.charge(from, BAD_RECORD_POINTS)
  }

  #revoked(record: RevokeRecord, place: RecordPlace, from: ChannelState | null): void {
    const known = this.#state.book.versionAt(0, place.slotId)
    if (compareVersion(known, record.body.version) === 'too-far') {
      this.#state.drop(from?.channel.id ?? null, 'version-step')
      return
    }
    if (!this.#state.book.isAuthentic(record)) {
      this.#bad(from, 'bad-signature')
      return
    }
    if (!this.#denials.take(record, place, from)) return
    this.#verdicts.denied(place.slotId)
    this.#announce.forwardDenial(record, from)
  }

  /** Denials that had to wait are in force now: they are passed on like all others. */
  tick(): void {
    for (const record of this.#denials.takeAffordable()) {
      this.#verdicts.denied(this.#state.book.placeOf(record).slotId)
      this.#announce.forwardDenial(record, null)
    }
  }

  #withdrawn(record: PartyRecord<WithdrawBody>, place: RecordPlace, from: ChannelState | null): void {
    const { book, pending } = this.#state
    const known = book.get(1, place.slotId)
    const comparison = compareVersion(book.versionAt(1, place.slotId), record.body.version)
    if (comparison === 'older' || comparison === 'too-far') return
    if (this.#state.members.isRemoved(b4a.toString(record.author, 'hex'))) {
      this.#state.drop(from?.channel.id ?? null, 'inadmissible')
      book.refuse(place)
      return
    }
    const waiting = pending.bySlot(place.slotId)
    if (known === null && waiting === null) {
      book.refuse(place)
      return
    }
    if (!book.isAuthentic(record)) {
      this.#bad(from, 'bad-signature')
      return
    }
    if (waiting !== null && waiting.version <= record.body.version) {
      this.#verdicts.end(waiting, { verdict: 'ignored', reason: 'ERR_PARTY_EXPIRED' })
    }
    if (known === null) {
      book.refuse(place)
      return
    }
    if (!book.put(record, place)) return
    this.#state.emit({ type: 'log', job: this.#state.newJob(), records: [record.bytes] })
    this.#announce.forward(record, place, from)
  }

  #introduced(
    record: IntroduceRecord,
    place: RecordPlace,
    context: { arrival: Arrival; groups: Map<string, NewIntroduction[]> }
  ): AnswerResult[] | null {
    const { arrival, groups } = context
    const { keys, expiresSeconds } = record.body
    const early = this.#earlyVerdict(record, place, { arrival, keys, expiresSeconds, authorizes: 0 })
    if (early !== null) return early
    const origin = checkOrigin(this.#state.keys, record, this.#state.options.feedKeyOf)
    if (origin === 'wrong') {
      this.#bad(arrival.from, 'bad-origin')
      return null
    }
    if (!this.#state.book.isAuthentic(record)) {
      this.#bad(arrival.from, 'bad-signature')
      return null
    }
    const first = record.body.keys[0] as Uint8Array
    if (origin === 'own' && this.#denials.checkOwner(first, record.author)) {
      return this.#ignore(record.body.keys, place, 'ERR_PARTY_REVOKED')
    }
    this.#group(this.#entryOf(record, place, { arrival, isOwn: origin === 'own' }), groups)
    return null
  }

  // An admin's word that a feed may be opened: the rules are asked as about an introduction.
  #authorized(
    record: AuthorizeRecord,
    place: RecordPlace,
    context: { arrival: Arrival; groups: Map<string, NewIntroduction[]> }
  ): AnswerResult[] | null {
    const { arrival, groups } = context
    const { key, expiresSeconds, version } = record.body
    const about = { arrival, keys: [key], expiresSeconds, authorizes: version }
    const early = this.#earlyVerdict(record, place, about)
    if (early !== null) return early
    if (!this.#state.book.isAuthentic(record)) {
      this.#bad(arrival.from, 'bad-signature')
      return null
    }
    if (!this.#facts.isAdmissible(record)) {
      this.#facts.keep(record, place, arrival.from)
      return null
    }
    this.#group(this.#entryOf(record, place, { arrival, isOwn: false }), groups)
    return null
  }

  #group(entry: NewIntroduction, groups: Map<string, NewIntroduction[]>): void {
    if (entry.authorizes > 0) {
      groups.set(`authorize/${entry.slotId}`, [entry])
      return
    }
    const groupId = `${entry.authorId}/${entry.type}/${b4a.toString(entry.meta, 'hex')}`
    const group = groups.get(groupId)
    if (group === undefined) groups.set(groupId, [entry])
    else group.push(entry)
  }

  // What can be said without a signature check. Null: it has to be judged.
  #earlyVerdict(
    record: IntroduceRecord | AuthorizeRecord,
    place: RecordPlace,
    about: { arrival: Arrival; keys: readonly Uint8Array[]; expiresSeconds: number; authorizes: number }
  ): AnswerResult[] | null {
    const { book, pending, nowMs, members } = this.#state
    const { arrival, keys, expiresSeconds, authorizes } = about
    const { version } = record.body
    const known = book.get(1, place.slotId)
    const comparison = compareVersion(book.versionAt(1, place.slotId), version)
    if (known !== null && (comparison === 'older' || comparison === 'same')) return this.#knownResults(keys)
    if (comparison === 'too-far') {
      this.#state.drop(arrival.from?.channel.id ?? null, 'version-step')
      return []
    }
    const refusal = pending.refusal(place.slotId, version)
    if (refusal !== null) return results(keys, refusal.verdict, refusal.reason)
    const waiting = pending.bySlot(place.slotId)
    if (waiting !== null && waiting.version >= version) {
      if (arrival.call === 0 || arrival.from === null) return []
      waiting.waiting.push({ channel: arrival.from.channel.id, call: arrival.call })
      return waiting.state === 'undecided' ? results(keys, 'pending', '') : []
    }
    if (expiresSeconds > 0 && expiresSeconds * SECOND_MS <= nowMs) {
      return this.#ignore(keys, place, 'ERR_PARTY_EXPIRED')
    }
    if (members.isRemoved(b4a.toString(record.author, 'hex'))) {
      return this.#ignore(keys, place, 'ERR_PARTY_NOT_AUTHORIZED')
    }
    const isDenied = keys.some(key => this.#denials.isDenied(key, authorizes))
    return isDenied ? this.#ignore(keys, place, 'ERR_PARTY_REVOKED') : null
  }

  #knownResults(keys: readonly Uint8Array[]): AnswerResult[] {
    return keys.map(key => {
      const isHere = this.#state.feeds.byKey(b4a.toString(key, 'hex')) !== null
      if (isHere) return { key, verdict: 'accepted', reason: '' }
      const reason = this.#denials.isDenied(key) ? 'ERR_PARTY_REVOKED' : 'ERR_PARTY_REJECTED'
      return { key, verdict: 'rejected', reason }
    })
  }

  // Not remembered as refused by its signature, which may not have been checked: only the row is.
  #ignore(keys: readonly Uint8Array[], place: RecordPlace, reason: IgnoreReason): AnswerResult[] {
    this.#state.drop(null, IGNORED[reason])
    this.#state.book.refuse(place)
    return results(keys, 'ignored', reason)
  }

  #entryOf(
    record: IntroduceRecord | AuthorizeRecord,
    place: RecordPlace,
    about: { arrival: Arrival; isOwn: boolean }
  ): NewIntroduction {
    const { arrival, isOwn } = about
    const { body } = record
    const isIntroduction = body.kind === 'introduce'
    const keys = isIntroduction ? body.keys : [body.key]
    const channel = arrival.from?.channel.id ?? null
    const ttlAtMs = this.#state.nowMs + this.#state.limits.pendingTtlMs
    const { expiresSeconds } = body
    return {
      slotId: place.slotId,
      version: body.version,
      author: record.author,
      authorId: b4a.toString(record.author, 'hex'),
      keys,
      keyIds: keys.map(key => b4a.toString(key, 'hex')),
      feedSlots: keys.map(key => b4a.toString(this.#state.keys.feedSlot(key), 'hex')),
      own: keys.map((_, index) => isOwn && index === 0),
      type: isIntroduction ? body.bundleType : '',
      meta: isIntroduction ? body.meta : NO_META,
      row: rowOf(place),
      record: record.bytes,
      authorizes: isIntroduction ? 0 : body.version,
      role: isIntroduction ? 0 : body.role,
      maxBytes: isIntroduction ? 0 : body.maxBytes,
      expiresSeconds,
      channel,
      isDirect: arrival.call !== 0,
      waiting: channel !== null && arrival.call !== 0 ? [{ channel, call: arrival.call }] : [],
      expiresAtMs: expiresSeconds === 0 ? ttlAtMs : Math.min(ttlAtMs, expiresSeconds * SECOND_MS)
    }
  }
}
