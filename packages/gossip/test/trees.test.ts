import test from 'ava'
import { Grove, idsOf, refOf, saidIn } from './support/grove.js'

const ref = refOf(8)

/** A node with five active links that is fed by the first one; the others pruned us. */
function fed(overrides: ConstructorParameters<typeof Grove>[0] = {}) {
  const grove = new Grove(overrides)
  const links = grove.active(5)
  const [p, q, r, s, u] = links as [(typeof links)[0], (typeof links)[0], (typeof links)[0], never, never]
  grove.push(p, ref, 0)
  for (const link of [q, r, s, u]) grove.trees.pruned(link, [ref])
  grove.nowMs += 2000
  return { grove, p, q, r, s, u, links }
}

test('new: the first batch goes to all active links but the one that brought it, which is the parent', t => {
  const grove = new Grove()
  const [p, ...rest] = grove.active(4)
  if (p === undefined) return t.fail()
  const { push, offer, frames } = grove.push(p, ref, 0)
  t.deepEqual(idsOf(push), idsOf(rest))
  t.deepEqual([...offer, ...frames], [])
  t.is(grove.trees.parentOf(ref), p.id)
  t.deepEqual(grove.children(ref), idsOf(rest))
})

test('new: who said that it has the batch is no child', t => {
  const grove = new Grove()
  const [p, q, r] = grove.active(3)
  if (p === undefined || q === undefined || r === undefined) return t.fail()
  grove.push(p, ref, 40, { knowing: [q] })
  t.deepEqual(grove.children(ref), [r.id])
})

test('A3 what a standby brings makes no parent, whether pushed or repaired', t => {
  const grove = new Grove()
  grove.active(2)
  const standby = grove.standby()
  for (const [seq, repair] of [
    [0, false],
    [1, true]
  ] as const) {
    const { push, frames } = grove.push(standby, ref, seq, { repair })
    t.is(push.length, 2)
    t.deepEqual(frames, [])
    t.is(grove.trees.parentOf(ref), null)
  }
})

test('what only repair brings does not count as heard: nobody feeds us', t => {
  const grove = new Grove()
  const [p] = grove.active(2)
  if (p === undefined) return t.fail()
  const standby = grove.standby()
  t.is(grove.trees.heardMs(ref), Number.NEGATIVE_INFINITY)
  grove.push(standby, ref, 0, { repair: true })
  const begunMs = grove.nowMs
  grove.nowMs += 1500
  grove.push(standby, ref, 1, { repair: true })
  t.is(grove.trees.heardMs(ref), begunMs)
  grove.push(p, ref, 2)
  t.is(grove.trees.heardMs(ref), grove.nowMs)
})

test('fed: a new batch of the parent goes to the children and to nobody else', t => {
  const { grove, p, q } = fed()
  t.deepEqual(grove.push(p, ref, 1).push, [])
  grove.trees.grafted(q, ref)
  t.deepEqual(idsOf(grove.push(p, ref, 2).push), [q.id])
})

test('fed: whoever pushes a new batch first is the parent, and no child any more (A1)', t => {
  const { grove, p, q } = fed()
  grove.trees.grafted(q, ref)
  const { push, frames } = grove.push(q, ref, 1)
  t.is(grove.trees.parentOf(ref), q.id)
  t.deepEqual([grove.children(ref), idsOf(push), saidIn(frames)], [[], [], []])
  t.deepEqual(saidIn(grove.copy(p, ref, 1)), [`prune ${p.id}`], 'the old one pushes beside it')
})

test('fed: a copy of what the parent brought is pruned, once a second', t => {
  const { grove, p, q, r } = fed()
  grove.push(p, ref, 1)
  t.deepEqual(saidIn(grove.copy(q, ref, 1)), [`prune ${q.id}`])
  t.deepEqual(saidIn(grove.copy(r, ref, 1)), [`prune ${r.id}`], 'each for itself')
  grove.nowMs += grove.limits.pruneMs - 1
  t.deepEqual(grove.copy(q, ref, 1), [])
  grove.nowMs += 1
  t.deepEqual(saidIn(grove.copy(q, ref, 1)), [`prune ${q.id}`])
})

test('the parent, a standby, and whoever answers a WANT are not pruned for a copy', t => {
  const { grove, p, q } = fed()
  grove.push(p, ref, 1)
  t.deepEqual(grove.copy(p, ref, 1), [])
  t.deepEqual(grove.copy(grove.standby(), ref, 1), [])
  t.deepEqual(grove.copy(q, ref, 1, { repair: true }), [])
})

test('A6 a copy of what the parent did not bring is not pruned, before the parent brings it or something later', t => {
  const { grove, p, q } = fed()
  grove.push(grove.standby(), ref, 1, { repair: true })
  t.deepEqual(grove.copy(q, ref, 1), [], 'it may be all that feeds us')
  grove.copy(p, ref, 1)
  t.deepEqual(saidIn(grove.copy(q, ref, 1)), [`prune ${q.id}`])
})

test('A6 an orphan prunes nobody', t => {
  const { grove, p, q } = fed()
  grove.push(p, ref, 1)
  grove.deactivate(p)
  t.deepEqual(grove.copy(q, ref, 1), [])
})

test('a straggler of another link does not move the tree', t => {
  const { grove, p, q } = fed()
  grove.push(p, ref, 5)
  grove.push(q, ref, 3)
  t.is(grove.trees.parentOf(ref), p.id)
})

test('A8 what a link pushes right after it was pruned does not make it the parent', t => {
  const { grove, p, q } = fed()
  grove.push(p, ref, 1)
  t.deepEqual(saidIn(grove.copy(q, ref, 1)), [`prune ${q.id}`])
  // Batch 2 was under way when q heard of it. If q became the parent now, p would be pruned for its copy of 2, and then
  // nobody would push any more.
  t.deepEqual(saidIn(grove.push(q, ref, 2).frames), [])
  t.is(grove.trees.parentOf(ref), p.id)
  t.deepEqual(grove.copy(p, ref, 2), [])
  grove.nowMs += 11_000
  grove.push(q, ref, 3)
  t.is(grove.trees.parentOf(ref), q.id, 'much later it is another matter')
})

test('A8 an orphan takes it all the same, and grafts it', t => {
  const grove = new Grove({}, () => 0.99)
  const [p, q, r] = grove.active(3)
  if (p === undefined || q === undefined || r === undefined) return t.fail()
  grove.push(p, ref, 0)
  for (const link of [q, r]) grove.trees.pruned(link, [ref])
  t.deepEqual(saidIn(grove.copy(q, ref, 0)), [`prune ${q.id}`])
  t.deepEqual(saidIn(grove.deactivate(p)), [`graft ${r.id}`])
  t.deepEqual(saidIn(grove.push(q, ref, 1).frames), [`graft ${q.id}`])
  t.is(grove.trees.parentOf(ref), q.id)
})

test('A8 who was grafted since it was pruned is the parent with its next batch, without another graft', t => {
  const { grove, p, q } = fed()
  grove.push(p, ref, 1)
  grove.copy(q, ref, 1)
  t.true(grove.trees.asks(q, [ref]))
  t.deepEqual(grove.push(q, ref, 2).frames, [])
  t.is(grove.trees.parentOf(ref), q.id)
})

test('an answer of an active link makes it the parent; what the old one pushes then does not count for a while', t => {
  const { grove, p, q } = fed()
  grove.push(p, ref, 1)
  grove.trees.asks(q, [ref])
  grove.push(q, ref, 2, { repair: true })
  t.is(grove.trees.parentOf(ref), q.id)
  grove.push(p, ref, 3)
  t.is(grove.trees.parentOf(ref), q.id, 'it brings some and keeps others')
  t.deepEqual(grove.copy(q, ref, 3), [])
})

test('A5 what was repaired goes to the children', t => {
  const { grove, p, q, r } = fed()
  grove.push(p, ref, 1)
  grove.trees.grafted(r, ref)
  t.deepEqual(idsOf(grove.push(grove.standby(), ref, 2, { repair: true }).push), [r.id])
  t.deepEqual(idsOf(grove.push(q, ref, 3, { repair: true }).push), [r.id])
})

test('A2 a batch goes to no other link of the peer that brought it', t => {
  const grove = new Grove()
  const one = grove.standby(1)
  const [twin, other] = [grove.standby(1), grove.standby(2)]
  for (const link of [twin, other]) grove.activate(link)
  t.deepEqual(idsOf(grove.push(one, ref, 0).push), [other.id])
})

test('PRUNE: no child any more; all at once if it names nobody', t => {
  const grove = new Grove()
  const [p, q, r] = grove.active(3)
  if (p === undefined || q === undefined || r === undefined) return t.fail()
  const refs = [refOf(1), refOf(2)]
  for (const each of refs) grove.push(p, each, 0)
  grove.trees.pruned(q, refs.slice(0, 1))
  t.deepEqual(
    refs.map(each => grove.children(each)),
    [[r.id], [q.id, r.id]]
  )
  grove.trees.pruned(r, null)
  t.deepEqual(
    refs.map(each => grove.children(each)),
    [[], [q.id]]
  )
})

test('WANT with graft: a child; from the parent it makes an orphan, that grafts another at once (A1)', t => {
  const { grove, p, q, links } = fed()
  t.deepEqual(saidIn(grove.trees.grafted(q, ref)), [])
  t.deepEqual(grove.children(ref), [q.id])
  const [graft, ...more] = saidIn(grove.trees.grafted(p, ref))
  t.is(grove.trees.parentOf(ref), null)
  t.deepEqual(grove.children(ref), [p.id, q.id])
  t.deepEqual(more, [])
  // Neither who asked, nor the child, which gets it from us.
  t.true(
    idsOf(links.slice(2)).some(id => graft === `graft ${id}`),
    graft
  )
})

test('a standby that prunes or grafts changes nothing', t => {
  const { grove, p } = fed()
  const standby = grove.standby()
  t.deepEqual(grove.trees.grafted(standby, ref), [])
  grove.trees.pruned(standby, [ref])
  t.deepEqual([grove.trees.parentOf(ref), grove.children(ref)], [p.id, []])
  t.false(grove.trees.asks(standby, [ref]))
})

test('a link that becomes active is a child of every tree, until it says that it has all', t => {
  const { grove, p } = fed()
  const link = grove.standby()
  t.deepEqual(grove.activate(link), [], 'nothing is asked of it: we are fed')
  t.deepEqual(grove.children(ref), [link.id])
  grove.trees.joined(link, ref, grove.nowMs)
  t.deepEqual(grove.children(ref), [])
  t.deepEqual(grove.push(p, ref, 1).push, [])
})

test('who has all remains a child if we are an orphan, starve, or are the author', t => {
  const { grove, p } = fed()
  const own = refOf(7)
  for (let seq = 1; seq <= 40; seq++) {
    grove.push(p, ref, seq)
    grove.nowMs += 100
  }
  grove.publish(own, 0)
  const late = grove.standby()
  grove.nowMs += 1000
  grove.activate(late)
  grove.trees.joined(late, ref, grove.nowMs)
  t.true(grove.children(ref).includes(late.id), 'ten messages a second, and nothing for one')
  grove.trees.joined(late, own, grove.nowMs)
  t.true(grove.children(own).includes(late.id))
  grove.nowMs += 60_000
  grove.trees.joined(late, ref, grove.nowMs)
  t.false(grove.children(ref).includes(late.id), 'of who is quiet nobody can tell')
  grove.trees.grafted(late, ref)
  grove.deactivate(p)
  grove.trees.joined(late, ref, grove.nowMs)
  t.true(grove.children(ref).includes(late.id))
})

test('orphans graft a link that becomes active; 64 of them in one frame', t => {
  const grove = new Grove()
  const [p, q] = grove.active(2)
  if (p === undefined || q === undefined) return t.fail()
  const refs = Array.from({ length: 100 }, (_, i) => refOf(i))
  for (const each of refs) grove.push(p, each, 0)
  grove.deactivate(p)
  grove.deactivate(q)
  const link = grove.standby()
  const frames = grove.activate(link)
  t.deepEqual(saidIn(frames), [`graft ${link.id}`, `graft ${link.id}`])
  const ranges = frames.flatMap(({ frame }) => (frame.kind === 'want' ? frame.ranges : []))
  t.deepEqual(
    ranges.map(range => range.ref),
    refs
  )
  t.true(ranges.every(({ count }) => count === 0))
})

test('a parent that is active no more is replaced at once, each tree by another link; children come last', t => {
  let turn = 0
  const grove = new Grove({}, () => (turn++ % 4) / 4)
  const [p, q, r, s, u] = grove.active(5)
  if (p === undefined || q === undefined || r === undefined || s === undefined || u === undefined)
    return t.fail()
  const refs = Array.from({ length: 8 }, (_, i) => refOf(i))
  for (const each of refs) {
    grove.push(p, each, 0)
    for (const link of [q, r, s, u]) grove.trees.pruned(link, [each])
  }
  const frames = grove.deactivate(p)
  t.deepEqual(saidIn(frames).sort(), [`graft ${q.id}`, `graft ${r.id}`, `graft ${s.id}`, `graft ${u.id}`])
  t.true(refs.every(each => grove.trees.parentOf(each) === null))
  grove.push(q, ref, 0)
  for (const link of [r, s]) grove.trees.pruned(link, [ref])
  t.deepEqual(
    saidIn(grove.deactivate(q)).filter(said => said === `graft ${u.id}`),
    [],
    'u gets it from us'
  )
})

test('a slot that is used again carries nothing of the link before', t => {
  const { grove, p, q } = fed()
  grove.trees.grafted(q, ref)
  grove.push(p, ref, 1)
  const { slot } = q
  grove.deactivate(q)
  t.deepEqual(grove.children(ref), [])
  grove.push(p, ref, 2)
  const [late, copied] = [grove.standby(), grove.standby()]
  grove.activate(late)
  t.is(late.slot, slot)
  grove.copy(late, ref, 2)
  grove.deactivate(late)
  grove.activate(copied)
  t.is(copied.slot, slot)
  t.deepEqual(saidIn(grove.copy(copied, ref, 2)), [`prune ${copied.id}`], 'it was not pruned before')
  grove.push(copied, ref, 3)
  t.is(grove.trees.parentOf(ref), p.id)
})

test('A7 own batches go to two links at least, whatever they prune', t => {
  const grove = new Grove()
  const links = grove.active(5)
  grove.publish(ref, 0)
  for (const link of links) grove.trees.pruned(link, [ref])
  t.is(grove.publish(ref, 1).push.length, 2)
  t.deepEqual(
    saidIn(grove.copy(links[0] as (typeof links)[0], ref, 1)),
    [`prune ${links[0]?.id}`],
    'ours needs nobody'
  )
})

test('marks: with the first batch, then after 256 and not sooner than after 5.5 s, never with a large one', t => {
  const grove = new Grove()
  grove.active(3)
  const marked: number[] = []
  for (let seq = 0; seq < 700; seq++) {
    const isLarge = seq === 257 || seq === 258
    if (grove.publish(ref, seq, isLarge ? grove.limits.maxMarkBytes + 1 : 10).isMarked) marked.push(seq)
    grove.nowMs += 100
  }
  t.deepEqual(marked, [0, 259, 516])
  const hasty = new Grove()
  hasty.active(3)
  const times: number[] = []
  for (let seq = 0; seq < 2000; seq++) {
    if (hasty.publish(ref, seq).isMarked) times.push(hasty.nowMs)
    hasty.nowMs += 10
  }
  t.true(times.length > 2)
  for (let i = 1; i < times.length; i++) t.true((times[i] as number) - (times[i - 1] as number) >= 5500)
})

test('marks: links of ours that change are no reason for one', t => {
  const grove = new Grove()
  const links = grove.active(3)
  grove.publish(ref, 0)
  grove.nowMs += 60_000
  for (const link of links) grove.deactivate(link)
  grove.active(3)
  t.false(grove.publish(ref, 1).isMarked)
})

test('a mark measures: the batch goes to all active links, the children stay, and who was first is grafted', t => {
  const { grove, p, q, r, links } = fed()
  grove.trees.grafted(r, ref)
  const { isMarked, push, frames } = grove.push(q, ref, 256, { mark: true })
  t.true(isMarked)
  t.deepEqual(idsOf(push), idsOf(links.filter(link => link !== q)))
  t.deepEqual(saidIn(frames), [`graft ${q.id}`])
  t.is(grove.trees.parentOf(ref), p.id, 'until q pushes something by itself')
  t.deepEqual(grove.children(ref), [r.id])
  for (const link of links)
    t.deepEqual(grove.copy(link, ref, 256, { mark: true }), [], 'copies are what a mark is for')
  grove.push(q, ref, 257)
  t.is(grove.trees.parentOf(ref), q.id)
  t.deepEqual(saidIn(grove.copy(p, ref, 257)), [`prune ${p.id}`])
})

test('who was first with a mark is pruned only for its fourth copy: at first the paths to it change as well', t => {
  const { grove, p, q } = fed()
  grove.push(q, ref, 256, { mark: true })
  for (const seq of [257, 258, 259]) {
    grove.push(p, ref, seq)
    t.deepEqual(grove.copy(q, ref, seq), [])
  }
  grove.push(p, ref, 260)
  t.deepEqual(saidIn(grove.copy(q, ref, 260)), [`prune ${q.id}`])
})

test('a mark that the parent brings first changes nothing but where it goes', t => {
  const { grove, p, q, r, links } = fed()
  const { isMarked, push, frames } = grove.push(p, ref, 256, { mark: true })
  t.true(isMarked)
  t.deepEqual([idsOf(push), frames], [idsOf(links.slice(1)), []])
  t.deepEqual(grove.children(ref), [])
  t.deepEqual(saidIn(grove.copy(q, ref, 256)), [`prune ${q.id}`], 'without the mark it was meant for a child')
  t.deepEqual(grove.copy(r, ref, 256, { mark: true }), [])
})

test('A8 an orphan that a mark reaches grafts who brought it', t => {
  const { grove, p, q } = fed()
  grove.deactivate(p)
  t.deepEqual(saidIn(grove.push(q, ref, 256, { mark: true }).frames), [`graft ${q.id}`])
  t.is(grove.trees.parentOf(ref), q.id)
})

test('a forwarder honours one mark in 5 s; two within half of that are held against who brought the second', t => {
  const { grove, p, q } = fed()
  const at = (ms: number, seq: number, from = p) => {
    grove.nowMs += ms
    const { isMarked, isExcess, push, frames } = grove.push(from, ref, seq, { mark: true })
    return [isMarked, isExcess, push.length > 0, frames.length > 0]
  }
  t.deepEqual(at(0, 1), [true, false, true, false])
  t.deepEqual(at(2499, 2), [false, true, false, false])
  t.deepEqual(at(1, 3), [false, false, false, false], 'paths of different length')
  t.deepEqual(at(0, 4, q), [false, false, false, false], 'nor is it a reason to graft')
  t.is(grove.trees.parentOf(ref), p.id)
  t.deepEqual(at(2500, 5), [true, false, true, false])
})

test('a mark counts neither on an answer to a WANT nor on a large batch', t => {
  const { grove, p } = fed()
  t.false(grove.push(p, ref, 1, { mark: true, repair: true }).isMarked)
  t.false(grove.push(p, ref, 2, { mark: true, bytes: grove.limits.maxMarkBytes + 1 }).isMarked)
  t.true(grove.push(p, ref, 3, { mark: true, bytes: grove.limits.maxMarkBytes }).isMarked)
})

test('the first batch of all, marked, builds by its copies: those are pruned', t => {
  const grove = new Grove()
  const [p, q] = grove.active(3)
  if (p === undefined || q === undefined) return t.fail()
  const { isMarked, push } = grove.push(p, ref, 0, { mark: true })
  t.true(isMarked)
  t.is(push.length, 2)
  t.deepEqual(saidIn(grove.copy(q, ref, 0, { mark: true })), [`prune ${q.id}`])
})

test('two incarnations of one author have trees of their own', t => {
  const grove = new Grove()
  const [p, q] = grove.active(3)
  if (p === undefined || q === undefined) return t.fail()
  const other = refOf(9)
  grove.push(p, ref, 0)
  grove.push(q, other, 0)
  grove.trees.pruned(q, [ref])
  t.deepEqual([grove.trees.parentOf(ref), grove.trees.parentOf(other)], [p.id, q.id])
  t.false(grove.children(ref).includes(q.id))
  t.true(grove.children(other).includes(p.id))
  grove.trees.forget(ref)
  t.is(grove.trees.parentOf(ref), null)
  t.deepEqual(grove.children(ref), [])
})

test('a link feeds while it is the parent of an author that publishes once a second or more', t => {
  const { grove, p, q } = fed()
  t.false(grove.trees.isFeeding(p, grove.nowMs))
  for (let seq = 1; seq <= 20; seq++) {
    grove.nowMs += 100
    grove.push(p, ref, seq)
  }
  t.true(grove.trees.isFeeding(p, grove.nowMs))
  t.false(grove.trees.isFeeding(q, grove.nowMs))
  t.false(grove.trees.isFeeding(p, grove.nowMs + 30_000))
})
