/** The primitives of the core on real libsodium, with the author of a fixed seed. For tests. */

import sodium from 'sodium-universal'
import type { CryptoPort } from '#gossip/core/types'

/** A port that signs as the author of `seedByte`, and that author's public key. */
export function realCrypto(seedByte = 7): CryptoPort & { author: Uint8Array } {
  const author = new Uint8Array(32)
  const secretKey = new Uint8Array(64)
  sodium.crypto_sign_seed_keypair(author, secretKey, new Uint8Array(32).fill(seedByte))
  return {
    author,
    hash(...parts) {
      const output = new Uint8Array(32)
      sodium.crypto_generichash_batch(output, parts)
      return output
    },
    keyedHash(key, ...parts) {
      const output = new Uint8Array(32)
      sodium.crypto_generichash_batch(output, parts, key)
      return output
    },
    sign(digest) {
      const signature = new Uint8Array(64)
      sodium.crypto_sign_detached(signature, digest, secretKey)
      return signature
    },
    verify(signature, digest, publicKey) {
      return sodium.crypto_sign_verify_detached(signature, digest, publicKey)
    },
    random: () => 0.5
  }
}

/** Bytes of a hex string. */
export function hex(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text, 'hex'))
}

/** `size` bytes of one value. */
export function filled(size: number, value: number): Uint8Array {
  return new Uint8Array(size).fill(value)
}
