import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { type Party, rules } from '@hearsay/party'
import { LIMITS, signRecord } from '@hearsay/party/core'
import test, { type ExecutionContext } from 'ava'
import b4a from 'b4a'
import { CoreNode, Wire } from './support-core.js'
import { connect, newParty, until } from './support-parties.js'

/** Effects that touch the set or the disk. */
const WRITES: ReadonlySet<string> = new Set(['authorize', 'log', 'deny', 'grant', 'wanted'])
const text = (value: unknown): string => b4a.toString(value as Uint8Array)

async function line(t: ExecutionContext, count: number): Promise<Party[]> {
  const parties = await Promise.all(
    Array.from({ length: count }, (_, n) => newParty(t, n + 1, { rules: rules.open() }))
  )
  for (let n = 1; n < count; n++) connect(parties[n - 1] as Party, parties[n] as Party)
  return parties
}

async function written(party: Party, name: string) {
  const feed = await party.feeds.writer(name)
  await feed.append(b4a.from(name))
  await party.introduce(feed)
  return feed
}

test('B47 B40 a feed passes a line of five, hop by hop, with its blocks, and back', async t => {
  const parties = await line(t, 5)
  const [first, last] = [parties[0], parties[4]] as [Party, Party]
  const there = await written(first, 'there')
  const back = await written(last, 'back')
  await until('both are at the other end', () => last.feeds.has(there.key) && first.feeds.has(back.key))
  t.is(text(await last.feeds.get(there.key)?.get(0)), 'there')
  t.is(text(await first.feeds.get(back.key)?.get(0)), 'back')
  t.is(parties[2]?.peers.size, 2)
  await there.append(b4a.from('more'))
  t.is(text(await last.feeds.get(there.key)?.get(1)), 'more')
})

test('B50 a line is passed as far as the rules of each member allow', async t => {
  const parties = await Promise.all(
    [rules.open(), rules.open(), { onIntroduceFeeds: () => false }, rules.open()].map((of, n) =>
      newParty(t, n + 1, { rules: of })
    )
  )
  const [a, b, c, d] = parties as [Party, Party, Party, Party]
  connect(b, c)
  connect(c, d)
  const own = await written(c, 'own')
  await until('d has what c made', () => d.feeds.has(own.key))
  const rejected = new Promise(resolve => c.once('reject', resolve))
  connect(a, b)
  const feed = await written(a, 'w')
  await until('b has it', () => b.feeds.has(feed.key))
  await rejected
  t.false(c.feeds.has(feed.key))
  t.is(c.feeds.size, 1)
})

test('a line of five cores: who joins last hears all but what was withdrawn, from its neighbour alone', t => {
  const nodes = [1, 2, 3, 4, 5].map(seed => new CoreNode(seed))
  const wires = nodes.slice(1, 4).map((node, n) => new Wire(nodes[n] as CoreNode, node, n + 1))
  const run = () => {
    for (let i = 0; i < 5; i++) for (const wire of wires) wire.run()
  }
  run()
  const [first, last] = [nodes[0], nodes[4]] as [CoreNode, CoreNode]
  const kept = first.own('kept')
  const withdrawn = first.own('withdrawn')
  first.step({ type: 'introduce', introductions: [kept.introduction, withdrawn.introduction], job: 1 })
  run()
  t.true(nodes.slice(0, 4).every(node => node.has(kept.key) && node.has(withdrawn.key)))
  first.step({ type: 'withdraw', keys: [withdrawn.key], job: 2 })
  run()
  wires[0]?.cut()
  wires.push(new Wire(nodes[3] as CoreNode, last, 4))
  run()
  t.true(last.has(kept.key))
  t.false(last.has(withdrawn.key))
  t.true(nodes[3]?.has(withdrawn.key), 'a withdrawal is no revocation')
})

test('SECURITY: every introduction of the past, told again after its revocation, revives nothing', t => {
  const a = new CoreNode(1)
  const b = new CoreNode(2)
  const wire = new Wire(a, b)
  wire.run()
  const { key, introduction } = a.own('w')
  for (let round = 0; round < 20; round++) {
    const meta = Uint8Array.of(round)
    a.step({ type: 'introduce', introductions: [{ ...introduction, meta }], job: round + 1 })
  }
  wire.run()
  t.true(b.has(key))
  a.step({ type: 'revoke', key, cutoff: null, purge: false, reason: '', job: 99 })
  wire.run()
  t.false(b.has(key))
  const asked = b.all('ask').length
  const past = a.all('publish').map(effect => effect.record)
  t.is(past.length, 21)
  for (const record of past) b.step({ type: 'gossiped', record, channel: null })
  const restarted = new CoreNode(2)
  for (const [id, fact] of b.facts) restarted.facts.set(id, fact)
  restarted.step({ type: 'replayed', records: b.all('deny').map(effect => effect.record) })
  for (const record of past) restarted.step({ type: 'gossiped', record, channel: null })
  t.false(b.has(key))
  t.is(b.all('ask').length, asked)
  t.false(restarted.has(key))
  t.is(restarted.all('ask').length, 0)
})

// 10^5 here; HEARSAY_INTRODUCTIONS=1000000 for the full figure.
const { HEARSAY_INTRODUCTIONS = '100000' } = process.env
const FLOOD = Number(HEARSAY_INTRODUCTIONS)
const GROWTH_MAX = 20 * 1024 * 1024
const collect = (): void => {
  setFlagsFromString('--expose-gc')
  runInNewContext('gc')()
}

test.serial(
  `X28 T5 ${FLOOD} introductions of one member without rules: no feed, no write, bounded memory`,
  t => {
    t.timeout(600_000)
    const flooded = new CoreNode(2, { introduce: () => undefined })
    const { keys, crypto } = new CoreNode(3)
    const flood = (from: number, to: number): void => {
      for (let n = from; n < to; n++) {
        const key = new Uint8Array(32)
        new DataView(key.buffer).setUint32(0, n)
        const record = signRecord(crypto, keys, {
          kind: 'introduce',
          version: 1,
          createdMs: 0,
          expiresSeconds: 0,
          bundleType: '',
          keys: [key],
          origin: { kind: 'none' },
          successor: null,
          meta: new Uint8Array(0)
        })
        flooded.step({ type: 'gossiped', record: record.bytes, channel: null })
        const written = flooded.effects.filter(effect => WRITES.has(effect.type))
        if (written.length > 0) throw new Error(`${written[0]?.type} at ${n}`)
        flooded.effects.length = 0
      }
      collect()
    }
    const step = FLOOD / 10
    flood(0, step) // fills the bounded tables
    const before = process.memoryUsage().rss
    for (let n = 1; n < 10; n++) flood(n * step, (n + 1) * step)
    const growth = process.memoryUsage().rss - before
    t.log(`RSS grew by ${(growth / 2 ** 20).toFixed(1)} MiB over ${FLOOD - step} introductions`)
    t.true(growth <= GROWTH_MAX, `${growth} bytes`)
    const { pending, records, feeds } = flooded.core.counts()
    t.true(pending <= LIMITS.maxPendingPerAuthor)
    t.deepEqual([records, feeds], [0, 0])
  }
)
