/**
 * secure-gossip signed the data alone: whoever stood between could change the number, mute the author, replay into other
 * topics. Here a relay that is a member of the topic tries all of it, with frames of a real author that it really holds.
 */
import { createKeyPair, publicTopicKey } from '@hearsay/gossip'
import {
  type AuthorRef,
  type Batch,
  batchOf,
  decodeAuthor,
  decodeBatch,
  encodeAuthor,
  encodeBatch,
  FrameKind,
  LIMITS,
  makeAuthorRef
} from '@hearsay/gossip/core'
import test, { type ExecutionContext } from 'ava'
import { connect, exchange, type GossipNode, gossipNode, linked } from '../support/gossip-node.js'
import { connectRaw, dropsOf, RawAuthor, type RawPeer } from '../support/raw-peer.js'
import { soon, turns, until } from '../support/until.js'

const CATS = publicTopicKey('cats')
const DOGS = publicTopicKey('dogs')

/** Author and batch of the last BATCH that a raw peer received. */
function caught(relay: RawPeer): Batch {
  const author = decodeAuthor(relay.received(FrameKind.author)[0] as Uint8Array, LIMITS)
  const frame = decodeBatch(relay.received(FrameKind.batch).at(-1) as Uint8Array, LIMITS)
  if (!author.ok || !frame.ok) throw new Error('the author sent something else')
  return batchOf(frame.value, makeAuthorRef(author.value.author, author.value.incarnation))
}

/** A raw member that has linked up with `node`. */
async function member(node: GossipNode, topicKey = CATS): Promise<RawPeer> {
  const peer = await connectRaw(node.gossip, topicKey)
  await peer.link()
  return peer
}

/** A real author, a batch of it as a relay caught it, and a victim that knows neither. */
async function scene(t: ExecutionContext): Promise<{ author: GossipNode; victim: GossipNode; batch: Batch }> {
  const [author, victim] = [gossipNode(t), gossipNode(t)]
  const relay = await member(author)
  await linked([author])
  await author.topic.publish('hello')
  await soon(() => relay.received(FrameKind.batch).length === 1)
  return { author, victim, batch: caught(relay) }
}

/** Each signed field, changed. The number of the first one is what secure-gossip's captured message was replayed under. */
function forgeries(batch: Batch, stranger: AuthorRef): Record<string, Partial<Batch>> {
  const payloadBytes = new Uint8Array(batch.payloadBytes)
  payloadBytes[2] = (payloadBytes[2] as number) ^ 1
  const incarnation = new Uint8Array(batch.ref.incarnation)
  incarnation[7] = (incarnation[7] as number) ^ 1
  return {
    'seq 1': { seq0: 1 },
    'seq 1e15': { seq0: 1e15 },
    created: { createdMs: batch.createdMs + 1 },
    ttl: { ttlSeconds: batch.ttlSeconds + 1 },
    author: { ref: stranger },
    incarnation: { ref: makeAuthorRef(batch.ref.author, incarnation) },
    payload: { payloadBytes }
  }
}

test('X1 a captured batch under another seq, time, author or payload is never delivered, and its bearer is charged', async t => {
  const { victim, batch } = await scene(t)
  const honest = gossipNode(t)
  connect(honest, victim)
  const changes = forgeries(batch, new RawAuthor(CATS).ref)
  for (const [field, change] of Object.entries(changes)) {
    const relay = await member(victim)
    const before = dropsOf(victim.gossip, 'bad-signature')
    for (let copies = 1; copies <= 3; copies++) {
      t.true(relay.isOpen, field)
      relay.push({ ...batch, ...change })
      await soon(() => dropsOf(victim.gossip, 'bad-signature') === before + copies)
    }
    // 40 points each: the third one is one too many.
    await soon(() => relay.closed === 1, { what: `the relay that changed ${field} is cut` })
    t.false(relay.stream.destroyed, 'the stream is the application of both')
  }
  await exchange(honest, victim)
  t.is(victim.messages.filter(({ data }) => data === 'hello').length, 0)
  t.is(
    victim.warnings.filter(({ code }) => code === 'WARN_GOSSIP_LINK_CLOSED').length,
    Object.keys(changes).length
  )
  const late = await member(victim)
  late.push(batch)
  await until(() => victim.data().includes('hello'))
  t.is(victim.messages.filter(({ data }) => data === 'hello').length, 1, 'the genuine one, once')
})

test('X1 replayed under its own name a batch is a duplicate: known, free of charge, and passed on to nobody', async t => {
  const { victim, batch } = await scene(t)
  const [relay, other] = [await member(victim), await member(victim)]
  for (let copies = 0; copies < 50; copies++) relay.push(batch)
  await soon(() => dropsOf(victim.gossip, 'duplicate') === 49)
  await turns(20)
  t.deepEqual(victim.data(), ['hello'])
  t.is(other.received(FrameKind.batch).length, 1)
  t.is(victim.gossip.stats.verified, 1)
  t.true(relay.isOpen)
})

test('X2 a forged huge seq does not mute its author: what it says next is delivered, also over the forger', async t => {
  const { author, victim, batch } = await scene(t)
  const forger = await member(victim)
  forger.push({ ...batch, seq0: 1e15 })
  await soon(() => dropsOf(victim.gossip, 'bad-signature') === 1)
  forger.push(batch)
  await until(() => victim.messages.length === 1)
  connect(author, victim)
  for (let i = 1; i <= 5; i++) await author.topic.publish(i)
  await until(() => victim.messages.length === 6)
  t.deepEqual(victim.data(), ['hello', 1, 2, 3, 4, 5])
  t.is(victim.topic.explain(author.gossip.id).incarnations[0]?.watermark, 5)
})

test('X2 a forgery under the very next seq does not take its place', async t => {
  const { author, victim, batch } = await scene(t)
  const forger = await member(victim)
  connect(author, victim)
  await until(() => victim.messages.length === 1)
  forger.push({ ...batch, seq0: 1 })
  await soon(() => dropsOf(victim.gossip, 'bad-signature') === 1)
  await author.topic.publish('genuine')
  await until(() => victim.messages.length === 2)
  t.deepEqual(victim.data(), ['hello', 'genuine'])
})

test('X10 a batch of one topic is refused in every other, though both ends are members of both', async t => {
  const [author, victim] = [gossipNode(t, { name: 'dogs' }), gossipNode(t)]
  victim.gossip.join('dogs')
  const relay = await member(author, DOGS)
  await linked([author])
  await author.topic.publish('of dogs')
  await soon(() => relay.received(FrameKind.batch).length === 1)
  const crossing = await member(victim, CATS)
  crossing.push(caught(relay))
  await soon(() => dropsOf(victim.gossip, 'bad-signature') === 1)
  await turns(10)
  t.deepEqual(victim.data(), [])
  const straight = await member(victim, DOGS)
  straight.push(caught(relay))
  await until(() => victim.gossip.stats.delivered === 1)
  t.pass('while in its own topic it is welcome')
})

test('S5 an altered payload is neither delivered nor forwarded', async t => {
  const { victim, batch } = await scene(t)
  const [relay, other] = [await member(victim), await member(victim)]
  const payloadBytes = new Uint8Array(batch.payloadBytes)
  payloadBytes[payloadBytes.length - 1] = 0x21
  relay.push({ ...batch, payloadBytes })
  await soon(() => dropsOf(victim.gossip, 'bad-signature') === 1)
  relay.push(batch)
  await until(() => victim.messages.length === 1)
  await soon(() => other.received(FrameKind.batch).length === 1)
  await turns(10)
  t.deepEqual(victim.data(), ['hello'])
  t.is(other.received(FrameKind.batch).length, 1)
})

test('A13 each bit of each signed field, flipped on the wire: none is accepted, the genuine batch is', async t => {
  const victim = gossipNode(t, { limits: { maxRememberedPeers: 4096 } })
  const author = new RawAuthor(CATS, { keyPair: createKeyPair(new Uint8Array(32).fill(3)) })
  const batch = author.batch(['hello'])
  const hop = { hops: 0, mark: false, repair: false, last: false }
  const frames = {
    // index: signed by nobody, it belongs to the hop
    author: { kind: FrameKind.author, bytes: encodeAuthor(0, batch.ref), from: 1, to: 1 + 32 + 8 },
    // index, then flags whose low nibble belongs to the hop, then hops
    class: { kind: FrameKind.batch, bytes: encodeBatch(0, batch, hop), from: 1, to: 2 },
    rest: { kind: FrameKind.batch, bytes: encodeBatch(0, batch, hop), from: 3, to: Number.POSITIVE_INFINITY }
  }
  let relay = await member(victim)
  // The victim cuts a link for the third forgery at the latest; what was on its way then is sent over the next one.
  const refused = async (kind: number, flipped: Uint8Array): Promise<void> => {
    const before = dropsOf(victim.gossip)
    while (dropsOf(victim.gossip) === before) {
      if (!relay.isOpen) {
        relay.stream.destroy()
        relay = await member(victim)
      }
      if (kind === FrameKind.batch) relay.bind(batch.ref)
      relay.send(kind, flipped)
      if (kind === FrameKind.author) relay.send(FrameKind.batch, frames.rest.bytes)
      await soon(() => dropsOf(victim.gossip) > before || !relay.isOpen)
    }
  }
  let flips = 0
  for (const [name, { kind, bytes, from, to }] of Object.entries(frames)) {
    for (let at = from; at < Math.min(to, bytes.length); at++) {
      for (let bit = name === 'class' ? 4 : 0; bit < 8; bit++) {
        const flipped = new Uint8Array(bytes)
        flipped[at] = (flipped[at] as number) ^ (1 << bit)
        await refused(kind, flipped)
        flips++
      }
    }
  }
  t.true(flips > 900)
  t.is(victim.messages.length, 0)
  t.true(dropsOf(victim.gossip, 'bad-signature') > 500)
  const fresh = await member(victim)
  fresh.push(batch)
  await until(() => victim.messages.length === 1)
  t.deepEqual(victim.data(), ['hello'])
})
