/**
 * Ranges of messages that a subscription lost, bounded.
 *
 * Adjacent seqs of one incarnation are one range. At the bound a new range is merged with the nearest one of its
 * incarnation, which isn't exact any more. An incarnation without a range gets one nevertheless, so that no loss is
 * silent; only at four times the bound the oldest range is forgotten, and counted.
 */
import b4a from 'b4a'

/** Messages of one incarnation that were lost: `from` and `to` included. */
export interface LostRange {
  readonly author: Uint8Array
  readonly incarnation: string
  readonly from: number
  readonly to: number
  /** Messages that were lost; less than `to - from + 1` only if not exact. */
  readonly count: number
  /** False: messages that weren't lost lie inside. */
  readonly exact: boolean
}

/** Whose messages are lost. */
export type MessageSource = Pick<LostRange, 'author' | 'incarnation'>

/** Ranges at most, as a multiple of the bound, when each is of another incarnation. A guess; a scan stays near 1 us. */
const SPREAD = 4

interface Range extends MessageSource {
  from: number
  to: number
  count: number
}

/** A bounded list of lost ranges, oldest first. A seq may be added once. */
export class LostRanges {
  readonly #max: number
  readonly #ranges: Range[] = []
  #forgotten = 0

  /** @param max - Ranges kept apart, at least 1. */
  constructor(max: number) {
    this.#max = Math.max(1, max)
  }

  /** The ranges, oldest first; copies. */
  get list(): LostRange[] {
    return this.#ranges.map(toLostRange)
  }

  /** How many ranges there are. */
  get size(): number {
    return this.#ranges.length
  }

  /** Messages whose range was forgotten because too many incarnations lost some. */
  get forgotten(): number {
    return this.#forgotten
  }

  /** Adds `from` to `to`, both included, of which `count` were lost: default all. */
  add(source: MessageSource, range: { from: number; to: number; count?: number }): void {
    const { from, to, count = to - from + 1 } = range
    const { author, incarnation } = source
    let added: Range = { author, incarnation, from, to, count }
    let near = this.#nearest(added, this.#ranges.length < this.#max ? 1 : Number.POSITIVE_INFINITY)
    // It may close the hole between two ranges, so look again after each merge.
    for (; near >= 0; near = this.#nearest(added, 1)) {
      const [range] = this.#ranges.splice(near, 1)
      added = merge(range as Range, added)
    }
    if (this.#ranges.length >= this.#max * SPREAD) this.#forgotten += this.#ranges.shift()?.count ?? 0
    this.#ranges.push(added)
  }

  /** Takes the oldest range away. */
  shift(): LostRange | undefined {
    const range = this.#ranges.shift()
    return range === undefined ? undefined : toLostRange(range)
  }

  /** Index of the range of the same incarnation with the smallest distance, at most `max`; -1: there is none. */
  #nearest(added: Range, max: number): number {
    let best = -1
    let distance = max
    // The newest first: what is lost now mostly touches what was lost last.
    for (let i = this.#ranges.length - 1; i >= 0 && (best < 0 || distance > 1); i--) {
      const range = this.#ranges[i] as Range
      const between = Math.max(range.from - added.to, added.from - range.to)
      const isNearer = best < 0 ? between <= distance : between < distance
      if (!isNearer || !isSame(range, added)) continue
      best = i
      distance = between
    }
    return best
  }
}

function merge(a: Range, b: Range): Range {
  return { ...a, from: Math.min(a.from, b.from), to: Math.max(a.to, b.to), count: a.count + b.count }
}

function toLostRange(range: Range): LostRange {
  return { ...range, exact: range.count === range.to - range.from + 1 }
}

function isSame(a: MessageSource, b: MessageSource): boolean {
  return a.incarnation === b.incarnation && (a.author === b.author || b4a.equals(a.author, b.author))
}
