/**
 * Entry '@hearsay/party/core': the protocol of a party without any I/O.
 *
 * Everything that the protocol decides is here: a state machine that is told inputs and returns effects. '@hearsay/party'
 * drives it with Node streams, libsodium and a FeedSet. Use it to run the protocol elsewhere, or to test against it.
 *
 * @example
 * import { LIMITS, PartyCore } from '@hearsay/party/core'
 *
 * const core = new PartyCore({ partyKey, author, crypto, limits: LIMITS, feedKeyOf, versionOf: () => null })
 * for (const effect of core.step({ type: 'channelUp', channel: 1, binding, hello }, Date.now())) apply(effect)
 */
export * from './core/frames.js'
export * from './core/keys.js'
export { PartyCore } from './core/party-core.js'
export * from './core/records.js'
export * from './core/registry.js'
export type { Result } from './core/result.js'
export type * from './core/types.js'
export { LIMITS, type Limits } from './limits.js'
