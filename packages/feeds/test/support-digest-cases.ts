/** Exchanges between two digests, from sets that tests draw or name. */
import type { ExecutionContext } from 'ava'
import b4a from 'b4a'
import type { Digest } from '#feeds/core/digest'
import type { SetNumber } from '#feeds/core/digest-types'
import { type End, flat, gotten, lacking, makeEnd, makeRow, names, run, type Wire } from './support-digest.js'

/** Two row sets to compare, and how. */
export interface Case {
  set: SetNumber
  common: number
  onlyA: number
  onlyB: number
  changed: number
  /** Bytes that all slots share. */
  prefix: number
  /** Who starts: A, B or both. */
  starts: 'a' | 'b' | 'both'
}

export function rowsOf(c: Case): [Uint8Array, Uint8Array] {
  const a: Uint8Array[] = []
  const b: Uint8Array[] = []
  let index = 0
  const next = (prefix: number) => makeRow(index++, prefix)
  for (let i = 0; i < c.common; i++) {
    const row = next(c.prefix)
    a.push(row)
    b.push(row)
  }
  for (let i = 0; i < c.onlyA; i++) a.push(next(c.prefix))
  for (let i = 0; i < c.onlyB; i++) b.push(next(c.prefix))
  for (let i = 0; i < c.changed; i++, index++) {
    a.push(makeRow(index, c.prefix, 1))
    b.push(makeRow(index, c.prefix, 2))
  }
  return [flat(a), flat(b)]
}

export function exchange(c: Case): { a: Uint8Array; b: Uint8Array; ends: [End, End]; wire: Wire } {
  const [a, b] = rowsOf(c)
  const ends: [End, End] = [
    makeEnd({ rows: a, set: c.set, isInitiator: true }),
    makeEnd({ rows: b, set: c.set, isInitiator: false })
  ]
  const started = [
    c.starts === 'b' ? [] : ends[0].digest.start(0),
    c.starts === 'a' ? [] : ends[1].digest.start(0)
  ]
  return { a, b, ends, wire: run(ends, started) }
}

/** Both ended well, each has exactly what it lacked, and each got it once. */
export function assertExact(t: ExecutionContext, c: Case): Wire {
  const { a, b, ends, wire } = exchange(c)
  t.deepEqual(names(gotten(ends[0])), lacking(b, a))
  t.deepEqual(names(gotten(ends[1])), lacking(a, b))
  for (const end of ends) {
    t.is(end.digest.state, 'same')
    t.is(end.digest.deadlineMs, null)
    const others = end.effects.filter(effect => effect.type !== 'send' && effect.type !== 'supply')
    t.deepEqual(others, [{ type: 'done', round: 1, isSame: b4a.equals(a, b) }])
  }
  return wire
}

/** A digest that has compared roots with a peer of 100 other rows and may be sent a turn of depth 0. */
export function waiting(set: SetNumber = 1): Digest {
  const { digest } = makeEnd({
    rows: flat(Array.from({ length: 40 }, (_, i) => makeRow(i))),
    set,
    isInitiator: false
  })
  digest.start(0)
  digest.receive({ type: 'root', set, round: 1, count: 100, fp: new Uint8Array(16).fill(1) }, 0)
  return digest
}

/** The path of the root. */
export const EMPTY_PATH = new Uint8Array(0)
