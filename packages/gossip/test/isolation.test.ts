/** The drawing in isolation.ts. */
import test from 'ava'
import { Isolation } from '#gossip/core/isolation'
import type { Link } from '#gossip/core/link'
import { Author, Rig, START_MS } from './support/core-rig.js'
import { NeighbourRig, words } from './support/neighbour-rig.js'

const NEVER = Number.NEGATIVE_INFINITY

function isolationOf(rig: NeighbourRig): Isolation {
  const { limits, neighbours, outbox } = rig
  const isolation = new Isolation({ limits, neighbours, outbox }, rig.nowMs)
  rig.others.push({
    due: nowMs => isolation.due(nowMs),
    get nextAtMs() {
      return isolation.nextAtMs
    }
  })
  return isolation
}

test('who waits for its first peer is not isolated', t => {
  const rig = new NeighbourRig()
  const isolation = isolationOf(rig)
  t.deepEqual(rig.pass(60_000), [])
  t.is(isolation.nextAtMs, Number.POSITIVE_INFINITY)
})

test('with links but no active one for 1 s we are isolated, and every standby is asked urgently', t => {
  const rig = new NeighbourRig()
  const isolation = isolationOf(rig)
  const links = rig.many(9)
  for (const link of links) rig.hear(link, 'demote')
  rig.step()
  for (const link of links) if (link.askedUntilMs > 0) rig.hear(link, 'no')
  rig.step()
  for (const link of links) if (link.askedUntilMs > 0) rig.hear(link, 'no')
  t.deepEqual(words(rig.pass(999, ...links)), [])
  t.is(isolation.reason, null)
  t.deepEqual(words(rig.pass(1, ...links)), [
    'isolated no-active-links',
    ...links.map(({ id }) => `ask! ${id}`)
  ])
  t.is(isolation.reason, 'no-active-links')
})

test('with the last link we are isolated 1 s after it went; told once', t => {
  const rig = new NeighbourRig()
  isolationOf(rig)
  const [link] = rig.active(1)
  rig.neighbours.remove(link as Link, rig.nowMs)
  t.deepEqual(rig.step(), [])
  t.deepEqual(rig.pass(999), [])
  t.deepEqual(rig.pass(1), ['isolated no-links'])
  t.deepEqual(rig.pass(600_000), [])
})

test('an active link ends it with its first frame; what comes up meanwhile is asked at once', t => {
  const rig = new NeighbourRig()
  const isolation = isolationOf(rig)
  const [first] = rig.active(1)
  rig.neighbours.remove(first as Link, rig.nowMs)
  rig.pass(5000)
  const link = rig.up()
  t.deepEqual(rig.step(), ['ask 2'])
  rig.pass(100)
  rig.hear(link, 'ok')
  t.deepEqual(words(rig.step()), ['rejoined'])
  t.is(isolation.reason, null)
  // It may happen again.
  rig.neighbours.remove(link, rig.nowMs)
  t.deepEqual(words(rig.pass(1000)), ['isolated no-links'])
})

test('a short time without an active link is nothing', t => {
  const rig = new NeighbourRig()
  isolationOf(rig)
  for (let i = 0; i < 5; i++) {
    const [link] = rig.active(1)
    rig.neighbours.remove(link as Link, rig.nowMs)
    t.deepEqual(words(rig.pass(999)), [])
  }
})

test('standbys are asked again and again, but each as its back-offs allow', t => {
  const rig = new NeighbourRig()
  isolationOf(rig)
  const links = rig.many(3)
  rig.step()
  for (const link of links) rig.hear(link, 'no')
  let asks = 0
  for (let second = 0; second < 60; second++) {
    const said = words(rig.pass(1000, ...links)).filter(word => word.startsWith('ask'))
    for (const word of said) {
      asks++
      rig.hear(links[Number(word.split(' ')[1]) - 1] as Link, 'no')
    }
  }
  // Urgently once in 10 s, and not urgently by the back-off that doubles.
  t.true(asks >= 3 * 6 && asks <= 3 * 9, String(asks))
})

test('news of standbys, and nothing accepted for 10 s: isolated until something is accepted', t => {
  const rig = new NeighbourRig()
  const isolation = isolationOf(rig)
  const links = rig.active(6)
  const [teller] = rig.many(2)
  if (teller === undefined) return t.fail()
  const everybody = [...links, teller]
  isolation.accepted(rig.nowMs)
  const said: string[] = []
  for (let second = 0; second <= 10; second++) {
    isolation.news(teller, rig.nowMs, rig.nowMs)
    said.push(...words(rig.pass(1000, ...everybody)))
  }
  t.deepEqual(
    said.filter(word => word.startsWith('isolated')),
    ['isolated no-progress']
  )
  t.true(said.includes('ask! 7'))
  // Frames of active links don't end it: they came all the time.
  for (let second = 0; second < 20; second++) {
    isolation.news(teller, rig.nowMs, rig.nowMs)
    t.false(rig.pass(1000, ...everybody).includes('rejoined'))
  }
  isolation.accepted(rig.nowMs)
  t.deepEqual(words(rig.step()), ['rejoined'])
})

test('it also ends when nobody has told news for 10 s', t => {
  const rig = new NeighbourRig()
  const isolation = isolationOf(rig)
  const links = rig.active(6)
  const [teller] = rig.many(2)
  if (teller === undefined) return t.fail()
  for (let second = 0; second <= 10; second++) {
    isolation.news(teller, rig.nowMs, rig.nowMs)
    rig.pass(1000, ...links, teller)
  }
  t.is(isolation.reason, 'no-progress')
  t.false(rig.pass(8999, ...links, teller).includes('rejoined'))
  t.true(rig.pass(1, ...links, teller).includes('rejoined'))
})

test('old news that nobody repeats isolate nobody', t => {
  const rig = new NeighbourRig()
  const isolation = isolationOf(rig)
  const links = rig.active(6)
  const [teller] = rig.many(2)
  if (teller === undefined) return t.fail()
  isolation.news(teller, rig.nowMs, rig.nowMs)
  for (let i = 0; i < 5; i++) {
    t.false(rig.pass(15_000, ...links, teller).some(word => word.startsWith('isolated')))
    isolation.news(teller, rig.nowMs, rig.nowMs)
  }
})

test('accepted batches, however few, keep news from isolating', t => {
  const rig = new NeighbourRig()
  const isolation = isolationOf(rig)
  const links = rig.active(6)
  const [teller] = rig.many(2)
  if (teller === undefined) return t.fail()
  for (let second = 0; second < 60; second++) {
    isolation.news(teller, rig.nowMs, rig.nowMs)
    if (second % 9 === 0) isolation.accepted(rig.nowMs)
    t.false(rig.pass(1000, ...links, teller).some(word => word.startsWith('isolated')))
  }
})

test('who lacks news that are older than 2 s asks whoever tells them for a place, one every 2 s', t => {
  const rig = new NeighbourRig()
  const isolation = isolationOf(rig)
  rig.active(6)
  const [one, two] = rig.many(2)
  if (one === undefined || two === undefined) return t.fail()
  const startMs = rig.nowMs
  const news = (link: Link, heardMs: number): string[] => {
    isolation.news(link, heardMs, rig.nowMs)
    return words(rig.step())
  }
  rig.nowMs = startMs + 1999
  t.deepEqual([news(one, startMs), news(one, NEVER)], [[], []])
  rig.nowMs = startMs + 2000
  t.deepEqual([news(one, startMs), news(two, startMs)], [['ask! 7'], []])
  rig.nowMs += 1999
  t.deepEqual(news(two, startMs), [])
  rig.nowMs += 1
  t.deepEqual(news(two, NEVER), ['ask! 8'])
})

test('a topic tells of its isolation and of its end, by frames alone', t => {
  const rig = new Rig()
  const peer = rig.peer(1, { answers: 'no' })
  rig.pass(999)
  t.deepEqual(rig.log.of('isolated'), [])
  peer.answers = 'ok'
  rig.pass(1)
  t.deepEqual(rig.log.of('isolated'), [{ type: 'isolated', reason: 'no-active-links' }])
  t.is(rig.log.of('rejoined').length, 0)
  rig.nowMs++
  peer.send({ kind: 'have', have: 'live', entries: [] })
  t.is(rig.log.of('rejoined').length, 1)
})

test('a summary of a standby is news, one of what we have is none', t => {
  const rig = new Rig({ limits: { activeLinks: 1, maxActiveLinks: 1, minOutboundLinks: 0 } })
  const active = rig.peer(1)
  const standby = rig.peer(2)
  const author = new Author(8)
  active.batch(author.batch(0))
  const tells = (next: number) =>
    standby.send({
      kind: 'have',
      have: 'summary',
      entries: [{ ref: author.ref, next, ahead: 0 }]
    })
  const isAsked = (effects: ReturnType<typeof tells>): boolean =>
    effects.some(
      effect =>
        effect.type === 'send' &&
        effect.link === standby.link &&
        effect.frame.kind === 'link' &&
        effect.frame.high
    )
  rig.nowMs = START_MS + 2500
  t.false(isAsked(tells(1)))
  t.true(isAsked(tells(2)))
})
