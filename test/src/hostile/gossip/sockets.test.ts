/** Connections that never become one: silent sockets, HTTP, garbage, and a frame of 16 MB that is announced and never comes. */
import type { Socket } from 'node:net'
import { Gossip } from '@hearsay/gossip'
import { LIMITS } from '@hearsay/gossip/core'
import test from 'ava'
import { duplexPair, noisePair } from '../../support/streams.js'
import { until } from '../../support/until.js'
import { MB, startVictim } from './victim.js'

const SOCKETS = 1000
/** Shorter than in earnest, so that the test is, too. */
const DEADLINE_MS = 1500

/** What is said before the handshake, if anything. */
function speak(socket: Socket, i: number): void {
  if (i % 4 === 1) socket.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
  // The length of a frame of 16 MB that never comes.
  if (i % 4 === 2) socket.write(new Uint8Array([0xff, 0xff, 0xff, 1, 2, 3]))
  if (i % 4 === 3) socket.write(new Uint8Array(1000).fill(i))
}

test('X10 1,000 sockets that never shake hands hold 64 places at most, and none after the deadline', async t => {
  const victim = await startVictim(t, JSON.stringify({ helloDeadlineMs: DEADLINE_MS }))
  const before = await victim.status('gc')
  const sockets = Array.from({ length: SOCKETS }, () => victim.socket())
  for (const [i, socket] of sockets.entries()) speak(socket, i)
  await until(async () => (await victim.status()).stats.connectionsOpened >= SOCKETS + 2, { ms: 40_000 })
  await victim.answers()
  const during = await victim.status('gc')
  t.is(during.links, 2)
  t.true(during.peers <= 2 + LIMITS.maxHandshakes, `${during.peers} places`)
  t.true(during.maxRss - before.rss < 50 * MB, `${(during.maxRss - before.rss) / MB} MB more`)
  // An honest peer finds a place meanwhile.
  const late = await victim.peer()
  t.true(late.isOpen)
  await until(async () => (await victim.status()).peers === 3, { ms: DEADLINE_MS + 10_000 })
  await until(() => sockets.every(socket => socket.destroyed), { what: 'the end of all silent sockets' })
  await victim.lives(t)
})

test('X10 a plain stream that never shakes hands is destroyed by the deadline; a Noise stream is let go of', async t => {
  const gossip = new Gossip({ limits: { helloDeadlineMs: 1000 } })
  t.teardown(() => gossip.close())
  const plain = duplexPair()
  const noise = noisePair()
  gossip.attach(plain.a, { initiator: false })
  gossip.attach(noise.b)
  t.is(gossip.peers.size, 2)
  // The other end of a Noise pair shakes hands by itself, so that one is there to stay.
  await until(() => gossip.peers.size === 1)
  t.true(plain.a.destroyed)
  t.false(noise.b.destroyed)
  const half = noisePair()
  for (const { rawStream } of [half.a, half.b]) (rawStream as { pause(): void }).pause()
  gossip.attach(half.b)
  await until(() => gossip.peers.size === 1 && gossip.stats.connectionsClosed === 2)
  t.false(half.b.destroyed, "the stream is the application's")
  half.a.destroy()
  half.b.destroy()
})
