import type NoiseSecretStream from '@hyperswarm/secret-stream'
import test from 'ava'
import { connect, linked, listen, node } from './support/gossip-nodes.js'
import { duplexPair, noisePair, turns, until } from './support/streams.js'

test('A17 after close() everything is refused with one code, and closing again is harmless', async t => {
  const [a, b] = [node(t), node(t)]
  connect(a, b)
  await linked(a, b)
  t.false(a.gossip.closed)
  const reading = a.topic.messages().next()
  await Promise.all([a.gossip.close(), a.gossip.close()])
  await a.gossip.close()
  await a.gossip[Symbol.asyncDispose]()
  t.true((await reading).done)
  t.true(a.gossip.closed)
  t.true(a.topic.closed)
  t.is(a.gossip.peers.size, 0)
  t.deepEqual(a.topic.peers(), [])
  const code = 'ERR_GOSSIP_CLOSED'
  await t.throwsAsync(a.topic.publish(1), { code })
  t.throws(() => a.topic.messages(), { code })
  t.throws(() => a.gossip.join('x'), { code })
  t.throws(() => a.gossip.attach(noisePair()[0]), { code })
  t.deepEqual(a.events, ['peer-add', 'connected', 'peer-remove', 'disconnected', 'close'])
  await until(() => b.topic.peers().length === 0)
  t.deepEqual(b.events, ['peer-add', 'connected', 'peer-remove', 'disconnected'])
})

test('leave() and close() first write what was handed over', async t => {
  for (const how of ['leave', 'close'] as const) {
    const [a, b] = [node(t), node(t)]
    connect(a, b)
    await linked(a, b)
    const published = Array.from({ length: 100 }, (_, i) => a.topic.publish(i))
    await (how === 'leave' ? a.topic.leave() : a.gossip.close())
    await Promise.all(published)
    await until(() => b.messages.length === 100)
    t.is(b.messages.length, 100)
  }
})

test('after leave() nothing is delivered, not even what had arrived', async t => {
  const [a, b] = [node(t), node(t)]
  const [stream] = connect(a, b)
  await linked(a, b)
  const subscription = b.topic.messages()
  for (let i = 0; i < 20; i++) await a.topic.publish(i)
  await until(() => b.messages.length > 0)
  const leaving = b.topic.leave()
  const before = b.messages.length
  for (let i = 0; i < 20; i++) await a.topic.publish(i)
  await leaving
  await turns(50)
  t.is(b.messages.length, before)
  t.true((await subscription.next()).done)
  t.false(stream.destroyed)
  t.is(b.events.at(-1), 'close')
})

test('a listener that leaves the topic gets nothing that came in the same write', async t => {
  const [a, b] = [node(t), node(t)]
  connect(a, b)
  await linked(a, b)
  b.topic.on('message', () => void b.topic.leave())
  // Another ttl is another batch; the second one holds two messages.
  const ttls = [5000, 6000, 6000, 7000]
  await Promise.all(ttls.map(ttlMs => a.topic.publish(ttlMs, { ttlMs })))
  await until(() => b.topic.closed)
  await turns(20)
  t.deepEqual(b.data(), [5000])
})

test('a topic that was left can be joined again at once, and is linked again', async t => {
  const [a, b] = [node(t), node(t)]
  connect(a, b)
  await linked(a, b)
  for (let round = 0; round < 5; round++) {
    const left = a.topic.leave()
    const again = listen(a.gossip.join('cats'))
    t.not(again.topic, a.topic)
    await left
    await until(() => again.topic.peers().length === 1 && b.topic.peers().length === 1)
    await b.topic.publish(round)
    await until(() => again.messages.some(({ data }) => data === round))
    Object.assign(a, again)
  }
  t.is(a.gossip.topics.size, 1)
})

test('close() of a Gossip whose peer reads nothing ends within its deadline', async t => {
  const [a, b] = [node(t, { limits: { closeDeadlineMs: 150 } }), node(t)]
  const [stream, other] = connect(a, b)
  await linked(a, b)
  ;(other.rawStream as { pause(): void }).pause()
  ;(stream.rawStream as { pause(): void }).pause()
  ;(stream.rawStream as unknown as { unpipe?(): void }).unpipe?.()
  void Promise.allSettled(Array.from({ length: 3000 }, () => a.topic.publish('x'.repeat(1000))))
  await turns(3)
  const startMs = Date.now()
  await a.gossip.close()
  t.true(Date.now() - startMs < 1500)
  t.true(a.gossip.closed)
})

test('A7 S11 connected and disconnected come from none to one and from one to none', async t => {
  const [a, b, c] = [node(t), node(t), node(t)]
  const [first] = connect(a, b)
  await linked(a, b)
  const [second] = connect(a, c)
  await linked(a, c)
  await until(() => a.topic.peers().length === 2)
  first.destroy()
  await until(() => a.topic.peers().length === 1)
  second.destroy()
  await until(() => a.topic.peers().length === 0)
  connect(a, b)
  await linked(a, b)
  await turns(5)
  t.deepEqual(a.events, [
    'peer-add',
    'connected',
    'peer-add',
    'peer-remove',
    'peer-remove',
    'disconnected',
    'peer-add',
    'connected'
  ])
})

test('X40 two connections to one process are one peer, until both are gone', async t => {
  const { createKeyPair } = await import('@hearsay/gossip')
  for (const isLate of [false, true]) {
    const [a, b] = [node(t), node(t)]
    const keyPairs = { first: createKeyPair(), second: createKeyPair() }
    const pairs = [noisePair(keyPairs), noisePair({ first: keyPairs.second, second: keyPairs.first })]
    // Attached before the handshake the keys aren't known yet, after it they are.
    if (isLate) await Promise.all(pairs.flat().map(stream => stream.opened))
    const [one, two] = pairs as [
      [NoiseSecretStream, NoiseSecretStream],
      [NoiseSecretStream, NoiseSecretStream]
    ]
    const peers = [a.gossip.attach(one[0]), a.gossip.attach(two[1])]
    b.gossip.attach(one[1])
    b.gossip.attach(two[0])
    await linked(a, b)
    await until(() => a.gossip.stats.linksOpened === 2 && b.gossip.stats.linksOpened === 2)
    t.is(a.gossip.peers.size, 1)
    t.is(a.topic.peers().length, 1)
    t.is(peers[0] === peers[1], isLate)
    t.deepEqual(peers[1]?.remotePublicKey, keyPairs.second.publicKey)
    t.deepEqual([...(peers[1]?.topics ?? [])], ['cats'])
    t.is((await b.topic.publish(1)).peers, 1)
    await until(() => a.messages.length === 1)
    one[0].destroy()
    await until(() => a.gossip.stats.linksClosed === 1 && b.gossip.stats.linksClosed === 1)
    await b.topic.publish(2)
    await until(() => a.messages.length === 2)
    t.is(a.gossip.peers.size, 1)
    two[0].destroy()
    await until(() => a.gossip.peers.size === 0 && b.gossip.peers.size === 0)
    await turns(5)
    t.deepEqual(a.events, ['peer-add', 'connected', 'peer-remove', 'disconnected'])
    t.deepEqual(a.data(), [1, 2])
  }
})

test('S12 100 connections come and go: no peer, no link, no listener is left', async t => {
  const [a, b] = [node(t), node(t)]
  for (let i = 0; i < 100; i++) {
    const pair = connect(a, b)
    if (i % 3 === 0) await linked(a, b)
    pair[i % 2]?.destroy()
    if (i % 2) await turns(1)
  }
  await until(() => a.gossip.peers.size === 0 && b.gossip.peers.size === 0)
  for (const { gossip, topic } of [a, b]) {
    t.is(topic.peers().length, 0)
    t.is(gossip.stats.connectionsOpened, 100)
    t.is(gossip.stats.connectionsClosed, 100)
    t.is(gossip.stats.linksOpened, gossip.stats.linksClosed)
  }
})

test('peer.close() closes our channels, leaves the stream, and can be followed by attach()', async t => {
  const [a, b] = [node(t), node(t)]
  const pair = connect(a, b)
  await linked(a, b)
  const listeners = () =>
    pair.map(stream => (stream as unknown as { listenerCount(event: string): number }).listenerCount('close'))
  const before = listeners()
  for (let i = 0; i < 20; i++) {
    const published = a.topic.publish(i)
    await a.topic.peers()[0]?.close()
    await published
    t.is(a.gossip.peers.size, 0)
    await until(() => b.topic.peers().length === 0)
    t.false(pair[0].destroyed)
    a.gossip.attach(pair[0])
    await linked(a, b)
  }
  t.deepEqual(listeners(), before)
  await until(() => b.messages.length === 20)
  t.deepEqual(
    b.data(),
    Array.from({ length: 20 }, (_, i) => i)
  )
})

test('a stream that never shakes hands holds up neither peer.close() nor close()', async t => {
  const { gossip } = node(t)
  const startMs = Date.now()
  const peer = gossip.attach(duplexPair().ends[0], { initiator: true })
  t.is(peer.remotePublicKey.byteLength, 0)
  t.is(peer.rtt, 0)
  await peer.close()
  t.is(gossip.peers.size, 0)
  gossip.attach(duplexPair().ends[0], { initiator: true })
  await gossip.close()
  t.is(gossip.peers.size, 0)
  t.true(Date.now() - startMs < 1000)
})

test('S4 a receiver that ends its stream after the first message leaves the publisher going', async t => {
  const [a, b, c] = [node(t), node(t), node(t)]
  const [, stream] = connect(a, b)
  connect(a, c)
  await linked(a, b, c)
  await until(() => a.topic.peers().length === 2)
  b.topic.once('message', () => stream.end())
  for (let i = 0; i < 10; i++) {
    await a.topic.publish(i)
    await turns(5)
  }
  await until(() => c.messages.length === 10)
  await until(() => a.topic.peers().length === 1)
  t.is(a.gossip.peers.size, 1)
})
