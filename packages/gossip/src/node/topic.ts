/**
 * Class Topic: what an application publishes to and reads from.
 *
 * Values become payloads here and payloads become messages; everything between is the core's, which `TopicDriver`
 * drives. Events and rules run in a microtask of their own, in order, never while the core's effects are applied.
 * Once `leave()` was called, nothing is delivered any more.
 */
import { EventEmitter } from 'eventemitter3'
import { TokenBucket } from '../core/budget.js'
import type { LinkId, Verdict } from '../core/types.js'
import { GossipError } from '../errors.js'
import type {
  AuthorState,
  Encoding,
  IsolationReason,
  Key,
  Peer,
  Published,
  PublishOptions,
  Subscription,
  SubscriptionOptions,
  TopicEvents,
  TopicOptions
} from '../types.js'
import { closedError, type GossipContext, warningOf } from './context.js'
import { MessageMaker } from './delivery.js'
import { encodingOf } from './encodings.js'
import { errorOf } from './guard.js'
import { keyBytes } from './key-text.js'
import { checkCount, checkTopicOptions, checkTtl, passedOptions } from './options.js'
import type { ConnectedPeer } from './peer.js'
import { reportOf } from './report.js'
import { Rules } from './rules.js'
import { MessageQueue, type SubscriptionHost } from './subscription.js'
import { type Delivery, type DriverListener, type Question, TopicDriver } from './topic-driver.js'

/** What a Gossip makes a topic from. */
export interface TopicParts<T> {
  context: GossipContext
  name: string
  topicKey: Uint8Array
  options: TopicOptions<T>
  /** Hands the driver out: only the Gossip may connect it. */
  ondriver(driver: TopicDriver): void
  /** `leave()` was called; the promise is its end. */
  onleave(left: Promise<void>): void
}

/** Warnings that a topic emits per second; more are only counted and logged. A remote must not flood the app. */
const MAX_WARNINGS_PER_SECOND = 20

/** One topic. Made by `gossip.join()`. */
export class Topic<T = unknown> extends EventEmitter<TopicEvents<T>> {
  /** As given to `join()`; for a topic key the z-base-32 of `discoveryKey`. */
  readonly name: string
  /** What is announced in a DHT, 32 bytes; nothing that grants access. */
  readonly discoveryKey: Uint8Array
  readonly #context: GossipContext
  readonly #driver: TopicDriver
  readonly #encoding: Encoding<T>
  readonly #rules: Rules<T>
  readonly #maker: MessageMaker<T>
  readonly #options: TopicOptions<T>
  readonly #onleave: (left: Promise<void>) => void
  /** Peers with a link, and how many they have: one per connection. */
  readonly #peers = new Map<ConnectedPeer, number>()
  readonly #subscriptions = new Set<MessageQueue<T>>()
  readonly #peerWaiters = new Set<() => void>()
  #isLeaving = false
  #leaving: Promise<void> | null = null
  #closed = false
  readonly #warnings = new TokenBucket(MAX_WARNINGS_PER_SECOND, MAX_WARNINGS_PER_SECOND)

  /** @internal Use `gossip.join()`. */
  constructor(parts: TopicParts<T>) {
    super()
    const { context, name, topicKey, options } = parts
    this.name = name
    this.#context = context
    checkTopicOptions(options, context.limits)
    this.#options = options
    this.#onleave = parts.onleave
    this.#encoding = encodingOf(options.valueEncoding, context.limits)
    this.#rules = new Rules(options, warning => this.#warn(warning))
    this.#maker = new MessageMaker(name, this.#encoding, (error, from) => this.#onundecodable(error, from))
    this.#driver = new TopicDriver({
      context,
      name,
      topicKey,
      listener: this.#listener(),
      asksAuthorize: this.#rules.asksAuthorize,
      asksValidate: this.#rules.asksValidate,
      asksAdmit: this.#rules.asksAdmit,
      ...passedOptions(options)
    })
    this.discoveryKey = this.#driver.discoveryKey
    parts.ondriver(this.#driver)
  }

  /** True from the start: joining does no I/O. */
  get opened(): boolean {
    return true
  }

  /** Has `leave()` resolved? */
  get closed(): boolean {
    return this.#closed
  }

  /** Resolves at once; here for the habit. */
  async ready(): Promise<void> {}

  /** Peers that proved to know this topic. */
  peers(): Peer[] {
    return [...this.#peers.keys()]
  }

  /**
   * Signs `data` together with all else published in this tick and hands it to the links.
   *
   * Resolves when the batch was handed to the links, not when anybody received it: delivery is best effort. While every
   * link is busy it waits: that is the backpressure.
   *
   * @param data - Anything the value encoding takes; at most `limits.maxMessageBytes` encoded.
   * @returns Identity of the message, and how many links it went to; 0: kept for the first peer, until its ttl.
   * @throws {GossipError} `ERR_GOSSIP_CLOSED`, `ERR_GOSSIP_TOO_LARGE`, `ERR_GOSSIP_NOT_ENCODABLE`,
   *   `ERR_GOSSIP_REJECTED` by the topic's own `validate`, `ERR_GOSSIP_FULL` (option `onFull`); {RangeError}
   *   `ERR_GOSSIP_BAD_OPTION`; the signal's reason.
   * @example
   * const { seq, peers } = await topic.publish({ text: 'hello' })
   */
  publish(data: T, options: PublishOptions = {}): Promise<Published> {
    try {
      if (this.#isLeaving) throw closedError('this topic')
      options.signal?.throwIfAborted()
      const payload = this.#encode(data)
      const { waitForPeers = 0 } = options
      checkTtl(options.ttlMs, this.#context.limits)
      checkCount('waitForPeers', waitForPeers, 0)
      const isPlain = waitForPeers <= this.#peers.size && !this.#rules.asksValidate
      return isPlain ? this.#driver.publish(payload, options) : this.#publishLater(data, payload, options)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /**
   * The messages from now on, as a bounded queue of their own; read it with `for await`.
   *
   * @throws {RangeError} `ERR_GOSSIP_BAD_OPTION`; {GossipError} `ERR_GOSSIP_CLOSED`.
   */
  messages(options: SubscriptionOptions = {}): Subscription<T> {
    if (this.#isLeaving) throw closedError('this topic')
    const { limits } = this.#context
    const { highWaterMark = limits.maxSubscriptionMessages, ordered = false, signal } = options
    checkCount('highWaterMark', highWaterMark, 1)
    const host: SubscriptionHost = {
      nowMs: () => this.#context.clock.nowMs(),
      onlost: (range, isSlow) => {
        if (isSlow) this.#context.stats.lagged += range.count
        this.#emitLater(() => this.#emit(isSlow ? 'lag' : 'gap', range))
      },
      onend: subscription => this.#subscriptions.delete(subscription as MessageQueue<T>)
    }
    const queue = new MessageQueue<T>(host, {
      maxMessages: highWaterMark,
      maxBytes: limits.maxSubscriptionBytes,
      maxRanges: limits.maxLagRanges,
      ordered,
      ...(signal && { signal })
    })
    if (!signal?.aborted) this.#subscriptions.add(queue)
    return queue
  }

  /** Closes the link with a peer of this topic. It may open one anew after a while (1 s, doubling), if `admit` lets it. */
  dismiss(peer: Peer): void {
    this.#driver.dismiss(peer)
  }

  /**
   * Why a message of this author is late: what we have of it, from whom, and what we wait for.
   *
   * @throws {TypeError} `ERR_GOSSIP_BAD_KEY`.
   */
  explain(author: Key): AuthorState {
    const bytes = keyBytes(author)
    const nowMs = this.#context.clock.nowMs()
    const peerOf = (link: LinkId | null): Peer | null => this.#driver.peerOf(link)
    const incarnations = this.#driver.explain(bytes).map(state => reportOf(state, { peerOf, nowMs }))
    return { author: bytes, incarnations }
  }

  /**
   * Writes what was handed over, then closes the topic's channels; connections stay open. Delivers nothing any more.
   * Takes at most `limits.closeDeadlineMs`. Idempotent.
   */
  leave(): Promise<void> {
    if (this.#leaving === null) {
      // First, because what ends below asks for it.
      this.#isLeaving = true
      this.#leaving = this.#leave()
      this.#onleave(this.#leaving)
    }
    return this.#leaving
  }

  /** The same as `leave()`. */
  close(): Promise<void> {
    return this.leave()
  }

  /** The same as `leave()`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.leave()
  }

  async #leave(): Promise<void> {
    for (const subscription of [...this.#subscriptions]) subscription.end()
    for (const waiter of [...this.#peerWaiters]) waiter()
    const { clock, limits, scheduler } = this.#context
    await this.#driver.leave(clock.nowMs() + limits.closeDeadlineMs)
    for (const peer of this.#peers.keys()) this.#onpeergone(peer)
    this.#peers.clear()
    await new Promise<void>(resolve => {
      scheduler.later(() => {
        this.#closed = true
        resolve()
        this.#emit('close')
      })
    })
  }

  #encode(data: T): Uint8Array {
    let payload: Uint8Array
    try {
      payload = this.#encoding.encode(data)
    } catch (cause) {
      throw new GossipError('ERR_GOSSIP_NOT_ENCODABLE', errorOf(cause).message, { cause })
    }
    const { maxMessageBytes } = this.#context.limits
    if (payload.byteLength <= maxMessageBytes) return payload
    throw new GossipError(
      'ERR_GOSSIP_TOO_LARGE',
      `message is ${payload.byteLength} bytes, limit is ${maxMessageBytes} (maxMessageBytes)`
    )
  }

  async #publishLater(data: T, payload: Uint8Array, options: PublishOptions): Promise<Published> {
    if (this.#rules.asksValidate) {
      const { author, clock } = this.#context
      await this.#rules.judgeOwn(data, { topic: this.name, author, createdAt: clock.nowMs() })
    }
    const { waitForPeers = 0, signal } = options
    if (this.#peers.size < waitForPeers) await this.#waitForPeers(waitForPeers, signal)
    signal?.throwIfAborted()
    if (this.#isLeaving) throw closedError('this topic')
    return this.#driver.publish(payload, options)
  }

  #waitForPeers(count: number, signal: PublishOptions['signal']): Promise<void> {
    return new Promise((resolve, reject) => {
      const done = (): void => {
        this.#peerWaiters.delete(check)
        signal?.removeEventListener('abort', onAbort)
      }
      const onAbort = (): void => {
        done()
        reject(signal?.reason)
      }
      const check = (): void => {
        if (!this.#isLeaving && this.#peers.size < count) return
        done()
        resolve()
      }
      this.#peerWaiters.add(check)
      signal?.addEventListener('abort', onAbort, { once: true })
    })
  }

  #listener(): DriverListener {
    const { name } = this
    return {
      ondeliver: delivery => this.#ondeliver(delivery),
      onask: (question, peer) => this.#context.scheduler.later(() => void this.#onask(question, peer)),
      onlink: (peer, isUp, reason) => {
        this.#context.logger.debug?.({ topic: name, isUp, reason }, isUp ? 'link up' : 'link down')
        this.#onlink(peer, isUp)
      },
      onhint: peerKey => this.#emitLater(() => this.#emit('hint', peerKey)),
      onisolation: reason => this.#onisolation(reason),
      ongap: ({ type: _, ...gap }) => this.#emitLater(() => this.#emit('gap', gap)),
      onequivocation: ({ type: _, ...found }) => this.#emitLater(() => this.#emit('equivocation', found)),
      onwarning: error => this.#warn(error)
    }
  }

  #ondeliver({ batch, hops, accepted, from }: Delivery): void {
    if (this.#isLeaving || (from === null && this.#options.emitSelf !== true)) return
    const listeners = this.listenerCount('message')
    if (listeners === 0 && this.#subscriptions.size === 0) return
    this.#emitLater(() => {
      for (const opened of this.#maker.take(batch, accepted, { hops, from })) {
        for (const subscription of this.#subscriptions) subscription.push(opened)
        this.#emit('message', opened.message.data, opened.message)
        if (this.#isLeaving) return
      }
    })
  }

  async #onask(question: Question, peer: ConnectedPeer | null): Promise<void> {
    const verdicts = await this.#verdictsOn(question, peer)
    this.#driver.answer(question.question, verdicts)
  }

  async #verdictsOn(question: Question, peer: ConnectedPeer | null): Promise<Verdict[]> {
    switch (question.about) {
      case 'authorize':
        return [await this.#rules.authorize(question.author)]
      case 'admit':
        return [peer === null ? 'ignore' : await this.#rules.admit(peer)]
      case 'validate': {
        const { batch, hops, link } = question
        // Own messages were judged one by one before they were handed to the core.
        if (link === null) return batch.payloads.map(() => 'accept')
        return this.#rules.validate(this.#maker.peek(batch, { hops, from: peer }))
      }
    }
  }

  #onlink(peer: ConnectedPeer, isUp: boolean): void {
    const links = (this.#peers.get(peer) ?? 0) + (isUp ? 1 : -1)
    if (links > 0) {
      this.#peers.set(peer, links)
      if (isUp && links === 1) this.#onpeer(peer)
      return
    }
    if (this.#peers.delete(peer)) this.#onpeergone(peer)
  }

  #onpeer(peer: ConnectedPeer): void {
    const isFirst = this.#peers.size === 1
    this.#emitLater(() => {
      this.#emit('peer-add', peer)
      if (isFirst) this.#emit('connected')
    })
    for (const waiter of [...this.#peerWaiters]) waiter()
  }

  #onpeergone(peer: ConnectedPeer): void {
    const wasLast = this.#peers.size === 0 || this.#isLeaving
    this.#context.scheduler.later(() => {
      if (this.#closed) return
      this.#emit('peer-remove', peer)
      if (wasLast) this.#emit('disconnected')
    })
  }

  #onisolation(reason: IsolationReason | null): void {
    const message = reason === null ? 'no longer cut off' : 'cut off from the topic'
    this.#context.logger.info?.({ topic: this.name, reason }, message)
    this.#emitLater(() => (reason === null ? this.#emit('rejoined') : this.#emit('isolated', reason)))
  }

  #onundecodable(error: Error, from: Peer | null): void {
    this.#context.stats.drop('not-decodable')
    const message = `a message could not be decoded: ${error.message}`
    this.#warn(warningOf('WARN_GOSSIP_NOT_DECODABLE', message, { peer: from, cause: error }))
  }

  #warn(warning: Error): void {
    const { clock, logger } = this.#context
    logger.warn?.({ topic: this.name, err: warning }, warning.message)
    if (!this.#warnings.take(1, clock.nowMs())) return
    this.#emitLater(() => this.#emit('warning', warning))
  }

  #emitLater(call: () => void): void {
    this.#context.scheduler.later(() => {
      if (!this.#isLeaving) call()
    })
  }

  /** The base class can't type `emit` while `T` is open. */
  #emit<E extends keyof TopicEvents<T>>(event: E, ...args: Parameters<TopicEvents<T>[E]>): void {
    ;(this.emit as (event: string, ...args: unknown[]) => boolean)(event, ...args)
  }
}
