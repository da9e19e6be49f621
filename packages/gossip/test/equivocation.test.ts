/** Option detectEquivocation: an author that signs two batches for one seq is found, and the proof convinces others. */
import { createKeyPair, cryptoFor, type Equivocation, encodingOf, publicTopicKey } from '@hearsay/gossip'
import {
  batchDigest,
  FrameWriter,
  TopicCore,
  verifyEquivocation,
  type WrittenFrame
} from '@hearsay/gossip/core'
import test from 'ava'
import fc from 'fast-check'
import Protomux from 'protomux'
import { encodePayloads } from '#gossip/core/batch'
import { channelIdOf, makeAuthorRef, newIncarnation, topicIdOf } from '#gossip/core/keys'
import type { Batch, EquivocationEvidence } from '#gossip/core/types'
import { LIMITS } from '#gossip/limits'
import { Author, Rig, START_MS, sendsTo, TOPIC_KEY } from './support/core-net.js'
import { node } from './support/gossip-nodes.js'
import { noisePair, turns, until } from './support/streams.js'
import { realCrypto } from './support-crypto.js'

const detecting = (overrides: ConstructorParameters<typeof Rig>[0] = {}) =>
  new Rig({ detectEquivocation: true, ...overrides })

const crypto = realCrypto(1)
const TOPIC_ID = topicIdOf(crypto, TOPIC_KEY)

/** The only evidence that a rig told. */
function only(rig: Rig): EquivocationEvidence {
  const { evidence } = rig.log.of('equivocation')[0] ?? {}
  if (!evidence) throw new Error('no evidence')
  return evidence
}

test('two batches for one seq: the first is delivered, the second is proof, refused without points, not forwarded', t => {
  const rig = detecting()
  const [one, two, other] = [rig.peer(1), rig.peer(2), rig.peer(3)]
  const author = new Author(8)
  one.batch(author.batch(0, { texts: ['yes'] }))
  two.batch(author.batch(0, { texts: ['no'] }))
  t.deepEqual(rig.log.texts(), ['yes'])
  const [effect] = rig.log.of('equivocation')
  t.deepEqual(effect?.author, author.ref.author)
  t.is(effect?.incarnation, author.ref.incarnationId)
  t.is(effect?.seq, 0)
  const evidence = only(rig)
  t.deepEqual(evidence.first.signature, author.batch(0, { texts: ['yes'] }).signature)
  t.deepEqual(evidence.second.signature, author.batch(0, { texts: ['no'] }).signature)
  t.true(verifyEquivocation(crypto, TOPIC_ID, evidence))
  t.deepEqual(
    rig.log.of('drop').map(({ reason, points }) => [reason, points]),
    [['duplicate', 0]]
  )
  t.is(rig.core.counters.duplicates, 1)
  t.is(sendsTo(rig.log.effects, other.link).filter(({ frame }) => frame.kind === 'batch').length, 1)
  t.is(rig.core.counters.equivocations, 1)
  // The first seen stays: it is what is supplied.
  const answer = sendsTo(other.want(author.ref, 0, 1), other.link)
  const supplied = answer.flatMap(({ frame }) => (frame.kind === 'batch' ? [frame.batch.signature] : []))
  t.deepEqual(
    supplied.map(bytes => new Uint8Array(bytes)),
    [evidence.first.signature]
  )
})

test('copies cost no signature, and without the option other batches cost none either', t => {
  const author = new Author(8)
  const rig = detecting()
  const peer = rig.peer(1)
  const batch = author.batch(0, { texts: ['a', 'b'] })
  for (let i = 0; i < 5; i++) peer.batch(batch)
  t.is(rig.core.counters.verified, 1)
  t.is(rig.core.counters.duplicates, 4)
  const blind = new Rig()
  const other = blind.peer(1)
  other.batch(author.batch(0, { texts: ['a'] }))
  other.batch(author.batch(0, { texts: ['b'] }))
  t.is(blind.core.counters.verified, 1)
  t.deepEqual(blind.log.of('equivocation'), [])
  t.is(blind.core.sizes.evidence, 0)
})

test('a forged difference is charged to the link and proves nothing', t => {
  const rig = detecting()
  const [honest, liar] = [rig.peer(1), rig.peer(2)]
  const author = new Author(8)
  const batch = author.batch(0, { texts: ['a'] })
  honest.batch(batch)
  liar.batch({ ...batch, payloadBytes: encodePayloads([new Uint8Array(9)]) })
  liar.batch({ ...batch, createdMs: batch.createdMs + 1 })
  t.deepEqual(
    rig.log.of('drop').map(({ link, reason, points }) => [link, reason, points]),
    [
      [liar.link, 'bad-signature', 40],
      [liar.link, 'bad-signature', 40]
    ]
  )
  t.deepEqual(rig.log.of('equivocation'), [])
})

test('an overlap is proof, too; a forged one is not', t => {
  const rig = detecting()
  const peer = rig.peer(1)
  const author = new Author(8)
  peer.batch(author.batch(0, { texts: ['a', 'b', 'c'] }))
  peer.batch({ ...author.batch(2, { texts: ['c', 'd'] }), signature: new Uint8Array(64) })
  t.deepEqual(rig.log.of('equivocation'), [])
  // The same messages, cut in another way: signed twice all the same.
  peer.batch(author.batch(2, { texts: ['c', 'd'] }))
  t.is(rig.log.of('equivocation')[0]?.seq, 2)
  t.deepEqual(rig.log.drops(), { 'bad-signature': 1, overlap: 1 })
  t.true(verifyEquivocation(crypto, TOPIC_ID, only(rig)))
  t.deepEqual(rig.log.texts(), ['a', 'b', 'c'])
  const other = new Author(9)
  peer.batch(other.batch(2, { texts: ['a', 'b'] }))
  peer.batch(other.batch(0, { texts: ['x', 'y', 'z'] }))
  t.is(rig.log.of('equivocation')[1]?.seq, 2)
  t.true(verifyEquivocation(crypto, TOPIC_ID, rig.log.of('equivocation')[1]?.evidence as never))
})

test('a difference in time to live or time alone is one, since both are signed', t => {
  for (const about of [{ ttlSeconds: 31 }, { createdMs: START_MS + 1 }]) {
    const rig = detecting()
    const peer = rig.peer(1)
    const author = new Author(8)
    peer.batch(author.batch(0))
    peer.batch(author.batch(0, about))
    t.true(verifyEquivocation(crypto, TOPIC_ID, only(rig)))
  }
})

test('the last 64 seqs are compared, whatever order they came in; those before are only duplicates', t => {
  const order = [...Array(100).keys()].map(i => (i * 37) % 100)
  for (const [seq, isFound] of [
    [36, true],
    [99, true],
    [64, true],
    [35, false],
    [0, false]
  ] as const) {
    const rig = detecting()
    rig.options.crypto.verify = () => true
    const peer = rig.peer(1)
    const author = new Author(8)
    for (const each of order) peer.batch(author.batch(each))
    t.is(rig.log.delivered.length, 100)
    for (const each of order) peer.batch(author.batch(each))
    t.is(rig.log.of('equivocation').length, 0)
    peer.batch(author.batch(seq, { texts: ['other'] }))
    t.is(rig.log.of('equivocation').length, isFound ? 1 : 0, String(seq))
  }
})

test('one proof per incarnation: after it copies cost no signature, and another incarnation is another proof', t => {
  const rig = detecting()
  const peer = rig.peer(1)
  const [author, restarted] = [new Author(8), new Author(8, { random: 0.75 })]
  for (const each of [author, restarted]) {
    peer.batch(each.batch(0))
    peer.batch(each.batch(1))
    for (let i = 0; i < 10; i++) peer.batch(each.batch(i % 2, { texts: [`other ${i}`] }))
  }
  t.is(rig.core.counters.verified, 6)
  t.deepEqual(
    rig.log.of('equivocation').map(({ incarnation }) => incarnation),
    [author.ref.incarnationId, restarted.ref.incarnationId]
  )
})

test('verification of differing copies is within the budgets of the link and of the process', t => {
  let left = 3
  const rig = detecting({ verifies: { take: () => left-- > 0 }, limits: { verifiesPerSecond: 2 } })
  const [one, two] = [rig.peer(1), rig.peer(2)]
  const author = new Author(8)
  const other = author.batch(0, { texts: ['other'] })
  for (let seq = 0; seq < 3; seq++) one.batch(author.batch(seq))
  two.batch({ ...other, signature: new Uint8Array(64) })
  t.deepEqual(rig.log.drops(), { 'over-budget': 1 })
  left = 10
  one.batch(author.batch(3))
  one.batch(other)
  t.deepEqual(rig.log.drops(), { 'over-budget': 2 })
  t.is(rig.core.counters.verified, 4)
  two.batch(other)
  t.is(rig.log.of('equivocation').length, 1)
})

test('what is kept is bounded: the oldest proof goes', t => {
  const rig = detecting({ limits: { maxEvidence: 3 } })
  const peer = rig.peer(1)
  const authors = [8, 9, 10, 11, 12].map(seed => new Author(seed))
  for (const author of authors) {
    peer.batch(author.batch(0))
    peer.batch(author.batch(0, { texts: ['other'] }))
  }
  t.is(rig.core.sizes.evidence, 3)
  t.is(rig.log.of('equivocation').length, 5)
  peer.batch((authors[4] as Author).batch(0, { texts: ['a third'] }))
  t.is(rig.log.of('equivocation').length, 5)
  peer.batch((authors[0] as Author).batch(0, { texts: ['a third'] }))
  t.is(rig.log.of('equivocation').length, 6)
})

test('when the first batch is not kept any more it is told without a proof, once, and again with one', t => {
  const rig = detecting({ limits: { maxCacheBatches: 1 } })
  const peer = rig.peer(1)
  const author = new Author(8)
  for (let seq = 0; seq < 3; seq++) peer.batch(author.batch(seq))
  for (let i = 0; i < 3; i++) peer.batch(author.batch(1, { texts: [`other ${i}`] }))
  t.deepEqual(
    rig.log.of('equivocation').map(({ seq, evidence }) => [seq, evidence]),
    [[1, null]]
  )
  peer.batch(author.batch(2, { texts: ['other'] }))
  t.is(rig.log.of('equivocation').length, 2)
  t.true(verifyEquivocation(crypto, TOPIC_ID, rig.log.of('equivocation')[1]?.evidence as never))
  t.is(rig.core.sizes.evidence, 1)
})

test('an overlap whose other batch is not kept any more names the lowest seq that was known', t => {
  const rig = detecting({ limits: { maxCacheBatches: 1 } })
  const [peer, other] = [rig.peer(1), new Author(9)]
  const author = new Author(8)
  peer.batch(author.batch(2, { texts: ['a', 'b'] }))
  peer.batch(other.batch(0))
  peer.batch(author.batch(0, { texts: ['x', 'y', 'z'] }))
  t.deepEqual(
    rig.log.of('equivocation').map(({ seq, evidence }) => [seq, evidence]),
    [[2, null]]
  )
})

test('two versions that race while the first is judged: found at once, or when the second is judged', t => {
  const rig = detecting({ asksValidate: true })
  const [one, two] = [rig.peer(1), rig.peer(2)]
  const author = new Author(8)
  one.batch(author.batch(0, { texts: ['yes'] }))
  two.batch(author.batch(0, { texts: ['yes'] }))
  t.is(rig.core.counters.verified, 1)
  two.batch(author.batch(0, { texts: ['no'] }))
  t.is(rig.log.of('ask').length, 1)
  t.true(verifyEquivocation(crypto, TOPIC_ID, only(rig)))
  const late = new Author(9)
  one.batch(late.batch(0, { texts: ['a', 'b'] }))
  two.batch(late.batch(1, { texts: ['c'] }))
  for (const { question } of rig.log.of('ask')) {
    rig.step({ type: 'answer', question, verdicts: ['accept', 'accept'] })
  }
  const [overlapped, from] = [new Author(10), rig.log.of('ask').length]
  one.batch(overlapped.batch(0, { texts: ['d', 'e'] }))
  two.batch(overlapped.batch(1, { texts: ['e', 'f'] }))
  for (const { question } of rig.log.of('ask').slice(from)) {
    rig.step({ type: 'answer', question, verdicts: ['accept', 'accept'] })
  }
  t.deepEqual(rig.log.texts(), ['yes', 'a', 'b', 'd', 'e'])
  t.deepEqual(
    rig.log.of('equivocation').map(({ seq }) => seq),
    [0, 1, 1]
  )
})

test('our own incarnation with other bytes is a clone, not an equivocation', t => {
  const rig = detecting()
  const peer = rig.peer(1)
  rig.publish(1, 'x')
  const own = rig.log.of('deliver')[0]?.batch as Batch
  const clone = new Author(7)
  Object.assign(clone, { ref: own.ref })
  peer.batch(clone.batch(0))
  t.deepEqual(rig.log.drops(), { own: 1 })
  t.deepEqual(rig.log.of('equivocation'), [])
})

test('evidence is bound to topic, author, incarnation and every field; anything else is false and throws nothing', t => {
  const author = new Author(8)
  const { author: key, incarnation } = author.ref
  const evidence: EquivocationEvidence = {
    author: key,
    incarnation,
    first: author.batch(3, { texts: ['a', 'b'] }),
    second: author.batch(4, { texts: ['c'] })
  }
  const { first, second } = evidence
  const verify = (changed: unknown) => verifyEquivocation(crypto, TOPIC_ID, changed as EquivocationEvidence)
  t.true(verify(evidence))
  t.true(verify(structuredClone({ ...evidence })))
  t.true(verify({ ...evidence, first: second, second: first }))
  const wrong: Record<string, unknown> = {
    'the same twice': { ...evidence, second: first },
    'no common seq': { ...evidence, second: author.batch(5) },
    'another author': { ...evidence, author: new Author(9).ref.author },
    'another incarnation': { ...evidence, incarnation: new Uint8Array(8) },
    'a long author': { ...evidence, author: new Uint8Array([...key, ...incarnation]) },
    'a forged first': { ...evidence, first: { ...first, createdMs: first.createdMs + 1 } },
    'a forged second': { ...evidence, second: { ...second, signature: new Uint8Array(64) } },
    'a short signature': { ...evidence, second: { ...second, signature: new Uint8Array(63) } },
    // Signed as a count of 1, which doesn't reach seq 3.
    'a count beyond 16 bits': { ...evidence, second: { ...author.batch(2), count: 65_537 } },
    'a count of none': { ...evidence, second: author.batch(4, { texts: [] }) },
    'a fraction': { ...evidence, second: { ...second, seq0: 4.5 } },
    'a ttl beyond 8 bits': { ...evidence, second: { ...second, ttlSeconds: second.ttlSeconds + 256 } },
    'a class beyond 8 bits': { ...evidence, second: { ...second, class: 256 } },
    nothing: null,
    'no batches': { author: key, incarnation },
    'an array': [],
    text: { ...evidence, first: 'first' }
  }
  for (const [what, changed] of Object.entries(wrong)) t.false(verify(changed), what)
  t.false(verifyEquivocation(crypto, topicIdOf(crypto, new Uint8Array(32)), evidence))
  t.false(verifyEquivocation(crypto, new Uint8Array(31), evidence))
})

test('no garbage makes verification throw', t => {
  fc.assert(
    fc.property(fc.anything({ withTypedArray: true }), fc.anything(), (first, second) => {
      const evidence = { author: new Uint8Array(32), incarnation: new Uint8Array(8), first, second }
      return !verifyEquivocation(crypto, TOPIC_ID, evidence as never)
    })
  )
  t.pass()
})

test('honest authors are never accused, whatever the order and the copies', t => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 60 }),
      fc.infiniteStream(fc.nat()),
      (counts, picks) => {
        const rig = detecting()
        rig.options.crypto.verify = () => true
        const peers = [rig.peer(1), rig.peer(2)]
        const author = new Author(8)
        let seq0 = 0
        const batches = counts.map(count => {
          const batch = author.batch(seq0, { texts: Array.from({ length: count }, (_, i) => `${seq0 + i}`) })
          seq0 += count
          return batch
        })
        for (let i = 0; i < 3 * counts.length; i++) {
          const pick = picks.next().value as number
          peers[pick % 2]?.batch(batches[pick % batches.length] as Batch)
        }
        return rig.log.of('equivocation').length === 0
      }
    ),
    { numRuns: 50 }
  )
  t.pass()
})

test('a topic emits it, with a proof that others can check', async t => {
  const { gossip, topic, messages } = node(t, { topic: { detectEquivocation: true } })
  const told: Equivocation[] = []
  topic.on('equivocation', equivocation => told.push(equivocation))
  const send = await rawPeer(gossip)
  await until(() => topic.peers().length === 1)
  send('yes')
  await until(() => messages.length === 1)
  send('no')
  await until(() => told.length === 1)
  await turns(5)
  t.deepEqual(
    messages.map(({ data }) => data),
    ['yes']
  )
  const [{ author, incarnation, seq, evidence }] = told as [Equivocation]
  t.deepEqual(author, messages[0]?.author)
  t.is(messages[0]?.incarnation, incarnation)
  t.is(seq, 0)
  t.is(gossip.stats.equivocations, 1)
  const hashes = cryptoFor(createKeyPair())
  t.true(verifyEquivocation(hashes, topicIdOf(hashes, publicTopicKey('cats')), evidence as never))
  t.is(topic.peers().length, 1)
})

/** Connects a peer that says hello by hand; the returned function sends a batch for seq 0 that holds one value. */
async function rawPeer(gossip: { attach(stream: ReturnType<typeof noisePair>[0]): unknown }) {
  const RAW = {
    preencode(state: { end: number }, value: Uint8Array) {
      state.end += value.byteLength
    },
    encode(state: { buffer: Uint8Array | null; start: number }, value: Uint8Array) {
      state.buffer?.set(value, state.start)
      state.start += value.byteLength
    },
    decode: () => new Uint8Array(0)
  }
  const keyPair = createKeyPair()
  const own = cryptoFor(keyPair)
  const startMs = Date.now()
  const topicKey = publicTopicKey('cats')
  const core = new TopicCore({ topicKey, author: keyPair.publicKey, crypto: own, limits: LIMITS, startMs })
  const [mine, theirs] = noisePair()
  gossip.attach(mine)
  await Promise.all([mine.opened, theirs.opened])
  const channel = Protomux.from(theirs).createChannel({
    protocol: 'hearsay/gossip/1',
    id: channelIdOf(own, core.topicId, theirs.handshakeHash),
    handshake: RAW,
    messages: Array.from({ length: 10 }, () => ({ encoding: RAW, onmessage() {} }))
  })
  const { isInitiator, handshakeHash, publicKey, remotePublicKey } = theirs
  channel?.open(core.ownHello({ isInitiator, handshakeHash, publicKey, remotePublicKey }))
  const writer = new FrameWriter(LIMITS, 1)
  const ref = makeAuthorRef(
    keyPair.publicKey,
    newIncarnation(startMs, () => 0)
  )
  return (value: string) => {
    const payloads = [encodingOf('msgpack').encode(value)]
    const payloadBytes = encodePayloads(payloads)
    const unsigned = { ref, seq0: 0, count: 1, createdMs: startMs, ttlSeconds: 30, class: 0, payloadBytes }
    const signature = own.sign(batchDigest(own, core.topicId, unsigned))
    const batch = { ...unsigned, signature, head: new Uint8Array(0), payloads }
    const written: WrittenFrame[] = []
    writer.write({ kind: 'batch', batch, hops: 0, mark: false, repair: false, last: true }, written)
    for (const { kind, bytes } of written) channel?.messages[kind]?.send(bytes)
  }
}
