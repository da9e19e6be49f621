/**
 * One simulated process: drives the production `TopicCore`, and an `Egress` per connection, as a shell has to. Effects are
 * applied in order; those that it doesn't know are for shells that can do more, and are left alone.
 */
import {
  type Batch,
  type ConnectionBinding,
  Egress,
  LIMITS,
  type TopicCore,
  type TopicCoreOptions,
  type TopicEffect,
  type TopicInput,
  type TraceEvent
} from '@hearsay/gossip/core'
import type { Identity } from '../crypto.js'
import type { Rng } from '../rng.js'
import type { Network } from './network.js'
import { type Edge, HELLO, type Packet, type Port } from './packet.js'

/** The part of a core that a process drives; planted bugs wrap it. */
export type DrivenCore = Pick<TopicCore, 'step' | 'ownHello' | 'links'>

/** Makes the core of a process. */
export type MakeCore = (options: TopicCoreOptions) => DrivenCore

/** What a process is made of. */
export interface ProcessOptions {
  /** Number of the node on the stage. */
  readonly index: number
  readonly identity: Identity
  readonly peerKey: Uint8Array
  readonly topicKey: Uint8Array
  readonly rng: Rng
  readonly makeCore: MakeCore
  readonly trace: ((process: Process, event: TraceEvent) => void) | null
}

/** Wall clock of all processes at the start: clocks may go back from there. */
const EPOCH_MS = 1_000_000_000

/** One process. */
export class Process {
  readonly options: ProcessOptions
  readonly #network: Network
  core: DrivenCore | null = null
  /** Counts starts. */
  boot = 0
  /** Is it running? */
  isUp = false
  /** Is it dead without having said so? */
  isSilent = false
  /** Which batches it doesn't pass on; null: it is honest. */
  withholds: ((batch: Batch) => boolean) | null = null
  /** Wall clock minus that of the others, ms. */
  clockMs = 0
  /** When its uplink has sent all that was written, virtual ms. */
  uplinkFreeMs = 0
  /** Packets that wait for the CPU. */
  readonly inbox: Packet[] = []
  readonly edges: Edge[] = []
  readonly ports = new Map<number, Port>()
  #nextLink = 1
  /** When the core wants to be woken, and when the agenda does so: at or before that. */
  #wakeAtMs = Number.POSITIVE_INFINITY
  #agendaMs = Number.POSITIVE_INFINITY

  constructor(network: Network, options: ProcessOptions) {
    this.#network = network
    this.options = options
  }

  /** This process's Unix ms. */
  get nowMs(): number {
    return EPOCH_MS + Math.floor(this.#network.agenda.nowMs) + this.clockMs
  }

  /** Starts it, with nothing but its keys. */
  start(): void {
    const { identity, topicKey, rng, makeCore, trace } = this.options
    this.isUp = true
    this.boot++
    this.#wakeAtMs = Number.POSITIVE_INFINITY
    this.core = makeCore({
      topicKey,
      author: identity.author,
      crypto: identity.port(rng.fork().float),
      limits: LIMITS,
      startMs: this.nowMs,
      ...(trace === null ? {} : { trace: (event: TraceEvent) => trace(this, event) })
    })
  }

  /** Ends it with all its memory. Its ports are the network's matter. */
  crash(): void {
    this.isUp = false
    this.core = null
    this.inbox.length = 0
  }

  /** Tells the core something and does what it asks for. Nothing happens in a process that is down or dead. */
  step(input: TopicInput): void {
    if (this.core === null || this.isSilent) return
    for (const effect of this.core.step(input, this.nowMs)) this.#apply(effect)
  }

  /** Opens the topic's channel at this end of a new connection, which says hello. */
  open(edge: Edge, binding: ConnectionBinding): Port {
    const egress = new Egress(LIMITS)
    const port = {
      node: this,
      edge,
      link: this.#nextLink++,
      egress,
      remote: null as unknown as Port,
      isOpen: true,
      isDirty: false,
      inbound: 'open' as const,
      held: [],
      unsentBytes: 0
    } satisfies Port
    this.ports.set(port.link, port)
    egress.openLink(port.link)
    this.step({ type: 'linkOpening', link: port.link, binding, outbound: binding.isInitiator })
    return port
  }

  /** Bytes of the hello on a connection; null: the process is gone. */
  hello(binding: ConnectionBinding): Uint8Array | null {
    return this.core?.ownHello(binding) ?? null
  }

  /** Takes a frame from a port that is open. */
  receive(port: Port, kind: number, bytes: Uint8Array): void {
    if (kind === HELLO) this.step({ type: 'hello', link: port.link, bytes })
    else this.step({ type: 'frame', link: port.link, kind, bytes })
  }

  /** The channel or its connection ended. */
  drop(port: Port): void {
    if (this.forget(port)) this.step({ type: 'linkDown', link: port.link })
  }

  /** Closes a port without a word to the core. False: it was closed. */
  forget(port: Port): boolean {
    if (!port.isOpen) return false
    port.isOpen = false
    port.held = []
    port.egress.closeLink(port.link)
    this.ports.delete(port.link)
    return true
  }

  /** Writes what is queued for a port, and tells the core what became of its queue. */
  flush(port: Port): void {
    port.isDirty = false
    if (!port.isOpen) return
    const { egress } = port
    if (!this.isSilent) {
      for (let frames = egress.take(); frames.length > 0; frames = egress.take()) {
        if (!this.#network.send(port, frames)) egress.setWritable(false)
      }
    }
    for (const { link, state } of egress.signals()) {
      if (state !== 'drained') this.#network.hits.blocked++
      this.step({ type: state, link })
    }
  }

  /** The agenda has come to a moment at which the core may want to be woken. */
  wake(): void {
    const { nowMs } = this.#network.agenda
    // Another entry, for an earlier moment, took its place.
    if (nowMs !== this.#agendaMs) return
    this.#agendaMs = Number.POSITIVE_INFINITY
    if (this.#wakeAtMs <= this.nowMs) this.step({ type: 'tick' })
    else this.#sleep()
  }

  #apply(effect: TopicEffect): void {
    switch (effect.type) {
      case 'send': {
        if (effect.frame.kind === 'batch' && this.withholds?.(effect.frame.batch) === true) {
          this.#network.hits.withheld++
          return
        }
        const port = this.ports.get(effect.link)
        if (port === undefined) return
        port.egress.push(effect.link, effect.class, effect.frame)
        this.#network.touch(port)
        return
      }
      case 'wake':
        this.#wakeAtMs = effect.atMs
        this.#sleep()
        return
      case 'deliver':
        if (effect.link !== null) this.#network.tally.delivered(this, effect)
        return
      case 'closeLink': {
        const port = this.ports.get(effect.link)
        if (port !== undefined) this.#network.closed(port, effect.reason)
        return
      }
      case 'drop':
        this.#network.tally.dropped(effect.reason, effect.points)
        return
      case 'gap':
        this.#network.tally.gaps += effect.to - effect.from + 1
        return
      default:
    }
  }

  // Most wishes are for later than what the agenda holds, so they cost no entry.
  #sleep(): void {
    if (this.#wakeAtMs === Number.POSITIVE_INFINITY) return
    // Up, because `nowMs` is in whole ms: a tick that comes too early is asked for again and again.
    const atMs = Math.max(Math.ceil(this.#wakeAtMs) - EPOCH_MS - this.clockMs, this.#network.agenda.nowMs)
    if (atMs >= this.#agendaMs) return
    this.#agendaMs = atMs
    this.#network.wakeAt(this, atMs)
  }
}
