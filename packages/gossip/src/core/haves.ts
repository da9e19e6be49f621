/**
 * What we tell about our watermarks: all of them to a link that becomes active or caught up, changed ones every 100 ms
 * to two links in turn.
 *
 * Invariants:
 * 1. The last change of an entry is told for as many ticks as it takes to reach every active link once. So a link that
 *    missed the last batch of a burst hears of it, although each tick goes to few links.
 * 2. Nothing expired is told: it could not be supplied, and the receiver would forget what it heard.
 */
import type { Limits } from '../limits.js'
import type { AuthorEntry, AuthorTable } from './author-table.js'
import type { Link } from './link.js'
import type { Outbox } from './outbox.js'
import { type HaveEntry, type HaveKind, SEND_CONTROL } from './types.js'

/** Tells watermarks. */
export class Haves {
  readonly #limits: Limits
  readonly #table: AuthorTable
  readonly #outbox: Outbox
  /** Entries that changed, and how many ticks they are still told. */
  readonly #changed = new Map<AuthorEntry, number>()
  #turn = 0
  #nextAtMs = Number.POSITIVE_INFINITY

  constructor(limits: Limits, table: AuthorTable, outbox: Outbox) {
    this.#limits = limits
    this.#table = table
    this.#outbox = outbox
  }

  /** When the next tick is; Infinity: nothing to tell. */
  get nextAtMs(): number {
    return this.#nextAtMs
  }

  /** An entry accepted something. */
  changed(entry: AuthorEntry, activeLinks: number, nowMs: number): void {
    if (activeLinks === 0) return // who comes is told all
    this.#changed.set(entry, Math.ceil(activeLinks / this.#limits.haveTickLinks))
    if (this.#nextAtMs === Number.POSITIVE_INFINITY) this.#nextAtMs = nowMs + this.#limits.haveTickMs
  }

  /** An entry left the table. */
  forget(entry: AuthorEntry): void {
    this.#changed.delete(entry)
  }

  /** Tells a link all that it could ask for. */
  all(link: Link, have: HaveKind, times: { nowMs: number; highMs: number }): void {
    const entries: HaveEntry[] = []
    for (const entry of this.#table.entries()) {
      if (entry.lastExpiresMs >= times.highMs && entry.window.top >= 0) entries.push(entryOf(entry))
    }
    // An empty list is told, too: the other end learns that we are there.
    this.#send(link, have, { entries, nowMs: times.nowMs })
  }

  /** A sign of life. */
  live(link: Link, nowMs: number): void {
    this.#send(link, 'live', { entries: [], nowMs })
  }

  /** Tells what changed, if it is time. */
  due(active: readonly Link[], nowMs: number): void {
    if (nowMs < this.#nextAtMs) return
    this.#nextAtMs = Number.POSITIVE_INFINITY
    // A link whose queue is long would hear of batches before it gets them.
    const open = active.filter(link => link.flow === 'open')
    const chosen = Math.min(this.#limits.haveTickLinks, open.length)
    const entries = [...this.#changed.keys()].map(entryOf)
    for (let i = 0; i < chosen && entries.length > 0; i++) {
      this.#send(open[(this.#turn + i) % open.length] as Link, 'tick', { entries, nowMs })
    }
    this.#turn = open.length === 0 ? 0 : (this.#turn + chosen) % open.length
    for (const [entry, ticks] of this.#changed) {
      if (ticks <= 1) this.#changed.delete(entry)
      else this.#changed.set(entry, ticks - 1)
    }
    if (this.#changed.size > 0) this.#nextAtMs = nowMs + this.#limits.haveTickMs
  }

  #send(link: Link, have: HaveKind, what: { entries: readonly HaveEntry[]; nowMs: number }): void {
    const frame = { kind: 'have', have, entries: what.entries } as const
    this.#outbox.send(link, { class: SEND_CONTROL, frame }, what.nowMs)
  }
}

function entryOf(entry: AuthorEntry): HaveEntry {
  const { ref, watermark, window } = entry
  return { ref, next: watermark + 1, ahead: Math.max(0, window.top - watermark) }
}
