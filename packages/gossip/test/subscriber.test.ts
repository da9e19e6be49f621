import test from 'ava'
import fc from 'fast-check'
import { type BufferedMessage, SubscriberBuffer, type SubscriberItem } from '#gossip/core/subscriber'
import { filled } from './support-crypto.js'

const AUTHORS = [filled(32, 0), filled(32, 1), filled(32, 2)]

function message(seq: number, author = 0, bytes = 10): BufferedMessage {
  return { author: AUTHORS[author] as Uint8Array, incarnation: 'aa', seq, bytes }
}

function all(buffer: SubscriberBuffer<BufferedMessage>): SubscriberItem<BufferedMessage>[] {
  const items: SubscriberItem<BufferedMessage>[] = []
  for (let item = buffer.shift(); item !== undefined; item = buffer.shift()) items.push(item)
  return items
}

/** '3' for a message, 'lag 1-2' and 'skip 1-2' for ranges. */
function shape(items: readonly SubscriberItem<BufferedMessage>[]): string {
  return items
    .map(item =>
      item.type === 'message' ? `${item.message.seq}` : `${item.type} ${item.range.from}-${item.range.to}`
    )
    .join()
}

test('messages come out as they came in', t => {
  const buffer = new SubscriberBuffer<BufferedMessage>()
  for (const seq of [0, 2, 1]) buffer.push(message(seq), 0)
  t.is(buffer.pending, 3)
  t.is(buffer.pendingBytes, 30)
  t.is(shape(all(buffer)), '0,2,1')
  t.is(buffer.pending, 0)
  t.is(buffer.pendingBytes, 0)
  t.false(buffer.isReadable)
  t.is(buffer.shift(), undefined)
})

test('a full buffer drops the oldest and tells the exact range where they were', t => {
  const buffer = new SubscriberBuffer<BufferedMessage>({ maxMessages: 3 })
  for (let seq = 0; seq < 10; seq++) buffer.push(message(seq), 0)
  t.is(buffer.dropped, 7)
  t.is(buffer.received, 10)
  t.is(shape(all(buffer)), 'lag 0-6,7,8,9')
  t.deepEqual(buffer.lags, [
    { author: AUTHORS[0] as Uint8Array, incarnation: 'aa', from: 0, to: 6, count: 7, exact: true }
  ])
})

test('a reader in between gets two ranges, each at its place', t => {
  const buffer = new SubscriberBuffer<BufferedMessage>({ maxMessages: 2 })
  for (let seq = 0; seq < 4; seq++) buffer.push(message(seq), 0)
  t.is(shape([buffer.shift(), buffer.shift()].filter(item => item !== undefined)), 'lag 0-1,2')
  for (let seq = 4; seq < 7; seq++) buffer.push(message(seq), 0)
  t.is(shape(all(buffer)), 'lag 3-4,5,6')
  t.deepEqual(
    buffer.lags.map(({ from, to }) => [from, to]),
    [
      [0, 1],
      [3, 4]
    ]
  )
})

test('the bound in bytes holds, too; one message is always held, however large', t => {
  const buffer = new SubscriberBuffer<BufferedMessage>({ maxBytes: 100 })
  for (let seq = 0; seq < 3; seq++) buffer.push(message(seq, 0, 50), 0)
  t.is(shape(all(buffer)), 'lag 0-0,1,2')
  buffer.push(message(3, 0, 50), 0)
  buffer.push(message(4, 0, 1000), 0)
  t.is(shape(all(buffer)), 'lag 3-3,4')
})

test('nothing is lost silently: every message is read or lies in a range that was read', t => {
  let lagged = 0
  fc.assert(
    fc.property(
      fc.array(fc.oneof(fc.record({ author: fc.nat(2) }), fc.record({ reads: fc.nat(3) })), {
        minLength: 50,
        maxLength: 200,
        size: 'max'
      }),
      fc.integer({ min: 1, max: 20 }),
      (steps, maxMessages) => {
        const buffer = new SubscriberBuffer<BufferedMessage>({ maxMessages })
        const next = [0, 0, 0]
        const items: SubscriberItem<BufferedMessage>[] = []
        for (const step of steps) {
          if ('author' in step) {
            const seq = next[step.author] as number
            buffer.push(message(seq, step.author), 0)
            next[step.author] = seq + 1
          } else
            for (let i = 0; i < step.reads; i++)
              items.push(...[buffer.shift()].filter(item => item !== undefined))
          if (buffer.pending > maxMessages) return false
        }
        items.push(...all(buffer))
        // In order of reading, each author's messages and ranges follow each other without hole or repetition.
        const at = [0, 0, 0]
        for (const item of items) {
          const isMessage = item.type === 'message'
          const author = (isMessage ? item.message : item.range).author[0] as number
          if (at[author] !== (isMessage ? item.message.seq : item.range.from)) return false
          at[author] = (isMessage ? item.message.seq : item.range.to) + 1
          if (!isMessage) lagged++
        }
        return at.join() === next.join() && buffer.pendingBytes === 0
      }
    )
  )
  t.true(lagged > 100)
})

test('ordered: messages that overtook each other come out in order', t => {
  const buffer = new SubscriberBuffer<BufferedMessage>({ ordered: true })
  for (const seq of [0, 2, 3, 1, 4]) buffer.push(message(seq), 100)
  t.is(shape(all(buffer)), '0,1,2,3,4')
  t.is(buffer.wakeAtMs, Number.POSITIVE_INFINITY)
})

test('ordered: a hole is waited for 2 s, then skipped and told at its place; what comes later is late', t => {
  const buffer = new SubscriberBuffer<BufferedMessage>({ ordered: true })
  for (const seq of [0, 3, 6]) buffer.push(message(seq), 1000 + seq)
  t.is(shape(all(buffer)), '0')
  t.is(buffer.pending, 2)
  t.is(buffer.wakeAtMs, 3003)
  buffer.tick(3002)
  t.false(buffer.isReadable)
  buffer.tick(3003)
  t.is(shape(all(buffer)), 'skip 1-2,3')
  t.is(buffer.wakeAtMs, 3006)
  buffer.push(message(2), 3004)
  t.is(buffer.late, 1)
  buffer.push(message(4), 3005)
  buffer.tick(3006)
  t.is(shape(all(buffer)), '4,skip 5-5,6')
  t.deepEqual(
    buffer.lags.map(({ from, to, exact }) => [from, to, exact]),
    [
      [1, 2, true],
      [5, 5, true]
    ]
  )
  t.is(buffer.pendingBytes, 0)
})

test('ordered: at most 256 messages are held, then the first hole is skipped', t => {
  const buffer = new SubscriberBuffer<BufferedMessage>({ ordered: true })
  buffer.push(message(0), 0)
  for (let seq = 2; seq <= 257; seq++) buffer.push(message(seq), 0)
  t.is(shape(all(buffer)), '0')
  buffer.push(message(259), 0)
  t.is(shape(all(buffer)).slice(0, 10), 'skip 1-1,2')
  t.is(buffer.pending, 1)
})

test('ordered: a young incarnation is waited for from 0, and what never came is no loss', t => {
  const buffer = new SubscriberBuffer<BufferedMessage>({ ordered: true })
  buffer.push(message(5), 0)
  t.false(buffer.isReadable)
  buffer.tick(2000)
  t.is(shape(all(buffer)), '5')
  t.deepEqual(buffer.lags, [])
  buffer.push(message(4), 2001)
  t.is(shape(all(buffer)), 'lag 4-4', 'but what did come and was not delivered is one')
})

test('ordered: an old incarnation begins where it is met', t => {
  const buffer = new SubscriberBuffer<BufferedMessage>({ ordered: true })
  buffer.push(message(5000), 0)
  t.is(shape(all(buffer)), '5000')
})

test('ordered: incarnations do not wait for each other, also when two authors drew the same one', t => {
  const buffer = new SubscriberBuffer<BufferedMessage>({ ordered: true })
  buffer.push(message(0, 0), 0)
  buffer.push(message(2, 0), 0)
  buffer.push(message(0, 1), 0)
  buffer.push(message(1, 1), 0)
  t.is(shape(all(buffer)), '0,0,1')
  t.is(buffer.pending, 1)
})

test('ordered: what is held counts against the bound, and is let go when nothing else can be', t => {
  const buffer = new SubscriberBuffer<BufferedMessage>({ ordered: true, maxMessages: 4 })
  buffer.push(message(0), 0)
  for (const seq of [2, 4, 6, 8]) buffer.push(message(seq), 0)
  t.is(buffer.pending, 4)
  t.is(shape(all(buffer)), 'lag 0-0')
  buffer.push(message(10), 0)
  t.is(buffer.pending, 4)
  t.is(shape(all(buffer)), 'lag 1-2')
  buffer.release()
  t.is(shape(all(buffer)), 'skip 3-3,4,skip 5-5,6,skip 7-7,8,skip 9-9,10')
  t.is(buffer.pendingBytes, 0)
})

test('ordered: no more incarnations are remembered than allowed', t => {
  const buffer = new SubscriberBuffer<BufferedMessage>({ ordered: true, maxAuthors: 10 })
  for (let i = 0; i < 1000; i++) buffer.push({ ...message(0), incarnation: `${i}` }, 0)
  t.is(all(buffer).length, 1000)
  buffer.push({ ...message(1), incarnation: '999' }, 0)
  t.is(shape(all(buffer)), '1')
  buffer.push({ ...message(0), incarnation: '0' }, 0)
  t.is(shape(all(buffer)), '0', 'the first one was forgotten and begins again')
})

test('ordered: any order of arrival comes out ascending, each seq read or told once', t => {
  let skips = 0
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.nat(40), { minLength: 10, maxLength: 41, size: 'max' }),
      fc.array(fc.nat(900), { minLength: 41, maxLength: 41 }),
      (seqs, pauses) => {
        const buffer = new SubscriberBuffer<BufferedMessage>({ ordered: true })
        let nowMs = 0
        const items: SubscriberItem<BufferedMessage>[] = []
        for (const [i, seq] of seqs.entries()) {
          nowMs += pauses[i] as number
          buffer.tick(nowMs)
          buffer.push(message(seq), nowMs)
          items.push(...all(buffer))
          if (buffer.wakeAtMs !== Number.POSITIVE_INFINITY && buffer.wakeAtMs > nowMs + 2000) return false
        }
        buffer.release()
        items.push(...all(buffer))
        let at = -1
        let delivered = 0
        for (const item of items) {
          if (item.type === 'lag') continue
          const isMessage = item.type === 'message'
          const from = isMessage ? item.message.seq : item.range.from
          if (from <= at) return false
          at = isMessage ? from : item.range.to
          if (isMessage) delivered++
          else skips++
        }
        return delivered + buffer.late === seqs.length && buffer.pending === 0 && buffer.pendingBytes === 0
      }
    )
  )
  t.true(skips > 20, `${skips} skips`)
})
