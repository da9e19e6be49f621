/**
 * Notices that nothing reaches us although it should, and asks for help: partitions have to end when they can.
 *
 *   connected --no active link for 1 s---------------------> isolated   every standby is asked, urgently, again and again
 *   connected --news, but nothing accepted for 10 s--------> isolated   the same, at the price of other links
 *   isolated  --an active link, and a frame from it--------> connected  if it was for want of one
 *   isolated  --a batch accepted | no news for 10 s--------> connected  if it was for want of news
 *
 * News are summaries of standbys that show messages which we lack: the trees of whoever tells them work. One that lacks
 * them for 2 s asks for a place there at once, isolated or not.
 *
 * Before the first link there is nothing to be cut off from: who waits for its first peer isn't isolated.
 */
import type { Limits } from '../limits.js'
import type { Link } from './link.js'
import type { Neighbours } from './neighbours.js'
import type { Outbox } from './outbox.js'
import type { IsolationReason } from './types.js'

/** What isolation is noticed with. */
export interface IsolationOptions {
  readonly limits: Limits
  readonly neighbours: Neighbours
  readonly outbox: Outbox
}

const NEVER = Number.POSITIVE_INFINITY

/** Are we cut off? */
export class Isolation {
  readonly #options: IsolationOptions
  #reason: IsolationReason | null = null
  #isolatedMs = 0
  /** Since when no link is active, although there was one or could be; Infinity: not so. */
  #aloneMs = NEVER
  #wasConnected = false
  #acceptedMs: number
  /** When news began that nothing accepted has answered, and when the last came; Infinity: none. */
  #newsMs = NEVER
  #lastNewsMs = NEVER
  #askAtMs = NEVER
  #starvedAtMs = Number.NEGATIVE_INFINITY

  constructor(options: IsolationOptions, startMs: number) {
    this.#options = options
    this.#acceptedMs = startMs
  }

  /** Are we isolated, and why? */
  get reason(): IsolationReason | null {
    return this.#reason
  }

  /** When `due` may have something to do; Infinity: never. */
  get nextAtMs(): number {
    if (this.#reason === null) return this.#aloneMs + this.#options.limits.isolationMs
    return this.#reason === 'no-progress' ? Math.min(this.#askAtMs, this.#staleAtMs) : this.#askAtMs
  }

  /** A batch of another author was accepted. */
  accepted(nowMs: number): void {
    this.#acceptedMs = nowMs
    this.#newsMs = NEVER
  }

  /**
   * A summary of a standby shows messages that we lack.
   *
   * @param heardMs - When we last heard of their author; -Infinity: never.
   */
  news(link: Link, heardMs: number, nowMs: number): void {
    const { limits, neighbours } = this.#options
    // What was told long ago, and never again, isn't missed any more.
    if (this.#newsMs === NEVER || nowMs >= this.#staleAtMs) this.#newsMs = nowMs
    this.#lastNewsMs = nowMs
    if (nowMs >= Math.max(this.#acceptedMs, this.#newsMs) + limits.progressMs)
      this.#isolate('no-progress', nowMs)
    const sinceMs = heardMs === Number.NEGATIVE_INFINITY ? this.#acceptedMs : heardMs
    if (nowMs < sinceMs + limits.starvedMs || nowMs < this.#starvedAtMs) return
    this.#starvedAtMs = nowMs + limits.starvedMs
    neighbours.askUrgently(link, nowMs)
  }

  /** Looks at the links, and asks for help if it is time. Call it at the end of each step. */
  due(nowMs: number): void {
    const { neighbours, limits } = this.#options
    const { active, up } = neighbours
    if (active.length > 0) this.#wasConnected = true
    const isAlone = active.length === 0 && (this.#wasConnected || up.size > 0)
    if (!isAlone) this.#aloneMs = NEVER
    else if (this.#aloneMs === NEVER) this.#aloneMs = nowMs
    if (nowMs >= this.#aloneMs + limits.isolationMs) {
      this.#isolate(up.size === 0 ? 'no-links' : 'no-active-links', nowMs)
    }
    if (this.#reason === null) return
    if (this.#isOver(nowMs)) this.#rejoin()
    else this.#ask(nowMs)
  }

  get #staleAtMs(): number {
    return this.#lastNewsMs + this.#options.limits.progressMs
  }

  #isOver(nowMs: number): boolean {
    const { active } = this.#options.neighbours
    if (this.#reason !== 'no-progress') return active.some(link => link.heardMs > this.#isolatedMs)
    return this.#acceptedMs > this.#isolatedMs || nowMs >= this.#staleAtMs
  }

  #isolate(reason: IsolationReason, nowMs: number): void {
    if (this.#reason !== null) return
    this.#reason = reason
    this.#isolatedMs = nowMs
    this.#askAtMs = nowMs
    this.#options.outbox.add({ type: 'isolated', reason })
  }

  #rejoin(): void {
    this.#reason = null
    this.#newsMs = NEVER
    this.#askAtMs = NEVER
    this.#options.outbox.add({ type: 'rejoined' })
  }

  // How often a single link is asked is limited by its back-offs.
  #ask(nowMs: number): void {
    const { neighbours, limits } = this.#options
    if (this.#askAtMs === NEVER && neighbours.up.size > 0) this.#askAtMs = nowMs
    if (nowMs < this.#askAtMs) return
    for (const link of neighbours.up) neighbours.askUrgently(link, nowMs)
    this.#askAtMs = neighbours.up.size === 0 ? NEVER : nowMs + limits.isolationMs
  }
}
