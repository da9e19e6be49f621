/** What a later version may send is no fault: an old peer that punished it would split the network. */
import { type Batch, encodeAuthor, encodeBatch, FrameKind } from '@hearsay/gossip/core'
import test from 'ava'
import { TOPIC_KEY, underAttack } from '../../support/attack.js'
import { dropsOf, RawAuthor } from '../../support/raw-peer.js'
import { until } from '../../support/until.js'

const FLAGS = 1

function flagged(batch: Batch, flags: number): Uint8Array {
  const bytes = encodeBatch(0, batch, { hops: 0, mark: false, repair: false, last: false })
  bytes[FLAGS] = flags
  return bytes
}

test('X10 unknown kinds, unknown hop flags and bytes behind known fields are ignored', async t => {
  const { victim, member, dropped, spared, heard, goesOn } = await underAttack(t)
  const peer = await member()
  const author = new RawAuthor(TOPIC_KEY)
  peer.send(FrameKind.reserved, new Uint8Array(100))
  await dropped('unknown-kind')
  peer.send(11, new Uint8Array(100))
  peer.send(FrameKind.author, new Uint8Array([...encodeAuthor(0, author.ref), 1, 2, 3]))
  peer.send(FrameKind.have, new Uint8Array([0, 0, 9, 9, 9]))
  peer.send(FrameKind.batch, flagged(author.batch(['later']), 8))
  await until(() => heard(author).includes('later'))
  await spared(peer)
  await goesOn()
  t.is(dropsOf(victim.gossip), 1)
})

test('X10 a thousand frames of a kind that nobody knows cost nothing but their share of the budget', async t => {
  const { member, dropped, spared, goesOn } = await underAttack(t)
  const peer = await member()
  peer.atOnce(() => {
    for (let i = 0; i < 1000; i++) peer.send(FrameKind.reserved, new Uint8Array(100))
  })
  await dropped('unknown-kind', 1000)
  await spared(peer)
  await goesOn()
})

test('X10 a durable batch on a topic without feeds is dropped, at no charge', async t => {
  const { member, dropped, spared, heard, verified, goesOn } = await underAttack(t)
  const peer = await member()
  const author = new RawAuthor(TOPIC_KEY)
  for (let seq = 0; seq < 20; seq++) peer.push(author.batch(['x'], { class: 16, seq0: seq }))
  await dropped('unauthorized', 20)
  await spared(peer)
  await goesOn()
  t.deepEqual(heard(author), [])
  t.is(verified(), 0)
})
