/** Option bootHorizon: at most once also across restarts. */
import test from 'ava'
import { Author, bytesOf, Net, Rig, START_MS, wantsIn } from './support/core-net.js'
import { connect, linked, node } from './support/gossip-nodes.js'
import { until } from './support/streams.js'

test('what was created before the start + 30 s is refused to the ms, without points and without a signature check', t => {
  const rig = new Rig({ bootHorizon: true })
  const peer = rig.peer(1)
  const author = new Author(8)
  peer.batch(author.batch(0, { createdMs: START_MS + 29_999 }))
  t.deepEqual(
    rig.log.of('drop').map(({ reason, points }) => [reason, points]),
    [['before-horizon', 0]]
  )
  t.is(rig.core.counters.verified, 0)
  peer.batch(author.batch(1, { createdMs: START_MS + 30_000 }))
  t.deepEqual(rig.log.texts(), ['m1'])
})

test('without the option nothing is refused at the start', t => {
  for (const overrides of [{}, { bootHorizon: false }]) {
    const rig = new Rig(overrides)
    rig.peer(1).batch(new Author(8).batch(0))
    t.deepEqual(rig.log.texts(), ['m0'])
  }
})

test('a receiver that restarts gets nothing twice, and hears what is published 30 s later', t => {
  for (const bootHorizon of [true, false]) {
    const net = new Net()
    const author = net.node()
    const before = net.node({ bootHorizon })
    const [link] = net.link(author, before)
    net.run(31_000)
    for (let i = 0; i < 5; i++) author.publish(`m${i}`)
    net.run(1000)
    t.is(before.log.delivered.length, 5)
    net.cut(author, link)
    const after = net.node({ bootHorizon, seed: before.number })
    net.link(author, after)
    net.run(31_000)
    author.publish('later')
    net.run(1000)
    const expected = bootHorizon ? ['later'] : ['m0', 'm1', 'm2', 'm3', 'm4', 'later']
    t.deepEqual(after.log.texts(), expected)
  }
})

test('an author whose backlog lies before the horizon, larger than a window, is heard after it', t => {
  const net = new Net()
  const author = net.node({ ttlMs: 120_000 })
  for (let i = 0; i < 3000; i++) {
    author.publish(`m${i}`)
    if (i % 100 === 99) net.run(10)
  }
  const after = net.node({ bootHorizon: true })
  net.link(author, after)
  net.run(31_000)
  t.deepEqual(after.log.texts(), [])
  const wants = author.log.of('send').length
  for (let i = 0; i < 3; i++) {
    author.publish(`later${i}`)
    net.run(1000)
  }
  t.deepEqual(after.log.texts(), ['later0', 'later1', 'later2'])
  t.true(author.log.of('send').length < wants + 1000)
})

test('who brought what lies before the horizon is not asked for it again', t => {
  const rig = new Rig({ bootHorizon: true })
  const peer = rig.peer(1)
  const author = new Author(8)
  peer.have(author.ref, 1, 0, 'join')
  const asked = wantsIn(rig.pass(30))
  t.deepEqual(asked, [`${peer.link}:0+1`])
  const effects = peer.batch(author.batch(0), { repair: true, last: true })
  effects.push(...rig.pass(20_000))
  t.deepEqual(rig.log.drops(), { 'before-horizon': 1 })
  t.deepEqual(wantsIn(effects), [])
})

test('a start with a slow clock: when the clock is set right, the horizon moves with it', t => {
  const rig = new Rig({ bootHorizon: true })
  const peer = rig.peer(1)
  const author = new Author(8)
  rig.pass(1000)
  rig.step({ type: 'clock', offsetMs: 100_000 })
  peer.batch(author.batch(0, { createdMs: START_MS + 101_000 }))
  peer.batch(author.batch(1, { createdMs: START_MS + 130_000 }))
  t.deepEqual(rig.log.texts(), ['m1'])
})

test('own messages are published at once, whatever the horizon', t => {
  const rig = new Rig({ bootHorizon: true })
  rig.step({ type: 'publish', publish: 1, payload: bytesOf('x') })
  rig.pass(0)
  t.is(rig.log.of('published').length, 1)
})

test('the option of a topic reaches its core, and is checked', async t => {
  const [a, b, c] = [node(t), node(t, { topic: { bootHorizon: true } }), node(t)]
  connect(a, b)
  connect(a, c)
  await linked(a, b, c)
  await until(() => a.topic.peers().length === 2)
  await a.topic.publish(1)
  await until(() => c.messages.length === 1 && (b.gossip.stats.drops['before-horizon'] ?? 0) > 0)
  t.is(b.messages.length, 0)
  const bad = { code: 'ERR_GOSSIP_BAD_OPTION', instanceOf: TypeError, message: /bootHorizon/ }
  t.throws(() => a.gossip.join('other', { bootHorizon: 1 as never }), bad)
})
