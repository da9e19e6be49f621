/**
 * Every bound of this package in one place: what a peer, a disk or a caller can make us hold or wait for.
 *
 * A number without a source is a guess, to be replaced by a measurement; all can be overridden for a set.
 */

/** Bounds that a set can override; see LIMITS for the defaults. */
export interface FeedsLimits {
  /** Feeds that are authorized at once. */
  maxFeeds: number
  /** Bytes of blocks that are fetched of one feed. */
  maxBytesPerFeed: number
  /** Bytes of the meta of a feed, encoded. */
  maxMetaBytes: number
  /** UTF-8 bytes of a writer's name. */
  maxNameBytes: number
  /** Bytes of one record of a protocol above. */
  maxRecordBytes: number
  /** Facts that share one entry of the log, and so one sync of the disk. */
  maxFactsPerEntry: number
  /** Bytes of one entry of the log, its sequence included. */
  maxEntryBytes: number
  /** Feeds that are being opened at once on one connection; the others wait. */
  maxOpeningPerMux: number
  /** Feeds that are being opened at once in this process, over all connections. */
  maxOpening: number
  /** Feeds that are open at once because of peers; the application's own use comes on top. */
  maxOpen: number
  /** ms that a feed stays open after the last one needed it. */
  lingerMs: number
  /** ms without a block coming, going or missing, after which a feed is closed on a connection whose protocol tells lengths. */
  idleMs: number
  /** ms without that, after which a feed gives its place to one that waits. */
  restMs: number
  /** ms without a block going after which a peer that lacks some is no reason any more to keep a feed open. */
  stallMs: number
  /** Opens of feeds that weren't granted, per second and connection; above it they are refused unasked. */
  asksPerSecond: number
  /** How many such opens may come at once. */
  asksBurst: number
  /** ms that a finder has for its answer, before the open is refused. */
  finderMs: number
  /** ms that a peer has to answer our open of a feed. */
  offerMs: number
  /** ms that a feed may take to close on a connection, before the connection is destroyed. */
  closeMs: number
  /** ms before a feed that a peer refused is offered again; doubles up to maxRefusedMs. */
  refusedMs: number
  /** ms that such a back-off lasts at most. */
  maxRefusedMs: number
  /** ms before a feed is offered again that the peer closed while we still lacked blocks. */
  reopenMs: number
  /** How far a version from outside may be above the known one. */
  maxVersionStep: number
  /** Bytes of the proof of a fork that are kept. */
  maxForkProofBytes: number
  /** Forked feeds whose proof is kept; of those before them only that they forked. */
  maxForkProofs: number
  /** Feeds that may be denied before anything else is known of them. */
  maxUnknownTombstones: number
  /** Bytes of the fact log from which on it is compacted, if more than half of it is superseded. */
  compactBytes: number
  /** ms between two 'progress' events of one feed. */
  progressMs: number
  /** ms without any upload after which synced() no longer waits for a peer that doesn't complete a feed. */
  uploadIdleMs: number
  /** ms that close() waits for what was handed over, before it closes what is ours. */
  goodbyeMs: number
  /** ms between two checkpoints of a writer while it appends. */
  checkpointMs: number
  /** ms between two syncs of the storage for `flush()` and durable appends: those that wait share one. */
  flushMs: number
  /** ms without a greater length at any peer, before a writer that may have been rolled back is trusted again. */
  settleMs: number
  /** ms without a replica, or without anything new, before such a writer is given up for a successor. */
  replicaMs: number
  /** ms that a peer has to back its claim of a longer own feed; each false claim halves it for the next one. */
  claimMs: number
  /** ms between two looks at the peers of a writer that is being recovered. */
  lookMs: number
}

/** The defaults. */
export const LIMITS: Readonly<FeedsLimits> = Object.freeze({
  maxFeeds: 4_096,
  maxBytesPerFeed: 1_073_741_824,
  maxMetaBytes: 1_024,
  maxNameBytes: 64,
  maxRecordBytes: 4_096,
  maxFactsPerEntry: 256, // 0.25 ms per sync at 256 facts against 0.16 ms for one: bulk imports go in such entries
  maxEntryBytes: 1_048_576,
  maxOpeningPerMux: 32, // 500 attached at once cost 1.6 ms and 50 KB each; 32 at a time kept clients responsive
  maxOpening: 128,
  maxOpen: 1_024,
  lingerMs: 8_000, // as long as Corestore keeps a core that nobody uses
  idleMs: 5_000,
  restMs: 250,
  stallMs: 10_000,
  asksPerSecond: 100,
  asksBurst: 2_000,
  finderMs: 2_000,
  offerMs: 5_000,
  closeMs: 5_000,
  refusedMs: 60_000,
  maxRefusedMs: 3_600_000,
  reopenMs: 1_000,
  maxVersionStep: 1_048_576, // so that one mistake can't use up the 2^53 versions of a slot
  maxForkProofBytes: 65_536,
  maxForkProofs: 64,
  maxUnknownTombstones: 100_000, // 40 bytes each on the disk, 150 in memory
  compactBytes: 4_194_304,
  progressMs: 100,
  uploadIdleMs: 1_000,
  goodbyeMs: 2_000,
  checkpointMs: 100,
  flushMs: 100, // a sync costs about 10 ms and writes a small file: shared, never one for each append
  settleMs: 8_000, // as long as Hypercore's own recovery waits for a stable view of its peers
  replicaMs: 30_000,
  claimMs: 10_000,
  lookMs: 100
})
