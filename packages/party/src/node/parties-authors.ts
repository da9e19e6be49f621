/**
 * Who the author of a party in the list is. Without a key pair of the app there is one for each party, derived from the master
 * key: two parties can't see that they have a member in common.
 *
 * What a party is joined by is its id. Who founds it can't derive from that: its id follows from its key, which follows from
 * the founder. So a founder derives from the salt.
 */
import { createKeyPair } from '@hearsay/gossip'
import { authorSeedOf, type Hashes, PartyKeys } from '../core/keys.js'
import type { AuthorSource, RegistryEntry } from '../core/registry.js'
import { typeError } from '../errors.js'
import type { Genesis, KeyPair } from '../types.js'
import { randomBytes } from './sodium.js'

/** What key pairs come from. */
export interface Authority {
  readonly hashes: Hashes
  /** 32 bytes. */
  readonly master: Uint8Array
  /** The app's; it is never stored. */
  readonly keyPair: KeyPair | undefined
}

const SALT_BYTES = 32

/** The genesis of a new party, founded by its author here. */
export function founderOf(
  hashes: Hashes,
  master: Uint8Array,
  keyPair: KeyPair | undefined
): { author: AuthorSource; genesis: Genesis } {
  const salt = randomBytes(SALT_BYTES)
  const { publicKey } = keyPair ?? createKeyPair(authorSeedOf(hashes, master, salt))
  const founderPublicKey = Uint8Array.from(publicKey)
  return { author: keyPair === undefined ? 'salt' : 'app', genesis: { founderPublicKey, salt } }
}

/** The key pair of a party's author. @throws {TypeError} `ERR_PARTY_BAD_KEY`: it is the app's, which wasn't passed. */
export function authorOf(
  entry: Pick<RegistryEntry, 'key' | 'author' | 'genesis'>,
  { hashes, master, keyPair }: Authority
): KeyPair {
  switch (entry.author) {
    case 'app':
      if (keyPair !== undefined) return keyPair
      throw typeError('ERR_PARTY_BAD_KEY', 'the author of this party is a key pair of the app: pass keyPair')
    case 'party-id':
      return createKeyPair(authorSeedOf(hashes, master, new PartyKeys(hashes, entry.key).partyId))
    case 'salt':
      return createKeyPair(authorSeedOf(hashes, master, (entry.genesis as Genesis).salt))
  }
}
