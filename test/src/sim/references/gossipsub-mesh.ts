/**
 * Who is in whose mesh: gossipsub's GRAFT, PRUNE and mesh maintenance of one topic, as go-libp2p-pubsub v0.16 does it
 * without peer scores.
 *
 * A mesh is meant to be mutual: GRAFT tells the other end, PRUNE ends it on both, and neither end grafts the other again
 * before the back-off is over. A peer that is silent stays in the mesh until the transport notices.
 */
import type { Network } from './network.js'

/** What of gossipsub can be set; names in brackets are those of the specification. */
export interface MeshParameters {
  /** Mesh peers that a node wants [D]. */
  readonly degree: number
  /** Below this, a heartbeat grafts [D_low]. The specification of v1.0 says 4, go-libp2p-pubsub 5. */
  readonly degreeLow: number
  /** From this on, a heartbeat prunes, and GRAFT of who dialled is refused [D_high]. */
  readonly degreeHigh: number
  /** Mesh peers that the node itself dialled, at least [D_out]. */
  readonly degreeOut: number
  /** After a PRUNE, ms. */
  readonly backoffMs: number
}

/** How a mesh tells the other ends. */
export interface MeshOutput {
  graft(link: number): void
  prune(link: number): void
}

/** The meshes of all nodes. */
export class Mesh {
  readonly #network: Network
  readonly #parameters: MeshParameters
  readonly #output: MeshOutput
  /** By link: the other end is in this end's mesh. */
  readonly #isMember: Uint8Array
  /** By link: no GRAFT before that, ms. */
  readonly #backoffUntilMs: Float64Array
  /** By link: the transport noticed that it is dead. */
  readonly #isLost: Uint8Array
  /** By node: links in the mesh. */
  readonly #members: number[][]
  readonly #hasJoined: Uint8Array

  constructor(network: Network, parameters: MeshParameters, output: MeshOutput) {
    this.#network = network
    this.#parameters = parameters
    this.#output = output
    this.#isMember = new Uint8Array(network.links)
    this.#backoffUntilMs = new Float64Array(network.links).fill(Number.NEGATIVE_INFINITY)
    this.#isLost = new Uint8Array(network.links)
    this.#members = Array.from({ length: network.stage.nodes }, () => [])
    this.#hasJoined = new Uint8Array(network.stage.nodes)
  }

  /** Links to a node's mesh peers. */
  members(node: number): readonly number[] {
    return this.#members[node] as number[]
  }

  /** Links to all who are in the topic, as far as the node knows: a silent peer is. */
  subscribers(node: number): number[] {
    const network = this.#network
    return network
      .linksOf(node)
      .filter(link => this.#isLost[link] === 0 && this.#hasJoined[network.peer[link] as number] === 1)
  }

  /** Links to those that aren't in the mesh. */
  others(node: number): number[] {
    return this.subscribers(node).filter(link => this.#isMember[link] === 0)
  }

  /** The node subscribes. */
  join(node: number): void {
    this.#hasJoined[node] = 1
    this.#graft(node, this.#parameters.degree)
  }

  /** A heartbeat's care of the mesh. */
  maintain(node: number): void {
    const { degree, degreeLow, degreeHigh, degreeOut } = this.#parameters
    const members = this.#members[node] as number[]
    if (members.length < degreeLow) this.#graft(node, degree - members.length)
    if (members.length >= degreeHigh) this.#shrink(node)
    const dialled = members.filter(link => this.#isDialled(link)).length
    if (members.length >= degreeLow && dialled < degreeOut) {
      this.#graft(node, degreeOut - dialled, link => this.#isDialled(link))
    }
  }

  /** A GRAFT came; one that can't be accepted is answered with PRUNE. */
  onGraft(link: number): void {
    const network = this.#network
    const node = network.owner[link] as number
    if (this.#hasJoined[node] === 0 || this.#isMember[link] === 1) return
    const isFull = (this.#members[node] as number[]).length >= this.#parameters.degreeHigh
    if (this.#isBackingOff(link) || (isFull && !this.#isDialled(link))) this.#refuse(link)
    else this.#add(link)
  }

  /** A PRUNE came. */
  onPrune(link: number): void {
    this.#remove(link)
    this.#backOff(link)
  }

  /** The transport noticed that the other end is gone. */
  lose(link: number): void {
    this.#isLost[link] = 1
    this.#remove(link)
  }

  #graft(node: number, count: number, isWanted = (_link: number): boolean => true): void {
    const candidates = this.others(node).filter(link => !this.#isBackingOff(link) && isWanted(link))
    for (const link of this.#network.draw(candidates, count)) {
      this.#add(link)
      this.#output.graft(link)
    }
  }

  // Keeps `degree` at random, `degreeOut` of them such as the node dialled, if it has so many.
  #shrink(node: number): void {
    const { degree, degreeOut } = this.#parameters
    const members = this.#members[node] as number[]
    const order = this.#network.draw([...members], members.length)
    const dialled = order.filter(link => this.#isDialled(link)).slice(0, degreeOut)
    const first = new Set(dialled)
    const kept = new Set([...dialled, ...order.filter(link => !first.has(link))].slice(0, degree))
    for (const link of order) {
      if (!kept.has(link)) {
        this.#remove(link)
        this.#refuse(link)
      }
    }
  }

  #refuse(link: number): void {
    this.#backOff(link)
    this.#output.prune(link)
  }

  #isDialled(link: number): boolean {
    return this.#network.isDialler[link] === 1
  }

  #isBackingOff(link: number): boolean {
    return (this.#backoffUntilMs[link] as number) > this.#network.nowMs
  }

  #backOff(link: number): void {
    this.#backoffUntilMs[link] = this.#network.nowMs + this.#parameters.backoffMs
  }

  #add(link: number): void {
    this.#isMember[link] = 1
    this.#members[this.#network.owner[link] as number]?.push(link)
  }

  #remove(link: number): void {
    if (this.#isMember[link] === 0) return
    this.#isMember[link] = 0
    const members = this.#members[this.#network.owner[link] as number] as number[]
    members.splice(members.indexOf(link), 1)
  }
}
