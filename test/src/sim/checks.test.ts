import {
  LIMITS,
  makeAuthorRef,
  type OutFrame,
  SubscriberBuffer,
  type TopicEffect
} from '@hearsay/gossip/core'
import test from 'ava'
import { Checker, Violation } from './checks.js'
import { fakeIdentities } from './crypto.js'
import { EventQueue } from './event-queue.js'
import { EPOCH_MS, SimNode } from './node.js'
import { OrderChecks } from './order-checks.js'
import { Rng } from './rng.js'
import { Wire } from './wire.js'

/** What 8 zero bytes are shown as. */
const INCARNATION = '0'.repeat(16)

/** A process whose core does what the test says, step by step. */
function scripted(limits = LIMITS, sizes: Record<string, number> = {}) {
  const queue = new EventQueue()
  const checker = new Checker(queue)
  let next: TopicEffect[] = []
  const make = (name: string) =>
    new SimNode(
      {
        name,
        identity: fakeIdentities()(Uint8Array.of(name.length)),
        peerKey: new Uint8Array(32),
        topicKey: new Uint8Array(32),
        limits,
        skewMs: 0,
        isHostile: false,
        thinksMs: null,
        bootHorizon: false,
        makeCore: () => ({ step: () => next, ownHello: () => new Uint8Array(1), explain: () => [], sizes })
      },
      queue,
      new Rng(1),
      checker
    )
  const [node, remote] = [make('n'), make('other')]
  const binding = {
    handshakeHash: new Uint8Array(64),
    isInitiator: true,
    publicKey: new Uint8Array(32),
    remotePublicKey: new Uint8Array(32)
  }
  const out = new Wire(queue, new Rng(1), { latencyMs: 1, jitterMs: 0, bytesPerMs: 1 }, () => {})
  const port = node.open({ remote, binding, out, cut: () => {} })
  const ref = makeAuthorRef(node.options.identity.author, new Uint8Array(8))
  const batch = {
    ref,
    seq0: 0,
    count: 1,
    createdMs: EPOCH_MS + 1,
    ttlSeconds: 5,
    class: 0,
    signature: new Uint8Array(64),
    head: new Uint8Array(0),
    payloadBytes: Uint8Array.of(1, 7),
    payloads: [Uint8Array.of(7)]
  }
  const run = (...effects: TopicEffect[]): void => {
    next = effects
    node.step({ type: 'tick' })
    next = []
  }
  return { node, checker, port, batch, ref, run, publish: (seq: number) => publishOne(seq) }

  function publishOne(seq: number): void {
    node.publish(Uint8Array.of(7))
    run({ type: 'published', publish: seq + 1, incarnation: INCARNATION, seq, links: 0 })
  }
}

type World = ReturnType<typeof scripted>

const deliver = ({ batch, port }: World, change: object = {}): TopicEffect => ({
  type: 'deliver',
  batch: { ...batch, ...change },
  hops: 1,
  accepted: null,
  link: port.link
})
const gap = ({ ref }: World, from: number, to: number): TopicEffect => {
  return { type: 'gap', author: ref.author, incarnation: INCARNATION, from, to }
}
const push = ({ batch, port }: World): TopicEffect => {
  const frame: OutFrame = { kind: 'batch', batch, hops: 0, mark: false, repair: false, last: false }
  return { type: 'send', link: port.link, class: 2, frame }
}

const reuse = (): TopicEffect => ({
  type: 'published',
  publish: 2,
  incarnation: INCARNATION,
  seq: 0,
  links: 0
})
const cutOff = ({ port }: World): TopicEffect => {
  return { type: 'closeLink', link: port.link, reason: 'demerits', backoffMs: 1 }
}

/** What is published before, and what the core does then. */
const breaks: [
  invariant: string,
  what: string,
  published: number,
  effects: (world: World) => TopicEffect[]
][] = [
  ['G1', 'a message that nobody published', 0, world => [deliver(world)]],
  ['G1', 'other bytes', 1, world => [deliver(world, { payloads: [Uint8Array.of(8)] })]],
  ['G2', 'the same message twice', 1, world => [deliver(world), deliver(world)]],
  ['G3', 'an expired message', 1, world => [deliver(world, { createdMs: EPOCH_MS - 36_000 })]],
  ['G3', 'a message from the future', 1, world => [deliver(world, { createdMs: EPOCH_MS + 31_000 })]],
  ['G5', 'a gap told twice', 2, world => [gap(world, 0, 1), gap(world, 1, 1)]],
  ['G5', 'a gap of what was delivered', 1, world => [deliver(world), gap(world, 0, 0)]],
  ['G5', 'a gap of what nobody published', 1, world => [gap(world, 3, 3)]],
  ['G7', 'an honest peer cut off', 0, world => [cutOff(world)]],
  ['G9', 'a seq used twice', 1, () => [reuse()]],
  ['A2', 'a batch pushed twice', 1, world => [push(world), push(world)]],
  ['A2', 'a batch pushed back', 1, world => [push(world), deliver(world)]]
]

for (const [invariant, what, published, effects] of breaks) {
  test(`${invariant} is broken by ${what}`, t => {
    const world = scripted()
    for (let seq = 0; seq < published; seq++) world.publish(seq)
    world.node.publish(Uint8Array.of(7))
    const error = t.throws(() => world.run(...effects(world)), { instanceOf: Violation })
    t.true(error?.message.startsWith(`${invariant} `), error?.message)
  })
}

test('O1 is broken by a subscription that does not keep the order', t => {
  const world = scripted()
  const read = (...seqs: readonly number[]): void => {
    const checks = new OrderChecks(
      (invariant, _node, what) => {
        throw new Violation(`${invariant} ${what}`)
      },
      () => new SubscriberBuffer()
    )
    for (const seq0 of seqs) checks.after(world.node, [deliver(world, { seq0 })], EPOCH_MS)
  }
  t.notThrows(() => read(4, 5, 6))
  t.throws(() => read(4, 6, 5), { instanceOf: Violation, message: /^O1 / })
  t.throws(() => read(4, 4), { message: /^O1 / })
})

test('G6 is broken by a queue over its bound', t => {
  const world = scripted({ ...LIMITS, maxMessageBytes: 10, batchOverheadBytes: 0, maxQueuedBytesPerLink: 50 })
  world.port.egress.setWritable(false)
  const error = t.throws(() => world.run(push(world)), { instanceOf: Violation })
  t.true(error?.message.startsWith('G6 '), error?.message)
})

test('G6 is broken by a collection over its bound, and by one that is never emptied', t => {
  const sizes: Record<string, number> = {}
  const world = scripted(LIMITS, sizes)
  sizes.authors = 2
  t.notThrows(() => world.run())
  t.throws(() => world.checker.checkReleased([world.node]), { message: /^G6 .*authors/ })
  sizes.cacheBatches = LIMITS.maxCacheBatches + 1
  t.throws(() => world.run(), { message: /^G6 .*cacheBatches/ })
})

test('G8 is broken by a batch that is sent after the end', t => {
  const queue = new EventQueue()
  const checker = new Checker(queue)
  checker.lastBatchAtMs = 500
  t.throws(() => checker.checkQuiet(400), { message: /^G8/ })
  t.notThrows(() => checker.checkQuiet(500))
})
