/**
 * F9 A writer never signs two trees for one length: storage folders that are set back, in many ways, with peers that remember.
 *
 * `ROLLBACK_RUNS` sets how many runs, `ROLLBACK_SEED` the first seed; a failing run names its seed.
 */
import { rm } from 'node:fs/promises'
import type { Feed, FeedSet, FeedsError } from '@hearsay/feeds'
import type { ExecutionContext } from 'ava'
import test from 'ava'
import b4a from 'b4a'
import { drawFrom } from './support/draw.js'
import { makeSet, openSet, temporaryFolder, until } from './support/sets.js'
import { connect, FAST, recordsOf, snapshot, textsOf } from './support/writers.js'

const RUNS = Number(process.env.ROLLBACK_RUNS ?? 20)
const SEED = Number(process.env.ROLLBACK_SEED ?? 1)
const LIMITS = { ...FAST, settleMs: 60, replicaMs: 250 }

type Set = FeedSet<Uint8Array>

/** Appends to the writer of this name, and to its successor if it is given up. */
async function appendPatiently(set: Set, text: string): Promise<void> {
  const writer = await set.writer('log')
  try {
    await writer.append(b4a.from(text), { wait: true })
  } catch (fault) {
    if ((fault as FeedsError).code !== 'ERR_FEEDS_ROTATED') throw fault
    await (await set.writer('log')).append(b4a.from(text), { wait: true })
  }
}

/** Connects all with all, and waits until everybody has what anybody has, or found a fork. */
async function meet(t: ExecutionContext, sets: Set[]): Promise<void> {
  for (const [i, one] of sets.entries()) for (const two of sets.slice(i + 1)) connect(t, one, two)
  const keys = (sets[0] as Set).keys()
  const lengthsOf = (key: Uint8Array) => sets.map(set => set.get(key)?.contiguousLength ?? -1)
  await until(
    () =>
      sets.some(set => set.forks().length > 0) ||
      keys.every(key => new Set(lengthsOf(key)).size === 1 && lengthsOf(key)[0] !== -1)
  )
}

interface Run {
  isGateOff?: boolean
  /** Default: drawn. */
  part?: 'store' | 'folder' | 'record'
  connectsBefore?: boolean
}

/** One life of a writer that is set back. @returns What anybody found, blocks lost by the fault, and how it went on. */
async function live(
  t: ExecutionContext,
  seed: number,
  run: Run = {}
): Promise<{ forks: number; lost: number; isGivenUp: boolean }> {
  const draw = drawFrom(seed)
  const folder = await temporaryFolder(t)
  const part = run.part ?? draw.pick(['store', 'store', 'folder', 'record'] as const)
  const gate = part === 'folder' ? 'always' : 'auto'
  const peers: Set[] = []
  for (let i = draw.between(1, 3); i > 0; i--) peers.push(await makeSet(t))
  const open = () => openSet(t, folder, { limits: LIMITS, gate }, { isGateOff: run.isGateOff ?? false })
  const write = async (name: string, count: number, readers: Set[]) => {
    const set = await open()
    for (let i = 0; i < count; i++) await appendPatiently(set, `${name} ${i}`)
    const { key } = await set.writer('log')
    const disconnect = readers.map(reader => connect(t, set, reader))
    for (const reader of readers) {
      const feed = await reader.authorize(key)
      await until(() => feed.contiguousLength === set.get(key)?.length, { what: `seed ${seed}: ${name}` })
    }
    for (const end of disconnect) end()
    await set.close()
    return key
  }

  await write('first', draw.between(1, 12), draw.some(peers))
  const setBack = await snapshot(t, folder, part === 'folder')
  const lost = draw.between(1, 12)
  const key = await write('lost here', lost, draw.some(peers, 1))
  await setBack()
  if (part === 'record') for (const record of await recordsOf(folder)) await rm(record)

  const set = await open()
  // What only peers can tell is told by them.
  const present = run.connectsBefore === false ? [] : part === 'folder' ? peers : draw.some(peers)
  for (const peer of peers) await peer.authorize(key)
  for (const peer of present) connect(t, set, peer)
  await appendPatiently(set, 'after')
  for (const rotation of set.rotations()) for (const peer of peers) await peer.authorize(rotation.to)
  await meet(t, [set, ...peers])
  const forks = [set, ...peers].reduce((sum, one) => sum + one.forks().length, 0)
  if (forks === 0) {
    const current = (await set.writer('log')).key
    const texts = await Promise.all(peers.map(peer => textsOf(peer.get(current) as Feed<Uint8Array>)))
    for (const found of texts) t.is(found.at(-1), 'after', `seed ${seed}`)
    for (const peer of peers) {
      const old = await textsOf(peer.get(key) as Feed<Uint8Array>)
      t.true(old.includes(`lost here ${lost - 1}`), `seed ${seed}: what peers had is still there`)
    }
  }
  const isGivenUp = set.rotations().length > 0
  for (const one of [set, ...peers]) await one.close()
  return { forks, lost, isGivenUp }
}

test(`a writer that was set back catches up or is given up: no fork in ${RUNS} runs`, async t => {
  t.timeout(RUNS * 20_000)
  let lost = 0
  let givenUp = 0
  for (let seed = SEED; seed < SEED + RUNS; seed++) {
    const result = await live(t, seed)
    t.is(result.forks, 0, `ROLLBACK_SEED=${seed} ROLLBACK_RUNS=1`)
    lost += result.lost
    givenUp += Number(result.isGivenUp)
  }
  t.true(lost >= RUNS, 'the fault hit in every run')
  t.log(`${RUNS - givenUp} caught up, ${givenUp} went on as a successor`)
  if (RUNS >= 20) t.true(givenUp > 0 && givenUp < RUNS, 'both ways out were taken')
})

test('planted: without the gate the same life ends in a fork that peers find', async t => {
  const { forks } = await live(t, 1, { isGateOff: true, part: 'store', connectsBefore: false })
  t.true(forks > 0)
})
