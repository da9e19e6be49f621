import { fc, testProp } from '@fast-check/ava'
import test from 'ava'
import b4a from 'b4a'
import Hypercore from 'hypercore'
import { PartyKeys, partyKeyOf } from '#party/core/keys'
import {
  CAPABILITY,
  checkOrigin,
  compareVersion,
  decodeRecord,
  encodeBody,
  type IntroduceBody,
  type PartyRecord,
  type RecordBody,
  recordDigest,
  recordSet,
  recordSlot,
  recordVersion,
  recordWins,
  signRecord,
  verifyRecord
} from '#party/core/records'
import { bytes, cryptoOf, hex, VECTORS } from './support-crypto.js'

const crypto = cryptoOf(7)
const keys = new PartyKeys(crypto, bytes(VECTORS.partyKey))
const salt = bytes(VECTORS.inputs.salt)

const fixed = (size: number) => fc.uint8Array({ minLength: size, maxLength: size })
const key = () => fixed(32)
const uint = (max: number) =>
  fc.oneof(
    fc.constantFrom(0, 1, 252, 253, 65_535, 65_536).filter(n => n <= max),
    fc.nat({ max })
  )
const length = () => uint(2 ** 31 - 1).map(n => Math.min(n * 1000, 2 ** 47))
const version = () => uint(2 ** 31 - 1).map(n => n + 1)
const text = (maxBytes: number) => fc.string({ maxLength: maxBytes, unit: 'grapheme-ascii' })
const writerName = () =>
  fc
    .tuple(fixed(8), fc.nat({ max: 250 }))
    .map(([device, rotation]) => Uint8Array.of(1, 0x61, ...device, rotation))
const origin = () =>
  fc.oneof(
    fc.constant({ kind: 'none' } as const),
    writerName().map(name => ({ kind: 'writer', bytes: name }) as const),
    key().map(namespace => ({ kind: 'namespace', namespace }) as const)
  )
const of = <K extends RecordBody['kind']>(kind: K) => fc.constant(kind)
const expiresSeconds = fc.oneof(fc.constant(0), fc.constant(2 ** 32), uint(2 ** 31 - 1))

const BODIES: { [K in RecordBody['kind']]: fc.Arbitrary<Extract<RecordBody, { kind: K }>> } = {
  genesis: fc.record({ kind: of('genesis'), salt: fc.constant(salt) }),
  revoke: fc
    .record({
      kind: of('revoke'),
      version: version(),
      feedId: key(),
      n: length(),
      cutoff: fc.option(length()),
      isPurge: fc.boolean(),
      isCut: fc.boolean(),
      reason: text(128)
    })
    // A cut that names no block, or deletes all, is none.
    .map(body => ({ ...body, isCut: body.isCut && body.cutoff !== null && !body.isPurge })),
  remove: fc.record({
    kind: of('remove'),
    version: version(),
    subject: key(),
    n: length(),
    adminLength: length(),
    adminHash: key(),
    isWithFeeds: fc.boolean()
  }),
  introduce: fc.record({
    kind: of('introduce'),
    version: version(),
    createdMs: fc.maxSafeNat(),
    expiresSeconds,
    bundleType: text(32),
    keys: fc.uniqueArray(key(), { minLength: 1, maxLength: 64, selector: hex }),
    origin: origin(),
    successor: fc.option(fc.record({ feed: key(), length: length() })),
    meta: fc.uint8Array({ maxLength: 1024 })
  }),
  withdraw: fc.record({ kind: of('withdraw'), version: version(), key: key() }),
  authorize: fc.record({
    kind: of('authorize'),
    version: version(),
    key: key(),
    n: length(),
    role: fc.nat({ max: 255 }),
    maxBytes: fc.maxSafeNat(),
    expiresSeconds
  }),
  admit: fc.record({
    kind: of('admit'),
    version: version(),
    subject: key(),
    capabilities: fc.nat({ max: 31 }),
    depth: fc.nat({ max: 4 }),
    expiresSeconds,
    uses: uint(65_535),
    via: fc.option(key().filter(bytesOfKey => bytesOfKey.some(byte => byte !== 0)))
  })
}
const anyBody = () => fc.oneof(...(Object.values(BODIES) as fc.Arbitrary<RecordBody>[]))

function decoded(record: Uint8Array): PartyRecord {
  const result = decodeRecord(record)
  if (!result.ok) throw new Error(result.reason)
  return result.value
}

for (const [kind, arbitrary] of Object.entries(BODIES) as [RecordBody['kind'], fc.Arbitrary<RecordBody>][]) {
  testProp(
    `a record of kind ${kind} comes back as it was signed, byte for byte, and verifies`,
    [arbitrary],
    (t, body) => {
      const record = signRecord(crypto, keys, body)
      const back = decoded(record.bytes)
      t.deepEqual(back.body, body)
      t.is(hex(back.bytes), hex(record.bytes))
      t.is(hex(back.author), hex(crypto.author))
      t.true(verifyRecord(crypto, keys, back))
      t.deepEqual(recordDigest(keys, back), recordDigest(keys, record))
    },
    { numRuns: 40 }
  )
}

testProp(
  'a record with one bit changed is not verified',
  [anyBody(), fc.nat(), fc.nat({ max: 7 })],
  (t, body, place, bit) => {
    const changed = signRecord(crypto, keys, body).bytes.slice()
    const at = place % changed.length
    changed[at] = (changed[at] as number) ^ (1 << bit)
    const result = decodeRecord(changed)
    t.false(result.ok && verifyRecord(crypto, keys, result.value))
  },
  { numRuns: 300 }
)

testProp(
  'any bytes are a record or a reason, never an exception, and a record is a copy of them',
  [fc.nat({ max: 8 }), fc.uint8Array({ maxLength: 300 }), fc.boolean()],
  (t, kind, rest, isZeroSignature) => {
    // A Node Buffer, as the network gives them: its slice() is a view.
    const input = b4a.from([kind, ...rest])
    if (isZeroSignature) input.fill(0, Math.min(33, input.length), Math.min(97, input.length))
    const result = decodeRecord(input)
    if (!result.ok) {
      t.true(['malformed', 'too-large', 'unknown'].includes(result.reason))
      return
    }
    const before = hex(result.value.bytes)
    recordSlot(crypto, keys, result.value)
    recordSet(result.value)
    verifyRecord(crypto, keys, result.value)
    input.fill(0xee)
    t.is(hex(result.value.bytes), before)
  },
  { numRuns: 1000 }
)

testProp('a record that is cut off is malformed at every length', [anyBody(), fc.nat()], (t, body, place) => {
  const { bytes: all } = signRecord(crypto, keys, body)
  t.false(decodeRecord(all.subarray(0, place % all.length)).ok)
})

test('a record of another party does not verify here', t => {
  const other = new PartyKeys(
    crypto,
    partyKeyOf(crypto, { founderPublicKey: crypto.author, salt: new Uint8Array(32) })
  )
  const body = { kind: 'withdraw', version: 1, key: new Uint8Array(32) } as const
  const record = signRecord(crypto, other, body)
  t.true(verifyRecord(crypto, other, record))
  t.false(verifyRecord(crypto, keys, record))
  t.false(verifyRecord(crypto, other, decoded(signRecord(crypto, keys, { kind: 'genesis', salt }).bytes)))
})

test('a decoded record is a copy, also of a Node Buffer, whose slice() is a view', t => {
  const { bytes: signed } = signRecord(crypto, keys, introduceBody({ meta: Uint8Array.of(1, 2) }))
  const input = b4a.from(signed)
  const record = decoded(input)
  input.fill(0)
  t.is(hex(record.bytes), hex(signed))
  t.true(verifyRecord(crypto, keys, record))
})

test('a genesis has one form: no signature, nothing behind it', t => {
  const { bytes: genesis } = signRecord(crypto, keys, { kind: 'genesis', salt })
  t.is(genesis.length, 129)
  t.true(verifyRecord(crypto, keys, decoded(genesis)))
  t.deepEqual(decodeRecord(b4a.concat([genesis, new Uint8Array(1)])), { ok: false, reason: 'malformed' })
  const signed = genesis.slice()
  signed[50] = 1
  t.deepEqual(decodeRecord(signed), { ok: false, reason: 'malformed' })
})

test('fields of a later version behind a body are kept and signed', t => {
  const body = encodeBody({ kind: 'withdraw', version: 3, key: new Uint8Array(32).fill(1) })
  const longer = b4a.concat([body, Uint8Array.of(1, 2, 3)])
  const signature = crypto.sign(keys.recordDigest(4, crypto.author, longer))
  const record = decoded(b4a.concat([Uint8Array.of(4), crypto.author, signature, longer]))
  t.true(verifyRecord(crypto, keys, record))
  t.is(record.bodyBytes.length, longer.length)
  const shorter = decoded(record.bytes.subarray(0, -3))
  t.false(verifyRecord(crypto, keys, shorter))
})

test('kinds, origins and successors of later versions are unknown, not malformed', t => {
  const head = new Uint8Array(97)
  head[0] = 7
  t.deepEqual(decodeRecord(head), { ok: false, reason: 'unknown' })
  const introduce = introduceBody({})
  const at = 97 + encodeBody(introduce).length - 3
  for (const field of [0, 1]) {
    const record = signRecord(crypto, keys, introduce).bytes.slice()
    record[at + field] = 3
    t.deepEqual(decodeRecord(record), { ok: false, reason: 'unknown' }, `field ${field}`)
  }
})

function introduceBody(changes: Partial<IntroduceBody>): IntroduceBody {
  return {
    kind: 'introduce',
    version: 1,
    createdMs: 5,
    expiresSeconds: 0,
    bundleType: '',
    keys: [new Uint8Array(32).fill(9)],
    origin: { kind: 'none' },
    successor: null,
    meta: new Uint8Array(0),
    ...changes
  }
}

test('limits are named when we exceed them ourselves', t => {
  const many = Array.from({ length: 65 }, (_, index) => new Uint8Array(32).fill(index))
  const over: [RecordBody, RegExp][] = [
    [introduceBody({ keys: many }), /keys is 65, limit is 64 \(maxRecordKeys\)/],
    [introduceBody({ meta: new Uint8Array(1025) }), /meta is 1025 bytes, limit is 1024 \(maxMetaBytes\)/],
    [introduceBody({ bundleType: 'x'.repeat(33) }), /type is 33 bytes, limit is 32 \(maxBundleTypeBytes\)/],
    [revoke({ reason: 'ü'.repeat(65) }), /reason is 130 bytes, limit is 128 \(maxReasonBytes\)/]
  ]
  for (const [body, message] of over) {
    t.throws(() => signRecord(crypto, keys, body), {
      instanceOf: RangeError,
      message,
      code: 'ERR_PARTY_TOO_LARGE'
    })
  }
  for (const body of [
    revoke({ version: -1 }),
    revoke({ cutoff: 1.5 }),
    introduceBody({ keys: [salt, salt] })
  ]) {
    t.throws(() => signRecord(crypto, keys, body), { instanceOf: RangeError, code: 'ERR_PARTY_BAD_OPTION' })
  }
})

function revoke(changes: Partial<Extract<RecordBody, { kind: 'revoke' }>>): RecordBody {
  return {
    kind: 'revoke',
    version: 1,
    feedId: salt,
    n: 0,
    cutoff: null,
    isPurge: false,
    isCut: false,
    reason: '',
    ...changes
  }
}

test('bounds hold for what comes from others, too', t => {
  const raw = (kind: number, ...parts: Uint8Array[]) =>
    decodeRecord(b4a.concat([Uint8Array.of(kind), new Uint8Array(96), ...parts]))
  const malformed = { ok: false, reason: 'malformed' } as const
  const tooLarge = { ok: false, reason: 'too-large' } as const
  t.deepEqual(decodeRecord(new Uint8Array(4097)), tooLarge)
  t.deepEqual(raw(4, Uint8Array.of(0), salt), malformed, 'version 0')
  t.deepEqual(raw(3, Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0)), malformed, 'no keys')
  t.deepEqual(
    raw(3, Uint8Array.of(1, 0, 0, 0, 2), salt, salt, Uint8Array.of(0, 0, 0)),
    malformed,
    'a key twice'
  )
  t.deepEqual(raw(3, Uint8Array.of(1, 0, 0, 33)), tooLarge, 'type')
  t.deepEqual(raw(3, Uint8Array.of(1, 0, 0, 0, 65)), tooLarge, 'keys')
  t.deepEqual(raw(1, Uint8Array.of(1), salt, Uint8Array.of(0, 0, 0, 129)), tooLarge, 'reason')
  const huge = Uint8Array.of(0xff, 0, 0, 0, 0, 0, 0, 1, 0)
  t.deepEqual(raw(1, Uint8Array.of(1), salt, huge), malformed, 'a length of 2^48')
  t.deepEqual(
    raw(6, Uint8Array.of(1), salt, Uint8Array.of(1, 0, 0, 0xfe, 0, 0, 1, 0), salt),
    malformed,
    'uses'
  )
})

test('an expiry beyond 2^32 seconds is clamped', t => {
  const far = Uint8Array.of(0xff, 0, 0, 0, 0, 0, 0, 1, 0)
  const record = decoded(
    b4a.concat([
      Uint8Array.of(6),
      new Uint8Array(96),
      Uint8Array.of(1),
      salt,
      Uint8Array.of(1, 0),
      far,
      Uint8Array.of(1),
      new Uint8Array(32)
    ])
  )
  t.is(record.body.kind === 'admit' && record.body.expiresSeconds, 2 ** 32)
})

test('each kind lies in its set and slot', t => {
  const sign = (body: RecordBody) => signRecord(crypto, keys, body)
  const feed = new Uint8Array(32).fill(9)
  const place = (body: RecordBody) => [recordSet(sign(body)), hex(recordSlot(crypto, keys, sign(body)))]
  const admit = (capabilities: number): RecordBody => ({
    kind: 'admit',
    version: 1,
    subject: feed,
    capabilities,
    depth: 0,
    expiresSeconds: 0,
    uses: 1,
    via: null
  })
  const admitSlot = hex(crypto.hash(crypto.author, feed)).slice(0, 32)
  t.deepEqual(place({ kind: 'genesis', salt }), [0, '00'.repeat(16)])
  t.deepEqual(place(revoke({ feedId: keys.feedId(feed) })), [0, hex(keys.feedSlot(feed))])
  const remove: RecordBody = {
    kind: 'remove',
    version: 1,
    subject: feed,
    n: 0,
    adminLength: 0,
    adminHash: salt,
    isWithFeeds: false
  }
  t.deepEqual(place(remove), [0, hex(crypto.hash(feed, crypto.author)).slice(0, 32)])
  const introduction = hex(keys.introductionSlot(feed, crypto.author))
  t.deepEqual(place(introduceBody({})), [1, introduction])
  t.deepEqual(place({ kind: 'withdraw', version: 1, key: feed }), [1, introduction])
  t.deepEqual(
    place({ kind: 'authorize', version: 1, key: feed, n: 0, role: 0, maxBytes: 0, expiresSeconds: 0 }),
    [1, hex(keys.authorizeSlot(feed))]
  )
  t.deepEqual(place(admit(CAPABILITY.read | CAPABILITY.invite)), [1, admitSlot])
  t.deepEqual(place(admit(CAPABILITY.admin)), [0, admitSlot])
})

test('a version counts if it is above the known one by at most 2^20', t => {
  t.is(compareVersion(0, 1), 'newer')
  t.is(compareVersion(5, 5), 'same')
  t.is(compareVersion(5, 4), 'older')
  t.is(compareVersion(5, 5 + 2 ** 20), 'newer')
  t.is(compareVersion(5, 6 + 2 ** 20), 'too-far')
})

test('at one version a withdrawal wins over an introduction, and a higher version over both', t => {
  const introduce = (version: number) => signRecord<RecordBody>(crypto, keys, introduceBody({ version }))
  const withdraw = (version: number) =>
    signRecord<RecordBody>(crypto, keys, { kind: 'withdraw', version, key: new Uint8Array(32).fill(9) })
  t.true(recordWins(keys, withdraw(2), introduce(2)))
  t.false(recordWins(keys, introduce(2), withdraw(2)))
  t.true(recordWins(keys, introduce(3), withdraw(2)))
  t.is(recordVersion(introduce(3)), 3)
})

testProp(
  'which record wins is a total order: exactly one of two different ones, and the same whoever came first',
  [
    fc.array(fc.tuple(fc.integer({ min: 1, max: 2 }), fc.nat({ max: 3 }), fc.boolean()), {
      minLength: 2,
      maxLength: 6
    })
  ],
  (t, specs) => {
    const records = specs.map(([v, created, isWithdraw]) =>
      signRecord<RecordBody>(
        crypto,
        keys,
        isWithdraw
          ? { kind: 'withdraw', version: v, key: new Uint8Array(32).fill(9) }
          : introduceBody({ version: v, createdMs: created })
      )
    )
    const winner = (list: PartyRecord[]) =>
      hex(list.reduce((held, next) => (recordWins(keys, next, held) ? next : held)).bytes)
    t.is(winner(records), winner(records.toReversed()))
    for (const a of records) {
      for (const b of records) {
        const isOther = !b4a.equals(a.bytes, b.bytes)
        t.is(recordWins(keys, a, b) || recordWins(keys, b, a), isOther)
        t.false(recordWins(keys, a, b) && recordWins(keys, b, a))
      }
    }
  },
  { numRuns: 50 }
)

test('an origin proves whose feed it is, by a real manifest', t => {
  const feedKeyOf = (publicKey: Uint8Array, namespace: Uint8Array) =>
    Hypercore.key({ version: 1, signers: [{ publicKey, namespace }] })
  const name = bytes(VECTORS.fullWriterName)
  const own = bytes(VECTORS.derivedFeedKey)
  const check = (signer: typeof crypto, changes: Partial<IntroduceBody>) =>
    checkOrigin(keys, signRecord(signer, keys, introduceBody(changes)), feedKeyOf)
  t.is(check(crypto, { keys: [own], origin: { kind: 'writer', bytes: name } }), 'own')
  t.is(
    check(crypto, { keys: [own], origin: { kind: 'namespace', namespace: bytes(VECTORS.feedNamespace) } }),
    'own'
  )
  t.is(check(crypto, { keys: [own] }), 'foreign')
  t.is(check(cryptoOf(8), { keys: [own], origin: { kind: 'writer', bytes: name } }), 'wrong')
  t.is(check(crypto, { keys: [salt], origin: { kind: 'writer', bytes: name } }), 'wrong')
  t.is(check(crypto, { keys: [own], origin: { kind: 'namespace', namespace: salt } }), 'wrong')
})
