/**
 * Class Gossip: one author, its connections and its topics. Start reading here.
 *
 * Every connection carries every topic that both ends joined. The application owns the streams that it attaches;
 * nothing here closes one.
 */
import b4a from 'b4a'
import { publicTopicKey, swarmTopicOf } from '../core/keys.js'
import type { ConnectionBinding } from '../core/types.js'
import { VerifyBudget } from '../core/verify-budget.js'
import { GossipError, typeError } from '../errors.js'
import type { DuplexLike, GossipGauges, GossipOptions, KeyPair, Peer, TopicOptions } from '../types.js'
import { Attachment } from './attachment.js'
import { Clock } from './clock.js'
import { type Connection, connectionOf } from './connection.js'
import { closedError, type GossipContext } from './context.js'
import { Handshakes } from './handshakes.js'
import { keyId } from './key-text.js'
import { noiseStreamOf } from './noise.js'
import { checkTrace, mergeLimits } from './options.js'
import { ConnectedPeer } from './peer.js'
import { isMux } from './protomux.js'
import { Scheduler } from './scheduler.js'
import { createKeyPair, cryptoFor } from './sodium.js'
import { countedCrypto, Stats } from './stats.js'
import { Topic } from './topic.js'
import type { TopicDriver } from './topic-driver.js'
import { Tracing } from './tracing.js'

interface JoinedTopic {
  topic: Topic
  driver: TopicDriver
}

/**
 * Is an attached stream in use: did the other end say hello, on any topic, or is another protocol open there? For networks
 * of our own; not exported by the package.
 */
export let isInUse: (gossip: Gossip, stream: DuplexLike) => boolean

/** See the head of this file. */
export class Gossip {
  static {
    isInUse = (gossip, stream) => {
      const connection = connectionOf(stream)
      if (gossip.#attachments.get(connection)?.hasHello === true) return true
      return [...connection.mux].some(({ opened }) => opened)
    }
  }

  /** Author key, 32 bytes: what signs our messages. */
  readonly publicKey: Uint8Array
  /** `publicKey` as z-base-32. */
  readonly id: string
  /** Counters of all topics and peers. */
  readonly stats: Stats
  readonly #context: GossipContext
  /** Noise key of plain streams that are wrapped here; one per Gossip, so that two of them show one peer. */
  #noiseKeyPair: KeyPair | undefined
  readonly #attachments = new Map<Connection, Attachment>()
  readonly #handshakes: Handshakes
  /** Those whose handshake is done. */
  readonly #bindings = new Map<Attachment, ConnectionBinding>()
  readonly #peers = new Set<ConnectedPeer>()
  readonly #peersByKey = new Map<string, ConnectedPeer>()
  readonly #topics = new Map<string, JoinedTopic>()
  /** Topics that are being left: a new one of the same key waits, because their channels have the same names. */
  readonly #leaving = new Map<string, Promise<void>>()
  #closing: Promise<void> | null = null
  #closed = false

  /** @throws {TypeError} `ERR_GOSSIP_BAD_KEY`, `ERR_GOSSIP_BAD_OPTION`; {RangeError} `ERR_GOSSIP_BAD_OPTION`. */
  constructor(options: GossipOptions = {}) {
    const keyPair = options.keyPair ?? createKeyPair()
    this.stats = new Stats(() => this.#gauges())
    const crypto = countedCrypto(cryptoFor(keyPair), this.stats)
    this.publicKey = new Uint8Array(keyPair.publicKey)
    this.id = keyId(keyPair.publicKey)
    let links = 0
    const limits = mergeLimits(options.limits)
    this.#handshakes = new Handshakes(limits)
    const trace = checkTrace(options.trace)
    const clock = new Clock()
    const scheduler = new Scheduler()
    this.#context = {
      limits,
      crypto,
      verifies: new VerifyBudget(limits),
      author: this.publicKey,
      clock,
      scheduler,
      stats: this.stats,
      logger: options.logger ?? {},
      tracing: trace === undefined ? null : new Tracing(trace, { clock, scheduler }),
      nextLink: () => ++links
    }
  }

  /** Processes at the other end of the attached connections; each once, however many connections it has. */
  get peers(): ReadonlySet<Peer> {
    return this.#peers
  }

  /** The topics that are joined. */
  get topics(): ReadonlySet<Topic> {
    return new Set([...this.#topics.values()].map(({ topic }) => topic))
  }

  /** True from the start: construction does no I/O. */
  get opened(): boolean {
    return true
  }

  /** Has `close()` resolved? */
  get closed(): boolean {
    return this.#closed
  }

  /** Resolves at once; here for the habit. */
  async ready(): Promise<void> {}

  /**
   * Speaks on a connection from now on, for all topics, joined before or later.
   *
   * @param stream - A Noise stream (a hyperswarm connection is one), a Protomux, or a plain Duplex. The same stream
   *   again returns the same peer. A plain Duplex whose remote doesn't shake hands within `limits.helloDeadlineMs` is
   *   destroyed; a Noise stream is then let go of.
   * @param options - `initiator` is needed for a plain Duplex, and on one end true, on the other false.
   * @returns The remote process; the same object for two connections to one process.
   * @throws {TypeError} `ERR_GOSSIP_BAD_STREAM`; {GossipError} `ERR_GOSSIP_CLOSED`, `ERR_GOSSIP_FULL`.
   */
  attach(stream: DuplexLike, options: { initiator?: boolean } = {}): Peer {
    if (this.#closing !== null) throw closedError('this gossip')
    const { initiator } = options
    this.#noiseKeyPair ??= createKeyPair()
    const connection = connectionOf(stream, {
      errorCode: 'ERR_GOSSIP_BAD_STREAM',
      keyPair: this.#noiseKeyPair,
      ...(initiator === undefined ? {} : { initiator })
    })
    const known = this.#attachments.get(connection)
    if (known !== undefined) return known.peer
    const { maxConnections } = this.#context.limits
    if (this.#attachments.size >= maxConnections && !this.#handshakes.makeRoom()) {
      throw new GossipError(
        'ERR_GOSSIP_FULL',
        `${this.#attachments.size} connections are attached, limit is ${maxConnections} (maxConnections)`
      )
    }
    return this.#attach(connection, noiseStreamOf(stream) === null && !isMux(stream))
  }

  /**
   * Joins a topic: from now on its messages are taken in, forwarded and repaired.
   *
   * @param topic - Name of a public topic, which anybody can compute, or the 32 bytes of a private one's key. Joined
   *   already: the same object, and `options` are not looked at.
   * @throws {TypeError} `ERR_GOSSIP_BAD_TOPIC`, `ERR_GOSSIP_BAD_OPTION`; {RangeError} `ERR_GOSSIP_BAD_OPTION`;
   *   {GossipError} `ERR_GOSSIP_CLOSED`, `ERR_GOSSIP_FULL`.
   */
  join<T = unknown>(topic: string | Uint8Array, options: TopicOptions<T> = {}): Topic<T> {
    if (this.#closing !== null) throw closedError('this gossip')
    const topicKey = this.#topicKeyOf(topic)
    const id = b4a.toString(topicKey, 'hex')
    const known = this.#topics.get(id)
    if (known !== undefined) return known.topic as unknown as Topic<T>
    const { maxTopics } = this.#context.limits
    if (this.#topics.size >= maxTopics) {
      throw new GossipError(
        'ERR_GOSSIP_FULL',
        `${this.#topics.size} topics are joined, limit is ${maxTopics} (maxTopics)`
      )
    }
    return this.#join<T>(id, { topicKey, name: typeof topic === 'string' ? topic : null, options })
  }

  /**
   * Leaves all topics and lets go of all connections, after what was handed over was written; the streams stay open.
   * Takes at most `limits.closeDeadlineMs`. Idempotent.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  /** The same as `close()`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #gauges(): GossipGauges {
    const gauges: GossipGauges = {
      topics: this.#topics.size,
      peers: this.#peers.size,
      connections: this.#attachments.size,
      activeLinks: 0,
      standbyLinks: 0,
      authors: 0,
      cacheBytes: 0,
      queuedBytes: 0
    }
    for (const { driver } of this.#topics.values()) {
      const held = driver.gauges
      for (const key of Object.keys(held) as (keyof typeof held)[]) gauges[key] += held[key]
    }
    for (const attachment of this.#attachments.values()) gauges.queuedBytes += attachment.queuedBytes
    return gauges
  }

  async #close(): Promise<void> {
    const leaving = [...this.#topics.values()].map(({ topic }) => topic.leave())
    await Promise.all([...leaving, ...this.#leaving.values()])
    for (const attachment of [...this.#attachments.values()]) attachment.detach()
    this.#closed = true
  }

  #topicKeyOf(topic: string | Uint8Array): Uint8Array {
    if (typeof topic === 'string' && topic.length > 0) return publicTopicKey(this.#context.crypto, topic)
    // A copy: the caller may reuse its array.
    if (b4a.isBuffer(topic) && topic.byteLength === 32) return new Uint8Array(topic)
    throw typeError('ERR_GOSSIP_BAD_TOPIC', 'a topic is a name, or the 32 bytes of a topic key')
  }

  #join<T>(
    id: string,
    what: { topicKey: Uint8Array; name: string | null; options: TopicOptions<T> }
  ): Topic<T> {
    const { topicKey, options } = what
    const name = what.name ?? keyId(swarmTopicOf(this.#context.crypto, topicKey))
    let driver: TopicDriver | undefined
    const topic = new Topic<T>({
      context: this.#context,
      name,
      topicKey,
      options,
      ondriver: made => {
        driver = made
      },
      onleave: left => this.#onleave(id, left)
    })
    if (driver === undefined) return topic
    const joined: JoinedTopic = { topic: topic as unknown as Topic, driver }
    this.#topics.set(id, joined)
    const before = this.#leaving.get(id)
    if (before === undefined) this.#openOnAll(joined)
    else before.then(() => this.#openOnAll(joined), ignore)
    return topic
  }

  #openOnAll({ driver }: JoinedTopic): void {
    for (const [attachment, binding] of this.#bindings) driver.openOn(attachment, binding)
  }

  #onleave(id: string, left: Promise<void>): void {
    this.#topics.delete(id)
    this.#leaving.set(id, left)
    left.then(() => {
      if (this.#leaving.get(id) === left) this.#leaving.delete(id)
    }, ignore)
  }

  #attach(connection: Connection, isOurs: boolean): Peer {
    const { binding } = connection
    const known = binding === null ? undefined : this.#peersByKey.get(keyOf(binding))
    const peer = known ?? new ConnectedPeer()
    const attachment = new Attachment(connection, peer, {
      context: this.#context,
      ondetach: detached => this.#ondetach(detached)
    })
    peer.connections.add(attachment)
    this.#peers.add(peer)
    this.#attachments.set(connection, attachment)
    this.stats.connectionsOpened++
    if (binding !== null) this.#onbinding(attachment, binding)
    else {
      this.#handshakes.add(attachment, isOurs)
      // If it never opens, it closes, which is heard of elsewhere.
      connection.opened().then(late => this.#onbinding(attachment, late), ignore)
    }
    return peer
  }

  #onbinding(attachment: Attachment, binding: ConnectionBinding): void {
    this.#handshakes.remove(attachment)
    if (attachment.isDetached) return
    const { peer } = attachment
    const known = this.#peersByKey.get(keyOf(binding))
    if (known === undefined) {
      peer.remotePublicKey = binding.remotePublicKey
      this.#peersByKey.set(keyOf(binding), peer)
    } else if (known !== peer) {
      this.#peers.delete(peer)
      peer.become(known)
    }
    this.#bindings.set(attachment, binding)
    for (const { driver } of this.#topics.values()) driver.openOn(attachment, binding)
  }

  #ondetach(attachment: Attachment): void {
    const { peer, connection } = attachment
    this.stats.connectionsClosed++
    this.#handshakes.remove(attachment)
    this.#attachments.delete(connection)
    const binding = this.#bindings.get(attachment)
    this.#bindings.delete(attachment)
    for (const { driver } of this.#topics.values()) driver.forget(attachment)
    peer.connections.delete(attachment)
    if (peer.connections.size > 0) return
    this.#peers.delete(peer)
    if (binding !== undefined) this.#peersByKey.delete(keyOf(binding))
  }
}

function keyOf({ remotePublicKey }: ConnectionBinding): string {
  return b4a.toString(remotePublicKey, 'hex')
}

function ignore(): void {}
