import test from 'ava'
import fc from 'fast-check'
import * as hello from '#gossip/core/hello'
import { publicTopicKey } from '#gossip/core/keys'
import type { ConnectionBinding } from '#gossip/core/types'
import { filled, realCrypto } from './support-crypto.js'

const crypto = realCrypto()
const topicKey = publicTopicKey(crypto, 'hello')
const dialer: ConnectionBinding = {
  handshakeHash: filled(64, 1),
  isInitiator: true,
  publicKey: filled(32, 2),
  remotePublicKey: filled(32, 3)
}
const listener: ConnectionBinding = {
  handshakeHash: filled(64, 1),
  isInitiator: false,
  publicKey: filled(32, 3),
  remotePublicKey: filled(32, 2)
}
const FIELDS = {
  roles: hello.ROLES_ALL,
  features: 0,
  maxFrameBytes: 66_048,
  clockMs: 1_760_000_000_000,
  degree: 6
}

function helloOf(binding: ConnectionBinding): hello.Hello {
  return hello.ownHello(crypto, topicKey, { binding, ...FIELDS })
}

function decoded(bytes: Uint8Array): hello.Hello {
  const result = hello.decodeHello(bytes)
  if (!result.ok) throw new Error(result.reason)
  return result.value
}

test('a hello comes through as it was sent, and proves the key in both directions', t => {
  for (const [prover, verifier] of [
    [dialer, listener],
    [listener, dialer]
  ] as const) {
    const sent = helloOf(prover)
    const received = decoded(hello.encodeHello(sent))
    t.deepEqual({ ...received, proof: sent.proof }, sent)
    t.is(hello.verifyHello(crypto, topicKey, { binding: verifier, hello: received }), 'ok')
  }
})

test('a proof sent back to its sender is refused', t => {
  t.is(hello.verifyHello(crypto, topicKey, { binding: dialer, hello: helloOf(dialer) }), 'bad-proof')
  // A peer that dials itself: both ends have one key.
  const mirrored = { ...dialer, remotePublicKey: dialer.publicKey }
  t.is(hello.verifyHello(crypto, topicKey, { binding: mirrored, hello: helloOf(mirrored) }), 'bad-proof')
})

test('a proof for another key, topic or handshake is refused', t => {
  const sent = helloOf(dialer)
  const others: ConnectionBinding[] = [
    { ...listener, handshakeHash: filled(64, 9) },
    { ...listener, publicKey: filled(32, 9) },
    { ...listener, remotePublicKey: filled(32, 9) },
    { ...listener, isInitiator: true }
  ]
  for (const binding of others)
    t.is(hello.verifyHello(crypto, topicKey, { binding, hello: sent }), 'bad-proof')
  t.is(
    hello.verifyHello(crypto, publicTopicKey(crypto, 'hullo'), { binding: listener, hello: sent }),
    'bad-proof'
  )
})

test('every flipped bit of a proof makes it wrong', t => {
  const sent = helloOf(dialer)
  for (let bit = 0; bit < 256; bit++) {
    const proof = sent.proof.slice()
    proof[bit >> 3] = (proof[bit >> 3] as number) ^ (1 << (bit & 7))
    t.is(hello.verifyHello(crypto, topicKey, { binding: listener, hello: { ...sent, proof } }), 'bad-proof')
  }
  const { proof } = sent
  for (const other of [filled(0, 0), proof.subarray(0, 31), Uint8Array.of(...proof, 0)]) {
    const received = { ...sent, proof: other }
    t.is(hello.verifyHello(crypto, topicKey, { binding: listener, hello: received }), 'bad-proof')
  }
})

test('another version is told as such, whatever follows it', t => {
  for (const version of [0, 2, 255]) {
    const received = decoded(Uint8Array.of(version, 1, 2, 3))
    t.is(received.version, version)
    t.is(hello.verifyHello(crypto, topicKey, { binding: listener, hello: received }), 'version')
  }
})

test('a hello over 256 bytes is too large; one cut short is malformed; trailing bytes are ignored', t => {
  const bytes = hello.encodeHello(helloOf(dialer))
  t.deepEqual(hello.decodeHello(filled(257, 1)), { ok: false, reason: 'too-large' })
  for (let size = 0; size < bytes.length; size++) {
    t.deepEqual(hello.decodeHello(bytes.subarray(0, size)), { ok: false, reason: 'malformed' })
  }
  const longer = new Uint8Array(256)
  longer.set(bytes)
  t.deepEqual(decoded(longer), decoded(bytes))
})

test('unknown roles and features are kept as they came', t => {
  const sent = { ...helloOf(dialer), roles: 255, features: Number.MAX_SAFE_INTEGER }
  t.deepEqual(decoded(hello.encodeHello(sent)), { ...sent, proof: decoded(hello.encodeHello(sent)).proof })
})

test('a decoded proof is a copy', t => {
  const bytes = hello.encodeHello(helloOf(dialer))
  const received = decoded(bytes)
  const before = Uint8Array.from(received.proof)
  bytes.fill(0)
  t.deepEqual(Uint8Array.from(received.proof), before)
})

test('no bytes make the decoder throw', t => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), bytes => {
      if (bytes.length > 0 && (bytes[0] as number) % 2 === 0) bytes[0] = 1
      const result = hello.decodeHello(bytes)
      return !result.ok || Number.isSafeInteger(result.value.clockMs)
    }),
    { numRuns: 2000 }
  )
  t.pass()
})
