/**
 * Key pairs of tests: the same for the same number.
 */
import type { KeyPair } from '@hearsay/feeds'
import b4a from 'b4a'
import sodium from 'sodium-universal'

/** The key pair of the seed 32 x `byte`. */
export function keyPairOf(byte: number): KeyPair {
  const publicKey = b4a.alloc(32)
  const secretKey = b4a.alloc(64)
  sodium.crypto_sign_seed_keypair(publicKey, secretKey, b4a.alloc(32, byte))
  return { publicKey, secretKey }
}
