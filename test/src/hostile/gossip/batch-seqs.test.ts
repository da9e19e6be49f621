/** Seqs that leave holes, overlap, lie at the end of all numbers, or beyond. */
import { encodeBatch, FrameKind, LIMITS } from '@hearsay/gossip/core'
import test from 'ava'
import { TOPIC_KEY, underAttack } from '../../support/attack.js'
import { RawAuthor } from '../../support/raw-peer.js'
import { until } from '../../support/until.js'

test('X10 a batch that overlaps an accepted one is dropped, at no charge, and what follows is heard', async t => {
  const { member, dropped, spared, heard, goesOn } = await underAttack(t)
  const peer = await member()
  const author = new RawAuthor(TOPIC_KEY)
  peer.push(author.batch(['a', 'b', 'c'], { seq0: 5 }))
  await until(() => heard(author).length === 3)
  peer.push(author.batch(['B', 'C', 'D'], { seq0: 6 }))
  peer.push(author.batch(['x', 'y'], { seq0: 4 }))
  peer.push(author.batch(Array.from({ length: 64 }, (_, i) => i)))
  await dropped('overlap', 3)
  peer.push(author.batch(['d'], { seq0: 8 }))
  await until(() => heard(author).includes('d'))
  t.deepEqual(heard(author), ['a', 'b', 'c', 'd'])
  await spared(peer)
  await goesOn()
})

test('X10 seq 2^53-1 of an author is parked, not feared: bounded, and its seq 0 is heard', async t => {
  const { victim, member, dropped, spared, heard, goesOn } = await underAttack(t)
  const peer = await member()
  const author = new RawAuthor(TOPIC_KEY)
  for (const seq0 of [Number.MAX_SAFE_INTEGER, 2 ** 32, 2 ** 52, 1e6]) {
    peer.push(author.batch([seq0], { seq0 }))
    await dropped('too-far-ahead')
  }
  for (let seq0 = 0; seq0 < 5; seq0++) peer.push(author.batch([seq0], { seq0 }))
  await until(() => heard(author).length === 5)
  t.deepEqual(heard(author), [0, 1, 2, 3, 4])
  const [state] = victim.topic.explain(author.keyPair.publicKey).incarnations
  t.true((state?.gaps.length ?? 0) <= LIMITS.maxGaps)
  t.true(peer.received(FrameKind.want).length <= LIMITS.wantsPerSecond * 2)
  await spared(peer)
  await goesOn()
})

test('X10 a batch whose end is beyond 2^53-1, and a seq of 2^53 and more, are malformed', async t => {
  const { member, dropped, cut, goesOn } = await underAttack(t)
  const author = new RawAuthor(TOPIC_KEY)
  const hop = { hops: 0, mark: false, repair: false, last: false }
  const frame = encodeBatch(0, author.batch(['a', 'b'], { seq0: 2 ** 53 - 2 }), hop)
  const beyond = new Uint8Array(frame)
  // Behind index, flags and hops stand the marker and eight bytes of the seq.
  const SEQ = 4
  const values = [
    [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x1f, 0],
    [0, 0, 0, 0, 0, 0, 0x20, 0],
    new Array(8).fill(0xff)
  ]
  for (const value of values) {
    const peer = await member()
    peer.bind(author.ref)
    beyond.set(value, SEQ)
    peer.send(FrameKind.batch, beyond)
    await dropped('malformed')
    await cut(peer)
    peer.stream.destroy()
  }
  await goesOn()
})

test('X10 a thousand holes of one author are remembered as few ranges', async t => {
  const { victim, member, heard, goesOn } = await underAttack(t)
  const peer = await member()
  const author = new RawAuthor(TOPIC_KEY)
  peer.atOnce(() => {
    for (let seq = 0; seq < 1000; seq++) peer.push(author.batch([seq], { seq0: seq * 2 }))
  })
  await until(() => heard(author).length >= 512)
  await goesOn()
  const [state] = victim.topic.explain(author.keyPair.publicKey).incarnations
  t.true((state?.gaps.length ?? 0) <= LIMITS.maxGaps, `${state?.gaps.length} ranges`)
})
