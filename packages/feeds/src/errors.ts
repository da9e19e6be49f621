/**
 * Errors of this package: one class, stable codes.
 *
 * A code is never reused. Callers switch on `code`, never on `message`. A message names the limit and the value, and
 * of a feed at most the first 8 hex digits of its discovery key: never a feed key, a secret or a block.
 */

/** Codes that are thrown or that reject a call. */
export type FeedsErrorCode =
  | 'ERR_FEEDS_STORAGE' // storage of a wrong kind (a TypeError), or the disk refused: nothing was changed
  | 'ERR_FEEDS_LOCKED' // another process, or another FeedSet here, has this storage open
  | 'ERR_FEEDS_LOG_DAMAGED' // the fact log is damaged before its end; `offset` says where. Nothing was opened
  | 'ERR_FEEDS_LOG_FOREIGN' // the fact log belongs to a set with another namespace
  | 'ERR_FEEDS_BAD_KEY' // a feed key of the wrong type or length; a TypeError
  | 'ERR_FEEDS_BAD_NAME' // a writer name that is empty, too long, or spelt like a key; a TypeError or RangeError
  | 'ERR_FEEDS_BAD_META' // meta that can't be kept as it is, or is over maxMetaBytes; a TypeError or RangeError
  | 'ERR_FEEDS_BAD_OPTION' // an option of the wrong type or out of its range; a TypeError or RangeError
  | 'ERR_FEEDS_BAD_STREAM' // replicate() got no usable stream; a TypeError
  | 'ERR_FEEDS_CLOSED' // used after close()
  | 'ERR_FEEDS_NOT_READY' // a value that is known only after ready()
  | 'ERR_FEEDS_NOT_AUTHORIZED' // the feed isn't in the set, or was revoked
  | 'ERR_FEEDS_SET_FULL' // one more feed would pass maxFeeds, or one more denied one maxUnknownTombstones
  | 'ERR_FEEDS_RECOVERING' // the writer may have been rolled back: no append until a peer has shown what is missing
  | 'ERR_FEEDS_ROTATED' // the writer was given up: writer() has the successor
  | 'ERR_FEEDS_QUOTA' // a block that isn't here, behind what may be fetched of its feed
  | 'ERR_FEEDS_BAD_PROOF' // quarantine() of something that proves no fork
  | 'ERR_FEEDS_EMPTY' // freeze() of a feed without a block
  | 'ERR_FEEDS_BAD_CURSOR' // a cursor that this package didn't make
  | 'ERR_FEEDS_TIMEOUT' // waited longer than asked for

/** Codes that arrive by the 'warning' event: remote trouble, the object goes on. */
export type FeedsWarningCode =
  | 'WARN_FEEDS_FOREIGN_REPLICATE' // something else tried to replicate hypercores on a connection of ours; it was stopped
  | 'WARN_FEEDS_FINDER' // a finder threw, took too long, or answered with another feed than the one asked for
  | 'WARN_FEEDS_STUCK' // a feed could not be closed in time, so its connection was destroyed
  | 'WARN_FEEDS_PEER' // a peer asks for far more feeds than an honest one; it is refused without a look
  | 'WARN_FEEDS_OPEN' // an authorized feed could not be opened or attached
  | 'WARN_FEEDS_QUOTA' // a feed is larger than what may be fetched of it; told once for each feed and run

/** An error of this package. */
export class FeedsError extends Error {
  override readonly name = 'FeedsError'
  /** Stable across releases; switch on this, never on `message`. */
  readonly code: FeedsErrorCode | FeedsWarningCode
  /** Where the fact log is damaged, in bytes from its start; only with `ERR_FEEDS_LOG_DAMAGED`. */
  readonly offset?: number

  constructor(
    code: FeedsErrorCode | FeedsWarningCode,
    message: string,
    options?: ErrorOptions & { offset?: number }
  ) {
    super(message, options)
    this.code = code
    if (options?.offset !== undefined) this.offset = options.offset
  }
}

/** A TypeError with a code: the caller passed something of the wrong type. */
export function typeError(code: FeedsErrorCode, message: string): TypeError & { code: FeedsErrorCode } {
  return Object.assign(new TypeError(message), { code })
}

/** A RangeError with a code: the type was right, the value wasn't. */
export function rangeError(code: FeedsErrorCode, message: string): RangeError & { code: FeedsErrorCode } {
  return Object.assign(new RangeError(message), { code })
}
