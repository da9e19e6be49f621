import test from 'ava'
import { Rng } from '../rng.js'
import { drawOverlay } from '../scale/draw.js'
import { runFlood } from './flood.js'
import { LINE, type MadeEdge, madeStage, TRIANGLE } from './made-stage.js'

test('a flood sends two copies over each edge but those of the tree that was first', t => {
  for (const [nodes, connections] of [
    [10, 3],
    [50, 8],
    [120, 20]
  ] as const) {
    const edges = drawOverlay(new Rng(nodes), nodes, connections).map(
      ({ from, to, latencyMs }): MadeEdge => [from, to, latencyMs]
    )
    const figures = runFlood(madeStage({ edges, authors: [0, 1, 2] }))
    const copies = 2 * edges.length - (nodes - 1)
    t.is(figures.delivered, 3 * (nodes - 1))
    t.is(figures.frames.payload, 3 * copies)
    t.is(figures.redundancy, copies / (nodes - 1) - 1)
    t.is(figures.controlPerDelivery, 0)
  }
})

test('a copy that comes back to its author is a copy, and no delivery', t => {
  // The way by 1 is shorter: 2 has the message before its author's copy arrives, and sends it back.
  const figures = runFlood(
    madeStage({
      edges: [
        [0, 1, 10],
        [1, 2, 10],
        [0, 2, 100]
      ],
      authors: [0]
    })
  )
  t.deepEqual([figures.delivered, figures.maxHop, figures.p99Ms], [2, 2, 20])
  t.is(figures.frames.payload, 4)
  t.is(figures.redundancy, 1)
})

test('copies that need no event change no figure', t => {
  const edges = drawOverlay(new Rng(3), 80, 12).map(
    ({ from, to, latencyMs }): MadeEdge => [from, to, latencyMs]
  )
  const made = { edges, authors: [0, 5, 9], kills: [{ atMs: 2040, nodes: [20, 21, 22, 23] }] }
  const short = runFlood(madeStage(made))
  // With a CPU cost each copy needs its event; this one is too small to change the order of any two.
  const long = runFlood(madeStage({ ...made, frameCostMs: 1e-12 }))
  t.deepEqual({ ...long, hits: { ...long.hits, served: 0 } }, short)
})

test('bytes are those of a signed frame: 141 beside a payload of 64', t => {
  t.is(runFlood(madeStage({ edges: LINE, authors: [0] })).bytesPerDelivery, 64 + 141)
})

test('a flood repairs nothing: who is behind a dropper misses the message', t => {
  const droppers = { nodes: [1], censored: null }
  const stage = madeStage({ edges: [...LINE, [0, 3, 10]], authors: [0], droppers })
  t.is(runFlood(stage).delivered, 2)
  // Node 2 has no other way than by 1: nobody asks for what it can't have.
  const cut = runFlood(madeStage({ edges: LINE, authors: [0], droppers }))
  t.deepEqual([cut.expected, cut.delivered], [0, 0])
  const lost = runFlood(madeStage({ edges: TRIANGLE, authors: [0, 0, 0, 0, 0, 0], loss: 0.5 }))
  t.is(lost.expected, 12)
  t.true(lost.delivered < 12)
})
