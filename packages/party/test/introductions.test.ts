import test from 'ava'
import { Calls } from '#party/core/calls'
import { Claims } from '#party/core/claims'
import { Introductions, type NewIntroduction } from '#party/core/introductions'

const LIMITS = {
  maxPending: 6,
  maxPendingPerAuthor: 3,
  maxPendingPerChannel: 4,
  maxRefused: 2,
  maxRuleCalls: 3,
  maxRuleCallsPerPeer: 2
}

const introduction = (slotId: string, fields: Partial<NewIntroduction> = {}): NewIntroduction => ({
  slotId,
  version: 1,
  author: new Uint8Array(32),
  authorId: 'a',
  keys: [new Uint8Array(32)],
  keyIds: [slotId],
  feedSlots: [`feed ${slotId}`],
  own: [true],
  type: '',
  meta: new Uint8Array(0),
  row: new Uint8Array(32),
  record: new Uint8Array(0),
  authorizes: 0,
  role: 0,
  maxBytes: 0,
  expiresSeconds: 0,
  channel: 1,
  isDirect: false,
  waiting: [],
  expiresAtMs: 1000,
  ...fields
})
const slots = (list: Iterable<{ slotId: string }>): string[] => Array.from(list, entry => entry.slotId)

test('who has most entries loses its newest', t => {
  const table = new Introductions(LIMITS)
  for (const slot of ['1', '2', '3']) table.add([introduction(slot)])
  t.deepEqual(slots(table.add([introduction('4')]).evicted), ['4'])
  t.deepEqual(slots(table.add([introduction('5', { authorId: 'b', channel: 2 })]).evicted), [])
  t.deepEqual(slots(table.add([introduction('6', { authorId: 'c', channel: 1 })]).evicted), [])
  t.deepEqual(slots(table.add([introduction('7', { authorId: 'd', channel: 1 })]).evicted), ['7'])
  table.add([introduction('8', { authorId: 'e', channel: 3 })])
  t.deepEqual(slots(table.add([introduction('9', { authorId: 'f', channel: 4 })]).evicted), ['3'])
  t.is(table.size, 6)
})

test('authors take turns, and places are bounded per peer and in all', t => {
  const table = new Introductions({
    ...LIMITS,
    maxPendingPerAuthor: 10,
    maxPending: 20,
    maxPendingPerChannel: 20
  })
  for (const slot of ['1', '2', '3']) table.add([introduction(slot)])
  table.add([introduction('4', { authorId: 'b', channel: 2 })])
  t.deepEqual(slots(table.next(1) ?? []), ['1'])
  t.deepEqual(slots(table.next(2) ?? []), ['4'])
  t.deepEqual(slots(table.next(3) ?? []), ['2'])
  t.is(table.next(4), null)
  t.deepEqual(slots(table.answered(2)), ['4'])
  t.is(table.next(5), null, 'two of channel 1 are open')
  table.answered(1)
  t.deepEqual(slots(table.next(6) ?? []), ['3'])
})

test('what came together is asked together, and an answer finds only what still waits for it', t => {
  const table = new Introductions(LIMITS)
  const { added } = table.add([introduction('1'), introduction('2')])
  t.is(table.next(1)?.length, 2)
  table.remove(added[0] as never)
  t.deepEqual(slots(table.answered(1)), ['2'])
  t.deepEqual(table.answered(1), [])
  t.deepEqual(table.answered(77), [])
})

test('other rules ask again, and answers to the old question find nothing', t => {
  const table = new Introductions(LIMITS)
  table.add([introduction('1')])
  table.next(1)
  table.refuse('x', { version: 3, verdict: 'rejected', reason: 'no' })
  t.truthy(table.refusal('x', 3))
  t.is(table.refusal('x', 4), null)
  table.reset()
  t.is(table.refusal('x', 3), null)
  t.deepEqual(slots(table.next(2) ?? []), ['1'])
  t.deepEqual(table.answered(1), [])
  t.deepEqual(slots(table.answered(2)), ['1'])
})

test('the oldest refusal is forgotten above the bound', t => {
  const table = new Introductions(LIMITS)
  for (const slot of ['1', '2', '3']) table.refuse(slot, { version: 1, verdict: 'ignored', reason: '' })
  t.is(table.refusedSize, 2)
  t.is(table.refusal('1', 1), null)
})

test('with a channel go the introductions that were told to us alone, and its waiting answers', t => {
  const table = new Introductions(LIMITS)
  table.add([introduction('1', { isDirect: true, waiting: [{ channel: 1, call: 5 }] })])
  table.add([introduction('2', { waiting: [{ channel: 1, call: 6 }] })])
  t.deepEqual(slots(table.dropChannel(1)), ['1'])
  t.deepEqual(slots(table), ['2'])
  t.deepEqual(table.bySlot('2')?.waiting, [])
  t.is(table.bySlot('2')?.channel, null)
  t.deepEqual(slots(table.ofFeed('feed 2')), ['2'])
  t.deepEqual(slots(table.expire(1000)), ['2'])
  t.deepEqual(table.ofFeed('feed 2'), [])
})

test('calls are settled once, by answer, deadline, cancel or the end', t => {
  const calls = new Calls(3)
  const id = calls.open(1, 100) as number
  calls.open(2, 200)
  calls.open(3, 300)
  t.is(calls.open(4, 400), null)
  t.is(calls.nextDeadlineMs(), 100)
  t.is(calls.settle(id), 1)
  t.is(calls.settle(id), null)
  t.deepEqual(calls.expire(199), [])
  t.deepEqual(calls.expire(200), [2])
  t.true((calls.open(4, 400) as number) > id)
  t.true(calls.cancel(3))
  t.false(calls.cancel(3))
  t.deepEqual(calls.clear(), [4])
  t.is(calls.nextDeadlineMs(), Number.POSITIVE_INFINITY)
})

test('ids of remote calls only grow, and are answered once', t => {
  const calls = new Calls(2)
  t.is(calls.take(5), 'taken')
  t.is(calls.take(5), 'stale')
  t.is(calls.take(4), 'stale')
  t.is(calls.take(6), 'taken')
  t.is(calls.take(7), 'busy')
  t.true(calls.reply(5))
  t.false(calls.reply(5))
  t.false(calls.reply(7))
  t.is(calls.take(8), 'taken')
})

test('claims are bounded, and tell whether they promise more', t => {
  const claims = new Claims(2)
  t.true(claims.set('a', { fork: 0, length: 1, complete: 0 }))
  t.false(claims.set('a', { fork: 0, length: 1, complete: 0 }))
  t.true(claims.set('a', { fork: 0, length: 1, complete: 1 }))
  claims.set('b', { fork: 0, length: 1, complete: 1 })
  claims.set('c', { fork: 0, length: 1, complete: 1 })
  t.is(claims.get('a'), null)
  t.is(claims.size, 2)
})
