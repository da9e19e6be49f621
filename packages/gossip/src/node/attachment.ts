/**
 * A connection as one Gossip uses it: its peer, the links of all topics on it, and what they share: one queue to write, one
 * budget of what is read.
 *
 * What was queued in a tick is written in one piece at its end, as far as the transport takes it; the rest waits for
 * 'drain'. All decisions on order and bounds are the egress queue's; here they are applied, and its signals go back to
 * the topics. A large queue is written at once, so that a burst isn't held back until the end of the tick.
 */
import { Egress } from '../core/egress.js'
import { Intake } from '../core/intake.js'
import type { Batch, LinkId, OutFrame, SendClass } from '../core/types.js'
import type { Connection } from './connection.js'
import type { GossipContext } from './context.js'
import type { ConnectedPeer, PeerConnection, PeerLink } from './peer.js'
import type { TickJob } from './scheduler.js'
import { within } from './within.js'

/** A link, as its connection sees it. */
export interface AttachedLink extends PeerLink {
  /** Writes a frame to the channel. */
  write(kind: number, bytes: Uint8Array): void
  /** The state of its queue changed. */
  onQueue(state: 'blocked' | 'drained' | 'lagging'): void
}

/** A topic on this connection, with or without a link at the moment. */
export interface AttachedChannel {
  /** The stream closed, or our peer was closed: the link is gone. */
  drop(): void
}

/** Another protocol holds the cork: how soon to look again. */
const CORKED_RETRY_MS = 5

/** See the head of this file. */
export class Attachment implements TickJob, PeerConnection {
  readonly connection: Connection
  /** What the other end may send, over all topics. */
  readonly intake: Intake
  /** The channels of all topics; closed with the connection. */
  readonly channels = new Set<AttachedChannel>()
  #peer: ConnectedPeer
  readonly #context: GossipContext
  readonly #egress: Egress
  readonly #links = new Map<LinkId, AttachedLink>()
  readonly #ondetach: (attachment: Attachment) => void
  #closing: Promise<void> | null = null
  #isDetached = false
  #hasHello = false
  #corkedBytes = 0
  #retry: ReturnType<typeof setTimeout> | undefined
  #drainWaiters: (() => void)[] = []

  constructor(
    connection: Connection,
    peer: ConnectedPeer,
    shared: { context: GossipContext; ondetach(attachment: Attachment): void }
  ) {
    this.connection = connection
    this.#peer = peer
    this.#context = shared.context
    this.#ondetach = shared.ondetach
    this.intake = new Intake(shared.context.limits)
    this.#egress = new Egress(shared.context.limits)
    connection.onClose(() => this.detach())
  }

  /** Who is at the other end. */
  get peer(): ConnectedPeer {
    return this.#peer.self
  }

  /** Links that are open or opening. */
  get links(): Iterable<PeerLink> {
    return this.#links.values()
  }

  get queuedBytes(): number {
    return this.#egress.queuedBytes()
  }

  /** Bytes that wait for one link. */
  queuedBytesOf(id: LinkId): number {
    return this.#egress.queuedBytes(id)
  }

  /** The connection closed, or nothing is done on it any more. */
  get isDetached(): boolean {
    return this.#isDetached
  }

  /** Has the other end said hello, on any topic? It may have been a wrong one. */
  get hasHello(): boolean {
    return this.#hasHello
  }

  /** Gives `link` a queue: the other end said hello. */
  addLink(id: LinkId, link: AttachedLink): void {
    this.#hasHello = true
    this.#links.set(id, link)
    this.#egress.openLink(id)
  }

  /** Drops `link` and its queue. */
  removeLink(id: LinkId): void {
    this.#links.delete(id)
    this.#egress.closeLink(id)
  }

  /** Queues a frame; it is written at the end of the tick, or when the transport takes it. Call `settle` afterwards. */
  push(id: LinkId, sendClass: SendClass, frame: OutFrame): void {
    this.#egress.push(id, sendClass, frame)
    this.#context.scheduler.connectionSoon(this)
  }

  /** The other end has this batch: if it waits, it needn't be written. */
  cancel(id: LinkId, batch: Batch): void {
    this.#egress.cancel(id, batch)
  }

  /** After `push`: tells the topics of what became of their queues; writes if a lot is waiting. */
  settle(): void {
    const isLong = this.#egress.queuedBytes() >= this.#context.limits.blockedBytes
    if (isLong && this.connection.mux.corked === 0) this.flush()
    else this.#signal()
  }

  onTick(): void {
    this.flush()
  }

  /** The transport takes more again. Called once per channel of the connection. */
  ondrain(): void {
    this.flush()
    const waiters = this.#drainWaiters
    this.#drainWaiters = []
    for (const waiter of waiters) waiter()
  }

  /** Writes what is queued, as far as the transport takes it. */
  flush(): void {
    if (this.#isDetached || this.connection.closed) return
    const { mux } = this.connection
    // Under the cork of another protocol all looks drained, so what is written there needs a bound of ours.
    if (mux.corked === 0) this.#corkedBytes = 0
    const isHeldUp = this.#corkedBytes >= this.#context.limits.maxCorkBytes
    this.#egress.setWritable(this.connection.drained && !isHeldUp)
    this.#write()
    this.#egress.setWritable(this.connection.drained && !isHeldUp)
    this.#signal()
    if (isHeldUp) this.#retryLater()
    else if (this.#egress.hasWork) this.#context.scheduler.connectionSoon(this)
  }

  /** Resolves when everything that is queued was written, or the connection closed, or at `deadlineMs` (of the clock). */
  async written(deadlineMs: number): Promise<void> {
    for (;;) {
      this.flush()
      const restMs = deadlineMs - this.#context.clock.nowMs()
      if (this.#isDetached || this.connection.closed || restMs <= 0) return
      if (this.connection.drained && !this.#egress.hasWork && this.#corkedBytes === 0) break
      const drained = new Promise<void>(resolve => this.#drainWaiters.push(resolve))
      await within(drained, this.connection.drained ? Math.min(restMs, CORKED_RETRY_MS) : restMs)
    }
    // Before the handshake nothing was written, and flush() would wait for it.
    if (this.connection.binding === null) return
    await within(this.connection.stream.flush(), deadlineMs - this.#context.clock.nowMs())
  }

  /** Writes what was handed over within `closeDeadlineMs`, then drops all links; the stream stays open. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    await this.written(this.#context.clock.nowMs() + this.#context.limits.closeDeadlineMs)
    this.detach()
  }

  /** Drops all links; nothing is done on the connection any more. */
  detach(): void {
    if (this.#isDetached) return
    for (const channel of [...this.channels]) channel.drop()
    this.channels.clear()
    this.#isDetached = true
    clearTimeout(this.#retry)
    const waiters = this.#drainWaiters
    this.#drainWaiters = []
    for (const waiter of waiters) waiter()
    this.#ondetach(this)
  }

  #write(): void {
    const frames = this.#egress.take(this.#context.clock.nowMs())
    if (frames.length === 0) return
    const { counters } = this.peer
    const { stats } = this.#context
    const isCorked = this.connection.mux.corked > 0
    this.connection.cork()
    try {
      for (const { link, kind, bytes } of frames) {
        this.#links.get(link)?.write(kind, bytes)
        counters.framesOut++
        counters.bytesOut += bytes.byteLength
        stats.framesOut++
        stats.bytesOut += bytes.byteLength
        if (isCorked) this.#corkedBytes += bytes.byteLength
      }
    } finally {
      this.connection.uncork()
    }
  }

  #signal(): void {
    for (const { link, state } of this.#egress.signals()) this.#links.get(link)?.onQueue(state)
  }

  #retryLater(): void {
    if (this.#retry !== undefined) return
    this.#retry = setTimeout(() => {
      this.#retry = undefined
      this.flush()
    }, CORKED_RETRY_MS)
  }
}
