/**
 * The links of a topic: one per connection on which both ends proved that they know the topic key.
 *
 *   (none)     --linkOpening, key not refused, room---------> opening
 *   opening    --hello, proof right-------------------------> admitting    or up at once, if nobody is to be asked
 *   opening    --proof wrong | version----------------------> (none)       closed; the key is refused for 60 s
 *   opening    --no hello for 5 s---------------------------> (none)       closed; the key is refused for 5 s
 *   admitting  --admit() says yes---------------------------> up           frames held meanwhile are interpreted now
 *   admitting  --admit() says no, or nothing----------------> (none)
 *   any        --closed, 100 points-------------------------> (none)
 *
 * What a link that is up is used for is decided in neighbours.ts.
 *
 * Invariants:
 * L1. Before the proof was verified nothing but the hello is interpreted; after the close nothing at all.
 * What a link holds is bounded, and released when it goes.
 */

import b4a from 'b4a'
import type { Limits } from '../limits.js'
import { copyOf } from './bytes.js'
import { isClockWrong } from './clock.js'
import { FrameKind } from './frames.js'
import { decodeHello, type Hello, verifyHello } from './hello.js'
import { type HeldFrame, type Link, makeLink } from './link.js'
import type { Neighbours } from './neighbours.js'
import type { Outbox } from './outbox.js'
import { type PeerBook, Points } from './peer-book.js'
import type { NeighbourListener } from './places.js'
import type {
  ConnectionBinding,
  CryptoPort,
  DropReason,
  IntakePort,
  LinkDownReason,
  LinkId
} from './types.js'

/** Who is told when links change. */
export interface LinkListener extends NeighbourListener {
  /** Is no more. */
  linkGone(link: Link): void
}

/** What the links are made of. */
export interface LinksOptions {
  readonly limits: Limits
  readonly crypto: CryptoPort
  readonly topicKey: Uint8Array
  readonly outbox: Outbox
  readonly book: PeerBook
  readonly neighbours: Neighbours
  readonly listener: LinkListener
}

/** After a refusal by admit() the same key is not asked about again for so long; doubling from one to the next. */
const REFUSED_BACKOFF_MS = 1000
const MAX_REFUSED_BACKOFF_MS = 60_000
/** Weight of a new sample of the round trip, as TCP has it (RFC 6298). */
const RTT_GAIN = 1 / 8

/** All links of a topic. */
export class Links {
  readonly #options: LinksOptions
  readonly #links = new Map<LinkId, Link>()
  #nextAtMs = Number.POSITIVE_INFINITY
  #isClockWrong = false

  constructor(options: LinksOptions) {
    this.#options = options
  }

  /** Links of any state. */
  get size(): number {
    return this.#links.size
  }

  /** Links that carry batches, in the order in which they became active. */
  get active(): readonly Link[] {
    return this.#options.neighbours.active
  }

  /** When `due` may have something to do; Infinity: never. */
  get nextAtMs(): number {
    return this.#nextAtMs
  }

  /** All links, oldest first. */
  all(): Iterable<Link> {
    return this.#links.values()
  }

  /** A link of any state. */
  get(id: LinkId): Link | undefined {
    return this.#links.get(id)
  }

  /** A channel is being opened. */
  open(
    id: LinkId,
    opening: { binding: ConnectionBinding; outbound: boolean; intake?: IntakePort },
    nowMs: number
  ): void {
    const { limits, book, outbox } = this.#options
    if (this.#links.has(id)) return
    const peerId = b4a.toString(opening.binding.remotePublicKey, 'hex')
    const refusedMs = book.refusedMs(peerId, nowMs)
    if (refusedMs > 0 || this.#links.size >= limits.maxLinks) {
      const reason = refusedMs > 0 ? 'backoff' : 'limit'
      outbox.add({ type: 'closeLink', link: id, reason, backoffMs: refusedMs })
      return
    }
    this.#links.set(id, makeLink(id, { ...opening, peerId }, { limits, nowMs }))
    this.#wake(nowMs + limits.helloDeadlineMs)
  }

  /** The remote's hello. True: it is right, and the link may come up. */
  hello(link: Link, bytes: Uint8Array, times: { nowMs: number; wallMs: number }): boolean {
    const { limits, crypto, topicKey, outbox } = this.#options
    if (link.state !== 'opening') return false
    const decoded = decodeHello(bytes, limits.maxHelloBytes)
    if (!decoded.ok) {
      this.fault(link, decoded.reason, { points: Points.malformed, nowMs: times.nowMs })
      return false
    }
    const hello: Hello = decoded.value
    const verdict = verifyHello(crypto, topicKey, { binding: link.binding, hello })
    if (verdict !== 'ok') {
      if (verdict === 'bad-proof') outbox.counters.badProofs++
      outbox.add({ type: 'warning', code: verdict, link: link.id })
      this.close(link, verdict, { backoffMs: limits.proofBackoffMs, nowMs: times.nowMs })
      return false
    }
    link.state = 'admitting'
    link.heardMs = times.nowMs
    link.maxFrameBytes = hello.maxFrameBytes
    link.features = hello.features
    link.clockOffsetMs = hello.clockMs - times.wallMs
    this.#checkClock()
    return true
  }

  /** The link is proven and admitted. Returns the frames that waited for that. */
  up(link: Link, nowMs: number): readonly HeldFrame[] {
    const { outbox, book, neighbours } = this.#options
    link.state = 'up'
    book.admitted(link.peerId)
    link.heardMs = nowMs
    link.toldMs = nowMs
    const { held } = link
    link.held = []
    link.heldBytes = 0
    // Its effect comes first, so that no frame is sent on a link that the driver doesn't know to be up.
    outbox.add({ type: 'linkUp', link: link.id, role: 'standby' })
    outbox.trace({ type: 'link', link: link.id, state: 'up' })
    neighbours.add(link, nowMs)
    return held
  }

  /**
   * Keeps a frame until the link is admitted. False: no room. AUTHOR and HAVE have more of it, because nobody says them
   * again: without its AUTHOR a later frame would be a violation, and without HAVE what was dropped isn't missed.
   */
  hold(link: Link, frame: HeldFrame): boolean {
    const { maxHeldFrames, maxHeldBytes, maxAuthorIndexes, maxQueuedBytesPerLink } = this.#options.limits
    const isOnce = frame.kind === FrameKind.author || frame.kind === FrameKind.have
    const maxFrames = maxHeldFrames + (isOnce ? maxAuthorIndexes : 0)
    const maxBytes = maxHeldBytes + (isOnce ? maxQueuedBytesPerLink : 0)
    if (link.held.length >= maxFrames || link.heldBytes + frame.bytes.length > maxBytes) return false
    link.held.push({ kind: frame.kind, bytes: copyOf(frame.bytes) })
    link.heldBytes += frame.bytes.length
    return true
  }

  /** Our wall clock moved by so much, and the others' didn't. */
  clockMoved(byMs: number): void {
    for (const link of this.#links.values()) link.clockOffsetMs -= byMs
  }

  /** A question was answered after `sampleMs`. */
  timed(link: Link, sampleMs: number): void {
    link.rttMs = link.rttMs === 0 ? Math.max(1, sampleMs) : link.rttMs + (sampleMs - link.rttMs) * RTT_GAIN
  }

  /** Input of a link is dropped; what is charged for it may cost the link. 100 points at once always do. */
  fault(link: Link, reason: DropReason, charge: { points: number; nowMs: number }): void {
    const { book, outbox, limits } = this.#options
    outbox.drop(link.id, reason, charge.points)
    if (charge.points === 0) return
    const isOver = book.charge(link.peerId, charge.points, charge.nowMs)
    const { demeritBackoffMs } = limits
    if (isOver) book.refuse(link.peerId, demeritBackoffMs, charge.nowMs)
    if (charge.points >= Points.malformed) {
      const backoffMs = isOver ? demeritBackoffMs : 0
      this.close(link, reason === 'too-large' ? 'too-large' : 'malformed', { backoffMs, nowMs: charge.nowMs })
    }
    if (isOver) this.#closeAll(link.peerId, charge.nowMs)
  }

  /** Closes a link, and refuses its peer key for a while. */
  close(link: Link, reason: LinkDownReason, how: { backoffMs: number; nowMs: number }): void {
    const { book, outbox } = this.#options
    if (how.backoffMs > 0) book.refuse(link.peerId, how.backoffMs, how.nowMs)
    outbox.add({ type: 'closeLink', link: link.id, reason, backoffMs: how.backoffMs })
    this.gone(link, reason, how.nowMs)
  }

  /** admit() said no or didn't answer, or the application wants no more of the peer. */
  refuse(link: Link, nowMs: number): void {
    const times = this.#options.book.refusedAgain(link.peerId, nowMs)
    const backoffMs = Math.min(MAX_REFUSED_BACKOFF_MS, REFUSED_BACKOFF_MS * 2 ** times)
    this.close(link, 'refused', { backoffMs, nowMs })
  }

  /** The link is gone: closed by us, or by the other end. */
  gone(link: Link, reason: LinkDownReason, nowMs: number): void {
    const { outbox, listener, neighbours } = this.#options
    if (!this.#links.delete(link.id)) return
    link.held = []
    neighbours.remove(link, nowMs)
    listener.linkGone(link)
    outbox.trace({ type: 'link', link: link.id, state: reason })
    if (link.state === 'up') outbox.add({ type: 'linkDown', link: link.id, reason })
  }

  /** Closes links whose hello is late. */
  due(nowMs: number): void {
    if (nowMs < this.#nextAtMs) return
    const { limits } = this.#options
    for (const link of [...this.#links.values()]) {
      if (link.state !== 'opening' || nowMs < link.openedMs + limits.helloDeadlineMs) continue
      // Silence is no wrong proof: an honest peer whose connection stalls must find its way back when that is over.
      this.close(link, 'hello-timeout', { backoffMs: limits.helloDeadlineMs, nowMs })
    }
    this.#nextAtMs = Number.POSITIVE_INFINITY
    for (const link of this.#links.values()) {
      if (link.state === 'opening') this.#wake(link.openedMs + limits.helloDeadlineMs)
    }
  }

  #wake(atMs: number): void {
    if (atMs < this.#nextAtMs) this.#nextAtMs = atMs
  }

  // Told when it becomes so, not with each further hello.
  #checkClock(): void {
    const proven = [...this.#links.values()].filter(link => link.state !== 'opening')
    const isWrong = isClockWrong(proven.map(link => link.clockOffsetMs))
    if (isWrong && !this.#isClockWrong)
      this.#options.outbox.add({ type: 'warning', code: 'clock', link: null })
    this.#isClockWrong = isWrong
  }

  #closeAll(peerId: string, nowMs: number): void {
    for (const link of [...this.#links.values()]) {
      if (link.peerId === peerId)
        this.close(link, 'demerits', { backoffMs: this.#options.limits.demeritBackoffMs, nowMs })
    }
  }
}
