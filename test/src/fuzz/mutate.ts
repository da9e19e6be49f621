/**
 * Changes to an input that was well formed, or nearly: most of what a decoder accepts is left as it is, so that the change
 * is what is looked at.
 */
import type { Draw } from './draw.js'
import { joined } from './join.js'

type Mutation = (draw: Draw, bytes: Uint8Array, other: Uint8Array) => Uint8Array

/** Inputs don't grow beyond this by being mutated again and again. */
const MAX_BYTES = 70_000

// The first bytes say what the rest is, so they are changed more often than others.
function placeIn(draw: Draw, bytes: Uint8Array): number {
  if (bytes.length === 0) return 0
  const { rng } = draw
  return rng.chance(0.4) ? rng.uint32() % Math.min(bytes.length, 8) : rng.uint32() % bytes.length
}

function replaced(bytes: Uint8Array, at: number, cut: number, put: Uint8Array): Uint8Array {
  return joined(bytes.subarray(0, at), put, bytes.subarray(Math.min(bytes.length, at + cut)))
}

function changed(bytes: Uint8Array, at: number, value: number): Uint8Array {
  const copy = new Uint8Array(bytes)
  if (copy.length > 0) copy[at] = value
  return copy
}

/** Bytes that a number of the wire takes, by its first. */
const widthOf = (first: number): number => (first <= 0xfc ? 1 : first === 0xfd ? 3 : first === 0xfe ? 5 : 9)

const MUTATIONS: readonly Mutation[] = [
  // Cut off.
  (draw, bytes) => bytes.subarray(0, draw.rng.uint32() % (bytes.length + 1)),
  // One bit.
  (draw, bytes) => {
    const at = placeIn(draw, bytes)
    return changed(bytes, at, (bytes[at] ?? 0) ^ (1 << (draw.rng.uint32() & 7)))
  },
  // One byte.
  (draw, bytes) => changed(bytes, placeIn(draw, bytes), draw.u8()),
  // One more, or one less.
  (draw, bytes) => {
    const at = placeIn(draw, bytes)
    return changed(bytes, at, (bytes[at] ?? 0) + (draw.rng.chance(0.5) ? 1 : 255))
  },
  // Another number in the place of one.
  (draw, bytes) => {
    const at = placeIn(draw, bytes)
    return replaced(bytes, at, widthOf(bytes[at] ?? 0), draw.varint())
  },
  // Some bytes more, or fewer.
  (draw, bytes) => replaced(bytes, placeIn(draw, bytes), 0, draw.bytes(1 + (draw.rng.uint32() & 15))),
  (draw, bytes) => replaced(bytes, placeIn(draw, bytes), 1 + (draw.rng.uint32() & 31), new Uint8Array(0)),
  // Something twice.
  (draw, bytes) => {
    const at = placeIn(draw, bytes)
    return replaced(bytes, at, 0, bytes.subarray(at, at + 1 + (draw.rng.uint32() & 63)))
  },
  // The beginning of one and the end of another.
  (draw, bytes, other) =>
    joined(bytes.subarray(0, placeIn(draw, bytes)), other.subarray(placeIn(draw, other))),
  // A part of another in the middle.
  (draw, bytes, other) => {
    const from = placeIn(draw, other)
    const part = other.subarray(from, from + 1 + (draw.rng.uint32() & 63))
    return replaced(bytes, placeIn(draw, bytes), part.length, part)
  },
  // Bytes behind the end.
  (draw, bytes) => joined(bytes, draw.bytes(1 + (draw.rng.uint32() & 15)))
]

/** `bytes` changed in one to three ways; some of them take from `other`. */
export function mutate(draw: Draw, bytes: Uint8Array, other: Uint8Array): Uint8Array {
  let mutated = bytes
  for (let left = 1 + (draw.rng.uint32() % 3); left > 0; left--) {
    mutated = draw.rng.pick(MUTATIONS)(draw, mutated, other)
  }
  return mutated.length > MAX_BYTES ? mutated.subarray(0, MAX_BYTES) : mutated
}

/** Every way to cut `bytes` off, and to flip one bit of its first 100 bytes. */
export function* systematic(bytes: Uint8Array): Generator<Uint8Array> {
  for (let length = 0; length < bytes.length; length++) yield bytes.subarray(0, length)
  for (let bit = 0; bit < 8 * Math.min(bytes.length, 100); bit++) {
    yield changed(bytes, bit >> 3, (bytes[bit >> 3] as number) ^ (1 << (bit & 7)))
  }
}
