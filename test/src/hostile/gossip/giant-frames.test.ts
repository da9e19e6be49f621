/** Frames of the transport that are announced with 16 MB and never come, by members as by strangers: nothing is filled for them. */

import { FrameKind } from '@hearsay/gossip/core'
import test from 'ava'
import { soon, until } from '../../support/until.js'
import { MB, startVictim } from './victim.js'

const MEMBERS = 20

test('X10 20 members that announce a frame of 16,777,215 bytes each and send 1 KB of it cost less than 64 MB', async t => {
  const victim = await startVictim(t)
  const before = await victim.status('gc')
  const members = await Promise.all(Array.from({ length: MEMBERS }, () => victim.peer()))
  for (const { stream } of members) {
    // Below the encryption: three bytes of length, little-endian, then what would be the frame.
    const raw = stream.rawStream as { write(bytes: Uint8Array): void }
    raw.write(new Uint8Array([0xff, 0xff, 0xff, ...new Uint8Array(1000)]))
  }
  await victim.answers()
  const after = await victim.status('gc')
  t.is(after.peers, MEMBERS + 2, 'they are still there')
  t.true(after.maxRss - before.rss < 64 * MB, `${(after.maxRss - before.rss) / MB} MB more`)
  for (const { stream } of members) stream.destroy()
  await until(async () => (await victim.status()).peers === 2)
  await victim.lives(t)
})

test('X10 a message of 8 MB on the channel of the topic closes the channel, and is gone', async t => {
  const victim = await startVictim(t)
  const before = await victim.status('gc')
  for (let i = 0; i < 5; i++) {
    const peer = await victim.peer()
    peer.send(FrameKind.batch, new Uint8Array(8_000_000))
    await soon(() => peer.closed > 0, { what: 'the channel is closed' })
    peer.stream.destroy()
  }
  await victim.lives(t)
  const after = await victim.status('gc')
  t.is(after.stats.drops['too-large'], 5)
  t.true(after.rss - before.rss < 64 * MB, `${(after.rss - before.rss) / MB} MB more`)
})
