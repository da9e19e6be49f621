/**
 * What many parties cost: two lists of parties that have one in common, on one connection in memory and on many.
 *
 * Per number of parties: time and heap to make and open them, then from attaching a connection until both sides are peers of
 * the common party, which is opened as the last one; bytes that both sides sent until then, Noise included. Then the heap and
 * CPU time of each further connection at one end, and of a pair: a party that is open here, on a connection to somebody who
 * isn't in it, as the difference to lists of one party. Of two ends one opens all of them, so the CPU time of a pair is half an
 * open. Each case runs in a process of its own.
 *
 * Usage: npm run bench:parties [-- --parties 1,10,100,300] [-- --connections 64] [-- --json]; after a build.
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
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { Parties, rules } from '../packages/party/dist/index.js'

const gossipPackage = new URL('../packages/gossip/package.json', import.meta.url)
const NoiseSecretStream = createRequire(gossipPackage)('@hyperswarm/secret-stream')
const { values: args } = parseArgs({
  options: {
    case: { type: 'string' },
    parties: { type: 'string', default: '1,10,100,300' },
    connections: { type: 'string', default: '64' },
    json: { type: 'boolean', default: false }
  }
})
const CONNECTIONS = Number(args.connections)

setFlagsFromString('--expose-gc')
const gc = runInNewContext('gc')

/** Heap after a collection, in bytes. */
function heap() {
  for (let i = 0; i < 3; i++) gc()
  return process.memoryUsage().heapUsed
}

/** Two ends of a pipe, and how many bytes went through it. */
function pipe() {
  const count = { bytes: 0 }
  const ends = [0, 1].map(() => new Duplex({ read() {} }))
  for (const [i, end] of ends.entries()) {
    end._write = (bytes, _encoding, done) => {
      count.bytes += bytes.length
      setImmediate(() => {
        ends[1 - i].push(bytes)
        done()
      })
    }
  }
  return { ends, count }
}

async function listIn(folder) {
  const parties = new Parties({ storage: folder, rules: rules.open() })
  await parties.ready()
  return parties
}

/** Attaches two lists and waits until they are peers of the common party on that connection; each has a Noise key of its own. */
async function connect(lists, common, peers) {
  const { ends, count } = pipe()
  const startMs = performance.now()
  for (const [i, list] of lists.entries()) list.attach(new NoiseSecretStream(i === 0, ends[i]))
  while (common.some(party => party.peers.size < peers)) await sleep(2) // not setImmediate(), which would use up all CPU
  return { ms: performance.now() - startMs, bytes: count.bytes }
}

async function measure(count) {
  const folder = mkdtempSync(join(tmpdir(), 'hearsay-bench-'))
  const alive = setInterval(() => {}, 1000)
  const lists = [await listIn(join(folder, 'a')), await listIn(join(folder, 'b'))]
  const heapBefore = heap()
  const startMs = performance.now()
  for (const list of lists) for (let i = 1; i < count; i++) await list.create()
  const first = await lists[0].create()
  const common = [first, await lists[1].add(first.key)]
  const openMs = (performance.now() - startMs) / (2 * count)
  const heapOpen = heap()
  const met = await connect(lists, common, 1)
  const heapOne = heap()
  const cpu = process.cpuUsage()
  for (let i = 1; i < CONNECTIONS; i++) await connect(lists, common, i + 1)
  const { user, system } = process.cpuUsage(cpu)
  // Both ends are in this process. CPU, since 300 opens are spread over half a second on purpose.
  const connectionMs = (user + system) / 1000 / Math.max(1, 2 * (CONNECTIONS - 1))
  const heapMany = heap()
  await Promise.all(lists.map(list => list.close()))
  clearInterval(alive)
  rmSync(folder, { recursive: true })
  return {
    parties: count,
    openMs,
    partyBytes: (heapOpen - heapBefore) / (2 * count),
    meetMs: met.ms,
    meetBytes: met.bytes,
    connectionMs,
    connectionBytes: (heapMany - heapOne) / Math.max(1, 2 * (CONNECTIONS - 1))
  }
}

if (args.case !== undefined) {
  console.log(JSON.stringify(await measure(Number(args.case))))
} else {
  const counts = [...new Set([1, ...args.parties.split(',').map(Number)])].sort((a, b) => a - b)
  const rows = counts.map(count => {
    const file = fileURLToPath(import.meta.url)
    const options = ['--case', String(count), '--connections', args.connections]
    const { stdout, stderr, status } = spawnSync(process.execPath, [file, ...options], { encoding: 'utf8' })
    if (status !== 0) throw new Error(stderr)
    return JSON.parse(stdout)
  })
  const [alone] = rows
  for (const row of rows) {
    const others = row.parties - 1
    row.pairBytes = others === 0 ? null : (row.connectionBytes - alone.connectionBytes) / others
    row.pairUs = others === 0 ? null : (1000 * (row.connectionMs - alone.connectionMs)) / others
  }
  if (args.json) console.log(JSON.stringify(rows))
  else {
    const kb = bytes => Math.round(bytes / 102.4) / 10
    console.table(
      rows.map(row => ({
        parties: row.parties,
        'ms to make one': Math.round(row.openMs * 10) / 10,
        'KB heap of one open': kb(row.partyBytes),
        'ms to meet': Math.round(row.meetMs),
        'KB to meet, both ways': kb(row.meetBytes),
        'CPU ms a connection': Math.round(row.connectionMs * 10) / 10,
        'KB heap a connection': kb(row.connectionBytes),
        'bytes a pair': row.pairBytes === null ? '-' : Math.round(row.pairBytes),
        'CPU us a pair': row.pairUs === null ? '-' : Math.round(row.pairUs * 10) / 10
      }))
    )
  }
}
