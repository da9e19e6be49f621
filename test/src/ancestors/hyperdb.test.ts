/**
 * hyperdb's writers: nobody's values count but those of writers that were authorized, and everybody agrees on who they are. Here
 * admins of a party authorize and, what hyperdb could not, revoke; the rules of the members follow them.
 */
import { createKeyPair, cryptoFor, type KeyPair } from '@hearsay/gossip'
import type { Feed, Party, PartyRules } from '@hearsay/party'
import { partyKeyOf } from '@hearsay/party/core'
import test, { type ExecutionContext } from 'ava'
import b4a from 'b4a'
import { partyNode } from '../support/party-node.js'
import { turns, until } from '../support/until.js'
import { blocksOf, link, tell } from './support-feeds.js'

/** A writer counts when an admin says so, and not before. */
const byAuthorization = (): PartyRules => ({
  name: 'by authorization',
  onIntroduceFeeds: ({ message }) => (message.authorized ? true : undefined)
})

/** A database of one owner: makes members of it. */
function database(t: ExecutionContext): {
  owner(): Promise<Party>
  member(options?: { keyPair?: KeyPair; credential?: Uint8Array }): Promise<Party>
} {
  const keyPair = createKeyPair()
  const genesis = { founderPublicKey: keyPair.publicKey, salt: createKeyPair().publicKey }
  const key = partyKeyOf(cryptoFor(keyPair), genesis)
  const make = async (options: object): Promise<Party> =>
    (await partyNode(t, { key, rules: byAuthorization(), ...options })).party
  return { owner: () => make({ genesis, keyPair }), member: (options = {}) => make(options) }
}

/** A feed of a member, with one block, that the others were told of. */
const writes = (party: Party, block: string): Promise<Feed> => tell(party, 'log', block)

test('D30 S46 S47 S50 the owner and who it authorized are writers on every replica; another is on none, also after it wrote', async t => {
  const { owner: makeOwner, member } = database(t)
  const [owner, second, third, reader] = [await makeOwner(), await member(), await member(), await member()]
  const feeds = [await writes(owner, 'of the owner'), await writes(second, 'of the second')] as const
  const unasked = await writes(third, 'of the third')
  link(owner, second)
  link(second, third)
  link(third, reader)
  await owner.authorize(feeds[0].key)
  await owner.authorize(feeds[1].key)
  const all = [owner, second, third, reader]
  const has = (party: Party, { key }: Feed): boolean => party.feeds.get(key)?.contiguousLength === 1
  await until(() => all.every(party => feeds.every(feed => has(party, feed))))
  await unasked.append(b4a.from('and again'))
  await turns(100)
  for (const party of [owner, second, reader]) {
    t.false(party.feeds.has(unasked.key))
    t.deepEqual(party.feeds.keys().map(String).sort(), feeds.map(({ key }) => String(key)).sort())
    t.deepEqual(await blocksOf(party.feeds.get(feeds[0].key)), ['of the owner'])
    t.deepEqual(await blocksOf(party.feeds.get(feeds[1].key)), ['of the second'])
  }
  t.true(third.feeds.has(unasked.key), 'it keeps its own for itself')
  await t.throwsAsync(third.authorize(unasked.key), { code: 'ERR_PARTY_NOT_AUTHORIZED' })
})

test('S48 what a writer wrote before it was authorized appears nowhere, and then everywhere', async t => {
  const { owner: makeOwner, member } = database(t)
  const [owner, second, reader] = [await makeOwner(), await member(), await member()]
  link(owner, second)
  link(owner, reader)
  const feed = await writes(second, 'early')
  await feed.append(b4a.from('still early'))
  const introduced = await owner.introductions()[Symbol.asyncIterator]().next()
  t.is(introduced.value?.id, feed.id)
  t.is(introduced.value?.state, 'pending')
  await turns(100)
  t.is(owner.feeds.size, 0)
  t.is(reader.feeds.size, 0)
  await owner.authorize(feed.key)
  for (const party of [owner, reader]) {
    await until(() => (party.feeds.get(feed.key)?.contiguousLength ?? 0) === 2)
    t.deepEqual(await blocksOf(party.feeds.get(feed.key)), ['early', 'still early'])
  }
})

test('S49 S50 an authorization by a third member, who may, is seen live by all, also by the owner', async t => {
  const { owner: makeOwner, member } = database(t)
  const owner = await makeOwner()
  const keyPair = createKeyPair()
  const capabilities = ['read', 'write', 'introduce', 'invite', 'admin'] as const
  const credential = await owner.admit(keyPair.publicKey, { capabilities })
  const [admin, second, reader] = [await member({ keyPair, credential }), await member(), await member()]
  link(owner, admin)
  link(admin, second)
  link(owner, reader)
  const all = [owner, admin, second, reader]
  await until(() => all.every(party => party.peers.size > 0))
  const feed = await writes(second, 'hello')
  t.false(owner.feeds.has(feed.key))
  await admin.authorize(feed.key)
  await until(() => all.every(party => party.feeds.has(feed.key)))
  for (const party of all) {
    await until(() => (party.feeds.get(feed.key)?.contiguousLength ?? 0) === 1)
    t.deepEqual(await blocksOf(party.feeds.get(feed.key)), ['hello'])
  }
})

test('D30 a writer that is revoked brings no new block; what it wrote before stays readable, and the list is shorter', async t => {
  const { owner: makeOwner, member } = database(t)
  const [owner, second, reader] = [await makeOwner(), await member(), await member()]
  link(owner, second)
  link(owner, reader)
  link(second, reader)
  const feed = await writes(second, 'before')
  await owner.authorize(feed.key)
  await until(() => (reader.feeds.get(feed.key)?.contiguousLength ?? 0) === 1)
  const copy = reader.feeds.get(feed.key) as Feed
  await owner.revoke(feed.key, { reason: 'spam' })
  await until(() => [owner, second, reader].every(party => !party.feeds.has(feed.key)))
  await t.throwsAsync(feed.append(b4a.from('after')), { code: 'ERR_FEEDS_NOT_AUTHORIZED' })
  t.deepEqual(reader.feeds.keys(), [])
  t.is(copy.length, 1)
  t.deepEqual(await blocksOf(copy), ['before'])
  await t.throwsAsync(copy.get(1), { code: 'ERR_FEEDS_NOT_AUTHORIZED' })
})
