/**
 * The rows that two peers compare: 32 bytes each, a slot (16) and a value (16).
 *
 * A set keeps one row per slot. `snapshot()` lays them out sorted in one flat array, which is what `Digest` works on and
 * what is cheap to hash: 10,000 rows are 320 KB. What a row means is of no interest here.
 *
 * Invariants: slots in a set are distinct. A snapshot never changes; an unchanged set gives the same array again.
 */
import b4a from 'b4a'

/** Bytes of one row. */
export const ROW_BYTES = 32

/** Bytes of a row's slot, and of its value. */
export const SLOT_BYTES = 16

/** A row: what is compared, and in which state it is. */
export interface Row {
  /** 16 bytes. */
  readonly slot: Uint8Array
  /** 16 bytes. */
  readonly value: Uint8Array
}

/** A set of rows, one per slot. */
export class RowSet {
  readonly #rows = new Map<string, Uint8Array>()
  #snapshot: Uint8Array | null = null

  /** Number of rows. */
  get size(): number {
    return this.#rows.size
  }

  /** Sets the value of a slot; both are copied. False: it has that value already. @throws {RangeError} not 16 bytes each. */
  set(slot: Uint8Array, value: Uint8Array): boolean {
    if (slot.length !== SLOT_BYTES || value.length !== SLOT_BYTES) {
      throw new RangeError(`a row has a slot and a value of ${SLOT_BYTES} bytes each`)
    }
    const id = b4a.toString(slot, 'hex')
    const known = this.#rows.get(id)
    if (known !== undefined && b4a.equals(known.subarray(SLOT_BYTES), value)) return false
    this.#rows.set(id, b4a.concat([slot, value]))
    this.#snapshot = null
    return true
  }

  /** Removes a slot. False: it wasn't there. */
  delete(slot: Uint8Array): boolean {
    if (!this.#rows.delete(b4a.toString(slot, 'hex'))) return false
    this.#snapshot = null
    return true
  }

  /** Is there a row of this slot? */
  has(slot: Uint8Array): boolean {
    return this.#rows.has(b4a.toString(slot, 'hex'))
  }

  /** The value of a slot, or null. Not to be changed. */
  get(slot: Uint8Array): Uint8Array | null {
    return this.#rows.get(b4a.toString(slot, 'hex'))?.subarray(SLOT_BYTES) ?? null
  }

  /** All rows, or those whose slot `filter` keeps, sorted: 32 bytes each. Not to be changed. */
  snapshot(filter?: (slot: Uint8Array) => boolean): Uint8Array {
    this.#snapshot ??= flatten([...this.#rows.values()].sort(b4a.compare))
    if (filter === undefined) return this.#snapshot
    return flatten(splitRows(this.#snapshot).filter(row => filter(row.subarray(0, SLOT_BYTES))))
  }
}

/** Views of the rows of a flat array. */
export function splitRows(flat: Uint8Array): Uint8Array[] {
  const rows: Uint8Array[] = []
  for (let at = 0; at < flat.length; at += ROW_BYTES) rows.push(flat.subarray(at, at + ROW_BYTES))
  return rows
}

/** Copies of the slots of the rows of a flat array. */
export function slotsOf(flat: Uint8Array): Uint8Array[] {
  return splitRows(flat).map(row => new Uint8Array(row.subarray(0, SLOT_BYTES)))
}

function flatten(rows: readonly Uint8Array[]): Uint8Array {
  const flat = new Uint8Array(rows.length * ROW_BYTES)
  for (const [index, row] of rows.entries()) flat.set(row, index * ROW_BYTES)
  return flat
}
