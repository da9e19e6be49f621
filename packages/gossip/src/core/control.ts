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
import type { Link } from './links.js'
import { Points } from './peer-book.js'
import type { Receiver, ReceiverParts } from './receive.js'
import type { Result } from './result.js'
import type { Request, Supplier } from './supplier.js'
import type { AuthorRef, DropReason } from './types.js'

/** Interprets control frames of links that are up. */
export class Control {
  readonly #parts: ReceiverParts
  readonly #receiver: Receiver
  readonly #supplier: Supplier

  constructor(parts: ReceiverParts, receiver: Receiver, supplier: Supplier) {
    this.#parts = parts
    this.#receiver = receiver
    this.#supplier = supplier
  }

  /** One frame of any kind but BATCH. */
  frame(link: Link, kind: number, bytes: Uint8Array): void {
    const { limits } = this.#parts.options
    switch (kind) {
      case FrameKind.author:
        return this.#author(link, bytes)
      case FrameKind.have:
        return this.#have(link, bytes)
      case FrameKind.want:
        return this.#want(link, bytes)
      case FrameKind.miss:
        return this.#miss(link, bytes)
      case FrameKind.prune:
        return this.#prune(link, bytes)
      case FrameKind.offer:
        return this.#offer(link, bytes)
      case FrameKind.skip:
        return this.#check(link, decodeSkip(bytes, limits))
      case FrameKind.link:
        return this.#check(link, decodeLink(bytes, limits))
      case FrameKind.peers:
        return this.#check(link, decodePeers(bytes, limits))
      default:
        // A later version may send it: no fault.
        this.#parts.outbox.drop(link.id, 'unknown-kind', 0)
    }
  }

  #author(link: Link, bytes: Uint8Array): void {
    const { options, clock } = this.#parts
    const decoded = decodeAuthor(bytes, options.limits)
    if (!decoded.ok) return this.#fault(link, decoded.reason)
    const { ix, author, incarnation, origin } = decoded.value
    if (!link.authors.bind(ix, this.#receiver.canonical(makeAuthorRef(author, incarnation, origin)))) {
      return this.#fault(link, 'malformed')
    }
    if (!link.budgets.bindings.take(1, clock.nowMs)) {
      this.#parts.links.fault(link, 'over-budget', { points: Points.overBudget, nowMs: clock.nowMs })
    }
  }

  #have(link: Link, bytes: Uint8Array): void {
    const { options, repair, clock } = this.#parts
    const decoded = decodeHave(bytes, options.limits)
    if (!decoded.ok) return this.#fault(link, decoded.reason)
    const isComplete = decoded.value.have === 'join' || decoded.value.have === 'lag'
    for (const { ix, next, ahead } of decoded.value.entries) {
      const ref = this.#ref(link, ix)
      if (ref === null) return
      if (!this.#mayMiss(ref)) continue
      repair.told(ref, { next, to: next - 1 + ahead, isComplete }, { link: link.id, nowMs: clock.nowMs })
    }
  }

  #want(link: Link, bytes: Uint8Array): void {
    const { options, clock, spread, table, links } = this.#parts
    const decoded = decodeWant(bytes, options.limits)
    if (!decoded.ok) return this.#fault(link, decoded.reason)
    const requests: Request[] = []
    for (const { ix, from, count } of decoded.value.ranges) {
      const ref = this.#ref(link, ix)
      if (ref === null) return
      if (decoded.value.graft) spread.grafted(link, ref, clock.nowMs)
      requests.push({ ref, from, count, next: (table.get(ref)?.watermark ?? -1) + 1 })
    }
    if (this.#supplier.answer(link, requests, clock)) return
    links.fault(link, 'over-budget', { points: Points.overBudget, nowMs: clock.nowMs })
  }

  #miss(link: Link, bytes: Uint8Array): void {
    const { options, repair, clock, links } = this.#parts
    const decoded = decodeMiss(bytes, options.limits)
    if (!decoded.ok) return this.#fault(link, decoded.reason)
    for (const { ix, ...miss } of decoded.value.entries) {
      const ref = this.#ref(link, ix)
      if (ref === null) return
      const askedMs = repair.takeAskedMs(link.id, ref)
      if (askedMs !== null) links.timed(link, clock.nowMs - askedMs)
      repair.missed({ ref, ...miss }, link.id, clock.nowMs)
    }
  }

  #prune(link: Link, bytes: Uint8Array): void {
    const { options, spread, clock } = this.#parts
    const decoded = decodePrune(bytes, options.limits)
    if (!decoded.ok) return this.#fault(link, decoded.reason)
    const refs: AuthorRef[] = []
    for (const ix of decoded.value.ixs) {
      const ref = this.#ref(link, ix)
      if (ref === null) return
      refs.push(ref)
    }
    spread.pruned(link, refs.length === 0 ? null : refs, clock.nowMs)
  }

  // An announcement is a claim like a watermark: what we lack is asked for.
  #offer(link: Link, bytes: Uint8Array): void {
    const { options, repair, clock } = this.#parts
    const decoded = decodeOffer(bytes, options.limits)
    if (!decoded.ok) return this.#fault(link, decoded.reason)
    const { ix, seq0, count } = decoded.value
    const ref = this.#ref(link, ix)
    if (ref === null || !this.#mayMiss(ref)) return
    repair.told(ref, { next: 0, to: seq0 + count - 1, isComplete: false }, { link: link.id, nowMs: clock.nowMs })
  }

  // Ours can't be missing; what nobody may send, or lies in the future, isn't asked for.
  #mayMiss(ref: AuthorRef): boolean {
    const { clock, options } = this.#parts
    if (this.#parts.isOwn(ref) || !this.#receiver.isWelcome(ref.authorId)) return false
    return ref.startMs <= clock.wallMs + options.limits.maxSkewMs
  }

  // Null: the index was never bound, and the link is closed.
  #ref(link: Link, ix: number): AuthorRef | null {
    const bound = link.authors.get(ix)
    if (bound !== undefined) return this.#receiver.canonical(bound)
    this.#fault(link, 'unbound-author')
    return null
  }

  #check(link: Link, decoded: Result<unknown>): void {
    if (!decoded.ok) this.#fault(link, decoded.reason)
  }

  #fault(link: Link, reason: DropReason): void {
    const { links, clock } = this.#parts
    links.fault(link, reason, { points: Points.malformed, nowMs: clock.nowMs })
  }
}
