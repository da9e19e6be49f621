/** Seeded randomness: the only source of chance in a simulation, so that a seed repeats it. */

/** A stream of random numbers (sfc32). Equal seeds give equal streams on every machine. */
export class Rng {
  #a: number
  #b: number
  #c: number
  #counter = 1

  constructor(seed: number) {
    this.#a = seed | 0
    this.#b = Math.floor(seed / 0x1_0000_0000) | 0
    this.#c = 0x9e3779b9 | 0
    // The first outputs of close seeds are alike.
    for (let i = 0; i < 12; i++) this.uint32()
  }

  /** Uniform in 0 .. 2^32 - 1. */
  uint32(): number {
    const sum = (((this.#a + this.#b) | 0) + this.#counter) | 0
    this.#counter = (this.#counter + 1) | 0
    this.#a = this.#b ^ (this.#b >>> 9)
    this.#b = (this.#c + (this.#c << 3)) | 0
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + sum
    this.#c |= 0
    return sum >>> 0
  }

  /** Uniform in [0, 1). */
  readonly float = (): number => this.uint32() / 0x1_0000_0000

  /** Uniform integer in `min` .. `max`, both included. */
  int(min: number, max: number): number {
    return min + Math.floor(this.float() * (max - min + 1))
  }

  /** True with this probability. */
  chance(probability: number): boolean {
    return this.float() < probability
  }

  /** One of `values`, which must not be empty. */
  pick<T>(values: readonly T[]): T {
    if (values.length === 0) throw new RangeError('nothing to pick from')
    return values[this.int(0, values.length - 1)] as T
  }

  /** A copy of `values` in random order. */
  shuffle<T>(values: readonly T[]): T[] {
    const copy = [...values]
    for (let i = copy.length - 1; i > 0; i--) {
      const j = this.int(0, i)
      ;[copy[i], copy[j]] = [copy[j] as T, copy[i] as T]
    }
    return copy
  }

  /** Random bytes. */
  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.uint32() & 0xff)
  }

  /** A stream of its own, so that what one part draws doesn't shift what others draw. */
  fork(): Rng {
    return new Rng(this.uint32() * 0x20_0000 + (this.uint32() >>> 11))
  }
}

/** A running hash of numbers: equal runs have equal hashes. */
export class TraceHash {
  #a = 0x811c9dc5
  #b = 0x2545f491

  /** Takes up numbers; fractions are ignored. */
  add(...values: number[]): void {
    for (const value of values) {
      this.#a = Math.imul(this.#a ^ (value | 0), 0x01000193)
      this.#b =
        Math.imul(this.#b ^ Math.floor(value / 0x1_0000_0000) ^ this.#a, 0x85ebca6b) ^ (this.#a >>> 13)
    }
  }

  /** Takes up bytes. */
  addBytes(bytes: Uint8Array): void {
    this.add(bytes.length)
    for (const byte of bytes) this.#a = Math.imul(this.#a ^ byte, 0x01000193)
    this.#b ^= this.#a
  }

  /** 16 hex digits. */
  get value(): string {
    return [this.#a, this.#b].map(part => (part >>> 0).toString(16).padStart(8, '0')).join('')
  }
}
