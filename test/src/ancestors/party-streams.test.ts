/**
 * The same party over everything that carries bytes: a pipe, TCP, Hyperswarm; several parties on one connection, and
 * several connections to one peer.
 */
import { connect, createServer, type Socket } from 'node:net'
import { createNetwork, type NetworkLike } from '@hearsay/gossip/swarm'
import { type Feed, rules } from '@hearsay/party'
import test, { type ExecutionContext } from 'ava'
import b4a from 'b4a'
import { connectParties, onlyPeer, type PartyNode, partyNode } from '../support/party-node.js'
import { noisePair } from '../support/streams.js'
import { type Testnet, testnet } from '../support/testnet.js'
import { turns, until } from '../support/until.js'

const text = (value: unknown): string => b4a.toString(value as Uint8Array)

/** Alice writes a line after the other; Bob reads live. As the README of party told it. */
async function aliceAndBob(
  t: ExecutionContext,
  meet: (alice: PartyNode, bob: PartyNode) => unknown
): Promise<void> {
  const [alice, bob] = [await partyNode(t), await partyNode(t)]
  for (const { party } of [alice, bob]) {
    const feed = await party.feeds.writer('log')
    party.setRules({
      async handshake({ peer }) {
        await peer.introduceFeeds({ keys: [feed.key] })
        await peer.replicate(feed)
      },
      onIntroduceFeeds: ({ message }) => message.keys
    })
  }
  const read: string[] = []
  bob.party.on('feed', async feed => {
    if (feed.writable) return
    try {
      for await (const line of feed.createReadStream({ live: true })) read.push(text(line))
    } catch {
      // the set is closed at the end of the test
    }
  })
  await meet(alice, bob)
  const log = (await alice.party.feeds.writer('log')) as Feed
  for (let line = 0; line < 20; line++) {
    await log.append(b4a.from(`line ${line}`))
    await turns()
  }
  await until(() => read.length >= 20)
  await turns(20)
  t.deepEqual(
    read,
    Array.from({ length: 20 }, (_, line) => `line ${line}`)
  )
}

test('B7 E2 Bob reads each line of Alice once and in order: over a pipe of replicate() streams', async t => {
  await aliceAndBob(t, (alice, bob) => {
    const [a, b] = [alice.party.replicate(true), bob.party.replicate(false)]
    a.pipe(b).pipe(a)
  })
})

test('B7 E2 Bob reads each line of Alice once and in order: over TCP, by attach() and by replicate()', async t => {
  await aliceAndBob(t, async (alice, bob) => {
    const server = createServer(socket => {
      socket.on('error', () => {})
      bob.party.attach(socket, { initiator: false })
    })
    t.teardown(() => server.close())
    const port = await new Promise<number>(resolve =>
      server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port))
    )
    const socket: Socket = connect(port, '127.0.0.1')
    socket.on('error', () => {})
    t.teardown(() => void socket.destroy())
    const stream = alice.party.replicate(true)
    stream.pipe(socket).pipe(stream)
  })
})

/** A swarm of the application. */
function swarmOn(t: ExecutionContext, { bootstrap }: Testnet): NetworkLike {
  const swarm = createNetwork({ bootstrap })
  t.teardown(() => swarm.destroy())
  return swarm
}

test('B7 E2 Bob reads each line of Alice once and in order: over Hyperswarm, which outlives leave()', async t => {
  t.timeout(60_000)
  const net = await testnet(t)
  const swarms = [swarmOn(t, net), swarmOn(t, net)] as const
  const joined: { leave(): Promise<void> }[] = []
  await aliceAndBob(t, async (alice, bob) => {
    const [first, second] = [alice.party.join(swarms[0]), bob.party.join(swarms[1])]
    await Promise.all([first.flushed(), second.flushed()])
    joined.push(first, second)
    await onlyPeer(bob.party)
  })
  await Promise.all(joined.map(one => one.leave()))
  t.is(swarms[0].connections.size, 1)
})

test('X40 two that dial each other at once, and are attached twice, are one peer on each side; events come once', async t => {
  const [a, b] = [await partyNode(t, { rules: rules.open() }), await partyNode(t, { rules: rules.open() })]
  const events: string[] = []
  for (const [name, { party }] of Object.entries({ a, b })) {
    party.on('peer-add', () => events.push(`${name} +`))
    party.on('peer-remove', () => events.push(`${name} -`))
  }
  const dial = (from: PartyNode, to: PartyNode) => {
    const [left, right] = [from.party.replicate(true), to.party.replicate(false)]
    left.pipe(right).pipe(left)
    return [left, right]
  }
  const streams = [...dial(a, b), ...dial(b, a)]
  const feed = (await a.party.feeds.writer('w')) as Feed
  await feed.append(b4a.from('once'))
  await a.party.introduce(feed)
  await until(() => b.party.feeds.get(feed.key)?.contiguousLength === 1)
  await turns(50)
  t.deepEqual([a.party.peers.size, b.party.peers.size], [1, 1])
  t.is(feed.peers.length, 1)
  for (const stream of streams) stream.destroy()
  await until(() => a.party.peers.size === 0 && b.party.peers.size === 0)
  await turns(20)
  t.deepEqual(events.toSorted(), ['a +', 'a -', 'b +', 'b -'])
})

test('S18 B14 U11 of three parties on each side of one connection the common one meets, and no other has a peer', async t => {
  const node = (fill: number) => partyNode(t, { key: new Uint8Array(32).fill(fill), rules: rules.open() })
  const left = await Promise.all([1, 2, 3].map(node))
  const right = await Promise.all([3, 4, 5].map(node))
  const pair = noisePair()
  for (const { party } of left) party.attach(pair.a)
  for (const { party } of right) party.attach(pair.b)
  const [common, other] = [left[2], right[0]] as [PartyNode, PartyNode]
  await onlyPeer(common.party)
  const feed = (await common.party.feeds.writer('w')) as Feed
  await feed.append(b4a.from('hello'))
  await common.party.introduce(feed)
  await until(() => other.party.feeds.has(feed.key))
  t.is(text(await other.party.feeds.get(feed.key)?.get(0)), 'hello')
  await turns(50)
  t.deepEqual(
    [...left, ...right].map(({ party }) => party.peers.size),
    [0, 0, 1, 1, 0, 0]
  )
  t.deepEqual(
    [...left, ...right].map(({ party }) => party.feeds.size),
    [0, 0, 1, 1, 0, 0]
  )
  t.false(pair.a.destroyed || pair.b.destroyed)
})

test('B14 who has another party key is no peer, and a party that both share works on the same connection', async t => {
  const key = new Uint8Array(32).fill(9)
  const [a, stranger] = [await partyNode(t), await partyNode(t, { key })]
  let added = 0
  for (const { party } of [a, stranger]) party.on('peer-add', () => added++)
  const link = connectParties(a.party, stranger.party)
  await link.b.opened
  await turns(100)
  t.is(added, 0)
  const equal = await partyNode(t)
  equal.party.attach(link.b)
  await Promise.all([onlyPeer(a.party), onlyPeer(equal.party)])
  t.is(stranger.party.peers.size, 0)
  t.false(link.a.destroyed)
})
