/** Why a message is late: what the core knows of an author, and how an application is told. */
import type { Peer } from '@hearsay/gossip'
import test from 'ava'
import type { LinkId } from '#gossip/core/types'
import { reportOf } from '#gossip/node/report'
import { Author, Rig, START_MS } from './support/core-rig.js'
import { connect, linked, node } from './support/gossip-nodes.js'
import { until } from './support/streams.js'

test('a hole is explained: how far others came, who was asked for it, and when the next one is', t => {
  const rig = new Rig()
  const peer = rig.peer(1)
  const author = new Author(8)
  const { authorId, incarnationId: incarnation } = author.ref
  t.deepEqual(rig.core.explain(authorId), [])
  peer.batch(author.batch(0))
  peer.batch(author.batch(3))
  const [before] = rig.core.explain(authorId)
  t.like(before, { incarnation, watermark: 0, top: 3, lastHave: null })
  t.deepEqual(before?.gaps, [{ from: 1, to: 2, askedOf: null, nextAtMs: START_MS + 10 }])
  rig.pass(10)
  const [asked] = rig.core.explain(authorId)
  t.like(asked?.gaps[0], { from: 1, to: 2, askedOf: peer.link })
  t.true((asked?.gaps[0]?.nextAtMs ?? 0) > rig.nowMs)
  peer.miss(author.ref, 1, 2)
  const [missed] = rig.core.explain(authorId)
  t.deepEqual(missed?.gaps, [{ from: 1, to: 2, askedOf: null, nextAtMs: Number.POSITIVE_INFINITY }])
})

test('the last HAVE is known with its time, also when it brought no news; of ourselves there is none', t => {
  const rig = new Rig()
  const [first, second] = [rig.peer(1), rig.peer(2)]
  const author = new Author(8)
  const last = () => rig.core.explain(author.ref.authorId)[0]?.lastHave
  first.batch(author.batch(0))
  t.is(last(), null)
  rig.pass(100)
  first.have(author.ref, 1)
  t.deepEqual(last(), { link: first.link, atMs: START_MS + 100 })
  rig.pass(50)
  second.have(author.ref, 1)
  t.deepEqual(last(), { link: second.link, atMs: START_MS + 150 })
  rig.step({ type: 'linkDown', link: second.link })
  t.deepEqual(last(), { link: second.link, atMs: START_MS + 150 })
  rig.publish(1, 'ours')
  const own = Buffer.from(rig.options.author).toString('hex')
  t.like(rig.core.explain(own)[0], { watermark: 0, top: 0, lastHave: null, parent: null })
})

test('what was only told of is explained, too', t => {
  const rig = new Rig()
  const peer = rig.peer(1)
  const author = new Author(8, { startMs: START_MS - 1000 })
  peer.have(author.ref, 4)
  const [told] = rig.core.explain(author.ref.authorId)
  const lastHave = { link: peer.link, atMs: START_MS }
  t.like(told, { incarnation: author.ref.incarnationId, watermark: -1, top: -1, lastHave })
  t.like(told?.gaps[0], { from: 0, to: 3, askedOf: null })
  rig.pass(20)
  t.is(rig.core.explain(author.ref.authorId)[0]?.gaps[0]?.askedOf, peer.link)
  peer.batch(author.batch(0, { texts: ['a', 'b', 'c', 'd'] }), { repair: true, last: true })
  t.is(rig.core.explain(author.ref.authorId).length, 1)
  t.like(rig.core.explain(author.ref.authorId)[0], { watermark: 3, top: 3, gaps: [], lastHave })
})

test('links become peers, once each, times become durations, and who is gone is nobody', t => {
  const peers = new Map<LinkId, Peer>([1, 2].map(link => [link, { id: `peer ${link}` } as Peer]))
  peers.set(3, peers.get(2) as Peer)
  const peerOf = (link: LinkId | null) => (link === null ? null : (peers.get(link) ?? null))
  const gap = { from: 5, to: 6, askedOf: 1, nextAtMs: 1070 }
  const never = { from: 8, to: 8, askedOf: 9, nextAtMs: Number.POSITIVE_INFINITY }
  const late = { from: 9, to: 9, askedOf: null, nextAtMs: 900 }
  const state = { incarnation: '0123456789abcdef', parent: 1, watermark: 4, top: 7, children: [2, 3, 9] }
  const lastHave = { link: 9, atMs: 400 }
  const report = reportOf({ ...state, lastHave, gaps: [gap, never, late] }, { peerOf, nowMs: 1000 })
  t.deepEqual(report, {
    incarnation: '0123456789abcdef',
    parent: peers.get(1) as Peer,
    children: [peers.get(2) as Peer],
    watermark: 4,
    top: 7,
    ahead: 3,
    gaps: [
      { from: 5, to: 6, askedOf: peers.get(1) as Peer, nextInMs: 70 },
      { from: 8, to: 8, askedOf: null, nextInMs: Number.POSITIVE_INFINITY },
      { from: 9, to: 9, askedOf: null, nextInMs: 0 }
    ],
    lastHave: { from: null, agoMs: 600 }
  })
  // Given up beyond what came: that isn't ahead of anything.
  const given = reportOf({ ...state, watermark: 9, lastHave: null, gaps: [] }, { peerOf, nowMs: 1000 })
  t.like(given, { ahead: 0, lastHave: null })
})

test('over real streams: who brings it, who gets it from us, and who told of it last', async t => {
  const [a, b, c] = [node(t), node(t), node(t)]
  const [stream] = connect(a, b)
  await linked(a, b)
  for (let i = 0; i < 3; i++) await a.topic.publish(i)
  await until(() => b.messages.length === 3)
  connect(b, c)
  // The one who comes late hears what there is, and asks for it.
  await until(() => c.messages.length === 3)
  const late = c.topic.explain(a.gossip.id).incarnations[0]
  t.like(late, { watermark: 2, top: 2, ahead: 0, gaps: [] })
  t.is(late?.lastHave?.from, c.topic.peers()[0] as Peer)
  const { agoMs = -1 } = late?.lastHave ?? {}
  t.true(agoMs >= 0 && agoMs < 5000)

  const [fromA, toC] = b.topic.peers() as [Peer, Peer]
  await until(() => b.topic.peers().every(peer => peer.role('cats') === 'active'))
  await a.topic.publish(3)
  await until(() => c.messages.length === 4)
  const report = () => b.topic.explain(a.gossip.publicKey).incarnations[0]
  t.true(report()?.children.includes(toC))
  stream.destroy()
  await until(() => b.topic.peers().length === 1)
  t.not(report()?.parent, fromA)
  t.false(report()?.children.includes(fromA))
  t.throws(() => b.topic.explain('nobody'), { instanceOf: TypeError, code: 'ERR_GOSSIP_BAD_KEY' })
})
