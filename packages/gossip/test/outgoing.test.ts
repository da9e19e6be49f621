import test from 'ava'
import type { Batch, TopicEffect } from '#gossip/core/types'
import { SEND_BULK, SEND_FORWARD, SEND_OWN } from '#gossip/core/types'
import { Author, type EffectOf, type RawPeer, Rig } from './support/core-rig.js'

/** Batches that are handed to links: `link class hops`, in order. */
function sent(effects: readonly TopicEffect[]): string[] {
  return effects.flatMap(effect =>
    effect.type === 'send' && effect.frame.kind === 'batch'
      ? [`${effect.link} ${effect.class} ${effect.frame.hops}${effect.frame.repair ? ' repair' : ''}`]
      : []
  )
}

const linksOf = (effects: readonly TopicEffect[]): number[] =>
  sent(effects).map(line => Number(line.split(' ')[0]))
const published = (effects: readonly TopicEffect[]) =>
  effects.filter((effect): effect is EffectOf<'published'> => effect.type === 'published')

function rigOf(peers: number) {
  const rig = new Rig()
  const links = Array.from({ length: peers }, (_, i) => rig.peer(i + 1))
  rig.pass(50)
  return { rig, peers: links as [RawPeer, RawPeer, RawPeer, ...RawPeer[]], author: new Author(8) }
}

test('what we publish goes to all active links in its own class, with no hop, and says to how many', t => {
  const { rig, peers } = rigOf(3)
  const effects = rig.publish(1, 'x')
  t.deepEqual(
    sent(effects),
    peers.map(({ link }) => `${link} ${SEND_OWN} 0`)
  )
  t.is(published(effects)[0]?.links, 3)
})

test('with fewer than four active links, what we publish goes to those that were asked, too; what others publish does not', t => {
  const { rig, peers, author } = rigOf(3)
  const silent = rig.peer(9, { answers: null })
  t.is(published(rig.publish(1, 'x'))[0]?.links, 4)
  t.false(linksOf(peers[0].batch(author.batch(0))).includes(silent.link))
  const more = rigOf(4)
  more.rig.peer(9, { answers: null })
  t.is(published(more.rig.publish(1, 'x'))[0]?.links, 4, 'four are enough')
})

test('a batch of another goes on with one hop more, small ones before large ones', t => {
  const { peers, author } = rigOf(2)
  const [p, q] = peers
  t.deepEqual(sent(p.batch(author.batch(0), { hops: 3 })), [`${q.link} ${SEND_FORWARD} 4`])
  const large = author.batch(1, { texts: ['x'.repeat(4100)] })
  t.deepEqual(sent(p.batch(large, { hops: 3 })), [`${q.link} ${SEND_BULK} 4`])
  t.deepEqual(sent(p.batch(author.batch(2), { hops: 255 })), [`${q.link} ${SEND_FORWARD} 255`], 'no further')
})

test('an answer to a WANT tells how many hops the batch made; ours made none', t => {
  const { rig, peers, author } = rigOf(2)
  const [p, q] = peers
  p.batch(author.batch(0), { hops: 3 })
  t.deepEqual(sent(q.want(author.ref, 0, 1)), [`${q.link} ${SEND_BULK} 4 repair`])
  const [own] = rig.publish(1, 'x').flatMap(effect => (effect.type === 'deliver' ? [effect.batch] : [])) as [
    Batch
  ]
  t.deepEqual(sent(q.want(own.ref, 0, 1)), [`${q.link} ${SEND_BULK} 0 repair`])
})

test('who brought it, lags, or takes no frame of that size gets none; the last is counted', t => {
  const { rig, peers, author } = rigOf(3)
  const [p, slow, open] = peers
  const narrow = rig.peer(9, { maxFrameBytes: 300 })
  rig.pass(50)
  rig.step({ type: 'lagging', link: slow.link })
  const batch = author.batch(0, { texts: ['x'.repeat(300)] })
  t.deepEqual(linksOf(p.batch(batch)), [open.link])
  t.is(rig.core.counters.oversized, 1)
  t.deepEqual(linksOf(p.batch(author.batch(1))), [open.link, narrow.link])
})

test('who said that it has a batch is not pushed it', t => {
  const { rig, peers, author } = rigOf(3)
  const [p, q, r] = peers
  p.batch(author.batch(0))
  q.have(author.ref, 2)
  t.deepEqual(linksOf(p.batch(author.batch(1))), [r.link])
  t.deepEqual(linksOf(p.batch(author.batch(2))), [q.link, r.link], 'it is a child all the same')
  rig.pass(0)
})

test('a late joiner does not send what it catches up with to those who told it', t => {
  const rig = new Rig()
  const author = new Author(8)
  const peers = [1, 2, 3].map(number => rig.peer(number)) as [RawPeer, RawPeer, RawPeer]
  const [p, q] = peers
  for (const peer of peers) peer.have(author.ref, 30, 0, 'join')
  const stranger = rig.peer(4)
  rig.pass(50)
  const pushed: number[] = []
  for (let seq = 0; seq < 30; seq++) {
    pushed.push(...linksOf(p.batch(author.batch(seq), { repair: true, last: seq === 29 })))
  }
  t.deepEqual([...new Set(pushed)], [stranger.link])
  t.deepEqual(linksOf(q.batch(author.batch(30))), [stranger.link], 'nor what comes after that: they are fed')
})

test('rejected messages go to nobody, and nobody is told of them', t => {
  const rig = new Rig({ asksValidate: true })
  const [p] = [rig.peer(1), rig.peer(2)]
  rig.pass(50)
  p.batch(new Author(8).batch(0))
  const [ask] = rig.log.of('ask')
  const effects = rig.step({ type: 'answer', question: ask?.question ?? 0, verdicts: ['reject'] })
  effects.push(...rig.pass(500))
  t.deepEqual(sent(effects), [])
  const told = effects.flatMap(effect =>
    effect.type === 'send' && effect.frame.kind === 'have' ? effect.frame.entries : []
  )
  t.deepEqual(told, [])
})
