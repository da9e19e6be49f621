/**
 * Keys as text: hex and z-base-32 are read, z-base-32 is written. The only file that imports hypercore-id-encoding.
 */
import b4a from 'b4a'
import idEncoding from 'hypercore-id-encoding'
import { typeError } from '../errors.js'
import type { Key } from '../types.js'

/**
 * The 32 bytes of a key.
 *
 * @param key - 32 bytes, 64 hex digits or 52 z-base-32 characters.
 * @throws {TypeError} `ERR_GOSSIP_BAD_KEY`.
 */
export function keyBytes(key: Key): Uint8Array {
  if ((typeof key === 'string' || b4a.isBuffer(key)) && idEncoding.isValid(key)) {
    return new Uint8Array(idEncoding.decode(key))
  }
  throw typeError('ERR_GOSSIP_BAD_KEY', 'a key is 32 bytes, 64 hex digits or 52 z-base-32 characters')
}

/**
 * A key as z-base-32 text.
 *
 * @throws {TypeError} `ERR_GOSSIP_BAD_KEY`.
 */
export function keyId(key: Key): string {
  return idEncoding.encode(keyBytes(key))
}
