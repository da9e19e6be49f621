/**
 * The gate of a writer on real storage: what it lets through, in which order, what it keeps on the disk, and what comes after.
 */
import { cp, readFile, rm, writeFile } from 'node:fs/promises'
import type { Feed, FeedSet, FeedsError, Rotation } from '@hearsay/feeds'
import test from 'ava'
import b4a from 'b4a'
import Corestore from 'corestore'
import { openLogFile, writeNewFile } from '#feeds/node/log-file'
import { decodeWriterRecord } from '#feeds/writer-record'
import { makeSet, makeStore, openSet, temporaryFolder, turns, until } from './support/sets.js'
import { connect, FAST, recordsOf, snapshot, textsOf } from './support/writers.js'

const recordOf = async (folder: string) =>
  decodeWriterRecord(await readFile((await recordsOf(folder))[0] as string))

test('the record is unclean from before the first append on, follows the length, and is clean again after a close', async t => {
  const folder = await temporaryFolder(t)
  const set = await openSet(t, folder, { limits: FAST })
  const writer = await set.writer('log')
  t.deepEqual([(await recordOf(folder))?.clean, (await recordOf(folder))?.checkpoint.length], [true, 0])
  const appending = writer.append(b4a.from('0'))
  await appending
  t.is((await recordOf(folder))?.clean, false)
  await writer.append([b4a.from('1'), b4a.from('2')])
  await until(async () => (await recordOf(folder))?.checkpoint.length === 3)
  await set.close()
  const record = await recordOf(folder)
  t.deepEqual([record?.clean, record?.checkpoint], [true, { fork: 0, length: 3 }])
  const again = await openSet(t, folder, { limits: FAST })
  t.is((await again.writer('log')).length, 3)
  t.is((await recordOf(folder))?.clean, true, 'nothing was appended')
})

test('appends keep their order, those that wait for the first record as well as those that come while they are let through', async t => {
  const set = await makeSet(t)
  const writer = await set.writer('log')
  const appends: Promise<unknown>[] = []
  const append = (text: string) => void appends.push(writer.append(b4a.from(text)))
  append('0')
  append('1')
  const first = appends[0] as Promise<unknown>
  void first.then(() => append('3'))
  await Promise.resolve().then(() => append('2'))
  await first
  append('4')
  await Promise.all(appends)
  await Promise.all(appends)
  const texts = await textsOf(writer)
  t.deepEqual([...texts].sort(), ['0', '1', '2', '3', '4'])
  t.true(texts.indexOf('0') < texts.indexOf('1') && texts.indexOf('1') < texts.indexOf('2'))
  t.true(texts.indexOf('2') < texts.indexOf('4'))
})

test('a record that can not be written rejects the first append, and the next one tries again', async t => {
  let isFull = false
  let hits = 0
  const writeFile = async (path: string, bytes: Uint8Array) => {
    if (isFull) {
      hits++
      throw new Error('ENOSPC')
    }
    await writeNewFile(path, bytes)
  }
  const set = await makeSet(t, { limits: FAST }, { writeFile })
  const warnings: FeedsError[] = []
  set.on('warning', error => warnings.push(error))
  const writer = await set.writer('log')
  isFull = true
  const error = await t.throwsAsync(writer.append(b4a.from('x')), { code: 'ERR_FEEDS_STORAGE' })
  t.true(error?.message.includes('ENOSPC'))
  t.is(writer.length, 0)
  isFull = false
  await writer.append(b4a.from('0'))
  isFull = true
  await writer.append(b4a.from('1')) // the checkpoint comes later, and only lags behind
  await until(() => warnings.length === 1)
  await t.throwsAsync(set.flush(), { code: 'ERR_FEEDS_STORAGE' })
  t.is(warnings.length, 1)
  isFull = false
  await set.flush()
  t.true(hits >= 3)
})

test('a lost record makes the writer recover; alone it is given up, and the successor takes its name', async t => {
  const folder = await temporaryFolder(t)
  const set = await openSet(t, folder, { limits: FAST })
  const writer = await set.writer('log')
  await writer.append([b4a.from('0'), b4a.from('1')])
  const { key } = writer
  await set.close()
  await rm((await recordsOf(folder))[0] as string)

  const again = await openSet(t, folder, { limits: FAST })
  const recovering: Feed<Uint8Array>[] = []
  const rotations: Rotation[] = []
  again.on('recovering', feed => recovering.push(feed as Feed<Uint8Array>))
  again.on('rotate', rotation => rotations.push(rotation))
  await until(() => recovering.length === 1)
  t.is(again.progress()[0]?.state, 'recovering')
  const old = await again.writer('log')
  t.deepEqual(old.key, key)
  await t.throwsAsync(old.append(b4a.from('x')), { code: 'ERR_FEEDS_RECOVERING' })
  await t.throwsAsync(old.append(b4a.from('x'), { wait: true }), { code: 'ERR_FEEDS_ROTATED' })
  await until(() => rotations.length === 1)
  const successor = await again.writer('log')
  t.notDeepEqual(successor.key, key)
  t.deepEqual(rotations, [{ name: 'log', from: key, to: successor.key, length: 2 }])
  t.deepEqual(again.rotations(), rotations)
  t.is(again.get('log')?.id, successor.id)
  t.deepEqual(again.meta(successor.key), { name: 'log' })
  await successor.append(b4a.from('new'))
  await t.throwsAsync(old.append(b4a.from('x')), { code: 'ERR_FEEDS_ROTATED' })
  t.true(again.has(key), 'the old feed stays in the set')
  t.deepEqual(await textsOf(old), ['0', '1'])
  await again.close()

  const last = await openSet(t, folder, { limits: FAST })
  t.deepEqual((await last.writer('log')).key, successor.key)
  t.deepEqual(last.rotations(), rotations)
  const given = last.get(key)
  await t.throwsAsync(given?.append(b4a.from('x')) as Promise<unknown>, { code: 'ERR_FEEDS_ROTATED' })
})

test('a writer that was set back catches up from a peer, and then goes on', async t => {
  const folder = await temporaryFolder(t)
  const peer = await makeSet(t)
  const set = await openSet(t, folder, { limits: FAST })
  const writer = await set.writer('log')
  await writer.append([b4a.from('0'), b4a.from('1')])
  await set.close()
  const setBack = await snapshot(t, folder, false)
  const later = await openSet(t, folder, { limits: FAST })
  await (await later.writer('log')).append([b4a.from('2'), b4a.from('3')])
  await peer.authorize(writer.key)
  connect(t, later, peer)
  await peer.synced()
  await later.close()
  await setBack()

  const again = await openSet(t, folder, { limits: { ...FAST, replicaMs: 60_000 } })
  const found = await again.writer('log')
  t.is(found.length, 2, 'the fault did not hit')
  await t.throwsAsync(found.append(b4a.from('x')), { code: 'ERR_FEEDS_RECOVERING' })
  const waiting = found.append(b4a.from('4'), { wait: true })
  connect(t, again, peer)
  await waiting
  t.deepEqual(await textsOf(found), ['0', '1', '2', '3', '4'])
  const replica = peer.get(writer.key) as Feed<Uint8Array>
  await until(() => replica.contiguousLength === 5)
  t.deepEqual(await textsOf(replica), ['0', '1', '2', '3', '4'])
  t.deepEqual(peer.forks(), [])
})

test('a peer that shows more of an own feed shuts an open writer before the next append', async t => {
  const folder = await temporaryFolder(t)
  const peer = await makeSet(t)
  const set = await openSet(t, folder, { limits: FAST })
  const writer = await set.writer('log')
  await writer.append(b4a.from('0'))
  await set.close()
  // With its records: nothing here can tell.
  const setBack = await snapshot(t, folder, true)
  const later = await openSet(t, folder, { limits: FAST })
  await (await later.writer('log')).append(b4a.from('1'))
  await peer.authorize(writer.key)
  connect(t, later, peer)
  await peer.synced()
  await later.close()
  await setBack()

  const again = await openSet(t, folder, { limits: FAST })
  const found = await again.writer('log')
  t.is(found.length, 1)
  let recovering = 0
  again.on('recovering', () => recovering++)
  connect(t, again, peer)
  await until(() => found.peers.some(remote => remote.remoteLength === 2))
  await found.append(b4a.from('2'), { wait: true })
  t.deepEqual(await textsOf(found), ['0', '1', '2'])
  t.true(recovering > 0 || found.length === 3)
  t.deepEqual([...peer.forks(), ...again.forks()], [])
})

test("gate: 'always' waits for a peer before the first append of every process, and for no longer than replicaMs", async t => {
  const folder = await temporaryFolder(t)
  const peer = await makeSet(t)
  const set = await openSet(t, folder, { limits: FAST, gate: 'always' })
  const writer = await set.writer('log')
  await t.throwsAsync(writer.append(b4a.from('x')), { code: 'ERR_FEEDS_RECOVERING' })
  await writer.append(b4a.from('0'), { wait: true })
  await peer.authorize(writer.key)
  connect(t, set, peer)
  await peer.synced()
  await set.close()

  const again = await openSet(t, folder, { limits: { ...FAST, replicaMs: 60_000 }, gate: 'always' })
  const found = await again.writer('log')
  const waiting = found.append(b4a.from('1'), { wait: true })
  await turns()
  t.is(found.length, 1)
  connect(t, again, peer)
  await waiting
  t.is(found.length, 2)
  t.deepEqual(again.rotations(), [])
})

test('a copied folder is another place: its writer does not append as if it were the only one', async t => {
  const [folder, copy] = [await temporaryFolder(t), await temporaryFolder(t)]
  const set = await openSet(t, folder, { limits: FAST })
  await (await set.writer('log')).append(b4a.from('0'))
  await set.close()
  await cp(folder, copy, { recursive: true })
  const store = new Corestore(copy, { allowBackup: true }) // else Corestore refuses the copy
  t.teardown(() => store.close())
  const clone = await openSet(t, store, { limits: FAST })
  const found = await clone.writer('log')
  t.is(found.length, 1)
  await t.throwsAsync(found.append(b4a.from('x')), { code: 'ERR_FEEDS_RECOVERING' })
})

test('rotate() gives a writer up at once; two at once make one successor', async t => {
  const set = await makeSet(t)
  const writer = await set.writer('log')
  await writer.append(b4a.from('0'))
  const [one, two] = await Promise.all([set.rotate('log'), set.rotate('log')])
  t.deepEqual(one.key, two.key)
  t.is(set.rotations().length, 1)
  await one.append(b4a.from('1'))
  const third = await set.rotate('log')
  t.deepEqual(
    set.rotations().map(({ from, to }) => [from, to]),
    [
      [writer.key, one.key],
      [one.key, third.key]
    ]
  )
  await t.throwsAsync(set.rotate('nobody'), { code: 'ERR_FEEDS_NOT_AUTHORIZED' })
})

test('a rotation that could not be logged leaves the writer as it was', async t => {
  let isFull = false
  const openFile = async (path: string) => {
    const file = await openLogFile(path)
    return {
      ...file,
      write: async (bytes: Uint8Array, position: number) => {
        if (isFull) throw new Error('ENOSPC')
        await file.write(bytes, position)
      }
    }
  }
  const set = await makeSet(t, { limits: FAST }, { openFile })
  const writer = await set.writer('log')
  isFull = true
  await t.throwsAsync(set.rotate('log'), { code: 'ERR_FEEDS_STORAGE' })
  isFull = false
  await writer.append(b4a.from('0'))
  t.is(set.get('log')?.id, writer.id)
  t.is(set.rotations().length, 0)
  t.notDeepEqual((await set.rotate('log')).key, writer.key)
})

test('a truncated writer is not taken for one that was set back', async t => {
  const folder = await temporaryFolder(t)
  const set = await openSet(t, folder, { limits: FAST })
  const writer = (await set.writer('log')) as Feed<Uint8Array> & { truncate(length: number): Promise<void> }
  await writer.append([b4a.from('0'), b4a.from('1'), b4a.from('2')])
  await writer.truncate(1)
  await set.close()
  const again = await openSet(t, folder, { limits: FAST })
  const found = await again.writer('log')
  await found.append(b4a.from('3'))
  t.deepEqual(await textsOf(found), ['0', '3'])
})

test('flush() and durable appends share syncs of the storage, at most one in flushMs', async t => {
  const store = await makeStore(t)
  let syncs = 0
  const { db } = store.storage
  const flush = db.flush.bind(db)
  db.flush = () => {
    syncs++
    return flush()
  }
  const set = await openSet(t, store, { limits: { flushMs: 50 } })
  const writer = await set.writer('log')
  const fromMs = performance.now()
  const appends = Array.from({ length: 50 }, (_, i) => writer.append(b4a.from(`${i}`), { durable: true }))
  await Promise.all([...appends, set.flush(), set.flush()])
  t.true(syncs > 0)
  t.true(syncs <= 2 + (performance.now() - fromMs) / 50, `${syncs} syncs`)
  await set.close()
})

test('what waits for the gate rejects when the set is closed, or the writer revoked', async t => {
  for (const end of ['close', 'revoke'] as const) {
    const set = await makeSet<Uint8Array>(t, { limits: { ...FAST, replicaMs: 60_000 }, gate: 'always' })
    const writer = await set.writer('log')
    const waiting = t.throwsAsync(writer.append(b4a.from('x'), { wait: true }))
    await turns()
    if (end === 'close') await set.close()
    else await set.revoke(writer.key)
    const error = (await waiting) as FeedsError
    t.is(error.code, end === 'close' ? 'ERR_FEEDS_CLOSED' : 'ERR_FEEDS_NOT_AUTHORIZED')
  }
})

test('a damaged record counts as none', async t => {
  const folder = await temporaryFolder(t)
  const set = await openSet(t, folder, { limits: FAST })
  await (await set.writer('log')).append(b4a.from('0'))
  await set.close()
  await writeFile((await recordsOf(folder))[0] as string, 'nonsense')
  const again: FeedSet<Uint8Array> = await openSet(t, folder, { limits: FAST })
  await t.throwsAsync((await again.writer('log')).append(b4a.from('x')), { code: 'ERR_FEEDS_RECOVERING' })
})
