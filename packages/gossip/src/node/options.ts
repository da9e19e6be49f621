/**
 * Checks of what the application passes in. All throw at once, with a code, and say what would be right.
 */
import type { TopicCoreOptions } from '../core/types.js'
import { rangeError, typeError } from '../errors.js'
import { LIMITS, type Limits } from '../limits.js'
import type { GossipOptions, TopicOptions } from '../types.js'

const CODE = 'ERR_GOSSIP_BAD_OPTION'
const MAX_BATCH_MS = 50
const MIN_TTL_MS = 1000
const ON_FULL: readonly unknown[] = ['wait', 'throw', 'drop']

/** The limits with the application's own. */
export function mergeLimits(limits: Partial<Limits> = {}): Limits {
  for (const [name, value] of Object.entries(limits)) {
    if (!Object.hasOwn(LIMITS, name)) throw typeError(CODE, `there is no limit ${name}`)
    if (typeof value !== 'number' || !(value >= 0)) {
      throw rangeError(CODE, `${name} is ${value}, it must be a number from 0`)
    }
  }
  return { ...LIMITS, ...limits }
}

/** Checks the option `trace`. */
export function checkTrace(trace: GossipOptions['trace']): GossipOptions['trace'] {
  if (trace === undefined || typeof trace === 'function') return trace
  throw typeError(CODE, 'trace must be a function')
}

/** Options of `join()` that are the core's matter alone. */
export type PassedOptions = Pick<
  TopicCoreOptions,
  'ttlMs' | 'batchMs' | 'onFull' | 'bootHorizon' | 'detectEquivocation'
>

/** The options that are passed on to the core, without those that weren't given. */
export function passedOptions<T>(options: TopicOptions<T>): PassedOptions {
  const { ttlMs, batchMs, onFull, bootHorizon = false, detectEquivocation = false } = options
  return {
    bootHorizon,
    detectEquivocation,
    ...(onFull !== undefined && { onFull }),
    ...(ttlMs !== undefined && { ttlMs }),
    ...(batchMs !== undefined && { batchMs })
  }
}

/** Checks options of `join()`, but for the encoding. */
export function checkTopicOptions<T>(options: TopicOptions<T>, limits: Limits): void {
  const { batchMs = 0, onFull = 'wait' } = options
  checkTtl(options.ttlMs, limits)
  if (!(batchMs >= 0 && batchMs <= MAX_BATCH_MS)) {
    throw rangeError(CODE, `batchMs is ${batchMs}, it must be from 0 to ${MAX_BATCH_MS}`)
  }
  if (!ON_FULL.includes(onFull)) throw rangeError(CODE, `onFull must be one of ${ON_FULL.join(', ')}`)
  for (const flag of ['bootHorizon', 'detectEquivocation'] as const) {
    if (options[flag] !== undefined && typeof options[flag] !== 'boolean') {
      throw typeError(CODE, `${flag} must be a boolean`)
    }
  }
  for (const rule of ['validate', 'authorize', 'admit'] as const) {
    if (options[rule] !== undefined && typeof options[rule] !== 'function') {
      throw typeError(CODE, `${rule} must be a function`)
    }
  }
}

/** Checks a time to live; undefined is the default. */
export function checkTtl(ttlMs: number | undefined, { maxTtlMs }: Limits): void {
  if (ttlMs === undefined || (ttlMs >= MIN_TTL_MS && ttlMs <= maxTtlMs)) return
  throw rangeError(CODE, `ttlMs is ${ttlMs}, it must be from ${MIN_TTL_MS} to ${maxTtlMs} (maxTtlMs)`)
}

/** Checks a whole number. */
export function checkCount(name: string, value: number, min: number): void {
  if (Number.isInteger(value) && value >= min) return
  throw rangeError(CODE, `${name} is ${value}, it must be an integer from ${min}`)
}
