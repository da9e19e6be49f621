/** The bytes of the list of parties: golden ones, round trips, and everything that is refused. */
import { fc, testProp } from '@fast-check/ava'
import {
  type AuthorSource,
  decodeMaster,
  decodeRegistry,
  decodeRegistryFile,
  encodeMaster,
  encodeRegistry,
  encodeRegistryFile,
  REGISTRY_BYTES_MAX,
  type RegistryEntry
} from '@hearsay/party/core'
import test from 'ava'
import b4a from 'b4a'

const key = (fill: number): Uint8Array => new Uint8Array(32).fill(fill)
const hex = (bytes: Uint8Array): string => b4a.toString(bytes, 'hex')
const plain = (bytes: Uint8Array): Uint8Array => new Uint8Array(bytes)

const ENTRIES: RegistryEntry[] = [
  {
    ...{ key: key(1), author: 'salt', authorKey: key(2) },
    genesis: { founderPublicKey: key(2), salt: key(3) },
    ...{ name: 'walks', rules: 'friends', metadata: Uint8Array.of(0x81, 0xa1, 0x61, 1) }
  },
  {
    key: key(4),
    author: 'app',
    authorKey: key(5),
    genesis: null,
    name: '',
    rules: '',
    metadata: new Uint8Array(0)
  }
]

test('golden: the bytes of a list, of its file and of the master file are those of this version', t => {
  const [a, b, c, d, e] = [1, 2, 3, 4, 5].map(fill => hex(key(fill)))
  const list = `02${'95'}${a}02${b}01${b}${c}0577616c6b7307667269656e647304${'81a16101'}45${d}00${e}00000000`
  t.is(hex(encodeRegistry(ENTRIES)), list)
  t.deepEqual(decodeRegistry(b4a.from(list, 'hex')), { ok: true, value: ENTRIES })
  t.is(hex(encodeRegistry([])), '00')
  const nonce = new Uint8Array(24).fill(6)
  const sealed = { nonce, box: new Uint8Array(17).fill(7) }
  const file = encodeRegistryFile(sealed)
  t.is(hex(file), `4853504152545331${hex(nonce)}${'07'.repeat(17)}`)
  t.deepEqual(decodeRegistryFile(file), { ok: true, value: sealed })
  t.is(hex(encodeMaster({ isSealed: false, master: key(8) })), `48534d4153545231${'00'}${hex(key(8))}`)
  const box = new Uint8Array(48).fill(9)
  const master = encodeMaster({ isSealed: true, sealed: { nonce, box } })
  t.is(hex(master), `48534d4153545231${'01'}${hex(nonce)}${hex(box)}`)
  t.deepEqual(decodeMaster(master), { ok: true, value: { isSealed: true, sealed: { nonce, box } } })
})

const bytesOf = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })
const textOf = fc.string({ unit: 'grapheme', maxLength: 64 }).filter(text => b4a.byteLength(text) <= 64)
const entryOf = fc
  .record({
    key: bytesOf(32),
    author: fc.constantFrom<AuthorSource>('app', 'party-id', 'salt'),
    authorKey: bytesOf(32),
    genesis: fc.option(fc.record({ founderPublicKey: bytesOf(32), salt: bytesOf(32) })),
    name: textOf,
    rules: textOf,
    metadata: fc.uint8Array({ maxLength: 4096 })
  })
  .filter(({ author, genesis }) => author !== 'salt' || genesis !== null)

testProp(
  'what is encoded decodes to the same, as copies',
  [fc.array(entryOf, { maxLength: 8 })],
  (t, entries) => {
    const bytes = encodeRegistry(entries)
    const decoded = decodeRegistry(bytes)
    bytes.fill(0)
    t.deepEqual(decoded, { ok: true, value: entries })
  }
)

testProp(
  'no input throws, and what is taken is written as it came',
  [fc.uint8Array({ maxLength: 600 })],
  (t, bytes) => {
    const list = decodeRegistry(bytes)
    if (list.ok) t.deepEqual(plain(encodeRegistry(list.value)), plain(bytes))
    const file = decodeRegistryFile(bytes)
    if (file.ok) t.deepEqual(plain(encodeRegistryFile(file.value)), plain(bytes))
    const master = decodeMaster(bytes)
    if (master.ok) t.deepEqual(plain(encodeMaster(master.value)), plain(bytes))
    t.pass()
  }
)

test('every byte of a list that is cut off, added, or over a bound is refused with its reason', t => {
  const bytes = encodeRegistry(ENTRIES)
  for (let length = 0; length < bytes.length; length++) t.false(decodeRegistry(bytes.subarray(0, length)).ok)
  t.like(decodeRegistry(b4a.concat([bytes, Uint8Array.of(0)])), { ok: false, reason: 'malformed' })
  const [first] = ENTRIES as [RegistryEntry]
  const tooLarge = { ok: false, reason: 'too-large' } as const
  const malformed = { ok: false, reason: 'malformed' } as const
  const refused: [Partial<RegistryEntry>, object][] = [
    [{ name: 'a'.repeat(65) }, tooLarge],
    [{ rules: 'a'.repeat(65) }, tooLarge],
    [{ metadata: new Uint8Array(4097) }, tooLarge],
    [{ author: 'salt', genesis: null }, malformed],
    [{ author: 'none' as never }, malformed]
  ]
  for (const [change, answer] of refused)
    t.like(decodeRegistry(encodeRegistry([{ ...first, ...change }])), answer)
  // A count of 4,097, a longer spelling of 2, an entry with a byte too many, a genesis flag of 2, text that is none.
  t.like(decodeRegistry(Uint8Array.of(0xfd, 0x01, 0x10)), tooLarge)
  t.like(decodeRegistry(b4a.concat([Uint8Array.of(0xfd, 2, 0), bytes.subarray(1)])), malformed)
  const [, second] = ENTRIES as [RegistryEntry, RegistryEntry]
  const alone = encodeRegistry([second])
  t.like(decodeRegistry(b4a.concat([Uint8Array.of(1, 0x46), alone.subarray(2), Uint8Array.of(0)])), malformed)
  const flagged = Uint8Array.from(alone)
  flagged[2 + 65] = 2
  t.like(decodeRegistry(flagged), malformed)
  const garbled = encodeRegistry([{ ...second, name: 'ab' }])
  garbled.set([0xff, 0xfe], 2 + 67)
  t.like(decodeRegistry(garbled), malformed)
})

test('files of others, of later versions, or of no possible size are told apart', t => {
  t.like(decodeRegistryFile(b4a.from('HSPARTS2')), { ok: false, reason: 'unknown' })
  t.like(decodeRegistryFile(new Uint8Array(0)), { ok: false, reason: 'unknown' })
  t.like(decodeRegistryFile(b4a.from('HSPARTS1')), { ok: false, reason: 'malformed' })
  t.like(decodeRegistryFile(new Uint8Array(REGISTRY_BYTES_MAX + 1)), { ok: false, reason: 'too-large' })
  t.like(decodeMaster(b4a.from('HSMASTR2')), { ok: false, reason: 'unknown' })
  t.like(decodeMaster(b4a.from('HSMASTR1')), { ok: false, reason: 'malformed' })
  t.like(decodeMaster(b4a.from('HSMASTR1\x02')), { ok: false, reason: 'unknown' })
  const short = encodeMaster({ isSealed: false, master: new Uint8Array(31) })
  t.like(decodeMaster(short), { ok: false, reason: 'malformed' })
  const sealed = { nonce: new Uint8Array(24), box: new Uint8Array(47) }
  t.like(decodeMaster(encodeMaster({ isSealed: true, sealed })), { ok: false, reason: 'malformed' })
})
