/**
 * What can go wrong, each kind with its own numbers; every kind counts how often it really hit.
 *
 * Faults happen between `START_MS` and `HEAL_MS`. Then everything heals: held streams go on, dead connections are dialled
 * again, and processes that crashed are up. Who was killed silently stays dead, and who lies goes on lying.
 */
import type { SimNode } from './node.js'
import type { Connection, World } from './world.js'

/** Kinds of fault. */
export const FAULT_KINDS = [
  'jitter',
  'partition',
  'crash',
  'silent-kill',
  'reconnect',
  'slow-link',
  'hostile',
  'skew',
  'slow-rules'
] as const

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
  }
  if (kinds.has('skew')) hits.skew += world.honest.filter(node => node.options.skewMs > 0).length
}
