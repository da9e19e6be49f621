/** Things inside of things: batches of the muxer, arrays and maps of msgpack. Without our guard the same frame ends a process. */
import test from 'ava'
import { TOPIC_KEY, underAttack } from '../../support/attack.js'
import { RawAuthor } from '../../support/raw-peer.js'
import { until } from '../../support/until.js'
import { startVictim } from './victim.js'

/** One frame of about 20,000 batches, each inside the one before. */
function nestedBatches(): Uint8Array {
  const bomb = new Uint8Array(100_000)
  // Each level: channel 0, type 0 (a batch), channel 0, and the length of all that follows.
  for (let at = 0; at + 6 <= bomb.length; at += 5) bomb.set([0, 0xfd, 0xff, 0xff, 0], at + 1)
  return bomb
}

test('X10 one frame of 20,000 nested batches ends the stream that it came on, not the process', async t => {
  const victim = await startVictim(t)
  for (const isMember of [false, true]) {
    const peer = await victim.peer(isMember)
    peer.stream.write(nestedBatches())
    await until(() => peer.stream.destroyed)
    await victim.answers()
  }
  const { peers } = await victim.status()
  t.is(peers, 2)
  await victim.lives(t)
})

test('planted: the same frame ends a process whose muxer is not hardened', async t => {
  const victim = await startVictim(t, 'unhardened')
  const peer = await victim.peer(false)
  peer.stream.write(nestedBatches())
  const { code } = await victim.child.exit
  t.not(code, 0)
  t.regex(victim.child.errors.join('\n'), /RangeError|Maximum call stack/)
})

test('X10 a nesting bomb in an authentic payload is a warning, not a crash, and not the fault of who forwards it', async t => {
  const { victim, member, spared, heard, goesOn } = await underAttack(t)
  const peer = await member()
  const author = new RawAuthor(TOPIC_KEY)
  const bombs = {
    'arrays in arrays': new Uint8Array(60_000).fill(0x91),
    'maps in maps': new Uint8Array(60_000).map((_, i) => (i % 2 === 0 ? 0x81 : 0xa0)),
    'an array of 2^32 - 1': new Uint8Array([0xdd, 255, 255, 255, 255]),
    'a map of 2^32 - 1': new Uint8Array([0xdf, 255, 255, 255, 255]),
    'bytes of 2^32 - 1': new Uint8Array([0xc6, 255, 255, 255, 255]),
    'a reserved byte': new Uint8Array([0xc1]),
    'an unknown extension': new Uint8Array([0xd6, 0x70, 0, 0, 0, 0]),
    'a record': new Uint8Array([0xd4, 0x72, 0x40, 0x91, 0xa1, 0x61, 1]),
    nothing: new Uint8Array(0)
  }
  let seq0 = 0
  for (const payload of Object.values(bombs)) peer.push(author.sign([payload], { seq0: seq0++ }))
  // {"__proto__": {"isAdmin": true}}
  const proto = [0x81, 0xa9, ...Buffer.from('__proto__'), 0x81, 0xa7, ...Buffer.from('isAdmin'), 0xc3]
  peer.push(author.sign([new Uint8Array(proto)], { seq0: seq0++ }))
  peer.push(author.batch(['good'], { seq0: seq0++ }))
  await until(() => heard(author).includes('good'))
  await spared(peer)
  await goesOn()
  t.is(({} as { isAdmin?: boolean }).isAdmin, undefined)
  const told = victim.warnings.filter(({ code }) => code === 'WARN_GOSSIP_NOT_DECODABLE').length
  t.true(told >= Object.keys(bombs).length, `${told} warnings`)
  for (const data of heard(author)) t.is((data as { isAdmin?: boolean }).isAdmin, undefined)
})
