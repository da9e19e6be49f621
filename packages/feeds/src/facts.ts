/**
 * The bytes of the fact log: file header, entries, facts. Encoding and decoding only, no file.
 *
 *   header  magic 'HSFACTS1' (8) | setId (32) | crc32c of both (u32)
 *   entry   length (u32: of sequence and facts, 8 to maxEntryBytes) | crc32c of what follows (u32)
 *           | sequence (u64: 0, 1, 2, ... in the file) | facts[]
 *   fact    kind (u8) | length (uint) | bytes
 *
 * Integers are little-endian, `uint` is that of compact-encoding. Decoders never throw. A fact of an unknown kind is
 * skipped, so that an older release reads what a newer one wrote.
 */
import b4a from 'b4a'
import c from 'compact-encoding'
import { crc32c, encodeFields, viewOf } from './encoding.js'

export { crc32c } from './encoding.js'

const MAGIC = b4a.from('HSFACTS1')
/** Bytes before the first entry. */
export const HEADER_BYTES = 44
/** Bytes of an entry before its sequence. */
export const ENTRY_HEAD_BYTES = 8
const SEQUENCE_BYTES = 8

/** Kinds of facts, as on disk. Never reused. */
export const FACT_KINDS = Object.freeze({
  record: 1,
  authorize: 2,
  deny: 3,
  quarantine: 4,
  meta: 5,
  bulkEnd: 6,
  rotation: 7,
  cleared: 8,
  compacted: 9
})

/** How a feed's blocks are fetched: 0 all of them, 1 only what is asked for. */
export type DownloadPolicy = 0 | 1

/** A record of the protocol above; opaque here. */
export interface RecordFact {
  /** Number 1 on disk. */
  kind: 'record'
  /** At most `maxRecordBytes`; kept byte for byte. */
  record: Uint8Array
}

/** This node allows a feed. */
export interface AuthorizeFact {
  /** Number 2 on disk. */
  kind: 'authorize'
  /** 32 bytes. */
  key: Uint8Array
  /** From 0; counts only above the greatest version that denies the feed. */
  version: number
  /** How the blocks are fetched. */
  policy: DownloadPolicy
  /** Digest of what led to it, 0 or 32 bytes. */
  evidence: Uint8Array
  /** Bytes of blocks that may be fetched; default 0: as many as the set allows. */
  maxBytes?: number
  /** Blocks from this length on are invalid; default null: all are valid. */
  until?: number | null
}

/** This node denies a feed; it names the feed by its keyed hash, so that the log of tombstones tells no feed key. */
export interface DenyFact {
  /** Number 3 on disk. */
  kind: 'deny'
  /** 32 bytes. */
  feedId: Uint8Array
  /** From 0; wins over an authorize of the same version. */
  version: number
  /** Blocks from this length on are invalid; null: no cutoff. */
  cutoff: number | null
  /** Delete the blocks that are here. */
  purge: boolean
}

/** A feed that was signed twice for one length. */
export interface QuarantineFact {
  /** Number 4 on disk. */
  kind: 'quarantine'
  /** 32 bytes. */
  feedId: Uint8Array
  /** Hypercore's fork counter of the conflicting signature. */
  fork: number
  /** Length for which there are two signatures. */
  length: number
  /** At most maxForkProofBytes; may be empty. */
  proof: Uint8Array
  /** Blocks that are the same under both signatures, as far as that is known; default 0. */
  common?: number
}

/** What the owner notes about a feed; `origin` is the full writer name of a local writer, else empty. */
export interface MetaFact {
  /** Number 5 on disk. */
  kind: 'meta'
  /** 32 bytes. */
  key: Uint8Array
  /** As `fullWriterName` makes it; empty: not a writer of ours. */
  origin: Uint8Array
  /** As encoded by core/meta. */
  meta: Uint8Array
}

/** Every fact of an earlier bulk import is in the log. */
export interface BulkEndFact {
  /** Number 6 on disk. */
  kind: 'bulk-end'
}

/** A writer was given up for a successor. */
export interface RotationFact {
  /** Number 7 on disk. */
  kind: 'rotation'
  /** Key of the feed that takes no more appends, 32 bytes. */
  from: Uint8Array
  /** Key of its successor, 32 bytes. */
  to: Uint8Array
  /** Blocks of the old feed that are good. */
  length: number
}

/** Blocks that facts invalidated were deleted from the disk. */
export interface ClearedFact {
  /** Number 8 on disk. */
  kind: 'cleared'
  /** 32 bytes. */
  feedId: Uint8Array
  /** Greatest version of the facts because of which that was done. */
  version: number
  /** The first block that was deleted. */
  from: number
}

/** The log was written anew: what follows stands for all that was logged before. */
export interface CompactedFact {
  /** Number 9 on disk. */
  kind: 'compacted'
  /** Facts that were ever logged before. */
  facts: number
  /** So many facts follow that are not new. */
  kept: number
}

/** What an entry of the log holds: one thing that is true from now on, and that merges with what others say. */
export type Fact =
  | RecordFact
  | AuthorizeFact
  | DenyFact
  | QuarantineFact
  | MetaFact
  | BulkEndFact
  | RotationFact
  | ClearedFact
  | CompactedFact

/** A decoded entry, and where each fact's bytes lie in it. */
export interface Entry {
  /** Number of the entry in its file, from 0 without holes; -1 if it is no safe integer. */
  sequence: number
  /** In their order; `offset` and `length` in bytes from the start of the entry, kind and length of the fact included. */
  facts: { fact: Fact; offset: number; length: number }[]
}

/** Decoded, or why not. */
export type Decoded<T> = { ok: true; value: T } | { ok: false; reason: string }

/** The header of the log of the set with this id (32 bytes). */
export function encodeHeader(setId: Uint8Array): Uint8Array {
  const header = b4a.alloc(HEADER_BYTES)
  header.set(MAGIC, 0)
  header.set(setId, MAGIC.byteLength)
  viewOf(header).setUint32(40, crc32c(header.subarray(0, 40)), true)
  return header
}

/** The set id of a header, or why it is none. */
export function decodeHeader(bytes: Uint8Array): Decoded<Uint8Array> {
  if (bytes.byteLength < HEADER_BYTES) return { ok: false, reason: 'header is cut off' }
  if (!b4a.equals(bytes.subarray(0, 8), MAGIC)) return { ok: false, reason: 'magic is wrong' }
  const crc = viewOf(bytes).getUint32(40, true)
  if (crc !== crc32c(bytes.subarray(0, 40))) return { ok: false, reason: 'header checksum is wrong' }
  return { ok: true, value: bytes.slice(8, 40) }
}

/** The body of one fact, without its kind and length. */
function encodeBody(fact: Fact): Uint8Array {
  const state = { start: 0, end: 0, buffer: b4a.alloc(0) }
  switch (fact.kind) {
    case 'record':
      return fact.record
    case 'bulk-end':
      return state.buffer
    case 'authorize':
      return encodeFields(encode => {
        encode(c.fixed32, fact.key)
        encode(c.uint, fact.version)
        encode(c.uint8, fact.policy)
        encode(c.buffer, fact.evidence)
        const { maxBytes, until } = fact
        // Fields that came later are left out with their defaults, so that an older release reads the rest.
        if (maxBytes === undefined && until === undefined) return
        encode(c.uint, maxBytes ?? 0)
        encode(c.uint, optional(until))
      })
    case 'deny':
      return encodeFields(encode => {
        encode(c.fixed32, fact.feedId)
        encode(c.uint, fact.version)
        encode(c.uint, optional(fact.cutoff))
        encode(c.uint8, fact.purge ? 1 : 0)
      })
    case 'quarantine':
      return encodeFields(encode => {
        encode(c.fixed32, fact.feedId)
        encode(c.uint, fact.fork)
        encode(c.uint, fact.length)
        encode(c.buffer, fact.proof)
        if (fact.common !== undefined) encode(c.uint, fact.common)
      })
    case 'meta':
      return encodeFields(encode => {
        encode(c.fixed32, fact.key)
        encode(c.buffer, fact.origin)
        encode(c.buffer, fact.meta)
      })
    case 'rotation':
      return encodeFields(encode => {
        encode(c.fixed32, fact.from)
        encode(c.fixed32, fact.to)
        encode(c.uint, fact.length)
      })
    case 'cleared':
      return encodeFields(encode => {
        encode(c.fixed32, fact.feedId)
        encode(c.uint, fact.version)
        encode(c.uint, fact.from)
      })
    case 'compacted':
      return encodeFields(encode => {
        encode(c.uint, fact.facts)
        encode(c.uint, fact.kept)
      })
  }
}

/** One number for "none" and for each value. */
function optional(value: number | null | undefined): number {
  return value === null || value === undefined ? 0 : value + 1
}

function kindOf(fact: Fact): number {
  return fact.kind === 'bulk-end' ? FACT_KINDS.bulkEnd : FACT_KINDS[fact.kind]
}

/** One fact with its kind and length; entries are made of these. */
export function encodeFact(fact: Fact): Uint8Array {
  const body = encodeBody(fact)
  return encodeFields(encode => {
    encode(c.uint8, kindOf(fact))
    encode(c.buffer, body)
  })
}

/** One entry of facts that were encoded by encodeFact(). */
export function encodeEntry(sequence: number, facts: readonly Uint8Array[]): Uint8Array {
  let size = SEQUENCE_BYTES
  for (const fact of facts) size += fact.byteLength
  const entry = b4a.alloc(ENTRY_HEAD_BYTES + size)
  const data = viewOf(entry)
  data.setUint32(0, size, true)
  data.setBigUint64(ENTRY_HEAD_BYTES, BigInt(sequence), true)
  let at = ENTRY_HEAD_BYTES + SEQUENCE_BYTES
  for (const fact of facts) {
    entry.set(fact, at)
    at += fact.byteLength
  }
  data.setUint32(4, crc32c(entry.subarray(ENTRY_HEAD_BYTES)), true)
  return entry
}

/** Bytes of the entry that starts at `at`, if a whole one with a right checksum starts there; else 0. */
export function entryBytesAt(log: Uint8Array, at: number, maxEntryBytes: number): number {
  if (log.byteLength - at < ENTRY_HEAD_BYTES + SEQUENCE_BYTES) return 0
  const data = viewOf(log)
  const size = data.getUint32(at, true)
  if (size < SEQUENCE_BYTES || size > maxEntryBytes) return 0
  const end = at + ENTRY_HEAD_BYTES + size
  if (end > log.byteLength) return 0
  if (data.getUint32(at + 4, true) !== crc32c(log.subarray(at + ENTRY_HEAD_BYTES, end))) return 0
  return end - at
}

/** Sequence of the entry at `at`, unchecked; -1 if it is no safe integer. */
export function sequenceAt(log: Uint8Array, at: number): number {
  const sequence = viewOf(log).getBigUint64(at + ENTRY_HEAD_BYTES, true)
  return sequence > BigInt(Number.MAX_SAFE_INTEGER) ? -1 : Number(sequence)
}

/** The facts of a whole entry. */
export function decodeEntry(entry: Uint8Array): Decoded<Entry> {
  if (entry.byteLength < ENTRY_HEAD_BYTES + SEQUENCE_BYTES) return { ok: false, reason: 'entry is cut off' }
  const facts: Entry['facts'] = []
  const state = { start: ENTRY_HEAD_BYTES + SEQUENCE_BYTES, end: entry.byteLength, buffer: entry }
  try {
    while (state.start < state.end) {
      const offset = state.start
      const kind = c.uint8.decode(state as never)
      const body = c.buffer.decode(state as never) ?? b4a.alloc(0)
      const fact = decodeBody(kind, body)
      if (fact !== null) facts.push({ fact, offset, length: state.start - offset })
    }
  } catch {
    return { ok: false, reason: 'a fact is cut off or malformed' }
  }
  return { ok: true, value: { sequence: sequenceAt(entry, 0), facts } }
}

/** One fact as encoded by encodeFact(). */
export function decodeFact(bytes: Uint8Array): Decoded<Fact> {
  try {
    const state = { start: 0, end: bytes.byteLength, buffer: bytes }
    const kind = c.uint8.decode(state as never)
    const fact = decodeBody(kind, c.buffer.decode(state as never) ?? b4a.alloc(0))
    return fact === null ? { ok: false, reason: 'kind is unknown' } : { ok: true, value: fact }
  } catch {
    return { ok: false, reason: 'fact is cut off or malformed' }
  }
}

/** Throws on malformed bytes (its callers catch); null for an unknown kind. */
function decodeBody(kind: number, body: Uint8Array): Fact | null {
  const fields = { start: 0, end: body.byteLength, buffer: body }
  const state = fields as never
  const isAtEnd = () => fields.start >= fields.end
  const bytes = () => b4a.from(c.buffer.decode(state) ?? b4a.alloc(0))
  const key = () => b4a.from(c.fixed32.decode(state))
  const orNull = (): number | null => {
    const value = c.uint.decode(state)
    return value === 0 ? null : value - 1
  }
  switch (kind) {
    case FACT_KINDS.record:
      return { kind: 'record', record: b4a.from(body) }
    case FACT_KINDS.authorize:
      return {
        kind: 'authorize',
        key: key(),
        version: c.uint.decode(state),
        policy: c.uint8.decode(state) === 1 ? 1 : 0,
        evidence: bytes(),
        ...(isAtEnd() ? {} : { maxBytes: c.uint.decode(state), until: orNull() })
      }
    case FACT_KINDS.deny: {
      const [feedId, version, cutoff] = [key(), c.uint.decode(state), orNull()]
      return { kind: 'deny', feedId, version, cutoff, purge: (c.uint8.decode(state) & 1) === 1 }
    }
    case FACT_KINDS.quarantine:
      return {
        kind: 'quarantine',
        feedId: key(),
        fork: c.uint.decode(state),
        length: c.uint.decode(state),
        proof: bytes(),
        ...(isAtEnd() ? {} : { common: c.uint.decode(state) })
      }
    case FACT_KINDS.meta:
      return { kind: 'meta', key: key(), origin: bytes(), meta: bytes() }
    case FACT_KINDS.bulkEnd:
      return { kind: 'bulk-end' }
    case FACT_KINDS.rotation:
      return { kind: 'rotation', from: key(), to: key(), length: c.uint.decode(state) }
    case FACT_KINDS.cleared:
      return { kind: 'cleared', feedId: key(), version: c.uint.decode(state), from: c.uint.decode(state) }
    case FACT_KINDS.compacted:
      return { kind: 'compacted', facts: c.uint.decode(state), kept: c.uint.decode(state) }
    default:
      return null
  }
}
