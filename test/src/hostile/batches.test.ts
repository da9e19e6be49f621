/** BATCH frames that are malformed, out of time, out of range or forged: each is counted under its reason and costs what it should. */
import {
  type Batch,
  encodeAuthor,
  encodeBatch,
  FrameKind,
  LIMITS,
  makeAuthorRef,
  newIncarnation
} from '@hearsay/gossip/core'
import test from 'ava'
import { TOPIC_KEY, underAttack } from '../support/attack.js'
import { dropsOf, RawAuthor } from '../support/raw-peer.js'
import { soon, turns, until } from '../support/until.js'

const STRAIGHT = { hops: 0, mark: false, repair: false, last: false }
const one = (): RawAuthor => new RawAuthor(TOPIC_KEY)
const encoded = (batch: Batch): Uint8Array => encodeBatch(0, batch, STRAIGHT)

/** The bytes of a BATCH, changed at one place. */
function changed(batch: Batch, at: number, byte: number): Uint8Array {
  const bytes = encoded(batch)
  bytes[at] = byte
  return bytes
}

// index 0, flags 1, hops 2, seq 3, count 4; behind the signature the length of the head, then the payloads.
const FLAGS = 1
const COUNT = 4

test('X10 a frame that lies about its form closes the link, and its key is refused', async t => {
  const { victim, member, dropped, cut, goesOn } = await underAttack(t)
  const author = one()
  const batch = author.batch(['abc'])
  const right = encoded(batch)
  const payloadAt = right.length - batch.payloadBytes.length
  const lies: Record<string, Uint8Array> = {
    'count 0': changed(batch, COUNT, 0),
    'count 2 of 1': changed(batch, COUNT, 2),
    'count 65': changed(batch, COUNT, 65),
    'count 255': changed(batch, COUNT, 255),
    'a payload longer than the frame': changed(batch, payloadAt, 200),
    'a payload shorter than the rest': changed(batch, payloadAt, 1),
    'a payload of 2^53 bytes': new Uint8Array([
      ...right.subarray(0, payloadAt),
      0xff,
      0,
      0,
      0,
      0,
      0,
      0,
      0x20,
      0
    ]),
    'bytes behind the last payload': new Uint8Array([...right, 0]),
    'a head that is not there': changed(batch, payloadAt - 1, 100),
    'an index of 2,048': encodeBatch(2048, batch, STRAIGHT).subarray(0, 10),
    'ttl 0': encoded(author.batch(['abc'], { ttlSeconds: 0 })),
    'ttl 121': encoded(author.batch(['abc'], { ttlSeconds: 121 })),
    'ttl 255': encoded(author.batch(['abc'], { ttlSeconds: 255 })),
    'class bit 5': changed(batch, FLAGS, 32),
    'class bits 4 and 7': changed(batch, FLAGS, 16 + 128),
    'nothing at all': new Uint8Array(0)
  }
  for (const [name, bytes] of Object.entries(lies)) {
    const peer = await member()
    peer.bind(author.ref)
    peer.send(FrameKind.batch, bytes)
    await dropped('malformed')
    await t.notThrowsAsync(cut(peer), name)
    peer.stream.destroy()
  }
  await goesOn()
  t.is(victim.messages.length, 1, 'that of the friend')
  t.is(victim.gossip.stats.verified, 1)
})

test('X10 a frame that is cut off is malformed at every length', async t => {
  const { victim, member, dropped, goesOn } = await underAttack(t)
  const author = one()
  const right = encoded(author.batch(['abc']))
  for (let length = 0; length < right.length; length++) {
    const peer = await member()
    peer.bind(author.ref)
    peer.send(FrameKind.batch, right.subarray(0, length))
    await dropped('malformed')
    await soon(() => peer.closed === 1)
    peer.stream.destroy()
  }
  await goesOn()
  t.is(victim.gossip.stats.verified, 1)
})

test('X10 frames over their limits close the link before they are decoded', async t => {
  const { member, dropped, cut, goesOn } = await underAttack(t)
  const author = one()
  const largest = LIMITS.maxMessageBytes + LIMITS.batchOverheadBytes
  for (const [kind, size] of [
    [FrameKind.batch, largest + 1],
    [FrameKind.batch, 4_000_000],
    [FrameKind.author, LIMITS.maxFrameBytes + 1],
    [FrameKind.have, LIMITS.maxFrameBytes + 1],
    [FrameKind.want, 1_000_000]
  ] as const) {
    const peer = await member()
    peer.bind(author.ref)
    peer.send(kind, new Uint8Array(size))
    await dropped('too-large')
    await cut(peer)
    peer.stream.destroy()
  }
  const heavy = await member()
  heavy.push(author.sign([new Uint8Array(LIMITS.maxMessageBytes + 1)]))
  await dropped('too-large')
  await cut(heavy)
  await goesOn()
})

test('X10 a batch with an index that was never bound, and an index beyond the table, close the link', async t => {
  const { member, dropped, cut, goesOn } = await underAttack(t)
  const author = one()
  const batch = author.batch(['abc'])
  const unbound = await member()
  unbound.send(FrameKind.batch, encoded(batch))
  await dropped('unbound-author')
  await cut(unbound)
  const other = await member()
  other.bind(author.ref, 0)
  other.send(FrameKind.batch, encodeBatch(2047, batch, STRAIGHT))
  await dropped('unbound-author')
  await cut(other)
  for (const ix of [2048, 2 ** 32, Number.MAX_SAFE_INTEGER]) {
    const peer = await member()
    peer.send(FrameKind.author, encodeAuthor(ix, author.ref))
    await dropped('malformed')
    await cut(peer)
  }
  await goesOn()
})

test('X10 what a later version may send is no fault: unknown kinds, unknown hop flags, bytes behind known fields', async t => {
  const { victim, member, dropped, goesOn } = await underAttack(t)
  const peer = await member()
  const author = one()
  peer.send(FrameKind.reserved, new Uint8Array(100))
  await dropped('unknown-kind')
  peer.send(11, new Uint8Array(100))
  peer.send(FrameKind.author, new Uint8Array([...encodeAuthor(0, author.ref), 1, 2, 3]))
  peer.send(FrameKind.have, new Uint8Array([0, 0, 9, 9, 9]))
  peer.send(FrameKind.batch, changed(author.batch(['later']), FLAGS, 8))
  await until(() => victim.data().includes('later'))
  await goesOn()
  t.true(peer.isOpen)
  t.is(dropsOf(victim.gossip), 1)
})

test('X10 a durable batch on a topic without feeds is dropped, at no charge', async t => {
  const { victim, member, dropped, goesOn } = await underAttack(t)
  const peer = await member()
  const author = one()
  for (let seq = 0; seq < 20; seq++) peer.push(author.batch(['x'], { class: 16, seq0: seq }))
  await dropped('unauthorized', 20)
  await goesOn()
  t.true(peer.isOpen)
  t.is(victim.gossip.stats.verified, 1)
})

test('X10 the future is dropped unverified; inside twice the skew that costs nothing, beyond it ten times cut the link', async t => {
  const { victim, member, dropped, cut, goesOn } = await underAttack(t)
  const { maxSkewMs } = LIMITS
  const early = await member()
  const author = one()
  for (let i = 0; i < 30; i++) {
    early.push(author.batch([i], { seq0: i, createdMs: Date.now() + 1.5 * maxSkewMs }))
  }
  await dropped('from-the-future', 30)
  await goesOn()
  t.true(early.isOpen)
  const hostile = await member()
  for (let i = 0; i < 9; i++) hostile.push(author.batch([i], { createdMs: Date.now() + 3 * maxSkewMs }))
  await dropped('from-the-future', 9)
  t.true(hostile.isOpen)
  // An incarnation that has not begun, in the year 10889, is as far ahead as can be said.
  const born = makeAuthorRef(author.keyPair.publicKey, newIncarnation(2 ** 48 - 1, Math.random))
  hostile.push(author.batch(['late'], { ref: born, createdMs: born.startMs }))
  await dropped('from-the-future')
  await cut(hostile)
  await goesOn()
  t.is(victim.gossip.stats.verified, 2)
})

test('X10 what has expired is dropped unverified, at no charge: an honest forwarder may be late', async t => {
  const { victim, member, dropped, goesOn } = await underAttack(t)
  const peer = await member()
  const author = new RawAuthor(TOPIC_KEY, { startMs: Date.now() - 1_000_000 })
  const old = { createdMs: Date.now() - LIMITS.maxSkewMs - 2000, ttlSeconds: 1 }
  peer.atOnce(() => {
    for (let i = 0; i < 200; i++) peer.push(author.batch([i], { seq0: i, ...old }))
  })
  await dropped('expired', 200)
  peer.push(author.batch(['in time'], { ...old, createdMs: Date.now() - LIMITS.maxSkewMs }))
  await until(() => victim.data().includes('in time'))
  await goesOn()
  t.true(peer.isOpen)
  t.is(victim.gossip.stats.verified, 2)
})

test('X10 a batch that overlaps an accepted one is dropped, at no charge, and what follows is heard', async t => {
  const { victim, member, dropped, goesOn } = await underAttack(t)
  const peer = await member()
  const author = one()
  peer.push(author.batch(['a', 'b', 'c'], { seq0: 5 }))
  await until(() => victim.messages.length === 3)
  peer.push(author.batch(['B', 'C', 'D'], { seq0: 6 }))
  peer.push(author.batch(['x', 'y'], { seq0: 4 }))
  peer.push(author.batch(Array.from({ length: 64 }, (_, i) => i)))
  await dropped('overlap', 3)
  peer.push(author.batch(['d'], { seq0: 8 }))
  await until(() => victim.data().includes('d'))
  t.deepEqual(victim.data(), ['a', 'b', 'c', 'd'])
  t.true(peer.isOpen)
  await goesOn()
})

test('X2 a bad signature under the predicted seq silences nobody, and the third one cuts its bearer', async t => {
  const { victim, friend, member, dropped, cut, goesOn } = await underAttack(t)
  await friend.topic.publish('first')
  await until(() => victim.messages.length === 1)
  const { author, incarnation } = victim.messages[0] as { author: Uint8Array; incarnation: string }
  const ref = makeAuthorRef(author, Buffer.from(incarnation, 'hex'))
  const forger = await member()
  const mallory = one()
  for (let seq0 = 1; seq0 <= 3; seq0++) {
    forger.push(mallory.batch(['forged'], { ref, seq0 }))
    await dropped('bad-signature')
  }
  await cut(forger)
  for (let i = 0; i < 3; i++) await friend.topic.publish(i)
  await until(() => victim.messages.length === 4)
  t.deepEqual(victim.data(), ['first', 0, 1, 2])
  await goesOn()
})

test('X10 signatures of zeros, of small-order keys and of no canonical form are bad, not accepted and not fatal', async t => {
  const { victim, member, dropped, cut, goesOn } = await underAttack(t)
  const author = one()
  const smallOrder = new Uint8Array(32)
  smallOrder[0] = 1
  const batch = author.batch(['x'])
  // S + L: the same signature by its equation, refused because it has one form only.
  const malleable = new Uint8Array(batch.signature)
  const order = 'edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010'
  let carry = 0
  for (const [i, byte] of Buffer.from(order, 'hex').entries()) {
    carry += (malleable[32 + i] as number) + byte
    malleable[32 + i] = carry & 255
    carry >>= 8
  }
  for (const bad of [
    { ...batch, signature: new Uint8Array(64) },
    { ...batch, signature: malleable },
    { ...batch, signature: new Uint8Array(64), ref: makeAuthorRef(smallOrder, author.ref.incarnation) },
    {
      ...batch,
      signature: new Uint8Array(64),
      ref: makeAuthorRef(new Uint8Array(32).fill(255), author.ref.incarnation)
    }
  ]) {
    const peer = await member()
    for (let i = 0; i < 3; i++) {
      peer.push(bad)
      await dropped('bad-signature')
    }
    await cut(peer)
  }
  await goesOn()
  t.is(victim.messages.length, 1)
})

test('X10 seq 2^53-1 of an author is parked, not feared: bounded, and its seq 0 is heard', async t => {
  const { victim, member, dropped, goesOn } = await underAttack(t)
  const peer = await member()
  const author = one()
  for (const seq0 of [Number.MAX_SAFE_INTEGER, 2 ** 32, 2 ** 52, 1e6]) {
    peer.push(author.batch([seq0], { seq0 }))
    await dropped('too-far-ahead')
  }
  for (let seq0 = 0; seq0 < 5; seq0++) peer.push(author.batch([seq0], { seq0 }))
  await until(() => victim.messages.length === 5)
  t.deepEqual(victim.data(), [0, 1, 2, 3, 4])
  const [state] = victim.topic.explain(author.keyPair.publicKey).incarnations
  t.true((state?.gaps.length ?? 0) <= LIMITS.maxGaps)
  t.true(peer.received(FrameKind.want).length <= LIMITS.wantsPerSecond * 2)
  t.true(peer.isOpen)
  await goesOn()
})

test('X10 a thousand holes of one author are remembered as few ranges', async t => {
  const { victim, member, goesOn } = await underAttack(t)
  const peer = await member()
  const author = one()
  peer.atOnce(() => {
    for (let seq = 0; seq < 1000; seq++) peer.push(author.batch([seq], { seq0: seq * 2 }))
  })
  await until(() => victim.messages.length >= 512)
  await goesOn()
  const [state] = victim.topic.explain(author.keyPair.publicKey).incarnations
  t.true((state?.gaps.length ?? 0) <= LIMITS.maxGaps, `${state?.gaps.length} ranges`)
})

test('X10 MARK each time buys no copy: a marked batch crosses each link once', async t => {
  const { victim, member, goesOn } = await underAttack(t)
  const [peer, other] = [await member(), await member()]
  const author = one()
  peer.atOnce(() => {
    for (let seq0 = 0; seq0 < 200; seq0++) {
      const batch = author.batch([seq0], { seq0 })
      for (let copy = 0; copy < 5; copy++) peer.push(batch, { mark: true, hops: 255 })
    }
  })
  await until(() => victim.messages.length === 200)
  await soon(() => other.received(FrameKind.batch).length >= 200)
  await turns(20)
  t.is(other.received(FrameKind.batch).length, 200)
  t.is(peer.received(FrameKind.batch).length, 0)
  await goesOn()
})

test('X10 a nesting bomb in an authentic payload is a warning, not a crash, and not the fault of who forwards it', async t => {
  const { victim, member, goesOn } = await underAttack(t)
  const peer = await member()
  const author = one()
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
  await until(() => victim.data().includes('good'))
  await goesOn()
  t.is(({} as { isAdmin?: boolean }).isAdmin, undefined)
  t.true(peer.isOpen)
  const told = victim.warnings.filter(({ code }) => code === 'WARN_GOSSIP_NOT_DECODABLE').length
  t.true(told >= Object.keys(bombs).length, `${told} warnings`)
  for (const { data } of victim.messages) t.is((data as { isAdmin?: boolean }).isAdmin, undefined)
})

test('X10 valid batches of a flood of fresh authors stop at the quota of their bearer; known authors are heard', async t => {
  const { victim, member, dropped, goesOn } = await underAttack(t)
  await goesOn()
  const sybil = await member()
  const { maxAuthorsPerPeer } = LIMITS
  sybil.atOnce(() => {
    for (let i = 0; i < 600; i++) sybil.push(new RawAuthor(TOPIC_KEY).batch([i]))
  })
  await soon(() => dropsOf(victim.gossip, 'table-full') >= 600 - maxAuthorsPerPeer - 20)
  await goesOn()
  t.true(victim.gossip.stats.verified <= maxAuthorsPerPeer + 20, 'the rest cost no verification')
  t.true(sybil.isOpen, 'a full table is no fault')
  // The quota is that of the key, not of the connection.
  sybil.close()
  sybil.open()
  await soon(() => sybil.isOpen)
  const before = dropsOf(victim.gossip, 'table-full')
  for (let i = 0; i < 50; i++) sybil.push(new RawAuthor(TOPIC_KEY).batch([i]))
  await soon(() => dropsOf(victim.gossip, 'table-full') === before + 50)
  const other = await member()
  other.push(new RawAuthor(TOPIC_KEY).batch(['of another bearer']))
  await until(() => victim.data().includes('of another bearer'))
  await dropped('bad-signature', 0)
})
