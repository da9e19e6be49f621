/** Bytes below the muxer's frames, of every kind: a stream at most ends, never the process. */
import test from 'ava'
import { Rng } from '../../sim/rng.js'
import { turns } from '../../support/until.js'
import { startVictim } from './victim.js'

test('X10 garbage below the muxer, in 500 forms, ends a stream at most', async t => {
  const victim = await startVictim(t)
  let peer = await victim.peer()
  let ended = 0
  const rng = new Rng(12_345)
  for (let i = 0; i < 500; i++) {
    const bytes = rng.bytes(rng.int(1, 60))
    // Half of them look like control frames of the muxer, or like frames of our channel.
    if (i % 2 === 0) bytes.set([rng.int(0, 1), rng.int(0, 4)].slice(0, bytes.length))
    peer.stream.write(bytes)
    if (i % 5 === 0) await turns(2)
    // On a busy machine the end of a stream is heard of late.
    if (i % 100 === 99) await victim.answers()
    if (!peer.stream.destroyed) continue
    ended++
    peer = await victim.peer(false)
  }
  await victim.lives(t)
  t.true(ended > 0 || peer.stream.destroyed, 'some of it was bad enough')
})
