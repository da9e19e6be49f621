/**
 * What an author and an idle link cost in memory: the difference of the heap over 10,000 of each, median of several runs,
 * every run in a process of its own.
 *
 * Authors: one TopicCore hears 10,000 authors over 40 links, several batches each; measured when the batches have left the
 * cache and the entries are still needed. So what is left is the table, windows, trees and names, whatever was said.
 * Links: 100 cores with 100 links each, all proven and up, with their queues; measured when the first exchange is over.
 *
 * Usage: npm run bench:memory [-- --runs 5] [-- --json]; after a build.
 */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { writeHeapSnapshot } from 'node:v8'
import {
  Egress,
  encodeAuthor,
  encodeBatch,
  encodeHave,
  encodeHello,
  encodeLink,
  encodePayloads,
  FrameKind,
  Intake,
  LIMITS,
  makeAuthorRef,
  newIncarnation,
  ownHello,
  TopicCore
} from '../packages/gossip/dist/core.js'

const COUNT = 10_000
const WARM_UPS = 4
const START_MS = 1_760_000_000_000
const KEY = new Uint8Array(32).fill(42)
const STRAIGHT = { hops: 0, mark: false, repair: false, last: false }

/** Primitives that cost nothing and are always right: memory is measured, not cryptography. */
const CRYPTO = {
  hash: () => new Uint8Array(32),
  keyedHash: () => new Uint8Array(32),
  sign: () => new Uint8Array(64),
  verify: () => true,
  random: () => 0.5
}

const makeCore = () =>
  new TopicCore({
    topicKey: KEY,
    author: KEY,
    crypto: CRYPTO,
    limits: LIMITS,
    startMs: START_MS,
    verifies: { take: () => true } // all are heard within a second
  })

/** 32 bytes that differ by number. */
function keyOf(number) {
  const key = new Uint8Array(32).fill(7)
  new DataView(key.buffer).setUint32(0, number)
  return key
}

const bindingOf = number => ({
  handshakeHash: new Uint8Array(64).fill(number % 251),
  isInitiator: true,
  publicKey: KEY,
  remotePublicKey: keyOf(number)
})

/** Opens a link and says the remote's hello. Returns the effects. */
function open(core, link, binding, nowMs, intake = new Intake(LIMITS)) {
  const hello = encodeHello(
    ownHello(CRYPTO, KEY, {
      binding,
      roles: 7,
      features: 0,
      maxFrameBytes: 66_048,
      clockMs: nowMs,
      degree: 0
    })
  )
  return [
    ...core.step({ type: 'linkOpening', link, binding, outbound: link % 2 === 0, intake }, nowMs),
    ...core.step({ type: 'hello', link, bytes: hello }, nowMs)
  ]
}

/** Heap and everything outside of it that belongs to objects. */
function used() {
  for (let i = 0; i < 4; i++) globalThis.gc()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

/** Bytes per author, after `batches` of each. `jump`: leaves a hole that makes the window as wide as it gets. */
function measureAuthors({ batches, jump }) {
  // Compiled code isn't what is measured; some of it is made only in the fourth run.
  for (let run = 0; run < WARM_UPS; run++) hearAll(makeCore(), { authors: COUNT, batches, jump })
  const core = makeCore()
  const [before, after] = hearAll(core, { authors: COUNT, batches, jump })
  if (process.env.SNAPSHOT) writeHeapSnapshot(process.env.SNAPSHOT)
  if (core.sizes.authors !== COUNT) throw new Error(`${core.sizes.authors} authors are left`)
  return (after - before) / COUNT
}

/** Has the core hear the authors. Returns what was used before and afterwards. */
function hearAll(core, { authors, batches, jump }) {
  const links = 40
  for (let link = 1; link <= links; link++) open(core, link, bindingOf(link), START_MS)
  for (let link = 1; link <= 8; link++) {
    const bytes = encodeLink({ op: 'ask', high: false, backoffMs: 0, degree: 1 })
    core.step({ type: 'frame', link, kind: FrameKind.link, bytes }, START_MS)
  }
  const before = used()
  hear(core, { links, authors, batches, jump })
  if (core.sizes.authors !== authors) throw new Error(`${core.sizes.authors} authors are known`)
  // Their batches expire, nothing is told about them any more, and they stay for maxSkewMs.
  for (let ms = 0; ms < 8000; ms += 500) core.step({ type: 'tick' }, START_MS + 2000 + ms)
  if (core.sizes.cacheBatches !== 0) throw new Error('batches are cached still')
  return [before, used()]
}

/** Says what the authors say. */
function hear(core, { links, authors, batches, jump }) {
  const payloadBytes = encodePayloads([new Uint8Array(64), new Uint8Array(64)])
  for (let i = 0; i < authors; i++) {
    const ref = makeAuthorRef(
      keyOf(1_000_000 + i),
      newIncarnation(START_MS, () => 0.25)
    )
    const link = 1 + (i % links)
    const ix = Math.floor(i / links)
    core.step({ type: 'frame', link, kind: FrameKind.author, bytes: encodeAuthor(ix, ref) }, START_MS)
    for (let n = 0; n < batches; n++) {
      const seq0 = 2 * n + (jump && n === batches - 1 ? 900 : 0)
      const batch = {
        ref,
        seq0,
        count: 2,
        createdMs: START_MS + 100 * n,
        ttlSeconds: 1,
        class: 0,
        signature: new Uint8Array(64),
        head: new Uint8Array(0),
        payloadBytes,
        payloads: []
      }
      const bytes = encodeBatch(ix, batch, STRAIGHT)
      core.step({ type: 'frame', link, kind: FrameKind.batch, bytes }, START_MS + 1000 + Math.floor(i / 40))
    }
  }
}

/** Bytes per idle link. */
function measureLinks() {
  linkAll(COUNT / 100)
  const { bytes, up } = linkAll(COUNT / 100)
  if (up !== COUNT) throw new Error(`${up} links are up`)
  return bytes / COUNT
}

/** Makes so many cores with 100 links each. */
function linkAll(count) {
  const cores = Array.from({ length: count }, () => makeCore())
  const egresses = Array.from({ length: 100 }, () => new Egress(LIMITS))
  const intakes = egresses.map(() => new Intake(LIMITS))
  const bindings = Array.from({ length: 100 }, (_, i) => bindingOf(i + 1))
  const apply = effects => {
    for (const effect of effects) {
      if (effect.type === 'send') egresses[effect.link % 100].push(effect.link, effect.class, effect.frame)
    }
  }
  const before = used()
  const each = run => {
    for (const [at, core] of cores.entries())
      for (let i = 0; i < 100; i++) run(core, at * 100 + i, bindings[i])
  }
  each((core, link, binding) => {
    egresses[link % 100].openLink(link)
    apply(open(core, link, binding, START_MS, intakes[link % 100]))
  })
  for (let nowMs = START_MS; nowMs < START_MS + 5000; nowMs += 500) {
    for (const egress of egresses) {
      while (egress.take().length > 0) {}
      egress.signals()
    }
    const bytes = encodeHave('live', [], [])
    each((core, link) => apply(core.step({ type: 'frame', link, kind: FrameKind.have, bytes }, nowMs)))
  }
  const bytes = used() - before
  if (count * 100 === COUNT && process.env.SNAPSHOT) writeHeapSnapshot(process.env.SNAPSHOT)
  return { bytes, up: cores.reduce((sum, core) => sum + core.links().length, 0) }
}

const CASES = {
  'author, 4 batches': () => measureAuthors({ batches: 4, jump: false }),
  'author, 40 batches': () => measureAuthors({ batches: 40, jump: false }),
  'author, widest window': () => measureAuthors({ batches: 4, jump: true }),
  'idle link': () => measureLinks()
}

const argument = name => process.argv[process.argv.indexOf(name) + 1]
const median = values => values.sort((a, b) => a - b)[Math.floor(values.length / 2)]

function main() {
  const runs = process.argv.includes('--runs') ? Number(argument('--runs')) : 5
  const results = {}
  for (const name of Object.keys(CASES)) {
    const values = []
    for (let i = 0; i < runs; i++) {
      const script = fileURLToPath(import.meta.url)
      const child = spawnSync(process.execPath, ['--expose-gc', script, '--case', name], { encoding: 'utf8' })
      if (child.status !== 0) throw new Error(child.stderr)
      values.push(Number(child.stdout))
    }
    results[name] = {
      bytes: Math.round(median(values)),
      least: Math.round(values[0]),
      most: Math.round(values.at(-1))
    }
  }
  if (process.argv.includes('--json')) console.log(JSON.stringify(results))
  else console.table(results)
}

if (process.argv.includes('--case')) console.log(CASES[argument('--case')]())
else main()
