/// <reference lib="esnext.disposable" preserve="true" />
/**
 * `@hearsay/gossip/swarm`: publish and subscribe on Hyperswarm in five lines.
 *
 * @example
 * import pubsub from '@hearsay/gossip/swarm'
 * const swarm = pubsub('foobar')
 * swarm.on('message', (data, message) => console.log(message.id, data))
 * await swarm.publish({ hello: 'world' })
 */
import { Swarm, type SwarmOptions } from './node/swarm.js'

export type {
  BootstrapNode,
  DhtLike,
  DiscoveryLike,
  NetworkLike,
  NetworkOptions,
  PeerInfoLike
} from './network.js'
export { closeNetwork, createNetwork } from './node/hyperswarm.js'
export type { WaitOptions } from './node/wait-for-peers.js'
export { Swarm, type SwarmOptions }

/**
 * Joins a topic; with or without `new`.
 *
 * @param topic - Name of a public topic, or the 32 bytes of a private one's key.
 * @param options - Topic, identity, and where to find the others.
 * @throws {TypeError} `ERR_GOSSIP_BAD_TOPIC`, `ERR_GOSSIP_BAD_OPTION`, `ERR_GOSSIP_BAD_KEY`, at once.
 */
export default function pubsub<T = unknown>(topic: string | Uint8Array, options?: SwarmOptions<T>): Swarm<T> {
  return new Swarm<T>(topic, options)
}
