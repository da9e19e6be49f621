/**
 * Public types about bundles: feeds that make one structure, such as the two of a Hyperdrive.
 */
import type { Feed } from '@hearsay/feeds'
import type { Key } from '@hearsay/gossip'

/** Feeds that make one structure. */
export interface Bundle {
  /** 'hypercore', 'hyperbee', 'hyperblobs', 'hyperdrive', 'autobase', or the app's own; at most 32 bytes. A hint only. */
  type: string
  /** 1 to 64 keys, the most important one first. */
  keys: readonly Key[]
}

/** A Hypercore, Hyperbee, Hyperblobs, Hyperdrive or Autobase, recognised by what it has. */
export interface StructureLike {
  /** Null until it is ready. */
  readonly key: Uint8Array | null
}

/** What can be introduced: a feed, its key, a bundle, or an instance of a structure. */
export type Introducible = Feed | Key | Bundle | StructureLike

/** A bundle that counts here: introduced by us, or accepted. As it was when it was asked for. */
export interface PartyBundle {
  /** First key, 32 bytes: what the structure is opened with. */
  readonly key: Uint8Array
  /** `key` as z-base-32. */
  readonly id: string
  /** As the introducer called it: a hint, never a reason to run code. */
  readonly type: string
  /** All keys that are known to belong to it. */
  readonly keys: readonly Uint8Array[]
  /** Those that aren't in the set: rejected, revoked, or not yet decided. Reads that need them fail after a while. */
  readonly missing: readonly Uint8Array[]
  /** Nothing is missing. False also for a drive of which the second key isn't known yet. */
  readonly isComplete: boolean
  /** Who introduced it, 32 bytes. */
  readonly author: Uint8Array
}

/** What is said of an incomplete bundle. */
export interface BundleIncompleteError extends Error {
  /** `ERR_PARTY_BUNDLE_INCOMPLETE` of a read, `WARN_PARTY_BUNDLE_INCOMPLETE` of the event. */
  readonly code: string
  /** The feeds that are missing, 32 bytes each. Not enumerable, so that no log shows them. */
  readonly keys: readonly Uint8Array[]
}
