import test from 'ava'
import fc from 'fast-check'
import { encodePayloads } from '#gossip/core/batch'
import * as frames from '#gossip/core/frames'
import { makeAuthorRef } from '#gossip/core/keys'
import type { Result } from '#gossip/core/result'
import type { AuthorRef, Batch, HaveKind, MissReason } from '#gossip/core/types'
import { LIMITS } from '#gossip/limits'
import { filled, hex } from './support-crypto.js'

const MAX = Number.MAX_SAFE_INTEGER
const ref = makeAuthorRef(filled(32, 5), hex('0199c82cc000beef'))
const NO_HOP: frames.Hop = { hops: 0, mark: false, repair: false, last: false }

function batchOf(fields: Partial<Batch> & { payloads: readonly Uint8Array[] }): Batch {
  return {
    ref,
    seq0: 0,
    count: fields.payloads.length,
    createdMs: ref.startMs + 5,
    ttlSeconds: 30,
    class: 0,
    signature: filled(64, 0xa5),
    head: new Uint8Array(0),
    payloadBytes: encodePayloads(fields.payloads),
    ...fields
  }
}

function accepted<T>(result: Result<T>): T {
  if (!result.ok) throw new Error(result.reason)
  return result.value
}

/** Comparable, whatever class of byte array it holds. */
function plain(value: unknown): unknown {
  return JSON.parse(
    JSON.stringify(value, (_, field) => {
      if (field?.type === 'Buffer') return Buffer.from(field.data).toString('hex')
      return field instanceof Uint8Array ? Buffer.from(field).toString('hex') : field
    })
  )
}

const seq = fc.oneof(
  fc.constantFrom(0, 1, 252, 253, 65_535, 65_536, 2 ** 31, 2 ** 32 - 1, 2 ** 32, MAX - 64),
  fc.nat(100_000)
)
const ix = fc.constantFrom(0, 1, 252, 253, 2047)
const wide = <T>(arbitrary: fc.Arbitrary<T>, maxLength: number) =>
  fc.array(arbitrary, { minLength: 0, maxLength, size: 'max' })

test('a batch comes through with its hop', t => {
  fc.assert(
    fc.property(
      fc.record({
        ix,
        seq0: seq,
        delta: seq.map(value => Math.min(value, MAX - ref.startMs)),
        ttlSeconds: fc.integer({ min: 1, max: 120 }),
        payloads: fc.array(fc.uint8Array({ maxLength: 300 }), { minLength: 1, maxLength: 64 }),
        isDurable: fc.boolean(),
        hop: fc.record({
          hops: fc.integer({ min: 0, max: 255 }),
          mark: fc.boolean(),
          repair: fc.boolean(),
          last: fc.boolean()
        })
      }),
      ({ ix, seq0, delta, ttlSeconds, payloads, isDurable, hop }) => {
        const head = isDurable ? filled(68, 3) : new Uint8Array(0)
        const createdMs = ref.startMs + delta
        const batch = batchOf({ seq0, createdMs, ttlSeconds, payloads, class: isDurable ? 16 : 0, head })
        const bytes = frames.encodeBatch(ix, batch, hop)
        if (ix < 253 && bytes.length !== frames.batchFrameBytes(batch)) return false
        const frame = accepted(frames.decodeBatch(bytes, LIMITS))
        const { hops, mark, repair, last } = frame
        const received = frames.batchOf(frame, ref)
        bytes.fill(0)
        return (
          frame.ix === ix &&
          JSON.stringify({ hops, mark, repair, last }) === JSON.stringify({ ...hop }) &&
          JSON.stringify(plain(received)) === JSON.stringify(plain(sorted(received, batch)))
        )
      }
    )
  )
  t.pass()
})

/** `batch` with its fields in the order of `like`. */
function sorted(like: Batch, batch: Batch): unknown {
  return Object.fromEntries(Object.keys(like).map(key => [key, batch[key as keyof Batch]]))
}

test('a lone message of 64 bytes makes a frame of 143 bytes', t => {
  const bytes = frames.encodeBatch(
    0,
    batchOf({ payloads: [filled(64, 1)], seq0: 300, createdMs: ref.startMs + 70_000 }),
    NO_HOP
  )
  t.is(bytes.length, 143)
})

test('a full batch of the largest payload fits the largest frame, and one byte more does not', t => {
  const payloads = [filled(LIMITS.maxMessageBytes, 1)]
  const largest = { seq0: MAX - 63, createdMs: MAX, head: filled(68, 1), class: 16 }
  const many = Array.from({ length: 64 }, () => filled(1020, 1))
  t.true(frames.decodeBatch(frames.encodeBatch(2047, batchOf({ ...largest, payloads }), NO_HOP), LIMITS).ok)
  t.true(
    frames.decodeBatch(frames.encodeBatch(2047, batchOf({ ...largest, payloads: many }), NO_HOP), LIMITS).ok
  )
  t.is(frames.maxBatchFrameBytes(LIMITS), 66_048)
  const over = frames.decodeBatch(filled(66_049, 0), LIMITS)
  t.deepEqual(over, { ok: false, reason: 'too-large' })
})

test('a batch with a count, ttl, class or seq that the protocol does not know is malformed', t => {
  const good = batchOf({ payloads: [filled(3, 1)] })
  const bad: Partial<Batch>[] = [
    { count: 0 },
    { count: 2 },
    { count: 65 },
    { ttlSeconds: 0 },
    { ttlSeconds: 121 },
    { class: 32 },
    { class: 48 },
    { class: 128 },
    { head: filled(129, 1) }
  ]
  t.true(frames.decodeBatch(frames.encodeBatch(0, good, NO_HOP), LIMITS).ok)
  for (const fields of bad) {
    const bytes = frames.encodeBatch(0, { ...good, ...fields }, NO_HOP)
    t.deepEqual(frames.decodeBatch(bytes, LIMITS), { ok: false, reason: 'malformed' }, JSON.stringify(fields))
  }
  const full = Array.from({ length: 65 }, () => filled(1, 1))
  t.false(frames.decodeBatch(frames.encodeBatch(0, batchOf({ payloads: full }), NO_HOP), LIMITS).ok)
  t.true(frames.decodeBatch(frames.encodeBatch(0, batchOf({ payloads: full.slice(1) }), NO_HOP), LIMITS).ok)
  const two = batchOf({ payloads: [filled(1, 1), filled(1, 2)] })
  t.true(frames.decodeBatch(frames.encodeBatch(0, { ...two, seq0: MAX - 1 }, NO_HOP), LIMITS).ok)
  t.false(frames.decodeBatch(frames.encodeBatch(0, { ...two, seq0: MAX }, NO_HOP), LIMITS).ok)
})

test('an unknown hop flag is ignored', t => {
  const bytes = frames.encodeBatch(0, batchOf({ payloads: [filled(3, 1)] }), { ...NO_HOP, mark: true })
  bytes[1] = (bytes[1] as number) | 8
  const frame = accepted(frames.decodeBatch(bytes, LIMITS))
  t.is(frame.class, 0)
  t.true(frame.mark)
  t.false(frame.repair)
})

test('a time of creation beyond 2^53-1 is NaN, which is before and after nothing', t => {
  const frame = accepted(
    frames.decodeBatch(frames.encodeBatch(0, batchOf({ payloads: [filled(1, 1)] }), NO_HOP), LIMITS)
  )
  t.is(frames.createdMsOf(frame, ref), ref.startMs + 5)
  t.is(frames.createdMsOf({ ...frame, createdDelta: MAX }, ref), Number.NaN)
  t.is(frames.createdMsOf({ ...frame, class: 16, createdDelta: MAX }, ref), MAX)
})

test('an author comes through with its origin', t => {
  for (const origin of [filled(0, 0), filled(40, 9), filled(frames.MAX_ORIGIN_BYTES, 9)]) {
    const author = makeAuthorRef(ref.author, ref.incarnation, origin)
    const frame = accepted(frames.decodeAuthor(frames.encodeAuthor(2047, author), LIMITS))
    t.deepEqual(plain(frame), plain({ ix: 2047, author: ref.author, incarnation: ref.incarnation, origin }))
  }
  const tooLong = makeAuthorRef(ref.author, ref.incarnation, filled(frames.MAX_ORIGIN_BYTES + 1, 9))
  t.false(frames.decodeAuthor(frames.encodeAuthor(0, tooLong), LIMITS).ok)
  t.false(frames.decodeAuthor(frames.encodeAuthor(2048, ref), LIMITS).ok)
})

const HAVE_KINDS: HaveKind[] = ['tick', 'summary', 'live', 'join', 'lag']
const MISS_REASONS: MissReason[] = ['not-cached', 'expired', 'durable', 'over-budget']

test('HAVE, WANT, MISS and PRUNE come through', t => {
  const entry = fc.record({ ix, next: seq, ahead: fc.constantFrom(0, 1, 64) })
  const range = fc
    .record({ ix, from: seq, count: fc.integer({ min: 0, max: 1024 }) })
    .map(({ ix, from, count }) => ({ ix, from: Math.min(from, MAX - 1024), count }))
  const miss = fc.record({ range, floor: seq, reason: fc.constantFrom(...MISS_REASONS) })
  const at = (list: readonly { ix: number }[]): number[] => list.map(({ ix }) => ix)
  const withRef = <T extends object>(list: readonly T[]): (T & { ref: AuthorRef })[] =>
    list.map(item => ({ ...item, ref }))
  fc.assert(
    fc.property(
      fc.constantFrom(...HAVE_KINDS),
      wide(entry, 300),
      fc.boolean(),
      wide(range, 64),
      wide(miss, 64),
      wide(ix, 1000),
      (have, entries, graft, ranges, misses, ixs) => {
        const missed = misses.map(({ range, floor, reason }) => ({ ...range, floor, reason }))
        const same = (a: unknown, b: unknown): void => {
          if (JSON.stringify(a) !== JSON.stringify(b)) throw new Error(JSON.stringify([a, b]))
        }
        const haveBytes = frames.encodeHave(have, withRef(entries), at(entries))
        same(accepted(frames.decodeHave(haveBytes, LIMITS)), { have, entries })
        const wantBytes = frames.encodeWant(graft, withRef(ranges), at(ranges))
        same(accepted(frames.decodeWant(wantBytes, LIMITS)), { graft, ranges })
        const missBytes = frames.encodeMiss(withRef(missed), at(missed))
        same(accepted(frames.decodeMiss(missBytes, LIMITS)), { entries: missed })
        same(accepted(frames.decodePrune(frames.encodePrune(ixs), LIMITS)), { ixs })
      }
    )
  )
  t.pass()
})

test('OFFER, SKIP, LINK and PEERS come through', t => {
  const offer = { ix: 2047, seq0: MAX - 63, count: 64, bytes: 16_385 }
  t.deepEqual(accepted(frames.decodeOffer(frames.encodeOffer(offer), LIMITS)), offer)
  t.deepEqual(accepted(frames.decodeSkip(frames.encodeSkip({ ix: 1, seq0: MAX }), LIMITS)), {
    ix: 1,
    seq0: MAX
  })
  for (const op of ['ask', 'ok', 'no', 'demote'] as const) {
    const link = { op, high: op === 'ask', backoffMs: 60_000, degree: 8 }
    t.deepEqual(accepted(frames.decodeLink(frames.encodeLink(link), LIMITS)), link)
  }
  const keys = [filled(32, 1), filled(32, 2)]
  t.deepEqual(plain(accepted(frames.decodePeers(frames.encodePeers(keys), LIMITS))), plain({ keys }))
})

test('a list over its bound is too large, before anything of it is read', t => {
  const entries = Array.from({ length: 1001 }, () => ({ ref, next: 1, ahead: 0 }))
  const ranges = Array.from({ length: 65 }, () => ({ ref, from: 1, count: 1 }))
  const misses = ranges.map(range => ({ ...range, floor: 0, reason: 'expired' as const }))
  const keys = Array.from({ length: 17 }, () => filled(32, 1))
  const zeros = Array.from({ length: 1001 }, () => 0)
  const reason = { ok: false, reason: 'too-large' } as const
  t.deepEqual(frames.decodeHave(frames.encodeHave('tick', entries, zeros), LIMITS), reason)
  t.deepEqual(frames.decodeWant(frames.encodeWant(false, ranges, zeros), LIMITS), reason)
  t.deepEqual(frames.decodeMiss(frames.encodeMiss(misses, zeros), LIMITS), reason)
  t.deepEqual(frames.decodePrune(frames.encodePrune(zeros), LIMITS), reason)
  t.deepEqual(frames.decodePeers(frames.encodePeers(keys), LIMITS), reason)
})

test('a frame of any other kind over 16 KiB is too large', t => {
  const bytes = filled(16_385, 0)
  for (const [name, decode] of DECODERS) {
    if (name === 'batch') continue
    t.deepEqual(decode(bytes), { ok: false, reason: 'too-large' }, name)
  }
})

test('seqs and ends of ranges beyond 2^53-1 are malformed', t => {
  const over = { ref, from: MAX, count: 2 }
  t.true(frames.decodeWant(frames.encodeWant(false, [{ ...over, count: 1 }], [0]), LIMITS).ok)
  t.false(frames.decodeWant(frames.encodeWant(false, [over], [0]), LIMITS).ok)
  t.false(frames.decodeMiss(frames.encodeMiss([{ ...over, floor: 0, reason: 'expired' }], [0]), LIMITS).ok)
  t.true(frames.decodeHave(frames.encodeHave('tick', [{ ref, next: MAX - 1, ahead: 1 }], [0]), LIMITS).ok)
  t.false(frames.decodeHave(frames.encodeHave('tick', [{ ref, next: MAX, ahead: 1 }], [0]), LIMITS).ok)
  t.false(frames.decodeOffer(frames.encodeOffer({ ix: 0, seq0: MAX, count: 2, bytes: 1 }), LIMITS).ok)
  t.false(frames.decodeOffer(frames.encodeOffer({ ix: 0, seq0: 0, count: 65, bytes: 1 }), LIMITS).ok)
})

test('a WANT for a long range is cut, a back-off is clamped', t => {
  const want = frames.encodeWant(false, [{ ref, from: 0, count: MAX }], [0])
  t.is(accepted(frames.decodeWant(want, LIMITS)).ranges[0]?.count, LIMITS.maxRangeSeqs)
  const link = frames.encodeLink({ op: 'no', high: false, backoffMs: MAX, degree: 0 })
  t.is(accepted(frames.decodeLink(link, LIMITS)).backoffMs, 300_000)
})

test('unknown kinds of HAVE, reasons of MISS and ops of LINK are malformed', t => {
  const have = frames.encodeHave('lag', [], [])
  have[0] = 5
  t.false(frames.decodeHave(have, LIMITS).ok)
  const miss = frames.encodeMiss([{ ref, from: 0, count: 1, floor: 0, reason: 'over-budget' }], [0])
  miss[miss.length - 1] = 4
  t.false(frames.decodeMiss(miss, LIMITS).ok)
  t.false(frames.decodeLink(Uint8Array.of(4, 0, 0, 0), LIMITS).ok)
})

const DECODERS: [string, (bytes: Uint8Array) => Result<unknown>][] = [
  ['author', bytes => frames.decodeAuthor(bytes, LIMITS)],
  ['batch', bytes => frames.decodeBatch(bytes, LIMITS)],
  ['have', bytes => frames.decodeHave(bytes, LIMITS)],
  ['want', bytes => frames.decodeWant(bytes, LIMITS)],
  ['miss', bytes => frames.decodeMiss(bytes, LIMITS)],
  ['prune', bytes => frames.decodePrune(bytes, LIMITS)],
  ['offer', bytes => frames.decodeOffer(bytes, LIMITS)],
  ['skip', bytes => frames.decodeSkip(bytes, LIMITS)],
  ['link', bytes => frames.decodeLink(bytes, LIMITS)],
  ['peers', bytes => frames.decodePeers(bytes, LIMITS)]
]

const range = { ref, from: 700, count: 70_000 }
const SAMPLES = new Map<string, Uint8Array>([
  ['author', frames.encodeAuthor(253, makeAuthorRef(ref.author, ref.incarnation, filled(40, 1)))],
  [
    'batch',
    frames.encodeBatch(253, batchOf({ payloads: [filled(3, 1), filled(300, 2)], seq0: 70_000 }), NO_HOP)
  ],
  ['have', frames.encodeHave('join', [{ ref, next: 70_000, ahead: 300 }], [253])],
  ['want', frames.encodeWant(true, [range, range], [1, 253])],
  ['miss', frames.encodeMiss([{ ...range, floor: 2 ** 32, reason: 'durable' }], [253])],
  ['prune', frames.encodePrune([1, 253, 2047])],
  ['offer', frames.encodeOffer({ ix: 253, seq0: 2 ** 33, count: 3, bytes: 70_000 })],
  ['skip', frames.encodeSkip({ ix: 253, seq0: 2 ** 33 })],
  ['link', frames.encodeLink({ op: 'no', high: true, backoffMs: 70_000, degree: 3 })],
  ['peers', frames.encodePeers([filled(32, 1), filled(32, 2)])]
])

for (const [name, decode] of DECODERS) {
  const sample = SAMPLES.get(name) as Uint8Array

  test(`${name}: every cut is malformed, and trailing bytes are ignored unless they are payload`, t => {
    const whole = decode(sample)
    t.true(whole.ok)
    for (let size = 0; size < sample.length; size++) {
      t.deepEqual(decode(sample.subarray(0, size)), { ok: false, reason: 'malformed' })
    }
    const longer = Uint8Array.of(...sample, 1, 2, 3)
    if (name === 'batch') t.deepEqual(decode(longer), { ok: false, reason: 'malformed' })
    else t.deepEqual(plain(decode(longer)), plain(whole))
  })

  test(`${name}: no bytes make the decoder throw or leave the bounds`, t => {
    const edge = fc.constantFrom(0, 1, 2, 3, 4, 16, 64, 127, 128, 252, 253, 254, 255)
    const mutation = fc.record({ at: fc.nat(sample.length - 1), value: fc.oneof(edge, fc.nat(255)) })
    const mutated = fc.array(mutation, { minLength: 1, maxLength: 6 }).map(changes => {
      const bytes = Uint8Array.from(sample) // slice() of a Buffer is a view on it
      for (const { at, value } of changes) bytes[at] = value
      return bytes
    })
    const random = fc
      .array(fc.oneof(edge, fc.nat(255)), { maxLength: 200 })
      .map(values => Uint8Array.from(values))
    const seen = new Set<string>()
    fc.assert(
      fc.property(fc.oneof(random, mutated), bytes => {
        const result = decode(bytes)
        seen.add(result.ok ? 'ok' : result.reason)
        return !result.ok || isBounded(result.value)
      }),
      { numRuns: 3000 }
    )
    t.true(seen.has('ok') && seen.has('malformed'), [...seen].join())
  })
}

/** All numbers safe, all lists within their bounds. */
function isBounded(value: unknown): boolean {
  if (typeof value === 'number') return Number.isSafeInteger(value) && value >= 0
  if (value instanceof Uint8Array) return value.length <= frames.maxBatchFrameBytes(LIMITS)
  if (Array.isArray(value)) return value.length <= LIMITS.maxHaveEntries && value.every(isBounded)
  if (typeof value === 'object' && value !== null) return Object.values(value).every(isBounded)
  return true
}

test('the kinds are numbered for ever', t => {
  t.deepEqual(
    { ...frames.FrameKind },
    {
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
    }
  )
})
