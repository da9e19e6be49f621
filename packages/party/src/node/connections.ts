/**
 * The connections of a party: a link each, from attach() until the stream closes or the app lets go of it.
 *
 * Streams may be attached before the set is open: their channels wait until the party can speak (`open`).
 */
import type { Feed, FeedSet } from '@hearsay/feeds'
import { createKeyPair, type Gossip } from '@hearsay/gossip'
import { connectionOf } from '@hearsay/gossip/connection'
import type { PartyKeys } from '../core/keys.js'
import type { PartyCore } from '../core/party-core.js'
import { PartyError } from '../errors.js'
import { hexOf } from '../key.js'
import type { Limits } from '../limits.js'
import type { DuplexLike, Genesis, PartyPeer } from '../types.js'
import type { RuleCaller } from './ask-rules.js'
import type { Driver } from './driver.js'
import { Link } from './link.js'
import { MemberPeer, type PeerHost } from './party-peer.js'
import type { PeerTable } from './peer-table.js'
import { within } from './within.js'

/** What a list of many parties asks of each of them; an app's own party does without. */
export interface SharedOptions {
  /** The peer took our opening of the party's channel, or refused it. */
  onanswer?(peer: PartyPeer, isTaken: boolean): void
  /** Attach the gossip to a connection only when the peer is LIVE there: who doesn't share the party sees nothing of it. */
  isGossipLate?: boolean
  /** Keeps a genesis that comes from others, and passes it from then on: in the log it would give the party key away. */
  keepGenesis?(genesis: Genesis): Promise<void>
}

/** What connections need of their party. */
export interface ConnectionsHost {
  readonly feeds: FeedSet
  readonly keys: PartyKeys
  readonly limits: Limits
  readonly table: PeerTable
  readonly caller: RuleCaller
  readonly peerHost: Omit<PeerHost, 'closeLinks'>
  readonly shared: SharedOptions
  isShared(channel: number, key: Uint8Array): boolean
  warn(error: Error): void
}

/** What a party speaks with, once its set is open. */
export interface Voice {
  readonly core: PartyCore
  readonly driver: Driver
  readonly gossip: Gossip
}

/** See the head of this file. */
export class Connections {
  readonly #host: ConnectionsHost
  readonly #byConnection = new Map<object, MemberPeer>()
  /** One Noise key for all plain streams, so that two of them show one peer. */
  readonly #noiseKeyPair = createKeyPair()
  readonly #opened: Promise<void>
  #resolveOpened: () => void = () => {}
  #voice: Voice | null = null

  constructor(host: ConnectionsHost) {
    this.#host = host
    this.#opened = new Promise(resolve => {
      this.#resolveOpened = resolve
    })
  }

  /** From now on the party speaks. */
  open(voice: Voice): void {
    this.#voice = voice
    if (this.#host.shared.isGossipLate !== true) {
      for (const { link } of this.#byConnection.values()) this.#attachGossip(link)
    }
    this.#resolveOpened()
  }

  /** See `Party.attach`. */
  attach(stream: DuplexLike, options: { initiator?: boolean }): PartyPeer {
    const connection = connectionOf(stream, { keyPair: this.#noiseKeyPair, ...options })
    const known = this.#byConnection.get(connection)
    if (known !== undefined && !known.link.isClosed) return known
    const link = new Link(connection, this.#host.feeds, {
      isReady: this.#voice !== null,
      ready: () => this.#opened,
      channelId: binding => this.#host.keys.channelId(binding.handshakeHash),
      hello: binding => (this.#voice as Voice).core.ownHello(binding),
      maxHelloBytes: this.#host.limits.maxHelloBytes,
      onhello: (from, bytes) => this.#onHello(from, bytes),
      onframe: (from, kind, bytes) => this.#onFrame(from, kind, bytes),
      onclose: from => this.#onChannelClose(from),
      onrefused: from => this.#onAnswer(from, false),
      ondrain: from => this.#onDrain(from),
      onfault: (from, fault) => this.#onFault(from, fault),
      asked: (from, discoveryKey) => this.#onAsked(from, discoveryKey),
      ongone: from => {
        this.#onChannelClose(from)
        this.#byConnection.delete(connection)
      }
    })
    const peer = new MemberPeer(link, {
      ...this.#host.peerHost,
      closeLinks: closing => this.#closePeer(closing)
    })
    this.#byConnection.set(connection, peer)
    link.start()
    if (this.#voice !== null && this.#host.shared.isGossipLate !== true) this.#attachGossip(link)
    return peer
  }

  /** The peer of this channel is LIVE. */
  onLive(channel: number): void {
    const peer = this.#host.table.get(channel)
    if (peer !== null && this.#host.shared.isGossipLate === true) this.#attachGossip(peer.link)
  }

  #onAnswer(link: Link, isTaken: boolean): void {
    const peer = this.#byConnection.get(link.connection)
    if (peer !== undefined && peer.link === link) this.#host.shared.onanswer?.(peer, isTaken)
  }

  #attachGossip(link: Link): void {
    if (link.connection.closed) return
    try {
      this.#voice?.gossip.attach(link.connection.stream as unknown as DuplexLike)
    } catch (fault) {
      // Without gossip the party still works: sets are compared with every peer.
      this.#host.warn(fault as Error)
    }
  }

  #onHello(link: Link, hello: Uint8Array): void {
    const { binding } = link.connection
    const peer = this.#byConnection.get(link.connection)
    if (binding === null || peer === undefined || this.#voice === null) return
    const channel = this.#voice.driver.addChannel(link)
    this.#host.table.open(channel, peer)
    this.#onAnswer(link, true)
    this.#voice.driver.feed({ type: 'channelUp', channel, binding, hello })
    for (const discoveryKey of link.takeEarly()) {
      this.#voice.driver.feed({ type: 'refused', channel, discoveryKey })
    }
  }

  #onFrame(link: Link, kind: number, bytes: Uint8Array): void {
    if (link.channel !== 0) this.#voice?.driver.feed({ type: 'frame', channel: link.channel, kind, bytes })
  }

  #onChannelClose(link: Link): void {
    const { channel } = link
    if (channel === 0) return
    link.endChannel(false)
    this.#voice?.driver.links.delete(channel)
    this.#voice?.driver.feed({ type: 'channelDown', channel })
  }

  #onDrain(link: Link): void {
    if (!link.isBlocked || link.channel === 0) return
    link.isBlocked = false
    this.#voice?.driver.feed({ type: 'drained', channel: link.channel })
  }

  #onFault(link: Link, fault: unknown): void {
    const cause = fault instanceof Error ? fault : new Error(String(fault))
    this.#host.warn(new PartyError('WARN_PARTY_CHANNEL_CLOSED', cause.message, { cause }))
    this.#onChannelClose(link)
    link.endChannel(true)
  }

  #onAsked(link: Link, discoveryKey: Uint8Array): Promise<Feed | null> | null {
    const { channel } = link
    if (channel === 0) {
      link.remember(Uint8Array.from(discoveryKey))
      return null
    }
    this.#voice?.driver.feed({ type: 'refused', channel, discoveryKey: Uint8Array.from(discoveryKey) })
    const peer = this.#host.table.get(channel)
    if (!this.#host.table.isLive(channel) || peer === null || this.#host.caller.rules.findFeed === undefined)
      return null
    return this.#findFeed(channel, peer, Uint8Array.from(discoveryKey))
  }

  async #findFeed(channel: number, peer: PartyPeer, discoveryKey: Uint8Array): Promise<Feed | null> {
    const answer = await this.#host.caller.ask('findFeed', { peer, discoveryKey })
    const feed = answer.ok ? (answer.value as Feed | null | undefined) : null
    if (feed === null || feed === undefined) return null
    await feed.ready()
    if (hexOf(feed.discoveryKey) !== hexOf(discoveryKey)) {
      const message = 'findFeed answered with another feed than the one asked for'
      this.#host.warn(new PartyError('WARN_PARTY_RULE_THREW', message))
      return null
    }
    if (!this.#host.table.isLive(channel) || !this.#host.isShared(channel, feed.key)) return null
    return feed
  }

  async #closePeer(peer: MemberPeer): Promise<void> {
    const links = [...peer.links]
    const { channel } = peer.link
    if (channel !== 0) this.#voice?.driver.feed({ type: 'closePeer', channel })
    await Promise.all(links.map(link => this.#closeLink(link)))
  }

  async #closeLink(link: Link): Promise<void> {
    this.#onChannelClose(link)
    this.#byConnection.delete(link.connection)
    await within(link.close(), this.#host.limits.closeDeadlineMs, undefined)
  }

  /** Lets go of all connections; the streams stay open. */
  async close(): Promise<void> {
    await Promise.all(Array.from(this.#byConnection.values(), peer => this.#closeLink(peer.link)))
  }
}
