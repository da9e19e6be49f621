/**
 * What is missing, and when a one-shot sync is over. Pure functions of what each feed and its peers show.
 *
 * The goal of synced() is fixed once, when every feed is settled on every connection: for each feed the greatest length
 * that a connected peer claims. Blocks and feeds that come later are not in it, and a claim of a peer that left falls to
 * what the others claim. So it ends.
 */
import type { FeedProgress } from '../types.js'

/** What a connected peer shows of a feed. */
export interface PeerStatus {
  /** False until its first message about lengths came. */
  isSynced: boolean
  /** Signed length that it claims; 0 until it is synced. */
  length: number
  /** Blocks that it has from the first one on. */
  complete: number
  /** Does it fetch what it lacks? A peer that doesn't is not waited for. */
  isDownloading: boolean
}

/** One authorized feed. */
export interface FeedStatus {
  /** `key` as z-base-32. */
  id: string
  /** 32 bytes. */
  key: Uint8Array
  /** Signed length that we know; 0 while the feed isn't open. */
  length: number
  /** Blocks that we have from the first one on. */
  complete: number
  /** Blocks from this length on are invalid, whatever a peer claims; null: all are valid. */
  cutoff: number | null
  /** Only what is asked for is fetched, so that nothing counts as missing. */
  isSparse: boolean
  /** Signed twice for one length: never complete, and never waited for. */
  isForked: boolean
  /** Larger than what may be fetched of it: what is here is all that comes. */
  isOverQuota: boolean
  /** One of ours that may have been rolled back: what comes of it comes when its peers do. */
  isRecovering: boolean
  /** False while it is being opened, or offered, on a connection. */
  isSettled: boolean
  /** Those that replicate this feed with us now. */
  peers: readonly PeerStatus[]
}

/** The greatest length that a peer claims, as far as its blocks are valid; 0 without one. */
export function claimOf(status: FeedStatus): number {
  const most = status.peers.reduce((length, peer) => Math.max(length, peer.length), 0)
  return Math.min(most, status.cutoff ?? Number.POSITIVE_INFINITY)
}

/** What the application sees of a feed. */
export function progressOf(status: FeedStatus): FeedProgress {
  const { key, id, length, complete, peers } = status
  const claim = claimOf(status)
  const target = Math.max(Math.min(length, status.cutoff ?? Number.POSITIVE_INFINITY), claim)
  return { key, id, state: stateOf(status, target), length, complete, target: claim, peers: peers.length }
}

function stateOf(status: FeedStatus, target: number): FeedProgress['state'] {
  if (status.isForked) return 'forked'
  if (status.isRecovering) return 'recovering'
  if (status.isOverQuota) return 'quota'
  if (status.isSparse) return 'sparse'
  if (status.complete >= target) return 'complete'
  return claimOf(status) > status.complete ? 'downloading' : 'waiting'
}

/** What is still missing for a goal. */
export interface Missing {
  /** Blocks that we lack. */
  ours: number
  /** Blocks that connected peers still fetch from us. */
  theirs: number
}

/** The fixed goal of one synced() call. */
export class SyncGoal {
  /** By feed: the length to reach, and our own length that peers may still fetch. */
  readonly #goals = new Map<string, { target: number; offer: number }>()

  private constructor(statuses: readonly FeedStatus[]) {
    for (const status of statuses)
      this.#goals.set(status.id, { target: claimOf(status), offer: status.complete })
  }

  /** Can the goal be fixed: is no feed unsettled, and has every peer told its length? */
  static isFixed(statuses: readonly FeedStatus[]): boolean {
    return statuses.every(status => status.isSettled && status.peers.every(peer => peer.isSynced))
  }

  /** The goal, or null while it can't be fixed. */
  static freeze(statuses: readonly FeedStatus[]): SyncGoal | null {
    return SyncGoal.isFixed(statuses) ? new SyncGoal(statuses) : null
  }

  /** Feeds in the goal. */
  get feeds(): number {
    return this.#goals.size
  }

  /** What the statuses still lack; a feed that left the set, or forked, lacks nothing. Zero in both: the sync is over. */
  missing(statuses: readonly FeedStatus[]): Missing {
    const missing = { ours: 0, theirs: 0 }
    for (const status of statuses) {
      const goal = this.#goals.get(status.id)
      if (goal === undefined || status.isForked || status.isRecovering) continue
      const target = Math.min(goal.target, claimOf(status))
      if (!status.isSparse && !status.isOverQuota) missing.ours += Math.max(0, target - status.complete)
      for (const peer of status.peers) {
        if (peer.isDownloading) missing.theirs += Math.max(0, goal.offer - peer.complete)
      }
    }
    return missing
  }

  /** Blocks of the goal that are here. */
  blocks(statuses: readonly FeedStatus[]): number {
    let blocks = 0
    for (const status of statuses) {
      const goal = this.#goals.get(status.id)
      if (goal !== undefined) blocks += Math.min(status.complete, Math.max(goal.target, goal.offer))
    }
    return blocks
  }
}
