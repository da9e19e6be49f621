/**
 * Records of our own, and passing on those of others.
 *
 * An introduction to all is signed, logged, and only then told: to every LIVE peer by INTRODUCE, and by gossip for the
 * hops beyond. One to a single peer is signed and told, and kept nowhere. A denial is told before everything queued.
 *
 * Invariants: 1. a version of a slot is signed once: what is under way is reserved. 2. A record isn't sent to a peer that
 * is known to have it. 3. An ANSWER settles keys one by one; the call ends when all are answered.
 */
import b4a from 'b4a'
import type { Denials } from './deny.js'
import type { FeedEntry } from './feed-table.js'
import type { AnswerResult } from './frames.js'
import type { Lengths } from './lengths.js'
import type { RecordPlace } from './record-book.js'
import {
  feedsOf,
  type IntroduceBody,
  type PartyRecord,
  type RevokeBody,
  recordVersion,
  signRecord
} from './records.js'
import type { ChannelState, CoreState } from './state.js'
import type { CallToken, ChannelId, OwnIntroduction } from './types.js'

const KNOWN_MAX = 4096
const SLOT_BYTES = 16

interface DirectCall {
  readonly missing: Set<string>
  readonly results: AnswerResult[]
  readonly token: CallToken
}

/** Makes and spreads records. */
export class Announce {
  readonly #state: CoreState
  readonly #lengths: Lengths
  readonly #writing = new Map<number, readonly PartyRecord[]>()
  /** Highest version that was signed for a slot, before it is in the book. */
  readonly #reserved = new Map<string, number>()
  /** Introductions to single peers, by slot: the same content isn't signed again. */
  readonly #direct = new Map<string, PartyRecord<IntroduceBody>>()
  readonly #calls = new Map<CallToken, { call: DirectCall; channel: ChannelId; id: number }>()

  constructor(state: CoreState, lengths: Lengths) {
    this.#state = state
    this.#lengths = lengths
  }

  /** Introduces to all members: signs, logs; told when that is durable. */
  introduce(introductions: readonly OwnIntroduction[], job: number): void {
    const records: PartyRecord[] = []
    for (const introduction of introductions) {
      const slotId = this.#slotId(introduction.keys[0] as Uint8Array)
      const known = this.#state.book.get(1, slotId)
      // Said already: everybody who accepted it passes it on, and late joiners compare.
      if (known?.body.kind === 'introduce' && isSameContent(known.body, introduction)) continue
      records.push(this.#sign(introduction, slotId))
    }
    this.log(records, job)
  }

  /** Takes introductions of ours back. Keys that weren't introduced are passed over. */
  withdraw(keys: readonly Uint8Array[], job: number): void {
    const records: PartyRecord[] = []
    for (const key of keys) {
      const slotId = this.#slotId(key)
      if (this.#state.book.get(1, slotId)?.body.kind !== 'introduce') continue
      records.push(this.#signBody({ kind: 'withdraw', version: this.#nextVersion(slotId), key }))
    }
    this.log(records, job)
  }

  /** Writes records of ours; they count and are told when that is durable. */
  log(records: readonly PartyRecord[], job: number): void {
    if (records.length === 0) {
      this.#state.emit({ type: 'done', job, code: null })
      return
    }
    this.expect(records, job)
    this.#state.emit({ type: 'log', job, records: records.map(record => record.bytes) })
  }

  /** These records of ours are being written by whoever calls: they count and are told when that is durable. */
  expect(records: readonly PartyRecord[], job: number): void {
    this.#writing.set(job, records)
  }

  /** Own records were written, or not. False: that job isn't ours. */
  logged(job: number, code: string | null): boolean {
    const records = this.#writing.get(job)
    if (records === undefined) return false
    this.#writing.delete(job)
    if (code === null) {
      for (const record of records) this.#spread(record)
    }
    if (job > 0) this.#state.emit({ type: 'done', job, code })
    return true
  }

  #spread(record: PartyRecord): void {
    const place = this.#state.book.placeOf(record)
    this.#reserved.delete(place.slotId)
    if (!this.#state.book.put(record, place)) return
    if (place.set === 0) this.forwardDenial(record, null)
    else this.forward(record, place, null)
    // Gossip goes to every member: as long as a rule may hide feeds from some of them, neighbours compare sets instead.
    if (feedsOf(record).length > 0 && this.#state.options.isSelective?.() === true) return
    this.#state.emit({ type: 'publish', record: record.bytes })
  }

  /** Signs a denial of ours: in force at once, told at once, `deny` logs it. */
  revoke(
    denials: Denials,
    about: Pick<RevokeBody, 'cutoff' | 'isPurge' | 'isCut' | 'reason'> & { key: Uint8Array; job: number }
  ): void {
    const { key, job, ...rest } = about
    const feedId = this.#state.keys.feedId(key)
    const slotId = b4a.toString(feedId.subarray(0, SLOT_BYTES), 'hex')
    const known = this.#state.options.versionOf(key)?.version ?? 0
    const version = Math.max(known, this.#state.book.versionAt(0, slotId)) + 1
    const n = this.#state.members.nextNumber(this.#state.authorId)
    const body: RevokeBody = { kind: 'revoke', version, feedId, n, ...rest }
    const record = signRecord(this.#signer(), this.#state.keys, body)
    denials.own(record, key, job)
    this.forwardDenial(record, null)
    this.#state.emit({ type: 'publish', record: record.bytes })
  }

  /** Introduces to one peer; settles `token` when all keys are answered, or with whatever ends the call. */
  introduceTo(
    state: ChannelState,
    introductions: readonly OwnIntroduction[],
    about: { token: CallToken; timeoutMs: number }
  ): void {
    const { token, timeoutMs } = about
    const id = state.channel.calls.open(token, this.#state.nowMs + timeoutMs)
    if (id === null) {
      const message = `${this.#state.limits.maxCalls} calls are open (maxCalls)`
      const result = { ok: false, code: 'ERR_PARTY_BUSY', message } as const
      this.#state.emit({ type: 'settle', call: token, result })
      return
    }
    const missing = new Set(introductions.flatMap(one => one.keys.map(key => b4a.toString(key, 'hex'))))
    this.#calls.set(token, { call: { missing, results: [], token }, channel: state.channel.id, id })
    if (state.channel.isTalking) this.#sendDirect(state, introductions, id)
    else state.queued.push(() => this.#calls.has(token) && this.#sendDirect(state, introductions, id))
  }

  #sendDirect(state: ChannelState, introductions: readonly OwnIntroduction[], call: number): void {
    const records = introductions.map(introduction => this.#directRecord(introduction))
    for (const part of inFrames(records, this.#state.limits)) {
      this.#state.send(state, { type: 'introduce', call, records: part.map(record => record.bytes) })
    }
    const keys = introductions.flatMap(introduction => introduction.keys)
    this.#lengths.tell(state, this.#entriesOf(state, keys))
  }

  #directRecord(introduction: OwnIntroduction): PartyRecord<IntroduceBody> {
    const slotId = this.#slotId(introduction.keys[0] as Uint8Array)
    const known = this.#state.book.get(1, slotId)
    if (known?.body.kind === 'introduce' && isSameContent(known.body, introduction)) {
      return known as PartyRecord<IntroduceBody>
    }
    const direct = this.#direct.get(slotId)
    if (direct !== undefined && isSameContent(direct.body, introduction)) return direct
    const record = this.#sign(introduction, slotId)
    this.#direct.set(slotId, record)
    if (this.#direct.size > KNOWN_MAX) {
      const oldest = this.#direct.keys().next().value
      if (oldest !== undefined) this.#direct.delete(oldest)
    }
    return record
  }

  /** ANSWER of the peer. */
  answered(state: ChannelState, id: number, answer: readonly AnswerResult[]): void {
    for (const [token, open] of this.#calls) {
      if (open.channel !== state.channel.id || open.id !== id) continue
      for (const result of answer) {
        const keyId = b4a.toString(result.key, 'hex')
        if (!open.call.missing.delete(keyId)) continue
        open.call.results.push(result)
        // Signed anew when it is introduced again: a refusal is remembered by the version that was refused.
        if (result.verdict !== 'accepted') this.#direct.delete(this.#slotId(result.key))
      }
      if (open.call.missing.size > 0) return
      this.#calls.delete(token)
      if (state.channel.calls.settle(id) === null) return
      this.#state.emit({ type: 'settle', call: token, result: { ok: true, results: open.call.results } })
      return
    }
  }

  /** A call of ours ended otherwise. */
  forget(token: CallToken): void {
    this.#calls.delete(token)
  }

  /** Answers an INTRODUCE, if it wanted one. */
  answer(channel: ChannelId | null, call: number, answer: readonly AnswerResult[]): void {
    const state = channel === null ? undefined : this.#state.channels.get(channel)
    if (state === undefined || call === 0 || !state.channel.isTalking) return
    this.#state.send(state, { type: 'answer', call, results: answer })
  }

  /** Remembers that a peer has this version of a slot. */
  knows(state: ChannelState, place: RecordPlace, version: number): void {
    const { knows } = state.channel
    knows.set(place.slotId, version)
    if (knows.size <= KNOWN_MAX) return
    const oldest = knows.keys().next().value
    if (oldest !== undefined) knows.delete(oldest)
  }

  /** Passes an accepted record on, once, to the peers that haven't got it and may see it. */
  forward(record: PartyRecord, place: RecordPlace, from: ChannelState | null): void {
    for (const state of this.#state.live()) {
      const { channel } = state
      if (state === from || (channel.knows.get(place.slotId) ?? 0) >= recordVersion(record)) continue
      this.knows(state, place, recordVersion(record))
      const { body } = record
      if (!feedsOf(record).every(key => this.#state.isShared(channel.id, key))) continue
      if (body.kind === 'introduce') {
        this.#state.send(state, { type: 'introduce', call: 0, records: [record.bytes] })
        this.#lengths.tell(state, this.#entriesOf(state, body.keys))
      } else this.#push(state, record, place.set)
    }
  }

  /** Passes a denial on, at once: it doesn't wait for anything that is queued. */
  forwardDenial(record: PartyRecord, from: ChannelState | null): void {
    for (const state of this.#state.channels.values()) {
      if (state === from || state.channel.phase === 'binding') continue
      this.#push(state, record, 0)
    }
  }

  #push(state: ChannelState, record: PartyRecord, set: 0 | 1): void {
    this.#state.send(state, { type: 'records', set, round: 0, isLast: true, records: [record.bytes] })
  }

  #entriesOf(state: ChannelState, keys: readonly Uint8Array[]): FeedEntry[] {
    const { channel } = state
    return keys
      .map(key => this.#state.feeds.byKey(b4a.toString(key, 'hex')))
      .filter(entry => entry !== null)
      .filter(entry => channel.granted.has(entry.keyId) || this.#state.isShared(channel.id, entry.key))
  }

  #slotId(key: Uint8Array): string {
    return b4a.toString(this.#state.keys.introductionSlot(key, this.#state.options.author), 'hex')
  }

  #nextVersion(slotId: string): number {
    const known = Math.max(this.#state.book.versionAt(1, slotId), this.#reserved.get(slotId) ?? 0)
    this.#reserved.set(slotId, known + 1)
    return known + 1
  }

  #sign(introduction: OwnIntroduction, slotId: string): PartyRecord<IntroduceBody> {
    const { keys, type, meta, expires, origin } = introduction
    const record = signRecord(this.#signer(), this.#state.keys, {
      kind: 'introduce',
      version: this.#nextVersion(slotId),
      createdMs: Math.floor(this.#state.nowMs),
      expiresSeconds: expires,
      bundleType: type,
      keys,
      origin,
      successor: null,
      meta
    })
    return record
  }

  #signBody(body: { kind: 'withdraw'; version: number; key: Uint8Array }): PartyRecord {
    return signRecord(this.#signer(), this.#state.keys, body)
  }

  #signer(): { author: Uint8Array; sign(digest: Uint8Array): Uint8Array } {
    const { author, crypto } = this.#state.options
    return { author, sign: digest => crypto.sign(digest) }
  }
}

function isSameContent(body: IntroduceBody, introduction: OwnIntroduction): boolean {
  const { keys, type, meta, expires } = introduction
  return (
    body.bundleType === type &&
    body.expiresSeconds === expires &&
    body.keys.length === keys.length &&
    body.keys.every((key, index) => b4a.equals(key, keys[index] as Uint8Array)) &&
    b4a.equals(body.meta, meta)
  )
}

function* inFrames<T extends PartyRecord>(
  records: readonly T[],
  limits: { maxRecords: number; maxRecordsBytes: number }
): Iterable<T[]> {
  let part: T[] = []
  let bytes = 0
  for (const record of records) {
    const isFull = part.length >= limits.maxRecords || bytes + record.bytes.length > limits.maxRecordsBytes
    if (isFull && part.length > 0) {
      yield part
      part = []
      bytes = 0
    }
    part.push(record)
    bytes += record.bytes.length
  }
  if (part.length > 0) yield part
}
