/**
 * Who got which message, when, and over how many hops; and what all of it cost. The figures are made by the code that
 * makes hearsay's, from rows of the same kind, so that all systems are counted alike.
 *
 * Invariant: a node accepts a message once, and an author never accepts its own.
 */
import { FrameKind } from '@hearsay/gossip/core'
import type { Figures } from '../scale/figures.js'
import { measure } from '../scale/measure.js'
import { expectedOf } from '../scale/paths.js'
import type { Stage } from '../scale/stage.js'
import { measuredWindow, type Seen } from '../scale/tally.js'

/** Figures of a model, with what the tables have no column for. */
export interface ReferenceFigures extends Figures {
  /** Frames that counted nodes sent in the measured window, by kind; `ids` are the message ids in all announcements. */
  readonly frames: Readonly<Record<string, number>>
  /** How often each kind of fault really hit. */
  readonly hits: Readonly<Hits>
}

/** Faults that came true. */
export interface Hits {
  /** Frames lost by chance. */
  lost: number
  /** Frames that arrived at the dead. */
  died: number
  /** Messages that a dropper didn't pass on, or supply. */
  withheld: number
  /** Frames that waited for an uplink, or a CPU. */
  queued: number
  served: number
}

/** In a row of hops: not here yet. */
const UNSEEN = 0xffff
/** What the models send counts as a message or as control; these stand for the two. */
const MESSAGE = FrameKind.batch
const CONTROL = FrameKind.have

/** The ledger of one run. */
export class Ledger implements Seen {
  readonly stage: Stage
  readonly isCounted: Uint8Array
  readonly latencyMs: Float32Array
  readonly copies: Uint32Array
  readonly deliveries: Uint32Array
  readonly lastHop: Uint8Array
  readonly sentByKind = new Float64Array(16)
  sentBytes = 0
  readonly hits: Hits = { lost: 0, died: 0, withheld: 0, queued: 0, served: 0 }
  /** By message and node. */
  readonly #hops: Uint16Array
  readonly #frames: Record<string, number> = {}
  readonly #window: ReturnType<typeof measuredWindow>

  constructor(stage: Stage) {
    const messages = stage.publishes.length
    this.stage = stage
    this.#window = measuredWindow(stage)
    this.isCounted = new Uint8Array(stage.nodes).fill(1)
    for (const { nodes } of stage.kills) for (const node of nodes) this.isCounted[node] = 0
    for (const node of stage.droppers?.nodes ?? []) this.isCounted[node] = 0
    this.latencyMs = new Float32Array(messages * stage.nodes).fill(-1)
    this.#hops = new Uint16Array(messages * stage.nodes).fill(UNSEEN)
    this.copies = new Uint32Array(messages)
    this.deliveries = new Uint32Array(messages)
    this.lastHop = new Uint8Array(messages)
  }

  /** A message begins its way. */
  publish(message: number, author: number): void {
    this.#hops[this.#cell(message, author)] = 0
  }

  /** A node has the message. True: for the first time, and it isn't its own. */
  accept(message: number, node: number, hop: number, nowMs: number): boolean {
    const cell = this.#cell(message, node)
    if (this.#hops[cell] !== UNSEEN) return false
    this.#hops[cell] = hop
    this.latencyMs[cell] = nowMs - (this.stage.publishes[message]?.atMs ?? 0)
    if (this.isCounted[node] === 1) {
      this.deliveries[message] = (this.deliveries[message] as number) + 1
      this.lastHop[message] = Math.max(this.lastHop[message] as number, hop)
    }
    return true
  }

  /** Has the node this message? */
  has(message: number, node: number): boolean {
    return this.#hops[this.#cell(message, node)] !== UNSEEN
  }

  /** Over how many hops the message came to this node, which has it. */
  hop(message: number, node: number): number {
    return this.#hops[this.#cell(message, node)] as number
  }

  /** A copy arrived at a node that is alive. */
  copy(message: number, node: number): void {
    if (this.isCounted[node] === 1) this.copies[message] = (this.copies[message] as number) + 1
  }

  /** A node sent a frame; `ids`: how many messages it announces. */
  sent(node: number, name: string, bytes: number, nowMs: number, ids = 0): void {
    const { fromMs, untilMs } = this.#window
    if (nowMs < fromMs || nowMs >= untilMs || this.isCounted[node] === 0) return
    this.#frames[name] = (this.#frames[name] ?? 0) + 1
    if (ids > 0) this.#frames.ids = (this.#frames.ids ?? 0) + ids
    const kind = name === 'payload' ? MESSAGE : CONTROL
    this.sentByKind[kind] = (this.sentByKind[kind] as number) + 1
    this.sentBytes += bytes
  }

  /** The sum. */
  figures(system: string): ReferenceFigures {
    const { figures } = measure(this, expectedOf(this.stage))
    return { ...figures, system, frames: this.#frames, hits: this.hits }
  }

  #cell(message: number, node: number): number {
    return message * this.stage.nodes + node
  }
}
