/**
 * Plumtree over HyParView, one tree per topic that all authors share, as iroh-gossip 0.101 runs it (`src/proto/plumtree.rs`,
 * `src/proto/hyparview.rs`): neighbours are eager, and are pushed whole messages, or lazy, and are told ids; a duplicate
 * makes a neighbour lazy, an id whose message doesn't come makes the one who told it eager.
 *
 * Modelled: eager and lazy sets, IHAVE gathered for 5 ms, GRAFT after 80 ms and then every 40 ms to the next who told the id,
 * PRUNE of duplicates, optimization by the number of hops; the views of active-view.ts, which begin half a minute before
 * the stage; the transport notices a dead neighbour after 0.5 to 1.5 times `transportTimeoutMs`.
 *
 * Left out, in its favour: the queue of 64 frames per peer that drops; ids and payloads are kept for ever, not for 90 and
 * 30 s; frames of the views are never lost; a place that is already taken doesn't count as asked for (in iroh-gossip the
 * one who answers counts its new neighbour twice, and so asks for fewer). Left out, to its disadvantage: a rejoin by way of
 * bootstrap peers or a directory, when a node has no live peer in its views.
 *
 * With its defaults and links of 10 to 50 ms many a GRAFT is repeated before it can have been answered: the second timer,
 * 40 ms, is shorter than the mean round trip. That is what it ships with, so the model has it.
 *
 * Bytes: postcard, whose integers below 128 take one byte, behind a length of 4. Ids are hashes of 32 bytes. There is no
 * author, no signature and no seq in a message, so that it is smaller than one that has them. QUIC's own bytes are left out.
 */
import type { Stage } from '../scale/stage.js'
import { type ViewParameters, Views } from './active-view.js'
import type { ReferenceFigures } from './ledger.js'
import { JOIN_SPREAD_MS, LINK_LOST, MODEL_TIMER, Network, PAYLOAD, type Protocol } from './network.js'
import type { Numbers } from './timeline.js'

/** What can be set. */
export interface PlumtreeParameters extends ViewParameters {
  /** Ids wait so long for others. */
  readonly dispatchMs: number
  /** From the first IHAVE to GRAFT, and from a GRAFT to the next. */
  readonly graftMs: number
  readonly nextGraftMs: number
  /** Who would have brought a message in so many hops less takes the place of who brought it. */
  readonly optimizationThreshold: number
  readonly transportTimeoutMs: number
}

/** Defaults of iroh-gossip 0.101. */
export const PLUMTREE: PlumtreeParameters = {
  activeCapacity: 5,
  passiveCapacity: 30,
  requestTimeoutMs: 500,
  shuffleMs: 60_000,
  lessonSize: 7,
  dispatchMs: 5,
  graftMs: 80,
  nextGraftMs: 40,
  optimizationThreshold: 7,
  transportTimeoutMs: 10_000
}

const PRUNE = PAYLOAD + 1
const GRAFT = PAYLOAD + 2
const IHAVE = PAYLOAD + 3
const NEIGHBOR = PAYLOAD + 4
const DISCONNECT = PAYLOAD + 5
const JOIN = MODEL_TIMER
const SHUFFLE = MODEL_TIMER + 1
const ANSWER_DUE = MODEL_TIMER + 2
const DISPATCH = MODEL_TIMER + 3
const GRAFT_DUE = MODEL_TIMER + 4

/** Length, two tags. */
const HEAD_BYTES = 6
const HASH_BYTES = 32
/** Hash, length of the payload, scope with its hops. */
const PAYLOAD_OVERHEAD_BYTES = HEAD_BYTES + HASH_BYTES + 1 + 2
/** A hash and the hops to it. */
const ID_BYTES = HASH_BYTES + 1
/** GRAFT for nothing but the tree. */
const NO_MESSAGE = -1

/** Who told of a message that isn't here. */
interface Missing {
  readonly links: number[]
  readonly hops: number[]
  isTimed: boolean
}

class Plumtree implements Protocol {
  readonly ignoresCopies = false
  readonly #network: Network
  readonly #parameters: PlumtreeParameters
  readonly #views: Views
  /** By link: the other end is pushed whole messages; it matters for active neighbours only. */
  readonly #isEager: Uint8Array
  /** By node. */
  readonly #missing: Map<number, Missing>[]
  /** By link: ids and hops, in turn, that wait for the dispatch. */
  readonly #queued: number[][]
  readonly #dispatches: Uint8Array

  constructor(network: Network, parameters: PlumtreeParameters) {
    this.#network = network
    this.#parameters = parameters
    this.#isEager = new Uint8Array(network.links)
    this.#missing = Array.from({ length: network.stage.nodes }, () => new Map())
    this.#queued = Array.from({ length: network.links }, () => [])
    this.#dispatches = new Uint8Array(network.stage.nodes)
    this.#views = new Views(network, parameters, {
      request: (link, isUrgent) => this.#sendView(link, NEIGHBOR, 'neighbor', isUrgent ? 1 : 0),
      disconnect: link => this.#sendView(link, DISCONNECT, 'disconnect', 0),
      awaitAnswer: (link, ms) => network.wakeAfter(ms, ANSWER_DUE, network.owner[link] as number, link),
      isUp: link => {
        this.#isEager[link] = 1
      },
      isDown: link => this.#forget(link)
    })
  }

  start(): void {
    const network = this.#network
    for (let node = 0; node < network.stage.nodes; node++) {
      network.wakeAfter(network.rng.float() * JOIN_SPREAD_MS, JOIN, node)
      network.wakeAfter(JOIN_SPREAD_MS + network.rng.float() * this.#parameters.shuffleMs, SHUFFLE, node)
    }
    network.noticeDeaths(this.#parameters.transportTimeoutMs)
  }

  publish(message: number, author: number): void {
    this.#spread(author, message, 0, -1)
  }

  receive(kind: number, link: number, value: number, hop: number, numbers: Numbers | null): void {
    if (kind === PAYLOAD) this.#onMessage(link, value, hop)
    else if (kind === PRUNE) this.#isEager[link] = 0
    else if (kind === GRAFT) this.#onGraft(link, value)
    else if (kind === IHAVE) this.#onIhave(link, numbers ?? [])
    else if (kind === NEIGHBOR) this.#views.onRequest(link, value === 1)
    else this.#views.onDisconnect(link)
  }

  wake(kind: number, node: number, value: number): void {
    if (kind === GRAFT_DUE) this.#graftNext(node, value)
    else if (kind === DISPATCH) this.#dispatch(node)
    else if (kind === LINK_LOST) this.#views.lose(value)
    else if (kind === ANSWER_DUE) this.#views.onTimeout(value)
    else if (kind === JOIN) this.#views.refill(node)
    else {
      this.#views.shuffle(node)
      this.#network.wakeAfter(this.#parameters.shuffleMs, SHUFFLE, node)
    }
  }

  #onMessage(link: number, message: number, hop: number): void {
    const { ledger, owner, nowMs } = this.#network
    const node = owner[link] as number
    if (!ledger.accept(message, node, hop, nowMs)) {
      this.#prune(link)
      return
    }
    this.#spread(node, message, hop, link)
    const missing = this.#missing[node]?.get(message)
    if (missing === undefined) return
    this.#missing[node]?.delete(message)
    this.#optimize(link, hop + 1, missing)
  }

  // Who told the id over much fewer hops becomes eager, and who brought the message lazy.
  #optimize(link: number, hops: number, missing: Missing): void {
    const fewest = Math.min(...missing.hops)
    if (hops - fewest < this.#parameters.optimizationThreshold) return
    const teller = missing.links[missing.hops.indexOf(fewest)] as number
    if (this.#isEager[teller] === 0) this.#graft(teller, NO_MESSAGE)
    this.#prune(link)
  }

  // To eager neighbours at once, to lazy ones by id.
  #spread(node: number, message: number, hop: number, except: number): void {
    const network = this.#network
    const isDropped = network.drops(node, message)
    for (const link of this.#views.active(node)) {
      if (link === except) continue
      if (this.#isEager[link] === 0) this.#queued[link]?.push(message, hop + 1)
      else if (!isDropped) network.sendPayload(link, message, hop + 1, PAYLOAD_OVERHEAD_BYTES)
    }
    if (this.#dispatches[node] === 1) return
    this.#dispatches[node] = 1
    network.wakeAfter(this.#parameters.dispatchMs, DISPATCH, node)
  }

  #dispatch(node: number): void {
    this.#dispatches[node] = 0
    for (const link of this.#views.active(node)) {
      const numbers = this.#queued[link] as number[]
      if (numbers.length === 0) continue
      this.#queued[link] = []
      const ids = numbers.length / 2
      const bytes = HEAD_BYTES + 1 + ids * ID_BYTES
      this.#network.sendControl(link, { kind: IHAVE, name: 'ihave', bytes, numbers, ids })
    }
  }

  #onIhave(link: number, numbers: Numbers): void {
    const { ledger, owner } = this.#network
    const node = owner[link] as number
    const missing = this.#missing[node] as Map<number, Missing>
    for (let i = 0; i < numbers.length; i += 2) {
      const message = numbers[i] as number
      if (ledger.has(message, node)) continue
      const entry = missing.get(message) ?? { links: [], hops: [], isTimed: false }
      missing.set(message, entry)
      entry.links.push(link)
      entry.hops.push(numbers[i + 1] as number)
      if (entry.isTimed) continue
      entry.isTimed = true
      this.#network.wakeAfter(this.#parameters.graftMs, GRAFT_DUE, node, message)
    }
  }

  #graftNext(node: number, message: number): void {
    const entry = this.#missing[node]?.get(message)
    if (entry === undefined) return
    entry.isTimed = false
    const link = entry.links.shift()
    entry.hops.shift()
    if (link === undefined) return
    this.#graft(link, message)
    this.#network.wakeAfter(this.#parameters.nextGraftMs, GRAFT_DUE, node, message)
  }

  #onGraft(link: number, message: number): void {
    const network = this.#network
    const node = network.owner[link] as number
    this.#isEager[link] = 1
    if (message === NO_MESSAGE || !network.ledger.has(message, node) || network.drops(node, message)) return
    const hop = network.ledger.hop(message, node) + 1
    network.sendPayload(link, message, hop, PAYLOAD_OVERHEAD_BYTES)
  }

  #graft(link: number, message: number): void {
    this.#isEager[link] = 1
    const bytes = HEAD_BYTES + 2 + (message === NO_MESSAGE ? 0 : HASH_BYTES)
    this.#network.sendControl(link, { kind: GRAFT, name: 'graft', bytes, value: message })
  }

  #prune(link: number): void {
    this.#isEager[link] = 0
    this.#network.sendControl(link, { kind: PRUNE, name: 'prune', bytes: HEAD_BYTES })
  }

  // What a former neighbour told isn't asked of it any more.
  #forget(link: number): void {
    this.#queued[link] = []
    for (const entry of this.#missing[this.#network.owner[link] as number]?.values() ?? []) {
      for (let i = entry.links.indexOf(link); i >= 0; i = entry.links.indexOf(link)) {
        entry.links.splice(i, 1)
        entry.hops.splice(i, 1)
      }
    }
  }

  #sendView(link: number, kind: number, name: string, value: number): void {
    this.#network.sendControl(link, { kind, name, bytes: HEAD_BYTES + 2, value, isKept: true })
  }
}

/** Plays a stage with Plumtree over HyParView. */
export function runPlumtree(stage: Stage, parameters: Partial<PlumtreeParameters> = {}): ReferenceFigures {
  const network = new Network(stage)
  return network.run('plumtree', new Plumtree(network, { ...PLUMTREE, ...parameters }))
}
