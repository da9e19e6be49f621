import test from 'ava'
import type { DigestFrame } from '#feeds/core/digest-types'
import { splitGroups } from '#feeds/core/split-groups'
import { flat, makeEnd, makeRow } from './support-digest.js'
import { assertExact, type Case, EMPTY_PATH, exchange, waiting } from './support-digest-cases.js'

test('a range in which one side has few rows is asked about at once, however many the other has', t => {
  const c: Case = { set: 1, common: 3, onlyA: 2000, onlyB: 0, changed: 0, prefix: 0, starts: 'a' }
  const nodes = assertExact(t, c).frames.flatMap(frame => (frame.type === 'nodes' ? frame.nodes : []))
  t.is(nodes.length, 1)
})

test('shorts are counted over all frames of a round', t => {
  const digest = waiting()
  const items = (count: number): DigestFrame => ({
    type: 'items',
    set: 1,
    round: 1,
    isReply: false,
    groups: [{ depth: 0, path: EMPTY_PATH, shorts: Array.from({ length: count }, () => new Uint8Array(8)) }]
  })
  t.deepEqual(digest.receive(items(60), 1), [])
  t.deepEqual(digest.receive(items(41), 1), [{ type: 'fault', reason: 'limit' }])
})

test('a range below a node that we did not send is a fault', t => {
  const { digest } = makeEnd({ rows: flat([makeRow(1), makeRow(2)]), set: 1, isInitiator: false })
  digest.start(0)
  digest.receive({ type: 'root', set: 1, round: 1, count: 100, fp: new Uint8Array(16) }, 0)
  const root = { depth: 0, path: EMPTY_PATH, children: [] }
  digest.receive({ type: 'nodes', set: 1, round: 1, nodes: [root] }, 0)
  const below = { depth: 2, path: Uint8Array.of(0x11), children: [] }
  const effects = digest.receive({ type: 'nodes', set: 1, round: 1, nodes: [below] }, 0)
  t.deepEqual(effects, [{ type: 'fault', reason: 'order' }])
})

test('in the set of lengths DONE comes after all that is supplied', t => {
  for (const [onlyA, onlyB] of [
    [40, 0],
    [0, 40],
    [40, 40]
  ] as const) {
    const c: Case = { set: 2, common: 0, onlyA, onlyB, changed: 0, prefix: 0, starts: 'a' }
    for (const end of exchange(c).ends) {
      const done = end.effects.findIndex(effect => effect.type === 'send' && effect.frame.type === 'done')
      t.true(done > 0)
      t.true(end.effects.findLastIndex(effect => effect.type === 'supply') < done)
    }
  }
})

test('a frame of the round before does nothing while the next one runs', t => {
  const digest = waiting()
  digest.start(60_000)
  digest.receive({ type: 'root', set: 1, round: 2, count: 100, fp: new Uint8Array(16).fill(1) }, 60_000)
  t.deepEqual(digest.receive({ type: 'pull', set: 1, round: 1, all: [], shorts: [] }, 61_000), [])
  t.is(digest.deadlineMs, 70_000)
})

test('groups are cut so that frames are full, and a range goes on in the next frame', t => {
  const shorts = Array.from({ length: 7 }, (_, index) => new Uint8Array(8).fill(index))
  const group = (byte: number, count: number) => ({
    depth: 2,
    path: Uint8Array.of(byte),
    shorts: shorts.slice(0, count)
  })
  const frames = splitGroups([group(1, 2), group(2, 7), group(3, 0), group(4, 1)], {
    maxGroups: 2,
    maxSentShorts: 5
  })
  t.deepEqual(
    frames.map(frame => frame.map(({ path, shorts: list }) => [path[0], list.length])),
    [
      [
        [1, 2],
        [2, 3]
      ],
      [
        [2, 4],
        [3, 0]
      ],
      [[4, 1]]
    ]
  )
  const full = splitGroups([group(1, 7), group(2, 7)], { maxGroups: 9, maxSentShorts: 7 })
  t.deepEqual(
    full.map(frame => frame.length),
    [1, 1]
  )
})
