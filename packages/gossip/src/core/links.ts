/**
 * The links of a topic: one per connection on which both ends proved that they know the topic key.
 *
 *   (none)     --linkOpening, key not refused, room---------> opening
 *   opening    --hello, proof right-------------------------> admitting    or up at once, if nobody is to be asked
 *   opening    --proof wrong | version | malformed | 5 s----> (none)       closed; the key is refused for 60 s
 *   admitting  --admit() says yes---------------------------> up           frames held meanwhile are interpreted now
 *   admitting  --admit() says no, or nothing----------------> (none)
 *   up         --only link of its peer, or elected----------> up, active
 *   up, active --no frame for 3 s---------------------------> up, suspect, standby    used again when a frame comes
 *   any        --closed, 100 points-------------------------> (none)
 *
 * In this version every link is active but twins and suspects; asking for a place among few comes with trees.
 *
 * Invariants:
 * L1. Before the proof was verified nothing but the hello is interpreted; after the close nothing at all.
 * L2. Of two connections to one peer key at most one is active. Both ends elect the same, without a word: the one with
 *     the lower handshake hash.
 * L3. A link that is told nothing for 1 s is told an empty HAVE, so that silence means trouble.
 * L4. What a link holds is bounded, and released when it goes.
 */

import b4a from 'b4a'
import type { Limits } from '../limits.js'
import { copyOf } from './bytes.js'
import { isClockWrong } from './clock.js'
import { FrameKind } from './frames.js'
import { decodeHello, type Hello, verifyHello } from './hello.js'
import { type HeldFrame, type Link, makeLink } from './link.js'
import type { Outbox } from './outbox.js'
import { DEMERIT_BACKOFF_MS, type PeerBook, Points } from './peer-book.js'
import type { ConnectionBinding, CryptoPort, DropReason, LinkDownReason, LinkId } from './types.js'

/** Who is told when links change. */
export interface LinkListener {
  /** Carries batches from now on. */
  linkActive(link: Link): void
  /** Carries batches no more; it may still be up. */
  linkInactive(link: Link): void
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
  #active: readonly Link[] = []
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
    return this.#active
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
  open(id: LinkId, opening: { binding: ConnectionBinding; outbound: boolean }, nowMs: number): void {
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
    link.clockOffsetMs = hello.clockMs - times.wallMs
    this.#checkClock()
    return true
  }

  /** The link is proven and admitted. Returns the frames that waited for that. */
  up(link: Link, nowMs: number): readonly HeldFrame[] {
    const { limits, outbox, book } = this.#options
    link.state = 'up'
    book.admitted(link.peerId)
    link.heardMs = nowMs
    link.toldMs = nowMs
    const { held } = link
    link.held = []
    link.heldBytes = 0
    // Its effect comes first, so that no frame is sent on a link that the driver doesn't know to be up.
    const isElected = this.#elected(link.peerId) === link
    outbox.add({ type: 'linkUp', link: link.id, role: isElected ? 'active' : 'standby' })
    outbox.trace({ type: 'link', link: link.id, state: 'up' })
    this.#elect(link.peerId, link)
    this.#wake(nowMs + Math.min(limits.liveMs, limits.suspectMs))
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

  /** A frame came. */
  heard(link: Link, nowMs: number): void {
    link.heardMs = nowMs
    if (!link.isSuspect) return
    link.isSuspect = false
    this.#elect(link.peerId, null)
    this.#wake(nowMs + this.#options.limits.suspectMs)
  }

  /** A question was answered after `sampleMs`. */
  timed(link: Link, sampleMs: number): void {
    link.rttMs = link.rttMs === 0 ? Math.max(1, sampleMs) : link.rttMs + (sampleMs - link.rttMs) * RTT_GAIN
  }

  /** Input of a link is dropped; what is charged for it may cost the link. 100 points at once always do. */
  fault(link: Link, reason: DropReason, charge: { points: number; nowMs: number }): void {
    const { book, outbox } = this.#options
    outbox.drop(link.id, reason, charge.points)
    if (charge.points === 0) return
    const isOver = book.charge(link.peerId, charge.points, charge.nowMs)
    if (isOver) book.refuse(link.peerId, DEMERIT_BACKOFF_MS, charge.nowMs)
    if (charge.points >= Points.malformed) {
      const backoffMs = isOver ? DEMERIT_BACKOFF_MS : 0
      this.close(link, reason === 'too-large' ? 'too-large' : 'malformed', { backoffMs, nowMs: charge.nowMs })
    }
    if (isOver) this.#closeAll(link.peerId, charge.nowMs)
  }

  /** Closes a link, and refuses its peer key for a while. */
  close(link: Link, reason: LinkDownReason, how: { backoffMs: number; nowMs: number }): void {
    const { book, outbox } = this.#options
    if (how.backoffMs > 0) book.refuse(link.peerId, how.backoffMs, how.nowMs)
    outbox.add({ type: 'closeLink', link: link.id, reason, backoffMs: how.backoffMs })
    this.gone(link, reason)
  }

  /** admit() said no or didn't answer, or the application wants no more of the peer. */
  refuse(link: Link, nowMs: number): void {
    const times = this.#options.book.refusedAgain(link.peerId, nowMs)
    const backoffMs = Math.min(MAX_REFUSED_BACKOFF_MS, REFUSED_BACKOFF_MS * 2 ** times)
    this.close(link, 'refused', { backoffMs, nowMs })
  }

  /** The link is gone: closed by us, or by the other end. */
  gone(link: Link, reason: LinkDownReason): void {
    const { outbox, listener } = this.#options
    if (!this.#links.delete(link.id)) return
    const wasUp = link.state === 'up'
    if (this.#active.includes(link)) this.#deactivate(link)
    link.held = []
    listener.linkGone(link)
    outbox.trace({ type: 'link', link: link.id, state: reason })
    if (wasUp) outbox.add({ type: 'linkDown', link: link.id, reason })
    this.#elect(link.peerId, null)
  }

  /**
   * Closes links whose hello is late, stops using silent ones.
   *
   * @returns The links that have to be told that we live.
   */
  due(nowMs: number): Link[] {
    if (nowMs < this.#nextAtMs) return []
    const { limits } = this.#options
    const idle: Link[] = []
    for (const link of [...this.#links.values()]) {
      if (link.state === 'opening' && nowMs >= link.openedMs + limits.helloDeadlineMs) {
        this.close(link, 'hello-timeout', { backoffMs: limits.proofBackoffMs, nowMs })
      }
      if (link.state !== 'up') continue
      if (!link.isSuspect && nowMs >= link.heardMs + limits.suspectMs) {
        link.isSuspect = true
        this.#elect(link.peerId, null)
      }
      if (nowMs >= link.toldMs + limits.liveMs) {
        link.toldMs = nowMs
        idle.push(link)
      }
    }
    this.#nextAtMs = this.#earliest()
    return idle
  }

  #earliest(): number {
    const { limits } = this.#options
    let nextAtMs = Number.POSITIVE_INFINITY
    for (const link of this.#links.values()) {
      if (link.state === 'opening') nextAtMs = Math.min(nextAtMs, link.openedMs + limits.helloDeadlineMs)
      if (link.state !== 'up') continue
      nextAtMs = Math.min(nextAtMs, link.toldMs + limits.liveMs)
      if (!link.isSuspect) nextAtMs = Math.min(nextAtMs, link.heardMs + limits.suspectMs)
    }
    return nextAtMs
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
      if (link.peerId === peerId) this.close(link, 'demerits', { backoffMs: DEMERIT_BACKOFF_MS, nowMs })
    }
  }

  #elected(peerId: string): Link | undefined {
    let elected: Link | undefined
    for (const link of this.#links.values()) {
      if (link.peerId !== peerId || link.state !== 'up' || link.isSuspect) continue
      if (elected === undefined || compare(link, elected) < 0) elected = link
    }
    return elected
  }

  // L2. `fresh` was told its role already.
  #elect(peerId: string, fresh: Link | null): void {
    const { outbox, listener } = this.#options
    const elected = this.#elected(peerId)
    for (const link of this.#active) {
      if (link.peerId !== peerId || link === elected) continue
      this.#deactivate(link)
      outbox.add({ type: 'linkRole', link: link.id, role: 'standby' })
    }
    if (elected === undefined || elected.role === 'active') return
    elected.role = 'active'
    this.#active = [...this.#active, elected]
    if (elected !== fresh) outbox.add({ type: 'linkRole', link: elected.id, role: 'active' })
    outbox.trace({ type: 'link', link: elected.id, state: 'active' })
    listener.linkActive(elected)
  }

  #deactivate(link: Link): void {
    link.role = 'standby'
    this.#active = this.#active.filter(other => other !== link)
    this.#options.listener.linkInactive(link)
  }
}

function compare(a: Link, b: Link): number {
  // Equal hashes can only be two channels of one connection, which the driver doesn't make; then the older one.
  return b4a.compare(a.binding.handshakeHash, b.binding.handshakeHash) || a.id - b.id
}
