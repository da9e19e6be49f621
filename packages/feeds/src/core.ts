/**
 * @hearsay/feeds/core: the sans-IO cores, for other runtimes, simulators and protocols on top of a set.
 */

export { Digest } from './core/digest.js'
export * from './core/digest-types.js'
export { type Clearing, FactSet, type FeedRow, slotOf } from './core/fact-set.js'
export {
  GateCore,
  type GateEffect,
  type GateInput,
  type GateLimits,
  type GatePorts,
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
export {
  RecoveryCore,
  type RecoveryEffect,
  type RecoveryInput,
  type RecoveryLimits,
  type Replica,
  type Suspicion,
  suspicionOf,
  type WriterStart,
  type WriterState
} from './core/recovery.js'
export * from './core/rows.js'
export * from './facts.js'
export type { Position, WriterRecord } from './writer-record.js'
