/** Batches that were accepted once and come again: from the same peer, from many, under other hop fields, after a reconnect. */
import test from 'ava'
import { TOPIC_KEY, underAttack } from '../../support/attack.js'
import { dropsOf, RawAuthor } from '../../support/raw-peer.js'
import { soon, until } from '../../support/until.js'

test('X10 a batch that is sent 3,000 times is verified once, heard once and costs its bearer nothing', async t => {
  const { victim, member, spared, heard, verified, goesOn } = await underAttack(t)
  const peer = await member()
  const author = new RawAuthor(TOPIC_KEY)
  const batch = author.batch(['once'])
  peer.atOnce(() => {
    for (let i = 0; i < 3000; i++) peer.push(batch, { hops: i & 255, mark: i % 2 === 0, repair: i % 3 === 0 })
  })
  await soon(() => dropsOf(victim.gossip, 'duplicate') >= 2999, { what: 'the copies are dropped' })
  await spared(peer)
  await goesOn()
  t.deepEqual(heard(author), ['once'])
  t.is(verified(), 1)
})

test('X10 a batch that ten peers replay, and replay again after they reconnected, is heard once', async t => {
  const { victim, member, heard, verified, goesOn } = await underAttack(t)
  const author = new RawAuthor(TOPIC_KEY)
  const batches = Array.from({ length: 50 }, (_, seq0) => author.batch([seq0], { seq0 }))
  for (let round = 0; round < 2; round++) {
    const peers = await Promise.all(Array.from({ length: 5 }, member))
    for (const peer of peers) {
      peer.atOnce(() => {
        for (const batch of batches) peer.push(batch)
      })
    }
    await soon(() => dropsOf(victim.gossip, 'duplicate') >= 50 * (round * 5 + 4))
    for (const peer of peers) peer.stream.destroy()
  }
  await goesOn()
  t.deepEqual(
    heard(author),
    batches.map((_, i) => i)
  )
  t.is(verified(), 50)
})

test('X10 a batch that fell out of the window is refused as stale, not heard again', async t => {
  const { victim, member, spared, heard, goesOn } = await underAttack(t)
  const peer = await member()
  const author = new RawAuthor(TOPIC_KEY)
  const full = (from: number): number[] => Array.from({ length: 64 }, (_, i) => from + i)
  const batches = Array.from({ length: 20 }, (_, i) => author.batch(full(i * 64), { seq0: i * 64 }))
  for (const batch of batches) peer.push(batch)
  await until(() => heard(author).length === 1280)
  peer.atOnce(() => {
    for (const batch of batches) peer.push(batch)
  })
  await soon(() => dropsOf(victim.gossip, 'stale') + dropsOf(victim.gossip, 'duplicate') >= 20)
  t.true(dropsOf(victim.gossip, 'stale') > 0)
  await spared(peer)
  await goesOn()
  t.is(heard(author).length, 1280)
})
