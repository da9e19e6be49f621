/** Counts what a run does, message by message; decides nothing. */
import { type DropReason, FrameKind, type LinkDownReason, type TopicEffect } from '@hearsay/gossip/core'
import type { Agenda } from './agenda.js'
import { eachMessage, messageOf, type TravellingFrame } from './packet.js'
import type { Process } from './process.js'
import type { Stage } from './stage.js'

/** What was seen of a run. Rows of messages in the order of `stage.publishes`, columns of nodes. */
export interface Seen {
  readonly stage: Stage
  /** Nodes whose copies and frames count: honest, and not killed. */
  readonly isCounted: Uint8Array
  /** Ms from publish to the first delivery; -1: none. One row a message. */
  readonly latencyMs: Float32Array
  /** Per message: BATCH frames with it that arrived at counted nodes. */
  readonly copies: Uint32Array
  /** Per message: deliveries at counted nodes; those of a second life, too. */
  readonly deliveries: Uint32Array
  /** Per message: hops of its farthest delivery; 1: straight from the author. */
  readonly lastHop: Uint8Array
  /** Frames that counted nodes sent in the measured window, by kind. */
  readonly sentByKind: Float64Array
  /** Their bytes. */
  sentBytes: number
}

/** First and last moment of what is measured; rates are counted in between. */
export function measuredWindow({ publishes }: Stage): { fromMs: number; untilMs: number } {
  const measured = publishes.filter(({ isMeasured }) => isMeasured)
  const fromMs = measured[0]?.atMs ?? 0
  const lastMs = measured.at(-1)?.atMs ?? 0
  // As much time belongs to the last message as to the others.
  const gapMs = measured.length > 1 ? (lastMs - fromMs) / (measured.length - 1) : 1000
  return { fromMs, untilMs: lastMs + gapMs }
}

/** Counts a run. */
export class Tally implements Seen {
  readonly stage: Stage
  readonly isCounted: Uint8Array
  readonly latencyMs: Float32Array
  readonly copies: Uint32Array
  readonly deliveries: Uint32Array
  readonly lastHop: Uint8Array
  readonly sentByKind = new Float64Array(16)
  sentBytes = 0
  /** Messages that cores gave up. */
  gaps = 0
  /** Deliveries of what a process had delivered in the same life. */
  doubles = 0
  /** Input that cores didn't deliver, by reason, and the points that were charged for it. */
  readonly drops = new Map<DropReason, number>()
  points = 0
  /** Channels that cores closed, by reason. */
  readonly closes = new Map<LinkDownReason, number>()
  readonly #agenda: Agenda
  readonly #window: { fromMs: number; untilMs: number }
  /** In which life of a node a message was delivered last; as long as nobody restarts, 0 or 1. */
  readonly #boots: Uint8Array

  constructor(stage: Stage, agenda: Agenda) {
    const messages = stage.publishes.length
    this.stage = stage
    this.#agenda = agenda
    this.#window = measuredWindow(stage)
    this.isCounted = new Uint8Array(stage.nodes).fill(1)
    for (const { nodes } of stage.kills) for (const node of nodes) this.isCounted[node] = 0
    for (const node of stage.droppers?.nodes ?? []) this.isCounted[node] = 0
    this.latencyMs = new Float32Array(messages * stage.nodes).fill(-1)
    this.#boots = new Uint8Array(messages * stage.nodes)
    this.copies = new Uint32Array(messages)
    this.deliveries = new Uint32Array(messages)
    this.lastHop = new Uint8Array(messages)
  }

  /** Frames left a process. */
  sent({ options }: Process, frames: readonly TravellingFrame[]): void {
    const { nowMs } = this.#agenda
    if (nowMs < this.#window.fromMs || nowMs >= this.#window.untilMs) return
    if (this.isCounted[options.index] === 0) return
    for (const { kind, bytes } of frames) {
      if (kind < 0) continue
      this.sentByKind[kind] = (this.sentByKind[kind] as number) + 1
      this.sentBytes += bytes.length
    }
  }

  /** A BATCH frame arrived. */
  received({ options }: Process, frame: TravellingFrame): void {
    if (this.isCounted[options.index] === 0) return
    eachMessage(frame, message => {
      this.copies[message] = (this.copies[message] as number) + 1
    })
  }

  /** A core delivered a batch of another author. */
  delivered(process: Process, effect: Extract<TopicEffect, { type: 'deliver' }>): void {
    const { payloads } = effect.batch
    for (let i = 0; i < payloads.length; i++) {
      if (effect.accepted !== null && !effect.accepted.includes(i)) continue
      this.#deliveredOne(process, messageOf(payloads[i] as Uint8Array), effect.hops + 1)
    }
  }

  /** A core refused input. */
  dropped(reason: DropReason, points: number): void {
    this.drops.set(reason, (this.drops.get(reason) ?? 0) + 1)
    this.points += points
  }

  #deliveredOne({ options, boot }: Process, message: number, hops: number): void {
    const { index } = options
    const cell = message * this.stage.nodes + index
    if (this.#boots[cell] === boot) this.doubles++
    this.#boots[cell] = boot
    if (this.latencyMs[cell] === -1) {
      this.latencyMs[cell] = this.#agenda.nowMs - (this.stage.publishes[message]?.atMs ?? 0)
    }
    if (this.isCounted[index] === 0) return
    this.deliveries[message] = (this.deliveries[message] as number) + 1
    this.lastHop[message] = Math.max(this.lastHop[message] as number, hops)
  }
}

/** Frames of these kinds carry a message, or bind a name for others. */
export const isControl = (kind: number): boolean => kind !== FrameKind.batch && kind !== FrameKind.author
