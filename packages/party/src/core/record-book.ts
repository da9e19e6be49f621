/**
 * The records that this node holds and passes on: set 0 (denials) and set 1 (introductions).
 *
 * Per slot one record counts: the higher version, then a denial, then the larger digest, so that nodes that saw the same
 * records hold the same ones, whatever the order. Records are kept byte for byte as they were signed.
 *
 * Invariants: 1. `put` takes what the caller verified and found admissible, nothing else. 2. A record is verified once:
 * digests of good ones are remembered (bounded). 3. Rows that were refused are remembered (bounded), so that they aren't
 * pulled again on every connection.
 */
import { RowSet } from '@hearsay/feeds/core'
import type { CryptoPort } from '@hearsay/gossip/core'
import b4a from 'b4a'
import type { PartyKeys } from './keys.js'
import {
  type PartyRecord,
  recordDigest,
  recordSet,
  recordSlot,
  recordVersion,
  recordWins,
  verifyRecord
} from './records.js'

const VALUE_BYTES = 16
const ROW_BYTES = 32

/** Number of a set that holds records. */
export type RecordSetNumber = 0 | 1

/** Where a record belongs. */
export interface RecordPlace {
  readonly set: RecordSetNumber
  /** 16 bytes, and as hex. */
  readonly slot: Uint8Array
  readonly slotId: string
  /** First 16 bytes of its digest. */
  readonly value: Uint8Array
}

/** What a book is made of. */
export interface RecordBookOptions {
  crypto: CryptoPort
  keys: PartyKeys
  maxVerified: number
  maxRefused: number
  /** The record of a slot changed; null: none is held there any more. */
  onheld?(slotId: string, record: PartyRecord | null): void
}

/** Sets 0 and 1 of one party. */
export class RecordBook {
  readonly #options: RecordBookOptions
  readonly #records: readonly [Map<string, PartyRecord>, Map<string, PartyRecord>] = [new Map(), new Map()]
  readonly #rows: readonly [RowSet, RowSet] = [new RowSet(), new RowSet()]
  readonly #refused: readonly [Map<string, Uint8Array>, Map<string, Uint8Array>] = [new Map(), new Map()]
  readonly #verified = new Set<string>()
  /** Counts what changed in each set: tells whether a comparison is due. */
  readonly changes: [number, number] = [0, 0]

  constructor(options: RecordBookOptions) {
    this.#options = options
  }

  /** Records of a set. */
  size(set: RecordSetNumber): number {
    return this.#records[set].size
  }

  /** Slot and row of a record. */
  placeOf(record: PartyRecord): RecordPlace {
    const { crypto, keys } = this.#options
    const slot = recordSlot(crypto, keys, record)
    const value = recordDigest(keys, record).slice(0, VALUE_BYTES)
    return { set: recordSet(record), slot, slotId: b4a.toString(slot, 'hex'), value }
  }

  /** Did its author sign it for this party? Costs a signature check once per record. */
  isAuthentic(record: PartyRecord): boolean {
    const { crypto, keys, maxVerified } = this.#options
    // The signature belongs to the name of the cache entry: the digest alone would let a second, wrong one pass.
    const id = b4a.toString(recordDigest(keys, record), 'hex') + b4a.toString(record.signature, 'hex')
    if (this.#verified.has(id)) return true
    if (!verifyRecord(crypto, keys, record)) return false
    this.#verified.add(id)
    if (this.#verified.size > maxVerified) {
      const oldest = this.#verified.values().next().value
      if (oldest !== undefined) this.#verified.delete(oldest)
    }
    return true
  }

  /** The record of a slot (hex), or null. */
  get(set: RecordSetNumber, slotId: string): PartyRecord | null {
    return this.#records[set].get(slotId) ?? null
  }

  /** Version of the record of a slot; 0: none. */
  versionAt(set: RecordSetNumber, slotId: string): number {
    const record = this.#records[set].get(slotId)
    return record === undefined ? 0 : recordVersion(record)
  }

  /** Takes a record, if it counts more than the one in its slot. */
  put(record: PartyRecord, place: RecordPlace = this.placeOf(record)): boolean {
    const holder = this.#records[place.set].get(place.slotId)
    if (holder !== undefined && !recordWins(this.#options.keys, record, holder)) return false
    this.#records[place.set].set(place.slotId, record)
    this.#rows[place.set].set(place.slot, place.value)
    this.#refused[place.set].delete(place.slotId)
    this.changes[place.set]++
    this.#options.onheld?.(place.slotId, record)
    return true
  }

  /** Lets a record go that counts no more. */
  delete(place: RecordPlace): void {
    if (!this.#records[place.set].delete(place.slotId)) return
    this.#rows[place.set].delete(place.slot)
    this.changes[place.set]++
    this.#options.onheld?.(place.slotId, null)
  }

  /** Records of a set, in no particular order. */
  all(set: RecordSetNumber): Iterable<PartyRecord> {
    return this.#records[set].values()
  }

  /** Rows to be compared: those of `filter`, which is asked with the record. */
  snapshot(set: RecordSetNumber, filter?: (record: PartyRecord) => boolean): Uint8Array {
    if (filter === undefined) return this.#rows[set].snapshot()
    return this.#rows[set].snapshot(slot => {
      const record = this.#records[set].get(b4a.toString(slot, 'hex'))
      return record !== undefined && filter(record)
    })
  }

  /** The record of this row (32 bytes), if that is still the one in its slot. */
  ofRow(set: RecordSetNumber, row: Uint8Array): PartyRecord | null {
    const slot = row.subarray(0, VALUE_BYTES)
    const value = this.#rows[set].get(slot)
    if (value === null || !b4a.equals(value, row.subarray(VALUE_BYTES, ROW_BYTES))) return null
    return this.#records[set].get(b4a.toString(slot, 'hex')) ?? null
  }

  /** Remembers a row that we don't want. */
  refuse(place: RecordPlace): void {
    const refused = this.#refused[place.set]
    refused.delete(place.slotId)
    refused.set(place.slotId, rowOf(place))
    if (refused.size <= this.#options.maxRefused) return
    const oldest = refused.keys().next().value
    if (oldest !== undefined) refused.delete(oldest)
  }

  /** The rules changed: what was refused of set 1 may be pulled again. */
  forgetRefused(): void {
    this.#refused[1].clear()
  }

  /** Rows that aren't wanted, flat, 32 bytes each. */
  refusedRows(set: RecordSetNumber): Uint8Array[] {
    return Array.from(this.#refused[set].values())
  }
}

/** The row of a record, 32 bytes. */
export function rowOf(place: RecordPlace): Uint8Array {
  return b4a.concat([place.slot, place.value])
}
