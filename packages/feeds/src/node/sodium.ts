/**
 * Hashes and random bytes, by libsodium. The only file that imports it.
 */
import b4a from 'b4a'
import sodium from 'sodium-universal'

/** BLAKE2b-256 of the concatenation of `parts`. */
export function hash(...parts: Uint8Array[]): Uint8Array {
  const digest = b4a.alloc(32)
  sodium.crypto_generichash_batch(digest, parts)
  return digest
}

/** BLAKE2b-256 of the concatenation of `parts`, keyed with `key` (16 to 64 bytes). */
export function keyedHash(key: Uint8Array, ...parts: Uint8Array[]): Uint8Array {
  const digest = b4a.alloc(32)
  sodium.crypto_generichash_batch(digest, parts, key)
  return digest
}

/** Namespace of a use of a hash: two uses never hash the same bytes. */
export function namespaceOf(text: string): Uint8Array {
  return hash(b4a.from(text))
}

/** `count` random bytes. */
export function randomBytes(count: number): Uint8Array {
  const bytes = b4a.alloc(count)
  sodium.randombytes_buf(bytes)
  return bytes
}
