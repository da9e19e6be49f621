/**
 * Fast stand-ins for the primitives.
 *
 * The signature scheme can be forged against: `verify` recomputes a tag that depends on the author's secret, so a wrong
 * signature, one over other bytes, or one of another author is refused, as with Ed25519. Who doesn't hold the secret
 * can't make a tag. With a `verify` that always says yes, a core that forgets to verify would pass every scenario.
 */
import type { CryptoPort } from '@hearsay/gossip/core'

/** Who signs: what a scenario knows of an identity. */
export interface Identity {
  /** Author key, 32 bytes. */
  readonly author: Uint8Array
  /** The port of a process of this author; `random` is that process's own. */
  port(random: () => number): CryptoPort
}

/** Makes identities from seeds; those of one maker can verify each other. */
export type IdentityMaker = (seed: Uint8Array) => Identity

/** 32 bytes that depend on all bytes of `parts`, as if they were one. Not for anybody but a simulator. */
export function fakeHash(...parts: Uint8Array[]): Uint8Array {
  let a = 0x811c9dc5
  let b = 0x2545f491
  let length = 0
  for (const part of parts) {
    length += part.length
    for (const byte of part) {
      a = Math.imul(a ^ byte, 0x01000193)
      b = Math.imul(b ^ (byte + (a >>> 15)), 0x85ebca6b)
    }
  }
  b ^= length
  const out = new Uint8Array(32)
  for (let i = 0; i < 32; i += 4) {
    a = Math.imul(a ^ (a >>> 16), 0x7feb352d) + b
    b = Math.imul(b ^ (b >>> 15), 0x846ca68b) ^ a
    out[i] = a
    out[i + 1] = a >>> 8
    out[i + 2] = b >>> 16
    out[i + 3] = b >>> 24
  }
  return out
}

/** Identities of one simulated world. */
export function fakeIdentities(): IdentityMaker {
  const secrets = new Map<string, Uint8Array>()
  const idOf = ({ buffer, byteOffset, length }: Uint8Array): string =>
    Buffer.from(buffer, byteOffset, length).toString('latin1')
  const tag = (secret: Uint8Array, digest: Uint8Array): Uint8Array => {
    const signature = new Uint8Array(64)
    signature.set(fakeHash(secret, digest))
    signature.set(fakeHash(digest, secret), 32)
    return signature
  }
  return seed => {
    const secret = fakeHash(seed, Uint8Array.of(1))
    const author = fakeHash(secret, Uint8Array.of(2))
    secrets.set(idOf(author), secret)
    return {
      author,
      port: random => ({
        hash: fakeHash,
        keyedHash: (key, ...parts) => fakeHash(Uint8Array.of(key.length), key, ...parts),
        sign: digest => tag(secret, digest),
        verify: (signature, digest, signer) => {
          const known = secrets.get(idOf(signer))
          if (known === undefined || signature.length !== 64) return false
          const right = tag(known, digest)
          for (let i = 0; i < right.length; i++) if (right[i] !== signature[i]) return false
          return true
        },
        random
      })
    }
  }
}
