/**
 * Cost follows what is wanted: two sets that share 1,000 authorized feeds of one block, of which the reader wants 10, beside
 * sets that share 10, and beside all 1,000 wanted. Time and CPU from the connection to the last wanted block, memory after
 * it, feeds that are open then, and most that were being opened at once. Both sets live in one process, every case in a process
 * of its own; the time to make the feeds doesn't count. Where a protocol tells lengths, a feed on which nothing moves is closed: it
 * waits until the author has none open, and measures the next block of one.
 *
 * Then the memory of an authorized feed that nobody opened, over 50,000 of them, and what a flush() after an append takes.
 *
 * Usage: npm run bench:feeds [-- --feeds 1000] [-- --wanted 10] [-- --json]; after a build.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Duplex } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { FeedSet } from '../packages/feeds/dist/index.js'

const Corestore = createRequire(new URL('../packages/feeds/package.json', import.meta.url))('corestore')
const slots = globalThis[Symbol.for('hearsay.opening/1')]
const folders = []
const { values: args } = parseArgs({
  options: {
    case: { type: 'string' },
    feeds: { type: 'string', default: '1000' },
    wanted: { type: 'string', default: '10' },
    idle: { type: 'string', default: '50000' },
    json: { type: 'boolean', default: false }
  }
})
const [FEEDS, WANTED, IDLE] = [args.feeds, args.wanted, args.idle].map(Number)

/** The cases: how many feeds both sets know, how many of them are wanted, and who says what is opened. */
const CASES = {
  few: { feeds: WANTED, wanted: WANTED, isManual: false },
  many: { feeds: FEEDS, wanted: WANTED, isManual: false },
  'many, told by a protocol': { feeds: FEEDS, wanted: WANTED, isManual: true },
  all: { feeds: FEEDS, wanted: FEEDS, isManual: false }
}

async function makeSide(options = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'hearsay-bench-'))
  folders.push(folder)
  const store = new Corestore(folder)
  const set = new FeedSet(store, options)
  await set.ready()
  return { store, set }
}

/** Two ends of a pipe without delay. */
function pipe() {
  const ends = [0, 1].map(() => new Duplex({ read() {} }))
  for (const [i, end] of ends.entries()) {
    end._write = (bytes, _encoding, done) => {
      ends[1 - i].push(bytes)
      done()
    }
    end._final = done => {
      ends[1 - i].push(null)
      done()
    }
  }
  return ends
}

/** What is held by now: objects that were let go of are forgotten in a turn of their own. */
async function memory() {
  for (let i = 0; i < 4; i++) {
    globalThis.gc()
    await sleep(20)
  }
  const { heapUsed, external, rss } = process.memoryUsage()
  return { heap: heapUsed + external, rss }
}

const kib = bytes => Math.round(bytes / 1024)

/** Waits until nothing moves and the author has closed all. @returns ms that the next block of one feed takes then. */
async function rest(author, reader, sessions, key) {
  const isOpen = () => author.store.cores.size > 0 || sessions.some(({ replicating }) => replicating.size > 0)
  const endMs = performance.now() + 60_000
  while (isOpen()) {
    if (performance.now() > endMs) throw new Error('idle feeds were not closed within a minute')
    await sleep(20)
  }
  await author.set.get(key).append(Buffer.from('news'))
  const start = performance.now()
  sessions[1].wanted(key, 2)
  await reader.set.get(key).get(1)
  return Math.round(performance.now() - start)
}

async function runCase({ feeds, wanted, isManual }) {
  const limits = isManual ? { idleMs: 500, lingerMs: 500 } : {}
  const author = await makeSide({ limits })
  const reader = await makeSide({ limits })
  const keys = []
  for (let i = 0; i < feeds; i++) {
    const writer = await author.set.writer(`w${i}`)
    await writer.append(Buffer.from(`block of feed ${i}`))
    keys.push(writer.key)
    await writer.close()
  }
  for (let from = 0; from < feeds; from += 256) {
    const group = keys.slice(from, from + 256)
    await Promise.all(group.map(key => reader.set.authorize(key, undefined, { download: 'sparse' })))
  }
  while (author.store.cores.size > 0) await sleep(100) // nobody uses them: they are closed after a while

  const before = await memory()
  const cpu = process.cpuUsage()
  const start = performance.now()
  let opening = 0
  const look = setInterval(() => {
    opening = Math.max(opening, slots.taken)
  }, 1)
  const ends = pipe()
  const sessions = [author, reader].map(({ set }, i) =>
    set.replicate(ends[i], { initiator: i === 0, manual: isManual })
  )
  if (isManual) {
    for (const session of sessions) for (const key of keys) await session.grant(key)
  }
  const step = feeds / wanted
  const picked = Array.from({ length: wanted }, (_, i) => keys[Math.floor(i * step)])
  await Promise.all(
    picked.map(async key => {
      if (isManual) sessions[1].wanted(key, 1)
      await reader.set.get(key).get(0)
    })
  )
  const ms = performance.now() - start
  const { user, system } = process.cpuUsage(cpu)
  clearInterval(look)
  const after = await memory()
  const result = {
    feeds,
    wanted,
    ms: Math.round(ms),
    cpuMs: Math.round((user + system) / 1000),
    heapKiB: kib(after.heap - before.heap),
    rssKiB: kib(after.rss - before.rss),
    openAtAuthor: author.store.cores.size,
    openAtReader: reader.store.cores.size,
    mostOpening: opening
  }
  if (isManual) result.reopenMs = await rest(author, reader, sessions, picked[0])
  for (const { set, store } of [author, reader]) {
    await set.close()
    await store.close()
  }
  return result
}

/** Bytes of an authorized feed that was never opened. */
async function runIdle() {
  const { set } = await makeSide({ maxFeeds: IDLE })
  const key = i => {
    const bytes = Buffer.alloc(32)
    bytes.writeUInt32LE(i + 1)
    return bytes
  }
  await set.authorize(key(0))
  const before = await memory()
  const start = performance.now()
  for (let from = 1; from < IDLE; from += 256) {
    const count = Math.min(256, IDLE - from)
    await Promise.all(Array.from({ length: count }, (_, i) => set.authorize(key(from + i))))
  }
  const ms = performance.now() - start
  const after = await memory()
  return {
    feeds: IDLE,
    bytesPerFeed: Math.round((after.heap - before.heap) / IDLE),
    rssPerFeed: Math.round((after.rss - before.rss) / IDLE),
    ms: Math.round(ms)
  }
}

/** ms of a flush() that nobody else asked for, after an append of one block. */
async function runFlush() {
  const { set } = await makeSide({ limits: { flushMs: 1 } })
  const writer = await set.writer('log')
  const times = []
  for (let i = 0; i < 100; i++) {
    await writer.append(Buffer.alloc(1_000, i))
    const start = performance.now()
    await set.flush()
    times.push(performance.now() - start)
  }
  times.sort((a, b) => a - b)
  return { medianMs: Number(times[50].toFixed(1)), p95Ms: Number(times[95].toFixed(1)) }
}

function runChild(name) {
  const argv = ['--expose-gc', fileURLToPath(import.meta.url), '--case', name]
  for (const option of ['feeds', 'wanted', 'idle']) argv.push(`--${option}`, args[option])
  const { status, stdout, stderr } = spawnSync(process.execPath, argv, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`${name}: ${stderr}`)
  return JSON.parse(stdout.trim().split('\n').at(-1))
}

if (args.case !== undefined) {
  try {
    const run = { idle: runIdle, flush: runFlush }[args.case] ?? (() => runCase(CASES[args.case]))
    const result = await run()
    console.log(JSON.stringify(result))
  } finally {
    for (const folder of folders) rmSync(folder, { recursive: true, force: true })
  }
  process.exit(0)
}
const results = Object.fromEntries(
  [...Object.keys(CASES), 'idle', 'flush'].map(name => [name, runChild(name)])
)
if (args.json) console.log(JSON.stringify(results))
else {
  const { idle, flush, ...cases } = results
  console.table(cases)
  const ratio = of => (cases.many[of] / cases.few[of]).toFixed(1)
  console.log(
    `${FEEDS} shared beside ${WANTED}, ${WANTED} wanted: ${ratio('ms')} times the time, ${ratio('cpuMs')} times the CPU`
  )
  console.log(
    `an authorized feed that nobody opened: ${idle.bytesPerFeed} bytes of heap (${idle.rssPerFeed} of RSS)`
  )
  console.log(`flush() after an append: ${flush.medianMs} ms, 95 % within ${flush.p95Ms} ms`)
}
