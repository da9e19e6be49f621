/**
 * The hello: opening handshake of a channel. It says which version is spoken, proves that the topic key is known, and
 * states what the peer does and accepts. Until it was verified nothing else of the link is decoded.
 *
 * The proof names the prover's role in the Noise handshake and both public keys. A proof over the handshake hash alone
 * can be reflected to its sender; one without the keys can be passed on by a man in the middle.
 * Unknown feature bits and trailing bytes are ignored, so that later versions may add fields.
 */
import b4a from 'b4a'
import { LIMITS } from '../limits.js'
import { copyOf, Reader, uintSize, Writer } from './bytes.js'
import { type Hashes, type ProofRole, proofOf } from './keys.js'
import { MALFORMED, type Result, success, TOO_LARGE } from './result.js'
import type { ConnectionBinding } from './types.js'

/** Version of the wire format and of all derivations. */
export const PROTOCOL_VERSION = 1

/** Bits of `Hello.roles`. */
export const ROLE_SUBSCRIBER = 1
/** Passes on what others published. */
export const ROLE_FORWARDER = 2
/** Publishes itself. */
export const ROLE_PUBLISHER = 4
/** What a full member does. */
export const ROLES_ALL = ROLE_SUBSCRIBER | ROLE_FORWARDER | ROLE_PUBLISHER

/** Bits of `Hello.features`; a feature is used when both ends state it. Understands OFFER and SKIP. */
export const FEATURE_OFFER = 1
/** Understands PEERS. */
export const FEATURE_PEERS = 2
/** Has the feeds of a durable topic. */
export const FEATURE_DURABLE = 4

/** What a peer says first. */
export interface Hello {
  /** `PROTOCOL_VERSION` of the peer, 0 to 255; of another version no other field is known. */
  readonly version: number
  /** 32 bytes. */
  readonly proof: Uint8Array
  /** `ROLE_` bits. */
  readonly roles: number
  /** `FEATURE_` bits. */
  readonly features: number
  /** Largest BATCH frame that the peer accepts. */
  readonly maxFrameBytes: number
  /** Wall clock of the peer, Unix ms. A hint. */
  readonly clockMs: number
  /** Active links of the peer, 0 to 255. A hint. */
  readonly degree: number
}

/** Bytes of a hello. */
export function encodeHello(hello: Hello): Uint8Array {
  const { features, maxFrameBytes, clockMs } = hello
  const size = 1 + 32 + 1 + uintSize(features) + uintSize(maxFrameBytes) + uintSize(clockMs) + 1
  return new Writer(b4a.allocUnsafe(size))
    .u8(hello.version)
    .fixed(hello.proof)
    .u8(hello.roles)
    .uint(features)
    .uint(maxFrameBytes)
    .uint(clockMs)
    .u8(hello.degree).bytes
}

/**
 * Reads a hello; the proof is a copy. A hello of another version is `ok` with everything but the version left empty: its
 * layout isn't known, and `verifyHello` answers 'version'.
 *
 * @param maxBytes - Default `LIMITS.maxHelloBytes`; above it 'too-large'.
 */
export function decodeHello(bytes: Uint8Array, maxBytes = LIMITS.maxHelloBytes): Result<Hello> {
  if (bytes.length > maxBytes) return TOO_LARGE
  const reader = new Reader(bytes)
  const version = reader.u8()
  if (!reader.isGood) return MALFORMED
  if (version !== PROTOCOL_VERSION) {
    const proof = new Uint8Array(0)
    return success({ version, proof, roles: 0, features: 0, maxFrameBytes: 0, clockMs: 0, degree: 0 })
  }
  const hello = {
    version,
    proof: copyOf(reader.fixed(32)),
    roles: reader.u8(),
    features: reader.uint(),
    maxFrameBytes: reader.uint(),
    clockMs: reader.uint(),
    degree: reader.u8()
  }
  return reader.isGood ? success(hello) : MALFORMED
}

/** Our hello for one connection. */
export function ownHello(
  crypto: Hashes,
  topicKey: Uint8Array,
  about: { binding: ConnectionBinding } & Omit<Hello, 'version' | 'proof'>
): Hello {
  const { binding, ...fields } = about
  const proof = proofOf(crypto, topicKey, {
    role: roleOf(binding.isInitiator),
    handshakeHash: binding.handshakeHash,
    prover: binding.publicKey,
    verifier: binding.remotePublicKey
  })
  return { version: PROTOCOL_VERSION, proof, ...fields }
}

/** Is `hello` of the remote end of this connection, and does it prove the topic key? Compares in constant time. */
export function verifyHello(
  crypto: Hashes,
  topicKey: Uint8Array,
  remote: { binding: ConnectionBinding; hello: Hello }
): 'ok' | 'bad-proof' | 'version' {
  const { binding, hello } = remote
  if (hello.version !== PROTOCOL_VERSION) return 'version'
  const expected = proofOf(crypto, topicKey, {
    role: roleOf(!binding.isInitiator),
    handshakeHash: binding.handshakeHash,
    prover: binding.remotePublicKey,
    verifier: binding.publicKey
  })
  return isEqual(expected, hello.proof) ? 'ok' : 'bad-proof'
}

function roleOf(isInitiator: boolean): ProofRole {
  return isInitiator ? 'initiator' : 'responder'
}

// Looks at every byte, so that the time says nothing about where the first difference is.
function isEqual(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  let difference = 0
  for (let i = 0; i < a.length; i++) difference |= (a[i] as number) ^ (b[i] as number)
  return difference === 0
}
