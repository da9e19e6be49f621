/**
 * What we tell about our watermarks: all of them to a link that becomes active or caught up; changed ones every 100 ms to
 * two active links, and every second to three random standbys.
 *
 *   quiet --an entry accepted something----> due     tick: until every active link knows; summary: for 3 s
 *   due   --tick: all know-----------------> quiet
 *   due   --summary: nothing new for 3 s---> quiet
 *
 * Ticks find what a tree loses. Summaries are what survives when most nodes die at once: the trees and most active links
 * are gone then, some standbys aren't.
 *
 * Invariants:
 * 1. The last change of an entry is told to every active link, but to those that brought it, or said that they have it: the
 *    highest message, that is. Who brought what fills a hole below it may lack it, and is told as if it had brought nothing. So
 *    whoever lost its parent hears of each message from every neighbour that has it, until it has it, too. Who was pushed
 *    it is told only when nothing more was pushed for `liveMs`: it may have dropped it, over some budget.
 * 2. A change waits one tick before it is told: what is on its way along the tree gets there first. Of two neighbours the
 *    one that dialled tells the other; that one answers if it hears nothing of what it has, and speaks by itself only
 *    after two ticks of silence. So each link carries a tick every two ticks, in one direction.
 * 3. Nothing expired is told: it could not be supplied, and the receiver would forget what it heard.
 *
 * Bound: one number per changed entry and active link.
 */
import type { Limits } from '../limits.js'
import type { AuthorEntry } from './author-entry.js'
import type { AuthorTable } from './author-table.js'
import type { Link } from './link.js'
import type { Outbox } from './outbox.js'
import { type AuthorRef, type HaveEntry, type HaveKind, SEND_CONTROL } from './types.js'

/** What the watermarks are told with. */
export interface HavesOptions {
  readonly limits: Limits
  readonly table: AuthorTable
  readonly outbox: Outbox
  /** Uniform in [0, 1). */
  readonly random: () => number
}

/** Who can do without being told a change. */
export interface Knowing {
  /** Links that carry batches. */
  readonly active: readonly Link[]
  /** Who brought it; null: it is ours. */
  readonly from: Link | null
  /** Who was pushed it. */
  readonly pushed: readonly Link[]
  /** Who has it, or part of the hole that it was in, they said. */
  readonly knowing: readonly Link[]
  /** Its last seq. */
  readonly to: number
}

/** Tells watermarks. */
export class Haves {
  readonly #options: HavesOptions
  /** Entries that changed: by slot of a link, from when on it has to be told; Infinity: it needn't be. */
  readonly #untold = new Map<AuthorEntry, number[]>()
  /** When each entry changed last, as far as summaries tell it. */
  readonly #recent = new Map<AuthorEntry, number>()
  /** By slot: when a tick went over an active link last, in either direction. */
  readonly #tickedMs: number[]
  #turn = 0
  #lastTickMs = Number.NEGATIVE_INFINITY
  #tickAtMs = Number.POSITIVE_INFINITY
  #summaryAtMs = Number.POSITIVE_INFINITY
  #changes = 0

  constructor(options: HavesOptions) {
    this.#options = options
    this.#tickedMs = new Array<number>(options.limits.maxActiveLinks).fill(Number.NEGATIVE_INFINITY)
  }

  /** When something is to be told; Infinity: nothing. */
  get nextAtMs(): number {
    return Math.min(this.#tickAtMs, this.#summaryAtMs)
  }

  /** An entry accepted something. */
  changed(entry: AuthorEntry, { active, from, pushed, knowing, to }: Knowing, nowMs: number): void {
    const { limits, random } = this.#options
    this.#changes++
    this.#recent.set(entry, nowMs)
    // A random phase, lest all tell at once what one of them published.
    if (this.#summaryAtMs === Number.POSITIVE_INFINITY) {
      this.#summaryAtMs = nowMs + Math.ceil(limits.summaryMs * random())
    }
    if (active.length === 0) return // who comes is told all
    let fromMs = this.#untold.get(entry)
    if (fromMs === undefined) {
      fromMs = new Array<number>(limits.maxActiveLinks).fill(Number.POSITIVE_INFINITY)
      this.#untold.set(entry, fromMs)
    }
    const isTop = to >= entry.window.top
    for (const link of active) {
      const { slot } = link
      const waits = fromMs[slot] as number
      const laterMs = nowMs + limits.liveMs
      // Who has what fills a hole of ours may lack what is above it. A hole below what it was pushed a link sees by itself.
      if (link === from) fromMs[slot] = isTop ? Number.POSITIVE_INFINITY : waits
      else if (knowing.includes(link) || pushed.includes(link))
        fromMs[slot] = isTop ? laterMs : Math.min(waits, laterMs)
      else fromMs[slot] = Math.min(waits, nowMs)
      this.#wake(fromMs[slot] as number)
    }
  }

  /** A link has this much of an entry: what it lacks is newer than what it knew, and on its way to it, most likely. */
  known({ role, slot }: Link, entry: AuthorEntry, has: { next: number; to: number; nowMs: number }): void {
    const fromMs = role === 'active' ? this.#untold.get(entry) : undefined
    if (fromMs === undefined || fromMs[slot] === Number.POSITIVE_INFINITY) return
    const isAll = has.to >= entry.window.top && has.next > entry.watermark
    fromMs[slot] = isAll ? Number.POSITIVE_INFINITY : Math.max(fromMs[slot] as number, has.nowMs)
  }

  /**
   * A link told what changed. What it didn't tell though we have it for a while, it lacks: it hears that at once.
   *
   * @param told - What it told, and the highest seq of each.
   */
  heard(link: Link, have: HaveKind, told: ReadonlyMap<AuthorRef, number>, nowMs: number): void {
    const { haveTickMs, summaryMs, summarySpanMs } = this.#options.limits
    if (link.role === 'active') {
      if (have === 'tick') this.#tickedMs[link.slot] = nowMs
      if (link.flow === 'open' && this.#isDue(link, nowMs - haveTickMs)) this.#tell(link, 'tick', nowMs)
      return
    }
    if (have !== 'summary' || link.flow !== 'open') return
    const entries: HaveEntry[] = []
    for (const [entry, changedMs] of this.#recent) {
      // What a tree brings it has after two ticks. And of the past it may tell a little less than we do.
      const isSettled = changedMs <= nowMs - 2 * haveTickMs && changedMs >= nowMs - summarySpanMs + summaryMs
      if (isSettled && (told.get(entry.ref) ?? -1) < entry.window.top) entries.push(entryOf(entry))
    }
    if (entries.length > 0) this.#send(link, 'tick', { entries, nowMs })
  }

  /** A link carries batches no more; its slot gets free. */
  linkInactive({ slot }: Link): void {
    this.#tickedMs[slot] = Number.NEGATIVE_INFINITY
    for (const fromMs of this.#untold.values()) fromMs[slot] = Number.POSITIVE_INFINITY
  }

  /** An entry left the table. */
  forget(entry: AuthorEntry): void {
    this.#untold.delete(entry)
    this.#recent.delete(entry)
  }

  /** Tells a link all that it could ask for. */
  all(link: Link, have: HaveKind, times: { nowMs: number; highMs: number }): void {
    const entries: HaveEntry[] = []
    for (const entry of this.#options.table.entries()) {
      if (entry.lastExpiresMs >= times.highMs && entry.window.top >= 0) entries.push(entryOf(entry))
    }
    if (link.slot >= 0) this.linkInactive(link)
    // An empty list is told, too: the other end learns that we are there.
    this.#send(link, have, { entries, nowMs: times.nowMs })
  }

  /** A sign of life; as it is sent anyway, with what that link has to be told, or will have to be. */
  live(link: Link, nowMs: number): void {
    // A silent standby is only to learn that we live.
    if (link.slot < 0) this.#send(link, 'live', { entries: [], nowMs })
    else this.#tell(link, 'live', nowMs)
  }

  /** Tells what changed, if it is time. */
  due(active: readonly Link[], standbys: () => Link[], nowMs: number): void {
    if (nowMs >= this.#tickAtMs) this.#tick(active, nowMs)
    if (nowMs >= this.#summaryAtMs) this.#summarize(standbys(), nowMs)
  }

  #tick(active: readonly Link[], nowMs: number): void {
    const { busyBatchesPerSecond, haveTickMs, haveTickLinks } = this.#options.limits
    const spanMs = Math.max(haveTickMs, nowMs - this.#lastTickMs)
    const isBusy = this.#changes * 1000 > busyBatchesPerSecond * spanMs
    this.#changes = 0
    this.#lastTickMs = nowMs
    const links = this.#waiting(active, nowMs)
    for (const link of links.slice(0, isBusy ? 1 : haveTickLinks)) {
      this.#tell(link, 'tick', nowMs)
      this.#turn = link.slot + 1
    }
    this.#tickAtMs = Number.POSITIVE_INFINITY
    for (const [entry, fromMs] of this.#untold) {
      const firstMs = Math.min(...fromMs)
      if (firstMs === Number.POSITIVE_INFINITY) this.#untold.delete(entry)
      else this.#wake(firstMs)
    }
  }

  #wake(fromMs: number): void {
    const { haveTickMs } = this.#options.limits
    this.#tickAtMs = Math.min(this.#tickAtMs, Math.max(fromMs, this.#lastTickMs) + haveTickMs)
  }

  // Links that have waited for long enough, in the order of their turns. A link whose queue is long would hear of batches
  // before it gets them.
  #waiting(active: readonly Link[], nowMs: number): Link[] {
    const { haveTickMs, maxActiveLinks } = this.#options.limits
    const isWaiting = (link: Link): boolean => {
      const ticks = link.isOutbound ? 1 : 2
      const silentMs = nowMs - (this.#tickedMs[link.slot] as number)
      if (link.flow !== 'open' || silentMs < (ticks + 1) * haveTickMs) return false
      return this.#isDue(link, nowMs - ticks * haveTickMs)
    }
    const turnOf = ({ slot }: Link): number => (slot - this.#turn + maxActiveLinks) % maxActiveLinks
    return active.filter(isWaiting).sort((a, b) => turnOf(a) - turnOf(b))
  }

  // Has a link to be told something since `beforeMs`?
  #isDue({ slot }: Link, beforeMs: number): boolean {
    for (const fromMs of this.#untold.values()) if ((fromMs[slot] as number) <= beforeMs) return true
    return false
  }

  // All that waits; but a watermark is faster than the batches before it, so not what was pushed just now.
  #tell(link: Link, have: 'tick' | 'live', nowMs: number): void {
    const { liveMs, haveTickMs } = this.#options.limits
    const { slot } = link
    const entries: HaveEntry[] = []
    for (const [entry, fromMs] of this.#untold) {
      if ((fromMs[slot] as number) > nowMs + liveMs - haveTickMs) continue
      fromMs[slot] = Number.POSITIVE_INFINITY
      entries.push(entryOf(entry))
    }
    if (slot >= 0) this.#tickedMs[slot] = nowMs
    this.#send(link, have, { entries, nowMs })
  }

  #summarize(standbys: readonly Link[], nowMs: number): void {
    const { limits, random } = this.#options
    for (const [entry, changedMs] of this.#recent) {
      if (nowMs > changedMs + limits.summarySpanMs) this.#recent.delete(entry)
    }
    const isQuiet = this.#recent.size === 0
    this.#summaryAtMs = isQuiet ? Number.POSITIVE_INFINITY : nowMs + limits.summaryMs
    if (isQuiet) return
    const entries = [...this.#recent.keys()].map(entryOf)
    const open: Link[] = []
    for (const link of standbys) {
      // Who asked in vain for a place that it needs hears all: where one is all that others have, there aren't enough.
      if (link.flow === 'open' && nowMs < link.needyUntilMs) this.#send(link, 'summary', { entries, nowMs })
      else if (link.flow === 'open') open.push(link)
    }
    for (let i = 0; i < limits.summaryLinks && open.length > 0; i++) {
      const [link] = open.splice(Math.floor(random() * open.length), 1) as [Link]
      this.#send(link, 'summary', { entries, nowMs })
    }
  }

  #send(link: Link, have: HaveKind, what: { entries: readonly HaveEntry[]; nowMs: number }): void {
    const frame = { kind: 'have', have, entries: what.entries } as const
    this.#options.outbox.send(link, { class: SEND_CONTROL, frame }, what.nowMs)
  }
}

function entryOf(entry: AuthorEntry): HaveEntry {
  const { ref, watermark, window } = entry
  return { ref, next: watermark + 1, ahead: Math.max(0, window.top - watermark) }
}
