/** The real primitives in a simulation: slower by far, for a few runs that show that the stand-ins hide nothing. */
import { createKeyPair, cryptoFor } from '@hearsay/gossip'
import type { IdentityMaker } from './crypto.js'

/** Ed25519 and BLAKE2b; only `random` stays the simulator's. */
export const realIdentities = (): IdentityMaker => seed => {
  const keyPair = createKeyPair(seed)
  return { author: keyPair.publicKey, port: random => ({ ...cryptoFor(keyPair), random }) }
}
