/**
 * BATCH, the frame that matters: encoded and decoded once per batch and link.
 *
 * Encoding is one allocation, the header, and one copy of the payload list. Decoding makes views only; what is kept is
 * copied by `batchOf`, in one allocation, after the frame turned out to be no duplicate.
 *
 * `ix uint, flags u8, hops u8, seq0 uint, count u8, createdDelta uint, ttl u8, signature fixed(64), head buf, payloads`
 * The high nibble of flags is the signed class, the low nibble belongs to the hop. `createdDelta` counts from the start
 * time in the incarnation, so `created` can't lie before it; in a durable batch it is `created` itself.
 */
import b4a from 'b4a'
import type { Limits } from '../limits.js'
import { CLASS_DURABLE, checkPayloads, makeBatch } from './batch.js'
import { Reader, uintSize, Writer } from './bytes.js'
import { MALFORMED, type Result, success, TOO_LARGE } from './result.js'
import type { AuthorRef, Batch } from './types.js'

/** Hop flag: build the author's tree again. */
export const FLAG_MARK = 1
/** Hop flag: answer to a WANT. */
export const FLAG_REPAIR = 2
/** Hop flag: last batch of that answer. */
export const FLAG_LAST = 4

/** Largest `head`. A feed's signature takes 68 bytes; the rest is room for other schemes. */
const MAX_HEAD_BYTES = 128
const SIGNATURE_BYTES = 64
const CLASS_BITS = 0xf0

/** What a forwarder says about a batch. */
export interface Hop {
  /** How often it was forwarded, 0 to 255. */
  readonly hops: number
  /** Build the tree again. */
  readonly mark: boolean
  /** Answer to a WANT. */
  readonly repair: boolean
  /** Last batch of that answer. */
  readonly last: boolean
}

/** A BATCH as it came. The bytes are views on the frame: `batchOf` copies them. */
export interface BatchFrame extends Hop {
  /** Index of the author, as an AUTHOR frame bound it; here it may still be unbound. */
  readonly ix: number
  /** 0, or `CLASS_DURABLE`; signed. */
  readonly class: number
  /** Seq of the first message. */
  readonly seq0: number
  /** Messages, 1 to `maxBatchMessages`. */
  readonly count: number
  /** Of `createdMsOf`. */
  readonly createdDelta: number
  /** From 1 to `maxTtlMs / 1000`, counted from when the batch was made. */
  readonly ttlSeconds: number
  /** 64 bytes; not checked yet. */
  readonly signature: Uint8Array
  /** Empty; or the feed's signature of a durable batch, at most 128 bytes. */
  readonly head: Uint8Array
  /** The payload list as it is hashed: `count` times (uint length, bytes), and nothing behind it. */
  readonly payloadBytes: Uint8Array
}

/** Largest BATCH frame that we accept and state in our hello. */
export function maxBatchFrameBytes(limits: Limits): number {
  return Math.max(limits.maxMessageBytes, limits.maxBatchBytes) + limits.batchOverheadBytes
}

/** Bytes of a BATCH frame for `batch`, exactly if the index is below 253. */
export function batchFrameBytes(batch: Batch): number {
  return headerSize(0, batch) + batch.payloadBytes.length
}

/** Bytes of a BATCH frame. */
export function encodeBatch(ix: number, batch: Batch, hop: Hop): Uint8Array {
  const flags =
    batch.class | (hop.mark ? FLAG_MARK : 0) | (hop.repair ? FLAG_REPAIR : 0) | (hop.last ? FLAG_LAST : 0)
  return new Writer(b4a.allocUnsafe(headerSize(ix, batch) + batch.payloadBytes.length))
    .uint(ix)
    .u8(flags)
    .u8(Math.min(hop.hops, 255))
    .uint(batch.seq0)
    .u8(batch.count)
    .uint(createdDelta(batch))
    .u8(batch.ttlSeconds)
    .fixed(batch.signature)
    .buffer(batch.head)
    .fixed(batch.payloadBytes).bytes
}

/**
 * Reads a BATCH under `limits`: sizes, count, ttl, class bits, and exactly `count` payloads. Unknown hop flags are ignored.
 * An ok frame is well formed, not yet bound to an author, and not verified.
 */
export function decodeBatch(bytes: Uint8Array, limits: Limits): Result<BatchFrame> {
  if (bytes.length > maxBatchFrameBytes(limits)) return TOO_LARGE
  const reader = new Reader(bytes)
  const ix = reader.uint()
  const flags = reader.u8()
  const frame = {
    ix,
    class: flags & CLASS_BITS,
    mark: (flags & FLAG_MARK) !== 0,
    repair: (flags & FLAG_REPAIR) !== 0,
    last: (flags & FLAG_LAST) !== 0,
    hops: reader.u8(),
    seq0: reader.uint(),
    count: reader.u8(),
    createdDelta: reader.uint(),
    ttlSeconds: reader.u8(),
    signature: reader.fixed(SIGNATURE_BYTES),
    head: reader.buffer(MAX_HEAD_BYTES),
    payloadBytes: reader.rest()
  }
  if (!reader.isGood || !isInRange(frame, limits)) return MALFORMED
  return checkPayloads(frame.payloadBytes, frame.count, limits.maxMessageBytes) ?? success(frame)
}

/** When the batch of a frame was made, Unix ms by its author's clock; NaN if that is beyond 2^53-1. */
export function createdMsOf(frame: BatchFrame, ref: AuthorRef): number {
  if (frame.class === CLASS_DURABLE) return frame.createdDelta
  const createdMs = ref.startMs + frame.createdDelta
  return Number.isSafeInteger(createdMs) ? createdMs : Number.NaN
}

/** The batch of a decoded frame whose index stands for `ref`. Copies all bytes, in one allocation. */
export function batchOf(frame: BatchFrame, ref: AuthorRef): Batch {
  const { signature, head, seq0, count, ttlSeconds, class: classBits } = frame
  const payloadsAt = SIGNATURE_BYTES + head.length
  const bytes = b4a.allocUnsafe(payloadsAt + frame.payloadBytes.length)
  bytes.set(signature, 0)
  if (head.length > 0) bytes.set(head, SIGNATURE_BYTES)
  bytes.set(frame.payloadBytes, payloadsAt)
  const payloadBytes = bytes.subarray(payloadsAt)
  const createdMs = createdMsOf(frame, ref)
  const signed = { ref, seq0, count, createdMs, ttlSeconds, class: classBits, payloadBytes }
  const ownHead = head.length > 0 ? bytes.subarray(SIGNATURE_BYTES, payloadsAt) : undefined
  return makeBatch(signed, bytes.subarray(0, SIGNATURE_BYTES), ownHead)
}

function isInRange(frame: BatchFrame, limits: Limits): boolean {
  const { count, ttlSeconds } = frame
  if (count < 1 || count > limits.maxBatchMessages) return false
  if (ttlSeconds < 1 || ttlSeconds * 1000 > limits.maxTtlMs) return false
  if (frame.class !== 0 && frame.class !== CLASS_DURABLE) return false
  return frame.seq0 <= Number.MAX_SAFE_INTEGER - (count - 1)
}

function createdDelta(batch: Batch): number {
  return batch.class === CLASS_DURABLE ? batch.createdMs : batch.createdMs - batch.ref.startMs
}

function headerSize(ix: number, batch: Batch): number {
  // flags, hops, count and ttl take a byte each.
  const fixed = 4 + SIGNATURE_BYTES + uintSize(batch.head.length) + batch.head.length
  return fixed + uintSize(ix) + uintSize(batch.seq0) + uintSize(createdDelta(batch))
}
