/** Named scenarios: each isolates a fault, or a size, that a drawn seed mixes with others. */
import { type RunOptions, type RunResult, run } from './run.js'

/** The scenarios, by name. */
export const SCENARIOS: Readonly<Record<string, RunOptions>> = {
  drawn: {},
  calm: { nodes: 8, faults: [], degree: 4 },
  pair: { nodes: 2, faults: [], degree: 1 },
  line: { nodes: 3, faults: ['reconnect'], degree: 2 },
  jitter: { nodes: 10, faults: ['jitter'], messages: 60 },
  partition: { nodes: 10, faults: ['partition'], degree: 3 },
  crash: { nodes: 8, faults: ['crash'], messages: 60 },
  'silent-kill': { nodes: 12, faults: ['silent-kill'], degree: 6 },
  reconnect: { nodes: 6, faults: ['reconnect'], messages: 60 },
  'slow-link': { nodes: 4, faults: ['slow-link'], degree: 2, messages: 200, maxBytes: 60_000 },
  hostile: { nodes: 8, faults: ['hostile'], degree: 3, hostile: { forges: 0.1, swallows: 0.5 } },
  'hostile-foresight': { nodes: 8, faults: ['hostile'], degree: 3, hostile: { predicts: true, forges: 0 } },
  liar: {
    nodes: 8,
    faults: ['hostile', 'crash', 'jitter', 'slow-rules', 'reconnect'],
    degree: 2,
    hostile: { forges: 0, swallows: 0, replays: 0 }
  },
  skew: { nodes: 8, faults: ['skew', 'hostile'], hostile: { forges: 0, replays: 8 } },
  'slow-rules': { nodes: 6, faults: ['slow-rules', 'crash'] },
  everything: {
    nodes: 12,
    faults: [
      'jitter',
      'partition',
      'crash',
      'silent-kill',
      'reconnect',
      'slow-link',
      'hostile',
      'skew',
      'slow-rules'
    ],
    degree: 6
  },
  // Most links are standbys.
  standbys: { nodes: 20, faults: ['silent-kill', 'partition', 'reconnect'], degree: 14, messages: 60 },
  'mass-kill': { nodes: 40, faults: ['mass-kill'], degree: 16, messages: 80 },
  // Nobody notices the dead: only what standbys tell each other finds a way around them.
  unnoticed: {
    nodes: 40,
    faults: ['mass-kill'],
    degree: 20,
    messages: 80,
    world: { killShare: 0.7, limits: { suspectMs: 60_000 } }
  },
  // One author, and what its tree costs while links break.
  tree: {
    nodes: 16,
    faults: ['silent-kill', 'reconnect'],
    degree: 6,
    messages: 250,
    maxBytes: 200,
    authors: 1,
    cost: { repairs: 0.2, pushes: 2 }
  },
  large: { nodes: 10, faults: ['slow-link', 'reconnect'], degree: 5, messages: 120, maxBytes: 60_000 },
  'one-way': { nodes: 10, faults: ['one-way'], degree: 5, messages: 60 },
  clock: { nodes: 8, faults: ['clock', 'reconnect'], messages: 60 },
  'boot-horizon': { nodes: 8, faults: ['crash'], messages: 120, world: { bootHorizon: true } },
  twins: { nodes: 8, faults: ['reconnect', 'partition'], degree: 3, messages: 60, world: { twins: 8 } },
  crowd: { nodes: 50, faults: ['partition', 'reconnect', 'crash'], degree: 6, messages: 60 }
}

/** Runs a seed of a scenario; what it throws begins with the command that runs it again. */
export function runScenario(name: string, seed: number, more: RunOptions = {}): RunResult {
  const options = SCENARIOS[name]
  if (options === undefined) throw new RangeError(`no scenario ${name}`)
  try {
    return run(seed, { ...options, ...more })
  } catch (error) {
    const command = `SEED=${seed}${name === 'drawn' ? '' : ` SCENARIO=${name}`} npm run test:sim`
    throw new Error(`${command}\n${(error as Error).message}`, { cause: error })
  }
}
