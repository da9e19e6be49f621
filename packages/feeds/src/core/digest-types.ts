/**
 * What a set comparison is told, what it sends and what it asks for. The machine itself is in `digest.ts`.
 */
/** Number of a compared set: 0 denials, 1 records, 2 lengths. Set 2 has no PULL. */
export type SetNumber = 0 | 1 | 2

/** A range of slots: those whose first `depth` nibbles are `path` (ceil(depth/2) bytes, a last half byte is zero). */
export interface DigestRange {
  readonly depth: number
  readonly path: Uint8Array
}

/** One child of a range that isn't empty. */
export interface DigestChild {
  /** 0 to 15. */
  readonly nibble: number
  /** Rows below it, from 1. */
  readonly count: number
  /** Fingerprint of these rows under the salt of the round, 8 bytes. */
  readonly fp: Uint8Array
}

/** A range and its children that aren't empty, in order of their nibbles. */
export interface DigestNode extends DigestRange {
  /** 1 to 16; a nibble that is missing has no rows. */
  readonly children: readonly DigestChild[]
}

/** Shorts (8 bytes each) of the rows in a range. */
export interface DigestGroup extends DigestRange {
  /** All rows of the range, in any order; none: the sender has nothing there. */
  readonly shorts: readonly Uint8Array[]
}

/** What the two sides send each other; `records` without the records themselves. */
export type DigestFrame =
  | { type: 'root'; set: SetNumber; round: number; count: number; fp: Uint8Array }
  | { type: 'nodes'; set: SetNumber; round: number; nodes: readonly DigestNode[] }
  | { type: 'items'; set: SetNumber; round: number; isReply: boolean; groups: readonly DigestGroup[] }
  | {
      type: 'pull'
      set: SetNumber
      round: number
      all: readonly DigestRange[]
      shorts: readonly Uint8Array[]
    }
  | { type: 'done'; set: SetNumber; round: number }

/** A RECORDS frame, as the digest needs it: the rows (flat, 32 bytes each) of the records that it held. */
export interface RecordsMark {
  /** Tells it from a `DigestFrame`. */
  readonly type: 'records'
  /** 0 or 1: set 2 has no records. */
  readonly set: SetNumber
  /** Round in which they were pulled. Records that were pushed (round 0) are not the digest's matter. */
  readonly round: number
  /** Ends the answer to our PULL. */
  readonly isLast: boolean
  /** As they were read from the records, not as somebody claims them. */
  readonly rows: Uint8Array
}

/** How a peer broke the protocol. */
export type DigestFault =
  | 'order' // a frame that can't come now, or ranges that don't follow from what we sent
  | 'limit' // more than a bound allows
  | 'root' // a root that can't be

/** What a peer did that costs it points, but doesn't end the round. */
export type DigestDemerit =
  | 'round-rate' // it started a round too soon; ignored
  | 'unasked' // a record that wasn't pulled

/** What the driver does, in order. */
export type DigestEffect =
  /** Send this frame; a `done` of set 2 must not overtake the LENGTHS of a `supply` before it. */
  | { type: 'send'; frame: DigestFrame }
  /**
   * The peer asked for these rows (flat, 32 bytes each). Sets 0 and 1: send the records that still have that value as
   * RECORDS of this round, the last one with `last` = 1, also if there is none. Set 2: send their LENGTHS.
   */
  | { type: 'supply'; round: number; rows: Uint8Array }
  /** Both sides have all that they want. `isSame`: the roots were equal. */
  | { type: 'done'; round: number; isSame: boolean }
  | { type: 'demerit'; reason: DigestDemerit }
  /** The peer broke the protocol: close the channel. The digest takes nothing more. */
  | { type: 'fault'; reason: DigestFault }
  /** No frame for too long. Set 0: close the channel; else start again in `retryMs`. */
  | { type: 'timeout'; round: number; retryMs: number }

/** Bounds of a comparison. All peers must agree on all but the times. */
export interface DigestLimits {
  /** Nodes in one NODES. A frame with fewer ends a turn. */
  maxNodes: number
  /** Groups in one ITEMS, ranges in one PULL. */
  maxGroups: number
  /** Shorts in one ITEMS or PULL. */
  maxShorts: number
  /** Shorts in one ITEMS that we send; a peer may send up to `maxShorts`. */
  maxSentShorts: number
  /** Nibbles of the longest path: a range so deep is told by shorts, whatever its count. */
  maxDepth: number
  /** A range in which one side has at most so many rows is told by shorts. */
  leafRows: number
  /** Rows in one set. */
  maxRows: number
  /** PULL frames of the peer in one round. */
  maxPulls: number
  /** How far a round may lie above the last one; rounds are numbers below 2^32. */
  maxRoundStep: number
  /** Shortest time between two rounds that the peer starts. */
  roundEveryMs: number
  /** A round without a frame for so long is given up. */
  roundDeadlineMs: number
  /** When to try again after a round that was given up; doubles each time. */
  retryMs: number
  /** Longest such time. */
  maxRetryMs: number
}

/** Options of a digest. */
export interface DigestOptions {
  /** Both ends run one digest per set. */
  set: SetNumber
  /** Did we initiate the Noise handshake? */
  isInitiator: boolean
  /** Our rows now, sorted (`RowSet.snapshot`); asked once per round and not changed afterwards. */
  snapshot(): Uint8Array
  /** Rows that we know and don't want (flat, any order); asked at most once per round. Default: none. */
  refused?(): Uint8Array
  /** Salt of a round, 32 bytes. */
  salt(round: number): Uint8Array
  /** BLAKE2b-256 keyed with `key`. */
  keyedHash(key: Uint8Array, ...parts: Uint8Array[]): Uint8Array
  /** Overrides single bounds of `DIGEST_LIMITS`. */
  limits?: Partial<DigestLimits>
}

/** See the drawing. */
export type DigestState = 'idle' | 'roots' | 'ranges' | 'pulling' | 'same' | 'faulty'

/** The defaults. Leaves of 4 to 32 rows changed the bytes by at most 5 % (measured); the rest are guesses. */
export const DIGEST_LIMITS: Readonly<DigestLimits> = Object.freeze({
  maxNodes: 64,
  maxGroups: 256,
  maxShorts: 4096,
  maxSentShorts: 1000,
  maxDepth: 12,
  leafRows: 16,
  maxRows: 2_000_000,
  maxPulls: 1024,
  maxRoundStep: 2 ** 20,
  roundEveryMs: 10_000,
  roundDeadlineMs: 10_000,
  retryMs: 60_000,
  maxRetryMs: 3600 * 1000
})
