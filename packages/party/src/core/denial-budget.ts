/**
 * How many feeds an admin may deny: `maxDenialsBurst`, and `denialsPerHour` after that.
 *
 * Tombstones are kept for ever by every member, so one admin must not make them without end.
 *
 * Invariant: at most `maxRememberedPeers` admins are remembered; who was forgotten has a whole burst again.
 */
import { TokenBucket } from '@hearsay/gossip/core'
import type { Limits } from '../limits.js'

const SECONDS_PER_HOUR = 3600

/** See the head of this file. Admins are named by the hex of their author key. */
export class DenialBudget {
  readonly #limits: Limits
  readonly #buckets = new Map<string, TokenBucket>()

  constructor(limits: Limits) {
    this.#limits = limits
  }

  /** May this admin deny one more feed now? */
  take(authorId: string, nowMs: number): boolean {
    const { denialsPerHour, maxDenialsBurst, maxRememberedPeers } = this.#limits
    const bucket =
      this.#buckets.get(authorId) ?? new TokenBucket(denialsPerHour / SECONDS_PER_HOUR, maxDenialsBurst)
    this.#buckets.delete(authorId)
    this.#buckets.set(authorId, bucket)
    const oldest = this.#buckets.keys().next().value
    if (this.#buckets.size > maxRememberedPeers && oldest !== undefined) this.#buckets.delete(oldest)
    return bucket.take(1, nowMs)
  }

  /** How long until it may, ms. */
  waitMs(authorId: string, nowMs: number): number {
    return this.#buckets.get(authorId)?.waitMs(1, nowMs) ?? 0
  }
}
