/**
 * The fact log: codec, replay, torn tails, damage, full disks, kill -9.
 */
import { appendFile, mkdir, open, readFile, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { FeedsError } from '@hearsay/feeds'
import { LIMITS } from '@hearsay/feeds'
import type { Fact } from '@hearsay/feeds/core'
import { crc32c, decodeFact, encodeEntry, encodeFact, entryBytesAt, FactSet } from '@hearsay/feeds/core'
import type { ExecutionContext } from 'ava'
import test from 'ava'
import b4a from 'b4a'
import fc from 'fast-check'
import { FactLog } from '#feeds/node/fact-log'
import type { LogFile } from '#feeds/node/log-file'
import { makeSet, openSet, temporaryFolder } from './support/sets.js'

const SET_ID = b4a.alloc(32, 1)

function record(text: string): Fact {
  return { kind: 'record', record: b4a.from(text) }
}

async function openLog(path: string, options: { openFile?: (path: string) => Promise<LogFile> } = {}) {
  const facts: Fact[] = []
  const log = await FactLog.open({
    path,
    setId: SET_ID,
    limits: LIMITS,
    replay: fact => facts.push(fact),
    ...options
  })
  return { log, facts }
}

async function logWith(t: ExecutionContext, texts: string[]): Promise<string> {
  const path = join(await temporaryFolder(t), 'hearsay', 'facts.log')
  const { log } = await openLog(path)
  for (const text of texts) await log.append([record(text)])
  await log.close()
  return path
}

async function textsOf(path: string): Promise<string[]> {
  const { log, facts } = await openLog(path)
  await log.close()
  return facts.map(fact => (fact.kind === 'record' ? b4a.toString(fact.record) : fact.kind))
}

const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 })
const edgeInteger = fc.oneof(fc.constantFrom(0, 1, 252, 253, 65_535, 65_536, 2 ** 32, 2 ** 48), fc.nat())
const anyFact: fc.Arbitrary<Fact> = fc.oneof(
  fc.record({ kind: fc.constant('record' as const), record: fc.uint8Array({ maxLength: 300 }) }),
  fc.record({
    kind: fc.constant('authorize' as const),
    key: bytes32,
    version: edgeInteger,
    policy: fc.constantFrom(0 as const, 1 as const),
    evidence: fc.oneof(fc.constant(new Uint8Array(0)), bytes32)
  }),
  fc.record({
    kind: fc.constant('deny' as const),
    feedId: bytes32,
    version: edgeInteger,
    cutoff: fc.option(edgeInteger, { nil: null }),
    purge: fc.boolean()
  }),
  fc.record({
    kind: fc.constant('quarantine' as const),
    feedId: bytes32,
    fork: edgeInteger,
    length: edgeInteger,
    proof: fc.uint8Array({ maxLength: 40 })
  }),
  fc.record({
    kind: fc.constant('meta' as const),
    key: bytes32,
    origin: fc.uint8Array({ maxLength: 80 }),
    meta: fc.uint8Array({ maxLength: 100 })
  }),
  fc.constant({ kind: 'bulk-end' as const })
)

function plain(fact: Fact): object {
  return Object.fromEntries(
    Object.entries(fact).map(([name, value]) => [
      name,
      value instanceof Uint8Array ? b4a.toString(value, 'hex') : value
    ])
  )
}

test('crc32c is that of RFC 3720', t => {
  t.is(crc32c(b4a.from('123456789')), 0xe3069283)
  t.is(crc32c(b4a.alloc(32)), 0x8a9136aa)
  t.is(crc32c(b4a.alloc(32, 0xff)), 0x62a8ab43)
})

test('every fact is decoded as it was encoded, and mutated bytes never throw', t => {
  fc.assert(
    fc.property(anyFact, fc.nat(), fc.nat(255), (fact, at, value) => {
      const encoded = encodeFact(fact)
      const decoded = decodeFact(encoded)
      t.true(decoded.ok)
      if (decoded.ok) t.deepEqual(plain(decoded.value), plain(fact))
      const mutated = b4a.from(encoded)
      mutated[at % mutated.byteLength] = value
      decodeFact(mutated)
      decodeFact(mutated.subarray(0, at % mutated.byteLength))
    })
  )
})

test('what was appended is replayed in order, over several openings, in a file and folder that nobody else can read', async t => {
  const path = await logWith(t, ['a', 'b'])
  const { log } = await openLog(path)
  await Promise.all([log.append([record('c'), record('d')]), log.append([record('e')])])
  t.is(log.facts, 5)
  await log.close()
  t.deepEqual(await textsOf(path), ['a', 'b', 'c', 'd', 'e'])
  t.is((await stat(path)).mode & 0o777, 0o600)
  t.is((await stat(join(path, '..'))).mode & 0o777, 0o700)
  await t.throwsAsync(log.append([record('x')]), { code: 'ERR_FEEDS_CLOSED' })
})

test('facts that come while an entry is written share the next one: few syncs for many facts', async t => {
  const path = await logWith(t, [])
  let syncs = 0
  const { log } = await openLog(path, {
    openFile: async file => faulty(file, { onsync: () => void syncs++ })
  })
  await Promise.all(Array.from({ length: 1_000 }, (_, i) => log.append([record(`${i}`)])))
  await log.close()
  t.is(syncs, 4)
  t.is((await textsOf(path)).length, 1_000)
})

test('a log that is cut at any offset gives a prefix of its facts or an error, and goes on from there', async t => {
  const texts = ['first', 'second', 'third', 'x'.repeat(300), 'last']
  const path = await logWith(t, texts)
  const whole = await readFile(path)
  let errors = 0
  let prefixes = 0
  for (let length = 0; length < whole.byteLength; length++) {
    await writeFile(path, whole.subarray(0, length))
    try {
      const found = await textsOf(path)
      t.deepEqual(found, texts.slice(0, found.length), `cut at ${length}`)
      prefixes++
      const { log } = await openLog(path)
      await log.append([record('more')])
      await log.close()
      t.deepEqual(await textsOf(path), [...found, 'more'])
    } catch (fault) {
      t.is((fault as FeedsError).code, 'ERR_FEEDS_LOG_DAMAGED')
      errors++
    }
  }
  t.is(errors, 44) // the header, which is made whole or not at all
  t.is(prefixes, whole.byteLength - 44)
})

test('a torn tail or zeros behind the last entry are cut off', async t => {
  const path = await logWith(t, ['a', 'b'])
  const { size } = await stat(path)
  const torn = encodeEntry(2, [encodeFact(record('torn'))])
  for (const tail of [
    torn.subarray(0, torn.byteLength - 1),
    b4a.alloc(4_096),
    b4a.from([255, 255, 255, 255, 1])
  ]) {
    await appendFile(path, tail)
    t.deepEqual(await textsOf(path), ['a', 'b'])
    t.is((await stat(path)).size, size)
  }
})

test('damage in the middle is an error with the offset, at every byte of the first entry, and nothing is replayed', async t => {
  const path = await logWith(t, ['first', 'second'])
  const whole = await readFile(path)
  const end = 44 + entryBytesAt(whole, 44, LIMITS.maxEntryBytes)
  t.true(end > 60)
  for (let at = 44; at < end; at++) {
    const damaged = b4a.from(whole)
    damaged[at] = (damaged[at] as number) ^ 0x10
    await writeFile(path, damaged)
    const facts: Fact[] = []
    const options = { path, setId: SET_ID, limits: LIMITS, replay: (fact: Fact) => void facts.push(fact) }
    const error = (await t.throwsAsync(FactLog.open(options), {
      code: 'ERR_FEEDS_LOG_DAMAGED'
    })) as FeedsError
    t.is(error.offset, 44)
    t.is(facts.length, 0)
  }
  t.deepEqual((await readFile(path)).byteLength, whole.byteLength)
})

test('an entry that is missing in the middle, or comes twice, is damage', async t => {
  const path = await logWith(t, ['a', 'b', 'c'])
  const whole = await readFile(path)
  const first = entryBytesAt(whole, 44, LIMITS.maxEntryBytes)
  await writeFile(path, b4a.concat([whole.subarray(0, 44), whole.subarray(44 + first)]))
  await t.throwsAsync(textsOf(path), { code: 'ERR_FEEDS_LOG_DAMAGED' })
  await writeFile(path, b4a.concat([whole, whole.subarray(44, 44 + first)]))
  await t.throwsAsync(textsOf(path), { code: 'ERR_FEEDS_LOG_DAMAGED' })
})

test('a log of another set, and one with a broken header, open nothing', async t => {
  const path = await logWith(t, ['a'])
  const options = { path, setId: b4a.alloc(32, 2), limits: LIMITS, replay: () => t.fail() }
  await t.throwsAsync(FactLog.open(options), { code: 'ERR_FEEDS_LOG_FOREIGN' })
  const whole = await readFile(path)
  whole[9] = (whole[9] as number) ^ 1
  await writeFile(path, whole)
  const error = await t.throwsAsync(textsOf(path), { code: 'ERR_FEEDS_LOG_DAMAGED' })
  t.is((error as FeedsError).offset, 0)
})

/** The real file with faults in between. */
async function faulty(
  path: string,
  faults: { onwrite?(bytes: Uint8Array): void; onsync?(): void; ontruncate?(): void }
): Promise<LogFile> {
  const file = await open(path, 'r+')
  return {
    async write(bytes, position) {
      try {
        faults.onwrite?.(bytes)
      } catch (fault) {
        await file.write(bytes, 0, bytes.byteLength >> 1, position) // a full disk takes a piece
        throw fault
      }
      await file.write(bytes, 0, bytes.byteLength, position)
    },
    async sync() {
      faults.onsync?.()
      await file.datasync()
    },
    async truncate(length) {
      faults.ontruncate?.()
      await file.truncate(length)
    },
    close: () => file.close()
  }
}

test('a write that fails rejects and changes nothing; the log goes on when there is room again', async t => {
  const path = await logWith(t, ['a'])
  let isFull = true
  let hits = 0
  const onwrite = () => {
    if (!isFull) return
    hits++
    throw Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' })
  }
  const { log } = await openLog(path, { openFile: file => faulty(file, { onwrite }) })
  const error = await t.throwsAsync(log.append([record('lost')]), { code: 'ERR_FEEDS_STORAGE' })
  t.true(error?.message.includes('ENOSPC'))
  t.is(hits, 1)
  isFull = false
  await log.append([record('b')])
  await log.close()
  t.deepEqual(await textsOf(path), ['a', 'b'])
})

test('a log whose failed write could not be taken back is given up: everything later rejects, nothing false is replayed', async t => {
  const path = await logWith(t, ['a'])
  let isBroken = false
  const fail = () => {
    if (isBroken) throw new Error('EIO')
  }
  const { log } = await openLog(path, { openFile: file => faulty(file, { onwrite: fail, ontruncate: fail }) })
  isBroken = true
  await t.throwsAsync(log.append([record('lost')]), { code: 'ERR_FEEDS_STORAGE' })
  isBroken = false
  await t.throwsAsync(log.append([record('later')]), { code: 'ERR_FEEDS_STORAGE' })
  await log.close()
  t.deepEqual(await textsOf(path), ['a'])
})

test('on a full disk an authorize rejects and changes nothing, and a revoke holds for this process', async t => {
  let isFull = false
  const onwrite = () => {
    if (isFull) throw new Error('ENOSPC')
  }
  const set = await makeSet(t, {}, { openFile: path => faulty(path, { onwrite }) })
  const [known, fresh] = [b4a.alloc(32, 1), b4a.alloc(32, 2)]
  await set.authorize(known)
  isFull = true
  await t.throwsAsync(set.authorize(fresh), { code: 'ERR_FEEDS_STORAGE' })
  t.false(set.has(fresh))
  await t.throwsAsync(set.revoke(known), { code: 'ERR_FEEDS_STORAGE' })
  t.false(set.has(known))
  isFull = false
  await set.authorize(fresh)
  t.true(set.has(fresh))
})

test('an open folder without the right to write is ERR_FEEDS_STORAGE, and so is a device file of the wrong size', async t => {
  const folder = await temporaryFolder(t)
  const set = await openSet(t, folder)
  await set.close()
  await truncate(join(folder, 'hearsay', 'device'), 3)
  await t.throwsAsync(openSet(t, folder), { code: 'ERR_FEEDS_STORAGE' })
  const file = join(await temporaryFolder(t), 'file')
  await writeFile(file, 'x')
  await t.throwsAsync(openSet(t, file), { code: 'ERR_FEEDS_STORAGE' })
})

test('a hearsay folder that Corestore moved away is told, instead of starting with an empty set', async t => {
  const folder = await temporaryFolder(t)
  const set = await openSet(t, folder)
  await set.close()
  await mkdir(join(folder, 'db', 'hearsay'))
  await t.throwsAsync(openSet(t, folder), { code: 'ERR_FEEDS_STORAGE' })
})

/** Facts about a few feeds, so that they meet. */
const factOfFew = fc.oneof(
  fc.record({
    kind: fc.constant('authorize' as const),
    feed: fc.nat(2),
    version: fc.nat(4),
    policy: fc.constantFrom(0 as const, 1 as const),
    evidence: fc.constantFrom(new Uint8Array(0), new Uint8Array(32), new Uint8Array(32).fill(9))
  }),
  fc.record({
    kind: fc.constant('deny' as const),
    feed: fc.nat(2),
    version: fc.nat(4),
    cutoff: fc.option(fc.nat(6), { nil: null }),
    purge: fc.boolean()
  }),
  fc.record({ kind: fc.constant('quarantine' as const), feed: fc.nat(2) })
)
type FactOfFew = typeof factOfFew extends fc.Arbitrary<infer V> ? V : never

function merge(facts: readonly FactOfFew[]): FactSet {
  const set = new FactSet()
  for (const fact of facts) {
    const id = b4a.alloc(32, fact.feed)
    const proof = new Uint8Array(0)
    if (fact.kind === 'authorize') set.authorize(id, { ...fact, key: b4a.alloc(32, 100 + fact.feed) })
    else if (fact.kind === 'deny') set.deny({ ...fact, feedId: id })
    else set.quarantine({ kind: 'quarantine', feedId: id, fork: 0, length: 0, proof })
  }
  return set
}

test('PF2, PF3: equal facts give equal sets in any order and with repetitions, and no denied feed is authorized', t => {
  const cases = fc
    .array(factOfFew, { maxLength: 9 })
    .chain(facts =>
      fc.tuple(fc.constant(facts), fc.shuffledSubarray([...facts, ...facts], { minLength: facts.length * 2 }))
    )
  fc.assert(
    fc.property(cases, ([facts, shuffled]) => {
      const one = merge(facts)
      t.deepEqual(merge(shuffled).dump(), one.dump())
      for (const feed of [0, 1, 2]) {
        const id = b4a.alloc(32, feed)
        const of = (kind: string) => facts.filter(fact => fact.kind === kind && fact.feed === feed)
        const versions = (kind: 'authorize' | 'deny') =>
          of(kind).map(fact => (fact.kind === 'quarantine' ? 0 : fact.version))
        const isAllowed = Math.max(-1, ...versions('authorize')) > Math.max(-1, ...versions('deny'))
        t.is(one.isAuthorized(id), isAllowed && of('quarantine').length === 0)
        const lifted = Math.max(-1, ...versions('authorize'))
        const cutoffs = of('deny').flatMap(fact =>
          fact.kind === 'deny' && fact.cutoff !== null && fact.version >= lifted ? [fact.cutoff] : []
        )
        // A purge is a cutoff at 0.
        const isPurged = of('deny').some(fact => fact.kind === 'deny' && fact.purge && fact.version >= lifted)
        if (isPurged) cutoffs.push(0)
        t.is(one.cutoff(id), cutoffs.length === 0 ? null : Math.min(...cutoffs))
      }
    }),
    { numRuns: 1_000 }
  )
})

test('PF4: the rows in memory are the feeds and tombstones, however often facts come', t => {
  const set = new FactSet()
  for (let i = 0; i < 1_000; i++) {
    const id = b4a.alloc(32, i % 10)
    set.authorize(id, { kind: 'authorize', key: id, version: i, policy: 0, evidence: new Uint8Array(0) })
    set.deny({ kind: 'deny', feedId: id, version: i, cutoff: i, purge: false })
  }
  t.is(set.rows, 10)
  t.is(set.size, 0)
  t.true(set.dump().every(([, row]) => row.cutoffs.length <= 1))
})

test('PF1, PF2: whatever was acknowledged is the set after a restart, over random calls', async t => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.constantFrom('authorize', 'revoke', 'restart'), fc.nat(2)), { maxLength: 8 }),
      async steps => {
        const folder = await temporaryFolder(t)
        let set = await openSet(t, folder)
        const expected = new Set<number>()
        for (const [step, feed] of steps) {
          const key = b4a.alloc(32, feed)
          if (step === 'authorize') {
            await set.authorize(key)
            expected.add(feed)
          } else if (step === 'revoke') {
            t.is(await set.revoke(key), expected.delete(feed))
          } else {
            await set.close()
            set = await openSet(t, folder)
          }
          t.deepEqual(
            [0, 1, 2].filter(n => set.has(b4a.alloc(32, n))),
            [...expected].sort()
          )
        }
        await set.close()
      }
    ),
    { numRuns: 15 }
  )
})
