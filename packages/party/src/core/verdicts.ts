/**
 * What becomes of introductions on the table: asked, accepted, refused, forgotten. The states are drawn in
 * introductions.ts.
 *
 * Invariants: 1. nothing is authorized without an acceptance by the rules or the app, of an entry that is still on the
 * table when that comes. 2. An entry that a denial took off is gone, also while its fact is being written: then nothing is
 * passed on or answered as accepted. 3. Whoever waits for an ANSWER gets one for each change of the verdict.
 */
import b4a from 'b4a'
import type { Announce } from './announce.js'
import type { Denials } from './deny.js'
import type { Expiries } from './expiries.js'
import type { AnswerResult } from './frames.js'
import type { NewIntroduction, PendingIntroduction } from './introductions.js'
import { decodeRecord } from './records.js'
import type { CoreState } from './state.js'
import { termsOf } from './terms.js'
import type { IntroductionInfo, Verdict } from './types.js'

/** Decides introductions by what rules and app say. */
export class Verdicts {
  readonly #state: CoreState
  readonly #denials: Denials
  readonly #announce: Announce
  readonly #expiries: Expiries
  readonly #writing = new Map<number, PendingIntroduction>()
  readonly #appJobs = new Map<number, number>()

  constructor(state: CoreState, parts: { denials: Denials; announce: Announce; expiries: Expiries }) {
    this.#state = state
    this.#denials = parts.denials
    this.#announce = parts.announce
    this.#expiries = parts.expiries
  }

  /** Puts introductions of one author on the table, to be judged together. */
  ask(group: readonly NewIntroduction[]): void {
    for (const entry of this.#state.pending.add(group).evicted) {
      this.#state.drop(entry.channel, 'pending-full')
      this.#finish(entry, { verdict: 'ignored', reason: 'ERR_PARTY_LIMIT' })
    }
  }

  /** Asks the rules for as many as there are places. */
  pump(): void {
    for (;;) {
      const question = this.#state.newQuestion()
      const entries = this.#state.pending.next(question)
      const first = entries?.[0]
      if (entries === null || first === undefined) return
      this.#state.emit({
        type: 'ask',
        question,
        about: 'introduce',
        channel: first.channel,
        introductions: entries.map(infoOf)
      })
    }
  }

  /** The rules answered. */
  ruled(question: number, verdict: Verdict, reason: string): void {
    for (const entry of this.#state.pending.answered(question)) {
      if (verdict === 'undecided') this.#undecided(entry)
      else if (verdict === 'reject') this.#reject(entry, reason)
      else if (verdict === 'accept') this.#accept(entry, entry.keyIds)
      else this.#acceptSome(entry, verdict.keys, reason)
    }
    this.pump()
  }

  #undecided(entry: PendingIntroduction): void {
    // The app authorized this feed by itself before: that is its decision on its author's introduction, too.
    const isHere = entry.keyIds.every(id => this.#state.feeds.byKey(id) !== null)
    const isOwn = entry.own.every(own => own) || entry.authorId === this.#state.authorId
    const isTheirs = isOwn || entry.authorizes > 0
    if (isHere && isTheirs && entry.state === 'asking') {
      this.#accept(entry, entry.keyIds)
      return
    }
    entry.state = 'undecided'
    this.#tell(entry, results(entry.keys, 'pending', ''))
    this.#state.emit({ type: 'introduction', introduction: infoOf(entry) })
  }

  #acceptSome(entry: PendingIntroduction, keys: readonly Uint8Array[], reason: string): void {
    const listed = new Set(keys.map(key => b4a.toString(key, 'hex')))
    const accepted = entry.keyIds.filter(id => listed.has(id))
    if (accepted.length === 0) {
      this.#reject(entry, reason)
      return
    }
    this.#accept(entry, accepted)
  }

  #reject(entry: PendingIntroduction, reason: string): void {
    const text = reason === '' ? 'ERR_PARTY_REJECTED' : reason
    this.end(entry, { verdict: 'rejected', reason: text })
    for (const key of entry.keys) {
      this.#state.emit({ type: 'reject', key, author: entry.author, reason: text })
    }
  }

  #accept(entry: PendingIntroduction, keyIds: readonly string[]): void {
    entry.state = 'logging'
    entry.accepted = keyIds
    const job = this.#state.newJob()
    this.#writing.set(job, entry)
    for (const [index, keyId] of entry.keyIds.entries()) {
      if (entry.own[index]) this.#state.owners.set(keyId, entry.authorId)
    }
    const accepted = new Set(keyIds)
    const keys = entry.keys.filter((_, index) => accepted.has(entry.keyIds[index] as string))
    this.#expiries.accepting(entry)
    const { record, meta, authorizes: version } = entry
    const terms = keys.map(key => {
      const held = termsOf(this.#state, key, version)
      return version > 0 ? { ...held, maxBytes: entry.maxBytes } : held
    })
    this.#state.emit({ type: 'authorize', job, keys, record, meta, version, terms })
  }

  /** The app decided. */
  decide(id: number, accept: boolean, about: { reason: string; job: number }): void {
    const entry = this.#state.pending.get(id)
    if (entry === null || entry.state === 'logging') {
      this.#state.emit({ type: 'done', job: about.job, code: 'ERR_PARTY_EXPIRED' })
      return
    }
    if (!accept) {
      this.#reject(entry, about.reason)
      this.#state.emit({ type: 'done', job: about.job, code: null })
      return
    }
    this.#appJobs.set(entry.id, about.job)
    this.#accept(entry, entry.keyIds)
  }

  /** An accepted introduction was written, or not. False: that job isn't ours. */
  logged(job: number, code: string | null): boolean {
    const entry = this.#writing.get(job)
    if (entry === undefined) return false
    this.#writing.delete(job)
    const appJob = this.#appJobs.get(entry.id)
    this.#appJobs.delete(entry.id)
    // A denial that came meanwhile has taken the entry out already.
    const isGone = this.#state.pending.get(entry.id) === null
    if (code !== null && !isGone) this.#undecided(entry)
    if (code === null && !isGone) this.#accepted(entry)
    if (appJob !== undefined) {
      const failure = isGone ? 'ERR_PARTY_REVOKED' : code
      this.#state.emit({ type: 'done', job: appJob, code: failure, keys: entry.keys })
    }
    return true
  }

  #accepted(entry: PendingIntroduction): void {
    this.#state.pending.remove(entry)
    const record = decodeRecord(entry.record)
    if (!record.ok) return
    const place = this.#state.book.placeOf(record.value)
    const accepted = new Set(entry.accepted)
    this.#tell(
      entry,
      entry.keys.map((key, index) =>
        accepted.has(entry.keyIds[index] as string)
          ? { key, verdict: 'accepted', reason: '' }
          : { key, verdict: 'rejected', reason: 'ERR_PARTY_REJECTED' }
      )
    )
    this.#state.emit({ type: 'introductionDone', introduction: entry.id, state: 'accepted' })
    for (const [index, key] of entry.keys.entries()) {
      if (accepted.has(entry.keyIds[index] as string)) continue
      this.#state.emit({ type: 'reject', key, author: entry.author, reason: 'ERR_PARTY_REJECTED' })
    }
    if (!this.#state.book.put(record.value, place)) return
    const from = entry.channel === null ? null : (this.#state.channels.get(entry.channel) ?? null)
    this.#announce.forward(record.value, place, from)
  }

  /** Ends what has waited too long, and what the remote of a channel told to us alone. */
  expire(): void {
    for (const entry of this.#state.pending.expire(this.#state.nowMs)) {
      this.#finish(entry, { verdict: 'ignored', reason: 'ERR_PARTY_EXPIRED' })
    }
  }

  /** A channel is gone. */
  dropChannel(channel: number): void {
    for (const entry of this.#state.pending.dropChannel(channel)) {
      this.#finish(entry, { verdict: 'ignored', reason: 'ERR_PARTY_CLOSED' })
    }
    this.pump()
  }

  /** Takes an introduction off the table and remembers why. */
  end(entry: PendingIntroduction, about: { verdict: 'rejected' | 'ignored'; reason: string }): void {
    this.#state.pending.remove(entry)
    this.#state.pending.refuse(entry.slotId, { version: entry.version, ...about })
    const record = decodeRecord(entry.record)
    if (record.ok) this.#state.book.refuse(this.#state.book.placeOf(record.value))
    this.#finish(entry, about)
  }

  #finish(entry: PendingIntroduction, about: { verdict: 'rejected' | 'ignored'; reason: string }): void {
    this.#tell(entry, results(entry.keys, about.verdict, about.reason))
    this.#state.emit({ type: 'introductionDone', introduction: entry.id, state: about.verdict })
  }

  #tell(entry: PendingIntroduction, answer: readonly AnswerResult[]): void {
    for (const { channel, call } of entry.waiting) this.#announce.answer(channel, call, answer)
  }

  /** An author (hex) was removed: what it introduced is off the table. */
  removed(authorId: string): void {
    for (const entry of [...this.#state.pending]) {
      if (entry.authorId !== authorId) continue
      this.end(entry, { verdict: 'ignored', reason: 'ERR_PARTY_NOT_AUTHORIZED' })
    }
    this.pump()
  }

  /** A feed (hex of its slot) is denied now: whatever was being decided about it is over. */
  denied(slotId: string): void {
    for (const entry of this.#state.pending.ofFeed(slotId)) {
      if (!entry.keys.some(key => this.#denials.isDenied(key, entry.authorizes))) continue
      this.end(entry, { verdict: 'ignored', reason: 'ERR_PARTY_REVOKED' })
    }
    this.pump()
  }
}

/** The same verdict on all keys. */
export function results(
  keys: readonly Uint8Array[],
  verdict: AnswerResult['verdict'],
  reason: string
): AnswerResult[] {
  return keys.map(key => ({ key, verdict, reason }))
}

function infoOf(entry: PendingIntroduction): IntroductionInfo {
  const { id, keys, type, meta, author, version, channel, role } = entry
  const own = entry.own.every(one => one)
  return { id, keys, type, meta, author, own, authorized: entry.authorizes > 0, role, version, channel }
}
