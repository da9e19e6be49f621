/**
 * The pieces of which stages are drawn: who is connected to whom, who publishes when, who breaks.
 *
 * Every piece takes what it needs from one `Rng`, in a fixed order, so that a seed and the same options give the same
 * stage on every machine.
 */
import type { Rng } from '../rng.js'
import type { StageEdge, StagePublish } from './stage.js'

/** One-way latencies, uniform, ms. */
const LATENCY_MS = { min: 10, max: 50 }
/** Tries to find another partner for an edge that exists already. */
const MAX_SWAPS = 10_000

/** Draws the latency of an edge. */
export const drawLatency = (rng: Rng): number =>
  LATENCY_MS.min + rng.float() * (LATENCY_MS.max - LATENCY_MS.min)

/** `count` different numbers below `below`. */
export function drawSome(rng: Rng, count: number, below: number): number[] {
  return rng.shuffle(Array.from({ length: below }, (_, node) => node)).slice(0, count)
}

/**
 * A random graph in which each of `nodes` has `connections` edges; one has one less if the product is odd, and all are
 * connected to all if there are too few nodes. Drawn by pairing the ends at random, and swapping partners where an edge
 * would be a loop or a double.
 */
export function drawOverlay(rng: Rng, nodes: number, connections: number): StageEdge[] {
  if (connections >= nodes - 1) return drawMesh(rng, nodes)
  let ends: number[] = []
  for (let node = 0; node < nodes; node++) for (let i = 0; i < connections; i++) ends.push(node)
  ends = rng.shuffle(ends)
  if (ends.length % 2 === 1) ends.pop()
  const taken = new Set<number>()
  const keyOf = (a: number, b: number): number => Math.min(a, b) * nodes + Math.max(a, b)
  const pairs: [number, number][] = []
  const odd: [number, number][] = []
  for (let i = 0; i < ends.length; i += 2) {
    const [a, b] = [ends[i] as number, ends[i + 1] as number]
    if (a === b || taken.has(keyOf(a, b))) odd.push([a, b])
    else {
      taken.add(keyOf(a, b))
      pairs.push([a, b])
    }
  }
  // (a b) (c d) becomes (a c) (b d).
  for (const [a, b] of odd) {
    for (let i = 0; i < MAX_SWAPS; i++) {
      const index = rng.int(0, pairs.length - 1)
      const [c, d] = pairs[index] as [number, number]
      if (a === c || b === d || taken.has(keyOf(a, c)) || taken.has(keyOf(b, d))) continue
      if (keyOf(a, c) === keyOf(b, d)) continue
      taken.delete(keyOf(c, d))
      taken.add(keyOf(a, c)).add(keyOf(b, d))
      pairs[index] = [a, c]
      pairs.push([b, d])
      break
    }
  }
  return pairs.map(([from, to]) => ({ from, to, latencyMs: drawLatency(rng) }))
}

function drawMesh(rng: Rng, nodes: number): StageEdge[] {
  const edges: StageEdge[] = []
  for (let a = 0; a < nodes; a++) {
    for (let b = a + 1; b < nodes; b++) {
      const [from, to] = rng.chance(0.5) ? [a, b] : [b, a]
      edges.push({ from, to, latencyMs: drawLatency(rng) })
    }
  }
  return edges
}

/** How a stream of messages is drawn. */
export interface Traffic {
  readonly authors: readonly number[]
  /** The first message; then one after the other. */
  readonly fromMs: number
  readonly untilMs: number
  readonly perSecond: number
  /** Messages from then on are measured. */
  readonly measuredFromMs: number
  readonly bytes: number
}

/** Messages at an even pace, each of an author drawn at random. */
export function drawTraffic(rng: Rng, traffic: Traffic): StagePublish[] {
  const { authors, fromMs, untilMs, perSecond, measuredFromMs, bytes } = traffic
  const publishes: StagePublish[] = []
  const count = Math.round(((untilMs - fromMs) * perSecond) / 1000)
  for (let i = 0; i < count; i++) {
    const atMs = fromMs + (i * 1000) / perSecond
    publishes.push({ atMs, author: rng.pick(authors), bytes, isMeasured: atMs >= measuredFromMs })
  }
  return publishes
}
