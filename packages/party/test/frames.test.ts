import { fc, testProp } from '@fast-check/ava'
import test from 'ava'
import b4a from 'b4a'
import encodings from 'compact-encoding'
import { Reader, Writer } from '#party/core/bytes'
import {
  CLOSE_REASONS,
  decodeFrame,
  decodeHello,
  encodeFrame,
  encodeHello,
  FrameKind,
  frameIndex,
  type PartyFrame
} from '#party/core/frames'
import { hex } from './support-crypto.js'

const fixed = (size: number) => fc.uint8Array({ minLength: size, maxLength: size })
const uint = (max = Number.MAX_SAFE_INTEGER) =>
  fc.oneof(
    fc.constantFrom(0, 1, 252, 253, 65_535, 65_536, 2 ** 32 - 1, 2 ** 32, max).filter(n => n <= max),
    fc.maxSafeInteger().map(n => Math.abs(n) % max)
  )
const text = (maxLength: number) => fc.string({ maxLength, unit: 'grapheme-ascii' })
const set = fc.constantFrom<(0 | 1 | 2)[]>(0, 1, 2)
const round = uint(2 ** 32 - 2).map(n => n + 1)
const call = uint()
const range = () =>
  fc.integer({ min: 0, max: 12 }).chain(depth =>
    fixed(Math.ceil(depth / 2)).map(path => {
      if (depth % 2 === 1) path[path.length - 1] = (path[path.length - 1] as number) & 0xf0
      return { depth, path }
    })
  )
const child = fc.record({ nibble: fc.integer({ min: 0, max: 15 }), count: uint(), fp: fixed(8) })
const node = fc
  .tuple(range(), fc.uniqueArray(child, { selector: c => c.nibble, maxLength: 16 }))
  .map(([r, children]) => ({ ...r, children: children.toSorted((a, b) => a.nibble - b.nibble) }))
const shorts = fc.array(fixed(8), { maxLength: 20 })
const group = fc.tuple(range(), shorts).map(([r, list]) => ({ ...r, shorts: list }))
const records = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 8 })
const value = fc.uint8Array({ maxLength: 300 })
const is = <T extends string>(type: T) => fc.constant(type)

const FRAMES: { [T in PartyFrame['type']]: fc.Arbitrary<Extract<PartyFrame, { type: T }>> } = {
  bind: fc.record({
    type: is('bind'),
    author: fixed(32),
    signature: fixed(64),
    setVersion: uint(),
    agent: text(32),
    credential: fc.uint8Array({ maxLength: 2048 })
  }),
  root: fc.record({ type: is('root'), set, round, count: uint(), fp: fixed(16) }),
  nodes: fc.record({ type: is('nodes'), set, round, nodes: fc.array(node, { maxLength: 64 }) }),
  items: fc.record({
    type: is('items'),
    set,
    round,
    isReply: fc.boolean(),
    groups: fc.array(group, { maxLength: 40 })
  }),
  pull: fc.record({ type: is('pull'), set, round, all: fc.array(range(), { maxLength: 20 }), shorts }),
  records: fc.record({
    type: is('records'),
    set,
    round: fc.oneof(fc.constant(0), round),
    isLast: fc.boolean(),
    records
  }),
  done: fc.record({ type: is('done'), set, round }),
  ready: fc.record({ type: is('ready') }),
  introduce: fc.record({ type: is('introduce'), call, records }),
  answer: fc.record({
    type: is('answer'),
    call,
    results: fc.array(
      fc.record({
        key: fixed(32),
        verdict: fc.constantFrom(
          'rejected' as const,
          'accepted' as const,
          'pending' as const,
          'ignored' as const
        ),
        reason: text(128)
      }),
      { maxLength: 20 }
    )
  }),
  lengths: fc.record({
    type: is('lengths'),
    entries: fc.array(
      fc
        .tuple(fixed(16), uint(2 ** 32 - 1), uint(2 ** 48 - 1), uint(2 ** 48 - 1))
        .map(([slot, fork, a, b]) => ({ slot, fork, length: Math.max(a, b), complete: Math.min(a, b) })),
      { maxLength: 20 }
    )
  }),
  grant: fc.record({
    type: is('grant'),
    isGranted: fc.boolean(),
    slots: fc.array(fixed(16), { maxLength: 20 }),
    reason: fc.nat({ max: 255 })
  }),
  request: fc.record({ type: is('request'), call, name: text(64), value }),
  response: fc.record({ type: is('response'), call, name: text(64), value }),
  error: fc.record({ type: is('error'), call, code: text(64), message: text(512) }),
  ephemeral: fc.record({ type: is('ephemeral'), name: text(64), value }),
  synced: fc.record({ type: is('synced'), round: uint(2 ** 32 - 1), missing: uint() }),
  close: fc.record({ type: is('close'), reason: fc.constantFrom(...CLOSE_REASONS), text: text(128) })
}

for (const [type, arbitrary] of Object.entries(FRAMES) as [PartyFrame['type'], fc.Arbitrary<PartyFrame>][]) {
  testProp(
    `${type} comes back as it was sent, also with bytes of a later version behind it`,
    [arbitrary],
    (t, frame) => {
      const encoded = encodeFrame(frame)
      t.deepEqual(decodeFrame(frameIndex(type), encoded), { ok: true, value: frame })
      const isOpenEnded = type === 'request' || type === 'response' || type === 'ephemeral'
      if (isOpenEnded) return
      t.deepEqual(decodeFrame(frameIndex(type), b4a.concat([encoded, Uint8Array.of(7)])), {
        ok: true,
        value: frame
      })
    },
    { numRuns: 40 }
  )

  testProp(
    `${type} that is cut off or changed is taken or refused, never thrown on`,
    [arbitrary, fc.nat(), fc.nat({ max: 255 })],
    (t, frame, place, byte) => {
      const encoded = encodeFrame(frame)
      const at = place % Math.max(1, encoded.length)
      const cut = decodeFrame(frameIndex(type), encoded.subarray(0, at))
      const isOpenEnded = type === 'request' || type === 'response' || type === 'ephemeral'
      if (!isOpenEnded) t.false(cut.ok)
      const changed = encoded.slice()
      if (changed.length > 0) changed[at] = byte
      const result = decodeFrame(frameIndex(type), changed)
      // What was taken can be written again and means the same: nothing is half read.
      if (result.ok && !(result.value.type === 'close' && result.value.reason === 'unknown')) {
        t.true(decodeFrame(frameIndex(type), encodeFrame(result.value)).ok)
      } else t.pass()
    },
    { numRuns: 60 }
  )
}

testProp(
  'any bytes at any index are a frame or a reason',
  [fc.nat({ max: 20 }), fc.uint8Array({ maxLength: 200 })],
  (t, index, input) => {
    const result = decodeFrame(index, input)
    if (index > 17) t.deepEqual(result, { ok: false, reason: 'unknown' })
    else t.true(result.ok || ['malformed', 'too-large', 'unknown'].includes(result.reason))
  },
  { numRuns: 2000 }
)

test('the indexes are those of the protocol', t => {
  t.is(Object.keys(FrameKind).length, 18)
  for (const [name, index] of Object.entries(FrameKind)) {
    t.is(frameIndex(name.toLowerCase() as PartyFrame['type']), index)
  }
})

test('a decoded frame is a copy, also of a Node Buffer, whose slice() is a view', t => {
  const bytes = b4a.from(encodeFrame({ type: 'ephemeral', name: 'a', value: Uint8Array.of(1, 2, 3) }))
  const result = decodeFrame(FrameKind.EPHEMERAL, bytes)
  bytes.fill(0)
  t.deepEqual(result, { ok: true, value: { type: 'ephemeral', name: 'a', value: Uint8Array.of(1, 2, 3) } })
})

test('lists over their bound are too large, before anything is read of them', t => {
  const tooLarge = { ok: false, reason: 'too-large' } as const
  const list = (count: number) => [0xfd, count & 0xff, count >>> 8]
  const over: [number, number[]][] = [
    [FrameKind.NODES, [0, 1, 65]],
    [FrameKind.ITEMS, [0, 1, 0, ...list(257)]],
    [FrameKind.ITEMS, [0, 1, 0, 1, 0, ...list(4097)]],
    [FrameKind.PULL, [0, 1, ...list(257)]],
    [FrameKind.PULL, [0, 1, 0, ...list(4097)]],
    [FrameKind.RECORDS, [0, 1, 1, ...list(1025)]],
    [FrameKind.RECORDS, [0, 1, 1, 1, ...list(4097)]],
    [FrameKind.INTRODUCE, [0, ...list(1025)]],
    [FrameKind.ANSWER, [0, ...list(1025)]],
    [FrameKind.LENGTHS, list(1001)],
    [FrameKind.GRANT, [1, ...list(1025)]],
    [FrameKind.REQUEST, [0, 65]],
    [FrameKind.EPHEMERAL, [65]],
    [FrameKind.ERROR, [0, 65]],
    [FrameKind.ERROR, [0, 0, ...list(513)]],
    [FrameKind.CLOSE, [0, 129]],
    [FrameKind.BIND, [...new Uint8Array(96), 0, 33]],
    [FrameKind.BIND, [...new Uint8Array(96), 0, 0, ...list(2049)]]
  ]
  for (const [index, bytes] of over)
    t.deepEqual(decodeFrame(index, Uint8Array.from(bytes)), tooLarge, `${index}: ${bytes}`)
  for (const index of Object.values(FrameKind)) {
    t.deepEqual(decodeFrame(index, new Uint8Array(68 * 1024 + 1)), tooLarge)
  }
})

test('the shorts of all groups of one frame share one bound', t => {
  const groups = Array.from({ length: 5 }, (_, index) => ({
    depth: 1,
    path: Uint8Array.of(index << 4),
    shorts: Array.from({ length: 1000 }, () => new Uint8Array(8))
  }))
  const items = (count: number) =>
    encodeFrame({ type: 'items', set: 0, round: 1, isReply: false, groups: groups.slice(0, count) })
  t.true(decodeFrame(FrameKind.ITEMS, items(4)).ok)
  t.deepEqual(decodeFrame(FrameKind.ITEMS, items(5)), { ok: false, reason: 'too-large' })
})

test('a list that claims more than the frame holds is malformed', t => {
  t.deepEqual(decodeFrame(FrameKind.LENGTHS, Uint8Array.of(250, 1, 2)), { ok: false, reason: 'malformed' })
})

test('ranges have one spelling, a depth of at most 12, and rounds are counted from 1', t => {
  const malformed = { ok: false, reason: 'malformed' } as const
  t.deepEqual(decodeFrame(FrameKind.PULL, Uint8Array.of(0, 1, 1, 1, 0x1f, 0)), malformed)
  t.deepEqual(decodeFrame(FrameKind.PULL, Uint8Array.of(0, 1, 1, 13, 0, 0, 0, 0, 0, 0, 0, 0)), malformed)
  t.deepEqual(decodeFrame(FrameKind.DONE, Uint8Array.of(0, 0)), malformed)
  t.deepEqual(decodeFrame(FrameKind.DONE, Uint8Array.of(3, 1)), { ok: false, reason: 'unknown' })
  t.deepEqual(decodeFrame(FrameKind.DONE, Uint8Array.of(0, 0xff, 0, 0, 0, 0, 1, 0, 0, 0)), malformed)
})

test('more complete blocks than the feed has are malformed', t => {
  const entry = Uint8Array.of(1, ...new Uint8Array(16), 0, 3, 4)
  t.deepEqual(decodeFrame(FrameKind.LENGTHS, entry), { ok: false, reason: 'malformed' })
})

test('a root costs 22 bytes with its message index', t => {
  t.is(encodeFrame({ type: 'root', set: 0, round: 1, count: 10_000, fp: new Uint8Array(16) }).length + 1, 22)
})

testProp(
  'a hello comes back, also with bytes behind it; cut off it is malformed; one of another version shows its version',
  [fixed(32), uint(), uint(), fc.integer({ min: 2, max: 255 }), fc.nat()],
  (t, proof, features, maxFrameBytes, other, place) => {
    const hello = { version: 1, proof, features, maxFrameBytes }
    const encoded = encodeHello(hello)
    t.deepEqual(decodeHello(encoded), { ok: true, value: hello })
    t.deepEqual(decodeHello(b4a.concat([encoded, Uint8Array.of(1)])), { ok: true, value: hello })
    t.false(decodeHello(encoded.subarray(0, place % encoded.length)).ok)
    const later = decodeHello(Uint8Array.of(other))
    t.is(later.ok && later.value.version, other)
  }
)

test('a hello over 256 bytes is too large', t => {
  t.deepEqual(decodeHello(new Uint8Array(257)), { ok: false, reason: 'too-large' })
})

testProp(
  'uint and buffer are those of compact-encoding, byte by byte',
  [uint(), fc.uint8Array({ maxLength: 300 })],
  (t, number, buffer) => {
    const mine = new Writer().uint(number).buffer(buffer).finish()
    const theirs = b4a.concat([
      encodings.encode(encodings.uint, number),
      encodings.encode(encodings.buffer, buffer.length > 0 ? buffer : b4a.alloc(0))
    ])
    if (buffer.length > 0) t.is(hex(mine), hex(theirs))
    const reader = new Reader(mine)
    t.is(reader.uint(), number)
    t.is(hex(reader.buffer(300)), hex(buffer))
    t.true(reader.isGood)
    t.is(reader.remaining, 0)
    t.is(reader.u8(), 0)
    t.is(reader.reason, 'malformed')
  }
)
