/** All that is fuzzed, and how many inputs each part gets of a total. */
import type { Target } from './fuzzer.js'
import { FEEDS_TARGETS } from './targets-feeds.js'
import { GOSSIP_TARGETS } from './targets-gossip.js'
import { MACHINE_TARGETS } from './targets-machines.js'
import { PARTY_TARGETS } from './targets-party.js'
import { PAYLOAD_TARGETS } from './targets-payloads.js'
import { REGISTRY_TARGETS } from './targets-registry.js'

/** Decoders of all packages, and the machines behind some of them. */
export const TARGETS: readonly Target[] = [
  ...GOSSIP_TARGETS,
  ...PAYLOAD_TARGETS,
  ...PARTY_TARGETS,
  ...REGISTRY_TARGETS,
  ...FEEDS_TARGETS,
  ...MACHINE_TARGETS
]

const weights = TARGETS.reduce((sum, { weight = 1 }) => sum + weight, 0)

/** Inputs of `target` in a run of `total`. */
export const shareOf = (target: Target, total: number): number =>
  Math.ceil((total * (target.weight ?? 1)) / weights)
