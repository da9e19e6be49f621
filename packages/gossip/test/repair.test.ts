import test from 'ava'
import type { Batch } from '#gossip/core/types'
import { Author, Net, Rig, START_MS, sendsTo, wantsIn } from './support/core-net.js'

const firstBatch = (rig: Rig): Batch => rig.log.of('deliver').map(({ batch }) => batch)[0] as Batch
const gapsOf = (rig: Rig): string[] => rig.log.of('gap').map(({ from, to }) => `${from}-${to}`)

test('a hole is asked for after 10 ms, of the one who sent the batch above it', t => {
  const rig = new Rig()
  const peer = rig.peer(1)
  const author = new Author(8)
  peer.batch(author.batch(0))
  peer.batch(author.batch(3))
  t.deepEqual(wantsIn(rig.pass(9)), [])
  t.deepEqual(wantsIn(rig.pass(1)), [`${peer.link}:1+2`])
  peer.batch(author.batch(1), { repair: true })
  peer.batch(author.batch(2), { repair: true, last: true })
  t.deepEqual(rig.log.texts(), ['m0', 'm3', 'm1', 'm2'])
  t.is(rig.core.explain(author.ref.authorId)[0]?.watermark, 3)
  t.is(rig.core.counters.repaired, 2)
  t.is(rig.core.sizes.repairs, 0)
  t.deepEqual(wantsIn(rig.pass(2000)), [])
})

test('a hole that is filled in time is not asked for', t => {
  const rig = new Rig()
  const peer = rig.peer(1)
  const author = new Author(8)
  peer.batch(author.batch(1))
  rig.pass(5)
  peer.batch(author.batch(0))
  t.deepEqual(wantsIn(rig.pass(1000)), [])
})

test('a HAVE above ours is asked for after 20 ms; what is pushed meanwhile is not', t => {
  const rig = new Rig()
  const peer = rig.peer(1)
  const author = new Author(8)
  peer.batch(author.batch(0))
  peer.have(author.ref, 3)
  t.deepEqual(wantsIn(rig.pass(19)), [])
  peer.batch(author.batch(1))
  t.deepEqual(wantsIn(rig.pass(1)), [`${peer.link}:2+1`])
})

test('an incarnation that we never heard of is asked for from 0', t => {
  const rig = new Rig()
  const peer = rig.peer(1)
  const author = new Author(8, { startMs: START_MS - 10_000 })
  peer.have(author.ref, 2, 0, 'join')
  t.deepEqual(wantsIn(rig.pass(20)), [`${peer.link}:0+2`])
  peer.miss(author.ref, 0, 1, 1)
  peer.batch(author.batch(1), { repair: true, last: true })
  t.deepEqual(rig.log.texts(), ['m1'])
  rig.pass(31_000)
  t.is(rig.core.explain(author.ref.authorId)[0]?.watermark, 1)
  t.deepEqual(gapsOf(rig), [])
  t.is(rig.core.sizes.repairs, 0)
})

test('one seq is asked of one link at a time; after a timeout of the next; after MISS at once', t => {
  const rig = new Rig({ limits: { unknownRttMs: 0 } })
  const [one, two, three] = [rig.peer(1), rig.peer(2), rig.peer(3)]
  const author = new Author(8)
  for (const peer of [one, two, three]) peer.have(author.ref, 1)
  t.deepEqual(wantsIn(rig.pass(20)), [`${one.link}:0+1`])
  t.deepEqual(wantsIn(rig.pass(39)), [])
  t.deepEqual(wantsIn(rig.pass(1)), [`${two.link}:0+1`])
  t.deepEqual(wantsIn(two.miss(author.ref, 0, 1)).length, 1)
  const asked = wantsIn(rig.log.effects)
  t.is(asked.length, 3)
  three.batch(author.batch(0), { repair: true, last: true })
  // The three fall silent then, so each tree is grafted elsewhere: such a WANT asks for no message.
  const wants = wantsIn(rig.pass(5000))
  t.deepEqual(
    wants.filter(want => !want.endsWith('+0')),
    []
  )
})

test('who tells late that it has a message is asked before silent ones are asked again', t => {
  const rig = new Rig({ limits: { unknownRttMs: 0 } })
  const [one, two, three, four] = [rig.peer(1), rig.peer(2), rig.peer(3), rig.peer(4)]
  const author = new Author(8)
  one.have(author.ref, 1)
  two.have(author.ref, 1)
  t.deepEqual(wantsIn(rig.pass(60)), [`${one.link}:0+1`, `${two.link}:0+1`])
  three.have(author.ref, 1)
  t.deepEqual(wantsIn(rig.pass(39)), [], 'two still has its time')
  t.deepEqual(wantsIn(rig.pass(1)), [`${three.link}:0+1`])
  // Then one is asked again. It would have twice the time.
  t.deepEqual(wantsIn(rig.pass(40)), [`${one.link}:0+1`])
  four.have(author.ref, 1)
  t.deepEqual(wantsIn(rig.pass(39)), [])
  t.deepEqual(wantsIn(rig.pass(1)), [`${four.link}:0+1`], 'it has as much as before')
  four.miss(author.ref, 0, 1)
  t.is(wantsIn(rig.log.effects).at(-1), `${two.link}:0+1`)
})

test('who tells after others said nothing for long is asked, and not held for silent with them', t => {
  const rig = new Rig({ limits: { unknownRttMs: 0 } })
  const [liar, honest] = [rig.peer(1), rig.peer(2)]
  const author = new Author(8)
  honest.batch(author.batch(0))
  liar.have(author.ref, 2)
  const alive = (ms: number): string[] => {
    liar.send({ kind: 'have', have: 'live', entries: [] })
    honest.send({ kind: 'have', have: 'live', entries: [] })
    return wantsIn(rig.pass(ms))
  }
  t.true([alive(1000), alive(1000), alive(995)].flat().length >= 3)
  honest.have(author.ref, 2)
  t.deepEqual(alive(20), [`${honest.link}:1+1`])
})

test('who missed it and stands behind a hole of its own is asked again, once a second, while it says that it has more', t => {
  const rig = new Rig({ limits: { unknownRttMs: 0 } })
  const [feeder, peer] = [rig.peer(1), rig.peer(2)]
  const author = new Author(8)
  feeder.batch(author.batch(0))
  feeder.batch(author.batch(2))
  // Its watermark is 0, as ours is, and it has 2 as well.
  const tells = (): string[] => {
    peer.send({ kind: 'have', have: 'tick', entries: [{ ref: author.ref, next: 1, ahead: 2 }] })
    feeder.send({ kind: 'have', have: 'live', entries: [] })
    return wantsIn(rig.pass(100))
  }
  feeder.miss(author.ref, 1, 1)
  tells()
  peer.miss(author.ref, 1, 1)
  const asked: number[] = []
  for (let tick = 1; tick <= 25; tick++) {
    if (tells().length === 0) continue
    asked.push(tick)
    peer.miss(author.ref, 1, 1)
  }
  t.deepEqual(asked, [11, 22])
})

test('when the link that was asked goes, the next is asked at once', t => {
  const rig = new Rig()
  const [one, two] = [rig.peer(1), rig.peer(2)]
  const author = new Author(8)
  one.have(author.ref, 1)
  two.have(author.ref, 1)
  rig.pass(20)
  t.deepEqual(wantsIn(rig.step({ type: 'linkDown', link: one.link })), [`${two.link}:0+1`])
})

test('a claim that nobody makes good is forgotten: no gap, no watermark, no endless questions', t => {
  const rig = new Rig()
  const [liar, honest] = [rig.peer(1), rig.peer(2)]
  const author = new Author(8)
  honest.batch(author.batch(0))
  liar.have(author.ref, 2 ** 40)
  const alive = (ms: number): string[] => {
    const effects = rig.pass(ms)
    liar.send({ kind: 'have', have: 'live', entries: [] })
    honest.send({ kind: 'have', have: 'live', entries: [] })
    return wantsIn(effects)
  }
  const asked = [alive(2000), alive(2000)].flat()
  t.true(asked.length > 3 && asked.length <= 10, String(asked.length))
  t.deepEqual([alive(2000), alive(2000)].flat(), [])
  t.deepEqual(gapsOf(rig), [])
  t.is(rig.core.explain(author.ref.authorId)[0]?.watermark, 0)
  t.is(rig.core.sizes.repairs, 0)
  honest.batch(author.batch(1))
  honest.batch(author.batch(3))
  // What is really missing is still found.
  t.deepEqual(wantsIn(rig.pass(10)), [`${honest.link}:2+1`])
})

test('what all have missed is given up once, when the next higher batch has expired', t => {
  const rig = new Rig()
  const peer = rig.peer(1)
  const author = new Author(8)
  peer.batch(author.batch(0))
  peer.batch(author.batch(3, { ttlSeconds: 10 }))
  rig.pass(10)
  peer.miss(author.ref, 1, 2)
  const alive = (): void => void peer.send({ kind: 'have', have: 'live', entries: [] })
  for (let i = 0; i < 9; i++) {
    rig.pass(1000)
    alive()
  }
  t.deepEqual(gapsOf(rig), [])
  rig.pass(1000)
  t.deepEqual(gapsOf(rig), ['1-2'])
  t.is(rig.core.explain(author.ref.authorId)[0]?.watermark, 3)
  t.is(rig.core.counters.missed, 2)
  rig.pass(60_000)
  t.deepEqual(gapsOf(rig), ['1-2'])
})

test('a message that comes after its gap was told is still delivered', t => {
  const rig = new Rig()
  const peer = rig.peer(1)
  const author = new Author(8)
  peer.batch(author.batch(1, { ttlSeconds: 1 }))
  rig.pass(1100)
  t.deepEqual(gapsOf(rig), ['0-0'])
  peer.batch(author.batch(0))
  t.deepEqual(rig.log.texts(), ['m1', 'm0'])
})

test('what an author sent before we joined is no gap', t => {
  const rig = new Rig()
  const peer = rig.peer(1)
  const author = new Author(8, { startMs: START_MS - 60_000 })
  peer.batch(author.batch(500))
  t.deepEqual(wantsIn(rig.pass(10)), [`${peer.link}:0+500`])
  peer.miss(author.ref, 0, 500, 500)
  rig.pass(31_000)
  t.is(rig.core.explain(author.ref.authorId)[0]?.watermark, 500)
  t.deepEqual(gapsOf(rig), [])
})

test('what an author sent before we joined is asked of who comes later, too', t => {
  const rig = new Rig()
  const early = rig.peer(1)
  const author = new Author(8, { startMs: START_MS - 1000 })
  early.batch(author.batch(1))
  t.deepEqual(wantsIn(rig.pass(10)), [`${early.link}:0+1`])
  early.miss(author.ref, 0, 1)
  rig.pass(500)
  const late = rig.peer(2)
  late.have(author.ref, 2, 0, 'join')
  t.deepEqual(wantsIn(rig.pass(20)), [`${late.link}:0+1`])
  late.batch(author.batch(0), { repair: true, last: true })
  t.deepEqual(rig.log.texts(), ['m1', 'm0'])
  t.is(rig.core.sizes.repairs, 0)
})

test('who claims what it then misses, of an author that nobody else told of yet, hides nothing', t => {
  const rig = new Rig()
  const [liar, honest] = [rig.peer(1), rig.peer(2)]
  const author = new Author(8)
  liar.have(author.ref, 1500)
  t.deepEqual(wantsIn(rig.pass(20)), [`${liar.link}:0+1024`])
  liar.miss(author.ref, 0, 1024)
  // It is silent about the rest, and that is all there is to ask for.
  t.deepEqual(wantsIn(rig.pass(100))[0], `${liar.link}:1024+476`)
  honest.have(author.ref, 3)
  const asked = wantsIn(rig.pass(200)).filter(want => want.startsWith(`${honest.link}:`))
  t.is(asked[0], `${honest.link}:0+1024`)
  for (const seq of [0, 1, 2]) honest.batch(author.batch(seq), { repair: true, last: seq === 2 })
  t.deepEqual(rig.log.texts(), ['m0', 'm1', 'm2'])
  t.is(rig.core.explain(author.ref.authorId)[0]?.watermark, 2)
  t.deepEqual(gapsOf(rig), [])
})

test('nothing is kept of an author that was only claimed, whether that is missed, unanswered or both', t => {
  const rig = new Rig()
  const [liar, honest] = [rig.peer(1), rig.peer(2)]
  const refs = [8, 9, 10].map(number => new Author(number).ref)
  for (const ref of refs) liar.have(ref, 3000)
  t.is(wantsIn(rig.pass(20)).length, 3)
  for (const ref of refs.slice(0, 2)) liar.miss(ref, 0, 1024)
  liar.miss(refs[1] as Batch['ref'], 1024, 1976)
  for (let i = 0; i < 10; i++) {
    for (const peer of [liar, honest]) peer.send({ kind: 'have', have: 'live', entries: [] })
    rig.pass(1000)
  }
  t.is(rig.core.links().length, 2)
  t.is(rig.core.sizes.repairs, 0)
})

test('what lies out of reach behind a claim that nobody makes good is asked for', t => {
  const rig = new Rig()
  const peer = rig.peer(1)
  const author = new Author(8)
  peer.batch(author.batch(0))
  // Away for long: all but the last has expired, and the author pauses.
  peer.have(author.ref, 5000)
  t.deepEqual(wantsIn(rig.pass(20)), [`${peer.link}:1+1024`])
  peer.miss(author.ref, 1, 1024, 4999)
  t.deepEqual(wantsIn(rig.pass(100)), [`${peer.link}:4999+1`])
  peer.batch(author.batch(4999), { repair: true, last: true })
  t.deepEqual(rig.log.texts(), ['m0', 'm4999'])
  t.is(rig.core.explain(author.ref.authorId)[0]?.watermark, 4999)
})

test('what lies out of reach behind a hole that is proven waits for it', t => {
  const rig = new Rig()
  const peer = rig.peer(1)
  const author = new Author(8)
  peer.batch(author.batch(0))
  peer.batch(author.batch(3))
  peer.have(author.ref, 2000)
  t.deepEqual(wantsIn(rig.pass(20)), [`${peer.link}:1+2`, `${peer.link}:4+1024`])
  peer.miss(author.ref, 1, 2)
  peer.miss(author.ref, 4, 1024)
  // Accepted over the hole, it would push the hole out of the window.
  t.deepEqual(wantsIn(rig.pass(900)), [])
})

test('a new batch is not refused for a hole that nobody can fill', t => {
  const rig = new Rig()
  const peer = rig.peer(1)
  const author = new Author(8, { startMs: START_MS - 60_000 })
  peer.batch(author.batch(500))
  rig.pass(10)
  peer.miss(author.ref, 0, 500, 500)
  rig.pass(10)
  t.is(rig.core.explain(author.ref.authorId)[0]?.watermark, -1)
  for (let seq = 501; seq < 2000; seq++) {
    peer.batch(author.batch(seq))
    if (seq % 50 === 0) rig.pass(1000)
  }
  t.is(rig.log.delivered.length, 1500)
  t.deepEqual(rig.log.drops(), {})
  t.is(rig.core.explain(author.ref.authorId)[0]?.watermark, 1999)
})

test('out of reach is forgotten when the last who had it is gone', t => {
  const rig = new Rig()
  const [one, two] = [rig.peer(1), rig.peer(2)]
  const author = new Author(8, { startMs: START_MS - 60_000 })
  one.batch(author.batch(5000))
  t.is(rig.log.drops()['too-far-ahead'], 1)
  rig.pass(10)
  rig.step({ type: 'linkDown', link: one.link })
  for (let i = 0; i < 130; i++) {
    two.send({ kind: 'have', have: 'live', entries: [] })
    rig.pass(1000)
  }
  t.is(rig.core.sizes.repairs, 0)
})

test('an author who pauses until its entry has left makes no gap of what was received before', t => {
  const rig = new Rig()
  const author = new Author(8)
  rig.peer(1).batch(author.batch(0))
  rig.pass(70_000)
  t.is(rig.core.sizes.authors, 0)
  const peer = rig.peer(2)
  peer.batch(author.batch(2, { createdMs: rig.nowMs }))
  t.deepEqual(wantsIn(rig.pass(10)), [`${peer.link}:1+1`])
  rig.pass(31_000)
  t.deepEqual(gapsOf(rig), ['1-1'])
})

test('a WANT is answered with MISS for what is not cached, and LAST on the last batch', t => {
  const rig = new Rig()
  const peer = rig.peer(1)
  const author = new Author(8)
  for (const seq of [2, 3, 5]) peer.batch(author.batch(seq))
  const other = rig.peer(2)
  const answer = sendsTo(other.want(author.ref, 0, 8), other.link).map(({ class: sendClass, frame }) => {
    if (frame.kind === 'miss')
      return frame.entries.map(({ from, count, floor }) => `miss ${from}+${count} floor ${floor}`)
    return frame.kind === 'batch'
      ? `batch ${frame.batch.seq0} ${frame.repair} ${frame.last} ${sendClass}`
      : frame.kind
  })
  t.deepEqual(answer, [
    ['miss 0+2 floor 2', 'miss 4+1 floor 2', 'miss 6+2 floor 2'],
    'batch 2 true false 3',
    'batch 3 true false 3',
    'batch 5 true true 3'
  ])
})

test('an answer is at most 256 KiB', t => {
  const rig = new Rig()
  for (let i = 0; i < 20; i++) rig.publish(i, 'x'.repeat(40_000))
  const peer = rig.peer(1)
  const { ref } = firstBatch(rig)
  const sent = sendsTo(peer.want(ref, 0, 20), peer.link).filter(({ frame }) => frame.kind === 'batch')
  t.is(sent.length, 6)
})

test('WANTs over budget are answered with MISS, and charged only far beyond it', t => {
  const rig = new Rig()
  rig.publish(1, 'x')
  const { ref } = firstBatch(rig)
  const peer = rig.peer(1)
  let answered = 0
  for (let i = 0; i < 200; i++) {
    if (sendsTo(peer.want(ref, 0, 1), peer.link).some(({ frame }) => frame.kind === 'batch')) answered++
  }
  // The same batch three times in 3 s; link-budgets.test.ts has more of it.
  t.is(answered, 3)
  t.deepEqual(rig.log.drops(), {})
  for (let i = 0; i < 30; i++) peer.want(ref, 0, 1)
  t.is(rig.log.of('closeLink')[0]?.reason, 'demerits')
})

test('a link is asked at most 20 times in a burst and 20 times a second, if it answers', t => {
  const rig = new Rig()
  const peer = rig.peer(1)
  const author = new Author(8)
  peer.batch(author.batch(0))
  let asked = 0
  for (let seq = 2; seq <= 200; seq += 2) {
    peer.batch(author.batch(seq))
    const wants = rig.pass(10).filter(effect => effect.type === 'send' && effect.frame.kind === 'want')
    asked += wants.length
    if (wants.length > 0) peer.batch(author.batch(seq - 1), { repair: true })
  }
  t.true(asked > 30 && asked <= 40, String(asked))
})

test('a link that says nothing to 8 questions is asked once in 3 s, until it answers', t => {
  const rig = new Rig()
  const peer = rig.peer(1)
  let authors = 10
  const asked = (ms: number): number => {
    const before = rig.log.effects.length
    for (let passed = 0; passed < ms; passed += 100) {
      // It lives, and has more and more.
      peer.have(new Author(authors++).ref, 1)
      rig.pass(100)
    }
    return rig.log.effects
      .slice(before)
      .filter(effect => effect.type === 'send' && effect.frame.kind === 'want').length
  }
  t.is(asked(2000), 8)
  t.is(asked(9000), 3)
  peer.miss(new Author(10).ref, 0, 1)
  t.is(asked(1000), 8)
})

test('lost batches are found by the watermarks, also the last one', t => {
  const net = new Net()
  const [a, b] = [net.node(), net.node()]
  net.link(a, b)
  net.run(100)
  let lost = 0
  net.isLost = (from, _to, kind) => from === a && kind === 1 && ++lost <= 3
  for (let i = 0; i < 3; i++) {
    a.publish(`m${i}`)
    net.run(30)
  }
  // Nothing follows the last one; the next sign of life tells what was pushed.
  net.run(1500)
  t.is(lost > 3, true)
  t.deepEqual([...b.log.texts()].sort(), ['m0', 'm1', 'm2'])
})

test('who falls far behind pulls everything in order, while new batches wait for that', t => {
  const net = new Net()
  const [a, b] = [net.node(), net.node()]
  net.link(a, b, 20)
  net.run(100)
  // Everything is lost for a while, far more than a window holds.
  let isDown = true
  let lost = 0
  net.isLost = (from, _to, kind) => isDown && from === a && kind === 1 && ++lost > 0
  for (let i = 0; i < 5000; i++) {
    a.publish(`m${i}`)
    if (i % 16 === 15) net.run(5)
  }
  isDown = false
  t.true(lost >= 300)
  for (let i = 5000; i < 5400; i++) {
    a.publish(`m${i}`)
    net.run(5)
  }
  net.run(5000)
  t.is(b.log.delivered.length, 5400)
  t.is(new Set(b.log.texts()).size, 5400)
  t.deepEqual(b.log.of('gap'), [])
  t.true((b.core.counters.drops['too-far-ahead'] ?? 0) > 0)
})

test('a holder that withholds the far past does not mute the author', t => {
  const rig = new Rig()
  const peer = rig.peer(1)
  const author = new Author(8)
  peer.batch(author.batch(0))
  let seq = 5000
  let delivered = -1
  for (let i = 0; i < 100 && delivered < 0; i++) {
    peer.batch(author.batch(seq++))
    rig.pass(100)
    if (rig.log.delivered.length > 1) delivered = i * 100
  }
  t.true(delivered >= 0 && delivered <= 4000, String(delivered))
  t.deepEqual(gapsOf(rig), ['1-4999'])
  peer.batch(author.batch(seq))
  t.is(rig.log.delivered.at(-1)?.seq, seq)
})

test('if the far past is MISSed, new batches are accepted at once', t => {
  const rig = new Rig()
  const peer = rig.peer(1)
  const author = new Author(8, { startMs: START_MS - 50_000 })
  peer.batch(author.batch(100_000))
  t.deepEqual(rig.log.texts(), [])
  t.deepEqual(wantsIn(rig.pass(10)), [`${peer.link}:0+1024`])
  peer.miss(author.ref, 0, 1024, 99_999)
  t.deepEqual(wantsIn(rig.log.effects).slice(1), [`${peer.link}:99999+1`, `${peer.link}:100000+1`])
  peer.batch(author.batch(99_999), { repair: true })
  peer.batch(author.batch(100_000), { repair: true, last: true })
  t.deepEqual(rig.log.texts(), ['m99999', 'm100000'])
  t.deepEqual(gapsOf(rig), [])
  rig.pass(50)
  t.is(rig.core.explain(author.ref.authorId)[0]?.watermark, 100_000)
})

test('the round trip is learned from the first answer, and lengthens the patience', t => {
  const rig = new Rig()
  const peer = rig.peer(1)
  const author = new Author(8)
  peer.batch(author.batch(1))
  rig.pass(10)
  rig.nowMs += 30
  peer.batch(author.batch(0), { repair: true, last: true })
  t.is(rig.core.links()[0]?.rttMs, 30)
  peer.batch(author.batch(3))
  rig.pass(10)
  t.deepEqual(wantsIn(rig.pass(59)), [])
  t.deepEqual(wantsIn(rig.pass(1)), [`${peer.link}:2+1`])
})
