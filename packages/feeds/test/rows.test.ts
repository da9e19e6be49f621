import { fc, testProp } from '@fast-check/ava'
import test from 'ava'
import b4a from 'b4a'
import { ROW_BYTES, RowSet, slotsOf, splitRows } from '#feeds/core/rows'

const bytes16 = () => fc.uint8Array({ minLength: 16, maxLength: 16 })
// Few slots, so that rows meet.
const slot = () => fc.integer({ min: 0, max: 5 }).map(n => new Uint8Array(16).fill(n))

test('a slot has one value, and setting it again says so', t => {
  const set = new RowSet()
  const key = new Uint8Array(16).fill(1)
  t.true(set.set(key, new Uint8Array(16).fill(2)))
  t.false(set.set(key, new Uint8Array(16).fill(2)))
  t.true(set.set(key, new Uint8Array(16).fill(3)))
  t.is(set.size, 1)
  t.deepEqual(set.get(key), b4a.alloc(16, 3))
  t.true(set.has(key))
  t.true(set.delete(key))
  t.false(set.delete(key))
  t.is(set.get(key), null)
})

test('a row of another size is refused', t => {
  const set = new RowSet()
  t.throws(() => set.set(new Uint8Array(15), new Uint8Array(16)), { instanceOf: RangeError })
  t.throws(() => set.set(new Uint8Array(16), new Uint8Array(17)), { instanceOf: RangeError })
  t.is(set.size, 0)
})

test('bytes that are changed after set() do not change the set', t => {
  const set = new RowSet()
  const key = new Uint8Array(16)
  const value = new Uint8Array(16)
  set.set(key, value)
  key.fill(9)
  value.fill(9)
  t.deepEqual(set.snapshot(), new Uint8Array(32))
})

test('an unchanged set gives the same snapshot, a changed one another, and the old one stays as it was', t => {
  const set = new RowSet()
  set.set(new Uint8Array(16).fill(1), new Uint8Array(16))
  const first = set.snapshot()
  const copy = first.slice()
  t.is(set.snapshot(), first)
  set.set(new Uint8Array(16).fill(1), new Uint8Array(16).fill(5))
  t.not(set.snapshot(), first)
  t.deepEqual(first, copy)
  set.delete(new Uint8Array(16).fill(1))
  t.is(set.snapshot().length, 0)
})

testProp(
  'a snapshot is sorted, holds each slot once with its last value, and does not depend on the order of setting',
  [fc.array(fc.tuple(slot(), bytes16(), fc.boolean()), { maxLength: 30 })],
  (t, steps) => {
    const set = new RowSet()
    const model = new Map<string, string>()
    for (const [key, value, isDelete] of steps) {
      const id = b4a.toString(key, 'hex')
      if (isDelete) t.is(set.delete(key), model.delete(id))
      else {
        set.set(key, value)
        model.set(id, b4a.toString(value, 'hex'))
      }
    }
    const rows = splitRows(set.snapshot()).map(row => b4a.toString(row, 'hex'))
    t.deepEqual(rows, [...model].map(([key, value]) => key + value).sort())
    t.is(set.snapshot().length, set.size * ROW_BYTES)
    const kept = set.snapshot(key => (key[0] as number) % 2 === 0)
    t.deepEqual(
      splitRows(kept).map(row => b4a.toString(row, 'hex')),
      rows.filter(row => Number.parseInt(row.slice(0, 2), 16) % 2 === 0)
    )
    t.deepEqual(
      slotsOf(kept).map(key => b4a.toString(key, 'hex')),
      splitRows(kept).map(row => b4a.toString(row.subarray(0, 16), 'hex'))
    )
  }
)
