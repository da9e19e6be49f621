import { createKeyPair } from '@hearsay/gossip'
import { type Party, type PartyOptions, rules } from '@hearsay/party'
import { partyKeyOf } from '@hearsay/party/core'
import test, { type ExecutionContext } from 'ava'
import b4a from 'b4a'
import { cryptoOf } from './support-crypto.js'
import { connect, folder, newParty, until } from './support-parties.js'

const authorOf = (seed: number): Uint8Array => createKeyPair(new Uint8Array(32).fill(seed)).publicKey
const FOUNDER = 1
const genesis = { founderPublicKey: authorOf(FOUNDER), salt: new Uint8Array(32).fill(4) }
const key = partyKeyOf(cryptoOf(1), genesis)

/** A party of invited members; the founder knows the genesis, the others hear of it. */
function invited(t: ExecutionContext, seed: number, options: Partial<PartyOptions> = {}): Promise<Party> {
  const founded = seed === FOUNDER ? { genesis } : {}
  return newParty(t, seed, { key, rules: rules.all(rules.invite(), rules.open()), ...founded, ...options })
}

async function written(party: Party, name = 'w'): Promise<{ key: Uint8Array }> {
  const feed = await party.feeds.writer(name)
  await feed.append(b4a.from(name))
  await party.introduce(feed)
  return feed
}

const met = (a: Party, b: Party) => until('they are peers', () => a.peers.size > 0 && b.peers.size > 0)

test('B37 B48 three generations: each is admitted by the one before, introduces, and goes when a link is removed', async t => {
  const founder = await invited(t, FOUNDER)
  const chain = await founder.admit(authorOf(2), { capabilities: ['read', 'write', 'invite'], depth: 1 })
  const child = await invited(t, 2, { credential: chain })
  connect(founder, child)
  await met(founder, child)
  const credential = await child.admit(authorOf(3))
  t.true(credential.length > chain.length && credential.length <= 2048)
  const grandchild = await invited(t, 3, { credential })
  connect(founder, grandchild) // it never met the founder: the chain is all that it brings
  await met(founder, grandchild)
  const feed = await written(grandchild)
  await until('the feed is here', () => founder.feeds.has(feed.key))
  await until('and at the member between', () => child.feeds.has(feed.key))
  t.deepEqual(founder.capabilitiesOf(authorOf(3)), ['read', 'write'])

  const stranger = await invited(t, 9)
  const refused = new Promise(resolve => stranger.once('peer-remove', resolve))
  const pending = await written(stranger)
  connect(founder, stranger)
  await refused
  t.false(founder.feeds.has(pending.key))

  await founder.remove(authorOf(2), { cascade: true })
  t.deepEqual(founder.capabilitiesOf(authorOf(2)), [])
  t.deepEqual(founder.capabilitiesOf(authorOf(3)), [])
  await until('nobody is left', () => founder.peers.size === 0)
  connect(founder, grandchild)
  connect(founder, child)
  const late = await written(grandchild, 'late')
  // Denials are compared first, so both hear of it, and with that the founder has closed their channels.
  const isOut = (party: Party) => party.capabilitiesOf(authorOf(2)).length === 0
  await until('both have heard of it', () => isOut(child) && isOut(grandchild))
  t.false(founder.feeds.has(late.key))
  t.is(founder.peers.size, 0)
})

test('B35 B51 who is not admitted learns no feed key, whether it knows the party key or not', async t => {
  const founder = await invited(t, FOUNDER)
  const feed = await written(founder)
  const stranger = await invited(t, 9)
  const refused = new Promise(resolve => stranger.once('peer-remove', resolve))
  const wire = connect(founder, stranger)
  await refused
  t.is(founder.peers.size, 0)
  t.false(
    wire.sent.some(bytes => b4a.indexOf(b4a.from(bytes), feed.key) >= 0),
    'on the wire'
  )
  t.false(stranger.feeds.has(feed.key))
})

test('an admission expires: the member is no peer any more', async t => {
  const founder = await invited(t, FOUNDER)
  const member = await invited(t, 2, { credential: await founder.admit(authorOf(2), { expiresMs: 2000 }) })
  connect(founder, member)
  await met(founder, member)
  await until('it expired', () => founder.peers.size === 0, 8000)
  t.deepEqual(founder.capabilitiesOf(authorOf(2)), [])
})

test('members, removals and the chain of our own survive a restart', async t => {
  const storage = await folder(t)
  const first = await invited(t, FOUNDER, { storage })
  const chain = await first.admit(authorOf(2))
  await first.admit(authorOf(3))
  await first.remove(authorOf(3))
  await first.close()
  const again = await invited(t, FOUNDER, { storage })
  t.deepEqual(again.capabilitiesOf(authorOf(2)), ['read', 'write'])
  t.deepEqual(again.capabilitiesOf(authorOf(3)), [])
  const folderOfMember = await folder(t)
  const member = await invited(t, 2, { storage: folderOfMember, credential: chain })
  await member.close()
  const later = await invited(t, 2, { storage: folderOfMember })
  t.deepEqual(
    later.capabilitiesOf(authorOf(2)),
    ['read', 'write'],
    'without the credential: it is in the log'
  )
  connect(again, later)
  await met(again, later)
})

test('a revocation by an admin reaches members over a member, whatever they had authorized', async t => {
  const founder = await invited(t, FOUNDER)
  const officer = { capabilities: ['read', 'write', 'introduce', 'invite', 'admin'], depth: 0 } as const
  const admin = await invited(t, 2, { credential: await founder.admit(authorOf(2), officer) })
  const member = await invited(t, 3, { credential: await founder.admit(authorOf(3)) })
  connect(admin, founder)
  connect(founder, member)
  const feed = await written(member)
  await until('all have it', () => [founder, admin].every(party => party.feeds.has(feed.key)))
  await admin.revoke(feed.key)
  t.false(admin.feeds.has(feed.key))
  await until('nobody has it', () => [founder, member].every(party => !party.feeds.has(feed.key)))
  await admin.authorize(feed.key)
  await until('all have it again', () => [founder, member].every(party => party.feeds.has(feed.key)))
})

test('a member cannot revoke what is another one, nor remove anybody', async t => {
  const founder = await invited(t, FOUNDER)
  const member = await invited(t, 2, { credential: await founder.admit(authorOf(2)) })
  connect(founder, member)
  const feed = await written(founder)
  const mark = await written(member)
  await until('both have both', () => member.feeds.has(feed.key) && founder.feeds.has(mark.key))
  await member.revoke(feed.key)
  await member.revoke(mark.key)
  await until('its own goes', () => !founder.feeds.has(mark.key))
  t.true(founder.feeds.has(feed.key))
  await t.throwsAsync(member.remove(authorOf(1)), { code: 'ERR_PARTY_NOT_AUTHORIZED' })
  await t.throwsAsync(member.admit(authorOf(5)), { code: 'ERR_PARTY_NOT_AUTHORIZED' })
  await t.throwsAsync(founder.admit(authorOf(5), { capabilities: [] }), { code: 'ERR_PARTY_BAD_OPTION' })
})
