import test from 'ava'
import { Violation } from './checks.js'
import type { FaultKind } from './faults.js'
import { type RunOptions, run } from './run.js'
import { SCENARIOS } from './scenarios.js'
import * as variants from './variants.js'

/** Seeds that a bug may need to show itself. */
const SEEDS = 30

const planted: [variant: variants.Variant, scenario: string, invariants: string, more?: RunOptions][] = [
  [variants.marksBeforeVerifying, 'hostile-foresight', 'G4'],
  [variants.highestSeqWins, 'reconnect', 'G4'],
  [variants.forgetsAtExpiry, 'skew', 'G2'],
  [variants.silentAtJoin, 'crash', 'G4'],
  [variants.neverAsks, 'reconnect', 'G4'],
  [variants.neverForwards, 'partition', 'G4'],
  [variants.believesAll, 'hostile', 'G1 G2'],
  [variants.neverExpires, 'hostile', 'G3 G8', { faults: ['hostile', 'crash'] satisfies FaultKind[] }],
  [variants.echoes, 'calm', 'A2'],
  [variants.punishesDuplicates, 'calm', 'G7'],
  [variants.reusesSeqs, 'calm', 'G9'],
  [variants.movesOnRefusal, 'hostile', 'G10'],
  [variants.circulates, 'calm', 'G8']
]

for (const [variant, scenario, invariants, more = {}] of planted) {
  test(`planted: ${variant.name} breaks ${invariants} in '${scenario}'`, t => {
    const options = { ...SCENARIOS[scenario], ...more }
    const found = Array.from({ length: SEEDS }, (_, index) => index + 1).find(seed => {
      try {
        run(seed, { ...options, makeCore: variant })
        return false
      } catch (error) {
        t.true(error instanceof Violation, String(error))
        const [invariant = ''] = (error as Error).message.split(' ')
        t.true(invariants.split(' ').includes(invariant), (error as Error).message.split('\n')[0])
        return true
      }
    })
    if (found === undefined) return t.fail(`${SEEDS} seeds didn't show it`)
    t.notThrows(() => run(found, options), 'the same seed without the bug')
  })
}
