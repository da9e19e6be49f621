/**
 * Fuzzes until it has had enough: `FUZZ=50000000 npm run test:fuzz`. Prints a line per decoder, and for a failure the input.
 *
 * FUZZ: inputs in all, default 10 million. SEED: default another one each time; it is printed. TARGET: that decoder only.
 */
import process from 'node:process'
import { inputsOf, readCorpus } from './corpus.js'
import { fuzz, type Report } from './fuzzer.js'
import { shareOf, TARGETS } from './targets.js'

const { FUZZ = '10000000', SEED = String(Math.floor(Date.now() / 1000)), TARGET } = process.env

function lineOf(
  { target, inputs, accepted, pool, slowestMs, largestBytes }: Report,
  seconds: number
): string {
  const share = `${((100 * accepted) / inputs).toFixed(1)} % accepted`
  const most = `at most ${slowestMs.toFixed(2)} ms, ${Math.round(largestBytes / 1024)} KB`
  return `${target}: ${inputs} inputs, ${share}, ${pool.size} shapes, ${most}, ${seconds.toFixed(1)} s`
}

function main(): void {
  const targets = TARGETS.filter(({ name }) => TARGET === undefined || name === TARGET)
  if (targets.length === 0)
    throw new Error(`no target ${TARGET}; there are ${TARGETS.map(({ name }) => name).join(', ')}`)
  console.log(`SEED=${SEED} FUZZ=${FUZZ}`)
  for (const target of targets) {
    const inputs = TARGET === undefined ? shareOf(target, Number(FUZZ)) : Number(FUZZ)
    const startMs = performance.now()
    const report = fuzz(target, { inputs, seed: Number(SEED), corpus: inputsOf(readCorpus(target.name)) })
    console.log(lineOf(report, (performance.now() - startMs) / 1000))
    if (report.failure === null) continue
    const { rule, input } = report.failure
    console.log(`  ${rule}: ${Buffer.from(input).toString('hex')}`)
    process.exitCode = 1
  }
}

main()
