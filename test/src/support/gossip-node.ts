/** A Gossip on one topic with all that it hears, for tests of several packages together. */
import { Gossip, type GossipOptions, type Message, type Topic, type TopicOptions } from '@hearsay/gossip'
import type NoiseSecretStream from '@hyperswarm/secret-stream'
import type { ExecutionContext } from 'ava'
import { noisePair, type StreamPair } from './streams.js'
import { until } from './until.js'

/** A Gossip and one of its topics. */
export interface GossipNode {
  readonly gossip: Gossip
  readonly topic: Topic
  /** What was delivered, oldest first. */
  readonly messages: Message[]
  readonly warnings: (Error & { code?: string })[]
  /** 'connected', 'disconnected', 'peer-add', 'peer-remove'. */
  readonly events: string[]
  /** The values of `messages`. */
  data(): unknown[]
}

/** Options of `gossipNode`. */
export interface NodeOptions extends GossipOptions {
  /** Name or key. Default 'cats'. */
  readonly name?: string | Uint8Array
  readonly topic?: TopicOptions
}

/** Makes one; it is closed with the test. */
export function gossipNode(t: ExecutionContext, options: NodeOptions = {}): GossipNode {
  const { name = 'cats', topic: topicOptions, ...rest } = options
  const gossip = new Gossip(rest)
  t.teardown(() => gossip.close())
  return { gossip, ...listenTo(gossip.join(name, topicOptions)) }
}

/** Collects what a topic tells. */
export function listenTo(topic: Topic): Omit<GossipNode, 'gossip'> {
  const messages: Message[] = []
  const warnings: (Error & { code?: string })[] = []
  const events: string[] = []
  topic.on('message', (_data, message) => messages.push(message))
  topic.on('warning', warning => warnings.push(warning))
  for (const name of ['connected', 'disconnected', 'peer-add', 'peer-remove'] as const) {
    topic.on(name, () => events.push(name))
  }
  return { topic, messages, warnings, events, data: () => messages.map(({ data }) => data) }
}

/** Connects two over a Noise stream in memory; `a` initiates. */
export function connect(
  a: Pick<GossipNode, 'gossip'>,
  b: Pick<GossipNode, 'gossip'>
): StreamPair<NoiseSecretStream> {
  const pair = noisePair()
  a.gossip.attach(pair.a)
  b.gossip.attach(pair.b)
  return pair
}

/** Resolves when each node has `peers` peers on its topic. */
export async function linked(nodes: readonly GossipNode[], peers = 1): Promise<void> {
  await until(() => nodes.every(({ topic }) => topic.peers().length === peers), {
    what: `${peers} peers each`
  })
}

/** Publishes on both and resolves when each has heard the other: they still talk. */
export async function exchange(a: GossipNode, b: GossipNode): Promise<void> {
  const word = `are you there ${Math.random()}`
  await Promise.all([a.topic.publish(word), b.topic.publish(word)])
  for (const { messages, gossip } of [a, b]) {
    const other = gossip === a.gossip ? b.gossip.id : a.gossip.id
    await until(() => messages.some(({ data, id }) => data === word && id === other), {
      what: 'an honest message'
    })
  }
}
