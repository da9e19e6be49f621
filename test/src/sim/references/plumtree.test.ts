import test from 'ava'
import { Rng } from '../rng.js'
import { drawOverlay } from '../scale/draw.js'
import { type ViewParameters, Views } from './active-view.js'
import { LINE, type MadeEdge, madeStage, star, TRIANGLE } from './made-stage.js'
import { Network } from './network.js'
import { PLUMTREE, runPlumtree } from './plumtree.js'

const overlay = (nodes: number, connections: number): MadeEdge[] =>
  drawOverlay(new Rng(5), nodes, connections).map(({ from, to, latencyMs }) => [from, to, latencyMs])

/** 0 in the west, 1 north, 2 south, 3 east; the way over the north is shorter. */
const SQUARE: readonly MadeEdge[] = [
  [0, 1, 10],
  [0, 2, 20],
  [1, 3, 10],
  [2, 3, 20]
]

test('a triangle becomes a tree with the first message: no copy from the second on', t => {
  const figures = runPlumtree(madeStage({ edges: TRIANGLE, authors: [0, 0, 0, 0], warmUp: 1 }))
  t.deepEqual([figures.delivered, figures.redundancy, figures.p99Ms], [6, 0, 10])
  // Between 1 and 2 there are ids, both ways: one of each message.
  t.deepEqual(figures.frames, { payload: 6, ihave: 6, ids: 6 })
})

test('one author, no faults: the tree of a crowd is free of copies after its first message', t => {
  const figures = runPlumtree(madeStage({ edges: overlay(200, 20), authors: Array(10).fill(0), warmUp: 1 }))
  t.deepEqual([figures.delivered, figures.redundancy], [9 * 199, 0])
  t.is(figures.frames.graft, undefined)
})

test('a link that is dead and looks open is passed by: id after 5 ms, GRAFT after 80 ms, message', t => {
  // The tree to 3 goes over 1, which dies; 2 tells 3 of the message.
  const kills = [{ atMs: 2500, nodes: [1] }]
  const figures = runPlumtree(madeStage({ edges: SQUARE, authors: [0, 0, 0, 0], warmUp: 2, kills }))
  t.deepEqual([figures.expected, figures.delivered], [4, 4])
  // 20 to 2, 5 gathering, 20 to 3, 80 waiting, and a round trip of 40.
  t.is(figures.p99Ms, 165)
  // From then on the link is eager.
  t.is(figures.p50Ms, 20)
  // Two of the four copies of each message go to the dead.
  t.deepEqual(figures.frames, { payload: 8, ihave: 1, ids: 1, graft: 1 })
  t.is(figures.lastHop, 2)
})

/** 3 hears from 0 over 5 first; 1, 2 and 4 are slower, and lazy to 3 from the first message on. */
const FAN: readonly MadeEdge[] = [
  [0, 1, 10],
  [0, 2, 12],
  [0, 4, 14],
  [1, 3, 30],
  [2, 3, 30],
  [4, 3, 30],
  [0, 5, 1],
  [5, 3, 1]
]

test('a GRAFT that brings nothing is followed by one to the next who told the id', t => {
  const kills = [{ atMs: 2500, nodes: [5] }]
  const droppers = { nodes: [1, 2], censored: null, fromMs: 2500 }
  const figures = runPlumtree(madeStage({ edges: FAN, authors: [0, 0, 0], warmUp: 2, kills, droppers }))
  t.deepEqual([figures.expected, figures.delivered], [2, 2])
  // 10 + 5 + 30 to the first id, 80 to the first GRAFT, twice 40 more to the one that is answered, after 60.
  t.is(figures.p99Ms, 45 + 80 + 80 + 60)
  t.is(figures.frames.graft, 3)
})

test('a neighbour that is noticed to be dead is not asked for what it told', t => {
  // 1 dies between telling 3 and being asked. The answer takes longer than the next GRAFT waits: 4 is asked as well.
  const kills = [
    { atMs: 2500, nodes: [5] },
    { atMs: 3016, nodes: [1] }
  ]
  const stage = madeStage({ edges: FAN, authors: [0, 0, 0], warmUp: 2, kills })
  const noticed = runPlumtree(stage, { transportTimeoutMs: 60 })
  t.deepEqual([noticed.delivered, noticed.p99Ms, noticed.frames.graft], [3, 45 + 80 + 60, 2])
  const late = runPlumtree(stage)
  t.deepEqual([late.delivered, late.p99Ms, late.frames.graft], [3, 45 + 80 + 40 + 60, 3])
})

test('who grafts a neighbour pushes to it, too', t => {
  const kills = [{ atMs: 2500, nodes: [1] }]
  const stage = madeStage({ edges: SQUARE, authors: [0, 0, 0, 3], warmUp: 3, kills })
  const figures = runPlumtree(stage)
  t.deepEqual([figures.delivered, figures.p50Ms, figures.p99Ms], [2, 20, 40])
  t.is(figures.frames.graft, undefined)
})

test('ids that wait together travel together', t => {
  const stage = madeStage({ edges: TRIANGLE, authors: Array(6).fill(0), warmUp: 1 })
  const times = [1000, 3000, 3004, 3008, 3012, 4000]
  const publishes = stage.publishes.map((publish, i) => ({ ...publish, atMs: times[i] ?? 0 }))
  const { frames } = runPlumtree({ ...stage, publishes })
  // Two and two and one, between 1 and 2, both ways.
  t.deepEqual([frames.ihave, frames.ids], [6, 10])
})

test('a dropper pushes nothing', t => {
  const droppers = { nodes: [1], censored: null }
  const figures = runPlumtree(madeStage({ edges: SQUARE, authors: [0], droppers }))
  t.deepEqual([figures.delivered, figures.p50Ms, figures.p99Ms], [2, 20, 40])
})

test('a long way is left for one that is shorter by seven hops', t => {
  // Seen from 5, the chord is the longer way between 0 and 9, and becomes lazy. Seen from 0 it is the shorter one.
  const ring = Array.from({ length: 20 }, (_, i): MadeEdge => [i, (i + 1) % 20, 10])
  const stage = madeStage({ edges: [...ring, [0, 9, 40]], authors: [5, 0, 0], warmUp: 2 })
  // To 9 it is 9 hops by the ring and 1 by the chord; counted at the next node.
  const optimized = runPlumtree(stage, { graftMs: 10_000, optimizationThreshold: 9 })
  t.deepEqual([optimized.delivered, optimized.redundancy, optimized.maxHop], [19, 0, 8])
  const plain = runPlumtree(stage, { graftMs: 10_000, optimizationThreshold: 10 })
  t.deepEqual([plain.delivered, plain.redundancy], [19, 0])
  t.true(plain.maxHop >= 14)
})

test('an id whose message comes in time asks for nothing', t => {
  const ring = Array.from({ length: 21 }, (_, i): MadeEdge => [i, (i + 1) % 21, 8])
  const stage = madeStage({ edges: [...ring, [0, 9, 40]], authors: [5, 0, 0], warmUp: 1 })
  // 9 is told after 45 ms and has the message after 72; 15 after 53 and 120.
  const figures = runPlumtree(stage, { optimizationThreshold: 100 })
  t.deepEqual([figures.delivered, figures.redundancy, figures.frames.graft], [40, 0, undefined])
  t.true((runPlumtree(stage, { optimizationThreshold: 100, graftMs: 25 }).frames.graft ?? 0) >= 2)
})

test('frames are smaller than signed ones: 41 bytes beside a payload of 64', t => {
  const figures = runPlumtree(madeStage({ edges: LINE, authors: [0] }))
  t.is(figures.bytesPerDelivery, 64 + 41)
})

test('the model stays inside of the bounds that iroh-gossip asserts of its simulation', t => {
  // `tests/sim.rs`: one message a round; one author: RMR < 0.2, LDH < 15; others each time: RMR < 1, LDH < 18.
  const edges = overlay(500, 20)
  const rng = new Rng(3)
  const single = runPlumtree(madeStage({ edges, authors: Array(30).fill(7) }))
  t.is(single.delivered, single.expected)
  t.true(single.redundancy < 0.2 && single.lastHop < 15)
  const authors = Array.from({ length: 30 }, () => rng.int(0, 499))
  const multi = runPlumtree(madeStage({ edges, authors }))
  t.is(multi.delivered, multi.expected)
  t.true(multi.redundancy > 0.1 && multi.redundancy < 1 && multi.lastHop < 18)
})

/** Views whose frames arrive at once, unless the other end is in `deaf`. */
function viewsOf(edges: readonly MadeEdge[], parameters: Partial<ViewParameters> = {}) {
  const network = new Network(madeStage({ edges, authors: [0] }))
  const deaf = new Set<number>()
  const waiting: number[] = []
  const queue: (() => void)[] = []
  const deliver = (link: number, act: (opposite: number) => void): void => {
    const isDeaf = deaf.has(network.peer[link] as number)
    if (!isDeaf) queue.push(() => act(network.opposite[link] as number))
  }
  const events: string[] = []
  const say = (what: string, link: number): void => {
    events.push(`${what} ${network.owner[link]}>${network.peer[link]}`)
  }
  const views: Views = new Views(
    network,
    { ...PLUMTREE, ...parameters },
    {
      request: (link, isUrgent) => {
        say(isUrgent ? 'urgent' : 'request', link)
        deliver(link, opposite => views.onRequest(opposite, isUrgent))
      },
      disconnect: link => {
        say('disconnect', link)
        deliver(link, opposite => views.onDisconnect(opposite))
      },
      awaitAnswer: link => waiting.push(link),
      isUp: link => say('up', link),
      isDown: link => say('down', link)
    }
  )
  const settle = (): void => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) next()
  }
  const peersOf = (node: number): number[] =>
    views
      .active(node)
      .map(link => network.peer[link] as number)
      .sort((a, b) => a - b)
  const linkOf = (from: number, to: number): number =>
    network.linksOf(from).find(link => network.peer[link] === to) ?? -1
  return { network, views, deaf, waiting, events, settle, peersOf, linkOf }
}

test('views settle: five active neighbours, mutual, nearly everybody', t => {
  const { views, settle, peersOf } = viewsOf(overlay(200, 40))
  for (let node = 0; node < 200; node++) {
    views.refill(node)
    settle()
  }
  let sum = 0
  for (let node = 0; node < 200; node++) {
    const peers = peersOf(node)
    t.true(peers.length >= 1 && peers.length <= 5)
    t.is(new Set(peers).size, peers.length)
    for (const peer of peers) t.true(peersOf(peer).includes(node))
    for (const link of views.active(node)) t.true(views.isActive(link))
    sum += peers.length
  }
  t.true(sum / 200 > 4.8, `${sum / 200}`)
})

test('who has no neighbour is not refused: a random one makes room for it', t => {
  const { views, events, settle, peersOf, linkOf } = viewsOf(star(6))
  views.refill(0)
  settle()
  t.is(peersOf(0).length, 5)
  const left = [1, 2, 3, 4, 5, 6].find(node => !peersOf(0).includes(node)) as number
  events.length = 0
  views.refill(left)
  settle()
  t.true(peersOf(0).includes(left))
  t.is(peersOf(0).length, 5)
  t.is(events[0], `urgent ${left}>0`)
  t.is(events.filter(event => event.startsWith('disconnect 0>')).length, 1)
  t.true(views.isActive(linkOf(left, 0)))
})

test('who has neighbours is refused by a full peer, and asks it again when a neighbour is lost', t => {
  for (const [from, to] of [
    [7, 6],
    [6, 7]
  ] as const) {
    const { views, events, settle, peersOf, linkOf } = viewsOf([...star(5), [6, 7, 1], [6, 0, 1], [8, 6, 1]])
    for (const node of [1, 2, 3, 4, 5, 7, 8]) {
      views.refill(node)
      settle()
    }
    t.deepEqual(
      [peersOf(0), peersOf(6)],
      [
        [1, 2, 3, 4, 5],
        [7, 8]
      ]
    )
    events.length = 0
    views.refill(6)
    settle()
    t.deepEqual(events, ['request 6>0', 'disconnect 0>6'])
    views.refill(6)
    settle()
    t.is(events.length, 2)
    events.length = 0
    // The neighbour says good-bye, or is noticed to be dead.
    if (from === 7) views.onDisconnect(linkOf(6, 7))
    else views.lose(linkOf(from, to))
    settle()
    t.deepEqual(events, ['down 6>7', 'request 6>0', 'disconnect 0>6'])
  }
})

test('no more peers are asked at a time than there are places', t => {
  const { views, deaf, waiting } = viewsOf(star(9))
  for (let node = 1; node <= 9; node++) deaf.add(node)
  for (let i = 0; i < 9; i++) views.refill(0)
  t.is(waiting.length, 5)
})

test('a refusal tells of others, as many as the passive view has room for', t => {
  const { network, views, deaf, waiting, linkOf } = viewsOf(star(5), { passiveCapacity: 2, lessonSize: 4 })
  for (let node = 1; node <= 5; node++) deaf.add(node)
  const timeOut = (): void => {
    network.timeline.next(network.nowMs + 500)
    views.onTimeout(waiting.at(-1) as number)
  }
  views.refill(0)
  timeOut()
  t.is(waiting.length, 2)
  views.onDisconnect(linkOf(0, network.peer[waiting[1] as number] as number))
  t.is(waiting.length, 3)
  timeOut()
  t.is(waiting.length, 3)
})

test('a peer that does not answer is forgotten after the timeout, and the next is asked', t => {
  const { network, views, deaf, waiting, settle, peersOf } = viewsOf(star(3))
  for (const node of [1, 2, 3]) deaf.add(node)
  views.refill(0)
  settle()
  t.is(waiting.length, 1)
  views.onTimeout(waiting[0] as number)
  t.is(waiting.length, 1)
  network.timeline.next(network.nowMs + 500)
  deaf.clear()
  views.onTimeout(waiting[0] as number)
  settle()
  t.is(peersOf(0).length, 2)
  t.false(views.isActive(waiting[0] as number))
})

test('a neighbour that the transport gave up is replaced; a passive one has no connection to lose', t => {
  const { views, settle, peersOf, linkOf } = viewsOf(star(7))
  views.refill(0)
  settle()
  const [gone = 0] = peersOf(0)
  const passive = [1, 2, 3, 4, 5, 6, 7].find(node => !peersOf(0).includes(node)) as number
  views.lose(linkOf(0, passive))
  t.is(peersOf(0).length, 5)
  views.lose(linkOf(0, gone))
  settle()
  t.is(peersOf(0).length, 5)
  t.false(peersOf(0).includes(gone))
  for (let i = 0; i < 2; i++) {
    const [next = 0] = peersOf(0)
    views.lose(linkOf(0, next))
    settle()
  }
  // One that was passive is left to replace the first of them; the dead are not asked again.
  t.is(peersOf(0).length, 4)
})

test('the passive view is bounded; a shuffle fills it again', t => {
  const { network, views, deaf, waiting, settle } = viewsOf(star(60))
  for (let node = 1; node <= 60; node++) deaf.add(node)
  const drain = (from: number): number => {
    for (let i = from; i < waiting.length; i++) {
      network.timeline.next(network.nowMs + 500)
      views.onTimeout(waiting[i] as number)
      settle()
    }
    return waiting.length - from
  }
  views.refill(0)
  t.is(drain(0), 30)
  views.refill(0)
  t.is(drain(30), 0)
  views.shuffle(0)
  t.is(drain(30), 30)
})

test('after a kill neighbours are replaced when the transport notices, and not before', t => {
  const dead = Array.from({ length: 60 }, (_, i) => 100 + i)
  const kills = [{ atMs: 3500, nodes: dead }]
  const stage = madeStage({ edges: overlay(200, 40), authors: Array(25).fill(0), warmUp: 3, kills })
  const figures = runPlumtree(stage, { shuffleMs: 1e9 })
  t.true(figures.hits.died > 0 && (figures.frames.neighbor ?? 0) > 0)
  t.true((figures.afterKill?.firstSecond ?? 0) > 0.5)
  const never = runPlumtree(stage, { shuffleMs: 1e9, transportTimeoutMs: 1_000_000 })
  t.is(never.frames.neighbor, undefined)
  t.true(figures.delivered >= never.delivered)
})
