/**
 * One topic on one connection: its channel, and the link of the channel's current opening.
 *
 * A link is made when the remote's hello comes and gets a new number each time, so that whatever is told about an old
 * one can't be taken for a new one. A link that the core closes takes the channel with it: while the remote is refused,
 * its attempts to open are answered by the muxer alone. After the back-off the channel is opened again.
 */
import { FrameKind } from '../core/frames.js'
import type { LinkState } from '../core/inspect.js'
import { channelIdOf } from '../core/keys.js'
import type { ConnectionBinding, LinkId, TopicInput } from '../core/types.js'
import type { PeerLinkState } from '../types.js'
import type { AttachedChannel, AttachedLink, Attachment } from './attachment.js'
import type { GossipContext } from './context.js'
import { type FrameChannel, openFrameChannel } from './frame-channel.js'
import { errorOf } from './guard.js'

/** The topic, as its channels see it. */
export interface ChannelTopic {
  readonly name: string
  readonly topicId: Uint8Array
  ownHello(binding: ConnectionBinding): Uint8Array
  feed(input: TopicInput): void
  /** A link begins: it belongs to `channel` until `removeLink`. */
  addLink(link: LinkId, channel: TopicChannel): void
  /** How a link looks to the core; undefined: it isn't up. */
  linkState(link: LinkId): LinkState | undefined
  /** Our own callback threw, or the hello was too large; the channel was closed. */
  onfault(channel: TopicChannel, error: Error): void
}

const PROTOCOL = 'hearsay/gossip/1'
const KINDS = Math.max(...Object.values(FrameKind)) + 1

/** See the head of this file. */
export class TopicChannel implements AttachedChannel, AttachedLink {
  readonly attachment: Attachment
  isUp = false
  role: 'active' | 'standby' = 'standby'
  readonly #context: GossipContext
  readonly #topic: ChannelTopic
  readonly #binding: ConnectionBinding
  #channel: FrameChannel | null = null
  #link: LinkId | null = null
  #isClosed = false
  #retry: ReturnType<typeof setTimeout> | undefined

  constructor(
    context: GossipContext,
    topic: ChannelTopic,
    where: { attachment: Attachment; binding: ConnectionBinding }
  ) {
    this.#context = context
    this.#topic = topic
    this.attachment = where.attachment
    this.#binding = where.binding
    this.attachment.channels.add(this)
    this.#open()
  }

  get topic(): string {
    return this.#topic.name
  }

  look(): PeerLinkState {
    const { topic, role } = this
    const link = this.#link
    const state = link === null ? undefined : this.#topic.linkState(link)
    if (link === null || state === undefined) {
      return { topic, role, state: 'silent', rtt: 0, score: 0, queuedBytes: 0 }
    }
    const { rttMs: rtt, score, flow, isSuspect } = state
    const queuedBytes = this.attachment.queuedBytesOf(link)
    return { topic, role, state: isSuspect ? 'silent' : flow, rtt, score, queuedBytes }
  }

  write(kind: number, bytes: Uint8Array): void {
    this.#channel?.send(kind, bytes)
  }

  onQueue(state: 'blocked' | 'drained' | 'lagging'): void {
    if (this.#link !== null) this.#topic.feed({ type: state, link: this.#link })
  }

  /** The core closed the link: refuse the remote, and try again after `backoffMs` (0: never). */
  refuse(backoffMs: number): void {
    this.#endLink()
    this.#channel?.close()
    this.#channel = null
    if (backoffMs <= 0 || !Number.isFinite(backoffMs) || this.#isClosed) return
    clearTimeout(this.#retry)
    this.#retry = setTimeout(() => this.#open(), backoffMs)
    this.#retry.unref?.()
  }

  /** Closes the channel for good, without a word to the core. */
  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    clearTimeout(this.#retry)
    this.#endLink()
    this.#channel?.close()
    this.#channel = null
    this.attachment.channels.delete(this)
  }

  drop(): void {
    const link = this.#link
    this.close()
    if (link !== null) this.#topic.feed({ type: 'linkDown', link })
  }

  #open(): void {
    if (this.#isClosed || this.attachment.isDetached) return
    const { connection } = this.attachment
    this.#channel = openFrameChannel(connection, {
      protocol: PROTOCOL,
      id: channelIdOf(this.#context.crypto, this.#topic.topicId, this.#binding.handshakeHash),
      kinds: KINDS,
      hello: () => this.#topic.ownHello(this.#binding),
      maxHelloBytes: this.#context.limits.maxHelloBytes,
      onhello: bytes => this.#onhello(bytes),
      onframe: (kind, bytes) => this.#onframe(kind, bytes),
      onclose: () => this.#onclose(),
      ondrain: () => this.attachment.ondrain(),
      onfault: fault => this.#onfault(errorOf(fault))
    })
  }

  #onhello(bytes: Uint8Array): void {
    const link = this.#context.nextLink()
    this.#link = link
    this.attachment.addLink(link, this)
    this.#topic.addLink(link, this)
    this.#count(bytes)
    const { connection, intake } = this.attachment
    const { outbound } = connection
    this.#topic.feed({ type: 'linkOpening', link, binding: this.#binding, outbound, intake })
    if (this.#link === link) this.#topic.feed({ type: 'hello', link, bytes })
  }

  #onframe(kind: number, bytes: Uint8Array): void {
    if (this.#link === null) return
    this.#count(bytes)
    this.#topic.feed({ type: 'frame', link: this.#link, kind, bytes })
  }

  #onclose(): void {
    const link = this.#link
    this.#endLink()
    if (link !== null) this.#topic.feed({ type: 'linkDown', link })
  }

  #onfault(error: Error): void {
    this.drop()
    this.#topic.onfault(this, error)
  }

  #endLink(): void {
    if (this.#link !== null) this.attachment.removeLink(this.#link)
    this.#link = null
    this.isUp = false
  }

  #count(bytes: Uint8Array): void {
    const { counters } = this.attachment.peer
    const { stats } = this.#context
    counters.framesIn++
    counters.bytesIn += bytes.byteLength
    stats.framesIn++
    stats.bytesIn += bytes.byteLength
  }
}
