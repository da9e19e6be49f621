import { CAPABILITY, LIMITS, PartyKeys, type PartyRecord, partyKeyOf, signRecord } from '@hearsay/party/core'
import test from 'ava'
import b4a from 'b4a'
import { type AdmitRecord, Members, type RemoveRecord } from '#party/core/members'
import { recordDigest } from '#party/core/records'
import { CoreNode, Wire } from './support-core.js'
import { cryptoOf, hex } from './support-crypto.js'

const FOUNDER = 1
const SALT = new Uint8Array(32).fill(4)
const people = new Map(Array.from({ length: 12 }, (_, n) => [n + 1, cryptoOf(n + 1)]))
const person = (n: number) => people.get(n) as ReturnType<typeof cryptoOf>
const idOf = (n: number): string => hex(person(n).author)
const GENESIS = { founderPublicKey: person(FOUNDER).author, salt: SALT }
const PARTY = partyKeyOf(person(FOUNDER), GENESIS)
const keys = new PartyKeys(person(FOUNDER), PARTY)

const { read, write, introduce, invite, admin } = CAPABILITY
const ADMIN = read | write | introduce | invite | admin

function admit(
  issuer: number,
  subject: number,
  about: { caps?: number; depth?: number; version?: number; expires?: number; uses?: number } = {}
) {
  const { caps = read | write, depth = 0, version = 1, expires = 0, uses = 1 } = about
  return signRecord(person(issuer), keys, {
    kind: 'admit',
    version,
    subject: person(subject).author,
    capabilities: caps,
    depth,
    expiresSeconds: expires,
    uses,
    via: null
  })
}

function remove(
  issuer: number,
  subject: number,
  about: { version?: number; n?: number; adminLength?: number } = {}
) {
  const { version = 1, n = 0, adminLength = 1 } = about
  return signRecord(person(issuer), keys, {
    kind: 'remove',
    version,
    subject: person(subject).author,
    n,
    adminLength,
    adminHash: new Uint8Array(32),
    isWithFeeds: false
  })
}

function authorize(issuer: number, key: Uint8Array, version: number, expiresSeconds = 0) {
  const body = { kind: 'authorize', version, key, n: 0, role: 0, maxBytes: 0, expiresSeconds } as const
  return signRecord(person(issuer), keys, body)
}

function revoke(issuer: number, key: Uint8Array, version: number, n = 0) {
  const feedId = keys.feedId(key)
  return signRecord(person(issuer), keys, {
    kind: 'revoke',
    version,
    feedId,
    n,
    cutoff: null,
    isPurge: false,
    isCut: false,
    reason: ''
  })
}

function membersOf(records: readonly PartyRecord[], nowMs = 0): Members {
  const members = new Members({
    maxChain: LIMITS.maxChain,
    digestOf: record => recordDigest(keys, record),
    isNamed: () => false
  })
  members.found(person(FOUNDER).author)
  for (const [index, record] of records.entries())
    members.put(String(index), record as AdmitRecord | RemoveRecord)
  members.at(nowMs)
  return members
}

/** A node of this party; the founder knows the genesis. */
function node(seed: number, rules = {}): CoreNode {
  const options = seed === FOUNDER ? { genesis: GENESIS } : {}
  return new CoreNode(seed, rules, {}, PARTY, options)
}

function tell(to: CoreNode, ...records: PartyRecord[]): void {
  for (const record of records) to.step({ type: 'gossiped', record: record.bytes, channel: null })
}

const genesis = signRecord({ author: person(FOUNDER).author, sign: () => new Uint8Array(0) }, keys, {
  kind: 'genesis',
  salt: SALT
})

test('a chain gives no more than its issuer has, no deeper, no longer than four, and not after its expiry', t => {
  const caps = (n: number, ...records: PartyRecord[]) => membersOf(records).capabilitiesOf(idOf(n))
  t.is(caps(FOUNDER), ADMIN)
  t.is(caps(2), 0)
  t.is(caps(2, admit(1, 2)), read | write)
  t.is(caps(3, admit(1, 2, { depth: 1 }), admit(2, 3)), 0, 'no invite capability')
  const inviter = admit(1, 2, { caps: read | invite, depth: 1 })
  t.is(caps(3, inviter, admit(2, 3, { caps: read })), read)
  t.is(caps(3, inviter, admit(2, 3, { caps: read | write })), 0, 'more than the issuer has')
  t.is(caps(3, inviter, admit(2, 3, { caps: read, depth: 1 })), 0, 'as deep as the issuer')
  t.is(caps(2, admit(1, 2, { depth: 4 })), 0, 'the founder has depth 4')
  const chain = [2, 3, 4, 5, 6].map((subject, at) =>
    admit(subject - 1, subject, { caps: ADMIN, depth: 3 - at })
  )
  t.is(caps(5, ...chain.slice(0, 4)), ADMIN)
  t.is(caps(6, ...chain.slice(0, 4), admit(5, 6, { caps: read })), 0)
  const short = admit(1, 2, { expires: 10 })
  t.is(membersOf([short], 9_999).capabilitiesOf(idOf(2)), read | write)
  t.is(membersOf([short], 9_999).expiresAtMs, 10_000)
  t.is(membersOf([short], 10_000).capabilitiesOf(idOf(2)), 0)
})

test('who holds an unlimited invite admits itself, as far as the invite goes', t => {
  const link = admit(1, 2, { uses: 0, depth: 1 })
  t.is(membersOf([link, admit(2, 3)]).capabilitiesOf(idOf(3)), read | write)
  t.is(membersOf([link, admit(2, 3, { caps: introduce })]).capabilitiesOf(idOf(3)), 0)
  t.is(membersOf([link, admit(2, 3), remove(1, 2)]).capabilitiesOf(idOf(3)), 0, 'recalled')
})

test('a removal voids every chain through the member, and only a later admission by an admin takes it back', t => {
  const chain = [
    admit(1, 2, { caps: read | invite, depth: 2 }),
    admit(2, 3, { caps: read | invite, depth: 1 }),
    admit(3, 4, { caps: read })
  ]
  const all = membersOf([...chain, remove(1, 3)])
  t.deepEqual(
    [2, 3, 4].map(n => all.capabilitiesOf(idOf(n)) > 0),
    [true, false, false]
  )
  t.true(all.isRemoved(idOf(3)))
  t.false(all.isRemoved(idOf(4)), 'it lost its chain, it was not removed itself')
  t.true(
    membersOf([...chain, remove(1, 3), admit(2, 3, { caps: read, version: 9 })]).isRemoved(idOf(3)),
    'not by a member'
  )
  t.true(
    membersOf([...chain, remove(1, 3, { version: 2 }), admit(1, 3, { version: 2 })]).isRemoved(idOf(3)),
    'the removal wins'
  )
  t.false(membersOf([...chain, remove(1, 3), admit(1, 3, { version: 2 })]).isRemoved(idOf(3)))
  t.false(membersOf([...chain, remove(2, 4)]).isRemoved(idOf(4)), 'not by who is no admin')
  t.false(
    membersOf([admit(1, 2, { caps: ADMIN, depth: 1 }), remove(2, 1)]).isRemoved(idOf(1)),
    'not the founder'
  )
})

test('F5 B34 who counts does not depend on the order of seven records, nor does what admins say of each other', t => {
  const records = [
    admit(1, 2, { caps: ADMIN, depth: 2 }),
    admit(1, 3, { caps: ADMIN, depth: 2 }),
    admit(2, 4, { caps: ADMIN, depth: 1 }),
    admit(4, 5, { caps: read }),
    remove(2, 3),
    remove(3, 2, { n: 5 }),
    remove(4, 6)
  ]
  const seen = new Set<string>()
  let orders = 0
  for (const order of permutations(records)) {
    orders++
    const members = membersOf(order)
    seen.add(
      [1, 2, 3, 4, 5, 6].map(n => `${members.capabilitiesOf(idOf(n))}/${members.isRemoved(idOf(n))}`).join()
    )
  }
  t.is(orders, 5040)
  t.is(seen.size, 1)
  // Of two admins that remove each other, the first by digest is heard; a number beyond what it had seen is void.
  const members = membersOf(records)
  t.true(members.isRemoved(idOf(2)) || members.isRemoved(idOf(3)))
})

test('F5 nodes that hear the same facts in another order hold the same members, rows and denials', t => {
  const key = new Uint8Array(32).fill(9)
  const records = [
    genesis,
    admit(1, 2, { caps: ADMIN, depth: 2 }),
    admit(2, 3, { caps: read | invite, depth: 1 }),
    admit(3, 4, { caps: read }),
    revoke(2, key, 1, 1),
    remove(1, 3)
  ]
  const results = new Set<string>()
  for (const order of permutations(records)) {
    const one = new CoreNode(9, {}, {}, PARTY)
    tell(one, ...order)
    const { denials, records: held } = one.core.counts()
    const caps = [2, 3, 4].map(n => one.core.capabilitiesOf(person(n).author)).join()
    results.add(`${denials} ${held} ${caps}`)
  }
  t.deepEqual([...results], ['4 0 31,0,0'])
})

test('a revocation by an admin counts, also if the admission comes later; that of a member waits without effect', t => {
  const b = node(9)
  const { key } = b.own('w')
  tell(b, genesis, revoke(2, key, 5, 1))
  t.true(b.has(key))
  t.is(b.core.counts().unchecked, 1)
  tell(b, admit(1, 2, { caps: ADMIN }))
  t.false(b.has(key))
  t.is(b.core.counts().unchecked, 0)
})

test('SECURITY: a removed admin keeps the denials that its remover saw; a later number is void', t => {
  const b = node(9)
  const [early, late] = [b.own('early').key, b.own('late').key]
  tell(b, genesis, admit(1, 2, { caps: ADMIN }), remove(1, 2, { adminLength: 2 }))
  tell(b, revoke(2, early, 5, 1), revoke(2, late, 5, 2))
  t.false(b.has(early))
  t.true(b.has(late))
})

test('what cannot be judged is bounded per author and in all', t => {
  const b = new CoreNode(9, {}, { maxUnchecked: 5, maxUncheckedPerAuthor: 2 }, PARTY)
  tell(b, admit(2, 3), admit(2, 4), admit(2, 5), admit(3, 6), admit(4, 7))
  t.is(b.core.counts().unchecked, 4)
  tell(b, admit(5, 6), admit(6, 7))
  t.is(b.core.counts().unchecked, 5)
  t.is(b.all('drop').filter(drop => drop.reason === 'unchecked-full').length, 2)
})

test('admissions are bounded per issuer and in all, removals in all; the founder is never shut out', t => {
  const limits = { maxAdmissionsPerIssuer: 2, maxAdmissions: 4, maxRemovals: 1 }
  const b = new CoreNode(9, {}, limits, PARTY)
  tell(b, genesis, admit(1, 2, { caps: ADMIN, depth: 1 }))
  tell(b, admit(2, 3), admit(2, 4), admit(2, 5))
  t.deepEqual(
    [3, 4, 5].map(n => b.core.capabilitiesOf(person(n).author) > 0),
    [true, true, false]
  )
  tell(b, remove(2, 7), remove(2, 8), remove(1, 9), admit(1, 5), admit(1, 6))
  t.deepEqual(
    [7, 8, 9].map(n => b.core.isRemoved(person(n).author)),
    [true, false, true]
  )
  t.true(b.core.capabilitiesOf(person(6).author) > 0)
  t.is(b.all('drop').filter(drop => drop.reason === 'over-budget').length, 2)
})

test('a member that is removed loses its channels, its introductions and its place on the table', t => {
  const b = node(9, { introduce: () => undefined })
  const c = node(3)
  const { introduction } = c.own('w')
  tell(b, genesis, admit(1, 3))
  const wire = connect(b, c)
  c.step({ type: 'introduce', introductions: [introduction], job: 1 })
  wire.run()
  t.is(b.core.counts().pending, 1)
  tell(b, remove(1, 3))
  t.is(b.core.counts().pending, 0)
  t.deepEqual(
    b.all('closeChannel').map(effect => effect.reason),
    ['removed']
  )
  t.is(b.all('peerRemove').length, 1)
  c.step({ type: 'introduce', introductions: [c.own('later').introduction], job: 2 })
  const again = c.all('publish').map(effect => effect.record)
  t.is(again.length, 2)
  for (const record of again) b.step({ type: 'gossiped', record, channel: null })
  t.is(b.core.counts().pending, 0)
  const next = connect(b, c, 2)
  next.run()
  t.is(b.all('peerAdd').length, 1, 'it is no peer any more')
})

test('removing a member takes over whom it admitted; with cascade they go, too', t => {
  for (const isCascading of [false, true]) {
    const a = node(FOUNDER)
    tell(a, admit(1, 2, { caps: read | invite, depth: 1 }), admit(2, 3, { caps: read }))
    a.step({ type: 'remove', subject: person(2).author, isWithFeeds: false, isCascading, job: 1 })
    t.deepEqual(
      a.all('done').map(done => done.code),
      [null]
    )
    t.true(a.core.isRemoved(person(2).author))
    t.is(a.core.capabilitiesOf(person(3).author), isCascading ? 0 : read)
  }
})

test('an admission that a removal voids waits, and counts again when the chain is mended; an expired one is gone', t => {
  const b = node(9)
  const expires = Math.ceil(b.nowMs / 1000) + 10
  tell(
    b,
    genesis,
    admit(1, 2, { caps: read | invite, depth: 1 }),
    admit(2, 3, { caps: read }),
    admit(1, 4, { expires })
  )
  t.is(b.core.counts().records, 3)
  tell(b, remove(1, 2))
  t.deepEqual([b.core.counts().records, b.core.counts().unchecked], [1, 2])
  t.is(b.core.capabilitiesOf(person(3).author), 0)
  tell(b, admit(1, 2, { caps: read | invite, depth: 1, version: 2 }))
  t.is(b.core.capabilitiesOf(person(3).author), read)
  b.nowMs = expires * 1000
  b.step({ type: 'tick' })
  t.is(b.core.capabilitiesOf(person(4).author), 0)
  t.is(b.core.counts().records, 2)
  t.is(b.core.counts().unchecked, 1)
})

test('who is no admin removes nobody, admits nobody and authorizes nothing', t => {
  const b = node(2)
  tell(b, genesis, admit(1, 2))
  const subject = person(3).author
  const admission = { subject, capabilities: read, depth: 0, expires: 0, uses: 1, isInvite: false }
  b.step({ type: 'remove', subject, isWithFeeds: false, isCascading: false, job: 1 })
  b.step({ type: 'admit', admission, job: 2 })
  const authorization = { key: subject, role: 0, maxBytes: 0, expires: 0 }
  b.step({ type: 'authorizeAll', authorization, job: 3 })
  const { denials } = b.core.counts()
  tell(b, remove(2, 3))
  t.is(b.core.counts().denials, denials, 'its removal is not held')
  t.deepEqual(
    b.all('done').map(done => done.code),
    Array(3).fill('ERR_PARTY_NOT_AUTHORIZED')
  )
  t.is(b.all('publish').length, 0)
})

test('an admin authorizes: the rules are asked, and a version above a revocation takes it back', t => {
  const b = node(9)
  const key = new Uint8Array(32).fill(8)
  tell(b, genesis, authorize(1, key, 1))
  t.true(b.has(key))
  t.true(b.all('ask').some(ask => ask.about === 'introduce' && ask.introductions[0]?.authorized === true))
  tell(b, revoke(1, key, 3))
  t.false(b.has(key))
  tell(b, authorize(1, key, 3))
  t.false(b.has(key), 'at equal versions the revocation wins')
  tell(b, authorize(1, key, 4))
  t.true(b.has(key))
  const unheard = new Uint8Array(32).fill(6)
  tell(b, revoke(1, unheard, 3), authorize(1, unheard, 3))
  t.false(b.has(unheard), 'also for a feed that was unknown')
  tell(b, authorize(2, new Uint8Array(32).fill(7), 1))
  t.false(b.has(new Uint8Array(32).fill(7)), 'an author without office')
})

test('what expires leaves the set without a revocation, is not passed on, and may come again', t => {
  const a = node(3)
  const b = node(9)
  const { key, introduction } = a.own('w')
  const wire = connect(a, b)
  const seconds = Math.ceil(b.nowMs / 1000) + 60
  a.step({ type: 'introduce', introductions: [{ ...introduction, expires: seconds }], job: 1 })
  wire.run()
  t.true(b.has(key))
  t.is(b.core.counts().records, 1)
  b.nowMs = seconds * 1000
  b.step({ type: 'tick' })
  t.false(b.has(key))
  t.is(b.core.counts().records, 0)
  t.is(b.core.counts().denials, 0)
  a.nowMs = b.nowMs
  a.step({ type: 'introduce', introductions: [{ ...introduction, expires: seconds + 60 }], job: 2 })
  wire.run()
  t.true(b.has(key))
})

test('a feed that the app had authorized, or that another record covers, stays when an introduction expires', t => {
  const a = node(3)
  const b = node(9)
  const { key, introduction } = a.own('w')
  b.authorize(key)
  const other = a.own('v')
  const wire = connect(a, b)
  const seconds = Math.ceil(b.nowMs / 1000) + 60
  const expiring = [introduction, other.introduction].map(one => ({ ...one, expires: seconds }))
  a.step({ type: 'introduce', introductions: expiring, job: 1 })
  wire.run()
  tell(b, genesis, authorize(1, other.key, 1))
  b.nowMs = seconds * 1000
  b.step({ type: 'tick' })
  t.true(b.has(key))
  t.true(b.has(other.key))
})

test('the log brings back members and removals; a removed one stays removed', t => {
  const b = node(9)
  const all = [admit(1, 2), remove(1, 2), admit(1, 3), genesis]
  b.step({ type: 'replayed', records: all.map(record => record.bytes) })
  t.is(b.core.capabilitiesOf(person(2).author), 0)
  t.true(b.core.isRemoved(person(2).author))
  t.is(b.core.capabilitiesOf(person(3).author), read | write)
  t.is(
    b4a.compare(b.core.chainOf(person(3).author)?.subarray(1, 2) ?? new Uint8Array(0), new Uint8Array(1)),
    0
  )
  t.is(b.core.chainOf(person(2).author), null)
})

function connect(a: CoreNode, b: CoreNode, channel = 1): Wire {
  const wire = new Wire(a, b, channel)
  wire.run()
  return wire
}

function* permutations<T>(list: readonly T[]): Iterable<T[]> {
  if (list.length === 0) yield []
  for (const [index, first] of list.entries()) {
    const rest = [...list.slice(0, index), ...list.slice(index + 1)]
    for (const tail of permutations(rest)) yield [first, ...tail]
  }
}
