/**
 * The public names, as documentation and applications use them: each is there, of its kind, with its type. The type
 * checks are done by the compiler: a line here that no longer compiles breaks an application.
 */
import {
  type AuthorState,
  createKeyPair,
  type Encoding,
  encodingOf,
  Gossip,
  GossipError,
  type GossipOptions,
  type GossipStats,
  type KeyPair,
  keyBytes,
  keyId,
  LIMITS,
  type Limits,
  type Logger,
  type Message,
  type Peer,
  type Published,
  type PublishOptions,
  publicTopicKey,
  type Stats,
  type Subscription,
  type SubscriptionOptions,
  subtopicKey,
  Topic,
  type TopicEvents,
  type TopicOptions,
  type TopicTraceEvent,
  type Verdict
} from '@hearsay/gossip'
import pubsub, { Swarm, type SwarmOptions } from '@hearsay/gossip/swarm'
import test from 'ava'
import { EventEmitter } from 'eventemitter3'
import { connect, linked, node } from './support/gossip-nodes.js'
import { until } from './support/streams.js'

interface Meow {
  meow: number
}

const kinds = (object: object, names: readonly string[]): Record<string, string> =>
  Object.fromEntries(names.map(name => [name, typeof (object as Record<string, unknown>)[name]]))
const all = (kind: string, names: readonly string[]): Record<string, string> =>
  Object.fromEntries(names.map(name => [name, kind]))
const functions = (t: Parameters<typeof node>[0], object: object, names: readonly string[]) =>
  t.deepEqual(kinds(object, names), all('function', names))

/** Two that share a typed topic and each other's connection. */
async function pair(t: Parameters<typeof node>[0]) {
  const options: TopicOptions<Meow> = { valueEncoding: 'msgpack' }
  const [a, b] = [node(t, { topic: options as TopicOptions }), node(t, { topic: options as TopicOptions })]
  connect(a, b)
  await linked(a, b)
  return { a, b, topic: a.topic as unknown as Topic<Meow>, other: b.topic as unknown as Topic<Meow> }
}

test('Gossip: identity, peers, stats, attach, join, and the life of an object', async t => {
  const keyPair: KeyPair = createKeyPair()
  const limits: Partial<Limits> = { maxTopics: 5 }
  const logger: Logger = { debug() {}, info() {}, warn() {} }
  const trace = (_event: TopicTraceEvent): void => {}
  const options: GossipOptions = { keyPair, limits, logger, trace }
  const gossip = new Gossip(options)
  const publicKey: Uint8Array = gossip.publicKey
  const id: string = gossip.id
  const peers: ReadonlySet<Peer> = gossip.peers
  const stats: Stats = gossip.stats
  const json: GossipStats = stats.toJSON()
  t.deepEqual(publicKey, keyPair.publicKey)
  t.is(publicKey.constructor, Uint8Array)
  t.is(id, keyId(publicKey))
  t.is(peers.size, 0)
  t.is(typeof json.published, 'number')
  functions(t, stats, ['toJSON', 'registerPrometheusMetrics'])
  functions(t, gossip, ['attach', 'join', 'ready', 'close'])
  t.is(typeof gossip[Symbol.asyncDispose], 'function')
  t.deepEqual([gossip.opened, gossip.closed], [true, false])
  await gossip.ready()
  const topic: Topic<Meow> = gossip.join<Meow>('cats')
  t.is(gossip.join<Meow>('cats'), topic, 'the same topic twice is the same object')
  await gossip.close()
  await gossip[Symbol.asyncDispose]()
  t.true(gossip.closed)
})

test('TopicOptions: every name is taken, and validate sees a message', async t => {
  const encoding: Encoding<Meow> = encodingOf<Meow>('json', LIMITS)
  const seen: Message<Meow>[] = []
  const options: TopicOptions<Meow> = {
    valueEncoding: encoding,
    validate: (message): Verdict => {
      seen.push(message)
      return 'accept'
    },
    authorize: async (author: Uint8Array) => author.byteLength === 32,
    admit: (peer: Peer) => peer.remotePublicKey.byteLength === 32,
    ttlMs: 10_000,
    batchMs: 1,
    emitSelf: true,
    onFull: 'wait',
    bootHorizon: false,
    detectEquivocation: true
  }
  const [a, b] = [new Gossip(), new Gossip()]
  t.teardown(() => Promise.all([a.close(), b.close()]))
  const [from, to] = [a.join('cats', options), b.join('cats', options)]
  connect({ gossip: a }, { gossip: b })
  const heard = new Promise<Meow>(resolve => to.once('message', data => resolve(data)))
  await from.publish({ meow: 1 }, { waitForPeers: 1 })
  t.deepEqual(await heard, { meow: 1 })
  t.true(seen.length >= 2)
  for (const valueEncoding of ['msgpack', 'json', 'utf-8', 'binary'] as const) {
    t.notThrows(() => a.join(valueEncoding, { valueEncoding }))
  }
})

test('Topic: names, calls and the life of an object', async t => {
  const { topic, b, other } = await pair(t)
  const { name, discoveryKey }: { name: string; discoveryKey: Uint8Array } = topic
  t.is(name, 'cats')
  t.is(discoveryKey.byteLength, 32)
  t.true(topic instanceof Topic && topic instanceof EventEmitter)
  functions(t, topic, [
    'publish',
    'messages',
    'peers',
    'explain',
    'leave',
    'ready',
    'close',
    'on',
    'off',
    'once'
  ])
  t.deepEqual([topic.opened, topic.closed], [true, false])
  const { signal } = new AbortController()
  const publishing: PublishOptions = { ttlMs: 5000, waitForPeers: 1, signal }
  const published: Published = await topic.publish({ meow: 1 }, publishing)
  t.deepEqual(kinds(published, ['incarnation', 'seq', 'peers']), {
    incarnation: 'string',
    seq: 'number',
    peers: 'number'
  })
  await until(() => b.messages.length === 1)
  const state: AuthorState = other.explain(b.messages[0]?.author as Uint8Array)
  const [report] = state.incarnations
  t.deepEqual(Object.keys(report ?? {}), [
    'incarnation',
    'parent',
    'children',
    'watermark',
    'top',
    'ahead',
    'gaps',
    'lastHave'
  ])
  await topic.leave()
  await topic[Symbol.asyncDispose]()
  t.true(topic.closed)
})

test('Topic: every event can be listened to, with its arguments', async t => {
  const { topic, other } = await pair(t)
  const told: string[] = []
  const listeners: TopicEvents<Meow> = {
    message: (data: Meow, message: Message<Meow>) => told.push(`message ${data.meow} ${message.seq}`),
    connected: () => told.push('connected'),
    disconnected: () => told.push('disconnected'),
    'peer-add': (peer: Peer) => told.push(`peer-add ${peer.topics.size}`),
    'peer-remove': (peer: Peer) => told.push(`peer-remove ${peer.topics.size}`),
    isolated: reason => told.push(`isolated ${reason}`),
    rejoined: () => told.push('rejoined'),
    hint: peerKey => told.push(`hint ${peerKey.byteLength}`),
    lag: ({ author, from, to }) => told.push(`lag ${author.byteLength} ${from} ${to}`),
    gap: ({ from, to }) => told.push(`gap ${from} ${to}`),
    equivocation: ({ author, seq }) => told.push(`equivocation ${author.byteLength} ${seq}`),
    warning: (error: Error) => told.push(`warning ${error.message}`),
    close: () => told.push('close')
  }
  for (const [event, listener] of Object.entries(listeners))
    other.on(event as 'close', listener as () => void)
  const subscription = other.messages({ highWaterMark: 1 })
  await topic.publish({ meow: 1 })
  await topic.publish({ meow: 2 })
  await until(() => subscription.received === 2)
  await subscription.next()
  await topic.leave()
  await until(() => told.includes('disconnected'))
  await other.leave()
  t.deepEqual(told, ['message 1 0', 'message 2 1', 'lag 32 0 0', 'peer-remove 0', 'disconnected', 'close'])
})

test('Message: every field has its kind', async t => {
  const { topic, other, b } = await pair(t)
  const reading = other.messages().next()
  await topic.publish({ meow: 1 })
  const { value: message } = await reading
  if (message === undefined) return t.fail('no message')
  const { data, from }: { data: Meow; from: Peer | null } = message
  t.deepEqual(data, { meow: 1 })
  t.is(from, b.topic.peers()[0] as Peer)
  t.deepEqual(Object.keys(message), [
    'topic',
    'author',
    'id',
    'incarnation',
    'seq',
    'data',
    'createdAt',
    'hops',
    'from'
  ])
  t.regex(message.incarnation, /^[0-9a-f]{16}$/)
  t.is(message.author.byteLength, 32)
  t.is(message.author.constructor, Uint8Array)
  t.is(message.id, keyId(message.author))
  t.deepEqual(kinds(message, ['topic', 'id', 'incarnation']), all('string', ['topic', 'id', 'incarnation']))
  t.deepEqual(kinds(message, ['seq', 'createdAt', 'hops']), all('number', ['seq', 'createdAt', 'hops']))
})

test('Subscription: an async iterable with drain() and counters', async t => {
  const { topic, other } = await pair(t)
  const { signal } = new AbortController()
  const options: SubscriptionOptions = { signal, highWaterMark: 10, ordered: true }
  const subscription: Subscription<Meow> = other.messages(options)
  functions(t, subscription, ['next', 'return', 'drain', 'close'])
  t.is(subscription[Symbol.asyncIterator](), subscription)
  const counters = ['received', 'dropped', 'pending', 'late']
  t.deepEqual(kinds(subscription, counters), all('number', counters))
  t.deepEqual(subscription.lags, [])
  await topic.publish({ meow: 1 })
  for await (const { data } of subscription) {
    t.is(data.meow, 1)
    break
  }
  await using last = other.messages()
  t.is(last.pending, 0)
})

test('Peer: key, round trip, topics, role, stats, close', async t => {
  const { topic } = await pair(t)
  const peer = topic.peers()[0] as Peer
  const remotePublicKey: Uint8Array = peer.remotePublicKey
  const topics: ReadonlySet<string> = peer.topics
  const role: 'active' | 'standby' | null = peer.role('cats')
  t.is(remotePublicKey.byteLength, 32)
  t.is(peer.id, keyId(remotePublicKey))
  t.is(typeof peer.rtt, 'number')
  t.deepEqual([...topics], ['cats'])
  t.true(role === 'active' || role === 'standby')
  const numbers = [
    'framesIn',
    'framesOut',
    'bytesIn',
    'bytesOut',
    'delivered',
    'duplicates',
    'queuedBytes',
    'score'
  ]
  t.deepEqual(kinds(peer.stats, numbers), all('number', numbers))
  t.is(typeof peer.stats.drops, 'object')
  functions(t, peer, ['close', 'toJSON'])
  await peer.close()
  t.deepEqual(topic.peers(), [])
})

test('Swarm: the same calls and events on Hyperswarm, with or without new', async t => {
  const options: SwarmOptions<Meow> = { bootstrap: [], keyPair: createKeyPair(), lan: false, ttlMs: 5000 }
  const swarm: Swarm<Meow> = pubsub<Meow>('foobar', options)
  t.teardown(() => swarm.destroy())
  const again = new Swarm<Meow>('foobar', { swarm: swarm.network })
  t.is(swarm.id, swarm.gossip.id)
  t.is(swarm.topic, swarm.gossip.join<Meow>('foobar'))
  t.is(swarm.connections, swarm.network.connections)
  t.deepEqual([swarm.opened, swarm.closed], [false, false])
  functions(t, swarm, [
    'on',
    'publish',
    'messages',
    'connected',
    'flushed',
    'suspend',
    'resume',
    'leave',
    'destroy',
    'ready',
    'close',
    'peers',
    'explain'
  ])
  const { signal } = new AbortController()
  const reason = new Error('enough')
  await t.throwsAsync(swarm.connected(1, { signal: AbortSignal.abort(reason) }), { is: reason })
  await t.throwsAsync(swarm.ready({ signal: AbortSignal.abort(reason) }), { is: reason })
  t.false(swarm.opened)
  await t.throwsAsync(swarm.flushed({ signal: AbortSignal.abort(reason) }), { is: reason })
  await swarm.flushed({ signal })
  t.true(swarm.opened)
  await again.destroy()
  t.false(swarm.network.destroyed, "an application's Hyperswarm lives on")
  await swarm[Symbol.asyncDispose]()
  t.true(swarm.closed && swarm.network.destroyed)
})

test('keys and topics: bytes, hex and z-base-32 in, bytes out; a wrong topic is a TypeError at once', t => {
  const { publicKey } = createKeyPair()
  const hex = Buffer.from(publicKey).toString('hex')
  for (const key of [publicKey, hex, keyId(publicKey)]) t.deepEqual(keyBytes(key), publicKey)
  t.is(publicTopicKey('cats').byteLength, 32)
  t.is(subtopicKey(publicTopicKey('cats'), 'kittens').byteLength, 32)
  const wrong = { instanceOf: TypeError, code: 'ERR_GOSSIP_BAD_TOPIC' }
  t.throws(() => pubsub(undefined as never), wrong)
  t.throws(() => new Gossip().join(7 as never), wrong)
  t.throws(() => pubsub('x', { lan: true }), {
    instanceOf: TypeError,
    code: 'ERR_GOSSIP_BAD_OPTION',
    message: /lan/
  })
  const error = new GossipError('ERR_GOSSIP_CLOSED', 'closed')
  t.is(error.name, 'GossipError')
  t.true(error instanceof Error)
})
