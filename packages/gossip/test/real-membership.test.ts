/** Active links, standbys and isolation on real streams. */
import test from 'ava'
import { noisePair, until } from './support/streams.js'
import { activeOf, agree, type WiredNode, wire, wiredNode } from './support/wires.js'

const NODES = 16

test.serial(
  '16 Gossips on a random graph agree on 6 to 8 active links each, and replace those that fall silent',
  async t => {
    const nodes = Array.from({ length: NODES }, () => wiredNode(t))
    // Each dials the five behind it, so that all have ten links, half of them of their own dialling.
    for (const [i, node] of nodes.entries()) {
      for (const step of [1, 2, 4, 5, 7]) wire(t, node, nodes[(i + step) % NODES] as WiredNode)
    }
    const degrees = (): number[] => nodes.map(node => activeOf(node, nodes).size)
    await until(() => nodes.every(({ topic }) => topic.peers().length === 10), 15_000)
    await until(() => degrees().every(degree => degree >= 6) && agree(nodes), 30_000)
    t.true(Math.max(...degrees()) <= 8, degrees().join())

    const publish = async (round: string): Promise<void> => {
      await Promise.all(nodes.map(({ topic }, i) => topic.publish(`${round} ${i}`)))
      await until(() => nodes.every(({ heard }) => heard.length >= NODES - 1), 15_000)
      for (const [i, { heard }] of nodes.entries()) {
        const expected = nodes.map((_, other) => `${round} ${other}`).filter((_, other) => other !== i)
        t.deepEqual([...heard].sort(), expected.sort())
        heard.length = 0
      }
    }
    await publish('before')

    // Three of five wires fall silent; the ring of direct neighbours still joins all.
    let silenced = 0
    for (const [i, node] of nodes.entries()) {
      for (const step of [2, 4, i % 2 === 0 ? 5 : 7]) {
        node.wires.get(nodes[(i + step) % NODES] as WiredNode)?.silence()
        silenced++
      }
    }
    t.is(silenced, (NODES * 5 * 3) / 5)
    const isLive = (a: WiredNode, b: WiredNode): boolean => a.wires.get(b)?.held === 0
    const live = (node: WiredNode): WiredNode[] => [...node.wires.keys()].filter(other => isLive(node, other))
    // What is left is less than is wanted, so all of it is used.
    await until(
      () => nodes.every(node => [...activeOf(node, nodes)].every(other => isLive(node, other))),
      20_000
    )
    await until(() => nodes.every(node => activeOf(node, nodes).size === live(node).length), 20_000)
    t.true(agree(nodes))
    t.true(nodes.every(node => live(node).length >= 3))
    await publish('after')
  }
)

test.serial('a topic tells when it is cut off, and when that is over', async t => {
  const limits = { isolationMs: 100 }
  const logged: unknown[] = []
  const a = wiredNode(t, { limits, logger: { info: (fields, message) => logged.push([fields, message]) } })
  const b = wiredNode(t, { limits })
  const told: string[] = []
  a.topic.on('isolated', reason => told.push(reason))
  a.topic.on('rejoined', () => told.push('rejoined'))
  const [first, second] = noisePair()
  a.gossip.attach(first)
  b.gossip.attach(second)
  await until(() => a.topic.peers()[0]?.role('cats') === 'active')
  t.deepEqual(told, [])
  first.destroy()
  await until(() => told.length === 1)
  t.deepEqual(told, ['no-links'])
  wire(t, a, b)
  await until(() => told.length === 2)
  t.deepEqual(told, ['no-links', 'rejoined'])
  t.deepEqual(logged, [
    [{ topic: 'cats', reason: 'no-links' }, 'cut off from the topic'],
    [{ topic: 'cats', reason: null }, 'no longer cut off']
  ])
})

test.serial(
  'a peer tells of its other peers by their Noise keys, and an application may dial them',
  async t => {
    const [a, b, c] = [wiredNode(t), wiredNode(t), wiredNode(t)]
    wire(t, b, c)
    await until(() => activeOf(b, [c]).size === 1)
    const hints: Uint8Array[] = []
    a.topic.on('hint', peerKey => hints.push(peerKey))
    wire(t, a, b)
    await until(() => hints.length > 0)
    t.deepEqual(hints, [new Uint8Array(c.noise.publicKey)])
    wire(t, a, c)
    await until(() => a.topic.peers().length === 2)
  }
)
