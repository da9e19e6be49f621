/**
 * Remembers which seqs of one (author, incarnation) were accepted: the dedup of the protocol.
 *
 * A plain "highest seq wins" loses messages that overtake each other on two paths, so a ring of bits stands behind
 * `top` (RFC 6479). The word that holds `top` is only partly used, therefore n words remember (n - 1) * 32 seqs.
 *
 * Invariants:
 * 1. `check` and `checkRange` never write. Only `mark` does, after the signature was verified; otherwise anyone
 *    silences an author by naming it in a forged batch with a predicted seq (go-libp2p-pubsub #155).
 * 2. A seq that was marked is never 'fresh' again: below `floor` everything is 'stale'. Growing keeps the floor where it
 *    was, because the ring has forgotten what lies below.
 * 3. A jump of `top` costs at most one write per word, whatever its length.
 */

/** What a window says about one seq: not seen, seen, or too old to know. */
export type Freshness = 'fresh' | 'duplicate' | 'stale'

/** The same for all seqs of a batch. 'overlap': some were seen, some weren't. */
export type RangeFreshness = 'new' | 'duplicate' | 'stale' | 'overlap'

/** A sliding window over the seqs of one incarnation. */
export class Window {
  #words: Uint32Array
  #top = -1
  #floor = 0

  /** @param seqs - How many seqs are remembered: `top` and those below it; rounded up to a multiple of 32. */
  constructor(seqs: number) {
    this.#words = new Uint32Array(wordsFor(seqs))
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
    return (this.#words.length - 1) * 32
  }

  /** Was `seq` (0 to 2^53-1) marked? */
  check(seq: number): Freshness {
    if (seq > this.#top) return 'fresh'
    if (seq < this.#floor) return 'stale'
    return this.#isMarked(seq) ? 'duplicate' : 'fresh'
  }

  /** Were `seq0` to `seq0 + count - 1` marked? 'stale' as soon as the first is. `count` is at least 1. */
  checkRange(seq0: number, count: number): RangeFreshness {
    if (seq0 > this.#top) return 'new'
    if (seq0 < this.#floor) return 'stale'
    const end = Math.min(seq0 + count, this.#top + 1)
    let marked = 0
    for (let seq = seq0; seq < end; seq++) if (this.#isMarked(seq)) marked++
    return marked === 0 ? 'new' : marked === count ? 'duplicate' : 'overlap'
  }

  /** Marks `seq`. A stale one is left alone: its bit stands for another seq by now. */
  mark(seq: number): void {
    if (seq > this.#top) this.#advance(seq)
    if (seq < this.#floor) return
    const index = wordOf(seq) % this.#words.length
    this.#words[index] = (this.#words[index] as number) | (1 << (seq % 32))
  }

  /** Marks `seq0` to `seq0 + count - 1`. */
  markRange(seq0: number, count: number): void {
    // The end first: one advance instead of `count`.
    for (let seq = seq0 + count - 1; seq >= seq0; seq--) this.mark(seq)
  }

  /** Remembers `seqs` from now on, if that is more than now. What was forgotten stays stale. */
  grow(seqs: number): void {
    const old = this.#words
    const size = wordsFor(seqs)
    if (size <= old.length) return
    const grown = new Uint32Array(size)
    const topWord = this.#top < 0 ? -1 : wordOf(this.#top)
    for (let word = Math.max(0, topWord - old.length + 1); word <= topWord; word++) {
      grown[word % size] = old[word % old.length] as number
    }
    this.#words = grown
  }

  #isMarked(seq: number): boolean {
    return ((this.#words[wordOf(seq) % this.#words.length] as number) & (1 << (seq % 32))) !== 0
  }

  #advance(seq: number): void {
    const size = this.#words.length
    const word = wordOf(seq)
    const topWord = this.#top < 0 ? -1 : wordOf(this.#top)
    // Zero what the ring is about to reuse. Never shift.
    const passed = Math.min(word - topWord, size)
    for (let i = 1; i <= passed; i++) this.#words[(topWord + i) % size] = 0
    this.#top = seq
    this.#floor = Math.max(this.#floor, seq - this.seqs + 1)
  }
}

// Not `seq >>> 5`: bit operators cut a number at 32 bits, a seq may have 53.
const wordOf = (seq: number): number => Math.floor(seq / 32)

const wordsFor = (seqs: number): number => Math.ceil(seqs / 32) + 1
