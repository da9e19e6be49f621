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
import type { AnswerResult } from './frames.js'
import type { NewIntroduction } from './introductions.js'
import { type RecordPlace, rowOf } from './record-book.js'
import {
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

type IntroduceRecord = PartyRecord<IntroduceBody>

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

  constructor(state: CoreState, parts: { denials: Denials; announce: Announce; verdicts: Verdicts }) {
    this.#state = state
    this.#denials = parts.denials
    this.#announce = parts.announce
    this.#verdicts = parts.verdicts
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
      case 'genesis':
        this.#genesis(record, place, arrival.from)
        return null
      default:
        // Admins beside the founder and members by admission belong to a later version of this package.
        this.#state.drop(arrival.from?.channel.id ?? null, 'unknown-kind')
        this.#state.book.refuse(place)
        return null
    }
  }

  #bad(from: ChannelState | null, reason: PartyDropReason): void {
    this.#state.drop(from?.channel.id ?? null, reason)
    if (from === null) return
    this.#state.warn('WARN_PARTY_BAD_RECORD', from.channel.id, reason)
    this.#state.charge(from, BAD_RECORD_POINTS)
  }

  #genesis(record: PartyRecord, place: RecordPlace, from: ChannelState | null): void {
    if (this.#state.book.get(0, place.slotId) !== null) return
    if (!this.#state.book.isAuthentic(record)) {
      this.#bad(from, 'bad-signature')
      return
    }
    if (!this.#state.book.put(record, place)) return
    this.#state.emit({ type: 'log', job: this.#state.newJob(), records: [record.bytes] })
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

  #withdrawn(record: PartyRecord<WithdrawBody>, place: RecordPlace, from: ChannelState | null): void {
    const { book, pending } = this.#state
    const known = book.get(1, place.slotId)
    const comparison = compareVersion(book.versionAt(1, place.slotId), record.body.version)
    if (comparison === 'older' || comparison === 'too-far') return
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
    const early = this.#earlyVerdict(record, place, arrival)
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
      return this.#ignore(record, place, 'ERR_PARTY_REVOKED')
    }
    const entry = this.#entryOf(record, place, { arrival, isOwn: origin === 'own' })
    const groupId = `${entry.authorId}/${entry.type}/${b4a.toString(entry.meta, 'hex')}`
    const group = groups.get(groupId)
    if (group === undefined) groups.set(groupId, [entry])
    else group.push(entry)
    return null
  }

  // What can be said without a signature check. Null: it has to be judged.
  #earlyVerdict(record: IntroduceRecord, place: RecordPlace, arrival: Arrival): AnswerResult[] | null {
    const { book, pending, nowMs } = this.#state
    const { version, keys, expiresSeconds } = record.body
    const known = book.get(1, place.slotId)
    const comparison = compareVersion(book.versionAt(1, place.slotId), version)
    if (known !== null && (comparison === 'older' || comparison === 'same')) return this.#knownResults(record)
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
      return this.#ignore(record, place, 'ERR_PARTY_EXPIRED')
    }
    if (keys.some(key => this.#denials.isDenied(key))) return this.#ignore(record, place, 'ERR_PARTY_REVOKED')
    return null
  }

  #knownResults(record: IntroduceRecord): AnswerResult[] {
    return record.body.keys.map(key => {
      const isHere = this.#state.feeds.byKey(b4a.toString(key, 'hex')) !== null
      if (isHere) return { key, verdict: 'accepted', reason: '' }
      const reason = this.#denials.isDenied(key) ? 'ERR_PARTY_REVOKED' : 'ERR_PARTY_REJECTED'
      return { key, verdict: 'rejected', reason }
    })
  }

  // Not remembered as refused by its signature, which may not have been checked: only the row is.
  #ignore(record: IntroduceRecord, place: RecordPlace, reason: string): AnswerResult[] {
    this.#state.drop(null, reason === 'ERR_PARTY_REVOKED' ? 'denied' : 'expired')
    this.#state.book.refuse(place)
    return results(record.body.keys, 'ignored', reason)
  }

  #entryOf(
    record: IntroduceRecord,
    place: RecordPlace,
    about: { arrival: Arrival; isOwn: boolean }
  ): NewIntroduction {
    const { arrival, isOwn } = about
    const { keys, version, bundleType, meta } = record.body
    const channel = arrival.from?.channel.id ?? null
    return {
      slotId: place.slotId,
      version,
      author: record.author,
      authorId: b4a.toString(record.author, 'hex'),
      keys,
      keyIds: keys.map(key => b4a.toString(key, 'hex')),
      feedSlots: keys.map(key => b4a.toString(this.#state.keys.feedSlot(key), 'hex')),
      own: keys.map((_, index) => isOwn && index === 0),
      type: bundleType,
      meta,
      row: rowOf(place),
      record: record.bytes,
      channel,
      isDirect: arrival.call !== 0,
      waiting: channel !== null && arrival.call !== 0 ? [{ channel, call: arrival.call }] : [],
      expiresAtMs: this.#state.nowMs + this.#state.limits.pendingTtlMs
    }
  }
}
