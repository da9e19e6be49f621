import test from 'ava'
import { fakeIdentities } from './crypto.js'
import { EventQueue } from './event-queue.js'
import { Rng, TraceHash } from './rng.js'
import { HIGH_WATER_BYTES, type Packet, Wire } from './wire.js'

test('equal seeds give equal numbers, close seeds others', t => {
  const draw = (seed: number) => Array.from({ length: 5 }, () => 0).map(new Rng(seed).float)
  t.deepEqual(draw(7), draw(7))
  t.notDeepEqual(draw(7), draw(8))
  t.true(draw(2 ** 40).every(number => number >= 0 && number < 1))
})

test('a shuffle keeps all values and a fork does not disturb its source', t => {
  const rng = new Rng(1)
  t.deepEqual(
    rng.shuffle([1, 2, 3, 4, 5]).sort((a, b) => a - b),
    [1, 2, 3, 4, 5]
  )
  const [a, b] = [new Rng(3), new Rng(3)]
  a.fork().bytes(100)
  b.fork()
  t.is(a.uint32(), b.uint32())
})

test('the hash of a trace sees order, large numbers and bytes', t => {
  const hashOf = (...values: number[]) => {
    const hash = new TraceHash()
    hash.add(...values)
    return hash.value
  }
  t.is(new Set([hashOf(1, 2), hashOf(2, 1), hashOf(2 ** 40), hashOf(2 ** 41), hashOf(0)]).size, 5)
})

test('events run in the order of time, equal times in the order of insertion', t => {
  const queue = new EventQueue()
  const seen: string[] = []
  for (const [at, name] of [
    [5, 'c'],
    [1, 'a'],
    [5, 'd'],
    [3, 'b']
  ] as const) {
    queue.at(at, () => seen.push(`${name}${queue.nowMs}`))
  }
  queue.runUntil(10)
  t.deepEqual(seen, ['a1', 'b3', 'c5', 'd5'])
  t.is(queue.nowMs, 10)
})

test('a livelock fails by a small number of steps', t => {
  const queue = new EventQueue()
  const again = (): void => queue.after(0, again)
  again()
  t.throws(() => queue.runUntil(2), { message: /no rest/ })
  t.true(queue.steps < 60_000)
})

test('a forged signature, and one of another author, are refused', t => {
  const make = fakeIdentities()
  const [alice, bob] = [make(Uint8Array.of(1)), make(Uint8Array.of(2))]
  const [a, b] = [alice.port(() => 0), bob.port(() => 0)]
  const digest = new Uint8Array(32).fill(7)
  const signature = a.sign(digest)
  t.true(b.verify(signature, digest, alice.author))
  t.false(b.verify(signature, digest, bob.author))
  t.false(
    b.verify(
      signature,
      digest.map(byte => byte + 1),
      alice.author
    )
  )
  t.false(
    b.verify(
      signature.map(byte => byte ^ 1),
      digest,
      alice.author
    )
  )
  t.false(b.verify(b.sign(digest), digest, alice.author))
})

const frame = (id: number, size = 10): Packet => ({
  type: 'frame',
  kind: id,
  bytes: new Uint8Array(size),
  tainted: false
})

function wireOf(options: Partial<Wire['options']> = {}) {
  const queue = new EventQueue()
  const seen: number[] = []
  const wire = new Wire(
    queue,
    new Rng(1),
    { latencyMs: 10, jitterMs: 30, bytesPerMs: Number.POSITIVE_INFINITY, ...options },
    packet => seen.push(packet.type === 'frame' ? packet.kind : -1)
  )
  return { queue, seen, wire }
}

test('a stream keeps its order, whatever its jitter, also over a stall', t => {
  const { queue, seen, wire } = wireOf()
  for (let i = 0; i < 20; i++) queue.at(1 + i, () => wire.send(frame(i)))
  queue.at(32, () => wire.stall())
  queue.runUntil(200)
  t.true(seen.length > 0 && seen.length < 20)
  wire.resume()
  t.deepEqual(
    seen,
    Array.from({ length: 20 }, (_, index) => index)
  )
})

test('a cut takes along what is under way', t => {
  const { queue, seen, wire } = wireOf()
  for (let i = 0; i < 3; i++) wire.send(frame(i))
  wire.cut()
  wire.send(frame(4))
  queue.runUntil(100)
  t.deepEqual(seen, [])
  t.is(wire.lost, 3)
})

test('a narrow stream says when it is full and when it has drained', t => {
  const { queue, seen, wire } = wireOf({ bytesPerMs: 100 })
  let drains = 0
  wire.onDrain = () => drains++
  t.true(wire.isDrained)
  for (let i = 0; i < 3; i++) wire.send(frame(i, HIGH_WATER_BYTES - 22))
  t.false(wire.isDrained)
  queue.runUntil(200)
  t.is(drains, 0)
  queue.runUntil(350)
  t.is(drains, 1)
  t.true(wire.isDrained)
  queue.runUntil(600)
  t.deepEqual(seen, [0, 1, 2])
})

test('a stream that is widened sends what waited at once, in order', t => {
  const { queue, seen, wire } = wireOf({ bytesPerMs: 0.01 })
  for (let i = 0; i < 5; i++) wire.send(frame(i, 1000))
  queue.runUntil(100)
  t.deepEqual(seen, [])
  wire.setWidth(Number.POSITIVE_INFINITY)
  wire.send(frame(5))
  queue.runUntil(200)
  t.deepEqual(seen, [0, 1, 2, 3, 4, 5])
})
