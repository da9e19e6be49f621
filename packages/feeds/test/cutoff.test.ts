/**
 * Cutoff, purge, `until`: what becomes invalid is hidden at once, deleted from the disk, and not fetched again; also when the
 * process dies in between.
 */
import { join } from 'node:path'
import type { Feed, FeedSet, FeedsError } from '@hearsay/feeds'
import { LIMITS } from '@hearsay/feeds'
import type { Fact } from '@hearsay/feeds/core'
import type { ExecutionContext } from 'ava'
import test from 'ava'
import b4a from 'b4a'
import Corestore from 'corestore'
import { FactLog } from '#feeds/node/fact-log'
import { feedIdOf, setIdOf } from '#feeds/node/keys'
import { makeSet, makeStore, openSet, temporaryFolder, turns, until } from './support/sets.js'
import { connect, textsOf } from './support/writers.js'

type Set = FeedSet<Uint8Array>

/** A feed of six blocks, whole at the author and at a reader. */
async function sixBlocks(t: ExecutionContext, storage?: string | Corestore) {
  const author: Set = await makeSet(t)
  const writer = await author.writer('log')
  await writer.append(['0', '1', '2', '3', '4', '5'].map(text => b4a.from(text)))
  const reader: Set = await openSet(t, storage ?? (await temporaryFolder(t)))
  const feed = await reader.authorize(writer.key)
  const disconnect = connect(t, author, reader)
  await until(() => feed.contiguousLength === 6)
  return { author, writer, reader, feed, disconnect }
}

/** Which blocks a Corestore holds of a feed, whatever the set says. */
async function onDisk(store: Corestore, key: Uint8Array): Promise<string> {
  const core = store.get({ key })
  await core.ready()
  const held: string[] = []
  for (let seq = 0; seq < core.length; seq++) if (await core.has(seq)) held.push(String(seq))
  await core.close()
  return held.join('')
}

test('blocks behind a cutoff are hidden and deleted, those before it stay readable, in every session and after a restart', async t => {
  const folder = await temporaryFolder(t)
  const store = new Corestore(folder)
  const { reader, feed } = await sixBlocks(t, store)
  const [session, snapshot] = [feed.session(), feed.snapshot()]
  await Promise.all([session.ready(), snapshot.ready()])
  const revoking = reader.revoke(feed.key, { cutoff: 3 })
  await turns(1)
  t.is(feed.length, 3, 'hidden before it is logged')
  t.true(await revoking)
  for (const one of [feed, session, snapshot]) {
    t.deepEqual([one.length, one.contiguousLength], [3, 3])
    t.is(b4a.toString((await one.get(2)) as Uint8Array), '2')
    t.is(await one.get(3, { wait: false }), null as never)
    t.deepEqual([await one.has(2), await one.has(3), await one.has(1, 5)], [true, false, false])
    await t.throwsAsync(one.get(3), { code: 'ERR_FEEDS_NOT_AUTHORIZED' })
  }
  const read: string[] = []
  for await (const block of feed.createReadStream()) read.push(b4a.toString(block as Uint8Array))
  t.deepEqual(read, ['0', '1', '2'])
  t.is(await onDisk(store, feed.key), '012')
  t.is(reader.get(feed.key), null)
  await reader.close()
  const again: Set = await openSet(t, store)
  t.deepEqual(await textsOf(again.readable(feed.key) as Feed<Uint8Array>), ['0', '1', '2'])
  await again.close()
  await store.close()
})

test('the lowest cutoff counts, also if it comes later and twice; a higher authorize lifts it, and the blocks come again', async t => {
  const store = await makeStore(t)
  const { author, reader, feed } = await sixBlocks(t, store)
  await reader.revoke(feed.key, { cutoff: 4 })
  await reader.revoke(feed.key, { cutoff: 5 })
  t.is(feed.length, 4)
  await reader.revoke(feed.key, { cutoff: 2 })
  t.is(feed.length, 2)
  t.is(await onDisk(store, feed.key), '01')
  await reader.revoke(feed.key, { purge: true })
  t.is(feed.length, 0)
  t.is(await onDisk(store, feed.key), '')
  const revived = await reader.authorize(feed.key)
  connect(t, author, reader)
  await until(() => revived.contiguousLength === 6)
  t.is(await onDisk(store, feed.key), '012345')
  await t.throwsAsync(reader.revoke(feed.key, { cutoff: -1 }), { code: 'ERR_FEEDS_BAD_OPTION' })
  t.true(reader.has(feed.key))
})

test('a cutoff at or behind the end deletes nothing, and one of an unknown feed counts when it is known', async t => {
  const store = await makeStore(t)
  const { reader, feed } = await sixBlocks(t, store)
  await reader.revoke(feed.key, { cutoff: 6 })
  t.is(await onDisk(store, feed.key), '012345')
  const set = await makeSet(t)
  t.false(await set.revoke(b4a.alloc(32, 7), { cutoff: 0, purge: true }))
  t.is(set.readable(b4a.alloc(32, 7)), null)
})

test('what a process did not come to delete is deleted by the next one', async t => {
  for (const purge of [false, true]) {
    const folder = await temporaryFolder(t)
    const { reader, feed } = await sixBlocks(t, folder)
    const { namespace } = reader
    const { key } = feed
    await reader.close()
    // As if it had died right after the tombstone was on the disk.
    const path = join(folder, 'hearsay', 'facts.log')
    const deny: Fact = { kind: 'deny', feedId: feedIdOf(namespace, key), version: 1, cutoff: 4, purge }
    const log = await FactLog.open({ path, setId: setIdOf(namespace), limits: LIMITS, replay: () => {} })
    await log.append([deny])
    const logged = log.facts
    await log.close()

    const store = new Corestore(folder)
    const again: Set = await openSet(t, store)
    const readable = again.readable(key) as Feed<Uint8Array>
    await readable.ready()
    t.is(readable.length, purge ? 0 : 4, 'hidden from the first moment on')
    await until(async () => (await onDisk(store, key)) === (purge ? '' : '0123'))
    await until(() => again.version === logged + 1)
    await again.close()
    const last: Set = await openSet(t, store)
    await turns()
    t.is(last.version, logged + 1, 'it is not done again')
    await last.close()
    await store.close()
  }
})

test('authorize() with until: the prefix is replicated, the rest is neither fetched, shown nor served', async t => {
  const { author, writer } = await sixBlocks(t)
  const store = await makeStore(t)
  const reader: Set = await openSet(t, store)
  const feed = await reader.authorize(writer.key, undefined, { until: 4 })
  connect(t, author, reader)
  await until(() => feed.contiguousLength === 4)
  await writer.append(b4a.from('6'))
  await turns(40)
  t.is(feed.length, 4)
  t.is(await onDisk(store, feed.key), '0123')
  await t.throwsAsync(feed.get(5), { code: 'ERR_FEEDS_NOT_AUTHORIZED' })
  const entries: number[] = []
  for await (const { seq } of reader.entries()) entries.push(seq)
  t.deepEqual(entries, [0, 1, 2, 3])
  t.is((await reader.synced()).feeds, 1)
  const other = await makeSet<Uint8Array>(t)
  const copy = await other.authorize(writer.key)
  connect(t, reader, other)
  await until(() => copy.contiguousLength === 4)
  await t.throwsAsync(copy.get(4, { timeout: 100 }))
})

test('a higher authorize with until deletes what was here behind it', async t => {
  const store = await makeStore(t)
  const { reader, feed } = await sixBlocks(t, store)
  await reader.authorize(feed.key, undefined, { until: 2 })
  t.is(feed.length, 6, 'terms change with a higher version only')
  await reader.authorize(feed.key, undefined, { until: 2, version: 5 })
  t.is(feed.length, 2)
  await until(async () => (await onDisk(store, feed.key)) === '01')
  t.true(reader.has(feed.key))
})

test('feeds that are denied before anything is known of them are bounded; known ones are denied in any case', async t => {
  const set = await makeSet(t, { limits: { maxUnknownTombstones: 2 } })
  await set.authorize(b4a.alloc(32, 1))
  await set.revoke(b4a.alloc(32, 2))
  await set.revoke(b4a.alloc(32, 3))
  const error = (await t.throwsAsync(set.revoke(b4a.alloc(32, 4)))) as FeedsError
  t.is(error.code, 'ERR_FEEDS_SET_FULL')
  t.is(error.message, '2 unknown feeds are denied, limit is 2 (maxUnknownTombstones)')
  t.true(await set.revoke(b4a.alloc(32, 1)))
  await set.revoke(b4a.alloc(32, 2), { version: 9 })
  t.is(set.versionOf(b4a.alloc(32, 4)), null)
})

test('a cutoff that can not be carried out because the disk refuses is told, and carried out at the next start', async t => {
  const folder = await temporaryFolder(t)
  const store = new Corestore(folder)
  const { reader, feed } = await sixBlocks(t, store)
  const { key } = feed
  const get = store.get.bind(store)
  const [sessionStore] = [...(store as unknown as { corestores: Iterable<Corestore> }).corestores]
  let isBroken = true
  const broken = sessionStore as Corestore
  broken.get = options => {
    const core = get(options)
    if (isBroken) core.clear = async () => Promise.reject(new Error('EIO'))
    return core
  }
  await t.throwsAsync(reader.revoke(key, { cutoff: 1 }), { code: 'ERR_FEEDS_STORAGE' })
  t.false(reader.has(key))
  t.is(feed.length, 1)
  isBroken = false
  await reader.close()
  const again: Set = await openSet(t, store)
  await until(async () => (await onDisk(store, key)) === '0')
  await again.close()
  await store.close()
})
