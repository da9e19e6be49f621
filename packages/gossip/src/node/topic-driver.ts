/**
 * Drives the sans-IO core of one topic: inputs in, effects applied in order. No decision of the protocol is made here.
 *
 * An input that comes while effects are applied (an answer, a signal of a queue) waits until they all are. The core's
 * one wish to be woken is kept by one timer, or by the end of the tick if it is due: nothing costs a timer per message.
 */
import b4a from 'b4a'
import type { LinkState } from '../core/inspect.js'
import { authorKeyOf, swarmTopicOf } from '../core/keys.js'
import { TopicCore } from '../core/topic-core.js'
import type {
  Batch,
  ConnectionBinding,
  IncarnationState,
  IsolationReason,
  LinkDownReason,
  LinkId,
  TopicCoreOptions,
  TopicEffect,
  TopicInput,
  TraceEvent,
  Verdict
} from '../core/types.js'
import { GossipError } from '../errors.js'
import type { AbortSignalLike, GossipGauges, Peer, Published } from '../types.js'
import type { Attachment } from './attachment.js'
import { closedError, type GossipContext, warningOf } from './context.js'
import type { PassedOptions } from './options.js'
import type { ConnectedPeer } from './peer.js'
import { Publishes } from './publishes.js'
import type { TickJob } from './scheduler.js'
import { type ChannelTopic, TopicChannel } from './topic-channel.js'
import type { Tracing } from './tracing.js'
import { WakeTimer } from './wake-timer.js'

/** A delivery of the core: the messages of `batch` with these indexes; all if `accepted` is null. */
export interface Delivery {
  readonly batch: Batch
  readonly hops: number
  readonly accepted: readonly number[] | null
  /** Null: our own. */
  readonly from: ConnectedPeer | null
}

/** A question of the core. */
export type Question = Extract<TopicEffect, { type: 'ask' }>

/** Who hears of what the core does. Called while effects are applied: nothing may run application code at once. */
export interface DriverListener {
  ondeliver(delivery: Delivery): void
  onask(question: Question, peer: ConnectedPeer | null): void
  onlink(peer: ConnectedPeer, isUp: boolean, reason: LinkDownReason | null): void
  ongap(gap: Extract<TopicEffect, { type: 'gap' }>): void
  onhint(peerKey: Uint8Array): void
  /** `reason` null: over. */
  onisolation(reason: IsolationReason | null): void
  onequivocation(found: Extract<TopicEffect, { type: 'equivocation' }>): void
  onwarning(error: Error): void
}

/** What a driver is made of. */
export interface DriverOptions extends PassedOptions, Pick<TopicCoreOptions, 'topicKey'> {
  name: string
  context: GossipContext
  listener: DriverListener
  asksAuthorize: boolean
  asksValidate: boolean
  asksAdmit: boolean
}

const WARNINGS = {
  clock: ['WARN_GOSSIP_CLOCK', 'the wall clock jumped, or differs from the clocks of the peers'],
  clone: ['WARN_GOSSIP_CLONE', 'somebody else signs with our key and incarnation; a new incarnation began'],
  'slow-peer': ['WARN_GOSSIP_SLOW_PEER', 'a peer fell behind and now asks for what it missed'],
  'bad-proof': ['WARN_GOSSIP_BAD_PROOF', 'a peer could not prove that it knows the topic key'],
  version: ['WARN_GOSSIP_VERSION', 'a peer speaks another version of the protocol']
} as const

/** Reasons for which a link is closed that are the peer's fault and that no warning of the core tells. */
const FAULTS: ReadonlySet<LinkDownReason> = new Set(['malformed', 'too-large', 'demerits', 'hello-timeout'])

/** See the head of this file. */
export class TopicDriver implements TickJob, ChannelTopic {
  readonly name: string
  /** What is announced in a DHT, 32 bytes. */
  readonly discoveryKey: Uint8Array
  readonly #core: TopicCore
  readonly #context: GossipContext
  readonly #listener: DriverListener
  readonly #authorKey: string
  readonly #links = new Map<LinkId, TopicChannel>()
  readonly #channels = new Map<Attachment, TopicChannel>()
  readonly #publishes = new Publishes(publish => this.feed({ type: 'cancel', publish }))
  readonly #timer: WakeTimer
  readonly #touched = new Set<Attachment>()
  /** Links whose effects aren't over, but that are gone. */
  readonly #ended = new Set<LinkId>()
  #inputs: TopicInput[] = []
  #isStepping = false
  #isClosed = false
  #offsetMs = 0

  constructor(options: DriverOptions) {
    const { name, context, listener, topicKey, ...rest } = options
    this.name = name
    this.#context = context
    this.#listener = listener
    this.#authorKey = authorKeyOf(context.author)
    this.#timer = new WakeTimer(context, this)
    this.discoveryKey = swarmTopicOf(context.crypto, topicKey)
    this.#core = new TopicCore({
      ...rest,
      topicKey,
      author: context.author,
      crypto: context.crypto,
      limits: context.limits,
      verifies: context.verifies,
      startMs: context.clock.nowMs(),
      ...(context.tracing !== null && { trace: this.#tracer(context.tracing) })
    })
  }

  get topicId(): Uint8Array {
    return this.#core.topicId
  }

  ownHello(binding: ConnectionBinding): Uint8Array {
    return this.#core.ownHello(binding)
  }

  linkState(link: LinkId): LinkState | undefined {
    return this.#core.link(link)
  }

  /** What this topic holds now. */
  get gauges(): Pick<GossipGauges, 'activeLinks' | 'standbyLinks' | 'authors' | 'cacheBytes'> {
    const links = this.#isClosed ? [] : this.#core.links()
    const activeLinks = links.filter(({ role }) => role === 'active').length
    const { authors = 0, cacheBytes = 0 } = this.#core.sizes
    return { activeLinks, standbyLinks: links.length - activeLinks, authors, cacheBytes }
  }

  /** Closes all links with a peer. */
  dismiss(peer: Peer): void {
    for (const [link, channel] of [...this.#links]) {
      if (channel.attachment.peer === peer) this.feed({ type: 'dismiss', link })
    }
  }

  /** Why messages of an author are late. */
  explain(author: Uint8Array): IncarnationState[] {
    return this.#core.explain(b4a.toString(author, 'hex'))
  }

  /** The peer of a link, if it is still there. */
  peerOf(link: LinkId | null): ConnectedPeer | null {
    return link === null ? null : (this.#links.get(link)?.attachment.peer ?? null)
  }

  /** Opens the topic on a connection, unless it is open there or too many topics are. */
  openOn(attachment: Attachment, binding: ConnectionBinding): void {
    if (this.#isClosed || attachment.isDetached || this.#channels.has(attachment)) return
    const { maxChannelsPerConnection } = this.#context.limits
    if (attachment.channels.size >= maxChannelsPerConnection) {
      this.#context.logger.warn?.(
        { topic: this.name, maxChannelsPerConnection },
        'too many topics on a connection'
      )
      return
    }
    this.#channels.set(attachment, new TopicChannel(this.#context, this, { attachment, binding }))
  }

  /** A connection is gone, and its channels were dropped. */
  forget(attachment: Attachment): void {
    this.#channels.delete(attachment)
  }

  addLink(link: LinkId, channel: TopicChannel): void {
    this.#links.set(link, channel)
  }

  /** Hands a payload to the core; resolves when it was signed and handed to the links. */
  publish(payload: Uint8Array, options: { ttlMs?: number; signal?: AbortSignalLike }): Promise<Published> {
    const { ttlMs, signal } = options
    return new Promise<Published>((resolve, reject) => {
      const publish = this.#publishes.add({ resolve, reject }, signal)
      this.feed({ type: 'publish', publish, payload, ...(ttlMs === undefined ? {} : { ttlMs }) })
      this.#timer.awaited()
    })
  }

  /** Tells the core something and applies all that follows from it. */
  feed(input: TopicInput): void {
    if (this.#isClosed) return
    this.#inputs.push(input)
    if (this.#isStepping) return
    this.#isStepping = true
    try {
      for (let next = this.#inputs.shift(); next !== undefined; next = this.#inputs.shift()) this.#step(next)
    } finally {
      this.#isStepping = false
    }
    // Last, because queues that fill up are further inputs.
    for (const attachment of this.#touched) {
      this.#touched.delete(attachment)
      attachment.settle()
    }
  }

  /** Answers a question of the core; late and double answers are the core's matter. */
  answer(question: number, verdicts: readonly Verdict[]): void {
    this.feed({ type: 'answer', question, verdicts })
  }

  onTick(): void {
    if (this.#isClosed) return
    if (this.#timer.isDue) this.feed({ type: 'tick' })
    else this.#timer.arm()
  }

  onfault(channel: TopicChannel, error: Error): void {
    const { peer } = channel.attachment
    this.#context.stats.drop('fault')
    this.#listener.onwarning(
      warningOf('WARN_GOSSIP_LINK_CLOSED', `link closed: ${error.message}`, { peer, cause: error })
    )
  }

  /** Closes the open batch, writes what was handed over, closes the channels. At most until `deadlineMs`. */
  async leave(deadlineMs: number): Promise<void> {
    this.feed({ type: 'leave' })
    await Promise.all([...this.#channels.keys()].map(attachment => attachment.written(deadlineMs)))
    this.#isClosed = true
    this.#timer.stop()
    const attachments = [...this.#channels.keys()]
    for (const channel of this.#channels.values()) channel.close()
    this.#channels.clear()
    this.#links.clear()
    this.#publishes.rejectAll(closedError('this topic'))
    // The channels' own goodbye.
    await Promise.all(attachments.map(attachment => attachment.written(deadlineMs)))
  }

  #tracer(tracing: Tracing): (event: TraceEvent) => void {
    return tracing.of(this.name, {
      peerOf: link => this.peerOf(link),
      onthrow: cause => {
        const message = `trace() threw: ${cause.message}`
        this.#listener.onwarning(warningOf('WARN_GOSSIP_TRACE_THREW', message, { cause }))
      }
    })
  }

  #step(input: TopicInput): void {
    const { clock } = this.#context
    const nowMs = clock.nowMs()
    clock.check(nowMs)
    if (clock.offsetMs !== this.#offsetMs) {
      this.#offsetMs = clock.offsetMs
      this.#applyAll(this.#core.step({ type: 'clock', offsetMs: this.#offsetMs }, nowMs))
    }
    this.#applyAll(this.#core.step(input, nowMs))
    if (input.type === 'linkDown') this.#ended.add(input.link)
    for (const link of this.#ended) this.#links.delete(link)
    this.#ended.clear()
  }

  #applyAll(effects: readonly TopicEffect[]): void {
    for (const effect of effects) this.#apply(effect)
  }

  #apply(effect: TopicEffect): void {
    switch (effect.type) {
      case 'send':
        this.#onSend(effect)
        break
      case 'deliver':
        this.#onDeliver(effect)
        break
      case 'published':
        this.#onPublished(effect)
        break
      case 'refused':
        this.#onRefused(effect)
        break
      case 'drop':
        this.#context.stats.drop(effect.reason)
        this.peerOf(effect.link)?.counters.drop(effect.reason)
        break
      case 'wake':
        this.#timer.set(effect.atMs, this.#publishes.size > 0)
        break
      case 'closeLink':
        this.#onCloseLink(effect)
        break
      case 'linkUp':
      case 'linkRole':
      case 'linkDown':
        this.#onLink(effect)
        break
      case 'ask':
        this.#listener.onask(effect, 'link' in effect ? this.peerOf(effect.link) : null)
        break
      case 'unsend':
        this.#links.get(effect.link)?.attachment.cancel(effect.link, effect.batch)
        break
      case 'hint':
        this.#listener.onhint(effect.peerKey)
        break
      case 'isolated':
      case 'rejoined':
        this.#listener.onisolation(effect.type === 'isolated' ? effect.reason : null)
        break
      case 'gap':
        this.#context.stats.missed += effect.to - effect.from + 1
        this.#listener.ongap(effect)
        break
      case 'equivocation':
        this.#context.stats.equivocations++
        this.#listener.onequivocation(effect)
        break
      case 'warning':
        this.#onWarning(effect)
        break
    }
  }

  #onSend({ link, class: sendClass, frame }: Extract<TopicEffect, { type: 'send' }>): void {
    const attachment = this.#links.get(link)?.attachment
    if (attachment === undefined) return
    if (frame.kind === 'batch') {
      const { stats } = this.#context
      if (frame.repair) stats.repaired += frame.batch.count
      else if (frame.batch.ref.authorKey !== this.#authorKey) stats.forwarded += frame.batch.count
    }
    attachment.push(link, sendClass, frame)
    this.#touched.add(attachment)
  }

  #onDeliver({ batch, hops, accepted, link }: Extract<TopicEffect, { type: 'deliver' }>): void {
    const from = this.peerOf(link)
    const count = accepted?.length ?? batch.count
    if (link !== null) this.#context.stats.delivered += count
    if (from !== null) from.counters.delivered += count
    this.#listener.ondeliver({ batch, hops, accepted, from })
  }

  #onPublished({ publish, incarnation, seq, links }: Extract<TopicEffect, { type: 'published' }>): void {
    this.#context.stats.published++
    this.#publishes.resolve(publish, { incarnation, seq, peers: links })
  }

  #onRefused(effect: Extract<TopicEffect, { type: 'refused' }>): void {
    const { publish } = effect
    if (effect.reason === 'closed') {
      this.#publishes.reject(publish, closedError('this topic'))
    } else if (effect.reason === 'dropped') {
      this.#context.stats.unsent++
      this.#publishes.resolve(publish, { incarnation: '', seq: -1, peers: 0 })
    } else {
      const { limit, value } = effect
      const what = limit === 'maxWaitingPublishes' ? 'messages' : 'bytes'
      const max = `limit is ${this.#context.limits[limit]} (${limit})`
      const error = new GossipError('ERR_GOSSIP_FULL', `${value} ${what} would wait for a busy link, ${max}`)
      this.#publishes.reject(publish, error)
    }
  }

  #onCloseLink({ link, reason, backoffMs }: Extract<TopicEffect, { type: 'closeLink' }>): void {
    // Links that we leave are closed by leave(), after their goodbye was written.
    if (reason === 'left') return
    const channel = this.#links.get(link)
    if (channel === undefined) return
    this.#ended.add(link)
    const { peer } = channel.attachment
    channel.refuse(backoffMs)
    if (!FAULTS.has(reason)) return
    this.#listener.onwarning(warningOf('WARN_GOSSIP_LINK_CLOSED', `link closed: ${reason}`, { peer }))
  }

  #onLink(effect: Extract<TopicEffect, { type: 'linkUp' | 'linkRole' | 'linkDown' }>): void {
    const channel = this.#links.get(effect.link)
    if (channel === undefined) return
    if (effect.type !== 'linkDown') channel.role = effect.role
    if (effect.type === 'linkRole') return
    const isUp = effect.type === 'linkUp'
    channel.isUp = isUp
    if (isUp) this.#context.stats.linksOpened++
    else this.#context.stats.linksClosed++
    this.#listener.onlink(channel.attachment.peer, isUp, isUp ? null : effect.reason)
  }

  #onWarning({ code, link }: Extract<TopicEffect, { type: 'warning' }>): void {
    if (code === 'bad-proof') this.#context.stats.badProofs++
    const [name, message] = WARNINGS[code]
    this.#listener.onwarning(warningOf(name, message, { peer: this.peerOf(link) }))
  }
}
