/**
 * What the formats on disk are made of: fields one behind the other, and a checksum.
 *
 * The crc (RFC 3720, appendix B.4) finds accidents, not forgery.
 */
import b4a from 'b4a'
import type c from 'compact-encoding'

/** Adds one field. */
export type Encode = <V>(encoding: c.Encoder<V>, value: V) => void

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

/** A view for the integers of `bytes`. */
export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/** Runs `fill` twice: to count the bytes, and to write them. */
export function encodeFields(fill: (encode: Encode) => void): Uint8Array {
  const state = { start: 0, end: 0, buffer: null as Uint8Array | null }
  fill((encoding, value) => encoding.preencode(state as never, value))
  state.buffer = b4a.alloc(state.end)
  fill((encoding, value) => encoding.encode(state as never, value))
  return state.buffer
}
