/**
 * Random values with a bias to the edges: the borders of each width of a number, the bounds of the protocol and one more,
 * nothing at all. A uniform generator meets one of them once in billions of draws, and there decoders break.
 */
import type { Rng } from '../sim/rng.js'

const MAX = Number.MAX_SAFE_INTEGER
const WIDTHS = [7, 8, 14, 16, 31, 32, 48]
/** Where the encoding of a number changes, or where somebody counts with too few bits. */
const EDGES = [
  ...[0, 1, 2, 3, 63, 64, 65, 252, 253, 254],
  ...WIDTHS.flatMap(bits => [2 ** bits - 1, 2 ** bits, 2 ** bits + 1]),
  ...[MAX - 64, MAX - 1, MAX]
]
const EDGE_BYTES = [0, 1, 2, 0x7f, 0x80, 0x81, 0x91, 0xc1, 0xfc, 0xfd, 0xfe, 0xff]

/** Draws such values from a seed. */
export class Draw {
  readonly rng: Rng

  constructor(rng: Rng) {
    this.rng = rng
  }

  /** 0 to 2^53-1. `near`: bounds of the field; they and their neighbours are likely. */
  uint(...near: number[]): number {
    const { rng } = this
    const kind = rng.uint32() & 7
    if (kind < 3) return rng.uint32() & 15
    if (kind < 5) return rng.pick(EDGES)
    if (kind < 7 && near.length > 0) return Math.max(0, rng.pick(near) + (rng.uint32() % 3) - 1)
    return Math.floor(rng.float() * 2 ** (1 + (rng.uint32() % 53)))
  }

  /** As `uint`, never above `max`. */
  upTo(max: number): number {
    const value = this.uint(max)
    return value <= max ? value : value % (max + 1)
  }

  /** One byte. */
  u8(): number {
    const { rng } = this
    return rng.chance(0.5) ? rng.pick(EDGE_BYTES) : rng.uint32() & 0xff
  }

  /** A length: mostly short, sometimes at `limit`, rarely one above. */
  length(limit: number): number {
    const { rng } = this
    const kind = rng.uint32() & 63
    if (kind > 1) return Math.min(limit, kind < 24 ? kind & 3 : rng.uint32() & 31)
    return kind === 0 ? limit : limit + (rng.uint32() & 1)
  }

  /** `length` bytes, all equal or all different. */
  bytes(length: number): Uint8Array {
    const bytes = new Uint8Array(length).fill(this.u8())
    if (this.rng.chance(0.5)) for (let i = 0; i < length; i++) bytes[i] = this.rng.uint32()
    return bytes
  }

  /** `count` values. */
  list<T>(count: number, make: (index: number) => T): T[] {
    return Array.from({ length: count }, (_, index) => make(index))
  }

  /** A number as `uint` of the wire: in the shortest form, in a longer one, or of 2^53 and more, which nobody may take. */
  varint(): Uint8Array {
    const { rng } = this
    if (rng.chance(0.1)) return Uint8Array.of(0xff, ...this.bytes(6), 0x20 | this.u8(), this.u8())
    const value = this.uint()
    const least = value <= 0xfc ? 0 : value <= 0xffff ? 2 : value < 2 ** 32 ? 4 : 8
    const size = rng.chance(0.8) ? least : Math.max(least, rng.pick([2, 4, 8]))
    if (size === 0) return Uint8Array.of(value)
    const bytes = new Uint8Array(1 + size)
    bytes[0] = size === 2 ? 0xfd : size === 4 ? 0xfe : 0xff
    for (let i = 0, rest = value; i < size; i++, rest = Math.floor(rest / 256)) bytes[1 + i] = rest % 256
    return bytes
  }
}
