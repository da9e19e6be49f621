/**
 * Every key and id, derived from the topic key or the author.
 *
 * The topic key is the secret: whoever has it may read and publish. Nothing that is sent or announced reveals it, and the
 * ids for different uses can't be computed from each other. `NS(s)` is BLAKE2b-256 of the UTF-8 of s; `K(k, m)` is
 * BLAKE2b-256 of m keyed with k. Changing any of these strings is a new version of the protocol; test/vectors holds the
 * results.
 */
import b4a from 'b4a'
import { copyOf } from './bytes.js'
import type { AuthorRef, CryptoPort } from './types.js'

/** The two hashes of a `CryptoPort`. */
export type Hashes = Pick<CryptoPort, 'hash' | 'keyedHash'>

/** Which side of the Noise handshake proves. Part of the proof, else it could be reflected. */
export type ProofRole = 'initiator' | 'responder'

/** What a proof is bound to. */
export interface ProofBinding {
  /** Of the Noise handshake, 64 bytes. */
  handshakeHash: Uint8Array
  /** Noise static key of who proves, 32 bytes. */
  prover: Uint8Array
  /** Noise static key of who checks, 32 bytes. */
  verifier: Uint8Array
}

const PREFIX = 'hearsay/gossip/1/'
const NO_ORIGIN = new Uint8Array(0)
const AUTHOR_BYTES = 32
const INCARNATION_BYTES = 8

/** NS: 32 bytes that separate one use of a hash from all others. */
export function namespaceOf(crypto: Hashes, text: string): Uint8Array {
  return crypto.hash(b4a.from(text))
}

/** Topic key of a public topic: anybody who knows the name can compute it. 32 bytes. */
export function publicTopicKey(crypto: Hashes, name: string): Uint8Array {
  return crypto.hash(namespaceOf(crypto, `${PREFIX}public-topic`), b4a.from(name))
}

/** Topic key of a topic below another: one swarm join serves all of them. 32 bytes. */
export function subtopicKey(crypto: Hashes, parentKey: Uint8Array, name: string): Uint8Array {
  return crypto.keyedHash(parentKey, namespaceOf(crypto, `${PREFIX}sub-topic`), b4a.from(name))
}

/** Topic id: part of every signature; never sent, never announced. 32 bytes. */
export function topicIdOf(crypto: Hashes, topicKey: Uint8Array): Uint8Array {
  return crypto.keyedHash(topicKey, namespaceOf(crypto, `${PREFIX}topic-id`))
}

/** Id of the channel: another one on every connection, so that a peer learns of no topic it doesn't share. 32 bytes. */
export function channelIdOf(crypto: Hashes, topicId: Uint8Array, handshakeHash: Uint8Array): Uint8Array {
  return crypto.keyedHash(handshakeHash, topicId)
}

/** What is announced in the DHT. Who only watches the DHT can't compute a channel id from it. 32 bytes. */
export function swarmTopicOf(crypto: Hashes, topicKey: Uint8Array): Uint8Array {
  return crypto.keyedHash(topicKey, namespaceOf(crypto, `${PREFIX}swarm-topic`))
}

/** Proof of knowing the topic key, good for one direction of one connection. 32 bytes. */
export function proofOf(
  crypto: Hashes,
  topicKey: Uint8Array,
  statement: ProofBinding & { role: ProofRole }
): Uint8Array {
  const { role, handshakeHash, prover, verifier } = statement
  const namespace = namespaceOf(crypto, `${PREFIX}proof/${role}`)
  return crypto.keyedHash(topicKey, namespace, handshakeHash, prover, verifier)
}

/**
 * A new incarnation: 48 bits of start time, big-endian, then 16 random bits.
 *
 * @param startMs - Wall clock, Unix ms.
 * @param random - Uniform in [0, 1).
 * @returns 8 bytes.
 */
export function newIncarnation(startMs: number, random: () => number): Uint8Array {
  const bytes = new Uint8Array(INCARNATION_BYTES)
  writeIncarnation(Math.floor(startMs), Math.floor(random() * 0x1_0000), { into: bytes, at: 0 })
  return bytes
}

/** Bytes that `writeName` writes: author and incarnation. */
export const NAME_BYTES = AUTHOR_BYTES + INCARNATION_BYTES

/** The bytes of an author as `AuthorRef.authorKey` has them. */
export function authorKeyOf(author: Uint8Array): string {
  return String.fromCharCode(...author)
}

/** Names an incarnation among all: a char per byte of author and incarnation. Sorts as the bytes do. */
export function nameOf({ authorKey, startMs, salt }: AuthorRef): string {
  // Below 2^32. Without making bytes of it: a list of a remote may name a thousand that nobody knows.
  const high = Math.floor(startMs / 0x1_0000)
  return (
    authorKey +
    String.fromCharCode(
      high >>> 24,
      (high >>> 16) & 0xff,
      (high >>> 8) & 0xff,
      high & 0xff,
      (startMs >>> 8) & 0xff,
      startMs & 0xff,
      salt >>> 8,
      salt & 0xff
    )
  )
}

/** Writes author (32 bytes) and incarnation (8 bytes) at `at`, without making anything. */
export function writeName({ authorKey, startMs, salt }: AuthorRef, into: Uint8Array, at: number): void {
  for (let i = 0; i < AUTHOR_BYTES; i++) into[at + i] = authorKey.charCodeAt(i)
  writeIncarnation(startMs, salt, { into, at: at + AUTHOR_BYTES })
}

/**
 * An author in an incarnation. One object per table entry: refs are compared by identity.
 *
 * @param author - 32 bytes.
 * @param incarnation - 8 bytes.
 * @param origin - Empty (default), or what introduces a durable author.
 */
export function makeAuthorRef(
  author: Uint8Array,
  incarnation: Uint8Array,
  origin: Uint8Array = NO_ORIGIN
): AuthorRef {
  return origin.length === 0
    ? new Incarnation(author, incarnation)
    : new DurableIncarnation(author, incarnation, origin)
}

class Incarnation implements AuthorRef {
  readonly authorKey: string
  // Two halves of the incarnation as signed integers: a time in ms alone would be an object of its own.
  readonly #high: number
  readonly #low: number

  constructor(author: Uint8Array, incarnation: Uint8Array) {
    const view = new DataView(incarnation.buffer, incarnation.byteOffset, INCARNATION_BYTES)
    this.authorKey = authorKeyOf(author)
    this.#high = view.getInt32(0)
    this.#low = view.getInt32(4)
  }

  get startMs(): number {
    return (this.#high >>> 0) * 0x1_0000 + (this.#low >>> 16)
  }

  get salt(): number {
    return this.#low & 0xffff
  }

  get author(): Uint8Array {
    const bytes = new Uint8Array(AUTHOR_BYTES)
    for (let i = 0; i < AUTHOR_BYTES; i++) bytes[i] = this.authorKey.charCodeAt(i)
    return bytes
  }

  get authorId(): string {
    return b4a.toString(this.author, 'hex')
  }

  get incarnation(): Uint8Array {
    const bytes = new Uint8Array(INCARNATION_BYTES)
    writeIncarnation(this.startMs, this.salt, { into: bytes, at: 0 })
    return bytes
  }

  get incarnationId(): string {
    return b4a.toString(this.incarnation, 'hex')
  }

  get origin(): Uint8Array {
    return NO_ORIGIN
  }
}

class DurableIncarnation extends Incarnation {
  readonly #origin: Uint8Array

  constructor(author: Uint8Array, incarnation: Uint8Array, origin: Uint8Array) {
    super(author, incarnation)
    this.#origin = copyOf(origin)
  }

  override get origin(): Uint8Array {
    return this.#origin
  }
}

function writeIncarnation(
  startMs: number,
  salt: number,
  { into, at }: { into: Uint8Array; at: number }
): void {
  let left = startMs
  for (let i = 5; i >= 0; i--) {
    into[at + i] = left % 256
    left = Math.floor(left / 256)
  }
  into[at + 6] = salt >>> 8
  into[at + 7] = salt & 0xff
}
