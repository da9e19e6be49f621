/**
 * Have the peers taken what was published?
 */
import { setTimeout } from 'node:timers/promises'
import type { Swarm } from '@hearsay/gossip/swarm'

/** A peer that takes nothing for so long is not waited for any more. */
const PATIENCE_MS = 10_000
const LOOK_AGAIN_MS = 2

/**
 * Waits until the slowest peer has taken what was published. Otherwise it would fall behind, have to ask for what it
 * missed, and find us gone. There is no event for it: publishing as such waits only while no peer takes anything.
 *
 * @returns False when a peer took nothing for too long.
 */
export async function taken(swarm: Swarm, signal: AbortSignal): Promise<boolean> {
  const waiting = () => swarm.peers().reduce((sum, peer) => sum + peer.stats.queuedBytes, 0)
  let least = waiting()
  let since = performance.now()
  while (least > 0) {
    if (performance.now() - since > PATIENCE_MS) return false
    await setTimeout(LOOK_AGAIN_MS, undefined, { signal })
    const now = waiting()
    if (now < least) since = performance.now()
    least = now
  }
  return true
}
