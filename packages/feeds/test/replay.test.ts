/**
 * What was revoked stays so, whatever comes again: old introductions, a restart, a process that is killed in the middle.
 *
 * `KILL_RUNS` sets how many processes are killed.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { stat } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { FeedSet } from '@hearsay/feeds'
import type { ExecutionContext } from 'ava'
import test from 'ava'
import b4a from 'b4a'
import { channelsOf } from './support/channels.js'
import { drawFrom } from './support/draw.js'
import { exitOf } from './support/exits.js'
import { connectionPair, makeSet, makeStore, openSet, temporaryFolder, until } from './support/sets.js'

type Bytes = Uint8Array

const KILL_RUNS = Number(process.env.KILL_RUNS ?? 6)
const CHILD = fileURLToPath(new URL('./support/revoke-child.js', import.meta.url))
const BLOCKS = 5_000

interface Introduction {
  key: Bytes
  version: number
}

/** Authorizes and revokes at random, and revokes all in the end. @returns Everything that was ever accepted. */
async function live(set: FeedSet<Bytes>, seed: number): Promise<Introduction[]> {
  const draw = drawFrom(seed)
  const keys = Array.from({ length: 8 }, (_, i) => b4a.alloc(32, i + 1))
  const accepted: Introduction[] = []
  for (let step = 0; step < 80; step++) {
    const key = draw.pick(keys)
    if (draw.below(2) === 0) await set.revoke(key)
    else {
      const version = (set.versionOf(key)?.version ?? 0) + draw.between(1, 3)
      await set.authorize(key, undefined, { version })
      accepted.push({ key, version })
    }
  }
  for (const key of keys) await set.revoke(key)
  return accepted
}

/** Tries all of them, most at once, in another order than they came in. @returns Codes of the refusals. */
async function replay(set: FeedSet<Bytes>, accepted: Introduction[], seed: number): Promise<unknown[]> {
  const draw = drawFrom(seed)
  const order = accepted.map(one => ({ one, at: draw.below(1_000_000) })).sort((a, b) => a.at - b.at)
  const calls = order.map(({ one }) => set.authorize(one.key, undefined, { version: one.version }))
  const results = await Promise.allSettled([...calls, set.revoke((accepted[0] as Introduction).key)])
  return results.slice(0, -1).map(result => (result.status === 'rejected' ? result.reason.code : 'accepted'))
}

test('introductions that were accepted once are refused after their revoke: at once, after a restart, from a compacted log', async t => {
  const folder = await temporaryFolder(t)
  let set = await openSet<Bytes>(t, folder)
  const accepted = await live(set, 7)
  t.true(accepted.length > 20)
  for (const [run, limits] of [{}, { compactBytes: 1 }, {}].entries()) {
    let entered = 0
    set.on('authorize', () => entered++)
    const { size } = await stat(join(folder, 'hearsay', 'facts.log'))
    const codes = await replay(set, accepted, run)
    t.deepEqual(new Set(codes), new Set(['ERR_FEEDS_NOT_AUTHORIZED']))
    t.deepEqual([set.keys(), entered], [[], 0])
    if (run > 0)
      t.is((await stat(join(folder, 'hearsay', 'facts.log'))).size, size, 'none of them is written')
    await set.close()
    set = await openSet<Bytes>(t, folder, { limits })
  }
})

test('what asked() answers after its feed was revoked grants nothing', async t => {
  const store = await makeStore(t)
  const set = await openSet<Bytes>(t, store)
  const writer = await set.writer('log')
  await writer.append(b4a.from('0'))
  const [left, right] = connectionPair(t)
  const session = set.replicate(left, { manual: true })
  const asked = new Promise<(feed: typeof writer) => void>(resolveAsked => {
    session.asked = () => new Promise(resolve => resolveAsked(resolve))
  })
  const reader = (await makeStore(t)).get({ key: writer.key })
  await reader.ready()
  reader.replicate(right)
  const answer = await asked
  await set.revoke(writer.key)
  answer(writer)
  await t.throwsAsync(reader.get(0, { timeout: 100 }))
  t.is(channelsOf(left), 0)
  t.is(session.replicating.size, 0)
})

interface Killed {
  key: Bytes
  /** Did the revoke resolve before? */
  isDone: boolean
}

/** Lets a process serve a feed to `reader`, and kills it while it revokes that, or right after. */
async function killRevoker(
  t: ExecutionContext,
  folder: string,
  reader: FeedSet<Bytes>,
  run: number
): Promise<Killed> {
  const server = createServer(socket => {
    socket.on('error', () => {})
    reader.replicate(socket, { initiator: false })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  const child = fork(CHILD, [folder, String(port), String(BLOCKS)], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc']
  })
  t.teardown(() => child.kill('SIGKILL'))
  const exit = exitOf(child)
  const [{ key: hex }] = (await once(child, 'message')) as [{ key: string }]
  const key = b4a.from(hex, 'hex')
  const feed = await reader.authorize(key)
  let isDone = false
  child.on('message', (message: { isDone: boolean }) => {
    isDone ||= message.isDone
    if (message.isDone || run % 2 === 0) child.kill('SIGKILL')
  })
  let left = drawFrom(run).between(1, BLOCKS / 8)
  feed.on('download', () => {
    if (--left === 0) child.send('revoke')
  })
  t.is(await exit, 'SIGKILL')
  t.true(feed.contiguousLength < BLOCKS, 'the download was cut')
  server.close()
  await until(() => reader.progress().every(({ peers }) => peers === 0))
  return { key, isDone }
}

test(`a process that is killed while it revokes a feed that is read is without it, or never said so: ${KILL_RUNS} times`, async t => {
  t.timeout(KILL_RUNS * 20_000)
  const seen = { done: 0, cut: 0 }
  for (let run = 0; run < KILL_RUNS; run++) {
    const folder = await temporaryFolder(t)
    const reader = await makeSet<Bytes>(t)
    const { key, isDone } = await killRevoker(t, folder, reader, run)
    seen[isDone ? 'done' : 'cut']++
    const set = await openSet<Bytes>(t, folder)
    const isRevoked = !set.has(key)
    if (isDone) t.true(isRevoked, `run ${run}`)
    if (isRevoked)
      await t.throwsAsync(set.authorize(key, undefined, { version: 1 }), {
        code: 'ERR_FEEDS_NOT_AUTHORIZED'
      })
    const feed = await reader.authorize(key)
    const { contiguousLength } = feed
    const [left, right] = connectionPair(t)
    set.replicate(left)
    reader.replicate(right)
    if (isRevoked) {
      await t.throwsAsync(feed.get(contiguousLength, { timeout: 100 }))
      t.deepEqual([feed.contiguousLength, channelsOf(left)], [contiguousLength, 0], `run ${run}`)
    } else t.truthy(await feed.get(contiguousLength, { timeout: 10_000 }))
    await Promise.all([set.close(), reader.close()])
  }
  t.true(seen.done > 0 && seen.cut > 0, JSON.stringify(seen))
})
