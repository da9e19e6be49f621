/**
 * A batch: what is signed, and the form of its payloads.
 *
 * The signature is Ed25519 over a 32-byte digest. The digest covers 128 bytes of header, fixed in width so that no other
 * encoding of the same fields exists, and the payload list exactly as it is sent. So everything is signed but what a
 * forwarder may change: index, hops, hop flags. `head` carries a signature of its own.
 *
 * | offset | size | field                                  | offset | size | field                          |
 * |      0 |   32 | NS('hearsay/gossip/1/batch')           |    112 |    8 | created, u64 LE, Unix ms       |
 * |     32 |   32 | topic id                               |    120 |    1 | ttl in seconds                 |
 * |     64 |   32 | author                                 |    121 |    1 | class                          |
 * |     96 |    8 | incarnation                            |    122 |    2 | count, u16 LE                  |
 * |    104 |    8 | seq0, u64 LE                           |    124 |    4 | length of the payloads, u32 LE |
 */
import b4a from 'b4a'
import { Reader, uintSize, Writer } from './bytes.js'
import { type Hashes, namespaceOf, writeName } from './keys.js'
import { MALFORMED, type Result, success, TOO_LARGE } from './result.js'
import type { AuthorRef, Batch } from './types.js'

/** Bit of `Batch.class`: the messages live in the author's feed. */
export const CLASS_DURABLE = 16

/** What the digest covers. */
export type SignedBatch = Pick<
  Batch,
  'ref' | 'seq0' | 'count' | 'createdMs' | 'ttlSeconds' | 'class' | 'payloadBytes'
>

const HEADER_BYTES = 128
const AUTHOR_AT = 64

/** The payload list: count times (uint length, bytes). One allocation, one copy. */
export function encodePayloads(payloads: readonly Uint8Array[]): Uint8Array {
  let size = 0
  for (const payload of payloads) size += uintSize(payload.length) + payload.length
  const writer = new Writer(b4a.allocUnsafe(size))
  for (const payload of payloads) writer.buffer(payload)
  return writer.bytes
}

/**
 * Is `bytes` exactly `count` payloads of at most `maxMessageBytes`? Allocates no views: most batches that arrive are
 * duplicates, and their payloads are never looked at.
 *
 * @returns null if it is; else why not.
 */
export function checkPayloads(
  bytes: Uint8Array,
  count: number,
  maxMessageBytes: number
): typeof MALFORMED | null {
  const reader = new Reader(bytes)
  for (let i = 0; i < count; i++) {
    const size = reader.uint()
    if (size > maxMessageBytes) return TOO_LARGE
    reader.skip(size)
  }
  return reader.isGood && reader.remaining === 0 ? null : MALFORMED
}

/** Views on the payloads of a list that must hold exactly `count` of at most `maxMessageBytes`, and nothing behind them. */
export function decodePayloads(
  bytes: Uint8Array,
  count: number,
  maxMessageBytes: number
): Result<readonly Uint8Array[]> {
  const failure = checkPayloads(bytes, count, maxMessageBytes)
  return failure ?? success(payloadViews(bytes, count))
}

/** Views on the payloads of a list that `checkPayloads` found right. */
export function payloadViews(bytes: Uint8Array, count: number): Uint8Array[] {
  const reader = new Reader(bytes)
  const payloads: Uint8Array[] = []
  for (let i = 0; i < count; i++) payloads.push(reader.buffer(bytes.length))
  return payloads
}

const NO_HEAD = new Uint8Array(0)

/** A batch with nothing but its bytes: thousands are cached, and nobody reads their payloads again. */
class StoredBatch implements Batch {
  readonly ref: AuthorRef
  readonly seq0: number
  readonly count: number
  readonly createdMs: number
  readonly ttlSeconds: number
  readonly class: number
  readonly signature: Uint8Array
  readonly head: Uint8Array
  readonly payloadBytes: Uint8Array

  constructor(signed: SignedBatch, signature: Uint8Array, head: Uint8Array) {
    this.ref = signed.ref
    this.seq0 = signed.seq0
    this.count = signed.count
    this.createdMs = signed.createdMs
    this.ttlSeconds = signed.ttlSeconds
    this.class = signed.class
    this.signature = signature
    this.head = head
    this.payloadBytes = signed.payloadBytes
  }

  get payloads(): readonly Uint8Array[] {
    return payloadViews(this.payloadBytes, this.count)
  }
}

/** Makes a batch. The bytes become its own; the payloads must be a list that `checkPayloads` finds right. */
export function makeBatch(signed: SignedBatch, signature: Uint8Array, head: Uint8Array = NO_HEAD): Batch {
  return new StoredBatch(signed, signature, head)
}

/** Computes the digests of one topic. Holds one header and fills it in again for each batch. */
export class BatchDigester {
  readonly #crypto: Hashes
  readonly #header = new Uint8Array(HEADER_BYTES)
  readonly #view = new DataView(this.#header.buffer)
  /** Author of the batch that was digested last, 32 bytes; a view that the next digest writes to. */
  readonly author = this.#header.subarray(AUTHOR_AT, AUTHOR_AT + 32)

  /** @param topicId - 32 bytes, of `topicIdOf`. */
  constructor(crypto: Hashes, topicId: Uint8Array) {
    this.#crypto = crypto
    this.#header.set(namespaceOf(crypto, 'hearsay/gossip/1/batch'), 0)
    this.#header.set(topicId, 32)
  }

  /** What is signed: 32 bytes. */
  digest(batch: SignedBatch): Uint8Array {
    const header = this.#header
    const view = this.#view
    writeName(batch.ref, header, AUTHOR_AT)
    setUint64(view, 104, batch.seq0)
    setUint64(view, 112, batch.createdMs)
    header[120] = batch.ttlSeconds
    header[121] = batch.class
    view.setUint16(122, batch.count, true)
    view.setUint32(124, batch.payloadBytes.length, true)
    return this.#crypto.hash(header, batch.payloadBytes)
  }
}

/** The digest of one batch; `BatchDigester` is faster for many of one topic. 32 bytes. */
export function batchDigest(crypto: Hashes, topicId: Uint8Array, batch: SignedBatch): Uint8Array {
  return new BatchDigester(crypto, topicId).digest(batch)
}

// Two halves instead of setBigUint64: a BigInt per field is an allocation per field.
function setUint64(view: DataView, offset: number, value: number): void {
  view.setUint32(offset, value % 0x1_0000_0000, true)
  view.setUint32(offset + 4, Math.floor(value / 0x1_0000_0000), true)
}
