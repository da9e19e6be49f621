/** Batches from the future, from the past, and of incarnations that have not begun. */
import { LIMITS, makeAuthorRef, newIncarnation } from '@hearsay/gossip/core'
import test from 'ava'
import { TOPIC_KEY, underAttack } from '../../support/attack.js'
import { RawAuthor } from '../../support/raw-peer.js'
import { until } from '../../support/until.js'

const { maxSkewMs } = LIMITS

test('X10 the future is dropped unverified; inside twice the skew that costs nothing, beyond it ten times cut the link', async t => {
  const { member, dropped, cut, spared, heard, verified, goesOn } = await underAttack(t)
  const early = await member()
  const author = new RawAuthor(TOPIC_KEY)
  for (let i = 0; i < 30; i++) {
    early.push(author.batch([i], { seq0: i, createdMs: Date.now() + 1.5 * maxSkewMs }))
  }
  await dropped('from-the-future', 30)
  await spared(early)
  const hostile = await member()
  for (let i = 0; i < 9; i++) hostile.push(author.batch([i], { createdMs: Date.now() + 3 * maxSkewMs }))
  await dropped('from-the-future', 9)
  t.true(hostile.isOpen)
  // An incarnation that has not begun, in the year 10889, is as far ahead as can be said.
  const born = makeAuthorRef(author.keyPair.publicKey, newIncarnation(2 ** 48 - 1, Math.random))
  hostile.push(author.batch(['late'], { ref: born, createdMs: born.startMs }))
  await dropped('from-the-future')
  await cut(hostile)
  await goesOn()
  t.deepEqual(heard(author), [])
  t.is(verified(), 0)
})

test('X10 a time that no clock can say is the future, not a number that is none', async t => {
  const { member, dropped, heard, verified, goesOn } = await underAttack(t)
  const peer = await member()
  const author = new RawAuthor(TOPIC_KEY)
  // createdMs is told as what comes after the start of the incarnation, so the sum may be beyond 2^53-1.
  for (const seq0 of [0, 1, 2]) {
    peer.push(author.batch(['never'], { seq0, createdMs: author.ref.startMs + 2 ** 53 - 4096 * (1 + seq0) }))
  }
  await dropped('from-the-future', 3)
  await goesOn()
  t.deepEqual(heard(author), [])
  t.is(verified(), 0)
})

test('X10 what has expired is dropped unverified, at no charge: an honest forwarder may be late', async t => {
  const { member, dropped, spared, heard, verified, goesOn } = await underAttack(t)
  const peer = await member()
  const author = new RawAuthor(TOPIC_KEY, { startMs: Date.now() - 1_000_000 })
  const old = { createdMs: Date.now() - maxSkewMs - 2000, ttlSeconds: 1 }
  peer.atOnce(() => {
    for (let i = 0; i < 200; i++) peer.push(author.batch([i], { seq0: i, ...old }))
  })
  await dropped('expired', 200)
  peer.push(author.batch(['in time'], { ...old, createdMs: Date.now() - maxSkewMs }))
  await until(() => heard(author).includes('in time'))
  await spared(peer)
  await goesOn()
  t.is(verified(), 1)
})
