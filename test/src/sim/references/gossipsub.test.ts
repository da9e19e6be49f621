import test from 'ava'
import { Rng } from '../rng.js'
import { drawOverlay } from '../scale/draw.js'
import { GOSSIPSUB, runGossipsub } from './gossipsub.js'
import { Mesh } from './gossipsub-mesh.js'
import { LINE, type MadeEdge, madeStage, star } from './made-stage.js'
import { Network } from './network.js'

const overlay = (nodes: number, connections: number): MadeEdge[] =>
  drawOverlay(new Rng(5), nodes, connections).map(({ from, to, latencyMs }) => [from, to, latencyMs])

/** Meshes that deliver GRAFT and PRUNE at once, and tell what was sent. */
function meshOf(edges: readonly MadeEdge[], seed = 1) {
  const network = new Network(madeStage({ edges, authors: [0], seed }))
  const sent: string[] = []
  const nameOf = (link: number): string => `${network.owner[link]}>${network.peer[link]}`
  const mesh: Mesh = new Mesh(network, GOSSIPSUB, {
    graft: link => {
      sent.push(`graft ${nameOf(link)}`)
      mesh.onGraft(network.opposite[link] as number)
    },
    prune: link => {
      sent.push(`prune ${nameOf(link)}`)
      mesh.onPrune(network.opposite[link] as number)
    }
  })
  const linkOf = (from: number, to: number): number =>
    network.linksOf(from).find(link => network.peer[link] === to) ?? -1
  const peersOf = (node: number): (number | undefined)[] => mesh.members(node).map(link => network.peer[link])
  return { network, mesh, sent, linkOf, peersOf }
}

test('on a regular overlay of six the mesh is the overlay: RMR is that of flooding it', t => {
  const edges = overlay(200, 6)
  const { redundancy, frames, delivered } = runGossipsub(madeStage({ edges, authors: [0, 1, 2, 3] }))
  t.is(delivered, 4 * 199)
  t.is(redundancy, (2 * edges.length - 199) / 199 - 1)
  t.is(frames.ihave, undefined)
})

test('a settled mesh is mutual, has 5 to 11 members each, and two that the node dialled', t => {
  const { network, mesh, peersOf } = meshOf(overlay(100, 40))
  for (let node = 0; node < 100; node++) mesh.join(node)
  for (let beat = 0; beat < 5; beat++) for (let node = 0; node < 100; node++) mesh.maintain(node)
  for (let node = 0; node < 100; node++) {
    const members = mesh.members(node)
    t.true(members.length >= 5 && members.length < 12, `${node} has ${members.length}`)
    t.true(members.filter(link => network.isDialler[link] === 1).length >= 2)
    for (const peer of peersOf(node)) t.true(peersOf(peer ?? -1).includes(node))
    t.is(new Set(members).size, members.length)
  }
})

test('joining grafts six of those who are in the topic', t => {
  const { mesh, sent, peersOf } = meshOf(star(9))
  for (const node of [1, 2]) mesh.join(node)
  mesh.join(0)
  t.deepEqual(sent.sort(), ['graft 0>1', 'graft 0>2'])
  t.deepEqual([peersOf(0).sort(), peersOf(1)], [[1, 2], [0]])
  for (const node of [3, 4, 5, 6, 7, 8, 9]) mesh.join(node)
  t.is(peersOf(0).length, 9)
})

test('a GRAFT of who is not joined, or a second one, does nothing', t => {
  const { mesh, sent, linkOf, peersOf } = meshOf(star(2))
  mesh.onGraft(linkOf(0, 1))
  t.deepEqual([peersOf(0), sent], [[], []])
  mesh.join(0)
  mesh.onGraft(linkOf(0, 1))
  mesh.onGraft(linkOf(0, 1))
  t.deepEqual([peersOf(0), sent], [[1], []])
})

test('a full mesh refuses whom it did not dial, and accepts whom it did', t => {
  const { mesh, sent, linkOf, peersOf } = meshOf([...star(13), [0, 14, 10]])
  mesh.join(0)
  for (let node = 1; node <= 12; node++) mesh.join(node)
  t.is(peersOf(0).length, 12)
  sent.length = 0
  mesh.join(13)
  t.deepEqual(sent, ['graft 13>0', 'prune 0>13'])
  t.deepEqual([peersOf(0).length, peersOf(13)], [12, []])
  mesh.join(14)
  t.is(peersOf(0).length, 13)
  // Who was refused isn't grafted for a while, even if there is room.
  for (let node = 1; node <= 12; node++) mesh.lose(linkOf(0, node))
  sent.length = 0
  mesh.maintain(0)
  t.deepEqual([sent, peersOf(0)], [[], [14]])
})

test('a heartbeat cuts a full mesh to six, two of which the node dialled', t => {
  for (let seed = 1; seed <= 10; seed++) {
    const { network, mesh, sent, peersOf } = meshOf([...star(18), [0, 19, 10], [0, 20, 10]], seed)
    for (let node = 0; node <= 11; node++) mesh.join(node)
    for (const node of [19, 20]) mesh.join(node)
    t.is(peersOf(0).length, 13)
    sent.length = 0
    mesh.maintain(0)
    t.is(peersOf(0).length, 6)
    t.is(mesh.members(0).filter(link => network.isDialler[link] === 1).length, 2)
    t.is(sent.filter(what => what.startsWith('prune 0>')).length, 7)
    for (const peer of peersOf(0)) t.true(peersOf(peer ?? -1).includes(0))
  }
})

test('nobody is grafted before the back-off is over, at neither end', t => {
  const { network, mesh, sent, linkOf, peersOf } = meshOf(star(1))
  for (const node of [0, 1]) mesh.join(node)
  t.deepEqual([peersOf(0), peersOf(1)], [[1], [0]])
  mesh.onPrune(linkOf(0, 1))
  mesh.onPrune(linkOf(1, 0))
  sent.length = 0
  mesh.onGraft(linkOf(0, 1))
  t.deepEqual([sent.splice(0), peersOf(0)], [['prune 0>1'], []])
  network.timeline.next(network.nowMs + 59_999)
  for (const node of [0, 1]) mesh.maintain(node)
  t.deepEqual(sent, [])
  network.timeline.next(network.nowMs + 1)
  mesh.maintain(1)
  t.deepEqual([sent, peersOf(0)], [['graft 1>0'], [1]])
})

test('a mesh below five is filled to six, one with five is not', t => {
  const { mesh, linkOf, peersOf } = meshOf(star(9))
  for (let node = 9; node >= 0; node--) mesh.join(node)
  const [first = 0, second = 0] = peersOf(0)
  t.is(peersOf(0).length, 6)
  mesh.lose(linkOf(0, first))
  mesh.maintain(0)
  t.is(peersOf(0).length, 5)
  mesh.lose(linkOf(0, second))
  mesh.maintain(0)
  t.is(peersOf(0).length, 6)
  t.false([first, second].some(peer => peersOf(0).includes(peer)))
})

test('a peer that the transport gave up is neither a member nor told anything', t => {
  const { mesh, linkOf, peersOf } = meshOf(star(2))
  for (const node of [0, 1, 2]) mesh.join(node)
  mesh.lose(linkOf(0, 1))
  t.deepEqual([peersOf(0), mesh.subscribers(0), mesh.others(0)], [[2], [linkOf(0, 2)], []])
})

test('an author floods its own messages, if that is on', t => {
  const edges = overlay(100, 30)
  const payloads = (hasFloodPublish: boolean): number => {
    const stage = madeStage({ edges, authors: [0] })
    const { frames, redundancy, lastHop } = runGossipsub(stage, { hasFloodPublish })
    t.true(redundancy > 3 && redundancy < 9.5 && lastHop >= 2)
    return frames.payload ?? 0
  }
  t.true(payloads(true) > payloads(false) + 15)
})

test('who is outside of every mesh asks for what it hears of, from the next heartbeat on', t => {
  // The middle has 12 members and cuts them to six; the others can't be grafted for a minute, and know nobody else.
  const figures = runGossipsub(madeStage({ edges: star(12), authors: [0, 0, 0] }), { hasFloodPublish: false })
  t.deepEqual([figures.expected, figures.delivered, figures.redundancy], [36, 36, 0])
  t.is(figures.p50Ms, 10)
  t.true(figures.p99Ms > 30 && figures.p99Ms <= 1030)
  t.is(figures.maxHop, 1)
  t.true((figures.frames.iwant ?? 0) >= 12)
})

test('gossip alone is a matter of chance: three times six of many', t => {
  const { expected, delivered } = runGossipsub(madeStage({ edges: star(30), authors: Array(8).fill(0) }), {
    hasFloodPublish: false
  })
  // Of 30, 6 to 11 are in the mesh; of the others, 6 are told at each of three heartbeats.
  t.true(delivered > 0.6 * expected && delivered < 0.9 * expected, `${delivered} of ${expected}`)
})

test('ids are announced for three heartbeats, to a quarter of the others and at least to six', t => {
  const edges = overlay(80, 79)
  const { frames, delivered } = runGossipsub(madeStage({ edges, authors: Array(12).fill(0) }))
  // About 72 others each: 18 of them, three times.
  const ids = (frames.ids ?? 0) / delivered
  t.true(ids > 45 && ids < 56, `${ids} ids per delivery`)
  const few = runGossipsub(madeStage({ edges: overlay(80, 16), authors: Array(12).fill(0) }))
  const fewIds = (few.frames.ids ?? 0) / few.delivered
  t.true(fewIds > 14 && fewIds < 18.5, `${fewIds} ids per delivery`)
})

test('the sizes of frames are estimates of protobuf', t => {
  const { bytesPerDelivery } = runGossipsub(madeStage({ edges: LINE, authors: [0] }))
  t.is(bytesPerDelivery, 205)
})

test('nobody sends a message back to its author', t => {
  // The way by 1 is shorter: 2 has the message before its author's copy arrives.
  const edges: MadeEdge[] = [
    [0, 1, 10],
    [1, 2, 10],
    [0, 2, 100]
  ]
  const { frames, redundancy } = runGossipsub(madeStage({ edges, authors: [0] }))
  t.deepEqual([frames.payload, redundancy], [3, 0.5])
})

test('what was asked for has come one hop farther than to who supplied it', t => {
  // Leaves outside of the middle's mesh are heard of by gossip, and then pushed to the mesh.
  const authors = Array.from({ length: 12 }, (_, leaf) => leaf + 1)
  const figures = runGossipsub(madeStage({ edges: star(12), authors }), { hasFloodPublish: false })
  t.deepEqual([figures.delivered, figures.lastHop, figures.maxHop], [12 * 12, 2, 2])
})

test('a dropper announces what it does not supply', t => {
  const droppers = { nodes: [0], censored: null }
  const figures = runGossipsub(madeStage({ edges: star(12), authors: [1], droppers }))
  t.true((figures.frames.iwant ?? 0) > 0)
  t.true(figures.hits.withheld > 1)
  // Of no message that was delivered.
  t.is(figures.maxHop, 0)
})

test('half of all die: the mesh is repaired when the transport notices', t => {
  const dead = Array.from({ length: 100 }, (_, i) => 100 + i)
  const kills = [{ atMs: 3500, nodes: dead }]
  const authors = Array(25).fill(0)
  const stage = madeStage({ edges: overlay(200, 40), authors, warmUp: 3, kills })
  const { expected, delivered, afterKill, hits } = runGossipsub(stage)
  t.is(delivered, expected)
  t.true(hits.died > 0)
  t.is(afterKill?.firstSecond, 1)
  t.true((afterKill?.recoveredMs ?? Number.NaN) <= 16_000)
  const early = runGossipsub(stage, { transportTimeoutMs: 1000 })
  const late = runGossipsub(stage, { transportTimeoutMs: 1_000_000 })
  t.true((early.afterKill?.redundancyLater ?? 0) > (late.afterKill?.redundancyLater ?? 0) + 1)
})
