/**
 * One run: a world from a seed, traffic, faults, healing, and the judgement.
 *
 *   1 ms .. HEAL_MS      processes publish, faults happen
 *   HEAL_MS .. +0.5 s    the last messages
 *   + REPAIR_MS          G4: everybody has what lived long enough
 *   + ttl + skew         G8: nothing circulates any more, G6: nothing is kept
 */
import { TopicCore } from '@hearsay/gossip/core'
import type { IdentityMaker } from './crypto.js'
import { arrangeFaults, DRAWN_KINDS, type FaultKind, HEAL_MS, type Hits, noHits } from './faults.js'
import { corrupt, type HostileOptions } from './hostile.js'
import type { NodeOptions } from './node.js'
import { Rng } from './rng.js'
import { World, type WorldOptions } from './world.js'

/** What a run does; all that isn't given is drawn from the seed. */
export interface RunOptions {
  /** Honest processes. Default: 3 to 12. */
  readonly nodes?: number
  /** Default: 0 to 4 kinds, drawn. */
  readonly faults?: readonly FaultKind[]
  /** Messages. Default 20 to 40. */
  readonly messages?: number
  /** Largest payload in bytes; one in ten is up to this. Default 6,000. */
  readonly maxBytes?: number
  readonly degree?: number
  /** Who publishes: so many of the processes. Default: all. */
  readonly authors?: number
  /** What it may cost, as shares of the batches that are delivered. Default: anything. */
  readonly cost?: { readonly repairs: number; readonly pushes: number }
  readonly hostile?: Partial<HostileOptions>
  readonly world?: Partial<WorldOptions>
  readonly identities?: IdentityMaker
  readonly makeCore?: NodeOptions['makeCore']
  readonly traces?: boolean
}

/** What a run saw. */
export interface RunResult {
  readonly seed: number
  readonly kinds: readonly FaultKind[]
  /** Equal for equal seeds. */
  readonly hash: string
  readonly hits: Hits
  readonly counts: World['checker']['counts']
  readonly drops: ReadonlyMap<string, number>
  /** Deliveries that G4 asked for. */
  readonly required: number
  /** Delays from publish to delivery, virtual ms, ascending. */
  readonly delays: readonly number[]
  /** Honest connections when the world had healed, and how many of them were compared at both ends. */
  readonly connections: number
  readonly agreed: number
  /** What ordered subscriptions read, and ranges that they were told to be missing. */
  readonly ordered: { readonly read: number; readonly skipped: number }
  readonly lines: readonly string[]
}

/** Time that repair has after healing, virtual ms. */
const REPAIR_MS = 2500
const LAST_PUBLISH_MS = HEAL_MS + 500
/** What a moved clock may be ahead. */
const MAX_AHEAD_MS = 8000

function drawKinds(rng: Rng): FaultKind[] {
  return rng.shuffle(DRAWN_KINDS).slice(0, rng.int(0, 4))
}

/** Publishes `messages` payloads at random, some of them in bursts that share a batch. */
function arrangeTraffic(
  world: World,
  { messages, maxBytes, authors }: { messages: number; maxBytes: number; authors: number }
): void {
  const { rng } = world
  let left = messages
  while (left > 0) {
    const burst = Math.min(left, rng.chance(0.2) ? rng.int(2, 8) : 1)
    left -= burst
    const first = left
    world.queue.at(rng.int(20, LAST_PUBLISH_MS), () => {
      const up = world.honest.filter(node => node.isUp && !node.isSilent).slice(0, authors)
      const node = rng.pick(up)
      for (let i = 0; i < burst; i++) {
        const payload = rng.bytes(rng.chance(0.1) ? rng.int(200, maxBytes) : rng.int(8, 200))
        new DataView(payload.buffer).setUint32(0, first + i)
        node.publish(payload)
      }
    })
  }
}

/** Runs a seed; throws at the first broken invariant. Equal arguments give equal results. */
export function run(seed: number, options: RunOptions = {}): RunResult {
  const draw = new Rng(seed)
  const kinds = options.faults ?? drawKinds(draw)
  const has = (kind: FaultKind): boolean => kinds.includes(kind)
  const skewMs = has('skew') ? 1500 : 0
  const hits = noHits()
  const world = new World({
    seed: draw.uint32(),
    nodes: options.nodes ?? draw.int(3, 12),
    degree: options.degree ?? draw.int(2, 5),
    hostile: has('hostile') ? draw.int(1, 2) : 0,
    skewMs,
    thinksMs: has('slow-rules') ? draw.pick([1, 20, 200]) : null,
    makeCore: options.makeCore ?? (core => new TopicCore(core)),
    ...(options.identities === undefined ? {} : { identities: options.identities }),
    ...(options.traces === undefined ? {} : { traces: options.traces }),
    ...options.world
  })
  const lies = {
    forges: 0.02,
    swallows: draw.pick([0, 0.5, 1]),
    replays: 3,
    predicts: false,
    ...options.hostile
  }
  for (const node of world.hostile) corrupt(node, world, { options: lies, hits })
  arrangeFaults(world, new Set(kinds), hits)
  const { maxBytes = 6000, authors = Number.POSITIVE_INFINITY, cost } = options
  arrangeTraffic(world, { messages: options.messages ?? draw.int(20, 40), maxBytes, authors })
  return judge(world, { seed, kinds, hits, skewMs, cost })
}

function judge(
  world: World,
  about: Pick<RunResult, 'seed' | 'kinds' | 'hits'> & { skewMs: number; cost: RunOptions['cost'] }
): RunResult {
  const { seed, kinds, hits, skewMs, cost } = about
  const { checker, queue, limits } = world
  queue.runUntil(LAST_PUBLISH_MS + REPAIR_MS + 100)
  const connections = world.open().filter(({ edge }) => !edge.from.options.isHostile).length
  const required = checker.checkDelivered({ healedAtMs: HEAL_MS, marginMs: REPAIR_MS, skewMs })
  if (cost !== undefined) checker.checkCost(cost)
  const agreed = checker.trees.checkAgreement(world.open(), queue.nowMs)
  world.rest()
  const aheadMs = kinds.includes('clock') ? MAX_AHEAD_MS : 0
  const expiredMs = LAST_PUBLISH_MS + limits.ttlMs + limits.maxSkewMs + skewMs + aheadMs + 1000
  queue.runUntil(expiredMs + 1500)
  checker.checkQuiet(expiredMs)
  checker.checkReleased(world.honest)
  if (kinds.includes('slow-rules')) hits['slow-rules'] += checker.counts.deliveries
  const { counts, drops, delays, lines } = checker
  delays.sort((a, b) => a - b)
  const { read, skipped } = checker.order
  const seen = { hits, counts, drops, required, delays, connections, agreed, lines }
  return { seed, kinds, hash: checker.hash.value, ...seen, ordered: { read, skipped } }
}
