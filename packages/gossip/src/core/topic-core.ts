/**
 * One topic of one process, as a sans-IO state machine: `step(input, nowMs)` returns what is to be done, in order.
 * Start reading here; the decisions are in the machines that this file composes by plain calls:
 *
 *   publish -> publisher.ts (seq, batch, signature) -> spread.ts (which links) -> effect 'send'
 *   frame   -> links.ts (proven? admitted?) -> receive.ts (BATCH) or control.ts (all else) -> effects 'send', 'deliver'
 *   HAVE    -> repair.ts (what is missing, whom to ask) -> WANT -> supplier.ts (at the other end) -> BATCH
 *   LINK    -> neighbours.ts (which links are active) -> trees.ts (which of them get whose batches)
 *   time    -> chores.ts (what is due, and in which order)
 *   memory  -> author-table.ts (windows, watermarks), cache.ts (batches for WANT), peer-book.ts (points, refusals)
 *
 * Invariants: no clock, no randomness, no timer, no promise in here. Equal inputs give equal effects. `step` never throws
 * for what a remote sent. Everything that is remembered has a bound in limits.ts.
 */
import type { Helper } from './asking.js'
import { Chores } from './chores.js'
import { Control } from './control.js'
import { Entrance, isAdmit } from './entrance.js'
import { FrameKind, maxBatchFrameBytes } from './frames.js'
import { encodeHello, FEATURE_OFFER, FEATURE_PEERS, ownHello, ROLES_ALL } from './hello.js'
import { explain, type LinkState, linkState } from './inspect.js'
import type { Link } from './link.js'
import type { LinkListener } from './links.js'
import type { TopicCounters } from './outbox.js'
import { assemble, type Parts } from './parts.js'
import { Doubts } from './peer-book.js'
import type { Full } from './publisher.js'
import { Receiver } from './receive.js'
import type { Spread } from './spread.js'
import { Supplier } from './supplier.js'
import type {
  ConnectionBinding,
  IncarnationState,
  LinkId,
  TopicCoreOptions,
  TopicEffect,
  TopicInput,
  Verdict
} from './types.js'

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
  readonly #chores: Chores
  #hasLeft = false
  #wakeAtMs = Number.POSITIVE_INFINITY

  /** @param spread - Where batches go; default: along a tree for each author. */
  constructor(options: TopicCoreOptions, spread: Spread | null = null) {
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
    this.#chores = new Chores(parts, {
      link: link => this.#entrance.answered(link, false),
      other: item => this.#receiver.unanswered(item)
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
      if (!this.#hasLeft) this.#chores.due(input.type === 'tick')
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
      features: FEATURE_OFFER | FEATURE_PEERS,
      maxFrameBytes: maxBatchFrameBytes(limits),
      clockMs: Math.max(0, Math.floor(this.#parts.clock.wallMs)),
      degree: Math.min(255, this.#parts.links.active.length)
    })
    return encodeHello(hello)
  }

  /**
   * Why messages of an author are late: one state per live incarnation, then those that were only told of. `authorHex`: 64
   * lowercase hex digits.
   */
  explain(authorHex: string): IncarnationState[] {
    return explain(this.#parts, authorHex)
  }

  /** The links that are up. */
  links(): LinkState[] {
    const up = [...this.#parts.links.all()].filter(({ state }) => state === 'up')
    return up.map(link => linkState(this.#parts, link))
  }

  /** A link that is up. */
  link(id: LinkId): LinkState | undefined {
    const link = this.#parts.links.get(id)
    return link?.state === 'up' ? linkState(this.#parts, link) : undefined
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
        if (link !== undefined) this.#parts.links.gone(link, 'closed', this.#parts.clock.nowMs)
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
    this.#parts.neighbours.heard(link, nowMs)
    if (kind !== FrameKind.author && !link.intake.take(bytes.length, nowMs)) {
      this.#parts.outbox.drop(link.id, 'over-budget', 0)
      return
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
    if (state === 'lagging') link.budgets.answersDropped()
    if (state === 'lagging' && before !== 'lagging') {
      this.#parts.outbox.add({ type: 'warning', code: 'slow-peer', link: id })
    }
    if (state === 'blocked' && before === 'lagging') link.flow = 'lagging'
    this.#parts.neighbours.flowed(link, this.#parts.clock.nowMs)
    if (link.flow !== before) this.#parts.outbox.trace({ type: 'link', link: id, state: link.flow })
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
    const { wallMs } = this.#parts.clock
    const change = this.#parts.clock.setOffset(offsetMs)
    this.#parts.links.clockMoved(this.#parts.clock.wallMs - wallMs)
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
    for (const batch of batches) this.#parts.outgoing.publish(batch)
    for (const publish of refused) this.#parts.outbox.add({ type: 'refused', publish, reason: 'closed' })
    this.#hasLeft = true
    this.#parts.neighbours.stop()
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

  #wake(isTick: boolean): void {
    const atMs = this.#hasLeft ? Number.POSITIVE_INFINITY : this.#chores.nextAtMs
    // A tick used the driver's timer up, so it is told again, also when nothing changed.
    if (atMs === this.#wakeAtMs && !isTick) return
    this.#wakeAtMs = atMs
    this.#parts.outbox.add({ type: 'wake', atMs })
  }

  // What repair may know of a link; undefined: it can't be asked.
  #helper(id: LinkId): Helper | undefined {
    const { links, table, book, clock } = this.#parts
    const link = links.get(id)
    if (link === undefined || link.state !== 'up' || link.isSuspect) return undefined
    const { rttMs, peerId, budgets } = link
    return {
      rttMs,
      mayIntroduce: ref => {
        const isPinned = this.#receiver.isAuthorized(ref.authorKey)
        return table.canAdmit({ ref, peerId, isPinned }, clock.nowMs)
      },
      batchMs: link.batchMs,
      wantWaitMs: () => budgets.wantsOut.waitMs(clock.nowMs),
      takeWant: () => budgets.wantsOut.take(clock.nowMs),
      brokePromise: () => book.doubt(peerId, Doubts.brokenPromise, clock.nowMs)
    }
  }

  #listener(): LinkListener {
    return {
      linkActive: link => {
        const { spread, haves, acquaintances, outbox, clock } = this.#parts
        const frames = spread.linkActive(link)
        haves.all(link, 'join', clock)
        outbox.sendAll(frames, clock.nowMs)
        acquaintances.linkActive(link, clock.nowMs)
      },
      isFeeding: link => this.#parts.spread.isFeeding(link, this.#parts.clock.nowMs),
      linkInactive: link => {
        const { spread, haves, outbox, clock } = this.#parts
        haves.linkInactive(link)
        outbox.sendAll(spread.linkInactive(link), clock.nowMs)
      },
      linkGone: link => this.#parts.repair.linkDown(link.id, this.#parts.clock.nowMs)
    }
  }
}
