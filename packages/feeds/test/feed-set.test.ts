/**
 * FeedSet on real storage: writers, authorize, revoke, restart, names, meta, errors, two sets that sync.
 */
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { FeedsError } from '@hearsay/feeds'
import { FeedSet, feedKeyOf, fullWriterName } from '@hearsay/feeds'
import test from 'ava'
import b4a from 'b4a'
import Corestore from 'corestore'
import { keyPairOf } from './support/keys.js'
import { connectionPair, makeSet, makeStore, openSet, temporaryFolder, turns, until } from './support/sets.js'

test('two sets that authorized each other have all blocks of each other after synced()', async t => {
  const alice = await makeSet(t)
  const bob = await makeSet(t)
  const a = await alice.writer('log')
  const b = await bob.writer('log')
  await a.append([b4a.from('a0'), b4a.from('a1')])
  await b.append(b4a.from('b0'))
  await alice.authorize(b.key)
  await bob.authorize(a.key)
  const [left, right] = connectionPair(t)
  alice.replicate(left)
  bob.replicate(right)
  t.deepEqual(await alice.synced(), { feeds: 2, blocks: 3 })
  t.deepEqual(await bob.synced(), { feeds: 2, blocks: 3 })
  t.is(b4a.toString((await bob.get(a.key)?.get(1)) as Uint8Array), 'a1')
  t.is(b4a.toString((await alice.get(b.id)?.get(0)) as Uint8Array), 'b0')
})

test('C9 C14 S31 synced() of two empty sets ends with nothing, twice', async t => {
  const [left, right] = connectionPair(t)
  const alice = await makeSet(t)
  const bob = await makeSet(t)
  alice.replicate(left)
  bob.replicate(right)
  t.deepEqual(await alice.synced(), { feeds: 0, blocks: 0 })
  t.deepEqual(await bob.synced(), { feeds: 0, blocks: 0 })
  t.deepEqual(await alice.synced(), { feeds: 0, blocks: 0 })
})

test('C14 X32 synced() ends for sets that overlap in part, and for 1,000 blocks against 10', async t => {
  const alice = await makeSet(t)
  const bob = await makeSet(t)
  const [a, c] = [await alice.writer('a'), await alice.writer('c')]
  const [b, d] = [await bob.writer('b'), await bob.writer('d')]
  await a.append(Array.from({ length: 1_000 }, (_, i) => b4a.from(`a${i}`)))
  for (const feed of [b, c, d]) await feed.append(Array.from({ length: 10 }, (_, i) => b4a.from(`x${i}`)))
  await alice.authorize(b.key)
  await bob.authorize(a.key)
  const [left, right] = connectionPair(t)
  alice.replicate(left)
  bob.replicate(right)
  await Promise.all([alice.synced(), bob.synced()])
  t.is(bob.get(a.key)?.contiguousLength, 1_000)
  t.is(alice.get(b.key)?.contiguousLength, 10)
  t.false(bob.has(c.key))
  t.false(alice.has(d.key))
})

test('synced() without a peer rejects when nothing came for its timeout, and with the reason of its signal', async t => {
  const set = await makeSet(t)
  await t.throwsAsync(set.synced({ timeoutMs: 30 }), { code: 'ERR_FEEDS_TIMEOUT' })
  const reason = new Error('changed my mind')
  const abort = new AbortController()
  const waiting = set.synced({ signal: abort.signal })
  abort.abort(reason)
  t.is(await t.throwsAsync(waiting), reason)
})

test('C8 S28 replicate() right after the constructor works', async t => {
  const alice = await makeSet(t)
  const writer = await alice.writer()
  await writer.append(b4a.from('x'))
  const [left, right] = connectionPair(t)
  alice.replicate(left)
  const bob = new FeedSet<Uint8Array>(await temporaryFolder(t))
  t.teardown(() => bob.close())
  bob.replicate(right)
  const feed = await bob.authorize(writer.key)
  t.is(b4a.toString(await feed.get(0)), 'x')
})

test('a chain of three sets carries a feed from one end to the other, also live', async t => {
  const [alice, bob, carol] = [await makeSet(t), await makeSet(t), await makeSet(t)]
  const writer = await alice.writer()
  await writer.append(b4a.from('0'))
  await bob.authorize(writer.key)
  const feed = await carol.authorize(writer.key)
  for (const [left, right] of [
    [alice, bob],
    [bob, carol]
  ] as const) {
    const [a, b] = connectionPair(t)
    left.replicate(a)
    right.replicate(b)
  }
  t.is(b4a.toString(await feed.get(0)), '0')
  await writer.append(b4a.from('1'))
  t.is(b4a.toString(await feed.get(1)), '1')
})

test('C5 a writer of one name is one feed: for two calls at once, and after a restart', async t => {
  const folder = await temporaryFolder(t)
  const set = await openSet(t, folder)
  const [one, two] = await Promise.all([set.writer('log'), set.writer('log')])
  t.is(one, two)
  t.true(one.writable)
  await one.append(b4a.from('before'))
  const { key } = one
  await set.close()
  const again = await openSet(t, folder)
  const writer = await again.writer('log')
  t.deepEqual(writer.key, key)
  t.is(writer.length, 1)
  await writer.append(b4a.from('after'))
  t.is(writer.length, 2)
})

test('X25 X30 two writers made at once are two feeds, and writers named 0 and 1 are found by name', async t => {
  const set = await makeSet(t)
  const [zero, one] = await Promise.all([set.writer('0'), set.writer('1')])
  t.notDeepEqual(zero.key, one.key)
  t.is(set.get('0'), zero)
  t.is(set.get('1'), one)
  t.is(set.size, 2)
})

test('a writer key is that of author, namespace, name and device', async t => {
  const keyPair = keyPairOf(7)
  const set = await makeSet(t, { keyPair, namespace: b4a.alloc(32, 9) })
  const writer = await set.writer('log')
  const origin = fullWriterName('log', set.device, 0)
  t.deepEqual(writer.key, feedKeyOf(keyPair.publicKey, b4a.alloc(32, 9), origin))
  t.deepEqual(set.origin(writer.key), origin)
  t.deepEqual(set.author, keyPair.publicKey)
  t.is(set.device.byteLength, 8)
})

test('the secret key of the author is nowhere in the storage folder', async t => {
  const folder = await temporaryFolder(t)
  const keyPair = keyPairOf(3)
  const set = await openSet(t, folder, { keyPair })
  const writer = await set.writer('log')
  await writer.append(b4a.from('a block that is easy to find'))
  await set.flush()
  await set.close()
  const seed = keyPair.secretKey.subarray(0, 32)
  let bytes = 0
  for (const name of await readdir(folder, { recursive: true })) {
    const path = join(folder, name)
    if (!(await stat(path)).isFile()) continue
    const content = await readFile(path)
    bytes += content.byteLength
    t.is(content.indexOf(seed), -1, name)
  }
  t.true(bytes > 1_000)
})

test('C4 D2 D8 every spelling of a key is the same object, and an unknown key is not there and makes nothing', async t => {
  const set = await makeSet(t)
  const writer = await set.writer('log')
  const hex = b4a.toString(writer.key, 'hex')
  t.is(set.get(writer.key), writer)
  t.is(set.get(hex), writer)
  t.is(set.get(writer.id), writer)
  t.is(set.get('log'), writer)
  const unknown = b4a.alloc(32, 1)
  t.false(set.has(unknown))
  t.is(set.get(unknown), null)
  t.is(set.get('nobody'), null)
  t.is(set.meta(unknown), null)
  t.false(set.has('nonsense'))
  t.is(set.size, 1)
})

test('D7 keys and meta are the same after a restart', async t => {
  const folder = await temporaryFolder(t)
  const set = await openSet(t, folder)
  const meta = {
    type: 'chat',
    tags: ['a', 1, null, true],
    avatar: new Uint8Array([1, 2, 3]),
    nested: { deep: [{}] }
  }
  const key = b4a.alloc(32, 5)
  await set.authorize(key, meta)
  const writer = await set.writer('log')
  const keys = set.keys()
  await set.close()
  const again = await openSet(t, folder)
  t.deepEqual(again.keys(), keys)
  t.deepEqual(again.meta(key), meta)
  t.deepEqual(again.meta(writer.key), { name: 'log' })
})

test('meta that would not come back as it is, or is too large, is refused', async t => {
  const set = await makeSet(t)
  const key = b4a.alloc(32, 5)
  for (const value of [new Date(), undefined, () => {}, Number.NaN, 10n, -0, new Map()]) {
    const error = await t.throwsAsync(set.authorize(key, { value }), { instanceOf: TypeError })
    t.is((error as FeedsError & Error).code, 'ERR_FEEDS_BAD_META')
  }
  const error = await t.throwsAsync(set.authorize(key, { text: 'x'.repeat(2_000) }), {
    instanceOf: RangeError
  })
  t.is(error?.message, 'meta is 2011 bytes, limit is 1024 (maxMetaBytes)')
  t.is(set.size, 0)
})

test('authorize() is idempotent, takes a new meta, and tells once', async t => {
  const set = await makeSet(t)
  const told: unknown[] = []
  set.on('authorize', (feed, meta) => told.push([b4a.toString(feed.key, 'hex'), meta]))
  const key = b4a.alloc(32, 5)
  const [one, two] = await Promise.all([set.authorize(key, { a: 1 }), set.authorize(key, { a: 1 })])
  t.is(one, two)
  const { version } = set
  await set.authorize(key, { a: 1 })
  t.is(set.version, version)
  await set.authorize(key, { a: 2 })
  t.deepEqual(set.meta(key), { a: 2 })
  t.deepEqual(told, [[b4a.toString(key, 'hex'), { a: 1 }]])
})

test('C7 a restarted set tells each of its feeds once', async t => {
  const folder = await temporaryFolder(t)
  const set = await openSet(t, folder)
  await set.writer('log')
  await set.authorize(b4a.alloc(32, 5))
  await set.close()
  const again = new FeedSet(folder)
  t.teardown(() => again.close())
  const told: string[] = []
  again.on('authorize', feed => told.push(feed.id))
  await again.ready()
  await again.writer('log')
  await again.authorize(b4a.alloc(32, 5))
  t.is(told.length, 2)
  t.is(new Set(told).size, 2)
})

test('maxFeeds bounds the set, also for calls at once, and a revoke makes room', async t => {
  const set = await makeSet(t, { maxFeeds: 2 })
  const results = await Promise.allSettled([1, 2, 3].map(n => set.authorize(b4a.alloc(32, n))))
  t.deepEqual(
    results.map(result => result.status),
    ['fulfilled', 'fulfilled', 'rejected']
  )
  const error = await t.throwsAsync(set.authorize(b4a.alloc(32, 4)), { code: 'ERR_FEEDS_SET_FULL' })
  t.is(error?.message, 'the set has 2 feeds, limit is 2 (maxFeeds)')
  await set.revoke(b4a.alloc(32, 1))
  await set.authorize(b4a.alloc(32, 4))
  t.is(set.size, 2)
})

test('C1 D1 X34 storage of another kind, bad keys, names and options are coded errors at once', async t => {
  for (const storage of [undefined, null, 5, () => {}, '', {}, { get: () => {}, put: () => {} }]) {
    const error = t.throws(() => new FeedSet(storage as never), { instanceOf: TypeError })
    t.is((error as FeedsError & Error).code, 'ERR_FEEDS_STORAGE')
  }
  const set = await makeSet(t)
  await t.throwsAsync(set.authorize('short'), { instanceOf: TypeError, code: 'ERR_FEEDS_BAD_KEY' })
  await t.throwsAsync(set.authorize(b4a.alloc(31)), { instanceOf: TypeError, code: 'ERR_FEEDS_BAD_KEY' })
  await t.throwsAsync(set.writer(''), { instanceOf: TypeError, code: 'ERR_FEEDS_BAD_NAME' })
  await t.throwsAsync(set.writer('ä'.repeat(33)), { instanceOf: RangeError, code: 'ERR_FEEDS_BAD_NAME' })
  await t.throwsAsync(set.writer('ab'.repeat(32)), { instanceOf: TypeError, code: 'ERR_FEEDS_BAD_NAME' })
  t.throws(() => set.replicate({} as never), { instanceOf: TypeError, code: 'ERR_FEEDS_BAD_STREAM' })
  t.throws(() => set.entries({ since: '!' }), { instanceOf: TypeError, code: 'ERR_FEEDS_BAD_CURSOR' })
  for (const options of [{ maxFeeds: 0 }, { maxFeeds: 1.5 }, { namespace: b4a.alloc(5) }, { keyPair: {} }]) {
    t.throws(() => new FeedSet('x', options as never), { code: 'ERR_FEEDS_BAD_OPTION' })
  }
})

test('a second set on one folder, or on one Corestore and namespace, is refused and names the folder', async t => {
  const folder = await temporaryFolder(t)
  const set = await openSet(t, folder)
  const second = new FeedSet(folder)
  const error = await t.throwsAsync(second.ready(), { code: 'ERR_FEEDS_LOCKED' })
  t.true(error?.message.includes(folder))
  await second.close()
  await set.writer() // the first one still works
  await set.close()
  const store = new Corestore(folder)
  t.teardown(() => store.close())
  await openSet(t, store)
  const third = new FeedSet(store)
  await t.throwsAsync(third.ready(), { code: 'ERR_FEEDS_LOCKED' })
  await third.close()
})

test('sets with different namespaces share a Corestore, and each has its own feeds after a restart', async t => {
  const folder = await temporaryFolder(t)
  const store = new Corestore(folder)
  const [one, two] = await Promise.all([
    openSet(t, store, { namespace: 'one' }),
    openSet(t, store, { namespace: 'two' })
  ])
  const first = await one.writer('log')
  const second = await two.writer('log')
  t.notDeepEqual(first.key, second.key)
  t.false(one.has(second.key))
  const keys = [first.key, second.key]
  await Promise.all([one.close(), two.close()])
  t.false(store.closed)
  await store.close()
  const again = new Corestore(folder)
  t.teardown(() => again.close())
  const other = await openSet(t, again, { namespace: 'two' }) // the other order
  const former = await openSet(t, again, { namespace: 'one' })
  t.deepEqual([former.keys(), other.keys()], [[keys[0]], [keys[1]]] as never)
})

test('a folder of another namespace is refused, and a set that shared a Corestore is found by its folder', async t => {
  const folder = await temporaryFolder(t)
  const store = new Corestore(folder)
  const one = await openSet(t, store, { namespace: 'one' })
  const two = await openSet(t, store, { namespace: 'two' })
  const { key } = await two.authorize(b4a.alloc(32, 5))
  await one.close()
  await two.close()
  await store.close()
  const third = new FeedSet(folder, { namespace: 'three' })
  await t.throwsAsync(third.ready(), { code: 'ERR_FEEDS_LOG_FOREIGN' })
  await third.close()
  const again = await openSet(t, folder, { namespace: 'two' })
  t.true(again.has(key))
})

test('C22 a Corestore that was passed in is usable after close(), and its own feeds are never in the set', async t => {
  const store = await makeStore(t)
  const own = store.get({ name: 'own' })
  await own.append(b4a.from('mine'))
  const set = await openSet(t, store)
  await set.writer()
  t.false(set.has(own.key))
  await set.close()
  await set.close()
  t.is(b4a.toString(await own.get(0)), 'mine')
  const other = store.get({ name: 'other' })
  await other.append(b4a.from('x'))
  t.is(other.length, 1)
})

test('everything rejects after close(), and close() during ready() ends', async t => {
  const folder = await temporaryFolder(t)
  const set = new FeedSet(folder)
  t.false(set.opened)
  await set.close()
  t.true(set.closed)
  await t.throwsAsync(set.ready(), { code: 'ERR_FEEDS_CLOSED' })
  await t.throwsAsync(set.writer(), { code: 'ERR_FEEDS_CLOSED' })
  await t.throwsAsync(set.authorize(b4a.alloc(32)), { code: 'ERR_FEEDS_CLOSED' })
  await t.throwsAsync(set.flush(), { code: 'ERR_FEEDS_CLOSED' })
  const [left] = connectionPair(t)
  t.throws(() => set.replicate(left), { code: 'ERR_FEEDS_CLOSED' })
  const again = await openSet(t, folder)
  t.true(again.opened)
  await again[Symbol.asyncDispose]()
  t.false(again.opened)
})

test('a waiting get, a live reader and synced() end when the set is closed', async t => {
  const set = await makeSet(t)
  const feed = await set.authorize(b4a.alloc(32, 5))
  const waiting = Promise.allSettled([feed.get(0), set.synced()])
  const reader = (async () => {
    for await (const _ of set.entries({ live: true })) t.fail()
  })()
  await turns()
  await set.close()
  for (const result of await waiting) t.is(result.status, 'rejected')
  await reader
})

test('a session that the application closed is given anew, and the feed is served all the time', async t => {
  const [alice, bob] = [await makeSet(t), await makeSet(t)]
  const writer = await alice.writer('log')
  await writer.append(b4a.from('0'))
  await writer.close()
  const [left, right] = connectionPair(t)
  alice.replicate(left)
  bob.replicate(right)
  const feed = await bob.authorize(alice.keys()[0] as Uint8Array)
  t.is(b4a.toString(await feed.get(0)), '0')
  t.not(alice.get('log'), writer)
})

test('records come back in order after a restart, and one that is too large is refused', async t => {
  const folder = await temporaryFolder(t)
  const set = await openSet(t, folder)
  await set.records.append([b4a.from('r0'), b4a.from('r1')])
  await set.authorize(b4a.alloc(32, 5), undefined, { record: b4a.from('r2') })
  await set.revoke(b4a.alloc(32, 5), { record: b4a.from('r3') })
  await t.throwsAsync(set.records.append([b4a.alloc(4_097)]), { code: 'ERR_FEEDS_BAD_OPTION' })
  const texts = (list: Iterable<Uint8Array>) => [...list].map(record => b4a.toString(record))
  t.deepEqual(texts(set.records.list()), ['r0', 'r1', 'r2', 'r3'])
  await set.close()
  t.deepEqual(texts((await openSet(t, folder)).records.list()), ['r0', 'r1', 'r2', 'r3'])
})

test('D4 a frozen feed needs its key only, has the same key for the same blocks, and leaves the writer as it was', async t => {
  const [alice, bob] = [await makeSet(t), await makeSet(t)]
  const writer = await alice.writer('page')
  await t.throwsAsync(alice.freeze('page'), { code: 'ERR_FEEDS_EMPTY' })
  await t.throwsAsync(alice.freeze('nobody'), { code: 'ERR_FEEDS_NOT_AUTHORIZED' })
  await writer.append([b4a.from('0'), b4a.from('1')])
  const frozen = await alice.freeze('page')
  t.false(frozen.writable)
  t.deepEqual((await alice.freeze('page')).key, frozen.key)
  await writer.append(b4a.from('2'))
  t.is(writer.length, 3)
  t.is(frozen.length, 2)
  await t.throwsAsync(frozen.append(b4a.from('x')))
  const [left, right] = connectionPair(t)
  alice.replicate(left)
  bob.replicate(right)
  const feed = await bob.authorize(frozen.key)
  await bob.synced()
  t.is(b4a.toString(await feed.get(1)), '1')
  t.is(feed.length, 2)
})

test('progress tells what is missing, and the event comes when it changes', async t => {
  const [alice, bob] = [await makeSet(t), await makeSet(t)]
  const writer = await alice.writer()
  await writer.append([b4a.from('0'), b4a.from('1')])
  await bob.authorize(writer.key)
  t.is(bob.progress()[0]?.peers, 0)
  const told: number[] = []
  bob.on('progress', progress => told.push(progress.complete))
  const [left, right] = connectionPair(t)
  alice.replicate(left)
  bob.replicate(right)
  await bob.synced()
  const [progress] = bob.progress()
  t.deepEqual({ ...progress, key: null, id: null }, {
    key: null,
    id: null,
    state: 'complete',
    length: 2,
    complete: 2,
    target: 2,
    peers: 1
  } as never)
  await until(() => told.at(-1) === 2)
})

test('D15 a sparse feed fetches only what is asked for, and is no part of a goal', async t => {
  const [alice, bob] = [await makeSet(t), await makeSet(t)]
  const writer = await alice.writer()
  await writer.append(Array.from({ length: 20 }, (_, i) => b4a.from(`${i}`)))
  const feed = await bob.authorize(writer.key, undefined, { download: 'sparse' })
  const [left, right] = connectionPair(t)
  alice.replicate(left)
  bob.replicate(right)
  t.is(b4a.toString(await feed.get(7)), '7')
  await bob.synced()
  t.is(bob.progress()[0]?.state, 'sparse')
  t.false(await feed.has(3))
})
