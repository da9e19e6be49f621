import { encodingOf, LIMITS } from '@hearsay/gossip'
import test from 'ava'
import b4a from 'b4a'
import fc from 'fast-check'

const nested = (depth: number): unknown => {
  let value: unknown = 0
  for (let i = 0; i < depth; i++) value = i % 2 ? [value] : { value }
  return value
}

const TABLE: Record<string, unknown[]> = {
  msgpack: [
    'str',
    '',
    'ä€😀',
    'x'.repeat(70_000),
    0,
    1,
    -1,
    42,
    127,
    128,
    255,
    256,
    65_535,
    65_536,
    2 ** 31,
    2 ** 32,
    2 ** 53 - 1,
    -(2 ** 53 - 1),
    -32,
    -33,
    -128,
    -129,
    -32_769,
    -2_147_483_649,
    1.5,
    -1.25e300,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    true,
    false,
    null,
    undefined,
    10n,
    -10n,
    2n ** 63n - 1n,
    2n ** 64n - 1n,
    [],
    {},
    [1, [2, [3]]],
    { a: { b: [null] } },
    { a: undefined },
    new Uint8Array(0),
    new Uint8Array([1, 2, 255]),
    new Uint8Array(70_000).fill(3),
    new Date(0),
    new Date(1_760_000_000_123),
    new Date(-5),
    new Date(Number.NaN),
    { signature: 'mine', seq: 1, public: 'key', author: null, incarnation: 5, topic: '' },
    Array.from({ length: 70_000 }, (_, i) => i % 7),
    Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`key${i}`, i])),
    nested(32),
    { '': 0, '1': 1, constructor: 2 }
  ],
  json: ['str', '', 'ä€😀', 0, -1.5, true, null, [], {}, [1, { a: [null] }], { signature: 'mine', seq: 1 }],
  'utf-8': ['', 'str', 'ä€😀\u0000\ufeffx', 'x'.repeat(1000)],
  binary: [new Uint8Array(0), new Uint8Array([0, 1, 255]), new Uint8Array(1000).fill(9)]
}

for (const [name, values] of Object.entries(TABLE)) {
  test(`${name}: every value of the table arrives as it was sent`, t => {
    const encoding = encodingOf(name as 'msgpack')
    for (const value of values) {
      const bytes = encoding.encode(value)
      t.deepEqual(encoding.decode(new Uint8Array(bytes)), value)
      t.deepEqual(encoding.decode(b4a.from(bytes)), value, 'also from a Buffer')
    }
  })
}

class Point {
  x = 1
}

class Told {
  toJSON(): number[] {
    return [1]
  }
}

test('what would not arrive as it was sent is refused', t => {
  const circular: unknown[] = []
  circular.push(circular)
  const refused: Record<string, unknown[]> = {
    msgpack: [
      () => 1,
      Symbol('s'),
      { f() {} },
      [Symbol('s')],
      new Map(),
      new Set([1]),
      /x/,
      new Error('e'),
      new Float32Array(2),
      new ArrayBuffer(3),
      new DataView(new ArrayBuffer(1)),
      circular,
      nested(33),
      nested(10_000),
      2n ** 64n,
      -(2n ** 63n) - 1n,
      JSON.parse('{"__proto__":1}'),
      { toJSON: () => new Map() }
    ],
    json: [undefined, () => 1, 10n, circular],
    'utf-8': [7, null, undefined, {}, new Uint8Array(1)],
    binary: ['text', 7, null, [1, 2], {}]
  }
  for (const [name, values] of Object.entries(refused)) {
    const encoding = encodingOf(name as 'msgpack')
    for (const value of values) {
      const error = t.throws(() => encoding.encode(value), { any: true }, `${name} ${typeof value}`)
      t.is((error as Error).constructor, Error)
    }
  }
})

test('objects of a class arrive as what they hold, or as what their toJSON says', t => {
  const encoding = encodingOf<unknown>()
  t.deepEqual(encoding.decode(encoding.encode(new Point())), { x: 1 })
  t.deepEqual(encoding.decode(encoding.encode(new Told())), [1])
  t.throws(() => encoding.encode({ toJSON: () => [1] }))
})

test('what is decoded shares no memory with the payload', t => {
  for (const name of ['msgpack', 'binary'] as const) {
    const encoding = encodingOf<Uint8Array>(name)
    const payload = new Uint8Array(encoding.encode(new Uint8Array([1, 2, 3])))
    const before = new Uint8Array(payload)
    const value = encoding.decode(payload)
    t.is(value.constructor, Uint8Array)
    value.fill(9)
    t.deepEqual(payload, before)
  }
})

test('binary: bytes that change after encoding are sent as they were', t => {
  const bytes = new Uint8Array([1, 2, 3])
  const payload = encodingOf<Uint8Array>('binary').encode(bytes)
  bytes.fill(9)
  t.deepEqual(payload, new Uint8Array([1, 2, 3]))
})

const hex = (text: string) => new Uint8Array(b4a.from(text.replaceAll(' ', ''), 'hex'))

test('msgpack: hostile payloads throw a plain Error and build nothing', t => {
  const encoding = encodingOf<unknown>()
  const hostile = [
    '',
    'c1',
    'c2c2',
    '91',
    'd670 00000001',
    'd669 00000001 91d67000000001',
    'd47300',
    'd578 7800',
    'c70472 01020304',
    'c7040a01020304',
    'd4 7200',
    'dd ffffffff',
    'df ffffffff',
    'dc ffff',
    'c6 ffffffff',
    'db 7fffffff',
    'c9 ffffffff 00',
    'a5 61',
    'cb 00',
    'd90561',
    'd6ff0000',
    'd8 ff 00000000000000000000000000000000',
    'd5 ff 0000',
    'd5 0000',
    '81',
    '8101',
    'de0001'
  ]
  for (const text of hostile) {
    const error = t.throws(() => encoding.decode(hex(text)), undefined, text)
    t.is(error?.constructor, Error, text)
  }
  for (const byte of [0x91, 0x81]) {
    const bomb = new Uint8Array(16_384).fill(byte)
    const error = t.throws(() => encoding.decode(bomb))
    t.is(error?.constructor, Error)
  }
})

test('msgpack: depth 32 passes, depth 33 does not', t => {
  const encoding = encodingOf<unknown>()
  const arrays = (depth: number) => new Uint8Array([...Array(depth).fill(0x91), 0x01])
  t.notThrows(() => encoding.decode(arrays(LIMITS.maxPayloadDepth)))
  t.throws(() => encoding.decode(arrays(LIMITS.maxPayloadDepth + 1)), { message: /nested/ })
})

test('msgpack: random values arrive as they were sent', t => {
  const encoding = encodingOf<unknown>()
  const anything = fc.anything({ withBigInt: true, withDate: true, withNullPrototype: false, maxDepth: 4 })
  fc.assert(
    fc.property(anything, value => {
      let bytes: Uint8Array
      try {
        bytes = encoding.encode(value)
      } catch (error) {
        return (error as Error).constructor === Error
      }
      t.deepEqual(encoding.decode(bytes), withoutMinusZero(value))
      return true
    }),
    { numRuns: 300 }
  )
})

/** msgpack has no -0 among its integers. */
function withoutMinusZero(value: unknown): unknown {
  if (Object.is(value, -0)) return 0
  if (Array.isArray(value)) return Array.from(value, withoutMinusZero)
  if (value === null || typeof value !== 'object' || value instanceof Date || b4a.isBuffer(value))
    return value
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, withoutMinusZero(inner)]))
}

test('msgpack: random bytes are decoded or throw a plain Error', t => {
  const encoding = encodingOf<unknown>()
  const edges = fc.constantFrom(
    0x80,
    0x8f,
    0x90,
    0x9f,
    0xa0,
    0xbf,
    0xc0,
    0xc1,
    0xc4,
    0xc7,
    0xc9,
    0xd4,
    0xd6,
    0xd8,
    0xdc,
    0xdd,
    0xde,
    0xdf,
    0,
    1,
    12,
    255,
    0x70,
    0x72,
    0x62
  )
  const bytes = fc.array(fc.oneof(edges, fc.nat(255)), { maxLength: 40 })
  fc.assert(
    fc.property(bytes, array => {
      try {
        encoding.decode(new Uint8Array(array))
      } catch (error) {
        return (error as Error).constructor === Error
      }
      return true
    }),
    { numRuns: 3000 }
  )
  t.pass()
})

test('an own encoding is taken, and what it throws is a plain Error with its cause', t => {
  const encoding = encodingOf<number>({
    encode: () => {
      throw new TypeError('mine')
    },
    decode: bytes => bytes.byteLength
  })
  const error = t.throws(() => encoding.encode(1), { message: 'mine' })
  t.is(error?.constructor, Error)
  t.true(error?.cause instanceof TypeError)
  t.is(encoding.decode(new Uint8Array(3)), 3)
})

test('an unknown encoding is a coded TypeError', t => {
  for (const bad of ['xml', 'toString', '', {}, null, { encode() {} }, 7]) {
    t.throws(() => encodingOf(bad as 'json'), { instanceOf: TypeError, code: 'ERR_GOSSIP_BAD_OPTION' })
  }
})
