/** Batches that nobody signed, or that were signed for something else: their bearer pays, never the author that they name. */
import { publicTopicKey } from '@hearsay/gossip'
import { type Batch, makeAuthorRef, newIncarnation } from '@hearsay/gossip/core'
import test from 'ava'
import b4a from 'b4a'
import { TOPIC_KEY, underAttack } from '../../support/attack.js'
import { RawAuthor } from '../../support/raw-peer.js'
import { until } from '../../support/until.js'

test('X2 a bad signature under the predicted seq silences nobody, and the third one cuts its bearer', async t => {
  const { victim, friend, member, dropped, cut, goesOn } = await underAttack(t)
  await goesOn()
  const { incarnation, seq } = await friend.topic.publish('first')
  await until(() => victim.data().includes('first'))
  const ref = makeAuthorRef(friend.gossip.publicKey, b4a.from(incarnation, 'hex'))
  const forger = await member()
  const mallory = new RawAuthor(TOPIC_KEY)
  for (let next = 1; next <= 3; next++) {
    forger.push(mallory.batch(['forged'], { ref, seq0: seq + 40 + next }))
    await dropped('bad-signature')
  }
  await cut(forger)
  for (let i = 0; i < 60; i++) await friend.topic.publish(i)
  await until(() => victim.data().includes(59))
  t.deepEqual(
    victim.data().filter(data => typeof data === 'number'),
    Array.from({ length: 60 }, (_, i) => i),
    'those of the forged seqs, too'
  )
  t.false(victim.data().includes('forged'))
  await goesOn()
})

test('X10 a batch that was signed for another topic is a forgery here', async t => {
  const { member, dropped, cut, heard, goesOn } = await underAttack(t)
  const peer = await member()
  const author = new RawAuthor(publicTopicKey('dogs'))
  for (let seq0 = 0; seq0 < 3; seq0++) {
    peer.push(author.batch(['woof'], { seq0 }))
    await dropped('bad-signature')
  }
  await cut(peer)
  await goesOn()
  t.deepEqual(heard(author), [])
})

test('X10 T4 a batch of which any field is changed is a forgery: seq, count, times, class, payload, author, incarnation', async t => {
  const { stranger, heard, dropped, goesOn } = await underAttack(t)
  const author = new RawAuthor(TOPIC_KEY)
  const right = author.batch(['a', 'b'], { seq0: 3 })
  const flipped = (bytes: Uint8Array, at: number): Uint8Array => {
    const copy = new Uint8Array(bytes)
    copy[at] = (copy[at] as number) ^ 1
    return copy
  }
  const other = makeAuthorRef(
    author.ref.author,
    newIncarnation(author.ref.startMs, () => 0.123)
  )
  const changes: Partial<Batch>[] = [
    { seq0: 4 },
    { count: 1, payloadBytes: right.payloadBytes.subarray(0, 3) },
    { createdMs: right.createdMs + 1 },
    { ttlSeconds: 31 },
    { payloadBytes: flipped(right.payloadBytes, 2) },
    { ref: other, createdMs: Math.max(other.startMs, right.createdMs) },
    { ref: makeAuthorRef(flipped(author.ref.author, 0), author.ref.incarnation) },
    { signature: flipped(right.signature, 0) },
    { signature: flipped(right.signature, 63) }
  ]
  for (const change of changes) {
    const peer = await stranger()
    await peer.link()
    peer.push({ ...right, ...change })
    await dropped('bad-signature')
    peer.stream.destroy()
  }
  const honest = await stranger()
  await honest.link()
  honest.push(right)
  await until(() => heard(author).length === 2)
  t.deepEqual(heard(author), ['a', 'b'])
  await goesOn()
})

test('X10 signatures of zeros, of small-order keys and of no canonical form are bad, not accepted and not fatal', async t => {
  const { member, dropped, cut, heard, goesOn } = await underAttack(t)
  const author = new RawAuthor(TOPIC_KEY)
  const smallOrder = new Uint8Array(32)
  smallOrder[0] = 1
  const batch = author.batch(['x'])
  // S + L: the same signature by its equation, refused because it has one form only.
  const malleable = new Uint8Array(batch.signature)
  const order = 'edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010'
  let carry = 0
  for (const [i, byte] of b4a.from(order, 'hex').entries()) {
    carry += (malleable[32 + i] as number) + byte
    malleable[32 + i] = carry & 255
    carry >>= 8
  }
  const zeros = new Uint8Array(64)
  for (const bad of [
    { ...batch, signature: zeros },
    { ...batch, signature: malleable },
    { ...batch, signature: zeros, ref: makeAuthorRef(smallOrder, author.ref.incarnation) },
    { ...batch, signature: zeros, ref: makeAuthorRef(new Uint8Array(32).fill(255), author.ref.incarnation) }
  ]) {
    const peer = await member()
    for (let i = 0; i < 3; i++) {
      peer.push(bad)
      await dropped('bad-signature')
    }
    await cut(peer)
  }
  await goesOn()
  t.deepEqual(heard(author), [])
})
