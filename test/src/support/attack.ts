/**
 * The stage of the hostile tests: a Gossip under attack by raw members, and two honest friends that reach each other only
 * through it. All three talk all the while, and every word must arrive at the two others, once.
 */
import { type KeyPair, publicTopicKey } from '@hearsay/gossip'
import type { DropReason } from '@hearsay/gossip/core'
import type { ExecutionContext } from 'ava'
import b4a from 'b4a'
import { connect, type GossipNode, gossipNode, linked, type NodeOptions } from './gossip-node.js'
import { connectRaw, dropsOf, type RawAuthor, type RawPeer } from './raw-peer.js'
import { soon, turns, until } from './until.js'

/** Topic of all hostile tests. */
export const TOPIC = 'cats'
/** Its key. */
export const TOPIC_KEY: Uint8Array = publicTopicKey(TOPIC)

/** How often one of the three says something, and how often at most. */
const EVERY_MS = 10
const MAX_WORDS = 1000

/** See the head of this file. */
export interface Attack {
  readonly victim: GossipNode
  readonly friend: GossipNode
  /** What the victim heard of an author. */
  heard(author: RawAuthor): unknown[]
  /** Signatures that the victim verified for others than its friends. Exact after `goesOn`. */
  verified(): number
  /** A raw peer whose channel isn't open yet; with a Noise key of its own unless one is given. */
  stranger(attach?: { keyPair?: KeyPair }): Promise<RawPeer>
  /** A raw peer that has proven the topic key. */
  member(): Promise<RawPeer>
  /** Frames of this peer that reached the victim. */
  reached(peer: RawPeer): number
  /** Resolves when `count` inputs (default 1) more than at the last call were dropped for `reason`. */
  dropped(reason: DropReason, count?: number): Promise<void>
  /** Resolves when the victim has closed the channel of `peer`; then a right hello is refused, and the stream still lives. */
  cut(peer: RawPeer): Promise<void>
  /** The victim still takes what `peer` sends: it was charged for nothing, or for little. */
  spared(peer: RawPeer): Promise<void>
  /** Everything that the three said so far arrived. They fall silent until the next stranger comes. */
  goesOn(): Promise<void>
}

/** A machine that does other things as well may stall for longer than an honest peer is given to answer. */
const PATIENT = { linkAskTimeoutMs: 10_000 }

interface Word {
  readonly text: string
  readonly by: GossipNode
}

/** Honest talk: who said what, and who heard it how often. */
class Talk {
  readonly #nodes: readonly GossipNode[]
  readonly #words: Word[] = []
  readonly #heard = new Map<GossipNode, Map<unknown, number>>()
  #isPaused = false

  constructor(t: ExecutionContext, nodes: readonly GossipNode[]) {
    this.#nodes = nodes
    for (const node of nodes) {
      const counts = new Map<unknown, number>()
      this.#heard.set(node, counts)
      node.topic.on('message', data => counts.set(data, (counts.get(data) ?? 0) + 1))
    }
    const timer = setInterval(() => {
      if (!this.#isPaused && this.#words.length < MAX_WORDS) this.say()
    }, EVERY_MS)
    t.teardown(() => clearInterval(timer))
  }

  /** The next one says something. */
  say(): void {
    const by = this.#nodes[this.#words.length % this.#nodes.length] as GossipNode
    const text = `honest word ${this.#words.length}`
    this.#words.push({ text, by })
    // At the end of a test everything is closed under it.
    by.topic.publish(text).catch(() => {})
  }

  /** Goes on after `isHeard`. */
  resume(): void {
    this.#isPaused = false
  }

  /** Resolves when all that was said is heard by all, and falls silent; fails if something is heard twice. */
  async isHeard(t: ExecutionContext): Promise<void> {
    this.#isPaused = true
    for (const _ of this.#nodes) this.say()
    const words = this.#words.slice()
    for (const [node, counts] of this.#heard) {
      const missing = (): Word[] => words.filter(({ text, by }) => by !== node && !counts.has(text))
      await soon(() => missing().length === 0, { what: 'all honest words' })
      const twice = words.filter(({ text }) => (counts.get(text) ?? 0) > 1)
      t.deepEqual(twice, [], 'heard twice')
    }
  }
}

/** Sets the stage; all ends with the test. */
export async function underAttack(t: ExecutionContext, options: NodeOptions = {}): Promise<Attack> {
  const victim = gossipNode(t, { name: TOPIC, ...options, limits: { ...PATIENT, ...options.limits } })
  const friends = [gossipNode(t, { name: TOPIC }), gossipNode(t, { name: TOPIC })] as const
  for (const friend of friends) connect(victim, friend)
  await linked([victim], 2)
  await linked(friends, 1)
  const talk = new Talk(t, [victim, ...friends])
  await talk.isHeard(t)
  const seen = new Map<DropReason, number>()
  const stranger: Attack['stranger'] = async attach => {
    talk.resume()
    return await connectRaw(victim.gossip, TOPIC_KEY, attach)
  }
  const peerOf = ({ stream }: RawPeer) =>
    [...victim.gossip.peers].find(({ remotePublicKey }) => b4a.equals(remotePublicKey, stream.publicKey))
  const framesOf = (raw: RawPeer): number => peerOf(raw)?.stats.framesIn ?? 0
  return {
    victim,
    friend: friends[0],
    heard: author =>
      victim.messages
        .filter(message => b4a.equals(message.author, author.keyPair.publicKey))
        .map(({ data }) => data),
    verified: () =>
      victim.gossip.stats.verified - friends.reduce((sum, { gossip }) => sum + gossip.stats.signed, 0),
    stranger,
    async member() {
      const peer = await stranger()
      await peer.link()
      return peer
    },
    reached: framesOf,
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
    async spared(peer) {
      const before = framesOf(peer)
      peer.live()
      await soon(() => framesOf(peer) > before, { what: 'a frame of a peer that is spared' })
      await turns(2)
      t.true(peer.isOpen, 'it is cut')
    },
    async goesOn() {
      await talk.isHeard(t)
      await until(() => victim.topic.peers().length >= 2)
    }
  }
}
