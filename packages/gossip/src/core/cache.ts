/**
 * Batches that are kept to answer a WANT: until they expire, within a bound of bytes and of number.
 *
 * What doesn't fit goes from the author who holds most, oldest first (cache-shares.ts), own batches last: others may have a
 * copy of the rest, of ours perhaps nobody has. Losing a batch here costs a repair by another peer, never a replay, so this
 * may be evicted while the author table may not.
 *
 * Invariant: nothing is kept for longer than its time to live. A batch whose author's clock is ahead is taken for made when it came.
 */
import type { Limits } from '../limits.js'
import { CacheShares, Share } from './cache-shares.js'
import type { AuthorRef, Batch } from './types.js'

/** When a batch expires, by the wall clock of its author; Unix ms. */
export function expiresMsOf(batch: Batch): number {
  return batch.createdMs + batch.ttlSeconds * 1000
}

/** The batches of one topic. */
export class BatchCache {
  readonly #limits: Limits
  // Per incarnation in ascending order of seq0, which is that of age; batches of one author never overlap.
  readonly #lists = new Map<AuthorRef, Batch[]>()
  /** All that is held, and how many nodes passed it on; 0: it is ours. */
  readonly #hops = new Map<Batch, number>()
  /** When batches expire that came before they were made, as they say. */
  readonly #early = new Map<Batch, number>()
  readonly #shares: CacheShares
  readonly #own = new Share()
  #bytes = 0
  #addedBytes = 0

  constructor(limits: Limits) {
    this.#limits = limits
    this.#shares = new CacheShares(limits)
  }

  /** Bytes held: payload lists and a flat rate for each batch. */
  get bytes(): number {
    return this.#bytes
  }

  /** Bytes that were ever held. */
  get addedBytes(): number {
    return this.#addedBytes
  }

  /** Number of batches held. */
  get size(): number {
    return this.#hops.size
  }

  /**
   * Keeps a batch, at the price of others. One that is over the bound alone isn't kept.
   *
   * @param how.hops - How many nodes passed it on, us included; 0: it is ours, and so are all of its incarnation.
   * @param how.highMs - The expiry clock: when it came.
   */
  add(batch: Batch, how: { hops: number; highMs: number }): void {
    const bytes = costOf(batch)
    if (bytes > this.#limits.maxCacheBytes) return
    const { ref, seq0 } = batch
    const list = this.#lists.get(ref)
    const share = how.hops === 0 ? this.#own : this.#shares.add(ref, bytes)
    if (list === undefined) {
      this.#lists.set(ref, [batch])
      share.refs.push(ref)
      // In order, as nearly always.
    } else if ((list.at(-1) as Batch).seq0 < seq0) list.push(batch)
    else list.splice(lowerBound(list, seq0), 0, batch)
    this.#hops.set(batch, how.hops)
    if (batch.createdMs > how.highMs) this.#early.set(batch, how.highMs + batch.ttlSeconds * 1000)
    this.#bytes += bytes
    this.#addedBytes += bytes
    while (this.#bytes > this.#limits.maxCacheBytes || this.size > this.#limits.maxCacheBatches) {
      this.#remove(this.#oldest(this.#shares.largest ?? this.#own))
    }
  }

  /** How many nodes passed a batch on, us included; 0: it is ours, or not here. */
  hopsOf(batch: Batch): number {
    return this.#hops.get(batch) ?? 0
  }

  /** Unexpired batches that hold any of the seqs `from` to `from + count - 1`, ascending. */
  range(ref: AuthorRef, span: { from: number; count: number }, highMs: number): Batch[] {
    const list = this.#lists.get(ref)
    if (list === undefined) return []
    const found: Batch[] = []
    const end = span.from + span.count
    // The batch before may reach into the range.
    for (let i = Math.max(0, lowerBound(list, span.from) - 1); i < list.length; i++) {
      const batch = list[i] as Batch
      if (batch.seq0 >= end) break
      if (batch.seq0 + batch.count > span.from && !this.#isExpired(batch, highMs)) found.push(batch)
    }
    return found
  }

  /** Lowest seq that can be supplied; null: none. */
  lowest(ref: AuthorRef, highMs: number): number | null {
    for (const batch of this.#lists.get(ref) ?? []) if (!this.#isExpired(batch, highMs)) return batch.seq0
    return null
  }

  /** Drops what has expired by `highMs`. */
  expire(highMs: number): void {
    for (const batch of this.#hops.keys()) if (this.#isExpired(batch, highMs)) this.#remove(batch)
  }

  #isExpired(batch: Batch, highMs: number): boolean {
    const earlyMs = this.#early.size === 0 ? undefined : this.#early.get(batch)
    return (earlyMs ?? expiresMsOf(batch)) < highMs
  }

  // An author has few incarnations that live.
  #oldest({ refs }: Share): Batch {
    let oldest: Batch | undefined
    for (const ref of refs) {
      const [first] = this.#lists.get(ref) as [Batch]
      if (oldest === undefined || first.createdMs < oldest.createdMs) oldest = first
    }
    return oldest as Batch
  }

  #remove(batch: Batch): void {
    const { ref, seq0 } = batch
    const share = this.#hops.get(batch) === 0 ? this.#own : this.#shares.remove(ref, costOf(batch))
    this.#hops.delete(batch)
    this.#early.delete(batch)
    this.#bytes -= costOf(batch)
    const list = this.#lists.get(ref) as Batch[]
    if (list[0] === batch) list.shift()
    else list.splice(lowerBound(list, seq0), 1)
    if (list.length > 0) return
    this.#lists.delete(ref)
    share.refs.splice(share.refs.indexOf(ref), 1)
  }
}

/** What the objects around the payloads cost, roughly. A guess; it keeps empty messages from being free. */
const OVERHEAD_BYTES = 256

const costOf = (batch: Batch): number => OVERHEAD_BYTES + batch.payloadBytes.length

// Index of the first batch whose seq0 is at least `seq0`.
function lowerBound(list: readonly Batch[], seq0: number): number {
  let low = 0
  let high = list.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((list[middle] as Batch).seq0 < seq0) low = middle + 1
    else high = middle
  }
  return low
}
