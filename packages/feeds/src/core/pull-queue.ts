/**
 * What we still have to pull in a round: one PULL at a time, the rest waits as plain bytes.
 *
 * Invariants: at most one PULL is open. Only rows that the open PULL named are taken, each once. What we refused before is
 * never asked for. A peer that names a million rows costs 8 bytes each.
 */
import b4a from 'b4a'
import type { Ranges } from './ranges.js'
import { splitRows } from './rows.js'

const SHORT_BYTES = 8
const FIRST_QUEUE_BYTES = 1024

/** The queue of one round. */
export class PullQueue {
  readonly #ranges: Ranges
  readonly #maxShorts: number
  readonly #refusedRows: Uint8Array
  #refused: Set<string> | null = null
  #queue = new Uint8Array(FIRST_QUEUE_BYTES)
  #from = 0
  #to = 0
  #asked: Set<string> | null = null
  #allLeft = 0

  constructor(ranges: Ranges, maxShorts: number, refused: (() => Uint8Array) | undefined) {
    this.#ranges = ranges
    this.#maxShorts = maxShorts
    this.#refusedRows = refused?.() ?? new Uint8Array(0)
  }

  /** Do we refuse nothing? */
  get hasNoRefused(): boolean {
    return this.#refusedRows.length === 0
  }

  /** Is an answer still to come? */
  get isOpen(): boolean {
    return this.#asked !== null
  }

  /** Notes a short that we lack; not if we refused it. */
  add(short: Uint8Array): void {
    this.#refused ??= new Set(splitRows(this.#refusedRows).map(row => this.#ranges.short(row)))
    if (this.#refused.has(b4a.toString(short, 'hex'))) return
    if (this.#to + SHORT_BYTES > this.#queue.length) {
      const grown = new Uint8Array(2 * this.#queue.length)
      grown.set(this.#queue)
      this.#queue = grown
    }
    this.#queue.set(short, this.#to)
    this.#to += SHORT_BYTES
  }

  /** All of the peer's rows are asked for, of which there are `count`. */
  openAll(count: number): void {
    this.#asked = new Set()
    this.#allLeft = count
  }

  /** The shorts of the next PULL, which is open from now on; null: nothing is left. Only if none is open. */
  next(): Uint8Array[] | null {
    if (this.#from === this.#to) return null
    const shorts: Uint8Array[] = []
    const asked = new Set<string>()
    while (this.#from < this.#to && shorts.length < this.#maxShorts) {
      const short = this.#queue.slice(this.#from, this.#from + SHORT_BYTES)
      this.#from += SHORT_BYTES
      shorts.push(short)
      asked.add(b4a.toString(short, 'hex'))
    }
    this.#asked = asked
    return shorts
  }

  /** Is this row asked for now? */
  has(row: Uint8Array): boolean {
    if (this.#asked === null) return false
    return this.#allLeft > 0 || this.#asked.has(this.#ranges.short(row))
  }

  /** Takes a row off the open PULL. False: it wasn't asked for. */
  take(row: Uint8Array): boolean {
    if (this.#asked === null) return false
    if (this.#allLeft > 0) {
      this.#allLeft--
      return true
    }
    return this.#asked.delete(this.#ranges.short(row))
  }

  /** The answer is complete. */
  close(): void {
    this.#asked = null
    this.#allLeft = 0
  }
}
