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
import type { Helper } from './asking.js'
import { Control } from './control.js'
import { Entrance, isAdmit } from './entrance.js'
import { FrameKind, maxBatchFrameBytes } from './frames.js'
import { encodeHello, ownHello, ROLES_ALL } from './hello.js'
import type { Link } from './link.js'
import type { LinkListener } from './links.js'
import type { TopicCounters } from './outbox.js'
import { assemble, type Parts } from './parts.js'
import type { Full } from './publisher.js'
import { Receiver } from './receive.js'
import { Flood, type Spread } from './spread.js'
import { Supplier } from './supplier.js'
import {
  type ConnectionBinding,
  type IncarnationState,
  type LinkId,
  SEND_CONTROL,
  type TopicCoreOptions,
  type TopicEffect,
  type TopicInput,
  type Verdict
} from './types.js'

/** How often expired batches and entries are looked for. */
const SWEEP_MS = 1000

/** How a link looks from outside. */
export interface LinkState {
  /** The driver's number. */
  link: LinkId
  /** Batches are pushed to 'active' links; a 'standby' is a twin of another link to this peer, or silent. */
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

  readonly #parts: Parts
  readonly #entrance: Entrance
  readonly #receiver: Receiver
  readonly #control: Control
  #hasLeft = false
  #sweepAtMs = Number.POSITIVE_INFINITY
  #wakeAtMs = Number.POSITIVE_INFINITY

  /** @param spread - Where batches go; default: to every active link. */
  constructor(options: TopicCoreOptions, spread: Spread = new Flood()) {
    const helpers = (link: LinkId): Helper | undefined => this.#helper(link)
    const parts = assemble(options, spread, { listener: this.#listener(), helpers })
    const { limits } = options
    const { links, questions, outbox, clock, cache } = parts
    this.#parts = parts
    this.topicId = parts.topicId
    this.#receiver = new Receiver(parts, link => this.#onClone(link))
    this.#control = new Control(parts, this.#receiver, new Supplier({ limits, cache, outbox }))
    this.#entrance = new Entrance({
      links,
      questions,
      outbox,
      clock,
      asks: options.asksAdmit === true,
      interpret: (link, kind, bytes) => this.#interpret(link, kind, bytes)
    })
  }

  /** What was counted since the start. Live: read it, don't write it. */
  get counters(): Readonly<TopicCounters> {
    return this.#parts.outbox.counters
  }

  /** Sizes of what is remembered, for tests of bounds and for people. */
  get sizes(): Readonly<Record<string, number>> {
    return {
      links: this.#parts.links.size,
      authors: this.#parts.table.size,
      chargedPeers: this.#parts.table.chargedPeers,
      cacheBytes: this.#parts.cache.bytes,
      cacheBatches: this.#parts.cache.size,
      repairs: this.#parts.repair.size,
      rememberedPeers: this.#parts.book.size,
      questions: this.#parts.questions.size,
      parked: this.#parts.questions.parked,
      waitingPublishes: this.#parts.publisher.waiting,
      waitingBytes: this.#parts.publisher.waitingBytes,
      evidence: this.#receiver.evidence
    }
  }

  /**
   * Tells the core something.
   *
   * @param nowMs - Unix ms that never decreases.
   * @returns What is to be done: all of it, in this order.
   */
  step(input: TopicInput, nowMs: number): TopicEffect[] {
    this.#parts.clock.advance(nowMs)
    if (this.#hasLeft) this.#afterLeave(input)
    else {
      this.#on(input)
      if (!this.#hasLeft) this.#due(input.type === 'tick')
    }
    this.#wake(input.type === 'tick')
    return this.#parts.outbox.take()
  }

  /** Our hello on a connection: what the channel is opened with. */
  ownHello(binding: ConnectionBinding): Uint8Array {
    const { crypto, topicKey, limits } = this.#parts.options
    const hello = ownHello(crypto, topicKey, {
      binding,
      roles: ROLES_ALL,
      features: 0,
      maxFrameBytes: maxBatchFrameBytes(limits),
      clockMs: Math.max(0, Math.floor(this.#parts.clock.wallMs)),
      degree: Math.min(255, this.#parts.links.active.length)
    })
    return encodeHello(hello)
  }

  /** Why messages of an author are late: one state per live incarnation. `authorHex`: 64 lowercase hex digits. */
  explain(authorHex: string): IncarnationState[] {
    const states: IncarnationState[] = []
    for (const { ref, watermark, window } of this.#parts.table.of(authorHex)) {
      const gaps = this.#parts.repair
        .gapsOf(ref)
        .map(({ from, to, askedOf, nextAtMs }) => ({ from, to, askedOf, nextAtMs }))
      const parent = this.#parts.spread.parentOf(ref)
      states.push({ incarnation: ref.incarnationId, parent, watermark, top: window.top, gaps })
    }
    return states
  }

  /** The links that are up. */
  links(): LinkState[] {
    const states: LinkState[] = []
    for (const { id: link, state, role, rttMs, peerId } of this.#parts.links.all()) {
      if (state !== 'up') continue
      states.push({ link, role, rttMs, score: this.#parts.book.points(peerId, this.#parts.clock.nowMs) })
    }
    return states
  }

  #on(input: TopicInput): void {
    switch (input.type) {
      case 'linkOpening':
        this.#parts.links.open(input.link, input, this.#parts.clock.nowMs)
        break
      case 'hello':
        this.#entrance.hello(input.link, input.bytes)
        break
      case 'frame':
        this.#entrance.frame(input.link, input.kind, input.bytes)
        break
      case 'linkDown': {
        const link = this.#parts.links.get(input.link)
        if (link !== undefined) this.#parts.links.gone(link, 'closed')
        return
      }
      case 'dismiss': {
        const { links, clock } = this.#parts
        const link = links.get(input.link)
        if (link !== undefined) links.refuse(link, clock.nowMs)
        return
      }
      case 'lagging':
      case 'blocked':
      case 'drained':
        this.#onFlow(input.link, input.type)
        break
      case 'publish': {
        const full = this.#parts.publisher.add(input.publish, input.payload, input.ttlMs)
        if (full !== null) this.#onFull(input.publish, full)
        return
      }
      case 'cancel':
        this.#parts.publisher.cancel(input.publish)
        break
      case 'answer':
        this.#onAnswer(input.question, input.verdicts)
        break
      case 'clock':
        this.#onClock(input.offsetMs)
        break
      case 'tick':
        return
      case 'leave':
        this.#onLeave()
        break
    }
  }

  #interpret(link: Link, kind: number, bytes: Uint8Array): void {
    const { nowMs } = this.#parts.clock
    this.#parts.links.heard(link, nowMs)
    if (kind !== FrameKind.author) {
      const { frames, bytes: size } = link.budgets
      if (!frames.take(1, nowMs) || !size.take(bytes.length, nowMs)) {
        this.#parts.outbox.drop(link.id, 'over-budget', 0)
        return
      }
    }
    if (kind === FrameKind.batch) this.#receiver.frame(link, bytes)
    else this.#control.frame(link, kind, bytes)
  }

  #onFull(publish: number, full: Full): void {
    const { options, outbox } = this.#parts
    const isDropped = options.onFull === 'drop'
    if (isDropped) outbox.counters.unsent++
    outbox.add({ type: 'refused', publish, reason: isDropped ? 'dropped' : 'full', ...full })
  }

  #onFlow(id: LinkId, state: 'lagging' | 'blocked' | 'drained'): void {
    const link = this.#parts.links.get(id)
    if (link === undefined) return
    const before = link.flow
    link.flow = state === 'drained' ? 'open' : state
    if (state === 'lagging' && before !== 'lagging') {
      this.#parts.outbox.add({ type: 'warning', code: 'slow-peer', link: id })
    }
    if (state === 'blocked' && before === 'lagging') link.flow = 'lagging'
    if (state === 'drained' && before === 'lagging' && link.state === 'up') {
      this.#parts.haves.all(link, 'lag', this.#parts.clock)
    }
  }

  #onAnswer(question: number, verdicts: readonly Verdict[]): void {
    const item = this.#parts.questions.answer(question)
    if (item === undefined) return
    if (isAdmit(item)) this.#entrance.answered(item.link, verdicts[0] === 'accept')
    else this.#receiver.answered(item, verdicts)
  }

  #onClock(offsetMs: number): void {
    const change = this.#parts.clock.setOffset(offsetMs)
    this.#parts.repair.recheck(this.#parts.clock.nowMs)
    if (change === 'steady') return
    this.#parts.publisher.renew()
    this.#parts.outbox.add({ type: 'warning', code: 'clock', link: null })
  }

  #onClone(link: Link): void {
    this.#parts.publisher.renew()
    this.#parts.outbox.add({ type: 'warning', code: 'clone', link: link.id })
  }

  #onLeave(): void {
    const { batches, refused } = this.#parts.publisher.leave(this.#parts.clock.wallMs)
    for (const batch of batches) this.#parts.outgoing.publish(batch, this.#parts.links.active.length)
    for (const publish of refused) this.#parts.outbox.add({ type: 'refused', publish, reason: 'closed' })
    this.#hasLeft = true
    for (const link of [...this.#parts.links.all()]) {
      this.#parts.links.close(link, 'left', { backoffMs: 0, nowMs: this.#parts.clock.nowMs })
    }
  }

  #afterLeave(input: TopicInput): void {
    if (input.type === 'publish') {
      this.#parts.outbox.add({ type: 'refused', publish: input.publish, reason: 'closed' })
    }
    if (input.type === 'linkOpening') {
      this.#parts.outbox.add({ type: 'closeLink', link: input.link, reason: 'left', backoffMs: 0 })
    }
  }

  // Whatever time or the input made due. Publishing comes first: it is what somebody waits for.
  #due(isTick: boolean): void {
    const { nowMs, wallMs } = this.#parts.clock
    const { active } = this.#parts.links
    const hasRoom = active.length === 0 || active.some(link => link.flow === 'open')
    for (const batch of this.#parts.publisher.pump({ nowMs, wallMs, hasRoom, isTick }))
      this.#parts.outgoing.publish(batch, this.#parts.links.active.length)
    if (this.#parts.questions.nextAtMs <= nowMs) {
      for (const item of this.#parts.questions.due(nowMs)) {
        if (isAdmit(item)) this.#entrance.answered(item.link, false)
        else this.#receiver.unanswered(item)
      }
    }
    if (this.#parts.links.nextAtMs <= nowMs) {
      for (const link of this.#parts.links.due(nowMs)) this.#parts.haves.live(link, nowMs)
    }
    this.#sweep()
    this.#repairDue()
    this.#parts.haves.due(this.#parts.links.active, nowMs)
  }

  #repairDue(): void {
    for (const { link: id, ranges } of this.#parts.repair.due(this.#parts.clock)) {
      const link = this.#parts.links.get(id)
      if (link === undefined) continue
      const frame = { kind: 'want', graft: this.#parts.spread.wantsGraft(link), ranges } as const
      this.#parts.outbox.send(link, { class: SEND_CONTROL, frame }, this.#parts.clock.nowMs)
    }
    for (const { ref, told } of this.#parts.repair.takeLosses()) {
      if (told === null) continue
      this.#parts.outbox.counters.missed += told.to - told.from + 1
      this.#parts.outbox.add({ type: 'gap', author: ref.author, incarnation: ref.incarnationId, ...told })
    }
  }

  #sweep(): void {
    const { nowMs, highMs } = this.#parts.clock
    if (this.#parts.table.size === 0 && this.#parts.cache.size === 0) {
      this.#sweepAtMs = Number.POSITIVE_INFINITY
      return
    }
    if (this.#sweepAtMs === Number.POSITIVE_INFINITY) this.#sweepAtMs = nowMs + SWEEP_MS
    if (nowMs < this.#sweepAtMs) return
    this.#sweepAtMs = nowMs + SWEEP_MS
    this.#parts.cache.expire(highMs)
    for (const entry of this.#parts.table.expire(highMs, this.#parts.publisher.ref)) {
      this.#parts.repair.forget(entry.ref)
      this.#parts.haves.forget(entry)
      this.#parts.spread.forget(entry.ref)
      this.#parts.outgoing.forget(entry.ref)
    }
  }

  #wake(isTick: boolean): void {
    const sweepAtMs =
      this.#parts.table.size > 0 || this.#parts.cache.size > 0 ? this.#sweepAtMs : Number.POSITIVE_INFINITY
    const atMs = this.#hasLeft
      ? Number.POSITIVE_INFINITY
      : Math.min(
          this.#parts.publisher.nextAtMs,
          this.#parts.questions.nextAtMs,
          this.#parts.links.nextAtMs,
          this.#parts.repair.nextAtMs,
          this.#parts.haves.nextAtMs,
          sweepAtMs
        )
    // A tick used the driver's timer up, so it is told again, also when nothing changed.
    if (atMs === this.#wakeAtMs && !isTick) return
    this.#wakeAtMs = atMs
    this.#parts.outbox.add({ type: 'wake', atMs })
  }

  // What repair may know of a link; undefined: it can't be asked.
  #helper(id: LinkId): Helper | undefined {
    const { links, table, clock } = this.#parts
    const link = links.get(id)
    if (link === undefined || link.state !== 'up' || link.isSuspect) return undefined
    const { rttMs, peerId, budgets } = link
    return {
      rttMs,
      mayIntroduce: ref => {
        const isPinned = this.#receiver.isAuthorized(ref.authorId)
        return table.canAdmit({ ref, peerId, isPinned }, clock.nowMs)
      },
      takeWant: () => (budgets.wantsOut.take(1, clock.nowMs) ? 0 : budgets.wantsOut.waitMs(1, clock.nowMs))
    }
  }

  #listener(): LinkListener {
    return {
      linkActive: link => {
        this.#parts.spread.linkActive(link)
        this.#parts.haves.all(link, 'join', this.#parts.clock)
      },
      linkInactive: link => {
        for (const { link: to, frame } of this.#parts.spread.linkInactive(link, this.#parts.clock.nowMs)) {
          this.#parts.outbox.send(to, { class: SEND_CONTROL, frame }, this.#parts.clock.nowMs)
        }
      },
      linkGone: link => this.#parts.repair.linkDown(link.id, this.#parts.clock.nowMs)
    }
  }
}
