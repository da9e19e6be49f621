/**
 * Options of a set: checked at once, and brought together with the defaults.
 */
import { rangeError, typeError } from '../errors.js'
import { type FeedsLimits, LIMITS } from '../limits.js'
import type { FeedSetOptions } from '../types.js'

/** The options that are bounds, too, and how far each may go. */
const MOST = { maxFeeds: 1_000_000, maxOpen: 1_000_000, maxBytesPerFeed: 2 ** 48 } as const

/** The limits of a set with these options. @throws {TypeError | RangeError} `ERR_FEEDS_BAD_OPTION`. */
export function limitsOf(options: FeedSetOptions): FeedsLimits {
  const { keyPair, gate } = options
  if (
    keyPair !== undefined &&
    (keyPair?.publicKey?.byteLength !== 32 || keyPair?.secretKey?.byteLength !== 64)
  ) {
    throw typeError('ERR_FEEDS_BAD_OPTION', 'keyPair needs a publicKey of 32 bytes and a secretKey of 64')
  }
  if (gate !== undefined && gate !== 'auto' && gate !== 'always') {
    throw typeError('ERR_FEEDS_BAD_OPTION', "gate is 'auto' or 'always'")
  }
  const limits = { ...LIMITS, ...options.limits }
  for (const name of Object.keys(MOST) as (keyof typeof MOST)[]) {
    const value = options[name]
    if (value === undefined) continue
    if (!Number.isInteger(value) || value < 1 || value > MOST[name]) {
      throw rangeError('ERR_FEEDS_BAD_OPTION', `${name} is ${value}, it can be 1 to ${MOST[name]}`)
    }
    limits[name] = value
  }
  return limits
}
