/** Budgets that hold over links and topics: signatures of the process, bytes of an author. */
import { createKeyPair, Gossip } from '@hearsay/gossip'
import test from 'ava'
import fc from 'fast-check'
import { TopicCore } from '#gossip/core/topic-core'
import { VerifyBudget } from '#gossip/core/verify-budget'
import { LIMITS } from '#gossip/limits'
import { Author, Rig, START_MS } from './support/core-net.js'
import { connect, linked, listen, node } from './support/gossip-nodes.js'
import { until } from './support/streams.js'

const budget = (perSecond: number, peers = 1024) =>
  new VerifyBudget({ ...LIMITS, verifiesPerSecondOfProcess: perSecond, maxRememberedPeers: peers })

/** How many of `wanted` checks a peer got, asked for evenly over each of `seconds`. */
function grants(shared: VerifyBudget, wanted: Record<string, number>, seconds: number) {
  const got: Record<string, number> = {}
  for (let ms = 0; ms < seconds * 1000; ms++) {
    for (const [peer, perSecond] of Object.entries(wanted)) {
      const due = Math.floor(((ms + 1) * perSecond) / 1000) - Math.floor((ms * perSecond) / 1000)
      for (let i = 0; i < due; i++) if (shared.take(peer, START_MS + ms)) got[peer] = (got[peer] ?? 0) + 1
    }
  }
  return got
}

test('one peer alone gets two thirds of the budget at once, and then what comes in', t => {
  const shared = budget(300)
  let got = 0
  while (shared.take('a', START_MS)) got++
  t.is(got, 200)
  const { a = 0 } = grants(shared, { a: 1000 }, 10)
  t.true(a > 2850 && a <= 3100, String(a))
})

test('floods share what there is, and a quiet peer beside them gets all it wants', t => {
  const floods = Object.fromEntries(Array.from({ length: 9 }, (_, i) => [`flood${i}`, 5000]))
  const got = grants(budget(1000), { ...floods, quiet: 50 }, 10)
  t.is(got.quiet, 500)
  const shares = Object.keys(floods).map(peer => got[peer] ?? 0)
  const sum = shares.reduce((a, b) => a + b, 0)
  t.true(sum > 9000 && sum <= 10_500, String(sum))
  t.true(Math.min(...shares) * 2 > Math.max(...shares), shares.join())
})

test('what peers took is remembered for so many, and whoever was silent for longest is forgotten', t => {
  const shared = budget(90, 2)
  for (const peer of ['a', 'b']) while (shared.take(peer, START_MS));
  shared.take('a', START_MS)
  t.false(shared.take('b', START_MS))
  shared.take('a', START_MS)
  t.true(shared.take('c', START_MS))
  t.false(shared.take('a', START_MS))
  // Forgotten, so it looks like a newcomer.
  t.true(shared.take('b', START_MS))
})

test('never more than rate x time + burst is granted, whoever asks when', t => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 50 }),
      fc.array(fc.tuple(fc.constantFrom('a', 'b', 'c'), fc.constantFrom(0, 0, 0, 1, 999, 1000, 5000)), {
        maxLength: 300
      }),
      (perSecond, asks) => {
        const shared = budget(perSecond)
        let nowMs = START_MS
        let got = 0
        for (const [peer, pauseMs] of asks) {
          nowMs += pauseMs
          if (shared.take(peer, nowMs)) got++
        }
        return got <= perSecond + ((nowMs - START_MS) * perSecond) / 1000
      }
    )
  )
  t.pass()
})

test('cores that are given one budget share it; a core alone has its own', t => {
  const verifies = budget(9)
  const rigs = [new Rig({ verifies }), new Rig({ verifies }), new Rig()]
  const author = new Author(8)
  for (const [i, rig] of rigs.entries()) {
    const peer = rig.peer(i)
    for (let seq = 0; seq < 6; seq++) peer.batch(author.batch(seq))
  }
  t.deepEqual(
    rigs.map(rig => rig.log.delivered.length),
    [6, 2, 6]
  )
  t.deepEqual(rigs[1]?.log.drops(), { 'over-budget': 4 })
  t.true(rigs[1]?.log.of('drop').every(({ points }) => points === 0))
  const small = new Rig({ limits: { verifiesPerSecondOfProcess: 3 } })
  const peer = small.peer(1)
  for (let seq = 0; seq < 6; seq++) peer.batch(author.batch(seq))
  t.is(small.log.delivered.length, 2)
})

test('what another budget refuses takes nothing from that of the process', t => {
  let taken = 0
  const verifies = { take: () => ++taken > 0 }
  const rig = new Rig({ verifies, limits: { verifiesPerSecond: 1 } })
  const peer = rig.peer(1)
  const author = new Author(8)
  for (let seq = 0; seq < 6; seq++) peer.batch(author.batch(seq))
  t.is(rig.log.delivered.length, 2)
  t.is(taken, 2)
  // Copies cost nothing at all.
  peer.batch(author.batch(0))
  t.is(taken, 2)
})

test('all topics of a Gossip share one budget', async t => {
  const a = node(t)
  const b = node(t, { limits: { verifiesPerSecondOfProcess: 1 } })
  const [sent, other] = [a.gossip.join('dogs'), listen(b.gossip.join('dogs'))]
  connect(a, b)
  await linked(a, b)
  await until(() => sent.peers().length === 1 && other.topic.peers().length === 1)
  await Promise.all([a.topic.publish(1), sent.publish(2)])
  await until(() => (b.gossip.stats.drops['over-budget'] ?? 0) > 0)
  // Repair brings the other one as soon as the budget allows.
  await until(() => b.messages.length + other.messages.length === 2)
  t.deepEqual([...b.data(), ...other.data()], [1, 2])
})

test('an author is dropped from beyond its bytes per second, without points', t => {
  const rig = new Rig({ limits: { authorBytesPerSecond: 1000 } })
  const peer = rig.peer(1)
  const [author, other] = [new Author(8), new Author(9)]
  const texts = ['x'.repeat(997)] // with the length before it: 1,000 bytes
  for (let seq = 0; seq < 5; seq++) peer.batch(author.batch(seq, { texts }))
  // The first one made the entry; then the burst.
  t.is(rig.log.delivered.length, 3)
  t.deepEqual(rig.log.drops(), { 'over-budget': 2 })
  t.true(rig.log.of('drop').every(({ points }) => points === 0))
  t.is(rig.core.counters.verified, 3)
  peer.batch(other.batch(0, { texts }))
  t.is(rig.log.delivered.length, 4)
  rig.nowMs += 1000
  peer.batch(author.batch(3, { texts }))
  peer.batch(author.batch(4, { texts }))
  t.is(rig.log.delivered.length, 5)
})

test('a core and a Gossip refuse no limit of their own', t => {
  t.notThrows(() => new Gossip({ keyPair: createKeyPair(), limits: { authorBytesPerSecond: 1 } }))
  t.is(new TopicCore(new Rig().options).sizes.evidence, 0)
})
