/**
 * What is remembered of each feed, in a few bytes: columns instead of objects, so that 10,000 feeds that nobody opened cost
 * little more than their keys.
 *
 * A row is found by the id that facts name the feed by, or by its discovery key. Rows are never taken away, since a
 * tombstone stays for ever; so a row keeps its number.
 */
import b4a from 'b4a'

const ID_BYTES = 32
const FIRST_CAPACITY = 16
/** Small steps: what was grown but isn't used yet counts as memory of the rows, too. */
const GROWTH = 1.25

/** The columns. Numbers of rows are from 0 to `count - 1`. */
export class FeedRows {
  count = 0
  /** Greatest version of an authorize, -1: none. */
  allowed = new Float64Array(FIRST_CAPACITY)
  /** Greatest version of a deny, -1: none. */
  denied = new Float64Array(FIRST_CAPACITY)
  /** Bits, as their user defines them. */
  flags = new Uint8Array(FIRST_CAPACITY)
  /** Grows with each change of the row. */
  generation = new Uint32Array(FIRST_CAPACITY)
  /** Where the feed's meta lies in the log, and how long it is; 0 bytes: there is none. */
  metaAt = new Float64Array(FIRST_CAPACITY)
  metaBytes = new Uint32Array(FIRST_CAPACITY)
  /** Last known lengths of the feed, also while it isn't open. */
  fork = new Uint32Array(FIRST_CAPACITY)
  length = new Float64Array(FIRST_CAPACITY)
  complete = new Float64Array(FIRST_CAPACITY)
  #ids = new Uint8Array(FIRST_CAPACITY * ID_BYTES)
  #keys = new Uint8Array(FIRST_CAPACITY * ID_BYTES)
  /** First 8 bytes of each discovery key; two words a row. */
  #discovery = new Uint32Array(FIRST_CAPACITY * 2)
  #capacity = FIRST_CAPACITY
  readonly #byId = new HashIndex(row => wordAt(this.#ids, row * ID_BYTES))
  readonly #byDiscovery = new HashIndex(row => this.#discovery[row * 2] as number)

  /** The row with this id; -1: there is none. */
  find(id: Uint8Array): number {
    return this.#byId.find(wordAt(id, 0), row => isAt(this.#ids, row * ID_BYTES, id))
  }

  /**
   * The row of a feed by its discovery key; -1: there is none.
   *
   * @param isIt - Is this the feed? Only some bytes of the discovery key are kept.
   */
  findDiscovery(discoveryKey: Uint8Array, isIt: (row: number) => boolean): number {
    const [first, second] = [wordAt(discoveryKey, 0), wordAt(discoveryKey, 4)]
    return this.#byDiscovery.find(first, row => this.#discovery[row * 2 + 1] === second && isIt(row))
  }

  /** A new row for an id that has none. */
  add(id: Uint8Array): number {
    if (this.count === this.#capacity) this.#grow()
    const row = this.count++
    this.#ids.set(id, row * ID_BYTES)
    this.allowed[row] = -1
    this.denied[row] = -1
    this.#byId.add(row)
    return row
  }

  /** Notes the key of a row that had none. */
  setKey(row: number, key: Uint8Array, discoveryKey: Uint8Array): void {
    this.#keys.set(key, row * ID_BYTES)
    this.#discovery[row * 2] = wordAt(discoveryKey, 0)
    this.#discovery[row * 2 + 1] = wordAt(discoveryKey, 4)
    this.#byDiscovery.add(row)
  }

  /** A copy of the row's id. */
  id(row: number): Uint8Array {
    return b4a.from(this.#ids.subarray(row * ID_BYTES, (row + 1) * ID_BYTES))
  }

  /** A copy of the row's key; zeros if it has none. */
  key(row: number): Uint8Array {
    return b4a.from(this.#keys.subarray(row * ID_BYTES, (row + 1) * ID_BYTES))
  }

  #grow(): void {
    const capacity = Math.ceil(this.#capacity * GROWTH)
    const grown = <A extends Column>(column: A, perRow: number): A => {
      const larger = new (column.constructor as new (length: number) => A)(capacity * perRow)
      larger.set(column)
      return larger
    }
    this.allowed = grown(this.allowed, 1)
    this.denied = grown(this.denied, 1)
    this.flags = grown(this.flags, 1)
    this.generation = grown(this.generation, 1)
    this.metaAt = grown(this.metaAt, 1)
    this.metaBytes = grown(this.metaBytes, 1)
    this.fork = grown(this.fork, 1)
    this.length = grown(this.length, 1)
    this.complete = grown(this.complete, 1)
    this.#ids = grown(this.#ids, ID_BYTES)
    this.#keys = grown(this.#keys, ID_BYTES)
    this.#discovery = grown(this.#discovery, 2)
    this.#capacity = capacity
  }
}

type Column = Uint8Array<ArrayBuffer> | Uint32Array<ArrayBuffer> | Float64Array<ArrayBuffer>

/** Numbers of rows by a hash of 32 bits; open addressing, at most half full. */
class HashIndex {
  readonly #hashOf: (row: number) => number
  /** Number of a row plus 1; 0: free. */
  #places = new Uint32Array(FIRST_CAPACITY * 2)
  #count = 0

  constructor(hashOf: (row: number) => number) {
    this.#hashOf = hashOf
  }

  find(hash: number, isIt: (row: number) => boolean): number {
    const mask = this.#places.length - 1
    for (let at = spread(hash) & mask; this.#places[at] !== 0; at = (at + 1) & mask) {
      const row = (this.#places[at] as number) - 1
      if (this.#hashOf(row) === hash && isIt(row)) return row
    }
    return -1
  }

  add(row: number): void {
    if (++this.#count * 2 > this.#places.length) {
      const before = this.#places
      this.#places = new Uint32Array(before.length * 2)
      for (const place of before) if (place !== 0) this.#put(place - 1)
    }
    this.#put(row)
  }

  #put(row: number): void {
    const mask = this.#places.length - 1
    let at = spread(this.#hashOf(row)) & mask
    while (this.#places[at] !== 0) at = (at + 1) & mask
    this.#places[at] = row + 1
  }
}

/** Ids are hashes already; this is for those of tests, which aren't. */
function spread(hash: number): number {
  return Math.imul(hash, 0x9e3779b1) >>> 7
}

function wordAt(bytes: Uint8Array, at: number): number {
  const [a = 0, b = 0, c = 0, d = 0] = bytes.subarray(at, at + 4)
  return (a | (b << 8) | (c << 16) | (d << 24)) >>> 0
}

function isAt(bytes: Uint8Array, at: number, id: Uint8Array): boolean {
  for (let i = 0; i < ID_BYTES; i++) if (bytes[at + i] !== id[i]) return false
  return true
}
