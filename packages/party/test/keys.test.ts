import { fc, testProp } from '@fast-check/ava'
import test from 'ava'
import Hypercore from 'hypercore'
import {
  decodeWriterName,
  encodeWriterName,
  feedNamespaceOf,
  isGenesisOf,
  PartyKeys,
  partyKeyOf
} from '#party/core/keys'
import { bytes, cryptoOf, hex, VECTORS } from './support-crypto.js'

const crypto = cryptoOf(7)
const { inputs } = VECTORS
const genesis = { founderPublicKey: crypto.author, salt: bytes(inputs.salt) }
const keys = new PartyKeys(crypto, bytes(VECTORS.partyKey))
const handshakeHash = bytes(inputs.handshakeHash)
const feedKey = bytes(inputs.feedKey)
const writer = { ...inputs.writer, device: bytes(inputs.writer.device) }
const proverSide = {
  handshakeHash,
  isInitiator: true,
  publicKey: bytes(inputs.prover),
  remotePublicKey: bytes(inputs.verifier)
}
const verifierSide = {
  handshakeHash,
  isInitiator: false,
  publicKey: bytes(inputs.verifier),
  remotePublicKey: bytes(inputs.prover)
}

test('every derivation gives the published vector', t => {
  t.is(hex(partyKeyOf(crypto, genesis)), VECTORS.partyKey)
  t.is(hex(keys.partyId), VECTORS.partyId)
  t.is(hex(keys.discoveryKey), VECTORS.discoveryKey)
  t.is(hex(keys.channelId(handshakeHash)), VECTORS.channelId)
  t.is(hex(keys.proof(proverSide, 'own')), VECTORS.proofInitiator)
  t.is(hex(keys.recordsTopicKey()), VECTORS.recordsTopic)
  t.is(hex(keys.appTopicKey('chat')), VECTORS.appTopicChat)
  t.is(hex(keys.feedId(feedKey)), VECTORS.feedId)
  t.is(hex(encodeWriterName(writer)), VECTORS.fullWriterName)
  t.is(hex(keys.feedNamespace(encodeWriterName(writer))), VECTORS.feedNamespace)
  t.is(hex(feedNamespaceOf(crypto, keys.partyId, encodeWriterName(writer))), VECTORS.feedNamespace)
  t.is(hex(crypto.sign(keys.authorDigest(proverSide, 'own'))), VECTORS.authorBindingInitiator)
  t.is(hex(keys.digestSalt(handshakeHash, inputs.set, inputs.round)), VECTORS.digestSalt)
})

test('a hypercore of the derived manifest has the published feed key', t => {
  const namespace = bytes(VECTORS.feedNamespace)
  const key = Hypercore.key({ version: 1, signers: [{ publicKey: crypto.author, namespace }] })
  t.is(hex(key), VECTORS.derivedFeedKey)
})

test('both ends agree on the proof and the binding of either side, and the two sides differ', t => {
  for (const derive of [keys.proof.bind(keys), keys.authorDigest.bind(keys)]) {
    t.deepEqual(derive(proverSide, 'own'), derive(verifierSide, 'remote'))
    t.deepEqual(derive(verifierSide, 'own'), derive(proverSide, 'remote'))
    t.notDeepEqual(derive(proverSide, 'own'), derive(verifierSide, 'own'))
    // With equal static keys only the role is left to tell a reflected proof.
    const same = { ...proverSide, remotePublicKey: proverSide.publicKey }
    t.notDeepEqual(derive(same, 'own'), derive(same, 'remote'))
  }
})

test('a genesis is that of its party only', t => {
  t.true(keys.isGenesis(genesis))
  t.false(keys.isGenesis({ ...genesis, salt: new Uint8Array(32) }))
  t.false(isGenesisOf(crypto, { ...genesis, founderPublicKey: cryptoOf(8).author }, bytes(VECTORS.partyKey)))
})

test('slots: of feed, authorize and introduction differ, and an introduction has one per introducer', t => {
  const slot = keys.feedSlot(feedKey)
  t.is(hex(slot), VECTORS.feedId.slice(0, 32))
  const authorize = keys.authorizeSlot(feedKey)
  t.deepEqual(authorize.subarray(0, 15), slot.subarray(0, 15))
  t.is((authorize[15] as number) ^ (slot[15] as number), 1)
  t.notDeepEqual(
    keys.introductionSlot(feedKey, crypto.author),
    keys.introductionSlot(feedKey, cryptoOf(8).author)
  )
})

test('salts differ by set, by round up to 32 bits, and by connection', t => {
  const salts = [0, 1, 2].flatMap(set =>
    [1, 256, 65_536, 2 ** 24, 2 ** 32 - 1].map(round => hex(keys.digestSalt(handshakeHash, set as 0, round)))
  )
  salts.push(hex(keys.digestSalt(new Uint8Array(64), 0, 1)))
  t.is(new Set(salts).size, salts.length)
})

test('the salt takes set and round as 5 bytes, the round little-endian', t => {
  const namespace = crypto.hash(new TextEncoder().encode('hearsay/party/1/digest'))
  const tail = Uint8Array.of(2, 0x04, 0x03, 0x02, 0x81)
  t.deepEqual(
    keys.digestSalt(handshakeHash, 2, 0x81020304),
    crypto.keyedHash(handshakeHash, namespace, keys.partyId, tail)
  )
})

test('what is only known on the DHT opens no channel: discovery key and channel id are unrelated', t => {
  t.notDeepEqual(keys.channelId(handshakeHash), crypto.keyedHash(handshakeHash, keys.discoveryKey))
})

testProp(
  'a writer name comes back as it was written, and no other spelling of it is taken',
  [
    fc
      .string({ unit: 'grapheme', maxLength: 14 })
      .filter(name => new TextEncoder().encode(name).length <= 64),
    fc.uint8Array({ minLength: 8, maxLength: 8 }),
    fc.oneof(fc.constantFrom(0, 252, 253, 65_536), fc.maxSafeNat()),
    fc.uint8Array({ minLength: 1, maxLength: 3 })
  ],
  (t, name, device, rotation, trailing) => {
    const encoded = encodeWriterName({ name, device, rotation })
    const decoded = decodeWriterName(encoded)
    t.true(decoded.ok)
    if (decoded.ok) t.deepEqual(decoded.value, { name, device, rotation })
    t.false(decodeWriterName(Uint8Array.of(...encoded, ...trailing)).ok)
    t.false(decodeWriterName(encoded.subarray(0, -1)).ok)
  }
)

test('a writer name in a longer form than needed is malformed', t => {
  const long = Uint8Array.of(1, 0x61, ...new Uint8Array(8), 0xfd, 5, 0)
  t.deepEqual(decodeWriterName(long), { ok: false, reason: 'malformed' })
  t.deepEqual(decodeWriterName(Uint8Array.of(65)), { ok: false, reason: 'too-large' })
})
