/**
 * Every bound of this package in one place: what a peer, a disk or a caller can make us hold or wait for.
 *
 * A number without a source is a guess, to be replaced by a measurement; all can be overridden for a set.
 */

/** Bounds that a set can override; see LIMITS for the defaults. */
export interface FeedsLimits {
  /** Feeds that are authorized at once. */
  maxFeeds: number
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
  /** How far a version from outside may be above the known one. */
  maxVersionStep: number
  /** Bytes of the proof of a fork that are kept. */
  maxForkProofBytes: number
  /** ms between two 'progress' events of one feed. */
  progressMs: number
  /** ms without any upload after which synced() no longer waits for a peer that doesn't complete a feed. */
  uploadIdleMs: number
  /** ms that close() waits for what was handed over, before it closes what is ours. */
  goodbyeMs: number
}

/** The defaults. */
export const LIMITS: Readonly<FeedsLimits> = Object.freeze({
  maxFeeds: 4_096,
  maxMetaBytes: 1_024,
  maxNameBytes: 64,
  maxRecordBytes: 4_096,
  maxFactsPerEntry: 256, // 0.25 ms per sync at 256 facts against 0.16 ms for one: bulk imports go in such entries
  maxEntryBytes: 1_048_576,
  maxOpeningPerMux: 32, // 500 attached at once cost 1.6 ms and 50 KB each; 32 at a time kept clients responsive
  asksPerSecond: 100,
  asksBurst: 2_000,
  finderMs: 2_000,
  offerMs: 5_000,
  closeMs: 5_000,
  refusedMs: 60_000,
  maxRefusedMs: 3_600_000,
  maxVersionStep: 1_048_576, // so that one mistake can't use up the 2^53 versions of a slot
  maxForkProofBytes: 65_536,
  progressMs: 100,
  uploadIdleMs: 1_000,
  goodbyeMs: 2_000
})
