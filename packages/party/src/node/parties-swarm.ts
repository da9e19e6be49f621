/**
 * Many parties on one Hyperswarm, taken structurally: this file knows no library.
 *
 * Each open party is announced and looked up under its own discovery key. What a look-up finds says on which connection that
 * party is opened. The swarm is the app's: nothing of it is destroyed here.
 */
import { PartyError } from '../errors.js'
import { hexOf } from '../key.js'
import type { DuplexLike, PartySwarm } from '../types.js'
import { messageOf } from './ask-rules.js'
import type { OpenParty, SharedConnection } from './parties-connection.js'
import type { SwarmLike, SwarmPeerLike } from './swarm.js'

/** What a swarm needs of the list. */
export interface PartiesSwarmHost {
  attach(stream: DuplexLike): SharedConnection
  warn(error: Error): void
  left(swarm: PartiesSwarm): void
}

type Discovery = ReturnType<SwarmLike['join']>

/** See the head of this file. */
export class PartiesSwarm implements PartySwarm {
  readonly swarm: SwarmLike
  readonly #host: PartiesSwarmHost
  readonly #discoveries = new Map<OpenParty, Discovery>()
  /** Takes our listeners off the peers of connections that are open. */
  readonly #unlisten = new Set<() => void>()
  readonly #onconnection = (stream: DuplexLike, peer: SwarmPeerLike): void => this.#take(stream, peer)
  #leaving: Promise<void> | null = null

  constructor(swarm: SwarmLike, parties: Iterable<OpenParty>, host: PartiesSwarmHost) {
    this.swarm = swarm
    this.#host = host
    swarm.on('connection', this.#onconnection)
    for (const open of parties) this.add(open)
    for (const stream of swarm.connections) {
      const { remotePublicKey } = stream as unknown as { remotePublicKey: Uint8Array | null }
      this.#take(stream, remotePublicKey ? swarm.peers?.get(hexOf(remotePublicKey)) : undefined)
    }
  }

  /** A party was opened. */
  add(open: OpenParty): void {
    if (this.#leaving !== null || this.#discoveries.has(open)) return
    const topic = open.keys.discoveryKey
    this.#discoveries.set(open, this.swarm.join(topic, { server: true, client: true }))
  }

  /** A party was closed: it is announced no more. */
  async remove(open: OpenParty): Promise<void> {
    const discovery = this.#discoveries.get(open)
    this.#discoveries.delete(open)
    await discovery?.destroy()
  }

  /** All that the DHT knows now of the parties that are open was tried. */
  async flushed(): Promise<void> {
    await Promise.all(Array.from(this.#discoveries.values(), discovery => discovery.flushed()))
    await this.swarm.flush()
  }

  leave(): Promise<void> {
    this.#leaving ??= this.#leave()
    return this.#leaving
  }

  async #leave(): Promise<void> {
    this.swarm.off('connection', this.#onconnection)
    for (const unlisten of this.#unlisten) unlisten()
    const discoveries = [...this.#discoveries.values()]
    this.#discoveries.clear()
    this.#host.left(this)
    await Promise.allSettled(discoveries.map(discovery => discovery.destroy()))
  }

  #take(stream: DuplexLike, peer: SwarmPeerLike | undefined): void {
    try {
      const connection = this.#host.attach(stream)
      if (peer === undefined) return
      const ontopic = (topic: Uint8Array): void => connection.found(topic)
      peer.on('topic', ontopic)
      const unlisten = (): void => {
        peer.off('topic', ontopic)
        this.#unlisten.delete(unlisten)
      }
      this.#unlisten.add(unlisten)
      stream.on('close', unlisten)
      for (const topic of peer.topics) connection.found(topic)
    } catch (fault) {
      this.#host.warn(new PartyError('WARN_PARTY_CHANNEL_CLOSED', messageOf(fault), { cause: fault }))
    }
  }
}
