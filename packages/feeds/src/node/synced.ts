/**
 * Waits until a one-shot sync is over: see core/progress for what that means.
 *
 * What we have is offered to each peer once: whether it wants a feed is known only by its answer.
 *
 * Hypercore tells of no change of a peer's lengths, so the state is looked at again every few ms while somebody waits.
 */
import { type FeedStatus, SyncGoal } from '../core/progress.js'
import { FeedsError } from '../errors.js'
import type { AbortSignalLike } from '../types.js'

/** A session of the set, as far as synced() needs it. */
interface SyncSession {
  /** Is its connection open, and is everything asked for that is sought? */
  readonly isOpen: boolean
  /** Offers what the peer hasn't asked for. */
  offer(): void
}

/** What synced() looks at. */
export interface SyncHost {
  sessions(): Iterable<SyncSession>
  /** Of all feeds, or of those that anything happens to. */
  statuses(isAll: boolean): FeedStatus[]
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
  const offered = new Set<SyncSession>()
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
    for (const session of host.sessions()) {
      if (!session.isOpen || offered.has(session)) continue
      offered.add(session)
      session.offer()
    }
    const statuses = host.statuses(false)
    if (goal === null && offered.size > 0 && SyncGoal.isFixed(statuses))
      goal = SyncGoal.freeze(host.statuses(true))
    if (goal !== null) {
      const { ours, theirs } = goal.missing(statuses)
      // A peer that fetches only some blocks never has all of them: it counts as served when it has stopped asking.
      const isServed = theirs === 0 || idleMs >= host.uploadIdleMs
      if (ours === 0 && isServed) return { feeds: goal.feeds, blocks: goal.blocks(host.statuses(true)) }
    }
    if (idleMs >= timeoutMs) {
      throw new FeedsError('ERR_FEEDS_TIMEOUT', `nothing came or went for ${timeoutMs} ms (timeoutMs)`)
    }
    await new Promise(resolve => setTimeout(resolve, LOOK_MS))
  }
}
