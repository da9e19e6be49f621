/**
 * Whom to ask for a gap, and when: the clockwork of repair.ts, which has the states and invariants.
 */

import type { Limits } from '../limits.js'
import { type Gap, timesAsked } from './gaps.js'
import { isProven, isStuck, type Patient, reachOf, watermarkOf } from './patients.js'
import type { AuthorRef, LinkId, SeqRange } from './types.js'

/** What repair knows about a link. */
export interface Helper {
  /** Smoothed round trip, ms; 0: unknown. */
  readonly rttMs: number
  /** When its last batch came, of whatever kind. */
  readonly batchMs: number
  /** Can it be asked for authors that we don't know yet? */
  mayIntroduce(ref: AuthorRef): boolean
  /** How long until another WANT may go to this link, ms. */
  wantWaitMs(): number
  /** Takes from the budget of WANTs to this link. 0: granted; else how long to wait, ms. */
  takeWant(): number
  /** It said that it has what it was asked for, and never answered. */
  brokePromise(): void
}

/** Looks up a link that is up; undefined: it can't be asked. */
export type Helpers = (link: LinkId) => Helper | undefined

/** A WANT to be sent. */
export interface Want {
  readonly link: LinkId
  readonly ranges: readonly SeqRange[]
}

interface Ask {
  readonly patient: Patient
  readonly gap: Gap
}

/** What is to be asked, by link, in the order in which it was chosen. */
export type Asks = Map<LinkId, Ask[]>

/** Times that each holder is asked before silence counts as an answer. */
const ROUNDS = 3
/** The time that a link has to answer doubles each time it is asked, this often at most. */
const MAX_DOUBLINGS = 4

/** Asks for gaps. */
export class Asking {
  readonly #limits: Limits
  readonly #helpers: Helpers
  #nextAtMs = Number.POSITIVE_INFINITY

  constructor(limits: Limits, helpers: Helpers) {
    this.#limits = limits
    this.#helpers = helpers
  }

  /** When something is due; never later than that, perhaps earlier. Infinity: never. */
  get nextAtMs(): number {
    return this.#nextAtMs
  }

  /** All that was due is done; the next is at `atMs`. */
  set nextAtMs(atMs: number) {
    this.#nextAtMs = atMs
  }

  /** May a link be asked for this incarnation, of which we have nothing? */
  mayIntroduce(link: LinkId, ref: AuthorRef): boolean {
    return this.#helpers(link)?.mayIntroduce(ref) === true
  }

  /** One WANT for each link that was chosen, if its budget allows. */
  wants(asks: Asks, nowMs: number): Want[] {
    const wants: Want[] = []
    for (const [link, list] of asks) {
      const ranges = this.#ask(link, list, nowMs)
      if (ranges.length > 0) wants.push({ link, ranges })
    }
    return wants
  }

  /** A link has the seqs of a gap, it says. If the gap waited for that, it is asked for at `nextAtMs`. */
  addHolder(gap: Gap, link: LinkId, nextAtMs: number): void {
    if (gap.missed.includes(link) || gap.gone.includes(link)) return
    if (!gap.holders.includes(link)) {
      gap.holders = [...gap.holders, link].slice(-this.#limits.maxHolders)
    }
    const isIdle = gap.nextAtMs === Number.POSITIVE_INFINITY
    const atMs = isIdle || gap.askedOf === null ? nextAtMs : Math.max(nextAtMs, gap.waitsUntilMs)
    // Not asked yet: who could wait less decides. And who said nothing when asked before isn't waited for twice as long.
    if (!isIdle && (atMs >= gap.nextAtMs || !isFirst(gap, link))) return
    if (isIdle) gap.asked = []
    this.#arm(gap, atMs)
  }

  #arm(gap: Gap, atMs: number): void {
    gap.nextAtMs = atMs
    this.wake(atMs)
  }

  /** `due` has something to do at that time. */
  wake(atMs: number): void {
    if (atMs < this.#nextAtMs) this.#nextAtMs = atMs
  }

  /** Part of an answer came: the rest is on its way, or wasn't asked for yet. */
  progress(gap: Gap, nowMs: number): void {
    const { askedOf } = gap
    if (askedOf === null) return
    // Who answers is asked for the rest, too.
    gap.holders = [askedOf, ...gap.holders.filter(link => link !== askedOf)]
    gap.asked = []
    gap.firstAskedMs = nowMs
    gap.timedMs = null
    if (gap.from > gap.askedTo) this.askNow(gap, nowMs)
    else this.#wait(gap, askedOf, nowMs)
  }

  /** Whoever was asked: ask again, now. */
  askNow(gap: Gap, nowMs: number): void {
    gap.askedOf = null
    this.#arm(gap, nowMs)
  }

  /** Whoever was asked: ask not before `atMs`. */
  postpone(gap: Gap, atMs: number): void {
    gap.askedOf = null
    if (gap.nextAtMs < atMs) gap.nextAtMs = atMs
  }

  /** Ask again, but not at once. */
  askLater(gap: Gap, nowMs: number): void {
    gap.askedOf = null
    this.#arm(gap, nowMs + this.#limits.haveTickMs)
  }

  // Asked too early, the next one sends a copy of the whole answer.
  #wait(gap: Gap, askedOf: LinkId, nowMs: number): void {
    const { wantTimeoutMs, unknownRttMs } = this.#limits
    const knownMs = this.#helpers(askedOf)?.rttMs ?? 0
    const rttMs = knownMs > 0 ? knownMs : unknownRttMs
    const timeoutMs = Math.max(wantTimeoutMs, 2 * rttMs)
    const doublings = Math.min(Math.max(0, timesAsked(gap, askedOf) - 1), MAX_DOUBLINGS)
    gap.waitsUntilMs = nowMs + timeoutMs
    this.#arm(gap, nowMs + timeoutMs * 2 ** doublings)
  }

  /** Chooses whom to ask for each gap that is due. */
  chooseAll(patient: Patient, asks: Asks, nowMs: number): void {
    for (const gap of patient.gaps.list) {
      if (gap.nextAtMs > nowMs) continue
      if (!this.isInReach(patient, gap)) {
        this.askLater(gap, nowMs)
        if (this.#ableHolders(gap).length === 0) gap.nextAtMs = Number.POSITIVE_INFINITY
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

  #ableHolders(gap: Gap): LinkId[] {
    return gap.holders.filter(link => this.#helpers(link) !== undefined)
  }

  // Whom to ask; null: nobody now.
  #choose(patient: Patient, gap: Gap, nowMs: number): LinkId | null {
    const able = this.#ableHolders(gap)
    gap.askedOf = null
    const isOver = able.every(link => timesAsked(gap, link) >= ROUNDS)
    const isSilent = isOver && gap.firstAskedMs + this.#limits.suspectMs <= nowMs
    if (able.length > 0 && !isSilent) return this.#next(gap, able)
    // Who sends other batches all the time may have a slow link: the answer waits behind them.
    const isBusy = able.some(link => this.#isBusy(link, nowMs))
    if (isSilent && !isBusy) for (const link of able) this.#helpers(link)?.brokePromise()
    // Answers may have been lost on the way: what is known to exist is asked for again, now and then.
    const mayWait = able.length > 0 && (isBusy || isProven(patient, gap)) && !this.isUrgent(patient)
    gap.nextAtMs = mayWait ? nowMs + this.#limits.liveMs : Number.POSITIVE_INFINITY
    if (mayWait) gap.asked = []
    if (mayWait) gap.firstAskedMs = Number.POSITIVE_INFINITY
    return null
  }

  #isBusy(link: LinkId, nowMs: number): boolean {
    return nowMs < (this.#helpers(link)?.batchMs ?? Number.NEGATIVE_INFINITY) + this.#limits.suspectMs
  }

  // Who was asked least often, but rather one that may be asked at once. So whoever comes is asked next, not after another
  // round of those who don't answer.
  #next(gap: Gap, able: readonly LinkId[]): LinkId {
    const turns = [...able].sort((a, b) => timesAsked(gap, a) - timesAsked(gap, b))
    return (turns.find(link => this.#helpers(link)?.wantWaitMs() === 0) ?? turns[0]) as LinkId
  }

  #ask(link: LinkId, list: readonly Ask[], nowMs: number): SeqRange[] {
    const waitMs = this.#helpers(link)?.takeWant() ?? 0
    const ranges: SeqRange[] = []
    for (const { patient, gap } of list) {
      if (!patient.gaps.list.includes(gap)) continue // given up meanwhile
      if (waitMs > 0 || ranges.length >= this.#limits.maxWantRanges) {
        // An answer may end the wait, or another link tell that it has it.
        gap.nextAtMs = nowMs + Math.min(Math.max(1, waitMs), this.#limits.haveTickMs)
        continue
      }
      const count = Math.min(gap.to - gap.from + 1, this.#limits.maxRangeSeqs)
      gap.askedOf = link
      gap.askedTo = gap.from + count - 1
      gap.firstAskedMs = Math.min(gap.firstAskedMs, nowMs)
      // Only the first question is timed (Karn and Partridge, 1987).
      gap.timedMs = gap.asked.length === 0 ? nowMs : null
      if (timesAsked(gap, link) <= MAX_DOUBLINGS) gap.asked = [...gap.asked, link]
      this.#wait(gap, link, nowMs)
      ranges.push({ ref: patient.ref, from: gap.from, count })
    }
    return ranges
  }

  /**
   * Could it be accepted now? What couldn't isn't asked for yet. Claims that nobody can make good are no obstacle: an
   * answer to what lies above them shows whether they are true.
   */
  isInReach(patient: Patient, gap: Gap): boolean {
    const reach = reachOf(patient, this.#limits)
    let watermark = watermarkOf(patient)
    for (const lower of patient.gaps.list) {
      if (gap.from - watermark <= reach) return true
      if (lower === gap || !isStuck(lower) || isProven(patient, lower)) return false
      watermark = lower.to
    }
    return false
  }

  /** Are later batches refused because of the lowest gap? */
  isUrgent(patient: Patient): boolean {
    return patient.refusedTo - watermarkOf(patient) > reachOf(patient, this.#limits)
  }
}

// Is a link that has it the first that there is to ask, or the first that wasn't asked in vain?
function isFirst({ askedOf, asked }: Gap, link: LinkId): boolean {
  if (askedOf === null) return asked.length === 0
  return !asked.includes(link) && asked.indexOf(askedOf) < asked.lastIndexOf(askedOf)
}
