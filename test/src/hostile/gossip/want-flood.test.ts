/** WANT for everything, again and again; for what nobody has; with grafts without end. */
import { encodeWant, FrameKind, LIMITS, makeAuthorRef } from '@hearsay/gossip/core'
import test from 'ava'
import b4a from 'b4a'
import { TOPIC_KEY, underAttack } from '../../support/attack.js'
import { dropsOf, inventedAuthors, RawAuthor } from '../../support/raw-peer.js'
import { soon } from '../../support/until.js'

test('X10 asking for everything again and again is answered up to a budget, and then costs the link', async t => {
  const { victim, member, goesOn } = await underAttack(t)
  const greedy = await member()
  const data = 'x'.repeat(1000)
  let last = await victim.topic.publish(data)
  for (let i = 0; i < 100; i++) last = await victim.topic.publish(data)
  const ref = makeAuthorRef(victim.gossip.publicKey, b4a.from(last.incarnation, 'hex'))
  greedy.bind(ref)
  const all = encodeWant(false, [{ ref, from: 0, count: LIMITS.maxRangeSeqs }], [0])
  for (let i = 0; i < 60; i++) greedy.send(FrameKind.want, all)
  await soon(() => greedy.received(FrameKind.miss).length > 0, { what: 'it is told that it asks too much' })
  greedy.atOnce(() => {
    for (let i = 0; i < 1000; i++) greedy.send(FrameKind.want, all)
  })
  await soon(() => greedy.closed === 1, { what: 'the greedy one is cut' })
  t.true(dropsOf(victim.gossip, 'over-budget') >= 20)
  const answers = greedy.received(FrameKind.batch).length
  t.true(answers <= 2 * LIMITS.wantsPerSecond * (last.seq + 10), `${answers} batches for 1,000 questions`)
  await goesOn()
})

test('X10 asking for what nobody has is answered by MISS, within the same budget', async t => {
  const { member, spared, goesOn } = await underAttack(t)
  const peer = await member()
  const refs = inventedAuthors(64)
  for (const [ix, ref] of refs.entries()) peer.bind(ref, ix)
  const ranges = refs.map(ref => ({ ref, from: 2 ** 52, count: LIMITS.maxRangeSeqs }))
  const all = encodeWant(
    true,
    ranges,
    refs.map((_, ix) => ix)
  )
  for (let i = 0; i < 10; i++) peer.send(FrameKind.want, all)
  await soon(() => peer.received(FrameKind.miss).length >= 10)
  t.is(peer.received(FrameKind.batch).filter(bytes => bytes.length === 0).length, 0)
  await spared(peer)
  await goesOn()
})

test('X10 a WANT with 65 ranges closes the link; one of 2^53-1 seqs is cut to what is answered at once', async t => {
  const { member, dropped, cut, spared, heard, goesOn } = await underAttack(t)
  const author = new RawAuthor(TOPIC_KEY)
  const { ref } = author
  const patient = await member()
  patient.push(author.batch(['kept']))
  await soon(() => heard(author).length === 1)
  patient.send(FrameKind.want, encodeWant(false, [{ ref, from: 0, count: Number.MAX_SAFE_INTEGER }], [0]))
  await soon(() => patient.seqsOf(author).length === 1, { what: 'the answer' })
  await spared(patient)
  const greedy = await member()
  greedy.bind(ref)
  const ranges = Array.from({ length: LIMITS.maxWantRanges + 1 }, (_, from) => ({ ref, from, count: 1 }))
  greedy.send(FrameKind.want, encodeWant(false, ranges, new Array(ranges.length).fill(0)))
  await dropped('too-large')
  await cut(greedy)
  await goesOn()
})
