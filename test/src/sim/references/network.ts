/**
 * The stage as the models see it: nodes, links, frames that take their time, and deaths that nobody is told of.
 *
 * A link is one end of a connection: each connection has two, and a frame that is sent on one arrives at the other. All
 * state of a model lies in arrays by node or by link. The same faults hit all models in the same way: a dead node
 * neither sends nor receives, frames get lost by chance, a node's bandwidth and CPU serve one frame after the other.
 *
 * In favour of all models: queues have no bound and nothing is dropped from them; a connection that exists costs nothing;
 * frames that build a mesh or a view are never lost, since both ends would disagree for ever.
 */
import { Rng } from '../rng.js'
import type { Stage } from '../scale/stage.js'
import { Ledger, type ReferenceFigures } from './ledger.js'
import { type Numbers, Timeline } from './timeline.js'

/** Kinds of events below this are frames that arrive at a link; all others are timers of a node. */
const FIRST_TIMER = 32
/** A frame with a message; `value` is the message. */
export const PAYLOAD = 0
/** The transport noticed that the other end is gone; `value` is the link of the node that noticed. */
export const LINK_LOST = FIRST_TIMER
/** Kinds of a model's own timers begin here. */
export const MODEL_TIMER = FIRST_TIMER + 8

const PUBLISH = FIRST_TIMER + 1
/** Added to the kind of a frame that had its turn at the CPU. */
const PROCESSED = 128

/** Time before the stage begins, in which a model builds what it builds among nodes that know each other, ms. */
export const SETTLE_MS = 30_000
/** Nodes begin at a random time in the first part of that, ms. */
export const JOIN_SPREAD_MS = 10_000

/** A system's rules. */
export interface Protocol {
  /** Copies of a message that a node has are of no consequence, so that they need no event of their own. */
  readonly ignoresCopies: boolean
  /** Before anything happens. */
  start(): void
  publish(message: number, author: number): void
  /** A frame arrived at this end of a connection. */
  receive(kind: number, link: number, value: number, hop: number, numbers: Numbers | null): void
  wake(kind: number, node: number, value: number): void
}

/** A frame that carries no message. */
export interface ControlFrame {
  readonly kind: number
  /** As the figures name it. */
  readonly name: string
  readonly bytes: number
  readonly value?: number
  readonly numbers?: Numbers
  /** How many message ids it announces. */
  readonly ids?: number
  /** It builds the overlay, and is never lost by chance. */
  readonly isKept?: boolean
}

/** The network of one run. */
export class Network {
  readonly stage: Stage
  readonly rng: Rng
  readonly timeline = new Timeline(-SETTLE_MS)
  readonly ledger: Ledger
  /** The links of a node are `firstLink[node]` to `firstLink[node + 1] - 1`. */
  readonly firstLink: Int32Array
  /** By link: the node at this end, the node at the other end, the link as the other end sees it. */
  readonly owner: Int32Array
  readonly peer: Int32Array
  readonly opposite: Int32Array
  /** By link: this end dialled. */
  readonly isDialler: Uint8Array
  readonly #latencyMs: Float64Array
  readonly #diesMs: Float64Array
  readonly #isDropper: Uint8Array
  readonly #lossRng: Rng
  /** When a node's uplink and CPU are free, ms. */
  readonly #uplinkFreeMs: Float64Array
  readonly #cpuFreeMs: Float64Array
  /** By message and node: the earliest arrival of a copy that is under way. */
  readonly #earliestMs: (Float64Array | undefined)[] = []
  #knowsCopies = false

  constructor(stage: Stage) {
    if ((stage.outages?.length ?? 0) > 0 || (stage.downtimes?.length ?? 0) > 0) {
      throw new RangeError(`stage ${stage.name} has outages or downtimes; models know silent death only`)
    }
    this.stage = stage
    // Not the seed of the stage: what a model draws has nothing to do with what the stage was drawn from.
    this.rng = new Rng(stage.seed * 2 + 0x10_0000_0000)
    this.#lossRng = this.rng.fork()
    this.ledger = new Ledger(stage)
    const { nodes, edges } = stage
    this.firstLink = new Int32Array(nodes + 1)
    for (const { from, to } of edges) {
      this.firstLink[from + 1] = (this.firstLink[from + 1] as number) + 1
      this.firstLink[to + 1] = (this.firstLink[to + 1] as number) + 1
    }
    for (let node = 0; node < nodes; node++) {
      this.firstLink[node + 1] = (this.firstLink[node + 1] as number) + (this.firstLink[node] as number)
    }
    const links = 2 * edges.length
    this.owner = new Int32Array(links)
    this.peer = new Int32Array(links)
    this.opposite = new Int32Array(links)
    this.isDialler = new Uint8Array(links)
    this.#latencyMs = new Float64Array(links)
    this.#connect()
    this.#diesMs = new Float64Array(nodes).fill(Number.POSITIVE_INFINITY)
    for (const kill of stage.kills) {
      for (const node of kill.nodes) {
        this.#diesMs[node] = Math.min(kill.atMs, this.#diesMs[node] as number)
      }
    }
    this.#isDropper = new Uint8Array(nodes)
    for (const node of stage.droppers?.nodes ?? []) this.#isDropper[node] = 1
    this.#uplinkFreeMs = new Float64Array(nodes).fill(Number.NEGATIVE_INFINITY)
    this.#cpuFreeMs = new Float64Array(nodes).fill(Number.NEGATIVE_INFINITY)
  }

  /** Virtual ms. */
  get nowMs(): number {
    return this.timeline.nowMs
  }

  /** How many link ends there are. */
  get links(): number {
    return this.owner.length
  }

  /** The links of a node. */
  linksOf(node: number): number[] {
    const links: number[] = []
    const end = this.firstLink[node + 1] as number
    for (let link = this.firstLink[node] as number; link < end; link++) links.push(link)
    return links
  }

  /** Who published the message. */
  author(message: number): number {
    return this.stage.publishes[message]?.author ?? -1
  }

  /** Does this node keep the message to itself? Nobody drops what is its own. */
  drops(node: number, message: number): boolean {
    const { droppers } = this.stage
    if (droppers === null || this.#isDropper[node] === 0 || this.nowMs < (droppers.fromMs ?? 0)) return false
    const author = this.author(message)
    const isDropped = author !== node && (droppers.censored === null || droppers.censored === author)
    if (isDropped) this.ledger.hits.withheld++
    return isDropped
  }

  /** Schedules the events LINK_LOST: each end of each broken connection notices after 0.5 to 1.5 times `timeoutMs`. */
  noticeDeaths(timeoutMs: number): void {
    const rng = this.rng.fork()
    for (let link = 0; link < this.links; link++) {
      const diesMs = this.#diesMs[this.peer[link] as number] as number
      if (!Number.isFinite(diesMs)) continue
      const atMs = diesMs + timeoutMs * (0.5 + rng.float())
      this.timeline.push(atMs, LINK_LOST, this.owner[link] as number, link)
    }
  }

  /** Sets a timer of a node. */
  wakeAfter(ms: number, kind: number, node: number, value = 0): void {
    this.timeline.push(this.nowMs + ms, kind, node, value)
  }

  /** Sends a message to the other end of a link; `overheadBytes` come on top of its payload. */
  sendPayload(link: number, message: number, hop: number, overheadBytes: number): void {
    const to = this.peer[link] as number
    const bytes = overheadBytes + (this.stage.publishes[message]?.bytes ?? 0)
    this.ledger.sent(this.owner[link] as number, 'payload', bytes, this.nowMs)
    const atMs = this.#arrivalMs(link, bytes)
    if (this.#isLost()) return
    if (this.#knowsCopies) {
      const earliestMs = this.#earliestMs[message] as Float64Array
      if ((earliestMs[to] as number) <= atMs) {
        if (atMs > this.stage.endMs) return
        if (atMs < (this.#diesMs[to] as number)) this.ledger.copy(message, to)
        else this.ledger.hits.died++
        return
      }
      earliestMs[to] = atMs
    }
    this.timeline.push(atMs, PAYLOAD, this.opposite[link] as number, message, hop)
  }

  /** Sends a frame without a message to the other end of a link. */
  sendControl(link: number, frame: ControlFrame): void {
    const { kind, name, bytes, value = 0, numbers = null, ids = 0, isKept = false } = frame
    this.ledger.sent(this.owner[link] as number, name, bytes, this.nowMs, ids)
    const atMs = this.#arrivalMs(link, bytes)
    if (!isKept && this.#isLost()) return
    this.timeline.push(atMs, kind, this.opposite[link] as number, value, 0, numbers)
  }

  /** Draws up to `count` of `candidates`, which is left in another order. */
  draw(candidates: number[], count: number): number[] {
    const drawn = Math.min(count, candidates.length)
    for (let i = 0; i < drawn; i++) {
      const j = this.rng.int(i, candidates.length - 1)
      const kept = candidates[i] as number
      candidates[i] = candidates[j] as number
      candidates[j] = kept
    }
    return candidates.slice(0, drawn)
  }

  /** Plays the stage to its end. */
  run(system: string, protocol: Protocol): ReferenceFigures {
    const { timeline, stage } = this
    this.#knowsCopies = protocol.ignoresCopies && stage.frameCostMs === 0
    stage.publishes.forEach(({ atMs, author }, message) => {
      timeline.push(atMs, PUBLISH, author, message)
    })
    protocol.start()
    while (timeline.next(stage.endMs)) this.#step(protocol)
    return this.ledger.figures(system)
  }

  #step(protocol: Protocol): void {
    const { timeline } = this
    const { kind, at, value, hop, numbers } = timeline
    const isTimer = kind >= FIRST_TIMER && kind < PROCESSED
    const node = isTimer ? at : (this.owner[at] as number)
    if (timeline.nowMs >= (this.#diesMs[node] as number)) {
      if (!isTimer) this.ledger.hits.died++
      return
    }
    if (kind === PUBLISH) {
      this.ledger.publish(value, node)
      if (this.#knowsCopies) {
        this.#earliestMs[value] = new Float64Array(this.stage.nodes).fill(Number.POSITIVE_INFINITY)
      }
      protocol.publish(value, node)
    } else if (isTimer) protocol.wake(kind, node, value)
    else if (this.stage.frameCostMs > 0 && kind < FIRST_TIMER) this.#queueForCpu(node)
    else {
      const frame = kind % PROCESSED
      if (frame === PAYLOAD) this.ledger.copy(value, node)
      protocol.receive(frame, at, value, hop, numbers)
    }
  }

  #queueForCpu(node: number): void {
    const { kind, at, value, hop, numbers, nowMs } = this.timeline
    const freeMs = this.#cpuFreeMs[node] as number
    if (freeMs > nowMs) this.ledger.hits.served++
    const doneMs = Math.max(nowMs, freeMs) + this.stage.frameCostMs
    this.#cpuFreeMs[node] = doneMs
    this.timeline.push(doneMs, kind + PROCESSED, at, value, hop, numbers)
  }

  #arrivalMs(link: number, bytes: number): number {
    const latencyMs = this.#latencyMs[link] as number
    const { bytesPerMs } = this.stage
    if (bytesPerMs === Number.POSITIVE_INFINITY) return this.nowMs + latencyMs
    const node = this.owner[link] as number
    const freeMs = this.#uplinkFreeMs[node] as number
    if (freeMs > this.nowMs) this.ledger.hits.queued++
    const sentMs = Math.max(this.nowMs, freeMs) + bytes / bytesPerMs
    this.#uplinkFreeMs[node] = sentMs
    return sentMs + latencyMs
  }

  #isLost(): boolean {
    const isLost = this.stage.loss > 0 && this.#lossRng.chance(this.stage.loss)
    if (isLost) this.ledger.hits.lost++
    return isLost
  }

  #connect(): void {
    const next = this.firstLink.slice()
    for (const { from, to, latencyMs } of this.stage.edges) {
      const forward = next[from] as number
      next[from] = forward + 1
      const backward = next[to] as number
      next[to] = backward + 1
      this.#setLink(forward, from, to, backward, latencyMs, 1)
      this.#setLink(backward, to, from, forward, latencyMs, 0)
    }
  }

  #setLink(
    link: number,
    owner: number,
    peer: number,
    opposite: number,
    latencyMs: number,
    dials: 0 | 1
  ): void {
    this.owner[link] = owner
    this.peer[link] = peer
    this.opposite[link] = opposite
    this.isDialler[link] = dials
    this.#latencyMs[link] = latencyMs
  }
}
