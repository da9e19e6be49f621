/**
 * A party on one connection: the channel of its protocol, and the session of its feeds.
 *
 * The stream is the app's: closing a link closes our channel and our session, nothing else. The session exists from the
 * beginning and denies everything, so that an open that comes too early is refused and remembered instead of lost.
 */
import type { FeedSession, FeedSet, Feed as SetFeed } from '@hearsay/feeds'
import { type Connection, type FrameChannel, openFrameChannel } from '@hearsay/gossip/connection'
import type { ConnectionBinding } from '@hearsay/gossip/core'
import { FrameKind } from '../core/frames.js'

/** Protocol of a party's channel. */
export const PROTOCOL = 'hearsay/party/1'
const KINDS = Object.keys(FrameKind).length
const MAX_EARLY = 64

/** What a link tells, and asks, its party. */
export interface LinkHost {
  /** Can the party speak? */
  readonly isReady: boolean
  /** Resolves when it can; rejects if it never will. */
  ready(): Promise<void>
  channelId(binding: ConnectionBinding): Uint8Array
  hello(binding: ConnectionBinding): Uint8Array
  readonly maxHelloBytes: number
  onhello(link: Link, bytes: Uint8Array): void
  onframe(link: Link, kind: number, bytes: Uint8Array): void
  onclose(link: Link): void
  /** The peer doesn't know the party, or not yet. */
  onrefused(link: Link): void
  ondrain(link: Link): void
  onfault(link: Link, fault: unknown): void
  /** The peer opened a feed that isn't granted. */
  asked(link: Link, discoveryKey: Uint8Array): Promise<SetFeed | null> | null
  /** The stream is gone. */
  ongone(link: Link): void
}

/** See the head of this file. */
export class Link {
  readonly connection: Connection
  /** What the peer may replicate; a new one for each opening of the channel. */
  session: FeedSession
  /** Number of the channel's current opening in the core; 0: it isn't open. */
  channel = 0
  /** What the core wants of the session, in its order. */
  turn: Promise<void> = Promise.resolve()
  /** Is a 'blocked' outstanding? */
  isBlocked = false
  readonly #host: LinkHost
  readonly #unlisten: () => void
  readonly #feeds: FeedSet
  /** Discovery keys that the peer opened before the channel was up, oldest first. */
  #early: Uint8Array[] = []
  #frames: FrameChannel | null = null
  #isEnded = false
  #isClosed = false

  constructor(connection: Connection, feeds: FeedSet, host: LinkHost) {
    this.connection = connection
    this.#host = host
    this.#feeds = feeds
    this.session = this.#newSession()
    this.#unlisten = connection.onClose(() => this.#onGone())
  }

  /** Opens the channel: at once if that can be, since a peer that has opened it waits for no later answer. */
  start(): void {
    const { connection } = this
    const host = this.#host
    if (connection.binding !== null && host.isReady) {
      this.#open(connection.binding)
      return
    }
    Promise.all([connection.opened(), host.ready()]).then(
      ([binding]) => this.#open(binding),
      () => {} // the stream died first, or the party couldn't open: both are heard of elsewhere
    )
  }

  /** Is it over, because of the stream, the app, or what the peer did? */
  get isClosed(): boolean {
    return this.#isClosed || this.#isEnded
  }

  /** Sends a frame; nothing happens if the channel isn't open. */
  send(kind: number, bytes: Uint8Array): void {
    this.#frames?.send(kind, bytes)
  }

  /** The peer opened this feed before the channel was up, and was refused. Of too many the oldest are forgotten. */
  remember(discoveryKey: Uint8Array): void {
    if (this.#early.push(discoveryKey) > MAX_EARLY) this.#early.shift()
  }

  /** What was remembered, once. */
  takeEarly(): Uint8Array[] {
    const early = this.#early
    this.#early = []
    return early
  }

  /** The channel's opening is over, and all grants with it; it may be opened again by the remote unless `isFinal`. */
  endChannel(isFinal: boolean): void {
    const wasOpen = this.channel !== 0
    this.channel = 0
    this.isBlocked = false
    if (wasOpen) {
      this.session.close().catch(() => {}) // it is denied at once; only the channels take their time
      this.turn = Promise.resolve()
      if (!isFinal && !this.connection.closed) this.session = this.#newSession()
    }
    if (!isFinal) return
    this.#isEnded = true
    this.#frames?.close()
    this.#frames = null
  }

  /** Closes channel and session. The stream stays open. */
  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#unlisten()
    this.endChannel(true)
    await this.session.close()
  }

  #newSession(): FeedSession {
    const session = this.#feeds.replicate(this.connection.mux, { manual: true })
    session.asked = discoveryKey => this.#host.asked(this, discoveryKey)
    return session
  }

  #open(binding: ConnectionBinding): void {
    if (this.#isClosed || this.connection.closed) return
    const host = this.#host
    this.#frames = openFrameChannel(this.connection, {
      protocol: PROTOCOL,
      id: host.channelId(binding),
      kinds: KINDS,
      hello: () => host.hello(binding),
      maxHelloBytes: host.maxHelloBytes,
      onhello: bytes => host.onhello(this, bytes),
      onframe: (kind, bytes) => host.onframe(this, kind, bytes),
      onclose: () => host.onclose(this),
      onrefused: () => host.onrefused(this),
      ondrain: () => host.ondrain(this),
      onfault: fault => host.onfault(this, fault)
    })
  }

  #onGone(): void {
    this.#isClosed = true
    this.endChannel(true)
    this.#host.ongone(this)
  }
}
