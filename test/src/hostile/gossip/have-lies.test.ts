/** HAVE that claims what nobody has, of authors that nobody knows, in lists that are too long. */
import { decodeWant, encodeAuthor, encodeHave, FrameKind, LIMITS, makeAuthorRef } from '@hearsay/gossip/core'
import test from 'ava'
import b4a from 'b4a'
import { TOPIC_KEY, underAttack } from '../../support/attack.js'
import { dropsOf, inventedAuthors, RawAuthor } from '../../support/raw-peer.js'
import { soon, turns, until } from '../../support/until.js'

const KINDS = ['tick', 'join', 'lag', 'summary', 'live'] as const

test('X10 who claims what it lacks and then is silent is asked a few times, bounded, and moves no watermark', async t => {
  const { victim, friend, member, reached, goesOn } = await underAttack(t)
  await goesOn()
  const { incarnation, seq } = await friend.topic.publish('real')
  await until(() => victim.data().includes('real'))
  const author = friend.gossip.publicKey
  const ref = makeAuthorRef(author, b4a.from(incarnation, 'hex'))
  const liar = await member()
  liar.bind(ref)
  for (const kind of KINDS)
    liar.send(FrameKind.have, encodeHave(kind, [{ ref, next: 1_000_000, ahead: 5 }], [0]))
  await soon(() => liar.received(FrameKind.want).length > 0, { what: 'it is taken at its word' })
  for (let i = 0; i < 5; i++) {
    await friend.topic.publish(i)
    await turns(20)
  }
  await until(() => victim.data().includes(4))
  await goesOn()
  t.true(reached(liar) >= 6)
  const wants = liar.received(FrameKind.want)
  t.true(wants.length <= 2 * LIMITS.wantsPerSecond, `${wants.length} questions`)
  for (const want of wants) {
    const decoded = decodeWant(want, LIMITS)
    t.true(decoded.ok && decoded.value.ranges.every(({ count }) => count <= LIMITS.maxRangeSeqs))
  }
  const { data } = victim
  const state = victim.topic.explain(author).incarnations.find(one => one.incarnation === incarnation)
  t.true((state?.watermark ?? 1e6) <= seq + data().length)
  t.true((state?.gaps.length ?? 0) <= LIMITS.maxGaps)
})

test('X10 claims of 700 invented authors a frame, at full rate, are remembered up to a quota', async t => {
  const { member, reached, verified, goesOn } = await underAttack(t)
  const liar = await member()
  const refs = inventedAuthors(2000)
  liar.atOnce(() => {
    for (const [ix, ref] of refs.entries()) liar.send(FrameKind.author, encodeAuthor(ix, ref))
  })
  const page = (from: number, next: number): Uint8Array => {
    const entries = refs.slice(from, from + 700).map(ref => ({ ref, next, ahead: 0 }))
    const ixs = entries.map((_, i) => from + i)
    return encodeHave('tick', entries, ixs)
  }
  liar.atOnce(() => {
    for (let i = 0; i < 300; i++) liar.send(FrameKind.have, page((i % 2) * 700, i + 1))
  })
  await goesOn()
  t.true(reached(liar) > 0)
  t.true(liar.received(FrameKind.want).length <= 2 * LIMITS.wantsPerSecond)
  t.is(verified(), 0)
})

test('X10 HAVE of 1,000 entries at full rate is read up to the budget of entries, then dropped, then costs the link', async t => {
  const { victim, member, spared, heard, goesOn } = await underAttack(t)
  const [liar, bearer] = [await member(), await member()]
  const refs = inventedAuthors(LIMITS.maxHaveEntries)
  const ixs = refs.map((_, ix) => ix)
  const list = encodeHave(
    'tick',
    refs.map(ref => ({ ref, next: 1, ahead: 0 })),
    ixs
  )
  liar.atOnce(() => {
    for (const [ix, ref] of refs.entries()) liar.send(FrameKind.author, encodeAuthor(ix, ref))
  })
  liar.atOnce(() => {
    for (let i = 0; i < 100; i++) liar.send(FrameKind.have, list)
  })
  await spared(liar)
  const dropped = dropsOf(victim.gossip, 'over-budget')
  t.true(dropped > 0 && dropped < 100, `${dropped} of 100`)
  const author = new RawAuthor(TOPIC_KEY)
  for (let i = 0; i < 5000 && liar.isOpen; i++) {
    liar.send(FrameKind.have, list)
    if (i % 50 !== 0) continue
    bearer.push(author.batch([i], { seq0: i / 50 }))
    await turns(2)
  }
  await soon(() => liar.closed > 0, { what: 'it is cut' })
  await goesOn()
  t.true(heard(author).length > 1, 'others are heard meanwhile')
})

test('X10 1,000 entries in a HAVE are taken, 1,001 close the link', async t => {
  const { member, spared, dropped, cut, goesOn } = await underAttack(t)
  const [ref] = inventedAuthors(1) as [ReturnType<typeof makeAuthorRef>]
  const page = (count: number): Uint8Array => {
    const entries = Array.from({ length: count }, () => ({ ref, next: 1, ahead: 0 }))
    return encodeHave('tick', entries, new Array(count).fill(0))
  }
  const peer = await member()
  peer.bind(ref)
  for (let i = 0; i < 50; i++) peer.send(FrameKind.have, page(LIMITS.maxHaveEntries))
  await spared(peer)
  peer.send(FrameKind.have, page(LIMITS.maxHaveEntries + 1))
  await dropped('too-large')
  await cut(peer)
  await goesOn()
})
