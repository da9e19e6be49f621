/**
 * gossipsub v1.1, as libp2p/specs pubsub/gossipsub and go-libp2p-pubsub v0.16 have it: a mesh of about six peers that
 * push every message to each other, and once a second a gossip of ids to some of all other peers, who ask for what they
 * lack.
 *
 * Modelled: joining, GRAFT, PRUNE with back-off, outbound quota, heartbeat with mesh maintenance, IHAVE to the greater of
 * `degreeLazy` peers and a quarter of those outside of the mesh, IWANT, message cache, flood publishing. All nodes join
 * in the ten seconds that begin half a minute before the stage: the mesh is settled when traffic starts. A silent peer is
 * gone when the transport notices, after 0.5 to 1.5 times `transportTimeoutMs`.
 *
 * Left out, in its favour: decoding, validation and queue limits (a queue of 32 that drops); subscriptions take no time and
 * no bytes; ids that are seen are remembered for ever and not for 120 s; GRAFT and PRUNE are never lost. Of no effect here:
 * the caps on IHAVE (5,000 ids, 10 a heartbeat) and on repeated IWANT (3), which honest peers at these rates don't reach.
 * Left out, to its disadvantage: peer scores, off unless an application tunes them, which would prune who breaks the
 * promise of an IHAVE (follow-up time 3 s) and graft better peers; peer exchange and new dials, because connections are
 * the stage's; IDONTWANT, which v1.2 has, and uses above 1 KiB only.
 *
 * As go does it, and the specification leaves it open: an id is asked of everybody who announces it until it is here, which
 * costs copies and finds a way around droppers; a message is passed on at once, while others (rust, nim) spare a copy to
 * whoever sends one during validation. The mesh settles at seven to nine peers in the mean, not at six: six is what a
 * node grafts, and others graft it, too. Each peer more than two is a copy per delivery.
 */
import type { Stage } from '../scale/stage.js'
import { Mesh, type MeshParameters } from './gossipsub-mesh.js'
import type { ReferenceFigures } from './ledger.js'
import { JOIN_SPREAD_MS, LINK_LOST, MODEL_TIMER, Network, PAYLOAD, type Protocol } from './network.js'
import { GRAFT_BYTES, ihaveBytes, iwantBytes, PAYLOAD_OVERHEAD_BYTES, PRUNE_BYTES } from './protobuf-sizes.js'
import type { Numbers } from './timeline.js'

/** What can be set. */
export interface GossipsubParameters extends MeshParameters {
  readonly heartbeatMs: number
  /** IHAVE goes to at least so many [D_lazy], */
  readonly degreeLazy: number
  /** and at least to this share of who isn't in the mesh. */
  readonly gossipFactor: number
  /** Heartbeats for which a message can be asked for [mcache_len]. */
  readonly historyLength: number
  /** Heartbeats for which it is announced [mcache_gossip]. */
  readonly historyGossip: number
  /** An author sends its own messages to all whom it knows in the topic. Off in go unless asked for, on in rust and nim. */
  readonly hasFloodPublish: boolean
  readonly transportTimeoutMs: number
}

/** Defaults of go-libp2p-pubsub v0.16 (`GossipSubParams`), with flood publishing on. */
export const GOSSIPSUB: GossipsubParameters = {
  degree: 6,
  degreeLow: 5,
  degreeHigh: 12,
  degreeOut: 2,
  degreeLazy: 6,
  gossipFactor: 0.25,
  backoffMs: 60_000,
  heartbeatMs: 1000,
  historyLength: 5,
  historyGossip: 3,
  hasFloodPublish: true,
  transportTimeoutMs: 10_000
}

const GRAFT = PAYLOAD + 1
const PRUNE = PAYLOAD + 2
const IHAVE = PAYLOAD + 3
const IWANT = PAYLOAD + 4
const JOIN = MODEL_TIMER
const HEARTBEAT = MODEL_TIMER + 1

/** The first heartbeat after a start, ms. */
const FIRST_HEARTBEAT_MS = 100

class Gossipsub implements Protocol {
  readonly ignoresCopies = true
  readonly #network: Network
  readonly #parameters: GossipsubParameters
  readonly #mesh: Mesh
  /** By node: heartbeats so far. */
  readonly #beats: Int32Array
  /** By node: the messages that it announces, by heartbeat, newest first. */
  readonly #history: number[][][]
  /** By message and node: the heartbeat in which it was cached. */
  readonly #cachedAt: Int32Array[] = []

  constructor(network: Network, parameters: GossipsubParameters) {
    this.#network = network
    this.#parameters = parameters
    this.#mesh = new Mesh(network, parameters, {
      graft: link =>
        network.sendControl(link, { kind: GRAFT, name: 'graft', bytes: GRAFT_BYTES, isKept: true }),
      prune: link =>
        network.sendControl(link, { kind: PRUNE, name: 'prune', bytes: PRUNE_BYTES, isKept: true })
    })
    this.#beats = new Int32Array(network.stage.nodes)
    this.#history = Array.from({ length: network.stage.nodes }, () => [[]])
  }

  start(): void {
    const network = this.#network
    for (let node = 0; node < network.stage.nodes; node++) {
      network.wakeAfter(network.rng.float() * JOIN_SPREAD_MS, JOIN, node)
    }
    network.noticeDeaths(this.#parameters.transportTimeoutMs)
  }

  publish(message: number, author: number): void {
    this.#cachedAt[message] = new Int32Array(this.#network.stage.nodes)
    this.#cache(author, message)
    const { hasFloodPublish } = this.#parameters
    const links = hasFloodPublish ? this.#mesh.subscribers(author) : this.#mesh.members(author)
    for (const link of links) this.#network.sendPayload(link, message, 1, PAYLOAD_OVERHEAD_BYTES)
  }

  receive(kind: number, link: number, value: number, hop: number, numbers: Numbers | null): void {
    if (kind === PAYLOAD) this.#onMessage(link, value, hop)
    else if (kind === GRAFT) this.#mesh.onGraft(link)
    else if (kind === PRUNE) this.#mesh.onPrune(link)
    else if (kind === IHAVE) this.#onIhave(link, numbers ?? [])
    else this.#onIwant(link, numbers ?? [])
  }

  wake(kind: number, node: number, value: number): void {
    const network = this.#network
    if (kind === LINK_LOST) this.#mesh.lose(value)
    else if (kind === JOIN) {
      this.#mesh.join(node)
      network.wakeAfter(FIRST_HEARTBEAT_MS, HEARTBEAT, node)
    } else {
      this.#mesh.maintain(node)
      this.#gossip(node)
      this.#shift(node)
      network.wakeAfter(this.#parameters.heartbeatMs, HEARTBEAT, node)
    }
  }

  #onMessage(link: number, message: number, hop: number): void {
    const network = this.#network
    const node = network.owner[link] as number
    if (!network.ledger.accept(message, node, hop, network.nowMs)) return
    this.#cache(node, message)
    if (network.drops(node, message)) return
    const author = network.author(message)
    for (const member of this.#mesh.members(node)) {
      if (member === link || network.peer[member] === author) continue
      network.sendPayload(member, message, hop + 1, PAYLOAD_OVERHEAD_BYTES)
    }
  }

  #onIhave(link: number, ids: Numbers): void {
    const { ledger, owner } = this.#network
    const node = owner[link] as number
    const wanted = ids.filter(message => !ledger.has(message, node))
    if (wanted.length === 0) return
    const bytes = iwantBytes(wanted.length)
    this.#network.sendControl(link, { kind: IWANT, name: 'iwant', bytes, numbers: wanted })
  }

  #onIwant(link: number, ids: Numbers): void {
    const network = this.#network
    const node = network.owner[link] as number
    for (const message of ids) {
      if (!this.#isCached(node, message) || network.drops(node, message)) continue
      network.sendPayload(link, message, network.ledger.hop(message, node) + 1, PAYLOAD_OVERHEAD_BYTES)
    }
  }

  #gossip(node: number): void {
    const { degreeLazy, gossipFactor } = this.#parameters
    const ids = (this.#history[node] as number[][]).flat()
    if (ids.length === 0) return
    const others = this.#mesh.others(node)
    const count = Math.max(degreeLazy, Math.floor(gossipFactor * others.length))
    const bytes = ihaveBytes(ids.length)
    for (const link of this.#network.draw(others, count)) {
      this.#network.sendControl(link, { kind: IHAVE, name: 'ihave', bytes, numbers: ids, ids: ids.length })
    }
  }

  #cache(node: number, message: number): void {
    ;(this.#cachedAt[message] as Int32Array)[node] = this.#beats[node] as number
    this.#history[node]?.[0]?.push(message)
  }

  #isCached(node: number, message: number): boolean {
    const cachedAt = this.#cachedAt[message]?.[node] as number
    return (
      this.#network.ledger.has(message, node) &&
      (this.#beats[node] as number) - cachedAt < this.#parameters.historyLength
    )
  }

  #shift(node: number): void {
    this.#beats[node] = (this.#beats[node] as number) + 1
    const history = this.#history[node] as number[][]
    history.unshift([])
    if (history.length > this.#parameters.historyGossip) history.pop()
  }
}

/** Plays a stage with gossipsub. */
export function runGossipsub(stage: Stage, parameters: Partial<GossipsubParameters> = {}): ReferenceFigures {
  const network = new Network(stage)
  return network.run('gossipsub', new Gossipsub(network, { ...GOSSIPSUB, ...parameters }))
}
