/** Gossips joined by real Noise streams, whose wires can fall silent without anybody being told. */
import { Duplex } from 'node:stream'
import { createKeyPair, Gossip, type GossipOptions, type KeyPair, type Topic } from '@hearsay/gossip'
import NoiseSecretStream from '@hyperswarm/secret-stream'
import type { ExecutionContext } from 'ava'

/** Two byte streams that are connected, until they are silent: then nothing passes, and nothing closes. */
export class Wire {
  readonly ends: readonly [Duplex, Duplex]
  /** Pieces that were held back. */
  held = 0
  #isSilent = false

  constructor() {
    const make = (other: () => Duplex): Duplex =>
      new Duplex({
        read() {},
        write: (bytes: Uint8Array, _encoding, done) => {
          if (this.#isSilent) this.held++
          else {
            other().push(bytes)
            setImmediate(done)
          }
        }
      })
    const ends: [Duplex, Duplex] = [make(() => ends[1]), make(() => ends[0])]
    this.ends = ends
  }

  /** From now on nothing passes in either direction. */
  silence(): void {
    this.#isSilent = true
  }
}

/** A Gossip with one Noise key on all its streams. */
export interface WiredNode {
  readonly gossip: Gossip
  readonly topic: Topic<string>
  readonly noise: KeyPair
  readonly heard: string[]
  readonly wires: Map<WiredNode, Wire>
}

/** A Gossip on a topic that is closed with the test. */
export function wiredNode(t: ExecutionContext, options: GossipOptions = {}): WiredNode {
  const gossip = new Gossip(options)
  t.teardown(() => gossip.close())
  const topic = gossip.join<string>('cats')
  const heard: string[] = []
  topic.on('message', data => heard.push(data))
  return { gossip, topic, noise: createKeyPair(), heard, wires: new Map() }
}

/** Connects two of them; `a` dials. */
export function wire(t: ExecutionContext, a: WiredNode, b: WiredNode): Wire {
  const made = new Wire()
  const streams = [a, b].map((node, side) => {
    const stream = new NoiseSecretStream(side === 0, made.ends[side], { keyPair: node.noise })
    stream.on('error', () => {})
    node.gossip.attach(stream)
    return stream
  })
  t.teardown(() => {
    for (const stream of streams) stream.destroy()
  })
  a.wires.set(b, made)
  b.wires.set(a, made)
  return made
}

const idOf = (key: Uint8Array): string => Buffer.from(key).toString('hex')

/** Those with which a node has an active link. */
export function activeOf(node: WiredNode, nodes: readonly WiredNode[]): Set<WiredNode> {
  const byKey = new Map(nodes.map(other => [idOf(other.noise.publicKey), other]))
  const active = node.topic.peers().filter(peer => peer.role('cats') === 'active')
  return new Set(active.map(peer => byKey.get(idOf(peer.remotePublicKey)) as WiredNode))
}

/** Does each hold for active whoever holds it for active? */
export function agree(nodes: readonly WiredNode[]): boolean {
  return nodes.every(node => [...activeOf(node, nodes)].every(other => activeOf(other, nodes).has(node)))
}
