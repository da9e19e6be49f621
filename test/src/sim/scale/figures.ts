/** What a measured run says of a system: the columns of the tables. */

/** Figures of one run. */
export interface Figures {
  /** 'hearsay', or the system that it is compared with. */
  readonly system: string
  /** (message, honest node that lives to the end and isn't the author) pairs. */
  readonly expected: number
  /** How many of them were delivered. */
  readonly delivered: number
  /** Relative message redundancy: copies received per delivery - 1 (Leitao et al., "Epidemic Broadcast Trees", 2007). */
  readonly redundancy: number
  /** Last delivery hop: the hops of the farthest delivery, mean over messages; the greatest of all beside it. */
  readonly lastHop: number
  readonly maxHop: number
  /** From publish to delivery. */
  readonly p50Ms: number
  readonly p99Ms: number
  /** Frames that carry no message, per delivery; counted from the first measured publish to the last. */
  readonly controlPerDelivery: number
  /** Bytes of all frames per delivery, before encryption; null: the model doesn't know its sizes. */
  readonly bytesPerDelivery: number | null
  /** What followed the first silent kill; null: none happened. */
  readonly afterKill: AfterKill | null
}

/** How a system gets over the silent death of many. */
export interface AfterKill {
  /** Share of deliveries of what was published in the first second after it, 0 to 1. */
  readonly firstSecond: number
  /** 99th percentile of the latency of those that arrived. */
  readonly firstSecondP99Ms: number
  /** Ms after the kill from which on all that is published arrives everywhere within 1 s; Infinity: never. */
  readonly recoveredMs: number
  /** Redundancy of what was published later than 5 s after it. */
  readonly redundancyLater: number
}
