/**
 * @hearsay/feeds/core: the sans-IO cores, for other runtimes, simulators and protocols on top of a set.
 */

export { Digest } from './core/digest.js'
export * from './core/digest-types.js'
export { FactSet, type FeedRow, slotOf } from './core/fact-set.js'
export {
  GateCore,
  type GateEffect,
  type GateInput,
  type GateLimits,
  type GateState
} from './core/gate.js'
export {
  claimOf,
  type FeedStatus,
  type Missing,
  type PeerStatus,
  progressOf,
  SyncGoal
} from './core/progress.js'
export * from './core/rows.js'
export * from './facts.js'
