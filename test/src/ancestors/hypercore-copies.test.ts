/**
 * What the old hypercore promised about copies of a feed: static ones, copies of copies, several sources, several feeds on one
 * stream, and blocks that were tampered with.
 */
import type { FeedSession, FeedSet } from '@hearsay/feeds'
import type NoiseSecretStream from '@hyperswarm/secret-stream'
import test from 'ava'
import b4a from 'b4a'
import Corestore from 'corestore'
import Protomux from 'protomux'
import { Rng } from '../sim/rng.js'
import { noisePair } from '../support/streams.js'
import { temporaryFolder } from '../support/temporary.js'
import { turns, until } from '../support/until.js'
import { blocksOf, link, stayUp, textSet } from './support-feeds.js'

const STEPS = 500
const numbers = (from: number, to: number): string[] =>
  Array.from({ length: to - from }, (_, n) => String(from + n))

for (const length of [2, 1000]) {
  test(`D4 S38 a static feed of ${length} blocks is fetched with its key alone, and takes no block from anybody`, async t => {
    const [a, b] = [await textSet(t), await textSet(t)]
    const log = await a.writer('page')
    await log.append(numbers(0, length))
    const frozen = await a.freeze('page')
    const elsewhere = await (await textSet(t)).writer('another name')
    await elsewhere.append(numbers(0, length))
    t.notDeepEqual(frozen.key, log.key)
    link(a, b)
    const copy = await b.authorize(b4a.toString(frozen.key, 'hex'))
    await b.synced()
    t.deepEqual(await blocksOf(copy), numbers(0, length))
    for (const feed of [frozen, copy]) {
      t.false(feed.writable)
      await t.throwsAsync(feed.append('more'))
    }
    await log.append('more')
    t.is(copy.length, length)
  })
}

test('D4 the same blocks frozen by another author have the same key, others have another, and nothing has none', async t => {
  const keys: Uint8Array[] = []
  for (const blocks of [['a', 'b'], ['a', 'b'], ['a', 'c'], ['ab']]) {
    const set = await textSet(t)
    await t.throwsAsync(set.freeze('page'), { code: 'ERR_FEEDS_NOT_AUTHORIZED' })
    const page = await set.writer('page')
    await t.throwsAsync(set.freeze('page'), { code: 'ERR_FEEDS_EMPTY' })
    await page.append(blocks)
    keys.push((await set.freeze('page')).key)
  }
  const [first, same, other, joined] = keys
  t.deepEqual(first, same)
  t.notDeepEqual(first, other)
  t.notDeepEqual(first, joined)
})

test('S39 a copy of a copy has the low and the high blocks, when the writer is gone', async t => {
  const [a, b, c] = [await textSet(t), await textSet(t), await textSet(t)]
  const log = await a.writer('log')
  await log.append(numbers(0, 300))
  const middle = await b.authorize(log.key)
  const cut = link(a, b)
  await b.synced()
  cut()
  await a.close()
  t.is(middle.contiguousLength, 300)
  link(b, c)
  const copy = await c.authorize(log.key, undefined, { download: 'sparse' })
  t.deepEqual(await Promise.all([0, 1, 150, 298, 299].map(seq => copy.get(seq))), [
    '0',
    '1',
    '150',
    '298',
    '299'
  ])
  t.false(await copy.has(2))
})

test('D17 a thousand blocks that two peers have come from both', async t => {
  const [a, b, c] = [await textSet(t), await textSet(t), await textSet(t)]
  const log = await a.writer('log')
  await log.append(numbers(0, 1000))
  const second = await b.authorize(log.key)
  const cut = link(a, b)
  await b.synced()
  cut()
  const uploads = { first: 0, second: 0 }
  log.on('upload', () => uploads.first++)
  second.on('upload', () => uploads.second++)
  link(a, c)
  link(b, c)
  const copy = await c.authorize(log.key)
  await until(() => copy.contiguousLength === 1000)
  t.true(uploads.first > 0 && uploads.second > 0, JSON.stringify(uploads))
})

test('D20 of two feeds on one connection one ends: no new block of it, the other does not pause, and granted again it goes on', async t => {
  const [a, b] = [await textSet(t), await textSet(t)]
  const feeds = [await a.writer('one'), await a.writer('two')] as const
  const copies = [await b.authorize(feeds[0].key), await b.authorize(feeds[1].key)] as const
  const pair = noisePair()
  const session: FeedSession<string> = a.replicate(pair.a, { manual: true })
  b.replicate(pair.b)
  for (const { key } of feeds) t.true(await session.grant(key))
  t.false(await session.grant(feeds[0].key), 'it was')
  for (const feed of feeds) await feed.append('0')
  t.deepEqual(await Promise.all(copies.map(copy => copy.get(0))), ['0', '0'])

  t.true(await session.revoke(feeds[0].key))
  for (const feed of feeds) await feed.append('1')
  t.is(await copies[1].get(1), '1')
  await turns(100)
  t.is(copies[0].length, 1)
  t.is(await copies[0].get(1, { wait: false }), null as never)
  t.false(pair.a.destroyed)

  t.true(await session.grant(feeds[0].key))
  t.is(await copies[0].get(1), '1')
  await feeds[1].append('2')
  t.is(await copies[1].get(2), '2')
})

test('S42 X37 three nodes with three feeds each have all nine over streams that they share, and the streams stay', async t => {
  const sets = [await textSet(t), await textSet(t), await textSet(t)]
  const keys: Uint8Array[] = []
  for (const [n, set] of sets.entries()) {
    for (const name of ['x', 'y', 'z']) {
      const feed = await set.writer(name)
      await feed.append([`${name} of ${n}`, 'and more'])
      keys.push(feed.key)
    }
  }
  for (const set of sets) for (const key of keys) await set.authorize(key)
  const streams: NoiseSecretStream[] = []
  for (const [one, two] of [
    [0, 1],
    [1, 2],
    [2, 0]
  ] as const) {
    const pair = noisePair()
    ;(sets[one] as FeedSet<string>).replicate(pair.a)
    ;(sets[two] as FeedSet<string>).replicate(pair.b)
    streams.push(pair.a, pair.b)
  }
  await Promise.all(sets.map(set => set.synced()))
  const expected = ['x', 'y', 'z']
  for (const set of sets) {
    for (const [n, key] of keys.entries()) {
      t.deepEqual(await blocksOf(set.get(key)), [`${expected[n % 3]} of ${Math.floor(n / 3)}`, 'and more'])
    }
  }
  t.true(streams.every(stream => !stream.destroyed))
})

test(`S43 in ${STEPS} random steps of appending and copying one feed and two copies of it never differ`, async t => {
  t.timeout(120_000)
  const rng = new Rng(43)
  const sets = [await textSet(t), await textSet(t), await textSet(t)] as const
  const log = await sets[0].writer('log')
  const feeds = [log, await sets[1].authorize(log.key), await sets[2].authorize(log.key)] as const
  const appended: string[] = []
  let copied = 0
  for (let step = 0; step < STEPS; step++) {
    if (rng.chance(2 / 3)) {
      const blocks = Array.from({ length: rng.int(1, 4) }, () => `${step}: ${rng.uint32()}`)
      appended.push(...blocks)
      await log.append(blocks)
      continue
    }
    const [from, to] = rng.pick([
      [0, 1],
      [0, 2],
      [1, 2]
    ] as const)
    const cut = link(sets[from], sets[to])
    await until(() => feeds[to].contiguousLength >= feeds[from].length)
    cut()
    copied++
    for (const feed of feeds) {
      t.is(feed.fork, 0)
      if (feed.contiguousLength === 0) continue
      const seq = rng.int(0, feed.contiguousLength - 1)
      t.is(await feed.get(seq), appended[seq] as string)
    }
  }
  t.true(copied > STEPS / 5)
  link(sets[0], sets[1])
  link(sets[1], sets[2])
  for (const feed of feeds) await until(() => feed.contiguousLength === appended.length)
  for (const feed of feeds) t.deepEqual(await blocksOf(feed), appended)
  for (const set of sets) t.deepEqual(set.forks(), [])
})

/** A raw store with all blocks of a feed, each replaced by another of the same size: it has the right tree for wrong blocks. */
async function forgedCopy(set: FeedSet<string>, key: Uint8Array, folder: string): Promise<Corestore> {
  const store = new Corestore(folder)
  const core = store.get({ key })
  await core.ready()
  const pair = noisePair()
  set.replicate(pair.a)
  core.replicate(Protomux.from(pair.b))
  await core.get(0)
  await core.download({ start: 0, end: core.length }).done()
  pair.b.destroy()
  const tx = core.core.storage.write()
  for (let seq = 0; seq < core.length; seq++) {
    const block: Uint8Array = await core.get(seq)
    tx.putBlock(seq, b4a.alloc(block.length, 'forged'))
  }
  await tx.flush()
  return store
}

test('D28 a peer that has the right tree and forged blocks is believed at no index, and the true blocks come from another', async t => {
  stayUp(t)
  const [a, b] = [await textSet(t), await textSet(t)]
  const log = await a.writer('log')
  await log.append(numbers(100, 108))
  const store = await forgedCopy(a, log.key, await temporaryFolder(t))
  t.teardown(() => store.close())
  const forged = store.get({ key: log.key })
  t.is(b4a.toString(await forged.get(3)), 'for', 'the forgery is there')
  const copy = await b.authorize(log.key, undefined, { download: 'sparse' })
  const refusals: string[] = []
  copy.on('verification-error', (fault: { code: string }) => refusals.push(fault.code))
  for (let seq = 0; seq < log.length; seq++) {
    const pair = noisePair()
    b.replicate(pair.a)
    forged.replicate(Protomux.from(pair.b))
    const asked = copy.get(seq)
    await until(() => refusals.length > seq, { what: `the refusal of block ${seq}` })
    t.false(await copy.has(seq))
    t.false(pair.a.destroyed, 'other feeds and protocols go on')
    const cut = link(a, b)
    t.is(await asked, String(100 + seq))
    cut()
    pair.a.destroy()
  }
  t.deepEqual([...new Set(refusals)], ['INVALID_CHECKSUM'])
  t.deepEqual(b.forks(), [])
  t.deepEqual(await blocksOf(copy), numbers(100, 108))
})
