/**
 * The bytes of a writer's record: what a process must know of an own feed before it appends to it again.
 *
 *   magic 'HSWRITE1' (8) | feed key (32) | device (8) | fork (uint) | length (uint) | flags (u8: 1 clean)
 *   | boot id (buffer) | place (buffer) | crc32c of all before it (u32, little-endian)
 *
 * `uint` and `buffer` are those of compact-encoding. A record that was damaged counts as none: both mean that nothing is
 * known, which is the safe side. Decoders never throw.
 */
import b4a from 'b4a'
import c from 'compact-encoding'
import { crc32c, encodeFields, viewOf } from './encoding.js'

const MAGIC = b4a.from('HSWRITE1')
const CRC_BYTES = 4
const FLAG_CLEAN = 1
/** Longer texts are cut: they are only compared. */
const MAX_TEXT_BYTES = 64

/** How far a feed goes: the greater fork, or on one fork the greater length, is the later one. */
export interface Position {
  /** Hypercore's counter of truncations; 0 for a feed that was never truncated. */
  fork: number
  /** Blocks. */
  length: number
}

/** What was noted about an own feed. */
export interface WriterRecord {
  /** 32 bytes. */
  key: Uint8Array
  /** 8 bytes: the storage folder that it was written in. */
  device: Uint8Array
  /** Acknowledged: whatever is found shorter than this was rolled back. */
  checkpoint: Position
  /** Nothing was appended since the checkpoint: written at a clean close, and as long as nothing was appended. */
  clean: boolean
  /** Boot of the machine in which it was written; '': unknown. */
  bootId: string
  /** What changes when the folder is copied; '': unknown. */
  place: string
}

/** Less than 0: `a` is behind `b`. 0: they are the same. */
export function comparePositions(a: Position, b: Position): number {
  return a.fork - b.fork || a.length - b.length
}

/** A record as bytes. */
export function encodeWriterRecord(record: WriterRecord): Uint8Array {
  const { key, device, checkpoint, clean, bootId, place } = record
  const body = encodeFields(encode => {
    encode(c.raw, MAGIC)
    encode(c.fixed32, key)
    encode(c.fixed(8), device)
    encode(c.uint, checkpoint.fork)
    encode(c.uint, checkpoint.length)
    encode(c.uint8, clean ? FLAG_CLEAN : 0)
    encode(c.buffer, b4a.from(bootId).subarray(0, MAX_TEXT_BYTES))
    encode(c.buffer, b4a.from(place).subarray(0, MAX_TEXT_BYTES))
  })
  const bytes = b4a.alloc(body.byteLength + CRC_BYTES)
  bytes.set(body)
  viewOf(bytes).setUint32(body.byteLength, crc32c(body), true)
  return bytes
}

/** The record of these bytes; null for any that encodeWriterRecord() didn't make. */
export function decodeWriterRecord(bytes: Uint8Array): WriterRecord | null {
  const end = bytes.byteLength - CRC_BYTES
  if (end < MAGIC.byteLength || !b4a.equals(bytes.subarray(0, MAGIC.byteLength), MAGIC)) return null
  if (viewOf(bytes).getUint32(end, true) !== crc32c(bytes.subarray(0, end))) return null
  const state = { start: MAGIC.byteLength, end, buffer: bytes } as never
  const text = (): string => b4a.toString(c.buffer.decode(state) ?? b4a.alloc(0))
  try {
    const key = b4a.from(c.fixed32.decode(state))
    const device = b4a.from(c.fixed(8).decode(state))
    const checkpoint = { fork: c.uint.decode(state), length: c.uint.decode(state) }
    const clean = (c.uint8.decode(state) & FLAG_CLEAN) === FLAG_CLEAN
    return { key, device, checkpoint, clean, bootId: text(), place: text() }
  } catch {
    return null
  }
}
