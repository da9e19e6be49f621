import type { LagRange, Message } from '@hearsay/gossip'
import test from 'ava'
import { MessageQueue, type QueueOptions } from '#gossip/node/subscription'

const AUTHOR = new Uint8Array(32).fill(1)
const OPTIONS: QueueOptions = { maxMessages: 1000, maxBytes: 1e6, maxRanges: 64, ordered: false }

function make(options: Partial<QueueOptions> = {}) {
  const losses: (LagRange & { isSlow: boolean })[] = []
  const ended: object[] = []
  let nowMs = 1000
  let stepMs = 0
  const queue = new MessageQueue<number>(
    {
      nowMs: () => {
        nowMs += stepMs
        return nowMs
      },
      onlost: (range, isSlow) => losses.push({ ...range, isSlow }),
      onend: subscription => ended.push(subscription)
    },
    { ...OPTIONS, ...options }
  )
  const push = (seq: number): void => {
    const message: Message<number> = {
      topic: 't',
      author: AUTHOR,
      id: 'id',
      incarnation: '0123456789abcdef',
      seq,
      data: seq,
      createdAt: 0,
      hops: 0,
      from: null
    }
    queue.push({ message, bytes: 10 })
  }
  return { queue, push, losses, ended, setStep: (ms: number) => (stepMs = ms) }
}

async function readAll(queue: MessageQueue<number>): Promise<number[]> {
  const read: number[] = []
  for await (const { data } of queue) read.push(data)
  return read
}

test('a reader gets messages that came before and while it waits', async t => {
  const { queue, push } = make()
  push(0)
  const first = queue.next()
  const second = queue.next()
  push(1)
  push(2)
  t.is((await first).value?.data, 0)
  t.is((await second).value?.data, 1)
  t.is(queue.pending, 1)
  t.is(queue.received, 3)
  t.is(queue.dropped, 0)
})

test('a slow reader loses the oldest, and is told the exact range where it comes to it', async t => {
  const { queue, push, losses } = make({ maxMessages: 10 })
  for (let seq = 0; seq < 25; seq++) push(seq)
  t.is(queue.pending, 10)
  t.is(queue.dropped, 15)
  t.deepEqual(
    queue.lags.map(({ from, to, count, exact }) => ({ from, to, count, exact })),
    [{ from: 0, to: 14, count: 15, exact: true }]
  )
  t.is(losses.length, 0)
  queue.drain()
  t.deepEqual(
    await readAll(queue),
    Array.from({ length: 10 }, (_, i) => 15 + i)
  )
  t.is(losses.length, 1)
  t.like(losses[0], {
    author: AUTHOR,
    incarnation: '0123456789abcdef',
    from: 0,
    to: 14,
    count: 15,
    isSlow: true
  })
})

test('drain() takes nothing new, delivers what is queued, and ends', async t => {
  const { queue, push, ended } = make()
  push(0)
  push(1)
  queue.drain()
  push(2)
  t.deepEqual(await readAll(queue), [0, 1])
  t.deepEqual(ended, [queue])
  t.deepEqual(await queue.next(), { value: undefined, done: true })
})

test('drain() ends a reader that already waits', async t => {
  const { queue } = make()
  const waiting = queue.next()
  queue.drain()
  t.true((await waiting).done)
})

test('break ends the subscription, and what is queued is gone', async t => {
  const { queue, push, ended } = make()
  for (let seq = 0; seq < 5; seq++) push(seq)
  for await (const { data } of queue) if (data === 1) break
  t.deepEqual(ended, [queue])
  t.is(queue.pending, 0)
  push(9)
  t.true((await queue.next()).done)
  t.is(queue.received, 5)
})

test('its end resolves all readers that wait, once', async t => {
  const { queue, ended } = make()
  const waiting = [queue.next(), queue.next(), queue.next()]
  queue.end()
  queue.end()
  await queue.return()
  t.true((await Promise.all(waiting)).every(({ done }) => done))
  t.is(ended.length, 1)
})

test('an abort rejects the pending read with the reason of the signal, untouched', async t => {
  const abort = new AbortController()
  const { queue, ended } = make({ signal: abort.signal })
  const waiting = queue.next()
  const other = queue.next()
  const reason = { mine: true }
  abort.abort(reason)
  t.is(await waiting.catch(fault => fault), reason)
  t.true((await other).done)
  t.is(ended.length, 1)
  t.true((await queue.next()).done)
})

test('an abort between reads rejects the next one', async t => {
  const abort = new AbortController()
  const { queue, push } = make({ signal: abort.signal })
  push(0)
  const reason = new Error('enough')
  abort.abort(reason)
  await t.throwsAsync(queue.next(), { is: reason })
  t.true((await queue.next()).done)
})

test('an aborted signal makes a subscription that only rejects', async t => {
  const reason = new Error('before')
  const { queue, push } = make({ signal: AbortSignal.abort(reason) })
  push(0)
  t.is(queue.received, 0)
  await t.throwsAsync(queue.next(), { is: reason })
})

test('no listener stays on the signal', async t => {
  const abort = new AbortController()
  let listeners = 0
  const { signal } = abort
  const { addEventListener, removeEventListener } = signal
  signal.addEventListener = (...args: Parameters<typeof addEventListener>) => {
    listeners++
    addEventListener.apply(signal, args)
  }
  signal.removeEventListener = (...args: Parameters<typeof removeEventListener>) => {
    listeners--
    removeEventListener.apply(signal, args)
  }
  const { queue } = make({ signal })
  t.is(listeners, 1)
  await queue.return()
  t.is(listeners, 0)
})

test('ordered: what comes out of order is read in order', async t => {
  const { queue, push } = make({ ordered: true })
  for (const seq of [0, 2, 1, 4, 3]) push(seq)
  queue.drain()
  t.deepEqual(await readAll(queue), [0, 1, 2, 3, 4])
})

test('ordered: a missing message is waited for, then skipped and told', async t => {
  const { queue, push, losses, setStep } = make({ ordered: true })
  // Time passes with every look at the clock, so that the wait of 2 s is over at once.
  setStep(1500)
  push(0)
  push(2)
  t.is((await queue.next()).value?.data, 0)
  t.is(queue.pending, 1)
  t.is((await queue.next()).value?.data, 2)
  t.like(losses[0], { from: 1, to: 1, isSlow: false })
  t.is(queue.late, 0)
  push(1)
  t.is(queue.late, 1, 'its place was given up')
  t.is(queue.pending, 0)
  t.is(queue.dropped, 0)
  await queue.return()
})
