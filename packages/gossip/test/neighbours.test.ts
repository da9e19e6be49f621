/** The drawing in neighbours.ts, transition by transition. Roles between two cores: membership.test.ts. */
import test from 'ava'
import type { Link } from '#gossip/core/link'
import { NeighbourRig, words } from './support/neighbour-rig.js'

test('L3 a link that comes up is asked, and active by the answer, not by the ask', t => {
  const rig = new NeighbourRig()
  const link = rig.up()
  t.deepEqual(rig.step(), ['ask 1'])
  t.deepEqual([rig.roles, rig.neighbours.asked(rig.nowMs), rig.changes], [[], [link], []])
  rig.hear(link, 'ok')
  t.deepEqual(rig.step(), [])
  t.deepEqual([rig.roles, rig.neighbours.asked(rig.nowMs), rig.changes], [[1], [], ['+1']])
})

test('where both ask, the ask of the other is the answer', t => {
  const rig = new NeighbourRig()
  const link = rig.up()
  rig.step()
  t.true(rig.hear(link, 'ask'))
  t.deepEqual(rig.step(), ['ok 1'])
  t.deepEqual(rig.roles, [1])
  // Its own answer comes, too, and changes nothing.
  rig.hear(link, 'ok')
  t.deepEqual([rig.step(), rig.changes], [[], ['+1']])
})

test('an active link that asks, because a word of ours was lost, is told ok again', t => {
  const rig = new NeighbourRig()
  const [link] = rig.active(1)
  if (link === undefined) return t.fail()
  t.true(rig.hear(link, 'ask'))
  t.deepEqual([rig.step(), rig.changes], [['ok 1'], ['+1']])
})

test('who says no is not asked again for 10 s, doubling to 60 s; the next one is asked in the same step', t => {
  const rig = new NeighbourRig({ maxActiveLinks: 2, activeLinks: 1, minOutboundLinks: 1 })
  const [first, second] = rig.many(2)
  if (first === undefined || second === undefined) return t.fail()
  const asked = rig.step()
  t.is(asked.length, 1)
  const [refuses, takes] = asked[0] === 'ask 1' ? [first, second] : [second, first]
  rig.hear(refuses, 'no')
  t.deepEqual(rig.step(), [`ask ${takes.id}`])
  rig.hear(takes, 'no')
  t.deepEqual(rig.step(), [])
  // Each answers no at once whenever it is asked.
  const waits: number[] = []
  for (let i = 0; i < 5; i++) {
    const sinceMs = rig.nowMs
    while (refuses.askedUntilMs === 0) {
      rig.pass(1)
      if (takes.askedUntilMs > 0) rig.hear(takes, 'no')
    }
    waits.push(rig.nowMs - sinceMs)
    rig.hear(refuses, 'no')
  }
  t.deepEqual(waits, [10_000, 20_000, 40_000, 60_000, 60_000])
})

test('the other end may want a longer back-off, for no and for demote', t => {
  const rig = new NeighbourRig()
  const link = rig.up()
  rig.step()
  rig.hear(link, 'no', { backoffMs: 33_000 })
  t.deepEqual(rig.pass(32_999), [])
  t.deepEqual(rig.pass(1), ['ask 1'])
  rig.hear(link, 'ok')
  rig.hear(link, 'demote', { backoffMs: 300_000 })
  t.deepEqual(rig.pass(299_999, link), [])
  t.deepEqual(rig.pass(1), ['ask 1'])
})

test('L10 who has fewer than four and was refused by all asks urgently, once, for as many as are missing', t => {
  const rig = new NeighbourRig()
  const links = rig.many(10)
  const asked = new Set(rig.step().map(word => Number(word.split(' ')[1])))
  const isAsked = (): Link[] => links.filter(link => link.askedUntilMs > 0 && !link.isUrgent)
  // Two agree, all others refuse.
  for (const link of links.filter(({ id }) => asked.has(id)).slice(0, 2)) rig.hear(link, 'ok')
  for (let left = isAsked(); left.length > 0; left = isAsked()) {
    for (const link of left) rig.hear(link, 'no')
    rig.step()
  }
  const pleas = links.filter(({ isUrgent, askedUntilMs }) => isUrgent && askedUntilMs > 0)
  t.is(pleas.length, 2)
  for (const link of pleas) rig.hear(link, 'ok')
  t.is(rig.neighbours.active.length, 4)
  t.deepEqual(words(rig.pass(2000)), [], 'four are enough to wait for the others')
})

test('L10 of few peers nobody is asked urgently: that all refuse says that they leave', t => {
  const rig = new NeighbourRig()
  const links = rig.many(7)
  rig.step()
  rig.hear(links[0] as Link, 'ok')
  for (const link of links.slice(1)) rig.hear(link, 'no')
  t.deepEqual(words(rig.pass(2000)), [])
})

test('an ask without an answer is given up after 500 ms, and the next one is asked in the same step', t => {
  const rig = new NeighbourRig({ maxActiveLinks: 2, activeLinks: 1, minOutboundLinks: 1 })
  rig.many(2)
  const first = rig.step()
  t.deepEqual(rig.pass(499), [])
  t.deepEqual([...first, ...rig.pass(1)].sort(), ['ask 1', 'ask 2'])
})

test('who says nothing at all when it is asked is a suspect; who only does not answer is not', t => {
  const rig = new NeighbourRig()
  const [silent, talks] = rig.many(2)
  if (silent === undefined || talks === undefined) return t.fail()
  rig.step()
  rig.pass(100)
  rig.frame(talks)
  rig.pass(400)
  t.deepEqual([silent.isSuspect, talks.isSuspect], [true, false])
  t.deepEqual(
    rig.neighbours.standbys().map(({ id }) => id),
    [2]
  )
  // Neither is asked again soon.
  t.deepEqual(words(rig.pass(9999)), [])
})

test('L3 a late ok is taken while the place is still free, once; it was a late answer, not a lost one', t => {
  const rig = new NeighbourRig()
  const link = rig.up()
  rig.step()
  rig.pass(2000)
  rig.hear(link, 'ok')
  t.deepEqual([words(rig.step()), rig.roles], [[], [1]])
  rig.hear(link, 'demote')
  rig.hear(link, 'ok')
  t.deepEqual([rig.step(), rig.roles], [['demote 1'], []])
})

test('links whose answer is late count as asked for 2 s, or until they are asked again, once', t => {
  const rig = new NeighbourRig()
  const link = rig.up()
  rig.step()
  const asked = (): number[] => rig.neighbours.asked(rig.nowMs).map(({ id }) => id)
  rig.pass(500)
  t.deepEqual(asked(), [1])
  rig.neighbours.askUrgently(link, rig.nowMs)
  t.deepEqual(asked(), [1])
  rig.pass(500)
  t.deepEqual(asked(), [1])
  rig.pass(1499)
  t.deepEqual(asked(), [1])
  rig.pass(1)
  t.deepEqual(asked(), [])
  rig.hear(link, 'no')
  t.deepEqual(asked(), [])
})

test('L3 a late ok that is not needed any more is answered by demote', t => {
  const rig = new NeighbourRig({ maxActiveLinks: 2, activeLinks: 1, minOutboundLinks: 1 })
  const [first, second] = rig.many(2)
  if (first === undefined || second === undefined) return t.fail()
  const [late, inTime] = rig.step()[0] === 'ask 1' ? [first, second] : [second, first]
  rig.pass(500)
  rig.hear(inTime, 'ok')
  rig.hear(late, 'ok')
  t.deepEqual([rig.step(), rig.roles], [[`demote ${late.id}`], [inTime.id]])
})

test('L3 an ok that nobody asked for is answered by demote', t => {
  const rig = new NeighbourRig()
  const link = rig.up()
  rig.hear(link, 'ok')
  t.deepEqual([rig.step(), rig.roles], [['demote 1', 'ask 1'], []])
  rig.hear(link, 'no')
  rig.hear(link, 'ok')
  t.deepEqual([rig.step(), rig.roles], [['demote 1'], []])
})

test('a late no ends the matter: an ok after it is one that nobody asked for', t => {
  const rig = new NeighbourRig()
  const link = rig.up()
  rig.step()
  rig.pass(600)
  rig.hear(link, 'no')
  rig.hear(link, 'ok')
  t.deepEqual([rig.step(), rig.roles], [['demote 1'], []])
})

test('a demoted link leaves the trees and backs off; another is asked in the same step', t => {
  const rig = new NeighbourRig()
  const links = rig.active(6)
  const spare = rig.many(3)
  t.deepEqual(rig.step(), [])
  rig.hear(links[2] as never, 'demote')
  const [asked] = rig.step()
  t.true(spare.some(({ id }) => `ask ${id}` === asked))
  t.deepEqual([rig.roles, rig.changes.at(-1)], [[1, 2, 4, 5, 6], '-3'])
  // A second one, and one for a standby, change nothing.
  rig.hear(links[2] as never, 'demote')
  t.deepEqual([rig.step(), rig.changes.at(-1)], [[], '-3'])
  t.true((links[2]?.backoffUntilMs ?? 0) === rig.nowMs + 10_000)
})

test('an ask that is answered by demote is refused', t => {
  const rig = new NeighbourRig()
  const link = rig.up()
  rig.step()
  rig.hear(link, 'demote')
  t.deepEqual([rig.step(), rig.neighbours.asked(rig.nowMs), rig.roles], [[], [], []])
  t.is(link.backoffUntilMs, rig.nowMs + 10_000)
})

test('a silent active link is demoted after 3 s, and another is asked in the same step', t => {
  const rig = new NeighbourRig()
  const links = rig.active(6)
  const rest = links.slice(1)
  rig.many(3)
  t.deepEqual(words(rig.pass(2999, ...rest)), [])
  const said = words(rig.pass(1, ...rest))
  t.is(said[0], 'demote 1')
  t.regex(said[1] ?? '', /^ask [789]$/)
  t.is(said.length, 2)
  t.deepEqual([links[0]?.isSuspect, rig.roles], [true, [2, 3, 4, 5, 6]])
})

test('a suspect that says anything may be asked at once', t => {
  const rig = new NeighbourRig()
  const [link] = rig.active(1)
  if (link === undefined) return t.fail()
  t.deepEqual(words(rig.pass(3000)), ['demote 1'])
  t.deepEqual(words(rig.pass(1500)), [])
  rig.frame(link)
  t.deepEqual([rig.step(), link.isSuspect], [['ask 1'], false])
})

test('a suspect is dead after 2 s more: not even an urgent ask goes there before a frame comes', t => {
  const rig = new NeighbourRig()
  const [link] = rig.active(1)
  if (link === undefined) return t.fail()
  rig.pass(4999)
  t.false(rig.neighbours.isDead(link, rig.nowMs))
  rig.neighbours.askUrgently(link, rig.nowMs)
  t.deepEqual(words(rig.step()), ['ask! 1'])
  rig.pass(1)
  t.true(rig.neighbours.isDead(link, rig.nowMs))
  rig.pass(5000)
  rig.neighbours.askUrgently(link, rig.nowMs)
  t.deepEqual(words(rig.step()), [])
  rig.frame(link)
  rig.neighbours.askUrgently(link, rig.nowMs)
  t.deepEqual(words(rig.step()), ['ask! 1'])
})

test('suspects are told every 10 s that we live: two that hold each other for dead would else be silent for ever', t => {
  const rig = new NeighbourRig()
  const [link] = rig.active(1)
  if (link === undefined) return t.fail()
  rig.pass(3000)
  t.deepEqual(rig.pass(9999), [])
  t.deepEqual(rig.pass(1), ['live 1'])
  t.deepEqual(rig.pass(10_000), ['live 1'])
  rig.frame(link)
  rig.hear(link, 'ok')
  rig.step()
  rig.neighbours.remove(link, rig.nowMs)
  rig.step()
  t.is(rig.pass(100_000).length, 0)
})

test('after a long silence the back-off of what was not answered is over with the first frame', t => {
  const rig = new NeighbourRig()
  const link = rig.up()
  rig.step()
  rig.pass(500)
  rig.pass(2999)
  rig.frame(link)
  t.deepEqual(words(rig.step()), [])
  rig.pass(7001)
  t.true(link.askedUntilMs > 0)
  rig.pass(500 + 3000)
  rig.frame(link)
  t.deepEqual(words(rig.step()), ['ask 1'])
})

test('who slept judges nobody: what came meanwhile waits to be read', t => {
  const rig = new NeighbourRig()
  rig.active(3)
  rig.up()
  rig.step()
  rig.nowMs += 60_000
  t.deepEqual(words(rig.step()), [])
  t.deepEqual(rig.roles, [1, 2, 3])
  t.deepEqual(
    rig.neighbours.asked(rig.nowMs).map(({ id }) => id),
    [4]
  )
  // From here on silence counts again.
  const said = words(rig.pass(3000))
  t.deepEqual(said.sort(), ['demote 1', 'demote 2', 'demote 3'])
})

test('a link that lags for 10 s becomes a standby, unless it is the only one', t => {
  const rig = new NeighbourRig()
  const [one, two] = rig.active(2)
  if (one === undefined || two === undefined) return t.fail()
  for (const link of [one, two]) {
    link.flow = 'lagging'
    rig.neighbours.flowed(link, rig.nowMs)
  }
  // More that is queued, or another word of the queue, doesn't begin the time anew.
  t.deepEqual(words(rig.pass(5000, one, two)), [])
  rig.neighbours.flowed(one, rig.nowMs)
  t.deepEqual(words(rig.pass(4999, one, two)), [])
  t.deepEqual(words(rig.pass(1, one, two)), ['demote 1'])
  t.deepEqual([words(rig.pass(60_000, one, two)), rig.roles], [[], [2]])
  // Neither asked nor given a place before it takes messages again.
  rig.hear(one, 'ask')
  t.deepEqual(words(rig.step()), ['no 1'])
  one.flow = 'open'
  rig.neighbours.flowed(one, rig.nowMs)
  t.deepEqual(words(rig.step()), ['ask 1'])
})

test('a link that lags a little keeps its place', t => {
  const rig = new NeighbourRig()
  const [one, two] = rig.active(2)
  if (one === undefined || two === undefined) return t.fail()
  for (const flow of ['lagging', 'open', 'lagging'] as const) {
    one.flow = flow
    rig.neighbours.flowed(one, rig.nowMs)
    t.deepEqual(words(rig.pass(6000, one, two)), [])
  }
})

test('L7 an active link that has been told nothing for 1 s is told that we live; a standby is not', t => {
  const rig = new NeighbourRig()
  const links = rig.active(6)
  rig.many(2)
  t.deepEqual(rig.pass(999, ...links), [])
  t.deepEqual(
    rig.pass(1, ...links),
    links.map(({ id }) => `live ${id}`)
  )
  rig.pass(500, ...links)
  for (const link of links.slice(1)) link.toldMs = rig.nowMs
  t.deepEqual(rig.pass(500, ...links), ['live 1'])
})

test('what only active links send, from a standby, is answered by demote, once a second: a word was lost', t => {
  const rig = new NeighbourRig()
  const links = rig.active(6)
  const [standby] = rig.many(2)
  if (standby === undefined) return t.fail()
  const used = () => {
    rig.neighbours.used(standby, rig.nowMs)
    return words(rig.step())
  }
  t.deepEqual([used(), used()], [['demote 7'], []])
  rig.pass(999, ...links)
  t.deepEqual(used(), [])
  rig.pass(1, ...links)
  t.deepEqual(used(), ['demote 7'])
  rig.neighbours.used(links[0] as never, rig.nowMs)
  t.deepEqual(words(rig.step()), [])
})

test('who was asked may use the link before its answer comes', t => {
  const rig = new NeighbourRig()
  const link = rig.up()
  rig.step()
  rig.neighbours.used(link, rig.nowMs)
  t.deepEqual(rig.step(), [])
})

test('who asked urgently in vain counts as needy, until it gets a place or gives up', t => {
  const rig = new NeighbourRig()
  const links = rig.active(6)
  for (const link of links) rig.feeding.add(link)
  const [one, two, three] = rig.many(3, { inbound: true })
  if (one === undefined || two === undefined || three === undefined) return t.fail()
  for (const link of [one, two]) {
    rig.hear(link, 'ask', { high: true })
    rig.feeding.add(link)
  }
  rig.hear(three, 'ask')
  t.true(three.needyUntilMs <= rig.nowMs)
  rig.hear(three, 'ask', { high: true })
  t.is(three.needyUntilMs, rig.nowMs + 20_000)
  rig.neighbours.remove(one, rig.nowMs)
  rig.pass(100, ...links, two, three)
  rig.hear(three, 'ask', { high: true })
  t.deepEqual([rig.roles.at(-1), three.needyUntilMs <= rig.nowMs], [9, true])
})

test('while we leave nobody is asked, and nobody gets a place', t => {
  const rig = new NeighbourRig()
  const [first] = rig.active(1)
  rig.neighbours.stop()
  const second = rig.up()
  rig.neighbours.askUrgently(second, rig.nowMs)
  rig.hear(second, 'ask')
  t.deepEqual([words(rig.pass(500)), rig.roles], [['no 2'], [1]])
  rig.neighbours.remove(first as never, rig.nowMs)
  t.deepEqual(words(rig.pass(60_000)), [])
})

test('a link that goes while it is asked, or active, leaves nothing behind', t => {
  const rig = new NeighbourRig()
  const [asked, active] = [rig.up(), rig.up()]
  rig.step()
  rig.hear(active, 'ok')
  for (const link of [asked, active, active]) rig.neighbours.remove(link, rig.nowMs)
  t.deepEqual([rig.neighbours.asked(rig.nowMs), rig.roles, rig.neighbours.up.size], [[], [], 0])
  t.deepEqual([active.slot, active.role, rig.changes], [-1, 'standby', ['+2', '-2']])
  t.deepEqual(rig.pass(60_000), [])
})
