import { createKeyPair } from '@hearsay/gossip'
import { Party, type PartyOptions, rules } from '@hearsay/party'
import { partyKeyOf } from '@hearsay/party/core'
import test, { type ExecutionContext } from 'ava'
import b4a from 'b4a'
import { cryptoOf } from './support-crypto.js'
import { connect, folder, newParty, next, until } from './support-parties.js'

const authorOf = (seed: number): Uint8Array => createKeyPair(new Uint8Array(32).fill(seed)).publicKey
const FOUNDER = 1
const genesis = { founderPublicKey: authorOf(FOUNDER), salt: new Uint8Array(32).fill(4) }
const key = partyKeyOf(cryptoOf(1), genesis)
const byInvite = () => rules.all(rules.invite(), rules.open())

/** The founder of a party of invited members. */
const founding = (t: ExecutionContext, options: Partial<PartyOptions> = {}): Promise<Party> =>
  newParty(t, FOUNDER, { key, genesis, rules: byInvite(), ...options })

/** A newcomer that holds a link. */
function guest(t: ExecutionContext, seed: number, invite: string, options: Partial<PartyOptions> = {}) {
  return newParty(t, seed, { key: undefined as never, invite, rules: byInvite(), ...options })
}

async function written(party: Party): Promise<{ key: Uint8Array }> {
  const feed = await party.feeds.writer('w')
  await feed.append(b4a.from('w'))
  await party.introduce(feed)
  return feed
}

const met = (a: Party, b: Party) => until('they are peers', () => a.peers.size > 0 && b.peers.size > 0)

test('B37 B48 an invite link is all that a newcomer needs: it is admitted, and reads and writes', async t => {
  const founder = await founding(t)
  const feed = await written(founder)
  const link = await founder.invite({ capabilities: ['read', 'write'] })
  t.regex(link, /^hearsay-invite:[a-z0-9]+$/)
  t.true(link.length < 200, `${link.length} characters`)
  const newcomer = await guest(t, 2, link)
  t.is(newcomer.id, founder.id)
  const admitted = newcomer.admitted({ timeoutMs: 8000 })
  connect(newcomer, founder)
  await admitted
  t.deepEqual(newcomer.capabilitiesOf(authorOf(2)), ['read', 'write'])
  t.deepEqual(founder.capabilitiesOf(authorOf(2)), ['read', 'write'])
  const mine = await written(newcomer)
  await until('both have both', () => newcomer.feeds.has(feed.key) && founder.feeds.has(mine.key))
})

test('B48 a link that may be used once admits one, however many ask at once', async t => {
  const founder = await founding(t)
  const link = await founder.invite()
  const guests = await Promise.all([2, 3, 4].map(seed => guest(t, seed, link)))
  const outcomes = guests.map(one =>
    one.admitted({ timeoutMs: 8000 }).then(
      () => 'admitted',
      fault => fault.code
    )
  )
  for (const one of guests) connect(one, founder)
  t.deepEqual((await Promise.all(outcomes)).sort(), [
    'ERR_PARTY_INVITE_USED',
    'ERR_PARTY_INVITE_USED',
    'admitted'
  ])
  await until('only one stays', () => founder.peers.size === 1)
})

test('uses are counted on the disk: also after a restart a used link admits nobody else, and its user again', async t => {
  const storage = await folder(t)
  const first = await founding(t, { storage })
  const link = await first.invite({ uses: 2 })
  const guests = await Promise.all([2, 3].map(seed => guest(t, seed, link)))
  for (const one of guests) connect(one, first)
  await Promise.all(guests.map(one => one.admitted({ timeoutMs: 8000 })))
  await first.close()
  const again = await founding(t, { storage })
  const late = await guest(t, 4, link)
  const refused = next<[Error & { code: string }]>(late, 'warning')
  connect(late, again)
  await t.throwsAsync(late.admitted({ timeoutMs: 8000 }), { code: 'ERR_PARTY_INVITE_USED' })
  t.is((await refused)[0].code, 'ERR_PARTY_INVITE_USED')
  t.deepEqual(again.capabilitiesOf(authorOf(4)), [])
  const forgetful = await guest(t, 2, link) // on another folder: it forgot its admission, but is the same author
  connect(forgetful, again)
  await forgetful.admitted({ timeoutMs: 8000 })
})

test('an unlimited link admits at any member, with the inviter offline, and while the members never heard of it', async t => {
  const founder = await founding(t)
  const member = await newParty(t, 2, {
    key,
    rules: byInvite(),
    credential: await founder.admit(authorOf(2))
  })
  connect(founder, member)
  await met(founder, member)
  const feed = await written(member)
  await founder.close()
  const inviter = await founding(t) // elsewhere, and never online
  const link = await inviter.invite({ uses: 0 })
  await inviter.close()
  for (const seed of [3, 4]) {
    const newcomer = await guest(t, seed, link)
    await newcomer.admitted()
    connect(newcomer, member)
    await until('the feed is here', () => newcomer.feeds.has(feed.key))
    t.deepEqual(member.capabilitiesOf(authorOf(seed)), ['read', 'write'])
  }
})

test('a recalled link admits nobody any more; who came by it stays, or goes with cascade', async t => {
  const founder = await founding(t)
  const [once, unlimited, other] = await Promise.all([
    founder.invite({ uses: 5 }),
    founder.invite({ uses: 0 }),
    founder.invite({ uses: 0 })
  ])
  const guests = await Promise.all([guest(t, 2, once), guest(t, 3, unlimited), guest(t, 4, other)])
  for (const one of guests) connect(one, founder)
  await Promise.all(guests.map(one => one.admitted({ timeoutMs: 8000 })))
  await until('all are here', () => [2, 3, 4].every(n => founder.capabilitiesOf(authorOf(n)).length > 0))
  await founder.remove(once)
  await founder.remove(unlimited)
  await founder.remove(other, { cascade: true })
  t.deepEqual(
    [2, 3, 4].map(n => founder.capabilitiesOf(authorOf(n)).length > 0),
    [true, true, false]
  )
  await until('the last one is out', () => founder.peers.size === 2)
  const late = await guest(t, 5, once)
  connect(late, founder)
  await t.throwsAsync(late.admitted({ timeoutMs: 8000 }), { code: 'ERR_PARTY_INVITE_INVALID' })
  const bearer = await guest(t, 6, unlimited)
  connect(bearer, founder)
  await until('it heard of the recall', () => bearer.capabilitiesOf(authorOf(6)).length === 0)
  t.deepEqual(founder.capabilitiesOf(authorOf(6)), [])
})

test('an admin redeems what another has made; a member without that office sends the newcomer on', async t => {
  const founder = await founding(t)
  const officer = { capabilities: ['read', 'write', 'introduce', 'invite', 'admin'], depth: 1 } as const
  const credentials = [await founder.admit(authorOf(2), officer), await founder.admit(authorOf(3))]
  const admin = await newParty(t, 2, { key, rules: byInvite(), credential: credentials[0] as Uint8Array })
  const member = await newParty(t, 3, { key, rules: byInvite(), credential: credentials[1] as Uint8Array })
  connect(founder, admin)
  connect(admin, member)
  await met(admin, member)
  const link = await founder.invite()
  const mark = await written(founder)
  await until('they have heard of it', () => member.feeds.has(mark.key))
  await founder.close()
  const newcomer = await guest(t, 4, link)
  connect(newcomer, member)
  await until('the member refused', () => member.peers.size === 1 && newcomer.peers.size === 0)
  t.deepEqual(newcomer.capabilitiesOf(authorOf(4)), [])
  connect(newcomer, admin)
  await newcomer.admitted({ timeoutMs: 8000 })
  connect(newcomer, member)
  await met(newcomer, member)
})

test('a link expires', async t => {
  const founder = await founding(t)
  const link = await founder.invite({ expiresMs: 5000, uses: 0 })
  const newcomer = await guest(t, 2, link)
  await newcomer.admitted()
  await until('it expired', () => newcomer.capabilitiesOf(authorOf(2)).length === 0, 15_000)
  const late = await guest(t, 3, link)
  await t.throwsAsync(late.admitted(), { code: 'ERR_PARTY_INVITE_INVALID' })
})

test('what an invite may give, and what a link has to look like', async t => {
  const founder = await founding(t)
  const plain = await newParty(t, 2)
  await t.throwsAsync(plain.invite(), { code: 'ERR_PARTY_NOT_AUTHORIZED' }, 'a party without a founder')
  const member = await newParty(t, 3, {
    key,
    rules: byInvite(),
    credential: await founder.admit(authorOf(3))
  })
  await t.throwsAsync(member.invite(), { code: 'ERR_PARTY_NOT_AUTHORIZED' }, 'without the capability')
  for (const uses of [-1, 1.5, 65_536, Number.NaN]) {
    await t.throwsAsync(founder.invite({ uses }), { code: 'ERR_PARTY_BAD_OPTION' }, `uses ${uses}`)
  }
  await t.throwsAsync(founder.invite({ depth: 4 }), { code: 'ERR_PARTY_NOT_AUTHORIZED' })
  await t.throwsAsync(founder.remove('hearsay-invite:yyyy'), { code: 'ERR_PARTY_INVITE_INVALID' })
  const storage = await folder(t)
  const make = (invite: unknown) => () => new Party({ invite: invite as string, storage })
  const link = await founder.invite()
  for (const bad of [
    '',
    'hearsay-invite:',
    link.slice(0, -1),
    `${link}y`,
    link.replace(/.{3}$/, 'bbb'),
    7,
    null
  ]) {
    t.throws(make(bad), { code: 'ERR_PARTY_INVITE_INVALID' }, String(bad))
  }
  t.throws(() => new Party({ invite: link, key: new Uint8Array(32), storage }), {
    code: 'ERR_PARTY_BAD_OPTION'
  })
  const spelt = new Party({
    invite: `  ${link.toUpperCase().replace('HEARSAY-INVITE', 'hearsay-invite')}\n`,
    storage
  })
  t.is(spelt.id, founder.id)
  await spelt.close()
})
