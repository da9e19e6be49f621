/**
 * The frames of a link that carry no messages: AUTHOR, HAVE, WANT, MISS, PRUNE, OFFER, and those that this version only
 * checks (SKIP, LINK, PEERS). Each is decoded under limits and told to the machine that it is for.
 *
 * A frame that doesn't follow the format, or names an index that was never bound, closes the link. An AUTHOR is always
 * bound, also over its budget: later frames would else name somebody else, and an honest sender would pay for that.
 */
import {
  decodeAuthor,
  decodeHave,
  decodeLink,
  decodeMiss,
  decodeOffer,
  decodePeers,
  decodePrune,
  decodeSkip,
  decodeWant,
  FrameKind
} from './frames.js'
import { makeAuthorRef } from './keys.js'
import type { Link } from './link.js'
import type { Parts } from './parts.js'
import { Points } from './peer-book.js'
import type { Receiver } from './receive.js'
import type { Result } from './result.js'
import type { Request, Supplier } from './supplier.js'
import type { AuthorRef, DropReason } from './types.js'

/** Interprets control frames of links that are up. */
export class Control {
  readonly #parts: Parts
  readonly #receiver: Receiver
  readonly #supplier: Supplier

  constructor(parts: Parts, receiver: Receiver, supplier: Supplier) {
    this.#parts = parts
    this.#receiver = receiver
    this.#supplier = supplier
  }

  /** One frame of any kind but BATCH. */
  frame(link: Link, kind: number, bytes: Uint8Array): void {
    const { limits } = this.#parts.options
    switch (kind) {
      case FrameKind.author:
        this.#author(link, bytes)
        break
      case FrameKind.have:
        this.#have(link, bytes)
        break
      case FrameKind.want:
        this.#want(link, bytes)
        break
      case FrameKind.miss:
        this.#miss(link, bytes)
        break
      case FrameKind.prune:
        this.#prune(link, bytes)
        break
      case FrameKind.offer:
        this.#offer(link, bytes)
        break
      case FrameKind.skip:
        this.#decoded(link, decodeSkip(bytes, limits))
        break
      case FrameKind.link:
        this.#decoded(link, decodeLink(bytes, limits))
        break
      case FrameKind.peers:
        this.#decoded(link, decodePeers(bytes, limits))
        break
      default:
        // A later version may send it: no fault.
        this.#parts.outbox.drop(link.id, 'unknown-kind', 0)
    }
  }

  #author(link: Link, bytes: Uint8Array): void {
    const { options, clock } = this.#parts
    const frame = this.#decoded(link, decodeAuthor(bytes, options.limits))
    if (frame === null) return
    const { ix, author, incarnation, origin } = frame
    const ref = this.#receiver.canonical(makeAuthorRef(author, incarnation, origin))
    if (!link.authors.bind(ix, ref)) this.#fault(link, 'malformed')
    else if (!link.budgets.bindings.take(1, clock.nowMs)) {
      this.#parts.links.fault(link, 'over-budget', { points: Points.overBudget, nowMs: clock.nowMs })
    }
  }

  #have(link: Link, bytes: Uint8Array): void {
    const { options, repair, clock } = this.#parts
    const frame = this.#decoded(link, decodeHave(bytes, options.limits))
    if (frame === null) return
    const isComplete = frame.have === 'join' || frame.have === 'lag'
    for (const { ix, next, ahead } of frame.entries) {
      const ref = this.#ref(link, ix)
      if (ref === null) return
      if (!this.#mayMiss(ref)) continue
      repair.told(ref, { next, to: next - 1 + ahead, isComplete }, { link: link.id, nowMs: clock.nowMs })
    }
  }

  #want(link: Link, bytes: Uint8Array): void {
    const { options, clock, spread, table, links } = this.#parts
    const frame = this.#decoded(link, decodeWant(bytes, options.limits))
    if (frame === null) return
    const requests: Request[] = []
    for (const { ix, from, count } of frame.ranges) {
      const ref = this.#ref(link, ix)
      if (ref === null) return
      if (frame.graft) spread.grafted(link, ref, clock.nowMs)
      requests.push({ ref, from, count, next: (table.get(ref)?.watermark ?? -1) + 1 })
    }
    if (this.#supplier.answer(link, requests, clock)) return
    links.fault(link, 'over-budget', { points: Points.overBudget, nowMs: clock.nowMs })
  }

  #miss(link: Link, bytes: Uint8Array): void {
    const { options, repair, clock, links } = this.#parts
    const frame = this.#decoded(link, decodeMiss(bytes, options.limits))
    if (frame === null) return
    for (const { ix, ...miss } of frame.entries) {
      const ref = this.#ref(link, ix)
      if (ref === null) return
      const askedMs = repair.takeAskedMs(link.id, ref)
      if (askedMs !== null) links.timed(link, clock.nowMs - askedMs)
      repair.missed({ ref, ...miss }, link.id, clock.nowMs)
    }
  }

  #prune(link: Link, bytes: Uint8Array): void {
    const { options, spread, clock } = this.#parts
    const frame = this.#decoded(link, decodePrune(bytes, options.limits))
    if (frame === null) return
    const refs: AuthorRef[] = []
    for (const ix of frame.ixs) {
      const ref = this.#ref(link, ix)
      if (ref === null) return
      refs.push(ref)
    }
    spread.pruned(link, refs.length === 0 ? null : refs, clock.nowMs)
  }

  // An announcement is a claim like a watermark: what we lack is asked for.
  #offer(link: Link, bytes: Uint8Array): void {
    const { options, repair, clock } = this.#parts
    const frame = this.#decoded(link, decodeOffer(bytes, options.limits))
    if (frame === null) return
    const { ix, seq0, count } = frame
    const ref = this.#ref(link, ix)
    if (ref === null || !this.#mayMiss(ref)) return
    repair.told(
      ref,
      { next: 0, to: seq0 + count - 1, isComplete: false },
      { link: link.id, nowMs: clock.nowMs }
    )
  }

  // Ours can't be missing; what nobody may send, or lies in the future, isn't asked for.
  #mayMiss(ref: AuthorRef): boolean {
    const { clock, options } = this.#parts
    if (this.#parts.outgoing.isOwn(ref) || !this.#receiver.isWelcome(ref.authorId)) return false
    return ref.startMs <= clock.wallMs + options.limits.maxSkewMs
  }

  // Null: the index was never bound, and the link is closed.
  #ref(link: Link, ix: number): AuthorRef | null {
    const bound = link.authors.get(ix)
    if (bound !== undefined) return this.#receiver.canonical(bound)
    this.#fault(link, 'unbound-author')
    return null
  }

  // Null: it doesn't follow the format, and the link is closed.
  #decoded<T>(link: Link, decoded: Result<T>): T | null {
    if (decoded.ok) return decoded.value
    this.#fault(link, decoded.reason)
    return null
  }

  #fault(link: Link, reason: DropReason): void {
    const { links, clock } = this.#parts
    links.fault(link, reason, { points: Points.malformed, nowMs: clock.nowMs })
  }
}
