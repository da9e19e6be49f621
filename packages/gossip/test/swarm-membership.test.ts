/** What a Swarm does for its topic's membership on a Hyperswarm of its own: dials hints, closes who says nothing, looks anew. */
import { EventEmitter } from 'node:events'
import type NoiseSecretStream from '@hyperswarm/secret-stream'
import test from 'ava'
import b4a from 'b4a'
import createTestnet from 'hyperdht/testnet.js'
import Hyperswarm from 'hyperswarm'
import Protomux from 'protomux'
import { Gossip } from '#gossip/index'
import { Hints } from '#gossip/node/hints'
import { SilentConnections } from '#gossip/node/silent'
import pubsub, { type DiscoveryLike, type NetworkLike } from '#gossip/swarm'
import { noisePair, turns, until } from './support/streams.js'

const testnet = await createTestnet(5)
const { bootstrap } = testnet
test.after.always(() => testnet.destroy())

let names = 0
const freshName = () => `membership-${process.pid}-${names++}`
const key = (byte: number): Uint8Array => new Uint8Array(32).fill(byte)

/** A network that dials nobody and writes down whom it should. */
class PaperNetwork extends EventEmitter {
  readonly connections = new Set<EventEmitter>()
  readonly log: string[] = []
  refreshes = 0

  joinPeer(publicKey: Uint8Array): void {
    this.log.push(`join ${publicKey[0]}`)
  }

  leavePeer(publicKey: Uint8Array): void {
    this.log.push(`leave ${publicKey[0]}`)
  }

  join(): DiscoveryLike {
    return {
      // So that the looks of the beginning stay away.
      flushed: () => new Promise(() => {}),
      refresh: async () => this.refreshes++,
      destroy: async () => {}
    }
  }

  get like(): NetworkLike {
    return this as unknown as NetworkLike
  }
}

test('a hint is dialled until it is connected, or its time is up', async t => {
  const network = new PaperNetwork()
  const hints = new Hints(network.like, { max: 3, ms: 60 })
  hints.dial(key(1))
  hints.dial(key(1))
  hints.dial(key(2))
  network.emit('connection', {}, { publicKey: key(9) })
  t.deepEqual(network.log, ['join 1', 'join 2'])
  network.emit('connection', {}, { publicKey: key(2) })
  t.deepEqual([network.log.at(-1), hints.size], ['leave 2', 1])
  await until(() => hints.size === 0)
  t.deepEqual(network.log, ['join 1', 'join 2', 'leave 2', 'leave 1'])
})

test('so many hints are dialled at once, the newest; all are given up at the end', t => {
  const network = new PaperNetwork()
  const hints = new Hints(network.like, { max: 3, ms: 60_000 })
  for (let i = 1; i <= 5; i++) hints.dial(key(i))
  t.deepEqual(network.log, ['join 1', 'join 2', 'join 3', 'leave 1', 'join 4', 'leave 2', 'join 5'])
  hints.clear()
  t.deepEqual(network.log.slice(7), ['leave 3', 'leave 4', 'leave 5'])
  t.is(network.listenerCount('connection'), 0)
})

/** A connection on which hello is said, or isn't. */
class Connection extends EventEmitter {
  hasHello = false
  destroyed = false

  destroy(): void {
    this.destroyed = true
    this.emit('close')
  }
}

test('a connection without a hello is destroyed by its deadline, one with a hello is not', async t => {
  const silent = new SilentConnections({ helloDeadlineMs: 50, maxSilentConnections: 10 })
  const [quiet, speaks, gone] = [new Connection(), new Connection(), new Connection()]
  for (const connection of [quiet, speaks, gone]) silent.add(connection, () => connection.hasHello)
  speaks.hasHello = true
  gone.destroy()
  t.is(silent.size, 2)
  t.false(quiet.destroyed)
  await until(() => silent.size === 0)
  t.deepEqual([quiet.destroyed, speaks.destroyed], [true, false])
})

test('above the bound the oldest that said nothing is destroyed at once', t => {
  const silent = new SilentConnections({ helloDeadlineMs: 60_000, maxSilentConnections: 3 })
  const connections = Array.from({ length: 6 }, () => new Connection())
  const add = (i: number): void =>
    silent.add(connections[i] as Connection, () => connections[i]?.hasHello === true)
  for (const i of [0, 1, 2]) add(i)
  ;(connections[0] as Connection).hasHello = true
  add(3)
  t.deepEqual(connections.map(({ destroyed }) => destroyed).slice(0, 4), [false, false, false, false])
  add(4)
  t.deepEqual(connections.map(({ destroyed }) => destroyed).slice(0, 5), [false, true, false, false, false])
  silent.clear()
  t.is(silent.size, 0)
  t.is(connections.filter(({ destroyed }) => destroyed).length, 1)
})

test('a swarm of our own dials a hint, and closes the connection if nobody says hello there', async t => {
  const limits = { helloDeadlineMs: 700 }
  const a = pubsub(freshName(), { bootstrap, limits })
  const b = pubsub(freshName(), { bootstrap })
  await b.ready()
  a.topic.emit('hint', b.network.keyPair.publicKey)
  await until(() => a.connections.size === 1, 10_000)
  t.is(a.peers().length, 0)
  await until(() => a.connections.size === 0, 10_000)
  await Promise.all([a.destroy(), b.destroy()])
})

test('a connection on our own network that another protocol uses is left alone, without any hello', async t => {
  const limits = { helloDeadlineMs: 500 }
  const [a, b] = [pubsub(freshName(), { bootstrap, limits }), pubsub(freshName(), { bootstrap, limits })]
  const c = pubsub(freshName(), { bootstrap })
  let opened = 0
  const speak = (stream: NoiseSecretStream): void => {
    if (b4a.equals(stream.remotePublicKey, c.network.keyPair.publicKey)) return
    const channel = Protomux.from(stream).createChannel({ protocol: 'other', onopen: () => opened++ })
    channel?.open()
  }
  for (const { network } of [a, b]) network.on('connection', speak)
  await Promise.all([b.ready(), c.ready()])
  a.topic.emit('hint', b.network.keyPair.publicKey)
  await until(() => opened === 2, 10_000)
  // Who comes later and says nothing has gone again: the deadline of the first is over.
  a.topic.emit('hint', c.network.keyPair.publicKey)
  await until(() => a.connections.size === 2, 10_000)
  await until(() => a.connections.size === 1, 10_000)
  t.is(b.connections.size, 1)
  await Promise.all([a.destroy(), b.destroy(), c.destroy()])
})

test('two that share a topic meet by a hint alone, and stay', async t => {
  const name = freshName()
  const limits = { helloDeadlineMs: 700 }
  // On the DHT they look for different things.
  const [a, b] = [pubsub(freshName(), { bootstrap, limits }), pubsub(freshName(), { bootstrap, limits })]
  const [there, here] = [a.gossip.join(name), b.gossip.join(name)]
  const c = pubsub(freshName(), { bootstrap })
  await Promise.all([b.ready(), c.ready()])
  a.topic.emit('hint', b.network.keyPair.publicKey)
  await until(() => there.peers().length === 1 && here.peers().length === 1, 10_000)
  // Who comes later and says nothing has gone again: the deadline of the first is over.
  a.topic.emit('hint', c.network.keyPair.publicKey)
  await until(() => a.connections.size === 2, 10_000)
  await until(() => a.connections.size === 1, 10_000)
  t.is(there.peers().length, 1)
  await Promise.all([a.destroy(), b.destroy(), c.destroy()])
})

test('who joins on the DHT and then says nothing is closed by a swarm of ours, and left alone by an application’s', async t => {
  const name = freshName()
  const limits = { helloDeadlineMs: 500 }
  const network = new Hyperswarm({ dht: testnet.createNode({ firewalled: false }) })
  const a = pubsub(name, { bootstrap, limits })
  const b = pubsub(name, { swarm: network, limits })
  await Promise.all([a.ready(), b.ready()])
  const silent = new Hyperswarm({ dht: testnet.createNode({ firewalled: false }) })
  const idOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
  const open = new Set<string>()
  let closed = 0
  silent.on('connection', stream => {
    const id = idOf(stream.remotePublicKey)
    open.add(id)
    stream.on('error', () => {})
    stream.on('close', () => {
      open.delete(id)
      if (id === idOf(a.network.keyPair.publicKey)) closed++
    })
  })
  silent.join(a.topic.discoveryKey)
  await until(() => closed > 0 && open.has(idOf(network.keyPair.publicKey)), 15_000)
  // It comes again, and goes again.
  await until(() => closed > 1, 15_000)
  t.true(open.has(idOf(network.keyPair.publicKey)))
  await Promise.all([a.destroy(), b.destroy()])
  await Promise.all([network.destroy(), silent.destroy()])
})

test('a swarm that is cut off looks for its topic at once; it dials no hints on an application’s network', async t => {
  const network = new PaperNetwork()
  const a = pubsub('cats', { swarm: network.like, limits: { isolationMs: 50 } })
  const events: string[] = []
  a.on('isolated', reason => events.push(reason))
  a.on('rejoined', () => events.push('rejoined'))
  const b = new Gossip()
  b.join('cats')
  const connect = () => {
    const [first, second] = noisePair()
    b.attach(second)
    network.emit('connection', first, { publicKey: key(1), client: true, ban() {} })
    return first
  }
  const first = connect()
  await until(() => a.peers()[0]?.role('cats') === 'active')
  t.is(network.refreshes, 0)
  first.destroy()
  await until(() => network.refreshes === 1)
  connect()
  await until(() => events.length === 2)
  t.deepEqual(events, ['no-links', 'rejoined'])
  a.topic.emit('hint', key(7))
  await turns(5)
  t.deepEqual(network.log, [])
  await b.close()
  await a.leave()
})
