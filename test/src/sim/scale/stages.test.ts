import test from 'ava'
import { Rng } from '../rng.js'
import { drawOverlay } from './draw.js'
import { PLAIN_SCENARIOS, SCENARIOS, STAGES, type StageOptions } from './scenarios.js'
import type { Stage, StageEdge } from './stage.js'

const draw = (name: string, seed = 1, options: StageOptions = {}): Stage => {
  const drawNamed = STAGES[name]
  if (drawNamed === undefined) throw new Error(name)
  return drawNamed(seed, options)
}

/** Nodes that can be reached from node 0. */
function reachable(nodes: number, edges: readonly StageEdge[]): number {
  const seen = new Set([0])
  const open = [0]
  for (let node = open.pop(); node !== undefined; node = open.pop()) {
    for (const { from, to } of edges) {
      const other = from === node ? to : to === node ? from : null
      if (other === null || seen.has(other)) continue
      seen.add(other)
      open.push(other)
    }
  }
  return Math.min(seen.size, nodes)
}

test('an overlay is regular, connected and without loops and doubles', t => {
  for (const [nodes, connections] of [
    [20, 4],
    [64, 12],
    [300, 8],
    [75, 64]
  ] as const) {
    const edges = drawOverlay(new Rng(nodes), nodes, connections)
    const degrees = new Array<number>(nodes).fill(0)
    for (const { from, to } of edges) {
      if (from === to) t.fail('a loop')
      degrees[from] = (degrees[from] ?? 0) + 1
      degrees[to] = (degrees[to] ?? 0) + 1
    }
    t.true(degrees.every(degree => degree === connections))
    t.is(
      new Set(edges.map(({ from, to }) => `${Math.min(from, to)} ${Math.max(from, to)}`)).size,
      edges.length
    )
    t.is(reachable(nodes, edges), nodes)
    t.true(edges.every(({ latencyMs }) => latencyMs >= 10 && latencyMs <= 50))
  }
})

test('an odd number of ends leaves one node with one less, and few nodes are all connected', t => {
  t.is(drawOverlay(new Rng(1), 7, 3).length, 10)
  t.is(drawOverlay(new Rng(1), 6, 12).length, 15)
})

test('every scenario draws a stage that holds together, the same for the same seed', t => {
  for (const [name, scenario] of Object.entries(SCENARIOS)) {
    const options = scenario.nodes > 1000 ? { nodes: 200 } : {}
    const stage = draw(name, 5, options)
    t.deepEqual(stage, draw(name, 5, options), name)
    t.notDeepEqual(stage.edges, draw(name, 6, options).edges, name)
    t.true(stage.edges.every(({ from, to }) => from < stage.nodes && to < stage.nodes))
    t.true(
      stage.publishes.some(({ isMeasured }) => isMeasured),
      name
    )
    const outages = stage.outages ?? []
    t.true(
      outages.every(({ untilMs, edges }) => untilMs < stage.endMs && edges.length > 0),
      name
    )
    t.true(
      stage.publishes.every(({ atMs, author }) => atMs < stage.endMs - 2000 && author < stage.nodes),
      name
    )
    const broken = new Set([...stage.kills.flatMap(({ nodes }) => nodes), ...(stage.droppers?.nodes ?? [])])
    t.true(
      stage.publishes.every(({ author }) => !broken.has(author)),
      `${name}: authors are honest and survive`
    )
    const moments = stage.publishes.map(({ atMs }) => atMs)
    t.deepEqual(
      moments,
      [...moments].sort((a, b) => a - b),
      name
    )
  }
})

test('authors are honest, whatever the number of nodes', t => {
  for (const name of ['drop30', 'censor30', 'cold-boot', 'turned30']) {
    for (let nodes = 5; nodes < 60; nodes++) {
      const { publishes, droppers } = draw(name, nodes, { nodes, connections: 4, authors: nodes, seconds: 1 })
      const first = Math.min(...(droppers?.nodes ?? []))
      if (publishes.some(({ author }) => author >= first)) t.fail(`${name} with ${nodes} nodes`)
    }
  }
  t.pass()
})

test('kill, drop and censor hit the share that their names say', t => {
  for (const [name, share] of [
    ['kill30', 0.3],
    ['kill50', 0.5],
    ['kill80', 0.8]
  ] as const) {
    const stage = draw(name)
    t.is(stage.nodes, 500)
    t.is(stage.kills[0]?.nodes.length, 500 * share)
    t.is(new Set(stage.publishes.map(({ author }) => author)).size, 2)
    const [kill] = stage.kills
    const measured = stage.publishes.filter(({ isMeasured }) => isMeasured)
    t.is(measured.length, 120, '10 a second for 12 s')
    t.true(measured.every(({ atMs }) => atMs >= (kill?.atMs ?? 0)))
  }
  t.is(draw('drop30').droppers?.nodes.length, 15)
  t.is(draw('drop30').loss, 0.05)
  const censor = draw('censor30')
  t.deepEqual([...new Set(censor.publishes.map(({ author }) => author))], [censor.droppers?.censored])
})

test('cold and each-one draw the authors that their names say', t => {
  t.is(draw('cold').publishes.length, 200)
  const once = draw('each-one').publishes.map(({ author }) => author)
  t.is(new Set(once).size, 64)
  t.is(once.length, 64)
  t.is(new Set(draw('all').publishes.map(({ author }) => author)).size, 100)
})

test('an eclipse has a hundred attackers, all of which dial the target', t => {
  const stage = draw('eclipse')
  const sybils = stage.droppers?.nodes ?? []
  t.is(sybils.length, 100)
  const dials = stage.edges.filter(({ to, from }) => to === stage.target && from >= 50)
  t.is(dials.length, 100)
})

test('a stage without time-varying parts can be played by models of others', t => {
  for (const name of PLAIN_SCENARIOS) {
    const stage = draw(name, 1, { nodes: 64 })
    t.is(stage.outages, undefined, name)
    t.is(stage.downtimes, undefined, name)
  }
  t.true(PLAIN_SCENARIOS.includes('hot20') && !PLAIN_SCENARIOS.includes('churn40'))
})

test('options change what they name', t => {
  const options = {
    nodes: 30,
    connections: 6,
    authors: 3,
    seconds: 2,
    payloadBytes: 200,
    loss: 0.1,
    bytesPerMs: 50
  }
  const stage = draw('hot20', 1, options)
  t.is(stage.nodes, 30)
  t.is(stage.edges.length, 90)
  t.is(new Set(stage.publishes.map(({ author }) => author)).size, 3)
  t.is(stage.publishes.filter(({ isMeasured }) => isMeasured).length, 100)
  t.true(stage.publishes.every(({ bytes }) => bytes === 200))
  t.is(stage.loss, 0.1)
  t.is(stage.bytesPerMs, 50)
  t.throws(() => draw('nothing'))
})
