/**
 * A simulated network: processes, connections, and the hands that break them.
 *
 * Everything is drawn from one seed. A neighbourhood (who dials whom) is fixed at the start; what breaks is dialled
 * again after a while, by the same side, as a swarm would do it.
 */
import { LIMITS, type Limits } from '@hearsay/gossip/core'
import { Checker } from './checks.js'
import { fakeHash, fakeIdentities, type IdentityMaker } from './crypto.js'
import { EventQueue } from './event-queue.js'
import { type NodeOptions, type Port, SimNode } from './node.js'
import { Rng } from './rng.js'
import { Wire, type WireOptions } from './wire.js'

/**
 * Bounds for simulations: the proportions of the defaults at a sixth of their time, so that a run needs 15 virtual
 * seconds and not 90 to see everything expire; and queues that a scenario can fill.
 */
const SIM_LIMITS: Readonly<Limits> = {
  ...LIMITS,
  ttlMs: 5000,
  maxSkewMs: 5000,
  proofBackoffMs: 500,
  maxQueuedBytesPerLink: 64 * 1024,
  maxQueuedBytesPerConnection: 128 * 1024
}

/** A dialled pair; `from` dials. */
export interface Edge {
  readonly from: SimNode
  readonly to: SimNode
  readonly wire: WireOptions
  /** The connection that is open now. */
  current: Connection | null
  /** Nothing is dialled any more. */
  isGone: boolean
}

/** One connection, from both ends. */
export interface Connection {
  readonly edge: Edge
  readonly wires: readonly [Wire, Wire]
  readonly ports: readonly [Port, Port]
  isCut: boolean
}

/** How a world begins. */
export interface WorldOptions {
  readonly seed: number
  /** Honest processes, at least 2. */
  readonly nodes: number
  /** Processes that know the topic key and misbehave; each dials this many honest ones: 3. */
  readonly hostile?: number
  /** Links per honest process, at least 2 where there are that many. Default 4. */
  readonly degree?: number
  readonly latencyMs?: readonly [min: number, max: number]
  readonly jitterMs?: number
  /** Clocks differ by at most this. */
  readonly skewMs?: number
  readonly thinksMs?: number | null
  /** Pairs that have two connections. Default 0. */
  readonly twins?: number
  /** Share of the processes that a mass kill takes. Default 0.8. */
  readonly killShare?: number
  /** Does each start refuse what is older? Default false. */
  readonly bootHorizon?: boolean
  readonly limits?: Partial<Limits>
  readonly identities?: IdentityMaker
  readonly makeCore: NodeOptions['makeCore']
  readonly traces?: boolean
}

/** The network of one run. */
export class World {
  readonly queue = new EventQueue()
  readonly rng: Rng
  readonly checker: Checker
  readonly limits: Limits
  readonly honest: SimNode[] = []
  readonly hostile: SimNode[] = []
  readonly edges: Edge[] = []
  /** Packets that cuts took with them. */
  lost = 0
  /** Connections that were cut, by whomever. */
  cuts = 0
  readonly killShare: number
  readonly #options: WorldOptions
  readonly #topicKey: Uint8Array
  readonly #identities: IdentityMaker
  /** Redials stop in a world that is to rest. */
  #rests = false

  constructor(options: WorldOptions) {
    this.#options = options
    this.killShare = options.killShare ?? 0.8
    this.rng = new Rng(options.seed)
    this.limits = { ...SIM_LIMITS, ...options.limits }
    this.checker = new Checker(this.queue, { traces: options.traces === true })
    this.#topicKey = this.rng.bytes(32)
    this.#identities = options.identities ?? fakeIdentities()
    for (let i = 0; i < options.nodes; i++) this.honest.push(this.#makeNode(`n${i}`, false))
    for (let i = 0; i < (options.hostile ?? 0); i++) this.hostile.push(this.#makeNode(`h${i}`, true))
    this.#connectAll()
  }

  /** All processes. */
  get nodes(): readonly SimNode[] {
    return [...this.honest, ...this.hostile]
  }

  /** Opens the connection of an edge, if both ends are up and it isn't open. */
  dial(edge: Edge): void {
    const { from, to } = edge
    if (edge.current !== null || edge.isGone || !from.isUp || !to.isUp || from.isSilent) return
    const handshakeHash = this.rng.bytes(64)
    const ends = [from, to] as const
    const connection: { wires: Wire[]; ports: Port[] } = { wires: [], ports: [] }
    const made = Object.assign(connection, { edge, isCut: false }) as unknown as Connection &
      typeof connection
    ends.forEach((_, side) => {
      const receive = (packet: Parameters<Wire['send']>[0]): void => {
        const port = made.ports[1 - side]
        if (port !== undefined) (ends[1 - side] as SimNode).receive(port, packet)
      }
      made.wires.push(new Wire(this.queue, this.rng.fork(), { ...edge.wire }, receive))
    })
    edge.current = made
    ends.forEach((node, side) => {
      const remote = ends[1 - side] as SimNode
      const binding = {
        handshakeHash,
        isInitiator: side === 0,
        publicKey: node.options.peerKey,
        remotePublicKey: remote.options.peerKey
      }
      const out = made.wires[side] as Wire
      made.ports.push(node.open({ remote, binding, out, cut: () => this.cut(made) }))
    })
    this.#watch(made)
  }

  /** Ends a connection; both ends hear it, the remote one after the way there. What is under way is lost. */
  cut(connection: Connection): void {
    if (connection.isCut) return
    connection.isCut = true
    this.cuts++
    for (const wire of connection.wires) {
      wire.cut()
      this.lost += wire.lost
    }
    const { edge } = connection
    edge.current = null
    const [from, to] = connection.ports
    this.queue.after(0, () => {
      if (from !== undefined) edge.from.drop(from)
      if (to !== undefined) edge.to.drop(to)
    })
    this.redial(edge)
  }

  /** Dials an edge again after a while. */
  redial(edge: Edge): void {
    if (this.#rests) return
    this.queue.after(this.rng.int(100, 600), () => this.dial(edge))
  }

  /** Stops drawing new faults' consequences: no redials from now on. */
  rest(): void {
    this.#rests = true
  }

  /** Connections that are open now. */
  open(): Connection[] {
    return this.edges.flatMap(({ current }) => (current === null ? [] : [current]))
  }

  // A channel that a core closed leaves a connection without use: the swarm drops it and dials again, except after a
  // refusal for cause.
  #watch(connection: Connection): void {
    const check = (): void => {
      if (connection.isCut) return
      const isDead = connection.ports.some(port => !port.isOpen)
      if (isDead) {
        const isHostile = [connection.edge.from, connection.edge.to].some(node => node.options.isHostile)
        if (isHostile) connection.edge.isGone = true
        this.cut(connection)
      } else this.queue.after(250, check)
    }
    this.queue.after(250, check)
  }

  #makeNode(name: string, isHostile: boolean): SimNode {
    const { skewMs = 0, thinksMs = null, bootHorizon = false, makeCore } = this.#options
    const seed = fakeHash(this.rng.bytes(32))
    const options: NodeOptions = {
      name,
      identity: this.#identities(seed),
      peerKey: this.rng.bytes(32),
      topicKey: this.#topicKey,
      limits: this.limits,
      skewMs: this.rng.int(0, skewMs),
      isHostile,
      thinksMs,
      bootHorizon,
      makeCore
    }
    return new SimNode(options, this.queue, this.rng.fork(), this.checker)
  }

  #connectAll(): void {
    const { degree = 4 } = this.#options
    const { honest } = this
    // A ring keeps the honest connected; chords bring the wanted degree.
    const pairs = new Map<string, [SimNode, SimNode]>()
    const add = (a: number, b: number): void => {
      const key = `${Math.min(a, b)} ${Math.max(a, b)}`
      if (a !== b && !pairs.has(key)) pairs.set(key, [honest[a] as SimNode, honest[b] as SimNode])
    }
    for (let i = 0; i < honest.length; i++) add(i, (i + 1) % honest.length)
    const wanted = Math.min((honest.length * degree) / 2, (honest.length * (honest.length - 1)) / 2)
    while (pairs.size < wanted) add(this.rng.int(0, honest.length - 1), this.rng.int(0, honest.length - 1))
    for (const [from, to] of pairs.values()) this.#addEdge(from, to)
    // The second one as often as not the other way round.
    for (const pair of this.rng.shuffle([...pairs.values()]).slice(0, this.#options.twins ?? 0)) {
      const [from, to] = this.rng.shuffle(pair) as [SimNode, SimNode]
      this.#addEdge(from, to)
    }
    for (const node of this.hostile) {
      for (const to of this.rng.shuffle(honest).slice(0, 3)) this.#addEdge(node, to)
    }
    for (const edge of this.edges) this.queue.at(1 + this.rng.int(0, 50), () => this.dial(edge))
  }

  #addEdge(from: SimNode, to: SimNode): void {
    const { latencyMs = [5, 50], jitterMs = 2 } = this.#options
    const wire = { latencyMs: this.rng.int(...latencyMs), jitterMs, bytesPerMs: Number.POSITIVE_INFINITY }
    this.edges.push({ from, to, wire, current: null, isGone: false })
  }
}
