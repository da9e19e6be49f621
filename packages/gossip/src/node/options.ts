/**
 * Checks of what the application passes in. All throw at once, with a code, and say what would be right.
 */
import { rangeError, typeError } from '../errors.js'
import { LIMITS, type Limits } from '../limits.js'
import type { TopicOptions } from '../types.js'

const CODE = 'ERR_GOSSIP_BAD_OPTION'
const MAX_BATCH_MS = 50
const MIN_TTL_MS = 1000

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

/** Checks options of `join()`, but for the encoding. */
export function checkTopicOptions<T>(options: TopicOptions<T>, limits: Limits): void {
  const { batchMs = 0 } = options
  checkTtl(options.ttlMs, limits)
  if (!(batchMs >= 0 && batchMs <= MAX_BATCH_MS)) {
    throw rangeError(CODE, `batchMs is ${batchMs}, it must be from 0 to ${MAX_BATCH_MS}`)
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
