/**
 * Floods of fresh authors, whose keys cost nothing: `FRESH_AUTHORS` of them, 100,000 unless it is set. What is full refuses
 * newcomers, who were there before are heard, and nothing that was heard once is heard again.
 */
import { decodeHave, FrameKind, LIMITS } from '@hearsay/gossip/core'
import test from 'ava'
import b4a from 'b4a'
import { TOPIC_KEY, underAttack } from '../../support/attack.js'
import { dropsOf, inventedAuthors, RawAuthor, type RawPeer } from '../../support/raw-peer.js'
import { soon, turns, until } from '../../support/until.js'

// One after the other: a flood in one of them would be one in all.
const FRESH = Number(process.env.FRESH_AUTHORS ?? 100_000)
const { maxAuthorsPerPeer } = LIMITS

test.serial(
  'X10 valid batches of a flood of fresh authors stop at the quota of their bearer; known authors are heard',
  async t => {
    const { victim, member, spared, heard, verified, goesOn, dropped } = await underAttack(t)
    const sybil = await member()
    sybil.atOnce(() => {
      for (let i = 0; i < 600; i++) sybil.push(new RawAuthor(TOPIC_KEY).batch([i]))
    })
    await soon(() => dropsOf(victim.gossip, 'table-full') >= 600 - maxAuthorsPerPeer - 20)
    await spared(sybil)
    await goesOn()
    t.true(verified() <= maxAuthorsPerPeer + 20, 'the rest cost no verification')
    // The quota is that of the key, not of the connection.
    sybil.close()
    sybil.open()
    await soon(() => sybil.isOpen)
    const before = dropsOf(victim.gossip, 'table-full')
    for (let i = 0; i < 50; i++) sybil.push(new RawAuthor(TOPIC_KEY).batch([i]))
    await soon(() => dropsOf(victim.gossip, 'table-full') >= before + 40)
    const other = await member()
    const author = new RawAuthor(TOPIC_KEY)
    other.push(author.batch(['of another bearer']))
    await until(() => heard(author).length === 1)
    await dropped('bad-signature', 0)
  }
)

// No budget but that of the table: each frame gets as far as it can.
const OPEN = {
  authorsPerSecond: 1e9,
  unknownAuthorsPerSecond: 1e9,
  framesPerSecond: 1e9,
  bytesPerSecond: 1e12,
  verifiesPerSecond: 1e9,
  verifiesPerSecondOfProcess: 1e9
}
const SYBILS = 10
/** Entries of a HAVE. */
const entriesOf = (bytes: Uint8Array): number => {
  const frame = decodeHave(bytes, LIMITS)
  return frame.ok ? frame.value.entries.length : 0
}
const AT_ONCE = 500

/** Sends batches of `count` authors that nobody knows; the first `signed` are authentic. */
async function floodOf(sybil: RawPeer, count: number, signed: number): Promise<void> {
  const refs = inventedAuthors(count - signed)
  // Later than the authors: nothing is created before its author began.
  const template = new RawAuthor(TOPIC_KEY).batch(['fresh'])
  for (let sent = 0; sent < count; sent += AT_ONCE) {
    sybil.atOnce(() => {
      for (let i = sent; i < Math.min(count, sent + AT_ONCE); i++) {
        if (i < signed) sybil.push(new RawAuthor(TOPIC_KEY).batch(['fresh']))
        else sybil.push({ ...template, ref: refs[i - signed] ?? template.ref })
      }
    })
    await turns(3)
  }
}

test.serial(
  `X10 ${FRESH} fresh authors of 10 peers fill a table up to its cap: no replay is accepted, known authors are heard`,
  async t => {
    t.timeout(60_000 + FRESH / 10)
    const maxAuthors = 1024
    const { victim, member, heard, verified, goesOn } = await underAttack(t, {
      limits: { ...OPEN, maxAuthors }
    })
    const bearer = await member()
    const known = new RawAuthor(TOPIC_KEY)
    const first = known.batch(['before'])
    bearer.push(first)
    await until(() => heard(known).length === 1)
    const sybils = await Promise.all(Array.from({ length: SYBILS }, member))
    await Promise.all(sybils.map(sybil => floodOf(sybil, FRESH / SYBILS, maxAuthorsPerPeer + 10)))
    await soon(() => dropsOf(victim.gossip, 'table-full') >= FRESH - maxAuthors - 100, {
      what: 'a full table',
      ms: 60_000
    })
    const stranger = new RawAuthor(TOPIC_KEY)
    const full = dropsOf(victim.gossip, 'table-full')
    bearer.push(stranger.batch(['too late']))
    await soon(() => dropsOf(victim.gossip, 'table-full') > full, { what: 'no room for another' })
    for (const sybil of sybils) for (let i = 0; i < 5; i++) sybil.push(first)
    bearer.push(known.batch(['after'], { seq0: 1 }))
    await until(() => heard(known).length === 2)
    await goesOn()
    t.deepEqual(heard(known), ['before', 'after'])
    t.deepEqual(heard(stranger), [])
    t.true(verified() <= maxAuthors + 10, `${verified()} signatures`)
    // Its own key has a place whatever happens.
    const { peers } = await victim.topic.publish('from the victim')
    t.true(peers >= 2)
  }
)

test.serial(
  'X10 who comes when the table is full, and holds our own author besides, is told of all of them',
  async t => {
    const maxAuthors = 64
    const { victim, member, stranger, goesOn } = await underAttack(t, { limits: { maxAuthors } })
    const sybil = await member()
    for (let i = 0; i < 2 * maxAuthors; i++) sybil.push(new RawAuthor(TOPIC_KEY).batch([i]))
    await soon(() => dropsOf(victim.gossip, 'table-full') >= maxAuthors, { what: 'a full table' })
    await goesOn()
    for (let i = 0; i < 3; i++) {
      const late = await stranger()
      await late.link()
      const told = (): number =>
        late.received(FrameKind.have).reduce((sum, bytes) => sum + entriesOf(bytes), 0)
      await soon(() => told() > maxAuthors, { what: 'watermarks of all authors' })
    }
    await goesOn()
  }
)

test.serial(
  'X10 on a topic that authorizes authors, 20,000 strangers cost no signature and no place',
  async t => {
    const authorized = new Set<string>()
    let asked = 0
    let isOpen = true
    const { victim, member, heard, verified, goesOn } = await underAttack(t, {
      limits: OPEN,
      topic: {
        authorize(author) {
          asked++
          return isOpen || authorized.has(b4a.toString(author, 'hex'))
        }
      }
    })
    // The two friends were let in by now.
    const known = new RawAuthor(TOPIC_KEY)
    authorized.add(known.ref.authorId)
    isOpen = false
    const sybil = await member()
    await floodOf(sybil, 20_000, 100)
    sybil.push(known.batch(['authorized']))
    await until(() => heard(known).length === 1)
    await goesOn()
    t.true(dropsOf(victim.gossip, 'unauthorized') + dropsOf(victim.gossip, 'parked-full') >= 19_000)
    t.true(asked > 100, 'it was asked')
    t.is(verified(), 1)
    t.true(sybil.received(FrameKind.want).length <= 2 * LIMITS.wantsPerSecond)
  }
)
