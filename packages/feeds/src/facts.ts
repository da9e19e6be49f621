/**
 * The bytes of the fact log: file header, entries, facts. Encoding and decoding only, no file.
 *
 *   header  magic 'HSFACTS1' (8) | setId (32) | crc32c of both (u32)
 *   entry   length (u32: of sequence and facts, 8 to maxEntryBytes) | crc32c of what follows (u32)
 *           | sequence (u64: 0, 1, 2, ... in the file) | facts[]
 *   fact    kind (u8) | length (uint) | bytes
 *
 * Integers are little-endian, `uint` is that of compact-encoding. Decoders never throw. A fact of an unknown kind is
 * skipped, so that an older release reads what a newer one wrote. The crc (RFC 3720, appendix B.4) finds accidents, not forgery.
 */
import b4a from 'b4a'
import c from 'compact-encoding'

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
  bulkEnd: 6
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

/** What an entry of the log holds: one thing that is true from now on, and that merges with what others say. */
export type Fact = RecordFact | AuthorizeFact | DenyFact | QuarantineFact | MetaFact | BulkEndFact

/** A decoded entry, and where each fact's bytes lie in it. */
export interface Entry {
  /** Number of the entry in its file, from 0 without holes; -1 if it is no safe integer. */
  sequence: number
  /** In their order; `offset` and `length` in bytes from the start of the entry, kind and length of the fact included. */
  facts: { fact: Fact; offset: number; length: number }[]
}

/** Decoded, or why not. */
export type Decoded<T> = { ok: true; value: T } | { ok: false; reason: string }

const TABLE = makeTable()

function makeTable(): Uint32Array {
  const table = new Uint32Array(256)
  for (let n = 0; n < 256; n++) {
    let crc = n
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1
    table[n] = crc >>> 0
  }
  return table
}

/** CRC-32C (Castagnoli) of `bytes`, as an unsigned 32-bit number. */
export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff
  for (let i = 0; i < bytes.byteLength; i++) {
    crc = (TABLE[(crc ^ (bytes[i] as number)) & 0xff] as number) ^ (crc >>> 8)
  }
  return (crc ^ 0xffffffff) >>> 0
}

function view(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/** The header of the log of the set with this id (32 bytes). */
export function encodeHeader(setId: Uint8Array): Uint8Array {
  const header = b4a.alloc(HEADER_BYTES)
  header.set(MAGIC, 0)
  header.set(setId, MAGIC.byteLength)
  view(header).setUint32(40, crc32c(header.subarray(0, 40)), true)
  return header
}

/** The set id of a header, or why it is none. */
export function decodeHeader(bytes: Uint8Array): Decoded<Uint8Array> {
  if (bytes.byteLength < HEADER_BYTES) return { ok: false, reason: 'header is cut off' }
  if (!b4a.equals(bytes.subarray(0, 8), MAGIC)) return { ok: false, reason: 'magic is wrong' }
  const crc = view(bytes).getUint32(40, true)
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
      return write(encode => {
        encode(c.fixed32, fact.key)
        encode(c.uint, fact.version)
        encode(c.uint8, fact.policy)
        encode(c.buffer, fact.evidence)
      })
    case 'deny':
      return write(encode => {
        encode(c.fixed32, fact.feedId)
        encode(c.uint, fact.version)
        encode(c.uint, fact.cutoff === null ? 0 : fact.cutoff + 1)
        encode(c.uint8, fact.purge ? 1 : 0)
      })
    case 'quarantine':
      return write(encode => {
        encode(c.fixed32, fact.feedId)
        encode(c.uint, fact.fork)
        encode(c.uint, fact.length)
        encode(c.buffer, fact.proof)
      })
    case 'meta':
      return write(encode => {
        encode(c.fixed32, fact.key)
        encode(c.buffer, fact.origin)
        encode(c.buffer, fact.meta)
      })
  }
}

type Encode = <V>(encoding: c.Encoder<V>, value: V) => void

/** Runs `fill` twice: to count the bytes, and to write them. */
function write(fill: (encode: Encode) => void): Uint8Array {
  const state = { start: 0, end: 0, buffer: null as Uint8Array | null }
  fill((encoding, value) => encoding.preencode(state as never, value))
  state.buffer = b4a.alloc(state.end)
  fill((encoding, value) => encoding.encode(state as never, value))
  return state.buffer
}

function kindOf(fact: Fact): number {
  return fact.kind === 'bulk-end' ? FACT_KINDS.bulkEnd : FACT_KINDS[fact.kind]
}

/** One fact with its kind and length; entries are made of these. */
export function encodeFact(fact: Fact): Uint8Array {
  const body = encodeBody(fact)
  return write(encode => {
    encode(c.uint8, kindOf(fact))
    encode(c.buffer, body)
  })
}

/** One entry of facts that were encoded by encodeFact(). */
export function encodeEntry(sequence: number, facts: readonly Uint8Array[]): Uint8Array {
  let size = SEQUENCE_BYTES
  for (const fact of facts) size += fact.byteLength
  const entry = b4a.alloc(ENTRY_HEAD_BYTES + size)
  const data = view(entry)
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
  const data = view(log)
  const size = data.getUint32(at, true)
  if (size < SEQUENCE_BYTES || size > maxEntryBytes) return 0
  const end = at + ENTRY_HEAD_BYTES + size
  if (end > log.byteLength) return 0
  if (data.getUint32(at + 4, true) !== crc32c(log.subarray(at + ENTRY_HEAD_BYTES, end))) return 0
  return end - at
}

/** Sequence of the entry at `at`, unchecked; -1 if it is no safe integer. */
export function sequenceAt(log: Uint8Array, at: number): number {
  const sequence = view(log).getBigUint64(at + ENTRY_HEAD_BYTES, true)
  return sequence > BigInt(Number.MAX_SAFE_INTEGER) ? -1 : Number(sequence)
}

/** The facts of a whole entry. */
export function decodeEntry(entry: Uint8Array): Decoded<Entry> {
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
  const state = { start: 0, end: body.byteLength, buffer: body } as never
  const bytes = () => b4a.from(c.buffer.decode(state) ?? b4a.alloc(0))
  const key = () => b4a.from(c.fixed32.decode(state))
  switch (kind) {
    case FACT_KINDS.record:
      return { kind: 'record', record: b4a.from(body) }
    case FACT_KINDS.authorize:
      return {
        kind: 'authorize',
        key: key(),
        version: c.uint.decode(state),
        policy: c.uint8.decode(state) === 1 ? 1 : 0,
        evidence: bytes()
      }
    case FACT_KINDS.deny: {
      const feedId = key()
      const version = c.uint.decode(state)
      const cutoff = c.uint.decode(state)
      const flags = c.uint8.decode(state)
      return {
        kind: 'deny',
        feedId,
        version,
        cutoff: cutoff === 0 ? null : cutoff - 1,
        purge: (flags & 1) === 1
      }
    }
    case FACT_KINDS.quarantine:
      return {
        kind: 'quarantine',
        feedId: key(),
        fork: c.uint.decode(state),
        length: c.uint.decode(state),
        proof: bytes()
      }
    case FACT_KINDS.meta:
      return { kind: 'meta', key: key(), origin: bytes(), meta: bytes() }
    case FACT_KINDS.bulkEnd:
      return { kind: 'bulk-end' }
    default:
      return null
  }
}
