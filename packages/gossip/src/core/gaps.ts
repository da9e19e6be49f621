/**
 * The missing seqs of one incarnation, as ascending ranges that don't overlap: which they are, who may have them, who was
 * asked. Data only; what to do about a gap is decided in repair.ts.
 *
 * Invariants:
 * 1. Every seq below `end` is accepted, given up, or in a gap. Seqs from `end` on aren't looked at yet: at `maxGaps`
 *    the highest gap is dropped and `end` moves down to it, and `scan` finds it again later. Nothing is lost by the bound.
 * 2. No gap contains an accepted seq. So a gap lies below the top of the window (an authentic batch proves that its
 *    messages exist) or above it (somebody claims so).
 */
import type { Limits } from '../limits.js'
import type { LinkId } from './types.js'
import type { Window } from './window.js'

/** A range of missing seqs, both ends included. */
export interface Gap {
  from: number
  to: number
  /** Links that have it, they say; in order of arrival. */
  holders: readonly LinkId[]
  /** Links that said MISS, but may get it later. */
  missed: readonly LinkId[]
  /** When the last of them did. */
  missedMs: number
  /** Links that had it, and don't have it any more. */
  gone: readonly LinkId[]
  /** Link that has been asked; null: none. */
  askedOf: LinkId | null
  /** When, if the first answer to it tells the round trip; null: an answer might belong to an earlier question. */
  timedMs: number | null
  /** Last seq of the range that was asked for. */
  askedTo: number
  /** When it was asked for first; Infinity: not yet. */
  firstAskedMs: number
  /** Links that were asked for it without an answer, once for each time. */
  asked: readonly LinkId[]
  /** Whoever was asked has until then to answer, whoever else may have it. */
  waitsUntilMs: number
  /** When to ask, or to ask somebody else; Infinity: not before something new is heard. */
  nextAtMs: number
  /** When the next higher accepted batch expires, and with it the hope; Infinity: no higher batch is known. */
  expiresMs: number
}

/** A link is gone, and with it all that it said. */
export function forgetLink(gap: Gap, link: LinkId): void {
  const isOther = (other: LinkId): boolean => other !== link
  gap.holders = gap.holders.filter(isOther)
  gap.missed = gap.missed.filter(isOther)
  gap.gone = gap.gone.filter(isOther)
  gap.asked = gap.asked.filter(isOther)
}

/** How often a link was asked for a gap without an answer. */
export function timesAsked({ asked }: Gap, link: LinkId): number {
  let times = 0
  for (const other of asked) if (other === link) times++
  return times
}

/** Who has to do with missing seqs. */
export interface Involved {
  /** Links that were asked for them. */
  readonly asked: readonly LinkId[]
  /** Links that have them, they say. */
  readonly knowing: readonly LinkId[]
}

/** The gaps of one incarnation. */
export class Gaps {
  readonly #limits: Limits
  readonly #list: Gap[] = []
  #end: number

  /** @param start - First seq that isn't accounted for. */
  constructor(limits: Limits, start: number) {
    this.#limits = limits
    this.#end = start
  }

  /** First seq that wasn't looked at. */
  get end(): number {
    return this.#end
  }

  /** The gaps, ascending. */
  get list(): readonly Gap[] {
    return this.#list
  }

  /** When `link` was asked, if what comes now is the first answer to it; else null. */
  takeAskedMs(link: LinkId): number | null {
    const gap = this.#list.find(({ askedOf, timedMs }) => askedOf === link && timedMs !== null)
    const askedMs = gap?.timedMs ?? null
    if (gap !== undefined) gap.timedMs = null
    return askedMs
  }

  /** Who has to do with the missing seqs from `from` to `to`. */
  involved(from: number, to: number): Involved {
    const asked = new Set<LinkId>()
    const knowing = new Set<LinkId>()
    for (const gap of this.#list) {
      if (gap.to < from || gap.from > to) continue
      if (gap.askedOf !== null) asked.add(gap.askedOf)
      for (const holder of gap.holders) knowing.add(holder)
    }
    return { asked: [...asked], knowing: [...knowing] }
  }

  /** Takes accepted seqs out. Returns the gaps that they were in, or what is left of them. */
  fill(from: number, to: number): Gap[] {
    const touched: Gap[] = []
    for (let i = 0; i < this.#list.length; i++) {
      const gap = this.#list[i] as Gap
      if (gap.to < from) continue
      if (gap.from > to) break
      touched.push(gap)
      if (gap.from < from && gap.to > to) {
        this.#list.splice(i + 1, 0, { ...gap, from: to + 1 })
        gap.to = from - 1
      } else if (gap.from < from) gap.to = from - 1
      else if (gap.to > to) gap.from = to + 1
      else this.#list.splice(i--, 1)
    }
    this.#trim()
    return touched
  }

  /** Finds the holes below the top of the window that aren't known yet. At most one pass over the window. */
  scan(window: Window): Gap[] {
    const found: Gap[] = []
    let seq = Math.max(this.#end, window.floor)
    while (seq <= window.top && this.#list.length < this.#limits.maxGaps) {
      if (window.check(seq) === 'fresh') {
        let to = seq
        while (window.check(to + 1) === 'fresh' && to < window.top) to++
        found.push(this.#push(seq, to))
        seq = to + 1
      } else seq++
    }
    if (seq > this.#end) this.#end = seq
    return found
  }

  /**
   * Adds what lies between the end and `to`, because somebody claims to have it. Not if all room is taken by holes below
   * accepted seqs. The window must have been scanned up to its top, else accepted seqs would be taken for missing.
   */
  claim(to: number): void {
    if (to < this.#end) return
    const last = this.#list.at(-1)
    // Claims that grow while we wait are one gap. Not if somebody lacks the old part: it may have the new one.
    const isAdjacent = last?.to === this.#end - 1
    const isGrowing = isAdjacent && last.missed.length + last.gone.length === 0
    if (isGrowing) last.to = to
    else if (this.#list.length < this.#limits.maxGaps) this.#push(this.#end, to)
    else if (isAdjacent) {
      // Who answers part of each question can cut its claims to pieces until there is no room: others are heard still.
      last.to = to
      last.missed = []
      last.gone = []
    } else return
    this.#end = to + 1
  }

  /** Cuts the gaps at `from` and behind `to`; returns those in between. */
  isolate(from: number, to: number): Gap[] {
    const inside: Gap[] = []
    for (let i = 0; i < this.#list.length; i++) {
      const gap = this.#list[i] as Gap
      if (gap.to < from) continue
      if (gap.from > to) break
      if (gap.from < from) {
        this.#list.splice(i + 1, 0, { ...gap, from })
        gap.to = from - 1
        continue
      }
      if (gap.to > to) {
        this.#list.splice(i + 1, 0, { ...gap, from: to + 1 })
        gap.to = to
      }
      inside.push(gap)
    }
    this.#trim()
    return inside.filter(gap => gap.from < this.#end)
  }

  /** Forgets the lowest gap. */
  dropLowest(): void {
    this.#list.shift()
  }

  /** Forgets the highest gap and all that is above: it may be claimed again. */
  dropHighest(): void {
    const gap = this.#list.pop()
    if (gap !== undefined) this.#end = gap.from
  }

  /** Forgets what lies below `seq`. */
  dropBelow(seq: number): void {
    this.fill(0, seq - 1)
    if (seq > this.#end) this.#end = seq
  }

  #push(from: number, to: number): Gap {
    const gap: Gap = {
      from,
      to,
      holders: [],
      missed: [],
      missedMs: 0,
      gone: [],
      askedOf: null,
      timedMs: null,
      askedTo: -1,
      firstAskedMs: Number.POSITIVE_INFINITY,
      asked: [],
      waitsUntilMs: 0,
      nextAtMs: Number.POSITIVE_INFINITY,
      expiresMs: Number.POSITIVE_INFINITY
    }
    this.#list.push(gap)
    return gap
  }

  #trim(): void {
    while (this.#list.length > this.#limits.maxGaps) this.dropHighest()
  }
}
