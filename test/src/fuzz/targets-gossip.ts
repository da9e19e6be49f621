/** The decoders of gossip that read frames of a remote: the hello and each kind. */
import {
  type AuthorFrame,
  type BatchFrame,
  batchOf,
  decodeAuthor,
  decodeBatch,
  decodeHave,
  decodeHello,
  decodeLink,
  decodeMiss,
  decodeOffer,
  decodePayloads,
  decodePeers,
  decodePrune,
  decodeSkip,
  decodeWant,
  encodeAuthor,
  encodeBatch,
  encodeHave,
  encodeHello,
  encodeLink,
  encodeMiss,
  encodeOffer,
  encodePayloads,
  encodePeers,
  encodePrune,
  encodeSkip,
  encodeWant,
  type HaveFrame,
  type Hello,
  LIMITS,
  type LinkFrame,
  MAX_ORIGIN_BYTES,
  type MissFrame,
  makeAuthorRef,
  newIncarnation,
  type OfferFrame,
  type PeersFrame,
  type PruneFrame,
  type SkipFrame,
  type WantFrame
} from '@hearsay/gossip/core'
import type { Draw } from './draw.js'
import type { Target } from './fuzzer.js'

const ref = makeAuthorRef(
  new Uint8Array(32).fill(5),
  newIncarnation(1_760_000_000_000, () => 0.5)
)
const { maxAuthorIndexes, maxRangeSeqs, maxWantRanges, maxHaveEntries, maxPeersKeys } = LIMITS

const ixOf = (draw: Draw): number => draw.uint(maxAuthorIndexes)
const KINDS = ['tick', 'summary', 'live', 'join', 'lag'] as const
const REASONS = ['not-cached', 'expired', 'durable', 'over-budget'] as const
const OPS = ['ask', 'ok', 'no', 'demote'] as const
const VERSIONS = [1, 1, 1, 0, 2, 255]

const hello: Target<Hello> = {
  name: 'gossip-hello',
  isCopy: true,
  decode: bytes => decodeHello(bytes),
  // Of another version nothing but the version is known.
  encode: value => (value.version === 1 ? encodeHello(value) : null),
  make: draw =>
    encodeHello({
      version: draw.rng.pick(VERSIONS),
      proof: draw.bytes(32),
      roles: draw.u8(),
      features: draw.uint(7),
      maxFrameBytes: draw.uint(66_048),
      clockMs: draw.uint(Date.now()),
      degree: draw.u8()
    })
}

const author: Target<AuthorFrame> = {
  name: 'gossip-author',
  decode: bytes => decodeAuthor(bytes, LIMITS),
  check: ({ ix, origin }) =>
    ix < maxAuthorIndexes && origin.length <= MAX_ORIGIN_BYTES ? null : 'is over a bound',
  encode: frame => encodeAuthor(frame.ix, makeAuthorRef(frame.author, frame.incarnation, frame.origin)),
  make: draw =>
    encodeAuthor(
      ixOf(draw),
      makeAuthorRef(draw.bytes(32), draw.bytes(8), draw.bytes(draw.length(MAX_ORIGIN_BYTES)))
    )
}

const batch: Target<BatchFrame> = {
  name: 'gossip-batch',
  decode: bytes => decodeBatch(bytes, LIMITS),
  encode(frame) {
    const batch = batchOf(frame, ref)
    // Beyond what a clock can say; the receiver drops it as from the future.
    return Number.isNaN(batch.createdMs) ? null : encodeBatch(frame.ix, batch, frame)
  },
  check({ payloadBytes, count, head }) {
    if (head.length > 128) return 'is over a bound'
    const payloads = decodePayloads(payloadBytes, count, LIMITS.maxMessageBytes)
    return payloads.ok && payloads.value.length === count ? null : 'has payloads that are none'
  },
  make(draw) {
    const payloads = draw.list(draw.rng.chance(0.1) ? draw.length(64) : 1 + (draw.rng.uint32() & 3), () =>
      draw.bytes(draw.rng.chance(0.002) ? draw.length(LIMITS.maxMessageBytes) : draw.length(300))
    )
    const isDurable = draw.rng.chance(0.2)
    const fields = {
      ref,
      seq0: draw.uint(),
      count: draw.rng.chance(0.9) ? payloads.length : draw.u8(),
      createdMs: ref.startMs + draw.upTo(2 ** 52),
      ttlSeconds: draw.rng.chance(0.8) ? 1 + (draw.rng.uint32() % 120) : draw.u8(),
      class: isDurable ? 16 : 0,
      signature: draw.bytes(64),
      head: draw.bytes(isDurable ? 68 : draw.length(128)),
      payloadBytes: encodePayloads(payloads),
      payloads
    }
    const { rng } = draw
    const hop = { hops: draw.u8(), mark: rng.chance(0.5), repair: rng.chance(0.5), last: rng.chance(0.5) }
    return encodeBatch(ixOf(draw), fields, hop)
  }
}

const have: Target<HaveFrame> = {
  name: 'gossip-have',
  decode: bytes => decodeHave(bytes, LIMITS),
  encode: frame =>
    encodeHave(
      frame.have,
      frame.entries.map(({ next, ahead }) => ({ ref, next, ahead })),
      frame.entries.map(({ ix }) => ix)
    ),
  check: ({ entries }) =>
    entries.length <= maxHaveEntries && entries.every(({ next, ahead }) => Number.isSafeInteger(next + ahead))
      ? null
      : 'is over a bound',
  make(draw) {
    const count = draw.length(maxHaveEntries)
    // Of many entries none may be bad, else long lists would never be taken.
    const number = (...near: number[]): number => (count > 64 ? draw.rng.uint32() & 127 : draw.uint(...near))
    const entries = draw.list(count, () => ({ ref, next: number(), ahead: number(0) }))
    const ixs = draw.list(count, () => number(maxAuthorIndexes))
    return encodeHave(draw.rng.pick(KINDS), entries, ixs)
  }
}

function rangesOf(draw: Draw, count: number) {
  // As above.
  const number = (near: number): number => (count > 16 ? draw.rng.uint32() & 127 : draw.uint(near))
  return draw.list(count, () => ({ ref, from: number(0), count: number(maxRangeSeqs) }))
}

const want: Target<WantFrame> = {
  name: 'gossip-want',
  decode: bytes => decodeWant(bytes, LIMITS),
  encode: ({ graft, ranges }) =>
    encodeWant(
      graft,
      ranges.map(({ from, count }) => ({ ref, from, count })),
      ranges.map(({ ix }) => ix)
    ),
  check: ({ ranges }) =>
    ranges.length <= maxWantRanges &&
    ranges.every(
      ({ from, count }) => count <= maxRangeSeqs && (count === 0 || Number.isSafeInteger(from + count - 1))
    )
      ? null
      : 'is over a bound',
  make(draw) {
    const ranges = rangesOf(draw, draw.length(maxWantRanges))
    return encodeWant(
      draw.rng.chance(0.5),
      ranges,
      draw.list(ranges.length, () => ixOf(draw))
    )
  }
}

const miss: Target<MissFrame> = {
  name: 'gossip-miss',
  decode: bytes => decodeMiss(bytes, LIMITS),
  encode: ({ entries }) =>
    encodeMiss(
      entries.map(({ from, count, floor, reason }) => ({ ref, from, count, floor, reason })),
      entries.map(({ ix }) => ix)
    ),
  make(draw) {
    const entries = rangesOf(draw, draw.length(maxWantRanges)).map(range => ({
      ...range,
      floor: draw.uint(range.from),
      reason: draw.rng.pick(REASONS)
    }))
    return encodeMiss(
      entries,
      draw.list(entries.length, () => ixOf(draw))
    )
  }
}

const prune: Target<PruneFrame> = {
  name: 'gossip-prune',
  decode: bytes => decodePrune(bytes, LIMITS),
  encode: ({ ixs }) => encodePrune(ixs),
  make: draw => encodePrune(draw.list(draw.length(maxHaveEntries), () => ixOf(draw)))
}

const offer: Target<OfferFrame> = {
  name: 'gossip-offer',
  decode: bytes => decodeOffer(bytes, LIMITS),
  encode: encodeOffer,
  check: ({ seq0, count }) => (Number.isSafeInteger(seq0 + count - 1) ? null : 'is over a bound'),
  make: draw => encodeOffer({ ix: ixOf(draw), seq0: draw.uint(), count: draw.u8(), bytes: draw.uint() })
}

const skip: Target<SkipFrame> = {
  name: 'gossip-skip',
  decode: bytes => decodeSkip(bytes, LIMITS),
  encode: encodeSkip,
  make: draw => encodeSkip({ ix: ixOf(draw), seq0: draw.uint() })
}

const link: Target<LinkFrame> = {
  name: 'gossip-link',
  decode: bytes => decodeLink(bytes, LIMITS),
  encode: encodeLink,
  check: ({ backoffMs, degree }) => (backoffMs <= 300_000 && degree <= 255 ? null : 'is over a bound'),
  make: draw =>
    encodeLink({
      op: draw.rng.pick(OPS),
      high: draw.rng.chance(0.5),
      backoffMs: draw.uint(300_000),
      degree: draw.u8()
    })
}

const peers: Target<PeersFrame> = {
  name: 'gossip-peers',
  decode: bytes => decodePeers(bytes, LIMITS),
  encode: ({ keys }) => encodePeers(keys),
  check: ({ keys }) => (keys.every(key => key.length === 32) ? null : 'has a key that is none'),
  make: draw => encodePeers(draw.list(draw.length(maxPeersKeys), () => draw.bytes(32)))
}

/** All of them. */
export const GOSSIP_TARGETS = [
  hello,
  author,
  batch,
  have,
  want,
  miss,
  prune,
  offer,
  skip,
  link,
  peers
] as unknown as readonly Target[]
