import type { FeedsError } from '@hearsay/feeds'
import test from 'ava'
import b4a from 'b4a'
import { makeSet, makeStore, openSet, temporaryFolder, turns, until } from './support/sets.js'

test('a revoked feed is not in the set, not after a restart, and only authorize() revives it', async t => {
  const folder = await temporaryFolder(t)
  const set = await openSet(t, folder)
  const key = b4a.alloc(32, 5)
  const told: unknown[] = []
  set.on('revoke', (revoked, reason) => told.push([revoked, reason]))
  await set.authorize(key, { a: 1 })
  t.true(await set.revoke(key, { reason: 'spam' }))
  t.false(await set.revoke(key))
  t.false(set.has(key))
  t.is(set.get(key), null)
  t.is(set.meta(key), null)
  t.deepEqual(told, [[key, 'spam']])
  await set.close()
  const again = await openSet(t, folder)
  t.false(again.has(key))
  await again.authorize(key)
  t.true(again.has(key))
  await again.close()
  t.true((await openSet(t, folder)).has(key))
})

test('a feed that was denied in advance can be authorized only by a higher version', async t => {
  const set = await makeSet(t)
  const key = b4a.alloc(32, 5)
  t.false(await set.revoke(key, { version: 7 }))
  t.deepEqual(set.versionOf(key), { version: 7, denied: true })
  await t.throwsAsync(set.authorize(key, undefined, { version: 7 }), { code: 'ERR_FEEDS_NOT_AUTHORIZED' })
  await set.authorize(key, undefined, { version: 8 })
  t.deepEqual(set.versionOf(key), { version: 8, denied: false })
  await t.throwsAsync(set.revoke(key, { version: 2 ** 21 }), { code: 'ERR_FEEDS_BAD_OPTION' })
  t.false(await set.revoke(key, { version: 3 }))
  t.true(set.has(key))
})

test('a revoke that comes while an authorize is being written wins', async t => {
  const set = await makeSet(t)
  const key = b4a.alloc(32, 5)
  const authorizing = set.authorize(key)
  await Promise.resolve() // authorize() is past its own wait for ready()
  const revoking = set.revoke(key)
  const [authorized] = await Promise.allSettled([authorizing, revoking])
  t.is(authorized.status, 'rejected')
  t.false(set.has(key))
})

test('a revoke that comes while a revival is being written wins, too', async t => {
  const folder = await temporaryFolder(t)
  const set = await openSet(t, folder)
  const key = b4a.alloc(32, 5)
  await set.authorize(key)
  await set.revoke(key)
  const reviving = set.authorize(key)
  await Promise.resolve()
  const [revived] = await Promise.allSettled([reviving, set.revoke(key)])
  t.is(revived.status, 'rejected')
  t.false(set.has(key))
  await set.close()
  t.false((await openSet(t, folder)).has(key))
})

test('a revoked writer keeps its blocks readable, appends nothing, and is not revived by its name', async t => {
  const set = await makeSet(t)
  const writer = await set.writer('log')
  await writer.append(b4a.from('kept'))
  await set.revoke(writer.key)
  t.is(b4a.toString(await writer.get(0)), 'kept')
  await t.throwsAsync(writer.append(b4a.from('x')), { code: 'ERR_FEEDS_NOT_AUTHORIZED' })
  await t.throwsAsync(writer.session().append(b4a.from('x')), { code: 'ERR_FEEDS_NOT_AUTHORIZED' })
  await t.throwsAsync(set.writer('log'), { code: 'ERR_FEEDS_NOT_AUTHORIZED' })
  await set.authorize(writer.key)
  t.is((await set.writer('log')).length, 1)
  await writer.append(b4a.from('again'))
})

test('a purge deletes the blocks, and a revoke without it keeps them', async t => {
  const store = await makeStore(t)
  const set = await openSet(t, store)
  const purged = await set.writer('purged')
  const kept = await set.writer('kept')
  await purged.append([b4a.from('0'), b4a.from('1')])
  await kept.append(b4a.from('0'))
  await set.revoke(purged.key, { purge: true })
  await set.revoke(kept.key)
  const core = store.get({ key: purged.key })
  await core.ready()
  t.is(core.length, 2)
  t.false(await core.has(0))
  const other = store.get({ key: kept.key })
  await other.ready()
  t.true(await other.has(0))
})

test('a get that waits for a block rejects when its feed is revoked, and a later one at once', async t => {
  const set = await makeSet(t)
  const feed = await set.authorize(b4a.alloc(32, 5))
  const snapshot = feed.session()
  const waiting = [feed.get(0), snapshot.get(1)]
  await until(() => waiting.length === 2)
  const results = Promise.allSettled(waiting)
  await turns()
  await set.revoke(b4a.alloc(32, 5))
  for (const result of await results) {
    t.is(result.status, 'rejected')
    t.is((result as PromiseRejectedResult).reason.code, 'ERR_FEEDS_NOT_AUTHORIZED')
  }
  await t.throwsAsync(feed.get(2), { code: 'ERR_FEEDS_NOT_AUTHORIZED' })
  t.is(await feed.get(2, { wait: false }), null as never)
})

test('what reads from the disk while its feed is revoked is told so, whenever that happens', async t => {
  for (let delayTurns = 0; delayTurns < 12; delayTurns++) {
    const set = await makeSet(t)
    const writer = await set.writer('log')
    await writer.append(b4a.from('0'))
    const revoked = set.revoke(writer.key)
    await turns(delayTurns)
    const [here, gone] = await Promise.all([writer.get(0), writer.get(1).catch((error: unknown) => error)])
    t.is(b4a.toString(here), '0')
    t.is((gone as FeedsError).code, 'ERR_FEEDS_NOT_AUTHORIZED', `after ${delayTurns} turns: ${gone}`)
    await revoked
    await set.close()
  }
})
