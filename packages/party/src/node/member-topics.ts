/**
 * The gossip topics of a party. A peer is admitted to them once its channel is LIVE, and dismissed when its last LIVE channel
 * is gone: the connection may stay, for other protocols or another party, and would go on telling it feed keys.
 */
import type { Topic } from '@hearsay/gossip'
import { hexOf } from '../key.js'

/** See the head of this file. */
export class MemberTopics {
  readonly #topics = new Set<Topic<never>>()

  /** From now on `topic` loses whoever is dismissed, until it is left. */
  add<T>(topic: Topic<T>): void {
    const known = topic as unknown as Topic<never>
    if (this.#topics.has(known)) return
    this.#topics.add(known)
    topic.once('close', () => this.#topics.delete(known))
  }

  /** Closes the links of all topics with the process of this Noise key. */
  dismiss(remotePublicKey: Uint8Array): void {
    const id = hexOf(remotePublicKey)
    for (const topic of this.#topics) {
      for (const peer of topic.peers()) if (hexOf(peer.remotePublicKey) === id) topic.dismiss(peer)
    }
  }
}
