/// <reference lib="esnext.disposable" preserve="true" />
/**
 * `@hearsay/gossip`: signed, deduplicated pubsub over any stream. For Hyperswarm see `@hearsay/gossip/swarm`.
 *
 * @example
 * import { Gossip } from '@hearsay/gossip'
 *
 * const gossip = new Gossip()
 * const topic = gossip.join('cats')
 * topic.on('message', (data, message) => console.log(message.id, data))
 * gossip.attach(socket, { initiator: true }) // false at the other end
 * await topic.publish({ meow: 1 })
 */
import { publicTopicKey as publicKeyOf, subtopicKey as subtopicKeyOf } from './core/keys.js'
import { typeError } from './errors.js'
import { keyBytes } from './node/key-text.js'
import { createKeyPair, cryptoFor } from './node/sodium.js'
import type { Key } from './types.js'

export { GossipError, type GossipErrorCode, type GossipWarningCode } from './errors.js'
export { LIMITS } from './limits.js'
export { encodingOf } from './node/encodings.js'
export { Gossip } from './node/gossip.js'
export { keyBytes, keyId } from './node/key-text.js'
export type {
  PrometheusClient,
  PrometheusCounter,
  PrometheusGauge,
  PrometheusMetricOptions
} from './node/prometheus.js'
export { createKeyPair, cryptoFor } from './node/sodium.js'
export type { Stats } from './node/stats.js'
export { Topic } from './node/topic.js'
export type * from './types.js'

// Hashing needs no author, but there is one port for all cryptography.
const crypto = cryptoFor(createKeyPair(new Uint8Array(32)))

/**
 * Topic key of a public topic, 32 bytes: `gossip.join(name)` joins the same.
 *
 * @throws {TypeError} `ERR_GOSSIP_BAD_TOPIC` for anything but a name.
 */
export function publicTopicKey(name: string): Uint8Array {
  return publicKeyOf(crypto, nameOf(name))
}

/**
 * Topic key of a topic below another, 32 bytes: who knows the parent's key knows all of them, nobody else does.
 *
 * @throws {TypeError} `ERR_GOSSIP_BAD_TOPIC`, `ERR_GOSSIP_BAD_KEY`.
 */
export function subtopicKey(parentKey: Key, name: string): Uint8Array {
  return subtopicKeyOf(crypto, keyBytes(parentKey), nameOf(name))
}

function nameOf(name: unknown): string {
  if (typeof name === 'string' && name.length > 0) return name
  throw typeError('ERR_GOSSIP_BAD_TOPIC', 'the name of a topic is a string that is not empty')
}
