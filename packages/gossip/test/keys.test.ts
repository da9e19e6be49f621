import test from 'ava'
import * as keys from '#gossip/core/keys'
import { filled, hex, realCrypto } from './support-crypto.js'

const crypto = realCrypto()
const topicKey = keys.publicTopicKey(crypto, 'hello')
const topicId = keys.topicIdOf(crypto, topicKey)
const handshakeHash = filled(64, 1)

const VECTORS: [string, Uint8Array, string][] = [
  [
    'the namespace of topic ids',
    keys.namespaceOf(crypto, 'hearsay/gossip/1/topic-id'),
    '89975bd007db9cc7b195e902c8422f5326f5eef34a30dd0e48e19ccd3eaaedb4'
  ],
  [
    'the namespace of batches',
    keys.namespaceOf(crypto, 'hearsay/gossip/1/batch'),
    '06bb2ddbab8bbee492a6836ea2d82147b2a53f6124e0437b95c0c03fbc9d961b'
  ],
  ['a public topic key', topicKey, '02e91d21be0751007640f329851a730805f47f51ca66c2b12a402dfcbaa6cd07'],
  ['a topic id', topicId, 'c1521ce0fc805ae87a37969a356384e7e7b9659084e477e1bf47d5a18b26d5c1'],
  [
    'a channel id',
    keys.channelIdOf(crypto, topicId, handshakeHash),
    '8f3a0d3f9bb5768a8dcd47e9f64618a4acfc9397a334e33b5f401056323dfaa6'
  ],
  [
    'a swarm topic',
    keys.swarmTopicOf(crypto, topicKey),
    'f520eca6f27e0920e4c1318c3e406f6f61b5bddda42b5aa6b9b0389e09e5f81e'
  ],
  [
    'a subtopic key',
    keys.subtopicKey(crypto, topicKey, 'chat'),
    '7dfc607ad7c5b565a2bd899a783ad42d72f58ea5b2c0953faa2ef1fdb23d501f'
  ],
  [
    'a proof',
    keys.proofOf(crypto, topicKey, {
      role: 'initiator',
      handshakeHash,
      prover: filled(32, 2),
      verifier: filled(32, 3)
    }),
    '6aaecd933e962a5a6f3094b73dcb58c822c5f9d1353dadc48b4bb45722602527'
  ],
  ['an author', crypto.author, 'ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92421eea691446d22c']
]

for (const [name, actual, expected] of VECTORS) {
  test(`${name} equals its golden vector`, t => t.deepEqual(actual, hex(expected)))
}

test('the incarnation of a durable author equals its golden vector', t => {
  const namespace = keys.namespaceOf(crypto, 'hearsay/gossip/1/feed-incarnation')
  t.deepEqual(crypto.hash(namespace, filled(32, 9)).subarray(0, 8), hex('116152b77e94a83d'))
})

test('an incarnation is the start time, big-endian, and 16 random bits', t => {
  const random = () => 0xbeef / 0x1_0000
  t.deepEqual(keys.newIncarnation(1_760_000_000_000, random), hex('0199c82cc000beef'))
  const most = keys.newIncarnation(2 ** 48 - 1, () => 1 - 2 ** -53)
  t.deepEqual(most, filled(8, 255))
  t.deepEqual(
    keys.newIncarnation(0, () => 0),
    filled(8, 0)
  )
})

test('a ref tells the start time, and hex of author and incarnation', t => {
  const ref = keys.makeAuthorRef(filled(32, 0xab), hex('0199c82cc000beef'))
  t.is(ref.startMs, 1_760_000_000_000)
  t.is(ref.authorId, 'ab'.repeat(32))
  t.is(ref.incarnationId, '0199c82cc000beef')
  t.is(ref.origin.length, 0)
})

test('a ref keeps copies: its source may be a network frame', t => {
  const source = Buffer.alloc(80, 1)
  const ref = keys.makeAuthorRef(source.subarray(0, 32), source.subarray(32, 40), source.subarray(40))
  source.fill(2)
  t.deepEqual(ref.author, filled(32, 1))
  t.deepEqual(ref.incarnation, filled(8, 1))
  t.deepEqual(ref.origin, filled(40, 1))
})
