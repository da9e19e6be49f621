/**
 * A credential: the chain of records that admits an author, as it travels in BIND. `buf[]`: the genesis, then admissions
 * from the founder down.
 *
 * Invariant: `decodeCredential` never throws; what isn't a chain of records is no credential.
 */
import { LIMITS } from '../limits.js'
import { Reader, Writer } from './bytes.js'
import { decodeRecord, type PartyRecord } from './records.js'

/** Encodes a chain. Within `maxCredentialBytes`, as the chain is within `maxChain`. */
export function encodeCredential(records: readonly PartyRecord[]): Uint8Array {
  const writer = new Writer()
  for (const record of records) writer.buffer(record.bytes)
  return writer.finish()
}

/** The records of a chain; empty if these bytes are none. */
export function decodeCredential(bytes: Uint8Array): PartyRecord[] {
  const reader = new Reader(bytes)
  const records: PartyRecord[] = []
  while (reader.remaining > 0) {
    if (records.length > LIMITS.maxChain) return []
    const record = decodeRecord(reader.buffer(LIMITS.maxRecordBytes))
    if (!reader.isGood || !record.ok) return []
    if (record.value.body.kind !== 'genesis' && record.value.body.kind !== 'admit') return []
    records.push(record.value)
  }
  return records
}
