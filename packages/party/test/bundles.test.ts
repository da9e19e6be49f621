/** Which feeds belong together and what is missing of them; and the second feed of a drive, as Hyperdrive derives it. */
import { feedKeyOfManifest } from '@hearsay/feeds'
import { createKeyPair, cryptoFor } from '@hearsay/gossip'
import test from 'ava'
import b4a from 'b4a'
import Hyperdrive from 'hyperdrive'
import { BundleTable, type IntroducedBundle } from '#party/core/bundles'
import { driveContentManifest } from '#party/core/drive'

const { hash } = cryptoFor(createKeyPair(new Uint8Array(32)))
const key = (seed: number): Uint8Array => new Uint8Array(32).fill(seed)
const bundle = (seeds: number[], type = 'hyperdrive', author = 1): IntroducedBundle => ({
  author: key(100 + author),
  type,
  keys: seeds.map(key)
})
const first = (keys: readonly Uint8Array[]): number[] => keys.map(one => one[0] as number)

/** A table over a set with these feeds. */
function tableOf(...seeds: number[]): { table: BundleTable; set: Set<number> } {
  const set = new Set(seeds)
  return { table: new BundleTable(one => set.has(one[0] as number)), set }
}

test('a bundle is complete when all of its feeds are in the set, and follows the set', t => {
  const { table, set } = tableOf(1)
  table.put('a', bundle([1, 2]))
  t.deepEqual(first(table.first(key(1))?.missing ?? []), [2])
  t.false(table.first(key(1))?.isComplete)
  set.add(2)
  t.deepEqual(table.first(key(1))?.missing, [])
  t.true(table.first(key(1))?.isComplete)
  set.delete(1)
  t.deepEqual(first(table.missingFor(key(2))), [1])
})

test('a drive of which one key is known lacks nothing that could be named, and is not complete', t => {
  const { table, set } = tableOf(1)
  table.put('a', bundle([1]))
  t.deepEqual(table.first(key(1))?.missing, [])
  t.false(table.first(key(1))?.isComplete)
  t.deepEqual(table.missingFor(key(1)), [])
  table.extend('a', key(2))
  table.extend('a', key(2))
  table.extend('unknown', key(3))
  t.deepEqual(first(table.first(key(1))?.keys ?? []), [1, 2])
  t.deepEqual(first(table.missingFor(key(1))), [2])
  set.add(2)
  t.true(table.at('a')?.isComplete)
  t.is(table.at('unknown'), null)
})

test('who names feeds that nobody has takes nothing from the bundle of another', t => {
  const { table } = tableOf(1, 2)
  table.put('hostile', bundle([1, 2, 66], 'autobase', 2))
  table.put('honest', bundle([1, 2], 'autobase', 1))
  table.put('hostile too', bundle([67, 1], 'autobase', 3))
  t.deepEqual(table.missingFor(key(1)), [])
  t.true(table.first(key(1))?.isComplete)
  t.deepEqual(first(table.first(key(1))?.keys ?? []), [1, 2])
  t.is(table.of(key(1)).length, 3)
})

test('of versions that lack nothing the one with most feeds counts', t => {
  const { table } = tableOf(1, 2, 3)
  table.put('a', bundle([1, 2], 'autobase', 1))
  table.put('b', bundle([1, 2, 3], 'autobase', 2))
  table.put('c', bundle([1], 'autobase', 3))
  t.deepEqual(first(table.first(key(1))?.keys ?? []), [1, 2, 3])
})

test('a feed that is in no set is what a read of it misses, whether a bundle names it or not', t => {
  const { table } = tableOf(1)
  t.deepEqual(table.missingFor(key(1)), [])
  t.deepEqual(first(table.missingFor(key(9))), [9])
  table.put('a', bundle([1, 2]))
  t.deepEqual(first(table.missingFor(key(2))), [2])
  t.deepEqual(first(table.missingFor(key(1))), [2])
})

test('another version takes the place of the one before, and a withdrawn one leaves nothing behind', t => {
  const { table } = tableOf(1, 2)
  table.put('a', bundle([1, 2, 3], 'autobase'))
  table.put('a', bundle([1, 2], 'autobase'))
  t.is(table.size, 1)
  t.deepEqual(table.of(key(3)), [])
  t.true(table.first(key(1))?.isComplete)
  t.is(table.first(key(2)), null)
  table.delete('a')
  table.delete('a')
  t.is(table.size, 0)
  t.is(table.first(key(1)), null)
})

test('B36 the feed of a drive with one or several writers has the key that Hyperdrive computes', t => {
  const [one, two] = [createKeyPair(key(1)).publicKey, createKeyPair(key(2)).publicKey]
  const signer = (publicKey: Uint8Array) => ({ signature: 'ed25519', namespace: b4a.from(key(7)), publicKey })
  const base = { hash: 'blake2b', allowPatch: false, prologue: null, linked: null, userData: null }
  for (const version of [1, 2]) {
    for (const signers of [[signer(one)], [signer(one), signer(two)]]) {
      const manifest = { ...base, version, quorum: signers.length, signers }
      const drive = feedKeyOfManifest(manifest)
      const contents = driveContentManifest(hash, manifest, drive) as object
      const expected = Hyperdrive.getContentKey(manifest, b4a.from(drive)) as Uint8Array
      t.is(b4a.toString(feedKeyOfManifest(contents), 'hex'), b4a.toString(expected, 'hex'))
    }
  }
})

test('a manifest from which no contents follow gives none', t => {
  const drive = key(1)
  const signers = [{ publicKey: key(1), namespace: key(2) }]
  for (const manifest of [
    null,
    undefined,
    'text',
    {},
    { version: 0, signers },
    { version: 1 },
    { version: 1, signers: [] },
    { version: 1, signers: [{ publicKey: key(1) }] },
    { version: 1, signers: [null] },
    { version: '1', signers }
  ]) {
    t.is(driveContentManifest(hash, manifest, drive), null)
  }
})
