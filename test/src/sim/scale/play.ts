/** One run: a stage is played by production cores, and judged. */
import { arrangeBreaks } from './breaks.js'
import { type Measured, measure } from './measure.js'
import { type Hits, Network, type NetworkOptions } from './network.js'
import { expectedOf } from './paths.js'
import type { Stage } from './stage.js'

/** What a run saw. Plain data. */
export interface Outcome extends Measured {
  readonly seed: number
  /** Equal for equal stages and cores. */
  readonly hash: string
  readonly hits: Hits
  /** Entries of the agenda. */
  readonly steps: number
  /** Deliveries of what a process had delivered already in the same life: 0. */
  readonly doubles: number
  /** Messages that cores gave up. */
  readonly gaps: number
  /** Why cores refused input, and the points that they charged for it. */
  readonly drops: Readonly<Record<string, number>>
  readonly points: number
  /** Why cores closed channels. */
  readonly closes: Readonly<Record<string, number>>
  /** Of `stage.target`: active links that it dialled to honest nodes; null: there is no target. */
  readonly targetLinks: number | null
}

/** Plays a stage. Equal arguments give equal outcomes. */
export function play(stage: Stage, options: NetworkOptions = {}): Outcome {
  const network = new Network(stage, options)
  arrangeBreaks(network)
  network.run(stage.endMs)
  const { tally, hits, hash, agenda } = network
  return {
    ...measure(tally, expectedOf(stage)),
    seed: stage.seed,
    hash,
    hits,
    steps: agenda.steps,
    doubles: tally.doubles,
    gaps: tally.gaps,
    drops: Object.fromEntries(tally.drops),
    points: tally.points,
    closes: Object.fromEntries(tally.closes),
    targetLinks: targetLinksOf(network)
  }
}

function targetLinksOf({ stage, processes }: Network): number | null {
  const target = stage.target === undefined ? undefined : processes[stage.target]
  if (target?.core == null) return null
  const honest = target.core.links().filter(({ link, role }) => {
    const port = target.ports.get(link)
    return (
      role === 'active' &&
      port !== undefined &&
      port.edge.from === target &&
      port.remote.node.withholds === null
    )
  })
  return honest.length
}
