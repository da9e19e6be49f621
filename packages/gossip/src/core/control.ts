/**
 * The frames of a link that carry no messages: AUTHOR, HAVE, WANT, MISS, PRUNE, OFFER, SKIP, LINK and PEERS. Each is
 * decoded under limits and told to the machine that it is for.
 *
 * A frame that doesn't follow the format, or names an index that was never bound, closes the link. An AUTHOR is always
 * bound, also over its budget: later frames would else name somebody else, and an honest sender would pay for that.
 */
import { Arrivals } from './arrivals.js'
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
  entriesIn,
  FrameKind
} from './frames.js'
import { makeAuthorRef } from './keys.js'
import { type Link, skip } from './link.js'
import type { Tolerance } from './link-budgets.js'
import { traced } from './outbox.js'
import type { Parts } from './parts.js'
import { Points } from './peer-book.js'
import type { Receiver } from './receive.js'
import type { Result } from './result.js'
import type { Request, Supplier } from './supplier.js'
import type { AuthorRef, DropReason, HaveKind, LinkId, SeqRange } from './types.js'

/** Interprets control frames of links that are up. */
export class Control {
  readonly #parts: Parts
  readonly #receiver: Receiver
  readonly #supplier: Supplier
  readonly #arrivals: Arrivals

  constructor(parts: Parts, receiver: Receiver, supplier: Supplier) {
    this.#parts = parts
    this.#receiver = receiver
    this.#supplier = supplier
    this.#arrivals = new Arrivals(parts)
  }

  /** One frame of any kind but BATCH. */
  frame(link: Link, kind: number, bytes: Uint8Array): void {
    const { neighbours, acquaintances, clock } = this.#parts
    const { limits } = this.#parts.options
    const tolerance = this.#takeEntries(link, kind, bytes)
    if (tolerance !== 'ok') {
      this.#overBudget(link, tolerance === 'charged')
      return
    }
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
        this.#skip(link, bytes)
        break
      case FrameKind.link: {
        const frame = this.#decoded(link, decodeLink(bytes, limits))
        if (frame !== null && !neighbours.frame(link, frame, clock.nowMs)) this.#overBudget(link)
        break
      }
      case FrameKind.peers: {
        const frame = this.#decoded(link, decodePeers(bytes, limits))
        if (frame !== null && !acquaintances.told(link, frame.keys, clock.nowMs)) this.#overBudget(link)
        break
      }
      default:
        // A later version may send it: no fault.
        this.#parts.outbox.drop(link.id, 'unknown-kind', 0)
    }
  }

  // What a list costs goes by its entries, so they are counted before they are read. A list that is too long closes the link.
  #takeEntries(link: Link, kind: number, bytes: Uint8Array): Tolerance {
    const entries = entriesIn(kind, bytes)
    if (entries === 0 || entries > this.#parts.options.limits.maxHaveEntries) return 'ok'
    return link.budgets.takeEntries(entries, this.#parts.clock.nowMs)
  }

  #author(link: Link, bytes: Uint8Array): void {
    const { options, clock } = this.#parts
    const frame = this.#decoded(link, decodeAuthor(bytes, options.limits))
    if (frame === null) return
    const { ix, author, incarnation, origin } = frame
    const ref = this.#receiver.canonical(makeAuthorRef(author, incarnation, origin))
    if (!link.authors.bind(ix, ref)) this.#fault(link, 'malformed')
    else if (!link.budgets.bindings.take(1, clock.nowMs)) this.#overBudget(link)
  }

  #have(link: Link, bytes: Uint8Array): void {
    const { options, repair, clock, table, spread, haves } = this.#parts
    const frame = this.#decoded(link, decodeHave(bytes, options.limits))
    if (frame === null) return
    const isComplete = frame.have === 'join' || frame.have === 'lag'
    if (frame.have === 'live') this.#parts.neighbours.used(link, clock.nowMs)
    const told = new Map<AuthorRef, number>()
    for (const { ix, next, ahead } of frame.entries) {
      const ref = this.#ref(link, ix)
      if (ref === null) return
      const to = next - 1 + ahead
      told.set(ref, to)
      const entry = table.get(ref)
      if (frame.have === 'join' && to >= (entry?.window.top ?? -1)) spread.joined(link, ref, clock.nowMs)
      if (entry !== undefined) haves.known(link, entry, { next, to, nowMs: clock.nowMs })
      if (!this.#mayMiss(ref)) continue
      const from = { link: link.id, nowMs: clock.nowMs }
      const hasEntry = table.haveCame(ref, from)
      if (link.role === 'standby') this.#news(link, ref, to)
      repair.told(ref, { next, to, isComplete, delayMs: this.#delayMs(ref, frame.have) }, from)
      if (!hasEntry) repair.haveCame(ref, from)
    }
    haves.heard(link, frame.have, told, clock.nowMs)
  }

  // A tick is late already, and comes from a neighbour: its path to us was no shorter. A summary may come from far up the
  // tree, and tell of what is on its way down to us, if anybody brings it.
  #delayMs(ref: AuthorRef, have: HaveKind): number {
    const { haveDelayMs, haveTickMs } = this.#parts.options.limits
    if (have !== 'summary') return haveDelayMs
    return this.#parts.spread.isFed(ref) ? haveTickMs : 0
  }

  // The trees of whoever tells it work: ours perhaps don't.
  #news(link: Link, ref: AuthorRef, to: number): void {
    const { table, spread, isolation, clock } = this.#parts
    if (to > (table.get(ref)?.window.top ?? -1)) isolation.news(link, spread.heardMs(ref), clock.nowMs)
  }

  #want(link: Link, bytes: Uint8Array): void {
    const { options, clock, spread, table, outbox } = this.#parts
    const frame = this.#decoded(link, decodeWant(bytes, options.limits))
    if (frame === null) return
    const requests: Request[] = []
    const grafts = new Set<AuthorRef>()
    for (const { ix, from, count } of frame.ranges) {
      const ref = this.#ref(link, ix)
      if (ref === null) return
      if (outbox.tracer !== undefined) this.#traceWant(link, { ref, from, count }, frame.graft)
      if (frame.graft) grafts.add(ref)
      requests.push({ ref, from, count, next: (table.get(ref)?.watermark ?? -1) + 1 })
    }
    for (const ref of this.#turns(link, grafts)) outbox.sendAll(spread.grafted(link, ref), clock.nowMs)
    if (!this.#supplier.answer(link, requests, clock)) this.#overBudget(link)
  }

  #miss(link: Link, bytes: Uint8Array): void {
    const { options, repair, clock, links, outbox } = this.#parts
    const frame = this.#decoded(link, decodeMiss(bytes, options.limits))
    if (frame === null) return
    for (const { ix, ...miss } of frame.entries) {
      const ref = this.#ref(link, ix)
      if (ref === null) return
      const { from, count, reason } = miss
      outbox.tracer?.({ type: 'miss', ...incoming(link), ...traced(ref), from, count, reason })
      const askedMs = repair.takeAskedMs(link.id, ref)
      if (askedMs !== null) links.timed(link, clock.nowMs - askedMs)
      link.budgets.wantsOut.answered()
      repair.missed({ ref, ...miss }, link.id, clock.nowMs)
    }
  }

  #prune(link: Link, bytes: Uint8Array): void {
    const { options, spread, outbox } = this.#parts
    const frame = this.#decoded(link, decodePrune(bytes, options.limits))
    if (frame === null) return
    const refs = new Set<AuthorRef>()
    for (const ix of frame.ixs) {
      const ref = this.#ref(link, ix)
      if (ref === null) return
      refs.add(ref)
      outbox.tracer?.({ type: 'prune', ...incoming(link), ...traced(ref) })
    }
    if (refs.size === 0) {
      outbox.tracer?.({ type: 'prune', ...incoming(link), author: null, incarnation: null })
    }
    if (refs.size > 0) spread.pruned(link, this.#turns(link, refs))
    else if (this.#turns(link, [null]).length > 0) spread.pruned(link, null)
  }

  // Those that it may prune or graft now. Who does so again and again pays for it, at some point, once a frame.
  #turns<T extends AuthorRef | null>(link: Link, refs: Iterable<T>): T[] {
    const { clock } = this.#parts
    const turns: T[] = []
    let worst: Tolerance = 'ok'
    for (const ref of refs) {
      const tolerance = link.budgets.turn(ref, clock.nowMs)
      if (tolerance === 'ok') turns.push(ref)
      else if (worst !== 'charged') worst = tolerance
    }
    if (worst !== 'ok') this.#overBudget(link, worst === 'charged')
    return turns
  }

  // An announcement is a claim like a watermark: what we lack is asked for. Of what we have it is a copy.
  #offer(link: Link, bytes: Uint8Array): void {
    const { options, repair, clock } = this.#parts
    const frame = this.#decoded(link, decodeOffer(bytes, options.limits))
    if (frame === null) return
    const { ix, seq0, count } = frame
    const ref = this.#ref(link, ix)
    if (ref === null) return
    this.#unsend(link, ref, seq0)
    if (this.#parts.table.check(ref, seq0, count) !== 'new') {
      this.#arrivals.copy(link, { ref, seq0, count }, { mark: false, repair: false })
    } else if (this.#mayMiss(ref)) {
      const told = { next: 0, to: seq0 + count - 1, isComplete: false, delayMs: 0 }
      repair.told(ref, told, { link: link.id, nowMs: clock.nowMs })
    }
  }

  #traceWant(link: Link, { ref, from, count }: SeqRange, isGraft: boolean): void {
    const { outbox } = this.#parts
    if (isGraft) outbox.trace({ type: 'graft', ...incoming(link), ...traced(ref) })
    if (count > 0) outbox.trace({ type: 'want', ...incoming(link), ...traced(ref), from, count })
  }

  // What waits for the link needn't be sent, what comes needn't be pushed.
  #skip(link: Link, bytes: Uint8Array): void {
    const { options } = this.#parts
    const frame = this.#decoded(link, decodeSkip(bytes, options.limits))
    if (frame === null) return
    const ref = this.#ref(link, frame.ix)
    if (ref !== null) this.#unsend(link, ref, frame.seq0)
  }

  #unsend(link: Link, ref: AuthorRef, seq0: number): void {
    const { options, cache, outbox, clock } = this.#parts
    const [batch] = cache.range(ref, { from: seq0, count: 1 }, clock.highMs)
    if (batch?.seq0 === seq0) outbox.add({ type: 'unsend', link: link.id, batch })
    else skip(link, { ref, seq0 }, options.limits.maxSkips)
  }

  // Ours can't be missing; what nobody may send, or lies in the future, isn't asked for.
  #mayMiss(ref: AuthorRef): boolean {
    const { clock, options } = this.#parts
    if (this.#parts.outgoing.isOwn(ref) || !this.#receiver.isWelcome(ref.authorKey)) return false
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

  #overBudget(link: Link, isCharged = true): void {
    const { links, clock } = this.#parts
    links.fault(link, 'over-budget', { points: isCharged ? Points.overBudget : 0, nowMs: clock.nowMs })
  }

  #fault(link: Link, reason: DropReason): void {
    const { links, clock } = this.#parts
    links.fault(link, reason, { points: Points.malformed, nowMs: clock.nowMs })
  }
}

// How traces name what a link sent.
function incoming({ id: link }: Link): { link: LinkId; direction: 'in' } {
  return { link, direction: 'in' }
}
