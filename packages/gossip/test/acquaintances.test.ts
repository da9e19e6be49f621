/** Peers that tell each other of peers: acquaintances.ts alone, and PEERS between cores. */
import test from 'ava'
import { Acquaintances } from '#gossip/core/acquaintances'
import { FEATURE_PEERS } from '#gossip/core/hello'
import type { Link } from '#gossip/core/link'
import { noiseKey, Rig, sendsTo } from './support/core-rig.js'
import { NeighbourRig } from './support/neighbour-rig.js'

/** The machine on a rig whose links speak PEERS. */
function acquaintancesOf(rig: NeighbourRig, refused: ReadonlySet<string> = new Set()): Acquaintances {
  const { limits, neighbours, outbox } = rig
  const acquaintances = new Acquaintances({
    limits,
    neighbours,
    outbox,
    random: () => 0.5,
    isRefused: peerId => refused.has(peerId)
  })
  rig.others.push({
    due: nowMs => acquaintances.due(nowMs),
    get nextAtMs() {
      return acquaintances.nextAtMs
    }
  })
  return acquaintances
}

function speaking(rig: NeighbourRig, count: number): Link[] {
  const links = rig.active(count)
  for (const link of links) link.features = FEATURE_PEERS
  return links
}

const talk = (said: readonly string[]): string[] => said.filter(word => /^(peers|hint)/.test(word))
const keys = (...numbers: number[]): Uint8Array[] => numbers.map(noiseKey)

test('a link that becomes active is told of the others, and again every minute', t => {
  const rig = new NeighbourRig()
  const acquaintances = acquaintancesOf(rig)
  const links = speaking(rig, 3)
  acquaintances.linkActive(links[0] as Link, rig.nowMs)
  const expected = `peers 1: ${[1002, 1003].map(number => number % 256)}`
  t.deepEqual(talk(rig.step()), [expected])
  // Not again when it is demoted and promoted meanwhile.
  acquaintances.linkActive(links[0] as Link, rig.nowMs + 59_999)
  t.deepEqual(talk(rig.pass(59_999, ...links)), [])
  t.deepEqual(
    talk(rig.pass(1, ...links)).map(word => word.slice(0, 8)),
    ['peers 1:', 'peers 2:', 'peers 3:']
  )
})

test('at most 16 are told, never the link’s own peer, none that is silent, and only who understands it', t => {
  const rig = new NeighbourRig({ activeLinks: 30, maxActiveLinks: 30 })
  const acquaintances = acquaintancesOf(rig)
  const links = speaking(rig, 30)
  const [first, deaf] = links as [Link, Link]
  const twin = rig.up({ peer: 1001 })
  twin.features = FEATURE_PEERS
  deaf.features = 0
  for (const link of links.slice(20)) link.isSuspect = true
  acquaintances.linkActive(first, rig.nowMs)
  acquaintances.linkActive(deaf, rig.nowMs)
  const [told = '', ...rest] = talk(rig.step())
  t.deepEqual(rest, [])
  const numbers = told.split(': ')[1]?.split(',').map(Number) ?? []
  t.is(numbers.length, 16)
  t.is(new Set(numbers).size, 16)
  t.true(numbers.every(number => number > 1001 % 256 && number <= 1020 % 256))
})

test('a link with nobody else is told nothing, and soon after somebody came', t => {
  const rig = new NeighbourRig()
  const acquaintances = acquaintancesOf(rig)
  const [first] = speaking(rig, 1) as [Link]
  acquaintances.linkActive(first, rig.nowMs)
  t.deepEqual(talk(rig.step()), [])
  const [second] = speaking(rig, 1) as [Link]
  acquaintances.linkActive(second, rig.nowMs)
  t.deepEqual(talk(rig.step()).length, 1)
  t.deepEqual(talk(rig.pass(60_000, first, second)).length, 2)
})

test('what is told is passed on one a second, if we have no link there, and it is not refused, nor our own key', t => {
  const rig = new NeighbourRig()
  const refused = Buffer.from(noiseKey(55)).toString('hex')
  const acquaintances = acquaintancesOf(rig, new Set([refused]))
  const links = speaking(rig, 2)
  rig.up({ peer: 60 }).peerId
  const linked = rig.up({ peer: 61 })
  Object.assign(linked, { peerId: Buffer.from(noiseKey(61)).toString('hex') })
  rig.neighbours.remove(linked, rig.nowMs)
  rig.neighbours.add(linked, rig.nowMs)
  t.true(acquaintances.told(links[0] as Link, keys(50, 1, 51, 55, 61, 50, 52), rig.nowMs))
  t.deepEqual(talk(rig.step()), ['hint 50'])
  t.deepEqual(talk(rig.pass(999, ...links)), [])
  t.deepEqual(talk(rig.pass(1, ...links)), ['hint 51'])
  t.deepEqual(
    talk(rig.pass(60_000, ...links)).filter(word => word.startsWith('hint')),
    ['hint 52']
  )
})

test('the same key is not passed on again for 5 min, whoever tells it', t => {
  const rig = new NeighbourRig()
  const acquaintances = acquaintancesOf(rig)
  const links = speaking(rig, 3)
  const hints = (): string[] => talk(rig.step()).filter(word => word.startsWith('hint'))
  acquaintances.told(links[0] as Link, keys(50), rig.nowMs)
  t.deepEqual(hints(), ['hint 50'])
  rig.pass(299_999, ...links)
  acquaintances.told(links[1] as Link, keys(50), rig.nowMs)
  t.deepEqual(hints(), [])
  rig.pass(1, ...links)
  acquaintances.told(links[2] as Link, keys(50), rig.nowMs)
  t.deepEqual(hints(), ['hint 50'])
})

test('with 16 links nothing is passed on', t => {
  const rig = new NeighbourRig()
  const acquaintances = acquaintancesOf(rig)
  const [first] = rig.many(15)
  acquaintances.told(first as Link, keys(50, 51), rig.nowMs)
  t.deepEqual(talk(rig.step()), ['hint 50'])
  rig.up()
  t.deepEqual(talk(rig.pass(10_000)), [])
  t.is(acquaintances.nextAtMs, Number.POSITIVE_INFINITY)
})

test('what is told twice within half a minute is not taken; 16 keys wait at most, the newest', t => {
  const rig = new NeighbourRig()
  const acquaintances = acquaintancesOf(rig)
  const links = speaking(rig, 3)
  const many = (from: number): Uint8Array[] => keys(...Array.from({ length: 16 }, (_, i) => from + i))
  acquaintances.told(links[0] as Link, many(10), rig.nowMs)
  acquaintances.told(links[1] as Link, many(30), rig.nowMs)
  rig.nowMs += 29_999
  acquaintances.told(links[0] as Link, many(50), rig.nowMs)
  rig.nowMs += 1
  acquaintances.told(links[0] as Link, keys(70), rig.nowMs)
  const hints = talk(rig.pass(20_000, ...links)).filter(word => word.startsWith('hint'))
  t.deepEqual(hints, [...Array.from({ length: 15 }, (_, i) => `hint ${31 + i}`), 'hint 70'])
})

test('PEERS of a link leads to a hint; more of it than a stall explains costs 5 points', t => {
  const rig = new Rig()
  const peer = rig.peer(1, { features: FEATURE_PEERS })
  const effects = peer.send({ kind: 'peers', keys: keys(77) })
  t.deepEqual(
    effects.filter(effect => effect.type === 'hint').map(({ peerKey }) => peerKey),
    keys(77)
  )
  for (let i = 0; i < 4; i++) {
    t.deepEqual(rig.log.of('drop'), [])
    peer.send({ kind: 'peers', keys: keys(78) })
  }
  t.deepEqual(
    rig.log.of('drop').map(({ reason, points }) => [reason, points]),
    [['over-budget', 5]]
  )
})

test('a core tells those that stated the feature, and no others', t => {
  const rig = new Rig()
  rig.peer(1)
  const speaks = rig.peer(2, { features: FEATURE_PEERS })
  const deaf = rig.peer(3)
  const told = (link: number) => sendsTo(rig.log.effects, link).filter(({ frame }) => frame.kind === 'peers')
  t.is(told(speaks.link).length, 1)
  t.is(told(deaf.link).length, 0)
  const { frame } = told(speaks.link)[0] ?? {}
  t.deepEqual(frame?.kind === 'peers' ? frame.keys : null, [noiseKey(1001)])
})
