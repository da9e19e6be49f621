/**
 * G7: honest peers never charge honest peers, whatever the network does to them. Whole cores with their queues, on
 * connections that are cut, held up and slow, with processes that sleep and clocks that differ.
 */
import test from 'ava'
import { FaultyNet, type FaultyNode } from './support/faulty-net.js'

const FAULTS = new Set(['demerits', 'malformed', 'too-large', 'bad-proof', 'refused', 'limit'])

/** What nodes hold against each other: closed links, points. */
function blame(net: FaultyNet): string[] {
  const closed = net.closed.filter(({ reason }) => FAULTS.has(reason))
  return [
    ...closed.map(({ node, other, reason }) => `${node.number} closed ${other?.number}: ${reason}`),
    ...net.nodes.flatMap(node =>
      Object.entries(node.charged).map(([reason, points]) => `${node.number}: ${points} for ${reason}`)
    )
  ]
}

/** Texts of other nodes that a node lacks. */
function lacking(net: FaultyNet, node: FaultyNode): string[] {
  const heard = new Set(node.log.texts())
  return net.nodes.flatMap(other =>
    other === node ? [] : other.log.own.map(({ text }) => text).filter(text => !heard.has(text))
  )
}

function doubled(node: FaultyNode): number {
  const names = node.log.delivered.map(({ author, incarnation, seq }) => `${author}${incarnation}${seq}`)
  return names.length - new Set(names).size
}

/** A ring with chords. */
function connectAll(net: FaultyNet): void {
  const { nodes } = net
  for (const [i, node] of nodes.entries()) {
    net.connect(node, nodes[(i + 1) % nodes.length] as FaultyNode)
    net.connect(node, nodes[(i + 3) % nodes.length] as FaultyNode)
  }
}

/** Breaks something. */
function breakSomething(net: FaultyNet, hits: Record<string, number>): void {
  const pick = <T>(list: readonly T[]): T => list[Math.floor(net.random() * list.length)] as T
  const open = net.open()
  const end = open.length > 0 ? pick([pick(open), pick(open).other]) : undefined
  const forMs = 500 + net.random() * 30_000
  const kind = pick(['cut', 'hold', 'hold', 'hold both', 'slow', 'sleep'])
  hits[kind] = (hits[kind] ?? 0) + 1
  // Not one whose rules think: an answer that is 5 s late is none, and its message is ignored.
  if (kind === 'sleep') pick(net.nodes.filter(({ thinksMs }) => thinksMs === 0)).sleep(forMs / 2)
  if (end === undefined) return
  if (kind === 'cut') net.cut(end)
  if (kind === 'hold' || kind === 'hold both') {
    const wires = kind === 'hold' ? [end.out] : [end.out, end.other.out]
    for (const wire of wires) wire.hold()
    net.at(net.nowMs + forMs, () => {
      for (const wire of wires) wire.release()
    })
  }
  if (kind === 'slow') {
    end.out.bytesPerMs = 1 + net.random() * 20
    net.at(net.nowMs + forMs, () => {
      end.out.bytesPerMs = Number.POSITIVE_INFINITY
    })
  }
}

test('G7 no honest peer is charged a point under random faults, and all that did not expire arrives', t => {
  const hits: Record<string, number> = {}
  let released = 0
  let repaired = 0
  for (let seed = 1; seed <= 8; seed++) {
    const net = new FaultyNet(seed)
    for (let i = 0; i < 8; i++) {
      // Any two clocks differ by less than maxSkewMs.
      net.node({ skewMs: Math.floor(net.random() * 29_000), thinksMs: i % 3 === 0 ? 200 : 0 })
    }
    connectAll(net)
    for (let ms = 0; ms < 40_000; ms += 250) {
      if (net.random() < 0.4) breakSomething(net, hits)
      const author = net.nodes[Math.floor(net.random() * net.nodes.length)] as FaultyNode
      const count = net.random() < 0.1 ? 60 : 1
      for (let i = 0; i < count; i++)
        author.publish(`${author.number} at ${ms} ${i} ${'x'.repeat(net.random() * 300)}`)
      net.run(250)
    }
    net.run(35_000) // the last fault is over
    for (const { out, other } of net.open()) for (const wire of [out, other.out]) wire.release()
    net.run(15_000)
    t.deepEqual(blame(net), [], `seed ${seed}`)
    for (const node of net.nodes) {
      t.is(doubled(node), 0, `seed ${seed}, node ${node.number}`)
      t.deepEqual(lacking(net, node).slice(0, 3), [], `seed ${seed}, node ${node.number}`)
      repaired += node.core.counters.repaired
    }
    for (const { out, other } of net.made) released = Math.max(released, out.released, other.out.released)
  }
  for (const kind of ['cut', 'hold', 'hold both', 'slow', 'sleep']) t.true((hits[kind] ?? 0) > 20, kind)
  t.true(released > 50, `${released} frames came at once`)
  t.true(repaired > 100, `${repaired} batches were repaired`)
})
