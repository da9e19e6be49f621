import test from 'ava'
import fc from 'fast-check'
import { IncomingAuthors } from '#gossip/core/author-indexes'
import { encodePayloads } from '#gossip/core/batch'
import { authorBytesOf, FrameWriter, sizeOf, type WrittenFrame } from '#gossip/core/frame-writer'
import * as frames from '#gossip/core/frames'
import { makeAuthorRef } from '#gossip/core/keys'
import type { Result } from '#gossip/core/result'
import type { AuthorRef, Batch, OutFrame } from '#gossip/core/types'
import { LIMITS, type Limits } from '#gossip/limits'
import { filled } from './support-crypto.js'

const MAX = Number.MAX_SAFE_INTEGER
const refs = Array.from({ length: 3000 }, (_, i) => {
  const author = filled(32, 1)
  new DataView(author.buffer).setUint32(0, i)
  return makeAuthorRef(author, filled(8, 1))
})
const refAt = (i: number): AuthorRef => refs[i] as AuthorRef

function batchOf(ref: AuthorRef, size = 10): Batch {
  const payloads = [filled(size, 1)]
  return {
    ref,
    seq0: 0,
    count: 1,
    createdMs: ref.startMs,
    ttlSeconds: 30,
    class: 0,
    signature: filled(64, 1),
    head: filled(0, 0),
    payloadBytes: encodePayloads(payloads),
    payloads
  }
}

function push(ref: AuthorRef): OutFrame {
  return { kind: 'batch', batch: batchOf(ref), hops: 1, mark: false, repair: false, last: false }
}

function accepted<T>(result: Result<T>): T {
  if (!result.ok) throw new Error(result.reason)
  return result.value
}

/** Reads what was written as the other end would: the author ids that each frame names. */
class Remote {
  readonly limits: Limits
  readonly authors: IncomingAuthors
  readonly named: string[][] = []

  constructor(limits: Limits) {
    this.limits = limits
    this.authors = new IncomingAuthors(limits.maxAuthorIndexes)
  }

  read({ kind, bytes }: WrittenFrame): void {
    const { limits } = this
    if (kind === frames.FrameKind.author) {
      const { ix, author, incarnation } = accepted(frames.decodeAuthor(bytes, limits))
      if (!this.authors.bind(ix, makeAuthorRef(author, incarnation))) throw new Error('index out of range')
      return
    }
    this.named.push(this.#ixsOf(kind, bytes).map(ix => this.authors.get(ix)?.authorId ?? 'unbound'))
  }

  #ixsOf(kind: number, bytes: Uint8Array): number[] {
    const { limits } = this
    const ixsOf = (list: readonly { ix: number }[]): number[] => list.map(({ ix }) => ix)
    if (kind === frames.FrameKind.batch) return [accepted(frames.decodeBatch(bytes, limits)).ix]
    if (kind === frames.FrameKind.have) return ixsOf(accepted(frames.decodeHave(bytes, limits)).entries)
    if (kind === frames.FrameKind.want) return ixsOf(accepted(frames.decodeWant(bytes, limits)).ranges)
    if (kind === frames.FrameKind.miss) return ixsOf(accepted(frames.decodeMiss(bytes, limits)).entries)
    if (kind === frames.FrameKind.prune) return [...accepted(frames.decodePrune(bytes, limits)).ixs]
    if (kind === frames.FrameKind.offer) return [accepted(frames.decodeOffer(bytes, limits)).ix]
    if (kind === frames.FrameKind.skip) return [accepted(frames.decodeSkip(bytes, limits)).ix]
    throw new Error(`kind ${kind}`)
  }
}

test('an AUTHOR comes before the first frame that names the author, and only then', t => {
  const writer = new FrameWriter(LIMITS, 9)
  const { author, batch } = frames.FrameKind
  t.deepEqual(
    writer.write(push(refAt(0))).map(({ kind }) => kind),
    [author, batch]
  )
  t.deepEqual(
    writer.write(push(refAt(0))).map(({ link, kind }) => [link, kind]),
    [[9, batch]]
  )
  t.deepEqual(
    writer.write({ kind: 'have', have: 'tick', entries: [] }).map(({ kind }) => kind),
    [frames.FrameKind.have]
  )
})

test('the other end resolves every index, also in a small table and in long lists', t => {
  const limits = { ...LIMITS, maxAuthorIndexes: 5 }
  const one = fc.nat(11).map(refAt)
  const many = fc.array(one, { minLength: 1, maxLength: 30, size: 'max' })
  const frame: fc.Arbitrary<[OutFrame, AuthorRef[]]> = fc.oneof(
    one.map((ref): [OutFrame, AuthorRef[]] => [push(ref), [ref]]),
    one.map((ref): [OutFrame, AuthorRef[]] => [{ kind: 'skip', ref, seq0: 3 }, [ref]]),
    one.map((ref): [OutFrame, AuthorRef[]] => [{ kind: 'offer', ref, seq0: 3, count: 1, bytes: 9 }, [ref]]),
    many.map((list): [OutFrame, AuthorRef[]] => [{ kind: 'prune', refs: list }, list]),
    many.map((list): [OutFrame, AuthorRef[]] => [
      { kind: 'have', have: 'tick', entries: list.map(ref => ({ ref, next: 1, ahead: 0 })) },
      list
    ]),
    many.map((list): [OutFrame, AuthorRef[]] => [
      { kind: 'want', graft: false, ranges: list.map(ref => ({ ref, from: 1, count: 1 })) },
      list
    ]),
    many.map((list): [OutFrame, AuthorRef[]] => [
      {
        kind: 'miss',
        entries: list.map(ref => ({ ref, from: 1, count: 1, floor: 0, reason: 'expired' as const }))
      },
      list
    ])
  )
  let authors = 0
  fc.assert(
    fc.property(fc.array(frame, { minLength: 5, maxLength: 20 }), list => {
      const writer = new FrameWriter(limits)
      const remote = new Remote(limits)
      const expected: string[] = []
      for (const [next, named] of list) {
        for (const written of writer.write(next)) {
          if (written.kind === frames.FrameKind.author) authors++
          remote.read(written)
        }
        expected.push(...named.map(ref => ref.authorId))
      }
      return remote.named.flat().join() === expected.join()
    })
  )
  t.true(authors > 1000, 'indexes were bound again')
})

test('a list of 3,000 large watermarks becomes frames that the other end accepts', t => {
  const writer = new FrameWriter(LIMITS)
  const remote = new Remote(LIMITS)
  const entries = refs.map(ref => ({ ref, next: MAX - 64, ahead: 64 }))
  const written = writer.write({ kind: 'have', have: 'join', entries })
  for (const frame of written) remote.read(frame)
  t.deepEqual(
    remote.named.flat(),
    refs.map(ref => ref.authorId)
  )
  t.true(remote.named.length > 3)
})

test('long lists of every other kind are split, too', t => {
  const writer = new FrameWriter(LIMITS)
  const remote = new Remote(LIMITS)
  const ranges = refs.slice(0, 200).map(ref => ({ ref, from: MAX, count: 1 }))
  const misses = ranges.map(range => ({ ...range, floor: MAX, reason: 'durable' as const }))
  for (const frame of writer.write({ kind: 'want', graft: true, ranges })) remote.read(frame)
  for (const frame of writer.write({ kind: 'miss', entries: misses })) remote.read(frame)
  for (const frame of writer.write({ kind: 'prune', refs })) remote.read(frame)
  t.is(remote.named.length, 4 + 4 + 3)
  t.is(remote.named.flat().length, 200 + 200 + 3000)
  const keys = Array.from({ length: 40 }, () => filled(32, 1))
  const peers = writer.write({ kind: 'peers', keys })
  t.deepEqual(
    peers.map(({ bytes }) => accepted(frames.decodePeers(bytes, LIMITS)).keys.length),
    [16, 16, 8]
  )
})

test('sizeOf plus authorBytesOf is never less than what is written', t => {
  const writer = new FrameWriter(LIMITS)
  const origin = filled(40, 1)
  const far = refs.slice(0, 2048).map(ref => makeAuthorRef(ref.author, ref.incarnation, origin))
  const ref = far[0] as AuthorRef
  const list: OutFrame[] = [
    { kind: 'have', have: 'lag', entries: far.map(ref => ({ ref, next: MAX - 64, ahead: 64 })) },
    { ...push(refAt(5)), kind: 'batch' } as OutFrame,
    { kind: 'want', graft: true, ranges: [{ ref, from: MAX, count: 1 }] },
    { kind: 'miss', entries: [{ ref, from: MAX, count: 1, floor: MAX, reason: 'expired' }] },
    { kind: 'prune', refs: far },
    { kind: 'offer', ref, seq0: MAX, count: 64, bytes: MAX },
    { kind: 'skip', ref, seq0: MAX },
    { kind: 'link', op: 'no', high: true, backoffMs: MAX, degree: 255 },
    { kind: 'peers', keys: Array.from({ length: 16 }, () => filled(32, 1)) }
  ]
  for (const frame of list) {
    const bytes = writer.write(frame).reduce((sum, written) => sum + written.bytes.length, 0)
    const bound = sizeOf(frame) + authorBytesOf(frame)
    t.true(bytes <= bound, `${frame.kind}: ${bytes} > ${bound}`)
  }
})
