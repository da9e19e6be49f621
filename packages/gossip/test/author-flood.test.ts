/**
 * `FRESH_AUTHORS` (100,000 unless it is set) authentic authors that nobody knows, through a core: the table stays bounded,
 * nothing that was heard is heard again, who is known is heard on, and in the end all is given back.
 */
import test from 'ava'
import { makeAuthorRef, newIncarnation } from '#gossip/core/keys'
import type { AuthorRef, Batch } from '#gossip/core/types'
import { LIMITS } from '#gossip/limits'
import { Author, type RawPeer, Rig, START_MS } from './support/core-net.js'

const FRESH = Number(process.env.FRESH_AUTHORS ?? 100_000)
const BEARERS = 64

const refOf = (i: number): AuthorRef => {
  const author = new Uint8Array(32).fill(9)
  new DataView(author.buffer).setUint32(0, i)
  return makeAuthorRef(
    author,
    newIncarnation(START_MS, () => 0.5)
  )
}

/** A core that believes every signature: what costs the attacker little costs the test nothing. */
function flooded(about: ConstructorParameters<typeof Rig>[0] = {}) {
  const rig = new Rig({ ...about, verifies: { take: () => true } })
  rig.options.crypto.verify = () => true
  const known = new Author(8)
  const bearer = rig.peer(0)
  const bearers = Array.from({ length: BEARERS }, (_, i) => rig.peer(i + 1))
  const template = known.batch(0)
  const fresh = (i: number, ms: number): Batch => ({
    ...template,
    ref: refOf(i),
    createdMs: START_MS + ms,
    ttlSeconds: 5
  })
  return { rig, known, bearer, bearers, fresh }
}

test('a flood of fresh authors fills the table to its cap and no further, and replays nothing', t => {
  t.timeout(60_000 + FRESH / 10)
  const { rig, known, bearer, bearers, fresh } = flooded()
  const first = known.batch(0, { ttlSeconds: 120 })
  bearer.batch(first)
  let most = 0
  for (let i = 0; i < FRESH; i++) {
    if (i % 1000 === 0) {
      // A thousand a tenth of a second. Their messages expire, and their entries 30 s later.
      rig.nowMs += 100
      rig.log.effects.length = 0
      rig.pass(0)
      bearer.batch(first)
    }
    ;(bearers[i % BEARERS] as RawPeer).batch(fresh(i, rig.nowMs - START_MS))
    most = Math.max(most, rig.core.sizes.authors ?? Number.NaN)
  }
  t.true(most <= LIMITS.maxAuthors, `${most} entries`)
  t.true(most > LIMITS.maxAuthors * 0.9, `${most} entries`)
  t.true((rig.core.counters.drops['table-full'] ?? 0) > FRESH / 2)
  t.is(rig.core.counters.drops['bad-signature'], undefined)
  rig.log.delivered.length = 0
  // Who was there before goes on; what was heard is a copy, whoever brings it.
  for (const peer of bearers.slice(0, 5)) peer.batch(first)
  bearer.batch(known.batch(1, { createdMs: rig.nowMs }))
  t.deepEqual(
    rig.log.delivered.map(({ seq }) => seq),
    [1]
  )
  // All is given back: 120 s of life, 30 s of skew.
  rig.pass(160_000)
  const { authors, chargedPeers, repairs, cacheBatches } = rig.core.sizes
  t.deepEqual(
    { authors, chargedPeers, repairs, cacheBatches },
    { authors: 0, chargedPeers: 0, repairs: 0, cacheBatches: 0 }
  )
})

test('authors that are authorized by name are outside the cap: a full table holds none of them up', t => {
  const { rig, known, bearers, fresh } = flooded({
    asksAuthorize: true,
    limits: { maxAuthors: 1000, unknownAuthorsPerSecond: 1e6 }
  })
  const answer = (verdict: 'accept' | 'ignore'): void => {
    for (const { question } of rig.log.of('ask')) rig.step({ type: 'answer', question, verdicts: [verdict] })
    rig.log.effects.length = 0
  }
  for (let i = 0; i < 3000; i++) {
    ;(bearers[i % BEARERS] as RawPeer).batch(fresh(i, 0))
    // Half of them are welcome: by name, so the cap isn't for them.
    answer(i % 2 === 0 ? 'accept' : 'ignore')
  }
  t.is(rig.core.sizes.authors, 1500)
  t.is(rig.core.sizes.chargedPeers, 0)
  t.is(rig.core.counters.drops.unauthorized, 1500)
  ;(bearers[0] as RawPeer).batch(known.batch(0))
  answer('accept')
  t.true(rig.log.texts().includes('m0'))
  t.is(rig.core.counters.drops['table-full'], undefined)
})

test('a pinned author may be 16,384 messages ahead of a hole, another one 1,024', t => {
  for (const [isPinned, seqs] of [
    [true, LIMITS.maxPinnedWindowSeqs],
    [false, LIMITS.maxWindowSeqs]
  ] as const) {
    const rig = new Rig({ asksAuthorize: isPinned })
    const [peer, other] = [rig.peer(1), rig.peer(2)]
    const author = new Author(8)
    peer.batch(author.batch(0))
    for (const { question } of rig.log.of('ask')) rig.step({ type: 'answer', question, verdicts: ['accept'] })
    peer.batch(author.batch(seqs))
    peer.batch(author.batch(seqs + 1))
    t.deepEqual(rig.log.texts(), ['m0', `m${seqs}`])
    t.deepEqual(rig.log.drops(), { 'too-far-ahead': 1 })
    // Everything in the hole is still welcome, once.
    for (const seq of [1, 2, Math.floor(seqs / 2), seqs - 1]) {
      other.batch(author.batch(seq))
      peer.batch(author.batch(seq))
    }
    t.is(rig.log.delivered.length, 6)
    t.is(rig.log.drops().duplicate, 4)
  }
})
