/**
 * Finds out what is missing and asks for it: one WANT at a time for a seq, from one of those who have it.
 *
 *   idle    --a batch leaves a hole below it-----------> armed(holeDelayMs)   holder: its sender
 *   idle    --HAVE shows a seq above ours--------------> armed(haveDelayMs)   holder: its sender; more HAVEs add holders
 *   armed   --filled-----------------------------------> idle
 *   armed   --time-------------------------------------> asked(q)             WANT to q
 *   asked   --filled-----------------------------------> idle
 *   asked   --MISS, q is gone--------------------------> asked(next holder)   at once
 *   asked   --max(wantTimeoutMs, 2 rtt), doubling------> asked(next holder)
 *   asked   --nobody left------------------------------> waiting              until a HAVE names a holder
 *   asked   --3 s and 3 rounds in silence--------------> waiting              asked again every second
 *   waiting --next higher batch expired----------------> given up
 *   waiting --later batches can't be accepted over it--> given up             see `mayAccept`
 *
 * Invariants:
 * R1. One seq is asked from one link at a time.
 * R2. A link is asked for what it claimed (HAVE) or implied (it sent a batch above the hole), and not after its MISS.
 * R3. Only what an authentic batch proves to exist is given up: a false HAVE moves no watermark. Claims that nobody can
 *     make good are forgotten.
 * R4. Gaps are given up from the lowest upwards, each once.
 */
import type { Limits } from '../limits.js'
import type { AuthorEntry, AuthorTable, Span } from './author-table.js'
import { type Gap, Gaps } from './gaps.js'
import type { AuthorRef, Batch, LinkId, MissReason, SeqRange } from './types.js'

/** What repair knows about a link. */
export interface Helper {
  /** Smoothed round trip, ms; 0: unknown. */
  readonly rttMs: number
  /** Can it be asked for authors that we don't know yet? */
  mayIntroduce(ref: AuthorRef): boolean
  /** Takes from the budget of WANTs to this link. 0: granted; else how long to wait, ms. */
  takeWant(): number
}

/** Looks up a link that is up; undefined: it can't be asked. */
export type Helpers = (link: LinkId) => Helper | undefined

/** A WANT to be sent. */
export interface Want {
  readonly link: LinkId
  readonly ranges: readonly SeqRange[]
}

/** What was given up. */
export interface Loss {
  readonly ref: AuthorRef
  /** What the application is told; null: nothing, because it can't know whether these were for it. */
  readonly told: Span | null
}

/** Two times: `nowMs` for deadlines, `highMs` for expiry. */
export interface Times {
  readonly nowMs: number
  readonly highMs: number
}

/** Repair of one incarnation that misses something. */
interface Patient {
  readonly ref: AuthorRef
  /** Null: no batch of it was accepted yet. */
  entry: AuthorEntry | null
  readonly gaps: Gaps
  /** Without an entry: seqs below can't be had. */
  floor: number
  /** First and last seq of an authentic batch that was refused because of the lowest gap; -1: none. */
  refusedSeq: number
  refusedTo: number
  readonly link: LinkId
  readonly sinceMs: number
}

interface Ask {
  readonly patient: Patient
  readonly gap: Gap
}

const ROUNDS = 3
const MAX_DOUBLINGS = 4

/** The repair of one topic. */
export class Repair {
  readonly #limits: Limits
  readonly #table: AuthorTable
  readonly #helpers: Helpers
  // Bounded by the table, and for incarnations without an entry by a quota per link.
  readonly #patients = new Map<AuthorRef, Patient>()
  readonly #strangers = new Map<string, Patient>()
  readonly #strangersOf = new Map<LinkId, number>()
  #losses: Loss[] = []
  #nextAtMs = Number.POSITIVE_INFINITY

  constructor(limits: Limits, table: AuthorTable, helpers: Helpers) {
    this.#limits = limits
    this.#table = table
    this.#helpers = helpers
  }

  /** The one object that stands for an incarnation that was heard of but has no entry yet. */
  strangerRef(ref: AuthorRef): AuthorRef | undefined {
    return this.#strangers.get(keyOf(ref))?.ref
  }

  /** Incarnations that miss something. */
  get size(): number {
    return this.#patients.size
  }

  /** The gaps of an incarnation, ascending. */
  gapsOf(ref: AuthorRef): readonly Gap[] {
    return this.#patients.get(ref)?.gaps.list ?? []
  }

  /**
   * May a verified batch be accepted now? Not if it would push a hole out of the widest window that can still be filled:
   * then the batch is refused, and asked for again after the hole was filled or given up.
   */
  mayAccept(batch: Batch, link: LinkId, nowMs: number): boolean {
    const { ref, seq0, count } = batch
    const entry = this.#table.get(ref)
    if (entry !== undefined) {
      if (!this.#table.isTooFarAhead(entry, seq0, count)) return true
    } else {
      const floor = this.#patients.get(ref)?.floor ?? 0
      if (seq0 <= floor || seq0 + count - floor <= this.#limits.maxWindowSeqs) return true
    }
    const patient = this.#patient(ref, entry ?? null, link, nowMs)
    if (patient === undefined) return true // no room to repair it: then a hole is better than silence
    const to = seq0 + count - 1
    const wasUrgent = this.#isUrgent(patient)
    this.#claim(patient, link, { to, nextAtMs: nowMs + this.#limits.holeDelayMs })
    if (!wasUrgent) {
      // The cut tells what is proven to exist from what was only refused.
      patient.refusedSeq = seq0
      patient.refusedTo = to
      patient.gaps.isolate(seq0, to)
    }
    return false
  }

  /** The first batch of an incarnation is about to be accepted: what was given up before isn't waited for. */
  admitted(entry: AuthorEntry, seq0: number): void {
    const patient = this.#strangers.get(keyOf(entry.ref))
    if (patient === undefined) return
    this.#forgetStranger(patient)
    patient.entry = entry
    const to = Math.min(patient.floor, seq0) - 1
    if (to <= entry.watermark) return
    this.#lose(patient, { from: entry.watermark + 1, to })
    this.#table.giveUp(entry, to)
  }

  /**
   * A batch was accepted.
   *
   * @param from.expiresMs - When it expires.
   * @param from.lost - What the window can't take any more.
   */
  accepted(
    entry: AuthorEntry,
    batch: Batch,
    from: Times & { link: LinkId | null; expiresMs: number; lost: Span | null }
  ): void {
    const { seq0, count } = batch
    const known = this.#patients.get(entry.ref)
    // In order and nothing missing: the usual case costs one look-up.
    if (known === undefined && entry.watermark >= seq0 + count - 1) return
    const patient = known ?? this.#patient(entry.ref, entry, from.link ?? -1, from.nowMs)
    if (patient === undefined) return
    const { gaps } = patient
    if (from.lost !== null) this.#lose(patient, from.lost)
    gaps.dropBelow(Math.max(entry.window.floor, Math.min(entry.watermark + 1, gaps.end)))
    for (const gap of gaps.fill(seq0, seq0 + count - 1)) this.#progress(gap, from.nowMs)
    gaps.scan(entry.window)
    for (const gap of gaps.list) {
      if (gap.to >= seq0) break
      if (gap.expiresMs === Number.POSITIVE_INFINITY) {
        gap.expiresMs = from.expiresMs
        this.#wake(from.nowMs + Math.max(1, from.expiresMs - from.highMs + 1))
      }
      if (from.link !== null) this.#addHolder(gap, from.link, from.nowMs + this.#limits.holeDelayMs)
    }
    this.#tidy(patient)
  }

  /**
   * A link told its watermark.
   *
   * @param told.next - Its watermark + 1; 0 if only single batches are announced.
   * @param told.to - Highest seq that it accepted; -1: none.
   * @param told.isComplete - It told all it has, so an earlier MISS of it may be out of date.
   */
  told(
    ref: AuthorRef,
    told: { next: number; to: number; isComplete: boolean },
    from: { link: LinkId; nowMs: number }
  ): void {
    const entry = this.#table.get(ref) ?? null
    const known = this.#patients.get(entry?.ref ?? ref)
    if (known === undefined && told.to <= (entry?.window.top ?? -1)) return
    if (entry === null && told.to < 0) return
    const patient = known ?? this.#patient(ref, entry, from.link, from.nowMs)
    if (patient === undefined) return
    const nextAtMs = from.nowMs + this.#limits.haveDelayMs
    for (const gap of patient.gaps.list) {
      // Its watermark passed the gap since its MISS: it has what it lacked.
      if (gap.from < told.next) gap.missed = gap.missed.filter(link => link !== from.link)
      if (told.isComplete) gap.gone = gap.gone.filter(link => link !== from.link)
    }
    this.#claim(patient, from.link, { to: told.to, nextAtMs })
    this.#tidy(patient)
  }

  /** A link can't supply a range, nor anything below `floor`. */
  missed(range: SeqRange & { floor: number; reason: MissReason }, link: LinkId, nowMs: number): void {
    const patient = this.#patients.get(range.ref)
    if (patient === undefined) return
    if (range.reason === 'over-budget') {
      // It has them, but not for us now. Others may be quicker.
      for (const gap of patient.gaps.list) if (gap.askedOf === link) this.#askLater(gap, nowMs)
      return
    }
    const to = Math.max(range.from + range.count, range.floor) - 1
    for (const gap of patient.gaps.isolate(range.from, to)) {
      const list = range.reason === 'not-cached' ? 'missed' : 'gone'
      if (!gap[list].includes(link)) gap[list] = [...gap[list], link].slice(-this.#limits.maxLinks)
      gap.holders = gap.holders.filter(holder => holder !== link)
      if (gap.askedOf === link) this.#askNow(gap, nowMs)
    }
    for (const gap of patient.gaps.list) {
      if (gap.askedOf === link && gap.from > gap.askedTo) this.#askNow(gap, nowMs)
    }
  }

  /** The answer of a link is complete: what it didn't bring is asked for again. */
  answered(link: LinkId, ref: AuthorRef, nowMs: number): void {
    for (const gap of this.gapsOf(ref)) if (gap.askedOf === link) this.#askNow(gap, nowMs)
  }

  /** When a link was asked for something of this incarnation, if what comes now is the first answer to it; else null. */
  takeAskedMs(link: LinkId, ref: AuthorRef): number | null {
    for (const gap of this.gapsOf(ref)) {
      if (gap.askedOf !== link || gap.timedMs === null) continue
      const askedMs = gap.timedMs
      gap.timedMs = null
      return askedMs
    }
    return null
  }

  /** A link is gone: others are asked instead. */
  linkDown(link: LinkId, nowMs: number): void {
    for (const patient of this.#patients.values()) {
      for (const gap of patient.gaps.list) {
        gap.holders = gap.holders.filter(holder => holder !== link)
        gap.missed = gap.missed.filter(holder => holder !== link)
        gap.gone = gap.gone.filter(holder => holder !== link)
        if (gap.askedOf !== link) continue
        // That it didn't answer says nothing: it couldn't.
        gap.tries = 0
        gap.firstAskedMs = Number.POSITIVE_INFINITY
        this.#askNow(gap, nowMs)
      }
    }
    this.#strangersOf.delete(link)
  }

  /** The entry of an incarnation left the table. */
  forget(ref: AuthorRef): void {
    this.#patients.delete(ref)
  }

  /** Does what is due: gives up what can't be had, and asks. Cheap while nothing is. */
  due(times: Times): Want[] {
    if (times.nowMs < this.#nextAtMs) return []
    const asks = new Map<LinkId, Ask[]>()
    for (const patient of this.#patients.values()) {
      // What is given up brings later gaps into reach.
      do this.#chooseAll(patient, asks, times.nowMs)
      while (this.#settle(patient, times))
    }
    const wants: Want[] = []
    for (const [link, list] of asks) {
      const ranges = this.#ask(link, list, times.nowMs)
      if (ranges.length > 0) wants.push({ link, ranges })
    }
    this.#nextAtMs = this.#earliest(times)
    return wants
  }

  /** When `due` may have something to do; Infinity: never. */
  get nextAtMs(): number {
    return this.#nextAtMs
  }

  /** The expiry clock jumped: look at everything again. */
  recheck(nowMs: number): void {
    this.#wake(nowMs)
  }

  /** What was given up since the last call. */
  takeLosses(): Loss[] {
    if (this.#losses.length === 0) return []
    const losses = this.#losses
    this.#losses = []
    return losses
  }

  #earliest(times: Times): number {
    let nextAtMs = Number.POSITIVE_INFINITY
    for (const patient of this.#patients.values()) {
      for (const gap of patient.gaps.list) nextAtMs = Math.min(nextAtMs, gap.nextAtMs)
      // Only the lowest is given up (R4).
      const expiresMs = patient.gaps.list[0]?.expiresMs ?? Number.POSITIVE_INFINITY
      nextAtMs = Math.min(nextAtMs, times.nowMs + Math.max(1, expiresMs - times.highMs + 1))
      if (patient.entry === null) nextAtMs = Math.min(nextAtMs, patient.sinceMs + this.#limits.maxTtlMs + 1)
    }
    return nextAtMs
  }

  #patient(ref: AuthorRef, entry: AuthorEntry | null, link: LinkId, nowMs: number): Patient | undefined {
    const known = this.#patients.get(entry?.ref ?? ref) ?? this.#strangers.get(keyOf(ref))
    if (known !== undefined) return known
    if (entry === null) {
      const pending = this.#strangersOf.get(link) ?? 0
      if (pending >= this.#limits.maxAuthorsPerPeer) return undefined
      if (this.#strangers.size >= this.#limits.maxAuthors) return undefined
      if (this.#helpers(link)?.mayIntroduce(ref) !== true) return undefined
      this.#strangersOf.set(link, pending + 1)
    }
    const gaps = new Gaps(this.#limits, entry === null ? 0 : entry.watermark + 1)
    const patient: Patient = {
      ref: entry?.ref ?? ref,
      entry,
      gaps,
      floor: 0,
      refusedSeq: -1,
      refusedTo: -1,
      link,
      sinceMs: nowMs
    }
    if (entry === null) {
      this.#strangers.set(keyOf(ref), patient)
      this.#wake(nowMs + this.#limits.maxTtlMs + 1)
    } else gaps.scan(entry.window)
    this.#patients.set(patient.ref, patient)
    return patient
  }

  #forgetStranger(patient: Patient): void {
    this.#strangers.delete(keyOf(patient.ref))
    const pending = (this.#strangersOf.get(patient.link) ?? 0) - 1
    if (pending > 0) this.#strangersOf.set(patient.link, pending)
    else this.#strangersOf.delete(patient.link)
  }

  #claim(patient: Patient, link: LinkId, what: { to: number; nextAtMs: number }): void {
    const { gaps, entry } = patient
    if (entry !== null) gaps.scan(entry.window)
    if (gaps.end > (entry?.window.top ?? -1)) gaps.claim(what.to)
    for (const gap of gaps.list) {
      if (gap.from > what.to) break
      this.#addHolder(gap, link, what.nextAtMs)
    }
  }

  #addHolder(gap: Gap, link: LinkId, nextAtMs: number): void {
    if (gap.missed.includes(link) || gap.gone.includes(link)) return
    if (!gap.holders.includes(link)) {
      gap.holders = [...gap.holders, link].slice(-this.#limits.maxHolders)
    }
    if (gap.nextAtMs !== Number.POSITIVE_INFINITY) return
    gap.tries = 0
    this.#arm(gap, nextAtMs)
  }

  #arm(gap: Gap, atMs: number): void {
    gap.nextAtMs = atMs
    this.#wake(atMs)
  }

  #wake(atMs: number): void {
    if (atMs < this.#nextAtMs) this.#nextAtMs = atMs
  }

  // Part of an answer came: the rest is on its way, or wasn't asked for yet.
  #progress(gap: Gap, nowMs: number): void {
    const { askedOf } = gap
    if (askedOf === null) return
    // Who answers is asked for the rest, too.
    gap.holders = [askedOf, ...gap.holders.filter(link => link !== askedOf)]
    gap.tries = 0
    gap.firstAskedMs = nowMs
    gap.timedMs = null
    if (gap.from > gap.askedTo) this.#askNow(gap, nowMs)
    else this.#arm(gap, nowMs + this.#timeoutMs(gap))
  }

  #askNow(gap: Gap, nowMs: number): void {
    gap.askedOf = null
    this.#arm(gap, nowMs)
  }

  #askLater(gap: Gap, nowMs: number): void {
    gap.askedOf = null
    this.#arm(gap, nowMs + this.#limits.haveTickMs)
  }

  #timeoutMs(gap: Gap): number {
    const rttMs = gap.askedOf === null ? 0 : (this.#helpers(gap.askedOf)?.rttMs ?? 0)
    const round = Math.floor((gap.tries - 1) / Math.max(1, gap.holders.length))
    return Math.max(this.#limits.wantTimeoutMs, 2 * rttMs) * 2 ** Math.min(Math.max(0, round), MAX_DOUBLINGS)
  }

  #chooseAll(patient: Patient, asks: Map<LinkId, Ask[]>, nowMs: number): void {
    for (const gap of patient.gaps.list) {
      if (gap.nextAtMs > nowMs) continue
      if (!this.#isInReach(patient, gap)) {
        this.#askLater(gap, nowMs)
        continue
      }
      const link = this.#choose(patient, gap, nowMs)
      if (link === null) continue
      const list = asks.get(link)
      if (list === undefined) asks.set(link, [{ patient, gap }])
      else list.push({ patient, gap })
      gap.nextAtMs = Number.MAX_VALUE // until it is asked, later in the same step
    }
  }

  // Whom to ask; null: nobody now.
  #choose(patient: Patient, gap: Gap, nowMs: number): LinkId | null {
    gap.askedOf = null
    const able = gap.holders.filter(link => this.#helpers(link) !== undefined)
    const isSilent = gap.tries >= ROUNDS * able.length && gap.firstAskedMs + this.#limits.suspectMs <= nowMs
    if (able.length > 0 && !isSilent) return able[gap.tries % able.length] as LinkId
    // Answers may have been lost on the way: what is known to exist is asked for again, now and then.
    const mayWait = able.length > 0 && isProven(patient, gap) && !this.#isUrgent(patient)
    gap.nextAtMs = mayWait ? nowMs + this.#limits.liveMs : Number.POSITIVE_INFINITY
    if (mayWait) gap.tries = 0
    if (mayWait) gap.firstAskedMs = Number.POSITIVE_INFINITY
    return null
  }

  #ask(link: LinkId, list: readonly Ask[], nowMs: number): SeqRange[] {
    const waitMs = this.#helpers(link)?.takeWant() ?? 0
    const ranges: SeqRange[] = []
    for (const { patient, gap } of list) {
      if (!patient.gaps.list.includes(gap)) continue // given up meanwhile
      if (waitMs > 0 || ranges.length >= this.#limits.maxWantRanges) {
        gap.nextAtMs = nowMs + Math.max(1, waitMs)
        continue
      }
      const count = Math.min(gap.to - gap.from + 1, this.#limits.maxRangeSeqs)
      gap.askedOf = link
      gap.askedTo = gap.from + count - 1
      gap.firstAskedMs = Math.min(gap.firstAskedMs, nowMs)
      // Only the first question is timed (Karn and Partridge, 1987).
      gap.timedMs = gap.tries === 0 ? nowMs : null
      gap.tries++
      gap.nextAtMs = nowMs + this.#timeoutMs(gap)
      ranges.push({ ref: patient.ref, from: gap.from, count })
    }
    return ranges
  }

  // R3, R4: gives up the lowest gaps that can't be had, forgets the highest claims that nobody makes good. True: look again.
  #settle(patient: Patient, times: Times): boolean {
    const { gaps, entry } = patient
    let hasMoved = false
    for (let gap = gaps.list[0]; gap !== undefined; gap = gaps.list[0]) {
      if (!this.#isLost(patient, gap, times)) break
      gaps.dropLowest()
      hasMoved = true
      if (entry === null) patient.floor = gap.to + 1
      else {
        this.#lose(patient, gap)
        this.#table.giveUp(entry, gap.to)
      }
    }
    for (let gap = gaps.list.at(-1); gap !== undefined; gap = gaps.list.at(-1)) {
      if (isProven(patient, gap) || gap.nextAtMs !== Number.POSITIVE_INFINITY) break
      gaps.dropHighest()
    }
    if (entry === null && times.nowMs > patient.sinceMs + this.#limits.maxTtlMs) this.#remove(patient)
    else this.#tidy(patient)
    if (!hasMoved) return false
    for (const gap of gaps.list) {
      const isWaiting = gap.askedOf === null && gap.nextAtMs < Number.MAX_VALUE
      if (isWaiting && this.#isInReach(patient, gap)) this.#askNow(gap, times.nowMs)
    }
    return gaps.list.length > 0
  }

  #isLost(patient: Patient, gap: Gap, times: Times): boolean {
    const isStuck = gap.nextAtMs === Number.POSITIVE_INFINITY
    const { entry } = patient
    if (entry === null) return isStuck && hasFailed(gap) && isProvenOrBelowOthers(patient, gap)
    if (!isProven(patient, gap)) return false
    if (times.highMs > gap.expiresMs) return true
    if (!isStuck) return false
    if (gap.to < entry.toldFrom) return true
    // Nobody there is another matter than nobody who has it.
    return this.#isUrgent(patient) && hasFailed(gap)
  }

  #lose(patient: Patient, span: Span): void {
    const from = Math.max(span.from, patient.entry?.toldFrom ?? 0)
    const told = from <= span.to ? { from, to: span.to } : null
    this.#losses.push({ ref: patient.ref, told })
  }

  #tidy(patient: Patient): void {
    if (patient.gaps.list.length > 0) return
    const { entry } = patient
    if (entry === null ? patient.floor > 0 : patient.gaps.end <= entry.window.top) return
    this.#remove(patient)
  }

  // What couldn't be accepted yet isn't asked for yet.
  #isInReach(patient: Patient, gap: Gap): boolean {
    return gap.from - watermarkOf(patient) <= this.#limits.maxWindowSeqs
  }

  // Are later batches refused because of the lowest gap?
  #isUrgent(patient: Patient): boolean {
    return patient.refusedTo - watermarkOf(patient) > this.#limits.maxWindowSeqs
  }

  #remove(patient: Patient): void {
    this.#patients.delete(patient.ref)
    if (patient.entry === null) this.#forgetStranger(patient)
  }
}

const keyOf = (ref: AuthorRef): string => ref.authorId + ref.incarnationId

// Does an authentic batch lie above the gap?
function isProven(patient: Patient, gap: Gap): boolean {
  return gap.to < Math.max(patient.entry?.window.top ?? -1, patient.refusedSeq)
}

// Without an entry, what can't be had is skipped if something above it may still come.
function isProvenOrBelowOthers(patient: Patient, gap: Gap): boolean {
  return isProven(patient, gap) || patient.gaps.list.length > 1
}

const watermarkOf = (patient: Patient): number => patient.entry?.watermark ?? patient.floor - 1

// Somebody was asked, and didn't have it or didn't answer.
const hasFailed = ({ missed, gone, firstAskedMs }: Gap): boolean =>
  missed.length + gone.length > 0 || firstAskedMs < Number.POSITIVE_INFINITY
