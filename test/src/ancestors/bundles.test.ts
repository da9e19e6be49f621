/**
 * Hypercore's older structures (hyperdb, hypertrie, hyperdrive 10) and composite feeds of multifeed and hypercore: what their
 * readers got of a structure whose feeds didn't all come, and what is done with today's structures in a party.
 */
import { type BundleIncompleteError, type Introduction, type Party, rules } from '@hearsay/party'
import test, { type ExecutionContext } from 'ava'
import b4a from 'b4a'
import Hyperbee from 'hyperbee'
import Hyperdrive from 'hyperdrive'
import { connectParties, partyNode } from '../support/party-node.js'
import { temporaryFolder } from '../support/temporary.js'
import { until, within } from '../support/until.js'

const text = (value: unknown): string => String(value)
const hex = (key: Uint8Array): string => b4a.toString(key, 'hex')
const PAIRS = { keyEncoding: 'utf-8', valueEncoding: 'json' }

const newParty = async (t: ExecutionContext, options = {}): Promise<Party> =>
  (await partyNode(t, { rules: rules.open(), ...options })).party

/** A drive in the storage of a party, closed with the test. */
function driveOf(t: ExecutionContext, party: Party, key?: Uint8Array): Hyperdrive {
  const drive = new Hyperdrive(party.store(), key)
  t.teardown(() => drive.close())
  return drive
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = []
  for await (const item of items) list.push(item)
  return list
}

test('X36 D24 a drive of which only the entries came rejects its reads, naming what is missing, and never hangs', async t => {
  const alice = await newParty(t)
  const takesFirst = {
    onIntroduceFeeds: ({ message }: { message: { keys: readonly Uint8Array[] } }) => message.keys.slice(0, 1)
  }
  const node = await partyNode(t, { rules: takesFirst, limits: { bundleTimeoutMs: 300 } })
  const drive = driveOf(t, alice)
  await drive.put('/file', b4a.from('contents'))
  await alice.introduce(drive)
  connectParties(alice, node.party)
  await until(() => node.warnings.length > 0, { what: 'the warning' })
  const [warning] = node.warnings as BundleIncompleteError[]
  t.is(warning?.code, 'WARN_PARTY_BUNDLE_INCOMPLETE')
  t.deepEqual(warning?.keys.map(hex), [hex(drive.contentKey)])
  await node.party.synced({ timeoutMs: 8000 })
  const copy = driveOf(t, node.party, drive.key)
  t.truthy(await copy.entry('/file'))
  const fault = await t.throwsAsync<BundleIncompleteError>(within(copy.get('/file')))
  t.is(fault?.code, 'ERR_PARTY_BUNDLE_INCOMPLETE')
  t.deepEqual(fault?.keys.map(hex), [hex(drive.contentKey)])
})

test('X36 a part that is revoked while a file is being waited for ends the read', async t => {
  const alice = await newParty(t)
  const bob = await newParty(t)
  const drive = driveOf(t, alice)
  await drive.put('/file', b4a.from('contents'))
  await alice.introduce(drive)
  const link = connectParties(alice, bob)
  await until(() => bob.bundle(drive.key)?.isComplete, { what: 'the bundle' })
  await bob.synced({ timeoutMs: 8000 })
  link.a.destroy()
  await until(() => bob.peers.size === 0, { what: 'they are apart' })
  const copy = driveOf(t, bob, drive.key)
  await copy.ready()
  await bob.feeds.get(drive.contentKey)?.clear(0, 1)
  const reading = copy.get('/file')
  const failed = t.throwsAsync(within(reading), { code: 'ERR_FEEDS_NOT_AUTHORIZED' })
  await until(async () => (await copy.entry('/file')) !== null, { what: 'it reads' })
  await bob.revoke(drive.contentKey)
  await failed
})

test('X37 D24 three parties in a line on given streams: one-shot sync ends when both feeds of every drive are there', async t => {
  const parties = [await newParty(t), await newParty(t), await newParty(t)] as const
  const drives = parties.map(party => driveOf(t, party))
  for (const [i, drive] of drives.entries()) {
    await drive.put('/name', b4a.from(`drive ${i}`))
    await drive.put('/large', b4a.alloc(200_000, i + 1))
    await parties[i]?.introduce(drive)
  }
  const join = (a: Party, b: Party): void => {
    const stream = a.replicate(true)
    stream.pipe(b.replicate(false)).pipe(stream)
  }
  join(parties[0], parties[1])
  await Promise.all([parties[0], parties[1]].map(party => party.synced({ timeoutMs: 20_000 })))
  join(parties[1], parties[2])
  await Promise.all([parties[1], parties[2]].map(party => party.synced({ timeoutMs: 20_000 })))
  // The third has all, through the second: everybody else may go.
  await parties[0].close()
  await parties[1].close()
  const last = parties[2]
  for (const [i, drive] of drives.slice(0, 2).entries()) {
    t.true(last.bundle(drive.key)?.isComplete)
    const copy = driveOf(t, last, drive.key)
    t.is(text(await copy.get('/name')), `drive ${i}`)
    t.true(b4a.equals((await copy.get('/large')) as Uint8Array, b4a.alloc(200_000, i + 1)))
  }
})

test('D34 B46 a Hyperbee does at the other end what hypertrie did: get, delete, watch, diff, history', async t => {
  const alice = await newParty(t)
  const bob = await newParty(t)
  const bee = new Hyperbee(await alice.feeds.writer('pairs'), PAIRS)
  await bee.put('a', 1)
  await bee.put('b', 2)
  await alice.introduce(bee)
  connectParties(alice, bob)
  await bob.synced({ timeoutMs: 8000 })
  const key = [...bob.feeds][0]?.key as Uint8Array
  t.is(bob.bundle(key)?.type, 'hyperbee')
  const copy = new Hyperbee(bob.feeds.get(key), PAIRS)
  t.is((await copy.get('b'))?.value, 2)
  const watcher = copy.watch()
  await watcher.ready()
  t.teardown(() => watcher.destroy())
  const changed = watcher[Symbol.asyncIterator]().next()
  await bee.put('a', 3)
  await bee.del('b')
  await within(changed)
  await until(() => (bob.feeds.get(key)?.length ?? 0) === 5, { what: 'all blocks' })
  t.is(await copy.get('b'), null)
  const diff = await all(copy.createDiffStream(3))
  t.deepEqual(
    diff.map(({ left, right }) => [left?.key ?? right?.key, left?.value, right?.value]),
    [
      ['a', 3, 1],
      ['b', undefined, 2]
    ]
  )
  const history = await all(copy.createHistoryStream())
  t.deepEqual(
    history.map(({ type, key: of }) => `${type} ${of}`),
    ['put a', 'put b', 'put a', 'del b']
  )
})

test('D35 a Hyperdrive does what hyperdrive 10 did with files: nested, overwritten, deleted, listed, with metadata', async t => {
  const alice = await newParty(t)
  const bob = await newParty(t, { rules: rules.manual() })
  const asked = new Promise<Introduction>(resolve => bob.once('introduction', resolve))
  const drive = driveOf(t, alice)
  await drive.put('/docs/one.txt', b4a.from('1'))
  await drive.put('/docs/two.txt', b4a.from('2'))
  await drive.put('/docs/two.txt', b4a.from('two'))
  await drive.put('/gone.txt', b4a.from('gone'))
  await drive.del('/gone.txt')
  await alice.introduce(drive, { title: 'docs' })
  connectParties(alice, bob)
  const introduction = await within(asked)
  t.is(introduction.keys.length, 2)
  await introduction.accept()
  await bob.synced({ timeoutMs: 8000 })
  const copy = driveOf(t, bob, introduction.key)
  t.deepEqual(
    (await all(copy.list('/'))).map(({ key }) => key),
    ['/docs/one.txt', '/docs/two.txt']
  )
  t.is(text(await copy.get('/docs/two.txt')), 'two')
  t.is(await copy.get('/gone.txt'), null)
  t.false((await copy.entry('/docs/one.txt'))?.value.executable)
})

test('D24 B36 both feeds of a drive are there after a restart of the reader, without the writer', async t => {
  const alice = await newParty(t)
  const storage = await temporaryFolder(t)
  const first = await newParty(t, { storage })
  const drive = driveOf(t, alice)
  await drive.put('/file', b4a.from('contents'))
  await alice.introduce(drive)
  connectParties(alice, first)
  await first.synced({ timeoutMs: 8000 })
  await until(() => first.bundle(drive.key)?.isComplete, { what: 'the bundle' })
  await first.close()
  await alice.close()
  const again = await newParty(t, { storage })
  t.is(text(await driveOf(t, again, drive.key).get('/file')), 'contents')
})
