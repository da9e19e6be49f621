/**
 * Power cuts and kill -9 of a writer, for real processes.
 *
 * `POWER_RUNS` and `KILL_RUNS` set how many. The power cut needs gcc, for a shim that notes what was synced.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Feed, FeedSet, FeedsError } from '@hearsay/feeds'
import type { ExecutionContext } from 'ava'
import test from 'ava'
import b4a from 'b4a'
import { drawFrom } from './support/draw.js'
import { exitOf } from './support/exits.js'
import { cutPower, makeShim } from './support/power.js'
import { makeSet, openSet, temporaryFolder, turns, until } from './support/sets.js'
import { connect, FAST, textsOf } from './support/writers.js'

const POWER_RUNS = Number(process.env.POWER_RUNS ?? 10)
const KILL_RUNS = Number(process.env.KILL_RUNS ?? 8)
const FACTS_CHILD = fileURLToPath(new URL('./support/kill-child.js', import.meta.url))
const CHILD = fileURLToPath(new URL('./support/power-child.js', import.meta.url))
const LIMITS = { ...FAST, settleMs: 60, replicaMs: 1_000 }

interface Killed {
  key: Uint8Array
  /** Length after the last append that was acknowledged. */
  acknowledged: number
  /** Length that was known to be synced. */
  flushed: number
}

interface Writing {
  folder: string
  peer: FeedSet<Uint8Array>
  /** Messages after which it is killed. */
  after: number
  flushes: boolean
  env?: NodeJS.ProcessEnv
}

/** Lets a process write, and a peer read, until the process is killed. */
async function killWriter(
  t: ExecutionContext,
  { folder, peer, after, flushes, env }: Writing
): Promise<Killed> {
  const gone: Promise<unknown>[] = []
  const server = createServer(socket => {
    socket.on('error', () => {})
    gone.push(new Promise(resolve => socket.once('close', resolve)))
    peer.replicate(socket, { initiator: false })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  const child = fork(CHILD, [folder, String(port), String(flushes)], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    env: { ...process.env, ...env }
  })
  t.teardown(() => child.kill('SIGKILL'))
  const killed: Killed = { key: b4a.alloc(0), acknowledged: 0, flushed: 0 }
  let count = 0
  child.on('message', (message: { key?: string; acknowledged?: number; flushed?: number }) => {
    if (message.key !== undefined) {
      killed.key = b4a.from(message.key, 'hex')
      void peer.authorize(killed.key)
    }
    killed.acknowledged = Math.max(killed.acknowledged, message.acknowledged ?? 0)
    killed.flushed = Math.max(killed.flushed, message.flushed ?? 0)
    if (++count === after) child.kill('SIGKILL')
  })
  t.is(await exitOf(child), 'SIGKILL')
  server.close()
  // What was under way arrives before the writer comes back.
  await Promise.all(gone)
  await until(() => peer.progress().every(({ peers }) => peers === 0))
  await turns(50)
  return killed
}

/** Appends to the writer, or to its successor. */
async function appendPatiently(set: FeedSet<Uint8Array>, text: string): Promise<void> {
  try {
    await (await set.writer('log')).append(b4a.from(text), { wait: true })
  } catch (fault) {
    if ((fault as FeedsError).code !== 'ERR_FEEDS_ROTATED') throw fault
    await (await set.writer('log')).append(b4a.from(text), { wait: true })
  }
}

test(`kill -9 loses no acknowledged block, uses no index twice and starts no recovery: ${KILL_RUNS} times`, async t => {
  t.timeout(KILL_RUNS * 20_000)
  const folder = await temporaryFolder(t)
  const peer = await makeSet(t)
  for (let run = 0; run < KILL_RUNS; run++) {
    const after = drawFrom(run).between(5, 250)
    const { key, acknowledged } = await killWriter(t, { folder, peer, after, flushes: run % 2 === 0 })
    const set = await openSet(t, folder, { limits: LIMITS })
    let recovering = 0
    set.on('recovering', () => recovering++)
    const writer = await set.writer('log')
    t.true(writer.length >= acknowledged, `run ${run}: ${writer.length} of ${acknowledged}`)
    await writer.append(b4a.from(`block ${writer.length}`))
    t.is(recovering, 0)
    const disconnect = connect(t, set, peer)
    const feed = (await peer.authorize(key)) as Feed<Uint8Array>
    await until(() => feed.contiguousLength === writer.length)
    t.true((await textsOf(feed)).every((text, seq) => text === `block ${seq}`))
    t.deepEqual([...set.forks(), ...peer.forks()], [])
    disconnect()
    await set.close()
  }
})

const shim = makeShim()

/** Path of the shim; null where there is none, which the test then says. */
async function shimFor(t: ExecutionContext): Promise<string | null> {
  const made = await shim
  if ('path' in made) return made.path
  t.log(`skipped: ${made.reason}`)
  t.pass()
  return null
}

/** One power cut. @returns Blocks that were lost, and forks that were found after the writer had gone on. */
async function cutOnce(
  t: ExecutionContext,
  path: string,
  run: number,
  isGateOff = false
): Promise<{ lost: number; forks: number; isGivenUp: boolean }> {
  const [folder, logs] = [await temporaryFolder(t), await temporaryFolder(t)]
  const peer = await makeSet(t)
  const log = join(logs, 'synced')
  const after = drawFrom(run).between(60, 400)
  const env = { LD_PRELOAD: path, HEARSAY_SYNC_LOG: log }
  const flushes = !isGateOff && run % 3 !== 0
  const { key, acknowledged, flushed } = await killWriter(t, { folder, peer, after, flushes, env })
  t.true((await cutPower(folder, log)) > 0, `run ${run}: nothing was cut off`)

  const set = await openSet(t, folder, { limits: LIMITS }, { bootId: `after cut ${run}`, isGateOff })
  const found = await set.writer('log')
  t.deepEqual(found.key, key, 'the set knows its writer')
  const { length } = found
  t.true(length >= flushed, `run ${run}: ${length} of ${flushed} that were synced`)
  const feed = (await peer.authorize(key)) as Feed<Uint8Array>
  const kept = (await textsOf(feed)).filter(text => text !== null).length
  if (isGateOff) {
    t.true(kept > length, 'the peer must know more than the writer, else nothing is shown')
    await appendPatiently(set, 'after')
    connect(t, set, peer)
    await until(() => peer.forks().length > 0)
  } else {
    await t.throwsAsync(found.append(b4a.from('x')), { code: 'ERR_FEEDS_RECOVERING' })
    connect(t, set, peer)
    await appendPatiently(set, 'after')
    // Blocks that were on their way when the process died may be nowhere: then there is a successor.
    const writer = await set.writer('log')
    const replica = (await peer.authorize(writer.key)) as Feed<Uint8Array>
    await until(() => replica.contiguousLength === writer.length && replica.length > 0)
    t.is((await textsOf(replica)).at(-1), 'after')
    const old = await textsOf(feed)
    t.true(old.every((text, seq) => text === null || text === 'after' || text === `block ${seq}`))
    t.true(old.filter(text => text !== null).length >= kept, `run ${run}: the peer lost blocks`)
  }
  const forks = set.forks().length + peer.forks().length
  const isGivenUp = set.rotations().length > 0
  await Promise.all([set.close(), peer.close()])
  return { lost: acknowledged - length, forks, isGivenUp }
}

test(`D14 after a power cut what was flushed is there, and the writer catches up or is given up first: ${POWER_RUNS} times`, async t => {
  t.timeout(POWER_RUNS * 20_000)
  const path = await shimFor(t)
  if (path === null) return
  let lost = 0
  let givenUp = 0
  for (let run = 0; run < POWER_RUNS; run++) {
    const result = await cutOnce(t, path, run)
    t.is(result.forks, 0, `run ${run}`)
    lost += result.lost
    givenUp += Number(result.isGivenUp)
  }
  t.log(
    `${lost} acknowledged blocks lost here; ${POWER_RUNS - givenUp} caught up, ${givenUp} went on as a successor`
  )
  t.true(lost > 0, 'no cut took anything that was acknowledged')
})

test('planted: without the gate a power cut ends in a fork', async t => {
  const path = await shimFor(t)
  if (path !== null) t.true((await cutOnce(t, path, 1_000, true)).forks > 0)
})

/** Kills a process that authorizes and revokes, and cuts the power. @returns Does the set know what was acknowledged? */
async function factsSurvive(
  t: ExecutionContext,
  path: string,
  mode: 'synced' | 'unsynced'
): Promise<boolean> {
  const folder = await temporaryFolder(t)
  const log = join(await temporaryFolder(t), 'synced')
  const child = fork(FACTS_CHILD, [folder, '1', mode], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    env: { ...process.env, LD_PRELOAD: path, HEARSAY_SYNC_LOG: log }
  })
  const acknowledged = new Map<number, boolean>()
  child.on('message', (line: { key: number; isAuthorized: boolean; isDone: boolean }) => {
    if (line.isDone) acknowledged.set(line.key, line.isAuthorized)
    else acknowledged.delete(line.key)
    if (acknowledged.size > 3 && new Set(acknowledged.values()).size === 2) child.kill('SIGKILL')
  })
  t.is(await exitOf(child), 'SIGKILL')
  await cutPower(folder, log)
  const set = await openSet(t, folder).catch(() => null)
  return set !== null && [...acknowledged].every(([key, is]) => set.has(b4a.alloc(32, key)) === is)
}

test('an acknowledged authorize or revoke survives a power cut; planted: without the sync it does not', async t => {
  const path = await shimFor(t)
  if (path === null) return
  for (let run = 0; run < 3; run++) t.true(await factsSurvive(t, path, 'synced'))
  t.false(await factsSurvive(t, path, 'unsynced'))
})
