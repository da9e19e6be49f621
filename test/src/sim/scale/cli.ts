/** `npm run sim -- <scenario>`: plays a scenario and prints what it measured. Exit code 1: a seed failed; 2: usage. */
import { writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import process from 'node:process'
import { type Command, readArguments, USAGE, UsageError } from './arguments.js'
import { runCampaign, type SeedResult } from './campaign.js'
import { play } from './play.js'
import { plotOf } from './plot.js'
import { report } from './report.js'
import { SCENARIOS } from './scenarios.js'

/** Stages larger than this are played one at a time: one fills the memory that there is. */
const LARGE_NODES = 2500
async function main(): Promise<number> {
  const command = readArguments(process.argv.slice(2))
  const { scenario: name, options, seeds } = command
  const scenario = SCENARIOS[name] as (typeof SCENARIOS)[string]
  const [first = 1] = seeds
  if (command.trace) {
    play(scenario.draw(first, options), { trace: printTrace })
    return 0
  }
  const isLarge = (options.nodes ?? scenario.nodes) > LARGE_NODES
  const startMs = performance.now()
  const progress = progressOf(seeds.length)
  const results = await runCampaign(command, progress, isLarge ? 1 : availableParallelism())
  const tookS = (performance.now() - startMs) / 1000
  if (command.plot !== null) plot(command, first, results)
  if (command.json) console.log(JSON.stringify({ command, results }, null, 1))
  else console.log(report(command, results, tookS))
  return results.some(({ faults }) => faults.length > 0) ? 1 : 0
}

/** For somebody who waits: how far it is, once a while, where a terminal shows it. */
function progressOf(seeds: number): () => void {
  let done = 0
  return () => {
    done++
    if (process.stderr.isTTY) process.stderr.write(done < seeds ? `\r${done} of ${seeds} seeds` : '\r\x1b[K')
  }
}

function plot(command: Command, seed: number, results: readonly SeedResult[]): void {
  const { about, draw } = SCENARIOS[command.scenario] as (typeof SCENARIOS)[string]
  const stage = draw(seed, command.options)
  const kept = results.find(result => result.seed === seed)?.outcome.fates ?? []
  const fates = kept.length > 0 ? kept : play(stage).fates
  writeFileSync(command.plot as string, plotOf(stage, fates, about))
}

const printTrace = (atMs: number, node: number, event: object): void => {
  process.stdout.write(`${JSON.stringify({ atMs: Math.round(atMs * 1000) / 1000, node, ...event })}\n`)
}

try {
  process.exitCode = await main()
} catch (error) {
  if (!(error instanceof UsageError)) throw error
  console.error(`${error.message}\n\n${USAGE}`)
  process.exitCode = 2
}
