/**
 * Remembers which seqs of one (author, incarnation) were accepted: the dedup of the protocol.
 *
 * A plain "highest seq wins" loses messages that overtake each other on two paths, so a ring of bits stands behind
 * `top` (RFC 6479). The word that holds `top` is only partly used, therefore n words remember (n - 1) * 32 seqs. As long
 * as nothing is missing between `floor` and `top`, two numbers say all that the ring would: it is made with the first hole
 * and dropped with the last. So a wide window costs only those authors that have a hole just now, and need not grow.
 *
 * Invariants:
 * 1. `check` and `checkRange` never write. Only `mark` does, after the signature was verified; otherwise anyone
 *    silences an author by naming it in a forged batch with a predicted seq (go-libp2p-pubsub #155).
 * 2. A seq that was marked is never 'fresh' again: below `floor` everything is 'stale'.
 * 3. A jump of `top` costs at most one step per seq that is remembered, whatever its length.
 * 4. Without a ring all from `floor` to `top` were marked; with one, `missing` of them weren't, and that is not 0.
 */

/** What a window says about one seq: not seen, seen, or too old to know. */
export type Freshness = 'fresh' | 'duplicate' | 'stale'

/** The same for all seqs of a batch. 'overlap': some were seen, some weren't. */
export type RangeFreshness = 'new' | 'duplicate' | 'stale' | 'overlap'

/** A sliding window over the seqs of one incarnation. */
export class Window {
  #ring: Ring | null = null
  #top = -1
  #floor = 0
  readonly #seqs: number

  /** @param seqs - How many seqs are remembered: `top` and those below it; rounded up to a multiple of 32. */
  constructor(seqs: number) {
    this.#seqs = Math.ceil(seqs / 32) * 32
  }

  /** Highest marked seq; -1: none. */
  get top(): number {
    return this.#top
  }

  /** Lowest seq that is remembered. All below are 'stale'. */
  get floor(): number {
    return this.#floor
  }

  /** How many seqs are remembered. */
  get seqs(): number {
    return this.#seqs
  }

  /** Was nothing between `floor` and `top` left out? Then the window takes no memory to speak of. */
  get isWhole(): boolean {
    return this.#ring === null
  }

  /** Was `seq` (0 to 2^53-1) marked? */
  check(seq: number): Freshness {
    if (seq > this.#top) return 'fresh'
    if (seq < this.#floor) return 'stale'
    return this.#ring === null || this.#ring.has(seq) ? 'duplicate' : 'fresh'
  }

  /** Were `seq0` to `seq0 + count - 1` marked? 'stale' as soon as the first is. `count` is at least 1. */
  checkRange(seq0: number, count: number): RangeFreshness {
    if (seq0 > this.#top) return 'new'
    if (seq0 < this.#floor) return 'stale'
    const end = Math.min(seq0 + count, this.#top + 1)
    let marked = end - seq0
    if (this.#ring !== null) for (let seq = seq0; seq < end; seq++) if (!this.#ring.has(seq)) marked--
    return marked === 0 ? 'new' : marked === count ? 'duplicate' : 'overlap'
  }

  /** Marks `seq`. A stale one is left alone: its bit stands for another seq by now. */
  mark(seq: number): void {
    this.markRange(seq, 1)
  }

  /** Marks `seq0` to `seq0 + count - 1`. */
  markRange(seq0: number, count: number): void {
    const last = seq0 + count - 1
    const top = Math.max(last, this.#top)
    const floor = Math.max(this.#floor, top - this.#seqs + 1)
    if (this.#ring !== null || seq0 > this.#top + 1) {
      this.#ring ??= new Ring(this.#seqs, { floor: this.#floor, top: this.#top })
      if (top > this.#top) this.#ring.advance({ floor: this.#floor, top: this.#top }, { floor, top })
      for (let seq = Math.max(seq0, floor); seq <= last; seq++) this.#ring.set(seq)
      if (this.#ring.missing === 0) this.#ring = null
    }
    this.#top = top
    this.#floor = floor
  }
}

/** Where a window begins and ends, both included. */
interface Bounds {
  readonly floor: number
  readonly top: number
}

/** The bits of a window that has holes. */
class Ring {
  /** Seqs from floor to top whose bit isn't set. */
  missing = 0
  readonly #words: Uint32Array

  /** All bits within the bounds are set. */
  constructor(seqs: number, { floor, top }: Bounds) {
    const words = new Uint32Array(seqs / 32 + 1)
    this.#words = words
    if (top < 0) return
    const topWord = wordOf(top)
    // Bits below the floor mean nothing, bits above the top must not be set.
    for (let word = wordOf(floor); word < topWord; word++) words[word % words.length] = 0xffff_ffff
    words[topWord % words.length] = 0xffff_ffff >>> (31 - (top % 32))
  }

  has(seq: number): boolean {
    return ((this.#words[wordOf(seq) % this.#words.length] as number) & (1 << (seq % 32))) !== 0
  }

  set(seq: number): void {
    if (this.has(seq)) return
    const index = wordOf(seq) % this.#words.length
    this.#words[index] = (this.#words[index] as number) | (1 << (seq % 32))
    this.missing--
  }

  /** Makes room up to a higher top; what is new isn't set. */
  advance(from: Bounds, to: Bounds): void {
    // Those that were missing and leave are missed no more.
    const kept = Math.min(to.floor, from.top + 1)
    for (let seq = from.floor; seq < kept; seq++) if (!this.has(seq)) this.missing--
    this.missing += to.top - Math.max(from.top, to.floor - 1)
    // Zero what the ring is about to reuse. Never shift.
    const topWord = from.top < 0 ? -1 : wordOf(from.top)
    const passed = Math.min(wordOf(to.top) - topWord, this.#words.length)
    for (let i = 1; i <= passed; i++) this.#words[(topWord + i) % this.#words.length] = 0
  }
}

// Not `seq >>> 5`: bit operators cut a number at 32 bits, a seq may have 53.
const wordOf = (seq: number): number => Math.floor(seq / 32)
