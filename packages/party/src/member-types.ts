/**
 * Public types about members: what they may do, and how they are admitted and removed.
 */

/** What a member may do; see `rules.invite`. */
export type Capability = 'read' | 'write' | 'introduce' | 'invite' | 'admin'

/** Options of the `invite` rules. */
export interface InviteOptions {
  /** What a member needs to be a peer. Default ['read']. */
  require?: readonly Capability[]
}

/** Options of an admission. */
export interface AdmitOptions {
  /** Default ['read', 'write']. Never more than one's own. */
  capabilities?: readonly Capability[]
  /** How many further admissions may hang on it, 0 to 3; default 0. Less than one's own; the founder's is 4. */
  depth?: number
  /** From now; default 0: never expires. */
  expiresMs?: number
}

/** Options of an invite link. */
export interface InviteLinkOptions {
  /** What those who come by it may do; default ['read', 'write']. Never more than one's own. */
  capabilities?: readonly Capability[]
  /** How many may come by it, 1 to 65,535; default 1. 0: as many as hold it, and nobody needs to be online for that. */
  uses?: number
  /** How many further admissions may hang on theirs, 0 to 3; default 0. Less than one's own; the founder's is 4. */
  depth?: number
  /** From now; default 0: never expires. */
  expiresMs?: number
}

/** Options of an admin's authorization. */
export interface AuthorizeOptions {
  /** 0 to 255, told to the rules of members; without a meaning here. Default 0. */
  role?: number
  /** Bytes of blocks that members fetch at most; the lower of this and their own bound counts. Default 0: no bound. */
  maxBytes?: number
  /** From now; then the feed leaves the set of those who had it by this word only. Default 0: never. */
  expiresMs?: number
}

/** Options of a removal. */
export interface RemoveOptions {
  /** Revoke the feeds that the member wrote, too. Default true; false: they stay, up to the length that we know. */
  feeds?: boolean
  /** Leave out whom the member admitted. Default false: they are admitted anew in our name. */
  cascade?: boolean
}

/** A revocation or authorization as `admin` sees it. */
export interface FactMessage {
  /** 'revoke' and 'authorize' are about a feed, 'remove' is about a member. */
  readonly kind: 'revoke' | 'authorize' | 'remove'
  /** From 1; the highest about one subject counts. */
  readonly version: number
  /** Feed key of an authorize, feed id of a revoke, author of a remove; 32 bytes. */
  readonly subject: Uint8Array
  /** First revoked block; null: all, or no revocation. */
  readonly cutoff: number | null
}
