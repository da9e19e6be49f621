/**
 * Frames of a link: one byte string per Protomux message, whose number there is the kind.
 *
 * Append only: kinds are never reordered. Decoders take bytes of a remote: they check sizes before they allocate, return
 * results, never throw, and ignore trailing bytes so that later versions may add fields. Lists are bounded by `limits`
 * and by the bytes that are there. Every seq and every end of a range is at most 2^53-1. An `ix` is any uint:
 * `IncomingAuthors` knows which are bound. Encoders trust their caller. Bytes in a decoded frame are views on it.
 *
 * BATCH is in batch-frame.ts.
 */
import b4a from 'b4a'
import type { Limits } from '../limits.js'
import { Reader, uintSize, Writer } from './bytes.js'
import { NAME_BYTES } from './keys.js'
import { MALFORMED, type Result, success, TOO_LARGE } from './result.js'
import type { AuthorRef, HaveEntry, HaveKind, MissReason, OutFrame, SeqRange } from './types.js'

export {
  type BatchFrame,
  batchFrameBytes,
  batchOf,
  createdMsOf,
  decodeBatch,
  encodeBatch,
  type Hop,
  maxBatchFrameBytes
} from './batch-frame.js'

/** Number of each kind of frame. 10 is reserved. */
export const FrameKind = {
  author: 0,
  batch: 1,
  have: 2,
  want: 3,
  miss: 4,
  prune: 5,
  offer: 6,
  skip: 7,
  link: 8,
  peers: 9,
  reserved: 10
} as const

/** A number of `FrameKind`. */
export type FrameKind = (typeof FrameKind)[keyof typeof FrameKind]

/** Largest `origin`: a feed key (32 bytes) and a writer name. Bounds what a full table of authors holds. */
export const MAX_ORIGIN_BYTES = 32 + 256

const HAVE_KINDS: readonly HaveKind[] = ['tick', 'summary', 'live', 'join', 'lag']
const MISS_REASONS: readonly MissReason[] = ['not-cached', 'expired', 'durable', 'over-budget']
const LINK_OPS: readonly LinkFrame['op'][] = ['ask', 'ok', 'no', 'demote']
const WANT_GRAFT = 1

/** Binds `ix` to an author, for the frames that come after it on this link. */
export interface AuthorFrame {
  readonly ix: number
  /** 32 bytes; nothing was proven by naming it. */
  readonly author: Uint8Array
  /** 8 bytes: 48-bit start time in ms, big-endian, then 16 random bits. */
  readonly incarnation: Uint8Array
  /** At most `MAX_ORIGIN_BYTES`; empty but for a durable topic: feed key (32 bytes) and writer name. */
  readonly origin: Uint8Array
}

/** Watermarks; without entries a sign of life. */
export interface HaveFrame {
  /** Why it was sent, which says what the entries that it lacks mean. */
  readonly have: HaveKind
  /** `next`: watermark + 1, 0: nothing yet; `ahead`: highest accepted seq - watermark. At most `maxHaveEntries`. */
  readonly entries: readonly { readonly ix: number; readonly next: number; readonly ahead: number }[]
}

/** A range of seqs of the author that `ix` stands for. */
export interface FrameRange {
  readonly ix: number
  /** First seq of the range. */
  readonly from: number
  /** Seqs in it; 0: none, `from` means nothing. */
  readonly count: number
}

/** Asks for the batches that touch the ranges. A range of 0 seqs only grafts. */
export interface WantFrame {
  /** Push later batches of these authors as well. */
  readonly graft: boolean
  /** At most `maxWantRanges`. */
  readonly ranges: readonly FrameRange[]
}

/** What can't be supplied. */
export interface MissFrame {
  /** `floor`: the lowest seq of the author that can be supplied. At most `maxWantRanges`. */
  readonly entries: readonly (FrameRange & { readonly floor: number; readonly reason: MissReason })[]
}

/** "Don't push these to me"; none: push nothing. */
export interface PruneFrame {
  /** Indexes of authors, at most `maxHaveEntries`. */
  readonly ixs: readonly number[]
}

/** Announces a large batch instead of pushing it. */
export interface OfferFrame {
  /** Index of the author. */
  readonly ix: number
  /** First seq of the batch. */
  readonly seq0: number
  /** Messages in it, 1 to `maxBatchMessages`. */
  readonly count: number
  /** Size of the BATCH frame that would be sent; the sender's word. */
  readonly bytes: number
}

/** "I have this batch, don't send it." */
export interface SkipFrame {
  /** Index of the author. */
  readonly ix: number
  /** First seq of the batch. */
  readonly seq0: number
}

/** Changes active and standby. `backoffMs` is clamped to `maxToldBackoffMs`. */
export type LinkFrame = Omit<Extract<OutFrame, { kind: 'link' }>, 'kind'>

/** Noise keys of peers of this topic. */
export interface PeersFrame {
  /** 32 bytes each, at most `maxPeersKeys`. Hints: nobody proved that these peers exist. */
  readonly keys: readonly Uint8Array[]
}

/** Bytes of an AUTHOR frame. */
export function encodeAuthor(ix: number, ref: AuthorRef): Uint8Array {
  const { author, incarnation, origin } = ref
  const size = uintSize(ix) + NAME_BYTES + uintSize(origin.length) + origin.length
  return new Writer(b4a.allocUnsafe(size)).uint(ix).fixed(author).fixed(incarnation).buffer(origin).bytes
}

/** Reads an AUTHOR. An index beyond the table is malformed. */
export function decodeAuthor(bytes: Uint8Array, limits: Limits): Result<AuthorFrame> {
  if (bytes.length > limits.maxFrameBytes) return TOO_LARGE
  const reader = new Reader(bytes)
  const frame = {
    ix: reader.uint(),
    author: reader.fixed(32),
    incarnation: reader.fixed(8),
    origin: reader.buffer(MAX_ORIGIN_BYTES)
  }
  return reader.isGood && frame.ix < limits.maxAuthorIndexes ? success(frame) : MALFORMED
}

/** How many entries a list says that it has; 0 for frames of other kinds. What follows wasn't looked at. */
export function entriesIn(kind: number, bytes: Uint8Array): number {
  const reader = new Reader(bytes)
  switch (kind) {
    case FrameKind.have:
    case FrameKind.want:
      reader.u8()
      return reader.uint()
    case FrameKind.miss:
    case FrameKind.prune:
      return reader.uint()
    default:
      return 0
  }
}

/** Bytes of one entry of a HAVE. */
export function haveEntrySize(ix: number, entry: HaveEntry): number {
  return uintSize(ix) + uintSize(entry.next) + uintSize(entry.ahead)
}

/** Bytes of a HAVE; `ixs[i]` stands for the author of `entries[i]`. */
export function encodeHave(
  have: HaveKind,
  entries: readonly HaveEntry[],
  ixs: readonly number[]
): Uint8Array {
  let size = 1 + uintSize(entries.length)
  for (const [i, entry] of entries.entries()) size += haveEntrySize(ixs[i] as number, entry)
  const writer = new Writer(b4a.allocUnsafe(size)).u8(HAVE_KINDS.indexOf(have)).uint(entries.length)
  for (const [i, entry] of entries.entries()) {
    writer
      .uint(ixs[i] as number)
      .uint(entry.next)
      .uint(entry.ahead)
  }
  return writer.bytes
}

/** Reads a HAVE. */
export function decodeHave(bytes: Uint8Array, limits: Limits): Result<HaveFrame> {
  if (bytes.length > limits.maxFrameBytes) return TOO_LARGE
  const reader = new Reader(bytes)
  const have = HAVE_KINDS[reader.u8()]
  const count = reader.uint()
  if (count > limits.maxHaveEntries) return TOO_LARGE
  if (!reader.isGood || have === undefined || count * 3 > reader.remaining) return MALFORMED
  const entries = []
  for (let i = 0; i < count; i++) {
    const entry = { ix: reader.uint(), next: reader.uint(), ahead: reader.uint() }
    // The highest seq is next - 1 + ahead.
    if (entry.next > Number.MAX_SAFE_INTEGER - entry.ahead) return MALFORMED
    entries.push(entry)
  }
  return reader.isGood ? success({ have, entries }) : MALFORMED
}

/** Bytes of a WANT; `ixs[i]` stands for the author of `ranges[i]`. */
export function encodeWant(graft: boolean, ranges: readonly SeqRange[], ixs: readonly number[]): Uint8Array {
  let size = 1 + uintSize(ranges.length)
  for (const [i, range] of ranges.entries()) size += rangeSize(ixs[i] as number, range)
  const writer = new Writer(b4a.allocUnsafe(size)).u8(graft ? WANT_GRAFT : 0).uint(ranges.length)
  for (const [i, range] of ranges.entries()) writeRange(writer, ixs[i] as number, range)
  return writer.bytes
}

/** Reads a WANT. A longer range than `maxRangeSeqs` is cut: the rest will be asked for again. */
export function decodeWant(bytes: Uint8Array, limits: Limits): Result<WantFrame> {
  if (bytes.length > limits.maxFrameBytes) return TOO_LARGE
  const reader = new Reader(bytes)
  const flags = reader.u8()
  const count = reader.uint()
  if (count > limits.maxWantRanges) return TOO_LARGE
  if (!reader.isGood || count * 3 > reader.remaining) return MALFORMED
  const ranges = []
  for (let i = 0; i < count; i++) {
    const range = readRange(reader)
    if (!isRange(range)) return MALFORMED
    range.count = Math.min(range.count, limits.maxRangeSeqs)
    ranges.push(range)
  }
  return reader.isGood ? success({ graft: (flags & WANT_GRAFT) !== 0, ranges }) : MALFORMED
}

type MissEntry = Extract<OutFrame, { kind: 'miss' }>['entries'][number]

/** Bytes of a MISS; `ixs[i]` stands for the author of `entries[i]`. */
export function encodeMiss(entries: readonly MissEntry[], ixs: readonly number[]): Uint8Array {
  let size = uintSize(entries.length)
  for (const [i, entry] of entries.entries()) {
    size += rangeSize(ixs[i] as number, entry) + uintSize(entry.floor) + 1
  }
  const writer = new Writer(b4a.allocUnsafe(size)).uint(entries.length)
  for (const [i, entry] of entries.entries()) {
    writeRange(writer, ixs[i] as number, entry)
    writer.uint(entry.floor).u8(MISS_REASONS.indexOf(entry.reason))
  }
  return writer.bytes
}

/** Reads a MISS. Its ranges may be of any length: never loop over their seqs. */
export function decodeMiss(bytes: Uint8Array, limits: Limits): Result<MissFrame> {
  if (bytes.length > limits.maxFrameBytes) return TOO_LARGE
  const reader = new Reader(bytes)
  const count = reader.uint()
  if (count > limits.maxWantRanges) return TOO_LARGE
  if (!reader.isGood || count * 5 > reader.remaining) return MALFORMED
  const entries = []
  for (let i = 0; i < count; i++) {
    const range = readRange(reader)
    const floor = reader.uint()
    const reason = MISS_REASONS[reader.u8()]
    if (!isRange(range) || reason === undefined) return MALFORMED
    // Field by field: a spread takes ten times as long where numbers are of all sizes.
    entries.push({ ix: range.ix, from: range.from, count: range.count, floor, reason })
  }
  return reader.isGood ? success({ entries }) : MALFORMED
}

/** Bytes of a PRUNE. */
export function encodePrune(ixs: readonly number[]): Uint8Array {
  let size = uintSize(ixs.length)
  for (const ix of ixs) size += uintSize(ix)
  const writer = new Writer(b4a.allocUnsafe(size)).uint(ixs.length)
  for (const ix of ixs) writer.uint(ix)
  return writer.bytes
}

/** Reads a PRUNE. */
export function decodePrune(bytes: Uint8Array, limits: Limits): Result<PruneFrame> {
  if (bytes.length > limits.maxFrameBytes) return TOO_LARGE
  const reader = new Reader(bytes)
  const count = reader.uint()
  if (count > limits.maxHaveEntries) return TOO_LARGE
  if (!reader.isGood || count > reader.remaining) return MALFORMED
  const ixs: number[] = []
  for (let i = 0; i < count; i++) ixs.push(reader.uint())
  return reader.isGood ? success({ ixs }) : MALFORMED
}

/** Bytes of an OFFER. */
export function encodeOffer(frame: OfferFrame): Uint8Array {
  const { ix, seq0, count, bytes } = frame
  const size = uintSize(ix) + uintSize(seq0) + 1 + uintSize(bytes)
  return new Writer(b4a.allocUnsafe(size)).uint(ix).uint(seq0).u8(count).uint(bytes).bytes
}

/** Reads an OFFER. */
export function decodeOffer(bytes: Uint8Array, limits: Limits): Result<OfferFrame> {
  if (bytes.length > limits.maxFrameBytes) return TOO_LARGE
  const reader = new Reader(bytes)
  const frame = { ix: reader.uint(), seq0: reader.uint(), count: reader.u8(), bytes: reader.uint() }
  const { seq0, count } = frame
  if (!reader.isGood || count < 1 || count > limits.maxBatchMessages) return MALFORMED
  return seq0 <= Number.MAX_SAFE_INTEGER - (count - 1) ? success(frame) : MALFORMED
}

/** Bytes of a SKIP. */
export function encodeSkip(frame: SkipFrame): Uint8Array {
  const size = uintSize(frame.ix) + uintSize(frame.seq0)
  return new Writer(b4a.allocUnsafe(size)).uint(frame.ix).uint(frame.seq0).bytes
}

/** Reads a SKIP. */
export function decodeSkip(bytes: Uint8Array, limits: Limits): Result<SkipFrame> {
  if (bytes.length > limits.maxFrameBytes) return TOO_LARGE
  const reader = new Reader(bytes)
  const frame = { ix: reader.uint(), seq0: reader.uint() }
  return reader.isGood ? success(frame) : MALFORMED
}

/** Bytes of a LINK. */
export function encodeLink(frame: LinkFrame): Uint8Array {
  return new Writer(b4a.allocUnsafe(3 + uintSize(frame.backoffMs)))
    .u8(LINK_OPS.indexOf(frame.op))
    .u8(frame.high ? 1 : 0)
    .uint(frame.backoffMs)
    .u8(Math.min(frame.degree, 255)).bytes
}

/** Reads a LINK. */
export function decodeLink(bytes: Uint8Array, limits: Limits): Result<LinkFrame> {
  if (bytes.length > limits.maxFrameBytes) return TOO_LARGE
  const reader = new Reader(bytes)
  const op = LINK_OPS[reader.u8()]
  const high = reader.u8() === 1
  // Clamped before anybody adds it to a time (GHSA-xqmp-fxgv-xvq5).
  const backoffMs = Math.min(reader.uint(), limits.maxToldBackoffMs)
  const degree = reader.u8()
  return reader.isGood && op !== undefined ? success({ op, high, backoffMs, degree }) : MALFORMED
}

/** Bytes of a PEERS; 32 bytes a key. */
export function encodePeers(keys: readonly Uint8Array[]): Uint8Array {
  const writer = new Writer(b4a.allocUnsafe(uintSize(keys.length) + 32 * keys.length)).uint(keys.length)
  for (const key of keys) writer.fixed(key)
  return writer.bytes
}

/** Reads a PEERS. */
export function decodePeers(bytes: Uint8Array, limits: Limits): Result<PeersFrame> {
  if (bytes.length > limits.maxFrameBytes) return TOO_LARGE
  const reader = new Reader(bytes)
  const count = reader.uint()
  if (count > limits.maxPeersKeys) return TOO_LARGE
  if (!reader.isGood || count * 32 > reader.remaining) return MALFORMED
  const keys: Uint8Array[] = []
  for (let i = 0; i < count; i++) keys.push(reader.fixed(32))
  return success({ keys })
}

function rangeSize(ix: number, range: SeqRange): number {
  return uintSize(ix) + uintSize(range.from) + uintSize(range.count)
}

function writeRange(writer: Writer, ix: number, range: SeqRange): void {
  writer.uint(ix).uint(range.from).uint(range.count)
}

function readRange(reader: Reader): { ix: number; from: number; count: number } {
  return { ix: reader.uint(), from: reader.uint(), count: reader.uint() }
}

function isRange(range: FrameRange): boolean {
  return range.count === 0 || range.from <= Number.MAX_SAFE_INTEGER - (range.count - 1)
}
