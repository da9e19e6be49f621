/**
 * A party on a Hyperswarm, taken structurally: this file knows no library.
 *
 * The swarm is the app's: nothing of it is destroyed here, and its connections carry other protocols, too.
 */
import { PartyError } from '../errors.js'
import type { DuplexLike, PartyPeer, PartySwarm } from '../types.js'
import { messageOf } from './ask-rules.js'

/** A Hyperswarm, as far as a party uses it. */
export interface SwarmLike {
  readonly connections: Iterable<DuplexLike>
  /** What the swarm knows of peers, by Noise key in hex. */
  readonly peers?: { get(remotePublicKey: string): SwarmPeerLike | undefined }
  join(topic: Uint8Array, options?: object): { flushed(): Promise<unknown>; destroy(): Promise<unknown> }
  flush(): Promise<unknown>
  // biome-ignore lint/suspicious/noExplicitAny: listeners of a foreign emitter
  on(event: 'connection', listener: (stream: any, peer: any) => void): unknown
  // biome-ignore lint/suspicious/noExplicitAny: listeners of a foreign emitter
  off(event: 'connection', listener: (stream: any, peer: any) => void): unknown
}

/** What a Hyperswarm knows of a peer, as far as a party uses it. */
export interface SwarmPeerLike {
  /** Under which topics our own look-ups have found it. */
  readonly topics: readonly Uint8Array[]
  on(event: 'topic', listener: (topic: Uint8Array) => void): unknown
  off(event: 'topic', listener: (topic: Uint8Array) => void): unknown
}

/** What joining needs of the party. */
export interface SwarmHost {
  topic: Uint8Array
  attach(stream: DuplexLike): PartyPeer
  warn(error: Error): void
}

/** Announces and looks up the topic, and attaches every connection: which of them are members, the channel finds out. */
export function joinSwarm(swarm: SwarmLike, host: SwarmHost): PartySwarm {
  const peers = new Set<PartyPeer>()
  const onconnection = (stream: DuplexLike): void => {
    try {
      const peer = host.attach(stream)
      peers.add(peer)
      stream.on('close', () => void peers.delete(peer))
    } catch (fault) {
      host.warn(new PartyError('WARN_PARTY_CHANNEL_CLOSED', messageOf(fault), { cause: fault }))
    }
  }
  swarm.on('connection', onconnection)
  for (const stream of swarm.connections) onconnection(stream)
  const discovery = swarm.join(host.topic, { server: true, client: true })
  let leaving: Promise<void> | null = null
  const leave = async (): Promise<void> => {
    swarm.off('connection', onconnection)
    await Promise.allSettled([discovery.destroy(), ...Array.from(peers, peer => peer.close())])
  }
  return {
    async flushed() {
      await discovery.flushed()
      await swarm.flush()
    },
    leave() {
      leaving ??= leave()
      return leaving
    }
  }
}
