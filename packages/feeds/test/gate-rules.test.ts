/**
 * The rules of the gate, one contract each, on real connections. They have to hold on every Hypercore, Corestore and Protomux
 * of our ranges; other-hypercore.test.ts runs this file on others.
 */
import { createRequire } from 'node:module'
import type { Feed, FeedSession, FeedSet, FeedsError } from '@hearsay/feeds'
import type NoiseSecretStream from '@hyperswarm/secret-stream'
import type { ExecutionContext } from 'ava'
import test from 'ava'
import b4a from 'b4a'
import c from 'compact-encoding'
import type Corestore from 'corestore'
import Hypercore from 'hypercore'
import Protomux from 'protomux'
import { channelsOf, witnessOf } from './support/channels.js'
import { keyPairOf } from './support/keys.js'
import { connectionPair, makeSet, makeStore, openSet, turns, until } from './support/sets.js'

type Bytes = Uint8Array

interface Side {
  store: Corestore
  set: FeedSet<Bytes>
}

async function makeSide(t: ExecutionContext): Promise<Side> {
  const store = await makeStore(t)
  return { store, set: await openSet<Bytes>(t, store) }
}

/** A peer that is no FeedSet: attaches whatever it has the key of. */
async function stranger(t: ExecutionContext, key: Bytes): Promise<Hypercore> {
  const store = await makeStore(t)
  const core = store.get({ key })
  await core.ready()
  return core
}

/** A writer with so many blocks. */
async function writerOf({ set }: Side, blocks = 1, name = 'w'): Promise<Feed<Bytes>> {
  const writer = await set.writer(name)
  await writer.append(Array.from({ length: blocks }, (_, i) => b4a.from(`block ${i}`)))
  return writer
}

async function blocksOf(core: { length: number; has(seq: number): Promise<boolean> }): Promise<number> {
  let count = 0
  for (let seq = 0; seq < core.length; seq++) if (await core.has(seq)) count++
  return count
}

/** Opens a core on a connection. @returns Was that accepted? */
async function ask(core: Hypercore, stream: NoiseSecretStream): Promise<boolean> {
  const mux = Protomux.from(stream)
  core.core.replicator.detachFrom?.(mux)
  await turns(5)
  core.replicate(stream)
  await stream.opened
  await turns(1)
  for (const channel of mux) {
    if (channel.id !== null && b4a.equals(channel.id, core.discoveryKey)) return channel.fullyOpened()
  }
  return false
}

test('D19 rule refuse (STACK 2.3.1): a feed that is not in the set is refused as if it were none: no block, no length', async t => {
  const alice = await makeSide(t)
  await writerOf(alice)
  const secret = alice.store.get({ name: 'secret' })
  await secret.append(b4a.from('secret'))
  const { key } = secret
  await secret.close()
  await until(() => secret.closed)
  const opened: string[] = []
  alice.store.watch(core => opened.push((core as Hypercore).id))
  const [left, right] = connectionPair(t)
  const session = alice.set.replicate(left)
  for (const asked of [key, b4a.alloc(32, 7)]) {
    const reader = await stranger(t, asked)
    t.false(await ask(reader, right))
    await t.throwsAsync(reader.get(0, { timeout: 50 }))
    t.is(reader.length, 0)
    t.is(reader.peers.length, 0)
    t.is(channelsOf(left, reader.discoveryKey), 0)
  }
  t.deepEqual(opened, [])
  t.is(session.replicating.size, 0)
  t.false(left.destroyed || right.destroyed)
})

test('rule refuse, planted (X35): store.replicate() serves that same feed to whoever knows its key', async t => {
  const { store } = await makeSide(t)
  const secret = store.get({ name: 'secret' })
  await secret.append(b4a.from('secret'))
  const { key } = secret
  await secret.close()
  const reader = await stranger(t, key)
  const [left, right] = connectionPair(t)
  store.replicate(left)
  reader.replicate(right)
  t.is(b4a.toString(await reader.get(0)), 'secret')
})

test('rule refuse: a stranger that only connects is told no discovery key', async t => {
  const alice = await makeSide(t)
  const writer = await writerOf(alice)
  const [left, right] = connectionPair(t)
  const session = alice.set.replicate(left, { manual: true })
  const asked: string[] = []
  Protomux.from(right).pair({ protocol: 'hypercore/alpha' }, id => {
    if (id !== null) asked.push(b4a.toString(id, 'hex'))
  })
  await right.opened
  await turns()
  t.deepEqual(asked, [])
  await session.grant(writer.key)
  session.wanted(writer.key, 1)
  await until(() => asked.length === 1)
})

test('rule refuse (STACK 2.3.6): who knows a discovery key and not the key gets nothing of a granted feed', async t => {
  const alice = await makeSide(t)
  const writer = await writerOf(alice)
  const [left, right] = connectionPair(t)
  alice.set.replicate(left)
  const raw = { preencode: addLength, encode: c.raw.encode, decode: c.raw.decode }
  const told: Bytes[] = []
  const channel = Protomux.from(right).createChannel({
    protocol: 'hypercore/alpha',
    id: writer.discoveryKey,
    handshake: raw,
    messages: Array.from({ length: 10 }, () => ({
      encoding: c.raw,
      onmessage: (bytes: Bytes) => told.push(bytes)
    }))
  })
  await right.opened
  channel?.open(b4a.concat([b4a.from([0]), b4a.alloc(32, 9)])) // not the capability of anybody who has the key
  await until(() => left.destroyed, { what: 'hypercore ends the connection' })
  t.deepEqual(told, [])
})

function addLength(state: { end: number }, bytes: Bytes): void {
  state.end += bytes.byteLength
}

test('rule grant (STACK 2.3.3): both grant, then whoever wants or asks opens; nothing is opened by a grant alone', async t => {
  const [alice, bob] = [await makeSide(t), await makeSide(t)]
  const writer = await writerOf(alice)
  const feed = await bob.set.authorize(writer.key)
  const [left, right] = connectionPair(t)
  const ours = alice.set.replicate(left, { manual: true })
  const theirs = bob.set.replicate(right, { manual: true })
  t.true(await ours.grant(writer.key))
  t.false(await ours.grant(writer.key))
  await theirs.grant(writer.key)
  await turns()
  t.is(channelsOf(left) + channelsOf(right), 0)
  theirs.wanted(writer.key, 1)
  t.is(b4a.toString(await feed.get(0, { timeout: 5_000 })), 'block 0')
  t.deepEqual([channelsOf(left, writer.discoveryKey), channelsOf(right, writer.discoveryKey)], [1, 1])
  for (const session of [ours, theirs]) t.deepEqual([...session.replicating], [writer.id])
})

test('rule grant: a filter grants only what it lets through, and one that throws refuses', async t => {
  const [alice, bob] = [await makeSide(t), await makeSide(t)]
  const yes = await writerOf(alice, 1, 'yes')
  const no = await writerOf(alice, 1, 'no')
  for (const writer of [yes, no]) await bob.set.authorize(writer.key)
  const [left, right] = connectionPair(t)
  const session = alice.set.replicate(left, {
    filter: feed => {
      if (feed.id === no.id) throw new TypeError('filter')
      return true
    }
  })
  bob.set.replicate(right)
  t.is(b4a.toString((await bob.set.get(yes.key)?.get(0)) as Bytes), 'block 0')
  await t.throwsAsync(bob.set.get(no.key)?.get(0, { timeout: 100 }) as Promise<unknown>)
  t.deepEqual([...session.replicating], [yes.id])
})

/** A download that was cut by a revoke of its author. */
async function cutDownload(t: ExecutionContext) {
  const [alice, bob] = [await makeSide(t), await makeSide(t)]
  const writer = await writerOf(alice, 3_000, 'big')
  const other = await writerOf(alice, 1, 'other')
  const feed = await bob.set.authorize(writer.key)
  const kept = await bob.set.authorize(other.key)
  const [left, right] = connectionPair(t)
  alice.set.replicate(left)
  bob.set.replicate(right)
  const witness = await witnessOf(alice.store, writer.key)
  await until(async () => (await blocksOf(feed)) > 50)
  await alice.set.revoke(writer.key)
  witness.reset()
  await turns(50)
  const missing: number[] = [] // blocks come in any order
  for (let seq = 0; seq < 3_000; seq++) if (!(await feed.has(seq))) missing.push(seq)
  t.true(missing.length > 10, 'the revoke came too late to hit')
  const nothingMore = async (what: string) => {
    await t.throwsAsync(feed.get(missing[0] as number, { timeout: 100 }), undefined, what)
    await turns(20)
    t.is(witness.uploads, 0, what)
    t.is(channelsOf(left, writer.discoveryKey), 0, what)
  }
  return { alice, bob, writer, other, feed, kept, left, right, witness, missing, nothingMore }
}

test('rule revoke: in the middle of a download, nothing more goes, whatever else does', async t => {
  const { alice, bob, other, kept, left, right, nothingMore } = await cutDownload(t)
  await nothingMore('the reader waits')
  await other.append(b4a.from('1'))
  t.is(b4a.toString(await kept.get(1)), '1')
  await nothingMore('another feed goes on')
  const [left2, right2] = connectionPair(t)
  alice.set.replicate(left2)
  bob.set.replicate(right2)
  await nothingMore('a new connection')
  t.is(channelsOf(left2), 1, 'of the other feed')
  t.false(left.destroyed || right.destroyed)
})

test('rule activity toggle: sessions that come, go, rest and wake reopen nothing that was revoked', async t => {
  const { alice, feed, writer, nothingMore } = await cutDownload(t)
  const sleeper = alice.store.get({ key: writer.key, active: false })
  await sleeper.ready()
  for (let i = 0; i < 5; i++) {
    sleeper.setActive(true)
    const again = feed.session()
    await again.ready()
    sleeper.setActive(false)
    await again.close()
    await turns(5)
  }
  sleeper.setActive(true)
  await nothingMore('toggled')
  await sleeper.append(b4a.from('by the application itself'), { keyPair: alice.set.authorKeyPair() })
  await nothingMore('appended')
  await sleeper.close()
})

test('rule re-ask: a peer may ask as often as it likes for what was revoked from it', async t => {
  const alice = await makeSide(t)
  const writer = await writerOf(alice, 4)
  const reader = await stranger(t, writer.key)
  const [left, right] = connectionPair(t)
  alice.set.replicate(left)
  reader.replicate(right)
  t.is(b4a.toString(await reader.get(0)), 'block 0')
  await alice.set.revoke(writer.key)
  const witness = await witnessOf(alice.store, writer.key)
  for (let i = 0; i < 20; i++) t.false(await ask(reader, right), `${i}`)
  await t.throwsAsync(reader.get(1, { timeout: 50 }))
  t.is(witness.uploads, 0)
  t.false(left.destroyed || right.destroyed)
})

test('D20 rule re-grant: after a revoke a new grant works, by whichever side opens', async t => {
  const { alice, feed, writer, missing } = await cutDownload(t)
  await alice.set.authorize(writer.key)
  const seq = missing[1] as number
  t.is(b4a.toString(await feed.get(seq, { timeout: 5_000 })), `block ${seq}`)
  const reader = await stranger(t, writer.key)
  const [left, right] = connectionPair(t)
  alice.set.replicate(left)
  t.true(await ask(reader, right))
  await alice.set.revoke(writer.key)
  t.false(await ask(reader, right))
  await alice.set.authorize(writer.key)
  t.true(await ask(reader, right))
  t.is(b4a.toString(await reader.get(2, { timeout: 5_000 })), 'block 2')
})

test('rule both sides toggling (STACK 2.3.5): 15 rounds of 5 toggles on both sides at once leave no feed stuck', async t => {
  const [alice, bob] = [await makeSide(t), await makeSide(t)]
  const names = ['a', 'b', 'c', 'd', 'e']
  const writers = await Promise.all(names.map(name => alice.set.writer(name)))
  for (const writer of writers) await bob.set.authorize(writer.key)
  const [left, right] = connectionPair(t)
  const sessions = [
    alice.set.replicate(left, { manual: true }),
    bob.set.replicate(right, { manual: true })
  ] as const
  for (let round = 0; round < 15; round++) {
    const toggle = async (session: FeedSession<Bytes>, key: Bytes): Promise<void> => {
      await session.revoke(key)
      await session.grant(key)
      session.invited(key)
    }
    await Promise.all(writers.flatMap(({ key }) => sessions.map(session => toggle(session, key))))
    for (const [i, writer] of writers.entries()) {
      await writer.append(b4a.from(`${round}`))
      const feed = bob.set.get(writer.key) as Feed<Bytes>
      const block = await feed.get(round, { timeout: 5_000 })
      t.is(b4a.toString(block), `${round}`, `round ${round}, feed ${names[i]}`)
    }
  }
  for (const stream of [left, right]) t.is(channelsOf(stream), writers.length)
})

test('S36 rule holders (STACK 2.3.8): two sets share a feed on one connection: it goes on until the last of them ends it', async t => {
  const store = await makeStore(t)
  const one = await openSet<Bytes>(t, store, { namespace: 'one' })
  const two = await openSet<Bytes>(t, store, { namespace: 'two' })
  const bob = await makeSet<Bytes>(t)
  const writer = await one.writer()
  await two.authorize(writer.key)
  const feed = await bob.authorize(writer.key)
  const [left, right] = connectionPair(t)
  one.replicate(left)
  const session = two.replicate(left)
  bob.replicate(right)
  await writer.append(b4a.from('0'))
  t.is(b4a.toString(await feed.get(0)), '0')
  await until(() => session.replicating.has(writer.id))
  await session.close()
  await writer.append(b4a.from('1'))
  t.is(b4a.toString(await feed.get(1)), '1')
  await one.revoke(writer.key)
  await t.throwsAsync(writer.append(b4a.from('2')), { code: 'ERR_FEEDS_NOT_AUTHORIZED' })
  const core = store.get({ key: writer.key })
  await core.ready()
  t.is(core.length, 2)
  await t.throwsAsync(feed.get(2, { timeout: 100 }))
  t.is(feed.peers.length, 0)
})

test('rule foreign replicate (STACK 2.3.10): store.replicate() on our connection is stopped before a block goes, and told', async t => {
  for (const isFirst of [true, false]) {
    const { store, set } = await makeSide(t)
    const secret = store.get({ name: 'secret' })
    await secret.append(b4a.from('secret'))
    const writer = await set.writer()
    await writer.append(b4a.from('0'))
    const warnings: FeedsError[] = []
    set.on('warning', warning => warnings.push(warning))
    const [left, right] = connectionPair(t)
    if (isFirst) store.replicate(left)
    set.replicate(left)
    if (!isFirst) store.replicate(left)
    const [reader, granted] = [await stranger(t, secret.key), await stranger(t, writer.key)]
    reader.replicate(right)
    granted.replicate(right)
    await t.throwsAsync(reader.get(0, { timeout: 200 }))
    t.is(reader.length, 0)
    t.is(b4a.toString(await granted.get(0, { timeout: 5_000 })), '0')
    await until(() => warnings.some(({ code }) => code === 'WARN_FEEDS_FOREIGN_REPLICATE'))
    await set.revoke(writer.key)
    await t.throwsAsync(granted.get(1, { timeout: 100 }))
    t.false(left.destroyed)
  }
})

test('rule one channel (F7): a feed has one channel with a peer also over two connections, and moves when one of them dies', async t => {
  const [alice, bob] = [await makeSide(t), await makeSide(t)]
  const writer = await writerOf(alice)
  const feed = await bob.set.authorize(writer.key)
  const ends = { initiator: keyPairOf(1), responder: keyPairOf(2) }
  const pairs = [0, 1, 2].map(() => connectionPair(t, ends))
  const channels = () => pairs.map(([left]) => (left.destroyed ? 0 : channelsOf(left, writer.discoveryKey)))
  const total = () => channels().reduce((sum, count) => sum + count, 0)
  for (const [left, right] of pairs) {
    alice.set.replicate(left)
    bob.set.replicate(right)
  }
  for (let round = 0; round < 3; round++) {
    const { length } = writer
    await writer.append(b4a.from(`round ${round}`))
    t.is(b4a.toString(await feed.get(length, { timeout: 5_000 })), `round ${round}`)
    await turns(20)
    await until(() => total() === 1, { what: `one channel in round ${round}: ${channels()}` })
    const used = channels().findIndex(count => count > 0)
    for (const end of pairs[used] ?? []) end.destroy()
    await until(() => total() <= 1)
    if (round === 2) break
    await until(() => total() === 1, { what: `it moves in round ${round}` })
  }
})

test('rule one channel (F7): on one connection a feed is attached once, whatever is granted, wanted and asked at once', async t => {
  const [alice, bob] = [await makeSide(t), await makeSide(t)]
  const writer = await writerOf(alice)
  const feed = await bob.set.authorize(writer.key)
  const [left, right] = connectionPair(t)
  const sessions = [left, left, right, right].map((stream, i) =>
    (i < 2 ? alice : bob).set.replicate(stream, { manual: i % 2 === 0 })
  )
  for (let i = 0; i < 10; i++) {
    await Promise.all(sessions.map(session => session.grant(writer.key)))
    for (const session of sessions) {
      session.wanted(writer.key, 1)
      session.invited(writer.key)
    }
    await turns(3)
    for (const stream of [left, right]) t.true(channelsOf(stream, writer.discoveryKey) <= 1)
  }
  t.is(b4a.toString(await feed.get(0, { timeout: 5_000 })), 'block 0')
  t.deepEqual([channelsOf(left), channelsOf(right)], [1, 1])
})

const version = (createRequire(import.meta.url)('hypercore/package.json') as { version: string }).version

test(`what this file ran on: on Hypercore ${version}, in Corestore too`, async t => {
  const core = (await makeStore(t)).get({ name: 'x' })
  await core.ready()
  t.true(core instanceof Hypercore)
})
