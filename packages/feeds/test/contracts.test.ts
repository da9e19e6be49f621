/**
 * What this package stands on: internals of Hypercore and Corestore, derivations, the copies of gossip's files.
 */
import { readFile } from 'node:fs/promises'
import { feedKeyOf, feedKeyOfNamespace, fullWriterName } from '@hearsay/feeds'
import test from 'ava'
import b4a from 'b4a'
import { LIMITS } from '#feeds/limits'
import { connectionOf } from '#feeds/node/connection'
import { isCorestore } from '#feeds/node/corestore'
import { gateOf } from '#feeds/node/gate'
import { Core } from '#feeds/node/hypercore'
import { feedNamespaceOf } from '#feeds/node/keys'
import { keyPairOf } from './support/keys.js'
import { connectionPair, makeStore } from './support/sets.js'

test('full writer name, feed namespace and feed key are those of the test vectors', t => {
  const partyId = b4a.from('86dfdeb1aaa2e7da9b9a569d609d934c01fe766ac264002be031f7c43080bf6d', 'hex')
  const origin = fullWriterName('log', b4a.alloc(8, 5), 0)
  t.is(b4a.toString(origin, 'hex'), '036c6f67050505050505050500')
  const namespace = feedNamespaceOf(partyId, origin)
  t.is(b4a.toString(namespace, 'hex'), 'fbc00a5a5e956e069b20df0ffaa7586fc02af8af0b219483ca5e61dee4fd022a')
  const { publicKey } = keyPairOf(7)
  const key = 'a0ef8e0ecc1c3b12b8fe395c6fa066803d59af5b9daaeb1ac33f5509f927a22f'
  t.is(b4a.toString(feedKeyOf(publicKey, partyId, origin), 'hex'), key)
  t.is(b4a.toString(feedKeyOfNamespace(publicKey, namespace), 'hex'), key)
})

test('the internals that a revoke and a flush stand on are there', async t => {
  const store = await makeStore(t)
  const core = store.get({ name: 'x' })
  await core.ready()
  t.is(typeof core.core.replicator.detachFrom, 'function')
  t.is(typeof core.core.replicator.attachTo, 'function')
  t.is(typeof core.clearRequests, 'function')
  t.true(Array.isArray(core.sessions))
  t.is(typeof store.storage.db.flush, 'function')
  t.is(typeof store.storage.path, 'string')
  let waited = 0
  const session = core.session({
    onwait: () => {
      waited++
      throw new Error('no')
    }
  })
  await t.throwsAsync(session.get(5), { message: 'no' })
  t.is(waited, 1)
})

test('the internals that lengths, quotas and closed feeds stand on are there', async t => {
  const store = await makeStore(t)
  const core = store.get({ name: 'x' })
  await core.append(['a', 'bb', 'ccc', 'dddd'])
  await core.clear(2)
  t.is(core.core.bitfield.firstUnset(0), 2)
  t.true(core.core.state.mutex.idle())
  t.is(core.core.bitfield.firstUnset(3), 4)
  t.deepEqual(await core.seek(3, { wait: false }), [2, 0], 'a byte is found without the blocks before it')
  const [info, none] = await store.storage.getInfos([core.discoveryKey, b4a.alloc(32)], { auth: false })
  t.deepEqual([info.head.fork, info.head.length, info.hints.contiguousLength], [0, 4, 2])
  t.is(none, null)
  const inner = core.core
  t.is(inner.gc, 0)
  await core.close()
  t.is(inner.gc, 1, 'Corestore counts its looks at a core that nobody uses')
  inner.gc = 3
  store.cores._gcCycle()
  t.truthy(inner.closing)
  await inner.closing
  t.is(store.cores.size, 0)
})

test('what a peer has shown is read from its entry in the replicator', async t => {
  const [one, two] = [await makeStore(t), await makeStore(t)]
  const writer = one.get({ name: 'x' })
  await writer.append(['a', 'b', 'c'])
  const reader = two.get({ key: writer.key })
  await reader.ready()
  const [left, right] = connectionPair(t)
  writer.replicate(left)
  reader.replicate(right)
  await reader.get(0)
  const [peer] = reader.peers
  t.is(peer.remoteSynced, true)
  t.deepEqual([peer.remoteFork, peer.remoteLength, peer.remoteContiguousLength], [0, 3, 3])
  t.is(typeof peer.remoteDownloading, 'boolean')
  t.deepEqual(peer.remotePublicKey, right.remotePublicKey)
})

test('a replicator without detachFrom fails loudly instead of leaking', async t => {
  const store = await makeStore(t)
  const root = store.get({ name: 'x' })
  await root.ready()
  const core = new Core(root)
  const { mux } = connectionOf(connectionPair(t)[0])
  t.notThrows(() => core.detach(mux))
  root.core.replicator.detachFrom = undefined
  t.throws(() => core.detach(mux), { message: /has no detachFrom/ })
  delete root.core.replicator.detachFrom
})

test('there is one gate per muxer, whichever way it is asked for', t => {
  const [left, right] = connectionPair(t)
  const gate = gateOf(connectionOf(left).mux, LIMITS)
  t.is(gateOf(connectionOf(left).mux, LIMITS), gate)
  t.not(gateOf(connectionOf(right).mux, LIMITS), gate)
  const registry = (globalThis as never as { [name: symbol]: WeakMap<object, unknown> })[
    Symbol.for('hearsay.gates/1')
  ]
  t.is(registry?.get(connectionOf(left).mux), gate)
})

test('a Corestore is recognised by its methods, and a level instance is none', async t => {
  t.true(isCorestore(await makeStore(t)))
  t.false(isCorestore({ get() {}, put() {}, del() {}, open() {}, close() {} }))
})

test('the connection files are byte for byte those of gossip', async t => {
  const root = new URL('../../../', import.meta.url)
  for (const name of ['connection', 'guard', 'harden', 'noise', 'protomux']) {
    const [ours, theirs] = await Promise.all(
      ['feeds', 'gossip'].map(name_ => readFile(new URL(`${name_}/src/node/${name}.ts`, root), 'utf8'))
    )
    t.is(ours, theirs, `${name}.ts`)
  }
})
