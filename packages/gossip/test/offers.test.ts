import test from 'ava'
import { Egress } from '#gossip/core/egress'
import { FEATURE_OFFER } from '#gossip/core/hello'
import { type Batch, type OutFrame, SEND_BULK, SEND_FORWARD, type TopicEffect } from '#gossip/core/types'
import { LIMITS } from '#gossip/limits'
import { Author, Net, type RawPeer, Rig, sendsTo, wantsIn } from './support/core-net.js'

const offering = { features: FEATURE_OFFER }
/** More than is pushed to whom we don't know to need it. */
const LARGE = 'x'.repeat(20_000)
/** Worth a SKIP, but pushed. */
const MEDIUM = 'x'.repeat(5000)

/** A core with peers that know OFFER and SKIP, and an author that is none of them. */
function rigOf(peers: number) {
  const rig = new Rig()
  const links = Array.from({ length: peers }, (_, i) => rig.peer(i + 1, offering))
  rig.pass(50)
  return { rig, author: new Author(8), peers: links as [RawPeer, RawPeer, RawPeer, ...RawPeer[]] }
}

/** Kinds of the frames to each peer, without watermarks. */
const said = (effects: readonly TopicEffect[], peers: readonly RawPeer[]): string[] =>
  peers.map(({ link }) =>
    sendsTo(effects, link)
      .map(({ frame }) => frame.kind)
      .filter(kind => kind !== 'have')
      .join(' ')
  )

const skipOf = (batch: Batch): OutFrame => ({ kind: 'skip', ref: batch.ref, seq0: batch.seq0 })
const offerOf = (batch: Batch): OutFrame => {
  return { kind: 'offer', ref: batch.ref, seq0: batch.seq0, count: batch.count, bytes: 20_000 }
}

test('a large batch of another author is offered, not pushed, as long as nobody is known to need it', t => {
  const { author, peers } = rigOf(4)
  const effects = peers[0].batch(author.batch(0, { texts: [LARGE] }))
  t.deepEqual(said(effects, peers), ['', 'offer', 'offer', 'offer'])
  const small = peers[0].batch(author.batch(1))
  t.deepEqual(said(small, peers), ['', 'batch', 'batch', 'batch'])
})

test('who does not know OFFER is pushed a large batch', t => {
  const { rig, author, peers } = rigOf(2)
  const plain = rig.peer(9)
  rig.pass(50)
  t.deepEqual(said(peers[0].batch(author.batch(0, { texts: [LARGE] })), [...peers, plain]), [
    '',
    'offer',
    'batch'
  ])
})

test('a large batch is pushed to children that took small ones for a while, and offered to new ones', t => {
  const { rig, author, peers } = rigOf(3)
  const [p, q, r] = peers
  p.batch(author.batch(0))
  r.send({ kind: 'prune', refs: [author.ref] })
  rig.pass(1500)
  p.batch(author.batch(1))
  const late = rig.peer(9, offering)
  rig.pass(50)
  const effects = p.batch(author.batch(2, { texts: [LARGE] }))
  t.deepEqual(said(effects, [p, q, r, late]), ['', 'batch', '', 'offer'])
})

test('a child that grafted with its WANT is pushed large batches from then on', t => {
  const { author, peers } = rigOf(2)
  const [p, q] = peers
  p.batch(author.batch(0, { texts: [LARGE] }))
  const ranges = [{ ref: author.ref, from: 0, count: 1 }]
  t.deepEqual(said(q.send({ kind: 'want', graft: true, ranges }), peers), ['', 'batch'])
  t.deepEqual(said(p.batch(author.batch(1, { texts: [LARGE] })), peers), ['', 'batch'])
})

test('what we publish is pushed, however large: nobody else has it', t => {
  const { rig, peers } = rigOf(3)
  t.deepEqual(said(rig.publish(1, LARGE), peers), ['batch', 'batch', 'batch'])
})

test('what is offered and lacking is asked for at once, of the first who offers, with a graft', t => {
  const { rig, author, peers } = rigOf(3)
  const batch = author.batch(0, { texts: [LARGE] })
  const [p, q] = peers
  const effects = p.send(offerOf(batch))
  t.deepEqual(wantsIn(effects), [`${p.link}:0+1`])
  const [want] = sendsTo(effects, p.link)
  t.true(want?.frame.kind === 'want' && want.frame.graft)
  t.deepEqual(wantsIn(q.send(offerOf(batch))), [])
  t.deepEqual(wantsIn(p.miss(author.ref, 0, 1)), [`${q.link}:0+1`])
  q.batch(batch, { repair: true, last: true })
  t.is(rig.log.texts().length, 1)
})

test('an offer of what we have is a copy like another: it is pruned, once a second', t => {
  const { rig, author, peers } = rigOf(3)
  const [p, q] = peers
  const batch = author.batch(0, { texts: [LARGE] })
  p.batch(batch)
  t.deepEqual(said(q.send(offerOf(batch)), peers), ['', 'prune', ''])
  t.deepEqual(said(q.send(offerOf(batch)), peers), ['', '', ''])
  rig.pass(1000)
  t.deepEqual(said(q.send(offerOf(batch)), peers), ['', 'prune', ''])
  t.deepEqual(said(p.send(offerOf(batch)), peers), ['', '', ''], 'not the parent')
})

test('SKIP: while a tree is built, whoever may be about to push 4 KiB or more is told that we have it', t => {
  const { rig, author, peers } = rigOf(3)
  const plain = rig.peer(9)
  rig.pass(50)
  const all = [...peers, plain]
  t.deepEqual(
    said(peers[0].batch(author.batch(0)), all),
    ['', 'batch', 'batch', 'batch'],
    'not for a small one'
  )
  const effects = peers[0].batch(author.batch(1, { texts: [MEDIUM] }))
  t.deepEqual(said(effects, all), ['', 'skip batch', 'skip batch', 'batch'], 'nor to who does not know it')
  rig.pass(1500)
  const later = peers[0].batch(author.batch(2, { texts: [MEDIUM] }))
  t.deepEqual(said(later, all), ['', 'batch', 'batch', 'batch'], 'nor when it stands')
})

test('SKIP: who was asked for a large batch that another brought is told', t => {
  const { rig, author, peers } = rigOf(3)
  const [p, q] = peers
  p.batch(author.batch(0))
  rig.pass(1500)
  q.have(author.ref, 2)
  t.deepEqual(wantsIn(rig.pass(20)), [`${q.link}:1+1`])
  const effects = p.batch(author.batch(1, { texts: [MEDIUM] }))
  // It has it, so it isn't pushed to it either.
  t.deepEqual(said(effects, peers), ['', 'skip', 'batch'])
  q.have(author.ref, 3)
  rig.pass(20)
  t.deepEqual(said(p.batch(author.batch(2)), peers), ['', '', 'batch'], 'not for a small one')
})

test('who said SKIP before a batch came is not pushed it', t => {
  const { author, peers } = rigOf(3)
  const [p, q] = peers
  const batch = author.batch(0, { texts: [MEDIUM] })
  q.send(skipOf(batch))
  t.deepEqual(said(p.batch(batch), peers), ['', 'skip', 'skip batch'])
  t.deepEqual(said(p.batch(author.batch(1)), peers), ['', 'batch', 'batch'], 'only that one')
})

test('who says SKIP afterwards is not sent what still waits for it', t => {
  const { author, peers } = rigOf(3)
  const [p, q] = peers
  const batch = author.batch(0, { texts: ['a', MEDIUM] })
  p.batch(batch)
  const effects = q.send(skipOf(batch)).filter(({ type }) => type === 'unsend')
  t.is(effects.length, 1)
  t.like(effects[0], { type: 'unsend', link: q.link })
  t.deepEqual(q.send({ ...skipOf(batch), seq0: 1 } as OutFrame), [], 'no batch begins there')
})

test('at most 16 skips of a link are remembered', t => {
  const { author, peers } = rigOf(2)
  const [p, q] = peers
  for (let seq = 0; seq < 40; seq++) q.send(skipOf(author.batch(seq)))
  let pushed = 0
  for (let seq = 0; seq < 40; seq++) pushed += sendsTo(p.batch(author.batch(seq)), q.link).length
  t.is(pushed, 40 - LIMITS.maxSkips)
})

test('egress: a cancelled batch is not written, however often it waits; others are', t => {
  const egress = new Egress(LIMITS)
  egress.openLink(1)
  egress.openLink(2)
  egress.setWritable(false)
  const author = new Author(8)
  const [one, two] = [author.batch(0), author.batch(1)]
  const frame = (batch: Batch, repair: boolean): OutFrame => {
    return { kind: 'batch', batch, hops: 1, mark: false, repair, last: false }
  }
  egress.push(1, SEND_FORWARD, frame(one, false))
  egress.push(1, SEND_BULK, frame(one, true))
  egress.push(1, SEND_BULK, frame(one, true))
  egress.push(2, SEND_FORWARD, frame(one, false))
  egress.signals()
  egress.cancel(1, one)
  t.is(egress.queuedBytes(1), 0)
  t.true(egress.queuedBytes(2) > 0)
  egress.cancel(1, one)
  egress.cancel(7, one)
  egress.setWritable(true)
  t.deepEqual(egress.signals(), [{ link: 1, state: 'drained' }], 'nothing waits any more')
  egress.push(1, SEND_FORWARD, frame(two, false))
  const batches = egress.take().filter(({ kind }) => kind === 1)
  t.deepEqual(batches.map(({ link }) => link).sort(), [1, 2])
  t.is(egress.queuedBytes(), 0)
})

test('60 KiB to everybody: along a tree that stands each node gets one copy, and while it is built not many more', t => {
  const net = new Net()
  const nodes = Array.from({ length: 8 }, () => net.node())
  for (const [i, a] of nodes.entries()) {
    for (const j of [1, 2, 3])
      net.link(a, nodes[(i + j) % 8] as (typeof nodes)[0], 7 + ((i * 5 + j * 11) % 23))
  }
  net.run(3000)
  const [author] = nodes as [(typeof nodes)[0]]
  const copies: number[] = []
  for (let i = 0; i < 30; i++) {
    const before = nodes.reduce((sum, { sent }) => sum + sent.batch, 0)
    author.publish('x'.repeat(60_000))
    net.run(400)
    copies.push(nodes.reduce((sum, { sent }) => sum + sent.batch, 0) - before)
  }
  for (const node of nodes.slice(1)) t.is(node.log.delivered.length, 30)
  t.deepEqual(
    copies.slice(5),
    Array.from({ length: 25 }, () => 7),
    copies.join()
  )
  t.true((copies[0] ?? 0) <= 12, `${copies[0]} copies of the first`)
})

test('hops are right for what was repaired, and for what was forwarded after that', t => {
  const net = new Net()
  const nodes = Array.from({ length: 5 }, () => net.node())
  for (let i = 1; i < 5; i++) net.link(nodes[i - 1] as (typeof nodes)[0], nodes[i] as (typeof nodes)[0])
  net.run(1000)
  let lost = 0
  for (let i = 0; i < 12; i++) {
    // From the second to the third node each other push is lost.
    net.isLost = (from, to, kind) =>
      kind === 1 && from === nodes[1] && to === nodes[2] && i % 2 === 1 && lost++ < i
    nodes[0]?.publish(`m${i}`)
    net.run(300)
  }
  net.isLost = () => false
  net.run(3000)
  t.true(lost >= 6)
  for (const [i, node] of nodes.entries()) {
    if (i === 0) continue
    t.is(node.log.delivered.length, 12)
    // The driver counts the last hop; a batch straight from its author made none yet.
    t.deepEqual([...new Set(node.log.delivered.map(({ hops }) => hops))], [i - 1])
  }
  t.true((nodes[2]?.core.counters.repaired ?? 0) >= 6)
})
