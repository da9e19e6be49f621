/// <reference lib="esnext.disposable" preserve="true" />
/**
 * `@hearsay/party`: a space known by a key. Members introduce feeds to each other, each member's rules accept or refuse,
 * accepted feeds replicate.
 *
 * @example
 * import { Party, rules } from '@hearsay/party'
 *
 * const party = new Party({ key, storage: './alice', rules: rules.open() })
 * const log = await party.feeds.writer('log')
 * await log.append('hello')
 * await party.introduce(log)
 * party.join(swarm) // a Hyperswarm of yours; or party.attach(stream)
 * party.on('feed', feed => console.log(feed.id))
 */
export { PartyError, type PartyErrorCode, type PartyWarningCode } from './errors.js'
export { LIMITS } from './limits.js'
export { Party } from './node/party.js'
export type { SwarmLike } from './node/swarm.js'
export { rules } from './rules.js'
export type * from './types.js'
