/** MARK, which asks that a tree is built again: on each frame, from authors and from those who only forward. */
import { FrameKind, LIMITS } from '@hearsay/gossip/core'
import test from 'ava'
import { TOPIC_KEY, underAttack } from '../../support/attack.js'
import { RawAuthor } from '../../support/raw-peer.js'
import { soon, turns, until } from '../../support/until.js'

test('X10 MARK each time buys no copy: a marked batch crosses each link once', async t => {
  const { member, reached, heard, goesOn } = await underAttack(t)
  const [peer, other] = [await member(), await member()]
  // Who becomes active is told all watermarks: from then on it gets what others bring.
  await until(() => other.received(FrameKind.have).length > 0)
  const author = new RawAuthor(TOPIC_KEY)
  peer.atOnce(() => {
    for (let seq0 = 0; seq0 < 200; seq0++) {
      const batch = author.batch([seq0], { seq0 })
      for (let copy = 0; copy < 5; copy++) peer.push(batch, { mark: true, hops: 255 })
    }
  })
  await until(() => heard(author).length === 200)
  await soon(() => other.seqsOf(author).length >= 200)
  t.true(reached(peer) >= 2000, 'all of it came')
  await turns(20)
  t.deepEqual(
    other.seqsOf(author),
    Array.from({ length: 200 }, (_, i) => i)
  )
  t.deepEqual(peer.seqsOf(author), [], 'not back to where it came from')
  await goesOn()
})

test('X10 MARK on batches that are too large for it, and on copies, moves nothing', async t => {
  const { member, spared, heard, goesOn } = await underAttack(t)
  const [peer, other] = [await member(), await member()]
  const author = new RawAuthor(TOPIC_KEY)
  const large = 'x'.repeat(LIMITS.maxMarkBytes + 1)
  for (let seq0 = 0; seq0 < 10; seq0++) {
    const batch = author.batch([large], { seq0 })
    for (let copy = 0; copy < 3; copy++) peer.push(batch, { mark: true })
  }
  await until(() => heard(author).length === 10)
  await soon(() => other.seqsOf(author).length >= 10)
  await turns(20)
  t.is(new Set(other.seqsOf(author)).size, other.seqsOf(author).length, 'none of them twice')
  await spared(other)
  await goesOn()
})
