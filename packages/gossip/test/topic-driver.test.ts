import { createKeyPair, cryptoFor, LIMITS, publicTopicKey } from '@hearsay/gossip'
import test from 'ava'
import { VerifyBudget } from '#gossip/core/verify-budget'
import { Clock } from '#gossip/node/clock'
import { Scheduler } from '#gossip/node/scheduler'
import { Stats } from '#gossip/node/stats'
import { TopicDriver } from '#gossip/node/topic-driver'

test('an input that comes while effects are applied waits until they all are', async t => {
  const keyPair = createKeyPair()
  const seqs: number[] = []
  const publishes: Promise<unknown>[] = []
  const driver: TopicDriver = new TopicDriver({
    name: 'cats',
    topicKey: publicTopicKey('cats'),
    asksAuthorize: false,
    asksValidate: false,
    asksAdmit: false,
    context: {
      limits: LIMITS,
      crypto: cryptoFor(keyPair),
      verifies: new VerifyBudget(LIMITS),
      author: keyPair.publicKey,
      clock: new Clock(),
      scheduler: new Scheduler(),
      stats: new Stats(),
      logger: {},
      nextLink: () => 1
    },
    listener: {
      ondeliver({ batch }) {
        seqs.push(batch.seq0)
        if (batch.seq0 > 0) return
        // A full batch is signed at once: its effects must not overtake those of the second one.
        for (let i = 0; i < LIMITS.maxBatchMessages; i++) {
          publishes.push(driver.publish(new Uint8Array(1), { ttlMs: 9000 }))
        }
      },
      onask() {},
      onlink() {},
      ongap() {},
      onequivocation() {},
      onwarning() {}
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
