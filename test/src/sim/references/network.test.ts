import test from 'ava'
import { REFERENCES } from './index.js'
import { Ledger } from './ledger.js'
import { LINE, type MadeStage, madeStage, START_MS, star, TRIANGLE } from './made-stage.js'
import { LINK_LOST, Network, PAYLOAD, type Protocol } from './network.js'

type Begin = (network: Network) => void
type Say = (network: Network, message: number, author: number) => void

/** Hears all, says nothing but what it is asked to. */
class Witness implements Protocol {
  readonly ignoresCopies = false
  readonly frames: (readonly [atMs: number, node: number, value: number, hop: number])[] = []
  readonly timers: (readonly [atMs: number, node: number, value: number])[] = []
  readonly #network: Network
  readonly #begin: Begin
  readonly #say: Say

  constructor(network: Network, begin: Begin, say: Say) {
    this.#network = network
    this.#begin = begin
    this.#say = say
  }

  start(): void {
    this.#begin(this.#network)
  }

  publish(message: number, author: number): void {
    this.#say(this.#network, message, author)
  }

  receive(_kind: number, link: number, value: number, hop: number): void {
    this.frames.push([this.#network.nowMs, this.#network.owner[link] as number, value, hop])
  }

  wake(kind: number, node: number, value: number): void {
    if (kind === LINK_LOST) this.timers.push([this.#network.nowMs, node, value])
  }
}

const sayToAll: Say = (network, message, author) => {
  for (const link of network.linksOf(author)) network.sendPayload(link, message, 1, 36)
}

function witness(made: MadeStage, begin: Begin = () => {}, say: Say = sayToAll) {
  const network = new Network(madeStage(made))
  const seen = new Witness(network, begin, say)
  const figures = network.run('witness', seen)
  return { network, figures, ...seen }
}

test('a frame arrives at the other end of its link, after the latency of the edge', t => {
  const { network, frames } = witness({ edges: LINE, authors: [1] })
  t.deepEqual(frames, [
    [START_MS + 10, 0, 0, 1],
    [START_MS + 20, 2, 0, 1]
  ])
  for (let link = 0; link < network.links; link++) {
    const opposite = network.opposite[link] as number
    t.is(network.opposite[opposite], link)
    t.is(network.peer[opposite], network.owner[link])
    t.is((network.isDialler[link] as number) + (network.isDialler[opposite] as number), 1)
  }
  t.deepEqual(
    network.linksOf(1).map(link => [network.peer[link], network.isDialler[link]]),
    [
      [0, 0],
      [2, 1]
    ]
  )
})

test('the dead neither publish nor hear, and neighbours notice after 0.5 to 1.5 times the timeout', t => {
  const kills = [{ atMs: START_MS + 15, nodes: [2] }]
  const { frames, timers, figures } = witness(
    { edges: LINE, authors: [1, 2], kills, endMs: 20_000 },
    network => network.noticeDeaths(10_000)
  )
  t.deepEqual(frames, [[START_MS + 10, 0, 0, 1]])
  t.is(figures.hits.died, 1)
  t.deepEqual(timers.map(([, node]) => node).sort(), [1, 3])
  for (const [atMs] of timers) t.true(atMs >= START_MS + 15 + 5000 && atMs <= START_MS + 15 + 15_000)
})

test('an uplink sends one frame after the other', t => {
  // 64 + 36 bytes at 10 bytes/ms.
  const { frames, figures } = witness({ edges: star(3), authors: [0], bytesPerMs: 10 })
  t.deepEqual(
    frames.map(([atMs, node]) => [atMs - START_MS, node]),
    [
      [20, 1],
      [30, 2],
      [40, 3]
    ]
  )
  t.is(figures.hits.queued, 2)
})

test('a CPU takes one frame after the other', t => {
  const say: Say = (network, message) => {
    for (const leaf of [1, 2, 3]) network.sendPayload(network.linksOf(leaf)[0] as number, message, 1, 0)
  }
  const { frames, figures } = witness({ edges: star(3), authors: [0], frameCostMs: 5 }, undefined, say)
  t.deepEqual(
    frames.map(([atMs, node]) => [atMs - START_MS, node]),
    [
      [15, 0],
      [20, 0],
      [25, 0]
    ]
  )
  t.is(figures.hits.served, 2)
})

test('loss takes its share of frames, but none that build the overlay', t => {
  const say: Say = (network, message) => {
    const [link = 0] = network.linksOf(0)
    for (let i = 0; i < 1000; i++) {
      network.sendPayload(link, message, 1, 0)
      network.sendControl(link, { kind: PAYLOAD + 1, name: 'graft', bytes: 1, value: -1, isKept: true })
    }
  }
  const { frames, figures } = witness({ edges: LINE, authors: [0], loss: 0.25 }, undefined, say)
  t.is(frames.filter(([, , value]) => value === -1).length, 1000)
  t.is(frames.filter(([, , value]) => value === 0).length, 1000 - figures.hits.lost)
  t.true(figures.hits.lost > 200 && figures.hits.lost < 300)
})

test('a dropper drops what is of others, from its time on; a censor what is of one', t => {
  const dropsOf = (censored: number | null, fromMs?: number): boolean[] => {
    const droppers = { nodes: [1], censored, ...(fromMs === undefined ? {} : { fromMs }) }
    const network = new Network(madeStage({ edges: LINE, authors: [0, 1, 2], droppers }))
    t.false(network.timeline.next(START_MS))
    return [network.drops(1, 0), network.drops(1, 1), network.drops(1, 2), network.drops(2, 0)]
  }
  t.deepEqual(dropsOf(null), [true, false, true, false])
  t.deepEqual(dropsOf(2), [false, false, true, false])
  t.deepEqual(dropsOf(null, START_MS), [true, false, true, false])
  t.deepEqual(dropsOf(null, START_MS + 1), [false, false, false, false])
})

test('a stage with outages or processes that restart is refused', t => {
  const outages = [{ atMs: 1, untilMs: 2, edges: [0], direction: 'both', kind: 'cut' } as const]
  const downtimes = [{ node: 0, atMs: 1, untilMs: 2, clockMs: 0 }]
  for (const extra of [{ outages }, { downtimes }]) {
    const stage = madeStage({ edges: LINE, authors: [0], ...extra })
    for (const { run } of REFERENCES) {
      t.throws(() => run(stage), { instanceOf: RangeError, message: /outages or downtimes/ })
    }
  }
})

test('a message is delivered once to a node and never to its author', t => {
  const ledger = new Ledger(madeStage({ edges: TRIANGLE, authors: [0] }))
  ledger.publish(0, 0)
  t.false(ledger.accept(0, 0, 2, START_MS + 20))
  t.true(ledger.accept(0, 1, 1, START_MS + 10))
  t.false(ledger.accept(0, 1, 2, START_MS + 20))
  t.deepEqual([ledger.has(0, 0), ledger.has(0, 1), ledger.has(0, 2)], [true, true, false])
  t.deepEqual([ledger.hop(0, 0), ledger.hop(0, 1)], [0, 1])
  const { expected, delivered, maxHop, p99Ms } = ledger.figures('ledger')
  t.deepEqual([expected, delivered, maxHop, p99Ms], [2, 1, 1, 10])
})

test('copies and frames of droppers and of the dead, and what lies outside of the window, are not counted', t => {
  const kills = [{ atMs: 3000, nodes: [2] }]
  const made = { edges: star(3), authors: [0, 0], warmUp: 1, kills, droppers: { nodes: [3], censored: null } }
  const ledger = new Ledger(madeStage(made))
  for (const message of [0, 1]) {
    ledger.publish(message, 0)
    for (const node of [1, 2, 3]) ledger.copy(message, node)
    ledger.accept(message, 1, 1, 10_000)
  }
  ledger.copy(1, 1)
  for (const atMs of [1999, 2000, 2999, 3000]) {
    for (const node of [1, 2, 3]) ledger.sent(node, 'ihave', 10, atMs, 4)
  }
  ledger.sent(1, 'payload', 100, 2500)
  const figures = ledger.figures('ledger')
  t.is(figures.redundancy, 1)
  t.deepEqual(figures.frames, { ihave: 2, ids: 8, payload: 1 })
  t.is(figures.controlPerDelivery, 2)
  t.is(figures.bytesPerDelivery, 120)
})
