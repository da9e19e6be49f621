import test from 'ava'
import fc from 'fast-check'
import { LostRanges } from '#gossip/core/lost-ranges'
import { filled } from './support-crypto.js'

const source = (author: number, incarnation = 'aa') => ({ author: filled(32, author), incarnation })
const shape = (ranges: LostRanges): string =>
  ranges.list
    .map(({ author, from, to, count, exact }) => `${author[0]}:${from}-${to} ${count}${exact ? '' : '?'}`)
    .join()

test('adjacent seqs of one incarnation are one range, from both sides and across a filled hole', t => {
  const ranges = new LostRanges(8)
  for (const seq of [5, 6, 4, 9]) ranges.add(source(1), { from: seq, to: seq })
  t.is(shape(ranges), '1:4-6 3,1:9-9 1')
  ranges.add(source(1), { from: 7, to: 8 })
  t.is(shape(ranges), '1:4-9 6')
})

test('equal seqs of another author or incarnation are other ranges', t => {
  const ranges = new LostRanges(8)
  ranges.add(source(1, 'aa'), { from: 1, to: 1 })
  ranges.add(source(1, 'bb'), { from: 2, to: 2 })
  ranges.add(source(2, 'aa'), { from: 2, to: 2 })
  t.is(ranges.size, 3)
  t.is(ranges.shift()?.incarnation, 'aa')
  t.is(ranges.size, 2)
})

test('at the bound a range is merged with the nearest of its incarnation and says so', t => {
  const ranges = new LostRanges(2)
  for (const seq of [1, 10, 14]) ranges.add(source(1), { from: seq, to: seq })
  t.is(shape(ranges), '1:1-1 1,1:10-14 2?')
  ranges.add(source(1), { from: 12, to: 12 })
  t.is(shape(ranges), '1:1-1 1,1:10-14 3?')
  ranges.add(source(1), { from: 11, to: 11 })
  ranges.add(source(1), { from: 13, to: 13 })
  t.is(shape(ranges), '1:1-1 1,1:10-14 5', 'what was filled is exact again')
})

test('an author without a range gets one beyond the bound, up to four times the bound', t => {
  const ranges = new LostRanges(2)
  for (let author = 0; author < 8; author++) ranges.add(source(author), { from: 1, to: 2 })
  t.is(ranges.size, 8)
  t.is(ranges.forgotten, 0)
  ranges.add(source(8), { from: 1, to: 1 })
  t.is(ranges.size, 8)
  t.is(ranges.forgotten, 2)
})

test('every lost seq lies in a range, counts are right, and exact ranges hold nothing else', t => {
  const loss = fc.record({ author: fc.nat(2), seq: fc.nat(60) })
  fc.assert(
    fc.property(
      fc.uniqueArray(loss, { minLength: 5, maxLength: 80, selector: l => `${l.author}:${l.seq}` }),
      losses => {
        const ranges = new LostRanges(6)
        for (const { author, seq } of losses) ranges.add(source(author), { from: seq, to: seq })
        const isIn = (author: number, seq: number): boolean =>
          ranges.list.some(range => range.author[0] === author && range.from <= seq && seq <= range.to)
        const exactSeqs = ranges.list
          .filter(({ exact }) => exact)
          .flatMap(({ author, from, to }) =>
            Array.from({ length: to - from + 1 }, (_, i) => `${author[0]}:${from + i}`)
          )
        const lost = new Set(losses.map(({ author, seq }) => `${author}:${seq}`))
        return (
          ranges.size <= 6 + 2 &&
          losses.every(({ author, seq }) => isIn(author, seq)) &&
          exactSeqs.every(id => lost.has(id)) &&
          ranges.list.reduce((sum, { count }) => sum + count, 0) === losses.length
        )
      }
    )
  )
  t.pass()
})
