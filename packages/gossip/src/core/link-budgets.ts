/**
 * What one link may spend, both ways. Each budget is made when it is touched first: an idle link has none.
 *
 * Over a budget input is dropped, answered with no, or ignored. Points cost only those budgets that an honest peer can't
 * overdraw, whatever happens between its clock and ours. Two things would make it: two buckets never agree exactly, and a
 * connection that was stalled lets everything through at once. So each such budget is wide enough for what the sender,
 * by its own rules, sends within the longest stall that a transport bears:
 *
 *   AUTHOR  who writes keeps to `authorsPerSecond`, with a burst of one table; who reads allows twice the rate and 8 tables,
 *           which is what gathers in a minute.
 *   WANT    who asks stops at `maxOpenWantsPerLink` questions without a word in answer, then asks once in `suspectMs`: not
 *           30 in a minute. Who answers charges what is over 10 seconds' worth.
 *   entries of HAVE, WANT, MISS and PRUNE, together: what lists cost goes by that, not by frames. Who writes tells a link of a
 *           batch that it accepted once at most, so the signatures that a process checks per second are a bound. Who
 *           reads drops what is over `entriesPerSecond`, and charges what is over three times that, or a minute's worth.
 *   PRUNE   goes out once a second for an author, a graft with a WANT; charged is what is over 20 seconds' worth at once.
 *   LINK    see `asks`.
 *   PEERS   goes out once a minute; four at once are borne.
 */
import type { Limits } from '../limits.js'
import { Answers, type Cached } from './answers.js'
import { TokenBucket } from './budget.js'
import type { AuthorRef } from './types.js'

/** Asks for an active place within one back-off: twice what the rules of neighbours.ts allow. */
const ASKS_PER_BACKOFF = 4
/** Seconds of PRUNE and GRAFT for one author that may come within one. */
const PATIENCE_SECONDS = 20
/** Entries that are borne, as a multiple of those that are read; and seconds of those that may come at once. */
const ENTRIES_PATIENCE = 3
const ENTRIES_PATIENCE_SECONDS = 60
/** PEERS that may come at once. */
const PEERS_AT_ONCE = 4

/** What becomes of input that is counted: it is taken, it is ignored, or it is so much that it costs points. */
export type Tolerance = 'ok' | 'ignored' | 'charged'

/** The budgets of one link. */
export class LinkBudgets {
  readonly #limits: Limits
  #bindings: TokenBucket | null = null
  #entries: TokenBucket | null = null
  #entriesPatience: TokenBucket | null = null
  #strangers: TokenBucket | null = null
  #verifies: TokenBucket | null = null
  #wantsIn: TokenBucket | null = null
  #wantsPatience: TokenBucket | null = null
  #wantsOut: WantsOut | null = null
  #answers: Answers | null = null
  #asks: TokenBucket | null = null
  #peers: TokenBucket | null = null
  #turns: Map<AuthorRef | null, number> | null = null
  #turnsSinceMs = 0

  constructor(limits: Limits) {
    this.#limits = limits
  }

  /** AUTHOR frames that it sends. */
  get bindings(): TokenBucket {
    const { authorsPerSecond, maxAuthorIndexes } = this.#limits
    this.#bindings ??= new TokenBucket(authorsPerSecond * 2, maxAuthorIndexes * 8)
    return this.#bindings
  }

  /** It sends a list of so many entries. */
  takeEntries(entries: number, nowMs: number): Tolerance {
    const { entriesPerSecond: perSecond } = this.#limits
    this.#entries ??= new TokenBucket(perSecond, perSecond * 2)
    this.#entriesPatience ??= new TokenBucket(
      perSecond * ENTRIES_PATIENCE,
      perSecond * ENTRIES_PATIENCE_SECONDS
    )
    const isPatient = this.#entriesPatience.take(entries, nowMs)
    if (this.#entries.take(entries, nowMs)) return 'ok'
    return isPatient ? 'ignored' : 'charged'
  }

  /** Authors that it brings and that authorize() has to be asked about. */
  get strangers(): TokenBucket {
    const { unknownAuthorsPerSecond: perSecond } = this.#limits
    this.#strangers ??= new TokenBucket(perSecond, perSecond * 2)
    return this.#strangers
  }

  /** Signatures of it that are checked. */
  get verifies(): TokenBucket {
    const { verifiesPerSecond: perSecond } = this.#limits
    this.#verifies ??= new TokenBucket(perSecond, perSecond * 2)
    return this.#verifies
  }

  /** WANT frames of it that are answered. */
  get wantsIn(): TokenBucket {
    const { wantsPerSecond: perSecond } = this.#limits
    this.#wantsIn ??= new TokenBucket(perSecond, perSecond * 2)
    return this.#wantsIn
  }

  /** Beyond it, a WANT over budget is no accident any more. */
  get wantsPatience(): TokenBucket {
    const { wantsPerSecond: perSecond } = this.#limits
    this.#wantsPatience ??= new TokenBucket(perSecond * 2, perSecond * 10)
    return this.#wantsPatience
  }

  /** WANT frames that we send it. */
  get wantsOut(): WantsOut {
    this.#wantsOut ??= new WantsOut(this.#limits)
    return this.#wantsOut
  }

  /** What it was answered. `cached`: what there is to ask for. */
  answers(cached: Cached): Answers {
    this.#answers ??= new Answers(this.#limits, cached)
    return this.#answers
  }

  /** What waited for it was dropped, answers too. */
  answersDropped(): void {
    this.#answers?.dropped()
  }

  /** Asks for an active place. Who keeps the back-offs asks once in 10 s, urgently as often. */
  get asks(): TokenBucket {
    const { linkBackoffMs, maxAsksAtOnce } = this.#limits
    this.#asks ??= new TokenBucket((1000 * ASKS_PER_BACKOFF) / linkBackoffMs, maxAsksAtOnce)
    return this.#asks
  }

  /** PEERS frames that it sends. */
  get peers(): TokenBucket {
    this.#peers ??= new TokenBucket(2000 / this.#limits.peersMs, PEERS_AT_ONCE)
    return this.#peers
  }

  /** It prunes or grafts an author; null: all at once. */
  turn(ref: AuthorRef | null, nowMs: number): Tolerance {
    if (this.#turns === null || nowMs >= this.#turnsSinceMs + 1000) {
      this.#turns = new Map()
      this.#turnsSinceMs = nowMs
    }
    const turns = (this.#turns.get(ref) ?? 0) + 1
    this.#turns.set(ref, turns)
    if (turns <= this.#limits.turnsPerSecond) return 'ok'
    return turns <= this.#limits.turnsPerSecond * PATIENCE_SECONDS ? 'ignored' : 'charged'
  }
}

/**
 * WANT frames to one link: so many per second, so many open. A link that says nothing to several questions is asked
 * little more: it answers all of them when it can, and nobody waits for it alone.
 */
export class WantsOut {
  readonly #limits: Limits
  readonly #bucket: TokenBucket
  #open = 0
  #askedMs = Number.NEGATIVE_INFINITY

  constructor(limits: Limits) {
    this.#limits = limits
    this.#bucket = new TokenBucket(limits.wantsPerSecond, limits.wantsPerSecond)
  }

  /** How long until another one may be sent, ms. */
  waitMs(nowMs: number): number {
    const { maxOpenWantsPerLink, suspectMs } = this.#limits
    const silentMs = this.#open < maxOpenWantsPerLink ? 0 : Math.max(0, this.#askedMs + suspectMs - nowMs)
    return Math.max(silentMs, this.#bucket.waitMs(1, nowMs))
  }

  /** Takes one. 0: it may be sent; else how long to wait, ms. */
  take(nowMs: number): number {
    const waitMs = this.waitMs(nowMs)
    if (waitMs > 0) return waitMs
    this.#bucket.take(1, nowMs)
    this.#open++
    this.#askedMs = nowMs
    return 0
  }

  /** It answered something. */
  answered(): void {
    this.#open = 0
  }
}
