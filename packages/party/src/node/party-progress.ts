/**
 * How far each feed of a party is, and how much of it each peer has.
 *
 * Peers tell their lengths as soon as a feed is accepted, before anything of it is opened, so the total is known before the
 * download: the sum of the targets.
 */
import type { FeedProgress } from '@hearsay/feeds'
import type { PeerClaim } from '../core/sync.js'
import type { PartyPeer, PartyProgress } from '../types.js'

/** What progress is told with. */
export interface ProgressHost {
  /** What each LIVE peer says that it holds of a feed. */
  claimsOf(key: Uint8Array): readonly PeerClaim[]
  /** The peer of a channel; null: it is gone. */
  peerOf(channel: number): PartyPeer | null
}

/** Of feeds in these states nothing is fetched by itself. */
const NOT_FETCHED: ReadonlySet<FeedProgress['state']> = new Set(['sparse', 'quota', 'forked'])

/** What the set knows of a feed, and what the peers say of it. */
export function partyProgress(progress: FeedProgress, host: ProgressHost): PartyProgress {
  const byPeer: PartyProgress['byPeer'][number][] = []
  let { target, state } = progress
  for (const { channel, length, complete } of host.claimsOf(progress.key)) {
    target = Math.max(target, complete)
    const peer = host.peerOf(channel)
    if (peer !== null) byPeer.push({ peer, length, complete })
  }
  const missing = NOT_FETCHED.has(state) ? 0 : Math.max(0, target - progress.complete)
  // A feed that isn't open yet has nothing to be compared with but what peers say.
  if (missing > 0 && state === 'complete') state = 'waiting'
  return { ...progress, state, target, missing, byPeer }
}
