/**
 * party's map and multifeed's networker served one party per stream, told the ids of all, or followed one feed for several
 * sets. Several lists of parties, on real streams, a real DHT and real storage.
 */
import { EventEmitter } from 'node:events'
import type { Feed } from '@hearsay/feeds'
import { createKeyPair, cryptoFor, keyId } from '@hearsay/gossip'
import { type Party, type PartyRules, rules } from '@hearsay/party'
import { PartyKeys } from '@hearsay/party/core'
import type NoiseSecretStream from '@hyperswarm/secret-stream'
import test, { type ExecutionContext } from 'ava'
import b4a from 'b4a'
import Hyperswarm from 'hyperswarm'
import Protomux from 'protomux'
import { connectLists, meets, partiesNode, partyChannels } from '../support/parties-node.js'
import { overhear } from '../support/party-node.js'
import { noisePair } from '../support/streams.js'
import { testnet } from '../support/testnet.js'
import { turns, until, within } from '../support/until.js'

const crypto = cryptoFor(createKeyPair())
const OPEN = { rules: { default: rules.open() } }
/** Takes whatever is introduced, also feeds of others. */
const TRUSTING: { rules: Record<string, PartyRules> } = {
  rules: { default: { name: 'trusting', onIntroduceFeeds: () => true } }
}

async function write(party: Party, text: string): Promise<Feed> {
  const feed = await party.feeds.writer('log')
  await feed.append(b4a.from(text))
  await party.introduce(feed)
  return feed
}

const read = async (party: Party, key: Uint8Array, seq = 0): Promise<string> => {
  await until(() => party.feeds.has(key), { what: `a feed in ${party.name}` })
  return String(await party.feeds.get(key)?.get(seq))
}

/** Every spelling in which software writes bytes down, as one searchable list. */
function spellings(key: Uint8Array): Buffer[] {
  const hex = b4a.toString(key, 'hex')
  const base64 = b4a.toString(key, 'base64').replace(/=+$/, '')
  return [key, hex, hex.toUpperCase(), base64, keyId(key)].map(text => Buffer.from(text as string))
}

test('B32 S18 S35 S37 U11 three parties each, one in common: they meet in that one, and in no other', async t => {
  const [a, b] = [await partiesNode(t, OPEN), await partiesNode(t, OPEN)]
  const common = await a.parties.create({ name: 'common' })
  const others = [
    ...(await Promise.all(['a1', 'a2'].map(name => a.parties.create({ name })))),
    ...(await Promise.all(['b1', 'b2'].map(name => b.parties.create({ name }))))
  ]
  const theirs = await b.parties.add(common.key, { name: 'the common one' })
  for (const party of others) await write(party, `of ${party.name} alone`)
  const pair = connectLists(a.parties, b.parties)
  await Promise.all([meets(common), meets(theirs)])
  const [ours, their] = [await write(common, 'from a'), await write(theirs, 'from b')]
  t.is(await read(theirs, ours.key), 'from a')
  t.is(await read(common, their.key), 'from b')
  for (const party of others) {
    t.is(party.peers.size, 0)
    t.is(party.feeds.size, 1)
  }
  t.is(common.feeds.size, 2)
  t.is(partyChannels(pair.a), 1)
  t.deepEqual([...a.warnings, ...b.warnings], [])
})

test('S35 two parties in common on one connection: the feeds of one never come into the other', async t => {
  const [a, b] = [await partiesNode(t, OPEN), await partiesNode(t, OPEN)]
  const ours = [await a.parties.create({ name: 'p' }), await a.parties.create({ name: 'q' })] as const
  const theirs = [await b.parties.add(ours[0].key), await b.parties.add(ours[1].key)] as const
  const pair = connectLists(a.parties, b.parties)
  const [p, q] = [await write(ours[0], 'in p'), await write(ours[1], 'in q')]
  t.is(await read(theirs[0], p.key), 'in p')
  t.is(await read(theirs[1], q.key), 'in q')
  t.false(theirs[0].feeds.has(q.key) || theirs[1].feeds.has(p.key))
  t.is(partyChannels(pair.a), 2)
  const messages = theirs[1].topic<string>('talk').messages()
  await ours[0].topic('talk').publish('in p')
  await ours[1].topic('talk').publish('in q', { waitForPeers: 1 })
  const { value } = await within(messages[Symbol.asyncIterator]().next())
  t.is(value?.data, 'in q', 'topics of one name are apart, too')
})

test('C19 B32 three hundred parties on one connection, one in common: one LIVE channel, and no frame names another', async t => {
  t.timeout(180_000)
  const COUNT = 300
  const [a, b] = [await partiesNode(t, OPEN), await partiesNode(t, OPEN)]
  const mine = await Promise.all(Array.from({ length: COUNT }, (_, i) => a.parties.create({ name: `a${i}` })))
  const theirs = await Promise.all(
    Array.from({ length: COUNT - 1 }, (_, i) => b.parties.create({ name: `b${i}` }))
  )
  // In the last place: all others are tried before it.
  const common = mine[COUNT - 1] as Party
  theirs.push(await b.parties.add(common.key))
  const pair = noisePair()
  const heard = [overhear(pair.a), overhear(pair.b)]
  a.parties.attach(pair.a)
  b.parties.attach(pair.b)
  await Promise.all([meets(common), meets(theirs[COUNT - 1] as Party)])
  const log = await write(common, 'for members')
  t.is(await read(theirs[COUNT - 1] as Party, log.key), 'for members')
  await turns(50)

  t.is(partyChannels(pair.a), 1)
  t.is(partyChannels(pair.b), 1)
  t.is([...Protomux.from(pair.a)].filter(({ opened }) => !opened).length, 0, 'nothing is left half open')
  const others = [...mine, ...theirs].filter(party => b4a.compare(party.key, common.key) !== 0)
  t.is(others.length, 2 * COUNT - 2)
  t.is(others.filter(party => party.peers.size > 0).length, 0)
  const bytes = heard.map(frames => Buffer.concat(frames))
  t.true((bytes[1]?.length ?? 0) > COUNT * 60, 'all were tried')
  const isHeard = (key: Uint8Array): boolean =>
    spellings(key).some(text => bytes.some(stream => stream.includes(text)))
  t.true(
    isHeard(new PartyKeys(crypto, common.key).channelId(pair.a.handshakeHash as Uint8Array)),
    'the search works'
  )
  for (const { key, discoveryKey } of others) {
    if ([key, discoveryKey, new PartyKeys(crypto, key).partyId].some(isHeard))
      t.fail('another party is named')
  }
  const { hits } = pair
  t.true(hits.bytes < 64 * 1024, `${hits.bytes} bytes were sent for it`)
  t.deepEqual([...a.warnings, ...b.warnings], [])
})

test('C19 the dialled side opens nothing by itself, and answers for what it knows alone', async t => {
  const { parties } = await partiesNode(t, OPEN)
  const known = await parties.create({ name: 'known' })
  for (let i = 0; i < 5; i++) await parties.create()
  const pair = noisePair()
  const heard = overhear(pair.a)
  parties.attach(pair.b) // b didn't initiate
  await Promise.all([pair.a.opened, pair.b.opened])
  await turns(50)
  t.is(Buffer.concat(heard).length, 0, 'not even their number is told')
  t.is([...Protomux.from(pair.b)].length, 0)
  const mux = Protomux.from(pair.a)
  const hash = pair.a.handshakeHash as Uint8Array
  const ids = [
    new PartyKeys(crypto, new Uint8Array(32)).channelId(hash),
    known.discoveryKey,
    new PartyKeys(crypto, known.key).channelId(hash)
  ]
  const channels = ids.map(id => {
    const channel = mux.createChannel({ protocol: 'hearsay/party/1', id, handshake: null })
    channel?.open()
    return channel
  })
  const opened = await within(Promise.all(channels.map(channel => channel?.fullyOpened())))
  t.deepEqual(opened.slice(0, 2), [false, false])
  t.true(opened[2])
})

test('B31 S37 with nothing in common the connection lives, without a channel, and carries other protocols', async t => {
  const [a, b] = [await partiesNode(t, OPEN), await partiesNode(t, OPEN)]
  const parties = [await a.parties.create(), await b.parties.create()]
  for (const party of parties) await write(party, 'alone')
  const pair = connectLists(a.parties, b.parties)
  await Promise.all([pair.a.opened, pair.b.opened])
  const said = new Promise<string>(resolve => {
    const channel = Protomux.from(pair.b).createChannel({ protocol: 'own', onopen: () => {} })
    channel?.addMessage({ onmessage: (text: Uint8Array) => resolve(String(text)) })
    channel?.open()
  })
  const channel = Protomux.from(pair.a).createChannel({ protocol: 'own' })
  const message = channel?.addMessage({})
  channel?.open()
  message?.send(b4a.from('of the app') as never)
  t.is(await within(said), 'of the app')
  await turns(100)
  t.is(partyChannels(pair.a), 0)
  t.false(pair.a.destroyed || pair.b.destroyed)
  for (const party of parties) t.is(party.feeds.size + party.peers.size, 1)
})

test('C18 a party that is opened later, on either side, is met on the connection that is there', async t => {
  const [a, b] = [await partiesNode(t, OPEN), await partiesNode(t, OPEN)]
  await a.parties.create()
  connectLists(a.parties, b.parties)
  await turns(20)
  const first = await a.parties.create({ name: 'dialler first' })
  await turns(20)
  await Promise.all([meets(await b.parties.add(first.key)), meets(first)])
  const second = await b.parties.create({ name: 'dialled first' })
  await turns(20)
  await Promise.all([meets(await a.parties.add(second.key)), meets(second)])
  t.deepEqual([...a.warnings, ...b.warnings], [])
})

test('leaving one of two parties closes its channel alone; opened again it is met again on the same connection', async t => {
  const [a, b] = [await partiesNode(t, OPEN), await partiesNode(t, OPEN)]
  const [left, kept] = [await a.parties.create({ name: 'left' }), await a.parties.create({ name: 'kept' })]
  const theirs = [await b.parties.add(left.key), await b.parties.add(kept.key)] as const
  const pair = connectLists(a.parties, b.parties)
  await Promise.all([left, kept, ...theirs].map(meets))
  const log = await write(kept, 'before')
  t.is(await read(theirs[1], log.key), 'before')
  await left.close()
  await until(() => theirs[0].peers.size === 0)
  await until(() => partyChannels(pair.a) === 1)
  await log.append(b4a.from('after'))
  t.is(await read(theirs[1], log.key, 1), 'after')
  t.is(kept.peers.size, 1)
  t.false(pair.a.destroyed)
  const again = await a.parties.open('left')
  t.not(again, left)
  await Promise.all([meets(again), meets(theirs[0])])
  t.true(await a.parties.forget('left'))
  await until(() => theirs[0].peers.size === 0)
  t.is(theirs[1].peers.size, 1)
})

test('B33 S36 a feed in two parties, revoked in one, goes on in the other', async t => {
  const [a, b] = [await partiesNode(t, TRUSTING), await partiesNode(t, TRUSTING)]
  const [p, q] = [await a.parties.create({ name: 'p' }), await a.parties.create({ name: 'q' })]
  const [p2, q2] = [await b.parties.add(p.key), await b.parties.add(q.key)]
  const pair = connectLists(a.parties, b.parties)
  await Promise.all([p, q, p2, q2].map(meets))
  const feed = await write(p, 'zero')
  await q.introduce(feed.key)
  t.is(await read(p2, feed.key), 'zero')
  t.is(await read(q2, feed.key), 'zero')
  // In the reader's p, then in the writer's q of a second feed: whichever opened it on the connection.
  await p2.feeds.revoke(feed.key)
  t.false(p2.feeds.has(feed.key))
  await feed.append(b4a.from('one'))
  t.is(await read(q2, feed.key, 1), 'one')
  const second = await p.feeds.writer('second')
  await second.append(b4a.from('zero'))
  await Promise.all([p.introduce(second), q.introduce(second.key)])
  t.is(await read(p2, second.key), 'zero')
  t.is(await read(q2, second.key), 'zero')
  await q.revoke(second.key)
  await second.append(b4a.from('one'))
  t.is(await read(p2, second.key, 1), 'one')
  t.false(q.feeds.has(second.key))
  t.false(pair.a.destroyed)
})

test('S34 twenty parties in common: listeners of the stream stay few, and none is left after many connections', async t => {
  const warned: Error[] = []
  const onwarning = (warning: Error): void => void warned.push(warning)
  process.on('warning', onwarning)
  t.teardown(() => process.off('warning', onwarning))
  const [a, b] = [await partiesNode(t, OPEN), await partiesNode(t, OPEN)]
  const ours: Party[] = []
  const theirs: Party[] = []
  for (let i = 0; i < 20; i++) {
    const party = await a.parties.create()
    ours.push(party)
    theirs.push(await b.parties.add(party.key))
  }
  const countOf = (stream: NoiseSecretStream): number => {
    const emitter = stream as unknown as EventEmitter
    const names = ['close', 'error', 'data', 'drain', 'end', 'handshake']
    return names.reduce((sum, name) => sum + emitter.listenerCount(name), 0)
  }
  const counts: number[] = []
  for (let round = 0; round < 5; round++) {
    const pair = connectLists(a.parties, b.parties)
    await Promise.all([...ours, ...theirs].map(meets))
    counts.push(countOf(pair.a))
    t.is(partyChannels(pair.a), 20)
    pair.a.destroy()
    await until(() => [...ours, ...theirs].every(party => party.peers.size === 0))
  }
  t.is(new Set(counts).size, 1, counts.join(' '))
  t.true((counts[0] ?? 0) <= 20, `${counts[0]} listeners for 20 parties`)
  t.is((a.parties.toJSON() as { connections: number }).connections, 0)
  t.deepEqual(warned, [])
})

test('connections that are attached before their handshake is done lose no open, however the bytes arrive', async t => {
  const [a, b] = [await partiesNode(t, OPEN), await partiesNode(t, OPEN)]
  const party = await a.parties.create()
  const theirs = await b.parties.add(party.key)
  for (const faults of [
    {},
    { chunkBytes: 1 },
    { chunkBytes: 7 },
    { delayTurns: 3 },
    { chunkBytes: 1 << 16 }
  ]) {
    for (const isDialler of [true, false]) {
      const pair = noisePair(faults)
      const [dialler, dialled] = isDialler ? [a, b] : [b, a]
      dialler.parties.attach(pair.a)
      dialled.parties.attach(pair.b)
      await Promise.all([meets(party), meets(theirs)])
      pair.a.destroy()
      await until(() => party.peers.size + theirs.peers.size === 0)
    }
  }
  t.pass()
})

test('C19 a peer that answers no open has no more of them than its bound, and the rest is not told', async t => {
  const limits = { maxPendingOpens: 4, opensPerTurn: 2, openEveryMs: 1 }
  const { parties } = await partiesNode(t, { ...OPEN, limits })
  for (let i = 0; i < 10; i++) await parties.create()
  const pair = noisePair()
  const heard = overhear(pair.b)
  parties.attach(pair.a)
  await until(() => [...Protomux.from(pair.a)].length === 4)
  await until(() => heard.length === 2, { what: 'two turns of two' })
  await parties.create({ name: 'later' })
  await turns(50)
  t.is([...Protomux.from(pair.a)].length, 4)
  t.is(heard.length, 2)
  t.false(pair.a.destroyed)
})

/** A Hyperswarm whose look-ups find what the test says. */
class MadeSwarm extends EventEmitter {
  readonly connections = new Set<NoiseSecretStream>()
  readonly topics = new Set<string>()
  join(topic: Uint8Array) {
    const id = b4a.toString(topic, 'hex')
    this.topics.add(id)
    return { flushed: async () => true, destroy: async () => this.topics.delete(id) }
  }
  async flush(): Promise<boolean> {
    return true
  }
}

/** What a Hyperswarm knows of a peer. */
class MadePeer extends EventEmitter {
  readonly topics: Uint8Array[] = []
  find(topic: Uint8Array): void {
    this.topics.push(topic)
    this.emit('topic', topic)
  }
}

test('C19 B32 on a swarm a party is opened where a look-up found the peer under it, then or later, and nowhere else', async t => {
  const [a, b] = [await partiesNode(t, OPEN), await partiesNode(t, OPEN)]
  const [p, q, r] = [await a.parties.create(), await a.parties.create(), await a.parties.create()]
  const theirs = await Promise.all([p, q, r].map(({ key }) => b.parties.add(key)))
  const [swarms, peers] = [
    [new MadeSwarm(), new MadeSwarm()],
    [new MadePeer(), new MadePeer()]
  ] as const
  const pair = noisePair()
  await Promise.all([pair.a.opened, pair.b.opened])
  peers[0].find(p.discoveryKey)
  const presence = a.parties.join(swarms[0])
  t.is(a.parties.join(swarms[0]), presence)
  b.parties.join(swarms[1])
  t.is(swarms[0].topics.size, 3)
  swarms[0].emit('connection', pair.a, peers[0])
  swarms[1].emit('connection', pair.b, peers[1])
  await Promise.all([meets(p), meets(theirs[0] as Party)])
  await turns(50)
  t.is(partyChannels(pair.a), 1, 'the others are common, too, but nobody found that')
  peers[1].find(q.discoveryKey)
  await Promise.all([meets(q), meets(theirs[1] as Party)])
  await r.close()
  await until(() => swarms[0].topics.size === 2)
  peers[0].find(r.discoveryKey)
  await meets(await a.parties.open(r.key))
  t.is(swarms[0].topics.size, 3)
  await presence.leave()
  t.is(swarms[0].topics.size + swarms[0].listenerCount('connection') + peers[0].listenerCount('topic'), 0)
  t.is(partyChannels(pair.a), 3, 'what is open stays open')
  pair.a.destroy()
  await until(() => peers[1].listenerCount('topic') === 0)
})

/** A swarm on a DHT of the test. */
function swarmOn(t: ExecutionContext, net: Awaited<ReturnType<typeof testnet>>): Hyperswarm {
  const swarm = new Hyperswarm({ dht: net.createNode() } as never)
  t.teardown(() => swarm.destroy())
  return swarm
}

test('B32 C19 C18 U9 on a real DHT: one connection for two common parties, opened by what was found, and a third later', async t => {
  t.timeout(120_000)
  const net = await testnet(t)
  const [one, two] = [swarmOn(t, net), swarmOn(t, net)]
  const joined: Uint8Array[] = []
  const join = one.join.bind(one)
  one.join = ((topic: Uint8Array, options: object) => {
    joined.push(topic)
    return join(topic as never, options)
  }) as never
  const [a, b] = [await partiesNode(t, { ...OPEN, swarm: one }), await partiesNode(t, OPEN)]
  const p = await a.parties.create({ name: 'p' })
  const q = await a.parties.create({ name: 'q' })
  for (const name of ['a1', 'a2']) await a.parties.create({ name })
  for (const name of ['b1', 'b2']) await b.parties.create({ name })
  const [p2, q2] = [await b.parties.add(p.key), await b.parties.add(q.key)]
  await a.parties.join(one).flushed()
  const presence = b.parties.join(two as never)
  await presence.flushed()
  await Promise.all([p, q, p2, q2].map(meets))
  t.is(one.connections.size, 1)
  const log = await write(p, 'over the DHT')
  t.is(await read(p2, log.key), 'over the DHT')
  t.false(q2.feeds.has(log.key))
  const [stream] = [...one.connections]
  t.is(partyChannels(stream as unknown as NoiseSecretStream), 2)
  t.deepEqual(
    joined.map(topic => b4a.toString(topic, 'hex')),
    a.parties.list().map(({ discoveryKey }) => b4a.toString(discoveryKey, 'hex')),
    'the DHT is told discovery keys'
  )
  const later = await b.parties.create({ name: 'later' })
  await presence.flushed()
  await Promise.all([meets(await a.parties.add(later.key)), meets(later)])
  t.is(one.connections.size, 1)
  await presence.leave()
  t.is(p.peers.size, 1, 'connections that are there stay')
  t.is(b.parties.join(two as never) === presence, false)
  t.deepEqual([...a.warnings, ...b.warnings], [])
})
