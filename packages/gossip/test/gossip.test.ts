import { type DuplexLike, Gossip, type Message, type TopicOptions } from '@hearsay/gossip'
import test from 'ava'
import Protomux from 'protomux'
import { connect, linked, listen, type Node, node } from './support/gossip-nodes.js'
import { duplexPair, noisePair, turns, until } from './support/streams.js'

// The library prints nothing, whatever happens in the tests of this file.
let printed = 0
for (const stream of [process.stdout, process.stderr]) {
  const { write } = stream
  stream.write = ((...args: Parameters<typeof write>) => {
    printed++
    return write.apply(stream, args)
  }) as typeof write
}
test.after.always('nothing is printed', t => t.is(printed, 0))

test('A8 S1 X39 U1 in a line of three, what one end publishes reaches the others once, and its publisher never', async t => {
  const [a, b, c] = [node(t), node(t), node(t)]
  connect(a, b)
  connect(b, c)
  await linked(a, c)
  await until(() => b.topic.peers().length === 2)
  const published = await a.topic.publish({ text: 'hello' })
  t.is(published.seq, 0)
  t.is(published.peers, 1)
  t.regex(published.incarnation, /^[0-9a-f]{16}$/)
  await until(() => b.messages.length === 1 && c.messages.length === 1)
  const [message] = c.messages as [Message]
  t.deepEqual(message.data, { text: 'hello' })
  t.deepEqual(message.author, a.gossip.publicKey)
  t.is(message.id, a.gossip.id)
  t.is(message.incarnation, published.incarnation)
  t.is(message.seq, 0)
  t.is(message.topic, 'cats')
  t.is(message.hops, 1)
  t.is(b.messages[0]?.hops, 0)
  t.true(Math.abs(message.createdAt - Date.now()) < 5000)
  t.is(message.from, c.topic.peers()[0] as never)
  await turns(50)
  t.is(a.messages.length, 0)
  t.is(b.messages.length, 1)
  t.is(c.messages.length, 1)
  t.is(a.gossip.stats.duplicates, 0, 'S13: nothing goes back to where it came from')
  t.is(b.gossip.stats.forwarded, 1)
})

test('S2 in a ring of four each gets a message once, though two paths lead there', async t => {
  const nodes = [node(t), node(t), node(t), node(t)] as const
  for (let i = 0; i < 4; i++) connect(nodes[i] as Node, nodes[(i + 1) % 4] as Node)
  await until(() => nodes.every(({ topic }) => topic.peers().length === 2))
  const [a, ...others] = nodes
  const sent = Array.from({ length: 20 }, (_, i) => ({ i, bytes: new Uint8Array([i]) }))
  for (const data of sent) await a.topic.publish(data)
  await until(() => others.every(({ messages }) => messages.length >= 20))
  await turns(50)
  for (const { data } of others) t.deepEqual(data(), sent)
  t.is(a.messages.length, 0)
})

test('A16 S3 over plain streams that cut into 5-byte chunks, messages arrive whole and once', async t => {
  const [a, b] = [node(t), node(t)]
  const { ends, chunks } = duplexPair({ chunkBytes: 5 })
  a.gossip.attach(ends[0], { initiator: true })
  b.gossip.attach(ends[1], { initiator: false })
  await linked(a, b)
  const sent = Array.from({ length: 30 }, (_, i) => `message ${i} `.repeat(i * 10))
  await Promise.all(sent.map(data => a.topic.publish(data)))
  await until(() => b.messages.length >= 30)
  t.deepEqual(b.data(), sent)
  t.true(chunks() > 1000)
  for (const end of ends) end.destroy()
})

test('a Protomux that is passed in is used beside the other protocols on it', async t => {
  const [a, b] = [node(t), node(t)]
  const [first, second] = noisePair()
  const mux = Protomux.from(first)
  a.gossip.attach(mux as unknown as DuplexLike)
  b.gossip.attach(second)
  await linked(a, b)
  t.is(first.userData, mux)
  await b.topic.publish(1)
  await until(() => a.messages.length === 1)
  t.is(a.gossip.attach(first), a.topic.peers()[0] as never)
})

test('the same stream attached twice, also by its muxer, is one peer with one link', async t => {
  const [a, b] = [node(t), node(t)]
  const [first] = connect(a, b)
  const peer = a.gossip.attach(first)
  t.is(a.gossip.attach(Protomux.from(first) as unknown as DuplexLike), peer)
  await linked(a, b)
  t.is(a.gossip.attach(first), peer)
  t.is(a.gossip.peers.size, 1)
  t.true(a.gossip.peers.has(peer))
  t.deepEqual(a.events, ['peer-add', 'connected'])
})

test('what is no stream is a coded TypeError, and so is a Noise stream whose userData is taken', t => {
  const { gossip } = node(t)
  for (const bad of [undefined, {}, 7]) {
    t.throws(() => gossip.attach(bad as never), { instanceOf: TypeError, code: 'ERR_GOSSIP_BAD_STREAM' })
  }
  t.throws(() => gossip.attach(duplexPair().ends[0]), { code: 'ERR_GOSSIP_BAD_STREAM', message: /initiator/ })
  const [first] = noisePair()
  first.userData = 'mine'
  t.throws(() => gossip.attach(first), { code: 'ERR_GOSSIP_BAD_STREAM', message: /userData/ })
  t.is(gossip.peers.size, 0)
})

test('A25 a topic is a name or 32 bytes; the same topic twice is the same object', t => {
  const { gossip, topic } = node(t)
  for (const bad of [undefined, '', 7, null, new Uint8Array(31), new Uint8Array(33)]) {
    t.throws(() => gossip.join(bad as never), { instanceOf: TypeError, code: 'ERR_GOSSIP_BAD_TOPIC' })
  }
  t.is(gossip.join('cats'), topic)
  const key = new Uint8Array(32).fill(5)
  const secret = gossip.join(key)
  t.is(gossip.join(new Uint8Array(key)), secret)
  t.not(secret as unknown, topic)
  t.regex(secret.name, /^[a-z0-9]{52}$/)
  t.is(secret.discoveryKey.byteLength, 32)
  t.notDeepEqual(secret.discoveryKey, key)
  t.is(gossip.topics.size, 2)
})

test("A25 S9 two topics on one connection don't mix, and only a shared one makes a peer", async t => {
  const [a, b] = [node(t), node(t)]
  const dogs = { a: listen(a.gossip.join('dogs')), b: listen(b.gossip.join('dogs')) }
  const mine = listen(a.gossip.join(new Uint8Array(32).fill(1)))
  listen(b.gossip.join(new Uint8Array(32).fill(2)))
  connect(a, b)
  await linked(a, b)
  await until(() => dogs.a.topic.peers().length === 1 && dogs.b.topic.peers().length === 1)
  await a.topic.publish('cat')
  await dogs.a.topic.publish('dog')
  await until(() => b.messages.length === 1 && dogs.b.messages.length === 1)
  t.deepEqual(b.data(), ['cat'])
  t.deepEqual(dogs.b.data(), ['dog'])
  t.is(mine.topic.peers().length, 0)
  const [peer] = a.topic.peers()
  t.deepEqual([...(peer?.topics ?? [])].sort(), ['cats', 'dogs'])
  t.is(peer?.role('cats'), 'active')
  t.is(peer?.role('nothing'), null)
})

test('a topic joined on a connection that is already there finds its peers, whoever joins first', async t => {
  const [a, b] = [node(t), node(t)]
  connect(a, b)
  await linked(a, b)
  const late = { a: listen(a.gossip.join('late')) }
  await turns(20)
  const other = listen(b.gossip.join('late'))
  await until(() => late.a.topic.peers().length === 1 && other.topic.peers().length === 1)
  await late.a.topic.publish('x')
  await until(() => other.messages.length === 1)
  t.deepEqual(other.data(), ['x'])
})

test('A10 publish tells how many peers it went to, and keeps a message for the first one', async t => {
  const [a, b, c] = [node(t), node(t), node(t)]
  t.is((await a.topic.publish('early')).peers, 0)
  connect(a, b)
  await linked(a, b)
  await until(() => b.messages.length === 1)
  t.deepEqual(b.data(), ['early'])
  connect(a, c)
  await until(() => a.topic.peers().length === 2)
  t.is((await a.topic.publish('both')).peers, 2)
})

test('publish can wait for peers, and its wait ends by the signal or with the topic', async t => {
  const [a, b] = [node(t), node(t)]
  const waiting = a.topic.publish('x', { waitForPeers: 1 })
  const abort = new AbortController()
  const aborted = a.topic.publish('y', { waitForPeers: 3, signal: abort.signal })
  const left = t.throwsAsync(a.topic.publish('z', { waitForPeers: 3 }), { code: 'ERR_GOSSIP_CLOSED' })
  connect(a, b)
  t.is((await waiting).peers, 1)
  const reason = new Error('enough')
  abort.abort(reason)
  await t.throwsAsync(aborted, { is: reason })
  await t.throwsAsync(a.topic.publish('y', { signal: abort.signal }), { is: reason })
  await t.throwsAsync(a.topic.publish('y', { waitForPeers: -1 }), { instanceOf: RangeError })
  await a.topic.leave()
  await left
  t.deepEqual(b.data(), ['x'])
})

test('an abort takes back a message that is not signed yet', async t => {
  const [a, b] = [node(t), node(t)]
  connect(a, b)
  await linked(a, b)
  const abort = new AbortController()
  const first = a.topic.publish(1, { signal: abort.signal })
  const second = a.topic.publish(2)
  abort.abort(new Error('no'))
  await t.throwsAsync(first, { message: 'no' })
  await second
  await until(() => b.messages.length === 1)
  t.deepEqual(b.data(), [2])
})

test('A15 all that is published in one tick has one signature and one write', async t => {
  const [a, b] = [node(t), node(t)]
  const [stream] = connect(a, b)
  await linked(a, b)
  await turns(20)
  let writes = 0
  const { write } = stream
  stream.write = bytes => {
    writes++
    return write.call(stream, bytes)
  }
  const before = a.gossip.stats.signed
  let isResolved = false
  const publishing = Promise.all(Array.from({ length: 50 }, (_, i) => a.topic.publish(i)))
  void publishing.then(() => {
    isResolved = true
  })
  await turns(2)
  t.true(isResolved)
  const published = await publishing
  t.is(a.gossip.stats.signed - before, 1)
  await turns(1)
  t.is(writes, 1)
  t.deepEqual(
    published.map(({ seq }) => seq),
    Array.from({ length: 50 }, (_, i) => i)
  )
  await until(() => b.messages.length === 50)
  t.is(b.gossip.stats.verified, 1)
})

test('X6 a burst of 20,000 messages arrives completely and in order, with bounded queues', async t => {
  const [a, b] = [node(t), node(t)]
  connect(a, b)
  await linked(a, b)
  let largest = 0
  const watch = setInterval(() => {
    largest = Math.max(largest, a.topic.peers()[0]?.stats.queuedBytes ?? 0)
  }, 1)
  const all: Promise<unknown>[] = []
  for (let i = 0; i < 20_000; i++) all.push(a.topic.publish({ i, text: 'x'.repeat(80) }))
  t.true(
    (a.topic.peers()[0]?.stats.framesOut ?? 0) > 10,
    'a burst is not held back until the end of the tick'
  )
  await Promise.all(all)
  await until(() => b.messages.length >= 20_000, 20_000)
  clearInterval(watch)
  t.true(b.messages.every((message, i) => message.seq === i && (message.data as { i: number }).i === i))
  t.is(b.messages.length, 20_000)
  t.true(largest <= 256 * 1024)
})

test('A9 A10 emitSelf delivers own messages, once; without it there is none', async t => {
  const [a, b] = [node(t, { topic: { emitSelf: true } }), node(t)]
  connect(a, b)
  await linked(a, b)
  const object = { a: [1] }
  const { seq, incarnation } = await a.topic.publish(object)
  await until(() => a.messages.length === 1 && b.messages.length === 1)
  await turns(20)
  t.deepEqual(a.data(), [{ a: [1] }])
  t.not(a.messages[0]?.data, object)
  t.like(a.messages[0], { seq, incarnation, hops: 0, from: null, id: a.gossip.id })
  t.deepEqual(object, { a: [1] })
})

test('A28 X8 values arrive as they were sent, also fields that are named like ours', async t => {
  const [a, b] = [node(t), node(t)]
  connect(a, b)
  await linked(a, b)
  const values = [
    'str',
    '',
    42,
    -1.5,
    true,
    null,
    undefined,
    10n,
    new Uint8Array([1, 2]),
    [1, [2]],
    new Date(5),
    { signature: 'x', seq: 'abc', public: 1, author: null, incarnation: {}, topic: [] }
  ]
  for (const value of values) await a.topic.publish(value)
  await until(() => b.messages.length === values.length)
  t.deepEqual(b.data(), values)
})

test("X8 a message over the limit is refused with limit and size; what can't be encoded is refused, too", async t => {
  const { topic } = node(t)
  const { topic: bytes } = node(t, { topic: { valueEncoding: 'binary' } })
  await t.throwsAsync(bytes.publish(new Uint8Array(70_000)), {
    name: 'GossipError',
    code: 'ERR_GOSSIP_TOO_LARGE',
    message: 'message is 70000 bytes, limit is 65536 (maxMessageBytes)'
  })
  await t.notThrowsAsync(bytes.publish(new Uint8Array(65_536)))
  await t.throwsAsync(
    topic.publish(() => 1),
    { code: 'ERR_GOSSIP_NOT_ENCODABLE' }
  )
  await t.throwsAsync(bytes.publish('text'), { code: 'ERR_GOSSIP_NOT_ENCODABLE' })
  await t.throwsAsync(topic.publish(1, { ttlMs: 999 }), {
    instanceOf: RangeError,
    code: 'ERR_GOSSIP_BAD_OPTION'
  })
  await t.throwsAsync(topic.publish(1, { ttlMs: Number.NaN }), { code: 'ERR_GOSSIP_BAD_OPTION' })
})

test('the largest messages arrive, and many of them', async t => {
  const options = { topic: { valueEncoding: 'binary' } as TopicOptions }
  const [a, b, c] = [node(t, options), node(t, options), node(t, options)]
  connect(a, b)
  connect(b, c)
  await linked(a, c)
  await until(() => b.topic.peers().length === 2)
  for (let i = 0; i < 40; i++) await a.topic.publish(new Uint8Array(65_536).fill(i))
  await until(() => c.messages.length === 40, 20_000)
  t.true(c.messages.every((message, i) => (message.data as Uint8Array)[65_535] === i))
})

test('wrong options throw at once, with a code', t => {
  const code = 'ERR_GOSSIP_BAD_OPTION'
  t.throws(() => new Gossip({ keyPair: {} as never }), { instanceOf: TypeError, code: 'ERR_GOSSIP_BAD_KEY' })
  t.throws(() => new Gossip({ limits: { maxMesageBytes: 1 } as never }), { instanceOf: TypeError, code })
  t.throws(() => new Gossip({ limits: { ttlMs: -1 } }), { instanceOf: RangeError, code })
  const { gossip } = node(t)
  for (const options of [{ ttlMs: 1 }, { ttlMs: 120_001 }, { batchMs: -1 }, { batchMs: 51 }]) {
    t.throws(() => gossip.join('x', options), { instanceOf: RangeError, code })
  }
  for (const options of [{ valueEncoding: 'xml' }, { validate: 1 }, { authorize: {} }, { admit: 'yes' }]) {
    t.throws(() => gossip.join('x', options as never), { instanceOf: TypeError, code })
  }
  t.is(gossip.topics.size, 1)
})

test('bounds of a Gossip are errors with a code that name limit and value', async t => {
  const { gossip } = node(t, { limits: { maxTopics: 2, maxConnections: 1, maxWaitingPublishes: 3 } })
  gossip.join('second')
  t.throws(() => gossip.join('third'), { code: 'ERR_GOSSIP_FULL', message: /2 .*\(maxTopics\)/ })
  const [first] = noisePair()
  gossip.attach(first)
  // One that isn't a connection yet would make room.
  await first.opened
  await turns(1)
  t.throws(() => gossip.attach(noisePair()[0]), {
    code: 'ERR_GOSSIP_FULL',
    message: /1 .*\(maxConnections\)/
  })
})

test('a subscription gets the messages of its topic, and its lag is an event of the topic', async t => {
  const [a, b] = [node(t), node(t)]
  connect(a, b)
  await linked(a, b)
  const subscription = b.topic.messages({ highWaterMark: 5 })
  const lags: unknown[] = []
  b.topic.on('lag', range => lags.push(range))
  for (let i = 0; i < 12; i++) await a.topic.publish(i)
  await until(() => subscription.received === 12)
  subscription.drain()
  const read: unknown[] = []
  for await (const { data } of subscription) read.push(data)
  t.deepEqual(read, [7, 8, 9, 10, 11])
  await turns(1)
  t.is(lags.length, 1)
  t.like(lags[0], { author: a.gossip.publicKey, from: 0, to: 6, count: 7, exact: true })
  t.throws(() => b.topic.messages({ highWaterMark: 0 }), { code: 'ERR_GOSSIP_BAD_OPTION' })
})

test("A18 S6 what can't be decoded is a warning and a counter; what comes before and after is delivered", async t => {
  const [a, b] = [node(t, { topic: { valueEncoding: 'binary' } }), node(t)]
  connect(a, b)
  await linked(a, b)
  for (const bytes of [[0x01], [0xc1], [0x02]]) await a.topic.publish(new Uint8Array(bytes))
  await until(() => b.messages.length === 2)
  t.deepEqual(b.data(), [1, 2])
  t.is(b.warnings.length, 1)
  t.is(b.warnings[0]?.code, 'WARN_GOSSIP_NOT_DECODABLE')
  t.is(b.gossip.stats.drops['not-decodable'], 1)
  t.is(b.topic.peers().length, 1)
})

test('nothing is decoded while nobody listens', async t => {
  let decoded = 0
  const valueEncoding = {
    encode: (value: unknown) => new Uint8Array([value as number]),
    decode: (bytes: Uint8Array) => {
      decoded++
      return bytes[0]
    }
  }
  const [a] = [node(t, { topic: { valueEncoding } })]
  const silent = new Gossip()
  t.teardown(() => silent.close())
  const topic = silent.join('cats', { valueEncoding })
  connect(a, { gossip: silent })
  await linked(a)
  await a.topic.publish(1)
  await until(() => silent.stats.delivered === 1)
  await turns(5)
  t.is(decoded, 0)
  const subscription = topic.messages()
  topic.on('message', () => {})
  await a.topic.publish(2)
  t.is((await subscription.next()).value?.data, 2)
  t.is(decoded, 1)
  const judge = node(t, { topic: { valueEncoding, validate: () => 'accept' } })
  connect(a, judge)
  // It also gets the two that were published before.
  await until(() => judge.messages.length === 2)
  t.is(decoded, 3, 'what a rule has seen is not decoded again')
})

test('explain() and stats say what happened', async t => {
  const [a, b] = [node(t), node(t)]
  connect(a, b)
  await linked(a, b)
  for (let i = 0; i < 3; i++) await a.topic.publish(i)
  await until(() => b.messages.length === 3)
  const state = b.topic.explain(a.gossip.id)
  t.deepEqual(state.author, a.gossip.publicKey)
  t.like(state.incarnations[0], { watermark: 2, top: 2, gaps: [] })
  t.deepEqual(b.topic.explain(new Uint8Array(32)).incarnations, [])
  t.throws(() => b.topic.explain('nobody'), { code: 'ERR_GOSSIP_BAD_KEY' })
  const stats = JSON.parse(JSON.stringify(b.gossip.stats))
  t.like(stats, { delivered: 3, linksOpened: 1, connectionsOpened: 1, badProofs: 0 })
  t.is(a.gossip.stats.published, 3)
  const peer = b.topic.peers()[0]?.stats
  t.is(peer?.delivered, 3)
  t.true((peer?.framesIn ?? 0) >= 3)
  t.true((peer?.bytesIn ?? 0) > 300)
  t.true((peer?.framesOut ?? 0) >= 1)
})
