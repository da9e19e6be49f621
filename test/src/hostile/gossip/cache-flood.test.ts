/** An author that floods with valid messages, so that those of others are gone before anybody asks for them again. */
import { decodeBatch, encodeWant, FrameKind, LIMITS, makeAuthorRef } from '@hearsay/gossip/core'
import test from 'ava'
import b4a from 'b4a'
import { TOPIC_KEY, underAttack } from '../../support/attack.js'
import { RawAuthor } from '../../support/raw-peer.js'
import { soon, turns, until } from '../../support/until.js'

/** Less than what is sent, more than what honest ones say in the time. */
const CACHED = 2048
const FLOOD = 3000

test('X10 who floods with more valid messages than are kept for repair drives out its own, not those of others', async t => {
  const { victim, friend, member, heard, goesOn } = await underAttack(t, {
    limits: { maxCacheBatches: CACHED }
  })
  const { incarnation, seq } = await friend.topic.publish('kept')
  await until(() => victim.data().includes('kept'))
  const ref = makeAuthorRef(friend.gossip.publicKey, b4a.from(incarnation, 'hex'))
  const hostile = await member()
  const author = new RawAuthor(TOPIC_KEY)
  for (let seq0 = 0; seq0 < FLOOD; seq0++) {
    hostile.push(author.batch([seq0], { seq0 }))
    if (seq0 % 100 === 99) await until(() => heard(author).length > seq0 - 200)
  }
  await soon(() => heard(author).length === FLOOD, { what: 'the flood' })
  await goesOn()
  const late = await member()
  late.bind(ref)
  const answers = () =>
    late.received(FrameKind.batch).flatMap(bytes => {
      const frame = decodeBatch(bytes, LIMITS)
      return frame.ok && frame.value.repair ? [frame.value] : []
    })
  late.send(FrameKind.want, encodeWant(false, [{ ref, from: seq, count: 1 }], [0]))
  await soon(() => answers().length + late.received(FrameKind.miss).length > 0, { what: 'an answer' })
  await turns(2)
  t.true(answers().some(({ seq0, count }) => seq0 <= seq && seq < seq0 + count))
  t.deepEqual(late.received(FrameKind.miss), [])
  // Of the flood what came last is there, what came first isn't.
  late.bind(author.ref, 1)
  late.send(FrameKind.want, encodeWant(false, [{ ref: author.ref, from: FLOOD - 1, count: 1 }], [1]))
  await soon(() => answers().some(({ seq0 }) => seq0 === FLOOD - 1), { what: 'its end' })
  late.send(FrameKind.want, encodeWant(false, [{ ref: author.ref, from: 0, count: 1 }], [1]))
  await soon(() => late.received(FrameKind.miss).length === 1, { what: 'MISS for its beginning' })
})
