/** What was asked for on the command line. */
import { parseArgs } from 'node:util'
import { SCENARIOS, type StageOptions } from './scenarios.js'

/** A command that can be run. */
export interface Command {
  readonly scenario: string
  readonly options: StageOptions
  readonly seeds: readonly number[]
  /** Path of an SVG of the first seed; null: none. */
  readonly plot: string | null
  readonly trace: boolean
  readonly peers: boolean
  readonly json: boolean
}

/** What was asked for can't be done. */
export class UsageError extends Error {}

const NUMBERS = {
  nodes: { min: 2, max: 100_000, key: 'nodes' },
  connections: { min: 1, max: 128, key: 'connections' },
  authors: { min: 1, max: 100_000, key: 'authors' },
  seconds: { min: 0.1, max: 3600, key: 'seconds' },
  'payload-bytes': { min: 4, max: 65_536, key: 'payloadBytes' },
  loss: { min: 0, max: 0.9, key: 'loss' },
  'bytes-per-ms': { min: 0.001, max: 1e9, key: 'bytesPerMs' },
  'frame-cost-ms': { min: 0, max: 1000, key: 'frameCostMs' }
} as const

/** Seeds of one command at most. */
const MAX_SEEDS = 1_000_000

/** What can be asked for. */
export const USAGE = `npm run sim -- <scenario> [options]

${Object.entries(SCENARIOS)
  .map(
    ([name, { about, nodes, connections }]) =>
      `  ${name.padEnd(13)}${about} (${nodes} nodes, ${connections} links)`
  )
  .join('\n')}

  --nodes N            nodes on the stage
  --connections K      connections of each
  --authors N          nodes that publish, where the scenario lets one choose
  --seconds S          how long is measured
  --payload-bytes N    size of a payload, at least 4; default 64
  --loss P             chance that a frame is lost, 0 to 0.9
  --bytes-per-ms N     uplink of a node; default: no bound
  --frame-cost-ms N    CPU time that a node needs for a frame; default 0
  --seeds N | A..B     so many seeds from 1 on, or these; default 1
  --peers              the systems that hearsay is compared with, too
  --plot FILE          draws the first seed as SVG
  --trace              prints the typed events of all cores of the first seed
  --json               prints results as JSON`

/**
 * Reads the arguments.
 *
 * @throws {UsageError} They name no scenario, an unknown option, or a value out of range.
 */
export function readArguments(args: readonly string[]): Command {
  const { values, positionals } = parse(args)
  const [scenario, ...rest] = positionals
  if (scenario === undefined) throw new UsageError('which scenario?')
  if (rest.length > 0) throw new UsageError(`one scenario at a time, not also ${rest.join(' ')}`)
  if (!Object.hasOwn(SCENARIOS, scenario)) throw new UsageError(`no scenario ${scenario}`)
  const options: Record<string, number> = {}
  for (const [name, { min, max, key }] of Object.entries(NUMBERS)) {
    const value = values[name as keyof typeof NUMBERS]
    if (value !== undefined) options[key] = readNumber(name, value, { min, max })
  }
  return {
    scenario,
    options,
    seeds: readSeeds(values.seeds ?? '1'),
    plot: values.plot ?? null,
    trace: values.trace === true,
    peers: values.peers === true,
    json: values.json === true
  }
}

const text = { type: 'string' } as const
const flag = { type: 'boolean' } as const

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        nodes: text,
        connections: text,
        authors: text,
        seconds: text,
        'payload-bytes': text,
        loss: text,
        'bytes-per-ms': text,
        'frame-cost-ms': text,
        seeds: text,
        plot: text,
        trace: flag,
        peers: flag,
        json: flag
      }
    })
  } catch (error) {
    throw new UsageError((error as Error).message, { cause: error })
  }
}

function readNumber(name: string, value: string, { min, max }: { min: number; max: number }): number {
  const number = value.trim() === '' ? Number.NaN : Number(value)
  const isCount = Number.isInteger(min)
  if (!(number >= min && number <= max)) {
    throw new UsageError(`--${name} is a number from ${min} to ${max}, not '${value}'`)
  }
  if (isCount && min >= 1 && !Number.isInteger(number)) {
    throw new UsageError(`--${name} is a whole number, not '${value}'`)
  }
  return number
}

/** '5': 1 to 5. '3..5': 3, 4, 5. */
function readSeeds(value: string): number[] {
  const match = /^(?:(\d+)\.\.)?(\d+)$/.exec(value)
  const from = Number(match?.[1] ?? 1)
  const until = Number(match?.[2] ?? 0)
  if (match === null || until < from || until > Number.MAX_SAFE_INTEGER) {
    throw new UsageError(`--seeds is a count or a range as 3..5, not '${value}'`)
  }
  if (until - from >= MAX_SEEDS) throw new UsageError(`at most ${MAX_SEEDS} seeds`)
  return Array.from({ length: until - from + 1 }, (_, index) => from + index)
}

/** The command that plays one seed of this one again. */
export function replayOf({ scenario, options }: Pick<Command, 'scenario' | 'options'>, seed: number): string {
  const more = Object.entries(NUMBERS).flatMap(([name, { key }]) => {
    const value = options[key]
    return value === undefined ? [] : [`--${name} ${value}`]
  })
  return ['npm run sim --', scenario, ...more, `--seeds ${seed}..${seed}`].join(' ')
}
