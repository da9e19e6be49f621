/**
 * multifeed's set by itself: opening and closing it, its writers, the streams that it replicates over, and what it leaves behind.
 */
import { existsSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { type Feed, FeedSet, feedKeyOf, fullWriterName } from '@hearsay/feeds'
import { createKeyPair } from '@hearsay/gossip'
import { rules } from '@hearsay/party'
import test from 'ava'
import b4a from 'b4a'
import Protomux from 'protomux'
import { onlyPeer, partyNode } from '../support/party-node.js'
import { RAW } from '../support/raw-peer.js'
import { duplexPair, noisePair } from '../support/streams.js'
import { temporaryFolder } from '../support/temporary.js'
import { turns, until, within } from '../support/until.js'
import { blocksOf, link, slowStore, stayUp, tell, textSet } from './support-feeds.js'

const PAIRED_SETS = 20
/** Of these; the others only read. */
const WRITING_SETS = 4
const ROUNDS = 100
const MEBIBYTE = 1_048_576

test('C4 S28 a set is empty before it is ready, and what is called before waits for it', async t => {
  stayUp(t)
  const folder = await temporaryFolder(t)
  const first = await textSet(t, {}, folder)
  const key = (await first.writer('log')).key
  await first.close()
  const set = new FeedSet<string>(folder, { valueEncoding: 'utf-8' })
  t.teardown(() => set.close())
  t.deepEqual([...set], [])
  t.false(set.opened)
  const reader = await textSet(t)
  link(set, reader)
  const [feed] = await Promise.all([
    reader.authorize(key),
    set.writer('log').then(log => log.append('early'))
  ])
  t.is(await feed.get(0), 'early')
  t.deepEqual(
    [...set].map(({ id }) => id),
    [feed.id]
  )
})

test('C13 S30 a set closes twice at once, opens again as often as one likes, and its folder can be deleted', async t => {
  stayUp(t)
  const folder = `${await temporaryFolder(t)}/set`
  for (let run = 0; run < 3; run++) {
    const set = new FeedSet<string>(folder, { valueEncoding: 'utf-8' })
    const log = await set.writer('log')
    t.deepEqual(await blocksOf(log), ['run 0', 'run 1', 'run 2'].slice(0, run))
    await log.append(`run ${run}`)
    const closing = set.close()
    t.true(set.closed)
    await Promise.all([closing, set.close()])
    t.deepEqual([...set], [])
    t.is(set.get('log'), null)
  }
  await rm(folder, { recursive: true })
  t.false(existsSync(folder))
})

test('C5 S27 a writer of a key pair that was passed in has the key that anybody can compute, is appended to, and replicates', async t => {
  const keyPair = createKeyPair()
  const [a, b] = [await textSet(t, { keyPair, namespace: 'cats' }), await textSet(t)]
  const log = await a.writer('log')
  t.deepEqual(log.key, feedKeyOf(keyPair.publicKey, a.namespace, fullWriterName('log', a.device, 0)))
  await log.append('mine')
  link(a, b)
  t.is(await (await b.authorize(log.key)).get(0), 'mine')
})

test('S26 storage that takes its time, 100 ms on both sides or 1 against 500, changes nothing about the result', async t => {
  for (const [left, right] of [
    [100, 100],
    [1, 500]
  ] as const) {
    const stores = [await slowStore(t, left), await slowStore(t, right)]
    const [a, b] = [
      await partyNode(t, { storage: stores[0]?.store as object, rules: rules.open() }),
      await partyNode(t, { storage: stores[1]?.store as object, rules: rules.open() })
    ]
    const [foo, bar] = [await tell(a.party, 'log', 'foo'), await tell(b.party, 'log', 'bar')]
    link(a.party, b.party)
    await Promise.all([a.party.synced({ timeoutMs: 15_000 }), b.party.synced({ timeoutMs: 15_000 })])
    t.deepEqual(await blocksOf(a.party.feeds.get(bar.key)), ['bar'])
    t.deepEqual(await blocksOf(b.party.feeds.get(foo.key)), ['foo'])
    for (const { opened } of stores) t.true(opened() >= 2, 'the delay was there')
  }
})

test('S32 a set replicates over plain streams of its own and beside another protocol on a Noise stream, one-shot and live', async t => {
  const plain = duplexPair()
  const noise = noisePair()
  const [ping, pong] = [Protomux.from(noise.a), Protomux.from(noise.b)].map(mux => {
    const got: Uint8Array[] = []
    const messages = [{ encoding: RAW, onmessage: (message: Uint8Array) => got.push(message) }]
    const channel = mux.createChannel({ protocol: 'app/1', messages })
    channel?.open()
    return { got, channel }
  })
  for (const [a, b] of [
    [plain.a, plain.b],
    [noise.a, noise.b]
  ] as const) {
    const [left, right] = [await textSet(t), await textSet(t)]
    const log = await left.writer('log')
    await log.append('before')
    const copy = await right.authorize(log.key)
    left.replicate(a, { initiator: true })
    right.replicate(b, { initiator: false })
    t.deepEqual(await right.synced(), { feeds: 1, blocks: 1 })
    t.deepEqual(await blocksOf(copy), ['before'])
    await log.append('live')
    t.is(await copy.get(1), 'live')
  }
  ping?.channel?.messages[0]?.send(b4a.from('still here'))
  await until(() => pong?.got.length === 1, { what: 'a message of the other protocol' })
})

/** Bytes of the heap that are in use, after everything that can be collected was. */
async function heapUsed(): Promise<number> {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  await turns(5)
  collect()
  await turns(5)
  collect()
  return process.memoryUsage().heapUsed
}

// What a process holds can be counted only while nothing else runs in it.
test.serial(
  'S34 twenty sets, each connected to each once: all have all, and memory and listeners stay bounded',
  async t => {
    t.timeout(120_000)
    const sets: FeedSet<string>[] = []
    for (let n = 0; n < PAIRED_SETS; n++) sets.push(await textSet(t))
    const writers = sets.slice(0, WRITING_SETS)
    for (const [n, set] of writers.entries()) await (await set.writer('log')).append(`of ${n}`)
    const keys = writers.map(set => (set.get('log') as Feed<string>).key)
    for (const set of sets) await Promise.all(keys.map(key => set.authorize(key)))
    const used: number[] = []
    // Each of these turns connects every set with one other, so that after all of them each has met each.
    for (let turn = 1; turn < PAIRED_SETS; turn++) {
      const pairs = pairsOf(turn).map(([a, b]) => [sets[a], sets[b]] as [FeedSet<string>, FeedSet<string>])
      const cuts = pairs.map(([a, b]) => link(a, b))
      await within(Promise.all(sets.map(set => set.synced())), { ms: 60_000 })
      for (const cut of cuts) cut()
      await until(() => sets.every(set => set.progress().every(({ peers }) => peers === 0)))
      used.push(await heapUsed())
    }
    for (const set of sets) {
      t.deepEqual(
        set.progress().map(({ state, length }) => `${state} ${length}`),
        keys.map(() => 'complete 1')
      )
      t.is(set.eventNames().length, 0)
    }
    const [middle, last] = [used[used.length >> 1], used.at(-1)] as [number, number]
    t.true(last - middle < 8 * MEBIBYTE, `${last - middle} bytes more in the second half`)
  }
)

/** Pairs of one turn, after the circle method: one stands still, the others move on by one place a turn. */
function pairsOf(turn: number): [number, number][] {
  const others = PAIRED_SETS - 1
  const at = (place: number): number => ((turn + place) % others) + 1
  const pairs: [number, number][] = [[0, at(0)]]
  for (let n = 1; n < PAIRED_SETS / 2; n++) pairs.push([at(n), at(others - n)])
  return pairs
}

test.serial(
  'X31 a hundred connections that come and go leave no listener, no handle and no memory behind',
  async t => {
    t.timeout(120_000)
    const [a, b] = [await partyNode(t, { rules: rules.open() }), await partyNode(t, { rules: rules.open() })]
    const feed = await tell(a.party, 'log', 'x')
    const count = (emitter: { eventNames(): unknown[]; listenerCount(name: never): number }): number =>
      emitter.eventNames().reduce<number>((sum, name) => sum + emitter.listenerCount(name as never), 0)
    const round = async (): Promise<void> => {
      const cut = link(a.party, b.party)
      await Promise.all([onlyPeer(a.party), onlyPeer(b.party)])
      await b.party.synced({ timeoutMs: 8000 })
      cut()
      await until(() => a.party.peers.size + b.party.peers.size === 0)
    }
    const state = async () => ({
      listeners: [a.party, a.party.feeds, b.party, b.party.feeds].map(count),
      handles: process.getActiveResourcesInfo().filter(name => name !== 'Timeout' && name !== 'Immediate')
        .length,
      heap: await heapUsed()
    })
    for (let n = 0; n < ROUNDS / 5; n++) await round()
    t.true(b.party.feeds.has(feed.key))
    const before = await state()
    for (let n = 0; n < ROUNDS; n++) await round()
    const after = await state()
    t.deepEqual(after.listeners, before.listeners)
    t.true(after.handles <= before.handles, `${after.handles} handles, ${before.handles} before`)
    t.true(after.heap - before.heap < 4 * MEBIBYTE, `${after.heap - before.heap} bytes more`)
  }
)
