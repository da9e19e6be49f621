/** Lists of parties that meet: what members tell each other of founder and admissions, and where that is kept. */
import { duplexPair } from 'node:stream'
import { createKeyPair, cryptoFor } from '@hearsay/gossip'
import { LIMITS, type Parties, type PartiesOptions, rules } from '@hearsay/party'
import { isGenesisOf } from '@hearsay/party/core'
import test from 'ava'
import { Registry } from '#party/node/registry'
import { writeWholeFile } from '#party/node/whole-file'
import { filesIn, filesWith, listIn, newList } from './support-lists.js'
import { until } from './support-parties.js'

const crypto = cryptoFor(createKeyPair())
const BY_INVITE = {
  rules: { default: rules.all(rules.invite(), rules.open()) }
} satisfies Partial<PartiesOptions>
const OPEN = { rules: { default: rules.open() } } satisfies Partial<PartiesOptions>

function connect(a: Parties, b: Parties): void {
  const [left, right] = duplexPair()
  a.attach(left, { initiator: true })
  b.attach(right, { initiator: false })
}

test('B28 who founded a party is learned from a member, kept in the sealed list, and nowhere else on the disk', async t => {
  const [{ parties: a }, { parties: b, storage }] = [await newList(t, OPEN), await newList(t, OPEN)]
  const made = await a.create()
  const founder = made.feeds.author
  const party = await b.add(made.key, { name: 'walks' })
  t.deepEqual(party.capabilitiesOf(founder), [])
  connect(a, b)
  await until('the founder is known', () => party.capabilitiesOf(founder).includes('admin'))
  await until('they are peers', () => party.peers.size > 0)
  await b.close()

  const options = { hashes: crypto, secret: undefined, limits: LIMITS, write: writeWholeFile }
  const registry = await Registry.open(storage, options)
  const [entry] = registry.list()
  await registry.close()
  const genesis = entry?.genesis
  if (!genesis) return t.fail('it is not in the list')
  t.true(isGenesisOf(crypto, genesis, made.key))
  // The key follows from the two: in the log it would be as good as the key itself.
  const files = await filesIn(storage)
  t.deepEqual(filesWith(files, genesis.salt), [])
  t.deepEqual(filesWith(files, made.key), [])

  const again = await listIn(t, storage, OPEN)
  const reopened = await again.open('walks')
  t.true(reopened.capabilitiesOf(founder).includes('admin'), 'without a connection')
})

test('B48 a party is added by an invite link: its member is admitted, and stays so after a restart', async t => {
  const [{ parties: a }, { parties: b, storage }] = [await newList(t, BY_INVITE), await newList(t, BY_INVITE)]
  const made = await a.create({ name: 'walks' })
  const link = await made.invite({ capabilities: ['read', 'write'] })
  await t.throwsAsync(b.add(link.slice(0, -3)), { code: 'ERR_PARTY_INVITE_INVALID' })
  t.deepEqual(b.list(), [])
  const party = await b.add(link, { name: 'hikes' })
  t.deepEqual(party.key, made.key)
  const author = party.feeds.author
  connect(a, b)
  await party.admitted({ timeoutMs: 8000 })
  t.deepEqual(made.capabilitiesOf(author), ['read', 'write'])
  const log = await party.feeds.writer('log')
  await log.append('by a guest')
  await party.introduce(log)
  await until('it is taken', () => made.feeds.has(log.key))
  t.is(await b.add(link), party)
  await b.close()

  const again = await listIn(t, storage, BY_INVITE)
  const reopened = await again.open('hikes')
  t.deepEqual(reopened.feeds.author, author)
  t.deepEqual(reopened.capabilitiesOf(author), ['read', 'write'])
  connect(a, again)
  await until('it is a member still', () => reopened.peers.size > 0)
})
