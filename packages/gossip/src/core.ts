/**
 * Entry '@hearsay/gossip/core': the protocol without any I/O.
 *
 * Everything that the protocol decides is here, as state machines that are told inputs and return effects; clock,
 * randomness, primitives and bytes on the wire are passed in. '@hearsay/gossip' drives it with Node streams and libsodium;
 * the simulator drives it with an event queue. Use it to run the protocol elsewhere, or to test against it.
 *
 * @example
 * import { Egress, LIMITS, TopicCore } from '@hearsay/gossip/core'
 *
 * const core = new TopicCore({ topicKey, author: publicKey, crypto, limits: LIMITS, startMs: Date.now() })
 * const egress = new Egress(LIMITS)
 * for (const effect of core.step({ type: 'publish', publish: 1, payload }, Date.now())) {
 *   if (effect.type === 'send') egress.push(effect.link, effect.class, effect.frame)
 * }
 * for (const { kind, bytes } of egress.take()) channel.messages[kind].send(bytes)
 */

export { IncomingAuthors, OutgoingAuthors } from './core/author-indexes.js'
export { BatchDigester, batchDigest, decodePayloads, encodePayloads } from './core/batch.js'
export { TokenBucket } from './core/budget.js'
export { Egress, type EgressSignal } from './core/egress.js'
export { verifyEquivocation } from './core/equivocation.js'
export { FrameWriter, sizeOf, type WrittenFrame } from './core/frame-writer.js'
export * from './core/frames.js'
export {
  decodeHello,
  encodeHello,
  FEATURE_DURABLE,
  FEATURE_OFFER,
  FEATURE_PEERS,
  type Hello,
  ownHello,
  verifyHello
} from './core/hello.js'
export type { LinkState } from './core/inspect.js'
export { Intake } from './core/intake.js'
export * from './core/keys.js'
export type { Link } from './core/link.js'
export type { TopicCounters } from './core/outbox.js'
export type { Result } from './core/result.js'
export { type Arrival, Flood, type Learned, type Plan, type Spread, type SpreadFrame } from './core/spread.js'
export { SubscriberBuffer } from './core/subscriber.js'
export { TopicCore } from './core/topic-core.js'
export type * from './core/types.js'
export { SEND_BULK, SEND_CONTROL, SEND_FORWARD, SEND_OWN } from './core/types.js'
export { VerifyBudget } from './core/verify-budget.js'
export { Window } from './core/window.js'
export { LIMITS, type Limits } from './limits.js'
