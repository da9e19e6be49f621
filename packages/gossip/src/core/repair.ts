/**
 * Finds out what is missing and asks for it: one WANT at a time for a seq, from one of those who have it.
 *
 *   idle    --a batch leaves a hole below it-----------> armed(holeDelayMs)   holder: its sender
 *   idle    --HAVE shows a seq above ours--------------> armed(haveDelayMs)   holder: its sender; more HAVEs add holders
 *   armed   --filled-----------------------------------> idle
 *   armed   --time-------------------------------------> asked(q)             WANT to q
 *   asked   --filled-----------------------------------> idle
 *   asked   --MISS, q is gone--------------------------> asked(next holder)   at once
 *   asked   --max(wantTimeoutMs, 2 rtt), doubling------> asked(next holder)       who was asked least often
 *   asked   --HAVE of another, q was asked before------> asked(that one)
 *   asked   --nobody left------------------------------> waiting              until a HAVE names a holder
 *   asked   --3 s, and each was asked 3 times----------> waiting              asked again every second
 *   waiting --next higher batch expired----------------> given up
 *   waiting --later batches can't be accepted over it--> given up             see `mayAccept`
 *
 * Invariants:
 * R1. One seq is asked from one link at a time.
 * R2. A link is asked for what it claimed (HAVE) or implied (it sent a batch above the hole), and not after its MISS.
 * R3. Only what an authentic batch proves to exist is given up: a false HAVE moves no watermark. Claims that nobody can
 *     make good are forgotten.
 * R4. Gaps are given up from the lowest upwards, each once.
 * R5. What is over a budget is asked for a second later at the earliest: repair must not amplify a flood.
 */
import type { Limits } from '../limits.js'
import { Asking, type Asks, type Helpers, type Want } from './asking.js'
import type { AuthorEntry } from './author-entry.js'
import type { AuthorTable, Span } from './author-table.js'
import { forgetLink, type Gap, type Involved } from './gaps.js'
import { dueAtMs, hasFailed, isProven, isRemembered, isStuck, type Patient, Patients } from './patients.js'
import type { AuthorRef, Batch, LinkId, MissReason, SeqRange } from './types.js'

/** Two times: `nowMs` for deadlines, `highMs` for expiry. */
export interface Times {
  readonly nowMs: number
  readonly highMs: number
}

const NOBODY: Involved = { asked: [], knowing: [] }

/** What was given up. */
export interface Loss {
  readonly ref: AuthorRef
  /** What the application is told; null: nothing, because it can't know whether these were for it. */
  readonly told: Span | null
}

/** The repair of one topic. */
export class Repair {
  readonly #limits: Limits
  readonly #table: AuthorTable
  readonly #asking: Asking
  readonly #patients: Patients
  #losses: Loss[] = []

  constructor(limits: Limits, table: AuthorTable, helpers: Helpers) {
    this.#limits = limits
    this.#table = table
    this.#asking = new Asking(limits, helpers)
    this.#patients = new Patients(limits)
  }

  /** The one object that stands for an incarnation that was heard of but has no entry yet. */
  strangerRef(ref: AuthorRef): AuthorRef | undefined {
    return this.#patients.stranger(ref)?.ref
  }

  /** Incarnations of an author that were heard of but have no entry yet. */
  strangersOf(authorKey: string): Patient[] {
    return [...this.#patients.all()].filter(({ ref, entry }) => entry === null && ref.authorKey === authorKey)
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
    if (this.#clearWay(batch)) return true
    const patient = this.#patient(ref, this.#table.get(ref) ?? null, link, nowMs)
    if (patient === undefined) return true // no room to repair it: then a hole is better than silence
    const to = seq0 + count - 1
    const wasUrgent = this.#asking.isUrgent(patient)
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
    const patient = this.#patients.stranger(entry.ref)
    if (patient === undefined) return
    this.#patients.settle(patient, entry)
    entry.haveCame(patient.haveFrom, patient.haveMs)
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
   * @returns Links that had to do with it: they may have brought it.
   */
  accepted(
    entry: AuthorEntry,
    batch: Batch,
    from: Times & { link: LinkId | null; expiresMs: number; lost: Span | null }
  ): Involved {
    const { seq0, count } = batch
    const known = this.#patients.get(entry.ref)
    // In order and nothing missing: the usual case costs one look-up.
    if (known === undefined && entry.watermark >= seq0 + count - 1) return NOBODY
    const patient = known ?? this.#patient(entry.ref, entry, from.link ?? -1, from.nowMs)
    if (patient === undefined) return NOBODY
    const { gaps } = patient
    const involved = gaps.involved(seq0, seq0 + count - 1)
    if (from.lost !== null) this.#lose(patient, from.lost)
    gaps.dropBelow(Math.max(entry.window.floor, Math.min(entry.watermark + 1, gaps.end)))
    for (const gap of gaps.fill(seq0, seq0 + count - 1)) this.#asking.progress(gap, from.nowMs)
    gaps.scan(entry.window)
    for (const gap of gaps.list) {
      if (gap.to >= seq0) break
      if (gap.expiresMs === Number.POSITIVE_INFINITY || known === undefined) {
        gap.expiresMs = from.expiresMs
        this.#asking.wake(from.nowMs + Math.max(1, from.expiresMs - from.highMs + 1))
      }
      if (from.link !== null) this.#asking.addHolder(gap, from.link, from.nowMs + this.#limits.holeDelayMs)
    }
    this.#tidy(patient)
    return involved
  }

  /**
   * A link told its watermark.
   *
   * @param told.next - Its watermark + 1; 0 if only single batches are announced.
   * @param told.to - Highest seq that it accepted; -1: none.
   * @param told.isComplete - It told all it has, so an earlier MISS of it may be out of date.
   * @param told.delayMs - What may still come by itself is waited for so long.
   */
  told(
    ref: AuthorRef,
    told: { next: number; to: number; isComplete: boolean; delayMs: number },
    from: { link: LinkId; nowMs: number }
  ): void {
    const entry = this.#table.get(ref) ?? null
    const known = this.#patients.get(entry?.ref ?? ref)
    if (known === undefined && told.to <= (entry?.window.top ?? -1)) return
    if (entry === null && told.to < 0) return
    const patient = known ?? this.#patient(ref, entry, from.link, from.nowMs)
    if (patient === undefined) return
    const nextAtMs = from.nowMs + told.delayMs
    for (const gap of patient.gaps.list) {
      // Its watermark passed the gap since its MISS: it has what it lacked. Below a hole of its own it may stand still for long.
      const mayHaveCome = gap.from <= told.to && from.nowMs >= gap.missedMs + this.#limits.liveMs
      if (gap.from < told.next || mayHaveCome) gap.missed = gap.missed.filter(link => link !== from.link)
      if (told.isComplete) gap.gone = gap.gone.filter(link => link !== from.link)
    }
    this.#claim(patient, from.link, { to: told.to, nextAtMs })
    this.#tidy(patient)
  }

  /**
   * A batch up to `to` came and was refused for now, because a budget is used up: it is asked for, but not before that may
   * have changed (R5). Else nobody might tell of it again: who sends batches of an author doesn't tell its watermarks.
   */
  postpone(ref: AuthorRef, to: number, from: { link: LinkId; nowMs: number }): void {
    const entry = this.#table.get(ref) ?? null
    const patient = this.#patient(ref, entry, from.link, from.nowMs)
    if (patient === undefined) return
    const nextAtMs = from.nowMs + this.#limits.liveMs
    this.#claim(patient, from.link, { to, nextAtMs })
    for (const gap of patient.gaps.list) if (gap.from <= to) this.#asking.postpone(gap, nextAtMs)
    this.#tidy(patient)
  }

  /** A link told its watermark of an incarnation that may have no entry yet. */
  haveCame(ref: AuthorRef, from: { link: LinkId; nowMs: number }): void {
    const patient = this.#patients.stranger(ref)
    if (patient === undefined) return
    patient.haveFrom = from.link
    patient.haveMs = from.nowMs
  }

  /** A link can't supply a range, nor anything below `floor`. */
  missed(range: SeqRange & { floor: number; reason: MissReason }, link: LinkId, nowMs: number): void {
    const patient = this.#patients.get(range.ref)
    if (patient === undefined) return
    if (range.reason === 'over-budget') {
      // It has them, but not for us now. Others may be quicker.
      for (const gap of patient.gaps.list) if (gap.askedOf === link) this.#asking.askLater(gap, nowMs)
      return
    }
    const to = Math.max(range.from + range.count, range.floor) - 1
    for (const gap of patient.gaps.isolate(range.from, to)) {
      const list = range.reason === 'not-cached' ? 'missed' : 'gone'
      gap.missedMs = nowMs
      if (!gap[list].includes(link)) gap[list] = [...gap[list], link].slice(-this.#limits.maxLinks)
      gap.holders = gap.holders.filter(holder => holder !== link)
      if (gap.askedOf === link) this.#asking.askNow(gap, nowMs)
    }
    for (const gap of patient.gaps.list) {
      if (gap.askedOf === link && gap.from > gap.askedTo) this.#asking.askNow(gap, nowMs)
    }
  }

  /** The answer of a link is complete: what it didn't bring is asked for again. */
  answered(link: LinkId, ref: AuthorRef, nowMs: number): void {
    for (const gap of this.gapsOf(ref)) if (gap.askedOf === link) this.#asking.askNow(gap, nowMs)
  }

  /** When a link was asked for something of this incarnation, if what comes now is the first answer to it; else null. */
  takeAskedMs(link: LinkId, ref: AuthorRef): number | null {
    return this.#patients.get(ref)?.gaps.takeAskedMs(link) ?? null
  }

  /** A link is gone: others are asked instead. */
  linkDown(link: LinkId, nowMs: number): void {
    for (const patient of this.#patients.all()) {
      for (const gap of patient.gaps.list) {
        forgetLink(gap, link)
        if (gap.askedOf !== link) continue
        // That it didn't answer says nothing: it couldn't.
        gap.asked = []
        gap.firstAskedMs = Number.POSITIVE_INFINITY
        this.#asking.askNow(gap, nowMs)
      }
    }
    this.#patients.linkDown(link)
  }

  /** The entry of an incarnation left the table. */
  forget(ref: AuthorRef): void {
    const patient = this.#patients.get(ref)
    if (patient !== undefined) this.#patients.remove(patient)
  }

  /** Does what is due: gives up what can't be had, and asks. Cheap while nothing is. */
  due(times: Times): Want[] {
    if (times.nowMs < this.#asking.nextAtMs) return []
    const asks: Asks = new Map()
    for (const patient of this.#patients.all()) {
      // What is given up brings later gaps into reach.
      do this.#asking.chooseAll(patient, asks, times.nowMs)
      while (this.#settle(patient, times))
    }
    const wants = this.#asking.wants(asks, times.nowMs)
    this.#asking.nextAtMs = this.#earliest(times)
    return wants
  }

  /** When `due` may have something to do; Infinity: never. */
  get nextAtMs(): number {
    return this.#asking.nextAtMs
  }

  /** The expiry clock jumped: look at everything again. */
  recheck(nowMs: number): void {
    this.#asking.wake(nowMs)
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
    for (const patient of this.#patients.all()) {
      nextAtMs = Math.min(nextAtMs, dueAtMs(patient, times, this.#limits))
    }
    return nextAtMs
  }

  // Gives up what stands in the way of an authentic batch, as far as nobody could supply it. True: nothing is left that does.
  #clearWay({ ref, seq0, count }: Batch): boolean {
    const entry = this.#table.get(ref)
    const patient = entry === undefined ? this.#patients.stranger(ref) : this.#patients.get(entry.ref)
    const isNear = (): boolean => {
      if (entry !== undefined) return !this.#table.isTooFarAhead(entry, seq0, count)
      const floor = patient?.floor ?? 0
      return seq0 <= floor || seq0 + count - floor <= this.#limits.maxWindowSeqs
    }
    if (isNear()) return true
    if (patient === undefined) return false
    // What lies below the batch is proven to exist by it (R3); claims above it are not.
    patient.gaps.isolate(seq0, seq0 + count - 1)
    for (let gap = patient.gaps.list[0]; gap !== undefined; gap = patient.gaps.list[0]) {
      if (gap.to >= seq0 || !isStuck(gap) || !hasFailed(gap)) return false
      this.#giveUp(patient, gap)
      if (isNear()) return true
    }
    return false
  }

  // Undefined: no room for another incarnation that has no entry, or none that could be given to it.
  #patient(ref: AuthorRef, entry: AuthorEntry | null, link: LinkId, nowMs: number): Patient | undefined {
    const known = this.#patients.get(entry?.ref ?? ref) ?? this.#patients.stranger(ref)
    if (known !== undefined) return known
    if (entry === null) {
      if (!this.#patients.hasRoom(link) || !this.#asking.mayIntroduce(link, ref)) return undefined
      this.#asking.wake(nowMs + this.#limits.maxTtlMs + 1)
    }
    const patient = this.#patients.add(entry?.ref ?? ref, entry, { link, nowMs })
    this.#scan(patient)
    return patient
  }

  // Holes that are found late, because there was no room before: when the batch above expires isn't known any more.
  #scan(patient: Patient): void {
    const { entry, gaps } = patient
    if (entry !== null) for (const gap of gaps.scan(entry.window)) gap.expiresMs = entry.lastExpiresMs
  }

  #claim(patient: Patient, link: LinkId, what: { to: number; nextAtMs: number }): void {
    const { gaps, entry } = patient
    this.#scan(patient)
    if (gaps.end > (entry?.window.top ?? -1)) gaps.claim(what.to)
    for (const gap of gaps.list) {
      if (gap.from > what.to) break
      this.#asking.addHolder(gap, link, what.nextAtMs)
    }
  }

  // R3, R4: gives up the lowest gaps that can't be had, forgets the highest claims that nobody makes good. True: look again.
  #settle(patient: Patient, times: Times): boolean {
    const { gaps } = patient
    let hasMoved = false
    for (let gap = gaps.list[0]; gap !== undefined; gap = gaps.list[0]) {
      if (!this.#isLost(patient, gap, times)) break
      this.#giveUp(patient, gap)
      hasMoved = true
    }
    for (let gap = gaps.list.at(-1); gap !== undefined; gap = gaps.list.at(-1)) {
      if (isProven(patient, gap) || !isStuck(gap)) break
      gaps.dropHighest()
    }
    const isOutdated = isRemembered(patient) && times.nowMs > patient.sinceMs + this.#limits.maxTtlMs
    if (isOutdated) this.#patients.remove(patient)
    else this.#tidy(patient)
    if (!hasMoved) return false
    this.#scan(patient)
    for (const gap of gaps.list) {
      const isWaiting = gap.askedOf === null && gap.nextAtMs < Number.MAX_VALUE
      if (isWaiting && this.#asking.isInReach(patient, gap)) this.#asking.askNow(gap, times.nowMs)
    }
    return gaps.list.length > 0
  }

  #isLost(patient: Patient, gap: Gap, times: Times): boolean {
    if (!isProven(patient, gap)) return false
    if (times.highMs > gap.expiresMs) return true
    // Nobody there is another matter than nobody who has it. And who has it may only be on the way here.
    return isStuck(gap) && hasFailed(gap) && this.#asking.isUrgent(patient)
  }

  // The lowest gap isn't waited for any more (R4).
  #giveUp(patient: Patient, gap: Gap): void {
    patient.gaps.dropLowest()
    if (patient.entry === null) patient.floor = gap.to + 1
    else {
      this.#lose(patient, gap)
      this.#table.giveUp(patient.entry, gap.to)
    }
  }

  #lose({ ref, entry }: Patient, { from: lostFrom, to }: Span): void {
    const from = Math.max(lostFrom, entry?.toldFrom ?? 0)
    this.#losses.push({ ref, told: from <= to ? { from, to } : null })
  }

  #tidy(patient: Patient): void {
    if (patient.gaps.list.length > 0) return
    const { entry } = patient
    if (entry === null ? patient.floor > 0 : patient.gaps.end <= entry.window.top) return
    this.#patients.remove(patient)
  }
}
