/**
 * HyParView's two views, as iroh-gossip uses them: few active neighbours, mutual, and many passive ones to replace those
 * that fail.
 *
 * A node that has a free place asks a passive peer to be its neighbour. Who has no neighbour at all asks with high priority
 * and can't be refused: who is full drops a random neighbour for it, and tells that one. A peer that doesn't answer in time
 * is forgotten, and the next is asked.
 *
 * Modelled so, in favour of the system: the passive view is filled from the stage's connections, as the latencies of others
 * aren't known, and asking takes one round trip and no dial; joining by random walks is replaced by asking until the view
 * is full; a refusal brings `lessonSize` other peers, as the reply to a shuffle does that goes with it; a shuffle every minute
 * fills the passive view at once and costs no frame; who refused isn't asked again until a neighbour is lost or the next
 * shuffle, so that there is no endless chatter among full peers.
 */
import type { Network } from './network.js'

/** What can be set. */
export interface ViewParameters {
  readonly activeCapacity: number
  readonly passiveCapacity: number
  readonly requestTimeoutMs: number
  readonly shuffleMs: number
  /** Peers that a refusal tells of. */
  readonly lessonSize: number
}

/** What the views do to the outside. */
export interface ViewOutput {
  /** Ask the other end, or answer its question. */
  request(link: number, isUrgent: boolean): void
  /** Refuse, or end, a neighbourhood. */
  disconnect(link: number): void
  /** Call `onTimeout` then. */
  awaitAnswer(link: number, ms: number): void
  isUp(link: number): void
  isDown(link: number): void
}

/** By link: what the other end is to this one. */
const NONE = 0
const ACTIVE = 1
const PASSIVE = 2
/** Asked for, out of the passive view. */
const PENDING = 3
/** Passive, but it refused. */
const REFUSED = 4
/** It didn't answer, or broke. */
const FAILED = 5

/** The views of all nodes. */
export class Views {
  readonly #network: Network
  readonly #parameters: ViewParameters
  readonly #output: ViewOutput
  readonly #states: Uint8Array
  /** By link: when it was asked last, so that an old timeout is told from a new one. */
  readonly #askedMs: Float64Array
  /** By node. */
  readonly #active: number[][]

  constructor(network: Network, parameters: ViewParameters, output: ViewOutput) {
    this.#network = network
    this.#parameters = parameters
    this.#output = output
    this.#states = new Uint8Array(network.links)
    this.#askedMs = new Float64Array(network.links)
    this.#active = Array.from({ length: network.stage.nodes }, () => [])
    for (let node = 0; node < network.stage.nodes; node++) this.#learn(node, parameters.passiveCapacity)
  }

  /** Links to the active neighbours of a node. */
  active(node: number): readonly number[] {
    return this.#active[node] as number[]
  }

  /** Is the other end an active neighbour? */
  isActive(link: number): boolean {
    return this.#states[link] === ACTIVE
  }

  /** Asks a passive peer, if there is a free place that nobody is asked for. */
  refill(node: number): void {
    const active = this.#active[node] as number[]
    const pending = this.#linksIn(node, PENDING)
    if (active.length + pending.length >= this.#parameters.activeCapacity) return
    const [link] = this.#network.draw(this.#linksIn(node, PASSIVE), 1)
    if (link === undefined) return
    this.#states[link] = PENDING
    this.#askedMs[link] = this.#network.nowMs
    this.#output.request(link, active.length === 0)
    this.#output.awaitAnswer(link, this.#parameters.requestTimeoutMs)
  }

  /** A question came, or the answer to one. */
  onRequest(link: number, isUrgent: boolean): void {
    const node = this.#network.owner[link] as number
    const isAnswer = this.#states[link] === PENDING
    const active = this.#active[node] as number[]
    if (this.#states[link] === ACTIVE) {
      this.#output.request(link, isUrgent)
      return
    }
    if (active.length >= this.#parameters.activeCapacity) {
      if (!isUrgent) {
        if (isAnswer) this.#states[link] = PASSIVE
        this.#output.disconnect(link)
        return
      }
      const [dropped] = this.#network.draw([...active], 1)
      this.#remove(dropped as number, PASSIVE)
      this.#output.disconnect(dropped as number)
    }
    this.#states[link] = ACTIVE
    active.push(link)
    this.#output.isUp(link)
    if (isAnswer) this.refill(node)
    else this.#output.request(link, isUrgent)
  }

  /** A refusal came, or the end of a neighbourhood. */
  onDisconnect(link: number): void {
    const node = this.#network.owner[link] as number
    const wasActive = this.#states[link] === ACTIVE
    if (wasActive) {
      this.#remove(link, REFUSED)
      this.#forgive(node, link)
    } else if (this.#states[link] === PENDING) this.#states[link] = REFUSED
    else return
    this.#learn(node, this.#parameters.lessonSize)
    this.refill(node)
  }

  /** The time for an answer is over. */
  onTimeout(link: number): void {
    const waitedMs = this.#network.nowMs - (this.#askedMs[link] as number)
    if (this.#states[link] !== PENDING || waitedMs < this.#parameters.requestTimeoutMs) return
    this.#states[link] = FAILED
    this.refill(this.#network.owner[link] as number)
  }

  /** The transport noticed that the other end is gone: only an active neighbour has a connection. */
  lose(link: number): void {
    if (this.#states[link] !== ACTIVE) return
    const node = this.#network.owner[link] as number
    this.#remove(link, FAILED)
    this.#forgive(node, link)
    this.refill(node)
  }

  /** A minute is over. */
  shuffle(node: number): void {
    this.#forgive(node, -1)
    this.#learn(node, this.#parameters.passiveCapacity)
    this.refill(node)
  }

  // Adds peers to the passive view, up to its capacity.
  #learn(node: number, count: number): void {
    const free = this.#parameters.passiveCapacity - this.#linksIn(node, PASSIVE, REFUSED, PENDING).length
    for (const link of this.#network.draw(this.#linksIn(node, NONE), Math.min(count, free))) {
      this.#states[link] = PASSIVE
    }
  }

  #forgive(node: number, except: number): void {
    for (const link of this.#linksIn(node, REFUSED)) if (link !== except) this.#states[link] = PASSIVE
  }

  #remove(link: number, state: number): void {
    const active = this.#active[this.#network.owner[link] as number] as number[]
    active.splice(active.indexOf(link), 1)
    this.#states[link] = state
    this.#output.isDown(link)
  }

  #linksIn(node: number, ...states: readonly number[]): number[] {
    return this.#network.linksOf(node).filter(link => states.includes(this.#states[link] as number))
  }
}
