/** What a campaign prints: table, what broke, and how to play a failing seed again. */
import { type Command, replayOf } from './arguments.js'
import type { SeedResult } from './campaign.js'
import { highest } from './measure.js'
import type { Hits } from './network.js'
import { SCENARIOS } from './scenarios.js'
import { tableOf } from './table.js'

/** Failing seeds that are told one by one. */
const MAX_TOLD = 20

/** The report of a campaign that took `tookS` seconds. */
export function report(command: Command, results: readonly SeedResult[], tookS: number): string {
  const { scenario, seeds, peers } = command
  const { about, isPlain } = SCENARIOS[scenario] as (typeof SCENARIOS)[string]
  const failed = results.filter(({ faults }) => faults.length > 0)
  const counts = sumOf(results)
  const brackets = seeds.length > 1 ? 'Means over seeds, the worst seed in brackets.' : ''
  const hash = seeds.length === 1 ? `hash ${results[0]?.outcome.hash}; ` : ''
  return [
    `${scenario}: ${about}; ${seeds.length === 1 ? `seed ${seeds[0]}` : `${seeds.length} seeds`}`,
    '',
    tableOf(scenario, results),
    '',
    `RMR: copies received per delivery - 1. LDH: hops of the last delivery. ${brackets}`.trim(),
    `AUTHOR frames per delivery, not in control: ${counts.bindings.toFixed(3)}.`,
    `Slowest delivery: ${counts.slowestMs.toFixed(0)} ms after there was a path.`,
    ...(peers && !isPlain ? ['No model of another system can play this stage.'] : []),
    `hits: ${listOf(counts.hits)}`,
    `refused input: ${listOf(counts.drops)}; points charged: ${counts.points}; channels closed: ${listOf(counts.closes)}`,
    `${hash}${tookS.toFixed(1)} s; ${failed.length} of ${results.length} seeds failed`,
    ...failed
      .slice(0, MAX_TOLD)
      .flatMap(({ seed, faults }) => [`  ${replayOf(command, seed)}`, ...faults.map(fault => `    ${fault}`)])
  ].join('\n')
}

/** Sums over seeds of what the table has no room for. */
function sumOf(results: readonly SeedResult[]) {
  const hits: Record<string, number> = {}
  const drops: Record<string, number> = {}
  const closes: Record<string, number> = {}
  let points = 0
  for (const { outcome } of results) {
    add(hits, outcome.hits)
    add(drops, outcome.drops)
    add(closes, outcome.closes)
    points += outcome.points
  }
  const bindings = results.reduce((sum, { outcome }) => sum + outcome.bindingsPerDelivery, 0) / results.length
  const slowestMs = highest(results.map(({ outcome }) => outcome.slowestMs))
  return { hits, drops, closes, points: Math.round(points), bindings, slowestMs }
}

function add(to: Record<string, number>, from: Readonly<Record<string, number>> | Hits): void {
  for (const [key, value] of Object.entries(from)) to[key] = (to[key] ?? 0) + value
}

function listOf(counts: Readonly<Record<string, number>>): string {
  const list = Object.entries(counts).filter(([, count]) => count > 0)
  return list.length === 0 ? 'none' : list.map(([key, count]) => `${key} ${count}`).join(', ')
}
