/**
 * The one file that knows Hyperswarm and hyperdht: makes a swarm, guards its door, and takes it down.
 *
 * What the libraries leave to us:
 * 1. Hyperswarm has no `host` option, so for a DHT on loopback the node is made here (bound to 127.0.0.1 and not
 *    firewalled); otherwise a second process on the machine is found only after a retry of about 15 s.
 * 2. Nothing limits connections that others open: `maxPeers` counts those we dial, `maxServerConnections` is never read.
 * 3. `swarm.destroy()` also destroys a DHT node that was passed in. One that is the application's must survive.
 * 4. Two that join a topic at the same time don't see each other: see look-again.ts.
 * 5. `destroy()` of a stream throws away what the remote hasn't acknowledged, and a reset throws away what it hasn't
 *    read. So every connection is flushed, then ended, and destroyed only when its time is up.
 */
import DHT from 'hyperdht'
import Hyperswarm from 'hyperswarm'
import { LIMITS, type Limits } from '../limits.js'
import type { DhtLike, NetworkLike, NetworkOptions, PeerInfoLike } from '../network.js'
import { checkBootstrap, isLoopback, isLoopbackHost } from '../network.js'
import type { DuplexLike } from '../types.js'
import { lookAgain } from './look-again.js'
import { within } from './within.js'

/** How long taking down a swarm may take before it is forced: mostly the DHT being told that we are gone. A guess. */
const TEARDOWN_MS = 400

/** Noise stream over UDX, as far as it is touched here. */
interface SwarmStream extends DuplexLike {
  readonly destroyed: boolean
  readonly rawStream?: { readonly remoteHost?: string | null } | null
  // biome-ignore lint/suspicious/noExplicitAny: listeners of foreign emitters can't be typed more narrowly
  once(event: string, listener: (...args: any[]) => void): unknown
  flush?(): Promise<boolean>
  end(): unknown
  destroy(error?: Error): unknown
}

// Names of the listeners that Hyperswarm puts on a DHT node and never takes off.
const DHT_EVENTS = ['network-change', 'network-update'] as const

/** Dht nodes of applications, with the listeners that our swarm put there. */
const borrowed = new WeakMap<NetworkLike, { dht: DHT; listeners: Map<string, Set<unknown>> }>()

function dhtFor(options: NetworkOptions): DHT {
  if (options.dht !== undefined) return options.dht as unknown as DHT
  if (options.bootstrap === undefined) return new DHT()
  const bootstrap = [...checkBootstrap(options.bootstrap)]
  return isLoopback(bootstrap)
    ? new DHT({ bootstrap, host: '127.0.0.1', firewalled: false })
    : new DHT({ bootstrap })
}

/**
 * A Hyperswarm with our defaults: on loopback it works between processes, and it takes a limited number of
 * connections from others. End it with `closeNetwork()`, which doesn't lose what was written, or by `destroy()`.
 *
 * @param options - `bootstrap`: default the public DHT. `dht`: a node of yours, which `closeNetwork()` leaves alone.
 * @throws {TypeError} `ERR_GOSSIP_BAD_OPTION` for a malformed `bootstrap`.
 */
export function createNetwork(options: NetworkOptions & { limits?: Partial<Limits> } = {}): NetworkLike {
  const dht = dhtFor(options)
  const before = new Map(DHT_EVENTS.map(event => [event, new Set(dht.listeners(event))]))
  const swarm = new Hyperswarm({ dht })
  const network: NetworkLike = swarm
  if (options.dht !== undefined) {
    const listeners = new Map<string, Set<unknown>>()
    for (const [event, others] of before) {
      listeners.set(event, new Set(dht.listeners(event).filter(listener => !others.has(listener))))
    }
    borrowed.set(network, { dht, listeners })
  }
  limitServerConnections(network, { ...LIMITS, ...options.limits })
  const join = swarm.join.bind(swarm)
  swarm.join = (topic, where) => {
    const discovery = join(topic, where)
    lookAgain(discovery)
    return discovery
  }
  return network
}

/** Destroys the connections that others open beyond the limits; first in the row, so nobody else sees them alive. */
function limitServerConnections(network: NetworkLike, limits: Limits): void {
  const perHost = new Map<string, number>()
  let inbound = 0
  network.on('connection', (stream: SwarmStream, info: PeerInfoLike) => {
    if (info.client) return
    const host = stream.rawStream?.remoteHost ?? ''
    const ofHost = isLoopbackHost(host) ? 0 : (perHost.get(host) ?? 0)
    if (inbound >= limits.maxServerConnections || ofHost >= limits.maxServerConnectionsPerHost) {
      stream.on('error', () => {})
      stream.destroy()
      return
    }
    inbound++
    perHost.set(host, (perHost.get(host) ?? 0) + 1)
    stream.once('close', () => {
      inbound--
      const left = (perHost.get(host) ?? 1) - 1
      if (left > 0) perHost.set(host, left)
      else perHost.delete(host)
    })
  })
}

/**
 * Waits until the remotes have acknowledged what was written so far.
 *
 * @param network - Whose connections.
 * @param ms - Longest wait.
 * @returns False when the time was up first.
 */
export async function flushNetwork(network: NetworkLike, ms: number): Promise<boolean> {
  const flushing = [...network.connections].map(async stream => {
    const { destroyed, flush } = stream as SwarmStream
    if (!destroyed && flush !== undefined) await flush.call(stream)
  })
  return (await within(Promise.allSettled(flushing), ms)) !== undefined
}

/** Ends a connection so that the remote reads all that was written: acknowledged first, then the end in its place. */
async function endStream(stream: SwarmStream): Promise<void> {
  if (stream.destroyed) return
  const closed = new Promise<void>(resolve => stream.once('close', () => resolve()))
  // The end of a Noise stream has no acknowledgement of its own. The remote answers it by its own end once it has
  // read everything before it, and then the stream closes here.
  if (stream.flush !== undefined && !(await stream.flush())) return
  stream.end()
  await closed
}

/**
 * Ends all connections after what was written to them has been read, then destroys the swarm.
 *
 * Bounded: after `ms` plus 0.4 s the rest is cut off. A DHT node that was passed to `createNetwork()` stays.
 *
 * @param network - What `createNetwork()` made.
 * @param ms - How long the remotes may take to read what is on its way; default 1,500 ms.
 */
export async function closeNetwork(network: NetworkLike, ms = 1500): Promise<void> {
  const streams = [...network.connections] as SwarmStream[]
  await within(Promise.allSettled(streams.map(endStream)), ms)
  for (const stream of network.connections) stream.destroy?.()
  const loan = borrowed.get(network)
  if (loan !== undefined) giveBack(network as unknown as Hyperswarm, loan)
  const done = await within(
    network.destroy().then(() => true),
    TEARDOWN_MS
  )
  if (done === undefined) await within(network.destroy({ force: true }), TEARDOWN_MS)
}

/** From now on the swarm may use the node, but not destroy it, and no longer listens to it. */
function giveBack(
  swarm: Hyperswarm,
  { dht, listeners }: { dht: DHT; listeners: Map<string, Set<unknown>> }
): void {
  for (const [event, ours] of listeners) {
    for (const listener of ours) dht.off(event, listener as () => void)
  }
  swarm.dht = new Proxy(dht, {
    get(target, name) {
      return name === 'destroy' ? async () => {} : Reflect.get(target, name, target)
    }
  })
}

/** Is this a Hyperswarm? */
export function isNetwork(value: unknown): value is NetworkLike {
  const network = value as Partial<NetworkLike> | null
  return (
    typeof network === 'object' &&
    network !== null &&
    typeof network.join === 'function' &&
    typeof network.on === 'function' &&
    network.connections instanceof Set
  )
}

/** Is this a hyperdht node? */
export function isDht(value: unknown): value is DhtLike {
  const dht = value as (Partial<DhtLike> & { createServer?: unknown }) | null
  return typeof dht === 'object' && dht !== null && typeof dht.createServer === 'function'
}
