/**
 * What happens on a stage, one function a kind: who publishes when, and what breaks. scenarios.ts gives them names and
 * sizes.
 */
import type { Rng } from '../rng.js'
import { drawLatency, drawSome, drawTraffic } from './draw.js'
import type { Stage, StageDowntime, StageEdge, StageKill, StageOutage, StagePublish } from './stage.js'

/** Links have been chosen by then. */
const TRAFFIC_MS = 3000
const WARM_UP_MS = 4000
/** After the last message: time for repair. */
const DRAIN_MS = 5000
/** The same, where a delivery has to be in time anyway. */
const SHORT_DRAIN_MS = 3200
/** The transport notices the death of the other end after so long: measured on UDX. */
export const TRANSPORT_TIMEOUT_MS = 13_000

/** What a body is drawn from. */
export interface Outline {
  readonly rng: Rng
  readonly nodes: number
  readonly authors: number
  readonly seconds: number
  readonly bytes: number
}

/** A stage without what all stages have. */
export type Body = Partial<Stage> & { publishes: readonly StagePublish[]; endMs: number }

/** Steady traffic of some authors, measured for `seconds` after the warm-up. */
export const steady =
  (perSecond: number, { fromMs = TRAFFIC_MS, warmUpMs = WARM_UP_MS, honest = 1 } = {}) =>
  ({ rng, nodes, authors, seconds, bytes }: Outline): Body => {
    const measuredFromMs = fromMs + warmUpMs
    const untilMs = measuredFromMs + seconds * 1000
    const publishers = drawSome(rng, authors, Math.round(nodes * honest))
    const traffic = { authors: publishers, fromMs, untilMs, perSecond, measuredFromMs, bytes }
    return { publishes: drawTraffic(rng, traffic), endMs: untilMs + DRAIN_MS }
  }

/** Messages from the beginning, all measured: of random authors, one per `gapMs`. */
export function cold({ rng, bytes }: Outline, authors: readonly number[], gapMs: number): Body {
  const publishes = authors.map((author, i) => ({
    atMs: TRAFFIC_MS + i * gapMs + rng.float() * Math.min(1, gapMs),
    author,
    bytes,
    isMeasured: true
  }))
  return { publishes, endMs: TRAFFIC_MS + authors.length * gapMs + DRAIN_MS }
}

/** Traffic of survivors over the silent death of a share of all; only what comes after it is measured. */
export const killed =
  (share: number) =>
  (outline: Outline): Body => {
    const { rng, nodes, authors, seconds, bytes } = outline
    const killMs = TRAFFIC_MS + WARM_UP_MS + 1000
    const order = drawSome(rng, nodes, nodes)
    const kill: StageKill = { atMs: killMs, nodes: order.slice(authors, authors + Math.round(nodes * share)) }
    const untilMs = killMs + seconds * 1000
    const publishers = order.slice(0, authors)
    const publishes = drawTraffic(rng, {
      authors: publishers,
      fromMs: TRAFFIC_MS,
      untilMs,
      perSecond: 10,
      measuredFromMs: killMs,
      bytes
    })
    return { publishes, kills: [kill], endMs: untilMs + DRAIN_MS }
  }

/** The last 30 % of the nodes drop; authors are among the others. Short, so that thousands of seeds are cheap. */
export const dropped =
  (about: { censors: boolean }) =>
  (outline: Outline): Body => {
    const { nodes, seconds } = outline
    const honest = nodes - Math.round(nodes * 0.3)
    const fromMs = TRAFFIC_MS - 1000
    const body = steady(6, { fromMs, warmUpMs: 0, honest: honest / nodes })(outline)
    const censored = about.censors ? (body.publishes[0]?.author ?? 0) : null
    const droppers = { nodes: Array.from({ length: nodes - honest }, (_, i) => honest + i), censored }
    return { ...body, droppers, endMs: fromMs + seconds * 1000 + SHORT_DRAIN_MS }
  }

/** Two halves that don't hear each other for a minute. */
export const partitioned =
  (direction: StageOutage['direction'], kind: StageOutage['kind']) =>
  (outline: Outline, edges: readonly StageEdge[]): Body => {
    const { rng, nodes } = outline
    const side = new Set(drawSome(rng, Math.floor(nodes / 2), nodes))
    const crossing = edges.flatMap(({ from, to }, index) => (side.has(from) === side.has(to) ? [] : [index]))
    const atMs = TRAFFIC_MS + WARM_UP_MS
    const outage = { atMs, untilMs: atMs + 60_000, edges: crossing, direction, kind }
    return { ...steady(5)(outline), outages: [outage] }
  }

/** Processes that crash and come back, some of them with another clock. */
export function churn(outline: Outline): Body {
  const { rng, nodes, seconds } = outline
  const body = steady(5)(outline)
  const authors = new Set(body.publishes.map(({ author }) => author))
  const others = drawSome(rng, nodes, nodes).filter(node => !authors.has(node))
  const crashes = Math.min(others.length, Math.round((nodes * 0.4 * seconds) / 60))
  const downtimes: StageDowntime[] = others.slice(0, crashes).map(node => {
    const atMs = TRAFFIC_MS + rng.int(0, WARM_UP_MS + seconds * 1000)
    const clockMs = rng.chance(0.5) ? 0 : rng.int(-5000, 5000)
    return { node, atMs, untilMs: atMs + rng.int(500, 5000), clockMs }
  })
  return { ...body, downtimes }
}

/** A hundred processes dial one node, and two others each so that they have something to tell; they pass nothing on. */
export function eclipse(outline: Outline, edges: readonly StageEdge[]): Body {
  const { rng, nodes } = outline
  const target = rng.int(0, nodes - 1)
  const sybils = Array.from({ length: 100 }, (_, i) => nodes + i)
  const dialled = sybils.flatMap(from => {
    const others = drawSome(rng, 3, nodes)
      .filter(node => node !== target)
      .slice(0, 2)
    return [target, ...others].map(to => ({
      from,
      to,
      latencyMs: drawLatency(rng),
      openMs: rng.int(1, 2000)
    }))
  })
  return {
    ...steady(10)(outline),
    nodes: nodes + sybils.length,
    edges: [...edges, ...dialled],
    droppers: { nodes: sybils, censored: null },
    target
  }
}

/** Everybody starts within 3 s, 30 % of all drop from the start, and there is traffic at once. */
export function coldBoot(outline: Outline): Body {
  const { rng, nodes } = outline
  const honest = nodes - Math.round(nodes * 0.3)
  const body = steady(5, { fromMs: TRAFFIC_MS, warmUpMs: 10_000, honest: honest / nodes })(outline)
  const downtimes = Array.from({ length: nodes }, (_, node) => ({
    node,
    atMs: 0,
    untilMs: rng.int(1, TRAFFIC_MS),
    clockMs: 0
  }))
  return { ...body, downtimes, droppers: { nodes: drawRange(honest, nodes), censored: null } }
}

const drawRange = (from: number, until: number): number[] =>
  Array.from({ length: until - from }, (_, i) => from + i)

/** Honest until traffic has flown for a while; then 30 % of all drop. */
export function turned(outline: Outline): Body {
  const { nodes } = outline
  const honest = nodes - Math.round(nodes * 0.3)
  const fromMs = TRAFFIC_MS + WARM_UP_MS
  const droppers = { nodes: drawRange(honest, nodes), censored: null, fromMs }
  return { ...steady(5, { honest: honest / nodes })(outline), droppers }
}

/** A tenth of the nodes hears nothing and says nothing for almost as long as a transport bears it; then all comes at once. */
export function stalled(outline: Outline, edges: readonly StageEdge[]): Body {
  const body = steady(5)(outline)
  const authors = new Set(body.publishes.map(({ author }) => author))
  const others = drawSome(outline.rng, outline.nodes, outline.nodes).filter(node => !authors.has(node))
  const still = new Set(others.slice(0, Math.ceil(outline.nodes / 10)))
  const held = edges.flatMap(({ from, to }, index) => (still.has(from) || still.has(to) ? [index] : []))
  const atMs = TRAFFIC_MS + WARM_UP_MS + 500
  const untilMs = atMs + TRANSPORT_TIMEOUT_MS - 1000
  return { ...body, outages: [{ atMs, untilMs, edges: held, direction: 'both', kind: 'held' }] }
}

/** Each tenth connection is closed at the end that was dialled, and open at the other. */
export function halfOpen(outline: Outline, edges: readonly StageEdge[]): Body {
  const body = steady(5)(outline)
  const some = drawSome(outline.rng, Math.ceil(edges.length / 10), edges.length)
  const atMs = TRAFFIC_MS + WARM_UP_MS + 500
  const untilMs = atMs + TRANSPORT_TIMEOUT_MS
  const outage = { atMs, untilMs, edges: some, direction: 'both', kind: 'half-open' } as const
  return { ...body, outages: [outage] }
}
