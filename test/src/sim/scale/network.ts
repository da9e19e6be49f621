/**
 * A simulated network at scale: processes, connections, and what is on the way between them.
 *
 * A connection is two ordered streams. What is written on one at one instant is one packet and one entry of the agenda. A
 * packet waits for the sender's uplink, travels, waits for the receiver's CPU, and is then taken frame by frame. Both
 * waits are first come, first served over all connections of a process. Written is what was queued in an instant when
 * that instant is over.
 */
import { type Batch, FrameKind, type LinkDownReason, TopicCore, type TraceEvent } from '@hearsay/gossip/core'
import { fakeHash, fakeIdentities, type IdentityMaker } from '../crypto.js'
import { Rng } from '../rng.js'
import { Agenda } from './agenda.js'
import {
  bytesOf,
  CLOSE,
  type Edge,
  HELLO,
  type Packet,
  type Port,
  payloadOf,
  type TravellingFrame
} from './packet.js'
import { type MakeCore, Process } from './process.js'
import type { Stage } from './stage.js'
import { Tally } from './tally.js'

/** How often each kind of fault really hit. */
export interface Hits {
  /** Frames lost by chance. */
  lost: number
  /** Packets that arrived at the dead. */
  died: number
  /** Batches that a dropper or censor didn't send. */
  withheld: number
  /** Packets that an outage held back, or swallowed. */
  held: number
  swallowed: number
  /** Connections cut. */
  cut: number
  /** Channels that a core closed; and those between honest nodes among them. */
  closed: number
  refused: number
  crashed: number
  /** Restarts with another clock. */
  moved: number
  /** Packets that waited for an uplink, or a CPU. */
  queued: number
  served: number
  /** Times that a link was told that its queue is too long. */
  blocked: number
}

/** What differs from the production core and the defaults. */
export interface NetworkOptions {
  /** Default: the production core. */
  readonly makeCore?: MakeCore
  /** Default: fast stand-ins. */
  readonly identities?: IdentityMaker
  /** Sees the typed events of all cores. */
  readonly trace?: (atMs: number, node: number, event: TraceEvent) => void
}

/** Kinds of entries in the agenda. */
const PACKET = 0
const WAKE = 1
const PUBLISH = 2
const CALL = 3
const WRITTEN = 4
const SERVE = 5

/** Unsent bytes at which a stream says that it isn't drained, as measured on real ones. */
const HIGH_WATER_BYTES = 16 * 1024
/** Dials of the beginning are spread over so long. */
const DIAL_MS = 500
/** A connection whose channel a core closed is dialled again after so long. */
const REDIAL_MS = 1000

/** The network of one run. */
export class Network {
  readonly agenda = new Agenda()
  readonly stage: Stage
  readonly tally: Tally
  readonly processes: Process[] = []
  readonly edges: Edge[] = []
  readonly hits: Hits = {
    lost: 0,
    died: 0,
    withheld: 0,
    held: 0,
    swallowed: 0,
    cut: 0,
    closed: 0,
    refused: 0,
    crashed: 0,
    moved: 0,
    queued: 0,
    served: 0,
    blocked: 0
  }
  /** For faults; what is lost has a stream of its own. */
  readonly rng: Rng
  readonly #lossRng: Rng
  readonly #packets: (Packet | null)[] = []
  readonly #freePackets: number[] = []
  readonly #calls: (() => void)[] = []
  #dirty: Port[] = []
  #hashA = 0x811c9dc5
  #hashB = 0x2545f491

  constructor(stage: Stage, options: NetworkOptions = {}) {
    this.stage = stage
    this.rng = new Rng(stage.seed + 1)
    this.#lossRng = this.rng.fork()
    this.tally = new Tally(stage, this.agenda)
    const identities = options.identities ?? fakeIdentities()
    const topicKey = this.rng.bytes(32)
    const { trace } = options
    for (let index = 0; index < stage.nodes; index++) {
      const process = new Process(this, {
        index,
        identity: identities(fakeHash(this.rng.bytes(32))),
        peerKey: this.rng.bytes(32),
        topicKey,
        rng: this.rng.fork(),
        makeCore: options.makeCore ?? (core => new TopicCore(core)),
        trace:
          trace === undefined ? null : (from, event) => trace(this.agenda.nowMs, from.options.index, event)
      })
      this.processes.push(process)
    }
    for (const about of stage.edges) this.#addEdge(about)
    for (const [message, { atMs }] of stage.publishes.entries()) this.agenda.add(atMs, PUBLISH, message)
  }

  /** Equal for equal runs; 16 hex digits. */
  get hash(): string {
    return [this.#hashA, this.#hashB].map(part => (part >>> 0).toString(16).padStart(8, '0')).join('')
  }

  /** Runs until `untilMs`. */
  run(untilMs: number): void {
    const { agenda } = this
    while (agenda.next(untilMs)) {
      this.#mix(agenda.kind, agenda.data)
      this.#on(agenda.kind, agenda.data)
      if (agenda.nextMs > agenda.nowMs) this.#flush()
    }
  }

  /** Runs `call` at `atMs`. For what is rare: it costs a closure. */
  at(atMs: number, call: () => void): void {
    this.agenda.add(atMs, CALL, this.#calls.push(call) - 1)
  }

  /** Wakes a process. */
  wakeAt(process: Process, atMs: number): void {
    this.agenda.add(atMs, WAKE, process.options.index)
  }

  /** Something was queued for a port: it is written when this instant is over. */
  touch(port: Port): void {
    if (port.isDirty) return
    port.isDirty = true
    this.#dirty.push(port)
  }

  /** Puts what was written at a port on the way. False: the stream isn't drained. */
  send(port: Port, written: readonly TravellingFrame[]): boolean {
    const { stage, agenda, tally } = this
    tally.sent(port.node, written)
    const frames = stage.loss > 0 ? this.#lose(written) : written
    const packet: Packet = { to: port.remote, frames, bytes: 0 }
    const { latencyMs } = port.edge.about
    if (stage.bytesPerMs === Number.POSITIVE_INFINITY) {
      agenda.add(agenda.nowMs + latencyMs, PACKET, this.#store(packet))
      return true
    }
    const { node } = port
    if (node.uplinkFreeMs > agenda.nowMs) this.hits.queued++
    const bytes = bytesOf(frames)
    node.uplinkFreeMs = Math.max(node.uplinkFreeMs, agenda.nowMs) + bytes / stage.bytesPerMs
    port.unsentBytes += bytes
    const stored = this.#store({ ...packet, bytes })
    agenda.add(node.uplinkFreeMs, WRITTEN, stored)
    agenda.add(node.uplinkFreeMs + latencyMs, PACKET, stored)
    return port.unsentBytes <= HIGH_WATER_BYTES
  }

  /** Opens the connection of an edge, if both ends are up and it isn't open. */
  dial(edge: Edge): void {
    const { from, to } = edge
    if (edge.ports !== null || edge.isOut || !from.isUp || !to.isUp || from.isSilent || to.isSilent) return
    const handshakeHash = this.rng.bytes(64)
    const bindings = [from, to].map((node, side) => ({
      handshakeHash,
      isInitiator: side === 0,
      publicKey: node.options.peerKey,
      remotePublicKey: (side === 0 ? to : from).options.peerKey
    }))
    const [a, b] = [from, to].map((node, side) =>
      node.open(edge, bindings[side] as (typeof bindings)[0])
    ) as [Port, Port]
    a.remote = b
    b.remote = a
    edge.ports = [a, b]
    for (const [side, port] of edge.ports.entries()) {
      const bytes = port.isOpen ? port.node.hello(bindings[side] as (typeof bindings)[0]) : null
      if (bytes !== null) this.send(port, [{ kind: HELLO, bytes }])
    }
  }

  /** Dials an edge again after a while. */
  redial(edge: Edge, withinMs: number): void {
    this.at(this.agenda.nowMs + this.rng.int(50, withinMs), () => this.dial(edge))
  }

  /** Ends a connection at both ends; what is on the way is lost. */
  cut(edge: Edge): void {
    if (edge.ports === null) return
    this.hits.cut++
    const { ports } = edge
    edge.ports = null
    for (const port of ports) port.node.drop(port)
  }

  /** A core closed its channel: the other end hears of it, and the connection is dialled again. */
  closed(port: Port, reason: LinkDownReason): void {
    if (!port.node.forget(port)) return
    const { from, to } = port.edge
    this.hits.closed++
    if (from.withholds === null && to.withholds === null) this.hits.refused++
    this.tally.closes.set(reason, (this.tally.closes.get(reason) ?? 0) + 1)
    // Refused while it was being opened: the other end isn't there yet.
    this.at(this.agenda.nowMs, () => this.send(port, [{ kind: CLOSE, bytes: new Uint8Array(0) }]))
    this.at(this.agenda.nowMs + REDIAL_MS, () => {
      if (port.edge.ports?.includes(port) !== true) return
      this.cut(port.edge)
      this.dial(port.edge)
    })
  }

  /** Lets go what an outage held back at a port, in order. */
  release(port: Port): void {
    port.inbound = 'open'
    for (const packet of port.held.splice(0)) this.agenda.add(this.agenda.nowMs, PACKET, this.#store(packet))
  }

  /** Makes `node` withhold all batches, or those of one author. */
  withhold(node: Process, censored: Process | null): void {
    const author = censored === null ? null : Buffer.from(censored.options.identity.author).toString('hex')
    node.withholds = (batch: Batch) => author === null || batch.ref.authorId === author
  }

  #addEdge(about: Stage['edges'][number]): void {
    const from = this.processes[about.from] as Process
    const to = this.processes[about.to] as Process
    const edge: Edge = { about, from, to, ports: null, isOut: false }
    this.edges.push(edge)
    from.edges.push(edge)
    to.edges.push(edge)
    this.at(about.openMs ?? 1 + this.rng.float() * DIAL_MS, () => this.dial(edge))
  }

  #on(kind: number, data: number): void {
    switch (kind) {
      case PACKET: {
        const packet = this.#packets[data] as Packet
        this.#packets[data] = null
        this.#freePackets.push(data)
        this.#arrive(packet)
        return
      }
      case WAKE:
        ;(this.processes[data] as Process).wake()
        return
      case PUBLISH: {
        const { author, bytes } = this.stage.publishes[data] as Stage['publishes'][number]
        this.processes[author]?.step({ type: 'publish', publish: data, payload: payloadOf(data, bytes) })
        return
      }
      case CALL:
        this.#calls[data]?.()
        return
      case WRITTEN:
        this.#written(this.#packets[data] as Packet)
        return
      default:
        this.#serve(this.processes[data] as Process)
    }
  }

  #arrive(packet: Packet): void {
    const { to } = packet
    if (!to.isOpen || to.inbound !== 'open') {
      if (to.isOpen && to.inbound === 'held') {
        this.hits.held++
        to.held.push(packet)
      } else this.hits.swallowed++
      return
    }
    const { node } = to
    if (node.isSilent) {
      this.hits.died++
      return
    }
    if (this.stage.frameCostMs === 0) this.#take(packet)
    else if (node.inbox.push(packet) === 1) this.#serveNext(node)
    else this.hits.served++
  }

  #take({ to, frames }: Packet): void {
    const { node } = to
    for (const frame of frames) {
      if (!to.isOpen) return
      if (frame.kind === CLOSE) {
        node.drop(to)
        return
      }
      this.#mix(frame.kind, frame.bytes.length)
      if (frame.kind === FrameKind.batch) this.tally.received(node, frame)
      node.receive(to, frame.kind, frame.bytes)
    }
  }

  #serveNext(node: Process): void {
    const [packet] = node.inbox
    if (packet === undefined) return
    const costMs = this.stage.frameCostMs * packet.frames.length
    this.agenda.add(this.agenda.nowMs + costMs, SERVE, node.options.index)
  }

  #serve(node: Process): void {
    const packet = node.inbox.shift()
    if (packet === undefined) return
    this.#take(packet)
    this.#serveNext(node)
  }

  #written({ to, bytes }: Packet): void {
    const port = to.remote
    const wasFull = port.unsentBytes > HIGH_WATER_BYTES
    port.unsentBytes -= bytes
    if (!port.isOpen || !wasFull || port.unsentBytes > HIGH_WATER_BYTES) return
    port.egress.setWritable(true)
    this.touch(port)
  }

  #lose(written: readonly TravellingFrame[]): readonly TravellingFrame[] {
    const frames = written.filter(
      ({ kind }) => kind < 0 || kind === FrameKind.author || !this.#lossRng.chance(this.stage.loss)
    )
    this.hits.lost += written.length - frames.length
    return frames
  }

  #store(packet: Packet): number {
    const free = this.#freePackets.pop()
    if (free === undefined) return this.#packets.push(packet) - 1
    this.#packets[free] = packet
    return free
  }

  #flush(): void {
    const dirty = this.#dirty
    if (dirty.length === 0) return
    this.#dirty = []
    for (const port of dirty) port.node.flush(port)
    // What a flush told the cores may have queued more.
    this.#flush()
  }

  #mix(a: number, b: number): void {
    this.#hashA = Math.imul(this.#hashA ^ a ^ (this.agenda.nowMs * 1024), 0x01000193)
    this.#hashB = Math.imul(this.#hashB ^ b ^ this.#hashA, 0x85ebca6b) ^ (this.#hashA >>> 13)
  }
}
