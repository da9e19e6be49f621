/** Every decoder of a party that reads bytes of a remote: the hello, the 18 frames, records and what is in them, writer names. */
import type { DigestRange } from '@hearsay/feeds/core'
import {
  decodeFrame,
  decodeHello,
  decodeRecord,
  decodeWriterName,
  encodeBody,
  encodeFrame,
  encodeHello,
  encodeWriterName,
  FRAME_TYPES,
  frameIndex,
  type Hello,
  LIMITS,
  type Origin,
  type PartyFrame,
  type PartyRecord,
  type RecordBody,
  type WriterName
} from '@hearsay/party/core'
import type { Draw } from './draw.js'
import type { Outcome, Target } from './fuzzer.js'
import { joined } from './join.js'
import { areBytesSame, isSame, someLeaf } from './values.js'

const { maxNodes, maxGroups, maxShorts, maxDepth, maxRecords, maxLengths, maxSlots } = LIMITS

const textOf = (draw: Draw, limit: number): string => 'é'.repeat(draw.length(limit) >> 1)
// Bytes that are no UTF-8 are read as U+FFFD, and then as text of another length.
const isText = (value: unknown): boolean =>
  !someLeaf(value, leaf => typeof leaf === 'string' && leaf.includes('\ufffd'))
const ROUND = 2 ** 32 - 1
const LENGTH = 2 ** 48 - 1
const VERDICTS = ['rejected', 'accepted', 'pending', 'ignored'] as const
const CLOSINGS = ['leaving', 'malformed', 'shutdown', 'unknown'] as const

const hello: Target<Hello> = {
  name: 'party-hello',
  isCopy: true,
  decode: bytes => decodeHello(bytes),
  encode: value => (value.version === 1 ? encodeHello(value) : null),
  make: draw =>
    encodeHello({
      version: draw.rng.pick([1, 1, 1, 0, 2, 255]),
      proof: draw.bytes(32),
      features: draw.uint(7),
      maxFrameBytes: draw.uint(LIMITS.maxFrameBytes)
    })
}

function rangeOf(draw: Draw): { depth: number; path: Uint8Array } {
  const depth = draw.rng.uint32() % (maxDepth + 2)
  const path = draw.bytes(Math.ceil(depth / 2))
  if (depth % 2 === 1) path[path.length - 1] = (path[path.length - 1] as number) & 0xf0
  return { depth, path }
}

const shortsOf = (draw: Draw, max: number): Uint8Array[] => draw.list(draw.length(max), () => draw.bytes(8))

function childrenOf(draw: Draw) {
  const nibbles = Array.from({ length: 16 }, (_, nibble) => nibble).filter(() => draw.rng.chance(0.3))
  return nibbles.map(nibble => ({ nibble, count: draw.uint(), fp: draw.bytes(8) }))
}

const buffersOf = (draw: Draw, max: number, maxBytes: number): Uint8Array[] =>
  draw.list(draw.length(max), () =>
    draw.bytes(draw.rng.chance(0.01) ? draw.length(maxBytes) : draw.length(100))
  )

function setFrameOf(draw: Draw, type: PartyFrame['type']): PartyFrame {
  const set = (draw.rng.uint32() % 3) as 0 | 1 | 2
  const round = draw.upTo(ROUND)
  switch (type) {
    case 'root':
      return { type, set, round, count: draw.uint(), fp: draw.bytes(16) }
    case 'nodes': {
      const nodes = draw.list(draw.length(maxNodes), () => ({ ...rangeOf(draw), children: childrenOf(draw) }))
      return { type, set, round, nodes }
    }
    case 'items': {
      const groups = draw.list(draw.length(maxGroups), () => ({
        ...rangeOf(draw),
        shorts: shortsOf(draw, 64)
      }))
      return { type, set, round, isReply: draw.rng.chance(0.5), groups }
    }
    case 'pull':
      return {
        ...{ type, set, round },
        all: draw.list(draw.length(maxGroups), () => rangeOf(draw)),
        shorts: shortsOf(draw, draw.rng.chance(0.1) ? maxShorts : 64)
      }
    case 'records':
      return {
        type,
        set,
        round,
        isLast: draw.rng.chance(0.5),
        records: buffersOf(draw, maxRecords, LIMITS.maxRecordBytes)
      }
    default:
      return { type: 'done', set, round }
  }
}

function listFrameOf(draw: Draw, type: PartyFrame['type']): PartyFrame {
  switch (type) {
    case 'answer': {
      const results = draw.list(draw.length(maxSlots), () => ({
        key: draw.bytes(32),
        verdict: draw.rng.pick(VERDICTS),
        reason: textOf(draw, LIMITS.maxReasonBytes)
      }))
      return { type, call: draw.uint(), results }
    }
    case 'lengths': {
      const entries = draw.list(draw.length(maxLengths), () => {
        const length = draw.upTo(LENGTH)
        return { slot: draw.bytes(16), fork: draw.upTo(ROUND), length, complete: draw.upTo(length) }
      })
      return { type, entries }
    }
    case 'grant': {
      const slots = draw.list(draw.length(maxSlots), () => draw.bytes(16))
      return { type, isGranted: draw.rng.chance(0.5), slots, reason: draw.u8() }
    }
    default:
      return { type: 'introduce', call: draw.uint(), records: buffersOf(draw, 64, LIMITS.maxRecordBytes) }
  }
}

function frameOf(draw: Draw, type: PartyFrame['type']): PartyFrame {
  const value = draw.bytes(draw.length(200))
  switch (type) {
    case 'bind':
      return {
        ...{ type, author: draw.bytes(32), signature: draw.bytes(64), setVersion: draw.uint() },
        agent: textOf(draw, LIMITS.maxAgentBytes),
        credential: draw.bytes(draw.length(LIMITS.maxCredentialBytes))
      }
    case 'root':
    case 'nodes':
    case 'items':
    case 'pull':
    case 'records':
    case 'done':
      return setFrameOf(draw, type)
    case 'ready':
      return { type }
    case 'introduce':
    case 'answer':
    case 'lengths':
    case 'grant':
      return listFrameOf(draw, type)
    case 'request':
    case 'response':
      return { type, call: draw.uint(), name: textOf(draw, LIMITS.maxTypeBytes), value }
    case 'error':
      return { type, call: draw.uint(), code: textOf(draw, 64), message: textOf(draw, LIMITS.maxErrorBytes) }
    case 'ephemeral':
      return { type, name: textOf(draw, LIMITS.maxTypeBytes), value }
    case 'synced':
      return { type, round: draw.upTo(ROUND), missing: draw.uint() }
    case 'close':
      return { type, reason: draw.rng.pick(CLOSINGS), text: textOf(draw, LIMITS.maxReasonBytes) }
  }
}

/** The index of the message, then its bytes. */
const framed = (frame: PartyFrame): Uint8Array =>
  joined(Uint8Array.of(frameIndex(frame.type)), encodeFrame(frame))

/** Ranges that a frame names: none of them has a second spelling. */
function rangesOf(frame: PartyFrame): readonly DigestRange[] {
  if (frame.type === 'nodes') return frame.nodes
  if (frame.type === 'items') return frame.groups
  return frame.type === 'pull' ? frame.all : []
}

const isRange = ({ depth, path }: DigestRange): boolean =>
  depth <= maxDepth &&
  path.length === Math.ceil(depth / 2) &&
  (depth % 2 === 0 || ((path.at(-1) ?? 1) & 15) === 0)

const frames: Target<PartyFrame> = {
  name: 'party-frames',
  isCopy: true,
  decode: bytes => decodeFrame(bytes[0] ?? 0, bytes.subarray(1)),
  encode: frame => (isText(frame) ? framed(frame) : null),
  check: frame => (rangesOf(frame).every(isRange) ? null : 'has a range that is none'),
  make: draw => framed(frameOf(draw, draw.rng.pick(FRAME_TYPES)))
}

const writerName: Target<WriterName> = {
  name: 'party-writer-name',
  isCanonical: true,
  isCopy: true,
  decode: bytes => decodeWriterName(bytes),
  encode: encodeWriterName,
  make: draw =>
    encodeWriterName({
      name: textOf(draw, LIMITS.maxWriterNameBytes),
      device: draw.bytes(8),
      rotation: draw.uint()
    })
}

const EXPIRES = 2 ** 32
const CAPABILITIES = [1, 2, 4, 8, 16, 31]

function originOf(draw: Draw): Origin {
  const kind = draw.rng.pick(['none', 'writer', 'namespace'] as const)
  if (kind === 'none') return { kind }
  return kind === 'writer' ? { kind, bytes: writerName.make(draw) } : { kind, namespace: draw.bytes(32) }
}

function bodyOf(draw: Draw): RecordBody {
  const { rng } = draw
  const version = 1 + draw.upTo(2 ** 52)
  const subject = draw.bytes(32)
  const expiresSeconds = draw.upTo(EXPIRES)
  const n = draw.upTo(LENGTH)
  switch (rng.uint32() % 7) {
    case 0:
      return { kind: 'genesis', salt: draw.bytes(32) }
    case 1: {
      const cutoff = rng.chance(0.5) ? null : draw.upTo(LENGTH - 1)
      const reason = textOf(draw, LIMITS.maxReasonBytes)
      const isPurge = rng.chance(0.5)
      const isCut = cutoff !== null && !isPurge && rng.chance(0.5)
      return { kind: 'revoke', version, feedId: draw.bytes(32), n, cutoff, isPurge, isCut, reason }
    }
    case 2: {
      const adminLength = draw.upTo(LENGTH)
      const isWithFeeds = rng.chance(0.5)
      return { kind: 'remove', version, subject, n, adminLength, adminHash: draw.bytes(32), isWithFeeds }
    }
    case 3:
      return {
        ...{ kind: 'introduce', version, createdMs: draw.uint(), expiresSeconds },
        bundleType: textOf(draw, LIMITS.maxBundleTypeBytes),
        // Different ones: the place is in the last byte.
        keys: draw.list(1 + (draw.length(LIMITS.maxRecordKeys - 1) & 63), i =>
          new Uint8Array(32).fill(i, 31)
        ),
        origin: originOf(draw),
        successor: rng.chance(0.5) ? null : { feed: draw.bytes(32), length: draw.upTo(LENGTH) },
        meta: draw.bytes(draw.length(LIMITS.maxMetaBytes))
      }
    case 4:
      return { kind: 'withdraw', version, key: subject }
    case 5:
      return {
        kind: 'authorize',
        version,
        key: subject,
        n,
        role: draw.u8(),
        maxBytes: draw.uint(),
        expiresSeconds
      }
    default:
      return {
        ...{
          kind: 'admit',
          version,
          subject,
          capabilities: rng.pick(CAPABILITIES),
          depth: draw.u8(),
          expiresSeconds
        },
        uses: draw.upTo(65_535),
        via: rng.chance(0.5) ? null : draw.bytes(32)
      }
  }
}

const KINDS = ['genesis', 'revoke', 'remove', 'introduce', 'withdraw', 'authorize', 'admit'] as const

const rebuilt = (record: PartyRecord): Uint8Array =>
  joined(
    Uint8Array.of(KINDS.indexOf(record.body.kind)),
    record.author,
    record.signature,
    encodeBody(record.body)
  )

// Who can't write a body refuses it: it has a bound that the reader doesn't know of, because it can't be over it.
function made(draw: Draw): Uint8Array {
  const body = bodyOf(draw)
  const signature = body.kind === 'genesis' ? new Uint8Array(64) : draw.bytes(64)
  try {
    return joined(Uint8Array.of(KINDS.indexOf(body.kind)), draw.bytes(32), signature, encodeBody(body))
  } catch (fault) {
    if (fault instanceof RangeError) return draw.bytes(97 + (draw.rng.uint32() & 63))
    throw fault
  }
}

/**
 * A record is kept as it came, so it comes back byte for byte. What it says is compared apart: fields of later versions
 * behind those that we know are not written again.
 */
const record: Target<PartyRecord> = {
  name: 'party-record',
  isCanonical: true,
  isCopy: true,
  decode: decodeRecord,
  encode: value => value.bytes,
  check(value, bytes) {
    if (!areBytesSame(value.bytes, bytes)) return 'is not what came'
    const { expiresSeconds = 0 } = value.body as { expiresSeconds?: number }
    if (expiresSeconds > EXPIRES) return 'is over a bound'
    if (!isText(value.body)) return null
    const again: Outcome<PartyRecord> = decodeRecord(rebuilt(value))
    return again.ok && isSame(again.value.body, value.body)
      ? null
      : 'says something else when it is written again'
  },
  make: made
}

/** All of them. */
export const PARTY_TARGETS = [hello, frames, writerName, record] as unknown as readonly Target[]
