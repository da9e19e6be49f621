/** Who gets one of the few places of active links: the invariants L2, L4 to L6, L8 and L9 of neighbours.ts, and its cost. */
import test from 'ava'
import type { Link } from '#gossip/core/link'
import { NeighbourRig, words } from './support/neighbour-rig.js'

const idsOf = (links: readonly Link[]): number[] => links.map(({ id }) => id)
const inboundOf = (links: readonly Link[]): number[] => idsOf(links.filter(({ isOutbound }) => !isOutbound))

test('L6 with 7 peers all are asked, with 8 only 6; of a peer with two connections one counts', t => {
  const rig = new NeighbourRig()
  rig.many(7)
  t.is(rig.step().length, 7)
  const larger = new NeighbourRig()
  larger.many(8)
  t.is(larger.step().length, 6)
  // Those who were asked count, until they have answered.
  larger.up()
  t.deepEqual(larger.step(), [])
  const twins = new NeighbourRig()
  for (let peer = 0; peer < 7; peer++) for (let i = 0; i < 2; i++) twins.up({ peer })
  t.is(twins.step().length, 7)
})

test('L6 peers that are silent do not count: those that speak are all active when they are few', t => {
  const rig = new NeighbourRig()
  const links = rig.active(6)
  const more = rig.many(3)
  for (const link of more) rig.frame(link)
  t.deepEqual(rig.step(), [])
  const speaking = [...links.slice(0, 3), ...more]
  const asked = words(rig.pass(3000, ...speaking)).filter(word => word.startsWith('ask'))
  t.deepEqual(asked.sort(), ['ask 7', 'ask 8', 'ask 9'])
})

test('L6 of nine peers two fall silent: the seven that speak are all active then', t => {
  const rig = new NeighbourRig()
  const links = rig.active(6)
  const [one, two, silent] = rig.many(3)
  if (one === undefined || two === undefined || silent === undefined) return t.fail()
  const speaking = [...links.slice(1), one, two]
  for (let ms = 0; ms < 8000; ms += 100) {
    rig.pass(100, ...speaking)
    for (const link of [one, two]) if (link.askedUntilMs > 0) rig.hear(link, 'ok')
    if (ms === 4000) rig.neighbours.askUrgently(silent, rig.nowMs)
  }
  t.deepEqual(rig.roles.sort(), [2, 3, 4, 5, 6, 7, 8])
})

test('the best score is asked first, then whom we dialled, then by chance', t => {
  const rig = new NeighbourRig({ activeLinks: 1, maxActiveLinks: 2, minOutboundLinks: 0 })
  const links = [rig.up({ inbound: true }), rig.up(), rig.up({ inbound: true }), rig.up()]
  rig.book.charge('peer 1002', 30, rig.nowMs)
  for (let i = 0; i < 300; i++) rig.book.reward('peer 1003', rig.nowMs)
  const order: number[] = []
  for (let i = 0; i < 4; i++) {
    const [word = ''] = rig.step()
    const id = Number(word.split(' ')[1])
    order.push(id)
    rig.hear(links[id - 1] as Link, 'no')
  }
  t.deepEqual(order, [3, 4, 1, 2])
  // Among equals each comes first now and then.
  const firsts = new Set<string>()
  for (let seed = 1; seed <= 30; seed++) {
    const chance = new NeighbourRig({ activeLinks: 1, maxActiveLinks: 2, minOutboundLinks: 0 }, seed * 7919)
    chance.many(3)
    firsts.add(chance.step().join())
  }
  t.deepEqual([...firsts].sort(), ['ask 1', 'ask 2', 'ask 3'])
})

test('who asks gets a place while we want one; beyond that, only who asks again; never a ninth', t => {
  const rig = new NeighbourRig()
  const links = rig.active(6)
  const more = rig.many(4, { inbound: true })
  t.deepEqual(rig.step(), [])
  for (const link of more) rig.hear(link, 'ask')
  t.deepEqual(rig.step(), ['no 7', 'no 8', 'no 9', 'no 10'])
  rig.pass(10_000, ...links, ...more)
  for (const link of more) rig.hear(link, 'ask')
  t.deepEqual(words(rig.step()), ['ok 7', 'ok 8', 'no 9', 'no 10'])
  t.is(rig.roles.length, 8)
  // A place that gets free is for whom we want.
  rig.neighbours.remove(links[0] as Link, rig.nowMs)
  rig.neighbours.remove(links[1] as Link, rig.nowMs)
  rig.neighbours.remove(links[2] as Link, rig.nowMs)
  rig.pass(10_000, ...links, ...more)
  rig.hear(more[3] as Link, 'ask')
  t.true(words(rig.step()).includes('ok 10'))
})

test('who had a place is judged anew: its back-off begins at 10 s again, and its first ask may be refused again', t => {
  const rig = new NeighbourRig()
  const links = rig.active(6)
  const link = rig.up({ inbound: true })
  rig.up()
  link.backoffMs = 60_000
  rig.hear(link, 'ask')
  rig.hear(link, 'ask')
  t.deepEqual(words(rig.step()), ['no 7', 'ok 7'])
  rig.hear(link, 'demote')
  t.is(link.backoffUntilMs, rig.nowMs + 10_000)
  rig.pass(100, ...links, link)
  rig.hear(link, 'ask')
  t.deepEqual(words(rig.step()), ['no 7'])
})

test('whom we demoted to make room gets a place again if it asks, as long as there is one', t => {
  const rig = new NeighbourRig()
  const links = rig.active(5)
  const inbound = rig.many(4, { inbound: true })
  const [one, two, three, four] = inbound as [Link, Link, Link, Link]
  for (const link of [one, two, three]) rig.hear(link, 'ask', { high: true })
  rig.step()
  t.is(rig.roles.length, 8)
  rig.hear(four, 'ask', { high: true })
  t.deepEqual(words(rig.step()), ['demote 8', 'ok 9'])
  rig.neighbours.remove(one, rig.nowMs)
  rig.pass(100, ...links, ...inbound)
  t.is(rig.roles.length, 7)
  rig.hear(three, 'ask')
  t.deepEqual(words(rig.step()), ['ok 8'])
})

test('whom we demoted to make room is not asked for 10 s, even if places get free', t => {
  const rig = new NeighbourRig()
  const links = rig.active(5)
  const inbound = rig.many(4, { inbound: true })
  for (const link of inbound) rig.hear(link, 'ask', { high: true })
  t.deepEqual(words(rig.step()), ['ok 6', 'ok 7', 'ok 8', 'demote 8', 'ok 9'])
  for (const link of links) rig.neighbours.remove(link, rig.nowMs)
  t.deepEqual(words(rig.pass(9999, ...inbound)), [])
  t.deepEqual(words(rig.pass(1, ...inbound)), ['ask 8'])
})

test('L5 an urgent ask gets a place at the price of the newest that the other end dialled and that brings nothing', t => {
  const rig = new NeighbourRig()
  const outbound = rig.active(4)
  const inbound = rig.active(2, { inbound: true })
  const more = rig.many(3, { inbound: true })
  rig.hear(more[0] as Link, 'ask', { high: true })
  rig.hear(more[1] as Link, 'ask', { high: true })
  t.deepEqual([words(rig.step()), rig.roles.length], [['ok 7', 'ok 8'], 8])
  rig.feeding.add(more[1] as Link)
  rig.hear(more[2] as Link, 'ask', { high: true })
  t.deepEqual(words(rig.step()), ['demote 7', 'ok 9'])
  t.deepEqual(rig.roles, [...idsOf(outbound), ...idsOf(inbound), 8, 9])
})

test('L5 it is honoured once per link and minute, and never at the price of a feeding or outbound link', t => {
  const rig = new NeighbourRig()
  const links = rig.active(6)
  const [one, two, three] = rig.many(3, { inbound: true })
  if (one === undefined || two === undefined || three === undefined) return t.fail()
  const urgently = (link: Link): string[] => {
    rig.hear(link, 'ask', { high: true })
    return words(rig.step())
  }
  t.deepEqual([...urgently(one), ...urgently(two)], ['ok 7', 'ok 8'])
  t.deepEqual(urgently(three), ['demote 8', 'ok 9'])
  t.deepEqual(urgently(two), ['no 8'])
  rig.feeding.add(one).add(three)
  rig.pass(59_999, ...links, one, two, three)
  t.deepEqual(urgently(two), ['no 8'])
  rig.pass(1, ...links, one, two, three)
  // Again, but all that could go bring something, or were dialled by us.
  t.deepEqual(urgently(two), ['no 8'])
  rig.feeding.delete(one)
  t.deepEqual(urgently(two), ['demote 7', 'ok 8'])
})

test('our own urgent ask makes room for its answer, and is not made if there is none to make', t => {
  const rig = new NeighbourRig({ minOutboundLinks: 0 })
  const inbound = rig.many(8, { inbound: true })
  for (const link of inbound) rig.hear(link, 'ask', { high: true })
  rig.step()
  t.is(rig.roles.length, 8)
  const [wanted, other] = rig.many(2)
  if (wanted === undefined || other === undefined) return t.fail()
  rig.neighbours.askUrgently(wanted, rig.nowMs)
  t.deepEqual(words(rig.step()), ['ask! 9'])
  rig.hear(wanted, 'ok')
  t.deepEqual([words(rig.step()), rig.roles.length], [['demote 8'], 8])
  // It may be that the other end asks at the same time.
  rig.neighbours.askUrgently(other, rig.nowMs)
  rig.hear(other, 'ask')
  t.deepEqual([words(rig.step()), rig.roles.at(-1)], [['ask! 10', 'demote 7', 'ok 10'], 10])
  // With links that all feed us, and none inbound, nobody is given up for it.
  const full = new NeighbourRig()
  const links = full.active(6)
  for (const link of full.many(2)) {
    full.hear(link, 'ask', { high: true })
    links.push(link)
  }
  for (const link of links) full.feeding.add(link)
  full.neighbours.askUrgently(full.up(), full.nowMs)
  t.deepEqual(words(full.step()).slice(2), [])
})

test('an urgent ask is repeated after 1 s, 2 s, 4 s and so on, or 10 s after a no', t => {
  const rig = new NeighbourRig()
  const link = rig.up()
  const urgently = (): string[] => {
    rig.neighbours.askUrgently(link, rig.nowMs)
    return words(rig.step())
  }
  t.deepEqual(urgently(), ['ask! 1'])
  rig.pass(999)
  t.deepEqual(urgently(), [])
  rig.pass(1)
  t.deepEqual(urgently(), ['ask! 1'])
  rig.frame(link)
  rig.pass(1999)
  t.deepEqual(urgently(), [])
  rig.pass(1)
  t.deepEqual(urgently(), ['ask! 1'])
  rig.hear(link, 'no')
  rig.pass(9999)
  t.deepEqual(urgently(), [])
  rig.pass(1)
  t.deepEqual(urgently(), ['ask! 1'])
})

test('who demoted us is not asked urgently for 10 s, either; who refused an ask that was not urgent is', t => {
  const rig = new NeighbourRig()
  const link = rig.up()
  const urgently = (): string[] => {
    rig.neighbours.askUrgently(link, rig.nowMs)
    return words(rig.step())
  }
  rig.step()
  rig.hear(link, 'no')
  t.deepEqual(urgently(), ['ask! 1'])
  rig.hear(link, 'ok')
  // As if the ask had been another.
  link.isUrgent = false
  rig.hear(link, 'demote')
  rig.pass(9999, link)
  t.deepEqual(urgently(), [])
  rig.pass(1, link)
  t.true(link.askedUntilMs > 0)
})

test('L4 places are kept for links of our own dialling, so that those who dial in never own all', t => {
  const rig = new NeighbourRig()
  const outbound = rig.many(2)
  rig.step()
  for (const link of outbound) rig.hear(link, 'no')
  rig.step()
  const inbound = rig.many(8, { inbound: true })
  for (const high of [false, false, true]) for (const link of inbound) rig.hear(link, 'ask', { high })
  rig.step()
  t.is(rig.roles.length, 6)
  rig.pass(10_000, ...inbound, ...outbound)
  for (const link of outbound) rig.hear(link, 'ok')
  t.deepEqual([inboundOf([...rig.neighbours.active]).length, rig.roles.length], [6, 8])
})

test('L4 an outbound link that comes late gets a place, even if all others feed us', t => {
  const rig = new NeighbourRig()
  const inbound = rig.many(8, { inbound: true })
  for (const high of [false, true]) for (const link of inbound) rig.hear(link, 'ask', { high })
  rig.step()
  t.is(rig.roles.length, 8)
  for (const link of inbound) rig.feeding.add(link)
  const outbound = rig.many(3)
  const asked = words(rig.step())
  t.is(asked.length, 2)
  for (const word of asked) rig.hear(outbound[Number(word.split(' ')[1]) - 9] as Link, 'ok')
  t.deepEqual(words(rig.step()), ['demote 8', 'demote 7'])
  t.is(inboundOf([...rig.neighbours.active]).length, 6)
})

test('L4 a hundred that dial in and ask, again and again, never displace a link of our own dialling', t => {
  const rig = new NeighbourRig()
  const outbound = rig.active(3)
  const attackers = rig.many(100, { inbound: true })
  for (let round = 0; round < 50; round++) {
    for (const link of attackers) {
      rig.hear(link, 'ask', { high: round % 2 === 0 })
      if (rig.neighbours.asked(rig.nowMs).includes(link)) rig.hear(link, 'ok')
    }
    const said = words(rig.pass(5000, ...outbound, ...attackers))
    t.false(said.some(word => /^demote [123]$/.test(word)))
    t.true(rig.roles.length <= 8)
    t.deepEqual(
      rig.roles.filter(id => id <= 3),
      [1, 2, 3]
    )
  }
})

test('L8 once in 45 to 75 s a random inbound link that brings nothing makes room for a standby', t => {
  const exchanged = new Set<string>()
  for (let seed = 0; seed < 20; seed++) {
    const rig = new NeighbourRig()
    const outbound = rig.active(3)
    const inbound = rig.active(3, { inbound: true })
    rig.feeding.add(inbound[0] as Link)
    for (let i = 0; i < seed; i++) rig.lookups += rig.neighbours.standbys().length
    const standbys = rig.many(5)
    const all = [...outbound, ...inbound, ...standbys]
    // Other draws for each round.
    for (let i = 0; i < seed; i++) rig.neighbours.remove(rig.up({ inbound: true }), rig.nowMs)
    const said = words(rig.pass(90_000, ...all))
    const demoted = said.filter(word => word.startsWith('demote'))
    t.true(demoted.length >= 1 && demoted.length <= 2, said.join())
    for (const word of demoted) exchanged.add(word)
    t.true(said.some(word => /^ask (7|8|9|10|11)$/.test(word)))
  }
  t.true(
    [...exchanged].every(word => /^demote [56]$/.test(word)),
    [...exchanged].join()
  )
})

test('L8 nobody is exchanged while we have too few, or nobody else', t => {
  const few = new NeighbourRig({ exchangeMs: 1000 })
  const links = few.active(5, { inbound: true })
  // They speak, but they don't answer: somebody is always being asked.
  const others = few.many(40, { inbound: true })
  const said = words(few.pass(9000, ...links, ...others))
  t.true(said.length > 10 && said.every(word => word.startsWith('ask')), said.join())
  const alone = new NeighbourRig()
  const all = alone.active(7, { inbound: true })
  t.deepEqual(words(alone.pass(300_000, ...all)), [])
})

test('L9 of two connections to one peer one is asked, the one with the lower handshake hash', t => {
  for (const [a, b] of [
    [5, 9],
    [9, 5]
  ]) {
    const rig = new NeighbourRig()
    const links = [rig.up({ peer: 1, salt: a ?? 0 }), rig.up({ peer: 1, salt: b ?? 0 })]
    t.deepEqual(rig.step(), [`ask ${(a ?? 0) < (b ?? 0) ? 1 : 2}`])
    for (const link of links) rig.neighbours.remove(link, rig.nowMs)
  }
})

test('L9 where each end asked on another connection, both keep the same one', t => {
  for (const [ours, theirs] of [
    [5, 9],
    [9, 5]
  ] as const) {
    const rig = new NeighbourRig()
    const asked = rig.up({ peer: 1, salt: ours })
    t.deepEqual(rig.step(), ['ask 1'])
    const other = rig.up({ peer: 1, salt: theirs })
    rig.step()
    rig.hear(other, 'ask')
    t.deepEqual(rig.step(), ours < theirs ? ['no 2'] : ['ok 2'])
    rig.hear(asked, 'ok')
    t.deepEqual(rig.step(), ours < theirs ? [] : ['demote 1'])
    t.deepEqual(rig.roles, ours < theirs ? [1] : [2])
  }
})

test('L9 a late answer on one connection is none while the other is active, however much links are needed', t => {
  const rig = new NeighbourRig()
  const silent = rig.up()
  const first = rig.up({ peer: 1, salt: 5 })
  const second = rig.up({ peer: 1, salt: 9 })
  t.deepEqual(rig.step(), ['ask 2', 'ask 1'])
  t.deepEqual(words(rig.pass(500)), ['ask 3'])
  rig.hear(second, 'ok')
  rig.hear(first, 'ok')
  t.deepEqual([words(rig.step()), rig.roles], [['demote 2'], [3]])
  rig.hear(silent, 'ok')
  t.deepEqual([words(rig.step()), rig.roles], [[], [3, 1]])
})

test('L9 while one connection is active the other gets no place, and takes over when the first is silent or gone', t => {
  const rig = new NeighbourRig()
  const first = rig.up({ peer: 1, salt: 9 })
  rig.step()
  rig.hear(first, 'ok')
  const second = rig.up({ peer: 1, salt: 5 })
  t.deepEqual(words(rig.step()), [])
  rig.hear(second, 'ask', { high: true })
  rig.hear(second, 'ok')
  t.deepEqual(words(rig.step()), ['no 2', 'demote 2'])
  // Not even if links are missing.
  const refuses = rig.up()
  t.deepEqual(words(rig.step()), ['ask 3'])
  rig.hear(refuses, 'no')
  t.deepEqual(words(rig.step()), [])
  rig.neighbours.remove(refuses, rig.nowMs)
  t.deepEqual(words(rig.pass(3000, second)), ['demote 1', 'ask 2'])
  rig.hear(second, 'ok')
  t.deepEqual(rig.roles, [2])
  rig.frame(first)
  rig.neighbours.remove(second, rig.nowMs)
  t.deepEqual(words(rig.step()), ['ask 1'])
})

test('a slot is the link’s alone, and given away only after the trees forgot it', t => {
  const rig = new NeighbourRig()
  const links = rig.active(6)
  t.deepEqual([...new Set(links.map(({ slot }) => slot))].sort(), [0, 1, 2, 3, 4, 5])
  const slot = links[2]?.slot
  rig.neighbours.remove(links[2] as Link, rig.nowMs)
  const next = rig.active(1)
  t.is(next[0]?.slot, slot as number)
})

test('who asks more often than the back-offs allow is told no, and it is said that it may not', t => {
  const rig = new NeighbourRig()
  for (const other of rig.active(6)) rig.feeding.add(other)
  for (const other of rig.many(2, { inbound: true })) {
    rig.feeding.add(other)
    rig.hear(other, 'ask', { high: true })
  }
  const link = rig.up({ inbound: true })
  rig.step()
  let allowed = 0
  for (let i = 0; i < 100; i++) if (rig.hear(link, 'ask')) allowed++
  t.is(allowed, 20)
  t.is(words(rig.step()).filter(word => word === 'no 9').length, 100)
  // Not even if there is room now.
  rig.neighbours.remove([...rig.neighbours.active][0] as Link, rig.nowMs)
  t.false(rig.hear(link, 'ask'))
  t.true(words(rig.step()).includes('no 9'))
})

test('an honest end never asks that often: whatever the other end answers, and also if all is held up for 10 min', t => {
  const ends: Record<string, (rig: NeighbourRig, link: Link) => void> = {
    'says no': (rig, link) => rig.hear(link, 'no'),
    'says ok, then demote': (rig, link) => {
      rig.hear(link, 'ok')
      rig.hear(link, 'demote')
    },
    'says anything but an answer': (rig, link) => rig.frame(link),
    'says nothing': () => {}
  }
  for (const [name, answer] of Object.entries(ends)) {
    const rig = new NeighbourRig()
    const link = rig.up()
    const asks: number[] = []
    for (let ms = 0; ms < 600_000; ms += 250) {
      // As isolation.ts does, which is the most that can be.
      if (ms % 1000 === 0) rig.neighbours.askUrgently(link, rig.nowMs)
      if (words([...rig.step(), ...rig.pass(250)]).some(word => word.startsWith('ask'))) asks.push(rig.nowMs)
      if (link.askedUntilMs > 0) answer(rig, link)
    }
    // All at once, as a stream that was held up would bring them, and as they were asked: the bucket of the other end.
    const atOnce = new NeighbourRig()
    const remote = atOnce.up()
    if (name === 'says nothing')
      t.true(
        asks.every(() => atOnce.hear(remote, 'ask')),
        `${name}: ${asks.length}`
      )
    const inTime = new NeighbourRig()
    const other = inTime.up()
    for (const atMs of asks) {
      inTime.nowMs = atMs
      t.true(inTime.hear(other, 'ask'), `${name}: ${asks.length}`)
    }
    t.true(asks.length >= 2, name)
  }
})

test('choosing costs nothing while nothing is missing, and a look at each link when something is', t => {
  const rig = new NeighbourRig()
  const links = rig.active(6)
  const standbys = rig.many(122)
  rig.step()
  rig.lookups = 0
  for (let i = 0; i < 10_000; i++) {
    rig.nowMs++
    rig.frame(links[i % 6] as Link, standbys[i % 122] as Link)
    rig.step()
  }
  t.is(rig.lookups, 0)
  rig.hear(links[0] as Link, 'demote')
  rig.step()
  t.true(rig.lookups > 0 && rig.lookups <= 128, String(rig.lookups))
  // Also when many asks end in one step.
  const burst = new NeighbourRig()
  const all = burst.many(128)
  for (const link of all) burst.neighbours.askUrgently(link, burst.nowMs)
  burst.step()
  burst.lookups = 0
  for (const link of all) burst.hear(link, 'no')
  burst.step()
  t.true(burst.lookups <= 128, String(burst.lookups))
})
