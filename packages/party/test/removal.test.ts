import {
  decodeRecord,
  LIMITS,
  type Limits,
  PartyKeys,
  partyKeyOf,
  type RecordBody,
  signRecord
} from '@hearsay/party/core'
import test from 'ava'
import { CoreNode, Wire } from './support-core.js'
import { cryptoOf, hex } from './support-crypto.js'

const FOUNDER = 1
const people = new Map([1, 2, 3, 4, 5, 9].map(n => [n, cryptoOf(n)]))
const person = (n: number) => people.get(n) as ReturnType<typeof cryptoOf>
const GENESIS = { founderPublicKey: person(FOUNDER).author, salt: new Uint8Array(32).fill(4) }
const PARTY = partyKeyOf(person(FOUNDER), GENESIS)
const keys = new PartyKeys(person(FOUNDER), PARTY)
const ADMIN = 31

const node = (seed: number, limits: Partial<Limits> = {}) =>
  new CoreNode(seed, {}, limits, PARTY, seed === FOUNDER ? { genesis: GENESIS } : {})
const sign = (by: number, body: RecordBody) => signRecord(person(by), keys, body)
const genesis = signRecord({ author: person(FOUNDER).author, sign: () => new Uint8Array(0) }, keys, {
  kind: 'genesis',
  salt: GENESIS.salt
})
const admit = (subject: number, capabilities = 7, by = FOUNDER) =>
  sign(by, {
    kind: 'admit',
    version: 1,
    subject: person(subject).author,
    capabilities,
    depth: 0,
    expiresSeconds: 0,
    uses: 1,
    via: null
  })
const revoke = (by: number, key: Uint8Array, about: Partial<Extract<RecordBody, { kind: 'revoke' }>> = {}) =>
  sign(by, {
    kind: 'revoke',
    version: 5,
    feedId: keys.feedId(key),
    n: 1,
    cutoff: null,
    isPurge: false,
    isCut: false,
    reason: '',
    ...about
  })
const authorize = (key: Uint8Array, about: Partial<Extract<RecordBody, { kind: 'authorize' }>> = {}) =>
  sign(FOUNDER, {
    kind: 'authorize',
    version: 1,
    key,
    n: 0,
    role: 0,
    maxBytes: 0,
    expiresSeconds: 0,
    ...about
  })

function tell(to: CoreNode, ...records: { bytes: Uint8Array }[]): void {
  for (const record of records) to.step({ type: 'gossiped', record: record.bytes, channel: null })
}

/** Feed of a member that everybody has, seven blocks of it. */
function heldBy(nodes: CoreNode[], author: CoreNode): Uint8Array {
  const { key, introduction } = author.own('w')
  author.step({ type: 'introduce', introductions: [introduction], job: 90 })
  const [record] = author.all('publish')
  for (const one of nodes) {
    tell(one, { bytes: record?.record as Uint8Array })
    one.step({ type: 'feedLength', key, fork: 0, length: 7, complete: 3, isWanted: true })
  }
  return key
}

const published = (from: CoreNode) => from.all('publish').map(effect => ({ bytes: effect.record }))
const remove = (from: CoreNode, subject: number, about = {}) =>
  from.step({
    type: 'remove',
    subject: person(subject).author,
    isWithFeeds: true,
    isCascading: false,
    job: 1,
    ...about
  })

test('B48 a removal denies the feeds of the member from the length on that the remover knows, for everybody', t => {
  const [founder, member, removed] = [node(1), node(3), node(2)]
  for (const one of [founder, member, removed]) tell(one, genesis, admit(2), admit(3))
  const key = heldBy([founder, member], removed)
  const foreign = node(9).own('w').key
  founder.authorize(foreign)
  remove(founder, 2)
  t.like(founder.all('deny')[0], { cutoff: 7, purge: false })
  t.is(founder.all('deny').length, 1, 'its own feeds alone')
  t.true(founder.has(foreign))
  member.step({ type: 'feedLength', key, fork: 0, length: 12, complete: 12, isWanted: true })
  tell(member, ...published(founder))
  t.like(member.all('deny')[0], { cutoff: 7, purge: false })
  t.false(member.has(key))
})

test('B48 a removal that leaves the feeds cuts them at that length: they stay in the set up to there', t => {
  const [founder, member, removed] = [node(1), node(3), node(2)]
  for (const one of [founder, member, removed]) tell(one, genesis, admit(2), admit(3))
  const key = heldBy([founder, member], removed)
  remove(founder, 2, { isWithFeeds: false })
  t.deepEqual(founder.all('deny'), [])
  tell(member, ...published(founder))
  for (const one of [founder, member]) {
    t.true(one.has(key))
    t.like(one.all('cut')[0], { length: 7 })
    t.is(hex(one.all('cut')[0]?.key as Uint8Array), hex(key))
  }
})

test('a cut counts for who hears of the feed later, and while its acceptance is being written', t => {
  const author = node(2)
  const { key, introduction } = author.own('w')
  author.step({ type: 'introduce', introductions: [introduction], job: 90 })
  const [introduced] = published(author)
  const cut = revoke(FOUNDER, key, { cutoff: 4, isCut: true })
  const late = node(3)
  tell(late, genesis, cut, introduced as { bytes: Uint8Array })
  t.true(late.has(key))
  t.like(late.all('authorize')[0]?.terms[0], { until: 4 })
  const writing = node(4)
  tell(writing, genesis)
  writing.isDiskHeld = true
  tell(writing, introduced as { bytes: Uint8Array })
  t.is(writing.all('authorize')[0]?.terms[0]?.until, null)
  tell(writing, cut)
  for (const effect of writing.held.splice(0)) writing.finish(effect, null)
  t.like(writing.all('cut')[0], { length: 4 })
})

test('an authorization above a cut lifts it; a revocation of the whole feed wins over both', t => {
  const b = node(9)
  const { key } = node(2).own('w')
  b.authorize(key)
  tell(b, genesis, revoke(FOUNDER, key, { cutoff: 4, isCut: true }))
  t.is(b.all('cut').length, 1)
  tell(b, authorize(key, { version: 6, maxBytes: 1000 }))
  t.deepEqual(b.all('authorize').at(-1)?.terms, [{ maxBytes: 1000, until: null }])
  tell(b, revoke(FOUNDER, key, { version: 7, cutoff: 2, isCut: true }))
  t.like(b.all('cut').at(-1), { length: 2, maxBytes: 1000 })
  tell(b, revoke(FOUNDER, key, { version: 8 }))
  t.false(b.has(key))
})

test('the channel of a member that is removed closes with reason 7, whoever removes it, and it may not come back', t => {
  const [founder, member, removed] = [node(1), node(3), node(2)]
  for (const one of [founder, member, removed]) tell(one, genesis, admit(2), admit(3))
  new Wire(founder, member).run()
  const between = new Wire(member, removed, 2)
  between.run()
  const direct = new Wire(founder, removed, 3)
  direct.run()
  remove(founder, 2)
  tell(member, ...published(founder))
  for (const [one, channel] of [
    [founder, 3],
    [member, 2]
  ] as const) {
    t.like(one.frames(channel).at(-1), { type: 'close', reason: 'removed' })
    t.true(one.all('channelDown').some(down => down.channel === channel && down.reason === 'removed'))
  }
  new Wire(member, removed, 4).run()
  t.is(member.all('peerAdd').filter(added => added.channel === 4).length, 0)
})

test('what a removed member had admitted is taken over with all it has: members, and invites with their uses', t => {
  const founder = node(1)
  tell(founder, genesis)
  const invite = cryptoOf(50)
  const depth = { depth: 2, expires: 0, uses: 1, isInvite: false }
  founder.step({
    type: 'admit',
    admission: { subject: person(2).author, capabilities: 15, ...depth },
    job: 2
  })
  const about = { version: 1, depth: 1, expiresSeconds: 0 } as const
  const ofMember = { kind: 'admit', subject: person(3).author, capabilities: 3, uses: 1, via: null } as const
  const ofInvite = {
    kind: 'admit',
    subject: invite.author,
    capabilities: 3,
    uses: 2,
    via: invite.author
  } as const
  tell(founder, sign(2, { ...about, ...ofMember }), sign(2, { ...about, ...ofInvite }))
  const before = founder.all('log').length
  remove(founder, 2)
  t.is(founder.core.capabilitiesOf(person(3).author), 3)
  t.is(founder.all('log').length, before + 1, 'one entry of the log')
  const [, ...admits] = founder.all('log').at(-1)?.records ?? []
  const bodies = admits.map(bytes => decodeRecord(bytes)).map(record => record.ok && record.value.body)
  t.is(bodies.length, 2)
  const { subject, uses, via } = ofInvite
  t.true(
    bodies.some(
      body => body && body.kind === 'admit' && body.uses === uses && hex(body.subject) === hex(subject)
    )
  )
  t.true(
    bodies.some(body => body && body.kind === 'admit' && body.via !== null && hex(body.via) === hex(via))
  )
  const again = node(3)
  tell(again, ...published(founder), genesis)
  t.is(again.core.capabilitiesOf(person(3).author), 3)
  remove(founder, 3, { isCascading: true })
  t.is(founder.core.capabilitiesOf(person(3).author), 0)
})

test('an authorization tells members role, bytes and expiry; at its time the feed leaves the set', t => {
  const [founder, member] = [node(1), node(3)]
  for (const one of [founder, member]) tell(one, genesis, admit(3))
  const key = new Uint8Array(32).fill(8)
  const authorization = { key, role: 7, maxBytes: 5000, expires: 1060 }
  founder.step({ type: 'authorizeAll', authorization, job: 1 })
  t.like(founder.all('authorize')[0]?.terms[0], { maxBytes: 5000 })
  tell(member, ...published(founder))
  const asked = member.all('ask').find(ask => ask.about === 'introduce')
  t.like(asked?.about === 'introduce' && asked.introductions[0], { authorized: true, role: 7 })
  t.like(member.all('authorize')[0]?.terms[0], { maxBytes: 5000 })
  for (const one of [founder, member]) {
    t.true(one.has(key))
    one.pass(59_000)
    t.true(one.has(key))
    one.pass(2000)
    t.false(one.has(key))
  }
})

test('T14 an admin denies a burst of feeds, then so many an hour: the others wait, and nothing is lost', t => {
  const limits = { denialsPerHour: 60, maxDenialsBurst: 3 }
  const b = node(9, limits)
  tell(b, genesis, admit(2, ADMIN))
  const feeds = Array.from({ length: 6 }, (_, n) => new Uint8Array(32).fill(100 + n))
  for (const key of feeds) b.authorize(key)
  tell(b, ...feeds.map((key, n) => revoke(2, key, { n: n + 1 })))
  const denied = () => feeds.filter(key => !b.has(key)).length
  t.is(denied(), 3)
  t.is(b.core.counts().unchecked, 3)
  t.is(b.all('drop').filter(drop => drop.reason === 'over-budget').length, 3)
  t.deepEqual(
    b.all('warning').map(warning => warning.code),
    ['WARN_PARTY_LIMIT']
  )
  t.is(b.wakeAtMs, b.nowMs + 60_000, 'one a minute')
  b.pass(60_000)
  t.is(denied(), 4)
  b.pass(120_000)
  t.is(denied(), 6)
  t.is(b.core.counts().unchecked, 0)
})

test('T14 what waits for its budget is bounded, the newest is dropped, and comes with the next comparison', t => {
  const limits = { denialsPerHour: 3600, maxDenialsBurst: 1, maxUnchecked: 3, maxUncheckedPerAuthor: 2 }
  const [a, b] = [node(4), node(5, limits)]
  const everything = [genesis, admit(2, ADMIN), admit(4), admit(5)]
  for (const one of [a, b]) tell(one, ...everything)
  const feeds = Array.from({ length: 6 }, (_, n) => new Uint8Array(32).fill(100 + n))
  for (const key of feeds) b.authorize(key)
  tell(a, ...feeds.map((key, n) => revoke(2, key, { n: n + 1 })))
  const wire = new Wire(a, b)
  wire.run()
  t.is(b.all('peerAdd').length, 1, 'the comparison ends all the same')
  t.is(b.core.counts().unchecked, 2)
  t.is(b.all('drop').filter(drop => drop.reason === 'unchecked-full').length, 3)
  for (let channel = 2; channel < 8 && feeds.some(key => b.has(key)); channel++) {
    b.pass(3000)
    new Wire(a, b, channel).run()
  }
  t.false(feeds.some(key => b.has(key)))
})

test('T14 the bounds of denials are those of the protocol: 1,000 an hour, a burst of 10,000, 1,024 and 4,096 unchecked', t => {
  t.like(LIMITS, {
    denialsPerHour: 1000,
    maxDenialsBurst: 10_000,
    maxUncheckedPerAuthor: 1024,
    maxUnchecked: 4096
  })
  const b = node(9)
  tell(b, genesis)
  const key = new Uint8Array(32)
  const strangers = [11, 12, 13, 14, 15].map(seed => cryptoOf(seed))
  for (const stranger of strangers) {
    for (let i = 0; i < 1100; i++) {
      new DataView(key.buffer).setUint32(0, i * 32 + (stranger.author[0] as number))
      const feedId = person(1).hash(key, stranger.author)
      const about = { n: 0, cutoff: null, isPurge: false, isCut: false, reason: '' } as const
      tell(b, signRecord(stranger, keys, { kind: 'revoke', version: 1, feedId, ...about }))
    }
  }
  t.is(b.core.counts().unchecked, 4096)
  t.is(b.all('drop').filter(drop => drop.reason === 'unchecked-full').length, 5500 - 4096)
  t.is(b.core.counts().denials, 1, 'the genesis')
})

test('T13 of a removed admin nothing counts that it signs later, with whatever number; what it had denied stays denied', t => {
  const [founder, member] = [node(1), node(3)]
  const everybody = [genesis, admit(2, ADMIN), admit(3), admit(4)]
  for (const one of [founder, member]) tell(one, ...everybody)
  const [early, late] = [node(4).own('early').key, node(4).own('late').key]
  for (const one of [founder, member]) for (const key of [early, late]) one.authorize(key)
  const removal = { kind: 'remove', version: 1, subject: person(4).author, n: 2 } as const
  const ofAdmin = sign(2, { ...removal, adminLength: 0, adminHash: new Uint8Array(32), isWithFeeds: false })
  for (const one of [founder, member]) tell(one, revoke(2, early, { n: 1 }), ofAdmin)
  remove(founder, 2)
  const joiner = node(5)
  for (const one of [member, joiner]) tell(one, ...everybody, ...published(founder))
  // The numbers 1 and 2 were used in office; it signs them again.
  const backdated = { ...removal, subject: person(3).author, adminLength: 0, adminHash: new Uint8Array(32) }
  for (const one of [founder, member, joiner]) {
    tell(one, revoke(2, late, { n: 1 }), sign(2, { ...backdated, isWithFeeds: true }))
    t.is(one.core.capabilitiesOf(person(3).author), 7, 'who was in office is not removed by it')
    t.is(one.core.capabilitiesOf(person(4).author), 0, 'whom it had removed stays out')
  }
  for (const one of [founder, member]) {
    t.false(one.has(early))
    t.true(one.has(late))
  }
  // Who comes later is told by a member of both feeds.
  const about = { kind: 'introduce', version: 1, createdMs: 0, expiresSeconds: 0, bundleType: '' } as const
  const rest = { origin: { kind: 'none' }, successor: null, meta: new Uint8Array(0) } as const
  for (const key of [early, late]) tell(joiner, sign(3, { ...about, keys: [key], ...rest }))
  t.false(joiner.has(early))
  t.true(joiner.has(late))
})

test('T13 an admin, removed or not, fills no table with removals: so many of one issuer are held', t => {
  const b = node(9, { maxRemovalsPerIssuer: 2 })
  tell(b, genesis, admit(2, ADMIN), admit(4, ADMIN))
  const removal = { kind: 'remove', version: 1, n: 1, adminLength: 0, adminHash: new Uint8Array(32) } as const
  const before = b.core.counts().denials
  for (let n = 20; n < 25; n++) {
    tell(b, sign(2, { ...removal, subject: cryptoOf(n).author, isWithFeeds: false }))
  }
  t.is(b.core.counts().denials, before + 2)
  t.is(b.all('drop').filter(drop => drop.reason === 'over-budget').length, 3)
  tell(b, sign(4, { ...removal, subject: person(2).author, isWithFeeds: false }))
  t.is(b.core.capabilitiesOf(person(2).author), 0, 'that of another one counts')
})

test('T10 an author whose feed was revoked does not get it back by a cut of its own, in whatever order they come', t => {
  const author = node(2)
  const { key, introduction } = author.own('w')
  author.step({ type: 'introduce', introductions: [introduction], job: 90 })
  const [introduced] = published(author) as [{ bytes: Uint8Array }]
  const denial = revoke(FOUNDER, key)
  const cut = revoke(2, key, { version: 6, n: 0, cutoff: 1000, isCut: true })
  for (const records of [
    [denial, cut, introduced],
    [cut, denial, introduced],
    [cut, introduced, denial],
    [introduced, denial, cut]
  ]) {
    const b = node(9)
    tell(b, genesis, admit(2), ...records)
    t.false(b.has(key))
  }
})
