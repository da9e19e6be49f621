import { duplexPair } from 'node:stream'
import { FeedSet } from '@hearsay/feeds'
import { createKeyPair } from '@hearsay/gossip'
import { type Feed, type Party, type PartyOptions, type PartyRules, rules } from '@hearsay/party'
import { partyKeyOf } from '@hearsay/party/core'
import test, { type ExecutionContext } from 'ava'
import b4a from 'b4a'
import { cryptoOf } from './support-crypto.js'
import { connect, folder, newParty, until } from './support-parties.js'

const authorOf = (seed: number): Uint8Array => createKeyPair(new Uint8Array(32).fill(seed)).publicKey
const FOUNDER = 1
const genesis = { founderPublicKey: authorOf(FOUNDER), salt: new Uint8Array(32).fill(4) }
const key = partyKeyOf(cryptoOf(1), genesis)

function invited(t: ExecutionContext, seed: number, options: Partial<PartyOptions> = {}): Promise<Party> {
  const founded = seed === FOUNDER ? { genesis } : {}
  return newParty(t, seed, { key, rules: rules.all(rules.invite(), rules.open()), ...founded, ...options })
}

/** A feed of this party with so many blocks of 100 bytes, introduced. */
async function written(party: Party, blocks: number): Promise<Feed> {
  const feed = await party.feeds.writer('w')
  await feed.append(Array.from({ length: blocks }, (_, n) => new Uint8Array(100).fill(n)))
  await party.introduce(feed)
  return feed
}

const met = (a: Party, b: Party) => until('they are peers', () => a.peers.size > 0 && b.peers.size > 0)

/** Replicates two sets beside all parties. */
function pair(a: Pick<FeedSet, 'replicate'>, b: Pick<FeedSet, 'replicate'>): void {
  const [left, right] = duplexPair()
  a.replicate(left, { initiator: true })
  b.replicate(right, { initiator: false })
}

/** Founder, a member that is removed, and one that stays; all connected, all with the first three blocks. */
async function threeWithAFeed(t: ExecutionContext) {
  const founder = await invited(t, FOUNDER)
  const removed = await invited(t, 2, { credential: await founder.admit(authorOf(2)) })
  const storage = await folder(t)
  const member = await invited(t, 3, { credential: await founder.admit(authorOf(3)), storage })
  const wires = [connect(founder, removed), connect(founder, member), connect(removed, member)]
  const feed = await written(removed, 3)
  const holds = (party: Party) => party.feeds.get(feed.key)?.contiguousLength === 3
  await until('both have it', () => holds(founder) && holds(member))
  return { founder, removed, member, feed, storage, wires }
}

test('B48 a removed member writes on, and nobody takes it; what was there before stays readable, also after a restart', async t => {
  const { founder, removed, member, feed, storage } = await threeWithAFeed(t)
  await founder.remove(authorOf(2))
  await until('the member heard of it', () => !member.feeds.has(feed.key))
  await until('nobody talks to it', () => founder.peers.size === 1 && member.peers.size === 1)
  await feed.append(b4a.from('late')).catch(() => {}) // its own set may have heard of it, too
  for (const party of [founder, member]) {
    t.false(party.feeds.has(feed.key))
    t.deepEqual(
      new Uint8Array((await party.feeds.readable(feed.key)?.get(2)) as Uint8Array),
      new Uint8Array(100).fill(2)
    )
  }
  await member.close()
  const again = await invited(t, 3, { storage })
  t.false(again.feeds.has(feed.key))
  t.truthy(await again.feeds.readable(feed.key)?.get(0))
  connect(removed, again)
  const mark = await written(founder, 1)
  connect(founder, again)
  await until('it is up to date', () => again.feeds.has(mark.key))
  t.is(again.feeds.readable(feed.key)?.length, 3)
})

test('B48 a removal without the feeds: they stay in the set and end where they ended, whoever serves more of them', async t => {
  const { founder, removed, member, feed, wires } = await threeWithAFeed(t)
  // Somebody who takes everything and tells everybody gets what the member writes while nobody else hears of it.
  const mole = new FeedSet(await folder(t), { keyPair: createKeyPair() })
  t.teardown(() => mole.close())
  for (const wire of wires) wire.cut()
  await feed.append(new Uint8Array(100).fill(9))
  const copy = await mole.authorize(feed.key)
  pair(mole, removed.feeds)
  await until('the mole has all of it', () => copy.contiguousLength === 4)
  connect(founder, member)
  await met(founder, member)
  await founder.remove(authorOf(2), { feeds: false })
  await until('the member heard of it', () => member.capabilitiesOf(authorOf(2)).length === 0)
  const mark = await mole.writer('mark')
  await mark.append(b4a.from('mark'))
  await member.feeds.authorize(mark.key)
  pair(mole, member.feeds)
  await until('it serves the member', () => member.feeds.get(mark.key)?.contiguousLength === 1)
  for (const party of [founder, member]) {
    t.true(party.feeds.has(feed.key))
    t.truthy(await party.feeds.get(feed.key)?.get(2))
  }
  const late = member.feeds.get(feed.key)?.get(3, { timeout: 300 })
  t.is(await late?.catch(() => null), null, 'the fourth block is hidden')
  t.is(member.feeds.get(feed.key)?.contiguousLength, 3)
})

test('revoke() with a cutoff: what lies before it stays readable', async t => {
  const { removed, member, feed } = await threeWithAFeed(t)
  for (const cutoff of [-1, 1.5, 2 ** 48]) {
    await t.throwsAsync(removed.revoke(feed.key, { cutoff }), { code: 'ERR_PARTY_BAD_OPTION' })
  }
  await removed.revoke(feed.key, { cutoff: 2 })
  await until('it is revoked', () => !member.feeds.has(feed.key))
  const rest = member.feeds.readable(feed.key)
  t.truthy(await rest?.get(1))
  await t.throwsAsync(async () => rest?.get(2, { timeout: 100 }))
})

test('an authorization bounds the bytes of its feed, and tells the rules its role; of all bounds the lowest counts', async t => {
  const founder = await invited(t, FOUNDER)
  const roles: number[] = []
  const seen: PartyRules = { onIntroduceFeeds: ({ message }) => void roles.push(message.role) }
  const own = { rules: rules.all(rules.invite(), seen, rules.open({ maxBytesPerFeed: 700 })) }
  const member = await invited(t, 3, { credential: await founder.admit(authorOf(3)), ...own })
  const few = await founder.feeds.writer('few')
  const many = await founder.feeds.writer('many')
  // So many that not all of them are under way when the feed turns out to be too large.
  const blocks = Array.from({ length: 3000 }, () => new Uint8Array(100))
  for (const feed of [few, many]) await feed.append(blocks)
  await founder.authorize(few.key, { role: 7, maxBytes: 300 })
  await founder.authorize(many.key, { maxBytes: 1500 })
  connect(founder, member)
  const states = () => member.feeds.progress().map(({ state }) => state)
  await until('both are over their quota', () => states().filter(state => state === 'quota').length === 2)
  t.deepEqual(roles.sort(), [0, 7])
  for (const [feed, bytes] of [
    [few, 300],
    [many, 700]
  ] as const) {
    const refused = await t.throwsAsync(async () => member.feeds.get(feed.key)?.get(2999))
    t.like(refused, { code: 'ERR_FEEDS_QUOTA' })
    t.regex((refused as Error).message, new RegExp(`first ${bytes} bytes`))
  }
  for (const options of [{ role: 256 }, { maxBytes: -1 }, { expiresMs: 0.5 }]) {
    await t.throwsAsync(founder.authorize(few.key, options), { code: 'ERR_PARTY_BAD_OPTION' })
  }
})
