import test from 'ava'
import fc from 'fast-check'
import { Window } from '#gossip/core/window'

const MAX = Number.MAX_SAFE_INTEGER

/** What the window must do, in the plainest form: a set of everything ever marked. */
class Model {
  readonly marked = new Set<number>()
  readonly #window: { seqs: number }
  top = -1
  floor = 0

  constructor(window: { seqs: number }) {
    this.#window = window
  }

  check(seq: number): string {
    if (seq > this.top) return 'fresh'
    if (seq < this.floor) return 'stale'
    return this.marked.has(seq) ? 'duplicate' : 'fresh'
  }

  checkRange(seq0: number, count: number): string {
    if (seq0 < this.floor) return 'stale'
    let marked = 0
    for (let seq = seq0; seq < seq0 + count; seq++) if (this.marked.has(seq)) marked++
    return marked === 0 ? 'new' : marked === count ? 'duplicate' : 'overlap'
  }

  mark(seq: number): void {
    this.top = Math.max(this.top, seq)
    this.floor = Math.max(this.floor, this.top - this.#window.seqs + 1)
    if (seq >= this.floor) this.marked.add(seq)
  }

  get isWhole(): boolean {
    for (let seq = this.floor; seq <= this.top; seq++) if (!this.marked.has(seq)) return false
    return true
  }
}

type Step = { at: string; by: number; count: number; act: 'mark' | 'range' }

// Uniform seqs pass with a ring that is one word too long and with `seq >>> 5`; these don't.
const step: fc.Arbitrary<Step> = fc.record({
  at: fc.constantFrom(
    'next',
    'next',
    'next',
    'repeat',
    'recent',
    'jump',
    'edge',
    'edge',
    'old',
    '31',
    '32',
    '53'
  ),
  by: fc.integer({ min: 0, max: 80 }),
  count: fc.integer({ min: 1, max: 64 }),
  act: fc.constantFrom('mark', 'range')
})

function seqOf(model: Model, window: Window, { at, by }: Step): number {
  const { top } = model
  const seq = {
    next: top + 1,
    repeat: top,
    recent: top - by,
    jump: top + by * 37,
    edge: top - window.seqs - 40 + by,
    old: by,
    31: 2 ** 31 - 40 + by,
    32: 2 ** 32 - 40 + by,
    53: MAX - 80 + by
  }[at] as number
  return Math.min(MAX, Math.max(0, seq))
}

test('a window agrees with a set of everything marked, and never accepts twice', t => {
  let edges = 0
  let turns = 0
  fc.assert(
    fc.property(
      fc.array(step, { minLength: 20, maxLength: 120 }),
      fc.constantFrom(32, 64, 256),
      (steps, seqs) => {
        const window = new Window(seqs)
        const model = new Model(window)
        let wasWhole = true
        for (const next of steps) {
          const seq = seqOf(model, window, next)
          if (next.at === 'edge' && seq > 0) edges++
          const count = Math.min(next.count, MAX - seq + 1)
          const expected = [model.check(seq), model.checkRange(seq, count)]
          const actual = [window.check(seq), window.checkRange(seq, count)]
          if (String(actual) !== String(expected))
            throw new Error(`${seq}+${count}: ${actual}, not ${expected}`)
          if (next.act === 'mark') {
            window.mark(seq)
            model.mark(seq)
          } else if (actual[1] === 'new' && count <= window.seqs) {
            window.markRange(seq, count)
            for (let i = 0; i < count; i++) model.mark(seq + i)
          }
          if (window.top !== model.top || window.floor !== model.floor)
            throw new Error('top or floor differs')
          if (window.isWhole !== model.isWhole)
            throw new Error('a ring that nobody needs, or none where one is needed')
          if (wasWhole !== window.isWhole) turns++
          wasWhole = window.isWhole
        }
      }
    ),
    { numRuns: 3000 }
  )
  t.true(edges > 1000, `${edges} steps were at the edge`)
  t.true(turns > 3000, `${turns} times a ring was made or dropped`)
})

test('a window of 64 remembers exactly 64 seqs', t => {
  const window = new Window(64)
  for (let seq = 0; seq <= 99; seq++) window.mark(seq)
  t.is(window.check(35), 'stale')
  t.is(window.check(36), 'duplicate')
  t.is(window.check(100), 'fresh')
})

test('a wide window costs nothing while nothing is missing, and is none the worse for it', t => {
  const window = new Window(1024)
  for (let seq = 0; seq < 5000; seq += 16) window.markRange(seq, 16)
  t.true(window.isWhole)
  t.is(window.checkRange(4000, 16), 'duplicate')
  t.is(window.check(5007 - 1024), 'stale')
  window.mark(5009)
  t.false(window.isWhole)
  t.is(window.check(5008), 'fresh')
  t.is(window.check(5007), 'duplicate')
  t.is(window.check(5009 - 1023), 'duplicate')
  t.is(window.check(5010), 'fresh')
  window.mark(5008)
  t.true(window.isWhole)
  t.is(window.top, 5009)
})

test('a hole that leaves the window is missed no more', t => {
  const window = new Window(64)
  window.mark(0)
  window.mark(2)
  t.false(window.isWhole)
  for (let seq = 3; seq <= 64; seq++) window.mark(seq)
  t.false(window.isWhole)
  window.mark(65)
  t.true(window.isWhole)
  t.is(window.check(1), 'stale')
})

test('an empty window calls everything new', t => {
  const window = new Window(256)
  t.is(window.top, -1)
  t.is(window.check(0), 'fresh')
  t.is(window.checkRange(0, 64), 'new')
  t.is(window.checkRange(MAX, 1), 'new')
})

test('marking a stale seq does not touch the seq that has its bit now', t => {
  const window = new Window(32)
  window.mark(100)
  window.mark(100 - 64)
  t.is(window.check(100 - 31), 'fresh')
  t.is(window.check(100), 'duplicate')
  for (let seq = 69; seq < 100; seq++) t.is(window.check(seq), 'fresh')
})

test('a jump over all seqs costs no more than the ring', t => {
  const window = new Window(1024)
  const startedAt = performance.now()
  for (let i = 1; i <= 10_000; i++) window.mark(i * 800_000_000_000)
  t.true(performance.now() - startedAt < 5000)
  t.is(window.top, 8e15)
})
