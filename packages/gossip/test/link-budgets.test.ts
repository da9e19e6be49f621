/** What a link and a connection may spend: what is dropped, what is ignored, what costs points, and what never does. */
import test from 'ava'
import { OutgoingAuthors } from '#gossip/core/author-indexes'
import { AuthorPace } from '#gossip/core/author-pace'
import { Egress } from '#gossip/core/egress'
import { encodeAuthor, FrameKind } from '#gossip/core/frames'
import { Intake } from '#gossip/core/intake'
import { makeAuthorRef, newIncarnation } from '#gossip/core/keys'
import { LinkBudgets } from '#gossip/core/link-budgets'
import { PeerBook } from '#gossip/core/peer-book'
import { Questions } from '#gossip/core/questions'
import type { AuthorRef, OutFrame } from '#gossip/core/types'
import { LIMITS } from '#gossip/limits'
import { Author, type RawPeer, Rig, START_MS, sendsTo } from './support/core-net.js'

const refs = (count: number): AuthorRef[] =>
  Array.from({ length: count }, (_, i) => {
    const author = new Uint8Array(32)
    new DataView(author.buffer).setUint32(0, i + 1)
    return makeAuthorRef(
      author,
      newIncarnation(START_MS, () => 0.5)
    )
  })

const pointsOf = (rig: Rig): number => rig.log.of('drop').reduce((sum, { points }) => sum + points, 0)
const isCut = (rig: Rig, peer: RawPeer): boolean =>
  rig.log.of('closeLink').some(({ link, reason }) => link === peer.link && reason === 'demerits')

test('topics share the intake of their connection: together they read no more than one would', t => {
  const limits = { framesPerSecond: 10 }
  const rigs = [new Rig({ limits }), new Rig({ limits })]
  const intake = new Intake({ ...LIMITS, ...limits })
  const peers = rigs.map(rig => rig.peer(1, { intake, answers: null }))
  for (const peer of peers)
    for (let i = 0; i < 30; i++) peer.send({ kind: 'have', have: 'live', entries: [] })
  t.deepEqual(
    rigs.map(rig => rig.log.drops()['over-budget'] ?? 0),
    [10, 30]
  )
  t.deepEqual(rigs.map(pointsOf), [0, 0])
  // A link whose connection isn't shared has a budget of its own.
  const alone = new Rig({ limits })
  const peer = alone.peer(1, { answers: null })
  for (let i = 0; i < 30; i++) peer.send({ kind: 'have', have: 'live', entries: [] })
  t.is(alone.log.drops()['over-budget'], 10)
})

test('bytes are counted, too, and AUTHOR frames never dropped: later frames build on them', t => {
  const rig = new Rig({ limits: { bytesPerSecond: 500 } })
  const peer = rig.peer(1, { answers: null })
  const author = new Author(8)
  for (let seq = 0; seq < 8; seq++) peer.batch(author.batch(seq, { texts: ['x'.repeat(200)] }))
  t.is(rig.log.delivered.length, 3)
  const other = new Author(9)
  peer.batch(other.batch(0, { texts: ['x'.repeat(200)] })) // its BATCH is dropped, its AUTHOR isn't
  rig.nowMs += 1000
  peer.batch(other.batch(0))
  t.is(rig.log.delivered.length, 4)
  t.is(pointsOf(rig), 0)
})

test('a minute of AUTHOR frames at once costs nothing; a flood of them costs the link', t => {
  const rig = new Rig()
  const [honest, hostile] = [rig.peer(1), rig.peer(2)]
  const frames = refs(3000).map((ref, i) => encodeAuthor(i % LIMITS.maxAuthorIndexes, ref))
  const send = (peer: RawPeer, count: number): void => {
    for (let i = 0; i < count; i++) peer.frame(FrameKind.author, frames[i % 3000] as Uint8Array)
  }
  // What the pace of author-pace.ts lets through in a minute, held back by a stalled connection.
  send(honest, LIMITS.maxAuthorIndexes + 60 * LIMITS.authorsPerSecond)
  t.is(pointsOf(rig), 0)
  send(hostile, 20_000)
  t.true(isCut(rig, hostile))
  t.false(isCut(rig, honest))
})

test('who writes keeps to the pace: watermarks wait for it, in time all are told', t => {
  const limits = { ...LIMITS, authorsPerSecond: 10, maxAuthorIndexes: 20 }
  const egress = new Egress(limits)
  egress.openLink(1)
  const all = refs(100)
  const named = new Set<string>()
  let most = 0
  let perSecond = 0
  const entries = all.map(ref => ({ ref, next: 1, ahead: 0 }))
  egress.push(1, 0, { kind: 'have', have: 'join', entries })
  for (let ms = 0; ms < 12_000; ms += 100) {
    // Questions aren't held up by watermarks that wait.
    if (ms === 500)
      egress.push(1, 0, {
        kind: 'want',
        graft: false,
        ranges: [{ ref: all[99] as AuthorRef, from: 0, count: 1 }]
      })
    if (ms % 1000 === 0) {
      egress.push(1, 0, { kind: 'have', have: 'live', entries: [] })
      most = Math.max(most, ms === 0 ? 0 : perSecond)
      perSecond = 0
    }
    for (const { kind, bytes } of egress.take(START_MS + ms)) {
      if (kind === FrameKind.author) {
        perSecond++
        named.add(Buffer.from(bytes.subarray(1, 33)).toString('hex'))
      }
      if (kind === FrameKind.want) t.true(ms < 700)
    }
    t.false(egress.hasWork, 'a driver would go round in circles')
  }
  t.is(named.size, 100)
  // 20 at first; later 10 a second, some of them saved up.
  t.true(most <= 30, `${most} in a second`)
})

test('what can not be named now is left out: batches and questions are lost, a list never becomes "all"', t => {
  const authors = new OutgoingAuthors(8)
  const pace = new AuthorPace({ ...LIMITS, authorsPerSecond: 1, maxAuthorIndexes: 2 }, authors)
  const [known, first, second, third] = refs(4) as [AuthorRef, AuthorRef, AuthorRef, AuthorRef]
  authors.bind(known)
  const split = (frame: OutFrame) => pace.split(frame, START_MS)
  t.truthy(split({ kind: 'prune', refs: [first, second] }).now)
  t.deepEqual(split({ kind: 'prune', refs: [third] }), { now: null, later: null })
  t.deepEqual(split({ kind: 'prune', refs: [] }).now, { kind: 'prune', refs: [] })
  t.deepEqual(split({ kind: 'prune', refs: [third, known] }).now, { kind: 'prune', refs: [known] })
  const batch = { ...new Author(8).batch(0), ref: third }
  const frame = { kind: 'batch', batch, hops: 0, mark: false, repair: false, last: false } as const
  t.is(split(frame).now, null)
  t.is(split({ ...frame, batch: { ...batch, ref: known } }).now?.kind, 'batch')
  const range = { ref: third, from: 0, count: 1 }
  t.is(split({ kind: 'want', graft: true, ranges: [range] }).now, null)
  t.is(split({ kind: 'miss', entries: [{ ...range, floor: 0, reason: 'expired' }] }).now, null)
  t.is(split({ kind: 'skip', ref: third, seq0: 0 }).now, null)
  const have = split({
    kind: 'have',
    have: 'tick',
    entries: [
      { ref: third, next: 1, ahead: 0 },
      { ref: known, next: 1, ahead: 0 }
    ]
  })
  t.is(have.later?.entries.length, 1)
  t.true(have.now?.kind === 'have' && have.now.entries[0]?.ref === known)
})

test('pruning and grafting in turn is ignored beyond 10 a second per author, and costs the link beyond 200', t => {
  const rig = new Rig()
  const peer = rig.peer(1)
  const { ref } = new Author(8)
  const flap = (count: number): void => {
    for (let i = 0; i < count; i++) {
      if (i % 2 === 0) peer.send({ kind: 'prune', refs: [ref] })
      else peer.send({ kind: 'want', graft: true, ranges: [{ ref, from: 0, count: 0 }] })
    }
  }
  // 12 a second, for long: two of them are ignored.
  for (let second = 0; second < 20; second++) {
    flap(12)
    rig.pass(1000)
  }
  t.is(rig.log.drops()['over-budget'], 40)
  t.is(pointsOf(rig), 0)
  // One of each for many authors at once is no flapping.
  peer.send({ kind: 'prune', refs: refs(1000) })
  t.is(rig.log.drops()['over-budget'], 40)
  for (let i = 0; i < 230 && !isCut(rig, peer); i++) peer.send({ kind: 'prune', refs: [ref] })
  t.true(isCut(rig, peer))
})

test('one frame that grafts an author for 64 ranges is one graft', t => {
  const budgets = new LinkBudgets(LIMITS)
  for (let i = 0; i < 10; i++) t.is(budgets.turn(null, START_MS), 'ok')
  t.is(budgets.turn(null, START_MS), 'ignored')
  t.is(budgets.turn(null, START_MS + 1000), 'ok')
  const rig = new Rig()
  const peer = rig.peer(1)
  const { ref } = new Author(8)
  const ranges = Array.from({ length: 64 }, (_, i) => ({ ref, from: 2 * i, count: 0 }))
  for (let i = 0; i < 10; i++) peer.send({ kind: 'want', graft: true, ranges })
  t.deepEqual(rig.log.drops(), {})
})

const watermarks = (count: number): OutFrame => ({
  kind: 'have',
  have: 'tick',
  entries: refs(count).map(ref => ({ ref, next: 1, ahead: 0 }))
})

test('T9 lists are counted by entries: beyond the budget dropped, a minute of them at once costs nothing, a flood the link', t => {
  const rig = new Rig({ limits: { entriesPerSecond: 1000 } })
  const [peer, other] = [rig.peer(1), rig.peer(2)]
  const all = refs(100)
  const range = (ref: AuthorRef) => ({ ref, from: 0, count: 0 })
  const lists: readonly OutFrame[] = [
    watermarks(100),
    { kind: 'prune', refs: all },
    { kind: 'want', graft: false, ranges: all.slice(0, 50).map(range) },
    { kind: 'miss', entries: all.slice(0, 50).map(ref => ({ ...range(ref), floor: 0, reason: 'expired' })) }
  ]
  // 300 entries a round.
  const rounds = (count: number): number => {
    const before = rig.log.drops()['over-budget'] ?? 0
    for (let i = 0; i < count; i++) for (const list of lists) peer.send(list)
    return (rig.log.drops()['over-budget'] ?? 0) - before
  }
  t.is(rounds(6), 0)
  t.true(rounds(1) > 0, 'twice the rate at once, and no more')
  rig.nowMs += 1000
  t.is(rounds(3), 0)
  rig.nowMs += 60_000
  const dropped = rounds(190)
  t.true(dropped > 500, `${dropped} of a minute at once`)
  t.is(pointsOf(rig), 0)
  // Beside it others are heard.
  other.send(watermarks(900))
  t.is(rounds(1) > 0, true)
  for (let i = 0; i < 200 && !isCut(rig, peer); i++) peer.send(watermarks(100))
  t.true(isCut(rig, peer))
  t.false(isCut(rig, other))
})

test('T9 what is over the budget of entries is not read; a sign of life has none, and a list that is too long closes the link', t => {
  const rig = new Rig({ limits: { entriesPerSecond: 10 } })
  const peer = rig.peer(1)
  const author = new Author(8)
  peer.batch(author.batch(0))
  for (const count of [19, 2]) peer.send(watermarks(count))
  t.deepEqual(rig.log.drops(), { 'over-budget': 1 })
  for (let i = 0; i < 100; i++) peer.send({ kind: 'have', have: 'live', entries: [] })
  // An index that was never bound would be a fault.
  peer.frame(FrameKind.have, Uint8Array.of(0, 2, 99, 1, 0, 99, 1, 0))
  t.deepEqual(rig.log.drops(), { 'over-budget': 2 })
  peer.frame(FrameKind.have, Uint8Array.of(0, 0xfd, 0xe9, 0x03, 0, 0, 0))
  t.is(rig.log.drops()['too-large'], 1)
  t.deepEqual(
    rig.log.of('closeLink').map(({ reason }) => reason),
    ['too-large']
  )
})

test('T9 who tells of 1,000 authors that all go on stays far below the budget of entries', t => {
  const rig = new Rig({
    limits: { maxAuthorsPerPeer: 1000, newAuthorsPerSecond: 1000 },
    verifies: { take: () => true }
  })
  rig.options.crypto.verify = () => true
  const hearers = new Rig()
  const [bearer, ...others] = Array.from({ length: 10 }, (_, i) => rig.peer(i + 1)) as [RawPeer, ...RawPeer[]]
  const ears = new Map(others.map(({ link }, i) => [link, hearers.peer(i + 1)]))
  const template = new Author(8).batch(0)
  const all = refs(1000)
  let [most, told] = [0, 0]
  for (let second = 0; second < 15; second++) {
    const perLink = new Map<number, number>()
    rig.log.effects.length = 0
    for (const [i, ref] of all.entries()) {
      bearer.batch({ ...template, ref, seq0: second, createdMs: rig.nowMs })
      if (i % 100 === 99) rig.pass(100)
      // They speak, so they stay active.
      if (i % 100 === 99) for (const peer of others) peer.send({ kind: 'have', have: 'live', entries: [] })
    }
    for (const { link, frame } of rig.log.of('send')) {
      const peer = ears.get(link)
      if (frame.kind !== 'have' || peer === undefined) continue
      perLink.set(link, (perLink.get(link) ?? 0) + frame.entries.length)
      told += frame.entries.length
      peer.send(frame)
    }
    hearers.nowMs = rig.nowMs
    most = Math.max(most, ...perLink.values())
  }
  t.is(rig.core.counters.delivered, 15_000)
  t.log(`${most} entries over one link in a second, ${told} over all of them in 15 s`)
  t.true(told > 30_000, `${told} entries`)
  t.true(most > 900 && most < LIMITS.entriesPerSecond / 2, `${most} entries over one link in a second`)
  t.is(hearers.log.drops()['over-budget'], undefined)
  t.is(pointsOf(hearers), 0)
})

test('PEERS that come too early are not taken, and cost points only when they flood', t => {
  const rig = new Rig()
  const peer = rig.peer(1)
  const peers = (): void => void peer.send({ kind: 'peers', keys: [new Uint8Array(32).fill(9)] })
  for (let i = 0; i < 4; i++) peers()
  t.is(pointsOf(rig), 0)
  for (let i = 0; i < 20; i++) peers()
  t.true(isCut(rig, peer))
  const slow = new Rig()
  const other = slow.peer(1)
  for (let i = 0; i < 20; i++) {
    other.send({ kind: 'peers', keys: [new Uint8Array(32).fill(9)] })
    slow.pass(60_000)
  }
  t.is(pointsOf(slow), 0)
})

test('authors that authorize() was not asked about: 100 at once and 50 a second from one link', t => {
  const rig = new Rig({ asksAuthorize: true, limits: { maxParkedPerLink: 1000, maxParked: 10_000 } })
  const [one, two] = [rig.peer(1), rig.peer(2)]
  const template = new Author(8).batch(0)
  const all = refs(400)
  const bring = (peer: RawPeer, from: number, to: number): number => {
    const before = rig.log.of('ask').length
    for (const ref of all.slice(from, to)) peer.batch({ ...template, ref })
    return rig.log.of('ask').length - before
  }
  t.is(bring(one, 0, 150), 100)
  t.is(bring(two, 150, 200), 50)
  rig.nowMs += 1000
  t.is(bring(one, 200, 300), 50)
  t.is(pointsOf(rig), 0)
  // Who was asked about already costs nothing.
  t.is(bring(one, 0, 10), 0)
})

test('links that park all they can leave a place for each of the others', t => {
  const questions = new Questions(LIMITS)
  const parked = (link: number): number => {
    let count = 0
    while (questions.park(link)) count++
    return count
  }
  t.is(parked(1), LIMITS.maxParkedPerLink)
  for (let link = 2; link <= 40; link++) t.true(parked(link) > 0, `link ${link}`)
  t.true(questions.parked < LIMITS.maxParked)
  // Places come back.
  for (let i = 0; i < LIMITS.maxParkedPerLink; i++) questions.unpark(1)
  t.true(parked(100) > 10)
  t.true(questions.parked <= LIMITS.maxParked)
})

test('doubts add up to half of what cuts a peer off, and never to more', t => {
  const book = new PeerBook(LIMITS)
  for (let i = 0; i < 1000; i++) book.doubt('p', 2, START_MS)
  t.is(book.points('p', START_MS), LIMITS.maxDoubt)
  t.false(book.charge('p', 40, START_MS))
  book.doubt('p', 2, START_MS)
  t.is(book.points('p', START_MS), 90)
  t.true(book.charge('p', 10, START_MS))
  t.is(book.refusedMs('p', START_MS), 0)
})

test('a holder that was asked three times in 3 s and says nothing is doubted; one that answers is not', t => {
  const rig = new Rig()
  const [silent, honest] = [rig.peer(1), rig.peer(2)]
  const [lost, kept] = [new Author(8), new Author(9)]
  silent.have(lost.ref, 3)
  honest.have(kept.ref, 3)
  for (let i = 0; i < 60; i++) {
    const effects = rig.pass(100)
    for (const peer of [silent, honest]) peer.send({ kind: 'have', have: 'live', entries: [] })
    const isAsked = sendsTo(effects, honest.link).some(({ frame }) => frame.kind === 'want')
    if (isAsked) honest.miss(kept.ref, 0, 3)
  }
  const score = (peer: RawPeer): number => rig.core.link(peer.link)?.score ?? Number.NaN
  t.true(score(silent) >= 1.5, String(score(silent)))
  t.true(score(honest) <= 0)
  t.is(pointsOf(rig), 0)
})
