/**
 * Every key and id of a party, derived from the party key, the founder or the author.
 *
 * The party key is the secret of the members. What is announced, sent or signed never reveals it, and the ids for
 * different uses can't be computed from each other. `NS(s)` is BLAKE2b-256 of the UTF-8 of s; `K(k, m)` is BLAKE2b-256 of
 * m keyed with k. Changing any of these strings is a new version of the protocol; test/vectors/party.json holds results.
 *
 * `PartyKeys` computes and keeps what depends on the party key alone; the free functions need no party key.
 */
import type { ConnectionBinding, CryptoPort } from '@hearsay/gossip/core'
import b4a from 'b4a'
import type { Genesis } from '../types.js'
import { copyOf, Reader, Writer } from './bytes.js'
import { MALFORMED, type Result, success, TOO_LARGE } from './result.js'

/** The two hashes of a `CryptoPort`. */
export type Hashes = Pick<CryptoPort, 'hash' | 'keyedHash'>

/** Who a proof or binding is of: us (to be sent) or the remote (to be compared). */
export type Prover = 'own' | 'remote'

/** Number of a compared set: 0 denials, 1 records, 2 lengths. */
export type SetNumber = 0 | 1 | 2

/** Name of a writer, in full: what makes one author's feeds on several devices different feeds. */
export interface WriterName {
  /** At most 64 bytes of UTF-8. */
  readonly name: string
  /** 8 random bytes, made with the storage folder. */
  readonly device: Uint8Array
  /** Counts the feeds that took the place of a lost one, from 0. */
  readonly rotation: number
}

const PREFIX = 'hearsay/party/1/'
const SLOT_BYTES = 16
const DEVICE_BYTES = 8
const NAME_BYTES_MAX = 64
/** Slot of the genesis. */
export const GENESIS_SLOT: Uint8Array = new Uint8Array(SLOT_BYTES)

/** NS: 32 bytes that separate one use of a hash from all others. */
export function namespaceOf(crypto: Hashes, text: string): Uint8Array {
  return crypto.hash(b4a.from(text))
}

/** Key of a party with a founder, 32 bytes. To claim another founder takes a second preimage. */
export function partyKeyOf(crypto: Hashes, genesis: Genesis): Uint8Array {
  return crypto.hash(namespaceOf(crypto, `${PREFIX}key`), genesis.founderPublicKey, genesis.salt)
}

/** Is this the genesis of that party? Needs no signature. */
export function isGenesisOf(crypto: Hashes, genesis: Genesis, partyKey: Uint8Array): boolean {
  return b4a.equals(partyKeyOf(crypto, genesis), partyKey)
}

/** Namespace of a feed under a set's namespace: goes into the feed's manifest, 32 bytes. `fullName` as `encodeWriterName` makes it. */
export function feedNamespaceOf(crypto: Hashes, setNamespace: Uint8Array, fullName: Uint8Array): Uint8Array {
  return crypto.hash(namespaceOf(crypto, 'hearsay/feeds/1/writer'), setNamespace, fullName)
}

/** Slot of an admission: the first 16 bytes of H(issuer || subject). */
export function admitSlotOf(crypto: Hashes, issuer: Uint8Array, subject: Uint8Array): Uint8Array {
  return copyOf(crypto.hash(issuer, subject).subarray(0, SLOT_BYTES))
}

/** Slot of a removal: the first 16 bytes of H(subject || issuer), so that nobody overwrites another's. */
export function removeSlotOf(crypto: Hashes, subject: Uint8Array, issuer: Uint8Array): Uint8Array {
  return copyOf(crypto.hash(subject, issuer).subarray(0, SLOT_BYTES))
}

/** Author seed for a party whose app brought no key pair, 32 bytes: unlinkable over parties. */
export function authorSeedOf(crypto: Hashes, master: Uint8Array, partyId: Uint8Array): Uint8Array {
  return crypto.keyedHash(master, namespaceOf(crypto, `${PREFIX}author`), partyId)
}

/** Key that seals the list of parties on disk, 32 bytes. */
export function registryKeyOf(crypto: Hashes, master: Uint8Array): Uint8Array {
  return crypto.keyedHash(master, namespaceOf(crypto, `${PREFIX}registry`))
}

/** Full writer name as it is hashed and sent. @throws nothing: `name` is bounded by the caller (`maxWriterNameBytes`). */
export function encodeWriterName(writer: WriterName): Uint8Array {
  return new Writer().buffer(b4a.from(writer.name)).fixed(writer.device).uint(writer.rotation).finish()
}

/** Reads a full writer name; it must fill `bytes` and be in the shortest form, else two spellings would be two feeds. */
export function decodeWriterName(bytes: Uint8Array): Result<WriterName> {
  const reader = new Reader(bytes)
  const name = b4a.toString(reader.buffer(NAME_BYTES_MAX))
  const device = copyOf(reader.fixed(DEVICE_BYTES))
  const rotation = reader.uint()
  if (reader.reason === 'too-large') return TOO_LARGE
  const writer = { name, device, rotation }
  if (!reader.isGood || !b4a.equals(encodeWriterName(writer), bytes)) return MALFORMED
  return success(writer)
}

/** What depends on one party key. Holds it, so never log or print an instance. */
export class PartyKeys {
  readonly #crypto: Hashes
  readonly #key: Uint8Array
  readonly #feedIdNamespace: Uint8Array
  readonly #slotNamespace: Uint8Array
  readonly #recordNamespace: Uint8Array
  readonly #digestNamespace: Uint8Array
  /** Part of every signature; never sent, never announced. 32 bytes. */
  readonly partyId: Uint8Array
  /** The swarm topic. 32 bytes. */
  readonly discoveryKey: Uint8Array

  constructor(crypto: Hashes, partyKey: Uint8Array) {
    this.#crypto = crypto
    this.#key = copyOf(partyKey)
    this.#feedIdNamespace = namespaceOf(crypto, `${PREFIX}feed-id`)
    this.#slotNamespace = namespaceOf(crypto, `${PREFIX}slot`)
    this.#recordNamespace = namespaceOf(crypto, `${PREFIX}record`)
    this.#digestNamespace = namespaceOf(crypto, `${PREFIX}digest`)
    this.partyId = crypto.keyedHash(partyKey, namespaceOf(crypto, `${PREFIX}party-id`))
    this.discoveryKey = crypto.keyedHash(partyKey, namespaceOf(crypto, `${PREFIX}discovery`))
  }

  /** Does this genesis hash to our party key? */
  isGenesis(genesis: Genesis): boolean {
    return isGenesisOf(this.#crypto, genesis, this.#key)
  }

  /** Id of the party channel: another one on every connection. 32 bytes. */
  channelId(handshakeHash: Uint8Array): Uint8Array {
    return this.#crypto.keyedHash(handshakeHash, this.partyId)
  }

  /** Proof of knowing the party key on this connection, 32 bytes. */
  proof(binding: ConnectionBinding, prover: Prover): Uint8Array {
    const { role, parts } = proofParts(binding, prover)
    return this.#crypto.keyedHash(this.#key, namespaceOf(this.#crypto, `${PREFIX}proof/${role}`), ...parts)
  }

  /** What an author signs to bind itself to this connection, 32 bytes. */
  authorDigest(binding: ConnectionBinding, prover: Prover): Uint8Array {
    const { role, parts } = proofParts(binding, prover)
    return this.#crypto.hash(namespaceOf(this.#crypto, `${PREFIX}author/${role}`), this.partyId, ...parts)
  }

  /** What the holder of an invite signs with the key of the invite: NS, party id, own author, handshakeHash; 160 bytes. */
  redeemMessage(author: Uint8Array, handshakeHash: Uint8Array): Uint8Array {
    return b4a.concat([namespaceOf(this.#crypto, `${PREFIX}redeem`), this.partyId, author, handshakeHash])
  }

  /** Gossip topic of the party's records, 32 bytes. */
  recordsTopicKey(): Uint8Array {
    return this.#topicKey('sys/records')
  }

  /** Gossip topic of the app, 32 bytes. No name can meet the party's own topics. */
  appTopicKey(name: string): Uint8Array {
    return this.#topicKey(`app/${name}`)
  }

  /** Names a feed without telling its key, 32 bytes. */
  feedId(feedKey: Uint8Array): Uint8Array {
    return this.#crypto.keyedHash(this.#key, this.#feedIdNamespace, feedKey)
  }

  /** Slot of a feed: the first 16 bytes of its id. That of a revoke, and of the feed's row in the set of lengths. */
  feedSlot(feedKey: Uint8Array): Uint8Array {
    return copyOf(this.feedId(feedKey).subarray(0, SLOT_BYTES))
  }

  /** Slot of an authorize: that of the feed with its last bit flipped. */
  authorizeSlot(feedKey: Uint8Array): Uint8Array {
    const slot = this.feedSlot(feedKey)
    slot[SLOT_BYTES - 1] = (slot[SLOT_BYTES - 1] as number) ^ 1
    return slot
  }

  /** Slot of an introduction and of its withdrawal: one per feed and introducer, so nobody overwrites another's. */
  introductionSlot(feedKey: Uint8Array, author: Uint8Array): Uint8Array {
    const slot = this.#crypto.keyedHash(this.#key, this.#slotNamespace, feedKey, author)
    return copyOf(slot.subarray(0, SLOT_BYTES))
  }

  /** Digest of a record, 32 bytes; `body` as it is sent. */
  recordDigest(kind: number, author: Uint8Array, body: Uint8Array): Uint8Array {
    return this.#crypto.hash(this.#recordNamespace, this.partyId, Uint8Array.of(kind), author, body)
  }

  /** Namespace of the manifest of a feed that is written under this party. 32 bytes. */
  feedNamespace(fullName: Uint8Array): Uint8Array {
    return feedNamespaceOf(this.#crypto, this.partyId, fullName)
  }

  /** Salt of one round of one set's comparison, known to the two peers alone. 32 bytes. */
  digestSalt(handshakeHash: Uint8Array, set: SetNumber, round: number): Uint8Array {
    const tail = Uint8Array.of(set, round, round >>> 8, round >>> 16, round >>> 24)
    return this.#crypto.keyedHash(handshakeHash, this.#digestNamespace, this.partyId, tail)
  }

  #topicKey(name: string): Uint8Array {
    const namespace = namespaceOf(this.#crypto, 'hearsay/gossip/1/sub-topic')
    return this.#crypto.keyedHash(this.#key, namespace, b4a.from(name))
  }
}

function proofParts(binding: ConnectionBinding, prover: Prover): { role: string; parts: Uint8Array[] } {
  const isOwn = prover === 'own'
  const proverKey = isOwn ? binding.publicKey : binding.remotePublicKey
  const verifierKey = isOwn ? binding.remotePublicKey : binding.publicKey
  // Both ends must agree on who is meant: the role is the prover's, not ours.
  const role = binding.isInitiator === isOwn ? 'initiator' : 'responder'
  return { role, parts: [binding.handshakeHash, proverKey, verifierKey] }
}
