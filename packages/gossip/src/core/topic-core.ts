/**
 * One topic of one process, as a sans-IO state machine: `step(input, nowMs)` returns what is to be done, in order.
 * Start reading here; the decisions are in the machines that this file composes by plain calls:
 *
 *   publish -> publisher.ts (seq, batch, signature) -> spread.ts (which links) -> effect 'send'
 *   frame   -> links.ts (proven? admitted?) -> receive.ts (BATCH) or control.ts (all else) -> effects 'send', 'deliver'
 *   HAVE    -> repair.ts (what is missing, whom to ask) -> WANT -> supplier.ts (at the other end) -> BATCH
 *   memory  -> author-table.ts (windows, watermarks), cache.ts (batches for WANT), peer-book.ts (points, refusals)
 *
 * Invariants: no clock, no randomness, no timer, no promise in here. Equal inputs give equal effects. `step` never throws
 * for what a remote sent. Everything that is remembered has a bound in limits.ts.
 */
import { AuthorTable } from './author-table.js'
import { BatchDigester } from './batch.js'
import { BatchCache, expiresMsOf } from './cache.js'
import { Clock } from './clock.js'
import { Control } from './control.js'
import { batchFrameBytes, FrameKind, maxBatchFrameBytes } from './frames.js'
import { Haves } from './haves.js'
import { encodeHello, ownHello, ROLES_ALL } from './hello.js'
import { topicIdOf } from './keys.js'
import { type Link, Links } from './links.js'
import { Outbox, type TopicCounters } from './outbox.js'
import { PeerBook } from './peer-book.js'
import { type OwnBatch, Publisher } from './publisher.js'
import { Questions } from './questions.js'
import { Receiver, type ReceiverParts } from './receive.js'
import { Repair } from './repair.js'
import { Flood, type Spread } from './spread.js'
import { Supplier } from './supplier.js'
import {
  type AuthorRef,
  type ConnectionBinding,
  type IncarnationState,
  type LinkId,
  SEND_CONTROL,
  SEND_OWN,
  type TopicCoreOptions,
  type TopicEffect,
  type TopicInput,
  type Verdict
} from './types.js'

/** How often expired batches and entries are looked for. */
const SWEEP_MS = 1000

/** A question about a link; those about authors and batches belong to the receiver. */
interface AdmitQuestion {
  readonly about: 'admit'
  readonly link: Link
}

/** How a link looks from outside. */
export interface LinkState {
  link: LinkId
  role: 'active' | 'standby'
  /** Smoothed round trip, ms; 0: unknown. */
  rttMs: number
  /** Demerit points; negative: useful. At 100 the peer key is refused. */
  score: number
}

/**
 * One topic of one process.
 *
 * @example
 * const core = new TopicCore({ topicKey, author, crypto, limits: LIMITS, startMs: nowMs })
 * for (const effect of core.step({ type: 'publish', publish: 1, payload }, nowMs)) apply(effect)
 */
export class TopicCore {
  /** What every signature of this topic is bound to; 32 bytes, never sent. */
  readonly topicId: Uint8Array

  readonly #options: TopicCoreOptions
  readonly #outbox: Outbox
  readonly #clock: Clock
  readonly #table: AuthorTable
  readonly #cache: BatchCache
  readonly #book: PeerBook
  readonly #links: Links
  readonly #spread: Spread
  readonly #repair: Repair
  readonly #haves: Haves
  readonly #publisher: Publisher
  readonly #receiver: Receiver
  readonly #control: Control
  readonly #questions: Questions<unknown>
  /** Ids of own incarnations that still have an entry, and of the current one. */
  readonly #own = new Set<string>()
  readonly #authorId: string
  #hasLeft = false
  #sweepAtMs = Number.POSITIVE_INFINITY
  #wakeAtMs = Number.POSITIVE_INFINITY

  /** @param spread - Where batches go; default: to every active link. */
  constructor(options: TopicCoreOptions, spread: Spread = new Flood()) {
    const { limits, crypto, topicKey, startMs } = options
    this.#options = options
    this.#spread = spread
    this.topicId = topicIdOf(crypto, topicKey)
    this.#authorId = Array.from(options.author, byte => byte.toString(16).padStart(2, '0')).join('')
    const digester = new BatchDigester(crypto, this.topicId)
    const outbox = new Outbox(options.trace)
    const clock = new Clock(startMs, limits.maxSkewMs)
    const table = new AuthorTable(limits, startMs)
    const cache = new BatchCache(limits)
    const book = new PeerBook(limits)
    const haves = new Haves(limits, table, outbox)
    const repair = new Repair(limits, table, link => this.#helper(link))
    const links = new Links({ limits, crypto, topicKey, outbox, book, listener: this.#listener() })
    const isOwn = (ref: AuthorRef): boolean =>
      ref.authorId === this.#authorId && this.#own.has(ref.incarnationId)
    const onClone = (link: Link): void => this.#onClone(link)
    const parts: ReceiverParts = {
      options, clock, digester, table, cache, repair, spread, links, book, haves, outbox, isOwn, onClone
    }
    this.#outbox = outbox
    this.#clock = clock
    this.#table = table
    this.#cache = cache
    this.#book = book
    this.#haves = haves
    this.#repair = repair
    this.#links = links
    this.#questions = new Questions(limits)
    this.#receiver = new Receiver(parts, this.#questions)
    this.#control = new Control(parts, this.#receiver, new Supplier({ limits, cache, outbox }))
    this.#publisher = new Publisher({
      limits,
      crypto,
      author: options.author,
      digest: batch => digester.digest(batch),
      ttlMs: options.ttlMs ?? limits.ttlMs,
      batchMs: options.batchMs ?? 0
    })
  }

  /** What was counted since the start. Live: read it, don't write it. */
  get counters(): Readonly<TopicCounters> {
    return this.#outbox.counters
  }

  /** Sizes of what is remembered, for tests of bounds and for people. */
  get sizes(): Readonly<Record<string, number>> {
    return {
      links: this.#links.size,
      authors: this.#table.size,
      chargedPeers: this.#table.chargedPeers,
      cacheBytes: this.#cache.bytes,
      cacheBatches: this.#cache.size,
      repairs: this.#repair.size,
      rememberedPeers: this.#book.size,
      questions: this.#questions.size,
      parked: this.#questions.parked,
      waitingPublishes: this.#publisher.waiting
    }
  }

  /**
   * Tells the core something.
   *
   * @param nowMs - Unix ms that never decreases.
   * @returns What is to be done: all of it, in this order.
   */
  step(input: TopicInput, nowMs: number): TopicEffect[] {
    this.#clock.advance(nowMs)
    if (this.#hasLeft) this.#afterLeave(input)
    else {
      this.#on(input)
      if (!this.#hasLeft) this.#due(input.type === 'tick')
    }
    this.#wake(input.type === 'tick')
    return this.#outbox.take()
  }

  /** Our hello on a connection: what the channel is opened with. */
  ownHello(binding: ConnectionBinding): Uint8Array {
    const { crypto, topicKey, limits } = this.#options
    const hello = ownHello(crypto, topicKey, {
      binding,
      roles: ROLES_ALL,
      features: 0,
      maxFrameBytes: maxBatchFrameBytes(limits),
      clockMs: Math.max(0, Math.floor(this.#clock.wallMs)),
      degree: Math.min(255, this.#links.active.length)
    })
    return encodeHello(hello)
  }

  /** Why messages of an author are late: one state per live incarnation. `authorHex`: 64 lowercase hex digits. */
  explain(authorHex: string): IncarnationState[] {
    const states: IncarnationState[] = []
    for (const { ref, watermark, window } of this.#table.of(authorHex)) {
      const gaps = this.#repair
        .gapsOf(ref)
        .map(({ from, to, askedOf, nextAtMs }) => ({ from, to, askedOf, nextAtMs }))
      const parent = this.#spread.parentOf(ref)
      states.push({ incarnation: ref.incarnationId, parent, watermark, top: window.top, gaps })
    }
    return states
  }

  /** The links that are up. */
  links(): LinkState[] {
    const states: LinkState[] = []
    for (const { id: link, state, role, rttMs, peerId } of this.#links.all()) {
      if (state !== 'up') continue
      states.push({ link, role, rttMs, score: this.#book.points(peerId, this.#clock.nowMs) })
    }
    return states
  }

  #on(input: TopicInput): void {
    switch (input.type) {
      case 'linkOpening':
        return this.#links.open(input.link, input, this.#clock.nowMs)
      case 'hello':
        return this.#onHello(input.link, input.bytes)
      case 'frame':
        return this.#onFrame(input.link, input.kind, input.bytes)
      case 'linkDown': {
        const link = this.#links.get(input.link)
        if (link !== undefined) this.#links.gone(link, 'closed')
        return
      }
      case 'lagging':
      case 'blocked':
      case 'drained':
        return this.#onFlow(input.link, input.type)
      case 'publish': {
        const isTaken = this.#publisher.add(input.publish, input.payload, input.ttlMs)
        if (!isTaken) this.#outbox.add({ type: 'refused', publish: input.publish, reason: 'full' })
        return
      }
      case 'cancel':
        return this.#publisher.cancel(input.publish)
      case 'answer':
        return this.#onAnswer(input.question, input.verdicts)
      case 'clock':
        return this.#onClock(input.offsetMs)
      case 'tick':
        return
      case 'leave':
        return this.#onLeave()
    }
  }

  #onHello(id: LinkId, bytes: Uint8Array): void {
    const link = this.#links.get(id)
    if (link === undefined || !this.#links.hello(link, bytes, this.#clock)) return
    if (this.#options.asksAdmit !== true) return this.#up(link)
    const question = this.#questions.ask({ about: 'admit', link }, this.#clock.nowMs)
    this.#outbox.add({ type: 'ask', question, about: 'admit', link: id })
  }

  #onFrame(id: LinkId, kind: number, bytes: Uint8Array): void {
    const link = this.#links.get(id)
    // Frames that were under way when we closed the link come here, too.
    if (link === undefined || link.state === 'opening') return this.#outbox.drop(id, 'unproven', 0)
    if (link.state === 'admitting') {
      if (!this.#links.hold(link, { kind, bytes })) this.#outbox.drop(id, 'unadmitted', 0)
      return
    }
    this.#interpret(link, kind, bytes)
  }

  #interpret(link: Link, kind: number, bytes: Uint8Array): void {
    const { nowMs } = this.#clock
    this.#links.heard(link, nowMs)
    if (kind !== FrameKind.author) {
      const { frames, bytes: size } = link.budgets
      if (!frames.take(1, nowMs) || !size.take(bytes.length, nowMs)) {
        return this.#outbox.drop(link.id, 'over-budget', 0)
      }
    }
    if (kind === FrameKind.batch) this.#receiver.frame(link, bytes)
    else this.#control.frame(link, kind, bytes)
  }

  #up(link: Link): void {
    for (const { kind, bytes } of this.#links.up(link, this.#clock.nowMs)) {
      // An earlier one may have cost the link.
      if (this.#links.get(link.id) === link) this.#interpret(link, kind, bytes)
    }
  }

  #onFlow(id: LinkId, state: 'lagging' | 'blocked' | 'drained'): void {
    const link = this.#links.get(id)
    if (link === undefined) return
    const before = link.flow
    link.flow = state === 'drained' ? 'open' : state
    if (state === 'lagging' && before !== 'lagging') {
      this.#outbox.add({ type: 'warning', code: 'slow-peer', link: id })
    }
    if (state === 'blocked' && before === 'lagging') link.flow = 'lagging'
    if (state === 'drained' && before === 'lagging' && link.state === 'up') {
      this.#haves.all(link, 'lag', this.#clock)
    }
  }

  #onAnswer(question: number, verdicts: readonly Verdict[]): void {
    const item = this.#questions.answer(question)
    if (item === undefined) return
    if (isAdmit(item)) this.#admitted(item.link, verdicts[0] === 'accept')
    else this.#receiver.answered(item, verdicts)
  }

  #admitted(link: Link, isAdmitted: boolean): void {
    if (this.#links.get(link.id) !== link || link.state !== 'admitting') return
    if (isAdmitted) this.#up(link)
    else this.#links.refuse(link, this.#clock.nowMs)
  }

  #onClock(offsetMs: number): void {
    const change = this.#clock.setOffset(offsetMs)
    this.#repair.recheck(this.#clock.nowMs)
    if (change === 'steady') return
    this.#publisher.renew()
    this.#outbox.add({ type: 'warning', code: 'clock', link: null })
  }

  #onClone(link: Link): void {
    this.#publisher.renew()
    this.#outbox.add({ type: 'warning', code: 'clone', link: link.id })
  }

  #onLeave(): void {
    const { batches, refused } = this.#publisher.leave(this.#clock.wallMs)
    for (const batch of batches) this.#sendOwn(batch)
    for (const publish of refused) this.#outbox.add({ type: 'refused', publish, reason: 'closed' })
    this.#hasLeft = true
    for (const link of [...this.#links.all()]) {
      this.#links.close(link, 'left', { backoffMs: 0, nowMs: this.#clock.nowMs })
    }
  }

  #afterLeave(input: TopicInput): void {
    if (input.type === 'publish') {
      this.#outbox.add({ type: 'refused', publish: input.publish, reason: 'closed' })
    }
    if (input.type === 'linkOpening') {
      this.#outbox.add({ type: 'closeLink', link: input.link, reason: 'left', backoffMs: 0 })
    }
  }

  // Whatever time or the input made due. Publishing comes first: it is what somebody waits for.
  #due(isTick: boolean): void {
    const { nowMs, wallMs } = this.#clock
    const { active } = this.#links
    const hasRoom = active.length === 0 || active.some(link => link.flow === 'open')
    for (const batch of this.#publisher.pump({ nowMs, wallMs, hasRoom, isTick })) this.#sendOwn(batch)
    if (this.#questions.nextAtMs <= nowMs) {
      for (const item of this.#questions.due(nowMs)) {
        if (isAdmit(item)) this.#admitted(item.link, false)
        else this.#receiver.unanswered(item)
      }
    }
    if (this.#links.nextAtMs <= nowMs) {
      for (const link of this.#links.due(nowMs)) this.#haves.live(link, nowMs)
    }
    this.#sweep()
    this.#repairDue()
    this.#haves.due(this.#links.active, nowMs)
  }

  #repairDue(): void {
    for (const { link: id, ranges } of this.#repair.due(this.#clock)) {
      const link = this.#links.get(id)
      if (link === undefined) continue
      const frame = { kind: 'want', graft: this.#spread.wantsGraft(link), ranges } as const
      this.#outbox.send(link, { class: SEND_CONTROL, frame }, this.#clock.nowMs)
    }
    for (const { ref, told } of this.#repair.takeLosses()) {
      if (told === null) continue
      this.#outbox.counters.missed += told.to - told.from + 1
      this.#outbox.add({ type: 'gap', author: ref.author, incarnation: ref.incarnationId, ...told })
    }
  }

  #sweep(): void {
    const { nowMs, highMs } = this.#clock
    if (this.#table.size === 0 && this.#cache.size === 0) {
      this.#sweepAtMs = Number.POSITIVE_INFINITY
      return
    }
    if (this.#sweepAtMs === Number.POSITIVE_INFINITY) this.#sweepAtMs = nowMs + SWEEP_MS
    if (nowMs < this.#sweepAtMs) return
    this.#sweepAtMs = nowMs + SWEEP_MS
    this.#cache.expire(highMs)
    for (const entry of this.#table.expire(highMs, this.#publisher.ref)) {
      this.#repair.forget(entry.ref)
      this.#haves.forget(entry)
      this.#spread.forget(entry.ref)
      if (entry.ref.authorId === this.#authorId) this.#own.delete(entry.ref.incarnationId)
    }
  }

  #sendOwn({ batch, publishes }: OwnBatch): void {
    const { nowMs } = this.#clock
    const { ref, seq0, count } = batch
    const { counters } = this.#outbox
    this.#own.add(ref.incarnationId)
    const entry = this.#table.get(ref) ?? this.#table.admitOwn(ref)
    this.#table.accept(entry, { seq0, count, expiresMs: expiresMsOf(batch) })
    this.#cache.add(batch, true)
    this.#haves.changed(entry, this.#links.active.length, nowMs)
    counters.signed++
    counters.published += count
    const size = batchFrameBytes(batch)
    const mark = this.#spread.marks(batch, nowMs)
    const frame = { kind: 'batch', batch, hops: 0, mark, repair: false, last: false } as const
    let links = 0
    for (const link of this.#spread.targets(batch, null)) {
      if (link.flow === 'lagging') continue // it hears watermarks, and pulls
      if (size > link.maxFrameBytes) {
        counters.oversized++
        continue
      }
      links++
      this.#outbox.send(link, { class: SEND_OWN, frame }, nowMs)
    }
    for (const [i, publish] of publishes.entries()) {
      const seq = seq0 + i
      this.#outbox.add({ type: 'published', publish, incarnation: ref.incarnationId, seq, links })
    }
    this.#outbox.add({ type: 'deliver', batch, hops: 0, accepted: null, link: null })
  }

  #wake(isTick: boolean): void {
    const sweepAtMs = this.#table.size > 0 || this.#cache.size > 0 ? this.#sweepAtMs : Number.POSITIVE_INFINITY
    const atMs = this.#hasLeft
      ? Number.POSITIVE_INFINITY
      : Math.min(
          this.#publisher.nextAtMs,
          this.#questions.nextAtMs,
          this.#links.nextAtMs,
          this.#repair.nextAtMs,
          this.#haves.nextAtMs,
          sweepAtMs
        )
    // A tick used the driver's timer up, so it is told again, also when nothing changed.
    if (atMs === this.#wakeAtMs && !isTick) return
    this.#wakeAtMs = atMs
    this.#outbox.add({ type: 'wake', atMs })
  }

  #helper(id: LinkId): ReturnType<typeof helperOf> | undefined {
    const link = this.#links.get(id)
    if (link === undefined || link.state !== 'up' || link.isSuspect) return undefined
    return helperOf(link, {
      mayIntroduce: ref => {
        const isPinned = this.#receiver.isAuthorized(ref.authorId)
        return this.#table.canAdmit({ ref, peerId: link.peerId, isPinned }, this.#clock.nowMs)
      },
      nowMs: this.#clock.nowMs
    })
  }

  #listener(): { linkActive(link: Link): void; linkInactive(link: Link): void; linkGone(link: Link): void } {
    return {
      linkActive: link => {
        this.#spread.linkActive(link)
        this.#haves.all(link, 'join', this.#clock)
      },
      linkInactive: link => {
        for (const { link: to, frame } of this.#spread.linkInactive(link, this.#clock.nowMs)) {
          this.#outbox.send(to, { class: SEND_CONTROL, frame }, this.#clock.nowMs)
        }
      },
      linkGone: link => this.#repair.linkDown(link.id, this.#clock.nowMs)
    }
  }
}

function isAdmit(item: unknown): item is AdmitQuestion {
  return (item as { about: string }).about === 'admit'
}

function helperOf(link: Link, about: { mayIntroduce: (ref: AuthorRef) => boolean; nowMs: number }) {
  return {
    rttMs: link.rttMs,
    mayIntroduce: about.mayIntroduce,
    takeWant: (): number => {
      const { wantsOut } = link.budgets
      return wantsOut.take(1, about.nowMs) ? 0 : wantsOut.waitMs(1, about.nowMs)
    }
  }
}
