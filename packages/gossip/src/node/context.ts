/**
 * What all topics and connections of one Gossip share.
 */
import type { CryptoPort, LinkId, VerifyPort } from '../core/types.js'
import { GossipError, type GossipErrorCode, type GossipWarningCode } from '../errors.js'
import type { Limits } from '../limits.js'
import type { Logger, Peer } from '../types.js'
import type { Clock } from './clock.js'
import type { Scheduler } from './scheduler.js'
import type { Stats } from './stats.js'
import type { Tracing } from './tracing.js'

/** See the head of this file. */
export interface GossipContext {
  readonly limits: Limits
  readonly crypto: CryptoPort
  /** How many signatures all topics together may check. */
  readonly verifies: VerifyPort
  /** Our author key, 32 bytes. */
  readonly author: Uint8Array
  readonly clock: Clock
  readonly scheduler: Scheduler
  readonly stats: Stats
  readonly logger: Logger
  /** Null: nobody looks. */
  readonly tracing: Tracing | null
  /** Links are numbered over all topics, because those of one connection share its queues. */
  nextLink(): LinkId
}

/** A warning; `peer` is whom it is about, null if nobody. */
export function warningOf(
  code: GossipWarningCode,
  message: string,
  details: { peer?: Peer | null; cause?: unknown } = {}
): GossipError & { peer: Peer | null } {
  const { peer = null, cause } = details
  return Object.assign(new GossipError(code, message, cause === undefined ? {} : { cause }), { peer })
}

/** The error of an object that is used after it was closed. */
export function closedError(what: string): GossipError {
  return new GossipError('ERR_GOSSIP_CLOSED' satisfies GossipErrorCode, `${what} is closed`)
}
