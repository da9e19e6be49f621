/**
 * libsodium behind the port that the sans-IO cores take. The only file that imports sodium-universal.
 *
 * Everything is synchronous, so that a duplicate check and its commit happen in one step of a core.
 */
import b4a from 'b4a'
import sodium from 'sodium-universal'
import type { CryptoPort } from '../core/types.js'
import { typeError } from '../errors.js'
import type { KeyPair } from '../types.js'

const HASH_BYTES = 32

/**
 * Makes an Ed25519 key pair.
 *
 * @param seed - 32 bytes that determine the pair; random if they are left out.
 * @throws {TypeError} `ERR_GOSSIP_BAD_KEY` for a seed that isn't 32 bytes.
 */
export function createKeyPair(seed?: Uint8Array): KeyPair {
  const publicKey = new Uint8Array(sodium.crypto_sign_PUBLICKEYBYTES)
  const secretKey = new Uint8Array(sodium.crypto_sign_SECRETKEYBYTES)
  if (seed === undefined) {
    sodium.crypto_sign_keypair(publicKey, secretKey)
    return { publicKey, secretKey }
  }
  if (!isBytes(seed, sodium.crypto_sign_SEEDBYTES)) {
    throw typeError('ERR_GOSSIP_BAD_KEY', `a seed is ${sodium.crypto_sign_SEEDBYTES} bytes`)
  }
  sodium.crypto_sign_seed_keypair(publicKey, secretKey, seed)
  return { publicKey, secretKey }
}

/** Is this a key pair in libsodium's form? Doesn't check that its halves belong together. */
export function isKeyPair(value: unknown): value is KeyPair {
  const { publicKey, secretKey } = (value ?? {}) as Partial<KeyPair>
  return (
    isBytes(publicKey, sodium.crypto_sign_PUBLICKEYBYTES) &&
    isBytes(secretKey, sodium.crypto_sign_SECRETKEYBYTES)
  )
}

/**
 * The cryptography of a sans-IO core, signing as `keyPair`.
 *
 * @throws {TypeError} `ERR_GOSSIP_BAD_KEY` if this is no key pair.
 */
export function cryptoFor(keyPair: KeyPair): CryptoPort {
  if (!isKeyPair(keyPair)) throw typeError('ERR_GOSSIP_BAD_KEY', 'a key pair is needed')
  const { secretKey } = keyPair
  return {
    hash(...parts) {
      const output = new Uint8Array(HASH_BYTES)
      sodium.crypto_generichash_batch(output, parts)
      return output
    },
    keyedHash(key, ...parts) {
      const output = new Uint8Array(HASH_BYTES)
      sodium.crypto_generichash_batch(output, parts, key)
      return output
    },
    sign(digest) {
      const signature = new Uint8Array(sodium.crypto_sign_BYTES)
      sodium.crypto_sign_detached(signature, digest, secretKey)
      return signature
    },
    verify(signature, digest, author) {
      // libsodium throws for wrong lengths; here they are just no signature.
      if (!isBytes(signature, sodium.crypto_sign_BYTES)) return false
      if (!isBytes(author, sodium.crypto_sign_PUBLICKEYBYTES)) return false
      return sodium.crypto_sign_verify_detached(signature, digest, author)
    },
    random
  }
}

/** Uniform in [0, 1), from 32 bits of the system's random generator. */
function random(): number {
  const bytes = new Uint8Array(4)
  sodium.randombytes_buf(bytes)
  return new DataView(bytes.buffer).getUint32(0) / 2 ** 32
}

function isBytes(value: unknown, length: number): value is Uint8Array {
  return b4a.isBuffer(value) && value.byteLength === length
}
