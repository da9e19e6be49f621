/**
 * What the originals lost, doubled or sent back: messages before the first peer, after a restart, out of order; numbers
 * that were none; echoes; peers that had died. All over real connections; where an order is to be forced, a raw member
 * sends.
 */
import { createKeyPair, Gossip, publicTopicKey } from '@hearsay/gossip'
import { type Batch, encodeBatch, FrameKind } from '@hearsay/gossip/core'
import test from 'ava'
import { connect, exchange, type GossipNode, gossipNode, linked } from '../support/gossip-node.js'
import { connectRaw, dropsOf, RawAuthor, type RawPeer } from '../support/raw-peer.js'
import { noisePair } from '../support/streams.js'
import { soon, turns, until } from '../support/until.js'

const CATS = publicTopicKey('cats')
const STRAIGHT = { hops: 0, mark: false, repair: false, last: false }

async function member(node: GossipNode): Promise<RawPeer> {
  const peer = await connectRaw(node.gossip, CATS)
  await peer.link()
  return peer
}

/** All orders of 0 .. n-1. */
function ordersOf(n: number): number[][] {
  if (n === 0) return [[]]
  const shorter = ordersOf(n - 1)
  return shorter.flatMap(order => order.concat(n - 1).map((_, at) => order.toSpliced(at, 0, n - 1)))
}

test('X3 A27 a message without a peer is told so, kept, and reaches whoever comes within its ttl, once', async t => {
  const [author, first, second] = [gossipNode(t), gossipNode(t), gossipNode(t)]
  const { peers } = await author.topic.publish('early')
  t.is(peers, 0)
  await turns(50)
  connect(author, first)
  await until(() => first.messages.length === 1)
  connect(author, second)
  connect(first, second)
  await until(() => second.messages.length === 1)
  await exchange(author, second)
  for (const { messages } of [first, second]) t.is(messages.filter(({ data }) => data === 'early').length, 1)
})

test('X3 A27 after its ttl a message is not given to who comes then, and that is no loss to tell', async t => {
  const [author, late] = [gossipNode(t), gossipNode(t)]
  const gaps: unknown[] = []
  late.topic.on('gap', gap => gaps.push(gap))
  await author.topic.publish('gone', { ttlMs: 1000 })
  const expiresMs = Date.now() + 1000
  await until(() => Date.now() > expiresMs)
  connect(author, late)
  await linked([author, late])
  await exchange(author, late)
  t.false(late.data().includes('gone'))
  t.deepEqual(gaps, [])
})

test('X4 A19 ten restarts with one key pair and no disk: all is delivered, though the seqs are equal', async t => {
  const listener = gossipNode(t)
  const keyPair = createKeyPair()
  const sent: string[] = []
  for (let run = 0; run < 10; run++) {
    const author = new Gossip({ keyPair })
    const topic = author.join('cats')
    const { a, b } = noisePair()
    author.attach(a)
    listener.gossip.attach(b)
    for (let seq = 0; seq < 3; seq++) {
      const published = await topic.publish(`${run} ${seq}`)
      t.is(published.seq, seq)
      sent.push(`${run} ${seq}`)
    }
    await until(() => listener.messages.length === sent.length)
    await author.close()
    a.destroy()
  }
  t.deepEqual(listener.data(), sent)
  t.is(new Set(listener.messages.map(({ incarnation }) => incarnation)).size, 10)
  t.is(new Set(listener.messages.map(({ id }) => id)).size, 1)
})

test('X5 every order of six seqs delivers six, over one connection with real signatures', async t => {
  const orders = ordersOf(6)
  t.is(new Set(orders.map(String)).size, 720)
  const many = { maxIncarnationsPerAuthor: 1000, maxAuthorsPerPeer: 1000 }
  const listener = gossipNode(t, { limits: many })
  const hostile = await member(listener)
  const keyPair = createKeyPair()
  for (const order of orders) {
    const author = new RawAuthor(CATS, { keyPair })
    hostile.atOnce(() => {
      for (const seq of order) hostile.push(author.batch([seq], { seq0: seq }))
    })
  }
  await until(() => listener.messages.length >= 720 * 6)
  const seqs = new Map<string, number[]>()
  for (const { incarnation, seq, data } of listener.messages) {
    t.is(data, seq)
    seqs.set(incarnation, [...(seqs.get(incarnation) ?? []), seq])
  }
  t.is(listener.messages.length, 720 * 6)
  t.deepEqual([...seqs.values()].map(String).sort(), orders.map(String).sort(), 'as they came')
  t.true(hostile.isOpen)
})

test('X13 thirty seqs that never rise are thirty messages: order is no rule, inside the window', async t => {
  const listener = gossipNode(t)
  const foreign = await member(listener)
  const author = new RawAuthor(CATS)
  const mixed = new RawAuthor(CATS)
  foreign.atOnce(() => {
    for (let seq = 29; seq >= 0; seq--) foreign.push(author.batch([seq], { seq0: seq }))
    for (let i = 0; i < 200; i++) foreign.push(mixed.batch([i], { seq0: (i * 77) % 200 }))
  })
  await until(() => listener.messages.length === 230)
  t.is(new Set(listener.messages.map(({ incarnation, seq }) => `${incarnation} ${seq}`)).size, 230)
  t.true(foreign.isOpen)
})

test('X9 a seq is an integer from 0 to 2^53-1: whatever else the wire can say is refused and cuts the link', async t => {
  const listener = gossipNode(t)
  const author = new RawAuthor(CATS)
  const right = encodeBatch(0, author.batch(['x']), STRAIGHT)
  // index, flags, hops, then the seq: in place of its one byte, eight behind 0xff
  const withSeq = (seq: readonly number[]): Uint8Array =>
    new Uint8Array([...right.subarray(0, 3), 0xff, ...seq, ...right.subarray(4)])
  const wrong = {
    '2^53': withSeq([0, 0, 0, 0, 0, 0, 0x20, 0]),
    '2^64-1, which is -1 elsewhere': withSeq([255, 255, 255, 255, 255, 255, 255, 255]),
    'bits of 1.5': withSeq([0, 0, 0, 0, 0, 0, 0xf8, 0x3f]),
    'bits of NaN': withSeq([0, 0, 0, 0, 0, 0, 0xf8, 0x7f]),
    'none at all': right.subarray(0, 3),
    'one whose batch ends beyond 2^53-1': encodeBatch(
      0,
      author.batch(['x', 'y'], { seq0: Number.MAX_SAFE_INTEGER }),
      STRAIGHT
    )
  }
  for (const [name, bytes] of Object.entries(wrong)) {
    const hostile = await member(listener)
    const before = dropsOf(listener.gossip, 'malformed')
    hostile.bind(author.ref)
    hostile.send(FrameKind.batch, bytes)
    await soon(() => dropsOf(listener.gossip, 'malformed') === before + 1, { what: name })
    await soon(() => hostile.closed === 1, { what: `the link is cut for ${name}` })
  }
  t.is(listener.messages.length, 0)
  const honest = await member(listener)
  honest.push(author.batch(['x']))
  await until(() => listener.messages.length === 1)
  t.is(listener.messages[0]?.seq, 0)
})

test('X11 a thousand copies of one batch cost one verification', async t => {
  const [listener, friend] = [gossipNode(t), gossipNode(t)]
  connect(listener, friend)
  const [hostile, other] = [await member(listener), await member(listener)]
  await until(() => listener.topic.peers().filter(peer => peer.role('cats') === 'active').length === 3)
  const batch = new RawAuthor(CATS).batch(['again'])
  for (const peer of [hostile, other]) {
    peer.atOnce(() => {
      for (let copy = 0; copy < 500; copy++) peer.push(batch)
    })
  }
  await until(() => dropsOf(listener.gossip, 'duplicate') === 999)
  t.is(listener.gossip.stats.verified, 1)
  t.is(listener.messages.length, 1)
  const forwarded = (): number =>
    hostile.received(FrameKind.batch).length + other.received(FrameKind.batch).length
  await soon(() => forwarded() >= 1)
  t.is(forwarded(), 1)
  await exchange(listener, friend)
})

test('X7 S13 B60 no message goes back to where it came from, and to each other link it goes once', async t => {
  const middle = gossipNode(t)
  const [left, right, third] = [await member(middle), await member(middle), await member(middle)]
  const authors = { left: new RawAuthor(CATS), right: new RawAuthor(CATS) }
  for (let seq = 0; seq < 10; seq++) {
    left.push(authors.left.batch([seq], { seq0: seq }))
    right.push(authors.right.batch([seq], { seq0: seq }))
    await turns()
  }
  await until(() => middle.messages.length === 20)
  for (let seq = 0; seq < 10; seq++) await middle.topic.publish(seq)
  const sent = (peer: RawPeer): number => peer.received(FrameKind.batch).length
  await soon(() => sent(left) === 20 && sent(right) === 20 && sent(third) === 30)
  await turns(100)
  t.deepEqual([left, right, third].map(sent), [20, 20, 30])
  t.is(middle.gossip.stats.forwarded, 40)
})

test('X7 S13 in a full mesh of real nodes each batch crosses a connection at most once each way', async t => {
  const nodes = Array.from({ length: 5 }, () => gossipNode(t))
  for (const [i, node] of nodes.entries()) for (const other of nodes.slice(i + 1)) connect(node, other)
  await linked(nodes, 4)
  for (const { topic } of nodes) for (let i = 0; i < 10; i++) await topic.publish(i)
  await until(() => nodes.every(({ messages }) => messages.length === 40))
  await turns(100)
  for (const { gossip } of nodes) {
    // Never back, so at most 3 of the 4 links.
    t.true(gossip.stats.forwarded <= 40 * 3, `${gossip.stats.forwarded}`)
    t.is(dropsOf(gossip, 'own'), 0, 'nobody hears its own')
  }
})

test('X6 S12 U10 a hundred connections come and go: no peer, no link, no listener, no write to the dead', async t => {
  const node = gossipNode(t)
  const counts = (): unknown => [
    node.topic.eventNames().map(name => [name, node.topic.listenerCount(name as 'message')]),
    process.eventNames().map(name => [name, process.listenerCount(name)])
  ]
  const before = counts()
  for (let i = 0; i < 100; i++) {
    const peer = await connectRaw(node.gossip, CATS)
    peer.open()
    if (i % 2 === 0) await soon(() => peer.isOpen)
    if (i % 4 === 0) await node.topic.publish(i, { ttlMs: 1000 })
    // Under the hands of a writer, and with a goodbye.
    if (i % 3 === 0) peer.close()
    peer.stream.destroy()
  }
  await until(() => node.gossip.peers.size === 0)
  t.is(node.topic.peers().length, 0)
  t.is((await node.topic.publish('nobody')).peers, 0)
  t.deepEqual(counts(), before)
  const { linksOpened, linksClosed, connectionsOpened, connectionsClosed } = node.gossip.stats
  t.is(linksOpened, linksClosed)
  t.true(linksOpened >= 50)
  t.deepEqual([connectionsOpened, connectionsClosed], [100, 100])
  const friend = gossipNode(t)
  connect(node, friend)
  await exchange(node, friend)
})

test('X6 a hundred links on one living stream leave its listeners as they were', async t => {
  const [node, friend] = [gossipNode(t), gossipNode(t)]
  const { a } = connect(node, friend)
  await linked([node, friend])
  const stream = a as unknown as { listenerCount(name: string): number }
  const counts = (): number[] =>
    ['data', 'drain', 'end', 'error', 'close', 'open', 'finish'].map(name => stream.listenerCount(name))
  const before = counts()
  for (let i = 0; i < 100; i++) {
    await [...node.gossip.peers][0]?.close()
    node.gossip.attach(a)
    await linked([node])
  }
  t.deepEqual(counts(), before)
  t.is(node.gossip.peers.size, 1)
  await exchange(node, friend)
})

test('A4 the key pair that is passed in is the author that the other end reports', async t => {
  const keyPair = createKeyPair(new Uint8Array(32).fill(9))
  const [author, listener] = [gossipNode(t, { keyPair }), gossipNode(t)]
  connect(author, listener)
  await author.topic.publish('x')
  await until(() => listener.messages.length === 1)
  t.deepEqual(listener.messages[0]?.author, keyPair.publicKey)
})

test('A12 a lone message of five bytes takes less than the 213 bytes of secure-gossip', async t => {
  const author = gossipNode(t)
  const peer = await member(author)
  await author.topic.publish('hello')
  await soon(() => peer.received(FrameKind.batch).length === 1)
  const [frame] = peer.received(FrameKind.batch) as [Uint8Array]
  t.true(frame.length < 170, `${frame.length} bytes`)
  const second: Batch = new RawAuthor(CATS).batch(['hello'])
  t.true(encodeBatch(0, second, STRAIGHT).length < 170)
})
