/**
 * What discovery-swarm and its trackers did for solyd-swarm: being found, and being able to see why somebody isn't there.
 * On real Hyperswarms, on a DHT that has no node outside of this process.
 */
import { fileURLToPath } from 'node:url'
import { createKeyPair, cryptoFor, publicTopicKey } from '@hearsay/gossip'
import pubsub from '@hearsay/gossip/swarm'
import test from 'ava'
import b4a from 'b4a'
import { startNode } from '../support/child.js'
import { gossipNode } from '../support/gossip-node.js'
import { connectRaw, dropsOf, RawAuthor } from '../support/raw-peer.js'
import { duplexPair } from '../support/streams.js'
import { testnet } from '../support/testnet.js'
import { soon, until } from '../support/until.js'

const CATS = publicTopicKey('cats')

test('A2 the DHT is told the discovery key of a topic alone: neither a hash of its name nor its key', async t => {
  t.timeout(60_000)
  const { bootstrap, createNode } = await testnet(t)
  const swarm = pubsub('cats', { bootstrap })
  t.teardown(() => swarm.destroy())
  await swarm.flushed()
  const node = createNode() as {
    lookup(key: Uint8Array): AsyncIterable<{ peers: unknown[] }>
    destroy(): Promise<void>
  }
  t.teardown(() => node.destroy())
  const announcedUnder = async (key: Uint8Array): Promise<boolean> => {
    for await (const { peers } of node.lookup(key)) if (peers.length > 0) return true
    return false
  }
  t.true(await announcedUnder(swarm.topic.discoveryKey), 'the search finds what is there')
  const { hash } = cryptoFor(createKeyPair())
  for (const [name, key] of Object.entries({ hash: hash(b4a.from('cats')), key: CATS })) {
    t.false(b4a.equals(key, swarm.topic.discoveryKey), name)
    t.false(await announcedUnder(key), name)
  }
})

test('A21 U2 two peers meet by a node of their own, `hearsay dht`, and no public one; lan, which is not there, says so', async t => {
  t.timeout(60_000)
  const command = fileURLToPath(new URL('../../../packages/cli/dist/hearsay.js', import.meta.url))
  const node = startNode(t, [command, 'dht', '--port', '0', '--json'])
  const { host, port } = JSON.parse(await node.line(/listening/)) as { host: string; port: number }
  const bootstrap = [{ host, port }]
  const [a, b] = [pubsub<string>('cats', { bootstrap }), pubsub<string>('cats', { bootstrap })]
  t.teardown(() => Promise.all([a.destroy(), b.destroy()]))
  const heard: string[] = []
  b.on('message', data => heard.push(data))
  await a.publish('hello', { waitForPeers: 1 })
  await until(() => heard.length === 1)
  const error = t.throws(() => pubsub('cats', { lan: true }), { code: 'ERR_GOSSIP_BAD_OPTION' })
  t.regex(error?.message ?? '', /bootstrap/, 'and names what to use instead')
})

test('A20 U2 why a peer is not there is counted and told: opened, closed, refused, wrong proof, late', async t => {
  const unwanted = createKeyPair()
  const node = gossipNode(t, {
    limits: { helloDeadlineMs: 300 },
    topic: {
      admit: peer => !b4a.equals(peer.remotePublicKey, unwanted.publicKey),
      authorize: author => !b4a.equals(author, unwanted.publicKey)
    }
  })
  const { gossip } = node
  const codes = (): (string | undefined)[] => node.warnings.map(({ code }) => code)

  const friend = await connectRaw(gossip, CATS)
  await friend.link()
  await until(() => gossip.stats.linksOpened === 1)
  t.is(gossip.stats.connectionsOpened, 1)
  t.is(gossip.stats.toJSON().activeLinks + gossip.stats.toJSON().standbyLinks, 1)

  const stranger = await connectRaw(gossip, CATS)
  stranger.open(stranger.hello({ proof: new Uint8Array(32) }))
  await until(() => gossip.stats.badProofs === 1)
  t.deepEqual(codes(), ['WARN_GOSSIP_BAD_PROOF'])

  const refused = await connectRaw(gossip, CATS, { keyPair: unwanted })
  refused.open()
  await soon(() => refused.closed === 1)
  t.is(gossip.stats.linksOpened, 1, 'a peer that admit() refuses is no link')

  const silent = duplexPair()
  gossip.attach(silent.a, { initiator: false })
  await until(() => silent.a.destroyed, { what: 'the end of a stream that never shakes hands' })

  const createdMs = Date.now() - 60_000
  friend.push(new RawAuthor(CATS, { startMs: createdMs }).batch(['late'], { createdMs, ttlSeconds: 1 }))
  friend.push(new RawAuthor(CATS, { keyPair: unwanted }).batch(['unwanted']))
  await until(() => dropsOf(gossip, 'expired') === 1 && dropsOf(gossip, 'unauthorized') === 1)
  t.is(node.messages.length, 0)

  for (const peer of [friend, stranger, refused]) peer.stream.destroy()
  await until(() => gossip.stats.connectionsClosed === 4)
  t.like(gossip.stats.toJSON(), {
    connectionsOpened: 4,
    linksOpened: 1,
    linksClosed: 1,
    badProofs: 1,
    peers: 0
  })
})
