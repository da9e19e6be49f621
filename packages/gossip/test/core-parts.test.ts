/** The small machines of the core by themselves: clock, author table, gaps, points, publisher, questions. */
import test from 'ava'
import fc from 'fast-check'
import { AuthorTable } from '#gossip/core/author-table'
import { BatchDigester } from '#gossip/core/batch'
import { Clock } from '#gossip/core/clock'
import { Gaps } from '#gossip/core/gaps'
import { topicIdOf } from '#gossip/core/keys'
import { PeerBook } from '#gossip/core/peer-book'
import { Publisher } from '#gossip/core/publisher'
import { Questions } from '#gossip/core/questions'
import { Window } from '#gossip/core/window'
import { LIMITS } from '#gossip/limits'
import { Author, bytesOf, coreOptions, START_MS, TOPIC_KEY } from './support/core-net.js'

test('clock: time never goes back, expiry follows the greatest wall time', t => {
  const clock = new Clock(1000, 30_000)
  clock.advance(2000)
  clock.advance(1500)
  t.is(clock.nowMs, 2000)
  t.is(clock.setOffset(30_000), 'steady')
  t.is(clock.highMs, 32_000)
  t.is(clock.setOffset(0), 'steady')
  t.deepEqual([clock.wallMs, clock.highMs, clock.horizonMs], [2000, 32_000, Number.NEGATIVE_INFINITY])
})

test('clock: a jump up by more than the skew, and a step back beyond it, even in small steps', t => {
  const clock = new Clock(1_000_000, 30_000)
  t.is(clock.setOffset(30_001), 'jump')
  t.is(clock.setOffset(1), 'steady')
  t.is(clock.setOffset(0), 'jump')
  t.deepEqual([clock.highMs, clock.horizonMs], [1_000_000, 1_030_000])
})

test('clock: the horizon of the start follows a clock that was slow, never one that was fast, and a step back sets it', t => {
  const clock = new Clock(1_000_000, 30_000, true)
  t.is(clock.horizonMs, 1_030_000)
  clock.advance(1_005_000)
  clock.setOffset(100_000)
  t.is(clock.horizonMs, 1_130_000)
  clock.setOffset(80_000)
  t.is(clock.horizonMs, 1_130_000)
  clock.setOffset(-50_000)
  t.is(clock.horizonMs, 985_000)
  t.is(new Clock(1_000_000, 30_000, false).horizonMs, Number.NEGATIVE_INFINITY)
})

test('author table: the watermark follows what is received or given up, in any order', t => {
  fc.assert(
    fc.property(fc.shuffledSubarray([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]), fc.nat(9), (seqs, upTo) => {
      const table = new AuthorTable(LIMITS, START_MS)
      const entry = table.admit({ ref: new Author(8).ref, peerId: 'p', isPinned: false }, 0, START_MS)
      for (const seq of seqs) table.accept(entry, { seq0: seq, count: 1, expiresMs: START_MS })
      table.giveUp(entry, upTo)
      let expected = upTo
      while (seqs.includes(expected + 1)) expected++
      t.is(entry.watermark, expected)
    }),
    { numRuns: 200 }
  )
})

test('author table: an entry stays to the very ms, and an own current one longer', t => {
  const table = new AuthorTable(LIMITS, START_MS)
  const entry = table.admit({ ref: new Author(8).ref, peerId: 'p', isPinned: false }, 0, START_MS)
  const own = table.admitOwn(new Author(9).ref)
  for (const each of [entry, own]) table.accept(each, { seq0: 0, count: 1, expiresMs: START_MS + 1000 })
  const at = (ms: number) => ({ nowMs: START_MS + ms, highMs: START_MS + ms })
  t.deepEqual(table.expire(at(31_000), own.ref), [])
  t.deepEqual(table.expire(at(31_001), own.ref), [entry])
  t.deepEqual([table.size, table.chargedPeers], [1, 0])
  t.deepEqual(table.expire(at(31_001), null), [own])
})

test('author table: the window widens for a hole, and keeps it in reach', t => {
  const table = new AuthorTable(LIMITS, START_MS)
  const entry = table.admit({ ref: new Author(8).ref, peerId: 'p', isPinned: false }, 0, START_MS)
  table.accept(entry, { seq0: 1, count: 64, expiresMs: START_MS })
  t.true(table.isTooFarAhead(entry, 1000, 25))
  t.false(table.isTooFarAhead(entry, 1000, 24))
  t.is(table.accept(entry, { seq0: 1000, count: 24, expiresMs: START_MS }), null)
  t.is(table.check(entry.ref, 0, 1), 'new')
  t.is(entry.window.seqs, 1024)
  table.accept(entry, { seq0: 0, count: 1, expiresMs: START_MS })
  t.is(entry.watermark, 64)
})

test('author table: pinned authors are outside the cap; incarnations of one author are bounded', t => {
  const table = new AuthorTable({ ...LIMITS, maxAuthors: 1, maxIncarnationsPerAuthor: 2 }, START_MS)
  const newcomer = (seed: number, random: number, isPinned = false) => ({
    ref: new Author(seed, { random }).ref,
    peerId: 'p',
    isPinned
  })
  table.admit(newcomer(8, 0), 0, START_MS)
  t.false(table.canAdmit(newcomer(9, 0), START_MS))
  t.true(table.canAdmit(newcomer(9, 0, true), START_MS))
  table.admit(newcomer(9, 0, true), 0, START_MS)
  table.admit(newcomer(9, 0.5, true), 0, START_MS)
  t.false(table.canAdmit(newcomer(9, 0.7, true), START_MS))
})

test('gaps: after any fills, claims and cuts they are exactly what is missing', t => {
  const operation = fc.record({
    kind: fc.constantFrom('batch', 'claim', 'isolate'),
    from: fc.nat(60),
    count: fc.integer({ min: 1, max: 9 })
  })
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 30 }), fc.constantFrom(2, 64), (operations, maxGaps) => {
      const window = new Window(256)
      const gaps = new Gaps({ ...LIMITS, maxGaps }, 0)
      const received = new Set<number>()
      for (const { kind, from, count } of operations) {
        if (kind === 'batch') {
          if (window.checkRange(from, count) !== 'new') continue
          window.markRange(from, count)
          for (let seq = from; seq < from + count; seq++) received.add(seq)
          gaps.fill(from, from + count - 1)
        }
        gaps.scan(window)
        if (kind === 'claim' && gaps.end > window.top) gaps.claim(from + count)
        if (kind === 'isolate') gaps.isolate(from, from + count)
        const missing: number[] = []
        for (let seq = 0; seq < gaps.end; seq++) if (!received.has(seq)) missing.push(seq)
        const found = gaps.list.flatMap(gap =>
          Array.from({ length: gap.to - gap.from + 1 }, (_x, i) => gap.from + i)
        )
        t.deepEqual(found, missing)
        t.true(gaps.list.length <= maxGaps)
      }
    }),
    { numRuns: 300 }
  )
})

test('gaps: a claim is heard though another one was cut to pieces', t => {
  const gaps = new Gaps({ ...LIMITS, maxGaps: 3 }, 0)
  gaps.claim(99)
  for (const [from, link] of [
    [0, 1],
    [10, 2],
    [20, 3]
  ] as const) {
    for (const gap of gaps.isolate(from, from + 4)) gap.missed = [link]
  }
  gaps.claim(gaps.end)
  gaps.claim(200)
  t.is(gaps.end, 201)
  t.is(gaps.list.length, 3)
  t.deepEqual(gaps.list.at(-1)?.missed, [])
})

test('peer book: points halve each minute, refusals end, the least is forgotten first', t => {
  const book = new PeerBook({ ...LIMITS, maxRememberedPeers: 2 })
  t.false(book.charge('a', 80, 0))
  t.is(Math.round(book.points('a', 60_000)), 40)
  t.true(book.charge('a', 61, 60_000))
  book.refuse('b', 5000, 60_000)
  t.is(book.refusedMs('b', 62_000), 3000)
  t.is(book.refusedMs('b', 65_000), 0)
  book.charge('c', 10, 65_000)
  t.is(book.size, 2)
  t.true(book.points('a', 65_000) > 90)
  for (let i = 0; i < 1000; i++) book.reward('c', 65_000)
  t.true(book.points('c', 65_000) >= -21)
})

function publisher(
  overrides: { authorBatchesPerSecond?: number; authorBytesPerSecond?: number } = {}
): Publisher {
  const { crypto, author } = coreOptions(7)
  crypto.random = () => 0.5
  const digester = new BatchDigester(crypto, topicIdOf(crypto, TOPIC_KEY))
  const limits = { ...LIMITS, ...overrides }
  return new Publisher({
    limits,
    crypto,
    author,
    digest: batch => digester.digest(batch),
    ttlMs: 30_000,
    batchMs: 0,
    onFull: 'wait'
  })
}

test('publisher: a batch is closed at 64 messages, at 16 KiB, for another ttl, and at the end of the tick', t => {
  const now = { nowMs: START_MS, wallMs: START_MS, hasRoom: true, isTick: false }
  const counts = (payloads: Uint8Array[], ttlMs?: (i: number) => number): number[] => {
    const own = publisher()
    const batches = payloads.flatMap((payload, i) => {
      own.add(i, payload, ttlMs?.(i))
      return own.pump(now)
    })
    batches.push(...own.pump({ ...now, isTick: true }))
    return batches.map(({ batch }) => batch.count)
  }
  t.deepEqual(counts(Array.from({ length: 130 }, () => bytesOf('x'))), [64, 64, 2])
  t.deepEqual(counts(Array.from({ length: 3 }, () => new Uint8Array(10_000))), [1, 1, 1])
  t.deepEqual(counts([new Uint8Array(60_000), bytesOf('x')]), [1, 1])
  t.deepEqual(
    counts(
      Array.from({ length: 4 }, () => bytesOf('x')),
      i => (i < 3 ? 1500 : 2500)
    ),
    [3, 1]
  )
})

test('publisher: ttl is rounded up to seconds and bounded; created never decreases', t => {
  const own = publisher()
  const tick = (wallMs: number) => own.pump({ nowMs: START_MS, wallMs, hasRoom: true, isTick: true })
  own.add(1, bytesOf('x'), 1)
  own.pump({ nowMs: START_MS, wallMs: START_MS, hasRoom: true, isTick: false })
  const [first] = tick(START_MS)
  own.add(2, bytesOf('x'), 1e9)
  tick(START_MS)
  const [second] = tick(START_MS - 500)
  t.deepEqual([first?.batch.ttlSeconds, second?.batch.ttlSeconds], [1, 120])
  t.is(second?.batch.createdMs, START_MS)
  t.is(second?.batch.seq0, 1)
})

test('publisher: all batches are paced below what receivers allow, and none is lost or overtaken by that', t => {
  const own = publisher({ authorBatchesPerSecond: 100 })
  for (let i = 0; i < 64 * 200; i++) own.add(i, bytesOf('x'), undefined)
  const seqs: number[] = []
  let nowMs = START_MS
  for (let i = 0; i < 10_000 && seqs.length < 200; i++) {
    for (const { batch } of own.pump({ nowMs, wallMs: nowMs, hasRoom: true, isTick: true }))
      seqs.push(batch.seq0)
    nowMs += i % 3
  }
  t.deepEqual(
    seqs,
    Array.from({ length: 200 }, (_x, i) => i * 64)
  )
  // A burst of 80, then 80 a second.
  t.true(nowMs - START_MS >= 1490 && nowMs - START_MS < 1600, String(nowMs - START_MS))
})

test('publisher: bytes are paced below what receivers allow, and a batch over that goes, too', t => {
  const own = publisher({ authorBytesPerSecond: 100_000 })
  for (let i = 0; i < 10; i++) own.add(i, new Uint8Array(40_000), undefined)
  const times: number[] = []
  for (let ms = 0; ms < 10_000; ms++) {
    const nowMs = START_MS + ms
    times.push(...own.pump({ nowMs, wallMs: nowMs, hasRoom: true, isTick: true }).map(() => ms))
  }
  t.deepEqual(times, [0, 1, 500, 1000, 1500, 2000, 2500, 3000, 3500, 4000])
  const small = publisher({ authorBytesPerSecond: 1000 })
  small.add(1, new Uint8Array(40_000), undefined)
  t.is(small.pump({ nowMs: START_MS, wallMs: START_MS, hasRoom: true, isTick: true }).length, 1)
})

test('publisher: a payload over the limit is a programming error', t => {
  const error = t.throws(() => publisher().add(1, new Uint8Array(65_537), undefined), {
    instanceOf: RangeError
  })
  t.is(error?.message, 'payload is 65537 bytes, limit is 65536 (maxMessageBytes)')
})

test('publisher: an incarnation that is renewed within one ms is another one', t => {
  const own = publisher()
  const ids = new Set<string>()
  for (let i = 0; i < 50; i++) {
    own.renew()
    own.add(i, bytesOf('x'), undefined)
    own.pump({ nowMs: START_MS, wallMs: START_MS, hasRoom: true, isTick: false })
    const [batch] = own.pump({ nowMs: START_MS, wallMs: START_MS, hasRoom: true, isTick: true })
    ids.add(batch?.batch.ref.incarnationId ?? '')
  }
  t.is(ids.size, 50)
})

test('questions: answered once, given up in time, places are given back', t => {
  const questions = new Questions<string>({ ...LIMITS, maxParked: 3, maxParkedPerLink: 2 })
  const first = questions.ask('first', 0)
  const second = questions.ask('second', 10)
  t.is(questions.nextAtMs, 5000)
  t.is(questions.answer(first), 'first')
  t.is(questions.answer(first), undefined)
  t.deepEqual(questions.due(5009), [])
  t.deepEqual(questions.due(5010), ['second'])
  t.is(questions.answer(second), undefined)
  t.deepEqual(
    [questions.park(1), questions.park(1), questions.park(1), questions.park(2), questions.park(2)],
    [true, true, false, true, false]
  )
  questions.unpark(1)
  t.true(questions.park(3))
})
