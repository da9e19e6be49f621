/**
 * Batches that are kept to answer a WANT: until they expire, within a bound of bytes and of number.
 *
 * What doesn't fit goes oldest first, own batches last: others may have a copy of the rest, of ours perhaps nobody has.
 * Losing a batch here costs a repair by another peer, never a replay, so this may be evicted while the author table may
 * not. A Map in insertion order serves both orders; there is nothing to look up by recency.
 */
import type { Limits } from '../limits.js'
import type { AuthorRef, Batch } from './types.js'

/** When a batch expires, by the wall clock of its author; Unix ms. */
export function expiresMsOf(batch: Batch): number {
  return batch.createdMs + batch.ttlSeconds * 1000
}

/** The batches of one topic. */
export class BatchCache {
  readonly #limits: Limits
  // Per incarnation in ascending order of seq0; batches of one author never overlap.
  readonly #lists = new Map<AuthorRef, Batch[]>()
  readonly #foreign = new Map<Batch, number>()
  readonly #own = new Map<Batch, number>()
  #bytes = 0
  #addedBytes = 0

  constructor(limits: Limits) {
    this.#limits = limits
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
    return this.#foreign.size + this.#own.size
  }

  /**
   * Keeps a batch, at the price of older ones. One that is over the bound alone isn't kept.
   *
   * @param hops - How many nodes passed it on, us included; 0: it is ours.
   */
  add(batch: Batch, hops: number): void {
    if (costOf(batch) > this.#limits.maxCacheBytes) return
    let list = this.#lists.get(batch.ref)
    if (list === undefined) {
      list = []
      this.#lists.set(batch.ref, list)
    }
    // In order, as nearly always.
    if (list.length === 0 || (list.at(-1) as Batch).seq0 < batch.seq0) list.push(batch)
    else list.splice(lowerBound(list, batch.seq0), 0, batch)
    ;(hops === 0 ? this.#own : this.#foreign).set(batch, hops)
    this.#bytes += costOf(batch)
    this.#addedBytes += costOf(batch)
    while (this.#bytes > this.#limits.maxCacheBytes || this.size > this.#limits.maxCacheBatches) {
      this.#evict()
    }
  }

  /** How many nodes passed a batch on, us included; 0: it is ours, or not here. */
  hopsOf(batch: Batch): number {
    return this.#foreign.get(batch) ?? 0
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
      if (batch.seq0 + batch.count > span.from && expiresMsOf(batch) >= highMs) found.push(batch)
    }
    return found
  }

  /** Lowest seq that can be supplied; null: none. */
  lowest(ref: AuthorRef, highMs: number): number | null {
    for (const batch of this.#lists.get(ref) ?? []) if (expiresMsOf(batch) >= highMs) return batch.seq0
    return null
  }

  /** Drops what has expired by `highMs`. */
  expire(highMs: number): void {
    for (const batches of [this.#foreign, this.#own]) {
      for (const batch of batches.keys()) if (expiresMsOf(batch) < highMs) this.#remove(batch)
    }
  }

  #evict(): void {
    for (const batches of [this.#foreign, this.#own]) {
      for (const batch of batches.keys()) {
        this.#remove(batch)
        return
      }
    }
  }

  #remove(batch: Batch): void {
    if (!this.#foreign.delete(batch)) this.#own.delete(batch)
    this.#bytes -= costOf(batch)
    const list = this.#lists.get(batch.ref) as Batch[]
    if (list[0] === batch) list.shift()
    else list.splice(lowerBound(list, batch.seq0), 1)
    if (list.length === 0) this.#lists.delete(batch.ref)
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
