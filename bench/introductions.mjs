/**
 * A member introduces a million feeds to a party without rules: what does that cost? Stated are the feeds that were opened,
 * the bytes that were written, the introductions that are kept, and the memory of the process.
 *
 * The member is a process of its own and signs every record, with keys of feeds that don't exist, in the names of 100 authors.
 * Two cases: as shipped, where the budget of a connection drops most of them unread, and with the budget off, so that each is
 * verified and put on the table.
 *
 * Usage: npm run bench:introductions [-- --count 1000000] [-- --json]; after a build. Exits with 1 if a feed was opened or a
 * byte written.
 */
import { fork, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { createKeyPair, cryptoFor } from '../packages/gossip/dist/index.js'
import { encodeFrame, FrameKind, PartyKeys, signRecord } from '../packages/party/dist/core.js'
import { Party } from '../packages/party/dist/index.js'

const need = createRequire(new URL('../packages/gossip/package.json', import.meta.url))
const KEY = new Uint8Array(32).fill(0x42)
const AUTHORS = 100
const BATCH = 64
const MB = 2 ** 20
const { values: args } = parseArgs({
  options: {
    count: { type: 'string', default: '1000000' },
    port: { type: 'string' },
    case: { type: 'string' },
    json: { type: 'boolean', default: false }
  }
})
const COUNT = Number(args.count)

function newParty(options = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'hearsay-bench-'))
  const party = new Party({ key: KEY, storage: folder, keyPair: createKeyPair(), ...options })
  return { party, folder }
}

/** The member: a Party, so that it gets in; then it writes frames by hand. */
async function flood() {
  const NoiseSecretStream = need('@hyperswarm/secret-stream')
  const Protomux = need('protomux')
  const { party, folder } = newParty()
  await party.ready()
  const stream = new NoiseSecretStream(true, connect(Number(args.port), '127.0.0.1'))
  const peer = party.attach(stream)
  await once(party, 'peer-add')
  await peer.introduceFeeds({ keys: [randomBytes(32)] }) // answered once both sides let each other in
  const mux = Protomux.from(stream)
  const channel = [...mux].find(one => one.protocol === 'hearsay/party/1')
  const authors = Array.from({ length: AUTHORS }, () => createKeyPair()).map(pair => {
    const { sign } = cryptoFor(pair)
    return { author: pair.publicKey, sign }
  })
  const keys = new PartyKeys(cryptoFor(createKeyPair()), KEY)
  const about = {
    kind: 'introduce',
    version: 1,
    createdMs: 0,
    expiresSeconds: 0,
    bundleType: '',
    successor: null
  }
  for (let sent = 0; sent < COUNT; sent += BATCH) {
    const records = Array.from({ length: Math.min(BATCH, COUNT - sent) }, (_, i) => {
      const signer = authors[(sent + i) % AUTHORS]
      const body = {
        ...about,
        keys: [new Uint8Array(randomBytes(32))],
        origin: { kind: 'none' },
        meta: new Uint8Array(0)
      }
      return signRecord(signer, keys, body).bytes
    })
    const isDrained = channel.messages[FrameKind.INTRODUCE].send(
      encodeFrame({ type: 'introduce', call: 0, records })
    )
    if (!isDrained) await once(stream, 'drain')
    else if (sent % (BATCH * 64) === 0) await new Promise(resolve => setImmediate(resolve))
  }
  // Behind all of them: its answer says that they were taken.
  await peer.request({ type: 'done' }, { timeoutMs: 600_000 }).catch(() => {})
  process.send('done')
  await party.close()
  rmSync(folder, { recursive: true, force: true })
  process.exit(0)
}

/** Bytes of the files below a folder; the log of the database is text about it, and left out. */
function bytesIn(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile() && !entry.name.startsWith('LOG'))
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0)
}

async function suffer(limits) {
  const { party, folder } = newParty({ limits })
  let told = 0
  party.on('introduction', () => told++)
  await party.ready()
  const server = createServer(socket => {
    const NoiseSecretStream = need('@hyperswarm/secret-stream')
    party.attach(new NoiseSecretStream(false, socket))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const child = fork(fileURLToPath(import.meta.url), ['--port', server.address().port, '--count', COUNT])
  await once(party, 'peer-add')
  globalThis.gc?.()
  const before = { bytes: bytesIn(folder), rss: process.memoryUsage.rss() }
  let peak = before.rss
  const watch = setInterval(() => {
    peak = Math.max(peak, process.memoryUsage.rss())
  }, 250)
  const startMs = performance.now()
  await once(child, 'message')
  const seconds = (performance.now() - startMs) / 1000
  clearInterval(watch)
  globalThis.gc?.()
  const pending = party.introductions()
  let kept = 0
  for (;;) {
    const next = await Promise.race([pending.next(), new Promise(resolve => setImmediate(resolve, null))])
    if (next === null) break
    kept++
  }
  const result = {
    introductions: COUNT,
    seconds: Number(seconds.toFixed(1)),
    feeds: party.feeds.size,
    bytesWritten: bytesIn(folder) - before.bytes,
    told,
    kept,
    drops: { ...party.drops },
    rssBeforeMb: Math.round(before.rss / MB),
    rssAfterMb: Math.round(process.memoryUsage.rss() / MB),
    rssPeakMb: Math.round(peak / MB)
  }
  await party.close()
  server.close()
  await (child.exitCode === null ? once(child, 'exit') : null)
  rmSync(folder, { recursive: true, force: true })
  return result
}

const CASES = {
  'as shipped': {},
  'budget off': { pushedRecordsPerSecond: 1e9, maxPushedRecordsBurst: 1e9 }
}

/** Each in a process of its own, so that none measures the memory of the one before. */
function inProcess(name) {
  const file = fileURLToPath(import.meta.url)
  const options = ['--expose-gc', file, '--case', name, '--count', COUNT]
  const { stdout } = spawnSync(process.execPath, options, { stdio: ['ignore', 'pipe', 'inherit'] })
  return JSON.parse(stdout)
}

if (args.port !== undefined) await flood()
else if (args.case !== undefined) console.log(JSON.stringify(await suffer(CASES[args.case])))
else {
  const results = Object.fromEntries(Object.keys(CASES).map(name => [name, inProcess(name)]))
  if (args.json) console.log(JSON.stringify(results))
  else {
    const columns = ['introductions', 'seconds', 'feeds', 'bytesWritten', 'kept']
    console.table(results, [...columns, 'rssBeforeMb', 'rssAfterMb', 'rssPeakMb'])
    for (const [name, { drops }] of Object.entries(results)) console.log(name, drops)
  }
  const isClean = Object.values(results).every(one => one.feeds === 0 && one.bytesWritten === 0)
  process.exitCode = isClean ? 0 : 1
}
