import test from 'ava'
import { encodePayloads } from '#gossip/core/batch'
import type { Batch } from '#gossip/core/types'
import { Author, bytesOf, Rig, START_MS, sendsTo, wantsIn } from './support/core-net.js'

const batches = (rig: Rig, link: number): number =>
  sendsTo(rig.log.effects, link).filter(({ frame }) => frame.kind === 'batch').length

test('all 720 orders of 6 seqs deliver 6', t => {
  const author = new Author(8)
  const made = [0, 1, 2, 3, 4, 5].map(seq => author.batch(seq))
  let orders = 0
  for (const order of permutations([0, 1, 2, 3, 4, 5])) {
    const rig = new Rig()
    // Signatures are another test's matter; 4,320 of them take a while.
    rig.options.crypto.verify = () => true
    const peer = rig.peer(1)
    for (const seq of order) peer.batch(made[seq] as Batch)
    if (new Set(rig.log.texts()).size !== 6 || rig.log.texts().length !== 6) t.fail(order.join())
    orders++
  }
  t.is(orders, 720)
})

test('1,000 copies of one batch cost 1 verification and are forwarded once', t => {
  const rig = new Rig()
  const [one, two] = [rig.peer(1), rig.peer(2)]
  const batch = new Author(8).batch(0)
  for (let i = 0; i < 1000; i++) (i % 2 === 0 ? one : two).batch(batch)
  t.is(rig.core.counters.verified, 1)
  t.is(rig.core.counters.duplicates, 999)
  t.deepEqual(rig.log.texts(), ['m0'])
  t.is(batches(rig, one.link), 0)
  t.is(batches(rig, two.link), 1)
})

test('a forged huge seq is charged to the link and does not mute the author', t => {
  const rig = new Rig()
  const [liar, honest] = [rig.peer(1), rig.peer(2)]
  const author = new Author(8)
  honest.batch(author.batch(0))
  liar.batch({ ...author.batch(1), seq0: 1_000_000_000_000_000 })
  t.deepEqual(rig.log.drops(), { 'bad-signature': 1 })
  t.deepEqual(
    rig.core.links().map(({ link, score }) => [link, Math.round(Math.abs(score))]),
    [
      [liar.link, 40],
      [honest.link, 0]
    ]
  )
  honest.batch(author.batch(1))
  honest.batch(author.batch(2))
  t.deepEqual(rig.log.texts(), ['m0', 'm1', 'm2'])
  t.is(rig.core.explain(author.ref.authorId)[0]?.watermark, 2)
})

test('a bad signature on the predicted next seq does not censor it', t => {
  const rig = new Rig()
  const [liar, honest] = [rig.peer(1), rig.peer(2)]
  const author = new Author(8)
  honest.batch(author.batch(0))
  liar.batch({ ...author.batch(1), signature: new Uint8Array(64) })
  honest.batch(author.batch(1))
  t.deepEqual(rig.log.texts(), ['m0', 'm1'])
})

test('a batch that is changed, replayed under another seq, or of another topic is refused and charged to the relay', t => {
  const author = new Author(8)
  const genuine = author.batch(3, { texts: ['a', 'b'] })
  const otherTopic = new Author(8, { topicKey: new Uint8Array(32).fill(1) }).batch(3)
  const otherIncarnation = new Author(8, { random: 0.5 }).ref
  const forged: Record<string, Batch> = {
    seq: { ...genuine, seq0: 4 },
    created: { ...genuine, createdMs: genuine.createdMs + 1 },
    ttl: { ...genuine, ttlSeconds: 31 },
    count: { ...genuine, count: 1, payloadBytes: encodePayloads([bytesOf('a')]) },
    payload: { ...genuine, payloadBytes: encodePayloads([bytesOf('a'), bytesOf('c')]) },
    split: { ...genuine, count: 1, payloadBytes: encodePayloads([bytesOf('ab')]) },
    author: { ...genuine, ref: new Author(9).ref },
    incarnation: { ...genuine, ref: otherIncarnation },
    topic: otherTopic
  }
  for (const [what, batch] of Object.entries(forged)) {
    const rig = new Rig()
    const [liar, honest] = [rig.peer(1), rig.peer(2)]
    liar.batch(batch)
    t.deepEqual(rig.log.delivered, [], what)
    t.deepEqual(
      rig.log.of('drop').map(({ link, reason, points }) => [link, reason, points]),
      [[liar.link, 'bad-signature', 40]],
      what
    )
    t.is(batches(rig, honest.link), 0, what)
    t.is(rig.core.sizes.authors, 0, what)
    honest.batch(genuine)
    t.deepEqual(rig.log.texts(), ['a', 'b'], what)
  }
})

test('three bad signatures within a minute cut the peer off, on all its links', t => {
  const rig = new Rig()
  const [one, two] = [rig.peer(1), rig.peer(1)]
  const author = new Author(8)
  for (let seq = 0; seq < 3; seq++) one.batch({ ...author.batch(seq), signature: new Uint8Array(64) })
  t.deepEqual(
    rig.log.of('closeLink').map(({ link, reason, backoffMs }) => [link, reason, backoffMs]),
    [
      [one.link, 'demerits', 600_000],
      [two.link, 'demerits', 600_000]
    ]
  )
  rig.peer(1)
  t.is(rig.log.of('closeLink').at(-1)?.reason, 'backoff')
})

test('a malformed frame closes the link; one between two good ones costs neither of them', t => {
  const rig = new Rig()
  const [bad, good] = [rig.peer(1), rig.peer(2)]
  const author = new Author(8)
  good.batch(author.batch(0))
  bad.frame(1, new Uint8Array([0, 0, 0]))
  good.batch(author.batch(1))
  t.deepEqual(rig.log.texts(), ['m0', 'm1'])
  t.deepEqual(
    rig.log.of('closeLink').map(({ link, reason }) => [link, reason]),
    [[bad.link, 'malformed']]
  )
})

test('an index that was never bound closes the link', t => {
  const rig = new Rig()
  const peer = rig.peer(1)
  peer.frame(2, new Uint8Array([0, 1, 5, 1, 0]))
  t.deepEqual(rig.log.drops(), { 'unbound-author': 1 })
  t.is(rig.log.of('closeLink').length, 1)
})

test('a frame of an unknown kind is no fault', t => {
  const rig = new Rig()
  const peer = rig.peer(1)
  peer.frame(77, new Uint8Array(5))
  t.deepEqual(rig.log.drops(), { 'unknown-kind': 1 })
  t.deepEqual(rig.log.of('closeLink'), [])
})

test('time: accepted at both borders, refused one ms beyond', t => {
  const cases = [
    { atMs: START_MS + 60_000, created: START_MS, result: 'ok' },
    { atMs: START_MS + 60_001, created: START_MS, result: 'expired' },
    { atMs: START_MS, created: START_MS + 30_000, result: 'ok' },
    { atMs: START_MS, created: START_MS + 30_001, result: 'from-the-future' }
  ]
  for (const { atMs, created, result } of cases) {
    const rig = new Rig()
    rig.nowMs = atMs
    const peer = rig.peer(1)
    peer.batch(new Author(8).batch(0, { createdMs: created }))
    t.is(rig.log.delivered.length, result === 'ok' ? 1 : 0)
    t.deepEqual(rig.log.drops(), result === 'ok' ? {} : { [result]: 1 })
  }
})

test('the future costs points only beyond twice the skew', t => {
  const rig = new Rig()
  const peer = rig.peer(1)
  const author = new Author(8)
  peer.batch(author.batch(0, { createdMs: START_MS + 60_000 }))
  peer.batch(author.batch(0, { createdMs: START_MS + 60_001 }))
  t.deepEqual(
    rig.log.of('drop').map(({ points }) => points),
    [0, 10]
  )
})

test('after a step back of the wall clock nothing older than the horizon is accepted', t => {
  const rig = new Rig()
  const peer = rig.peer(1)
  const author = new Author(8, { startMs: START_MS - 200_000 })
  rig.step({ type: 'clock', offsetMs: -100_000 })
  peer.batch(author.batch(0, { createdMs: START_MS - 70_001 }))
  peer.batch(author.batch(1, { createdMs: START_MS - 70_000 }))
  t.deepEqual(rig.log.drops(), { 'before-horizon': 1 })
  t.deepEqual(rig.log.texts(), ['m1'])
})

test('what a step back of the clock forgot is not delivered again', t => {
  const rig = new Rig()
  const peer = rig.peer(1)
  const batch = new Author(8).batch(0)
  peer.batch(batch)
  rig.pass(61_000)
  t.is(rig.core.sizes.authors, 0)
  rig.step({ type: 'clock', offsetMs: -61_000 })
  rig.peer(2).batch(batch)
  t.deepEqual(rig.log.texts(), ['m0'])
  t.deepEqual(rig.log.drops(), { 'before-horizon': 1 })
})

test('a full author table refuses newcomers until an entry has expired, and never evicts', t => {
  const rig = new Rig({ limits: { maxAuthors: 3 } })
  const peer = rig.peer(1)
  const authors = [8, 9, 10, 11].map(seed => new Author(seed))
  for (const author of authors) peer.batch(author.batch(0))
  t.is(rig.log.delivered.length, 3)
  t.deepEqual(rig.log.drops(), { 'table-full': 1 })
  for (const author of authors) peer.batch(author.batch(0))
  t.is(rig.log.delivered.length, 3)
  t.is(rig.core.counters.verified, 3)
  peer.batch(authors[0]?.batch(1) as Batch)
  t.is(rig.log.delivered.length, 4)
  rig.pass(61_000)
  peer.batch(authors[3]?.batch(1, { createdMs: rig.nowMs }) as Batch)
  t.is(rig.log.delivered.length, 5)
})

test('one peer key brings at most its quota of authors, also over reconnects', t => {
  const rig = new Rig({ limits: { maxAuthorsPerPeer: 2 } })
  const first = rig.peer(1)
  first.batch(new Author(8).batch(0))
  first.batch(new Author(9).batch(0))
  rig.step({ type: 'linkDown', link: first.link })
  const second = rig.peer(1)
  second.batch(new Author(10).batch(0))
  t.deepEqual(rig.log.drops(), { 'table-full': 1 })
  rig.peer(2).batch(new Author(10).batch(0))
  t.is(rig.log.delivered.length, 3)
})

test('an overlap is refused without charge if it is authentic, and charged if it is forged', t => {
  const rig = new Rig()
  const peer = rig.peer(1)
  const author = new Author(8)
  peer.batch(author.batch(0, { texts: ['a', 'b'] }))
  peer.batch(author.batch(1, { texts: ['b', 'c'] }))
  peer.batch({ ...author.batch(3, { texts: ['b', 'c'] }), seq0: 1 })
  t.deepEqual(
    rig.log.of('drop').map(({ reason, points }) => [reason, points]),
    [
      ['overlap', 0],
      ['bad-signature', 40]
    ]
  )
  t.deepEqual(rig.log.texts(), ['a', 'b'])
})

test('authorize is asked once per author, before any signature, and the answer is kept', t => {
  const rig = new Rig({ asksAuthorize: true })
  const peer = rig.peer(1)
  const [good, bad] = [new Author(8), new Author(9)]
  peer.batch(good.batch(0))
  peer.batch(good.batch(1))
  peer.batch(bad.batch(0))
  t.is(rig.core.counters.verified, 0)
  const asks = rig.log.of('ask')
  t.is(asks.length, 2)
  rig.step({ type: 'answer', question: asks[0]?.question ?? 0, verdicts: ['accept'] })
  t.deepEqual(rig.log.texts(), ['m0', 'm1'])
  rig.step({ type: 'answer', question: asks[1]?.question ?? 0, verdicts: ['ignore'] })
  rig.step({ type: 'answer', question: asks[1]?.question ?? 0, verdicts: ['accept'] })
  peer.batch(bad.batch(1))
  peer.batch(good.batch(2))
  t.is(rig.log.of('ask').length, 2)
  t.deepEqual(rig.log.texts(), ['m0', 'm1', 'm2'])
  t.deepEqual(rig.log.drops(), { unauthorized: 2 })
  t.is(rig.core.counters.verified, 3)
  t.is(rig.core.sizes.parked, 0)
})

test('an author whose authorize question is never answered is asked about again later', t => {
  const rig = new Rig({ asksAuthorize: true })
  const peer = rig.peer(1)
  const author = new Author(8)
  peer.batch(author.batch(0))
  rig.pass(5000)
  t.deepEqual(rig.log.drops(), { unauthorized: 1 })
  rig.step({ type: 'answer', question: rig.log.of('ask')[0]?.question ?? 0, verdicts: ['accept'] })
  peer.batch(author.batch(0))
  t.is(rig.log.of('ask').length, 2)
  t.is(rig.core.sizes.parked, 1)
})

test('batches that wait are bounded per link', t => {
  const rig = new Rig({ asksAuthorize: true })
  const peer = rig.peer(1)
  const author = new Author(8)
  for (let seq = 0; seq < 70; seq++) peer.batch(author.batch(seq))
  t.deepEqual(rig.log.drops(), { 'parked-full': 6 })
  rig.step({ type: 'linkDown', link: peer.link })
  rig.step({ type: 'answer', question: rig.log.of('ask')[0]?.question ?? 0, verdicts: ['accept'] })
  t.is(rig.log.delivered.length, 64)
  t.is(rig.core.sizes.parked, 0)
})

test('validate: accepted messages are delivered, a batch with one of them is forwarded', t => {
  const rig = new Rig({ asksValidate: true })
  const [from, to] = [rig.peer(1), rig.peer(2)]
  const author = new Author(8)
  const judge = (batch: Batch, verdicts: readonly ('accept' | 'ignore' | 'reject')[]): void => {
    from.batch(batch)
    rig.step({ type: 'answer', question: rig.log.of('ask').at(-1)?.question ?? 0, verdicts })
  }
  judge(author.batch(0, { texts: ['a', 'b', 'c'] }), ['accept', 'ignore', 'accept'])
  t.deepEqual(rig.log.texts(), ['a', 'c'])
  t.is(batches(rig, to.link), 1)
  judge(author.batch(3, { texts: ['d', 'e'] }), ['ignore', 'reject'])
  judge(author.batch(5, { texts: ['f', 'g'] }), ['reject', 'reject'])
  t.deepEqual(rig.log.texts(), ['a', 'c'])
  t.is(batches(rig, to.link), 1)
  t.deepEqual(
    rig.log.of('drop').map(({ reason, points }) => [reason, points]),
    [
      ['ignored', 0],
      ['rejected', 10]
    ]
  )
  // Judged once: neither asked for nor judged again.
  from.batch(author.batch(5, { texts: ['f', 'g'] }))
  t.is(rig.log.of('ask').length, 3)
  t.is(rig.core.explain(author.ref.authorId)[0]?.watermark, 6)
})

test('validate: an answer that comes late, twice, after the link, or never', t => {
  const rig = new Rig({ asksValidate: true })
  const peer = rig.peer(1)
  const author = new Author(8)
  peer.batch(author.batch(0))
  const question = rig.log.of('ask')[0]?.question ?? 0
  // A copy while it is judged is a duplicate: one verification, one question.
  rig.peer(2).batch(author.batch(0))
  t.is(rig.log.of('ask').length, 1)
  t.is(rig.core.counters.verified, 1)
  rig.step({ type: 'linkDown', link: peer.link })
  rig.step({ type: 'answer', question, verdicts: ['accept'] })
  rig.step({ type: 'answer', question, verdicts: ['accept'] })
  t.deepEqual(rig.log.texts(), ['m0'])
  const other = rig.peer(3)
  other.batch(author.batch(1))
  rig.pass(5000)
  t.is(rig.log.drops().ignored, 1)
  rig.step({ type: 'answer', question: rig.log.of('ask').at(-1)?.question ?? 0, verdicts: ['accept'] })
  t.deepEqual(rig.log.texts(), ['m0'])
  t.is(rig.core.sizes.parked, 0)
  t.is(rig.core.sizes.questions, 0)
})

test('validate: a batch that expired while it was judged is not delivered', t => {
  const rig = new Rig({ asksValidate: true, limits: { questionTimeoutMs: 100_000 } })
  const peer = rig.peer(1)
  peer.batch(new Author(8).batch(0))
  rig.pass(60_001)
  rig.step({ type: 'answer', question: rig.log.of('ask')[0]?.question ?? 0, verdicts: ['accept'] })
  t.deepEqual(rig.log.texts(), [])
  t.is(rig.log.drops().expired, 1)
})

test('our own batch that comes back is dropped as own, without a signature check', t => {
  const rig = new Rig()
  const peer = rig.peer(1)
  rig.publish(1, 'x')
  const batch = rig.log.of('deliver')[0]?.batch as Batch
  peer.batch(batch)
  t.deepEqual(rig.log.drops(), { own: 1 })
  t.is(rig.core.counters.verified, 0)
})

test('somebody who signs with our key and incarnation makes us draw a new one', t => {
  const rig = new Rig()
  const peer = rig.peer(1)
  rig.publish(1, 'x')
  const own = rig.log.of('deliver')[0]?.batch as Batch
  const clone = new Author(7)
  Object.assign(clone, { ref: own.ref })
  peer.batch(clone.batch(1))
  t.deepEqual(
    rig.log.of('warning').map(({ code }) => code),
    ['clone']
  )
  rig.publish(2, 'y')
  const [first, second] = rig.log.of('published')
  t.not(first?.incarnation, second?.incarnation)
  t.is(second?.seq, 0)
  // The forged form of the same costs the relay and nothing else.
  peer.batch({ ...clone.batch(2), signature: new Uint8Array(64) })
  t.is(rig.log.of('warning').length, 1)
})

test('bytes of a frame are copied before the step ends', t => {
  const rig = new Rig()
  const peer = rig.peer(1)
  const author = new Author(8)
  const frames: Uint8Array[] = []
  const frame = peer.frame.bind(peer)
  peer.frame = (kind, bytes) => {
    frames.push(bytes)
    return frame(kind, bytes)
  }
  peer.batch(author.batch(0))
  for (const bytes of frames) bytes.fill(0xff)
  t.deepEqual(rig.log.texts(), ['m0'])
  const other = rig.peer(2)
  const answer = sendsTo(other.want(author.ref, 0, 1), other.link)
  t.true(
    answer.some(
      ({ frame: sent }) =>
        sent.kind === 'batch' &&
        Buffer.from(sent.batch.payloadBytes).equals(Buffer.from(author.batch(0).payloadBytes))
    )
  )
})

test('an over-budget link is dropped from, without points', t => {
  const rig = new Rig({ limits: { verifiesPerSecond: 2 } })
  const peer = rig.peer(1)
  const author = new Author(8)
  for (let seq = 0; seq < 6; seq++) peer.batch(author.batch(seq))
  t.is(rig.log.delivered.length, 4)
  t.deepEqual(rig.log.drops(), { 'over-budget': 2 })
  t.deepEqual(
    rig.log.of('drop').map(({ points }) => points),
    [0, 0]
  )
  t.deepEqual(wantsIn(rig.log.effects), [])
})

function* permutations(list: number[]): Generator<number[]> {
  if (list.length === 0) yield []
  for (const [i, first] of list.entries()) {
    for (const rest of permutations(list.filter((_item, j) => j !== i))) yield [first, ...rest]
  }
}
