/** Frames of somebody who has not said hello, or never says it: there is nobody whom they could be from. */
import { encodeAuthor, encodeBatch, FrameKind } from '@hearsay/gossip/core'
import test from 'ava'
import { TOPIC_KEY, underAttack } from '../../support/attack.js'
import { dropsOf, RawAuthor } from '../../support/raw-peer.js'
import { soon, until } from '../../support/until.js'

test("X10 frames on a channel that was never opened are nobody's, and do not spoil a later hello", async t => {
  const { victim, stranger, heard, verified, goesOn } = await underAttack(t)
  const peer = await stranger()
  const author = new RawAuthor(TOPIC_KEY)
  const batch = author.batch(['smuggled'])
  const frame = encodeBatch(0, batch, { hops: 0, mark: false, repair: false, last: false })
  // Channel 1, which the remote would name first, then the kind: written below the muxer.
  for (const [kind, bytes] of [
    [FrameKind.author, encodeAuthor(0, batch.ref)],
    [FrameKind.batch, frame]
  ] as const) {
    for (const channel of [1, 2, 7]) peer.stream.write(new Uint8Array([channel, kind, ...bytes]))
  }
  await goesOn()
  t.deepEqual(heard(author), [])
  t.is(verified(), 0)
  t.is(dropsOf(victim.gossip, 'malformed'), 0)
  peer.open()
  await soon(() => peer.isOpen)
  peer.push(batch)
  await until(() => heard(author).includes('smuggled'))
})

test('X10 a member that says nothing after its hello, and one that never says hello, hold nobody up', async t => {
  const { victim, stranger, member, goesOn } = await underAttack(t)
  const silent = await stranger()
  const mute = await member()
  await goesOn()
  t.is(victim.topic.peers().length, 3, 'who proved nothing is nobody')
  t.is(mute.isOpen, true)
  t.is(victim.gossip.peers.size, 4)
  silent.stream.destroy()
  mute.stream.destroy()
  await until(() => victim.gossip.peers.size === 2)
})
