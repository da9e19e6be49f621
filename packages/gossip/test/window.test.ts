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
}

type Step = { at: string; by: number; count: number; act: 'mark' | 'range' | 'grow' }

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
  act: fc.constantFrom('mark', 'mark', 'mark', 'range', 'range', 'grow')
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
  let grown = 0
  fc.assert(
    fc.property(
      fc.array(step, { minLength: 20, maxLength: 120 }),
      fc.constantFrom(32, 64, 256),
      (steps, seqs) => {
        const window = new Window(seqs)
        const model = new Model(window)
        for (const next of steps) {
          const seq = seqOf(model, window, next)
          if (next.at === 'edge' && seq > 0) edges++
          const count = Math.min(next.count, MAX - seq + 1)
          const expected = [model.check(seq), model.checkRange(seq, count)]
          const actual = [window.check(seq), window.checkRange(seq, count)]
          if (String(actual) !== String(expected))
            throw new Error(`${seq}+${count}: ${actual}, not ${expected}`)
          if (next.act === 'grow') {
            if (window.seqs < 1024) grown++
            window.grow(Math.min(1024, window.seqs * 2))
          } else if (next.act === 'mark') {
            window.mark(seq)
            model.mark(seq)
          } else if (actual[1] === 'new' && count <= window.seqs) {
            window.markRange(seq, count)
            for (let i = 0; i < count; i++) model.mark(seq + i)
          }
          if (window.top !== model.top || window.floor !== model.floor)
            throw new Error('top or floor differs')
        }
      }
    ),
    { numRuns: 3000 }
  )
  t.true(edges > 1000, `${edges} steps were at the edge`)
  t.true(grown > 1000, `${grown} times it grew`)
})

test('a window of 64 remembers exactly 64 seqs', t => {
  const window = new Window(64)
  for (let seq = 0; seq <= 99; seq++) window.mark(seq)
  t.is(window.check(35), 'stale')
  t.is(window.check(36), 'duplicate')
  t.is(window.check(100), 'fresh')
})

test('growing does not make forgotten seqs fresh again', t => {
  const window = new Window(32)
  window.markRange(0, 64)
  window.grow(256)
  t.is(window.check(0), 'stale')
  t.is(window.check(31), 'stale')
  t.is(window.check(32), 'duplicate')
  t.is(window.seqs, 256)
  window.grow(64)
  t.is(window.seqs, 256)
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
