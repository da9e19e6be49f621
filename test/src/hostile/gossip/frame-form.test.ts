/** BATCH frames that are cut off, too long, or lie about their form: the link is closed, and its key is refused. */
import { encodingOf } from '@hearsay/gossip'
import { type Batch, encodeBatch, FrameKind, LIMITS } from '@hearsay/gossip/core'
import test from 'ava'
import { TOPIC_KEY, underAttack } from '../../support/attack.js'
import { RawAuthor } from '../../support/raw-peer.js'
import { soon } from '../../support/until.js'

const STRAIGHT = { hops: 0, mark: false, repair: false, last: false }
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
  const { member, dropped, cut, heard, verified, goesOn } = await underAttack(t)
  const author = new RawAuthor(TOPIC_KEY)
  const batch = author.batch(['abc'])
  const right = encoded(batch)
  const payloadAt = right.length - batch.payloadBytes.length
  const sized = (...size: number[]): Uint8Array => new Uint8Array([...right.subarray(0, payloadAt), ...size])
  const lies: Record<string, Uint8Array> = {
    'count 0': changed(batch, COUNT, 0),
    'count 2 of 1': changed(batch, COUNT, 2),
    'count 65': changed(batch, COUNT, 65),
    'count 255': changed(batch, COUNT, 255),
    'a payload longer than the frame': changed(batch, payloadAt, 200),
    'a payload shorter than the rest': changed(batch, payloadAt, 1),
    'a payload of 2^32-1 bytes': sized(0xfe, 0xff, 0xff, 0xff, 0xff),
    'a payload of 2^53 bytes': sized(0xff, 0, 0, 0, 0, 0, 0, 0x20, 0),
    'a payload of 2^64-1 bytes': sized(...new Array(9).fill(0xff)),
    'bytes behind the last payload': new Uint8Array([...right, 0]),
    'a head that is not there': changed(batch, payloadAt - 1, 100),
    'a head over its bound': encoded(author.batch(['abc'], { head: new Uint8Array(129) })),
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
    await dropped(name.endsWith('bytes') && /2\^32/.test(name) ? 'too-large' : 'malformed')
    await t.notThrowsAsync(cut(peer), name)
    peer.stream.destroy()
  }
  await goesOn()
  t.deepEqual(heard(author), [])
  t.is(verified(), 0)
})

test('X10 a frame that is cut off is malformed at every length', async t => {
  const { member, dropped, verified, goesOn } = await underAttack(t)
  const author = new RawAuthor(TOPIC_KEY)
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
  t.is(verified(), 0)
})

test('X10 frames over their limits close the link before they are decoded', async t => {
  const { member, dropped, cut, goesOn } = await underAttack(t)
  const author = new RawAuthor(TOPIC_KEY)
  const largest = LIMITS.maxMessageBytes + LIMITS.batchOverheadBytes
  for (const [kind, size] of [
    [FrameKind.batch, largest + 1],
    [FrameKind.batch, 4_000_000],
    [FrameKind.author, LIMITS.maxFrameBytes + 1],
    [FrameKind.have, LIMITS.maxFrameBytes + 1],
    [FrameKind.prune, LIMITS.maxFrameBytes + 1],
    [FrameKind.offer, LIMITS.maxFrameBytes + 1],
    [FrameKind.skip, LIMITS.maxFrameBytes + 1],
    [FrameKind.link, LIMITS.maxFrameBytes + 1],
    [FrameKind.peers, LIMITS.maxFrameBytes + 1],
    [FrameKind.miss, 100_000],
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

test('X10 the largest frame that is allowed is heard', async t => {
  const { member, spared, heard, goesOn } = await underAttack(t)
  const peer = await member()
  const author = new RawAuthor(TOPIC_KEY)
  const largest = encodingOf('msgpack').encode(new Uint8Array(LIMITS.maxMessageBytes - 3))
  t.is(largest.length, LIMITS.maxMessageBytes)
  peer.push(author.sign([largest]))
  await soon(() => heard(author).length === 1)
  await spared(peer)
  await goesOn()
})
