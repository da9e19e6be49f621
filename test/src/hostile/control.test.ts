/** Control frames that lie, flood and flap: claims cost the one who makes them, never memory, and never the honest pair. */
import { createKeyPair } from '@hearsay/gossip'
import {
  type AuthorRef,
  decodeWant,
  encodeAuthor,
  encodeHave,
  encodeLink,
  encodeMiss,
  encodeOffer,
  encodePeers,
  encodePrune,
  encodeSkip,
  encodeWant,
  FrameKind,
  type HaveEntry,
  LIMITS,
  makeAuthorRef,
  newIncarnation
} from '@hearsay/gossip/core'
import test from 'ava'
import b4a from 'b4a'
import { TOPIC_KEY, underAttack } from '../support/attack.js'
import { dropsOf, RawAuthor } from '../support/raw-peer.js'
import { soon, turns, until } from '../support/until.js'

/** An author that nobody has heard of, which costs no key. */
function invented(i: number): AuthorRef {
  const author = createKeyPair(new Uint8Array(32).fill(i % 256)).publicKey
  author[30] = i >>> 8
  author[31] = i & 255
  return makeAuthorRef(author, newIncarnation(Date.now(), Math.random))
}

/** As many as are wanted, without a key each. */
const many = (count: number): AuthorRef[] => {
  const first = invented(0)
  return Array.from({ length: count }, (_, i) => {
    const author = new Uint8Array(first.author)
    new DataView(author.buffer).setUint32(0, i)
    return makeAuthorRef(author, first.incarnation)
  })
}

test('X10 who claims what it lacks and then is silent is asked a few times, bounded, and moves no watermark', async t => {
  const { victim, friend, member, goesOn } = await underAttack(t)
  await friend.topic.publish('real')
  await until(() => victim.messages.length === 1)
  const { author, incarnation } = victim.messages[0] as { author: Uint8Array; incarnation: string }
  const ref = makeAuthorRef(author, b4a.from(incarnation, 'hex'))
  const liar = await member()
  liar.bind(ref)
  const claims: HaveEntry[] = [{ ref, next: 1_000_000, ahead: 5 }]
  for (const kind of ['tick', 'join', 'lag', 'summary', 'live'] as const) {
    liar.send(FrameKind.have, encodeHave(kind, claims, [0]))
  }
  await soon(() => liar.received(FrameKind.want).length > 0, { what: 'it is taken at its word' })
  for (let i = 0; i < 5; i++) {
    await friend.topic.publish(i)
    await turns(20)
  }
  await until(() => victim.messages.length === 6)
  await goesOn()
  const wants = liar.received(FrameKind.want)
  t.true(wants.length <= 2 * LIMITS.wantsPerSecond, `${wants.length} questions`)
  for (const want of wants) {
    const decoded = decodeWant(want, LIMITS)
    t.true(decoded.ok && decoded.value.ranges.every(({ count }) => count <= LIMITS.maxRangeSeqs))
  }
  const [state] = victim.topic.explain(author).incarnations
  t.true((state?.watermark ?? 99) <= 6)
  t.true((state?.gaps.length ?? 0) <= LIMITS.maxGaps)
})

test('X10 claims of 1,000 invented authors a frame, at full rate, are remembered up to a quota', async t => {
  const { victim, member, goesOn } = await underAttack(t)
  const liar = await member()
  const refs = many(2000)
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
  t.true(liar.received(FrameKind.want).length <= 2 * LIMITS.wantsPerSecond)
  t.is(victim.gossip.stats.verified, 1)
  const greedy = await member()
  greedy.bind(refs[0] as AuthorRef)
  const entry = { ref: refs[0] as AuthorRef, next: 1, ahead: 0 }
  const over = Array.from({ length: LIMITS.maxHaveEntries + 1 }, () => entry)
  greedy.send(
    FrameKind.have,
    encodeHave(
      'tick',
      over,
      over.map(() => 0)
    )
  )
  await soon(() => greedy.closed === 1, { what: 'one entry above the limit' })
  await goesOn()
})

test('X10 what can not be: ends beyond 2^53-1 and lists that are longer than their frame close the link', async t => {
  const { victim, member, dropped, cut, goesOn } = await underAttack(t)
  const ref = invented(7)
  const last = Number.MAX_SAFE_INTEGER
  const lies: [number, Uint8Array][] = [
    [FrameKind.have, encodeHave('tick', [{ ref, next: last, ahead: 2 }], [0])],
    [FrameKind.want, encodeWant(false, [{ ref, from: last, count: 2 }], [0])],
    [FrameKind.miss, encodeMiss([{ ref, from: last, count: 2, floor: 0, reason: 'expired' }], [0])],
    [FrameKind.offer, encodeOffer({ ix: 0, seq0: last, count: 2, bytes: 1 })],
    [FrameKind.have, new Uint8Array([0, 0xfd, 0xe8, 0x03])],
    [FrameKind.prune, new Uint8Array([0xfd, 0xe8, 0x03, 1])],
    [FrameKind.want, new Uint8Array([0, 60, 0, 0, 1])],
    [FrameKind.peers, new Uint8Array([16, 1, 2, 3])],
    [FrameKind.link, new Uint8Array([9, 0, 0, 0])],
    [FrameKind.have, new Uint8Array([77, 0])]
  ]
  for (const [kind, bytes] of lies) {
    const peer = await member()
    peer.bind(ref)
    peer.send(kind, bytes)
    await dropped('malformed')
    await cut(peer)
    peer.stream.destroy()
  }
  await goesOn()
  t.is(victim.topic.peers().length, 1)
})

test('X10 asking for everything again and again is answered up to a budget, and then costs the link', async t => {
  const { victim, friend, member, goesOn } = await underAttack(t)
  const data = 'x'.repeat(1000)
  for (let i = 0; i < 100; i++) await victim.topic.publish(data)
  const greedy = await member()
  await soon(() => greedy.received(FrameKind.author).length > 0)
  await victim.topic.publish('bind me')
  await soon(() => greedy.received(FrameKind.batch).length > 0)
  const { incarnation } = (await victim.topic.publish('and again')) as { incarnation: string }
  const ref = makeAuthorRef(victim.gossip.publicKey, b4a.from(incarnation, 'hex'))
  greedy.bind(ref)
  const all = encodeWant(true, [{ ref, from: 0, count: LIMITS.maxRangeSeqs }], [0])
  greedy.atOnce(() => {
    for (let i = 0; i < 1000; i++) greedy.send(FrameKind.want, all)
  })
  await soon(() => greedy.closed === 1, { what: 'the greedy one is cut' })
  t.true(dropsOf(victim.gossip, 'over-budget') >= 20)
  const answers = greedy.received(FrameKind.batch).length
  t.true(answers <= 2 * LIMITS.wantsPerSecond * 110, `${answers} batches for 1,000 questions`)
  t.is(friend.messages.length, 102)
  await goesOn()
})

test('X10 100,000 AUTHOR frames cost the link, not the table', async t => {
  const { victim, member, goesOn } = await underAttack(t)
  const flooder = await member()
  const refs = many(3000)
  const frames = refs.map((ref, i) => encodeAuthor(i % LIMITS.maxAuthorIndexes, ref))
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
  t.is(victim.gossip.stats.verified, 1)
})

test('X10 rebinding one index 2,000 times is what the protocol allows: the last binding counts', async t => {
  const { victim, member, goesOn } = await underAttack(t)
  const peer = await member()
  peer.atOnce(() => {
    for (const ref of many(2000)) peer.bind(ref)
  })
  peer.push(new RawAuthor(TOPIC_KEY).batch(['bound last']))
  await until(() => victim.data().includes('bound last'))
  await goesOn()
  t.true(peer.isOpen)
})

test('X10 pruning and grafting in turn, asking for a place, offers, skips and peer lists at full rate move nothing', async t => {
  const { victim, friend, member, goesOn } = await underAttack(t)
  const { incarnation } = await victim.topic.publish('hello')
  const ref = makeAuthorRef(victim.gossip.publicKey, b4a.from(incarnation, 'hex'))
  const flapper = await member()
  flapper.bind(ref)
  const other = invented(9)
  flapper.bind(other, 1)
  const keys = Array.from({ length: LIMITS.maxPeersKeys }, (_, i) => new Uint8Array(32).fill(i))
  const rounds = [
    [FrameKind.prune, encodePrune([0])],
    [FrameKind.prune, encodePrune([])],
    [FrameKind.link, encodeLink({ op: 'ask', high: true, backoffMs: Number.MAX_SAFE_INTEGER, degree: 255 })],
    [
      FrameKind.link,
      encodeLink({ op: 'demote', high: false, backoffMs: Number.MAX_SAFE_INTEGER, degree: 0 })
    ],
    [FrameKind.offer, encodeOffer({ ix: 1, seq0: 2 ** 50, count: 64, bytes: Number.MAX_SAFE_INTEGER })],
    [FrameKind.skip, encodeSkip({ ix: 0, seq0: Number.MAX_SAFE_INTEGER })],
    [FrameKind.miss, encodeMiss([{ ref, from: 0, count: 2 ** 50, floor: 2 ** 51, reason: 'expired' }], [0])],
    [FrameKind.peers, encodePeers(keys)]
  ] as const
  for (let i = 0; i < 4000; i++) {
    const [kind, bytes] = rounds[i % rounds.length] as (typeof rounds)[number]
    flapper.send(kind, bytes)
    if (i % 500 === 0) await turns(2)
  }
  await goesOn()
  for (let i = 0; i < 5; i++) await victim.topic.publish(i)
  await until(() => friend.messages.length >= 6)
  t.true(victim.topic.peers().length >= 1)
  t.true(flapper.received(FrameKind.want).length <= 2 * LIMITS.wantsPerSecond)
})

test('X10 frames beyond the budget of a link are dropped, free of charge, and only those of that link', async t => {
  const { victim, member, goesOn } = await underAttack(t, { limits: { framesPerSecond: 50 } })
  const flooder = await member()
  const empty = encodeHave('live', [], [])
  flooder.atOnce(() => {
    for (let frame = 0; frame < 5000; frame++) flooder.send(FrameKind.have, empty)
  })
  await soon(() => dropsOf(victim.gossip, 'over-budget') >= 4000)
  await goesOn()
  t.true(flooder.isOpen)
})
