import test from 'ava'
import { Author, Net, Rig, START_MS, sendsTo, wantsIn } from './support/core-net.js'

test('a line of three: published at one end, delivered once at both others, and not to the publisher', t => {
  const net = new Net()
  const [a, b, c] = [net.node(), net.node(), net.node()]
  net.link(a, b)
  net.link(b, c)
  net.run(100)
  a.publish('hello')
  net.run(1000)
  t.deepEqual(b.log.texts(), ['hello'])
  t.deepEqual(c.log.texts(), ['hello'])
  t.deepEqual(a.log.delivered, [])
  t.is(c.log.delivered[0]?.hops, 1)
  t.is(a.log.own.length, 1)
})

test('nothing goes back to the link that it came from: the sends of a full mesh are counted', t => {
  const net = new Net()
  const nodes = [net.node(), net.node(), net.node(), net.node()]
  for (const [i, a] of nodes.entries()) for (const b of nodes.slice(i + 1)) net.link(a, b)
  net.run(100)
  for (const node of nodes) node.sent.batch = 0
  for (let i = 0; i < 20; i++) {
    nodes[0]?.publish(`m${i}`)
    net.run(50)
  }
  net.run(2000)
  for (const node of nodes.slice(1)) t.is(node.log.delivered.length, 20)
  const sends = nodes.reduce((sum, node) => sum + node.sent.batch, 0)
  // The first floods: the publisher tells 3, each of them the 2 that it didn't get it from. Then only the publisher tells.
  t.is(sends, 3 + 3 * 2 + 19 * 3)
  t.is(
    nodes.reduce((sum, node) => sum + node.sent.want, 0),
    0
  )
})

test('S7 driven by hand: without a step nothing moves, and one step moves all that is due', t => {
  const rig = new Rig()
  const peer = rig.peer(1)
  rig.pass(100)
  for (let publish = 1; publish <= 3; publish++) {
    rig.step({ type: 'publish', publish, payload: new Uint8Array(publish) })
  }
  rig.nowMs += 5000
  t.is(rig.core.counters.signed, 0)
  t.deepEqual(rig.log.of('published'), [])
  const sent = sendsTo(rig.step({ type: 'tick' }), peer.link).filter(({ frame }) => frame.kind === 'batch')
  t.is(sent.length, 1)
  t.deepEqual(
    rig.log.of('published').map(({ seq }) => seq),
    [0, 1, 2]
  )
})

test('two messages of one tick cost one signature', t => {
  const rig = new Rig()
  rig.step({ type: 'publish', publish: 1, payload: new Uint8Array(3) })
  rig.step({ type: 'publish', publish: 2, payload: new Uint8Array(4) })
  t.is(rig.core.counters.signed, 0)
  rig.step({ type: 'tick' })
  t.is(rig.core.counters.signed, 1)
  t.deepEqual(
    rig.log.of('published').map(({ publish, seq, links }) => [publish, seq, links]),
    [
      [1, 0, 0],
      [2, 1, 0]
    ]
  )
})

test('what was published before the first peer reaches it within the ttl', t => {
  const net = new Net()
  const a = net.node()
  a.publish('early')
  net.run(29_000)
  const b = net.node()
  net.link(a, b)
  net.run(500)
  t.deepEqual(b.log.texts(), ['early'])
  t.is(a.log.of('published')[0]?.links, 0)
})

test('what was published before the first peer does not reach it after the ttl', t => {
  const net = new Net()
  const a = net.node()
  a.publish('early')
  net.run(30_100)
  const b = net.node()
  net.link(a, b)
  net.run(5000)
  t.deepEqual(b.log.texts(), [])
  t.deepEqual(b.log.of('gap'), [])
})

test('ten restarts with one key lose nothing, though the seqs are equal', t => {
  const net = new Net()
  const b = net.node()
  for (let i = 0; i < 10; i++) {
    const a = net.node({ seed: 99 })
    const [link] = net.link(a, b)
    net.run(100)
    a.publish(`first of ${i}`)
    net.run(5)
    a.publish(`second of ${i}`)
    net.run(200)
    net.cut(a, link)
  }
  t.is(b.log.delivered.length, 20)
  t.is(new Set(b.log.texts()).size, 20)
  t.is(new Set(b.log.delivered.map(message => message.author)).size, 1)
  t.deepEqual([...new Set(b.log.delivered.map(message => message.seq))], [0, 1])
})

test('two devices with one key hear each other', t => {
  const net = new Net()
  const [a, b] = [net.node({ seed: 9 }), net.node({ seed: 9 })]
  net.link(a, b)
  net.run(100)
  a.publish('from a')
  net.run(100)
  b.publish('from b')
  net.run(100)
  t.deepEqual(a.log.texts(), ['from b'])
  t.deepEqual(b.log.texts(), ['from a'])
})

test('a late joiner gets what is unexpired, also from a neighbour that only forwarded it', t => {
  const net = new Net()
  const [a, b] = [net.node(), net.node()]
  const [link] = net.link(a, b)
  net.run(100)
  for (let i = 0; i < 30; i++) {
    a.publish(`m${i}`)
    net.run(20)
  }
  net.cut(a, link)
  net.run(10_000)
  const c = net.node()
  net.link(b, c)
  net.run(1000)
  t.is(c.log.delivered.length, 30)
  t.is(new Set(c.log.texts()).size, 30)
  t.deepEqual(c.log.of('gap'), [])
})

test('A26 after a partition of 10 s every unexpired message arrives once', t => {
  const net = new Net()
  const nodes = [net.node(), net.node(), net.node(), net.node()] as const
  const [a, b, c, d] = nodes
  net.link(a, b)
  net.link(c, d)
  const [bridge] = net.link(b, c)
  net.run(200)
  a.publish('before a')
  d.publish('before d')
  net.run(200)
  net.cut(b, bridge)
  for (let i = 0; i < 100; i++) {
    a.publish(`a${i}`)
    d.publish(`d${i}`)
    net.run(100)
  }
  net.link(b, c)
  net.run(2000)
  for (const node of nodes) {
    t.is(node.log.delivered.length, node === b || node === c ? 202 : 101, String(node.number))
    t.is(new Set(node.log.texts()).size, node.log.delivered.length)
    t.deepEqual(node.log.of('gap'), [])
  }
})

test('frames are held until admit() answers, then interpreted in order', t => {
  const rig = new Rig({ asksAdmit: true })
  const author = new Author(8)
  const peer = rig.peer(1)
  const ask = rig.log.of('ask')[0]
  t.is(ask?.about, 'admit')
  peer.batch(author.batch(0))
  peer.batch(author.batch(1))
  t.deepEqual(rig.log.texts(), [])
  t.deepEqual(rig.log.of('linkUp'), [])
  t.deepEqual(rig.log.of('send'), [])
  rig.step({ type: 'answer', question: ask?.question ?? 0, verdicts: ['accept'] })
  t.deepEqual(rig.log.texts(), ['m0', 'm1'])
  t.is(rig.log.of('linkUp').length, 1)
})

test('a refusal by admit() closes the link, and a later answer does nothing', t => {
  const rig = new Rig({ asksAdmit: true })
  const peer = rig.peer(1)
  const question = rig.log.of('ask')[0]?.question ?? 0
  rig.step({ type: 'answer', question, verdicts: ['ignore'] })
  t.is(rig.log.of('closeLink')[0]?.reason, 'refused')
  rig.step({ type: 'answer', question, verdicts: ['accept'] })
  t.deepEqual(rig.log.of('linkUp'), [])
  t.is(peer.link, 1)
})

test('an answer of admit() after the link has gone does nothing', t => {
  const rig = new Rig({ asksAdmit: true })
  const peer = rig.peer(1)
  rig.step({ type: 'linkDown', link: peer.link })
  rig.step({ type: 'answer', question: rig.log.of('ask')[0]?.question ?? 0, verdicts: ['accept'] })
  t.deepEqual(rig.log.of('linkUp'), [])
  t.deepEqual(rig.core.links(), [])
})

test('without an answer of admit() the link is closed', t => {
  const rig = new Rig({ asksAdmit: true })
  rig.peer(1)
  rig.pass(5000)
  t.is(rig.log.of('closeLink')[0]?.reason, 'refused')
})

test('what is dropped from an unadmitted link is missed when it is admitted, and nobody pays for it', t => {
  const rig = new Rig({ asksAdmit: true })
  const [first, second] = [new Author(8), new Author(9)]
  const peer = rig.peer(1)
  for (let seq = 0; seq < 40; seq++) peer.batch(first.batch(seq))
  peer.batch(second.batch(0))
  peer.have(second.ref, 1)
  peer.have(first.ref, 40)
  t.true((rig.log.drops().unadmitted ?? 0) >= 9)
  const question = rig.log.of('ask')[0]?.question ?? 0
  rig.step({ type: 'answer', question, verdicts: ['accept'] })
  t.is(rig.log.delivered.length, 31)
  t.deepEqual(wantsIn(rig.pass(20)), [`${peer.link}:0+1`, `${peer.link}:31+9`])
  t.deepEqual(rig.log.of('closeLink'), [])
})

test('an unadmitted link that binds more authors than there is room for is closed, without demerits', t => {
  const rig = new Rig({ asksAdmit: true })
  const peer = rig.peer(1)
  for (let i = 0; i < 2100 && rig.log.of('closeLink').length === 0; i++) {
    peer.want(new Author(8, { startMs: START_MS - i }).ref, 0, 1)
  }
  t.deepEqual(
    rig.log.of('closeLink').map(({ reason, backoffMs }) => ({ reason, backoffMs })),
    [{ reason: 'limit', backoffMs: 0 }]
  )
})

test('beyond 32 frames an unadmitted link is dropped from', t => {
  const rig = new Rig({ asksAdmit: true })
  const peer = rig.peer(1)
  for (let i = 0; i < 40; i++) peer.frame(3, new Uint8Array([0, 0]))
  t.is(rig.log.drops().unadmitted, 8)
})

test('a wrong proof closes the link, refuses the key for 60 s, and no further frame is interpreted', t => {
  const rig = new Rig()
  const peer = rig.peer(1, { hello: 'wrong' })
  t.deepEqual(
    rig.log.of('closeLink').map(({ reason, backoffMs }) => [reason, backoffMs]),
    [['bad-proof', 60_000]]
  )
  t.is(rig.log.of('warning')[0]?.code, 'bad-proof')
  const effects = peer.frame(1, new Uint8Array(200))
  t.deepEqual(
    effects.map(effect => (effect.type === 'drop' ? effect.reason : effect.type)),
    ['unproven']
  )
  rig.pass(59_000)
  const again = rig.peer(1)
  t.is(rig.log.of('closeLink').at(-1)?.reason, 'backoff')
  t.is(rig.log.of('closeLink').at(-1)?.link, again.link)
  rig.pass(1000)
  rig.peer(1)
  t.is(rig.log.of('linkUp').length, 1)
})

test('a frame before the hello is not decoded', t => {
  const rig = new Rig()
  const peer = rig.peer(1, { hello: 'none' })
  peer.frame(1, new Uint8Array([255, 255, 255]))
  t.deepEqual(rig.log.drops(), { unproven: 1 })
  peer.hello()
  t.is(rig.log.of('linkUp').length, 1)
})

test('no hello within 5 s closes the link', t => {
  const rig = new Rig()
  rig.peer(1, { hello: 'none' })
  rig.pass(4999)
  t.deepEqual(rig.log.of('closeLink'), [])
  rig.pass(1)
  t.is(rig.log.of('closeLink')[0]?.reason, 'hello-timeout')
})

test('a lagging link gets no batches, and all watermarks when it is drained', t => {
  const rig = new Rig()
  const [slow, fast] = [rig.peer(1), rig.peer(2)]
  rig.step({ type: 'lagging', link: slow.link })
  const effects = rig.publish(1, 'x')
  t.is(sendsTo(effects, slow.link).filter(({ frame }) => frame.kind === 'batch').length, 0)
  t.is(sendsTo(effects, fast.link).filter(({ frame }) => frame.kind === 'batch').length, 1)
  t.is(rig.log.of('published')[0]?.links, 1)
  const drained = sendsTo(rig.step({ type: 'drained', link: slow.link }), slow.link)
  t.deepEqual(
    drained.map(({ frame }) => (frame.kind === 'have' ? [frame.have, frame.entries[0]?.next] : [])),
    [['lag', 1]]
  )
  const ref = rig.log.of('deliver')[0]?.batch.ref
  if (ref === undefined) return t.fail()
  const answer = sendsTo(slow.want(ref, 0, 1), slow.link)
  t.true(answer.some(({ frame }) => frame.kind === 'batch' && frame.repair && frame.last))
})

test('publish waits while all active links are blocked, and goes on in order', t => {
  const rig = new Rig()
  const [one, two] = [rig.peer(1), rig.peer(2)]
  rig.step({ type: 'blocked', link: one.link })
  rig.publish(1, 'while one is open')
  t.is(rig.log.of('published').length, 1)
  rig.step({ type: 'blocked', link: two.link })
  for (let i = 2; i <= 4; i++) rig.publish(i, `m${i}`)
  rig.pass(2000)
  t.is(rig.log.of('published').length, 1)
  rig.step({ type: 'cancel', publish: 3 })
  rig.step({ type: 'drained', link: two.link })
  rig.pass(0)
  t.deepEqual(
    rig.log.of('published').map(({ publish, seq }) => [publish, seq]),
    [
      [1, 0],
      [2, 1],
      [4, 2]
    ]
  )
})

test('a long queue is let out bit by bit, so that links can say that they are blocked', t => {
  const rig = new Rig()
  const peer = rig.peer(1)
  rig.step({ type: 'blocked', link: peer.link })
  for (let i = 0; i < 100; i++) rig.step({ type: 'publish', publish: i, payload: new Uint8Array(4000) })
  const effects = rig.step({ type: 'drained', link: peer.link })
  const bytes = sendsTo(effects, peer.link).reduce(
    (sum, { frame }) => sum + (frame.kind === 'batch' ? frame.batch.payloadBytes.length : 0),
    0
  )
  t.true(bytes > 16_000 && bytes < 64_000, String(bytes))
  rig.pass(0)
  t.is(rig.log.of('published').length, 100)
})

test('when too many wait the publish is refused', t => {
  const rig = new Rig({ limits: { maxWaitingPublishes: 2 } })
  const peer = rig.peer(1)
  rig.step({ type: 'blocked', link: peer.link })
  for (let i = 1; i <= 3; i++) rig.publish(i, 'x')
  t.deepEqual(
    rig.log.of('refused').map(({ publish, reason }) => [publish, reason]),
    [[3, 'full']]
  )
})

test('leave signs the open batch, closes all links, and refuses what comes later', t => {
  const rig = new Rig()
  const peer = rig.peer(1)
  rig.step({ type: 'publish', publish: 1, payload: new Uint8Array(1) })
  const effects = rig.step({ type: 'leave' })
  const kinds = effects.map(effect => effect.type)
  t.true(kinds.indexOf('send') < kinds.indexOf('closeLink'))
  t.is(rig.log.of('published').length, 1)
  t.deepEqual(
    rig.log.of('closeLink').map(({ link, reason }) => [link, reason]),
    [[peer.link, 'left']]
  )
  rig.step({ type: 'publish', publish: 2, payload: new Uint8Array(1) })
  t.is(rig.log.of('refused')[0]?.reason, 'closed')
  t.is(rig.log.of('wake').at(-1)?.atMs, Number.POSITIVE_INFINITY)
})

test('an idle link is told that we live, once a second', t => {
  const rig = new Rig()
  const peer = rig.peer(1)
  const lives = sendsTo(rig.pass(2500), peer.link).filter(
    ({ frame }) => frame.kind === 'have' && frame.have === 'live'
  )
  t.is(lives.length, 2)
})

test('a link that is silent for 3 s is not used until a frame arrives; then it is told all', t => {
  const rig = new Rig()
  const peer = rig.peer(1)
  rig.pass(2999)
  const roles = () => rig.log.of('linkRole').map(({ role }) => role)
  t.deepEqual(roles(), ['active'])
  rig.pass(1)
  t.deepEqual(roles(), ['active', 'standby'])
  t.is(sendsTo(rig.publish(1, 'x'), peer.link).filter(({ frame }) => frame.kind === 'batch').length, 0)
  const effects = peer.send({ kind: 'have', have: 'live', entries: [] })
  t.true(
    sendsTo(effects, peer.link).some(
      ({ frame }) => frame.kind === 'have' && frame.have === 'join' && frame.entries.length === 1
    )
  )
  t.deepEqual(roles(), ['active', 'standby', 'active'])
})

test('L9 of two connections to one peer one is active, and the other takes over', t => {
  const rig = new Rig()
  const first = rig.peer(1, { salt: 9 })
  const second = rig.peer(1, { salt: 5 })
  const roles = () => rig.core.links().map(({ link, role }) => [link, role])
  t.deepEqual(roles(), [
    [first.link, 'active'],
    [second.link, 'standby']
  ])
  const effects = rig.publish(1, 'x')
  t.is(sendsTo(effects, second.link).length, 0)
  t.true(sendsTo(effects, first.link).length > 0)
  rig.step({ type: 'linkDown', link: first.link })
  t.deepEqual(roles(), [[second.link, 'active']])
})

test('after a tick that came too early the core asks for another', t => {
  const rig = new Rig()
  rig.peer(1)
  const wish = rig.log.wakeAtMs
  const effects = rig.step({ type: 'tick' })
  t.deepEqual(effects, [{ type: 'wake', atMs: wish }])
})

test('a wall clock that jumps starts a new incarnation', t => {
  const rig = new Rig()
  rig.publish(1, 'a')
  rig.step({ type: 'clock', offsetMs: 31_000 })
  rig.publish(2, 'b')
  rig.step({ type: 'clock', offsetMs: 32_000 })
  rig.publish(3, 'c')
  rig.step({ type: 'clock', offsetMs: -100_000 })
  rig.publish(4, 'd')
  const published = rig.log.of('published')
  t.deepEqual(
    published.map(({ seq }) => seq),
    [0, 0, 1, 0]
  )
  t.is(new Set(published.map(({ incarnation }) => incarnation)).size, 3)
  t.is(rig.log.of('warning').filter(({ code }) => code === 'clock').length, 2)
})

test('when the clocks of three peers agree against ours, there is one warning', t => {
  const rig = new Rig()
  const clockMs = START_MS + 5001
  rig.peer(1, { clockMs })
  rig.peer(2, { clockMs })
  t.deepEqual(rig.log.of('warning'), [])
  for (const number of [3, 4]) rig.peer(number, { clockMs })
  t.deepEqual(
    rig.log.of('warning').map(({ code }) => code),
    ['clock']
  )
})

test('equal inputs give equal effects', t => {
  const run = (): string => {
    const net = new Net()
    const nodes = [net.node(), net.node(), net.node()] as const
    net.link(nodes[0], nodes[1], 7)
    net.link(nodes[1], nodes[2], 13)
    net.link(nodes[2], nodes[0], 29)
    let lost = 0
    net.isLost = (_from, _to, kind) => kind === 1 && ++lost % 3 === 0
    for (let i = 0; i < 30; i++) {
      nodes[i % 3]?.publish(`m${i}`)
      net.run(17)
    }
    net.run(5000)
    t.true(lost > 20)
    return JSON.stringify(nodes.map(node => node.log.effects))
  }
  t.is(run(), run())
})

test('all charges are back at 0 when links are gone and all has expired', t => {
  const net = new Net()
  const [a, b] = [net.node(), net.node()]
  const [link] = net.link(a, b)
  net.run(100)
  a.publish('x')
  net.run(100)
  t.is(b.core.sizes.chargedPeers, 1)
  net.cut(a, link)
  net.run(62_000)
  const { links, authors, chargedPeers, cacheBatches, cacheBytes, repairs, questions, parked } = b.core.sizes
  t.deepEqual(
    { links, authors, chargedPeers, cacheBatches, cacheBytes, repairs, questions, parked },
    {
      links: 0,
      authors: 0,
      chargedPeers: 0,
      cacheBatches: 0,
      cacheBytes: 0,
      repairs: 0,
      questions: 0,
      parked: 0
    }
  )
  t.is(net.nowMs, START_MS + 62_200)
})
