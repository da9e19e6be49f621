/**
 * How many signatures a process checks per second, over all topics and peers: checking is what costs CPU, and the limit of
 * a link alone would let a few busy links take a whole core.
 *
 * Fair without knowing who is there: a peer may take while what it took lately is less than twice what is left. Floods
 * settle at equal shares, and leave so much that whoever takes less than such a share is never refused (Choudhury and
 * Hahne, "Dynamic queue length thresholds for shared-memory packet switches", 1998). Nothing is queued: what is refused is
 * dropped, and repaired later like anything else that was lost.
 *
 * Bound: `maxRememberedPeers` peer keys; who was silent for longest is forgotten first.
 */
import type { Limits } from '../limits.js'
import { TokenBucket } from './budget.js'
import type { VerifyPort } from './types.js'

/** What a peer took counts half after this time. */
const HALF_LIFE_MS = 1000
const SHARE = 2

interface Usage {
  taken: number
  atMs: number
}

/** The budget of one process; give the same one to the cores of all its topics. */
export class VerifyBudget implements VerifyPort {
  readonly #maxPeers: number
  readonly #bucket: TokenBucket
  /** By peer key, longest silent first. */
  readonly #usages = new Map<string, Usage>()

  /** @param limits - `verifiesPerSecondOfProcess` is the rate and the burst. */
  constructor(limits: Limits) {
    const { verifiesPerSecondOfProcess: perSecond, maxRememberedPeers } = limits
    this.#maxPeers = maxRememberedPeers
    this.#bucket = new TokenBucket(perSecond, perSecond)
  }

  /** May a signature that this peer sent be checked now? */
  take(peerId: string, nowMs: number): boolean {
    const usage = this.#usageOf(peerId, nowMs)
    if (usage.taken >= SHARE * this.#bucket.left(nowMs) || !this.#bucket.take(1, nowMs)) return false
    usage.taken++
    return true
  }

  #usageOf(peerId: string, nowMs: number): Usage {
    const usage = this.#usages.get(peerId) ?? { taken: 0, atMs: nowMs }
    usage.taken *= 2 ** (-Math.max(0, nowMs - usage.atMs) / HALF_LIFE_MS)
    usage.atMs = nowMs
    // To the end of the order.
    this.#usages.delete(peerId)
    this.#usages.set(peerId, usage)
    for (const oldest of this.#usages.keys()) {
      if (this.#usages.size <= this.#maxPeers) break
      this.#usages.delete(oldest)
    }
    return usage
  }
}
