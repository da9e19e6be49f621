/** The decoders of gossip that read what is inside a frame, or travels as a message: payload lists, payloads, evidence. */
import { createKeyPair, cryptoFor, encodingOf, publicTopicKey } from '@hearsay/gossip'
import {
  batchDigest,
  decodePayloads,
  type EquivocationEvidence,
  encodePayloads,
  LIMITS,
  makeAuthorRef,
  newIncarnation,
  type SignedStatement,
  topicIdOf,
  verifyEquivocation
} from '@hearsay/gossip/core'
import type { Draw } from './draw.js'
import type { Target } from './fuzzer.js'
import { joined } from './join.js'
import { isSame } from './values.js'

/** One byte says how many payloads there are, then comes their list. */
const payloads: Target<readonly Uint8Array[]> = {
  name: 'gossip-payloads',
  decode: bytes => decodePayloads(bytes.subarray(1), bytes[0] ?? 0, LIMITS.maxMessageBytes),
  encode: list => joined(Uint8Array.of(list.length), encodePayloads(list)),
  make(draw) {
    const list = draw.list(draw.length(64), () => draw.bytes(draw.length(64)))
    return joined(Uint8Array.of(list.length), encodePayloads(list))
  }
}

const packed = encodingOf('msgpack')

/** What the msgpack decoder says: a plain Error is its way to refuse. Anything else is a fault of the program. */
function unpack(bytes: Uint8Array): { ok: true; value: unknown } | { ok: false; reason: string } {
  try {
    return { ok: true, value: packed.decode(bytes) }
  } catch (fault) {
    if (!(fault instanceof Error) || fault.constructor !== Error) throw fault
    const isOurs = fault.message.startsWith('payload is ')
    return { ok: false, reason: isOurs ? fault.message : 'the library refuses it' }
  }
}

/** Null for what can't be carried: a value that came may hold what no value of ours does, as a field `toJSON` that is none. */
function pack(value: unknown): Uint8Array | null {
  try {
    return packed.encode(value)
  } catch (fault) {
    if (fault instanceof Error && fault.constructor === Error) return null
    throw fault
  }
}

/** Arrays and maps around its deepest part. */
function depthOf(value: unknown): number {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return 0
  if (value instanceof Date) return 0
  return 1 + Math.max(0, ...Object.values(value).map(depthOf))
}

const LEAVES: readonly ((draw: Draw) => unknown)[] = [
  draw => draw.uint(),
  draw => -draw.uint(),
  draw => draw.uint() / 3,
  draw => BigInt(draw.uint()) * BigInt(draw.uint(2 ** 11 - 1) % 2 ** 11),
  draw => 'x'.repeat(draw.length(40)),
  draw => draw.bytes(draw.length(40)),
  draw => new Date(draw.upTo(8e15)),
  draw => draw.rng.pick([true, false, null, undefined, Number.NaN, -0, '__proto__', 'toJSON'])
]

function drawnValue(draw: Draw, depth: number): unknown {
  const { rng } = draw
  if (depth === 0 || rng.chance(0.5)) return rng.pick(LEAVES)(draw)
  const items = draw.list(rng.uint32() & 3, () => drawnValue(draw, depth - 1))
  if (rng.chance(0.5)) return items
  return Object.fromEntries(
    items.map((item, i) => [rng.pick(['a', 'toJSON', 'constructor', 'length', `k${i}`]), item])
  )
}

const msgpack: Target = {
  name: 'gossip-msgpack',
  hasPayloadNumbers: true,
  isCopy: true,
  decode: unpack,
  encode: pack,
  check: value => (depthOf(value) <= LIMITS.maxPayloadDepth ? null : 'is nested too deeply'),
  make(draw) {
    // Nesting about as deep as is allowed, which no value of ours is.
    if (draw.rng.chance(0.2)) {
      const depth = draw.rng.int(28, 36)
      return Uint8Array.of(...new Uint8Array(depth).fill(draw.rng.chance(0.5) ? 0x91 : 0x81), 0xa0, 1)
    }
    return pack(drawnValue(draw, 5)) ?? draw.bytes(20)
  }
}

const keyPair = createKeyPair(new Uint8Array(32).fill(7))
const crypto = cryptoFor(keyPair)
const topicId = topicIdOf(crypto, publicTopicKey('fuzz'))
const START_MS = 1_760_000_000_000
const signer = makeAuthorRef(
  keyPair.publicKey,
  newIncarnation(START_MS, () => 0.5)
)

function statementOf(seq0: number, texts: readonly string[]): SignedStatement {
  const payloadBytes = encodePayloads(texts.map(text => packed.encode(text)))
  const fields = {
    seq0,
    count: texts.length,
    createdMs: START_MS + 5,
    ttlSeconds: 30,
    class: 0,
    payloadBytes
  }
  return { ...fields, signature: crypto.sign(batchDigest(crypto, topicId, { ...fields, ref: signer })) }
}

/** Statements of which any two that overlap are a proof. */
const STATEMENTS = [
  statementOf(0, ['a']),
  statementOf(0, ['b']),
  statementOf(1, ['c', 'd']),
  statementOf(0, ['e', 'f'])
]

/**
 * Evidence travels as a payload, in any shape: it is unpacked and judged. Accepted is what proves something, and that can only
 * be what was signed.
 */
const evidence: Target<EquivocationEvidence> = {
  name: 'gossip-evidence',
  hasPayloadNumbers: true,
  decode(bytes) {
    const unpacked = unpack(bytes)
    if (!unpacked.ok) return unpacked
    const value = unpacked.value as EquivocationEvidence
    return verifyEquivocation(crypto, topicId, value)
      ? { ok: true, value }
      : { ok: false, reason: 'no proof' }
  },
  encode: pack,
  check({ author, incarnation, first, second }) {
    const isSigned = (statement: SignedStatement): boolean =>
      STATEMENTS.some(signed =>
        Object.entries(signed).every(([key, field]) => isSame(statement[key as keyof SignedStatement], field))
      )
    const isOurs = isSame(author, signer.author) && isSame(incarnation, signer.incarnation)
    return isOurs && isSigned(first) && isSigned(second) ? null : 'proves what nobody signed'
  },
  make(draw) {
    const { rng } = draw
    const proof: Record<string, unknown> = {
      author: signer.author,
      incarnation: signer.incarnation,
      first: { ...rng.pick(STATEMENTS) },
      second: { ...rng.pick(STATEMENTS) }
    }
    if (rng.chance(0.5)) return packed.encode(proof)
    const part = rng.chance(0.5) ? proof : (proof[rng.pick(['first', 'second'])] as Record<string, unknown>)
    part[rng.pick(Object.keys(part))] = rng.pick(LEAVES)(draw)
    return pack(proof) ?? draw.bytes(20)
  }
}

/** All of them. */
export const PAYLOAD_TARGETS = [
  payloads,
  { ...msgpack, weight: 0.5 },
  { ...evidence, weight: 0.25 }
] as unknown as readonly Target[]
