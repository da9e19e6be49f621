import {
  type OutFrame,
  TopicCore,
  type TopicCoreOptions,
  type TopicEffect,
  type TraceEvent
} from '@hearsay/gossip/core'
import test from 'ava'
import { eachMessage, payloadOf } from './packet.js'
import { type Outcome, play } from './play.js'
import type { DrivenCore, MakeCore } from './process.js'
import { SCENARIOS, type StageOptions } from './scenarios.js'
import type { Stage } from './stage.js'
import { faultsOf, hitFaults } from './verdict.js'

const SMALL: StageOptions = { nodes: 24, connections: 8, seconds: 2 }

function drawn(name: string, options: StageOptions = SMALL, seed = 1): Stage {
  return (SCENARIOS[name] as (typeof SCENARIOS)[string]).draw(seed, options)
}

/** Why a run of a scenario fails. */
const faults = (name: string, stage: Stage, outcome: Outcome): string[] =>
  faultsOf(SCENARIOS[name] as (typeof SCENARIOS)[string], stage, outcome)

/** A core whose effects are changed. */
const tampered =
  (change: (effect: TopicEffect, own: (frame: OutFrame) => boolean) => TopicEffect[]): MakeCore =>
  (options: TopicCoreOptions): DrivenCore => {
    const core = new TopicCore(options)
    const author = Buffer.from(options.author).toString('hex')
    const isOwn = (frame: OutFrame): boolean => frame.kind === 'batch' && frame.batch.ref.authorId === author
    return {
      step: (input, nowMs) => core.step(input, nowMs).flatMap(effect => change(effect, isOwn)),
      ownHello: binding => core.ownHello(binding),
      links: () => core.links()
    }
  }

test('equal seeds give equal runs, other seeds others', t => {
  for (const name of ['hot20', 'drop30', 'churn40']) {
    const options = { nodes: 12, connections: 5, seconds: 1, authors: 4 }
    const first = play(drawn(name, options))
    t.deepEqual(play(drawn(name, options)), first, name)
    t.not(play(drawn(name, options, 2)).hash, first.hash)
  }
})

test('without faults everybody gets every message once', t => {
  for (const name of ['single', 'hot20', 'each-one']) {
    const stage = drawn(name, { ...SMALL, authors: 5 })
    const outcome = play(stage)
    t.deepEqual(faults(name, stage, outcome), [], name)
    const { figures } = outcome
    t.is(figures.delivered, figures.expected)
    t.true(figures.expected >= 20 * 23)
    t.true(figures.lastHop >= 2 && figures.maxHop < 20)
    t.true(figures.p50Ms >= 10 && figures.p99Ms < 500)
    t.true(figures.redundancy <= 7, 'never more than a flood over all connections')
    t.true((figures.bytesPerDelivery ?? 0) > 64)
  }
})

for (const [name, options] of [
  ['drop30', { nodes: 40 }],
  ['censor30', { nodes: 40 }],
  ['kill30', { nodes: 60, connections: 20, seconds: 3 }],
  ['kill80', { nodes: 60, connections: 30, seconds: 3 }],
  ['partition60', { nodes: 12, connections: 5 }],
  ['one-way60', { nodes: 12, connections: 5 }],
  ['half-open', { nodes: 16, connections: 6 }],
  ['stall12', { nodes: 16, connections: 6 }],
  ['churn40', { nodes: 24, connections: 8, seconds: 20 }],
  ['eclipse', { nodes: 20, connections: 8, seconds: 2 }],
  ['cold-boot', { nodes: 24, connections: 8, seconds: 2 }],
  ['turned30', { nodes: 24, connections: 8, seconds: 4 }]
] as const) {
  test(`${name}: what breaks hits, and who has an honest path gets everything`, t => {
    const stage = drawn(name, options)
    const outcome = play(stage)
    t.deepEqual(faults(name, stage, outcome), [])
    t.deepEqual(hitFaults(stage, outcome), [])
    t.true(outcome.figures.expected > 100)
    if (name.startsWith('kill')) t.truthy(outcome.figures.afterKill)
    if (name === 'eclipse') t.true((outcome.targetLinks ?? 0) >= 2)
  })
}

test('a run in which nothing broke that was to break fails', t => {
  const stage = drawn('churn40')
  const broken: Stage = {
    ...stage,
    loss: 0.1,
    kills: [{ atMs: 1, nodes: [1] }],
    droppers: { nodes: [2], censored: null },
    outages: [
      { atMs: 1, untilMs: 2, edges: [0], direction: 'both', kind: 'held' },
      { atMs: 1, untilMs: 2, edges: [0], direction: 'both', kind: 'lost' },
      { atMs: 1, untilMs: 2, edges: [0], direction: 'both', kind: 'half-open' }
    ],
    downtimes: [{ node: 3, atMs: 1, untilMs: 2, clockMs: 5 }],
    bytesPerMs: 10,
    frameCostMs: 1
  }
  const { hits } = play(drawn('single'))
  t.is(hitFaults(broken, { hits }).length, 10)
  t.deepEqual(hitFaults(drawn('single'), { hits }), [])
})

test('what is too late, missed, or owned by others fails where it must not be so', t => {
  const stage = drawn('single')
  const outcome = play(stage)
  const scenario = { ...(SCENARIOS.single as (typeof SCENARIOS)[string]), withinMs: outcome.slowestMs }
  t.deepEqual(faultsOf(scenario, stage, outcome), [])
  t.regex(faultsOf(scenario, stage, { ...outcome, slowestMs: outcome.slowestMs + 1 }).join(), /slowest/)
  t.regex(faultsOf(scenario, stage, { ...outcome, targetLinks: 1 }).join(), /kept 1 honest links/)
  t.deepEqual(faultsOf(scenario, stage, { ...outcome, targetLinks: 2 }), [])
  const none = { ...outcome, figures: { ...outcome.figures, delivered: 0 } }
  t.regex(faultsOf(scenario, stage, none).join(), /missed/)
  t.deepEqual(faultsOf({ ...scenario, mustDeliver: false }, stage, none), [])
})

test('of the target’s links those count that it dialled itself', t => {
  const stage = { ...drawn('single'), target: 0 }
  const turn = (isDialling: boolean): Stage => ({
    ...stage,
    edges: stage.edges.map(edge => {
      if (edge.from !== 0 && edge.to !== 0) return edge
      const other = edge.from === 0 ? edge.to : edge.from
      return isDialling ? { ...edge, from: 0, to: other } : { ...edge, from: other, to: 0 }
    })
  })
  t.is(play(turn(false)).targetLinks, 0)
  t.true((play(turn(true)).targetLinks ?? 0) >= 2)
  t.is(play(drawn('single')).targetLinks, null)
})

test('a narrow uplink and a slow CPU make messages wait', t => {
  const stage = drawn('single')
  const fast = play(stage).figures
  const narrow = play({ ...stage, bytesPerMs: 20 })
  t.true(narrow.hits.queued > 0)
  t.true(narrow.figures.p50Ms > fast.p50Ms + 5)
  t.is(narrow.figures.delivered, narrow.figures.expected)
  const slow = play({ ...stage, frameCostMs: 3 })
  t.true(slow.hits.served > 0)
  t.true(slow.figures.p50Ms > fast.p50Ms + 3)
  t.is(slow.figures.delivered, slow.figures.expected)
})

test('an uplink that is full says so, and goes on when it has drained', t => {
  const stage = drawn('hot20', { nodes: 8, connections: 4, seconds: 1, payloadBytes: 40_000 })
  const { figures, hits } = play({ ...stage, bytesPerMs: 6000 })
  t.true(hits.queued > 0 && hits.blocked > 0)
  t.is(figures.delivered, figures.expected)
})

test('what an outage loses is gone, one way only if it is one way', t => {
  const stage = drawn('single', { nodes: 2, connections: 1, seconds: 4 })
  const [edge] = stage.edges
  const [publish] = stage.publishes
  const away = publish?.author === edge?.from ? 'forward' : 'backward'
  const back = away === 'forward' ? 'backward' : 'forward'
  const outageOf = (direction: 'forward' | 'backward') =>
    ({ atMs: 7000, untilMs: 8500, edges: [0], direction, kind: 'lost' }) as const
  const lost = play({ ...stage, outages: [outageOf(away)] })
  const heard = play({ ...stage, outages: [outageOf(back)] })
  t.true(lost.hits.swallowed > 5 && heard.hits.swallowed > 0)
  const late = ({ fates }: Outcome): number =>
    fates.filter(({ inTime, expected }) => inTime < expected).length
  t.is(late(heard), 0)
  t.true(lost.figures.p99Ms > heard.figures.p99Ms)
})

test('who is down publishes nothing and comes back as a new process, with the clock of the stage', t => {
  const stage = drawn('single')
  const node = stage.publishes[0]?.author ?? 0
  const starts: number[] = []
  const authors = new Set<string>()
  let steps = 0
  const makeCore: MakeCore = options => {
    const author = Buffer.from(options.author).toString('hex')
    // Processes start in the order of nodes; only one starts twice.
    const isIt = authors.has(author) || authors.size === node
    if (isIt) starts.push(options.startMs)
    authors.add(author)
    const core = new TopicCore(options)
    const step: DrivenCore['step'] = (input, nowMs) => {
      if (isIt && starts.length === 1 && nowMs - options.startMs > 7050) steps++
      return core.step(input, nowMs)
    }
    return { step, ownHello: binding => core.ownHello(binding), links: () => core.links() }
  }
  const downtime = { node, atMs: 7050, untilMs: 7850, clockMs: 5000 }
  const { fates, hits } = play({ ...stage, downtimes: [downtime] }, { makeCore })
  const published = fates.filter(({ deliveries }) => deliveries > 0).map(({ atMs }) => atMs)
  t.false(published.some(atMs => atMs > 7050 && atMs < 7850))
  t.true(published.some(atMs => atMs >= 7000 && atMs < 7050))
  t.true(published.some(atMs => atMs > 8400))
  t.is(hits.crashed, 1)
  t.is(hits.moved, 1)
  const [first = 0, second = 0] = starts
  t.is(starts.length, 2)
  t.is(second - first, 7850 + 5000 - 1)
  t.is(steps, 0, 'nothing is told to who is down')
})

test('the typed events of all cores can be seen', t => {
  const seen = new Map<string, number>()
  const trace = (atMs: number, node: number, { type }: TraceEvent): void => {
    t.true(atMs >= 0 && node >= 0 && node < 24)
    seen.set(type, (seen.get(type) ?? 0) + 1)
  }
  play(drawn('single'), { trace })
  t.true((seen.get('receive') ?? 0) > 100)
  t.true((seen.get('push') ?? 0) > 100)
})

test('planted: a core that passes nothing on misses', t => {
  const makeCore = tampered((effect, isOwn) =>
    effect.type === 'send' && effect.frame.kind === 'batch' && !isOwn(effect.frame) ? [] : [effect]
  )
  const stage = drawn('single')
  const outcome = play(stage, { makeCore })
  t.true(outcome.figures.delivered < outcome.figures.expected)
  t.regex(faults('single', stage, outcome).join(), /missed \d+ of \d+: message/)
})

test('planted: a core that never asks misses what a frame lost', t => {
  const makeCore = tampered(effect =>
    effect.type === 'send' && effect.frame.kind === 'want' ? [] : [effect]
  )
  const found = [1, 2, 3, 4, 5, 6].some(seed => {
    const stage = drawn('drop30', { nodes: 40 }, seed)
    return faults('drop30', stage, play(stage, { makeCore })).length > 0
  })
  t.true(found)
})

test('planted: a core that sends everything twice costs a copy more', t => {
  const makeCore = tampered(effect =>
    effect.type === 'send' && effect.frame.kind === 'batch' ? [effect, effect] : [effect]
  )
  const stage = drawn('hot20')
  const once = play(stage).figures
  const twice = play(stage, { makeCore }).figures
  t.true(twice.redundancy > once.redundancy + 0.9)
})

test('planted: a core that delivers twice is seen', t => {
  const makeCore = tampered(effect => (effect.type === 'deliver' ? [effect, effect] : [effect]))
  const stage = drawn('single')
  const outcome = play(stage, { makeCore })
  t.true(outcome.doubles > 0)
  t.regex(faults('single', stage, outcome).join(), /came twice/)
})

test('planted: honest nodes that close links to honest nodes are seen', t => {
  let closed = 0
  const makeCore = tampered(effect =>
    effect.type === 'linkUp' && closed++ === 0
      ? [effect, { type: 'closeLink', link: effect.link, reason: 'demerits', backoffMs: 0 }]
      : [effect]
  )
  const stage = drawn('single')
  const outcome = play(stage, { makeCore })
  t.is(outcome.hits.refused, 1)
  t.deepEqual(outcome.closes, { demerits: 1 })
  t.regex(faults('single', stage, outcome).join(), /closed 1 links/)
})

test('the messages in a BATCH frame are found, however many and however long', t => {
  const uint = (value: number): number[] => (value <= 0xfc ? [value] : [0xfd, value & 0xff, value >> 8])
  const payloads = [payloadOf(7, 4), payloadOf(70_000, 300), payloadOf(3, 10)]
  const bytes = Uint8Array.from([
    ...uint(300),
    0,
    2,
    ...uint(1000),
    payloads.length,
    ...uint(9),
    30,
    ...new Uint8Array(64).fill(0xff),
    ...uint(3),
    1,
    2,
    3,
    ...payloads.flatMap(payload => [...uint(payload.length), ...payload])
  ])
  const found: number[] = []
  eachMessage({ kind: 1, bytes }, message => found.push(message))
  t.deepEqual(found, [7, 70_000, 3])
  eachMessage({ kind: 2, bytes }, () => t.fail('not a BATCH'))
})
