/**
 * F3, F4, F7: a revoke at random points of a 10,000-block download over three peers, on real streams and real storage.
 *
 * `npm run test:revoke` is the long version. `-- --runs=100 --seed=7` sets how many cuts, and where the random numbers begin; a
 * failing download names its seed. A run counts only if blocks were in flight to or from whoever revoked.
 */
import { type Feed, FeedSet } from '@hearsay/feeds'
import type NoiseSecretStream from '@hyperswarm/secret-stream'
import type { ExecutionContext } from 'ava'
import test from 'ava'
import b4a from 'b4a'
import Corestore from 'corestore'
import { channelsOf, type Witness, witnessOf } from './support/channels.js'
import { type Draw, drawFrom } from './support/draw.js'
import { connectionPair, makeStore, openSet, temporaryFolder, turns, within } from './support/sets.js'

const RUNS = argument('runs', 50)
const SEED = argument('seed', 1)
const BLOCKS = 10_000
/** Runs that share one download: each goes on where the one before was cut. */
const RUNS_PER_DOWNLOAD = 10
/** A download that doesn't come so far in so long is stuck. */
const STUCK_MS = 60_000
/** Who was refused asks again at once: also while the feed is revoked. */
const LIMITS = { refusedMs: 20, maxRefusedMs: 40, reopenMs: 20 }

type Bytes = Uint8Array

interface Link {
  to: Peer
  stream: NoiseSecretStream
}

interface Peer {
  name: string
  set: FeedSet<Bytes>
  witness: Witness
  links: Link[]
  close(): Promise<void>
}

interface World {
  author: Peer
  big: Feed<Bytes>
  other: Feed<Bytes>
}

interface Download extends World {
  readers: Peer[]
  draw: Draw
  /** How to run it again. */
  where: string
}

function argument(name: string, standard: number): number {
  const found = process.argv.find(word => word.startsWith(`--${name}=`))
  return found === undefined ? standard : Number(found.slice(name.length + 3))
}

async function makeReader(t: ExecutionContext, name: string, { big, other }: World): Promise<Peer> {
  const store = new Corestore(await temporaryFolder(t))
  const set = new FeedSet<Bytes>(store, { limits: LIMITS })
  for (const feed of [big, other]) await set.authorize(feed.key)
  const witness = await witnessOf(store, big.key)
  const close = async () => {
    await set.close()
    await store.close()
  }
  return { name, set, witness, links: [], close }
}

function link(t: ExecutionContext, one: Peer, two: Peer): void {
  const [left, right] = connectionPair(t)
  one.links.push({ to: two, stream: left })
  two.links.push({ to: one, stream: right })
  one.set.replicate(left)
  two.set.replicate(right)
}

/** Blocks that `reader` has asked `from` for, and that aren't here yet. */
function inFlight(reader: Peer, from: Peer): number {
  let count = 0
  for (const peer of reader.witness.core.peers) {
    const isFrom = reader.links.some(
      ({ to, stream }) => stream === peer.stream && (reader === from || to === from)
    )
    if (isFrom) count += peer.inflight
  }
  return count
}

/**
 * Resolves in the callback of a block of the download, `blocks` later or more, when others are in flight from `from`. With false,
 * if all are here.
 */
function untilCut(reader: Peer, from: Peer, blocks: number): Promise<boolean> {
  const { core } = reader.witness
  return new Promise(resolve => {
    let left = blocks
    const check = (): void => {
      const isWhole = core.contiguousLength >= BLOCKS
      if (!isWhole && (--left > 0 || inFlight(reader, from) === 0)) return
      core.off('download', check)
      resolve(!isWhole)
    }
    if (core.contiguousLength >= BLOCKS) resolve(false)
    else core.on('download', check)
  })
}

/** Who revokes, and whose download from or by it is cut. The last reader has nothing that others lack. */
function drawRoles({ author, readers, draw }: Download): { revoker: Peer; reader: Peer } {
  const [relay, last] = readers as [Peer, Peer]
  const revoker = draw.pick([author, relay, last])
  const takers = readers.filter(({ links }) => links.some(({ to }) => to === author))
  if (revoker === author) return { revoker, reader: draw.pick(takers) }
  return { revoker, reader: revoker === relay ? draw.pick([relay, last]) : last }
}

/** From the moment that a revoke resolved: nothing is served, taken or delivered by whoever revoked. */
async function nothingMore(t: ExecutionContext, download: Download, revoker: Peer): Promise<void> {
  const { author, readers, big, other, where } = download
  const { witness, set } = revoker
  witness.reset()
  let delivered = 0
  const count = (feed: Feed<Bytes>): void => {
    if (feed.id === big.id) delivered++
  }
  set.on('append', count)
  t.false(set.has(big.key), where)
  for (const { stream } of revoker.links) t.is(channelsOf(stream, big.discoveryKey), 0, `F7 ${where}`)
  for (const { set } of readers) {
    set
      .get(big.key)
      ?.get(BLOCKS - 1, { timeout: 1 })
      .catch(() => {})
  }
  if (revoker !== author) await big.append(b4a.from('more'))
  await turns(20)
  // Streams and other feeds live.
  const { length } = other
  await other.append(b4a.from(`${where} ${length}`))
  for (const { set } of readers) {
    const feed = set.get(other.key) as Feed<Bytes>
    t.is(b4a.toString(await feed.get(length, { timeout: STUCK_MS })), `${where} ${length}`)
  }
  for (const { stream } of revoker.links) t.false(stream.destroyed, where)
  t.deepEqual([witness.downloads, witness.uploads, delivered], [0, 0, 0], `F3 ${where}`)
  set.off('append', count)
}

/** @returns Was there still something to be cut? */
async function revokeOnce(t: ExecutionContext, download: Download, blocks: number): Promise<boolean> {
  const { author, big, where } = download
  const { revoker, reader } = drawRoles(download)
  const waiting = revoker === author ? null : revoker.set.get(big.key)?.get(2 * BLOCKS)
  const settled = waiting?.catch(fault => fault as { code?: string })
  const isCut = await within(untilCut(reader, revoker, blocks), STUCK_MS, `${blocks} blocks ${where}`)
  const flying = inFlight(reader, revoker)
  await revoker.set.revoke(big.key)
  if (isCut) t.true(flying > 0, `the fault hit ${where}`)
  if (settled) t.is(((await settled) as { code?: string }).code, 'ERR_FEEDS_NOT_AUTHORIZED', where)
  await nothingMore(t, download, revoker)
  await revoker.set.authorize(big.key)
  return isCut
}

/** One download that is cut several times. @returns How often. */
async function download(t: ExecutionContext, world: World, seed: number, runs: number): Promise<number> {
  const draw = drawFrom(seed)
  const readers = [await makeReader(t, 'relay', world), await makeReader(t, 'reader', world)] as const
  const [relay, reader] = readers
  world.author.links = []
  link(t, world.author, relay)
  link(t, relay, reader)
  if (draw.below(2) === 0) link(t, world.author, reader)
  let cuts = 0
  // The first one is anywhere, where each magnitude has its share; the others follow it closely.
  let most = Math.log10(BLOCKS)
  while (cuts < runs) {
    const blocks = Math.floor(10 ** (draw.below(most * 1_000) / 1_000))
    const where = `--seed=${seed} --runs=${runs}, cut ${cuts}`
    if (!(await revokeOnce(t, { ...world, readers: [...readers], draw, where }, blocks))) break
    cuts++
    most = 2
  }
  for (const { stream } of [...world.author.links, ...relay.links]) stream.destroy()
  await Promise.all(readers.map(peer => peer.close()))
  return cuts
}

test(`X20 after revoke() resolves no block is served, taken or delivered: ${RUNS} random points of a download`, async t => {
  t.timeout(RUNS * 30_000)
  const store = await makeStore(t)
  const set = await openSet<Bytes>(t, store, { limits: LIMITS })
  const big = await set.writer('big')
  const other = await set.writer('other')
  await big.append(Array.from({ length: BLOCKS }, (_, i) => b4a.from(`block ${i} ${'x'.repeat(60)}`)))
  const witness = await witnessOf(store, big.key)
  const author: Peer = { name: 'author', set, witness, links: [], close: async () => {} }
  let seed = SEED
  for (let runs = 0; runs < RUNS; seed++) {
    runs += await download(t, { author, big, other }, seed, Math.min(RUNS_PER_DOWNLOAD, RUNS - runs))
  }
  t.log(`${RUNS} cuts of ${seed - SEED} downloads`)
})
