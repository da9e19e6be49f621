/**
 * Counters of a Gossip, readable as an object, as JSON and by Prometheus.
 */
import type { CryptoPort } from '../core/types.js'
import type { GossipStats, PeerStats } from '../types.js'

/** What we use of prom-client; pass the module itself. */
export interface PrometheusClient {
  /** `collect` is called at each scrape, with the new gauge as `this`; `name` is one that Prometheus accepts. */
  Gauge: new (options: {
    name: string
    help: string
    labelNames?: string[]
    collect(this: PrometheusGauge): void
  }) => unknown
}

/** A gauge of prom-client. */
export interface PrometheusGauge {
  /** Replaces the value; with labels, that of this combination of them. */
  set(value: number): void
  set(labels: Record<string, string>, value: number): void
}

const HELP = {
  published: 'Messages signed and handed to the links',
  delivered: 'Messages delivered to this process',
  forwarded: 'Messages forwarded, counted once per link',
  duplicates: 'Batches that were known already',
  signed: 'Signatures made',
  verified: 'Signatures checked',
  repaired: 'Messages sent because a peer had missed them',
  unsent: 'Own messages dropped because too many waited',
  connectionsOpened: 'Connections attached',
  connectionsClosed: 'Attached connections that closed',
  linksOpened: 'Links that were proven and admitted',
  linksClosed: 'Such links that went away',
  badProofs: 'Peers that could not prove that they know a topic'
} as const satisfies Record<Exclude<keyof GossipStats, 'drops'>, string>

type Counter = keyof typeof HELP
const COUNTERS = Object.keys(HELP) as Counter[]

/**
 * Counters of one Gossip; all only rise. What each of them counts is said at `GossipStats`: `published`, `delivered`,
 * `forwarded`, `duplicates`, `signed`, `verified`, `repaired`, `unsent`, `connectionsOpened`, `connectionsClosed`,
 * `linksOpened`, `linksClosed`, `badProofs`.
 */
export class Stats implements GossipStats {
  published = 0
  delivered = 0
  forwarded = 0
  duplicates = 0
  signed = 0
  verified = 0
  repaired = 0
  unsent = 0
  connectionsOpened = 0
  connectionsClosed = 0
  linksOpened = 0
  linksClosed = 0
  badProofs = 0
  /** Input that wasn't delivered, by reason. */
  readonly drops: Record<string, number> = {}

  /** Counts input that wasn't delivered. Reasons are our own words, so there are few. */
  drop(reason: string): void {
    countDrop(this.drops, reason)
    if (reason === 'duplicate') this.duplicates++
  }

  /** A copy as plain data. */
  toJSON(): GossipStats {
    const copy = { drops: { ...this.drops } } as GossipStats
    for (const counter of COUNTERS) copy[counter] = this[counter]
    return copy
  }

  /**
   * Registers one gauge per counter, `hearsay_gossip_<counter>`, in the default registry of prom-client.
   *
   * @param client - The module `prom-client`.
   */
  registerPrometheusMetrics(client: PrometheusClient): void {
    const stats = this
    for (const counter of COUNTERS) {
      new client.Gauge({
        name: `hearsay_gossip_${counter.replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`)}`,
        help: HELP[counter],
        collect() {
          this.set(stats[counter])
        }
      })
    }
    new client.Gauge({
      name: 'hearsay_gossip_drops',
      help: 'Input that was not delivered, by reason',
      labelNames: ['reason'],
      collect() {
        for (const [reason, count] of Object.entries(stats.drops)) this.set({ reason }, count)
      }
    })
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
  readonly drops: Record<string, number> = {}

  /** Counts input of this peer that wasn't delivered. */
  drop(reason: string): void {
    countDrop(this.drops, reason)
    if (reason === 'duplicate') this.duplicates++
  }
}

function countDrop(drops: Record<string, number>, reason: string): void {
  drops[reason] = (drops[reason] ?? 0) + 1
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
