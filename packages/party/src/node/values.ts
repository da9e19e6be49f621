/**
 * Values of the app as bytes: msgpack with the bounds that gossip's encoding has. Nothing is no bytes.
 *
 * Decoding is never done inside a guard of the transport, and its faults are plain errors.
 */
import { encodingOf } from '@hearsay/gossip'
import { PartyError } from '../errors.js'
import type { Limits } from '../limits.js'
import type { FeedMeta } from '../types.js'

const ENCODING = encodingOf<unknown>('msgpack')
const NOTHING = new Uint8Array(0)

/**
 * Encodes a value; undefined is no bytes.
 *
 * @param limit - Which limit `maxBytes` comes from, for the message.
 * @throws {PartyError} `ERR_PARTY_NOT_ENCODABLE`, `ERR_PARTY_TOO_LARGE`.
 */
export function encodeValue(value: unknown, maxBytes: number, limit: keyof Limits): Uint8Array {
  if (value === undefined) return NOTHING
  let bytes: Uint8Array
  try {
    bytes = ENCODING.encode(value)
  } catch (cause) {
    throw new PartyError('ERR_PARTY_NOT_ENCODABLE', 'the value cannot be encoded as msgpack', { cause })
  }
  if (bytes.length > maxBytes) {
    const message = `value is ${bytes.length} bytes, limit is ${maxBytes} (${limit})`
    throw new PartyError('ERR_PARTY_TOO_LARGE', message)
  }
  return bytes
}

/** Decodes a value. @throws {Error} for anything else than msgpack within the bounds. */
export function decodeValue(bytes: Uint8Array): unknown {
  return bytes.length === 0 ? undefined : ENCODING.decode(bytes)
}

/** Meta of an introduction: a plain object, or null for everything else that a remote may have sent. */
export function decodeMeta(bytes: Uint8Array): FeedMeta | null {
  try {
    const value = decodeValue(bytes)
    const isPlain =
      typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype
    return isPlain ? (value as FeedMeta) : null
  } catch {
    return null
  }
}
