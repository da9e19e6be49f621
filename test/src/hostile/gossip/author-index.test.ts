/** Indexes of authors: never bound, out of range, bound again and again, and a flood of AUTHOR frames. */
import { encodeAuthor, encodeBatch, FrameKind, LIMITS } from '@hearsay/gossip/core'
import test from 'ava'
import { TOPIC_KEY, underAttack } from '../../support/attack.js'
import { dropsOf, inventedAuthors, RawAuthor } from '../../support/raw-peer.js'
import { soon, turns, until } from '../../support/until.js'

const STRAIGHT = { hops: 0, mark: false, repair: false, last: false }

test('X10 a batch with an index that was never bound, and an index beyond the table, close the link', async t => {
  const { member, dropped, cut, verified, goesOn } = await underAttack(t)
  const author = new RawAuthor(TOPIC_KEY)
  const batch = author.batch(['abc'])
  const unbound = await member()
  unbound.send(FrameKind.batch, encodeBatch(0, batch, STRAIGHT))
  await dropped('unbound-author')
  await cut(unbound)
  const other = await member()
  other.bind(author.ref, 0)
  other.send(FrameKind.batch, encodeBatch(2047, batch, STRAIGHT))
  await dropped('unbound-author')
  await cut(other)
  for (const ix of [2048, 2 ** 32, Number.MAX_SAFE_INTEGER]) {
    const peer = await member()
    peer.send(FrameKind.author, encodeAuthor(ix, author.ref))
    await dropped('malformed')
    await cut(peer)
  }
  await goesOn()
  t.is(verified(), 0)
})

test('X10 an index belongs to its channel: what one link bound is not bound on another', async t => {
  const { member, dropped, cut, heard, goesOn } = await underAttack(t)
  const author = new RawAuthor(TOPIC_KEY)
  const [one, other] = [await member(), await member()]
  one.bind(author.ref, 5)
  other.send(FrameKind.batch, encodeBatch(5, author.batch(['abc']), STRAIGHT))
  await dropped('unbound-author')
  await cut(other)
  one.send(FrameKind.batch, encodeBatch(5, author.batch(['abc']), STRAIGHT))
  await until(() => heard(author).length === 1)
  await goesOn()
})

test('X10 100,000 AUTHOR frames cost the link, not the table', async t => {
  const { victim, member, verified, goesOn } = await underAttack(t)
  const flooder = await member()
  const frames = inventedAuthors(3000).map((ref, i) => encodeAuthor(i % LIMITS.maxAuthorIndexes, ref))
  let sent = 0
  while (sent < 100_000 && flooder.isOpen) {
    flooder.atOnce(() => {
      for (let i = 0; i < 1000; i++) flooder.send(FrameKind.author, frames[sent++ % 3000] as Uint8Array)
    })
    await turns(2)
  }
  await soon(() => flooder.closed === 1, { what: 'the flooder is cut' })
  t.true(sent < 30_000, `${sent} were sent until then`)
  t.true(dropsOf(victim.gossip, 'over-budget') >= 19)
  await goesOn()
  t.is(verified(), 0)
})

test('X10 rebinding one index 2,000 times is what the protocol allows: the last binding counts', async t => {
  const { member, spared, heard, goesOn } = await underAttack(t)
  const peer = await member()
  peer.atOnce(() => {
    for (const ref of inventedAuthors(2000)) peer.bind(ref)
  })
  const author = new RawAuthor(TOPIC_KEY)
  peer.push(author.batch(['bound last']))
  await until(() => heard(author).includes('bound last'))
  await spared(peer)
  await goesOn()
})
