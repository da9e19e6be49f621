/**
 * Runs one seed again, with its trace: `SEED=7 npm run test:sim`, `SEED=7 SCENARIO=crash npm run test:sim`.
 * Without SEED: 2,000 seeds (or SEEDS), from 1 on (or FROM).
 */
import process from 'node:process'
import { type RunResult, run } from './run.js'
import { SCENARIOS } from './scenarios.js'

const { SEED, SCENARIO = 'drawn', SEEDS = '2000', FROM = '1', TRACE } = process.env

function report({ seed, kinds, hash, counts, hits, drops, required, delays }: RunResult): void {
  const middle = delays[Math.floor(delays.length / 2)] ?? 0
  const last = delays.at(-1) ?? 0
  const faults = kinds.join(', ') || 'no faults'
  console.log(
    `seed ${seed}: ${faults}; ${required} deliveries asked for; delay ${middle.toFixed(0)}, at most ${last.toFixed(0)} ms`
  )
  console.log(`  ${JSON.stringify({ ...counts, ...hits, ...Object.fromEntries(drops) })} hash ${hash}`)
}

function main(): void {
  const options = SCENARIOS[SCENARIO]
  if (options === undefined)
    throw new Error(`no scenario ${SCENARIO}; there are ${Object.keys(SCENARIOS).join(', ')}`)
  if (SEED !== undefined) {
    const result = run(Number(SEED), { ...options, traces: true })
    if (TRACE !== undefined) console.log(result.lines.join('\n'))
    report(result)
    return
  }
  const startMs = performance.now()
  let failures = 0
  for (let seed = Number(FROM); seed < Number(FROM) + Number(SEEDS); seed++) {
    try {
      run(seed, options)
    } catch (error) {
      failures++
      console.log(
        `SEED=${seed} SCENARIO=${SCENARIO} npm run test:sim\n  ${(error as Error).message.split('\n')[0]}`
      )
    }
  }
  console.log(`${SEEDS} seeds, ${failures} failed, ${((performance.now() - startMs) / 1000).toFixed(1)} s`)
  process.exitCode = failures === 0 ? 0 : 1
}

main()
