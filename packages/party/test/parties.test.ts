/** The list of parties: what it keeps over a restart, how parties are found, and what it refuses. */
import { createKeyPair, keyId } from '@hearsay/gossip'
import { LIMITS, Parties, type PartiesOptions, Party, rules } from '@hearsay/party'
import test from 'ava'
import b4a from 'b4a'
import Corestore from 'corestore'
import { listIn, newList } from './support-lists.js'
import { folder, KEY } from './support-parties.js'

const METADATA = {
  text: 'Grüße, 日本',
  none: null,
  list: [1, -1, 1.5, 2 ** 40, true, { deep: [] }],
  bytes: Uint8Array.of(0, 1, 255),
  when: new Date(1_760_000_000_000),
  empty: {}
}

test('B28 X23 B30 a party comes back after a restart: key, name, metadata and the name of its rules are deep-equal', async t => {
  const { parties, storage } = await newList(t, { rules: { friends: rules.open() } })
  const told: unknown[] = []
  parties.on('party', party => told.push(party))
  const made = await parties.create({ name: 'walks', metadata: METADATA, rules: 'friends' })
  const bare = await parties.create()
  const joined = await parties.add(KEY, { name: 'joined', metadata: 7 })
  t.deepEqual(told, [made, bare, joined])
  t.deepEqual(made.metadata, METADATA)
  const before = [made, bare, joined].map(({ key, id, name, metadata }) => ({ key, id, name, metadata }))
  const authors = [made, bare, joined].map(({ feeds }) => feeds.author)
  await parties.close()

  const again = await listIn(t, storage, { rules: { friends: rules.open() } })
  const listed = again.list()
  t.deepEqual(
    listed.map(({ key, id, name, metadata }) => ({ key, id, name, metadata })),
    before
  )
  t.deepEqual(
    listed.map(party => party.rules),
    ['friends', null, null]
  )
  t.deepEqual(
    listed.map(({ isOpen }) => isOpen),
    [false, false, false],
    'nothing is opened before it is asked for'
  )
  const reopened = await Promise.all(listed.map(({ id }) => again.open(id)))
  t.deepEqual(
    reopened.map(({ key, id, name, metadata }) => ({ key, id, name, metadata })),
    before
  )
  t.deepEqual(
    reopened.map(({ feeds }) => feeds.author),
    authors
  )
  t.like(reopened[0]?.toJSON(), { rules: 'open' })
})

test('B29 B1 id, name, discovery key and party key in each spelling open the same object; anything else is ERR_PARTY_UNKNOWN', async t => {
  const { parties } = await newList(t)
  const party = await parties.create({ name: 'walks' })
  await parties.create({ name: 'walks too' })
  const { key, discoveryKey, id } = party
  const hex = (bytes: Uint8Array): string => b4a.toString(bytes, 'hex')
  const spellings = [
    id,
    id.toUpperCase(),
    discoveryKey,
    hex(discoveryKey),
    key,
    hex(key),
    keyId(key),
    'walks'
  ]
  for (const which of spellings) t.is(await parties.open(which), party)
  t.is(await parties.add(hex(key)), party, 'adding what is there changes nothing')
  t.is(parties.list().length, 2)
  // B30: megafeed matched patterns against keys.
  const patterns = [
    '*',
    'w*',
    'walk',
    'WALKS',
    '',
    hex(key).slice(0, 32),
    `${hex(key).slice(0, 63)}*`,
    '?'.repeat(64)
  ]
  for (const which of [...patterns, new Uint8Array(32), new Uint8Array(5)]) {
    await t.throwsAsync(parties.open(which), { code: 'ERR_PARTY_UNKNOWN' })
    t.false(await parties.forget(which))
  }
})

test('B1 new Party({}) throws, and create() makes a key of its own each time, founded by its author', async t => {
  t.throws(() => new Party({} as never), { code: 'ERR_PARTY_BAD_KEY' })
  const { parties } = await newList(t)
  const [a, b] = [await parties.create(), await parties.create()]
  t.notDeepEqual(a.key, b.key)
  t.notDeepEqual(a.feeds.author, b.feeds.author, 'the authors of two parties are not linked')
  t.deepEqual([...a.capabilitiesOf(a.feeds.author)].sort(), ['admin', 'introduce', 'invite', 'read', 'write'])
  const chain = await a.admit(createKeyPair().publicKey)
  t.true(chain.length > 0)
  const joined = await parties.add(KEY)
  t.deepEqual(joined.capabilitiesOf(joined.feeds.author), [])
})

test('B27 rules have names: a party keeps its own, the others take the default, and an unknown name is a coded error', async t => {
  const mine = { name: 'mine', onIntroduceFeeds: () => true }
  const { parties, storage } = await newList(t, { rules: { default: rules.open(), mine } })
  const nameOf = (party: Party): unknown => (party.toJSON() as { rules: unknown }).rules
  t.is(nameOf(await parties.create({ name: 'own', rules: 'mine' })), 'mine')
  t.is(nameOf(await parties.create({ name: 'any' })), 'open')
  t.is(nameOf(await parties.create({ rules: 'invite' })), 'invite')
  const code = 'ERR_PARTY_UNKNOWN_RULES'
  await t.throwsAsync(parties.create({ rules: 'none such' }), { code })
  await t.throwsAsync(parties.add(KEY, { rules: 'toString' }), { code })
  await t.throwsAsync(parties.create({ rules: rules.open() as never }), { code: 'ERR_PARTY_BAD_OPTION' })
  t.is(parties.list().length, 3, 'what was refused is not in the list')
  await parties.close()

  const without = await listIn(t, storage, { rules: rules.open() })
  await t.throwsAsync(without.open('own'), { code, message: /mine/ })
  t.is(nameOf(await without.open('any')), 'open', 'rules instead of a map are the default')
  await without.close()
  const silent = await listIn(t, storage)
  t.is(nameOf(await silent.open('any')), 'manual')
})

test('two calls at once open one party; a party that was closed is opened anew, and forgotten it is gone from the disk', async t => {
  const { parties, storage } = await newList(t)
  await parties.create({ name: 'walks' })
  const first = await parties.open('walks')
  const log = await first.feeds.writer('log')
  await log.append('kept')
  const closing = first.close()
  const [one, two] = await Promise.all([parties.open('walks'), parties.open(first.id)])
  await closing
  t.is(one, two)
  t.not(one, first)
  t.is(String(await one.feeds.get(log.key)?.get(0)), 'kept')
  t.true(await parties.forget('walks'))
  t.true(one.closed)
  t.deepEqual(parties.list(), [])
  await parties.close()
  const again = await listIn(t, storage)
  t.deepEqual(again.list(), [])
  const back = await again.add(first.key)
  t.true(back.feeds.has(log.key), 'its feeds stayed in the storage')
})

test('with a key pair of the app that is the author, is never stored, and is needed again', async t => {
  const keyPair = createKeyPair()
  const { parties, storage } = await newList(t, { keyPair })
  const [made, added] = [await parties.create({ name: 'made' }), await parties.add(KEY)]
  t.deepEqual(made.feeds.author, keyPair.publicKey)
  t.deepEqual(added.feeds.author, keyPair.publicKey)
  t.true(made.capabilitiesOf(keyPair.publicKey).includes('admin'))
  await parties.close()
  const without = await listIn(t, storage)
  const error = { code: 'ERR_PARTY_BAD_KEY', instanceOf: TypeError }
  await t.throwsAsync(without.open('made'), error)
  const own = await without.create({ name: 'own' })
  await without.close()
  const other = await listIn(t, storage, { keyPair: createKeyPair() })
  await t.throwsAsync(other.open('made'), error)
  t.deepEqual(
    (await other.open('own')).feeds.author,
    own.feeds.author,
    'a party keeps the author that it has'
  )
  await other.close()
  const same = await listIn(t, storage, { keyPair })
  t.deepEqual((await same.open('made')).feeds.author, keyPair.publicKey)
})

test('a genesis is checked against the key, and a party with one knows its founder', async t => {
  const [{ parties: a }, { parties: b }] = [await newList(t), await newList(t)]
  const made = await a.create()
  const founder = made.feeds.author
  const wrong = { founderPublicKey: founder, salt: new Uint8Array(32) }
  await t.throwsAsync(b.add(made.key, { genesis: wrong }), { code: 'ERR_PARTY_NOT_AUTHORIZED' })
  t.is(b.list().length, 0)
  const bare = await b.add(made.key)
  t.deepEqual(bare.capabilitiesOf(founder), [])
})

test('names are unique and bounded, metadata is bounded, and a refused party leaves nothing behind', async t => {
  const { parties } = await newList(t, { limits: { maxParties: 3 } })
  await parties.create({ name: 'walks' })
  await t.throwsAsync(parties.create({ name: 'walks' }), { code: 'ERR_PARTY_EXISTS' })
  await t.throwsAsync(parties.add(KEY, { name: 'walks' }), { code: 'ERR_PARTY_EXISTS' })
  const bad = { code: 'ERR_PARTY_BAD_OPTION' }
  for (const name of [
    '',
    7,
    null,
    'ä'.repeat(33),
    'a'.repeat(64).replaceAll('a', '0'),
    keyId(KEY),
    '\ud800'
  ]) {
    await t.throwsAsync(parties.create({ name: name as string }), bad, `${name}`)
  }
  await t.throwsAsync(parties.create({ rules: '' }), bad)
  await t.throwsAsync(parties.create({ metadata: 'x'.repeat(4096) }), {
    code: 'ERR_PARTY_TOO_LARGE',
    message: /limit is 4096/
  })
  await t.throwsAsync(parties.create({ metadata: { f: () => {} } }), { code: 'ERR_PARTY_NOT_ENCODABLE' })
  await t.throwsAsync(parties.add('short'), { code: 'ERR_PARTY_BAD_KEY', instanceOf: TypeError })
  await parties.create({ name: 'ä'.repeat(32), metadata: 'x'.repeat(4093) })
  const raced = await Promise.allSettled([parties.create({ name: 'same' }), parties.create({ name: 'same' })])
  t.deepEqual(
    raced.map(({ status }) => status),
    ['fulfilled', 'rejected']
  )
  await t.throwsAsync(parties.create(), { code: 'ERR_PARTY_LIMIT', message: /limit is 3 \(maxParties\)/ })
  t.is(parties.list().length, 3)
})

test('bad options are refused at once, each with a code', async t => {
  const storage = await folder(t)
  const options: [Partial<PartiesOptions> | undefined, string][] = [
    [undefined, 'ERR_PARTY_BAD_OPTION'],
    [{}, 'ERR_PARTY_BAD_OPTION'],
    [{ storage: '' }, 'ERR_PARTY_BAD_OPTION'],
    [{ storage: null as never }, 'ERR_PARTY_BAD_OPTION'],
    [{ storage, rules: 'open' as never }, 'ERR_PARTY_BAD_OPTION'],
    [{ storage, rules: { mine: { handshake: 7 } } as never }, 'ERR_PARTY_BAD_OPTION'],
    [{ storage, keyPair: { publicKey: KEY } as never }, 'ERR_PARTY_BAD_KEY'],
    [{ storage, limits: { maxParties: LIMITS.maxParties + 1 } }, 'ERR_PARTY_BAD_OPTION'],
    [{ storage, limits: { none: 1 } as never }, 'ERR_PARTY_BAD_OPTION']
  ]
  for (const [given, code] of options) t.throws(() => new Parties(given as PartiesOptions), { code })
  const notStorage = new Parties({ storage: { level: true } })
  await t.throwsAsync(notStorage.ready(), { code: 'ERR_FEEDS_STORAGE' })
  await notStorage.close()
})

test('before ready() the list is not known, and after close() everything says that it is closed', async t => {
  const storage = await folder(t)
  const parties = new Parties({ storage })
  t.throws(() => parties.list(), { code: 'ERR_PARTY_NOT_READY' })
  t.false(parties.opened)
  const party = await parties.create({ name: 'walks' })
  t.true(parties.opened)
  const closed = new Promise<void>(resolve => parties.once('close', resolve))
  await Promise.all([parties.close(), parties.close(), closed])
  t.true(parties.closed && !parties.opened && party.closed)
  const code = 'ERR_PARTY_CLOSED'
  for (const late of [
    parties.ready(),
    parties.create(),
    parties.add(KEY),
    parties.open('walks'),
    parties.forget('x')
  ]) {
    await t.throwsAsync(late, { code })
  }
  t.throws(() => parties.join({} as never), { code })
  await using again = new Parties({ storage })
  await again.ready()
  t.is(again.list().length, 1)
})

test('E4 a Corestore that was passed in holds all parties, and stays open', async t => {
  const store = new Corestore(await folder(t))
  t.teardown(() => store.close())
  const parties = new Parties({ storage: store })
  const [a, b] = [await parties.create({ name: 'a' }), await parties.create({ name: 'b' })]
  const [ours, theirs] = [await a.feeds.writer('log'), await b.feeds.writer('log')]
  t.notDeepEqual(ours.key, theirs.key, 'the same name is another feed in another party')
  await ours.append('in a')
  t.false(b.feeds.has(ours.key))
  const own = store.get({ name: 'own' })
  await own.append('of the app')
  await parties.close()
  t.is(String(await own.get(0)), 'of the app')
  const again = await listIn(t, store as never)
  t.is(String(await (await again.open('a')).feeds.get(ours.key)?.get(0)), 'in a')
})

test('what is shown and logged holds no key', async t => {
  const { parties } = await newList(t)
  const party = await parties.create({ name: 'walks' })
  const { inspect } = await import('node:util')
  const shown = [parties, parties.list(), party, parties.list()[0]].flatMap(value => [
    inspect(value, { depth: 9, showHidden: true }),
    JSON.stringify(value)
  ])
  const hex = b4a.toString(party.key, 'hex')
  const bytes = [...party.key]
    .slice(0, 6)
    .map(byte => byte.toString(16).padStart(2, '0'))
    .join(' ')
  for (const text of shown) {
    for (const secret of [
      hex,
      keyId(party.key),
      b4a.toString(party.key, 'base64'),
      bytes,
      [...party.key].join(',')
    ]) {
      t.false(text.includes(secret))
    }
  }
  t.true(shown.some(text => text.includes(party.id)))
})
