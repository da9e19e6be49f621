/** G6: what a process may hold at any time. */
import type { Limits } from '@hearsay/gossip/core'
import type { SimNode } from './node.js'

/** Sizes that a core tells, and their bounds. */
const BOUNDS: readonly (readonly [size: string, limit: keyof Limits])[] = [
  ['links', 'maxLinks'],
  ['authors', 'maxAuthors'],
  ['cacheBytes', 'maxCacheBytes'],
  ['cacheBatches', 'maxCacheBatches'],
  ['rememberedPeers', 'maxRememberedPeers'],
  ['parked', 'maxParked'],
  ['waitingPublishes', 'maxWaitingPublishes']
]

/** What is over its bound in a process; null: nothing. */
export function overBound(node: SimNode): string | null {
  const { limits } = node.options
  const { maxQueuedBytesPerLink, maxQueuedBytesPerConnection, maxMessageBytes, batchOverheadBytes } = limits
  const { sizes } = node.core
  for (const [name, limit] of BOUNDS) {
    const size = sizes[name] ?? 0
    if (size > limits[limit]) return `${name} is ${size}, limit is ${limit}`
  }
  // One batch is always allowed, however large.
  const one = maxMessageBytes + batchOverheadBytes
  for (const { egress, link } of node.ports.values()) {
    const bytes = egress.queuedBytes(link)
    if (bytes > Math.max(maxQueuedBytesPerLink, one)) return `${bytes} bytes queued for a link`
    const all = egress.queuedBytes()
    if (all > Math.max(maxQueuedBytesPerConnection, one)) return `${all} bytes queued for a connection`
  }
  return null
}
