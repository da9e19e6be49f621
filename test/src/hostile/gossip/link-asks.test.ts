/** LINK: urgent asks all the time, back-offs of 285,000 years, roles that nobody asked about, and a crowd that wants all places. */
import { encodeLink, FrameKind, LIMITS } from '@hearsay/gossip/core'
import test from 'ava'
import { TOPIC, TOPIC_KEY, underAttack } from '../../support/attack.js'
import { dropsOf, RawAuthor, type RawPeer } from '../../support/raw-peer.js'
import { soon, turns, until } from '../../support/until.js'

type Op = 'ask' | 'ok' | 'no' | 'demote'

const MAX = Number.MAX_SAFE_INTEGER

function say(peer: RawPeer, op: Op, { high = false, backoffMs = 0 } = {}): void {
  peer.send(FrameKind.link, encodeLink({ op, high, backoffMs, degree: 255 }))
}

test('X10 asking for a place all the time, as urgent as can be, is answered up to a budget, and then costs the link', async t => {
  const { victim, member, goesOn } = await underAttack(t)
  const peer = await member()
  for (let i = 0; i < 1000 && peer.isOpen; i++) {
    say(peer, 'ask', { high: true })
    if (i % 20 === 0) await turns(2)
  }
  await soon(() => peer.closed > 0, { what: 'the pushy one is cut' })
  t.true(dropsOf(victim.gossip, 'over-budget') >= 20)
  await goesOn()
})

test('X10 back-offs of 2^53-1 ms are clamped: whoever says so is asked again, and no time overflows', async t => {
  const { member, spared, heard, goesOn } = await underAttack(t)
  const peer = await member()
  peer.isObliging = false
  for (const op of ['no', 'demote', 'ok'] as const) {
    say(peer, op, { backoffMs: MAX })
    await spared(peer)
  }
  const author = new RawAuthor(TOPIC_KEY)
  peer.push(author.batch(['still a member']))
  await until(() => heard(author).length === 1)
  await goesOn()
})

test('X10 ok, no and demote at full rate, unasked, move nothing', async t => {
  const { victim, member, reached, goesOn } = await underAttack(t)
  const peer = await member()
  peer.isObliging = false
  const ops: Op[] = ['ok', 'no', 'demote']
  for (let i = 0; i < 3000 && peer.isOpen; i++) {
    say(peer, ops[i % 3] as Op, { backoffMs: i })
    if (i % 300 === 0) await turns(2)
  }
  await soon(() => !peer.isOpen || reached(peer) >= 3000)
  await goesOn()
  t.is(victim.topic.peers().filter(one => one.role(TOPIC) === 'active').length >= 2, true)
})

test('L2 20 members that all want a place leave those who were there theirs, and 8 places are the most', async t => {
  const { victim, stranger, heard, goesOn } = await underAttack(t)
  const crowd: RawPeer[] = []
  for (let i = 0; i < 20; i++) {
    const peer = await stranger()
    await peer.link()
    say(peer, 'ask', { high: true })
    crowd.push(peer)
  }
  await goesOn()
  const active = victim.topic.peers().filter(peer => peer.role(TOPIC) === 'active')
  t.true(active.length <= LIMITS.maxActiveLinks, `${active.length} active links`)
  const author = new RawAuthor(TOPIC_KEY)
  crowd[19]?.push(author.batch(['from the last']))
  await until(() => heard(author).length === 1)
  await goesOn()
})
