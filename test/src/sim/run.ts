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
import { arrangeFaults, FAULT_KINDS, type FaultKind, HEAL_MS, type Hits, noHits } from './faults.js'
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
  /** Honest connections when the world had healed. */
  readonly connections: number
  readonly lines: readonly string[]
}

/** Time that repair has after healing, virtual ms. */
const REPAIR_MS = 2500
const LAST_PUBLISH_MS = HEAL_MS + 500

function drawKinds(rng: Rng): FaultKind[] {
  return rng.shuffle(FAULT_KINDS).slice(0, rng.int(0, 4))
}

/** Publishes `messages` payloads at random, some of them in bursts that share a batch. */
function arrangeTraffic(world: World, messages: number, maxBytes: number): void {
  const { rng } = world
  let left = messages
  while (left > 0) {
    const burst = Math.min(left, rng.chance(0.2) ? rng.int(2, 8) : 1)
    left -= burst
    const first = left
    world.queue.at(rng.int(20, LAST_PUBLISH_MS), () => {
      const up = world.honest.filter(node => node.isUp && !node.isSilent)
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
  arrangeTraffic(world, options.messages ?? draw.int(20, 40), options.maxBytes ?? 6000)
  return judge(world, { seed, kinds, hits, skewMs })
}

function judge(
  world: World,
  { seed, kinds, hits, skewMs }: Pick<RunResult, 'seed' | 'kinds' | 'hits'> & { skewMs: number }
): RunResult {
  const { checker, queue, limits } = world
  queue.runUntil(LAST_PUBLISH_MS + REPAIR_MS + 100)
  const connections = world.open().filter(({ edge }) => !edge.from.options.isHostile).length
  const required = checker.checkDelivered({ healedAtMs: HEAL_MS, marginMs: REPAIR_MS, skewMs })
  world.rest()
  const expiredMs = LAST_PUBLISH_MS + limits.ttlMs + limits.maxSkewMs + skewMs + 1000
  queue.runUntil(expiredMs + 1500)
  checker.checkQuiet(expiredMs)
  checker.checkReleased(world.honest)
  if (kinds.includes('slow-rules')) hits['slow-rules'] += checker.counts.deliveries
  const { counts, drops, delays, lines } = checker
  delays.sort((a, b) => a - b)
  return { seed, kinds, hash: checker.hash.value, hits, counts, drops, required, delays, connections, lines }
}
