/**
 * Swarm on real Hyperswarms, all in this process, on a DHT of ten nodes in this process.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type NoiseSecretStream from '@hyperswarm/secret-stream'
import test from 'ava'
import b4a from 'b4a'
import { raw } from 'compact-encoding'
import DHT from 'hyperdht'
import createTestnet from 'hyperdht/testnet.js'
import Hyperswarm from 'hyperswarm'
import Protomux from 'protomux'
import { encodeHello, ownHello } from '#gossip/core/hello'
import { channelIdOf, topicIdOf } from '#gossip/core/keys'
import { createKeyPair, cryptoFor, type GossipError, type Message, type TopicEvents } from '#gossip/index'
import { LIMITS } from '#gossip/limits'
import { createNetwork, isDht, isNetwork } from '#gossip/node/hyperswarm'
import { lookAgain } from '#gossip/node/look-again'
import { Refused } from '#gossip/node/refused'
import pubsub, {
  closeNetwork,
  type DiscoveryLike,
  type PeerInfoLike,
  Swarm,
  type SwarmOptions
} from '#gossip/swarm'
import { readLate } from './support/streams.js'

const testnet = await createTestnet(10)
const { bootstrap } = testnet
test.after.always(() => testnet.destroy())

let names = 0
const freshName = () => `test-${process.pid}-${names++}`

function join<T = unknown>(name: string | Uint8Array, options: SwarmOptions<T> = {}): Swarm<T> {
  return pubsub<T>(name, { bootstrap, ...options })
}

type Args<E extends keyof TopicEvents> = Parameters<TopicEvents[E]>
function next<T, E extends keyof TopicEvents>(swarm: Swarm<T>, event: E): Promise<Args<E>> {
  return new Promise(resolve => {
    ;(swarm.once as (event: string, listener: (...args: never[]) => void) => unknown).call(
      swarm,
      event,
      (...args) => resolve(args as unknown as Args<E>)
    )
  })
}

test('A1 a topic that is none throws a coded TypeError at once', t => {
  for (const topic of [undefined, '', 7, b4a.alloc(31)]) {
    t.throws(() => pubsub(topic as string, { bootstrap }), {
      instanceOf: TypeError,
      code: 'ERR_GOSSIP_BAD_TOPIC'
    })
    t.throws(() => new Swarm(topic as string, { bootstrap }), {
      instanceOf: TypeError,
      code: 'ERR_GOSSIP_BAD_TOPIC'
    })
  }
})

test('A1 U1 pubsub() works with and without new', async t => {
  const name = freshName()
  const Pubsub = pubsub as unknown as new (name: string, options: SwarmOptions) => Swarm
  const a = new Pubsub(name, { bootstrap })
  t.true(a instanceof Swarm)
  await a.destroy()
})

test('options that make no sense throw a coded TypeError at once', t => {
  const swarm = { connections: new Set(), join() {}, on() {} }
  const cases: unknown[] = [
    { lan: true },
    { bootstrap: 'localhost:1' },
    { bootstrap: ['localhost:1'] },
    { bootstrap: [{ host: '127.0.0.1', port: 0 }] },
    { bootstrap: [{ host: '', port: 1 }] },
    { swarm: {} },
    { dht: {} },
    { swarm, bootstrap },
    { bootstrap, dht: { createServer() {} } }
  ]
  for (const options of cases) {
    t.throws(() => pubsub('x', options as SwarmOptions), {
      instanceOf: TypeError,
      code: 'ERR_GOSSIP_BAD_OPTION'
    })
  }
  t.false(isNetwork(null))
  t.false(isDht(null))
})

test('A5 A6 A8 two swarms meet, and each knows the other as the author of its messages', async t => {
  const name = freshName()
  const [a, b] = [join<{ hello: string }>(name), join<{ hello: string }>(name)]
  for (const part of [a.topic, a.gossip, a.network, a.connections]) t.truthy(part)
  const heard = next(b, 'message')
  a.on('connected', () => void a.publish({ hello: a.id }))
  const [data, message] = await heard
  t.deepEqual(data, { hello: a.id })
  t.is((message as Message).id, a.id)
  t.deepEqual(b4a.from((message as Message).author), b4a.from(a.publicKey))
  t.is(b.peers().length, 1)
  await Promise.all([a.destroy(), b.destroy()])
})

test('A4 the given key pair signs, and the Noise key of the connection is another', async t => {
  const name = freshName()
  const keyPair = createKeyPair(b4a.alloc(32, 9))
  const [a, b] = [join<string>(name, { keyPair }), join<string>(name)]
  const messages = b.messages()
  await a.publish('hello', { waitForPeers: 1 })
  const { value } = await messages.next()
  t.deepEqual(b4a.from(value.author), b4a.from(keyPair.publicKey))
  t.false(b4a.equals(value.from.remotePublicKey, keyPair.publicKey))
  await Promise.all([a.destroy(), b.destroy()])
})

test('a private topic is joined by its 32 bytes', async t => {
  const key = b4a.alloc(32, 5)
  const [a, b] = [join<string>(key), join<string>(b4a.from(key))]
  const heard = next(b, 'message')
  await a.connected()
  await a.publish('psst')
  t.is((await heard)[0], 'psst')
  await Promise.all([a.destroy(), b.destroy()])
})

test('5,000 messages that were published before destroy() are all at the connected subscriber', async t => {
  const name = freshName()
  const [a, b] = [join<number>(name), join<number>(name)]
  await Promise.all([a.connected(), b.connected()])
  const seen = new Set<number>()
  let double = 0
  b.on('message', data => {
    if (seen.has(data)) double++
    seen.add(data)
  })
  const published = Array.from({ length: 5000 }, (_, number) => a.publish(number))
  const began = performance.now()
  await a.destroy()
  const took = performance.now() - began
  const fates = await Promise.allSettled(published)
  t.is(fates.filter(({ status }) => status === 'fulfilled').length, 5000)
  await until(() => seen.size === 5000, 2000)
  t.is(seen.size, 5000)
  t.is(double, 0)
  t.true(took < 2000, `destroy() took ${took} ms`)
  await b.destroy()
})

test('messages published one by one survive destroy(), in order, with a subscriber on an application swarm', async t => {
  const name = freshName()
  const network = new Hyperswarm({ dht: testnet.createNode({ firewalled: false }) })
  const a = join<number>(name)
  const b = pubsub<number>(name, { swarm: network })
  await Promise.all([a.connected(), b.connected()])
  let last = -1
  let inOrder = true
  b.on('message', data => {
    inOrder &&= data === last + 1
    last = data
  })
  for (let number = 0; number < 500; number++) await a.publish(number)
  await a.destroy()
  await until(() => last === 499, 2000)
  t.is(last, 499)
  t.true(inOrder)
  await b.destroy()
  await network.destroy()
})

test('A3 an application swarm outlives destroy(), its connections too', async t => {
  const name = freshName()
  const network = new Hyperswarm({ dht: testnet.createNode({ firewalled: false }) })
  const a = pubsub<string>(name, { swarm: network })
  const b = join<string>(name)
  await Promise.all([a.connected(), b.connected()])
  t.is(a.connections, network.connections)
  await t.throwsAsync(a.suspend(), { code: 'ERR_GOSSIP_BAD_OPTION' })
  await t.throwsAsync(a.resume(), { code: 'ERR_GOSSIP_BAD_OPTION' })
  await a.destroy()
  t.false(network.destroyed)
  t.is(network.connections.size, 1)
  t.is(network.status(a.topic.discoveryKey), null) // and the topic is no longer announced
  // A second one on the same swarm finds the peer over the connection that is there.
  const again = pubsub<string>(name, { swarm: network })
  await again.connected()
  const heard = next(b, 'message')
  await again.publish('back')
  t.is((await heard)[0], 'back')
  await again.destroy()
  await b.destroy()
  await network.destroy()
})

test('an application DHT node outlives destroy(), and nobody listens on it any more', async t => {
  const dht = testnet.createNode({ firewalled: false })
  const before = ['network-change', 'network-update'].map(event => dht.listeners(event).length)
  const name = freshName()
  const a = pubsub<string>(name, { dht: dht as never })
  const b = join<string>(name)
  await Promise.all([a.connected(), b.connected()])
  await a.destroy()
  t.false(dht.destroyed)
  t.deepEqual(
    ['network-change', 'network-update'].map(event => dht.listeners(event).length),
    before
  )
  const again = pubsub<string>(name, { dht: dht as never })
  await again.connected()
  await again.destroy()
  await b.destroy()
})

test('A7 S11 connected and disconnected tell of the first and the last peer', async t => {
  const name = freshName()
  const a = join<string>(name)
  const seen: string[] = []
  a.on('connected', () => seen.push('on'))
  a.on('disconnected', () => seen.push('off'))
  for (let round = 0; round < 2; round++) {
    const b = join<string>(name)
    await Promise.all([a.connected(), b.connected()])
    const off = next(a, 'disconnected')
    await b.destroy()
    await off
  }
  t.deepEqual(seen, ['on', 'off', 'on', 'off'])
  await a.destroy()
})

test('connected() ends by signal, by time, by leave(), and not at all for a count that is none', async t => {
  const a = join(freshName())
  const reason = new Error('enough')
  const controller = new AbortController()
  const aborted = a.connected(1, { signal: controller.signal })
  controller.abort(reason)
  t.is(await t.throwsAsync(aborted), reason)
  t.is(await t.throwsAsync(a.connected(1, { signal: controller.signal })), reason)
  await t.throwsAsync(a.connected(1, { timeoutMs: 20 }), { code: 'ERR_GOSSIP_TIMEOUT', message: /20 ms/ })
  await t.throwsAsync(a.connected(0), { instanceOf: RangeError, code: 'ERR_GOSSIP_BAD_OPTION' })
  const left = a.connected()
  const late = a.leave()
  await t.throwsAsync(left, { code: 'ERR_GOSSIP_CLOSED' })
  await t.throwsAsync(a.connected(), { code: 'ERR_GOSSIP_CLOSED' })
  await late
  await a.destroy()
})

test('A11 S10 X38 U1 after leave() nothing is heard and publish rejects, while the connections stay', async t => {
  const name = freshName()
  const [a, b] = [join<string>(name), join<string>(name)]
  await Promise.all([a.connected(), b.connected()])
  const heard: string[] = []
  b.on('message', data => heard.push(data))
  await b.leave()
  t.is(b.connections.size, 1)
  await a.publish('nobody listens')
  await t.throwsAsync(b.publish('x'), { code: 'ERR_GOSSIP_CLOSED' })
  await Promise.all([a.destroy(), b.destroy()])
  t.deepEqual(heard, [])
})

test('destroy() twice, close() and dispose are one thing, and tell of the end once', async t => {
  const a = join(freshName())
  let closes = 0
  a.on('close', () => closes++)
  t.false(a.opened)
  await a.flushed()
  t.true(a.opened)
  t.false(a.closed)
  const first = a.destroy()
  t.is(a.close(), first)
  t.is(a[Symbol.asyncDispose](), first)
  await first
  t.true(a.closed)
  t.is(closes, 1)
})

test('destroy() right after construction works', async t => {
  const a = join(freshName())
  await a.destroy()
  t.true(a.network.destroyed)
})

test('suspend() loses nothing that was published, and resume() brings the peer back', async t => {
  const name = freshName()
  const [a, b] = [join<number>(name), join<number>(name)]
  await Promise.all([a.connected(), b.connected()])
  const seen = new Set<number>()
  b.on('message', data => seen.add(data))
  const off = next(b, 'disconnected')
  await Promise.all(Array.from({ length: 500 }, (_, number) => a.publish(number)))
  await a.suspend()
  await off
  await until(() => seen.size === 500, 1000)
  t.is(seen.size, 500)
  await a.resume()
  await Promise.all([a.connected(), b.connected()])
  await a.publish(1000)
  await until(() => seen.has(1000), 5000)
  t.true(seen.has(1000))
  await Promise.all([a.destroy(), b.destroy()])
})

test('a swarm takes no more connections of others than its limit', async t => {
  const name = freshName()
  const limit = 2
  const a = join(name, { limits: { maxServerConnections: limit } })
  await a.flushed()
  let refused = 0
  let most = 0
  a.network.on('connection', (stream: { destroying: boolean }) => {
    if (stream.destroying) refused++
    most = Math.max(
      most,
      [...a.connections].filter(open => !(open as { destroying?: boolean }).destroying).length
    )
  })
  const dialler = () => {
    const network = createNetwork({ bootstrap })
    network.on('connection', (stream: { on(event: 'error', listener: () => void): void }) =>
      stream.on('error', () => {})
    )
    network.join(a.topic.discoveryKey, { server: false, client: true })
    return network
  }
  const others = Array.from({ length: 5 }, dialler)
  await until(() => refused > 0, 5000)
  t.true(refused > 0)
  t.is(most, limit)
  await Promise.all(others.map(network => closeNetwork(network, 0)))
  await a.destroy()
})

test('who knows only where a topic meets becomes no peer, and others still meet', async t => {
  const key = b4a.alloc(32, 77)
  const a = join<string>(key)
  // A stranger that knows only where the topic meets: it announces there, but opens another topic's channels.
  const stranger = createNetwork({ bootstrap })
  const { Gossip } = await import('#gossip/index')
  const outsider = new Gossip()
  outsider.join(b4a.alloc(32, 78))
  stranger.on('connection', stream => outsider.attach(stream))
  stranger.join(a.topic.discoveryKey)
  await until(() => a.connections.size === 1, 5000)
  t.is(a.peers().length, 0) // connected, and no peer
  const b = join<string>(key)
  await Promise.all([a.connected(), b.connected()])
  t.is(a.peers().length, 1)
  await Promise.all([a.destroy(), b.destroy(), outsider.close()])
  await closeNetwork(stranger)
})

/** Opens the channel of `topicKey` on a stream, and proves another key. */
function proveWrongly(stream: NoiseSecretStream, topicKey: Uint8Array): void {
  const crypto = cryptoFor(createKeyPair())
  const { isInitiator, handshakeHash, publicKey, remotePublicKey } = stream
  const channel = Protomux.from(stream).createChannel({
    protocol: 'hearsay/gossip/1',
    id: channelIdOf(crypto, topicIdOf(crypto, topicKey), handshakeHash),
    handshake: raw
  })
  const hello = ownHello(crypto, b4a.alloc(32), {
    binding: { isInitiator, handshakeHash, publicKey, remotePublicKey },
    roles: 7,
    features: 0,
    maxFrameBytes: LIMITS.maxMessageBytes + LIMITS.batchOverheadBytes,
    clockMs: Date.now(),
    degree: 1
  })
  channel?.open(encodeHello(hello))
}

test('a wrong proof bans who sent it from a network of ours, and others still meet', async t => {
  const key = b4a.alloc(32, 79)
  const a = join<string>(key)
  const warned = next(a, 'warning')
  const stranger = createNetwork({ bootstrap })
  const torn = new Promise<void>(resolve => {
    stranger.on('connection', (stream: NoiseSecretStream) => {
      stream.on('error', () => {})
      stream.on('close', resolve)
      proveWrongly(stream, key)
    })
  })
  stranger.join(a.topic.discoveryKey)
  const [warning] = await warned
  t.is((warning as GossipError).code, 'WARN_GOSSIP_BAD_PROOF')
  await torn
  const { peers } = a.network as unknown as { peers: Map<string, { banned: boolean }> }
  const bannedIds = [...peers].filter(([, { banned }]) => banned).map(([id]) => id)
  t.deepEqual(bannedIds, [b4a.toString(stranger.keyPair.publicKey, 'hex')])
  const b = join<string>(key)
  await Promise.all([a.connected(), b.connected()])
  t.is(a.peers().length, 1)
  await Promise.all([a.destroy(), b.destroy()])
  await closeNetwork(stranger)
})

test('a warning of a wrong proof keeps that peer out; other warnings do not', async t => {
  const name = freshName()
  const [a, b] = [join<string>(name), join<string>(name)]
  await Promise.all([a.connected(), b.connected()])
  const peer = a.peers()[0]
  const warn = (code: string, topics: string[]) => {
    const shown = { remotePublicKey: peer?.remotePublicKey, topics: new Set(topics) }
    a.topic.emit('warning', Object.assign(new Error('x'), { code, peer: shown }) as unknown as GossipError)
  }
  warn('WARN_GOSSIP_CLOCK', [])
  warn('WARN_GOSSIP_BAD_PROOF', ['another topic'])
  t.is(a.peers().length, 1)
  const off = next(a, 'disconnected')
  warn('WARN_GOSSIP_BAD_PROOF', [])
  await off
  t.is(a.peers().length, 0)
  const { peers } = a.network as unknown as { peers: Map<string, { banned: boolean }> }
  const known = peers.get(b4a.toString(peer?.remotePublicKey as Uint8Array, 'hex'))
  t.true(known?.banned)
  await Promise.all([a.destroy(), b.destroy()])
  t.false(known?.banned)
})

test('closing a network waits until a slow remote has read everything', async t => {
  interface Stream {
    on(event: string, listener: (...args: never[]) => void): void
    write(data: Uint8Array): void
    end(): void
  }
  const topic = b4a.from(createKeyPair().publicKey)
  const [a, b] = [createNetwork({ bootstrap }), createNetwork({ bootstrap })]
  let read = 0
  let started = false
  b.on('connection', (stream: Stream) => {
    stream.on('error', () => {})
    stream.on('end', () => stream.end())
    // Nothing is read until well after the other side has begun to close.
    readLate(stream, 300, data => {
      started = true
      read += data.byteLength
    })
  })
  const met = new Promise<Stream>(resolve => a.on('connection', resolve))
  a.join(topic)
  b.join(topic)
  const stream = await met
  stream.on('error', () => {})
  const bytes = 10 * 1000 // fits into the buffers of both sides: acknowledged long before it is read
  for (let number = 0; number < 10; number++) stream.write(b4a.alloc(1000, number))
  t.false(started)
  await closeNetwork(a)
  t.is(read, bytes)
  await closeNetwork(b)
})

test('closing a network is bounded when a remote never reads', async t => {
  const topic = b4a.from(createKeyPair().publicKey)
  const [a, b] = [createNetwork({ bootstrap }), createNetwork({ bootstrap })]
  b.on('connection', stream => stream.on('error', () => {}))
  const met = new Promise<{ write(data: Uint8Array): void; on(event: string, listener: () => void): void }>(
    resolve => a.on('connection', resolve)
  )
  a.join(topic)
  b.join(topic)
  const stream = await met
  stream.on('error', () => {})
  stream.write(b4a.alloc(4_000_000))
  const began = performance.now()
  await closeNetwork(a, 200)
  const took = performance.now() - began
  t.true(took >= 190 && took < 1200, `it took ${took} ms`)
  await closeNetwork(b, 0)
})

test('who is announced after we have looked is found all the same', async t => {
  const topic = b4a.from(createKeyPair().publicKey)
  const [early, late] = [createNetwork({ bootstrap }), createNetwork({ bootstrap })]
  for (const network of [early, late]) network.on('connection', stream => stream.on('error', () => {}))
  await early.join(topic, { server: false, client: true }).flushed()
  t.is(early.connections.size, 0)
  late.join(topic, { server: true, client: false }) // it never looks
  await until(() => early.connections.size === 1, 20_000)
  t.is(early.connections.size, 1)
  await Promise.all([closeNetwork(early), closeNetwork(late)])
})

test('a refused peer is let in again when the time is up, and the oldest when the list is full', async t => {
  const log: string[] = []
  const info = (name: string): PeerInfoLike => ({
    publicKey: b4a.from(name),
    client: true,
    ban: banned => log.push(`${name} ${banned ? 'out' : 'in'}`)
  })
  const refused = new Refused(2, 30)
  for (const name of ['a', 'b', 'c']) refused.refuse(info(name))
  t.deepEqual(log, ['a out', 'b out', 'a in', 'c out'])
  t.is(refused.size, 2)
  await until(() => refused.size === 0, 1000)
  t.deepEqual(log.slice(4), ['b in', 'c in'])
  refused.refuse(info('d'))
  refused.clear()
  t.deepEqual(log.slice(6), ['d out', 'd in'])
})

test('looking again goes on until it is stopped, and ends when the topic was left', async t => {
  const calls: string[] = []
  const discovery = (left: boolean): DiscoveryLike => ({
    flushed: async () => {},
    destroy: async () => {},
    refresh: async () => {
      calls.push(left ? 'left' : 'again')
      if (left) throw new Error('PeerDiscovery is destroyed')
    }
  })
  const stop = lookAgain(discovery(false))
  lookAgain(discovery(true))
  await until(() => calls.length === 2, 2000)
  t.deepEqual(calls.sort(), ['again', 'left'])
  stop()
})

test('an emitted connection of an application swarm that somebody else has claimed is a warning', async t => {
  const name = freshName()
  const network = new Hyperswarm({ dht: testnet.createNode({ firewalled: false }) })
  network.on('connection', stream => {
    stream.userData = { mine: true }
  })
  const a = pubsub<string>(name, { swarm: network })
  const warned = next(a, 'warning')
  const b = join<string>(name)
  const [error] = await warned
  t.is((error as GossipError).code, 'ERR_GOSSIP_BAD_STREAM')
  await a.destroy()
  await b.destroy()
  await network.destroy()
})

test('a DHT that is gone does not hold destroy() up', async t => {
  const dht = DHT.bootstrapper(20_000 + (process.pid % 20_000), '127.0.0.1', { host: '127.0.0.1' })
  await dht.fullyBootstrapped()
  const a = pubsub('x', { bootstrap: [{ host: '127.0.0.1', port: dht.address().port }] })
  await a.flushed()
  await dht.destroy({ force: true })
  const began = performance.now()
  await a.destroy()
  const took = performance.now() - began
  t.true(took < 1500, `destroy() took ${took} ms`)
})

test('A11 S10 a process ends by itself within 2 s of destroy(), and the message was heard', async t => {
  const name = freshName()
  const b = join<string>(name)
  const heard = next(b, 'message')
  const program = fileURLToPath(new URL('helpers/publish-and-leave.js', import.meta.url))
  const child = fork(program, [name, JSON.stringify(bootstrap)])
  const exit = once(child, 'exit')
  await once(child, 'message') // destroy() was called
  const began = performance.now()
  const [code] = await exit
  const took = performance.now() - began
  t.is(code, 0)
  t.true(took < 2000, `it took ${took} ms`)
  t.is((await heard)[0], 'goodbye')
  await b.destroy()
})

/** Resolves when the condition holds, or the time is up: the assertion behind it tells which. */
async function until(condition: () => boolean, ms: number): Promise<void> {
  const end = performance.now() + ms
  while (!condition() && performance.now() < end) await new Promise(resolve => setTimeout(resolve, 5))
}
