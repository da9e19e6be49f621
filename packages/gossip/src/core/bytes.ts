/**
 * Reading and writing of the few primitives that frames are made of.
 *
 * `uint` is that of compact-encoding: one byte up to 252, else a marker byte (253, 254, 255) and 2, 4 or 8 bytes
 * little-endian. It is written here again, because that library throws on short input: `Reader` turns bad instead and
 * stays bad, so that a decoder asks once, at the end. The tests compare both byte by byte.
 *
 * Invariant: a bad reader returns 0 or empty bytes and never moves past the end, so no size of a remote is ever allocated.
 */
const EMPTY = new Uint8Array(0)
const TWO_32 = 0x1_0000_0000

/** Bytes that `value` takes as uint: 1, 3, 5 or 9. */
export function uintSize(value: number): number {
  return value <= 0xfc ? 1 : value <= 0xffff ? 3 : value < TWO_32 ? 5 : 9
}

/** A copy. Not `bytes.slice()`: a network frame is a Buffer, whose `slice` is a view. */
export function copyOf(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes)
}

/** Reads one frame from its start. */
export class Reader {
  readonly #bytes: Uint8Array
  #at = 0
  #isBad = false

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  /** Was everything so far within the bytes and within 2^53-1? */
  get isGood(): boolean {
    return !this.#isBad
  }

  /** Bytes that weren't read yet. */
  get remaining(): number {
    return this.#bytes.length - this.#at
  }

  /** One byte; 0 if there is none. */
  u8(): number {
    const at = this.#take(1)
    return at < 0 ? 0 : (this.#bytes[at] as number)
  }

  /** A uint up to 2^53-1; 0 if it is larger or cut off. */
  uint(): number {
    const marker = this.u8()
    if (marker <= 0xfc) return marker
    if (marker === 0xfd) return this.#little(2)
    if (marker === 0xfe) return this.#little(4)
    const low = this.#little(4)
    const high = this.#little(4)
    if (high < 0x20_0000) return high * TWO_32 + low
    return this.fail()
  }

  /** A view of `size` bytes; empty if there are fewer. */
  fixed(size: number): Uint8Array {
    const at = this.#take(size)
    return at < 0 ? EMPTY : this.#bytes.subarray(at, at + size)
  }

  /** A view of (uint length, bytes); bad if it is longer than `maxBytes`. */
  buffer(maxBytes: number): Uint8Array {
    const size = this.uint()
    if (size > maxBytes) this.fail()
    return this.#isBad ? EMPTY : this.fixed(size)
  }

  /** Passes over `size` bytes. */
  skip(size: number): void {
    this.#take(size)
  }

  /** A view of all that is left. */
  rest(): Uint8Array {
    return this.fixed(this.remaining)
  }

  /** Turns bad. Returns 0. */
  fail(): number {
    this.#isBad = true
    this.#at = this.#bytes.length
    return 0
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
    if (this.#isBad || size > this.#bytes.length - this.#at) {
      this.fail()
      return -1
    }
    const at = this.#at
    this.#at += size
    return at
  }
}

/** Writes into bytes that the caller sized. */
export class Writer {
  /** What is written; complete once all fields were. */
  readonly bytes: Uint8Array
  #at = 0

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
  }

  /** One byte. */
  u8(value: number): this {
    this.bytes[this.#at++] = value
    return this
  }

  /** A uint, 0 to 2^53-1. */
  uint(value: number): this {
    if (value <= 0xfc) return this.u8(value)
    if (value <= 0xffff) return this.u8(0xfd).#little(value, 2)
    if (value < TWO_32) return this.u8(0xfe).#little(value, 4)
    return this.u8(0xff).u64(value)
  }

  /** Eight bytes, little-endian, 0 to 2^53-1. */
  u64(value: number): this {
    return this.#little(value % TWO_32, 4).#little(Math.floor(value / TWO_32), 4)
  }

  /** Bytes as they are. */
  fixed(value: Uint8Array): this {
    this.bytes.set(value, this.#at)
    this.#at += value.length
    return this
  }

  /** Length as uint, then the bytes. */
  buffer(value: Uint8Array): this {
    return this.uint(value.length).fixed(value)
  }

  #little(value: number, size: number): this {
    // `>>>` is right here and only here: every value is below 2^32.
    for (let i = 0; i < size; i++) this.bytes[this.#at++] = (value >>> (8 * i)) & 0xff
    return this
  }
}
