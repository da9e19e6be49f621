/** Many seeds of one scenario, on several workers: what the tables are made of. */
import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import { REFERENCES } from '../references/index.js'
import type { Figures } from './figures.js'
import { type Outcome, play } from './play.js'
import { SCENARIOS, type StageOptions } from './scenarios.js'
import { faultsOf } from './verdict.js'

/** What is run. */
export interface Campaign {
  readonly scenario: string
  readonly options: StageOptions
  readonly seeds: readonly number[]
  /** Play the other systems, too, where they can. */
  readonly peers: boolean
}

/** What one seed gave. Plain data. */
export interface SeedResult {
  readonly seed: number
  /** hearsay first, then the others. */
  readonly figures: readonly Figures[]
  readonly outcome: Outcome
  /** Why it fails; empty: it doesn't. */
  readonly faults: readonly string[]
  /** What hearsay's run took, ms of this machine. */
  readonly tookMs: number
}

/** Plays one seed. `keepsFates`: also what became of each message, which is much. */
export function playSeed(
  { scenario: name, options, peers }: Campaign,
  seed: number,
  keepsFates: boolean
): SeedResult {
  const scenario = SCENARIOS[name]
  if (scenario === undefined) throw new RangeError(`no scenario ${name}`)
  const stage = scenario.draw(seed, options)
  const startMs = performance.now()
  const outcome = play(stage)
  const tookMs = performance.now() - startMs
  const others = peers && scenario.isPlain ? REFERENCES : []
  return {
    seed,
    figures: [outcome.figures, ...others.map(({ name, run }) => ({ ...run(stage), system: name }))],
    outcome: keepsFates ? outcome : { ...outcome, fates: [] },
    faults: faultsOf(scenario, stage, outcome),
    tookMs
  }
}

/** What a worker is started with, and what it is sent. */
export interface Order {
  readonly campaign: Campaign
}

/** Runs all seeds, a few at a time; `onResult` hears of each, in any order. Resolves with all, by order of seeds. */
export async function runCampaign(
  campaign: Campaign,
  onResult: (result: SeedResult) => void = () => {},
  maxWorkers: number = availableParallelism()
): Promise<SeedResult[]> {
  const { seeds } = campaign
  const workers = Math.min(maxWorkers, seeds.length)
  const results: SeedResult[] = []
  const keep = (result: SeedResult): void => {
    results.push(result)
    onResult(result)
  }
  if (workers <= 1) for (const seed of seeds) keep(playSeed(campaign, seed, seeds.length === 1))
  else await share(campaign, workers, keep)
  return results.sort((a, b) => a.seed - b.seed)
}

async function share(campaign: Campaign, workers: number, keep: (result: SeedResult) => void): Promise<void> {
  const left = [...campaign.seeds].reverse()
  const file = new URL('./campaign-worker.js', import.meta.url)
  const runs = Array.from({ length: workers }, () => {
    const worker = new Worker(file, { workerData: { campaign } satisfies Order })
    return new Promise<void>((resolve, reject) => {
      const next = (): void => {
        const seed = left.pop()
        if (seed === undefined) worker.terminate().then(() => resolve(), reject)
        else worker.postMessage(seed)
      }
      worker.on('message', (result: SeedResult) => {
        keep(result)
        next()
      })
      worker.on('error', reject)
      next()
    })
  })
  await Promise.all(runs)
}
