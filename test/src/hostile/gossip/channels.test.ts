/** Channels of a connection: 20,000 openings, known and unknown, and one that is closed and opened again without end. */
import test from 'ava'
import { RAW } from '../../support/raw-peer.js'
import { soon, turns, until } from '../../support/until.js'
import { MB, startVictim } from './victim.js'

test('X10 20,000 openings of channels, known and unknown, are refused or end the stream, and are not kept', async t => {
  const victim = await startVictim(t)
  const { heapUsed: before } = await victim.status('gc')
  const peer = await victim.peer()
  let opened = 0
  while (opened < 20_000 && !peer.stream.destroyed) {
    const id = new Uint8Array(32)
    new DataView(id.buffer).setUint32(0, opened)
    peer.mux
      .createChannel({ protocol: `unknown/${opened % 7}`, id, handshake: RAW })
      ?.open(new Uint8Array(30))
    if (++opened % 500 === 0) await turns(2)
  }
  t.true(opened > 1000)
  await victim.lives(t)
  peer.stream.destroy()
  await until(async () => (await victim.status()).peers === 2)
  const { heapUsed } = await victim.status('gc')
  t.true(heapUsed - before < 8 * MB, `${(heapUsed - before) / MB} MB more`)
  await victim.lives(t)
})

test('X10 1,000 channels that all name the topic are one link', async t => {
  const victim = await startVictim(t)
  const peer = await victim.peer()
  const { protocol, id } = [...peer.mux][0] as { protocol: string; id: Uint8Array }
  for (let i = 0; i < 1000; i++) {
    peer.mux.createChannel({ protocol, id, unique: false, handshake: RAW })?.open(peer.hello())
    if (i % 100 === 0) await turns(2)
  }
  await victim.lives(t)
  const { links, stats } = await victim.status()
  t.is(links, 3)
  t.is(stats.linksOpened - stats.linksClosed, 3)
})

test('X10 a channel that is closed and opened again 1,000 times leaves no link behind', async t => {
  const victim = await startVictim(t)
  const peer = await victim.peer()
  // Hastily, so that most openings cross a close, and then so that each becomes a link.
  for (let i = 0; i < 700; i++) {
    peer.close()
    peer.open()
    if (i % 10 === 0) await turns(3)
  }
  await victim.answers()
  const { linksOpened } = (await victim.status()).stats
  for (let i = 0; i < 300; i++) {
    await soon(() => {
      if (!peer.isOpening) peer.open()
      return peer.isOpen
    })
    if (i < 299) peer.close()
  }
  await victim.lives(t)
  await until(async () => {
    const { links, stats } = await victim.status()
    return links === 3 && stats.linksOpened - stats.linksClosed === 3
  })
  t.true((await victim.status()).stats.linksOpened - linksOpened >= 250, 'it was really opened again')
  peer.stream.destroy()
  await until(async () => (await victim.status()).links === 2)
  await victim.lives(t)
})
