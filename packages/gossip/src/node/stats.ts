/**
 * Counters of a Gossip and of its peers, readable as objects, as JSON and by Prometheus.
 *
 * Counters rise where the thing happens; gauges are computed when they are read, and cost nothing before.
 */
import type { CryptoPort } from '../core/types.js'
import type { GossipCounters, GossipGauges, GossipStats, PeerStats } from '../types.js'
import { COUNTERS, type PrometheusClient, registerMetrics } from './prometheus.js'

const COUNTER_NAMES = Object.keys(COUNTERS) as (keyof GossipCounters)[]
const NOTHING: GossipGauges = {
  topics: 0,
  peers: 0,
  connections: 0,
  activeLinks: 0,
  standbyLinks: 0,
  authors: 0,
  cacheBytes: 0,
  queuedBytes: 0
}

/**
 * Counters and gauges of one Gossip. What each of them means is said at `GossipCounters` and `GossipGauges`. Counters:
 * `published`, `delivered`, `forwarded`, `duplicates`, `signed`, `verified`, `repaired`, `missed`, `lagged`, `unsent`,
 * `equivocations`, `framesIn`, `framesOut`, `bytesIn`, `bytesOut`, `connectionsOpened`, `connectionsClosed`, `linksOpened`,
 * `linksClosed`, `badProofs`. Gauges: `topics`, `peers`, `connections`, `activeLinks`, `standbyLinks`, `authors`,
 * `cacheBytes`, `queuedBytes`.
 */
export class Stats implements GossipStats {
  published = 0
  delivered = 0
  forwarded = 0
  duplicates = 0
  signed = 0
  verified = 0
  repaired = 0
  missed = 0
  lagged = 0
  unsent = 0
  equivocations = 0
  framesIn = 0
  framesOut = 0
  bytesIn = 0
  bytesOut = 0
  connectionsOpened = 0
  connectionsClosed = 0
  linksOpened = 0
  linksClosed = 0
  badProofs = 0
  /** Input that wasn't delivered, by reason. */
  readonly drops: Record<string, number> = {}
  readonly #gauges: () => GossipGauges

  /** @internal @param gauges - Looks at what is held now. */
  constructor(gauges: () => GossipGauges = () => NOTHING) {
    this.#gauges = gauges
  }

  get topics(): number {
    return this.#gauges().topics
  }

  get peers(): number {
    return this.#gauges().peers
  }

  get connections(): number {
    return this.#gauges().connections
  }

  get activeLinks(): number {
    return this.#gauges().activeLinks
  }

  get standbyLinks(): number {
    return this.#gauges().standbyLinks
  }

  get authors(): number {
    return this.#gauges().authors
  }

  get cacheBytes(): number {
    return this.#gauges().cacheBytes
  }

  get queuedBytes(): number {
    return this.#gauges().queuedBytes
  }

  /** Counts input that wasn't delivered. Reasons are our own words, so there are few. */
  drop(reason: string): void {
    countDrop(this.drops, reason)
    if (reason === 'duplicate') this.duplicates++
  }

  /** A copy as plain data, always with the same keys in the same order. */
  toJSON(): GossipStats {
    const counters = Object.fromEntries(COUNTER_NAMES.map(name => [name, this[name]]))
    return { ...(counters as unknown as GossipCounters), ...this.#gauges(), drops: sorted(this.drops) }
  }

  /**
   * Registers counters `hearsay_gossip_<counter>_total`, drops as `hearsay_gossip_drops_total{reason}`, gauges
   * `hearsay_gossip_<gauge>`, and `hearsay_gossip_links{role}` in the default registry of prom-client. Once per registry.
   *
   * @param client - The module `prom-client`.
   */
  registerPrometheusMetrics(client: PrometheusClient): void {
    registerMetrics(client, this)
  }
}

/** Counters of one peer, all its connections together. */
export class PeerCounters implements PeerStats {
  framesIn = 0
  framesOut = 0
  bytesIn = 0
  bytesOut = 0
  delivered = 0
  duplicates = 0
  queuedBytes = 0
  score = 0
  readonly drops: Record<string, number> = {}

  /** Counts input of this peer that wasn't delivered. */
  drop(reason: string): void {
    countDrop(this.drops, reason)
    if (reason === 'duplicate') this.duplicates++
  }

  /** A copy as plain data. */
  toJSON(): PeerStats {
    return { ...this, drops: sorted(this.drops) }
  }
}

function countDrop(drops: Record<string, number>, reason: string): void {
  drops[reason] = (drops[reason] ?? 0) + 1
}

// Their order is that of the first drops, which differs from run to run.
function sorted(drops: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(drops).sort(([a], [b]) => (a < b ? -1 : 1)))
}

/** `crypto`, counting signatures. */
export function countedCrypto(crypto: CryptoPort, stats: Stats): CryptoPort {
  return {
    ...crypto,
    sign(digest) {
      stats.signed++
      return crypto.sign(digest)
    },
    verify(signature, digest, author) {
      stats.verified++
      return crypto.verify(signature, digest, author)
    }
  }
}
