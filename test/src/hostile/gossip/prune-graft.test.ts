/** PRUNE and GRAFT in turn, at full rate, for authors that are known and that are not: the sender alone has less of it. */
import { encodePrune, encodeWant, FrameKind, LIMITS, makeAuthorRef } from '@hearsay/gossip/core'
import test from 'ava'
import b4a from 'b4a'
import { TOPIC_KEY, underAttack } from '../../support/attack.js'
import { dropsOf, inventedAuthors, RawAuthor } from '../../support/raw-peer.js'
import { soon, turns, until } from '../../support/until.js'

test('X10 pruning and grafting in turn at full rate is ignored beyond the budget, then cut, and moves nobody else', async t => {
  const { victim, friend, member, heard, goesOn } = await underAttack(t)
  const { incarnation } = await victim.topic.publish('hello')
  const ref = makeAuthorRef(victim.gossip.publicKey, b4a.from(incarnation, 'hex'))
  const [flapper, bearer] = [await member(), await member()]
  const author = new RawAuthor(TOPIC_KEY)
  bearer.push(author.batch(['first']))
  await until(() => heard(author).length === 1)
  flapper.bind(ref)
  flapper.bind(author.ref, 1)
  const refs = [ref, author.ref]
  const graft = encodeWant(
    true,
    refs.map(one => ({ ref: one, from: 0, count: 0 })),
    [0, 1]
  )
  for (let i = 0; i < 20_000 && flapper.isOpen; i++) {
    if (i % 2 === 0) flapper.send(FrameKind.prune, i % 4 === 0 ? encodePrune([0, 1]) : encodePrune([]))
    else flapper.send(FrameKind.want, graft)
    if (i % 100 !== 0) continue
    bearer.push(author.batch([i], { seq0: 1 + i / 100 }))
    await turns(2)
  }
  await soon(() => flapper.closed > 0, { what: 'the flapper is cut' })
  t.true(dropsOf(victim.gossip, 'over-budget') >= 20)
  await goesOn()
  t.true(heard(author).length > 1)
  t.deepEqual(new Set(heard(author)).size, heard(author).length)
  await friend.topic.publish('and on')
  await until(() => victim.data().includes('and on'))
  t.true(flapper.received(FrameKind.want).length <= 2 * LIMITS.wantsPerSecond)
})

test('X10 PRUNE of one author at full rate is ignored beyond 10 a second, and cut beyond 200', async t => {
  const { victim, member, spared, heard, goesOn } = await underAttack(t)
  const [peer, bearer] = [await member(), await member()]
  const author = new RawAuthor(TOPIC_KEY)
  bearer.push(author.batch(['first']))
  await until(() => heard(author).length === 1)
  peer.bind(author.ref)
  const one = encodePrune([0])
  peer.atOnce(() => {
    for (let i = 0; i < 15 * LIMITS.turnsPerSecond; i++) peer.send(FrameKind.prune, one)
  })
  await spared(peer)
  t.true(dropsOf(victim.gossip, 'over-budget') >= 10 * LIMITS.turnsPerSecond)
  for (let i = 0; i < 5000 && peer.isOpen; i++) {
    peer.send(FrameKind.prune, one)
    if (i % 500 === 0) await turns(2)
  }
  await soon(() => peer.closed > 0, { what: 'it is cut' })
  await goesOn()
})

test('X10 PRUNE of 1,000 authors that nobody knows, at full rate, is looked up and forgotten', async t => {
  const { member, reached, goesOn } = await underAttack(t)
  const peer = await member()
  const refs = inventedAuthors(1000)
  for (const [ix, ref] of refs.entries()) peer.bind(ref, ix)
  const all = encodePrune(refs.map((_, ix) => ix))
  peer.atOnce(() => {
    for (let i = 0; i < 200; i++) peer.send(FrameKind.prune, all)
  })
  await soon(() => !peer.isOpen || reached(peer) >= 1200)
  await goesOn()
})
