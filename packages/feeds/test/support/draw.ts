/**
 * What random tests draw from: the same for the same seed.
 */

/** Draws of one seed. */
export interface Draw {
  /** A whole number from 0 to below `below`. */
  below(below: number): number
  /** A whole number from `least` to `most`. */
  between(least: number, most: number): number
  pick<T>(from: readonly T[]): T
  /** At least `least` of them, in their order. */
  some<T>(from: readonly T[], least?: number): T[]
}

/** Mulberry32: 32 bits of state are enough to choose test cases. */
export function drawFrom(seed: number): Draw {
  let state = (seed * 0x9e3779b1) >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const below = (limit: number): number => Math.floor(next() * limit)
  const some = <T>(from: readonly T[], least = 0): T[] => {
    const drawn = from.filter(() => next() < 0.6)
    return drawn.length < least ? some(from, least) : drawn
  }
  return {
    below,
    between: (least, most) => least + below(most - least + 1),
    pick: from => from[below(from.length)] as (typeof from)[number],
    some
  }
}
