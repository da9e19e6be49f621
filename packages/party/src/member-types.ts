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

/** Options of a removal. */
export interface RemoveOptions {
  /** Revoke the feeds that the member wrote, too. Default true; false: they stay as they are. */
  feeds?: boolean
  /** Leave out whom the member admitted. Default false: they are admitted anew in our name. */
  cascade?: boolean
}
