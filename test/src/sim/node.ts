/**
 * One simulated process: drives the production `TopicCore` and `Egress` exactly as a shell has to.
 *
 * Effects are applied in order and none is skipped. What was queued in a step is written at the end of the instant, one
 * cork per connection. After every step the checker sees input and effects.
 */
import {
  type ConnectionBinding,
  Egress,
  type Limits,
  type LinkId,
  type TopicCore,
  type TopicCoreOptions,
  type TopicEffect,
  type TopicInput
} from '@hearsay/gossip/core'
import type { Identity } from './crypto.js'
import type { EventQueue } from './event-queue.js'
import type { Rng } from './rng.js'
import type { Packet, Wire } from './wire.js'

/** Clocks of processes minus virtual time, apart from their skew: so they can be set back. */
export const EPOCH_MS = 1_000_000

/** The part of a core that a process drives; planted bugs wrap it. */
export type DrivenCore = Pick<TopicCore, 'step' | 'ownHello' | 'explain' | 'sizes'>

/** One end of a connection, as its process sees it. */
export interface Port {
  readonly link: LinkId
  /** Who is at the other end; the simulator knows, the core doesn't. */
  readonly remote: SimNode
  readonly egress: Egress
  readonly out: Wire
  /** Ends the whole connection. */
  readonly cut: () => void
  isOpen: boolean
  isUp: boolean
  role: 'active' | 'standby'
  /** When the role changed last, virtual ms. */
  roleMs: number
}

/** What a process is made of. */
export interface NodeOptions {
  readonly name: string
  readonly identity: Identity
  /** Noise static key, 32 bytes. */
  readonly peerKey: Uint8Array
  readonly topicKey: Uint8Array
  readonly limits: Limits
  /** Wall clock minus virtual time, ms. */
  readonly skewMs: number
  readonly isHostile: boolean
  /** How long rules and validators think, ms; null: they aren't asked. */
  readonly thinksMs: number | null
  /** Does a start refuse what is older than itself? */
  readonly bootHorizon: boolean
  readonly makeCore: (options: TopicCoreOptions) => DrivenCore
}

/** Who is told about every step. */
export interface Observer {
  before(node: SimNode, input: TopicInput, port: Port | null): void
  after(node: SimNode, input: TopicInput, effects: readonly TopicEffect[]): void
  published(node: SimNode, effect: Extract<TopicEffect, { type: 'published' }>, payload: Uint8Array): void
  closed(node: SimNode, port: Port, reason: string): void
}

/** One process. */
export class SimNode {
  readonly options: NodeOptions
  /** Counts starts; a restart is another life. */
  boot = 0
  bootAtMs = 0
  core: DrivenCore
  /** Is it running? */
  isUp = true
  /** Is it dead without having said so? */
  isSilent = false
  /** What the wall clock was moved by, ms. */
  offsetMs = 0
  /** Was it ever moved in this run? */
  hasJumped = false
  readonly ports = new Map<LinkId, Port>()
  /** Rewrites what a hostile process sends; returns the effects to apply. */
  corrupt: ((effect: TopicEffect, port: Port) => TopicEffect[]) | null = null
  readonly #queue: EventQueue
  readonly #observer: Observer
  readonly #payloads = new Map<number, Uint8Array>()
  readonly #dirty = new Set<Port>()
  #rng: Rng
  #nextLink = 1
  #nextPublish = 1
  #wake = 0
  #isFlushing = false

  constructor(options: NodeOptions, queue: EventQueue, rng: Rng, observer: Observer) {
    this.options = options
    this.#queue = queue
    this.#rng = rng
    this.#observer = observer
    this.core = this.#start()
  }

  /** This process's Unix ms. */
  get nowMs(): number {
    return EPOCH_MS + Math.floor(this.#queue.nowMs) + this.options.skewMs
  }

  /** This process's wall clock. */
  get wallMs(): number {
    return this.nowMs + this.offsetMs
  }

  /** Hex of the author key, as the checker writes it. */
  get authorId(): string {
    return Buffer.from(this.options.identity.author).toString('hex')
  }

  /** Tells the core something and does what it asks for. Nothing happens in a process that is down. */
  step(input: TopicInput, port: Port | null = null): void {
    if (!this.isUp || this.isSilent) return
    this.#observer.before(this, input, port)
    const effects = this.core.step(input, this.nowMs)
    for (const effect of effects) this.#apply(effect)
    this.#observer.after(this, input, effects)
  }

  /** Publishes `payload` now. */
  publish(payload: Uint8Array, ttlMs?: number): void {
    const publish = this.#nextPublish++
    this.#payloads.set(publish, payload)
    this.step({
      type: 'publish',
      publish,
      payload: payload.slice(),
      ...(ttlMs === undefined ? {} : { ttlMs })
    })
  }

  /** Moves the wall clock; 0: it is right again. */
  moveClock(offsetMs: number): void {
    this.hasJumped = true
    this.offsetMs = offsetMs
    this.step({ type: 'clock', offsetMs })
  }

  /** Opens the topic's channel on a new connection. */
  open(about: { remote: SimNode; binding: ConnectionBinding; out: Wire; cut: () => void }): Port {
    const { remote, binding, out, cut } = about
    const egress = new Egress(this.options.limits)
    const port: Port = {
      link: this.#nextLink++,
      remote,
      egress,
      out,
      cut,
      isOpen: true,
      isUp: false,
      role: 'standby',
      roleMs: this.#queue.nowMs
    }
    out.onDrain = () => {
      if (!port.isOpen) return
      egress.setWritable(true)
      this.touch(port)
    }
    this.ports.set(port.link, port)
    egress.openLink(port.link)
    this.step({ type: 'linkOpening', link: port.link, binding, outbound: binding.isInitiator }, port)
    if (port.isOpen) out.send({ type: 'hello', bytes: this.core.ownHello(binding) })
    return port
  }

  /** Takes a packet from the wire. */
  receive(port: Port, packet: Packet): void {
    if (!port.isOpen || !this.isUp || this.isSilent) return
    if (packet.type === 'close') this.drop(port)
    else if (packet.type === 'hello') this.step({ type: 'hello', link: port.link, bytes: packet.bytes }, port)
    else this.step({ type: 'frame', link: port.link, kind: packet.kind, bytes: packet.bytes }, port)
  }

  /** The channel or its connection ended. */
  drop(port: Port): void {
    if (!this.#forget(port)) return
    this.step({ type: 'linkDown', link: port.link })
  }

  /** Ends the process with all its memory. */
  crash(): void {
    this.isUp = false
    for (const port of [...this.ports.values()]) {
      this.#forget(port)
      port.cut()
    }
    this.#payloads.clear()
  }

  /** Starts it again with the same keys. */
  restart(): void {
    this.isUp = true
    this.isSilent = false
    this.offsetMs = 0
    this.boot++
    this.core = this.#start()
  }

  #start(): DrivenCore {
    const { identity, topicKey, limits, makeCore, thinksMs, bootHorizon } = this.options
    this.bootAtMs = this.#queue.nowMs
    this.#wake++
    return makeCore({
      topicKey,
      author: identity.author,
      crypto: identity.port(this.#rng.fork().float),
      limits,
      startMs: this.nowMs,
      bootHorizon,
      ...(thinksMs === null ? {} : { asksAuthorize: true, asksValidate: true, asksAdmit: true })
    })
  }

  #forget(port: Port): boolean {
    if (!port.isOpen) return false
    port.isOpen = false
    port.isUp = false
    port.egress.closeLink(port.link)
    this.#dirty.delete(port)
    this.ports.delete(port.link)
    return true
  }

  #apply(effect: TopicEffect): void {
    if (effect.type === 'send') this.#send(effect)
    else if (effect.type === 'closeLink') this.#close(effect)
    else if (effect.type === 'published') this.#onPublished(effect)
    else if (effect.type === 'ask') this.#answer(effect)
    else if (effect.type === 'wake') this.#sleep(effect.atMs)
    else if (effect.type === 'unsend') this.ports.get(effect.link)?.egress.cancel(effect.link, effect.batch)
    else if (effect.type === 'linkUp' || effect.type === 'linkRole') {
      const port = this.ports.get(effect.link)
      if (port === undefined) return
      if (effect.type === 'linkUp') port.isUp = true
      port.role = effect.role
      port.roleMs = this.#queue.nowMs
    }
  }

  #close(effect: Extract<TopicEffect, { type: 'closeLink' }>): void {
    const port = this.ports.get(effect.link)
    if (port === undefined) return
    // What was queued before the close still goes out, as a shell does it.
    this.#write(port)
    port.out.send({ type: 'close' })
    this.#forget(port)
    this.#observer.closed(this, port, effect.reason)
  }

  #onPublished(effect: Extract<TopicEffect, { type: 'published' }>): void {
    const payload = this.#payloads.get(effect.publish)
    this.#payloads.delete(effect.publish)
    if (payload !== undefined) this.#observer.published(this, effect, payload)
  }

  #send(effect: Extract<TopicEffect, { type: 'send' }>): void {
    const port = this.ports.get(effect.link)
    if (port === undefined) return
    const effects = this.corrupt?.(effect, port) ?? [effect]
    for (const sent of effects) {
      if (sent.type === 'send') port.egress.push(sent.link, sent.class, sent.frame)
    }
    this.touch(port)
  }

  /** Something changed on a port: write and listen to its queue at the end of this instant. */
  touch(port: Port): void {
    this.#dirty.add(port)
    if (this.#isFlushing) return
    this.#isFlushing = true
    this.#queue.at(this.#queue.nowMs, () => {
      this.#isFlushing = false
      // A crash forgot all ports, so what is dirty now is of this life.
      for (const dirty of [...this.#dirty]) this.#flush(dirty)
    })
  }

  #flush(port: Port): void {
    this.#dirty.delete(port)
    if (!port.isOpen) return
    if (!this.isSilent) this.#write(port)
    for (const { link, state } of port.egress.signals()) this.step({ type: state, link }, port)
  }

  #write(port: Port): void {
    const { egress, out } = port
    const tainted = this.options.isHostile
    for (let frames = egress.take(); frames.length > 0; frames = egress.take()) {
      for (const { kind, bytes } of frames) out.send({ type: 'frame', kind, bytes, tainted })
      if (!out.isDrained) egress.setWritable(false)
    }
  }

  #answer(effect: Extract<TopicEffect, { type: 'ask' }>): void {
    const { boot } = this
    const count = effect.about === 'validate' ? effect.batch.count : 1
    const thinksMs = this.options.thinksMs ?? 0
    const answer: TopicInput = {
      type: 'answer',
      question: effect.question,
      verdicts: Array.from({ length: count }, () => 'accept' as const)
    }
    this.#queue.after(this.#rng.float() * thinksMs, () => {
      if (boot === this.boot) this.step(answer)
    })
    // Some answers come twice.
    if (this.#rng.chance(0.1)) {
      this.#queue.after(thinksMs, () => {
        if (boot === this.boot) this.step(answer)
      })
    }
  }

  #sleep(atMs: number): void {
    const wake = ++this.#wake
    if (atMs === Number.POSITIVE_INFINITY) return
    // Up, because `nowMs` is in whole ms: a tick that comes too early is asked for again and again.
    this.#queue.at(Math.ceil(atMs) - EPOCH_MS - this.options.skewMs, () => {
      if (wake === this.#wake) this.step({ type: 'tick' })
    })
  }
}
