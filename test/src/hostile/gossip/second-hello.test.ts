/** Hellos on a channel that is open already. */
import { createKeyPair } from '@hearsay/gossip'
import { FrameKind } from '@hearsay/gossip/core'
import test from 'ava'
import { TOPIC_KEY, underAttack } from '../../support/attack.js'
import { RAW, RawAuthor } from '../../support/raw-peer.js'
import { soon, until } from '../../support/until.js'

test('X10 a second hello on an open channel makes no second link', async t => {
  const { victim, member, heard, goesOn } = await underAttack(t)
  const peer = await member()
  const { linksOpened } = victim.gossip.stats
  const { protocol, id } = [...peer.mux][0] as { protocol: string; id: Uint8Array }
  let refused = 0
  for (const hello of [peer.hello(), new Uint8Array(60), peer.hello({ version: 2 })]) {
    const onclose = (): void => {
      refused++
    }
    peer.mux.createChannel({ protocol, id, unique: false, handshake: RAW, onclose })?.open(hello)
  }
  await soon(() => refused === 3)
  const author = new RawAuthor(TOPIC_KEY)
  peer.push(author.batch(['still here']))
  await until(() => heard(author).includes('still here'))
  await goesOn()
  t.is(victim.gossip.stats.linksOpened, linksOpened)
})

test('L9 40 connections of one peer are one peer, with one active link at most', async t => {
  const { victim, friend, stranger, heard, verified, goesOn } = await underAttack(t)
  const keyPair = createKeyPair()
  const first = await stranger({ keyPair })
  await first.link()
  const others = []
  for (let i = 0; i < 39; i++) {
    const peer = await stranger({ keyPair })
    peer.open()
    await soon(() => peer.isOpen)
    others.push(peer)
  }
  t.is(victim.topic.peers().length, 3)
  const author = new RawAuthor(TOPIC_KEY)
  const batch = author.batch(['from all sides'])
  for (const peer of [first, ...others]) peer.push(batch)
  await goesOn()
  t.deepEqual(heard(author), ['from all sides'])
  t.is(verified(), 1)
  // What the friends say reaches it once, however many ears it has.
  const peers = [first, ...others]
  const before = peers.map(peer => peer.received(FrameKind.batch).length)
  await friend.topic.publish('to one of you')
  await until(() => victim.data().includes('to one of you'))
  await goesOn()
  const ears = peers.filter((peer, i) => peer.received(FrameKind.batch).length > (before[i] as number))
  t.true(ears.length <= 1, `${ears.length} links`)
})
