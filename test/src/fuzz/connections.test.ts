/**
 * Whole connections of members, of which every fourth write is changed below the muxer: openings, hellos, frames, batches of
 * frames. `FUZZ_CONNECTIONS` of them, 100 unless it is set. The runner fails on anything uncaught or unhandled.
 */
import {
  encodeHave,
  encodeLink,
  encodeMiss,
  encodeOffer,
  encodePrune,
  encodeSkip,
  encodeWant,
  FrameKind
} from '@hearsay/gossip/core'
import test from 'ava'
import { Rng } from '../sim/rng.js'
import { TOPIC_KEY, underAttack } from '../support/attack.js'
import { RawAuthor, type RawPeer } from '../support/raw-peer.js'
import { soon, turns } from '../support/until.js'
import { Draw } from './draw.js'
import { mutate } from './mutate.js'

const CONNECTIONS = Number(process.env.FUZZ_CONNECTIONS ?? 100)
const SEED = Number(process.env.SEED ?? 1)
const FRAMES = 40
const CHANGED = 0.24

/** What was written, and how much of it was changed. */
interface Hits {
  writes: number
  changed: number
}

/** From now on some of what `peer` writes is changed, before it is encrypted. */
function spoil(peer: RawPeer, draw: Draw, hits: Hits): void {
  const write = peer.stream.write.bind(peer.stream)
  let last: Uint8Array = new Uint8Array(1)
  peer.stream.write = (data: Uint8Array) => {
    hits.writes++
    const isChanged = draw.rng.chance(CHANGED)
    if (isChanged) hits.changed++
    const bytes = isChanged ? mutate(draw, data, last) : data
    last = new Uint8Array(data)
    // An empty write is none to a Noise stream.
    return write(bytes.length === 0 ? new Uint8Array(1) : Buffer.from(bytes))
  }
}

/** Says what an honest member might, for an author of its own. */
function talk(peer: RawPeer, author: RawAuthor, draw: Draw): void {
  const { rng } = draw
  const { ref } = author
  peer.bind(ref)
  for (let i = 0, seq0 = 0; i < FRAMES; i++) {
    const range = { ref, from: draw.upTo(100), count: draw.upTo(100) }
    const frames: readonly (() => void)[] = [
      () => peer.push(author.batch([`${ref.authorId} ${seq0}`], { seq0: seq0++ }), { mark: rng.chance(0.2) }),
      () =>
        peer.push(author.batch([`${ref.authorId} ${seq0}`], { seq0: seq0++ }), { repair: rng.chance(0.2) }),
      () => peer.send(FrameKind.have, encodeHave('tick', [{ ref, next: seq0, ahead: 0 }], [0])),
      () => peer.send(FrameKind.want, encodeWant(rng.chance(0.5), [range], [0])),
      () => peer.send(FrameKind.miss, encodeMiss([{ ...range, floor: 0, reason: 'expired' }], [0])),
      () => peer.send(FrameKind.prune, encodePrune([0])),
      () => peer.send(FrameKind.offer, encodeOffer({ ix: 0, seq0: seq0 + 1, count: 1, bytes: 20_000 })),
      () => peer.send(FrameKind.skip, encodeSkip({ ix: 0, seq0 })),
      () =>
        peer.send(FrameKind.link, encodeLink({ op: 'ask', high: rng.chance(0.5), backoffMs: 0, degree: 1 }))
    ]
    rng.pick(frames)()
  }
}

test(`X12 ${CONNECTIONS} connections, a quarter of their writes changed: nothing uncaught, no wrong acceptance`, async t => {
  t.timeout(60_000 + CONNECTIONS * 100)
  const { victim, stranger, goesOn } = await underAttack(t)
  const wrong: unknown[] = []
  let accepted = 0
  victim.topic.on('message', (data, { author, seq }) => {
    if (typeof data === 'string' && data.startsWith('honest word')) return
    accepted++
    if (data !== `${Buffer.from(author).toString('hex')} ${seq}`) wrong.push(data)
  })
  const hits: Hits = { writes: 0, changed: 0 }
  let died = 0
  for (let i = 0; i < CONNECTIONS; i++) {
    const draw = new Draw(new Rng(SEED * 1_000_003 + i))
    const peer = await stranger()
    await soon(() => peer.remoteHello !== null)
    // Half of them say a right hello first.
    const isRight = draw.rng.chance(0.5)
    if (!isRight) spoil(peer, draw, hits)
    peer.open()
    await turns(3)
    if (isRight) spoil(peer, draw, hits)
    const author = new RawAuthor(TOPIC_KEY)
    if (draw.rng.chance(0.5)) peer.atOnce(() => talk(peer, author, draw))
    else talk(peer, author, draw)
    await turns(4)
    if (peer.stream.destroyed) died++
    peer.stream.destroy()
    if (i % 50 === 49) await goesOn()
  }
  await goesOn()
  const { drops, linksOpened } = victim.gossip.stats
  t.log(
    `${hits.writes} writes, ${hits.changed} changed; ${died} streams died; ${linksOpened - 2} links; ${accepted} messages accepted`
  )
  t.log(
    `dropped: ${Object.entries(drops)
      .map(([reason, n]) => `${n} ${reason}`)
      .join(', ')}`
  )
  t.deepEqual(wrong, [])
  t.true(hits.changed > CONNECTIONS, 'it was changed')
  t.true(accepted > 0, 'and some of it was as it was signed')
  t.true((drops.malformed ?? 0) + (drops['bad-signature'] ?? 0) > 0, 'and some of it reached the decoders')
  t.is(victim.topic.peers().length, 2)
})
