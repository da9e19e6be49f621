/** Runs a process of sybils against a victim, and tells what both measured. */
import { fileURLToPath } from 'node:url'
import type { ExecutionContext } from 'ava'
import { startNode } from '../../support/child.js'
import { until } from '../../support/until.js'
import type { Status, Victim } from './victim.js'

/** What the sybils did. */
export interface Done {
  /** Frames. */
  readonly sent: number
  /** How often one of them was cut off. */
  readonly cuts: number
  /** The longest that one lived from its first frame on. */
  readonly longestMs: number
}

/** A flood, and what became of the victim meanwhile. */
export interface Flood {
  /** How long it was to last. */
  readonly seconds: number
  readonly done: Done
  readonly before: Status
  readonly after: Status
  /** How long the words of the friends took before and meanwhile, ms, sorted. */
  readonly delays: { readonly before: readonly number[]; readonly meanwhile: readonly number[] }
}

/** Seconds that a flood lasts: `HOSTILE_SECONDS`, 5 unless it is set. */
export const SECONDS: number = Number(process.env.HOSTILE_SECONDS ?? 5)

/** Words of the friends that are timed before the flood. */
const WORDS_BEFORE = 100

/** A flood to be. */
export interface FloodOptions {
  /** What is sent: see sybil-process.ts. */
  readonly mode: 'forgers' | 'authors' | 'haves' | 'prunes'
  readonly sybils: number
  /** Frames of each. */
  readonly perSecond: number
  /** How long. Default: `SECONDS`. */
  readonly seconds?: number
}

/** Floods `victim`. */
export async function flood(
  t: ExecutionContext,
  victim: Victim,
  { mode, sybils, perSecond, seconds = SECONDS }: FloodOptions
): Promise<Flood> {
  const file = fileURLToPath(new URL('./sybil-process.js', import.meta.url))
  const numbers = [sybils, perSecond, seconds].map(String)
  const child = startNode(t, [file, String(victim.port), mode, ...numbers])
  await child.line(/ready/, 60_000)
  victim.takeDelays()
  const quiet: number[] = []
  await until(() => quiet.push(...victim.takeDelays()) >= WORDS_BEFORE, { what: 'honest words' })
  const before = await victim.status('gc')
  child.write('go')
  const done = JSON.parse(await child.line(/sent/, (seconds + 60) * 1000)) as Done
  const after = await victim.status()
  await child.kill()
  quiet.sort((a, b) => a - b)
  return { seconds, done, before, after, delays: { before: quiet, meanwhile: victim.takeDelays() } }
}

/** The value below which 99 % of `sorted` are. */
export const p99 = (sorted: readonly number[]): number => sorted[Math.floor(sorted.length * 0.99)] ?? 0

/** The measured figures, in a line each. */
export function figuresOf({ seconds, done, before, after, delays }: Flood): string[] {
  const { stats, delayMs, maxRss, cpuMs, elapsedMs } = after
  const verified = stats.verified - before.stats.verified
  const drops = Object.entries(stats.drops).map(([reason, n]) => `${n} ${reason}`)
  const ms = (value: number): string => `${value.toFixed(1)} ms`
  return [
    `${done.sent} frames in ${seconds} s; ${done.cuts} times cut off, after ${ms(done.longestMs)} at most`,
    `${verified} signatures checked; dropped: ${drops.join(', ') || 'nothing'}`,
    `victim: event loop p99 ${ms(delayMs.p99)}, max ${ms(delayMs.max)}; ${((100 * cpuMs) / elapsedMs).toFixed(0)} % of a core`,
    `memory: at most ${((maxRss - before.rss) / 1e6).toFixed(0)} MB above the ${(before.rss / 1e6).toFixed(0)} MB before`,
    `${delays.meanwhile.length} honest words: p99 ${ms(p99(delays.before))} before, ${ms(p99(delays.meanwhile))} meanwhile`
  ]
}
