/** What is kept to answer a WANT: for how long, how much, and at whose price. */
import test from 'ava'
import fc from 'fast-check'
import { BatchCache } from '#gossip/core/cache'
import type { Batch } from '#gossip/core/types'
import { LIMITS } from '#gossip/limits'
import { Author, Rig, START_MS, sendsTo } from './support/core-net.js'

const OWN = { hops: 0, highMs: START_MS }
const FOREIGN = { hops: 1, highMs: START_MS }
/** What a batch costs beside its payloads. */
const OVERHEAD_BYTES = 256

const bytesIn = ({ payloadBytes }: Batch): number => OVERHEAD_BYTES + payloadBytes.length

/** Seqs of an author that can be had. */
const seqsOf = (cache: BatchCache, { ref }: Author, atMs = START_MS): number[] =>
  cache.range(ref, { from: 0, count: 1e6 }, atMs).map(({ seq0 }) => seq0)

test('bounded in batches and bytes; own ones go last', t => {
  const [own, other] = [new Author(7), new Author(8)]
  const cache = new BatchCache({ ...LIMITS, maxCacheBatches: 3 })
  cache.add(own.batch(0), OWN)
  for (let seq = 0; seq < 5; seq++) cache.add(other.batch(seq), FOREIGN)
  t.is(cache.size, 3)
  t.deepEqual(seqsOf(cache, other), [3, 4])
  t.deepEqual(seqsOf(cache, own), [0])
  t.is(cache.lowest(other.ref, START_MS), 3)
  for (let seq = 1; seq < 5; seq++) cache.add(own.batch(seq), OWN)
  t.deepEqual([seqsOf(cache, own), seqsOf(cache, other)], [[2, 3, 4], []])
  const small = new BatchCache({ ...LIMITS, maxCacheBytes: 1000 })
  for (let seq = 0; seq < 9; seq++) small.add(other.batch(seq, { texts: ['x'.repeat(100)] }), FOREIGN)
  t.true(small.bytes <= 1000 && small.size === 2)
  small.expire(START_MS + 30_001)
  t.deepEqual([small.bytes, small.size], [0, 0])
})

test('a batch that is larger than all of it is not kept, and drives nothing out', t => {
  const [one, two] = [new Author(8), new Author(9)]
  const cache = new BatchCache({ ...LIMITS, maxCacheBytes: 1000 })
  cache.add(one.batch(0), FOREIGN)
  cache.add(two.batch(0, { texts: ['x'.repeat(1000)] }), FOREIGN)
  t.deepEqual([seqsOf(cache, one), seqsOf(cache, two)], [[0], []])
})

test('a range finds batches that only touch it, in order, and none that has expired', t => {
  const author = new Author(8)
  const cache = new BatchCache(LIMITS)
  for (const seq of [6, 0, 3])
    cache.add(author.batch(seq, { texts: ['a', 'b', 'c'], ttlSeconds: seq === 3 ? 1 : 30 }), FOREIGN)
  const range = (from: number, count: number, atMs = START_MS): number[] =>
    cache.range(author.ref, { from, count }, atMs).map(({ seq0 }) => seq0)
  t.deepEqual(range(2, 1), [0])
  t.deepEqual(range(2, 2), [0, 3])
  t.deepEqual(range(8, 100), [6])
  t.deepEqual(range(9, 100), [])
  t.deepEqual(range(0, 100, START_MS + 1001), [0, 6])
})

test('T6 a clock that is ahead keeps nothing for longer than its time to live', t => {
  const author = new Author(8)
  const cache = new BatchCache(LIMITS)
  const ahead = { createdMs: START_MS + LIMITS.maxSkewMs, ttlSeconds: 5 }
  cache.add(author.batch(0, ahead), FOREIGN)
  cache.add(author.batch(1, { createdMs: START_MS - 1000, ttlSeconds: 5 }), FOREIGN)
  t.deepEqual(seqsOf(cache, author, START_MS + 4000), [0, 1])
  t.deepEqual(seqsOf(cache, author, START_MS + 4001), [0])
  t.deepEqual(seqsOf(cache, author, START_MS + 5000), [0])
  t.deepEqual(seqsOf(cache, author, START_MS + 5001), [])
  t.is(cache.lowest(author.ref, START_MS + 5001), null)
  cache.expire(START_MS + 5000)
  t.is(cache.size, 1)
  cache.expire(START_MS + 5001)
  t.deepEqual([cache.size, cache.bytes], [0, 0])
})

test('T6 an author that floods drives out its own batches, in all of its incarnations, and nobody else loses one', t => {
  const cache = new BatchCache({ ...LIMITS, maxCacheBatches: 100 })
  const quiet = Array.from({ length: 9 }, (_, i) => new Author(10 + i))
  for (let seq = 0; seq < 10; seq++) for (const author of quiet) cache.add(author.batch(seq), FOREIGN)
  const flood = [0.1, 0.2, 0.3].map(random => new Author(8, { random }))
  for (let seq = 0; seq < 300; seq++)
    for (const author of flood) cache.add(author.batch(seq, { createdMs: START_MS + seq }), FOREIGN)
  for (const author of quiet) t.is(seqsOf(cache, author).length, 10)
  // What is left of a flood is its end.
  t.deepEqual(
    flood.flatMap(author => seqsOf(cache, author)).toSorted((a, b) => a - b),
    [296, 297, 297, 297, 298, 298, 298, 299, 299, 299]
  )
})

test('of many authors with a message each the oldest go, as news are what others may lack', t => {
  const cache = new BatchCache({ ...LIMITS, maxCacheBatches: 20 })
  const authors = Array.from({ length: 60 }, (_, i) => new Author(10 + i))
  for (const author of authors) cache.add(author.batch(0), FOREIGN)
  t.deepEqual(
    authors.filter(author => seqsOf(cache, author).length > 0),
    authors.slice(40)
  )
})

test('few large batches weigh as much as many small ones', t => {
  const cache = new BatchCache({ ...LIMITS, maxCacheBytes: 100_000, maxCacheBatches: 100 })
  const [small, large] = [new Author(8), new Author(9)]
  for (let seq = 0; seq < 40; seq++) cache.add(small.batch(seq), FOREIGN)
  for (let seq = 0; seq < 40; seq++) cache.add(large.batch(seq, { texts: ['x'.repeat(9000)] }), FOREIGN)
  t.is(seqsOf(cache, small).length, 40)
  t.is(seqsOf(cache, large).at(-1), 39)
  t.true(cache.bytes <= 100_000)
})

interface Held {
  readonly author: number
  readonly batch: Batch
  readonly isOwn: boolean
}

/** Bounds of a small cache. */
const SMALL = { maxCacheBytes: 4000, maxCacheBatches: 10 }

/** The cache, told plainly. */
class Model {
  held: Held[] = []
  /** By author: when what it holds changed last. */
  readonly #changedAt = new Map<number, number>()
  #changes = 0

  get bytes(): number {
    return this.held.reduce((sum, { batch }) => sum + bytesIn(batch), 0)
  }

  add(held: Held): void {
    if (bytesIn(held.batch) > SMALL.maxCacheBytes) return
    this.held.push(held)
    this.#changed(held)
    while (this.bytes > SMALL.maxCacheBytes || this.held.length > SMALL.maxCacheBatches)
      this.#remove(this.#victim())
  }

  expire(atMs: number): void {
    for (const held of this.held.filter(({ batch }) => batch.createdMs + 1000 * batch.ttlSeconds < atMs))
      this.#remove(held)
  }

  #changed({ author }: Held): void {
    this.#changedAt.set(author, ++this.#changes)
  }

  #remove(held: Held): void {
    this.held = this.held.filter(other => other !== held)
    this.#changed(held)
  }

  #victim(): Held {
    const foreign = this.held.filter(({ isOwn }) => !isOwn)
    const authors = [...new Set(foreign.map(({ author }) => author))]
    const most = Math.max(...authors.map(author => this.#pagesOf(author)))
    const largest = authors
      .filter(author => this.#pagesOf(author) === most)
      .toSorted((a, b) => (this.#changedAt.get(a) as number) - (this.#changedAt.get(b) as number))[0]
    const pool = foreign.length === 0 ? this.held : foreign.filter(({ author }) => author === largest)
    return pool.reduce((a, b) => (b.batch.seq0 < a.batch.seq0 ? b : a))
  }

  #pagesOf(author: number): number {
    const page = SMALL.maxCacheBytes / SMALL.maxCacheBatches
    const batches = this.held.filter(held => held.author === author).map(({ batch }) => batch)
    return batches.reduce((sum, batch) => sum + Math.ceil(bytesIn(batch) / page), 0)
  }
}

test('a random cache holds what the rule says: the oldest of whoever holds most goes', t => {
  const authors = Array.from({ length: 5 }, (_, i) => new Author(8 + i))
  const operation = fc.record({
    author: fc.constantFrom(0, 1, 1, 1, 2, 3, 4),
    skips: fc.constantFrom(-1, 0, 0, 2),
    size: fc.constantFrom(1, 1, 50, 120, 150, 400, 3900),
    ttlSeconds: fc.constantFrom(1, 2, 30),
    passesMs: fc.constantFrom(0, 0, 0, 10, 900)
  })
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 80, size: 'max' }), operations => {
      const cache = new BatchCache({ ...LIMITS, ...SMALL })
      const model = new Model()
      const next = authors.map(() => 4)
      let atMs = START_MS
      for (const { author, skips, size, ttlSeconds, passesMs } of operations) {
        atMs += passesMs
        // Now and then one comes late, in the room that was left for it.
        const seq0 = (next[author] as number) + skips * 3
        next[author] = Math.max(next[author] as number, seq0) + 5
        const texts = ['x'.repeat(size)]
        const batch = (authors[author] as Author).batch(seq0, { texts, createdMs: atMs, ttlSeconds })
        const isOwn = author === 0
        cache.add(batch, { hops: isOwn ? 0 : 1, highMs: atMs })
        model.add({ author, batch, isOwn })
        if (passesMs === 900) {
          cache.expire(atMs)
          model.expire(atMs)
        }
        t.is(cache.size, model.held.length)
        t.is(cache.bytes, model.bytes)
        const held = new Set(authors.flatMap(({ ref }) => cache.range(ref, { from: 0, count: 1e6 }, 0)))
        t.is(held.size, model.held.length)
        for (const { batch: each, isOwn: ours } of model.held) {
          t.true(held.has(each))
          t.is(cache.hopsOf(each), ours ? 0 : 1)
        }
      }
    }),
    { numRuns: 300 }
  )
})

test('T6 who floods a core for a whole time to live takes no unexpired message of another from repair', t => {
  const rig = new Rig({ limits: { maxCacheBatches: 200 }, verifies: { take: () => true } })
  rig.options.crypto.verify = () => true
  const [honest, hostile, late] = [rig.peer(1), rig.peer(2), rig.peer(3)]
  const [quiet, flooding] = [new Author(8), new Author(9)]
  const template = flooding.batch(0, { ttlSeconds: 120 })
  for (let second = 0; second < 30; second++) {
    const createdMs = rig.nowMs
    honest.batch(quiet.batch(second, { createdMs }))
    for (let i = 0; i < 100; i++) hostile.batch({ ...template, seq0: 100 * second + i, createdMs })
    rig.pass(1000)
  }
  t.is(rig.core.sizes.cacheBatches, 200)
  t.true(rig.core.counters.delivered > 3000)
  const answered = sendsTo(late.want(quiet.ref, 0, 30), late.link).flatMap(({ frame }) =>
    frame.kind === 'batch' ? [frame.batch.seq0] : []
  )
  t.deepEqual(
    answered,
    Array.from({ length: 30 }, (_, i) => i)
  )
})

test('T6 of an author whose clock is ahead by all that is borne, each message is supplied for its time to live, not longer', t => {
  const rig = new Rig()
  const [bearer, late] = [rig.peer(1), rig.peer(2)]
  const author = new Author(8)
  const ahead = START_MS + LIMITS.maxSkewMs
  bearer.batch(author.batch(0, { createdMs: ahead, ttlSeconds: 5 }))
  bearer.batch(author.batch(1, { createdMs: ahead + 1, ttlSeconds: 5 }))
  t.deepEqual(rig.log.texts(), ['m0'])
  t.deepEqual(rig.log.drops(), { 'from-the-future': 1 })
  const answer = (): string[] =>
    sendsTo(late.want(author.ref, 0, 1), late.link).map(({ frame }) => frame.kind)
  rig.pass(5000)
  t.deepEqual(answer(), ['batch'])
  rig.pass(1)
  t.deepEqual(answer(), ['miss'])
  t.deepEqual(rig.log.of('deliver').length, 1)
  // Who heard it doesn't forget that before nobody takes it any more: till then a copy is one.
  rig.pass(LIMITS.maxSkewMs - 1)
  late.batch(author.batch(0, { createdMs: ahead, ttlSeconds: 5 }))
  t.is(rig.log.drops().duplicate, 1)
  rig.pass(2 * LIMITS.maxSkewMs)
  t.deepEqual([rig.core.sizes.cacheBatches, rig.core.sizes.authors], [0, 0])
})
