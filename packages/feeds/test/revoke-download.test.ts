/**
 * F3, F4, F7: a revoke at random points of a 10,000-block download over three peers, on real streams and real storage.
 *
 * `REVOKE_RUNS` sets how many runs, `REVOKE_SEED` the first seed; a failing run names its seed.
 */
import { type Feed, FeedSet } from '@hearsay/feeds'
import type NoiseSecretStream from '@hyperswarm/secret-stream'
import type { ExecutionContext } from 'ava'
import test from 'ava'
import b4a from 'b4a'
import Corestore from 'corestore'
import { channelsOf, type Witness, witnessOf } from './support/channels.js'
import { type Draw, drawFrom } from './support/draw.js'
import { connectionPair, makeStore, openSet, temporaryFolder, turns } from './support/sets.js'

const RUNS = Number(process.env.REVOKE_RUNS ?? 50)
const SEED = Number(process.env.REVOKE_SEED ?? 1)
const BLOCKS = 10_000

type Set = FeedSet<Uint8Array>

interface Peer {
  name: string
  set: Set
  store: Corestore
  witness: Witness
  streams: NoiseSecretStream[]
  close(): Promise<void>
}

/** Points of a download: most are early, where most happens, but each magnitude has its share. */
function drawPoint(draw: Draw): number {
  return Math.min(BLOCKS - 1, Math.floor(10 ** (draw.below(4_000) / 1_000)))
}

async function makePeer(name: string, folder: string, key: Uint8Array): Promise<Peer> {
  const store = new Corestore(folder)
  const set = new FeedSet<Uint8Array>(store)
  await set.ready()
  const witness = await witnessOf(store, key)
  const close = async () => {
    await set.close()
    await store.close()
  }
  return { name, set, store, witness, streams: [], close }
}

function link(t: ExecutionContext, one: Peer, two: Peer): void {
  const [left, right] = connectionPair(t)
  one.set.replicate(left)
  two.set.replicate(right)
  one.streams.push(left)
  two.streams.push(right)
}

/** Resolves right behind this block of the download, in whichever of its callbacks that is. */
function untilBlock(readers: readonly Peer[], point: number): Promise<void> {
  return new Promise(resolve => {
    const check = (): void => {
      if (readers.reduce((sum, { witness }) => sum + witness.downloads, 0) >= point) resolve()
    }
    for (const { witness } of readers) witness.core.on('download', check)
  })
}

interface World {
  author: Peer
  big: Feed<Uint8Array>
  other: Feed<Uint8Array>
}

/** @returns Was the download cut in the middle? */
async function revokeOnce(
  t: ExecutionContext,
  { author, big, other }: World,
  seed: number
): Promise<boolean> {
  const draw = drawFrom(seed)
  const where = `REVOKE_SEED=${seed} REVOKE_RUNS=1`
  const readers = [
    await makePeer('relay', await temporaryFolder(t), big.key),
    await makePeer('reader', await temporaryFolder(t), big.key)
  ] as const
  const [relay, reader] = readers
  author.streams = []
  for (const { set } of readers) {
    await set.authorize(big.key)
    await set.authorize(other.key)
  }
  link(t, author, relay)
  link(t, relay, reader)
  if (draw.below(2) === 0) link(t, author, reader)

  const [point, revoker] = [drawPoint(draw), draw.pick([author, relay, reader])]
  const waiting = relay.set.get(big.key)?.get(2 * BLOCKS)
  const settled = waiting?.catch(fault => fault)
  await untilBlock(readers, point)
  await revoker.set.revoke(big.key)

  // From here on: nothing is served, taken or delivered by whoever revoked.
  revoker.witness.reset()
  let delivered = 0
  revoker.set.on('append', feed => {
    if (feed.id === big.id) delivered++
  })
  for (const stream of revoker.streams) t.is(channelsOf(stream, big.discoveryKey), 0, `F7 ${where}`)
  const isWhole = readers.every(({ witness }) => witness.core.contiguousLength === BLOCKS)
  for (const peer of [author, ...readers]) {
    if (peer !== revoker && peer !== author)
      void peer.set
        .get(big.key)
        ?.get(BLOCKS - 1, { timeout: 1 })
        .catch(() => {})
  }
  if (revoker !== author) await big.append(b4a.from('more'))
  await turns(20)
  t.deepEqual([revoker.witness.downloads, revoker.witness.uploads, delivered], [0, 0, 0], `F3 ${where}`)
  t.false(revoker.set.has(big.key))
  if (revoker === relay) t.is(((await settled) as { code?: string }).code, 'ERR_FEEDS_NOT_AUTHORIZED')

  // Streams and other feeds live.
  for (const stream of revoker.streams) t.false(stream.destroyed, where)
  const { length } = other
  await other.append(b4a.from(`run ${seed}`))
  for (const { set } of readers) {
    const feed = set.get(other.key) as Feed<Uint8Array>
    t.is(b4a.toString(await feed.get(length)), `run ${seed}`, where)
  }
  t.deepEqual([revoker.witness.downloads, revoker.witness.uploads], [0, 0], `F3 ${where}`)
  await Promise.all(readers.map(peer => peer.close()))
  for (const stream of author.streams) stream.destroy()
  if (revoker === author) await author.set.authorize(big.key)
  return !isWhole
}

test(`after revoke() resolves no block is served, taken or delivered: ${RUNS} random points of a download`, async t => {
  t.timeout(RUNS * 30_000)
  const store = await makeStore(t)
  const set = await openSet<Uint8Array>(t, store)
  const big = await set.writer('big')
  const other = await set.writer('other')
  await big.append(Array.from({ length: BLOCKS }, (_, i) => b4a.from(`block ${i} ${'x'.repeat(60)}`)))
  const witness = await witnessOf(store, big.key)
  const author: Peer = { name: 'author', set, store, witness, streams: [], close: async () => {} }
  let cut = 0
  for (let seed = SEED; seed < SEED + RUNS; seed++) {
    cut += Number(await revokeOnce(t, { author, big, other }, seed))
  }
  t.true(cut >= RUNS * 0.8, `only ${cut} of ${RUNS} hit a running download`)
})
