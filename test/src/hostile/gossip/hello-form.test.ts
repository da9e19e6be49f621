/** Hellos that are cut off, too long, or full of numbers that nobody means. */
import { FrameKind, LIMITS } from '@hearsay/gossip/core'
import test from 'ava'
import { TOPIC_KEY, underAttack } from '../../support/attack.js'
import { dropsOf, RawAuthor } from '../../support/raw-peer.js'
import { soon, until } from '../../support/until.js'

const MAX = Number.MAX_SAFE_INTEGER

test('X10 a hello over 256 bytes is refused before it is read', async t => {
  const { victim, stranger, goesOn } = await underAttack(t)
  const peer = await stranger()
  peer.open(new Uint8Array([...peer.hello(), ...new Uint8Array(300)]))
  peer.push(new RawAuthor(TOPIC_KEY).batch(['smuggled']))
  await soon(() => peer.closed === 1)
  await goesOn()
  t.is(victim.topic.peers().length, 2)
  t.regex(victim.warnings[0]?.message ?? '', /limit is 256/)
  t.false(peer.stream.destroyed)
})

test('X10 a hello that is cut off is malformed at every length', async t => {
  const { victim, stranger, goesOn } = await underAttack(t)
  const whole = (await stranger()).hello().length
  for (let length = 0; length < whole; length++) {
    const peer = await stranger()
    peer.open(peer.hello().subarray(0, length))
    await soon(() => peer.closed > 0, { what: `a hello of ${length} bytes is refused` })
    peer.stream.destroy()
  }
  await goesOn()
  t.is(dropsOf(victim.gossip, 'malformed'), whole)
  t.is(victim.topic.peers().length, 2)
})

test('X10 bytes behind a right hello, unknown roles and unknown features are what a later version says', async t => {
  const { stranger, spared, goesOn } = await underAttack(t)
  const peer = await stranger()
  peer.open(new Uint8Array([...peer.hello({ roles: 255, features: MAX }), ...new Uint8Array(100)]))
  await soon(() => peer.isOpen)
  await spared(peer)
  await goesOn()
})

test('X10 the largest and the smallest numbers in a hello are hints: a clock that is off moves nothing', async t => {
  const { victim, stranger, heard, goesOn } = await underAttack(t)
  for (const [clockMs, maxFrameBytes, degree] of [
    [0, 0, 0],
    [MAX, MAX, 255],
    [Date.now() + 1e12, 1, 1]
  ] as const) {
    const peer = await stranger()
    peer.open(peer.hello({ clockMs, maxFrameBytes, degree }))
    await soon(() => peer.isOpen)
    const author = new RawAuthor(TOPIC_KEY)
    peer.push(author.batch([clockMs]))
    await until(() => heard(author).length === 1)
    // It takes no frame at all: then it is sent none, and costs no queue.
    if (maxFrameBytes < 100) t.is(peer.received(FrameKind.batch).length, 0)
  }
  await goesOn()
  t.is(victim.topic.peers().length, 5)
  t.deepEqual(
    victim.topic.peers().filter(({ stats }) => stats.queuedBytes > LIMITS.maxQueuedBytesPerLink),
    []
  )
})
