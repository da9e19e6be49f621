import test from 'ava'
import { Violation } from './checks.js'
import { run } from './run.js'
import { SCENARIOS } from './scenarios.js'
import * as trees from './tree-variants.js'
import * as variants from './variants.js'

/** Seeds that a bug may need to show itself. */
const SEEDS = 30

const planted: [name: string, variant: variants.Variant, scenario: string, invariant: string][] = [
  ['marksBeforeVerifying', variants.marksBeforeVerifying, 'hostile-foresight', 'G4'],
  ['highestSeqWins', variants.highestSeqWins, 'reconnect', 'G4'],
  ['forgetsAtExpiry', variants.forgetsAtExpiry, 'skew', 'G2'],
  ['silentAtJoin', variants.silentAtJoin, 'crash', 'G4'],
  ['neverAsks', variants.neverAsks, 'reconnect', 'G4'],
  ['believesAll', variants.believesAll, 'hostile-foresight', 'G1'],
  ['evictsAuthors', variants.evictsAuthors, 'skew', 'G2'],
  ['takesExpired', variants.takesExpired, 'skew', 'G3'],
  ['repeatsGaps', variants.repeatsGaps, 'boot-horizon', 'G5'],
  ['neverForgets', variants.neverForgets, 'calm', 'G6'],
  ['keepsDeadLinks', variants.keepsDeadLinks, 'line', 'G6'],
  ['echoes', variants.echoes, 'calm', 'A2'],
  ['punishesDuplicates', variants.punishesDuplicates, 'calm', 'G7'],
  ['reusesSeqs', variants.reusesSeqs, 'calm', 'G9'],
  ['movesOnRefusal', variants.movesOnRefusal, 'hostile', 'G10'],
  ['circulates', variants.circulates, 'calm', 'G8'],
  ['tellsNoStandby', trees.tellsNoStandby, 'unnoticed', 'G4'],
  ['tellsNoNeighbour', trees.tellsNoNeighbour, 'partition', 'G4'],
  ['neverGrafts', trees.neverGrafts, 'tree', 'C1'],
  ['prunesItsParent', trees.prunesItsParent, 'tree', 'C1'],
  ['marksAlways', trees.marksAlways, 'tree', 'C1'],
  ['greedy', trees.greedy, 'standbys', 'L2'],
  ['leavesInSilence', trees.leavesInSilence, 'standbys', 'L3'],
  ['feedsItsParent', trees.feedsItsParent, 'calm', 'A1'],
  ['asksTwice', trees.asksTwice, 'reconnect', 'R1'],
  ['floodsStandbys', trees.floodsStandbys, 'standbys', 'A4'],
  ['forgetsItsStart', trees.forgetsItsStart, 'boot-horizon', 'G2'],
  ['ignoresItsClock', trees.ignoresItsClock, 'clock', 'G3']
]

for (const [name, variant, scenario, expected] of planted) {
  test(`planted: ${name} breaks ${expected} in '${scenario}'`, t => {
    const options = SCENARIOS[scenario] ?? {}
    const found = Array.from({ length: SEEDS }, (_, index) => index + 1).find(seed => {
      try {
        run(seed, { ...options, makeCore: variant })
        return false
      } catch (error) {
        t.true(error instanceof Violation, String(error))
        const [invariant = ''] = (error as Error).message.split(' ')
        t.is(invariant, expected, (error as Error).message.split('\n')[0])
        return true
      }
    })
    if (found === undefined) return t.fail(`${SEEDS} seeds didn't show it`)
    t.notThrows(() => run(found, options), 'the same seed without the bug')
  })
}
