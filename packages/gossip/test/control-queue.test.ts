import test from 'ava'
import { ControlQueue } from '#gossip/core/control-queue'
import type { AuthorRef, OutFrame } from '#gossip/core/types'
import { LIMITS } from '#gossip/limits'
import { refOf } from './support/grove.js'

const [a, b] = [refOf(1), refOf(2)]

const prune = (...refs: AuthorRef[]): OutFrame => ({ kind: 'prune', refs })
const want = (graft: boolean, ...ranges: [ref: AuthorRef, count: number][]): OutFrame => {
  return { kind: 'want', graft, ranges: ranges.map(([ref, count]) => ({ ref, from: 0, count })) }
}

/** What leaves, in order: `prune a`, `graft a b+3`, `want b+3`. */
function leaving(...frames: OutFrame[]): string[] {
  const queue = new ControlQueue(LIMITS)
  for (const frame of frames) queue.add(frame)
  return drained(queue)
}

function drained(queue: ControlQueue): string[] {
  const said: string[] = []
  for (let frame = queue.next(1000); frame !== undefined; frame = queue.next(1000)) {
    if (frame.kind === 'prune') said.push(['prune', ...frame.refs.map(nameOf)].join(' '))
    else if (frame.kind === 'want') {
      const ranges = frame.ranges.map(({ ref, count }) => `${nameOf(ref)}${count > 0 ? `+${count}` : ''}`)
      said.push([frame.graft ? 'graft' : 'want', ...ranges].join(' '))
    } else said.push(frame.kind)
  }
  return said
}

const nameOf = (ref: AuthorRef): string => (ref === a ? 'a' : 'b')

test('a graft that comes after a PRUNE of the same author stands alone', t => {
  t.deepEqual(leaving(prune(a, b), want(true, [a, 0])), ['prune b', 'graft a'])
  t.deepEqual(leaving(prune(a), want(true, [a, 5])), ['graft a+5'])
})

test('a PRUNE that comes after a graft of the same author stands alone; what was asked for is asked for still', t => {
  t.deepEqual(leaving(want(true, [a, 0]), prune(a)), ['prune a'])
  t.deepEqual(leaving(want(true, [a, 5], [b, 3]), prune(a)), ['prune a', 'graft b+3', 'want a+5'])
  t.deepEqual(leaving(want(true, [a, 0], [b, 3]), prune()), ['prune', 'want b+3'])
})

test('the last one counts, however often it changes', t => {
  t.deepEqual(leaving(prune(a), want(true, [a, 0]), prune(a)), ['prune a'])
  t.deepEqual(leaving(want(true, [a, 0]), prune(a), want(true, [a, 0])), ['graft a'])
})

test('a PRUNE of all leaves before a graft that came later', t => {
  t.deepEqual(leaving(prune(), want(true, [a, 0])), ['prune', 'graft a'])
})

test('a WANT without a graft and a PRUNE have nothing to do with each other', t => {
  t.deepEqual(leaving(want(false, [a, 5]), prune(a)), ['prune a', 'want a+5'])
  t.deepEqual(leaving(prune(a), want(false, [a, 5])), ['prune a', 'want a+5'])
})

test('a frame that was given back leaves before what contradicts it', t => {
  const queue = new ControlQueue(LIMITS)
  queue.add(prune(a))
  queue.giveBack(queue.next(1000) as OutFrame)
  queue.add(want(true, [a, 0]))
  t.deepEqual(drained(queue), ['prune a', 'graft a'])
  queue.add(want(true, [a, 0]))
  queue.giveBack(queue.next(1000) as OutFrame)
  queue.add(prune(a))
  t.deepEqual(drained(queue), ['graft a', 'prune a'])
  t.true(queue.isEmpty)
})
