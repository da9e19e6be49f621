/**
 * What time makes due, in the one order that counts: publishing first, because somebody waits for it; then questions and
 * links; then what is forgotten, asked for and told.
 */
import { isAdmit } from './entrance.js'
import type { Link } from './link.js'
import { traced } from './outbox.js'
import type { Parts } from './parts.js'
import { SEND_CONTROL } from './types.js'

/** How often expired batches and entries are looked for. */
const SWEEP_MS = 1000

/** Who takes back questions that nobody answered. */
export interface Unanswered {
  /** admit() said nothing about a link. */
  link(link: Link): void
  /** Nobody judged an author or a batch. */
  other(item: unknown): void
}

/** Does what is due in a topic. */
export class Chores {
  readonly #parts: Parts
  readonly #unanswered: Unanswered
  #sweepAtMs = Number.POSITIVE_INFINITY

  constructor(parts: Parts, unanswered: Unanswered) {
    this.#parts = parts
    this.#unanswered = unanswered
  }

  /** When `due` may have something to do; Infinity: never. */
  get nextAtMs(): number {
    const { publisher, questions, links, neighbours, isolation, acquaintances, repair, haves } = this.#parts
    return Math.min(
      publisher.nextAtMs,
      questions.nextAtMs,
      links.nextAtMs,
      neighbours.nextAtMs,
      isolation.nextAtMs,
      acquaintances.nextAtMs,
      repair.nextAtMs,
      haves.nextAtMs,
      this.#hasMemory ? this.#sweepAtMs : Number.POSITIVE_INFINITY
    )
  }

  /** Does whatever time or the input made due. */
  due(isTick: boolean): void {
    const { neighbours, isolation, acquaintances, haves, links, clock } = this.#parts
    const { nowMs } = clock
    this.#publish(isTick)
    this.#askBack(nowMs)
    links.due(nowMs)
    for (const link of neighbours.due(nowMs)) haves.live(link, nowMs)
    isolation.due(nowMs)
    acquaintances.due(nowMs)
    this.#sweep()
    this.#repair()
    haves.due(neighbours.active, () => neighbours.standbys(), nowMs)
  }

  #publish(isTick: boolean): void {
    const { publisher, outgoing, neighbours, clock } = this.#parts
    const { nowMs, wallMs } = clock
    // Without an active link, own batches go to those that were asked.
    const links = neighbours.active.length > 0 ? neighbours.active : neighbours.asked(nowMs)
    const hasRoom = links.length === 0 || links.some(link => link.flow === 'open')
    for (const batch of publisher.pump({ nowMs, wallMs, hasRoom, isTick })) outgoing.publish(batch)
  }

  #askBack(nowMs: number): void {
    const { questions } = this.#parts
    if (questions.nextAtMs > nowMs) return
    for (const item of questions.due(nowMs)) {
      if (isAdmit(item)) this.#unanswered.link(item.link)
      else this.#unanswered.other(item)
    }
  }

  #repair(): void {
    const { repair, links, spread, outbox, clock } = this.#parts
    for (const { link: id, ranges } of repair.due(clock)) {
      const link = links.get(id)
      if (link === undefined) continue
      const graft = spread.asks(
        link,
        ranges.map(({ ref }) => ref)
      )
      const frame = { kind: 'want', graft, ranges } as const
      outbox.send(link, { class: SEND_CONTROL, frame }, clock.nowMs)
    }
    for (const { ref, told } of repair.takeLosses()) {
      if (told === null) continue
      outbox.counters.missed += told.to - told.from + 1
      outbox.trace({ type: 'gap', ...traced(ref), ...told })
      outbox.add({ type: 'gap', author: ref.author, incarnation: ref.incarnationId, ...told })
    }
  }

  get #hasMemory(): boolean {
    return this.#parts.table.size > 0 || this.#parts.cache.size > 0
  }

  #sweep(): void {
    const { cache, table, repair, haves, spread, outgoing, publisher, clock } = this.#parts
    const { nowMs, highMs } = clock
    if (!this.#hasMemory) {
      this.#sweepAtMs = Number.POSITIVE_INFINITY
      return
    }
    if (this.#sweepAtMs === Number.POSITIVE_INFINITY) this.#sweepAtMs = nowMs + SWEEP_MS
    if (nowMs < this.#sweepAtMs) return
    this.#sweepAtMs = nowMs + SWEEP_MS
    cache.expire(highMs)
    for (const entry of table.expire(clock, publisher.ref)) {
      repair.forget(entry.ref)
      haves.forget(entry)
      spread.forget(entry.ref)
      outgoing.forget(entry.ref)
    }
  }
}
