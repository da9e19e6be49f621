import test from 'ava'
import { Timeline } from './timeline.js'

test('events come in the order of time, equal times in the order of insertion, with all that they carry', t => {
  const timeline = new Timeline(-100)
  const ids = [7, 8]
  timeline.push(5, 1, 10, 11, 12, ids)
  timeline.push(-50, 2, 20, 21)
  timeline.push(5, 3, 30)
  const seen: unknown[] = []
  while (timeline.next(10)) {
    const { nowMs, kind, at, value, hop, numbers } = timeline
    seen.push([nowMs, kind, at, value, hop, numbers])
  }
  t.deepEqual(seen, [
    [-50, 2, 20, 21, 0, null],
    [5, 1, 10, 11, 12, ids],
    [5, 3, 30, 0, 0, null]
  ])
  t.is(timeline.nowMs, 10)
})

test('an event behind the end waits, one in the past happens now', t => {
  const timeline = new Timeline(0)
  timeline.push(10, 1, 1)
  t.false(timeline.next(9))
  timeline.push(3, 2, 2)
  t.true(timeline.next(9))
  t.deepEqual([timeline.kind, timeline.nowMs], [2, 9])
  t.true(timeline.next(10))
  t.is(timeline.kind, 1)
  t.false(timeline.next(Number.MAX_VALUE))
})

test('slots are used again and grow without mixing up what events carry', t => {
  const timeline = new Timeline(0)
  const count = 5000
  for (let round = 0; round < 3; round++) {
    for (let i = 0; i < count; i++) {
      timeline.push(round * count + ((i * 37) % count), 5, i, -i, 2 * i, i % 3 === 0 ? [i] : null)
    }
    let taken = 0
    while (timeline.next((round + 1) * count - 0.5)) {
      const { at, value, hop, numbers, nowMs } = timeline
      const isRight = value === -at && hop === 2 * at && nowMs === round * count + ((at * 37) % count)
      if (!isRight || (numbers?.[0] ?? null) !== (at % 3 === 0 ? at : null)) t.fail(`event ${at}`)
      taken++
    }
    t.is(taken, count)
  }
})
