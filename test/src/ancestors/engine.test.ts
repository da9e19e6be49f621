/**
 * The engine below solyd-swarm, and what broadcast and presence were built from: numbers in any order, links that die,
 * runtimes without Node.
 */
import { builtinModules } from 'node:module'
import { publicTopicKey } from '@hearsay/gossip'
import test from 'ava'
import { connect, exchange, type GossipNode, gossipNode, linked } from '../support/gossip-node.js'
import { connectRaw, RawAuthor } from '../support/raw-peer.js'
import { turns, until } from '../support/until.js'
import { importsOf, readSources } from '../tidy/sources.js'

const CATS = publicTopicKey('cats')

/** Mulberry32: the same order in every run. */
function randomOf(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

test('A14 a hundred seqs of each of three authors, three times each, in any order and over two links: each once', async t => {
  const listener = gossipNode(t)
  const peers = [await connectRaw(listener.gossip, CATS), await connectRaw(listener.gossip, CATS)]
  for (const peer of peers) await peer.link()
  const authors = [new RawAuthor(CATS), new RawAuthor(CATS), new RawAuthor(CATS)]
  const random = randomOf(14)
  const batches = authors.flatMap((author, by) =>
    Array.from({ length: 100 }, (_, seq) => author.batch([`${by} ${seq}`], { seq0: seq }))
  )
  const copies = [...batches, ...batches, ...batches]
    .map(batch => ({ batch, at: random() }))
    .sort((a, b) => a.at - b.at)
  for (const { batch } of copies) {
    peers[random() < 0.5 ? 0 : 1]?.push(batch)
    if (random() < 0.1) await turns()
  }
  await until(() => listener.messages.length >= 300)
  await turns(50)
  const expected = batches.map(({ seq0, ref }) => `${authors.findIndex(one => one.ref === ref)} ${seq0}`)
  t.deepEqual((listener.data() as string[]).toSorted(), expected.toSorted())
})

test('A10 what is published is left as it was, and peers counts the links of that moment: 0, 1, 3', async t => {
  const [author, ...friends] = Array.from({ length: 4 }, () => gossipNode(t)) as [GossipNode, ...GossipNode[]]
  const value = Object.freeze({
    text: 'hello',
    bytes: new Uint8Array([1, 2]),
    list: Object.freeze([1, { deep: true }])
  })
  const copy = structuredClone(value)
  const counts: number[] = []
  for (const links of [0, 1, 3]) {
    for (const friend of friends.slice(author.topic.peers().length, links)) connect(author, friend)
    await until(() => author.topic.peers().length === links)
    counts.push((await author.topic.publish(value)).peers)
  }
  t.deepEqual(counts, [0, 1, 3])
  t.deepEqual(value, copy)
  await until(() => friends[0]?.messages.length === 3)
  t.deepEqual(friends[0]?.data(), [copy, copy, copy])
})

test('B61 a link that dies while it is written to keeps nothing from the others, and is told once', async t => {
  const author = gossipNode(t)
  const friends = [gossipNode(t), gossipNode(t), gossipNode(t)]
  const links = friends.map(friend => connect(author, friend))
  await until(() => author.topic.peers().length === 3)
  const removed: string[] = []
  author.topic.on('peer-remove', peer => removed.push(peer.id))
  links[1]?.a.destroy(new Error('the cable was pulled'))
  for (let i = 0; i < 50; i++) await author.topic.publish(i)
  const numbers = Array.from({ length: 50 }, (_, i) => i)
  for (const friend of [friends[0], friends[2]]) {
    await until(() => friend?.messages.length === 50)
    t.deepEqual(friend?.data(), numbers)
  }
  await until(() => removed.length > 0)
  await turns(20)
  t.is(removed.length, 1)
  t.deepEqual(author.warnings, [], 'a connection that ends is no trouble of a peer')
  const again = friends[1] as GossipNode
  connect(author, again)
  await linked([again])
  await exchange(author, again)
})

test('A24 the entry of gossip needs no module of Node and no DHT: Hyperswarm is behind an entry of its own', t => {
  const sources = new Map(
    readSources('packages/gossip/dist', path => path.endsWith('.js'), true).map(({ path, text }) => [
      path,
      text
    ])
  )
  const reached = (entry: string): { files: Set<string>; foreign: Set<string> } => {
    const files = new Set<string>()
    const foreign = new Set<string>()
    const visit = (path: string): void => {
      if (files.has(path)) return
      files.add(path)
      const text = sources.get(path)
      if (text === undefined) throw new Error(`${path} is not there`)
      for (const { specifier } of importsOf(text)) {
        if (specifier.startsWith('.')) visit(new URL(specifier, `file:///${path}`).pathname.slice(1))
        else foreign.add(specifier)
      }
    }
    visit(entry)
    return { files, foreign }
  }
  const needsNode = (specifier: string): boolean =>
    specifier.startsWith('node:') ||
    builtinModules.includes(specifier) ||
    /^hyper(dht|swarm)\b/.test(specifier)
  for (const entry of ['index', 'core', 'connection']) {
    const { files, foreign } = reached(`packages/gossip/dist/${entry}.js`)
    t.true(files.size > 1, entry)
    t.deepEqual([...foreign].filter(needsNode), [], entry)
  }
  const swarm = reached('packages/gossip/dist/swarm.js')
  t.true([...swarm.foreign].some(needsNode), 'the search finds what is there')
})
