/**
 * Class Swarm: one topic on Hyperswarm, in five lines.
 *
 * It joins three things that can all be used alone: a Gossip, a Topic of it, and a Hyperswarm that finds the others.
 * Nothing is decided here but who closes what: what this class made it closes, what the application passed in
 * (`swarm`, `dht`) lives on.
 *
 * Invariants
 * 1. Every connection of the swarm is attached in the same tick in which it appears, so that it has an `error` listener.
 * 2. Until `destroy()` resolves, what was handed over is on its way; afterwards nothing is delivered.
 * 3. Only on a swarm of our own peers are refused, dialled by a hint, or closed because they say nothing: on an
 *    application's a peer may be there, or be wanted, for other reasons.
 */
import b4a from 'b4a'
import { EventEmitter } from 'eventemitter3'
import { GossipError, typeError } from '../errors.js'
import { LIMITS, type Limits } from '../limits.js'
import {
  checkBootstrap,
  type DiscoveryLike,
  type NetworkLike,
  type NetworkOptions,
  type PeerInfoLike
} from '../network.js'
import type {
  AbortSignalLike,
  AuthorState,
  DuplexLike,
  Key,
  KeyPair,
  Logger,
  Peer,
  Published,
  PublishOptions,
  Subscription,
  SubscriptionOptions,
  TopicEvents,
  TopicOptions,
  TopicTraceEvent
} from '../types.js'
import { abortable } from './abortable.js'
import { Gossip, isInUse } from './gossip.js'
import { Hints } from './hints.js'
import { closeNetwork, createNetwork, flushNetwork, isDht, isNetwork } from './hyperswarm.js'
import { lookAgain } from './look-again.js'
import { Refused } from './refused.js'
import { SilentConnections } from './silent.js'
import type { Topic } from './topic.js'
import { type WaitOptions, waitForPeers } from './wait-for-peers.js'
import { within } from './within.js'

/** Options of `pubsub()`: those of the topic, and where to find the others. */
export interface SwarmOptions<T = unknown> extends TopicOptions<T>, NetworkOptions {
  /** Author key pair, so that others know you again; default: a fresh one. The Noise key of connections is another. */
  keyPair?: KeyPair
  /** A Hyperswarm of yours; it survives `destroy()`. Then `bootstrap` and `dht` are not allowed. */
  swarm?: NetworkLike
  /** Find peers on the local network without a DHT. Not available in this version: `true` throws. */
  lan?: boolean
  /** Overrides single bounds of `LIMITS`, for all topics of `gossip`. */
  limits?: Partial<Limits>
  /** Told of warnings ('warn') and of links that come and go ('debug'). Default: nobody. */
  logger?: Logger
  /** Sees what happens, event by event; see `GossipOptions.trace`. */
  trace?(event: TopicTraceEvent): void
}

const FORWARDED = [
  'message',
  'connected',
  'disconnected',
  'peer-add',
  'peer-remove',
  'isolated',
  'rejoined',
  'hint',
  'lag',
  'gap',
  'equivocation',
  'warning',
  'close'
] as const

// Together with the 0.4 s that taking down the network may last, destroy() stays under 2 s.
const CLOSE_MS = 1500

// Telling the DHT takes some ms, or many seconds when its nodes are gone; the record expires anyway.
const UNANNOUNCE_MS = 300

/** One topic on a Hyperswarm. Has the events of `Topic`. */
export class Swarm<T = unknown> extends EventEmitter<TopicEvents<T>> {
  /** The topic: name, discovery key, peers. */
  readonly topic: Topic<T>
  /** All topics and peers; `gossip.join()` adds topics on the same connections. */
  readonly gossip: Gossip
  /** The Hyperswarm: the application's, or one of our own. */
  readonly network: NetworkLike
  readonly #owned: boolean
  readonly #closeMs: number
  /** What is done on a Hyperswarm of our own only. */
  readonly #own: { refused: Refused; hints: Hints; silent: SilentConnections } | null
  readonly #discovery: DiscoveryLike
  readonly #infos = new WeakMap<DuplexLike, PeerInfoLike>()
  #leaving: Promise<void> | null = null
  #destroying: Promise<void> | null = null
  #stopLooking = () => {}
  #opened = false
  #closed = false

  /**
   * Joins at once; `ready()`, `connected()` and the events tell what came of it.
   *
   * @param topic - Name of a public topic, or the 32 bytes of a private one's key.
   * @param options - Topic, identity, and where to find the others.
   * @throws {TypeError} `ERR_GOSSIP_BAD_TOPIC`, `ERR_GOSSIP_BAD_OPTION`, `ERR_GOSSIP_BAD_KEY`.
   */
  constructor(topic: string | Uint8Array, options: SwarmOptions<T> = {}) {
    super()
    checkOptions(options)
    const { keyPair, bootstrap, dht, swarm, lan: _, limits, logger, trace, ...topicOptions } = options
    const all = { ...LIMITS, closeDeadlineMs: CLOSE_MS, ...limits }
    this.#closeMs = all.closeDeadlineMs
    this.gossip = new Gossip({
      limits: all,
      ...(keyPair && { keyPair }),
      ...(logger && { logger }),
      ...(trace && { trace })
    })
    try {
      this.topic = this.gossip.join<T>(topic, topicOptions as TopicOptions<T>)
    } catch (error) {
      void this.gossip.close()
      throw error
    }
    for (const event of FORWARDED) this.topic.on(event, (...args: unknown[]) => this.#forward(event, args))
    this.#owned = swarm === undefined
    this.network =
      swarm ?? createNetwork({ limits: all, ...(bootstrap && { bootstrap }), ...(dht && { dht }) })
    this.#own = this.#owned
      ? {
          refused: new Refused(all.maxRememberedPeers, all.proofBackoffMs),
          hints: new Hints(this.network),
          silent: new SilentConnections(all)
        }
      : null
    for (const stream of this.network.connections) this.#attach(stream)
    this.network.on('connection', this.#onConnection)
    this.#discovery = this.network.join(this.topic.discoveryKey)
    if (!this.#owned) this.#stopLooking = lookAgain(this.#discovery) // our own networks do that by themselves
  }

  /** Own author key, z-base-32: the `id` that others see on our messages. */
  get id(): string {
    return this.gossip.id
  }

  /** Own author key, 32 bytes. */
  get publicKey(): Uint8Array {
    return this.gossip.publicKey
  }

  /** Open connections of the Hyperswarm. A connection is not yet a peer of the topic: see `peers()`. */
  get connections(): ReadonlySet<DuplexLike> {
    return this.network.connections
  }

  /** Has `ready()` resolved? */
  get opened(): boolean {
    return this.#opened
  }

  /** Has `destroy()` resolved? */
  get closed(): boolean {
    return this.#closed
  }

  /** Peers that share the topic and proved to know it. */
  peers(): Peer[] {
    return this.topic.peers()
  }

  /** Why a message of this author is late: see `Topic.explain()`. */
  explain(author: Key): AuthorState {
    return this.topic.explain(author)
  }

  /**
   * Signs `data` and hands it to the peers. Without any it is kept for the first one, until its time to live ends.
   *
   * @returns Identity of the message and the number of peers that it was handed to.
   * @throws {GossipError} As `Topic.publish()`: `ERR_GOSSIP_TOO_LARGE`, `ERR_GOSSIP_NOT_ENCODABLE`, `ERR_GOSSIP_CLOSED`.
   */
  publish(data: T, options?: PublishOptions): Promise<Published> {
    return this.topic.publish(data, options)
  }

  /** The messages as an async iterable with a bounded queue. */
  messages(options?: SubscriptionOptions): Subscription<T> {
    return this.topic.messages(options)
  }

  /**
   * Resolves when the topic was announced, or couldn't be. It says nothing about peers: see `connected()`.
   *
   * @throws The reason of `options.signal`, which ends the wait.
   */
  async ready(options: { signal?: AbortSignalLike } = {}): Promise<void> {
    await abortable(this.#discovery.flushed(), options.signal)
    this.#opened = true
  }

  /**
   * Resolves when the topic is announced and every lookup and dial that was begun has ended.
   *
   * @throws The reason of `options.signal`, which ends the wait.
   */
  async flushed(options: { signal?: AbortSignalLike } = {}): Promise<void> {
    await this.ready(options)
    await abortable(this.network.flush(), options.signal)
  }

  /**
   * Waits until so many peers share the topic.
   *
   * @param count - How many, from 1; default 1.
   * @param options - `signal` ends the wait; `timeoutMs` as well, default: none.
   * @throws The signal's reason; {GossipError} `ERR_GOSSIP_TIMEOUT`, `ERR_GOSSIP_CLOSED`;
   *   {RangeError} `ERR_GOSSIP_BAD_OPTION`.
   */
  connected(count = 1, options: WaitOptions = {}): Promise<void> {
    if (this.#leaving === null) return waitForPeers(this.topic, count, options)
    return Promise.reject(new GossipError('ERR_GOSSIP_CLOSED', 'the swarm was left'))
  }

  /**
   * Writes what was handed over, then closes all connections until `resume()`: for a device that goes to sleep.
   *
   * @throws {TypeError} `ERR_GOSSIP_BAD_OPTION` on a Hyperswarm of the application: suspend that one yourself.
   */
  async suspend(): Promise<void> {
    this.#mustOwn('suspend')
    await flushNetwork(this.network, this.#closeMs)
    await this.network.suspend()
  }

  /**
   * Ends `suspend()`; peers come back after about two seconds.
   *
   * @throws {TypeError} `ERR_GOSSIP_BAD_OPTION` on a Hyperswarm of the application.
   */
  async resume(): Promise<void> {
    this.#mustOwn('resume')
    await this.network.resume()
  }

  /** Writes what was handed over, then leaves the topic on all connections and on the DHT. Connections stay open. */
  leave(): Promise<void> {
    this.#leaving ??= this.#leave()
    return this.#leaving
  }

  async #leave(): Promise<void> {
    this.#stopLooking()
    const unannounced = this.#discovery.destroy()
    await this.topic.leave()
    await within(unannounced, UNANNOUNCE_MS)
  }

  /**
   * Leaves, and closes all that isn't the application's. What was published is at the connected peers by then, unless
   * they took longer than 1.5 s to read it. Afterwards nothing of this object keeps the process alive. At most 2 s.
   */
  destroy(): Promise<void> {
    this.#destroying ??= this.#destroy()
    return this.#destroying
  }

  /** The same as `destroy()`. */
  close(): Promise<void> {
    return this.destroy()
  }

  /** The same as `destroy()`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.destroy()
  }

  async #destroy(): Promise<void> {
    const deadline = Date.now() + this.#closeMs
    await within(this.leave(), this.#closeMs)
    await this.gossip.close()
    this.network.off('connection', this.#onConnection)
    for (const each of [this.#own?.refused, this.#own?.hints, this.#own?.silent]) each?.clear()
    if (this.#owned) await closeNetwork(this.network, Math.max(deadline - Date.now(), 0))
    this.#closed = true
  }

  #mustOwn(call: string): void {
    if (this.#owned) return
    throw typeError(
      'ERR_GOSSIP_BAD_OPTION',
      `${call}() is not for a Hyperswarm that was passed in; call its own`
    )
  }

  readonly #onConnection = (stream: DuplexLike, info: PeerInfoLike): void => {
    if ((stream as { destroying?: boolean }).destroying) return // over a limit of the network
    this.#attach(stream, info)
  }

  #attach(stream: DuplexLike, info?: PeerInfoLike): void {
    try {
      this.gossip.attach(stream)
      if (info !== undefined) this.#infos.set(stream, info)
      this.#own?.silent.add(stream, () => isInUse(this.gossip, stream))
    } catch (error) {
      // Full, or a stream that somebody else has claimed. Ours is of no use then; the application's may be.
      stream.on('error', () => {})
      if (this.#owned) stream.destroy?.()
      this.emit('warning', error as Error)
    }
  }

  #forward(event: keyof TopicEvents<T>, args: unknown[]): void {
    if (event === 'warning') this.#onWarning(args[0] as GossipError & { peer?: Peer | null })
    if (event === 'hint') this.#own?.hints.dial(args[0] as Uint8Array)
    if (event === 'isolated') this.#lookNow()
    if (event === 'rejoined') this.#stopLooking()
    ;(this.emit as (event: string, ...args: unknown[]) => boolean).call(this, event, ...args)
  }

  // At once, and some more times: who lost us looks for us, too.
  #lookNow(): void {
    this.#stopLooking()
    this.#discovery.refresh().catch(() => {}) // left meanwhile, or suspended
    this.#stopLooking = lookAgain(this.#discovery)
  }

  /** A wrong proof: on a network of our own nobody else needs this peer, so it stays out for a while. */
  #onWarning(error: GossipError & { peer?: Peer | null }): void {
    const { code, peer = null } = error
    if (this.#own === null || code !== 'WARN_GOSSIP_BAD_PROOF' || peer === null) return
    if (peer.topics.size > 0) return // another topic of this gossip is shared
    for (const stream of this.network.connections) {
      const info = this.#infos.get(stream)
      if (info === undefined || !b4a.equals(info.publicKey, peer.remotePublicKey)) continue
      this.#own.refused.refuse(info)
      stream.destroy?.()
    }
  }
}

function checkOptions<T>(options: SwarmOptions<T>): void {
  const fail = (message: string) => {
    throw typeError('ERR_GOSSIP_BAD_OPTION', message)
  }
  if (options.lan) fail('lan is not available in this version; use bootstrap with a DHT node of your own')
  if (options.swarm !== undefined && !isNetwork(options.swarm)) fail('swarm is not a Hyperswarm')
  if (options.dht !== undefined && !isDht(options.dht)) fail('dht is not a hyperdht node')
  if (options.swarm !== undefined && (options.dht !== undefined || options.bootstrap !== undefined)) {
    fail('swarm brings its own DHT: leave out dht and bootstrap')
  }
  if (options.dht !== undefined && options.bootstrap !== undefined)
    fail('dht is bootstrapped: leave out bootstrap')
  if (options.bootstrap !== undefined) checkBootstrap(options.bootstrap)
}
