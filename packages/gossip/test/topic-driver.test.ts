import { createKeyPair, cryptoFor, LIMITS } from '@hearsay/gossip'
import test from 'ava'
import type { TopicInput } from '#gossip/core/types'
import { VerifyBudget } from '#gossip/core/verify-budget'
import { Clock, type ClockSource } from '#gossip/node/clock'
import { Scheduler } from '#gossip/node/scheduler'
import { Stats } from '#gossip/node/stats'
import { type DriverListener, TopicDriver } from '#gossip/node/topic-driver'
import {
  Author,
  bindings,
  coreOptions,
  noiseKey,
  RawPeer,
  type Rig,
  START_MS,
  TOPIC_KEY
} from './support/core-rig.js'

/** A driver without connections. */
function make(listener: Partial<DriverListener> = {}, source?: ClockSource) {
  const keyPair = createKeyPair()
  const stats = new Stats()
  const driver = new TopicDriver({
    name: 'cats',
    topicKey: TOPIC_KEY,
    asksAuthorize: false,
    asksValidate: false,
    asksAdmit: false,
    context: {
      limits: LIMITS,
      crypto: cryptoFor(keyPair),
      verifies: new VerifyBudget(LIMITS),
      author: keyPair.publicKey,
      clock: new Clock(source),
      scheduler: new Scheduler(),
      stats,
      logger: {},
      tracing: null,
      nextLink: () => 1
    },
    listener: {
      ondeliver() {},
      onask() {},
      onlink() {},
      onhint() {},
      onisolation() {},
      ongap() {},
      onequivocation() {},
      onwarning() {},
      ...listener
    }
  })
  return { driver, stats }
}

test('an input that comes while effects are applied waits until they all are', async t => {
  const seqs: number[] = []
  const publishes: Promise<unknown>[] = []
  const { driver } = make({
    ondeliver({ batch }) {
      seqs.push(batch.seq0)
      if (batch.seq0 > 0) return
      // A full batch is signed at once: its effects must not overtake those of the second one.
      for (let i = 0; i < LIMITS.maxBatchMessages; i++) {
        publishes.push(driver.publish(new Uint8Array(1), { ttlMs: 9000 }))
      }
    }
  })
  // A full batch, and one message more, all in one step: a batch of another ttl closes the first.
  for (let i = 0; i < 63; i++) publishes.push(driver.publish(new Uint8Array(1), {}))
  publishes.push(driver.publish(new Uint8Array(17_000), { ttlMs: 5000 }))
  while (publishes.length < 64 + LIMITS.maxBatchMessages) await new Promise(resolve => setImmediate(resolve))
  await Promise.all(publishes)
  t.deepEqual(seqs, [0, 63, 64])
  await driver.leave(Date.now() + 100)
})

test('what the network lost is counted when it is told, message by message', async t => {
  let nowMs = START_MS
  const gaps: string[] = []
  const ongap: DriverListener['ongap'] = ({ from, to }) => gaps.push(`${from}-${to}`)
  const { driver, stats } = make({ ongap }, { wall: () => nowMs, monotonic: () => nowMs })
  const rig = {
    options: coreOptions(9),
    step: (input: TopicInput) => {
      driver.feed(input)
      return []
    }
  }
  const [binding, remote] = bindings(noiseKey(1), noiseKey(2), 1)
  driver.feed({ type: 'linkOpening', link: 1, binding, outbound: true })
  const peer = new RawPeer(rig as unknown as Rig, 1, remote)
  peer.hello()
  const author = new Author(8)
  peer.batch(author.batch(0))
  peer.batch(author.batch(4))
  t.is(stats.missed, 0)
  for (const passMs of [20, 31_000]) {
    nowMs += passMs
    driver.onTick()
  }
  t.deepEqual(gaps, ['1-3'])
  t.is(stats.missed, 3)
  t.is(stats.delivered, 2)
  await driver.leave(nowMs)
})
