/**
 * Cost follows what moves: feeds are opened when they are used, closed when they rest, and bounded in between.
 */
import type { Feed, FeedSet } from '@hearsay/feeds'
import type { ExecutionContext } from 'ava'
import test from 'ava'
import b4a from 'b4a'
import type Corestore from 'corestore'
import { openingSlots } from '#feeds/node/opening-slots'
import { channelsOf } from './support/channels.js'
import { drawFrom } from './support/draw.js'
import { connectionPair, holds, makeSet, makeStore, openSet, turns, until, within } from './support/sets.js'

type Bytes = Uint8Array

interface Side {
  store: Corestore
  set: FeedSet<Bytes>
  /** Cores that the store has open now. */
  open(): number
}

async function makeSide(t: ExecutionContext, options: Parameters<typeof openSet>[2] = {}): Promise<Side> {
  const store = await makeStore(t)
  const set = await openSet<Bytes>(t, store, options)
  // biome-ignore lint/suspicious/noExplicitAny: what Corestore itself counts
  return { store, set, open: () => (store as any).cores.size }
}

/** An author with so many feeds of one block each, which it holds no session of. */
async function makeAuthor(t: ExecutionContext, feeds: number, options: Parameters<typeof openSet>[2] = {}) {
  const author = await makeSide(t, options)
  const keys: Bytes[] = []
  for (let i = 0; i < feeds; i++) {
    const writer = await author.set.writer(`w${i}`)
    await writer.append(b4a.from(`${i}`))
    keys.push(writer.key)
    await writer.close()
  }
  return { ...author, keys }
}

test('feeds that nobody uses are not open: at the start, in the lists, and as objects', async t => {
  const { set, open } = await makeSide(t)
  const keys = Array.from({ length: 50 }, (_, i) => b4a.alloc(32, i + 1))
  for (const key of keys) await set.authorize(key)
  const held = [...set]
  t.is(held.length, 50)
  t.is(set.progress().length, 50)
  for (const [i, feed] of held.entries()) {
    t.deepEqual([feed.key, feed.length, feed.contiguousLength, feed.fork], [keys[i], 0, 0, 0])
    t.is(set.get(feed.id), feed)
  }
  for await (const _ of set.entries()) t.fail()
  t.is(open(), 0)
  await held[7]?.ready()
  t.is(open(), 1)
})

test('a feed that the application used is closed when it lets go of it, also long after others were closed', async t => {
  const { set, open, keys } = await makeAuthor(t, 3, { limits: { lingerMs: 20 } })
  const [used, parent, brief] = keys.map(key => set.get(key)) as [Feed<Bytes>, Feed<Bytes>, Feed<Bytes>]
  const session = parent.session()
  for (const feed of [used, session, brief]) await feed.ready()
  t.is(open(), 3)
  await parent.close()
  await brief.close()
  await until(() => open() === 2, { what: 'the one that was let go of is closed' })
  await used.close()
  await until(() => open() === 1, { ms: 3_000, what: 'closed after its session' })
  await session.close()
  await until(() => open() === 0, { ms: 3_000, what: 'closed after a session that was made from another' })
})

test('close() waits until what came is written, which Hypercore would go on with in a closed storage; but not for ever', async t => {
  for (const isEndless of [false, true]) {
    const { set, store, keys } = await makeAuthor(t, 1, { limits: { goodbyeMs: isEndless ? 50 : 5_000 } })
    const [key] = keys as [Bytes]
    await set.get(key)?.ready()
    const core = store.get({ key })
    await core.ready()
    const { mutex } = core.core.state
    await mutex.lock()
    let isClosed = false
    const closing = set.close().then(() => {
      isClosed = true
    })
    if (isEndless) await t.notThrowsAsync(within(closing, 5_000, 'close()'))
    else await t.notThrowsAsync(holds(() => !isClosed, 200))
    mutex.unlock()
    await closing
    await core.close()
  }
})

test('of many feeds between two peers only those are opened that somebody wants', async t => {
  const author = await makeAuthor(t, 40, { maxOpen: 4, limits: { lingerMs: 30 } })
  const reader = await makeSide(t)
  for (const key of author.keys) await reader.set.authorize(key, undefined, { download: 'sparse' })
  await until(() => author.open() === 0, { what: 'the author has closed its feeds' })
  const [left, right] = connectionPair(t)
  author.set.replicate(left)
  reader.set.replicate(right)
  for (const i of [3, 30]) {
    const feed = reader.set.get(author.keys[i] as Bytes) as Feed<Bytes>
    t.is(b4a.toString(await feed.get(0, { timeout: 5_000 })), `${i}`)
  }
  t.is(reader.open(), 2)
  t.deepEqual([channelsOf(left), channelsOf(right)], [2, 2])
})

test('maxOpen bounds what peers open, and everything arrives all the same', async t => {
  const author = await makeAuthor(t, 40, { maxOpen: 5, limits: { lingerMs: 20, restMs: 20 } })
  const reader = await makeSide(t, { maxOpen: 4, limits: { lingerMs: 20, restMs: 20 } })
  for (const key of author.keys) await reader.set.authorize(key)
  await until(() => author.open() <= 5)
  const highest = [0, 0]
  const look = setInterval(() => {
    for (const [i, side] of [author, reader].entries())
      highest[i] = Math.max(highest[i] as number, side.open())
  }, 1)
  t.teardown(() => clearInterval(look))
  const [left, right] = connectionPair(t)
  author.set.replicate(left)
  reader.set.replicate(right)
  await until(() => reader.set.progress().every(({ complete }) => complete === 1), { ms: 30_000 })
  t.log('most open at once', highest)
  // A feed that is being closed counts until it is closed.
  t.true((highest[0] as number) <= 10 && (highest[1] as number) <= 8, `${highest}`)
  for (const [i, key] of author.keys.entries()) {
    const feed = reader.set.get(key) as Feed<Bytes>
    t.is(b4a.toString((await feed.get(0, { wait: false })) as Bytes), `${i}`)
  }
})

test('what the application uses is opened above maxOpen, and is never closed under it', async t => {
  const { set, open } = await makeAuthor(t, 12, { maxOpen: 3, limits: { lingerMs: 10 } })
  const held = await Promise.all(
    [...set].map(async feed => {
      const session = feed.session()
      await session.ready()
      return session
    })
  )
  await holds(() => open() === 12, 100)
  for (const [i, session] of held.entries()) t.is(b4a.toString(await session.get(0)), `${i}`)
  for (const session of held) t.false(session.closed)
})

test('a session sleeps when its feed is closed, is the same object when it wakes, and hears what happens all the time', async t => {
  const { set, keys, open } = await makeAuthor(t, 6, { maxOpen: 1, limits: { lingerMs: 10 } })
  const [first, ...others] = keys.map(key => set.get(key) as Feed<Bytes>) as [Feed<Bytes>, ...Feed<Bytes>[]]
  const heard: number[] = []
  first.on('append', () => heard.push(first.length))
  for (let round = 0; round < 3; round++) {
    for (const other of others)
      t.is(b4a.toString(await other.get(0)), `${keys.findIndex(key => b4a.equals(key, other.key))}`)
    await until(() => open() <= 2, { what: 'the others sleep' })
    t.is(set.get(first.id), first)
    t.is(first.length, round + 1)
    t.false(first.closed)
    await first.append(b4a.from(`round ${round}`))
    t.is(b4a.toString(await first.get(round + 1)), `round ${round}`)
  }
  t.deepEqual(heard, [2, 3, 4])
  await first.close()
  t.true(first.closed)
  t.not(set.get(first.id), first)
})

test('a sleeping session that is closed, and one whose set is closed, end as open ones do', async t => {
  const set = await makeSet<Bytes>(t)
  const [one, two] = [await set.authorize(b4a.alloc(32, 1)), await set.authorize(b4a.alloc(32, 2))]
  let closed = 0
  for (const feed of [one, two]) feed.once('close', () => closed++)
  await one.close()
  await one.close()
  t.true(one.closed)
  await t.throwsAsync(one.get(0), { code: 'SESSION_CLOSED' })
  await set.close()
  t.true(two.closed)
  await t.throwsAsync(two.get(0))
  t.is(closed, 2)
})

test('sessions wake, sleep and close in any order, without leaving anything of them in Hypercore', async t => {
  const { set, keys, store, open } = await makeAuthor(t, 5, { maxOpen: 1, limits: { lingerMs: 1 } })
  const draw = drawFrom(5)
  for (let step = 0; step < 150; step++) {
    const feed = set.get(draw.pick(keys)) as Feed<Bytes>
    const act = draw.below(6)
    if (act === 0) await feed.close()
    else if (act === 1) void feed.get(0).catch(() => {})
    else if (act === 2) void feed.ready().catch(() => {})
    else if (act === 3) {
      const session = feed.session()
      if (draw.below(2) === 0) await session.ready()
      await session.close()
    } else if (act === 4) void feed.get(99, { timeout: 5 }).catch(() => {})
    else await turns(draw.below(4))
  }
  await turns(10)
  for (const key of keys) {
    const feed = set.get(key) as Feed<Bytes>
    t.is(b4a.toString(await feed.get(0)).length, 1)
    await feed.close()
  }
  await until(() => open() <= 2, { ms: 15_000, what: 'all are closed' })
  for (const key of keys) {
    const session = store.get({ key, active: false })
    await session.ready()
    const { core } = session
    // Ours, and at most the one that the table keeps for a while.
    t.true(
      core.activeSessions <= 2 && core.monitors.length <= 2,
      `${core.activeSessions} ${core.monitors.length}`
    )
    t.true(core.replicator.activeSessions <= 1)
    await session.close()
  }
})

test('an idle feed is closed on a connection whose protocol tells lengths, and opened again when there is news', async t => {
  const limits = { idleMs: 40, lingerMs: 20, restMs: 20 }
  const author = await makeAuthor(t, 2, { limits })
  const reader = await makeSide(t, { limits })
  const [left, right] = connectionPair(t)
  const ours = author.set.replicate(left, { manual: true })
  const theirs = reader.set.replicate(right, { manual: true })
  for (const key of author.keys) {
    await reader.set.authorize(key)
    await ours.grant(key)
    await theirs.grant(key)
    theirs.wanted(key, 1)
  }
  await until(() => reader.set.progress().every(({ complete }) => complete === 1))
  await until(() => channelsOf(left) === 0 && channelsOf(right) === 0, { what: 'closed when idle' })
  await until(() => ours.replicating.size + theirs.replicating.size === 0)
  await until(() => reader.open() <= 2)
  const [key] = author.keys as [Bytes]
  await author.set.get(key)?.append(b4a.from('news'))
  theirs.wanted(key, 2)
  const feed = reader.set.get(key) as Feed<Bytes>
  await until(() => feed.contiguousLength === 2)
  t.deepEqual([...theirs.replicating], [feed.id])
})

test('a feed whose blocks are missing is kept open for a while, then closed, and opened again until they come', async t => {
  const limits = { idleMs: 20, lingerMs: 10, restMs: 10, stallMs: 100, reopenMs: 50 }
  const author = await makeAuthor(t, 1)
  const relay = await makeSide(t, { limits })
  const reader = await makeSide(t, { limits })
  const [key] = author.keys as [Bytes]
  const feed = await reader.set.authorize(key)
  await relay.set.authorize(key, undefined, { download: 'sparse' })
  await author.set.get(key)?.append([b4a.from('1'), b4a.from('2')])
  const [a, b] = connectionPair(t)
  author.set.replicate(a)
  relay.set.replicate(b)
  await relay.set.get(key)?.get(0)
  const [left, right] = connectionPair(t)
  const ours = relay.set.replicate(left, { manual: true })
  const theirs = reader.set.replicate(right, { manual: true })
  for (const session of [ours, theirs]) await session.grant(key)
  theirs.wanted(key, 3)
  await until(() => feed.contiguousLength === 1)
  await until(() => channelsOf(right) === 0, { what: 'closed, because nothing comes' })
  await until(() => channelsOf(right) === 1, { what: 'opened again, because something is missing' })
  for (const seq of [1, 2]) await relay.set.get(key)?.get(seq)
  await until(() => feed.contiguousLength === 3)
  await until(() => channelsOf(right) === 0, { what: 'closed for good' })
  await t.notThrowsAsync(holds(() => channelsOf(right) === 0, 150))
})

test('U6 feeds are opened 32 at a time on a connection and 128 in the process, and every place is given back', async t => {
  const author = await makeAuthor(t, 30, { limits: { maxOpeningPerMux: 3, maxOpening: 5 } })
  const readers = await Promise.all(
    [1, 2, 3].map(() => makeSide(t, { limits: { maxOpeningPerMux: 3, maxOpening: 5 } }))
  )
  let highest = 0
  const look = setInterval(() => {
    highest = Math.max(highest, openingSlots.taken)
  }, 0)
  t.teardown(() => clearInterval(look))
  for (const { set } of readers) {
    for (const key of author.keys) await set.authorize(key)
    const [left, right] = connectionPair(t)
    author.set.replicate(left)
    set.replicate(right)
  }
  for (const { set } of readers) {
    await until(() => set.progress().every(({ complete }) => complete === 1), { ms: 30_000 })
  }
  // What a peer asks for takes a place in any case: else two that are full could wait for each other.
  t.true(highest > 0 && highest <= 5 + 3 * 3 * 2, `${highest}`)
  await until(() => openingSlots.taken === 0)
})
