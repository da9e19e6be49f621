/** The stage of the hostile tests: a Gossip under attack by a raw member, and an honest friend of it that must notice nothing. */
import { publicTopicKey } from '@hearsay/gossip'
import type { DropReason } from '@hearsay/gossip/core'
import type { ExecutionContext } from 'ava'
import { connect, exchange, type GossipNode, gossipNode, linked, type NodeOptions } from './gossip-node.js'
import { connectRaw, dropsOf, type RawPeer } from './raw-peer.js'
import { soon, until } from './until.js'

/** Topic of all hostile tests. */
export const TOPIC = 'cats'
/** Its key. */
export const TOPIC_KEY: Uint8Array = publicTopicKey(TOPIC)

/** See the head of this file. */
export interface Attack {
  readonly victim: GossipNode
  readonly friend: GossipNode
  /** A raw peer whose channel isn't open yet. */
  stranger(): Promise<RawPeer>
  /** A raw peer that has proven the topic key. */
  member(): Promise<RawPeer>
  /** Resolves when `count` inputs (default 1) more than at the last call were dropped for `reason`. */
  dropped(reason: DropReason, count?: number): Promise<void>
  /** Resolves when the victim has closed the channel of `peer`; then a right hello is refused, and the stream still lives. */
  cut(peer: RawPeer): Promise<void>
  /** The honest pair still talks. */
  goesOn(): Promise<void>
}

/** Sets the stage; all ends with the test. */
export async function underAttack(t: ExecutionContext, options: NodeOptions = {}): Promise<Attack> {
  const victim = gossipNode(t, { name: TOPIC, ...options })
  const friend = gossipNode(t, { name: TOPIC })
  connect(victim, friend)
  await linked([victim, friend])
  const seen = new Map<DropReason, number>()
  const stranger = (): Promise<RawPeer> => connectRaw(victim.gossip, TOPIC_KEY)
  return {
    victim,
    friend,
    stranger,
    async member() {
      const peer = await stranger()
      await peer.link()
      return peer
    },
    async dropped(reason, count = 1) {
      const expected = (seen.get(reason) ?? 0) + count
      seen.set(reason, expected)
      await soon(() => dropsOf(victim.gossip, reason) >= expected, { what: `${expected} drops: ${reason}` })
      t.is(dropsOf(victim.gossip, reason), expected, reason)
    },
    async cut(peer) {
      await soon(() => peer.closed > 0 && !peer.isOpen, { what: 'the attacker is cut' })
      const closed = peer.closed
      peer.open()
      await soon(() => peer.closed > closed, { what: 'the attacker is refused' })
      t.false(peer.stream.destroyed, 'the stream belongs to the applications')
    },
    async goesOn() {
      await exchange(victim, friend)
      await until(() => victim.topic.peers().length >= 1)
    }
  }
}
