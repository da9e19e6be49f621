import test from 'ava'
import c from 'compact-encoding'
import fc from 'fast-check'
import { Reader, uintSize, Writer } from '#gossip/core/bytes'
import { filled } from './support-crypto.js'

const EDGES = [0, 1, 252, 253, 254, 255, 256, 65_535, 65_536, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1]
const uint = fc.oneof(fc.constantFrom(...EDGES), fc.nat(), fc.maxSafeNat())

test('uints are those of compact-encoding, byte by byte', t => {
  fc.assert(
    fc.property(uint, value => {
      const theirs = c.encode(c.uint, value)
      const ours = new Writer(new Uint8Array(uintSize(value))).uint(value).bytes
      const reader = new Reader(theirs)
      return (
        Buffer.compare(ours, theirs) === 0 &&
        reader.uint() === value &&
        reader.isGood &&
        reader.remaining === 0
      )
    }),
    { numRuns: 2000, examples: EDGES.map(edge => [edge]) }
  )
  t.pass()
})

test('a uint above 2^53-1 is refused', t => {
  const bytes = filled(9, 255)
  bytes.set([255, 0, 0, 0, 0, 0, 0, 0x20, 0])
  const reader = new Reader(bytes)
  t.is(reader.uint(), 0)
  t.false(reader.isGood)
})

test('a reader that ran out stays bad and empty', t => {
  const reader = new Reader(filled(3, 1))
  t.is(reader.fixed(4).length, 0)
  t.false(reader.isGood)
  t.is(reader.u8(), 0)
  t.is(reader.rest().length, 0)
  t.is(reader.remaining, 0)
})

test('what is behind the end is never read, wherever the reader stands', t => {
  const three = new Uint8Array(8).subarray(0, 3)
  const reader = new Reader(three)
  reader.fixed(2)
  t.is(reader.fixed(2).length, 0)
  t.false(reader.isGood)
  const cut = new Reader(Uint8Array.of(7, 0xfd, 1))
  t.is(cut.u8(), 7)
  t.is(cut.uint(), 0)
  t.false(cut.isGood)
  const skipping = new Reader(three)
  skipping.skip(4)
  t.false(skipping.isGood)
})

test('a length beyond the bound or the bytes is bad, and nothing is allocated for it', t => {
  const claimed = new Writer(new Uint8Array(9)).uint(2 ** 53 - 1).bytes
  t.is(new Reader(claimed).buffer(Number.MAX_SAFE_INTEGER).length, 0)
  const reader = new Reader(Uint8Array.of(3, 1, 2, 3))
  t.is(reader.buffer(2).length, 0)
  t.false(reader.isGood)
  t.deepEqual(new Reader(Uint8Array.of(3, 1, 2, 3)).buffer(3), Uint8Array.of(1, 2, 3))
})

test('u64 is little-endian up to 2^53-1', t => {
  for (const value of EDGES) {
    const { bytes } = new Writer(new Uint8Array(8)).u64(value)
    t.is(Number(new DataView(bytes.buffer).getBigUint64(0, true)), value)
  }
})
