import test from 'ava'
import { Backbone } from '#gossip/core/backbone'
import { nameOf } from '#gossip/core/keys'
import type { AuthorRef } from '#gossip/core/types'
import { Grove, idsOf, refOf, saidIn } from './support/grove.js'

/** Incarnations by name, lowest first. */
const refs = Array.from({ length: 6 }, (_, i) => refOf(i + 1)).sort((a, b) =>
  nameOf(a) < nameOf(b) ? -1 : 1
)
const [lowest, low, middle, high] = refs as [AuthorRef, AuthorRef, AuthorRef, AuthorRef]

test('the tree with the lowest name is taken, once it is a second old', t => {
  const backbone = new Backbone([])
  t.is(backbone.at(0), null)
  backbone.add(middle, 0)
  t.is(backbone.at(999), null, 'it is still being built')
  t.is(backbone.at(1000), middle)
  backbone.add(high, 2000)
  t.is(backbone.at(5000), middle)
  backbone.add(low, 6000)
  t.is(backbone.at(6999), middle, 'the old one until the new one stands')
  t.is(backbone.at(7000), low)
})

test('when it is forgotten, the lowest of the rest is taken; without a rest there is none', t => {
  const trees = new Set([low, high, middle])
  const backbone = new Backbone(trees)
  for (const ref of trees) backbone.add(ref, 0)
  const forget = (ref: AuthorRef): void => {
    trees.delete(ref)
    backbone.remove(ref)
  }
  t.is(backbone.at(1000), low)
  forget(high)
  t.is(backbone.at(1000), low)
  forget(low)
  t.is(backbone.at(1000), middle)
  forget(middle)
  t.is(backbone.at(1000), null)
  trees.add(lowest)
  backbone.add(lowest, 2000)
  forget(lowest)
  t.is(backbone.at(9000), null)
})

test('one that is young when another is forgotten is not taken for that', t => {
  const trees = new Set([low])
  const backbone = new Backbone(trees)
  backbone.add(low, 0)
  t.is(backbone.at(1000), low)
  trees.delete(low)
  backbone.remove(low)
  trees.add(middle)
  backbone.add(middle, 2000)
  t.is(backbone.at(2000), null)
  t.is(backbone.at(3000), middle)
})

/** A node whose backbone goes from its first link to its second one; two more links aren't part of it. */
function borrowing() {
  const grove = new Grove()
  const links = grove.active(4)
  const [p, child, q, r] = links as [
    (typeof links)[0],
    (typeof links)[0],
    (typeof links)[0],
    (typeof links)[0]
  ]
  grove.push(p, lowest, 0)
  for (const link of [q, r]) grove.trees.pruned(link, [lowest])
  grove.nowMs += 1000
  return { grove, p, child, q, r }
}

test('the first batch of another author travels over all links of the backbone but the one that it came from', t => {
  const { grove, p, child, q } = borrowing()
  t.deepEqual(idsOf(grove.push(p, low, 0).push), [child.id])
  t.deepEqual(idsOf(grove.push(child, middle, 0).push), [p.id], 'also against the way of the backbone')
  t.deepEqual(idsOf(grove.push(q, high, 0).push), [p.id, child.id], 'also if it came from elsewhere')
  t.is(grove.trees.parentOf(high), q.id)
})

test('A7 our first batches go along it, and to two links at least', t => {
  const { grove, p, child, q } = borrowing()
  t.deepEqual(grove.publish(low, 0), { isMarked: false, push: [p, child] })
  grove.trees.pruned(child, [lowest])
  const { push } = grove.publish(middle, 0)
  t.is(push.length, 2)
  t.true(push.includes(p) && (push.includes(child) || push.includes(q)))
})

test('with its fourth batch an author has its own tree built, if that is small', t => {
  const { grove } = borrowing()
  const marked = Array.from(
    { length: 8 },
    (_, seq) => grove.publish(low, seq, seq === 3 ? 5000 : 10).isMarked
  )
  t.deepEqual(marked, [false, false, false, false, true, false, false, false])
})

test('an orphan of the backbone has none: what is new floods', t => {
  const { grove, p, child, q, r } = borrowing()
  t.is(saidIn(grove.deactivate(p)).length, 1, 'the backbone is grafted elsewhere, though its author is quiet')
  t.deepEqual(idsOf(grove.push(q, low, 0).push), idsOf([child, r]))
  t.true(grove.publish(middle, 0).isMarked, 'so the tree is built at once')
})

test('seq 0 with a mark floods, whatever the backbone', t => {
  const { grove, p, child, q, r } = borrowing()
  t.deepEqual(idsOf(grove.push(q, low, 0, { mark: true }).push), idsOf([p, child, r]))
})
