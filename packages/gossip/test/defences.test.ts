/** Who pays for what: faults that an honest peer can't commit cost points, what it may cause does not. */
import test from 'ava'
import type { Verdict } from '#gossip/core/types'
import { LIMITS } from '#gossip/limits'
import { Author, type RawPeer, Rig, START_MS, sendsTo, wantsIn } from './support/core-net.js'
import { connect, linked, listen, node } from './support/gossip-nodes.js'
import { until } from './support/streams.js'

const pointsOf = (rig: Rig, peer: RawPeer): number =>
  rig.log.of('drop').reduce((sum, { link, points }) => sum + (link === peer.link ? points : 0), 0)

test('a time far ahead costs points only if the clock of the forwarder does not excuse it', t => {
  const rig = new Rig()
  const ahead = START_MS + 61_000
  const [wrongClock, liar] = [rig.peer(1, { clockMs: START_MS + 40_000 }), rig.peer(2)]
  const late = new Author(8).batch(0, { createdMs: ahead })
  wrongClock.batch(late)
  t.is(pointsOf(rig, wrongClock), 0)
  liar.batch(late)
  t.is(pointsOf(rig, liar), 10)
  t.is(rig.log.drops()['from-the-future'], 2)
})

test('when our own clock goes back by an hour, nobody is charged for that', t => {
  const rig = new Rig()
  const peers = [1, 2, 3].map(number => rig.peer(number))
  const author = new Author(8)
  rig.step({ type: 'clock', offsetMs: -3_600_000 })
  for (let seq = 0; seq < 50; seq++) for (const peer of peers) peer.batch(author.batch(seq))
  t.is(rig.log.drops()['from-the-future'], 150)
  for (const peer of peers) t.is(pointsOf(rig, peer), 0)
  t.deepEqual(rig.log.of('closeLink'), [])
  // Set right, they are heard: later than what was refused when it went back, though.
  rig.step({ type: 'clock', offsetMs: 0 })
  peers[0]?.batch(author.batch(50))
  t.deepEqual(rig.log.texts(), ['m50'])
})

test('a copy that is older than the window is pruned like any other', t => {
  const rig = new Rig()
  const [parent, other] = [rig.peer(1), rig.peer(2)]
  const author = new Author(8)
  const texts = Array.from({ length: 64 }, (_, i) => `${i}`)
  const first = author.batch(0, { texts })
  for (let seq = 0; seq < 64 * 20; seq += 64) parent.batch(seq === 0 ? first : author.batch(seq, { texts }))
  const effects = other.batch(first)
  t.is(rig.log.drops().stale, 1)
  t.true(sendsTo(effects, other.link).some(({ frame }) => frame.kind === 'prune'))
})

test('what is over a budget is asked for a second later, not at once, and then comes', t => {
  const rig = new Rig({ limits: { verifiesPerSecond: 1 } })
  const peer = rig.peer(1)
  const author = new Author(8)
  for (let seq = 0; seq < 3; seq++) peer.batch(author.batch(seq))
  t.deepEqual(rig.log.texts(), ['m0', 'm1'])
  t.deepEqual(wantsIn(rig.pass(990)), [])
  t.deepEqual(wantsIn(rig.pass(20)), [`${peer.link}:2+1`])
  peer.batch(author.batch(2), { repair: true, last: true })
  t.deepEqual(rig.log.texts(), ['m0', 'm1', 'm2'])
  t.is(pointsOf(rig, peer), 0)
})

test('validate: a batch that is rejected as a whole costs its forwarder 10 points; ignored or in part, none', t => {
  const rig = new Rig({ asksValidate: true })
  const author = new Author(8)
  const judged = (number: number, seq0: number, verdicts: readonly Verdict[]): number => {
    const peer = rig.peer(number)
    peer.batch(author.batch(seq0, { texts: ['a', 'b', 'c'] }))
    const question = rig.log.of('ask').at(-1)?.question ?? Number.NaN
    rig.step({ type: 'answer', question, verdicts })
    return pointsOf(rig, peer)
  }
  t.is(judged(1, 0, ['reject', 'reject', 'reject']), 10)
  t.is(judged(2, 3, ['reject', 'reject', 'accept']), 0)
  t.is(judged(3, 6, ['ignore', 'ignore', 'ignore']), 0)
  t.is(judged(4, 9, ['reject', 'ignore', 'reject']), 0)
  t.is(judged(5, 12, []), 0)
  t.is(rig.core.counters.delivered, 1)
})

const answeredWith = (rig: Rig, peer: RawPeer, ask: () => unknown): string[] => {
  const before = rig.log.effects.length
  ask()
  return sendsTo(rig.log.effects.slice(before), peer.link).flatMap(({ frame }) => {
    if (frame.kind === 'batch') return [`${frame.batch.seq0}`]
    return frame.kind === 'miss' ? frame.entries.map(({ from, reason }) => `${reason} ${from}`) : []
  })
}

test('the same batch is answered three times in 3 s to one link; others have theirs', t => {
  const rig = new Rig()
  const author = new Author(8)
  const [bearer, greedy, other] = [rig.peer(1), rig.peer(2), rig.peer(3)]
  for (let seq = 0; seq < 50; seq++) bearer.batch(author.batch(seq))
  const ask = (peer: RawPeer) => answeredWith(rig, peer, () => peer.want(author.ref, 7, 1))
  for (let i = 0; i < 3; i++) t.deepEqual(ask(greedy), ['7'])
  for (let i = 0; i < 5; i++) t.deepEqual(ask(greedy), ['over-budget 7'])
  t.deepEqual(ask(other), ['7'])
  rig.nowMs += LIMITS.answerMs
  t.deepEqual(ask(greedy), ['7'])
  t.is(pointsOf(rig, greedy), 0)
})

test('a link pulls at most twice what there was to pull', t => {
  const rig = new Rig()
  const author = new Author(8)
  const [bearer, greedy] = [rig.peer(1), rig.peer(2)]
  const texts = ['x'.repeat(4000)]
  for (let seq = 0; seq < 20; seq++) bearer.batch(author.batch(seq, { texts }))
  let batches = 0
  for (let i = 0; i < 10; i++) {
    rig.nowMs += LIMITS.answerMs
    batches += answeredWith(rig, greedy, () => greedy.want(author.ref, 0, 20)).filter(
      text => !text.startsWith('o')
    ).length
  }
  t.true(batches >= 40 && batches <= 43, `${batches} of 20`)
  // News are more to pull.
  bearer.batch(author.batch(20, { texts, createdMs: rig.nowMs }))
  t.deepEqual(
    answeredWith(rig, greedy, () => greedy.want(author.ref, 20, 1)),
    ['20']
  )
})

test('while a link takes no more, what was answered is not queued again; when it took all, it is', t => {
  const rig = new Rig()
  const author = new Author(8)
  const [bearer, slow] = [rig.peer(1), rig.peer(2)]
  for (let seq = 0; seq < 5; seq++) bearer.batch(author.batch(seq))
  const ask = () => answeredWith(rig, slow, () => slow.want(author.ref, 0, 5)).length
  t.is(ask(), 5)
  rig.step({ type: 'blocked', link: slow.link })
  t.is(ask(), 0)
  t.is(ask(), 0)
  rig.step({ type: 'drained', link: slow.link })
  t.is(ask(), 5)
})

test('all topics of a connection share what it may send', async t => {
  const limits = { framesPerSecond: 40 }
  const [a, b] = [node(t), node(t, { limits })]
  const names = ['dogs', 'birds', 'fish']
  const ours = names.map(name => listen(b.gossip.join(name)))
  const theirs = names.map(name => a.gossip.join(name))
  connect(a, b)
  await linked(a, b)
  await until(() => theirs.every(topic => topic.peers().length === 1))
  // One topic alone would be within the budget of 80 at once.
  await Promise.all(
    theirs.flatMap((topic, i) =>
      Array.from({ length: 40 }, (_, n) => topic.publish(n, { ttlMs: 1000 * (1 + ((n + i) % 60)) }))
    )
  )
  await until(() => (b.gossip.stats.drops['over-budget'] ?? 0) > 0)
  // Nothing is lost by it.
  await until(() => ours.every(({ messages }) => messages.length === 40), 20_000)
  t.pass()
})

test('a connection carries as many topics as its limit says', async t => {
  const [a, b] = [node(t, { limits: { maxChannelsPerConnection: 2 } }), node(t)]
  const topics = ['dogs', 'birds'].map(name => [a.gossip.join(name), b.gossip.join(name)] as const)
  connect(a, b)
  await linked(a, b)
  await until(() => topics[0]?.[0].peers().length === 1)
  t.is(topics[1]?.[0].peers().length, 0)
  t.is(topics[1]?.[1].peers().length, 0)
})
