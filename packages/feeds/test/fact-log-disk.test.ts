/**
 * The fact log and the world: kill -9, compaction that is cut off anywhere, disks that are full or refuse.
 *
 * `KILL_RUNS` sets how many processes are killed.
 */
import { execFile, fork } from 'node:child_process'
import { open, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { FeedSet, FeedsError } from '@hearsay/feeds'
import { LIMITS } from '@hearsay/feeds'
import type { Fact } from '@hearsay/feeds/core'
import type { ExecutionContext } from 'ava'
import test from 'ava'
import b4a from 'b4a'
import { type Compaction, FactLog } from '#feeds/node/fact-log'
import { type LogFile, openLogFile } from '#feeds/node/log-file'
import { drawFrom } from './support/draw.js'
import { exitOf } from './support/exits.js'
import { makeSet, openSet, temporaryFolder, until } from './support/sets.js'

const KILL_RUNS = Number(process.env.KILL_RUNS ?? 50)
const CHILD = fileURLToPath(new URL('./support/kill-child.js', import.meta.url))
const SET_ID = b4a.alloc(32, 1)
const run = promisify(execFile)

interface Line {
  key: number
  isAuthorized: boolean
  isDone: boolean
}

/** Lets a process authorize and revoke until it is killed. @returns What it said. */
async function killOne(t: ExecutionContext, folder: string, seed: number, after: number): Promise<Line[]> {
  const child = fork(CHILD, [folder, String(seed)], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  t.teardown(() => child.kill('SIGKILL'))
  const lines: Line[] = []
  child.on('message', line => {
    lines.push(line as Line)
    if (lines.length === after) child.kill('SIGKILL')
  })
  t.is(await exitOf(child), 'SIGKILL')
  return lines
}

/** Kills processes on one folder, one after the other. @returns Facts that were acknowledged. */
async function killMany(t: ExecutionContext, runs: number, from: number): Promise<number> {
  const folder = await temporaryFolder(t)
  const last = new Map<number, boolean>()
  let acknowledged = 0
  for (let seed = from; seed < from + runs; seed++) {
    const lines = await killOne(t, folder, seed, drawFrom(seed).between(2, 90))
    for (const { key, isAuthorized, isDone } of lines) if (isDone) last.set(key, isAuthorized)
    acknowledged += lines.filter(line => line.isDone).length
    const started = lines.filter(line => !line.isDone).at(-1)
    const set = await openSet(t, folder)
    for (const [key, isAuthorized] of last) {
      const has = set.has(b4a.alloc(32, key))
      const isInFlight = started?.key === key
      t.true(has === isAuthorized || (isInFlight && has === started.isAuthorized), `seed ${seed}, key ${key}`)
      last.set(key, has)
    }
    await set.close()
  }
  return acknowledged
}

test(`C17 after kill -9 the set is what was acknowledged last, or that and the fact in flight: ${KILL_RUNS} times`, async t => {
  t.timeout(KILL_RUNS * 20_000)
  const half = Math.ceil(KILL_RUNS / 2)
  const counts = await Promise.all([killMany(t, half, 1), killMany(t, KILL_RUNS - half, 1_000)])
  t.true(counts.reduce((sum, count) => sum + count, 0) > KILL_RUNS * 5)
})

const record = (text: string): Fact => ({ kind: 'record', record: b4a.from(text) })

async function openLog(path: string, openFile?: (path: string) => Promise<LogFile>) {
  const facts: Fact[] = []
  const log = await FactLog.open({
    path,
    setId: SET_ID,
    limits: LIMITS,
    replay: fact => facts.push(fact),
    ...(openFile && { openFile })
  })
  return {
    log,
    texts: () => facts.map(fact => (fact.kind === 'record' ? b4a.toString(fact.record) : fact.kind))
  }
}

async function textsOf(path: string): Promise<string[]> {
  const { log, texts } = await openLog(path)
  await log.close()
  return texts()
}

const keep = (...texts: string[]): Compaction => ({ facts: () => texts.map(record), placed: () => {} })

test('a compacted log holds what stands for all of it, goes on, and still counts what was ever logged', async t => {
  const path = join(await temporaryFolder(t), 'hearsay', 'facts.log')
  const { log } = await openLog(path)
  for (const text of ['a', 'b', 'c', 'd']) await log.append([record(text)])
  const placed: string[] = []
  await log.compact({
    facts: () => [record('b'), record('d')],
    placed: facts => placed.push(...facts.map(({ fact, offset, bytes }) => `${fact.kind} ${offset} ${bytes}`))
  })
  t.deepEqual(placed, ['compacted 60 4', 'record 64 3', 'record 67 3'])
  // A compaction comes after all that waits, also what was asked for after it.
  await Promise.all([
    log.append([record('e')]),
    log.compact(keep('b', 'd', 'e', 'f')),
    log.append([record('f')])
  ])
  t.is(log.facts, 6)
  await log.close()
  const { log: again, texts } = await openLog(path)
  t.deepEqual(texts(), ['compacted', 'b', 'd', 'e', 'f'])
  t.is(again.facts, 6)
  await again.append([record('g')])
  t.is(again.facts, 7)
  await again.close()
  t.is((await stat(path)).mode & 0o777, 0o600)
  t.deepEqual(await readdir(join(path, '..')), ['facts.log'])
})

test('what is acknowledged while a compaction waits is in its snapshot', async t => {
  const path = join(await temporaryFolder(t), 'facts.log')
  const { log } = await openLog(path)
  const known: string[] = []
  const append = async (text: string) => {
    await log.append([record(text)])
    await Promise.resolve().then(() => Promise.resolve()) // as whoever has more to do before it counts
    known.push(text)
  }
  const appends = Array.from({ length: 20 }, (_, i) => append(`${i}`))
  await Promise.all([...appends, log.compact({ facts: () => known.map(record), placed: () => {} })])
  await log.close()
  t.deepEqual((await textsOf(path)).filter(text => text !== 'compacted').sort(), known.sort())
})

test('a compaction that is cut off at any byte of the new file, or before the rename, leaves the old log', async t => {
  const folder = await temporaryFolder(t)
  const path = join(folder, 'facts.log')
  const { log } = await openLog(path)
  for (const text of ['a', 'b']) await log.append([record(text)])
  await log.close()
  for (let size = 0; size < 120; size += 7) {
    await writeFile(join(folder, 'compact.tmp'), b4a.alloc(size, 1))
    t.deepEqual(await textsOf(path), ['a', 'b'])
    t.deepEqual(await readdir(folder), ['facts.log'], 'what was left is taken away')
  }
})

test('a compaction whose disk refuses anywhere leaves the old log, which goes on', async t => {
  const folder = await temporaryFolder(t)
  const path = join(folder, 'facts.log')
  const faults = ['write', 'sync'] as const
  let fault: (typeof faults)[number] | null = null
  let hits = 0
  const openFile = async (file: string): Promise<LogFile> => {
    const real = await openLogFile(file)
    const failing = (name: (typeof faults)[number]) => {
      if (fault !== name || !file.endsWith('.tmp')) return
      hits++
      throw new Error('ENOSPC')
    }
    return {
      ...real,
      write: async (bytes, position) => {
        failing('write')
        await real.write(bytes, position)
      },
      sync: async () => {
        failing('sync')
        await real.sync()
      }
    }
  }
  const { log } = await openLog(path, openFile)
  await log.append([record('a')])
  for (const name of faults) {
    fault = name
    await t.throwsAsync(log.compact(keep('never')), { code: 'ERR_FEEDS_STORAGE' })
    fault = null
    await log.append([record(name)])
    t.deepEqual(await readdir(folder), ['facts.log'])
  }
  t.is(hits, 2)
  await log.compact(keep('a', ...faults))
  await log.append([record('z')])
  await log.close()
  t.deepEqual(await textsOf(path), ['compacted', 'a', 'write', 'sync', 'z'])
})

test('a compacted log that is cut at any offset gives a prefix of its facts or an error', async t => {
  const path = join(await temporaryFolder(t), 'facts.log')
  const { log } = await openLog(path)
  await log.compact(keep('a', 'b'))
  await log.append([record('c')])
  await log.close()
  const whole = await readFile(path)
  const all = ['compacted', 'a', 'b', 'c']
  for (let length = 44; length < whole.byteLength; length++) {
    await writeFile(path, whole.subarray(0, length))
    const found = await textsOf(path)
    t.deepEqual(found, all.slice(0, found.length), `cut at ${length}`)
  }
})

/** A set whose log is mostly superseded. */
async function wornSet(
  t: ExecutionContext,
  folder: string,
  compactBytes?: number
): Promise<FeedSet<Uint8Array>> {
  const set: FeedSet<Uint8Array> = await openSet(
    t,
    folder,
    compactBytes === undefined ? {} : { limits: { compactBytes } }
  )
  await set.writer('log')
  const [kept, revoked] = [b4a.alloc(32, 1), b4a.alloc(32, 2)]
  await set.authorize(kept, { n: 0 })
  for (let i = 0; i < 60; i++) {
    await set.authorize(revoked, { n: i })
    await set.revoke(revoked)
    await set.authorize(kept, { n: i })
    await set.records.append([b4a.from(`record ${i}`)])
  }
  return set
}

test('a log that is mostly superseded is compacted when it is closed: tombstones, meta, writers and records stay', async t => {
  const folder = await temporaryFolder(t)
  const set = await wornSet(t, folder)
  const path = join(folder, 'hearsay', 'facts.log')
  set.records.retain(bytes => b4a.toString(bytes).endsWith('9'))
  const before = { version: set.version, keys: set.keys(), bytes: (await stat(path)).size }
  const versions = [1, 2].map(byte => set.versionOf(b4a.alloc(32, byte)))
  await set.close()
  const { size } = await stat(path)
  t.true(size < before.bytes / 4, `${size} of ${before.bytes}`)
  const again = await openSet(t, folder)
  t.is(again.version, before.version)
  t.deepEqual(again.keys(), before.keys)
  t.deepEqual(
    [1, 2].map(byte => again.versionOf(b4a.alloc(32, byte))),
    versions
  )
  t.deepEqual(again.meta(b4a.alloc(32, 1)), { n: 59 })
  t.is(again.get('log')?.id, set.get('log')?.id ?? again.get('log')?.id)
  t.deepEqual(
    Array.from(again.records.list(), bytes => b4a.toString(bytes)),
    ['record 9', 'record 19', 'record 29', 'record 39', 'record 49', 'record 59']
  )
  await again.authorize(b4a.alloc(32, 2))
  t.true(again.has(b4a.alloc(32, 2)))
})

test('a log that has grown large is compacted while it is used, and meta is read from its new place', async t => {
  const folder = await temporaryFolder(t)
  const set = await wornSet(t, folder, 4_096)
  const path = join(folder, 'hearsay', 'facts.log')
  await until(async () => (await stat(path)).size < 20_000)
  t.deepEqual(set.meta(b4a.alloc(32, 1)), { n: 59 })
  t.false(set.has(b4a.alloc(32, 2)))
})

test('on a disk that is full an authorize rejects, a revoke holds, and both work again when there is room', async t => {
  const folder = await temporaryFolder(t)
  try {
    await run('mount', ['-t', 'tmpfs', '-o', 'size=16m', 'tmpfs', folder])
  } catch (fault) {
    t.log(
      `skipped: no tmpfs could be mounted (${(fault as Error).message.split('\n')[0]}); its twin with a file that fails runs anyway`
    )
    t.pass()
    return
  }
  t.teardown(() => run('umount', ['-l', folder]))
  const set = await makeSet(t)
  await set.close()
  const full = await openSet(t, folder)
  const [known, fresh] = [b4a.alloc(32, 1), b4a.alloc(32, 2)]
  await full.authorize(known)
  const filler = await open(join(folder, 'filler'), 'w')
  t.teardown(() => filler.close())
  const error = await t.throwsAsync(
    (async () => {
      for (;;) await filler.write(b4a.alloc(65_536, 1))
    })()
  )
  t.is((error as NodeJS.ErrnoException).code, 'ENOSPC', 'the disk is full')
  const big = b4a.alloc(4_000, 7)
  const refused = (await t.throwsAsync(
    (async () => {
      // A page may have room for a few facts.
      for (let i = 0; i < 50; i++) await full.authorize(b4a.alloc(32, 100 + i), undefined, { record: big })
    })()
  )) as FeedsError
  t.is(refused.code, 'ERR_FEEDS_STORAGE')
  await full.revoke(known, { record: big }).catch(() => {})
  t.false(full.has(known))
  await filler.truncate(0)
  await full.authorize(fresh)
  await full.revoke(known)
  await full.close()
  const again = await openSet(t, folder)
  t.deepEqual([again.has(known), again.has(fresh)], [false, true])
  await again.close()
})
