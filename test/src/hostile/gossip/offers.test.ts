/** OFFER of what never comes, SKIP of what nobody sends, PEERS that do not exist: all at full rate. */
import { encodeOffer, encodePeers, encodeSkip, FrameKind, LIMITS } from '@hearsay/gossip/core'
import test from 'ava'
import { TOPIC_KEY, underAttack } from '../../support/attack.js'
import { dropsOf, inventedAuthors, RawAuthor } from '../../support/raw-peer.js'
import { soon, turns, until } from '../../support/until.js'

const MAX = Number.MAX_SAFE_INTEGER

test('X10 offers of batches that nobody has are asked for within the budget, and remembered up to a bound', async t => {
  const { victim, member, reached, spared, verified, heard, goesOn } = await underAttack(t)
  const peer = await member()
  const author = new RawAuthor(TOPIC_KEY)
  const refs = [author.ref, ...inventedAuthors(500)]
  for (const [ix, ref] of refs.entries()) peer.bind(ref, ix)
  peer.push(author.batch(['real']))
  await until(() => heard(author).length === 1)
  peer.atOnce(() => {
    for (let i = 0; i < 4000; i++) {
      const seq0 = i % 3 === 0 ? MAX - 63 : 1 + i
      peer.send(FrameKind.offer, encodeOffer({ ix: i % refs.length, seq0, count: 64, bytes: MAX }))
    }
  })
  await soon(() => reached(peer) >= 4000)
  await turns(50)
  const wants = peer.received(FrameKind.want).length
  t.true(wants <= 2 * LIMITS.wantsPerSecond + 5, `${wants} questions`)
  const [state] = victim.topic.explain(author.keyPair.publicKey).incarnations
  t.true((state?.gaps.length ?? 0) <= LIMITS.maxGaps)
  await spared(peer)
  await goesOn()
  t.is(verified(), 1)
})

test('X10 skips of everything keep nothing from anybody else', async t => {
  const { member, reached, spared, heard, goesOn } = await underAttack(t)
  const [peer, other, bearer] = [await member(), await member(), await member()]
  const author = new RawAuthor(TOPIC_KEY)
  peer.bind(author.ref)
  peer.atOnce(() => {
    for (let i = 0; i < 4000; i++)
      peer.send(FrameKind.skip, encodeSkip({ ix: 0, seq0: i % 2 === 0 ? i : MAX - i }))
  })
  await soon(() => reached(peer) >= 4000)
  const large = 'x'.repeat(5000)
  for (let seq0 = 0; seq0 < 10; seq0++) bearer.push(author.batch([large], { seq0 }))
  await until(() => heard(author).length === 10)
  await soon(() => other.seqsOf(author).length === 10, { what: 'the other member has all' })
  await spared(peer)
  await goesOn()
})

test('X10 peers that are told of at full rate are hints that nobody follows, and then cost the link', async t => {
  const { victim, member, goesOn } = await underAttack(t)
  const peer = await member()
  const { connectionsOpened } = victim.gossip.stats
  const keys = Array.from({ length: LIMITS.maxPeersKeys }, (_, i) => new Uint8Array(32).fill(i))
  for (let i = 0; i < 1000 && peer.isOpen; i++) {
    for (const [at, key] of keys.entries()) key.fill(i & 255, at)
    peer.send(FrameKind.peers, encodePeers(keys))
    if (i % 100 === 0) await turns(2)
  }
  await soon(() => peer.closed > 0, { what: 'it is cut' })
  t.true(dropsOf(victim.gossip, 'over-budget') >= 20)
  await goesOn()
  t.is(victim.gossip.stats.connectionsOpened, connectionsOpened)
})

test('X10 17 keys in a PEERS close the link', async t => {
  const { member, dropped, cut, goesOn } = await underAttack(t)
  const peer = await member()
  peer.send(FrameKind.peers, encodePeers(Array.from({ length: 17 }, () => new Uint8Array(32))))
  await dropped('too-large')
  await cut(peer)
  await goesOn()
})
