import test from 'ava'
import { Rng } from '../rng.js'
import { drawOverlay } from '../scale/draw.js'
import { REFERENCES } from './index.js'
import { LINE, type MadeEdge, type MadeStage, madeStage, star, TRIANGLE } from './made-stage.js'

/** A random overlay on which each node publishes in turn. */
function crowd(nodes: number, connections: number, made: Partial<MadeStage> = {}): MadeStage {
  const overlay = drawOverlay(new Rng(7), nodes, connections)
  const edges = overlay.map(({ from, to, latencyMs }): MadeEdge => [from, to, latencyMs])
  return { edges, authors: Array.from({ length: 8 }, (_, i) => (i * 7) % nodes), ...made }
}

for (const { name, note, run } of REFERENCES) {
  test(`${name}: on a line a message comes to the end over each link once`, t => {
    const figures = run(madeStage({ edges: LINE, authors: [0] }))
    t.is(figures.system, name)
    t.true(note.length > 0)
    t.deepEqual([figures.expected, figures.delivered, figures.redundancy], [3, 3, 0])
    t.deepEqual([figures.lastHop, figures.maxHop], [3, 3])
    t.deepEqual([figures.p50Ms, figures.p99Ms], [30, 60])
    t.is(figures.frames.payload, 3)
    t.is(figures.afterKill, null)
  })

  test(`${name}: from the middle of a star all is one hop`, t => {
    const figures = run(madeStage({ edges: star(4), authors: [0, 0] }))
    t.deepEqual([figures.expected, figures.delivered, figures.redundancy], [8, 8, 0])
    t.deepEqual([figures.lastHop, figures.p50Ms, figures.p99Ms], [1, 10, 10])
  })

  test(`${name}: from a leaf of a star the others are two hops away`, t => {
    const figures = run(madeStage({ edges: star(4), authors: [1] }))
    t.deepEqual([figures.expected, figures.delivered, figures.redundancy], [4, 4, 0])
    t.deepEqual([figures.lastHop, figures.p50Ms, figures.p99Ms], [2, 20, 20])
  })

  test(`${name}: in a triangle the first message comes twice`, t => {
    const figures = run(madeStage({ edges: TRIANGLE, authors: [0] }))
    t.deepEqual([figures.delivered, figures.redundancy, figures.p99Ms], [2, 1, 10])
  })

  test(`${name}: equal stages give equal figures, and another seed other ones`, t => {
    const made = crowd(60, 12, { loss: 0.02, kills: [{ atMs: 4500, nodes: [3, 4, 5] }] })
    t.deepEqual(run(madeStage(made)), run(madeStage(made)))
    t.notDeepEqual(run(madeStage({ ...made, seed: 2 })), run(madeStage(made)))
  })

  test(`${name}: everything is delivered where nothing breaks, nothing twice, nothing to its author`, t => {
    const made = crowd(60, 12)
    const { expected, delivered, hits } = run(madeStage(made))
    t.is(expected, 8 * 59)
    t.is(delivered, expected)
    t.deepEqual(hits, { lost: 0, died: 0, withheld: 0, queued: 0, served: 0 })
  })

  test(`${name}: each fault hits`, t => {
    const hitsOf = (made: Partial<MadeStage>) => run(madeStage(crowd(40, 8, made))).hits
    const droppers = { nodes: [1, 2, 3], censored: null }
    t.true(hitsOf({ loss: 0.05 }).lost > 0)
    t.true(hitsOf({ kills: [{ atMs: 1500, nodes: [5, 6] }] }).died > 0)
    t.true(hitsOf({ droppers }).withheld > 0)
    t.is(hitsOf({ droppers: { ...droppers, censored: 39 } }).withheld, 0)
    t.true(hitsOf({ bytesPerMs: 20 }).queued > 0)
    t.true(hitsOf({ frameCostMs: 1 }).served > 0)
  })

  test(`${name}: the figures of a kill tell of it`, t => {
    const kills = [{ atMs: 3000, nodes: [10, 11, 12, 13] }]
    const { afterKill, expected } = run(madeStage(crowd(40, 8, { kills, authors: Array(8).fill(0) })))
    t.is(expected, 8 * 35)
    t.true(afterKill !== null && afterKill.firstSecond > 0.9 && afterKill.redundancyLater >= 0)
  })

  test(`${name}: a slow uplink and a slow CPU make it slower, and lose nothing`, t => {
    // One message: what it does to a tree doesn't matter to it.
    const fast = run(madeStage(crowd(40, 8, { authors: [0] })))
    for (const made of [{ bytesPerMs: 2 }, { frameCostMs: 20 }]) {
      const slow = run(madeStage(crowd(40, 8, { authors: [0], ...made })))
      t.is(slow.delivered, slow.expected)
      t.true(slow.p50Ms > fast.p50Ms)
    }
  })
}
