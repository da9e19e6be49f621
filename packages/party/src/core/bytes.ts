/**
 * Reading and writing of the few primitives that records and frames are made of.
 *
 * `uint` is that of compact-encoding: one byte up to 252, else a marker byte (253, 254, 255) and 2, 4 or 8 bytes
 * little-endian. It is written here again, because that library throws on short input: `Reader` turns bad instead and
 * stays bad, so that a decoder asks once, at the end. The tests compare both byte by byte.
 *
 * Invariant: a bad reader returns 0 or empty bytes and never moves past the end, so no size of a remote is ever allocated.
 */
import type { DecodeReason } from './result.js'

const EMPTY = new Uint8Array(0)
const TWO_32 = 0x1_0000_0000
const FIRST_WRITER_BYTES = 128

/** A copy. Never `slice()`: that of a Node Buffer is a view, and buffers of the network are reused. */
export function copyOf(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes)
}

/** Reads bytes from their start. */
export class Reader {
  readonly #bytes: Uint8Array
  #at = 0
  #reason: DecodeReason | null = null

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  /** Why the bytes are bad; null while they are good. */
  get reason(): DecodeReason | null {
    return this.#reason
  }

  /** Was everything so far within the bytes, within 2^53-1 and within the bounds asked for? */
  get isGood(): boolean {
    return this.#reason === null
  }

  /** Bytes that weren't read yet. */
  get remaining(): number {
    return this.#bytes.length - this.#at
  }

  /** Place of the next byte. */
  get position(): number {
    return this.#at
  }

  /** One byte; 0 if there is none. */
  u8(): number {
    const at = this.#take(1)
    return at < 0 ? 0 : (this.#bytes[at] as number)
  }

  /** Two bytes, little-endian; 0 if there are fewer. */
  u16(): number {
    return this.#little(2)
  }

  /** A uint up to `max` (default 2^53-1); 0 if it is larger or cut off. */
  uint(max: number = Number.MAX_SAFE_INTEGER): number {
    const value = this.#uint()
    return value > max ? this.fail('malformed') : value
  }

  /** A view of `size` bytes; empty if there are fewer. */
  fixed(size: number): Uint8Array {
    const at = this.#take(size)
    return at < 0 ? EMPTY : this.#bytes.subarray(at, at + size)
  }

  /** A view of (uint length, bytes); too large if it is longer than `maxBytes`. */
  buffer(maxBytes: number): Uint8Array {
    const size = this.#uint()
    if (size > maxBytes) this.fail('too-large')
    return this.isGood ? this.fixed(size) : EMPTY
  }

  /** Count of a list, at most `max`; each element takes at least `elementBytes`, else it can't be there. */
  count(max: number, elementBytes: number): number {
    const count = this.#uint()
    if (count > max) return this.fail('too-large')
    return count * elementBytes > this.remaining ? this.fail('malformed') : count
  }

  /** A view of what was read since `start`, a former `position`. */
  since(start: number): Uint8Array {
    return this.#bytes.subarray(start, this.#at)
  }

  /** A view of all that is left. */
  rest(): Uint8Array {
    return this.fixed(this.remaining)
  }

  /** Turns bad, for the first reason given. Returns 0. */
  fail(reason: DecodeReason): number {
    this.#reason ??= reason
    this.#at = this.#bytes.length
    return 0
  }

  #uint(): number {
    const marker = this.u8()
    if (marker <= 0xfc) return marker
    if (marker === 0xfd) return this.#little(2)
    if (marker === 0xfe) return this.#little(4)
    const low = this.#little(4)
    const high = this.#little(4)
    return high < 0x20_0000 ? high * TWO_32 + low : this.fail('malformed')
  }

  #little(size: 2 | 4): number {
    const at = this.#take(size)
    if (at < 0) return 0
    const b = this.#bytes
    const low = (b[at] as number) | ((b[at + 1] as number) << 8)
    if (size === 2) return low
    return low + (b[at + 2] as number) * 0x1_0000 + (b[at + 3] as number) * 0x100_0000
  }

  #take(size: number): number {
    if (!this.isGood || size > this.#bytes.length - this.#at) {
      this.fail('malformed')
      return -1
    }
    const at = this.#at
    this.#at += size
    return at
  }
}

/** Writes bytes; grows as needed. */
export class Writer {
  #bytes = new Uint8Array(FIRST_WRITER_BYTES)
  #at = 0

  /** Bytes written so far. */
  get size(): number {
    return this.#at
  }

  /** What was written, as a copy of its own. */
  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#at)
  }

  /** One byte. */
  u8(value: number): this {
    this.#grow(1)
    this.#bytes[this.#at++] = value
    return this
  }

  /** Two bytes, little-endian. */
  u16(value: number): this {
    return this.u8(value & 0xff).u8(value >>> 8)
  }

  /** A uint, 0 to 2^53-1. */
  uint(value: number): this {
    if (value <= 0xfc) return this.u8(value)
    if (value <= 0xffff) return this.u8(0xfd).#little(value, 2)
    if (value < TWO_32) return this.u8(0xfe).#little(value, 4)
    return this.u8(0xff)
      .#little(value % TWO_32, 4)
      .#little(Math.floor(value / TWO_32), 4)
  }

  /** Bytes as they are. */
  fixed(value: Uint8Array): this {
    this.#grow(value.length)
    this.#bytes.set(value, this.#at)
    this.#at += value.length
    return this
  }

  /** Length as uint, then the bytes. */
  buffer(value: Uint8Array): this {
    return this.uint(value.length).fixed(value)
  }

  #little(value: number, size: number): this {
    // `>>>` is right here and only here: every value is below 2^32.
    for (let i = 0; i < size; i++) this.u8((value >>> (8 * i)) & 0xff)
    return this
  }

  #grow(size: number): void {
    if (this.#at + size <= this.#bytes.length) return
    const grown = new Uint8Array(Math.max(this.#at + size, 2 * this.#bytes.length))
    grown.set(this.#bytes)
    this.#bytes = grown
  }
}
