import { LIMITS, PartyKeys, type PartyRecord, signRecord } from '@hearsay/party/core'
import test from 'ava'
import b4a from 'b4a'
import { RecordBook } from '#party/core/record-book'
import { AGREE, CoreNode, PARTY_KEY, Wire } from './support-core.js'
import { cryptoOf } from './support-crypto.js'

const length = (key: Uint8Array, blocks: number) =>
  ({ type: 'feedLength', key, fork: 0, length: blocks, complete: blocks, isWanted: true }) as const
const lengthsOf = (node: CoreNode, channel: number) =>
  node.frames(channel).flatMap(frame => (frame.type === 'lengths' ? frame.entries : []))
const asked = (node: CoreNode) => node.all('ask').filter(ask => ask.about === 'introduce').length

test('of the records of a slot one counts, whatever the order in which they came', t => {
  const crypto = cryptoOf(1)
  const keys = new PartyKeys(crypto, PARTY_KEY)
  const key = new Uint8Array(32).fill(7)
  const introduce = (version: number, createdMs: number) =>
    signRecord(crypto, keys, {
      kind: 'introduce',
      version,
      createdMs,
      expiresSeconds: 0,
      bundleType: '',
      keys: [key],
      origin: { kind: 'none' },
      successor: null,
      meta: new Uint8Array(0)
    })
  const withdraw = signRecord(crypto, keys, { kind: 'withdraw', version: 2, key })
  const records: PartyRecord[] = [introduce(1, 1), introduce(1, 2), introduce(2, 3), withdraw]
  const results = permutations(records).map(order => {
    const { maxVerified, maxRefused } = LIMITS
    const book = new RecordBook({ crypto, keys, maxVerified, maxRefused })
    for (const record of order) book.put(record)
    return b4a.toString(book.snapshot(1), 'hex')
  })
  t.is(results.length, 24)
  t.is(new Set(results).size, 1)
  const { slotId } = new RecordBook({ crypto, keys, maxVerified: 1, maxRefused: 1 }).placeOf(withdraw)
  t.is(slotId.length, 32)
})

test('what was refused is not asked about again, until the rules change', t => {
  const a = new CoreNode(1)
  const b = new CoreNode(2, { introduce: () => ({ about: 'introduce', verdict: 'reject', reason: 'no' }) })
  const { key, introduction } = a.own('w')
  a.step({ type: 'introduce', introductions: [introduction], job: 1 })
  const wire = new Wire(a, b)
  wire.run()
  t.is(asked(b), 1)
  t.is(b.all('reject').length, 1)
  const { record } = a.all('publish')[0] as { record: Uint8Array }
  b.step({ type: 'gossiped', record, channel: null })
  t.is(asked(b), 1)
  wire.cut()
  const again = new Wire(a, b, 2)
  again.run()
  t.is(asked(b), 1)
  t.is(b.frames(2).filter(frame => frame.type === 'pull').length, 0, 'it is not even pulled')
  a.pass(11_000)
  b.pass(11_000)
  b.rules.introduce = () => ({ about: 'introduce', verdict: 'accept', reason: '' })
  b.step({ type: 'setRules' })
  again.run()
  t.true(b.has(key))
})

test('lengths are told to who has less, once a second, and not back to who has as much', t => {
  const [a, b, c] = [1, 2, 3].map(seed => new CoreNode(seed)) as [CoreNode, CoreNode, CoreNode]
  const wires = [new Wire(a, b, 1), new Wire(b, c, 2)]
  const run = () => {
    for (let i = 0; i < 3; i++) for (const wire of wires) wire.run()
  }
  run()
  const { key, introduction } = a.own('w')
  a.step({ type: 'introduce', introductions: [introduction], job: 1 })
  run()
  t.true(c.has(key))
  a.step(length(key, 5))
  run()
  t.deepEqual(
    b.all('wanted').map(effect => effect.length),
    [5]
  )
  b.step(length(key, 1))
  b.step(length(key, 2))
  b.step(length(key, 5))
  run()
  t.deepEqual(
    lengthsOf(b, 2).map(entry => entry.complete),
    [1]
  )
  t.is(lengthsOf(b, 1).length, 0, 'its author claims more')
  b.pass(1001)
  run()
  t.deepEqual(
    lengthsOf(b, 2).map(entry => entry.complete),
    [1, 5]
  )
  t.deepEqual(
    c.all('wanted').map(effect => effect.length),
    [1, 5]
  )
})

test('synced() does not end before the peer has seen, and got, all that it was told', t => {
  const a = new CoreNode(1)
  const b = new CoreNode(2)
  const wire = new Wire(a, b)
  wire.run()
  const { key, introduction } = a.own('w')
  a.step({ type: 'introduce', introductions: [introduction], job: 1 })
  wire.run()
  for (const node of [a, b]) node.pass(300)
  wire.run()
  a.step(length(key, 3))
  a.step({ type: 'sync', call: 1 })
  t.is(a.all('settle').length, 0, 'its last SYNCED was about less')
  wire.run()
  b.pass(300)
  wire.run()
  t.is(a.all('settle').length, 0, 'it has not got the blocks')
  b.step(length(key, 3))
  b.pass(300)
  wire.run()
  t.deepEqual(
    a.all('settle').map(effect => effect.result),
    [{ ok: true, feeds: 0, blocks: 0 }]
  )
})

test('synced() falls back to what the others claim when a peer goes, and leaves a peer that stalls', t => {
  const a = new CoreNode(1)
  const b = new CoreNode(2)
  const c = new CoreNode(3)
  const { key, introduction } = b.own('w')
  b.step({ type: 'introduce', introductions: [introduction], job: 1 })
  b.step(length(key, 3))
  const ab = new Wire(a, b, 1)
  const ac = new Wire(a, c, 2)
  ab.run()
  ac.run()
  a.step({ type: 'sync', call: 1 })
  ab.run()
  ac.run()
  t.is(a.all('settle').length, 0)
  ab.cut()
  for (const node of [a, c]) node.pass(300)
  ac.run()
  t.is(a.all('settle').length, 1)
  const again = new Wire(a, b, 3)
  again.run()
  a.step({ type: 'sync', call: 2 })
  again.run()
  ac.run()
  t.is(a.all('settle').length, 1)
  a.pass(31_000)
  t.is(a.all('settle').length, 2)
  t.true(a.all('warning').some(effect => effect.code === 'WARN_PARTY_STALLED'))
})

function permutations<T>(list: readonly T[]): T[][] {
  if (list.length < 2) return [[...list]]
  return list.flatMap((head, index) =>
    permutations([...list.slice(0, index), ...list.slice(index + 1)]).map(tail => [head, ...tail])
  )
}

test('what changes between our READY and that of the peer is told: lengths at once, records by the next comparison', t => {
  const a = new CoreNode(1)
  const b = new CoreNode(2, { handshake: () => undefined })
  const old = a.own('old')
  a.step({ type: 'introduce', introductions: [old.introduction], job: 1 })
  a.step(length(old.key, 1))
  b.authorize(old.key)
  b.step(length(old.key, 1))
  const wire = new Wire(a, b)
  wire.run()
  a.step(length(old.key, 2))
  const late = a.own('late')
  a.step({ type: 'introduce', introductions: [late.introduction], job: 2 })
  wire.run()
  t.deepEqual([a.all('live').length, b.all('live').length], [0, 0])
  const { question } = b.all('ask').find(ask => ask.about === 'handshake') as { question: number }
  b.step({ type: 'answer', question, answer: AGREE })
  wire.run()
  t.deepEqual([a.all('live').length, b.all('live').length], [1, 1])
  t.is(
    b
      .all('wanted')
      .filter(effect => b4a.equals(effect.key, old.key))
      .at(-1)?.length,
    2
  )
  for (const node of [a, b]) node.pass(11_000)
  wire.run()
  t.true(b.has(late.key))
})
