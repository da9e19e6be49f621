/**
 * What can go wrong, each kind with its own numbers; every kind counts how often it really hit.
 *
 * Faults happen between `START_MS` and `HEAL_MS`. Then everything heals: held streams go on, dead connections are dialled
 * again, and processes that crashed are up. Who was killed silently stays dead, and who lies goes on lying.
 */
import type { SimNode } from './node.js'
import type { Connection, World } from './world.js'

/** Kinds of fault; those from 'one-way' on aren't drawn, only asked for. */
export const FAULT_KINDS = [
  'jitter',
  'partition',
  'crash',
  'silent-kill',
  'reconnect',
  'slow-link',
  'hostile',
  'skew',
  'slow-rules',
  'one-way',
  'mass-kill',
  'clock'
] as const

/** Kinds that a seed may draw. */
export const DRAWN_KINDS: readonly FaultKind[] = FAULT_KINDS.slice(0, FAULT_KINDS.indexOf('one-way'))

/** A kind of fault. */
export type FaultKind = (typeof FAULT_KINDS)[number]

/** Virtual ms: from here on things break. */
const START_MS = 500
/** Virtual ms: from here on nothing breaks any more. */
export const HEAL_MS = 6000
/** A transport takes this long to find out that the other end is dead. */
const TRANSPORT_TIMEOUT_MS = 13_000

/** How often each kind hit. */
export type Hits = Record<FaultKind, number>

/** No hits. */
export const noHits = (): Hits => Object.fromEntries(FAULT_KINDS.map(kind => [kind, 0])) as Hits

/** Runs `fault` at random moments, `times` times. */
function atRandom(world: World, times: number, fault: () => void): void {
  for (let i = 0; i < times; i++) world.queue.at(world.rng.int(START_MS, HEAL_MS - 100), fault)
}

const somebodyUp = (world: World): SimNode | undefined => {
  const up = world.honest.filter(node => node.isUp && !node.isSilent)
  // Somebody has to be left to talk with.
  return up.length > 2 ? world.rng.pick(up) : undefined
}

function partition(world: World, hits: Hits): void {
  const side = new Set(world.honest.filter(() => world.rng.chance(0.5)))
  const crosses = ({ edge }: Connection): boolean => side.has(edge.from) !== side.has(edge.to)
  const stalled = world.open().filter(crosses)
  if (stalled.length === 0) return
  hits.partition++
  // Sometimes one way only.
  const oneWay = world.rng.chance(0.3)
  for (const { wires } of stalled) for (const wire of oneWay ? wires.slice(0, 1) : wires) wire.stall()
  const endMs = Math.min(world.queue.nowMs + world.rng.int(500, 4000), HEAL_MS)
  const tears = world.rng.chance(0.3)
  world.queue.at(endMs, () => {
    for (const connection of stalled) {
      for (const wire of connection.wires) wire.resume()
      if (tears) world.cut(connection)
    }
  })
}

/** A third of the connections, or more, carry nothing one way for longer than a silent link is borne. */
function oneWay(world: World, hits: Hits): void {
  const stalled = world.open().flatMap(({ wires }) => (world.rng.chance(0.4) ? [world.rng.pick(wires)] : []))
  if (stalled.length === 0) return
  hits['one-way']++
  for (const wire of stalled) wire.stall()
  const endMs = Math.min(world.queue.nowMs + world.rng.int(3000, 5000), HEAL_MS)
  world.queue.at(endMs, () => {
    for (const wire of stalled) wire.resume()
  })
}

/** Ends all jitter: what repair has time for is counted in round trips of links as they are drawn. */
function calm(world: World): void {
  for (const edge of world.edges) edge.wire.jitterMs = 0
  for (const { wires } of world.open()) for (const wire of wires) wire.options.jitterMs = 0
}

/** Most die at once, early enough that the rest notices before the end. */
function arrangeMassKill(world: World, hits: Hits): void {
  world.queue.at(world.rng.int(1500, 2500), () => {
    const victims = world.rng
      .shuffle(world.honest)
      .slice(0, Math.floor(world.honest.length * world.killShare))
    for (const node of victims) killOne(world, node)
    hits['mass-kill'] += victims.length
  })
}

/** Puts a clock wrong; by less than twice the bound, so that nobody is charged for it. */
function moveClock(world: World, hits: Hits): void {
  const node = somebodyUp(world)
  if (node === undefined) return
  hits.clock++
  const ms = world.rng.pick([300, 1500, 4000, 6000, 8000])
  const { boot } = node
  node.moveClock(world.rng.chance(0.5) ? ms : -ms)
  world.queue.at(Math.min(world.queue.nowMs + world.rng.int(100, 3000), HEAL_MS), () => {
    if (node.boot === boot) node.moveClock(0)
  })
}

function crash(world: World, hits: Hits): void {
  const node = somebodyUp(world)
  if (node === undefined) return
  hits.crash++
  node.crash()
  const backMs = Math.min(world.queue.nowMs + world.rng.int(0, 2000), HEAL_MS)
  world.queue.at(backMs, () => {
    node.restart()
    for (const edge of world.edges) if (edge.from === node || edge.to === node) world.redial(edge)
  })
}

function killSilently(world: World, hits: Hits): void {
  const node = somebodyUp(world)
  if (node === undefined) return
  hits['silent-kill']++
  killOne(world, node)
}

function killOne(world: World, node: SimNode): void {
  node.isSilent = true
  const dead = world.open().filter(({ edge }) => edge.from === node || edge.to === node)
  for (const edge of world.edges) if (edge.from === node || edge.to === node) edge.isGone = true
  for (const connection of dead) world.queue.after(TRANSPORT_TIMEOUT_MS, () => world.cut(connection))
}

function reconnect(world: World, hits: Hits): void {
  const open = world.open()
  if (open.length === 0) return
  const before = world.lost
  world.cut(world.rng.pick(open))
  // A cut that took nothing with it isn't much of a fault.
  if (world.lost > before) hits.reconnect++
}

function slowLink(world: World, hits: Hits): void {
  const open = world.open()
  if (open.length === 0) return
  hits['slow-link']++
  const { wires } = world.rng.pick(open)
  const wire = world.rng.pick(wires)
  wire.setWidth(world.rng.pick([2, 10, 50]))
  world.queue.at(HEAL_MS, () => wire.setWidth(Number.POSITIVE_INFINITY))
}

/** Arranges the faults of these kinds; `hits` counts while the world runs. Skew, rules and liars are part of the world. */
export function arrangeFaults(world: World, kinds: ReadonlySet<FaultKind>, hits: Hits): void {
  const { rng } = world
  if (kinds.has('partition')) atRandom(world, rng.int(1, 3), () => partition(world, hits))
  if (kinds.has('one-way')) atRandom(world, rng.int(1, 2), () => oneWay(world, hits))
  if (kinds.has('mass-kill')) arrangeMassKill(world, hits)
  if (kinds.has('clock')) atRandom(world, rng.int(1, 4), () => moveClock(world, hits))
  if (kinds.has('crash')) atRandom(world, rng.int(1, 4), () => crash(world, hits))
  if (kinds.has('silent-kill')) {
    atRandom(world, rng.int(1, Math.max(1, Math.floor(world.honest.length / 3))), () =>
      killSilently(world, hits)
    )
  }
  if (kinds.has('reconnect')) atRandom(world, rng.int(2, 12), () => reconnect(world, hits))
  if (kinds.has('slow-link')) atRandom(world, rng.int(1, 4), () => slowLink(world, hits))
  if (kinds.has('jitter')) {
    for (const edge of world.edges) {
      edge.wire.jitterMs = rng.pick([20, 100, 400])
      hits.jitter++
    }
    world.queue.at(HEAL_MS, () => calm(world))
  }
  if (kinds.has('skew')) hits.skew += world.honest.filter(node => node.options.skewMs > 0).length
}
