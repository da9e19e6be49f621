/** A member that never reads: what waits for it is bounded, and nobody else waits for it. */
import { FrameKind } from '@hearsay/gossip/core'
import test from 'ava'
import { until } from '../../support/until.js'
import { MB, startVictim } from './victim.js'

/** Six times what may wait for a connection, and less than what is kept for those who come late: then nobody loses any. */
const BURST = 6000

test('X6 a member that never reads costs a bounded queue, and the others get everything', async t => {
  const victim = await startVictim(t)
  const peer = await victim.peer()
  await victim.answers()
  const before = await victim.status('gc')
  const raw = peer.stream.rawStream as { pause(): void; removeAllListeners(name: string): void }
  raw.removeAllListeners('data')
  raw.pause()
  const after = await victim.status(`burst ${BURST}`)
  await until(() => victim.heard.filter(data => 'burst' in (data as object)).length === BURST, { ms: 20_000 })
  t.true(Math.max(...after.queued) <= MB, `${after.queued}`)
  t.true(after.rss - before.rss < 120 * MB, `${(after.rss - before.rss) / MB} MB more`)
  await victim.lives(t)
  t.true(peer.received(FrameKind.batch).length < BURST, 'it was really slow')
})
