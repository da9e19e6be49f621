// Real libsodium behind the port of the cores, and the values of test/vectors/party.json.
import { readFileSync } from 'node:fs'
import type { CryptoPort } from '@hearsay/gossip/core'
import b4a from 'b4a'
import sodium from 'sodium-universal'

/** A port that signs with the key of this seed byte, and its author. */
export function cryptoOf(seedByte: number): CryptoPort & { author: Uint8Array } {
  const author = new Uint8Array(32)
  const secretKey = new Uint8Array(64)
  sodium.crypto_sign_seed_keypair(author, secretKey, new Uint8Array(32).fill(seedByte))
  const hash = (key: Uint8Array | undefined, parts: Uint8Array[]) => {
    const output = new Uint8Array(32)
    if (key === undefined) sodium.crypto_generichash_batch(output, parts)
    else sodium.crypto_generichash_batch(output, parts, key)
    return output
  }
  return {
    author,
    hash: (...parts) => hash(undefined, parts),
    keyedHash: (key, ...parts) => hash(key, parts),
    sign(digest) {
      const signature = new Uint8Array(64)
      sodium.crypto_sign_detached(signature, digest, secretKey)
      return signature
    },
    verify: (signature, digest, key) => sodium.crypto_sign_verify_detached(signature, digest, key),
    random: () => 0.5
  }
}

/** Hex, for comparing. */
export function hex(bytes: Uint8Array): string {
  return b4a.toString(bytes, 'hex')
}

/** Bytes of hex. */
export function bytes(text: string): Uint8Array {
  return new Uint8Array(b4a.from(text, 'hex'))
}

const file = new URL('../../../../test/vectors/party.json', import.meta.url)

/** test/vectors/party.json. */
export const VECTORS = JSON.parse(readFileSync(file, 'utf8'))
