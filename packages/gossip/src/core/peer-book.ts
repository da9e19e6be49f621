/**
 * What is held against peer keys: demerit points that halve every minute, and how long a key is refused on this topic.
 *
 * Small on purpose. Links hold a proof of the topic key, so few are hostile, and a score that expects certain rates
 * punishes honest peers in networks that it wasn't tuned for. Only what no honest peer does can cut a peer off (`Points`);
 * what it may do now and then only makes us prefer others (`Doubts`).
 *
 * Bound: `maxRememberedPeers` keys. When full, the one with the least against it is forgotten: a stranger with many keys
 * can't make us forget what we hold against another without earning more himself.
 */
import type { Limits } from '../limits.js'

/** Demerit points of one fault: what no honest peer does. `maxPoints` of them cost the link. */
export const Points = {
  /** Three within a minute cut a peer off. */
  badSignature: 40,
  malformed: 100,
  /** A time that no honest forwarder accepts either. */
  badTime: 10,
  rejected: 10,
  /** Far over a budget that honest peers keep, see link-budgets.ts. */
  overBudget: 5
} as const

/**
 * Points of what honest peers do as well, if seldom: a slow process doesn't answer in time, two clocks count 5 s
 * differently. They make us prefer others, and add up to `maxDoubt` at most.
 */
export const Doubts = {
  /** It has what we miss, it said, and didn't answer three questions in 3 s. */
  brokenPromise: 2,
  /** It asked for a tree to be built again, sooner than that is done. */
  earlyMark: 1
} as const

/** The decay isn't computed more often than that: it changes a score by 1 % at most. */
const DECAY_STEP_MS = 1000
/** Less for the first copy of a batch; at most as much as half a bad signature is forgiven. */
const REWARD = 0.1
const MIN_POINTS = -20

interface Page {
  points: number
  pointsAtMs: number
  refusedUntilMs: number
  /** Refusals by the application since it was admitted last. */
  refusals: number
}

/** Points and refusals of one topic, by peer key in hex. */
export class PeerBook {
  readonly #limits: Limits
  readonly #pages = new Map<string, Page>()

  constructor(limits: Limits) {
    this.#limits = limits
  }

  /** Peer keys remembered. */
  get size(): number {
    return this.#pages.size
  }

  /** Charges points. Returns whether the key is over the limit now. */
  charge(peerId: string, points: number, nowMs: number): boolean {
    const page = this.#page(peerId, nowMs)
    page.points += points
    return page.points >= this.#limits.maxPoints
  }

  /** Adds to what makes us prefer others, and never cuts anybody off. */
  doubt(peerId: string, points: number, nowMs: number): void {
    const page = this.#page(peerId, nowMs)
    page.points = Math.max(page.points, Math.min(page.points + points, this.#limits.maxDoubt))
  }

  /** Was the first to bring a batch. */
  reward(peerId: string, nowMs: number): void {
    const page = this.#page(peerId, nowMs)
    if (page.points > MIN_POINTS) page.points -= REWARD
  }

  /** Points of a key; 0: neutral, negative: useful. */
  points(peerId: string, nowMs: number): number {
    const page = this.#pages.get(peerId)
    return page === undefined ? 0 : this.#decayed(page, nowMs)
  }

  /** Refuses a key for some time; the longest refusal counts. */
  refuse(peerId: string, forMs: number, nowMs: number): void {
    const page = this.#page(peerId, nowMs)
    page.refusedUntilMs = Math.max(page.refusedUntilMs, nowMs + forMs)
  }

  /** Counts a refusal by the application. Returns how many there were before, since the key was admitted last. */
  refusedAgain(peerId: string, nowMs: number): number {
    return this.#page(peerId, nowMs).refusals++
  }

  /** The application let the key in. */
  admitted(peerId: string): void {
    const page = this.#pages.get(peerId)
    if (page !== undefined) page.refusals = 0
  }

  /** How long a key is still refused, ms; 0: it isn't. */
  refusedMs(peerId: string, nowMs: number): number {
    return Math.max(0, (this.#pages.get(peerId)?.refusedUntilMs ?? 0) - nowMs)
  }

  #page(peerId: string, nowMs: number): Page {
    let page = this.#pages.get(peerId)
    if (page === undefined) {
      if (this.#pages.size >= this.#limits.maxRememberedPeers) this.#forget(nowMs)
      page = { points: 0, pointsAtMs: nowMs, refusedUntilMs: 0, refusals: 0 }
      this.#pages.set(peerId, page)
    } else if (nowMs - page.pointsAtMs >= DECAY_STEP_MS) {
      page.points = this.#decayed(page, nowMs)
      page.pointsAtMs = nowMs
    }
    return page
  }

  #forget(nowMs: number): void {
    let least: string | undefined
    let leastWeight = Number.POSITIVE_INFINITY
    for (const [peerId, page] of this.#pages) {
      const weight = Math.max(0, page.refusedUntilMs - nowMs) / 1000 + Math.max(0, this.#decayed(page, nowMs))
      if (weight < leastWeight) {
        least = peerId
        leastWeight = weight
      }
    }
    if (least !== undefined) this.#pages.delete(least)
  }

  #decayed(page: Page, nowMs: number): number {
    return page.points * 2 ** (-(nowMs - page.pointsAtMs) / this.#limits.pointsHalfLifeMs)
  }
}
