/**
 * Waits until a one-shot sync is over: see core/progress for what that means.
 *
 * Hypercore tells of no change of a peer's lengths, so the state is looked at again every few ms while somebody waits.
 */
import { type FeedStatus, SyncGoal } from '../core/progress.js'
import { FeedsError } from '../errors.js'
import type { AbortSignalLike } from '../types.js'

/** What synced() looks at. */
export interface SyncHost {
  /** Is there a session whose connection is open? */
  hasPeer(): boolean
  statuses(): FeedStatus[]
  /** Grows with every block that comes or goes. */
  moves(): number
  isClosed(): boolean
  uploadIdleMs: number
}

/** Options of synced(). */
export interface SyncedOptions {
  /** Gives up: rejects with its reason, a few ms after it was aborted. Default: none. */
  signal?: AbortSignalLike
  /** ms without a block coming or going until it rejects `ERR_FEEDS_TIMEOUT`. Default 30,000. */
  timeoutMs?: number
}

const LOOK_MS = 10
const DEFAULT_TIMEOUT_MS = 30_000

/** @throws {FeedsError} `ERR_FEEDS_TIMEOUT`, `ERR_FEEDS_CLOSED`; rejects with `signal.reason` if aborted. */
export async function waitUntilSynced(
  host: SyncHost,
  options: SyncedOptions
): Promise<{ feeds: number; blocks: number }> {
  const timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS
  let goal: SyncGoal | null = null
  let moves = host.moves()
  let movedAtMs = performance.now()
  for (;;) {
    options.signal?.throwIfAborted()
    if (host.isClosed()) throw new FeedsError('ERR_FEEDS_CLOSED', 'the set was closed')
    if (host.moves() !== moves) {
      moves = host.moves()
      movedAtMs = performance.now()
    }
    const idleMs = performance.now() - movedAtMs
    const statuses = host.statuses()
    if (goal === null && host.hasPeer()) goal = SyncGoal.freeze(statuses)
    if (goal !== null) {
      const { ours, theirs } = goal.missing(statuses)
      // A peer that fetches only some blocks never has all of them: it counts as served when it has stopped asking.
      const isServed = theirs === 0 || idleMs >= host.uploadIdleMs
      if (ours === 0 && isServed) return { feeds: goal.feeds, blocks: goal.blocks(statuses) }
    }
    if (idleMs >= timeoutMs) {
      throw new FeedsError('ERR_FEEDS_TIMEOUT', `nothing came or went for ${timeoutMs} ms (timeoutMs)`)
    }
    await new Promise(resolve => setTimeout(resolve, LOOK_MS))
  }
}
