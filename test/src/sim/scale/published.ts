/** What others say of themselves, for the column beside our models of them. Each figure with its source. */

/** A published figure. */
export interface Published {
  /** Name of the system in the tables. */
  readonly system: string
  /** Scenarios that come close to what was measured there. */
  readonly scenarios: readonly string[]
  readonly text: string
  readonly source: string
}

const IROH = 'n0-computer/iroh-gossip tests/sim.rs: bounds that its CI asserts, links of 10 to 100 ms'

/** All that is known. */
export const PUBLISHED: readonly Published[] = [
  { system: 'plumtree', scenarios: ['single'], text: 'missed 0, RMR < 0.2, LDH < 15', source: IROH },
  { system: 'plumtree', scenarios: ['multi', 'hot20'], text: 'missed 0, RMR < 1, LDH < 18', source: IROH },
  { system: 'plumtree', scenarios: ['all'], text: 'missed 0, RMR < 3, LDH < 30', source: IROH },
  {
    system: 'gossipsub',
    scenarios: ['single', 'multi', 'hot20', 'hot20-500', 'crowd-10000'],
    text: 'RMR about 3 or below, by mesh alone',
    source: 'ethresear.ch 19921 (ProbeLab, 2024): one node of an Ethereum testnet, mesh of 8, 3.5 hours'
  }
]

/** The published figure of a system for a scenario, if there is one. */
export const publishedOf = (system: string, scenario: string): Published | undefined =>
  PUBLISHED.find(entry => entry.system === system && entry.scenarios.includes(scenario))
