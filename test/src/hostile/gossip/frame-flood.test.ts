/** Frames beyond the budgets of a link, or before it is admitted: dropped, counted, held up to a bound. */
import { keyId, type Peer } from '@hearsay/gossip'
import { encodeHave, encodeWant, FrameKind, LIMITS } from '@hearsay/gossip/core'
import test from 'ava'
import { TOPIC_KEY, underAttack } from '../../support/attack.js'
import { dropsOf, RawAuthor } from '../../support/raw-peer.js'
import { soon } from '../../support/until.js'

test('X10 frames beyond the budget of a link are dropped, free of charge, and only those of that link', async t => {
  const { victim, member, spared, goesOn } = await underAttack(t, { limits: { framesPerSecond: 500 } })
  const flooder = await member()
  const empty = encodeHave('live', [], [])
  flooder.atOnce(() => {
    for (let frame = 0; frame < 5000; frame++) flooder.send(FrameKind.have, empty)
  })
  await soon(() => dropsOf(victim.gossip, 'over-budget') >= 3500)
  await spared(flooder)
  await goesOn()
})

test('X10 bytes beyond the budget of a link are dropped, free of charge', async t => {
  const { victim, member, spared, heard, goesOn } = await underAttack(t, {
    limits: { bytesPerSecond: 200_000 }
  })
  const flooder = await member()
  const author = new RawAuthor(TOPIC_KEY)
  const text = 'x'.repeat(10_000)
  flooder.atOnce(() => {
    for (let seq0 = 0; seq0 < 100; seq0++) flooder.push(author.batch([text], { seq0 }))
  })
  await soon(() => dropsOf(victim.gossip, 'over-budget') >= 50)
  await spared(flooder)
  await goesOn()
  t.true(heard(author).length <= 60)
})

test('X10 frames of a link that is not admitted yet are held up to a bound, and forgotten when it is refused', async t => {
  const enemies = new Set<string>()
  const pending: ((isAdmitted: boolean) => void)[] = []
  const admit = (peer: Peer): boolean | Promise<boolean> => {
    if (!enemies.has(keyId(peer.remotePublicKey))) return true
    return new Promise(resolve => pending.push(resolve))
  }
  const { victim, stranger, heard, goesOn } = await underAttack(t, { topic: { admit } })
  const peer = await stranger()
  enemies.add(keyId(peer.stream.publicKey))
  peer.open()
  const author = new RawAuthor(TOPIC_KEY)
  peer.push(author.batch(['smuggled']))
  // AUTHOR and HAVE have room of their own, because an honest peer sends them once; it ends, too.
  for (let i = 0; i < 2998; i++) peer.send(FrameKind.have, encodeHave('tick', [], []))
  for (let i = 0; i < 1000; i++) peer.send(FrameKind.want, encodeWant(false, [], []))
  const held = LIMITS.maxHeldFrames + LIMITS.maxAuthorIndexes
  await soon(() => dropsOf(victim.gossip, 'unadmitted') === 4000 - held, { what: 'drops' })
  await goesOn()
  pending[0]?.(false)
  await soon(() => peer.closed === 1)
  await goesOn()
  t.is(victim.topic.peers().length, 2)
  t.deepEqual(heard(author), [])
})
