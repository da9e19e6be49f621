import { fc, testProp } from '@fast-check/ava'
import test from 'ava'
import b4a from 'b4a'
import {
  DIGEST_LIMITS,
  type DigestEffect,
  type DigestFrame,
  type RecordsMark,
  type SetNumber
} from '#feeds/core/digest-types'
import { splitRows } from '#feeds/core/rows'
import {
  type End,
  flat,
  gotten,
  keyedHash,
  lacking,
  makeEnd,
  makeRow,
  names,
  run,
  saltOf
} from './support-digest.js'

import { assertExact, type Case, EMPTY_PATH, rowsOf, waiting } from './support-digest-cases.js'

const size = () =>
  fc.oneof(
    fc.constantFrom(0, 1, 15, 16, 17, 18, 33),
    fc.integer({ min: 0, max: 60 }),
    fc.constantFrom(300, 1000)
  )
const caseOf = (): fc.Arbitrary<Case> =>
  fc.record({
    set: fc.constantFrom<SetNumber[]>(0, 1, 2),
    common: size(),
    onlyA: size(),
    onlyB: size(),
    changed: fc.oneof(fc.constant(0), size()),
    prefix: fc.constantFrom(0, 0, 1, 5, 6, 8),
    starts: fc.constantFrom('a', 'b', 'both')
  })

testProp(
  'whatever two peers hold, each ends with exactly what it lacked, and each row travels once',
  [caseOf()],
  (t, c) => {
    assertExact(t, c)
  },
  { numRuns: 60 }
)

for (const set of [0, 1, 2] as const) {
  for (const starts of ['a', 'b', 'both'] as const) {
    test(`set ${set}, started by ${starts}: subsets, disjoint, empty and equal sets all end`, t => {
      for (const [common, onlyA, onlyB] of [
        [0, 0, 0],
        [1, 0, 0],
        [0, 1, 0],
        [0, 0, 1],
        [0, 17, 0],
        [0, 0, 17],
        [0, 1, 1],
        [0, 17, 17],
        [1000, 0, 1],
        [1000, 1, 0],
        [0, 1000, 17],
        [17, 0, 1000],
        [0, 1000, 1000]
      ] as const) {
        assertExact(t, { set, common, onlyA, onlyB, changed: 0, prefix: 0, starts })
      }
    })
  }
}

test('rows that all share 8 bytes are compared by shorts below the deepest range, split over frames', t => {
  const c: Case = { set: 1, common: 1500, onlyA: 1200, onlyB: 40, changed: 0, prefix: 8, starts: 'a' }
  const wire = assertExact(t, c)
  const shorts = wire.frames.flatMap(frame =>
    frame.type === 'items' ? [frame.groups.reduce((sum, group) => sum + group.shorts.length, 0)] : []
  )
  t.is(Math.max(...shorts), DIGEST_LIMITS.maxSentShorts)
  const depths = wire.frames.flatMap(frame =>
    frame.type === 'nodes'
      ? frame.nodes.map(node => node.depth)
      : frame.type === 'items'
        ? frame.groups.map(g => g.depth)
        : []
  )
  t.is(Math.max(...depths), DIGEST_LIMITS.maxDepth)
})

test('no frame that is sent is over a bound', t => {
  for (const c of [
    { set: 1, common: 0, onlyA: 6000, onlyB: 5000, changed: 0, prefix: 0, starts: 'a' },
    { set: 0, common: 500, onlyA: 6000, onlyB: 20, changed: 900, prefix: 7, starts: 'b' },
    { set: 2, common: 3000, onlyA: 10, onlyB: 20, changed: 3000, prefix: 0, starts: 'both' }
  ] as Case[]) {
    const wire = assertExact(t, c)
    for (const frame of wire.frames) {
      if (frame.type === 'nodes') t.true(frame.nodes.length <= DIGEST_LIMITS.maxNodes)
      if (frame.type === 'pull') t.true(frame.shorts.length <= DIGEST_LIMITS.maxShorts)
      if (frame.type !== 'items') continue
      t.true(frame.groups.length <= DIGEST_LIMITS.maxGroups)
      t.true(frame.groups.reduce((sum, group) => sum + group.shorts.length, 0) <= DIGEST_LIMITS.maxSentShorts)
    }
  }
})

// Differences, bytes of roots, nodes and shorts, in 10,000 rows and in 1,000 rows: as measured with a prototype.
const COST = [
  [0, 44, 44],
  [1, 531, 364],
  [10, 2769, 1687],
  [100, 16_900, 5785],
  [1000, 64_282, 11_237]
] as const

for (const [differences, in10000, in1000] of COST) {
  test(`${differences} differences cost at most twice the bytes of the prototype`, t => {
    for (const [rows, expected] of [
      [10_000, in10000],
      [1000, in1000]
    ] as const) {
      const common = rows - differences
      const c: Case = { set: 1, common, onlyA: 0, onlyB: 0, changed: differences, prefix: 0, starts: 'a' }
      const { bytes } = assertExact(t, c)
      t.log(`${rows} rows, ${differences} differences: ${bytes} bytes, prototype ${expected}`)
      t.true(bytes <= 2 * expected && bytes >= expected / 2, `${bytes}`)
    }
  })
}

test('what was refused is not pulled, and a peer that refused all is told 8 bytes each, not the records', t => {
  const rows = Array.from({ length: 300 }, (_, index) => makeRow(index))
  const b = flat(rows)
  for (const held of [0, 20]) {
    const a = flat(rows.slice(0, held))
    const refused = b4a.concat(rows.slice(held, 290))
    const ends: [End, End] = [
      makeEnd({ rows: a, set: 1, isInitiator: false, refused: () => refused }),
      makeEnd({ rows: b, set: 1, isInitiator: true })
    ]
    const wire = run(ends, [ends[0].digest.start(0)])
    t.deepEqual(names(gotten(ends[0])), names(b4a.concat(rows.slice(290))))
    t.is(ends[0].digest.state, 'same')
    t.is(ends[1].digest.state, 'same')
    t.true(wire.bytes < 300 * 16)
  }
})

test('a pull of more shorts than fit one frame goes on when the first was answered', t => {
  const a: Case = { set: 1, common: 1, onlyA: 0, onlyB: 500, changed: 0, prefix: 0, starts: 'a' }
  const [rowsA, rowsB] = rowsOf(a)
  const limits = { maxShorts: 128, maxSentShorts: 100, maxGroups: 8, maxNodes: 4 }
  const ends: [End, End] = [
    makeEnd({ rows: rowsA, set: 1, isInitiator: true, limits }),
    makeEnd({ rows: rowsB, set: 1, isInitiator: false, limits })
  ]
  const wire = run(ends, [ends[0].digest.start(0)])
  t.deepEqual(names(gotten(ends[0])), lacking(rowsB, rowsA))
  t.is(wire.frames.filter(frame => frame.type === 'pull').length, 4)
  t.is(ends[0].digest.state, 'same')
  t.is(ends[1].digest.state, 'same')
})

test('a turn with exactly as many nodes as a frame holds ends all the same', t => {
  const limits = { maxNodes: 16, leafRows: 1 }
  const [a, b] = rowsOf({ set: 1, common: 0, onlyA: 600, onlyB: 600, changed: 0, prefix: 0, starts: 'a' })
  const ends: [End, End] = [
    makeEnd({ rows: a, set: 1, isInitiator: true, limits }),
    makeEnd({ rows: b, set: 1, isInitiator: false, limits })
  ]
  const wire = run(ends, [ends[0].digest.start(0)])
  t.true(wire.frames.some(frame => frame.type === 'nodes' && frame.nodes.length === 16))
  t.deepEqual(names(gotten(ends[0])), lacking(b, a))
  t.deepEqual(names(gotten(ends[1])), lacking(a, b))
})

test('rounds follow each other, and frames of a round that is over are dropped', t => {
  const [a, b] = rowsOf({ set: 1, common: 40, onlyA: 3, onlyB: 4, changed: 0, prefix: 0, starts: 'a' })
  const ends: [End, End] = [
    makeEnd({ rows: a, set: 1, isInitiator: true }),
    makeEnd({ rows: b, set: 1, isInitiator: false })
  ]
  const first = run(ends, [ends[0].digest.start(0)])
  run(ends, [[], ends[1].digest.start(60_000)], 60_000)
  t.is(ends[0].digest.round, 2)
  t.is(ends[0].effects.filter(effect => effect.type === 'done').length, 2)
  for (const frame of first.frames) t.deepEqual(ends[0].digest.receive(frame, 61_000), [])
  t.is(ends[0].digest.state, 'same')
})

test('a peer that starts rounds too fast is charged and not answered', t => {
  const { digest } = makeEnd({ rows: flat([makeRow(1)]), set: 1, isInitiator: true })
  const root = (round: number): DigestFrame => ({
    type: 'root',
    set: 1,
    round,
    count: 3,
    fp: new Uint8Array(16)
  })
  t.true(digest.receive(root(1), 0).some(effect => effect.type === 'send'))
  t.deepEqual(digest.receive(root(2), 9999), [{ type: 'demerit', reason: 'round-rate' }])
  t.is(digest.round, 1)
  t.true(digest.receive(root(2), 10_000).some(effect => effect.type === 'send'))
  t.is(digest.round, 2)
  t.deepEqual(digest.receive(root(3 + 2 ** 20), 30_000), [{ type: 'fault', reason: 'limit' }])
})

test('a round without a frame is given up, and the wait before the next one doubles up to its bound', t => {
  const { digest } = makeEnd({ rows: flat([makeRow(1)]), set: 1, isInitiator: true })
  const waits: number[] = []
  let nowMs = 0
  for (let i = 0; i < 9; i++) {
    digest.start(nowMs)
    t.is(digest.deadlineMs, nowMs + 10_000)
    t.deepEqual(digest.tick(nowMs + 9999), [])
    for (const effect of digest.tick(nowMs + 10_000))
      if (effect.type === 'timeout') waits.push(effect.retryMs)
    t.is(digest.state, 'idle')
    nowMs += 4_000_000
  }
  t.deepEqual(waits, [60_000, 120_000, 240_000, 480_000, 960_000, 1_920_000, 3_600_000, 3_600_000, 3_600_000])
  t.deepEqual(digest.tick(nowMs), [])
})

test('what we send in a round, and what the peer sends, both put off its deadline', t => {
  const { digest } = makeEnd({ rows: flat([makeRow(1)]), set: 1, isInitiator: false })
  digest.start(0)
  digest.receive({ type: 'root', set: 1, round: 1, count: 2, fp: new Uint8Array(16) }, 5000)
  t.is(digest.deadlineMs, 15_000)
  digest.touch(9000)
  t.is(digest.deadlineMs, 19_000)
})

const LIES: [string, DigestFrame, string][] = [
  ['a second root', { type: 'root', set: 1, round: 1, count: 1, fp: new Uint8Array(16) }, 'order'],
  ['a frame of a round that was never started', { type: 'done', set: 1, round: 2 }, 'order'],
  [
    'nodes that are too deep for their turn',
    { type: 'nodes', set: 1, round: 1, nodes: [{ depth: 1, path: Uint8Array.of(0x10), children: [] }] },
    'order'
  ],
  [
    'one node named twice',
    {
      type: 'nodes',
      set: 1,
      round: 1,
      nodes: [
        { depth: 0, path: EMPTY_PATH, children: [] },
        { depth: 0, path: EMPTY_PATH, children: [] }
      ]
    },
    'order'
  ],
  [
    'nodes at the deepest depth',
    { type: 'nodes', set: 1, round: 1, nodes: [{ depth: 12, path: new Uint8Array(6), children: [] }] },
    'limit'
  ],
  [
    'an answer that nobody asked for',
    { type: 'items', set: 1, round: 1, isReply: true, groups: [{ depth: 0, path: EMPTY_PATH, shorts: [] }] },
    'order'
  ],
  [
    'more shorts than the root counted',
    {
      type: 'items',
      set: 1,
      round: 1,
      isReply: false,
      groups: [{ depth: 0, path: EMPTY_PATH, shorts: Array.from({ length: 101 }, () => new Uint8Array(8)) }]
    },
    'limit'
  ],
  [
    'a pull of ranges that overlap',
    {
      type: 'pull',
      set: 1,
      round: 1,
      all: [
        { depth: 0, path: EMPTY_PATH },
        { depth: 0, path: EMPTY_PATH }
      ],
      shorts: []
    },
    'limit'
  ]
]

for (const [title, frame, reason] of LIES) {
  test(`a fault, and nothing is taken afterwards: ${title}`, t => {
    const digest = waiting()
    const effects = digest.receive(frame, 1)
    t.deepEqual(effects.at(-1), { type: 'fault', reason } as DigestEffect)
    t.is(digest.state, 'faulty')
    t.deepEqual(digest.start(2), [])
    t.deepEqual(digest.receive({ type: 'done', set: 1, round: 1 }, 3), [])
    t.deepEqual(digest.tick(1e9), [])
  })
}

test('a root of nothing with a fingerprint of something is a fault', t => {
  const { digest } = makeEnd({ rows: flat([makeRow(1)]), set: 0, isInitiator: true })
  digest.start(0)
  const effects = digest.receive({ type: 'root', set: 0, round: 1, count: 0, fp: new Uint8Array(16) }, 0)
  t.deepEqual(effects, [{ type: 'fault', reason: 'root' }])
})

test('the set of lengths has no pull', t => {
  const effects = waiting(2).receive({ type: 'pull', set: 2, round: 1, all: [], shorts: [] }, 1)
  t.deepEqual(effects, [{ type: 'fault', reason: 'order' }])
})

test('pulls without end are a fault', t => {
  const digest = waiting()
  const pull: DigestFrame = { type: 'pull', set: 1, round: 1, all: [], shorts: [] }
  for (let i = 0; i < DIGEST_LIMITS.maxPulls; i++) t.is(digest.receive(pull, 1)[0]?.type, 'supply')
  t.deepEqual(digest.receive(pull, 1), [{ type: 'fault', reason: 'limit' }])
})

test('a row is supplied once, and a short that was never told pulls nothing', t => {
  const digest = waiting()
  const pull = (frame: Partial<DigestFrame & { type: 'pull' }>) => {
    const [effect] = digest.receive({ type: 'pull', set: 1, round: 1, all: [], shorts: [], ...frame }, 1)
    return effect?.type === 'supply' ? effect.rows.length / 32 : -1
  }
  const short = keyedHash(saltOf(1), makeRow(3)).slice(0, 8)
  t.is(pull({ shorts: [short] }), 0)
  digest.receive(
    { type: 'items', set: 1, round: 1, isReply: false, groups: [{ depth: 0, path: EMPTY_PATH, shorts: [] }] },
    1
  )
  digest.receive({ type: 'nodes', set: 1, round: 1, nodes: [] }, 1)
  t.is(pull({ shorts: [short, short] }), 1)
  t.is(pull({ shorts: [short] }), 0)
  t.is(pull({ all: [{ depth: 0, path: EMPTY_PATH }] }), 39)
})

test('records that were not pulled are charged, one by one; those that were are taken once', t => {
  const known = makeRow(1)
  const wanted = makeRow(2)
  const { digest } = makeEnd({ rows: flat([known]), set: 1, isInitiator: false })
  digest.start(0)
  digest.receive({ type: 'root', set: 1, round: 1, count: 2, fp: new Uint8Array(16) }, 0)
  const mark = (isLast: boolean, ...rows: Uint8Array[]): RecordsMark => ({
    type: 'records',
    set: 1,
    round: 1,
    isLast,
    rows: b4a.concat(rows)
  })
  const demerit = { type: 'demerit', reason: 'unasked' } as const
  t.deepEqual(digest.receive(mark(false, wanted), 1), [demerit])
  const shorts = [known, wanted].map(row => keyedHash(saltOf(1), row).slice(0, 8))
  digest.receive(
    { type: 'items', set: 1, round: 1, isReply: false, groups: [{ depth: 0, path: EMPTY_PATH, shorts }] },
    1
  )
  digest.receive({ type: 'nodes', set: 1, round: 1, nodes: [] }, 1)
  t.is(digest.state, 'pulling')
  t.true(digest.wasAsked(1, wanted))
  t.false(digest.wasAsked(1, makeRow(7)))
  t.false(digest.wasAsked(2, wanted))
  t.deepEqual(digest.receive(mark(false, makeRow(7), wanted, wanted), 1), [demerit, demerit])
  t.deepEqual(digest.receive(mark(true), 1), [{ type: 'send', frame: { type: 'done', set: 1, round: 1 } }])
})

test('a peer that pulls all may not send more records than its root counted', t => {
  const { digest } = makeEnd({ rows: flat([]), set: 0, isInitiator: false })
  digest.start(0)
  digest.receive({ type: 'root', set: 0, round: 1, count: 2, fp: new Uint8Array(16).fill(1) }, 0)
  const rows = b4a.concat([makeRow(1), makeRow(2), makeRow(3)])
  const effects = digest.receive({ type: 'records', set: 0, round: 1, isLast: true, rows }, 0)
  t.deepEqual(
    effects.map(effect => effect.type),
    ['demerit', 'send']
  )
})

const lie = (): fc.Arbitrary<DigestFrame | RecordsMark> => {
  const set = fc.constant<SetNumber>(1)
  const round = fc.constantFrom(1, 1, 1, 1, 2, 3)
  const range = fc
    .tuple(fc.constantFrom(0, 0, 1, 1, 2, 3, 11, 12), fc.integer({ min: 0, max: 15 }))
    .map(([depth, nibble]) => {
      const path = new Uint8Array(Math.ceil(depth / 2)).fill(nibble * 17)
      if (depth % 2 === 1) path[path.length - 1] = nibble << 4
      return { depth, path }
    })
  const shorts = fc.array(
    fc.integer({ min: 0, max: 60 }).map(index => keyedHash(saltOf(1), makeRow(index)).slice(0, 8)),
    { maxLength: 30 }
  )
  const count = fc.constantFrom(0, 1, 17, 1000, 2_000_000, Number.MAX_SAFE_INTEGER)
  const child = fc.record({
    nibble: fc.integer({ min: 0, max: 15 }),
    count,
    fp: fc.constant(new Uint8Array(8))
  })
  const node = fc.tuple(range, fc.uniqueArray(child, { selector: c => c.nibble, maxLength: 16 }))
  return fc.oneof(
    fc.record({ type: fc.constant('root' as const), set, round, count, fp: fc.constant(new Uint8Array(16)) }),
    fc.record({
      type: fc.constant('nodes' as const),
      set,
      round,
      nodes: fc.array(
        node.map(([r, children]) => ({ ...r, children })),
        { maxLength: 3 }
      )
    }),
    fc.record({
      type: fc.constant('items' as const),
      set,
      round,
      isReply: fc.boolean(),
      groups: fc.array(
        fc.tuple(range, shorts).map(([r, s]) => ({ ...r, shorts: s })),
        { maxLength: 3 }
      )
    }),
    fc.record({
      type: fc.constant('pull' as const),
      set,
      round,
      all: fc.array(range, { maxLength: 2 }),
      shorts
    }),
    fc.record({
      type: fc.constant('records' as const),
      set,
      round,
      isLast: fc.boolean(),
      rows: fc
        .array(fc.integer({ min: 0, max: 60 }), { maxLength: 4 })
        .map(ids => b4a.concat(ids.map(id => makeRow(id))))
    }),
    fc.record({ type: fc.constant('done' as const), set, round })
  )
}

testProp(
  'lies do no harm: nothing throws, no row is supplied twice in a round, and the same input gives the same effects',
  [fc.array(lie(), { maxLength: 40 }), fc.boolean()],
  (t, frames, isInitiator) => {
    const rows = flat(Array.from({ length: 40 }, (_, index) => makeRow(index)))
    const play = () => {
      const { digest } = makeEnd({ rows, set: 1, isInitiator })
      const effects = [digest.start(0)]
      const root: DigestFrame = { type: 'root', set: 1, round: 1, count: 50, fp: new Uint8Array(16).fill(3) }
      for (const frame of [root, ...frames]) effects.push(digest.receive(frame, 20_000 * frame.round))
      return effects.flat()
    }
    const effects = play()
    t.deepEqual(play(), effects)
    const supplied = new Set<string>()
    for (const effect of effects) {
      if (effect.type === 'send' && effect.frame.type === 'root') supplied.clear()
      if (effect.type !== 'supply') continue
      for (const name of splitRows(effect.rows).map(row => b4a.toString(row, 'hex'))) {
        t.false(supplied.has(name))
        supplied.add(name)
      }
    }
    const faults = effects.filter(effect => effect.type === 'fault').length
    t.true(faults <= 1)
  },
  { numRuns: 500 }
)
