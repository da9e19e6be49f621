/**
 * What is held against peer keys: demerit points that halve every minute, and how long a key is refused on this topic.
 *
 * Small on purpose. Links hold a proof of the topic key, so few are hostile, and a score that expects certain rates
 * punishes honest peers in networks that it wasn't tuned for. Only faults that an honest forwarder can't pass on cost
 * points.
 *
 * Bound: `maxRememberedPeers` keys. When full, the one with the least against it is forgotten: a stranger with many keys
 * can't make us forget what we hold against another without earning more himself.
 */
import type { Limits } from '../limits.js'

/** Points at which a peer key is refused. */
export const MAX_POINTS = 100

/** Demerit points of one fault. */
export const Points = {
  /** Three within a minute cut a peer off. */
  badSignature: 40,
  malformed: 100,
  /** A time that no honest forwarder accepts either. */
  badTime: 10,
  rejected: 10,
  overBudget: 5
} as const

/** How long a peer key with 100 points is refused. */
export const DEMERIT_BACKOFF_MS = 600_000

const HALF_LIFE_MS = 60_000
/** The decay isn't computed more often than that. */
const DECAY_STEP_MS = 1000
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
    return page.points >= MAX_POINTS
  }

  /** Was the first to bring a batch. */
  reward(peerId: string, nowMs: number): void {
    const page = this.#page(peerId, nowMs)
    if (page.points > MIN_POINTS) page.points -= REWARD
  }

  /** Points of a key; 0: neutral, negative: useful. */
  points(peerId: string, nowMs: number): number {
    const page = this.#pages.get(peerId)
    return page === undefined ? 0 : decayed(page, nowMs)
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
      page.points = decayed(page, nowMs)
      page.pointsAtMs = nowMs
    }
    return page
  }

  #forget(nowMs: number): void {
    let least: string | undefined
    let leastWeight = Number.POSITIVE_INFINITY
    for (const [peerId, page] of this.#pages) {
      const weight = Math.max(0, page.refusedUntilMs - nowMs) / 1000 + Math.max(0, decayed(page, nowMs))
      if (weight < leastWeight) {
        least = peerId
        leastWeight = weight
      }
    }
    if (least !== undefined) this.#pages.delete(least)
  }
}

function decayed(page: Page, nowMs: number): number {
  return page.points * 2 ** (-(nowMs - page.pointsAtMs) / HALF_LIFE_MS)
}
