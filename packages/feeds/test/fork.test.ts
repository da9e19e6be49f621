/**
 * Feeds that their author signed twice for one length: found where the two meet, shut for ever, and proved to others.
 */
import type { Feed, FeedSet, ForkProof, Rotation } from '@hearsay/feeds'
import type { ExecutionContext } from 'ava'
import test from 'ava'
import b4a from 'b4a'
import type Corestore from 'corestore'
import type Hypercore from 'hypercore'
import { verifyForkProof } from '#feeds/node/fork-proof'
import { manifestOf } from '#feeds/node/hypercore'
import { channelsOf } from './support/channels.js'
import { keyPairOf } from './support/keys.js'
import { connectionPair, makeSet, makeStore, openSet, temporaryFolder, turns, until } from './support/sets.js'

type Bytes = Uint8Array

const AUTHOR = keyPairOf(1)

/** A feed of the author as one of its devices has it. */
async function copyOf(t: ExecutionContext, texts: string[], name = 1): Promise<Hypercore> {
  const store = await makeStore(t)
  const manifest = manifestOf(AUTHOR.publicKey, b4a.alloc(32, name))
  const core = store.get({ manifest, keyPair: AUTHOR } as never)
  await core.ready()
  await core.append(texts.map(text => b4a.from(text)))
  return core
}

/** Connects a set with a copy. @returns The set's end. */
function connect(t: ExecutionContext, set: FeedSet<Bytes>, copy: Hypercore) {
  const [left, right] = connectionPair(t)
  set.replicate(left)
  copy.replicate(right)
  return left
}

/** What a fork did to a reader that met both copies. */
async function forkedReader(t: ExecutionContext, storage: Corestore | string, name = 1, options = {}) {
  const [one, two] = [
    await copyOf(t, ['same', 'same too', 'one'], name),
    await copyOf(t, ['same', 'same too', 'two', 'more'], name)
  ]
  t.deepEqual(one.key, two.key)
  const set = await openSet<Bytes>(t, storage, options)
  const feed = await set.authorize(one.key)
  const told: ForkProof[] = []
  set.on('fork', proof => told.push(proof))
  const first = connect(t, set, one)
  await until(() => feed.contiguousLength === 3)
  const second = connect(t, set, two)
  await until(() => told.length === 1, { what: 'the fork is told' })
  return { set, feed, one, two, told, streams: [first, second] }
}

/** The proof of a fork. */
async function makeProof(t: ExecutionContext, name = 1): Promise<ForkProof> {
  const { set, told } = await forkedReader(t, await temporaryFolder(t), name)
  await set.close()
  return told[0] as ForkProof
}

test('a feed that was signed twice for one length is shut on every connection, told once with its proof, and leaves the set', async t => {
  const { set, feed, one, told, streams } = await forkedReader(t, await temporaryFolder(t))
  const [proof] = told as [ForkProof]
  t.deepEqual([proof.key, proof.length, proof.fork, proof.common], [one.key, 3, 0, 2])
  t.deepEqual(verifyForkProof(proof.proof as Bytes), { key: one.key, length: 3, fork: 0, common: 2 })
  t.deepEqual(set.forks(), told)
  t.false(set.has(one.key))
  t.is(set.get(one.key), null)
  for (const stream of streams) {
    t.is(channelsOf(stream, one.discoveryKey), 0)
    t.false(stream.destroyed)
  }
  t.is(b4a.toString(await feed.get(1)), 'same too', 'blocks before the fork stay readable')
  t.falsy(await feed.get(2, { wait: false }), 'those behind it are hidden')
  await t.throwsAsync(feed.get(2), { code: 'ERR_FEEDS_NOT_AUTHORIZED' })
  const readable = set.readable(one.key) as Feed<Bytes>
  t.is(readable.length, 2)
  await one.append(b4a.from('later'))
  await turns(20)
  t.is(told.length, 1)
  t.is(feed.length, 2)
})

test('a fork is remembered after a restart, and the feed is neither replicated nor authorized again', async t => {
  const folder = await temporaryFolder(t)
  const { set, one, told } = await forkedReader(t, folder)
  await set.close()
  const again = await openSet<Bytes>(t, folder)
  t.deepEqual(again.forks(), told)
  t.false(again.has(one.key))
  const left = connect(t, again, one)
  await left.opened
  await turns(20)
  t.is(channelsOf(left, one.discoveryKey), 0)
  await t.throwsAsync(again.authorize(one.key), { code: 'ERR_FEEDS_NOT_AUTHORIZED' })
})

test('whoever gets the proof checks it alone and shuts the feed too: a member, and one that never saw it', async t => {
  const { key, proof } = await makeProof(t)
  const [member, stranger] = [await makeSet<Bytes>(t), await makeSet<Bytes>(t)]
  const feed = await member.authorize(key)
  for (const set of [member, stranger]) {
    let told = 0
    set.on('fork', () => told++)
    t.true(await set.quarantine(proof as Bytes))
    t.false(await set.quarantine(proof as Bytes))
    t.is(told, 1)
    t.deepEqual(set.forks()[0]?.key, key)
    t.false(set.has(key))
    await t.throwsAsync(set.authorize(key), { code: 'ERR_FEEDS_NOT_AUTHORIZED' })
  }
  await t.throwsAsync(feed.get(0), { code: 'ERR_FEEDS_NOT_AUTHORIZED' })
})

test('a proof that was changed or cut off anywhere proves nothing else, and two signatures of one tree prove nothing', async t => {
  const { key, proof: made } = await makeProof(t)
  const proof = made as Bytes
  const set = await makeSet<Bytes>(t)
  let refused = 0
  for (let i = 0; i < proof.byteLength; i++) {
    const changed = b4a.from(proof)
    changed[i] = (changed[i] as number) ^ (1 << (i % 8))
    // Hypercore's envelope of signatures has numbers that count for nothing: then it shows what it did.
    const shown = verifyForkProof(changed)
    if (shown !== null) t.deepEqual(shown, { key, length: 3, fork: 0, common: 2 }, `byte ${i}`)
    else refused++
    t.is(verifyForkProof(proof.subarray(0, i)), null, `cut at ${i}`)
  }
  t.true(refused >= proof.byteLength - 2, `${refused} of ${proof.byteLength}`)
  await t.throwsAsync(set.quarantine(proof.subarray(1)), { code: 'ERR_FEEDS_BAD_PROOF' })
  await t.throwsAsync(set.quarantine('x' as never), { code: 'ERR_FEEDS_BAD_PROOF' })
  await t.throwsAsync(set.quarantine(b4a.alloc(65_537)), {
    code: 'ERR_FEEDS_BAD_PROOF',
    message: /65537.*65536/
  })
  t.deepEqual(set.forks(), [])
  // Two copies that agree, one of them longer, are no fork.
  const [one, two] = [await copyOf(t, ['a', 'b']), await copyOf(t, ['a', 'b', 'c'])]
  const feed = await set.authorize(one.key)
  connect(t, set, one)
  connect(t, set, two)
  await until(() => feed.contiguousLength === 3)
  t.deepEqual(set.forks(), [])
})

test('a writer of ours that forked gets a successor, which goes on under its name', async t => {
  const set = await makeSet<Bytes>(t)
  const writer = await set.writer('log')
  await writer.append(['0', '1', '2'].map(text => b4a.from(text)))
  // Its twin, with our key on another machine, which has another block there.
  const { manifest } = writer as unknown as Hypercore
  const twin = (await makeStore(t)).get({ manifest, keyPair: set.authorKeyPair() } as never)
  await twin.ready()
  t.deepEqual(twin.key, writer.key)
  await twin.append(['0', '1', 'another', 'more'].map(text => b4a.from(text)))
  const rotations: Rotation[] = []
  set.on('rotate', rotation => rotations.push(rotation))
  connect(t, set, twin)
  await until(() => rotations.length === 1, { what: 'the writer is given up' })
  const [{ from, to, length }] = rotations as [Rotation]
  t.deepEqual([from, length], [writer.key, 2])
  const successor = await set.writer('log')
  t.deepEqual(successor.key, to)
  await successor.append(b4a.from('goes on'))
  await t.throwsAsync(writer.append(b4a.from('x')), { code: 'ERR_FEEDS_NOT_AUTHORIZED' })
  // Hypercore closes the sessions that were awake when it saw the fork.
  t.true(writer.closed)
  const readable = set.readable(writer.key) as Feed<Bytes>
  t.is(readable.length, 2)
  t.is(b4a.toString(await readable.get(1)), '1')
})

test('only the latest proofs are kept; that a feed forked is kept for ever', async t => {
  const proofs = [await makeProof(t, 1), await makeProof(t, 2), await makeProof(t, 3)]
  const folder = await temporaryFolder(t)
  const options = { limits: { maxForkProofs: 2 } }
  const set = await openSet<Bytes>(t, folder, options)
  await set.authorize((proofs[0] as ForkProof).key)
  for (const { proof } of proofs) await set.quarantine(proof as Bytes)
  const kept = (of: FeedSet<Bytes>) => of.forks().map(({ proof }) => proof !== null)
  t.deepEqual(kept(set), [false, true, true])
  for (const { key } of proofs) await t.throwsAsync(set.authorize(key), { code: 'ERR_FEEDS_NOT_AUTHORIZED' })
  await set.close()
  const again = await openSet<Bytes>(t, folder, options)
  for (const { key } of proofs) {
    await t.throwsAsync(again.authorize(key), { code: 'ERR_FEEDS_NOT_AUTHORIZED' })
  }
  t.deepEqual(kept(again), [false, true, true])
})
