/** Which parties are opened next on a connection: pace, room, and what leaves the queue. */
import { LIMITS } from '@hearsay/party'
import test from 'ava'
import { OpenQueue } from '#party/core/open-queue'

const numbers = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i)

function queueOf(count: number): OpenQueue<number> {
  const queue = new OpenQueue<number>(LIMITS)
  for (const item of numbers(0, count)) queue.add(item)
  return queue
}

test('64 are opened in 100 ms, in order, and no more than 256 without an answer', t => {
  const queue = queueOf(300)
  t.deepEqual(queue.take(1000), numbers(0, 64))
  t.deepEqual(queue.take(1099), [])
  t.is(queue.nextMs(), 1100)
  t.deepEqual(queue.take(1100), numbers(64, 128))
  t.deepEqual(queue.take(1200), numbers(128, 192))
  t.deepEqual(queue.take(1300), numbers(192, 256))
  t.is(queue.pending, 256)
  t.is(queue.nextMs(), null, 'nothing can be opened before an answer')
  t.deepEqual(queue.take(9000), [])
  for (const item of [3, 4]) t.true(queue.answered(item))
  t.false(queue.answered(3))
  t.deepEqual(queue.take(9001), [256, 257])
  t.is(queue.nextMs(), null)
})

test('answers make room for all of them: 300 are done in five turns', t => {
  const queue = queueOf(300)
  const opened: number[] = []
  let turns = 0
  for (let nowMs = 0; queue.nextMs() !== null; nowMs += 100, turns++) {
    for (const item of queue.take(nowMs)) {
      opened.push(item)
      queue.answered(item)
    }
  }
  t.deepEqual(opened, numbers(0, 300))
  t.is(turns, 5)
  t.is(queue.pending, 0)
})

test('what is removed is not opened, and gives its room back; what is pending is not opened twice', t => {
  const queue = queueOf(3)
  queue.remove(1)
  t.deepEqual(queue.take(0), [0, 2])
  queue.add(0)
  t.deepEqual(queue.take(100), [])
  queue.remove(0)
  t.is(queue.pending, 1)
  queue.add(0)
  t.deepEqual(queue.take(200), [0])
  queue.add(7)
  queue.add(7)
  t.deepEqual(queue.take(300), [7])
})
