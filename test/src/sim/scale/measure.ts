/** From what was seen to figures: arithmetic only. What the columns mean is said in figures.ts. */

import { FrameKind } from '@hearsay/gossip/core'
import type { AfterKill, Figures } from './figures.js'
import type { Expected } from './paths.js'
import type { Stage } from './stage.js'
import { isControl, type Seen } from './tally.js'

/** A message that arrives this late still counts as arrived while a system gets over a kill. */
const IN_TIME_MS = 1000
/** What a system costs after a kill is measured from so long after it on. */
const LATER_MS = 5000

/** How a message fared. */
export interface Fate {
  readonly message: number
  readonly atMs: number
  readonly isMeasured: boolean
  /** Nodes that have to have it. */
  readonly expected: number
  readonly delivered: number
  /** Delivered within 1 s. */
  readonly inTime: number
  /** From when an honest path existed. */
  readonly slowestMs: number
  readonly copies: number
  readonly deliveries: number
}

/** Figures of hearsay, and what they don't tell. */
export interface Measured {
  readonly figures: Figures
  /** All messages, warm-up included. */
  readonly fates: readonly Fate[]
  /** AUTHOR frames per delivery: what binds names, apart from what carries and asks. */
  readonly bindingsPerDelivery: number
  /** Slowest of all measured deliveries, ms from when an honest path existed: the publish, if nothing changes. */
  readonly slowestMs: number
  /** Measured pairs that have to be, and aren't. */
  readonly missed: readonly { message: number; node: number }[]
  /** Frames sent in the measured window, by kind of the protocol. */
  readonly sentByKind: readonly number[]
}

/** Misses that are told one by one; the number is always right. */
const MAX_MISSES_TOLD = 20

/** The value below which a share of `sorted` lies (nearest rank); 0 of nothing. */
export function percentile(sorted: ArrayLike<number>, share: number): number {
  if (sorted.length === 0) return 0
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] as number
}

/** The greatest of `values`, which aren't negative; 0 of nothing. There may be too many for an argument list. */
export const highest = (values: readonly number[]): number =>
  values.reduce((most, value) => Math.max(most, value), 0)

/** Judges what was seen by who had to have what: an entry of `expected` a message. */
export function measure(seen: Seen, expected: readonly Expected[]): Measured {
  const { stage } = seen
  const fates = stage.publishes.map((_, message) => fateOf(seen, expected, message))
  const measured = fates.filter(({ isMeasured }) => isMeasured)
  const latencies = latenciesOf(seen, expected, measured)
  const deliveries = sum(measured, fate => fate.deliveries)
  const hops = measured
    .filter(fate => fate.deliveries > 0)
    .map(({ message }) => seen.lastHop[message] as number)
  const control = seen.sentByKind.reduce((total, count, kind) => total + (isControl(kind) ? count : 0), 0)
  return {
    figures: {
      system: 'hearsay',
      expected: sum(measured, fate => fate.expected),
      delivered: sum(measured, fate => fate.delivered),
      redundancy: redundancyOf(measured),
      lastHop: hops.length === 0 ? 0 : hops.reduce((total, hop) => total + hop, 0) / hops.length,
      maxHop: highest(hops),
      p50Ms: percentile(latencies, 0.5),
      p99Ms: percentile(latencies, 0.99),
      controlPerDelivery: ratio(control, deliveries),
      bytesPerDelivery: ratio(seen.sentBytes, deliveries),
      afterKill: afterKillOf(seen, expected, fates)
    },
    fates,
    bindingsPerDelivery: ratio(seen.sentByKind[FrameKind.author] as number, deliveries),
    slowestMs: highest(measured.map(fate => fate.slowestMs)),
    missed: missedOf(seen, expected, measured),
    sentByKind: [...seen.sentByKind]
  }
}

/** Copies received per delivery - 1; 0 of nothing. */
export function redundancyOf(fates: readonly Pick<Fate, 'copies' | 'deliveries'>[]): number {
  const deliveries = sum(fates, fate => fate.deliveries)
  return deliveries === 0 ? 0 : sum(fates, fate => fate.copies) / deliveries - 1
}

function fateOf(seen: Seen, expected: readonly Expected[], message: number): Fate {
  const { atMs, isMeasured } = seen.stage.publishes[message] as Stage['publishes'][number]
  let [asked, delivered, inTime, slowestMs] = [0, 0, 0, 0]
  const pathMs = expected[message]?.pathMs ?? null
  eachExpected(seen, expected, message, (latencyMs, node) => {
    asked++
    if (latencyMs < 0) return
    delivered++
    if (latencyMs <= IN_TIME_MS) inTime++
    slowestMs = Math.max(slowestMs, latencyMs - (pathMs?.[node] ?? 0))
  })
  const copies = seen.copies[message] as number
  const deliveries = seen.deliveries[message] as number
  return { message, atMs, isMeasured, expected: asked, delivered, inTime, slowestMs, copies, deliveries }
}

function eachExpected(
  { stage, latencyMs }: Seen,
  expected: readonly Expected[],
  message: number,
  visit: (latencyMs: number, node: number) => void
): void {
  const { nodes } = expected[message] as Expected
  for (let node = 0; node < nodes.length; node++) {
    if (nodes[node] === 1) visit(latencyMs[message * stage.nodes + node] as number, node)
  }
}

/** Of all expected deliveries that were made, ascending. */
function latenciesOf(seen: Seen, expected: readonly Expected[], fates: readonly Fate[]): Float32Array {
  const latencies = new Float32Array(sum(fates, fate => fate.delivered))
  let length = 0
  for (const { message } of fates) {
    eachExpected(seen, expected, message, latencyMs => {
      if (latencyMs >= 0) latencies[length++] = latencyMs
    })
  }
  return latencies.sort()
}

function missedOf(seen: Seen, expected: readonly Expected[], fates: readonly Fate[]): Measured['missed'] {
  const missed: { message: number; node: number }[] = []
  for (const fate of fates) {
    if (fate.delivered === fate.expected || missed.length >= MAX_MISSES_TOLD) continue
    eachExpected(seen, expected, fate.message, (latencyMs, node) => {
      if (latencyMs < 0 && missed.length < MAX_MISSES_TOLD) missed.push({ message: fate.message, node })
    })
  }
  return missed
}

function afterKillOf(seen: Seen, expected: readonly Expected[], fates: readonly Fate[]): AfterKill | null {
  const [kill] = seen.stage.kills
  if (kill === undefined) return null
  const after = fates.filter(({ atMs }) => atMs >= kill.atMs)
  const first = after.filter(({ atMs }) => atMs < kill.atMs + 1000)
  return {
    firstSecond: ratio(
      sum(first, fate => fate.delivered),
      sum(first, fate => fate.expected)
    ),
    firstSecondP99Ms: percentile(latenciesOf(seen, expected, first), 0.99),
    recoveredMs: recoveredMsOf(after, kill.atMs),
    redundancyLater: redundancyOf(after.filter(({ atMs }) => atMs >= kill.atMs + LATER_MS))
  }
}

/** Ms after the kill from which on all that is published arrives everywhere in time; Infinity: the last one doesn't. */
export function recoveredMsOf(
  after: readonly Pick<Fate, 'atMs' | 'expected' | 'inTime'>[],
  killMs: number
): number {
  const last = after.findLastIndex(({ expected, inTime }) => inTime < expected)
  if (last < 0) return 0
  const next = after[last + 1]
  return next === undefined ? Number.POSITIVE_INFINITY : next.atMs - killMs
}

const ratio = (value: number, by: number): number => (by === 0 ? 0 : value / by)

function sum<T>(values: readonly T[], pick: (value: T) => number): number {
  let total = 0
  for (const value of values) total += pick(value)
  return total
}
