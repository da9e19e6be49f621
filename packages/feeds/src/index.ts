/// <reference lib="esnext.disposable" preserve="true" />
/**
 * @hearsay/feeds: the authorized set of feeds, and the gate that lets nothing else be replicated.
 */
export { FeedsError, type FeedsErrorCode, type FeedsWarningCode } from './errors.js'
export { LIMITS } from './limits.js'
export { FeedSet } from './node/feed-set.js'
export { feedKeyOf, feedKeyOfManifest, feedKeyOfNamespace } from './node/hypercore.js'
export { fullWriterName } from './node/keys.js'
export { type OpenStorage, openStorage } from './node/open-storage.js'
export type { SyncedOptions } from './node/synced.js'
export type * from './types.js'
