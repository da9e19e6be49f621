/**
 * What happens to a BATCH, cheapest check first: most that arrives is a copy of what is known, and must cost no signature.
 *
 *   sizes, author bound -> time -> authorize -> window (read) -> room in the table -> budgets -> signature -> window -> reach
 *     -> validate -> the same again if that took time -> window (written), watermark, cache -> forward -> deliver
 *
 * Invariants:
 * 1. The window is read before the signature is checked and written only after it. Else whoever names an author in a
 *    forged batch with a predicted seq silences it (go-libp2p-pubsub #155).
 * 2. Only faults that an honest forwarder can't pass on cost points, and the link that sent the batch pays, never the
 *    author that it names.
 * 3. What fails changes nothing but counters, budgets and the points of the link. What is only refused for now counts as a
 *    claim of the link, like a watermark: it is asked for later.
 * 4. The first batch seen for a seq stays. Another authentic one is refused, and told if the option says so.
 * 5. An answer to a question may come late, twice or never: the state is looked at again when it comes.
 */
import { Arrivals } from './arrivals.js'
import type { AuthorEntry } from './author-entry.js'
import type { Newcomer } from './author-table.js'
import { makeBatch, type SignedBatch } from './batch.js'
import { expiresMsOf } from './cache.js'
import { EquivocationDetector } from './equivocation.js'
import { batchOf, createdMsOf, decodeBatch, type Hop } from './frames.js'
import { nameOf } from './keys.js'
import type { Link } from './link.js'
import { tracedBatch } from './outbox.js'
import type { Parts } from './parts.js'
import { Points } from './peer-book.js'
import type { Questions } from './questions.js'
import type { AuthorRef, Batch, DropReason, Verdict, VerifyPort } from './types.js'
import { VerifyBudget } from './verify-budget.js'
import type { RangeFreshness } from './window.js'

/** Hops are counted up to here. */
const MAX_HOPS = 255

/** A batch that is judged, and how it came. */
interface Arrived {
  readonly batch: Batch
  readonly hop: Hop
  readonly link: Link
}

type Question =
  | { readonly about: 'authorize'; readonly authorKey: string }
  | ({ readonly about: 'validate' } & Arrived)

/** The way of a batch from a frame to the application. */
export class Receiver {
  readonly #parts: Parts
  readonly #questions: Questions<Question>
  readonly #onClone: (link: Link) => void
  readonly #arrivals: Arrivals
  /** Bounded by `maxAuthors`; the oldest verdict is asked for again. */
  readonly #verdicts = new Map<string, boolean>()
  readonly #parked = new Map<string, Arrived[]>()
  /** Batches whose messages are being judged; copies of them are duplicates already. */
  readonly #validating = new Map<string, Batch>()
  readonly #verifies: VerifyPort
  readonly #detector: EquivocationDetector | null

  /** @param onClone - Somebody else signs with our key and our incarnation. */
  constructor(parts: Parts, onClone: (link: Link) => void) {
    this.#parts = parts
    this.#questions = parts.questions as Questions<Question>
    this.#onClone = onClone
    this.#arrivals = new Arrivals(parts)
    const { verifies, limits, detectEquivocation } = parts.options
    this.#verifies = verifies ?? new VerifyBudget(limits)
    this.#detector = detectEquivocation === true ? new EquivocationDetector(parts) : null
  }

  /** Batches that wait for an answer. */
  get parked(): number {
    return this.#questions.parked
  }

  /** Incarnations remembered for their equivocation. */
  get evidence(): number {
    return this.#detector?.size ?? 0
  }

  /** May this author's incarnations be asked for? False only if authorize() said no. */
  isWelcome(authorKey: string): boolean {
    return this.#verdicts.get(authorKey) !== false
  }

  /** Was this author authorized by name? Then neither cap nor quota holds it up. */
  isAuthorized(authorKey: string): boolean {
    return this.#verdicts.get(authorKey) === true
  }

  /** A BATCH frame of a link that is up. */
  frame(link: Link, bytes: Uint8Array): void {
    const { options, links, clock } = this.#parts
    const decoded = decodeBatch(bytes, options.limits)
    const bound = decoded.ok ? link.authors.get(decoded.value.ix) : undefined
    if (!decoded.ok || bound === undefined) {
      links.fault(link, decoded.ok ? 'unbound-author' : decoded.reason, this.#charge(Points.malformed))
      return
    }
    const frame = decoded.value
    const ref = this.canonical(bound)
    link.batchMs = clock.nowMs
    if (frame.repair) {
      link.budgets.wantsOut.answered()
      this.#time(link, ref)
    } else this.#parts.neighbours.used(link, clock.nowMs)
    const createdMs = createdMsOf(frame, ref)
    const { seq0, count, ttlSeconds, class: classBits, payloadBytes } = frame
    // A view on the frame: what follows copies nothing before it has to.
    const header = { ref, seq0, count, createdMs, ttlSeconds, class: classBits, payloadBytes }
    // Durable batches belong to feeds; this topic has none.
    if (frame.class !== 0) this.#drop(link, 'unauthorized')
    else if (
      this.#isTimely(link, header) &&
      this.#isAuthorized(link, header, () => batchOf(frame, ref), frame)
    ) {
      if (this.#isNew(link, header, frame)) this.#verify({ batch: batchOf(frame, ref), hop: frame, link })
    }
    // Whatever became of the last batch of an answer: nothing more comes. What waits to be judged isn't asked for again at once.
    const isWaiting = this.#waiting(header) !== undefined || this.#parked.has(ref.authorKey)
    if (frame.repair && frame.last && !isWaiting) this.#parts.repair.answered(link.id, ref, clock.nowMs)
  }

  /** The one object that stands for an incarnation. */
  canonical(ref: AuthorRef): AuthorRef {
    return this.#parts.table.get(ref)?.ref ?? this.#parts.repair.strangerRef(ref) ?? ref
  }

  /** An answer to one of our questions. */
  answered(question: unknown, verdicts: readonly Verdict[]): void {
    const item = question as Question
    if (item.about === 'authorize') this.#authorized(item.authorKey, verdicts[0] === 'accept')
    else this.#validated(item, verdicts)
  }

  /** A question that nobody answered. */
  unanswered(question: unknown): void {
    const item = question as Question
    if (item.about === 'validate') {
      this.#validated(item, [])
      return
    }
    // Not remembered: the next batch asks again.
    for (const { link } of this.#takeParked(item.authorKey)) this.#drop(link, 'unauthorized')
  }

  #isTimely(link: Link, header: SignedBatch): boolean {
    const { clock, options, repair } = this.#parts
    const { maxSkewMs } = options.limits
    const { createdMs, ref, seq0: from, count } = header
    const aheadMs = Math.max(createdMs, ref.startMs) - clock.wallMs
    // NaN: beyond what a clock can say.
    if (!(aheadMs <= maxSkewMs)) {
      // If our clock is wrong, or its, that doesn't make it a liar: by its own clock it may be right.
      const isLie = !(Math.min(aheadMs, aheadMs - link.clockOffsetMs) <= 2 * maxSkewMs)
      const points = isLie ? Points.badTime : 0
      this.#parts.links.fault(link, 'from-the-future', this.#charge(points))
      return false
    }
    if (clock.highMs > createdMs + header.ttlSeconds * 1000 + maxSkewMs) return this.#refuse(link, 'expired')
    if (createdMs >= clock.horizonMs) return true
    // This link has no other form of it, so it need not be asked for it again.
    repair.missed({ ref, from, count, floor: 0, reason: 'expired' }, link.id, clock.nowMs)
    return this.#refuse(link, 'before-horizon')
  }

  #isAuthorized(link: Link, header: SignedBatch, makeBatch: () => Batch, hop: Hop): boolean {
    const { options, outbox, clock } = this.#parts
    const { authorKey } = header.ref
    if (options.asksAuthorize !== true || this.#parts.outgoing.isOwn(header.ref)) return true
    const verdict = this.#verdicts.get(authorKey)
    if (verdict !== undefined) return verdict || this.#refuse(link, 'unauthorized')
    const parked = this.#parked.get(authorKey)
    if (parked === undefined && !link.budgets.strangers.take(1, clock.nowMs))
      return this.#refuse(link, 'over-budget')
    if (!this.#questions.park(link.id)) return this.#refuse(link, 'parked-full')
    const arrived = { batch: makeBatch(), hop: hopOf(hop), link }
    if (parked !== undefined) parked.push(arrived)
    else {
      this.#parked.set(authorKey, [arrived])
      const question = this.#questions.ask({ about: 'authorize', authorKey }, clock.nowMs)
      outbox.add({ type: 'ask', question, about: 'authorize', author: header.ref.author })
    }
    return false
  }

  #authorized(authorKey: string, isAuthorized: boolean): void {
    for (const oldest of this.#verdicts.keys()) {
      if (this.#verdicts.size < this.#parts.options.limits.maxAuthors) break
      this.#verdicts.delete(oldest)
    }
    this.#verdicts.set(authorKey, isAuthorized)
    for (const arrived of this.#takeParked(authorKey)) {
      const { link, hop } = arrived
      const batch = this.#canonicalBatch(arrived.batch)
      if (!isAuthorized) this.#drop(link, 'unauthorized')
      else if (this.#isTimely(link, batch) && this.#isNew(link, batch, hop))
        this.#verify({ batch, hop, link })
    }
  }

  #takeParked(authorKey: string): Arrived[] {
    const parked = this.#parked.get(authorKey) ?? []
    this.#parked.delete(authorKey)
    for (const { link } of parked) this.#questions.unpark(link.id)
    return parked
  }

  // Reads the window and the table; writes neither.
  #isNew(link: Link, header: SignedBatch, hop: Hop): boolean {
    const { table, clock } = this.#parts
    const { ref } = header
    const freshness = this.#freshness(header)
    // An overlap goes on to the signature: a forged one is charged, an authentic one isn't the forwarder's fault. So does
    // what only looks like a copy, if that matters to anybody.
    if (freshness === 'stale' || (freshness === 'duplicate' && !this.#isOther(header))) {
      // Of a busy author a copy that is a little late is older than the window. It is pruned like others.
      this.#parts.outbox.tracer?.({ type: 'duplicate', link: link.id, ...tracedBatch(header) })
      this.#parts.outbox.counters.duplicates++
      this.#arrivals.copy(link, header, hop)
      return this.#refuse(link, this.#parts.outgoing.isOwn(ref) ? 'own' : freshness)
    }
    const entry = table.get(ref)
    if (entry === undefined && !table.canAdmit(this.#newcomer(link, ref), clock.nowMs)) {
      return this.#refuse(link, 'table-full')
    }
    if (this.#takeBudgets(link, entry, header.payloadBytes.length)) return true
    return this.#postpone(link, header, 'over-budget')
  }

  // Not now: nobody else may ever tell that it is there, so it is asked for later.
  #postpone(link: Link, { ref, seq0, count }: SignedBatch, reason: DropReason): false {
    const { repair, outgoing, clock } = this.#parts
    const from = { link: link.id, nowMs: clock.nowMs }
    if (!outgoing.isOwn(ref)) repair.postpone(ref, seq0 + count - 1, from)
    return this.#refuse(link, reason)
  }

  // The budget that all share comes last: what is refused for another reason takes nothing from it.
  #takeBudgets(link: Link, entry: AuthorEntry | undefined, bytes: number): boolean {
    const { nowMs } = this.#parts.clock
    if (!link.budgets.verifies.take(1, nowMs)) return false
    if (entry !== undefined && !entry.takePace(bytes, nowMs, this.#parts.options.limits)) return false
    return this.#verifies.take(link.peerId, nowMs)
  }

  // What is being judged is taken for accepted.
  #freshness(header: SignedBatch): RangeFreshness {
    const freshness = this.#parts.table.check(header.ref, header.seq0, header.count)
    return freshness === 'new' && this.#waiting(header) !== undefined ? 'duplicate' : freshness
  }

  #waiting(header: SignedBatch): Batch | undefined {
    return this.#validating.size > 0 ? this.#validating.get(batchNameOf(header)) : undefined
  }

  // Is this no copy of what has these seqs, but something else? Of own incarnations the detector knows nothing: there it
  // would be a clone.
  #isOther(header: SignedBatch): boolean {
    return this.#detector?.differs(header, this.#waiting(header)) === true
  }

  #verify(arrived: Arrived): void {
    const { options, digester, outbox, links, repair, clock } = this.#parts
    const { batch, link } = arrived
    outbox.counters.verified++
    if (!options.crypto.verify(batch.signature, digester.digest(batch), digester.author)) {
      links.fault(link, 'bad-signature', this.#charge(Points.badSignature))
      return
    }
    const freshness = this.#freshness(batch)
    if (this.#parts.outgoing.isOwn(batch.ref)) {
      this.#onClone(link)
      this.#drop(link, 'own')
    } else if (freshness !== 'new') {
      this.#detector?.found(batch, this.#waiting(batch))
      if (freshness === 'duplicate') outbox.counters.duplicates++
      this.#drop(link, freshness)
    } else if (!repair.mayAccept(batch, link.id, clock.nowMs)) this.#drop(link, 'too-far-ahead')
    else if (options.asksValidate === true) this.#validate(arrived)
    else this.#commit(arrived, null)
  }

  #validate(arrived: Arrived): void {
    const { outbox, clock } = this.#parts
    const { batch, hop, link } = arrived
    if (!this.#questions.park(link.id)) {
      this.#postpone(link, batch, 'parked-full')
      return
    }
    this.#validating.set(batchNameOf(batch), batch)
    const item = { about: 'validate', batch, hop: hopOf(hop), link } as const
    const question = this.#questions.ask(item, clock.nowMs)
    outbox.add({ type: 'ask', question, about: 'validate', batch, hops: hop.hops, link: link.id })
  }

  #validated(arrived: Arrived, verdicts: readonly Verdict[]): void {
    const { table, clock, links } = this.#parts
    const { hop, link } = arrived
    const batch = this.#canonicalBatch(arrived.batch)
    this.#questions.unpark(link.id)
    this.#validating.delete(batchNameOf(batch))
    // Time passed: what held before the question may not hold any more.
    if (!this.#isTimely(link, batch)) return
    const freshness = table.check(batch.ref, batch.seq0, batch.count)
    const newcomer = this.#newcomer(link, batch.ref)
    const hasRoom = table.get(batch.ref) !== undefined || table.canAdmit(newcomer, clock.nowMs)
    if (freshness !== 'new' || !hasRoom) {
      if (freshness === 'overlap' || (freshness === 'duplicate' && this.#isOther(batch)))
        this.#detector?.found(batch)
      this.#drop(link, freshness !== 'new' ? freshness : 'table-full')
      return
    }
    const accepted: number[] = []
    for (let i = 0; i < batch.count; i++) if (verdicts[i] === 'accept') accepted.push(i)
    this.#commit({ batch, hop, link }, accepted.length === batch.count ? null : accepted)
    if (accepted.length > 0) return
    let rejected = 0
    for (let i = 0; i < batch.count; i++) if (verdicts[i] === 'reject') rejected++
    if (rejected === batch.count) links.fault(link, 'rejected', this.#charge(Points.rejected))
    else this.#drop(link, 'ignored')
  }

  // One step, in this order: table, repair, cache; then forward, then deliver. What nobody accepted is marked, too: it was
  // judged, and must neither be asked for nor judged again.
  #commit(arrived: Arrived, accepted: readonly number[] | null): void {
    const { table, repair, cache, clock, haves, book, links, outbox } = this.#parts
    const { batch, hop, link } = arrived
    const { nowMs, highMs } = clock
    let entry = table.get(batch.ref)
    if (entry === undefined) {
      entry = table.admit(this.#newcomer(link, batch.ref), batch.seq0, nowMs)
      repair.admitted(entry, batch.seq0)
    }
    const expiresMs = expiresMsOf(batch)
    const lost = table.accept(entry, { seq0: batch.seq0, count: batch.count, expiresMs })
    this.#detector?.accepted(entry, batch)
    const involved = repair.accepted(entry, batch, { link: link.id, nowMs, highMs, expiresMs, lost })
    book.reward(link.peerId, nowMs)
    this.#parts.isolation.accepted(nowMs)
    const { isMarked, knowing } = this.#arrivals.first(link, batch, { hop, ...involved })
    if (hop.repair) outbox.counters.repaired++
    if (accepted !== null && accepted.length === 0) return
    const hops = Math.min(hop.hops + 1, MAX_HOPS)
    if (expiresMs >= highMs) cache.add(batch, { hops, highMs })
    const pushed = this.#parts.outgoing.forward(batch, { from: link, knowing, hops, isMarked })
    const to = batch.seq0 + batch.count - 1
    haves.changed(entry, { active: links.active, from: link, pushed, knowing, to }, nowMs)
    outbox.counters.delivered += accepted?.length ?? batch.count
    outbox.add({ type: 'deliver', batch, hops: hop.hops, accepted, link: link.id })
  }

  #newcomer(link: Link, ref: AuthorRef): Newcomer {
    return { ref, peerId: link.peerId, isPinned: this.isAuthorized(ref.authorKey) }
  }

  // The entry may have been made, or dropped, while the batch waited.
  #canonicalBatch(batch: Batch): Batch {
    const ref = this.canonical(batch.ref)
    if (ref === batch.ref) return batch
    const { seq0, count, createdMs, ttlSeconds, class: classBits, payloadBytes, signature, head } = batch
    const signed = { ref, seq0, count, createdMs, ttlSeconds, class: classBits, payloadBytes }
    return makeBatch(signed, signature, head)
  }

  #time(link: Link, ref: AuthorRef): void {
    const { repair, links, clock } = this.#parts
    const askedMs = repair.takeAskedMs(link.id, ref)
    if (askedMs !== null) links.timed(link, clock.nowMs - askedMs)
  }

  #charge(points: number): { points: number; nowMs: number } {
    return { points, nowMs: this.#parts.clock.nowMs }
  }

  #drop(link: Link, reason: DropReason): void {
    this.#parts.outbox.drop(link.id, reason, 0)
  }

  #refuse(link: Link, reason: DropReason): false {
    this.#drop(link, reason)
    return false
  }
}

const batchNameOf = ({ ref, seq0 }: Pick<Batch, 'ref' | 'seq0'>): string => nameOf(ref) + seq0

// A frame is a view on network memory: a batch that waits must not hold on to it.
const hopOf = ({ hops, mark, repair, last }: Hop): Hop => ({ hops, mark, repair, last })
