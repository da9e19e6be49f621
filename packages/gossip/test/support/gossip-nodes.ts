/** Gossips for tests: closed with the test, on a topic, with all that they receive. */
import { Gossip, type GossipOptions, type Message, type Topic, type TopicOptions } from '@hearsay/gossip'
import type NoiseSecretStream from '@hyperswarm/secret-stream'
import type { ExecutionContext } from 'ava'
import { noisePair, until } from './streams.js'

/** A Gossip that is closed with the test, on a topic, with all that it receives. */
export function node(
  t: ExecutionContext,
  options: GossipOptions & { topic?: TopicOptions; name?: string } = {}
) {
  const { topic: topicOptions, name = 'cats', ...rest } = options
  const gossip = new Gossip(rest)
  t.teardown(() => gossip.close())
  return { gossip, ...listen(gossip.join(name, topicOptions)) }
}

/** All that a topic tells. */
export function listen(topic: Topic) {
  const messages: Message[] = []
  const events: string[] = []
  const warnings: (Error & { code?: string })[] = []
  topic.on('message', (_data, message) => messages.push(message))
  topic.on('connected', () => events.push('connected'))
  topic.on('disconnected', () => events.push('disconnected'))
  topic.on('peer-add', () => events.push('peer-add'))
  topic.on('peer-remove', () => events.push('peer-remove'))
  topic.on('close', () => events.push('close'))
  topic.on('warning', warning => warnings.push(warning))
  return { topic, messages, events, warnings, data: () => messages.map(message => message.data) }
}

/** What `node` makes. */
export type Node = ReturnType<typeof node>

/** A connection between two of them. */
export function connect(
  a: { gossip: Gossip },
  b: { gossip: Gossip }
): [NoiseSecretStream, NoiseSecretStream] {
  const pair = noisePair()
  a.gossip.attach(pair[0])
  b.gossip.attach(pair[1])
  return pair
}

/** Resolves when each of them has a peer on its topic. */
export const linked = (...nodes: Node[]) => until(() => nodes.every(({ topic }) => topic.peers().length > 0))
