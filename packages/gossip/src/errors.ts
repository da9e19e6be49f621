/**
 * Errors of this package: one class, stable codes.
 *
 * A code is never reused. Callers switch on `code`, never on `message`. A message names the limit and the value,
 * and never a key, a secret or a payload.
 */

/** Codes that are thrown or that reject a call. */
export type GossipErrorCode =
  | 'ERR_GOSSIP_BAD_TOPIC' // no topic, wrong type, empty, or bytes that aren't 32; a TypeError with this code
  | 'ERR_GOSSIP_BAD_KEY' // a public key or key pair of the wrong type or length; a TypeError with this code
  | 'ERR_GOSSIP_BAD_OPTION' // an option of the wrong type or out of its range; a TypeError or RangeError with this code
  | 'ERR_GOSSIP_BAD_STREAM' // attach() got something that is no stream, lacks `initiator`, or whose userData is taken; a TypeError
  | 'ERR_GOSSIP_CLOSED' // used after close(), leave() or destroy()
  | 'ERR_GOSSIP_TOO_LARGE' // the encoded payload is over maxMessageBytes
  | 'ERR_GOSSIP_NOT_ENCODABLE' // the value encoding refused the value
  | 'ERR_GOSSIP_REJECTED' // the topic's own validate() refused what was published
  | 'ERR_GOSSIP_FULL' // a bound of this process is reached: topics, connections, waiting publishes
  | 'ERR_GOSSIP_TIMEOUT' // waited longer than asked for

/** Codes that arrive by the 'warning' event: remote trouble, the object goes on. */
export type GossipWarningCode =
  | 'WARN_GOSSIP_BAD_PROOF' // a peer couldn't prove that it knows the topic key
  | 'WARN_GOSSIP_VERSION' // a peer speaks another version of the protocol
  | 'WARN_GOSSIP_LINK_CLOSED' // a link was closed for what the peer sent; the message names the drop reason
  | 'WARN_GOSSIP_NOT_DECODABLE' // an authentic payload that the value encoding can't decode
  | 'WARN_GOSSIP_SLOW_PEER' // a peer fell behind and now pulls what it missed
  | 'WARN_GOSSIP_CLOCK' // the wall clock jumped, or differs from the peers' clocks
  | 'WARN_GOSSIP_CLONE' // somebody signs with our key and incarnation
  | 'WARN_GOSSIP_RULE_THREW' // validate(), authorize() or admit() threw, or its answer came too late
  | 'WARN_GOSSIP_TRACE_THREW' // the option trace threw; told once, it goes on being called

/** An error of this package. */
export class GossipError extends Error {
  override readonly name = 'GossipError'
  /** Stable across releases; switch on this, never on `message`. */
  readonly code: GossipErrorCode | GossipWarningCode

  constructor(code: GossipErrorCode | GossipWarningCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/** A TypeError with a code: the caller passed something of the wrong type. */
export function typeError(code: GossipErrorCode, message: string): TypeError & { code: GossipErrorCode } {
  return Object.assign(new TypeError(message), { code })
}

/** A RangeError with a code: the type was right, the value wasn't. */
export function rangeError(code: GossipErrorCode, message: string): RangeError & { code: GossipErrorCode } {
  return Object.assign(new RangeError(message), { code })
}
