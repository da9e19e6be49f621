/**
 * Counters and gauges for Prometheus, in the way of the ecosystem's stats packages (hypercore-stats, hyperswarm-stats): one
 * call with the application's own prom-client, which is never a dependency of ours. Values are read when they are scraped,
 * so nothing is done in between.
 */
import type { GossipCounters, GossipGauges, GossipStats } from '../types.js'

/** What we use of prom-client; pass the module itself. */
export interface PrometheusClient {
  /** `collect` is called at each scrape, with the new counter as `this`; `name` is one that Prometheus accepts. */
  Counter: new (
    options: PrometheusMetricOptions & { collect(this: PrometheusCounter): void }
  ) => unknown
  /** The same for a gauge. */
  Gauge: new (
    options: PrometheusMetricOptions & { collect(this: PrometheusGauge): void }
  ) => unknown
}

/** What a metric is called. */
export interface PrometheusMetricOptions {
  /** Letters, digits and `_`. */
  name: string
  /** One line for people. */
  help: string
  /** Names of labels; none by default. */
  labelNames?: string[]
}

/** A counter of prom-client. */
export interface PrometheusCounter {
  /** Back to 0, and without labels. */
  reset(): void
  /** Adds to the value; with labels, to that of this combination of them. */
  inc(value: number): void
  inc(labels: Record<string, string>, value: number): void
}

/** A gauge of prom-client. */
export interface PrometheusGauge {
  /** Replaces the value; with labels, that of this combination of them. */
  set(value: number): void
  set(labels: Record<string, string>, value: number): void
}

/** What each counter counts. */
export const COUNTERS = {
  published: 'Messages signed and handed to the links',
  delivered: 'Messages delivered to this process',
  forwarded: 'Messages forwarded, counted once per link',
  duplicates: 'Batches that were known already',
  signed: 'Signatures made',
  verified: 'Signatures checked',
  repaired: 'Messages sent because a peer had missed them',
  missed: 'Messages that the network lost for good',
  lagged: 'Messages that slow readers of this process lost',
  unsent: 'Own messages dropped because too many waited',
  equivocations: 'Authors found to have signed two batches for one seq',
  framesIn: 'Frames received',
  framesOut: 'Frames written',
  bytesIn: 'Bytes of frames received',
  bytesOut: 'Bytes of frames written',
  connectionsOpened: 'Connections attached',
  connectionsClosed: 'Attached connections that closed',
  linksOpened: 'Links that were proven and admitted',
  linksClosed: 'Such links that went away',
  badProofs: 'Peers that could not prove that they know a topic'
} as const satisfies Record<keyof GossipCounters, string>

/** What each gauge shows; links are one metric with a label. */
const GAUGES = {
  topics: 'Topics joined',
  peers: 'Processes at the other end of a connection',
  connections: 'Connections attached',
  authors: 'Incarnations of authors that are remembered',
  cacheBytes: 'Bytes of batches kept for repair',
  queuedBytes: 'Bytes waiting to be written'
} as const satisfies Partial<Record<keyof GossipGauges, string>>

const PREFIX = 'hearsay_gossip_'
const nameOf = (key: string): string =>
  `${PREFIX}${key.replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`)}`

/**
 * Registers `hearsay_gossip_<counter>_total`, `hearsay_gossip_drops_total{reason}`, `hearsay_gossip_<gauge>` and
 * `hearsay_gossip_links{role}` in the default registry of prom-client.
 */
export function registerMetrics(client: PrometheusClient, stats: GossipStats): void {
  for (const [counter, help] of Object.entries(COUNTERS) as [keyof GossipCounters, string][]) {
    new client.Counter({
      name: `${nameOf(counter)}_total`,
      help,
      collect() {
        // A counter of prom-client only adds, and ours knows its value.
        this.reset()
        this.inc(stats[counter])
      }
    })
  }
  new client.Counter({
    name: `${PREFIX}drops_total`,
    help: 'Input that was not delivered, by reason',
    labelNames: ['reason'],
    collect() {
      this.reset()
      for (const [reason, count] of Object.entries(stats.drops)) this.inc({ reason }, count)
    }
  })
  for (const [gauge, help] of Object.entries(GAUGES) as [keyof GossipGauges, string][]) {
    new client.Gauge({
      name: nameOf(gauge),
      help,
      collect() {
        this.set(stats[gauge])
      }
    })
  }
  new client.Gauge({
    name: `${PREFIX}links`,
    help: 'Links that are up',
    labelNames: ['role'],
    collect() {
      this.set({ role: 'active' }, stats.activeLinks)
      this.set({ role: 'standby' }, stats.standbyLinks)
    }
  })
}
