/**
 * Errors of this package: one class, stable codes.
 *
 * A code is never reused. Callers switch on `code`, never on `message`. A message names the limit and the value,
 * and never a key, a secret or a payload.
 */

/** Codes that are thrown, that reject a call, or that a remote is answered with. */
export type PartyErrorCode =
  | 'ERR_PARTY_BAD_KEY' // a key or key pair of the wrong type or length; a TypeError with this code
  | 'ERR_PARTY_BAD_OPTION' // an option of the wrong type or out of its range; a TypeError or RangeError with this code
  | 'ERR_PARTY_BAD_STREAM' // attach() got something that is no stream, or lacks `initiator`; a TypeError
  | 'ERR_PARTY_CLOSED' // used after close(), or the peer's channel closed before the answer
  | 'ERR_PARTY_TOO_LARGE' // a record, meta, reason, type or value over its limit
  | 'ERR_PARTY_NOT_ENCODABLE' // meta or value that msgpack can't carry
  | 'ERR_PARTY_TIMEOUT' // waited longer than asked for
  | 'ERR_PARTY_BUSY' // too many calls are open, or the peer takes no more
  | 'ERR_PARTY_LIMIT' // a bound of this party is reached: feeds, feeds of one author
  | 'ERR_PARTY_EXPIRED' // the introduction was dropped before it was accepted
  | 'ERR_PARTY_REVOKED' // the feed is revoked; a remote's introduction never revives it
  | 'ERR_PARTY_REJECTED' // the rules refused
  | 'ERR_PARTY_RULES_TIMEOUT' // the rules took too long
  | 'ERR_PARTY_NOT_AUTHORIZED' // the feed isn't in the set, or we may not sign this record
  | 'ERR_PARTY_NO_HANDLER' // the remote handles no requests
  | 'ERR_PARTY_REMOTE' // the remote's handler threw something without a code
  | 'ERR_PARTY_UNKNOWN' // Parties.open() found nothing of this id, name or discovery key
  | 'ERR_PARTY_EXISTS' // a party of this name is in the list already
  | 'ERR_PARTY_UNKNOWN_RULES' // the rules that a party names aren't among those that were passed
  | 'ERR_PARTY_SECRET' // the list of parties is sealed, and the secret is missing or another one
  | 'ERR_PARTY_LOCKED' // another process, or another list of parties in this one, has the storage
  | 'ERR_PARTY_NOT_READY' // asked for before ready()
  | 'ERR_PARTY_STORAGE' // the disk failed, or the storage isn't ours
  | 'ERR_PARTY_BUNDLE_INCOMPLETE' // a part of the bundle isn't authorized; the message counts them, `keys` names them
  | 'ERR_PARTY_INVITE_USED' // the invite was redeemed as often as it may be
  | 'ERR_PARTY_INVITE_INVALID' // the invite or its chain isn't valid, or has expired

/** Codes that arrive by the 'warning' event: remote trouble, the party goes on. */
export type PartyWarningCode =
  | 'WARN_PARTY_BAD_PROOF' // a peer couldn't prove that it knows the party key
  | 'WARN_PARTY_BAD_BINDING' // a peer's author signature doesn't fit the connection
  | 'WARN_PARTY_VERSION' // a peer speaks another version of the protocol
  | 'WARN_PARTY_CHANNEL_CLOSED' // a channel was closed for what the peer sent; the message names the reason
  | 'WARN_PARTY_BAD_RECORD' // a record whose signature or origin is wrong
  | 'WARN_PARTY_RULE_THREW' // a rule threw, answered with a wrong type, or too late
  | 'WARN_PARTY_EQUIVOCATION' // two records of one author that can't both be
  | 'WARN_PARTY_BUNDLE_INCOMPLETE' // a part of a bundle was rejected
  | 'WARN_PARTY_STALLED' // a peer made no progress and isn't waited for any more
  | 'WARN_PARTY_LIMIT' // a bound made us drop something; the message names it

/** An error of this package. */
export class PartyError extends Error {
  override readonly name = 'PartyError'
  /** Stable across releases; switch on this, never on `message`. A remote's error keeps the remote's code. */
  readonly code: PartyErrorCode | PartyWarningCode | (string & {})

  constructor(
    code: PartyErrorCode | PartyWarningCode | (string & {}),
    message: string,
    options?: ErrorOptions
  ) {
    super(message, options)
    this.code = code
  }
}

/**
 * What is said of an incomplete bundle. `keys`, the feeds that are missing, isn't enumerable: no log is to show a feed key.
 */
export function bundleError(
  code: PartyErrorCode | PartyWarningCode,
  keys: readonly Uint8Array[],
  text: string
): PartyError & { readonly keys: readonly Uint8Array[] } {
  const count = keys.length === 1 ? '1 feed is missing' : `${keys.length} feeds are missing`
  return Object.defineProperty(new PartyError(code, `${text}: ${count}`), 'keys', { value: keys }) as never
}

/** A TypeError with a code: the caller passed something of the wrong type. */
export function typeError(code: PartyErrorCode, message: string): TypeError & { code: PartyErrorCode } {
  return Object.assign(new TypeError(message), { code })
}

/** A RangeError with a code: the type was right, the value wasn't. */
export function rangeError(code: PartyErrorCode, message: string): RangeError & { code: PartyErrorCode } {
  return Object.assign(new RangeError(message), { code })
}
