import { type IntroduceMessage, type PartyLike, type PartyRules, rules } from '@hearsay/party'
import test from 'ava'
import b4a from 'b4a'
import fc from 'fast-check'
import { keyBytes, keyId, parseKey } from '#party/key'

const key = (n: number): Uint8Array => new Uint8Array(32).fill(n)
const message = (keys: number[], fields: Partial<IntroduceMessage> = {}): IntroduceMessage => ({
  keys: keys.map(key),
  type: '',
  meta: null,
  author: key(99),
  own: false,
  authorized: false,
  role: 0,
  bundle: null,
  ...fields
})
// Admits authors 90 and above, by capabilities that depend on the number.
const party = {
  capabilitiesOf: (author: Uint8Array) =>
    author[0] === 98 ? ['read', 'write'] : author[0] === 97 ? ['introduce'] : [],
  admission: async (peer: { author: Uint8Array }) => party.capabilitiesOf(peer.author)
} as unknown as PartyLike
const ask = async (of: PartyRules, what: IntroduceMessage) =>
  of.onIntroduceFeeds?.({ peer: null, party, message: what })

test('B37 B48 invite takes what the capabilities of the author allow, and waits for strangers', async t => {
  const invite = rules.invite()
  t.is(await ask(invite, message([1], { own: true })), undefined)
  t.true(await ask(invite, message([1], { own: true, author: key(98) })))
  t.true(await ask(invite, message([1], { author: key(97) })))
  t.true(await ask(invite, message([1], { authorized: true })))
  const refused = { code: 'ERR_PARTY_NOT_AUTHORIZED' }
  await t.throwsAsync(ask(invite, message([1], { author: key(98) })), refused)
  await t.throwsAsync(ask(invite, message([1], { own: true, author: key(97) })), refused)
  const peer = (n: number) => ({ author: key(n) }) as never
  await t.notThrowsAsync(async () => invite.handshake?.({ peer: peer(98), party }))
  await t.throwsAsync(async () => invite.handshake?.({ peer: peer(97), party }), refused)
  await t.throwsAsync(async () => invite.handshake?.({ peer: peer(1), party }), refused)
  t.throws(() => rules.invite({ require: ['fly' as never] }), { code: 'ERR_PARTY_BAD_OPTION' })
})

test('B37 manual decides nothing', async t => {
  t.is(await ask(rules.manual(), message([1])), undefined)
})

test('B37 open takes what its author has proven, and bundles of known types', async t => {
  t.true(await ask(rules.open(), message([1], { own: true })))
  t.true(await ask(rules.open(), message([1, 2], { type: 'hyperdrive' })))
  t.false(await ask(rules.open(), message([1])))
  t.false(await ask(rules.open(), message([1], { type: 'unheard-of' })))
})

test('open counts feeds, in all and per author; the same feed counts once', async t => {
  const few = rules.open({ maxFeeds: 3, maxPerAuthor: 2 })
  t.true(await ask(few, message([1], { own: true })))
  t.true(await ask(few, message([1], { own: true })))
  t.true(await ask(few, message([2], { own: true })))
  await t.throwsAsync(ask(few, message([3], { own: true })), {
    code: 'ERR_PARTY_LIMIT',
    message: /maxPerAuthor/
  })
  t.true(await ask(few, message([3], { own: true, author: key(98) })))
  await t.throwsAsync(ask(few, message([4], { own: true, author: key(97) })), { message: /maxFeeds/ })
  t.throws(() => rules.open({ maxFeeds: 0 }), { code: 'ERR_PARTY_BAD_OPTION' })
})

test('B37 allow takes listed feeds, and all of listed authors', async t => {
  const allow = rules.allow([key(1), keyId(key(2)), b4a.toString(key(99), 'hex')])
  t.true(await ask(allow, message([7])))
  const stranger = { author: key(50) }
  t.deepEqual(await ask(allow, message([1, 2, 3], stranger)), [key(1), key(2)])
  t.false(await ask(allow, message([3], stranger)))
  t.throws(() => rules.allow(['short']), { code: 'ERR_PARTY_BAD_KEY' })
  t.throws(() => rules.allow('short'), { code: 'ERR_PARTY_BAD_OPTION' })
})

test('B37 all: a no of one is a no, a yes of one suffices, nothing said is undecided', async t => {
  const yes = { onIntroduceFeeds: () => true }
  const no = { onIntroduceFeeds: () => false }
  const first = { onIntroduceFeeds: () => [key(1)] }
  t.deepEqual(await ask(rules.all(yes, rules.manual()), message([1])), [key(1)])
  t.false(await ask(rules.all(yes, no), message([1])))
  t.is(await ask(rules.all(rules.manual()), message([1])), undefined)
  t.deepEqual(await ask(rules.all(first, yes), message([1, 2])), [key(1)])
})

test('all asks in order, stops at the first no, and joins the other methods', async t => {
  const asked: string[] = []
  const rule = (name: string, agrees: boolean): PartyRules => ({
    name,
    handshake: async () => {
      asked.push(name)
      return agrees
    },
    share: () => agrees,
    admin: () => agrees
  })
  const joined = rules.all(rule('a', true), rule('b', false), rule('c', true))
  t.is(joined.name, 'all(a, b, c)')
  t.false(await joined.handshake?.({} as never))
  t.deepEqual(asked, ['a', 'b'])
  t.false(joined.share?.({} as never))
  t.true(joined.admin?.({} as never))
  t.is(rules.all(rules.manual()).share, undefined)
  t.is(rules.all(rules.manual()).onRequest, undefined)
})

test('a key is 32 bytes in each of its spellings', t => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), bytes => {
      const spellings = [
        bytes,
        b4a.toString(bytes, 'hex'),
        b4a.toString(bytes, 'hex').toUpperCase(),
        keyId(bytes)
      ]
      return spellings.every(spelling => b4a.equals(keyBytes(spelling), bytes))
    })
  )
  // As z32 has it: hypercore-id-encoding of 32 x 0x01.
  t.is(keyId(key(1)), 'yryonyebyryonyebyryonyebyryonyebyryonyebyryonyebyryo')
})

test('anything else is no key', t => {
  for (const value of [
    null,
    undefined,
    7,
    '',
    'x',
    'l'.repeat(52),
    '9'.repeat(52),
    'g'.repeat(64),
    new Uint8Array(31)
  ]) {
    t.is(parseKey(value), null)
    t.throws(() => keyBytes(value as never), { code: 'ERR_PARTY_BAD_KEY', instanceOf: TypeError })
  }
})
