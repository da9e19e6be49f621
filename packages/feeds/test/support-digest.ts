// Two digests and the wire between them: counts bytes, answers what is supplied, keeps what came.

import b4a from 'b4a'
import sodium from 'sodium-universal'
import { Digest } from '#feeds/core/digest'
import type {
  DigestEffect,
  DigestFrame,
  DigestOptions,
  RecordsMark,
  SetNumber
} from '#feeds/core/digest-types'
import { ROW_BYTES, RowSet, splitRows } from '#feeds/core/rows'

/** BLAKE2b-256, keyed. */
export function keyedHash(key: Uint8Array, ...parts: Uint8Array[]): Uint8Array {
  const output = new Uint8Array(32)
  sodium.crypto_generichash_batch(output, parts, key)
  return output
}

/** A salt that depends on the round only, as both ends compute it. */
export function saltOf(round: number): Uint8Array {
  return keyedHash(new Uint8Array(32).fill(9), Uint8Array.of(round & 0xff, round >>> 8))
}

/** Deterministic row number `index`; its slot begins with `prefix` bytes of 0xab. */
export function makeRow(index: number, prefix = 0, version = 0): Uint8Array {
  const bytes = keyedHash(new Uint8Array(32).fill(1), b4a.from(`row ${index}`)).slice()
  bytes.fill(0xab, 0, prefix)
  bytes.set(keyedHash(new Uint8Array(32).fill(2), b4a.from(`value ${index} ${version}`)).subarray(0, 16), 16)
  return bytes
}

/** Sorted flat rows. */
export function flat(rows: readonly Uint8Array[]): Uint8Array {
  const set = new RowSet()
  for (const row of rows) set.set(row.subarray(0, 16), row.subarray(16))
  return set.snapshot()
}

/** Rows by their hex, sorted. */
export function names(rows: Uint8Array): string[] {
  return splitRows(rows)
    .map(row => b4a.toString(row, 'hex'))
    .sort()
}

/** Rows of `from` that aren't in `other`. */
export function lacking(from: Uint8Array, other: Uint8Array): string[] {
  const known = new Set(names(other))
  return names(from).filter(name => !known.has(name))
}

/** One end of the wire. */
export interface End {
  readonly digest: Digest
  readonly got: Uint8Array[]
  readonly effects: DigestEffect[]
}

/** An end with these rows. */
export function makeEnd(
  options: Partial<DigestOptions> & { rows: Uint8Array; set: SetNumber; isInitiator: boolean }
): End {
  const { rows, ...rest } = options
  return {
    digest: new Digest({ snapshot: () => rows, salt: saltOf, keyedHash, ...rest }),
    got: [],
    effects: []
  }
}

/** What crossed the wire. */
export interface Wire {
  /** Bytes of ROOT, NODES and ITEMS with their message index. */
  bytes: number
  /** Bytes of PULL and DONE. */
  otherBytes: number
  frames: DigestFrame[]
}

type Item = { to: 0 | 1; frame: DigestFrame | RecordsMark }

/** Runs both ends until nothing is under way. `started`: effects of whoever started. */
export function run(
  ends: readonly [End, End],
  started: readonly (readonly DigestEffect[])[],
  nowMs = 0
): Wire {
  const wire: Wire = { bytes: 0, otherBytes: 0, frames: [] }
  const queue: Item[] = []
  const apply = (from: 0 | 1, effects: readonly DigestEffect[]) => {
    const to = from === 0 ? 1 : 0
    for (const effect of effects) {
      ends[from].effects.push(effect)
      if (effect.type === 'send') {
        wire.frames.push(effect.frame)
        const size = frameSize(effect.frame)
        if (effect.frame.type === 'pull' || effect.frame.type === 'done') wire.otherBytes += size
        else wire.bytes += size
        queue.push({ to, frame: effect.frame })
      }
      if (effect.type === 'supply') queue.push(...supply(ends, to, effect))
    }
  }
  for (const [index, effects] of started.entries()) apply(index as 0 | 1, effects)
  for (let item = queue.shift(); item !== undefined; item = queue.shift()) {
    if (wire.frames.length > 100_000) throw new Error('the exchange does not end')
    const { to, frame } = item
    if (frame.type === 'records') ends[to].got.push(frame.rows)
    apply(to, ends[to].digest.receive(frame, nowMs))
  }
  return wire
}

function supply(ends: readonly [End, End], to: 0 | 1, effect: DigestEffect & { type: 'supply' }): Item[] {
  const { rows, round } = effect
  const set = ends[to].effects.find(sent => sent.type === 'send')?.frame.set ?? 0
  if (set === 2) {
    ends[to].got.push(rows)
    return []
  }
  // In two frames, so that `isLast` means something.
  const half = Math.floor(rows.length / ROW_BYTES / 2) * ROW_BYTES
  return [rows.subarray(0, half), rows.subarray(half)].map((part, index) => ({
    to,
    frame: { type: 'records', set, round, isLast: index === 1, rows: part }
  }))
}

/** All that an end got. */
export function gotten(end: End): Uint8Array {
  return b4a.concat(end.got)
}

function uintSize(value: number): number {
  return value <= 0xfc ? 1 : value <= 0xffff ? 3 : 5
}

/** Bytes of a frame on the channel, with one byte of message index: by counting the fields of the wire format. */
export function frameSize(frame: DigestFrame): number {
  const head = 2 + uintSize(frame.round)
  switch (frame.type) {
    case 'root':
      return head + uintSize(frame.count) + 16
    case 'nodes':
      return frame.nodes.reduce((sum, node) => {
        const children = node.children.reduce((size, child) => size + uintSize(child.count) + 8, 0)
        return sum + 1 + node.path.length + 2 + children
      }, head + uintSize(frame.nodes.length))
    case 'items':
      return frame.groups.reduce(
        (sum, group) => sum + 1 + group.path.length + uintSize(group.shorts.length) + 8 * group.shorts.length,
        head + 1 + uintSize(frame.groups.length)
      )
    case 'pull': {
      const ranges = frame.all.reduce((sum, range) => sum + 1 + range.path.length, uintSize(frame.all.length))
      return head + ranges + uintSize(frame.shorts.length) + 8 * frame.shorts.length
    }
    case 'done':
      return head
  }
}
