/** Own messages that wait for a link: bounded by number and bytes; option onFull. */
import test from 'ava'
import type { OnFull } from '#gossip/core/types'
import type { Limits } from '#gossip/limits'
import { Rig } from './support/core-net.js'
import { node } from './support/gossip-nodes.js'
import { duplexPair, until } from './support/streams.js'

/** A core whose only link is busy. */
function busy(limits: Partial<Limits> = {}, onFull?: OnFull) {
  const rig = new Rig({ limits, ...(onFull && { onFull }) })
  const peer = rig.peer(1)
  rig.step({ type: 'blocked', link: peer.link })
  const publish = (number: number, bytes: number) =>
    rig.step({ type: 'publish', publish: number, payload: new Uint8Array(bytes) })
  const refused = () =>
    rig.log
      .of('refused')
      .map(effect => ('limit' in effect ? [effect.publish, effect.reason, effect.limit, effect.value] : []))
  return { rig, peer, publish, refused }
}

test('bytes that wait are bounded, and come free when they are sent, cancelled or left', t => {
  const { rig, peer, publish, refused } = busy({ maxUnsentBytes: 1000 })
  publish(1, 600)
  publish(2, 400)
  publish(3, 1)
  t.deepEqual(refused(), [[3, 'full', 'maxUnsentBytes', 1001]])
  t.is(rig.core.sizes.waitingBytes, 1000)
  rig.step({ type: 'cancel', publish: 1 })
  t.is(rig.core.sizes.waitingBytes, 400)
  publish(4, 600)
  t.is(refused().length, 1)
  rig.step({ type: 'drained', link: peer.link })
  rig.pass(10)
  t.deepEqual(
    rig.log.of('published').map(effect => effect.publish),
    [2, 4]
  )
  t.is(rig.core.sizes.waitingBytes, 0)
  rig.step({ type: 'blocked', link: peer.link })
  publish(5, 1000)
  publish(6, 1)
  t.is(refused().length, 2)
  rig.step({ type: 'leave' })
  t.is(rig.core.sizes.waitingBytes, 0)
})

test('one message may wait, however large', t => {
  const { publish, refused } = busy({ maxUnsentBytes: 10 })
  publish(1, 1000)
  t.deepEqual(refused(), [])
  publish(2, 0)
  t.deepEqual(refused(), [[2, 'full', 'maxUnsentBytes', 1000]])
})

test('throw and drop refuse as soon as what one link may have queued waits; wait goes on to its own bound', t => {
  const limits = { maxQueuedBytesPerLink: 500, maxUnsentBytes: 1000 }
  const reasons: Record<string, unknown> = {}
  for (const onFull of ['wait', 'throw', 'drop'] as const) {
    const { rig, publish, refused } = busy(limits, onFull)
    for (let i = 1; i <= 12; i++) publish(i, 100)
    reasons[onFull] = [refused().length, refused()[0], rig.core.counters.unsent]
  }
  t.deepEqual(reasons, {
    wait: [2, [11, 'full', 'maxUnsentBytes', 1100], 0],
    throw: [7, [6, 'full', 'maxQueuedBytesPerLink', 600], 0],
    drop: [7, [6, 'dropped', 'maxQueuedBytesPerLink', 600], 7]
  })
})

test('a link that takes messages is given them all, also with throw: a bound of what waits is none of what is sent', t => {
  const rig = new Rig({ onFull: 'throw', limits: { maxQueuedBytesPerLink: 500 } })
  rig.peer(1)
  for (let i = 1; i <= 100; i++) rig.step({ type: 'publish', publish: i, payload: new Uint8Array(100) })
  rig.pass(10)
  t.is(rig.log.of('published').length, 100)
})

/** Two nodes, the link between them stalled. */
async function stalled(t: Parameters<typeof node>[0], onFull: OnFull | undefined, limits: Partial<Limits>) {
  const a = node(t, { limits, topic: onFull ? { onFull } : {} })
  const b = node(t)
  let isStalled = false
  const { ends } = duplexPair({ stalled: () => isStalled })
  a.gossip.attach(ends[0], { initiator: true })
  b.gossip.attach(ends[1], { initiator: false })
  t.teardown(() => {
    isStalled = false
    for (const end of ends) end.destroy()
  })
  await until(() => a.topic.peers()[0]?.role('cats') === 'active')
  isStalled = true
  const results: (string | number)[] = []
  const errors: Error[] = []
  for (let i = 0; i < 40; i++) {
    a.topic.publish('x'.repeat(10_000)).then(
      ({ seq }) => results.push(seq),
      (error: Error & { code: string }) => {
        errors.push(error)
        results.push(error.code)
      }
    )
  }
  return { a, results, errors }
}

test('while every link is busy: wait waits and is refused at its bound, throw before that, drop resolves and is counted', async t => {
  const limits = { maxQueuedBytesPerLink: 100_000, maxUnsentBytes: 150_000 }
  const patient = await stalled(t, undefined, limits)
  await until(() => patient.errors.length > 0)
  t.regex(patient.errors[0]?.message ?? '', /^\d+ bytes would wait .* limit is 150000 \(maxUnsentBytes\)$/)
  t.is(
    patient.results.find(result => typeof result === 'string'),
    'ERR_GOSSIP_FULL'
  )
  const hasty = await stalled(t, 'throw', limits)
  await until(() => hasty.errors.length > 0)
  t.regex(hasty.errors[0]?.message ?? '', / limit is 100000 \(maxQueuedBytesPerLink\)$/)
  t.true(hasty.errors.length > patient.errors.length)
  const dropping = await stalled(t, 'drop', limits)
  await until(() => dropping.results.includes(-1))
  t.is(dropping.errors.length, 0)
  t.is(dropping.results.filter(result => result === -1).length, dropping.a.gossip.stats.unsent)
  t.is(dropping.a.gossip.stats.unsent, hasty.errors.length)
  t.is(patient.a.gossip.stats.unsent, 0)
})

test('when too many messages wait, the error names their number', async t => {
  const { errors } = await stalled(t, undefined, { maxWaitingPublishes: 3 })
  await until(() => errors.length > 0)
  t.is(errors[0]?.message, '4 messages would wait for a busy link, limit is 3 (maxWaitingPublishes)')
})

test('another onFull is refused', t => {
  const { gossip } = node(t)
  const bad = { code: 'ERR_GOSSIP_BAD_OPTION', message: /wait, throw, drop/ }
  t.throws(() => gossip.join('other', { onFull: 'block' as never }), bad)
})
