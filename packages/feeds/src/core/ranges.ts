/**
 * Sorted rows as a radix tree of 16 children, without building one: a range is two indexes into the flat array.
 *
 * Fingerprints hash the rows in their order with a salt that only the two peers know. Sums of hashes would be cheaper to
 * change, but whoever may choose items can make sums collide (generalised birthday); with a secret salt nobody prepares a
 * collision, so 8 bytes are enough below the root.
 *
 * Invariant: each row is hashed at most once per depth and round, if ranges are asked for at most once.
 */
import b4a from 'b4a'
import type { DigestChild, DigestNode, DigestRange } from './digest-types.js'
import { ROW_BYTES } from './rows.js'

const ROOT_FP_BYTES = 16
const FP_BYTES = 8

/** Indexes of rows: `start` to `end - 1`. */
export interface Span {
  readonly start: number
  readonly end: number
}

/** The rows of one round under its salt. */
export class Ranges {
  readonly #rows: Uint8Array
  readonly #salt: Uint8Array
  readonly #keyedHash: (key: Uint8Array, ...parts: Uint8Array[]) => Uint8Array
  /** Number of rows. */
  readonly count: number

  constructor(
    rows: Uint8Array,
    salt: Uint8Array,
    keyedHash: (key: Uint8Array, ...parts: Uint8Array[]) => Uint8Array
  ) {
    this.#rows = rows
    this.#salt = salt
    this.#keyedHash = keyedHash
    this.count = rows.length / ROW_BYTES
  }

  /** Fingerprint of all rows, 16 bytes. */
  rootFp(): Uint8Array {
    return this.#keyedHash(this.#salt, this.#rows).subarray(0, ROOT_FP_BYTES)
  }

  /** Fingerprint of no rows, 16 bytes. */
  emptyFp(): Uint8Array {
    return this.#keyedHash(this.#salt, new Uint8Array(0)).subarray(0, ROOT_FP_BYTES)
  }

  /** Fingerprint of a range, 8 bytes. */
  fp(span: Span): Uint8Array {
    return this.#keyedHash(this.#salt, this.bytes(span)).subarray(0, FP_BYTES)
  }

  /** Short of any row, ours or not, 8 bytes as 16 hex digits. */
  short(row: Uint8Array): string {
    return b4a.toString(this.#keyedHash(this.#salt, row).subarray(0, FP_BYTES), 'hex')
  }

  /** The row at an index, a view. */
  row(index: number): Uint8Array {
    return this.#rows.subarray(index * ROW_BYTES, (index + 1) * ROW_BYTES)
  }

  /** The rows of a range, a view. */
  bytes(span: Span): Uint8Array {
    return this.#rows.subarray(span.start * ROW_BYTES, span.end * ROW_BYTES)
  }

  /** The rows of a range. */
  find(range: DigestRange): Span {
    let span: Span = { start: 0, end: this.count }
    for (let depth = 0; depth < range.depth; depth++) {
      const nibble = nibbleOf(range.path, depth)
      const start = this.#boundary(span, depth, nibble)
      span = { start, end: this.#boundary({ start, end: span.end }, depth, nibble + 1) }
    }
    return span
  }

  /** The 16 children of the rows of a range, in order; many may be empty. */
  children(span: Span, depth: number): Span[] {
    const children: Span[] = []
    let start = span.start
    for (let nibble = 0; nibble < 16; nibble++) {
      const end = this.#boundary({ start, end: span.end }, depth, nibble + 1)
      children.push({ start, end })
      start = end
    }
    return children
  }

  /** A range with the fingerprints of its children. */
  nodeOf(range: DigestRange): DigestNode {
    const children: DigestChild[] = []
    for (const [nibble, span] of this.children(this.find(range), range.depth).entries()) {
      const count = span.end - span.start
      if (count > 0) children.push({ nibble, count, fp: this.fp(span) })
    }
    return { ...range, children }
  }

  /** First index in `span`, whose rows share the first `depth` nibbles, with a nibble there of at least `nibble`. */
  #boundary(span: Span, depth: number, nibble: number): number {
    let low = span.start
    let high = span.end
    while (low < high) {
      const middle = (low + high) >>> 1
      if (nibbleOf(this.row(middle), depth) < nibble) low = middle + 1
      else high = middle
    }
    return low
  }
}

/** The range of all rows. */
export const ROOT_RANGE: DigestRange = Object.freeze({ depth: 0, path: new Uint8Array(0) })

/** Child `nibble` of a range. */
export function childOf(range: DigestRange, nibble: number): DigestRange {
  const path = new Uint8Array(Math.ceil((range.depth + 1) / 2))
  path.set(range.path)
  const last = path.length - 1
  const isHigh = range.depth % 2 === 0
  path[last] = (path[last] as number) | (isHigh ? nibble << 4 : nibble)
  return { depth: range.depth + 1, path }
}

/** Name of a range, for maps. */
export function rangeId(range: DigestRange): string {
  return `${range.depth}:${b4a.toString(range.path, 'hex')}`
}

/** Name of the range that this one is a child of. */
export function parentId(range: DigestRange): string {
  const depth = range.depth - 1
  // Not slice(): that of a Node Buffer is a view, and the path is changed below.
  const path = new Uint8Array(range.path.subarray(0, Math.ceil(depth / 2)))
  const last = path.length - 1
  if (depth % 2 === 1) path[last] = (path[last] as number) & 0xf0
  return rangeId({ depth, path })
}

function nibbleOf(bytes: Uint8Array, depth: number): number {
  const byte = bytes[depth >>> 1] as number
  return depth % 2 === 0 ? byte >>> 4 : byte & 0x0f
}
