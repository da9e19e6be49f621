/** Is a run as it has to be? Also: did everything break that was to break? */
import type { Outcome } from './play.js'
import type { Scenario } from './scenarios.js'
import type { Stage } from './stage.js'

/** Active links to honest nodes that an attacked node dialled itself, at least. */
const MIN_TARGET_LINKS = 2

/** Why a seed fails, one line each; empty: it doesn't. */
export function faultsOf(scenario: Scenario, stage: Stage, outcome: Outcome): string[] {
  return [...missFaults(scenario, outcome), ...conductFaults(outcome), ...hitFaults(stage, outcome)]
}

function missFaults({ mustDeliver, withinMs }: Scenario, { figures, missed, slowestMs }: Outcome): string[] {
  const faults: string[] = []
  if (figures.expected === 0) faults.push('nothing had to be delivered')
  if (!mustDeliver) return faults
  const count = figures.expected - figures.delivered
  if (count > 0) {
    const told = missed.slice(0, 3).map(({ message, node }) => `message ${message} at node ${node}`)
    faults.push(`missed ${count} of ${figures.expected}: ${told.join(', ')}`)
  }
  if (withinMs !== null && slowestMs > withinMs) {
    faults.push(`the slowest delivery took ${Math.round(slowestMs)} ms, allowed are ${withinMs}`)
  }
  return faults
}

function conductFaults({ doubles, hits, targetLinks }: Outcome): string[] {
  const faults: string[] = []
  if (doubles > 0) faults.push(`${doubles} deliveries came twice`)
  if (hits.refused > 0) faults.push(`honest nodes closed ${hits.refused} links to honest nodes`)
  if (targetLinks !== null && targetLinks < MIN_TARGET_LINKS) {
    faults.push(`the attacked node kept ${targetLinks} honest links of its own`)
  }
  return faults
}

/** Faults of a stage that hit nothing: such a run proves nothing. */
export function hitFaults(stage: Stage, { hits }: Pick<Outcome, 'hits'>): string[] {
  const { outages = [], downtimes = [] } = stage
  const wanted: readonly (readonly [name: string, isWanted: boolean, hit: number])[] = [
    ['loss', stage.loss > 0, hits.lost],
    ['kill', stage.kills.some(({ nodes }) => nodes.length > 0), hits.died],
    ['dropper', (stage.droppers?.nodes.length ?? 0) > 0, hits.withheld],
    ['outage that holds', outages.some(({ kind }) => kind === 'held'), hits.held],
    ['outage that loses', outages.some(({ kind }) => kind === 'lost'), hits.swallowed],
    ['cut', outages.some(({ kind }) => kind === 'cut' || kind === 'half-open'), hits.cut],
    ['crash', downtimes.some(({ atMs }) => atMs > 0), hits.crashed],
    ['clock', downtimes.some(({ clockMs }) => clockMs !== 0), hits.moved],
    ['narrow uplink', stage.bytesPerMs < Number.POSITIVE_INFINITY, hits.queued],
    ['slow CPU', stage.frameCostMs > 0, hits.served]
  ]
  return wanted.flatMap(([name, isWanted, hit]) => (isWanted && hit === 0 ? [`no ${name} hit`] : []))
}
