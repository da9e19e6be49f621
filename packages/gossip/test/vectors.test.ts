/**
 * Golden vectors of the wire: test/vectors/gossip.json. A changed vector is another version of the protocol.
 *
 * Written anew by `UPDATE_VECTORS=1 npx ava packages/gossip/test/dist/vectors.test.js`.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import test from 'ava'
import { batchDigest, encodePayloads } from '#gossip/core/batch'
import * as frames from '#gossip/core/frames'
import { encodeHello, FEATURE_OFFER, FEATURE_PEERS, ownHello, ROLES_ALL } from '#gossip/core/hello'
import * as keys from '#gossip/core/keys'
import type { Batch } from '#gossip/core/types'
import { LIMITS } from '#gossip/limits'
import { filled, hex, realCrypto } from './support-crypto.js'

const FILE = new URL('../../../../test/vectors/gossip.json', import.meta.url)

const crypto = realCrypto()
const topicKey = keys.publicTopicKey(crypto, 'hello')
const topicId = keys.topicIdOf(crypto, topicKey)
const handshakeHash = filled(64, 1)
const ref = keys.makeAuthorRef(crypto.author, hex('0199c82cc000beef'))

function signedBatch(fields: Partial<Batch>, payloads: readonly Uint8Array[]): Batch {
  const unsigned = {
    ref,
    seq0: 0,
    count: payloads.length,
    createdMs: 1_760_000_000_005,
    ttlSeconds: 30,
    class: 0,
    head: filled(0, 0),
    payloadBytes: encodePayloads(payloads),
    payloads,
    ...fields
  }
  return { ...unsigned, signature: crypto.sign(batchDigest(crypto, topicId, unsigned)) }
}

function keyVectors(): Record<string, Uint8Array> {
  const binding = { handshakeHash, prover: filled(32, 2), verifier: filled(32, 3) }
  return {
    'namespace topic-id': keys.namespaceOf(crypto, 'hearsay/gossip/1/topic-id'),
    'namespace batch': keys.namespaceOf(crypto, 'hearsay/gossip/1/batch'),
    'public topic key of "hello"': topicKey,
    'topic id of "hello"': topicId,
    'channel id of "hello", handshake hash 64 x 01': keys.channelIdOf(crypto, topicId, handshakeHash),
    'swarm topic of "hello"': keys.swarmTopicOf(crypto, topicKey),
    'subtopic key "chat" of "hello"': keys.subtopicKey(crypto, topicKey, 'chat'),
    'proof as initiator, prover 32 x 02, verifier 32 x 03': keys.proofOf(crypto, topicKey, {
      ...binding,
      role: 'initiator'
    }),
    'proof as responder, prover 32 x 02, verifier 32 x 03': keys.proofOf(crypto, topicKey, {
      ...binding,
      role: 'responder'
    }),
    'author of seed 32 x 07': crypto.author,
    'incarnation at 1760000000000 ms, random beef': keys.newIncarnation(
      1_760_000_000_000,
      () => 0xbeef / 2 ** 16
    )
  }
}

function batchVectors(): Record<string, Uint8Array> {
  const one = signedBatch({}, [Buffer.from('hi')])
  const three = signedBatch({ seq0: 70_000, createdMs: 1_760_000_100_000, ttlSeconds: 120 }, [
    Buffer.from('one'),
    filled(0, 0),
    filled(300, 3)
  ])
  const durable = signedBatch({ class: 16, head: filled(68, 4) }, [Buffer.from('kept')])
  const hop = { hops: 3, mark: true, repair: true, last: true }
  const noHop = { hops: 0, mark: false, repair: false, last: false }
  return {
    'digest of "hi"': batchDigest(crypto, topicId, one),
    'signature of "hi"': one.signature,
    'BATCH of "hi", index 0': frames.encodeBatch(0, one, noHop),
    'BATCH of "hi", index 0, marked': frames.encodeBatch(0, one, { ...noHop, mark: true }),
    'BATCH of three, index 253, 3 hops, all flags': frames.encodeBatch(253, three, hop),
    'BATCH durable, index 1': frames.encodeBatch(1, durable, noHop)
  }
}

function frameVectors(): Record<string, Uint8Array> {
  const binding = {
    handshakeHash,
    isInitiator: true,
    publicKey: filled(32, 2),
    remotePublicKey: filled(32, 3)
  }
  const fields = {
    roles: ROLES_ALL,
    features: 0,
    maxFrameBytes: 66_048,
    clockMs: 1_760_000_000_000,
    degree: 6
  }
  const range = { ref, from: 300, count: 70 }
  return {
    hello: encodeHello(ownHello(crypto, topicKey, { binding, ...fields })),
    'hello with OFFER, SKIP and PEERS': encodeHello(
      ownHello(crypto, topicKey, { binding, ...fields, features: FEATURE_OFFER | FEATURE_PEERS })
    ),
    AUTHOR: frames.encodeAuthor(0, ref),
    'AUTHOR with origin': frames.encodeAuthor(
      2047,
      keys.makeAuthorRef(ref.author, ref.incarnation, filled(40, 9))
    ),
    'HAVE live': frames.encodeHave('live', [], []),
    'HAVE join': frames.encodeHave('join', [{ ref, next: 2 ** 32, ahead: 3 }], [7]),
    'WANT with graft': frames.encodeWant(true, [range, { ...range, count: 0 }], [0, 253]),
    MISS: frames.encodeMiss([{ ...range, floor: 320, reason: 'over-budget' }], [0]),
    PRUNE: frames.encodePrune([0, 253]),
    'PRUNE of all': frames.encodePrune([]),
    OFFER: frames.encodeOffer({ ix: 1, seq0: 70_000, count: 1, bytes: 17_000 }),
    SKIP: frames.encodeSkip({ ix: 1, seq0: Number.MAX_SAFE_INTEGER }),
    LINK: frames.encodeLink({ op: 'no', high: true, backoffMs: 10_000, degree: 8 }),
    'LINK ask': frames.encodeLink({ op: 'ask', high: false, backoffMs: 0, degree: 3 }),
    'LINK urgent ask': frames.encodeLink({ op: 'ask', high: true, backoffMs: 0, degree: 0 }),
    'LINK ok': frames.encodeLink({ op: 'ok', high: false, backoffMs: 0, degree: 4 }),
    'LINK demote': frames.encodeLink({ op: 'demote', high: false, backoffMs: 300_000, degree: 7 }),
    PEERS: frames.encodePeers([filled(32, 1), filled(32, 2)])
  }
}

function toHex(vectors: Record<string, Uint8Array>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(vectors).map(([name, bytes]) => [name, Buffer.from(bytes).toString('hex')])
  )
}

const computed = { keys: toHex(keyVectors()), batches: toHex(batchVectors()), frames: toHex(frameVectors()) }
if (process.env.UPDATE_VECTORS === '1') writeFileSync(FILE, `${JSON.stringify(computed, null, 2)}\n`)
const golden = JSON.parse(readFileSync(FILE, 'utf8'))

test('keys and ids equal the golden vectors', t => t.deepEqual(computed.keys, golden.keys))
test('A12 digest, signature and BATCH frames equal the golden vectors', t =>
  t.deepEqual(computed.batches, golden.batches))
test('hello and all other frames equal the golden vectors', t => t.deepEqual(computed.frames, golden.frames))

test('a golden batch is read back and verifies', t => {
  const frame = frames.decodeBatch(
    hex(golden.batches['BATCH of three, index 253, 3 hops, all flags']),
    LIMITS
  )
  if (!frame.ok) return t.fail(frame.reason)
  const batch = frames.batchOf(frame.value, ref)
  t.is(batch.seq0, 70_000)
  t.is(batch.createdMs, 1_760_000_100_000)
  t.deepEqual(
    batch.payloads.map(({ length }) => length),
    [3, 0, 300]
  )
  t.true(crypto.verify(batch.signature, batchDigest(crypto, topicId, batch), ref.author))
})

test('golden LINK, PEERS, PRUNE, OFFER and SKIP frames are read back', t => {
  const bytesOf = (name: string) => hex(golden.frames[name])
  t.deepEqual(frames.decodeLink(bytesOf('LINK urgent ask'), LIMITS), {
    ok: true,
    value: { op: 'ask', high: true, backoffMs: 0, degree: 0 }
  })
  t.deepEqual(frames.decodeLink(bytesOf('LINK demote'), LIMITS), {
    ok: true,
    value: { op: 'demote', high: false, backoffMs: 300_000, degree: 7 }
  })
  t.deepEqual(frames.decodePeers(bytesOf('PEERS'), LIMITS), {
    ok: true,
    value: { keys: [filled(32, 1), filled(32, 2)] }
  })
  t.deepEqual(frames.decodePrune(bytesOf('PRUNE of all'), LIMITS), { ok: true, value: { ixs: [] } })
  t.deepEqual(frames.decodeOffer(bytesOf('OFFER'), LIMITS), {
    ok: true,
    value: { ix: 1, seq0: 70_000, count: 1, bytes: 17_000 }
  })
  t.deepEqual(frames.decodeSkip(bytesOf('SKIP'), LIMITS), {
    ok: true,
    value: { ix: 1, seq0: Number.MAX_SAFE_INTEGER }
  })
})

test('golden AUTHOR, HAVE, WANT and MISS frames, and a mark, are read back', t => {
  const decoded = <T>(result: { ok: true; value: T } | { ok: false; reason: string }): T => {
    if (!result.ok) throw new Error(result.reason)
    return result.value
  }
  const bytesOf = (name: string) => hex(golden.frames[name])
  const author = decoded(frames.decodeAuthor(bytesOf('AUTHOR with origin'), LIMITS))
  t.deepEqual([author.ix, author.origin.length], [2047, 40])
  t.deepEqual([...author.author, ...author.incarnation], [...ref.author, ...ref.incarnation])
  t.deepEqual(decoded(frames.decodeHave(bytesOf('HAVE live'), LIMITS)), { have: 'live', entries: [] })
  t.deepEqual(decoded(frames.decodeHave(bytesOf('HAVE join'), LIMITS)), {
    have: 'join',
    entries: [{ ix: 7, next: 2 ** 32, ahead: 3 }]
  })
  t.deepEqual(decoded(frames.decodeWant(bytesOf('WANT with graft'), LIMITS)), {
    graft: true,
    ranges: [
      { ix: 0, from: 300, count: 70 },
      { ix: 253, from: 300, count: 0 }
    ]
  })
  t.deepEqual(decoded(frames.decodeMiss(bytesOf('MISS'), LIMITS)), {
    entries: [{ ix: 0, from: 300, count: 70, floor: 320, reason: 'over-budget' }]
  })
  const isMarked = (name: string): boolean =>
    decoded(frames.decodeBatch(hex(golden.batches[name]), LIMITS)).mark
  t.deepEqual([isMarked('BATCH of "hi", index 0'), isMarked('BATCH of "hi", index 0, marked')], [false, true])
})

test('PROTOCOL.md shows a golden vector of each frame, as it is in the file', t => {
  const text = readFileSync(new URL('../../../../docs/PROTOCOL.md', import.meta.url), 'utf8')
  const table = text.slice(text.indexOf('Golden frames'), text.indexOf('### 1.5'))
  const rows = table.split('\n').filter(line => line.includes('`'))
  const vectors: Record<string, string> = { ...golden.batches, ...golden.frames }
  const shown = new Set<string>()
  for (const row of rows) {
    const [, name = '', bytes = ''] = row.split('|').map(cell => cell.trim())
    const [head = '', tail = ''] = Array.from(bytes.matchAll(/`([0-9a-f]+)`/g), ([, part]) => part as string)
    const vector = vectors[name] ?? ''
    // Of a long one the ends, and in words what is in between.
    t.true(tail === '' ? vector === head : vector.startsWith(head) && vector.endsWith(tail), row)
    shown.add(name.split(' ')[0] as string)
  }
  const kinds = Object.keys(frames.FrameKind).filter(kind => kind !== 'reserved')
  t.deepEqual([...shown].sort(), [...kinds.map(kind => kind.toUpperCase()), 'hello'].sort())
  t.true(rows.some(row => row.includes('marked')))
})
