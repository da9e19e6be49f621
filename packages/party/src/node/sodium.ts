/**
 * Random bytes, and boxes that only who has the key can open: XSalsa20-Poly1305 of libsodium. The only file that imports it.
 */
import sodium from 'sodium-universal'
import type { SealedBytes } from '../core/registry.js'

/** `count` random bytes. */
export function randomBytes(count: number): Uint8Array {
  const bytes = new Uint8Array(count)
  sodium.randombytes_buf(bytes)
  return bytes
}

/** Seals `bytes` with `key` (32 bytes) and a fresh nonce. */
export function seal(bytes: Uint8Array, key: Uint8Array): SealedBytes {
  const nonce = randomBytes(sodium.crypto_secretbox_NONCEBYTES)
  const box = new Uint8Array(bytes.length + sodium.crypto_secretbox_MACBYTES)
  sodium.crypto_secretbox_easy(box, bytes, nonce, key)
  return { nonce, box }
}

/** What was sealed; null if it was with another key, or isn't what was sealed. */
export function unseal({ nonce, box }: SealedBytes, key: Uint8Array): Uint8Array | null {
  if (box.length < sodium.crypto_secretbox_MACBYTES) return null
  const bytes = new Uint8Array(box.length - sodium.crypto_secretbox_MACBYTES)
  return sodium.crypto_secretbox_open_easy(bytes, box, nonce, key) ? bytes : null
}
