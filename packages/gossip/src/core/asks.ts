/**
 * Whom we asked for a place and wait for, and whom we don't ask for a while: the back-offs of neighbours.ts.
 *
 * Streams are reliable, so an ask that isn't answered in time is late, not lost: it isn't repeated, and its answer is owed.
 */
import type { Limits } from '../limits.js'
import type { Link } from './link.js'

/** The asks of ours that are open. */
export class Asks {
  readonly #limits: Limits
  readonly #open = new Set<Link>()
  /** Given up, but an answer may still come. */
  readonly #late = new Set<Link>()

  constructor(limits: Limits) {
    this.#limits = limits
  }

  /** Links whose answer we wait for, longest first. */
  get open(): ReadonlySet<Link> {
    return this.#open
  }

  /** Links whose answer is late. */
  get late(): ReadonlySet<Link> {
    return this.#late
  }

  /** Notes that a link is asked now. */
  add(link: Link, isUrgent: boolean, nowMs: number): void {
    link.askedUntilMs = nowMs + this.#limits.linkAskTimeoutMs
    link.isUrgent = isUrgent
    link.isOwed = false
    this.#late.delete(link)
    if (isUrgent) {
      link.urgentAtMs = nowMs + link.urgentWaitMs
      link.urgentWaitMs = Math.min(link.urgentWaitMs * 2, this.#limits.linkBackoffMs)
    }
    this.#open.add(link)
  }

  /** Nothing is asked of this link any more, and nothing is owed. */
  forget(link: Link): void {
    link.askedUntilMs = 0
    link.isOwed = false
    this.#open.delete(link)
    this.#late.delete(link)
  }

  /** The other end doesn't want: not to be asked again for `wantedMs`, and not before its back-off. */
  refused(link: Link, wantedMs: number, nowMs: number): void {
    // Who refused an ask that wasn't urgent may well take one that is.
    if (link.isUrgent || link.role === 'active') link.urgentAtMs = nowMs + this.#limits.linkBackoffMs
    link.urgentWaitMs = this.#limits.isolationMs
    this.forget(link)
    this.backOff(link, wantedMs, nowMs)
  }

  /** A link isn't asked for `wantedMs`, and not before its back-off; the next one is twice as long. */
  backOff(link: Link, wantedMs: number, nowMs: number): void {
    link.backoffUntilMs = nowMs + Math.max(link.backoffMs, wantedMs)
    link.backoffMs = Math.min(link.backoffMs * 2, this.#limits.maxLinkBackoffMs)
  }

  /** A link may be asked at once, as if it never had been. */
  clear(link: Link, nowMs: number): void {
    link.backoffUntilMs = nowMs
    link.backoffMs = this.#limits.linkBackoffMs
    link.urgentWaitMs = this.#limits.isolationMs
  }

  /** Waits for all as if they were asked now: we slept. */
  postpone(nowMs: number): void {
    for (const link of this.#open) link.askedUntilMs = nowMs + this.#limits.linkAskTimeoutMs
  }

  /** Gives up what wasn't answered in time. Returns those that said nothing at all since they were asked. */
  giveUp(nowMs: number): Link[] {
    const silent: Link[] = []
    for (const link of this.#open) {
      if (nowMs < link.askedUntilMs) continue
      if (link.heardMs <= link.askedUntilMs - this.#limits.linkAskTimeoutMs) silent.push(link)
      this.forget(link)
      link.isOwed = true
      this.#late.add(link)
      this.backOff(link, 0, nowMs)
    }
    return silent
  }

  /** When the next one is given up; Infinity: none is open. */
  get nextAtMs(): number {
    let atMs = Number.POSITIVE_INFINITY
    for (const link of this.#open) atMs = Math.min(atMs, link.askedUntilMs)
    return atMs
  }
}
