/**
 * Records by gossip: the topic `sys/records` of a party.
 *
 * Gossip gives latency over many hops; what counts is the record inside, with its own signature. Only LIVE peers are
 * admitted, since records hold feed keys. A message must be signed by the author of its record, so that nobody can spend
 * another one's budget.
 */
import type { Gossip, Message, Peer, Topic } from '@hearsay/gossip'

/** What the topic needs of its party. */
export interface RecordGossipHost {
  readonly topicKey: Uint8Array
  /** Resolves with true at LIVE, with false if that never comes. */
  admit(peer: Peer): boolean | Promise<boolean>
  /** Is this a well-formed, signed record of the author? */
  isRecordOf(bytes: Uint8Array, author: Uint8Array): boolean
  onrecord(bytes: Uint8Array, from: Peer | null): void
  onwarning(error: Error): void
}

/** See the head of this file. */
export class RecordGossip {
  readonly #topic: Topic<Uint8Array>
  readonly #host: RecordGossipHost

  constructor(gossip: Gossip, host: RecordGossipHost) {
    this.#host = host
    this.#topic = gossip.join<Uint8Array>(host.topicKey, {
      valueEncoding: 'binary',
      admit: peer => host.admit(peer),
      validate: message => (host.isRecordOf(message.data, message.author) ? 'accept' : 'reject')
    })
    this.#topic.on('message', (bytes: Uint8Array, message: Message<Uint8Array>) => {
      host.onrecord(bytes, message.from)
    })
    this.#topic.on('warning', (error: Error) => host.onwarning(error))
  }

  /** Spreads a record of ours. Best effort: sets are compared besides. */
  publish(record: Uint8Array): void {
    this.#topic.publish(record).catch(fault => this.#host.onwarning(fault as Error))
  }

  /** The topic of the records. */
  get topic(): Topic<Uint8Array> {
    return this.#topic
  }

  leave(): Promise<void> {
    return this.#topic.leave()
  }
}
