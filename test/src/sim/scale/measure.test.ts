import { type Batch, FrameKind } from '@hearsay/gossip/core'
import test from 'ava'
import { Agenda } from './agenda.js'
import { highest, measure, percentile, recoveredMsOf, redundancyOf } from './measure.js'
import { payloadOf } from './packet.js'
import { type Expected, expectedOf } from './paths.js'
import type { Process } from './process.js'
import type { Stage } from './stage.js'
import { measuredWindow, type Seen, Tally } from './tally.js'

const EDGE = { latencyMs: 10 }

/** A line 0 - 1 - 2 - 3, on which node 0 publishes at these moments. */
function lineOf(moments: readonly number[], more: Partial<Stage> = {}): Stage {
  return {
    name: 'line',
    seed: 1,
    nodes: 4,
    edges: [
      { from: 0, to: 1, ...EDGE },
      { from: 1, to: 2, ...EDGE },
      { from: 2, to: 3, ...EDGE }
    ],
    publishes: moments.map(atMs => ({ atMs, author: 0, bytes: 64, isMeasured: true })),
    kills: [],
    droppers: null,
    loss: 0,
    endMs: 60_000,
    bytesPerMs: Number.POSITIVE_INFINITY,
    frameCostMs: 0,
    ...more
  }
}

/** What was seen on a stage: latencies by message and node, -1: not delivered. */
function seenOf(stage: Stage, rows: readonly (readonly number[])[], more: Partial<Seen> = {}): Seen {
  const deliveries = rows.map(row => row.filter(latency => latency >= 0).length)
  return {
    stage,
    isCounted: new Uint8Array(stage.nodes).fill(1),
    latencyMs: Float32Array.from(rows.flat()),
    copies: Uint32Array.from(deliveries),
    deliveries: Uint32Array.from(deliveries),
    lastHop: new Uint8Array(rows.length).fill(3),
    sentByKind: new Float64Array(16),
    sentBytes: 0,
    ...more
  }
}

const all = (stage: Stage): Expected[] =>
  stage.publishes.map(({ author }) => ({
    nodes: Uint8Array.from({ length: stage.nodes }, (_, node) => (node === author ? 0 : 1)),
    pathMs: null
  }))

test('expected, delivered, latencies and hops are those of the measured messages only', t => {
  const stage = lineOf([100, 200, 300])
  const publishes = stage.publishes.map((publish, i) => ({ ...publish, isMeasured: i > 0 }))
  const measured = { ...stage, publishes }
  const rows = [
    [-1, -1, -1, -1],
    [-1, 10, 20, 30],
    [-1, 11, 21, -1]
  ]
  const seen = seenOf(measured, rows, { lastHop: Uint8Array.of(9, 3, 2) })
  const { figures, missed, slowestMs, fates } = measure(seen, all(measured))
  t.is(figures.expected, 6)
  t.is(figures.delivered, 5)
  t.deepEqual(missed, [{ message: 2, node: 3 }])
  t.is(figures.lastHop, 2.5)
  t.is(figures.maxHop, 3)
  t.is(figures.p50Ms, 20)
  t.is(figures.p99Ms, 30)
  t.is(slowestMs, 30)
  t.is(figures.afterKill, null)
  t.is(fates.length, 3, 'the warm-up is drawn')
})

test('redundancy is copies per delivery - 1', t => {
  const stage = lineOf([100, 200])
  const rows = [
    [-1, 10, 20, 30],
    [-1, 10, 20, 30]
  ]
  t.is(measure(seenOf(stage, rows), all(stage)).figures.redundancy, 0)
  const { figures } = measure(seenOf(stage, rows, { copies: Uint32Array.of(3, 9) }), all(stage))
  t.is(figures.redundancy, 1)
  t.is(redundancyOf([]), 0)
})

test('control is every frame but BATCH and AUTHOR, and bytes are of all', t => {
  const stage = lineOf([100, 200])
  const rows = [
    [-1, 10, 20, 30],
    [-1, 10, 20, 30]
  ]
  const sentByKind = new Float64Array(16)
  sentByKind[FrameKind.author] = 3
  sentByKind[FrameKind.batch] = 6
  sentByKind[FrameKind.have] = 8
  sentByKind[FrameKind.link] = 4
  const measured = measure(seenOf(stage, rows, { sentByKind, sentBytes: 600 }), all(stage))
  t.is(measured.figures.controlPerDelivery, 2)
  t.is(measured.bindingsPerDelivery, 0.5)
  t.is(measured.figures.bytesPerDelivery, 100)
})

test('after a kill: the first second, when all is in time again, and what it costs later', t => {
  const stage = lineOf([1000, 1500, 2500, 3000, 7000], { kills: [{ atMs: 1200, nodes: [3] }] })
  const rows = [
    [-1, 10, 20, 30],
    [-1, 10, -1, -1],
    [-1, 10, 1500, -1],
    [-1, 10, 1000, -1],
    [-1, 10, 20, -1]
  ]
  const deliveries = Uint32Array.of(3, 1, 2, 2, 2)
  const copies = Uint32Array.of(3, 1, 2, 2, 5)
  const expected = all(stage).map(({ nodes, pathMs }) => ({ nodes: nodes.with(3, 0), pathMs }))
  const { afterKill } = measure(seenOf(stage, rows, { deliveries, copies }), expected).figures
  t.deepEqual(afterKill, { firstSecond: 0.5, firstSecondP99Ms: 10, recoveredMs: 1800, redundancyLater: 1.5 })
})

test('who never has all in time again has never recovered, who always had has at once', t => {
  const fate = (atMs: number, inTime: number) => ({ atMs, expected: 2, inTime })
  t.is(recoveredMsOf([fate(10, 2), fate(20, 2)], 5), 0)
  t.is(recoveredMsOf([fate(10, 1), fate(20, 2)], 5), 15)
  t.is(recoveredMsOf([fate(10, 2), fate(20, 1)], 5), Number.POSITIVE_INFINITY)
  t.is(recoveredMsOf([], 5), 0)
})

test('a percentile is a value that was measured', t => {
  t.is(percentile([1, 2, 3, 4], 0.5), 2)
  t.is(percentile([1, 2, 3, 4], 0.99), 4)
  t.is(percentile([7], 0.01), 7)
  t.is(percentile([], 0.5), 0)
  t.is(highest([]), 0)
  t.is(highest(new Array<number>(300_000).fill(1)), 1)
})

test('rates are counted from the first measured message to the end of the last one’s share of time', t => {
  t.deepEqual(measuredWindow(lineOf([100, 200, 300])), { fromMs: 100, untilMs: 400 })
  t.deepEqual(measuredWindow(lineOf([100])), { fromMs: 100, untilMs: 1100 })
})

test('copies, frames and bytes are those of honest nodes that live, in the measured window', t => {
  const droppers = { nodes: [2], censored: null }
  const stage = lineOf([100, 200], { droppers, kills: [{ atMs: 500, nodes: [3] }] })
  const agenda = new Agenda()
  const tally = new Tally(stage, agenda)
  t.deepEqual([...tally.isCounted], [1, 1, 0, 0])
  const processes = [0, 1, 2, 3].map(index => ({ options: { index }, boot: 1 }) as Process)
  const frames = [
    { kind: FrameKind.have, bytes: new Uint8Array(10) },
    { kind: -1, bytes: new Uint8Array(99) }
  ]
  for (const atMs of [50, 100, 299, 300]) {
    agenda.nowMs = atMs
    for (const process of processes) tally.sent(process, frames)
  }
  t.is(tally.sentByKind[FrameKind.have], 4)
  t.is(tally.sentBytes, 40)
  const batch = { payloads: [payloadOf(1, 8), payloadOf(0, 8)] } as unknown as Batch
  for (const process of processes) {
    tally.delivered(process, { type: 'deliver', batch, hops: 1, accepted: [0], link: 1 })
  }
  t.deepEqual([...tally.deliveries], [0, 2])
  t.deepEqual([...tally.lastHop], [0, 2], 'one hop more than forwards')
  t.is(tally.latencyMs[1 * 4 + 1], 100)
  t.is(tally.doubles, 0)
  tally.delivered(processes[1] as Process, { type: 'deliver', batch, hops: 1, accepted: null, link: 1 })
  t.is(tally.doubles, 1)
  tally.delivered({ options: { index: 1 }, boot: 2 } as Process, {
    type: 'deliver',
    batch,
    hops: 1,
    accepted: null,
    link: 1
  })
  t.is(tally.doubles, 1, 'another life')
})

const nodesOf = (stage: Stage, message = 0): number[] => [...(expectedOf(stage)[message]?.nodes ?? [])]

test('all but the author have to have a message', t => {
  t.deepEqual(nodesOf(lineOf([100])), [0, 1, 1, 1])
})

test('who is behind a dropper, or dead, or drops, need not have it', t => {
  t.deepEqual(nodesOf(lineOf([100], { droppers: { nodes: [2], censored: null } })), [0, 1, 0, 0])
  const kills = [{ atMs: 2000, nodes: [2] }]
  t.deepEqual(
    nodesOf(lineOf([100, 3000], { kills }), 0),
    [0, 1, 0, 0],
    'it may be on its way through the dead'
  )
  t.deepEqual(nodesOf(lineOf([100, 3000], { kills }), 1), [0, 1, 0, 0])
})

test('a censor passes on what it doesn’t censor', t => {
  t.deepEqual(nodesOf(lineOf([100], { droppers: { nodes: [2], censored: 0 } })), [0, 1, 0, 0])
  t.deepEqual(nodesOf(lineOf([100], { droppers: { nodes: [2], censored: 1 } })), [0, 1, 0, 1])
})

test('a path may come when an outage is over, and lateness counts from there', t => {
  const outages = [{ atMs: 50, untilMs: 10_000, edges: [2], direction: 'both', kind: 'cut' } as const]
  const stage = lineOf([100, 100], { outages })
  t.deepEqual(nodesOf(stage), [0, 1, 1, 1])
  const pathMs = expectedOf(stage)[0]?.pathMs?.[3] ?? 0
  t.is(pathMs, 10_500 - 100)
  const rows = [
    [-1, 10, 20, 10_450],
    [-1, 10, 20, 10_600]
  ]
  t.is(measure(seenOf(stage, rows), expectedOf(stage)).slowestMs, 200)
  const long = [{ ...outages[0], untilMs: 40_000 }]
  t.deepEqual(nodesOf(lineOf([100], { outages: long as Stage['outages'] & object })), [0, 1, 1, 0], 'expired')
})

test('a process that crashes forgets what nobody else can bring', t => {
  const outages = [{ atMs: 50, untilMs: 10_000, edges: [1], direction: 'both', kind: 'cut' }] as const
  const author = { node: 0, atMs: 4000, untilMs: 20_000, clockMs: 0 }
  const relay = { node: 1, atMs: 5000, untilMs: 6000, clockMs: 0 }
  t.deepEqual(nodesOf(lineOf([100], { outages, downtimes: [author] })), [0, 1, 1, 1])
  t.deepEqual(nodesOf(lineOf([100], { outages, downtimes: [author, relay] })), [0, 0, 0, 0])
})

test('who was away is not asked, and a crash between them breaks a path', t => {
  const downtimes = [{ node: 2, atMs: 1000, untilMs: 2000, clockMs: 0 }]
  t.deepEqual(
    nodesOf(lineOf([100], { downtimes })),
    [0, 1, 0, 1],
    'the last is reached when the third is back'
  )
  t.deepEqual(
    nodesOf(lineOf([100], { downtimes: [{ ...downtimes[0], untilMs: 59_000 } as never] })),
    [0, 1, 0, 0]
  )
  t.deepEqual(nodesOf(lineOf([3000], { downtimes })), [0, 1, 1, 1], 'back before the publish')
})
