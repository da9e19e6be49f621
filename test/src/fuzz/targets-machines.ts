/**
 * Machines behind the decoders: a sequence of frames of a peer is one input. What is decoded is taken in, and what would
 * have to be true of the machine afterwards is checked.
 *
 * A sequence is (kind u8, length u16 little-endian, bytes) again and again; what is cut off at the end is a short frame.
 */
import { Digest, type DigestEffect, type DigestFrame, RowSet } from '@hearsay/feeds/core'
import {
  type Batch,
  batchDigest,
  type ConnectionBinding,
  encodeAuthor,
  encodeBatch,
  encodeHave,
  encodeHello,
  encodeLink,
  encodeMiss,
  encodeOffer,
  encodePayloads,
  encodePeers,
  encodePrune,
  encodeSkip,
  encodeWant,
  FrameKind,
  LIMITS,
  makeAuthorRef,
  newIncarnation,
  ownHello,
  TopicCore,
  type TopicEffect
} from '@hearsay/gossip/core'
import { decodeFrame, encodeFrame, frameIndex, type PartyFrame } from '@hearsay/party/core'
import { fakeHash, fakeIdentities } from '../sim/crypto.js'
import type { Draw } from './draw.js'
import type { Target } from './fuzzer.js'
import { joined } from './join.js'
import { areBytesSame } from './values.js'

interface Piece {
  readonly kind: number
  readonly bytes: Uint8Array
}

const MAX_PIECES = 48
const HEAD = 3

function* piecesOf(bytes: Uint8Array): Generator<Piece> {
  for (let at = 0, count = 0; at + HEAD <= bytes.length && count < MAX_PIECES; count++) {
    const size = (bytes[at + 1] as number) | ((bytes[at + 2] as number) << 8)
    yield { kind: bytes[at] as number, bytes: bytes.subarray(at + HEAD, at + HEAD + size) }
    at += HEAD + size
  }
}

const sequenceOf = (pieces: readonly Piece[]): Uint8Array =>
  joined(
    ...pieces
      .slice(0, MAX_PIECES)
      .flatMap(({ kind, bytes }) => [Uint8Array.of(kind, bytes.length, bytes.length >> 8), bytes])
  )

const tally = (effects: readonly { type: string }[]): Record<string, number> => {
  const counts: Record<string, number> = {}
  for (const { type } of effects) counts[type] = (counts[type] ?? 0) + 1
  return counts
}

// --- the comparison of two sets

const ROWS = 60

/** Sorted rows from number `first` on. */
function rowsFrom(first: number): Uint8Array {
  const rows = new RowSet()
  for (let i = first; i < first + ROWS; i++) {
    const row = fakeHash(Uint8Array.of(i, i >> 8))
    // Some share their first bytes, so that ranges get deep.
    if (i % 3 === 0) row.fill(0xab, 0, 4)
    rows.set(row.subarray(0, 16), row.subarray(16))
  }
  return rows.snapshot()
}

const OWN_ROWS = rowsFrom(0)

function digestOf(rows: Uint8Array, isInitiator: boolean): Digest {
  return new Digest({
    set: 1,
    isInitiator,
    snapshot: () => rows,
    salt: round => fakeHash(Uint8Array.of(round)),
    keyedHash: (key, ...parts) => fakeHash(key, ...parts),
    limits: { leafRows: 4 }
  })
}

/** What one end hears of an honest other end, up to the end of the comparison. */
function honestTalk(other: Digest): Piece[] {
  const victim = digestOf(OWN_ROWS, true)
  const heard: Piece[] = []
  const queue: { to: Digest; frame: DigestFrame }[] = []
  const send = (from: Digest, effects: readonly DigestEffect[]): void => {
    for (const effect of effects) {
      if (effect.type !== 'send') continue
      const to = from === victim ? other : victim
      queue.push({ to, frame: effect.frame })
      const { frame } = effect
      if (to === victim) heard.push({ kind: frameIndex(frame.type), bytes: encodeFrame(frame as PartyFrame) })
    }
  }
  send(victim, victim.start(1))
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    send(next.to, next.to.receive(next.frame, 2))
  }
  return heard
}

interface Compared {
  readonly state: string
  readonly effects: Record<string, number>
}

const digest: Target<Compared> = {
  name: 'feeds-digest',
  frames: MAX_PIECES,
  weight: 0.04,
  decode(bytes) {
    const machine = digestOf(OWN_ROWS, true)
    const effects = machine.start(1)
    const supplied = new Set<string>()
    for (const piece of piecesOf(bytes)) {
      const frame = decodeFrame(piece.kind, piece.bytes)
      if (!frame.ok) continue
      const told = readTold(frame.value)
      if (told === null) continue
      const before = machine.state
      const more = machine.receive(told, 2)
      if (before === 'faulty' && more.length > 0) throw new Error('a faulty machine goes on')
      effects.push(...more)
      for (const effect of more) {
        if (effect.type !== 'supply') continue
        for (let at = 0; at < effect.rows.length; at += 32) {
          const row = `${effect.round} ${effect.rows.subarray(at, at + 32).join()}`
          if (supplied.has(row)) throw new Error('a row is supplied twice in a round')
          supplied.add(row)
        }
      }
    }
    return { ok: true, value: { state: machine.state, effects: tally(effects) } }
  },
  make: draw => sequenceOf(honestTalk(digestOf(rowsFrom(draw.rng.uint32() % (2 * ROWS)), false)))
}

// Of RECORDS the machine is told the rows.
function readTold(frame: PartyFrame): Parameters<Digest['receive']>[0] | null {
  switch (frame.type) {
    case 'root':
    case 'nodes':
    case 'items':
    case 'pull':
    case 'done':
      return frame
    case 'records': {
      const rows = joined(...frame.records.filter(({ length }) => length === 32))
      return frame.set === 2
        ? null
        : { type: 'records', set: frame.set, round: frame.round, isLast: frame.isLast, rows }
    }
    default:
      return null
  }
}

// --- the core of a topic

const START_MS = 1_760_000_000_000
/** Bounds that a few frames reach. */
const TIGHT = {
  ...LIMITS,
  ...{
    maxAuthors: 6,
    maxAuthorsPerPeer: 4,
    maxCacheBatches: 5,
    maxCacheBytes: 4000,
    maxGaps: 3,
    maxHolders: 2
  },
  ...{ maxParked: 3, maxParkedPerLink: 2, maxWindowSeqs: 256, maxEvidence: 2 }
}
const TOPIC_KEY = new Uint8Array(32).fill(9)
const identities = fakeIdentities()
const own = identities(Uint8Array.of(1))
const enemy = identities(Uint8Array.of(2))
const crypto = own.port(() => 0.5)
const enemyCrypto = enemy.port(() => 0.5)
const refs = [0, 1, 2, 3, 4, 5, 6, 7].map(i =>
  makeAuthorRef(
    i === 7 ? own.author : enemy.author,
    newIncarnation(START_MS - i, () => 0.5)
  )
)
/** Advances the time by its length in ms, instead of being a frame. */
const TIME = 255

const bindingOf = (i: number): ConnectionBinding => ({
  handshakeHash: new Uint8Array(64).fill(i),
  isInitiator: i % 2 === 0,
  publicKey: new Uint8Array(32).fill(1),
  remotePublicKey: new Uint8Array(32).fill(10 + i)
})

function linkUp(core: TopicCore, link: number): TopicEffect[] {
  const binding = bindingOf(link)
  const { isInitiator, publicKey, remotePublicKey } = binding
  const theirs = {
    ...binding,
    isInitiator: !isInitiator,
    publicKey: remotePublicKey,
    remotePublicKey: publicKey
  }
  const fields = { roles: 7, features: 7, maxFrameBytes: 66_048, clockMs: START_MS, degree: 1 }
  const hello = encodeHello(ownHello(crypto, TOPIC_KEY, { binding: theirs, ...fields }))
  return [
    ...core.step({ type: 'linkOpening', link, binding, outbound: isInitiator }, START_MS),
    ...core.step({ type: 'hello', link, bytes: hello }, START_MS)
  ]
}

function batchFrameOf(draw: Draw, topicId: Uint8Array): Uint8Array {
  const { rng } = draw
  const ix = rng.uint32() % refs.length
  const payloads = draw.list(1 + (rng.uint32() & 3), () => draw.bytes(draw.length(40)))
  const ref = refs[ix] as (typeof refs)[number]
  const fields = {
    ref,
    seq0: rng.chance(0.9) ? rng.uint32() & 31 : draw.upTo(2 ** 53 - 65),
    count: payloads.length,
    createdMs: Math.max(ref.startMs, START_MS + (rng.chance(0.8) ? 0 : draw.uint() - draw.uint())),
    ttlSeconds: 1 + (rng.uint32() % 120),
    class: 0,
    head: new Uint8Array(0),
    payloadBytes: encodePayloads(payloads),
    payloads
  }
  const signature = enemyCrypto.sign(batchDigest(enemyCrypto, topicId, fields))
  const hop = { hops: 0, mark: rng.chance(0.3), repair: rng.chance(0.3), last: rng.chance(0.3) }
  return encodeBatch(ix, { ...fields, signature }, hop)
}

const KINDS = ['tick', 'summary', 'live', 'join', 'lag'] as const

function pieceOf(draw: Draw, topicId: Uint8Array): Piece {
  const { rng } = draw
  const ix = rng.uint32() % refs.length
  const ref = refs[ix] as (typeof refs)[number]
  const seq = rng.chance(0.8) ? rng.uint32() & 63 : draw.upTo(2 ** 53 - 65)
  const count = rng.chance(0.8) ? rng.uint32() & 15 : draw.upTo(2 ** 53 - 1 - seq)
  const reason = rng.pick(['not-cached', 'expired', 'durable', 'over-budget'] as const)
  switch (rng.uint32() % 16) {
    case 0:
      return { kind: TIME, bytes: new Uint8Array(rng.pick([1, 20, 100, 600, 5000, 40_000])) }
    case 1:
    case 2:
      return {
        kind: FrameKind.have,
        bytes: encodeHave(rng.pick(KINDS), [{ ref, next: seq, ahead: count }], [ix])
      }
    case 3:
      return { kind: FrameKind.want, bytes: encodeWant(rng.chance(0.5), [{ ref, from: seq, count }], [ix]) }
    case 4:
      return {
        kind: FrameKind.miss,
        bytes: encodeMiss([{ ref, from: seq, count, floor: draw.uint(seq), reason }], [ix])
      }
    case 5:
      return { kind: FrameKind.prune, bytes: encodePrune(draw.list(rng.uint32() & 3, () => ix)) }
    case 6:
      return {
        kind: FrameKind.offer,
        bytes: encodeOffer({ ix, seq0: seq, count: 1 + (count & 63), bytes: draw.uint() })
      }
    case 7:
      return { kind: FrameKind.skip, bytes: encodeSkip({ ix, seq0: seq }) }
    case 8: {
      const op = rng.pick(['ask', 'ok', 'no', 'demote'] as const)
      return {
        kind: FrameKind.link,
        bytes: encodeLink({ op, high: rng.chance(0.5), backoffMs: draw.uint(), degree: 8 })
      }
    }
    case 9:
      return { kind: FrameKind.peers, bytes: encodePeers(draw.list(rng.uint32() & 7, () => draw.bytes(32))) }
    default:
      return { kind: FrameKind.batch, bytes: batchFrameOf(draw, topicId) }
  }
}

interface Stepped {
  readonly effects: Record<string, number>
  readonly isUp: boolean
}

const makeCore = (): TopicCore =>
  new TopicCore({
    topicKey: TOPIC_KEY,
    author: own.author,
    crypto,
    limits: TIGHT,
    startMs: START_MS,
    detectEquivocation: true
  })

const { topicId } = makeCore()

/** Did the enemy sign it in its own name? The stand-in for a signature has one form only. */
const isSigned = (batch: Batch): boolean =>
  areBytesSame(batch.ref.author, enemy.author) &&
  areBytesSame(batch.signature, enemyCrypto.sign(batchDigest(enemyCrypto, topicId, batch)))

/** Which bounds of `TIGHT` a core is over. */
function overOf(core: TopicCore): string | null {
  const { authors = 0, cacheBatches = 0, cacheBytes = 0, parked = 0, evidence = 0, links = 0 } = core.sizes
  // Our own incarnation is pinned, and a single batch may be over the bound of bytes.
  if (authors > TIGHT.maxAuthors + 1 || links > 2 || parked > TIGHT.maxParked || evidence > TIGHT.maxEvidence)
    return 'a table'
  return cacheBatches > TIGHT.maxCacheBatches || cacheBytes > TIGHT.maxCacheBytes ? 'the cache' : null
}

const core: Target<Stepped> = {
  name: 'gossip-core',
  frames: MAX_PIECES,
  weight: 0.04,
  decode(bytes) {
    const core = makeCore()
    const effects = [...linkUp(core, 1), ...linkUp(core, 2)]
    let nowMs = START_MS
    for (const { ref, ix } of refs.map((ref, ix) => ({ ref, ix }))) {
      effects.push(
        ...core.step({ type: 'frame', link: 1, kind: FrameKind.author, bytes: encodeAuthor(ix, ref) }, nowMs)
      )
    }
    for (const piece of piecesOf(bytes)) {
      if (piece.kind === TIME) nowMs += piece.bytes.length
      const input =
        piece.kind === TIME ? ({ type: 'tick' } as const) : ({ type: 'frame', link: 1, ...piece } as const)
      for (const effect of core.step(input, nowMs)) {
        effects.push(effect)
        if (effect.type === 'deliver' && !isSigned(effect.batch))
          throw new Error('a batch is delivered that nobody signed')
      }
      const over = overOf(core)
      if (over !== null) throw new Error(`${over} is over its bound`)
    }
    // The honest link pays for nothing.
    const links = core.links()
    if (!links.some(({ link }) => link === 2)) throw new Error('the other link is gone')
    return { ok: true, value: { effects: tally(effects), isUp: links.some(({ link }) => link === 1) } }
  },
  make: draw => sequenceOf(draw.list(1 + (draw.rng.uint32() % 24), () => pieceOf(draw, topicId)))
}

/** All of them. */
export const MACHINE_TARGETS = [digest, core] as unknown as readonly Target[]
