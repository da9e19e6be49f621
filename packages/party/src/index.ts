/// <reference lib="esnext.disposable" preserve="true" />
/**
 * `@hearsay/party`: a space known by a key. Members introduce feeds to each other, each member's rules accept or refuse,
 * accepted feeds replicate. `Parties` keeps many of them in one storage and runs them on the same connections.
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
export type { SharedOptions } from './node/connections.js'
export { Parties, type PartiesEvents, type PartiesInternals } from './node/parties.js'
export type { ListedParty } from './node/parties-list.js'
export type { AddPartyOptions, CreatePartyOptions, PartiesOptions } from './node/parties-options.js'
export { Party } from './node/party.js'
export type { Secret } from './node/registry-files.js'
export type { SwarmLike, SwarmPeerLike } from './node/swarm.js'
export type { WriteWholeFile } from './node/whole-file.js'
export { rules } from './rules.js'
export type * from './types.js'
