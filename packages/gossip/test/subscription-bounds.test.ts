/** The bounds of `topic.messages()`, as an application meets them: over real streams, with the defaults. */
import { type LagRange, LIMITS, type Message, type Subscription } from '@hearsay/gossip'
import test from 'ava'
import { connect, linked, node } from './support/gossip-nodes.js'
import { until } from './support/streams.js'

async function pair(t: Parameters<typeof node>[0], options: Parameters<typeof node>[1] = {}) {
  const [a, b] = [node(t, options), node(t, options)]
  connect(a, b)
  await linked(a, b)
  const lags: LagRange[] = []
  b.topic.on('lag', range => lags.push(range))
  const publish = (from: number, to: number) =>
    Promise.all(Array.from({ length: to - from }, (_, i) => a.topic.publish(from + i)))
  return { a, b, lags, publish }
}

async function drained(subscription: Subscription): Promise<Message[]> {
  subscription.drain()
  const read: Message[] = []
  for await (const message of subscription) read.push(message)
  return read
}

const seqs = (messages: readonly Message[]): number[] => messages.map(({ seq }) => seq)
const span = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i)

test('1,024 messages are held; beyond that the oldest go, and exactly they are told', async t => {
  t.is(LIMITS.maxSubscriptionMessages, 1024)
  const { a, b, lags, publish } = await pair(t)
  const subscription = b.topic.messages()
  await publish(0, 1024)
  await until(() => subscription.received === 1024)
  t.is(subscription.dropped, 0)
  t.is(subscription.pending, 1024)
  await publish(1024, 1100)
  await until(() => subscription.received === 1100)
  t.is(subscription.dropped, 76)
  t.is(subscription.pending, 1024)
  t.deepEqual(seqs(await drained(subscription)), span(76, 1100))
  const { incarnation } = b.topic.explain(a.gossip.id).incarnations[0] ?? { incarnation: '' }
  const lost = { author: a.gossip.publicKey, incarnation, from: 0, to: 75, count: 76, exact: true }
  t.deepEqual(lags, [lost])
  t.deepEqual(subscription.lags, [lost])
})

test('4 MiB are held, whatever their number', async t => {
  t.is(LIMITS.maxSubscriptionBytes, 4 * 1024 * 1024)
  const { a, b, lags } = await pair(t, { topic: { valueEncoding: 'binary' } })
  const subscription = b.topic.messages()
  for (let i = 0; i < 66; i++) await a.topic.publish(new Uint8Array(65_536))
  await until(() => subscription.received === 66)
  t.is(subscription.pending, 64)
  t.deepEqual(seqs(await drained(subscription)), span(2, 66))
  t.like(lags[0], { from: 0, to: 1, count: 2, exact: true })
})

test('a loss is told where the reader comes to it: after what it read before, before what follows', async t => {
  const { b, publish } = await pair(t)
  const subscription = b.topic.messages({ highWaterMark: 3 })
  const log: string[] = []
  b.topic.on('lag', ({ from, to }) => log.push(`lost ${from}-${to}`))
  const read = async () => {
    const { value } = await subscription.next()
    log.push(`read ${value?.seq}`)
  }
  await publish(0, 2)
  await until(() => subscription.received === 2)
  await read()
  await publish(2, 8)
  await until(() => subscription.received === 8)
  await read()
  await read()
  await publish(8, 12)
  await until(() => subscription.received === 12)
  for (let i = 0; i < 3; i++) await read()
  t.deepEqual(log, ['read 0', 'lost 1-4', 'read 5', 'read 6', 'lost 7-8', 'read 9', 'read 10', 'read 11'])
  t.is(subscription.dropped, 6)
  await subscription.close()
})

test('every subscription has its own buffer: a slow reader costs a quick one nothing', async t => {
  const { b, publish } = await pair(t)
  const [slow, quick] = [b.topic.messages({ highWaterMark: 4 }), b.topic.messages()]
  await publish(0, 50)
  await until(() => quick.received === 50 && slow.received === 50)
  t.is(quick.dropped, 0)
  t.is(slow.dropped, 46)
  t.deepEqual(seqs(await drained(quick)), span(0, 50))
  t.deepEqual(seqs(await drained(slow)), span(46, 50))
  t.is(b.messages.length, 50, 'the event is no reader that could be slow')
})

test('more than 64 lost ranges are merged with their neighbours, and say so', async t => {
  t.is(LIMITS.maxLagRanges, 64)
  const { b, lags, publish } = await pair(t)
  const subscription = b.topic.messages({ highWaterMark: 1 })
  // Each turn loses one message and reads the next.
  for (let i = 0; i < 80; i++) {
    await publish(i * 2, i * 2 + 2)
    await until(() => subscription.received === i * 2 + 2)
    await subscription.next()
  }
  t.is(lags.length, 80)
  t.true(
    lags.every(({ count, exact }) => count === 1 && exact),
    'told one by one they were exact'
  )
  const kept = subscription.lags
  t.is(kept.length, 64)
  t.is(
    kept.reduce((sum, { count }) => sum + count, 0),
    80
  )
  for (const { from, to, count, exact } of kept) t.is(exact, count === to - from + 1)
  t.true(kept.some(({ exact }) => !exact))
  await subscription.return()
})

test('own messages are not for our own readers, unless emitSelf says so', async t => {
  for (const emitSelf of [false, true]) {
    const { a, publish } = await pair(t, { topic: { emitSelf } })
    const subscription = a.topic.messages()
    await publish(0, 3)
    await until(() => subscription.received === (emitSelf ? 3 : 0))
    t.deepEqual(seqs(await drained(subscription)), emitSelf ? [0, 1, 2] : [])
  }
})

test('close(), return() and the end of `await using` end a subscription at once, and it takes nothing more', async t => {
  const { b, publish } = await pair(t)
  const ends: ((subscription: Subscription) => Promise<unknown>)[] = [
    subscription => subscription.close(),
    subscription => subscription.return(),
    subscription => subscription[Symbol.asyncDispose]()
  ]
  for (const [round, end] of ends.entries()) {
    const subscription = b.topic.messages()
    await publish(round * 4, round * 4 + 2)
    await until(() => subscription.pending === 2)
    await end(subscription)
    await end(subscription)
    t.is(subscription.pending, 0)
    await publish(round * 4 + 2, round * 4 + 4)
    await until(() => b.messages.length === round * 4 + 4)
    t.is(subscription.received, 2)
    t.true((await subscription.next()).done)
  }
})

test('ordered: what comes in order is held back by nothing', async t => {
  const { b, publish } = await pair(t)
  const subscription = b.topic.messages({ ordered: true })
  await publish(0, 300)
  await until(() => subscription.received === 300)
  t.deepEqual(seqs(await drained(subscription)), span(0, 300))
  t.is(subscription.late, 0)
})
