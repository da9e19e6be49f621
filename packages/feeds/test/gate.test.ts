/**
 * The gate on real connections: default deny, grant, revoke in the middle of a download, two holders, finders that
 * misbehave, other modules that replicate on the same connection.
 */
import type { FeedsError } from '@hearsay/feeds'
import type { ExecutionContext } from 'ava'
import test from 'ava'
import b4a from 'b4a'
import type Hypercore from 'hypercore'
import Protomux from 'protomux'
import { connectionPair, makeSet, makeStore, openSet, turns, until } from './support/sets.js'

/** A peer that is no FeedSet: attaches whatever it has the key of. */
async function stranger(t: ExecutionContext, key: Uint8Array): Promise<Hypercore> {
  const store = await makeStore(t)
  const core = store.get({ key })
  await core.ready()
  return core
}

async function blocksOf(core: {
  contiguousLength: number
  length: number
  has(seq: number): Promise<boolean>
}) {
  let count = 0
  for (let seq = 0; seq < core.length; seq++) if (await core.has(seq)) count++
  return count
}

function blocks(count: number): Uint8Array[] {
  return Array.from({ length: count }, (_, i) => b4a.from(`block ${i}`))
}

test('a revoke by the reader stops it from taking more', async t => {
  const [alice, bob] = [await makeSet(t), await makeSet(t)]
  const writer = await alice.writer('big')
  await writer.append(blocks(3_000))
  const feed = await bob.authorize(writer.key)
  const [left, right] = connectionPair(t)
  alice.replicate(left)
  bob.replicate(right)
  await until(async () => (await blocksOf(feed)) > 50)
  await bob.revoke(writer.key)
  const had = await blocksOf(feed)
  t.true(had < 3_000)
  await writer.append(b4a.from('more'))
  await turns(50)
  t.is(await blocksOf(feed), had)
  let seq = 0
  while (!(await feed.has(seq))) seq++ // blocks come in any order
  t.is(b4a.toString(await feed.get(seq)), `block ${seq}`)
})

/** Serves one core to a reader over bare Protomux, then runs `half` of a revoke. @returns What came after it. */
async function leakAfter(
  t: ExecutionContext,
  half: (core: Hypercore, mux: Protomux) => Promise<void>
): Promise<number> {
  const store = await makeStore(t)
  const core = store.get({ name: 'x' })
  await core.append(blocks(4))
  const reader = await stranger(t, core.key)
  const [left, right] = connectionPair(t)
  const mux = Protomux.from(left)
  core.replicate(left)
  reader.replicate(right)
  await reader.get(0)
  await half(core, mux)
  await turns()
  await core.append(b4a.from('after'))
  core.setActive(false)
  core.setActive(true)
  // The remote asks again.
  reader.core.replicator.detachFrom(Protomux.from(right))
  for (const channel of [...Protomux.from(right)]) channel.close()
  await turns()
  reader.replicate(right)
  await reader.get(4, { timeout: 300 }).catch(() => {})
  return (await reader.has(4)) ? 1 : 0
}

async function closeChannels(mux: Protomux): Promise<void> {
  const closing: Promise<void>[] = []
  for (const channel of [...mux]) {
    closing.push(channel.fullyClosed())
    channel.close()
  }
  await Promise.all(closing)
}

test('X33 each half of a revoke alone leaks, both together do not', async t => {
  const detachOnly = async (core: Hypercore, mux: Protomux) => core.core.replicator.detachFrom(mux)
  const closeOnly = async (_core: Hypercore, mux: Protomux) => closeChannels(mux)
  const both = async (core: Hypercore, mux: Protomux) => {
    core.core.replicator.detachFrom(mux)
    await closeChannels(mux)
  }
  t.is(await leakAfter(t, closeOnly), 1)
  t.is(await leakAfter(t, both), 0)
  // Detached alone: the open channel goes on, so the remote needs not even ask again.
  const store = await makeStore(t)
  const core = store.get({ name: 'x' })
  await core.append(blocks(1))
  const reader = await stranger(t, core.key)
  const [left, right] = connectionPair(t)
  core.replicate(left)
  reader.replicate(right)
  await reader.get(0)
  await detachOnly(core, Protomux.from(left))
  await core.append(b4a.from('after'))
  t.is(b4a.toString(await reader.get(1, { timeout: 1_000 })), 'after')
})

test('a grant and a revoke in one tick, in both orders and twenty times, end as the last one says', async t => {
  const [alice, bob] = [await makeSet(t), await makeSet(t)]
  const writer = await alice.writer()
  await writer.append(b4a.from('0'))
  const feed = await bob.authorize(writer.key)
  const [left, right] = connectionPair(t)
  const a = alice.replicate(left, { manual: true })
  const b = bob.replicate(right, { manual: true })
  await b.grant(writer.key)
  const first = a.grant(writer.key)
  await Promise.all([first, a.revoke(writer.key)])
  const last = [a.revoke(writer.key), a.grant(writer.key)]
  await Promise.all(last)
  for (let i = 0; i < 20; i++) {
    void a.revoke(writer.key)
    void a.grant(writer.key)
    a.wanted(writer.key, 1)
  }
  b.wanted(writer.key, 1)
  t.is(b4a.toString(await feed.get(0)), '0')
  await Promise.all([a.revoke(writer.key), b.revoke(writer.key)])
  t.is(a.replicating.size, 0)
  t.is(b.replicating.size, 0)
})

test('a feed of one set is never served by the other set on the same connection', async t => {
  const store = await makeStore(t)
  const one = await openSet(t, store, { namespace: 'one' })
  const two = await openSet(t, store, { namespace: 'two' })
  const writer = await one.writer()
  await writer.append(b4a.from('0'))
  const reader = await stranger(t, writer.key)
  const [left, right] = connectionPair(t)
  two.replicate(left)
  reader.replicate(right)
  await t.throwsAsync(reader.get(0, { timeout: 150 }))
  one.replicate(left)
  t.is(b4a.toString(await reader.get(0, { timeout: 5_000 })), '0')
})

test('D21 an early open is decided by asked(): what it returns is granted, if it is the feed that was asked for', async t => {
  const alice = await makeSet(t)
  const [right, wrong] = [await alice.writer('right'), await alice.writer('wrong')]
  await right.append(b4a.from('0'))
  const warnings: FeedsError[] = []
  alice.on('warning', error => warnings.push(error))
  for (const answer of [right, wrong]) {
    const reader = await stranger(t, right.key)
    const [left, far] = connectionPair(t)
    const session = alice.replicate(left, { manual: true })
    session.asked = async () => answer
    reader.replicate(far)
    const block = await reader.get(0, { timeout: 300 }).catch(() => null)
    t.is(block === null, answer === wrong)
    t.is(session.replicating.size, answer === wrong ? 0 : 1)
  }
  t.deepEqual(
    warnings.map(warning => warning.code),
    ['WARN_FEEDS_FINDER']
  )
})

test('a finder that hangs, throws or rejects refuses, and everything else on the connection goes on', async t => {
  const alice = await makeSet(t, { limits: { finderMs: 50 } })
  const writer = await alice.writer()
  await writer.append(b4a.from('0'))
  const warnings: FeedsError[] = []
  alice.on('warning', error => warnings.push(error))
  let calls = 0
  const finders = [
    () => new Promise<null>(() => {}),
    () => {
      throw new TypeError('finder')
    },
    async () => {
      throw new RangeError('finder')
    },
    async () => ({}) as never
  ]
  for (const finder of finders) {
    const [unknown, granted] = [await stranger(t, b4a.alloc(32, 1)), await stranger(t, writer.key)]
    const [left, right] = connectionPair(t)
    const session = alice.replicate(left, { manual: true })
    session.asked = discoveryKey => {
      if (b4a.equals(discoveryKey, unknown.discoveryKey)) {
        calls++
        return finder()
      }
      return null
    }
    await session.grant(writer.key)
    unknown.replicate(right)
    await right.opened
    const [channel] = [...Protomux.from(right)]
    granted.replicate(right)
    t.is(b4a.toString(await granted.get(0, { timeout: 5_000 })), '0')
    t.is(await channel?.fullyOpened(), false, 'a finder that hangs has a deadline')
    t.false(left.destroyed)
  }
  t.is(calls, finders.length)
  t.true(warnings.every(warning => warning.code === 'WARN_FEEDS_FINDER'))
  t.true(warnings.length > 0)
})

test('a feed that the peer refused opens as soon as the peer authorizes it', async t => {
  const [alice, bob] = [await makeSet(t), await makeSet(t)]
  const writer = await alice.writer()
  await writer.append(b4a.from('0'))
  const [left, right] = connectionPair(t)
  const session = alice.replicate(left)
  bob.replicate(right)
  await alice.synced() // the offer was answered
  t.is(session.replicating.size, 0)
  const feed = await bob.authorize(writer.key)
  t.is(b4a.toString(await feed.get(0)), '0')
  await until(() => session.replicating.has(writer.id))
})

test('only a feed of the set can be granted, and a closed session grants nothing', async t => {
  const set = await makeSet(t)
  const writer = await set.writer()
  const [left] = connectionPair(t)
  const session = set.replicate(left, { manual: true })
  await t.throwsAsync(session.grant(b4a.alloc(32, 1)), { code: 'ERR_FEEDS_NOT_AUTHORIZED' })
  t.true(await session.grant(writer.key))
  t.false(await session.grant(writer.key))
  t.true(await session.revoke(writer.key))
  t.false(await session.revoke(writer.key))
  await session.close()
  await session.close()
  t.true(session.closed)
  await t.throwsAsync(session.grant(writer.key), { code: 'ERR_FEEDS_CLOSED' })
  t.false(left.destroyed)
})

test('a revoke is bounded while the handshake never ends, and a connection that dies frees its session', async t => {
  const set = await makeSet(t)
  const writer = await set.writer()
  const [left] = connectionPair(t)
  const pending = set.replicate(left)
  await set.revoke(writer.key)
  t.false(left.destroyed)
  left.destroy()
  await until(() => pending.closed)
})

test('X31 a hundred sessions that come and go leave no listener behind on the set, and one on the connection', async t => {
  const set = await makeSet(t)
  await set.writer()
  const [left, right] = connectionPair(t)
  const bob = await makeSet(t)
  bob.replicate(right)
  await left.opened
  const count = () =>
    ['close', 'error', 'data', 'drain'].map(name =>
      (left as never as { listenerCount(n: string): number }).listenerCount(name)
    )
  await set.replicate(left).close()
  const before = count()
  for (let i = 0; i < 100; i++) await set.replicate(left).close()
  t.deepEqual(count(), before)
  t.deepEqual(set.eventNames(), [])
})

test('a plain Duplex is wrapped in Noise, and a stream whose userData is taken is refused', async t => {
  const [alice, bob] = [await makeSet(t), await makeSet(t)]
  const writer = await alice.writer()
  await writer.append(b4a.from('0'))
  const feed = await bob.authorize(writer.key)
  const { Duplex } = await import('node:stream')
  const ends = [0, 1].map(() => new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() }))
  const [left, right] = ends as [InstanceType<typeof Duplex>, InstanceType<typeof Duplex>]
  for (const [end, other] of [
    [left, right],
    [right, left]
  ] as const) {
    end._write = (chunk, _encoding, done) => {
      other.push(chunk)
      done()
    }
  }
  t.throws(() => alice.replicate(left), { code: 'ERR_FEEDS_BAD_STREAM' })
  alice.replicate(left, { initiator: true })
  bob.replicate(right, { initiator: false })
  t.is(b4a.toString(await feed.get(0)), '0')
  const [taken] = connectionPair(t)
  taken.userData = { mine: true }
  t.throws(() => alice.replicate(taken), { code: 'ERR_FEEDS_BAD_STREAM' })
})
