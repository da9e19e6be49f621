import { createKeyPair, keyId } from '@hearsay/gossip'
import test from 'ava'
import { connect, linked, type Node, node } from './support/gossip-nodes.js'
import { duplexPair, noisePair, until } from './support/streams.js'

const TEXT = 'x'.repeat(1000)

test('a peer tells who it is, what is shared with it, and in which role', async t => {
  const [a, b] = [node(t), node(t)]
  a.gossip.join('dogs')
  b.gossip.join('dogs')
  const keyPair = createKeyPair()
  const [first, second] = noisePair({ second: keyPair })
  const attached = a.gossip.attach(first)
  t.is(attached.id, '')
  b.gossip.attach(second)
  await until(() => a.topic.peers()[0]?.links.length === 2)
  await until(() => attached.links.every(({ role }) => role === 'active'))
  t.is(attached.id, keyId(keyPair.publicKey))
  t.deepEqual(attached.remotePublicKey, keyPair.publicKey)
  t.is(attached.role('cats'), 'active')
  t.is(attached.role('birds'), null)
  t.deepEqual(attached.toJSON().topics, ['cats', 'dogs'])
  for (const link of attached.links) {
    t.deepEqual(Object.keys(link), ['topic', 'role', 'state', 'rtt', 'score', 'queuedBytes'])
    t.like(link, { state: 'open', queuedBytes: 0 })
  }
})

test('toJSON() of a peer is plain, and its keys are always the same in the same order', async t => {
  const [a, b] = [node(t), node(t)]
  connect(a, b)
  await linked(a, b)
  const [peer] = a.topic.peers()
  const empty = peer?.toJSON()
  for (let i = 0; i < 3; i++) await b.topic.publish(i)
  await until(() => a.messages.length === 3)
  const json = JSON.parse(JSON.stringify(peer))
  t.deepEqual(json, peer?.toJSON())
  t.deepEqual(Object.keys(json), ['id', 'rtt', 'topics', 'links', 'stats'])
  t.deepEqual(Object.keys(json.stats), Object.keys(empty?.stats ?? {}))
  t.deepEqual(json.topics, ['cats'])
  t.like(json.stats, { delivered: 3, duplicates: 0, queuedBytes: 0, drops: {} })
  t.true(json.stats.framesIn >= 3 && json.stats.bytesIn > 100 && json.stats.framesOut > 0)
  t.is(JSON.stringify(peer).includes('secret'), false)
})

test('who brings new messages is worth more, and who brings copies has them counted', async t => {
  const [a, b, c] = [node(t), node(t), node(t)]
  connect(a, b)
  connect(b, c)
  connect(a, c)
  await until(() => [a, b, c].every(({ topic }) => topic.peers().length === 2))
  for (let i = 0; i < 10; i++) await a.topic.publish(i)
  await until(() => c.messages.length === 10)
  const fromA = c.topic.peers().find(peer => peer.stats.delivered > 0)
  t.is(
    c.topic.peers().reduce((sum, peer) => sum + peer.stats.delivered, 0),
    10
  )
  t.true((fromA?.stats.score ?? 0) < 0)
  t.is(fromA?.stats.score, fromA?.links[0]?.score)
  await until(() => c.gossip.stats.forwarded + c.gossip.stats.duplicates > 0)
  const duplicates = c.topic.peers().reduce((sum, peer) => sum + peer.stats.duplicates, 0)
  t.is(duplicates, c.gossip.stats.duplicates)
  t.is(
    c.topic.peers().reduce((sum, peer) => sum + (peer.stats.drops.duplicate ?? 0), 0),
    duplicates
  )
})

test('a peer that takes nothing is shown with its queue; too slow, it lags; later it is as before', async t => {
  // What is large is pushed here, too, not offered: it has to fill the queue.
  const limits = { maxQueuedBytesPerLink: 96 * 1024, maxPushBytes: 1024 * 1024 }
  const [a, b, c] = [node(t, { limits }), node(t), node(t)]
  let isStalled = false
  t.teardown(() => {
    isStalled = false
  })
  const { ends } = duplexPair({ stalled: () => isStalled })
  const peer = a.gossip.attach(ends[0], { initiator: true })
  b.gossip.attach(ends[1], { initiator: false })
  connect(a, c)
  await linked(b, c)
  await until(() => a.topic.peers().filter(other => other.role('cats') === 'active').length === 2)
  isStalled = true
  const publish = ({ topic }: Node) => Promise.all(Array.from({ length: 100 }, () => topic.publish(TEXT)))
  await publish(a)
  await until(() => peer.stats.queuedBytes > 0)
  t.is(peer.links[0]?.state, 'blocked')
  t.is(peer.links[0]?.queuedBytes, peer.stats.queuedBytes)
  t.is(a.gossip.stats.queuedBytes, peer.stats.queuedBytes)
  await publish(c)
  await until(() => peer.links[0]?.state === 'lagging')
  t.is(a.gossip.stats.queuedBytes, 0, 'what a peer that lags misses costs no memory')
  isStalled = false
  await until(() => b.messages.length === 200)
  await until(() => peer.links[0]?.state === 'open')
  t.is(peer.toJSON().stats.queuedBytes, 0, 'looked at now, not when it was last read')
  for (const end of ends) end.destroy()
  await until(() => a.topic.peers().length === 1)
  t.deepEqual(peer.links, [])
  t.like(peer.stats, { queuedBytes: 0, score: 0 })
  t.is(peer.rtt, 0)
})

test('a peer that says nothing for long is shown as silent', async t => {
  const [a, b] = [node(t, { limits: { suspectMs: 30 } }), node(t)]
  connect(a, b)
  await linked(a, b)
  const [peer] = a.topic.peers()
  await until(() => peer?.links[0]?.state === 'silent')
  t.is(peer?.role('cats'), 'standby')
})
