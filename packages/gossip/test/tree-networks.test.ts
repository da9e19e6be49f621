import test from 'ava'
import type { TraceEvent } from '#gossip/core/types'
import { bytesOf, Net, type Node } from './support/core-net.js'

/** What the nodes of a net trace, with times. */
interface Seen {
  readonly atMs: number
  readonly node: number
  readonly event: TraceEvent
}

interface Graph {
  readonly net: Net
  readonly nodes: Node[]
  readonly seen: Seen[]
  /** Latencies by pairs of nodes. */
  readonly latency: ReadonlyMap<string, number>
  readonly random: () => number
}

function generator(seed: number): () => number {
  let state = seed * 2_654_435_761
  return () => {
    state = (Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9) >>> 0
    return state / 2 ** 32
  }
}

/** A connected random graph of real cores, with latencies of 10 to 50 ms; nobody looks for other links any more. */
function graphOf(seed: number, size: number, degree: number): Graph {
  const random = generator(seed)
  const net = new Net()
  const seen: Seen[] = []
  const nodes = Array.from({ length: size }, (_, node) => {
    const trace = (event: TraceEvent): unknown => seen.push({ atMs: net.nowMs, node, event })
    return net.node({ trace, limits: { exchangeMs: 1e9 } })
  })
  const latency = new Map<string, number>()
  const join = (a: number, b: number): void => {
    if (a === b || latency.has(`${a} ${b}`)) return
    // No two paths are equally long.
    const ms = 10 + random() * 40
    latency.set(`${a} ${b}`, ms).set(`${b} ${a}`, ms)
    net.link(nodes[a] as Node, nodes[b] as Node, ms)
  }
  for (let i = 0; i < size; i++) join(i, (i + 1) % size)
  while (latency.size < size * degree) join(Math.floor(random() * size), Math.floor(random() * size))
  net.run(60_000)
  return { net, nodes, seen, latency, random }
}

/** Shortest way from one node to each other: how long it takes, and over how many links. */
function shortest({ nodes, latency }: Graph, from: number, over: (a: number, b: number) => boolean) {
  const ways = nodes.map((_, i) => ({ ms: i === from ? 0 : Number.POSITIVE_INFINITY, hops: 0 }))
  const open = new Set(ways.keys())
  while (open.size > 0) {
    const next = [...open].reduce((a, b) => ((ways[a]?.ms ?? 0) <= (ways[b]?.ms ?? 0) ? a : b))
    open.delete(next)
    const { ms: toMs, hops } = ways[next] as (typeof ways)[0]
    for (const other of open) {
      const ms =
        toMs + ((over(next, other) ? latency.get(`${next} ${other}`) : undefined) ?? Number.POSITIVE_INFINITY)
      if (ms < (ways[other]?.ms ?? 0)) ways[other] = { ms, hops: hops + 1 }
    }
  }
  return ways
}

/** Are two nodes active links of each other? */
function activePairs({ nodes }: Graph): (a: number, b: number) => boolean {
  const pairs = new Set<string>()
  for (const [a, node] of nodes.entries()) {
    for (const { link, role } of node.core.links()) {
      const end = node.ends.get(link)
      if (role === 'active' && end !== undefined) pairs.add(`${a} ${nodes.indexOf(end.node)}`)
    }
  }
  return (a, b) => pairs.has(`${a} ${b}`)
}

/** Publishes `count` messages; what the net did meanwhile. */
function stream(graph: Graph, author: number, how: { count: number; everyMs: number }): Seen[] {
  const { net, nodes, seen } = graph
  const before = seen.length
  for (let i = 0; i < how.count; i++) {
    nodes[author]?.publish(`m${net.publishes}`)
    net.run(how.everyMs)
  }
  net.run(1000)
  return seen.slice(before)
}

const of = <T extends TraceEvent['type']>(seen: readonly Seen[], type: T) =>
  seen.filter((each): each is Seen & { event: Extract<TraceEvent, { type: T }> } => each.event.type === type)

for (const [size, degree] of [
  [12, 4],
  [24, 6],
  [24, 14]
] as const) {
  test(`${size} nodes with ${degree} connections: after its first batches an author costs no copy, on the fastest paths`, t => {
    for (let seed = 1; seed <= 3; seed++) {
      const graph = graphOf(seed, size, degree)
      // A first author, whose tree the others borrow, and two more.
      for (const author of [0, 3, 5]) {
        stream(graph, author, { count: 8, everyMs: 60 })
        const calm = stream(graph, author, { count: 200, everyMs: 37 })
        t.is(of(calm, 'duplicate').length, 0, 'RMR 0')
        t.is(of(calm, 'push').length, 200 * (size - 1))
        t.is(of(calm, 'want').length + of(calm, 'repair').length + of(calm, 'prune').length, 0)
        const ways = shortest(graph, author, activePairs(graph))
        const pushed = of(calm, 'push').filter(({ node, event }) => node === author && event.hops === 0)
        const bornMs = new Map(pushed.map(({ atMs, event }) => [event.seq0, atMs]))
        let [tookMs, fastestMs, hops] = [0, 0, 0]
        for (const { atMs, node, event } of of(calm, 'receive')) {
          tookMs += atMs - (bornMs.get(event.seq0) ?? 0)
          fastestMs += ways[node]?.ms ?? 0
          hops = Math.max(hops, event.hops + 1)
        }
        t.true(tookMs <= fastestMs * 1.01, `seed ${seed}: ${tookMs / fastestMs} of the time of a flood`)
        const floodHops = Math.max(...ways.map(way => way.hops))
        t.true(hops <= floodHops + 1, `seed ${seed}: ${hops} hops, a flood makes ${floodHops}`)
      }
    }
  })
}

test('an author of 50 batches a second: a mark costs the copies of one batch, and the tree stays', t => {
  const graph = graphOf(4, 16, 6)
  stream(graph, 0, { count: 20, everyMs: 20 })
  const seen = stream(graph, 0, { count: 600, everyMs: 20 })
  const marks = of(seen, 'mark').filter(({ event }) => event.link === null)
  t.is(marks.length, 2)
  // Active links of all, less one for each that learns of it.
  const links = graph.nodes.reduce(
    (sum, node) => sum + node.core.links().filter(({ role }) => role === 'active').length,
    0
  )
  t.true(of(seen, 'duplicate').length <= marks.length * (links - 2 * 15))
  t.is(of(seen, 'prune').length, 0)
})

test('when a parent goes, an author of 20 batches a second is pushed to us again within one round trip', t => {
  let moved = 0
  for (let seed = 1; seed <= 6; seed++) {
    const graph = graphOf(seed, 16, 6)
    const { net, nodes, seen } = graph
    stream(graph, 0, { count: 30, everyMs: 50 })
    // A node that isn't beside the author, and so has other parents to choose from.
    const node = nodes.findIndex((_, i) => i > 0 && !graph.latency.has(`0 ${i}`))
    const author = Buffer.from((nodes[0] as Node).options.author).toString('hex')
    const parent = nodes[node]?.core.explain(author)[0]?.parent
    if (node < 0 || parent === undefined || parent === null) continue
    const before = seen.length
    net.cut(nodes[node] as Node, parent)
    const cutMs = net.nowMs
    const graft = of(seen.slice(before), 'graft').find(each => each.node === node)
    t.truthy(graft, 'grafted in the step of the loss')
    const target = nodes[node]?.ends.get(graft?.event.link ?? -1)
    if (target === undefined) continue
    const roundTripMs = 2 * target.latencyMs
    const after = stream(graph, 0, { count: 20, everyMs: 50 })
    const pushes = of(after, 'receive').filter(each => each.node === node && !each.event.repair)
    // What it published a round trip after the loss comes as a push, unless the one grafted was fed by us.
    const ways = shortest(graph, 0, activePairs(graph))
    const deadlineMs = cutMs + roundTripMs + 50 + Math.max(...ways.map(({ ms }) => ms)) + 50
    if (pushes.some(({ atMs }) => atMs <= deadlineMs)) moved++
    t.is(of(after, 'receive').filter(each => each.node === node).length, 20, 'all of them came')
  }
  t.true(moved >= 5, `${moved} of 6`)
})

test('PRUNE and graft that cross on the way leave nobody without a parent for longer than two ticks', t => {
  for (let seed = 1; seed <= 20; seed++) {
    const graph = graphOf(seed, 10, 5)
    const { net, nodes, random } = graph
    stream(graph, 0, { count: 10, everyMs: 40 })
    for (let round = 0; round < 8; round++) {
      // Links are demoted and lost while batches, PRUNEs and grafts are on their way.
      const node = nodes[1 + Math.floor(random() * (nodes.length - 1))] as Node
      const link = [...node.ends.keys()][Math.floor(random() * node.ends.size)]
      if (link !== undefined && node.ends.size > 2) net.cut(node, link)
      for (let i = 0; i < 5; i++) {
        nodes[0]?.publish(`r${round} ${i}`)
        net.run(7 + Math.floor(random() * 20))
      }
    }
    net.run(1500)
    const calm = stream(graph, 0, { count: 20, everyMs: 50 })
    const counts = nodes.map((_, node) => of(calm, 'receive').filter(each => each.node === node).length)
    const reach = shortest(graph, 0, activePairs(graph)).map(({ ms }) => ms < Number.POSITIVE_INFINITY)
    for (const [node, count] of counts.entries()) {
      if (node > 0 && reach[node] === true) t.is(count, 20, `seed ${seed}, node ${node}`)
    }
    const repaired = of(calm, 'receive').filter(({ event }) => event.repair).length
    t.true(repaired <= nodes.length, `seed ${seed}: ${repaired} repairs`)
  }
})

test('a parent that withholds an author loses it at the first repair', t => {
  const net = new Net()
  const seen: Seen[] = []
  const [author, censor, other, reader] = [
    net.node(),
    net.node(),
    net.node(),
    net.node({ trace: event => seen.push({ atMs: net.nowMs, node: 3, event }) })
  ]
  net.link(author, censor, 5)
  net.link(author, other, 20)
  const [, fromCensor] = net.link(censor, reader, 5)
  const [, fromOther] = net.link(other, reader, 20)
  net.run(2000)
  for (let i = 0; i < 5; i++) {
    author.publish(`a${i}`)
    net.run(100)
  }
  const hex = Buffer.from(author.options.author).toString('hex')
  t.is(reader.core.explain(hex)[0]?.parent, fromCensor, 'the fast one')
  net.isLost = (from, _to, kind) => from === censor && kind === 1
  seen.length = 0
  for (let i = 0; i < 30; i++) {
    author.publish(`b${i}`)
    net.run(100)
  }
  t.is(reader.core.explain(hex)[0]?.parent, fromOther)
  const received = of(seen, 'receive')
  t.is(received.length, 30)
  t.true(received.filter(({ event }) => event.repair).length <= 3)
})

test('A7 one censor among the links of an author holds nobody up for longer than a repair', t => {
  const graph = graphOf(9, 14, 6)
  const { net, nodes } = graph
  stream(graph, 0, { count: 10, everyMs: 50 })
  const censor = nodes.findIndex((_, i) => i > 0 && graph.latency.has(`0 ${i}`))
  net.isLost = (from, _to, kind) => kind === 1 && from === nodes[censor]
  const seen = stream(graph, 0, { count: 40, everyMs: 50 })
  const others = nodes.length - 2
  t.true(of(seen, 'receive').filter(({ node }) => node !== censor).length === 40 * others)
})

test('a lone message leaves in the step in which it is published, and those of a tick share a signature', t => {
  const net = new Net()
  const [a, b] = [net.node(), net.node()]
  net.link(a, b, 10)
  net.run(1000)
  a.publish('alone')
  net.run(10)
  t.deepEqual(b.log.texts(), ['alone'])
  const { signed } = a.core.counters
  for (let i = 0; i < 5; i++) a.step({ type: 'publish', publish: 100 + i, payload: bytesOf(`m${i}`) })
  net.run(10)
  t.is(a.core.counters.signed - signed, 1)
  t.is(b.log.texts().length, 6)
})
