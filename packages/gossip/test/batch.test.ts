import test from 'ava'
import fc from 'fast-check'
import * as batches from '#gossip/core/batch'
import { makeAuthorRef, publicTopicKey, topicIdOf } from '#gossip/core/keys'
import { filled, hex, realCrypto } from './support-crypto.js'

const crypto = realCrypto()
const topicId = topicIdOf(crypto, publicTopicKey(crypto, 'hello'))
const ref = makeAuthorRef(crypto.author, hex('0199c82cc000beef'))
const signed: batches.SignedBatch = {
  ref,
  seq0: 0,
  count: 1,
  createdMs: 1_760_000_000_005,
  ttlSeconds: 30,
  class: 0,
  payloadBytes: batches.encodePayloads([Buffer.from('hi')])
}
const payload = fc.oneof(
  fc.constantFrom(0, 1, 252, 253, 254, 255, 256, 1024).map(size => filled(size, size & 255)),
  fc.uint8Array({ maxLength: 80 })
)

test('digest and signature equal their golden vectors', t => {
  const digest = batches.batchDigest(crypto, topicId, signed)
  t.deepEqual(digest, hex('9262989ed832326f732cc47d13fe6d877514cb890a5f55135815818f03d45768'))
  t.deepEqual(
    crypto.sign(digest),
    hex(
      '90963bc72318ee5604cca4367cbf902362d89c32228470820ef172c14562f50e' +
        'f927ab8ce1c1ed5fc1ff92fc1df72d8059039758f0507a499b97eb940e3a4a06'
    )
  )
})

/** `bytes` with one bit flipped. */
function flipped(bytes: Uint8Array, bit: number): Uint8Array {
  const copy = bytes.slice()
  copy[bit >> 3] = (copy[bit >> 3] as number) ^ (1 << (bit & 7))
  return copy
}

/** `value` with each of its lowest `bits` flipped in turn; arithmetic, as a seq has 53 bits. */
function flips(value: number, bits: number): number[] {
  return Array.from({ length: bits }, (_, bit) => {
    const isSet = Math.floor(value / 2 ** bit) % 2 === 1
    return isSet ? value - 2 ** bit : value + 2 ** bit
  })
}

test('every bit of every signed field and of the payloads is signed', t => {
  const payloadBytes = batches.encodePayloads([Buffer.from('one'), Buffer.from('two'), filled(40, 3)])
  const original = { ...signed, seq0: 77, count: 3, payloadBytes }
  const signature = crypto.sign(batches.batchDigest(crypto, topicId, original))
  const verifies = (topic: Uint8Array, batch: batches.SignedBatch): boolean =>
    crypto.verify(signature, batches.batchDigest(crypto, topic, batch), crypto.author)
  t.true(verifies(topicId, original))
  const bitsOf = (bytes: Uint8Array): number[] => Array.from({ length: bytes.length * 8 }, (_, bit) => bit)
  const forged: batches.SignedBatch[] = [
    ...bitsOf(ref.author).map(bit => ({
      ...original,
      ref: makeAuthorRef(flipped(ref.author, bit), ref.incarnation)
    })),
    ...bitsOf(ref.incarnation).map(bit => ({
      ...original,
      ref: makeAuthorRef(ref.author, flipped(ref.incarnation, bit))
    })),
    ...flips(original.seq0, 53).map(seq0 => ({ ...original, seq0 })),
    ...flips(original.createdMs, 53).map(createdMs => ({ ...original, createdMs })),
    ...flips(original.ttlSeconds, 8).map(ttlSeconds => ({ ...original, ttlSeconds })),
    ...flips(original.class, 8).map(bits => ({ ...original, class: bits })),
    ...flips(original.count, 16).map(count => ({ ...original, count })),
    ...bitsOf(payloadBytes).map(bit => ({ ...original, payloadBytes: flipped(payloadBytes, bit) })),
    { ...original, payloadBytes: payloadBytes.subarray(0, -1) },
    { ...original, payloadBytes: Uint8Array.of(...payloadBytes, 0) }
  ]
  t.is(forged.length, 256 + 64 + 53 + 53 + 8 + 8 + 16 + payloadBytes.length * 8 + 2)
  for (const batch of forged) if (verifies(topicId, batch)) t.fail('a forged batch verifies')
  for (const bit of bitsOf(topicId)) if (verifies(flipped(topicId, bit), original)) t.fail('another topic')
})

test('every flipped bit of the signature makes it wrong', t => {
  const digest = batches.batchDigest(crypto, topicId, signed)
  const signature = crypto.sign(digest)
  for (let bit = 0; bit < 512; bit++) {
    if (crypto.verify(flipped(signature, bit), digest, crypto.author)) t.fail(`bit ${bit}`)
  }
  t.true(crypto.verify(signature, digest, crypto.author))
})

test('a digester gives each batch the digest that it has alone', t => {
  const digester = new batches.BatchDigester(crypto, topicId)
  const other = {
    ...signed,
    seq0: 2 ** 53 - 1,
    createdMs: 2 ** 53 - 1,
    count: 64,
    ttlSeconds: 120,
    class: 16
  }
  for (const batch of [other, signed, other, signed]) {
    t.deepEqual(digester.digest(batch), batches.batchDigest(crypto, topicId, batch))
  }
})

test('the header is 128 bytes in the documented order', t => {
  let header = new Uint8Array(0)
  const spy = {
    ...crypto,
    hash(...parts: Uint8Array[]) {
      if (parts.length === 2) header = Uint8Array.from(parts[0] as Uint8Array)
      return crypto.hash(...parts)
    }
  }
  batches.batchDigest(spy, topicId, { ...signed, seq0: 0x1f_0203_0405_0607, count: 0x40, class: 16 })
  t.is(header.length, 128)
  t.is(
    Buffer.from(header.subarray(104)).toString('hex'),
    `07060504030${'2'}1f00${'05c02cc899010000'}1e104000${'03000000'}`
  )
})

test('payload lists come through unchanged', t => {
  fc.assert(
    fc.property(fc.array(payload, { minLength: 1, maxLength: 64 }), payloads => {
      const bytes = batches.encodePayloads(payloads)
      const result = batches.decodePayloads(bytes, payloads.length, 1024)
      return (
        result.ok &&
        Buffer.concat(result.value).equals(Buffer.concat(payloads)) &&
        result.value.every((view, i) => view.length === payloads[i]?.length && view.buffer === bytes.buffer)
      )
    })
  )
  t.pass()
})

test('a list must hold exactly as many payloads as stated, and nothing else', t => {
  const bytes = batches.encodePayloads([filled(3, 1), filled(300, 2)])
  t.true(batches.decodePayloads(bytes, 2, 300).ok)
  t.deepEqual(batches.decodePayloads(bytes, 1, 300), { ok: false, reason: 'malformed' })
  t.deepEqual(batches.decodePayloads(bytes, 3, 300), { ok: false, reason: 'malformed' })
  t.deepEqual(batches.decodePayloads(bytes.subarray(0, -1), 2, 300), { ok: false, reason: 'malformed' })
  t.deepEqual(batches.decodePayloads(Uint8Array.of(...bytes, 0), 2, 300), { ok: false, reason: 'malformed' })
  t.deepEqual(batches.decodePayloads(bytes, 2, 299), { ok: false, reason: 'too-large' })
  t.deepEqual(batches.decodePayloads(filled(9, 255), 1, 300), { ok: false, reason: 'malformed' })
})

test('no bytes make the payload decoder throw, and views never leave the list', t => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), fc.integer({ min: 0, max: 255 }), (bytes, count) => {
      const result = batches.decodePayloads(bytes, count, 40)
      return !result.ok || (result.value.length === count && result.value.every(view => view.length <= 40))
    }),
    { numRuns: 3000 }
  )
  t.pass()
})
