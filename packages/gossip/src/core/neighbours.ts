/**
 * Which of the links that are up carry batches: few active ones, chosen by both ends; all others are standbys, open and
 * proven, so that promoting one costs a single frame (HyParView's two views, with open connections as the passive one).
 *
 *   standby --we have too few active, no back-off--(ask)-> asked
 *   asked   --ok, still of use | ask (both asked)--------> active    both ends tell all watermarks
 *   asked   --no-----------------------------------------> standby   back-off 10 s doubling to 60 s; the next is asked at once
 *   asked   --silence for 500 ms-------------------------> standby   the same; a suspect, if nothing at all came since
 *   standby --late answer to an ask, still of use--------> active
 *   standby --any other ok--(demote)---------------------> standby   so that both ends agree
 *   standby --ask, we take it--(ok)----------------------> active    see #takes
 *   standby --ask, we don't--(no)------------------------> standby
 *   standby --what only active links send--(demote)------> standby   an 'ok' or a 'demote' was lost
 *   active  --demote from either end---------------------> standby   leaves all trees; back-off
 *   active  --our queue lags for 10 s--(demote)----------> standby   the same, unless it is the only one
 *   active  --no frame for 3 s--(demote)-----------------> suspect   another is asked in the same step
 *   suspect --any frame----------------------------------> standby   may be asked at once
 *   suspect --2 s more-----------------------------------> dead      not asked before a frame comes; the stream is the app's
 *
 * Invariants:
 * L2. At most `maxActiveLinks` are active, and at most one per peer (L9): of two connections to one peer both ends prefer
 *     the same, see candidates.ts.
 * L3. After some round trips without changes A holds B for active if and only if B holds A for active. Who asks becomes
 *     active by the answer, never by its own ask; 'ok' and 'demote' may come twice, late, or not at all.
 * L4. `minOutboundLinks` of the active links were dialled by us, if there are that many, and places are kept for them:
 *     whoever dials in can't own all.
 * L5. An urgent ask is honoured once per link and `urgentAskMs`, if need be at the price of another link.
 * L6. With fewer than `maxActiveLinks` peers that speak, all are asked: a small topic is a full mesh by the same rules.
 * L7. An active link that has nothing to say says so every `liveMs`: silence means trouble.
 * L8. Every `exchangeMs` one active link that the other end dialled makes room for a standby.
 * L10. Who has fewer than `minActiveLinks` and was refused by all asks urgently: a few neighbours that drop what they should
 *     pass on could cut it off.
 *
 * Whom to ask is decided in `due`, once per step; while nothing is missing that looks at the active links only.
 */
import type { Limits } from '../limits.js'
import { Asks } from './asks.js'
import { Candidates } from './candidates.js'
import { compareLinks, type Link } from './link.js'
import type { Outbox } from './outbox.js'
import type { PeerBook } from './peer-book.js'
import { type NeighbourListener, Places } from './places.js'
import { type OutFrame, SEND_CONTROL } from './types.js'

type LinkWord = Omit<Extract<OutFrame, { kind: 'link' }>, 'kind'>

/** What the choice is made with. */
export interface NeighbourOptions {
  readonly limits: Limits
  readonly outbox: Outbox
  readonly book: PeerBook
  /** Uniform in [0, 1). */
  readonly random: () => number
  readonly listener: NeighbourListener
}

const NEVER = Number.POSITIVE_INFINITY

/** The roles of the links that are up. */
export class Neighbours {
  readonly #options: NeighbourOptions
  readonly #candidates: Candidates
  readonly #places: Places
  readonly #asks: Asks
  #exchangeAtMs = NEVER
  #probeAtMs = NEVER
  #nextAtMs = NEVER
  #isStopped = false

  constructor(options: NeighbourOptions) {
    this.#options = options
    this.#candidates = new Candidates(options)
    this.#places = new Places(options)
    this.#asks = new Asks(options.limits)
  }

  /** Links that carry batches, in the order in which they became active. */
  get active(): readonly Link[] {
    return this.#places.active
  }

  /** Links that are up. */
  get up(): ReadonlySet<Link> {
    return this.#candidates.up
  }

  /** Links whose answer we wait for, be it late. */
  asked(nowMs: number): Link[] {
    return [...this.#asks.open, ...[...this.#asks.late].filter(link => !this.isDead(link, nowMs))]
  }

  /** Is there a link with this peer? */
  has(peerId: string): boolean {
    return this.#candidates.of(peerId).length > 0
  }

  /** When `due` may have something to do; Infinity: never. */
  get nextAtMs(): number {
    return this.#nextAtMs
  }

  /** Standbys that hear what they are told, as far as we know. */
  standbys(): Link[] {
    return [...this.up].filter(link => link.role === 'standby' && !link.isSuspect)
  }

  /** Nobody is asked any more: we leave. */
  stop(): void {
    this.#isStopped = true
  }

  /** A link came up: a standby, until both ends agreed. */
  add(link: Link, nowMs: number): void {
    const { limits, random } = this.#options
    this.#candidates.add(link)
    if (this.#exchangeAtMs === NEVER) this.#exchangeAtMs = nowMs + limits.exchangeMs * (0.5 + random())
    this.#wake(nowMs)
  }

  /** A link is gone. */
  remove(link: Link, nowMs: number): void {
    if (!this.#candidates.delete(link)) return
    this.#asks.forget(link)
    this.#places.leave(link)
    this.#wake(nowMs)
  }

  /** A frame came on a link that is up; called before it is interpreted. */
  heard(link: Link, nowMs: number): void {
    const { limits, outbox } = this.#options
    link.heardMs = nowMs
    if (!link.isSuspect) return
    link.isSuspect = false
    // What it didn't answer in a long silence says nothing of its will.
    if (nowMs >= link.suspectSinceMs + limits.suspectMs) this.#asks.clear(link, nowMs)
    outbox.trace({ type: 'link', link: link.id, state: 'standby' })
    this.#wake(nowMs)
  }

  /** The other end says something about the role of the link. False: it asks more often than it may. */
  frame(link: Link, word: LinkWord, nowMs: number): boolean {
    switch (word.op) {
      case 'ask':
        return this.#onAsk(link, word, nowMs)
      case 'ok':
        if (link.role !== 'active') this.#onOk(link, nowMs)
        return true
      case 'no':
      case 'demote':
        if (link.askedUntilMs > 0 || link.isOwed) this.#refused(link, word.backoffMs, nowMs)
        else if (link.role === 'active' && word.op === 'demote') {
          this.#asks.refused(link, word.backoffMs, nowMs)
          this.#standBy(link, nowMs)
        }
        return true
    }
  }

  /** The other end does what only active links do. If this one isn't active, one of our words was lost. */
  used(link: Link, nowMs: number): void {
    if (link.role === 'active' || link.askedUntilMs > 0) return
    if (nowMs < link.correctedMs + this.#options.limits.liveMs) return
    link.correctedMs = nowMs
    this.#asks.forget(link)
    this.#say(link, { op: 'demote' }, nowMs)
  }

  /** Asks a standby for a place as urgently as can be, whatever our number of active links and its back-off. */
  askUrgently(link: Link, nowMs: number): void {
    if (this.#isStopped || nowMs < link.urgentAtMs || this.isDead(link, nowMs)) return
    if (!this.#candidates.mayBeAsked(link)) return
    if (this.#places.free === 0 && this.#places.spare(true) === undefined) return
    this.#ask(link, true, nowMs)
  }

  /** Did the flow of a link change? One that lags for long becomes a standby. */
  flowed(link: Link, nowMs: number): void {
    const lags = link.flow === 'lagging'
    if (lags === link.lagsSinceMs < NEVER) return
    link.lagsSinceMs = lags ? nowMs : NEVER
    this.#wake(lags ? nowMs + this.#options.limits.lagDemoteMs : nowMs)
  }

  /** Is the link silent for so long that nobody waits for it any more? */
  isDead(link: Link, nowMs: number): boolean {
    return link.isSuspect && nowMs >= link.suspectSinceMs + this.#options.limits.deadMs
  }

  /** Gives up asks and links that are silent, or lag; asks others instead. Returns links that have to be told that we live. */
  due(nowMs: number): Link[] {
    if (nowMs < this.#nextAtMs) return []
    this.#forgive(nowMs)
    for (const link of this.#asks.giveUp(nowMs)) this.#suspect(link, nowMs)
    for (const link of this.active) this.#watch(link, nowMs)
    if (nowMs >= this.#exchangeAtMs) this.#exchange(nowMs)
    const isShort = !this.#isStopped && this.#fill(nowMs)
    const told = this.active.filter(link => nowMs >= link.toldMs + this.#options.limits.liveMs)
    const probed = nowMs >= this.#probeAtMs ? this.#probed(nowMs) : []
    this.#nextAtMs = Math.max(this.#earliest(told, isShort, nowMs), nowMs + 1)
    return [...told, ...probed]
  }

  // We slept, or were busy: what came meanwhile waits to be read, so nobody was silent.
  #forgive(nowMs: number): void {
    const { liveMs } = this.#options.limits
    const lateMs = nowMs - this.#nextAtMs
    if (lateMs < liveMs) return
    for (const link of this.active) link.heardMs = Math.min(nowMs, link.heardMs + lateMs + liveMs)
    this.#asks.postpone(nowMs)
  }

  #watch(link: Link, nowMs: number): void {
    const { suspectMs, lagDemoteMs } = this.#options.limits
    if (nowMs >= link.heardMs + suspectMs) {
      this.#suspect(link, nowMs)
      this.#say(link, { op: 'demote' }, nowMs)
      this.#standBy(link, nowMs)
    } else if (nowMs >= link.lagsSinceMs + lagDemoteMs && this.active.length > 1) this.#demote(link, nowMs)
  }

  #suspect(link: Link, nowMs: number): void {
    if (link.isSuspect) return
    link.isSuspect = true
    link.suspectSinceMs = nowMs
    this.#probeAtMs = Math.min(this.#probeAtMs, nowMs + this.#options.limits.linkBackoffMs)
    this.#options.outbox.trace({ type: 'link', link: link.id, state: 'suspect' })
  }

  // Two ends that hold each other for dead would be silent for ever.
  #probed(nowMs: number): Link[] {
    const suspects = [...this.up].filter(link => link.isSuspect)
    this.#probeAtMs = suspects.length > 0 ? nowMs + this.#options.limits.linkBackoffMs : NEVER
    return suspects
  }

  #earliest(told: readonly Link[], isShort: boolean, nowMs: number): number {
    const { liveMs, suspectMs, lagDemoteMs } = this.#options.limits
    let atMs = Math.min(this.#exchangeAtMs, this.#probeAtMs, this.#asks.nextAtMs)
    for (const link of this.active) {
      const toldMs = told.includes(link) ? nowMs : link.toldMs
      atMs = Math.min(atMs, toldMs + liveMs, link.heardMs + suspectMs)
      if (this.active.length > 1) atMs = Math.min(atMs, link.lagsSinceMs + lagDemoteMs)
    }
    return isShort ? Math.min(atMs, this.#candidates.nextAtMs(nowMs)) : atMs
  }

  #wake(atMs: number): void {
    if (atMs < this.#nextAtMs) this.#nextAtMs = atMs
  }

  #onAsk(link: Link, ask: LinkWord, nowMs: number): boolean {
    const mayAsk = link.budgets.asks.take(1, nowMs)
    if (link.role === 'active') this.#say(link, { op: 'ok' }, nowMs)
    else if (mayAsk && !this.#isStopped && this.#takes(link, ask, nowMs)) {
      this.#activate(link, nowMs)
      this.#say(link, { op: 'ok' }, nowMs)
    } else {
      const { linkBackoffMs } = this.#options.limits
      link.wasRefused = true
      // Until it may ask again, and then some.
      if (ask.high) link.needyUntilMs = nowMs + 2 * linkBackoffMs
      if (link.askedUntilMs > 0) this.#refused(link, 0, nowMs)
      this.#say(link, { op: 'no', backoffMs: linkBackoffMs }, nowMs)
    }
    return mayAsk
  }

  // Does a link that asks get a place? One that we need does. Each further one costs a copy of all that floods: it gets
  // one if it asks again, for then it found no other, or if it is urgent, at the price of another.
  #takes(link: Link, ask: LinkWord, nowMs: number): boolean {
    if ((link.flow === 'lagging' && this.active.length > 0) || !this.#isChosenTwin(link)) return false
    if (link.askedUntilMs > 0 && link.isUrgent) return this.#makeRoom(nowMs)
    const hasRoom = this.#places.free > (link.isOutbound ? 0 : this.#candidates.missingOutbound(this.active))
    if (hasRoom && (this.#needs(link) || link.wasRefused)) return true
    if (!ask.high || nowMs < link.honouredMs + this.#options.limits.urgentAskMs) return false
    const spare = hasRoom ? null : this.#places.spare(false)
    if (spare === undefined) return false
    if (spare !== null) this.#demote(spare, nowMs)
    link.honouredMs = nowMs
    return true
  }

  #onOk(link: Link, nowMs: number): void {
    const isTimely = link.askedUntilMs > 0
    const isAnswer = (isTimely || link.isOwed) && this.#isChosenTwin(link)
    this.#asks.forget(link)
    const isWanted = isAnswer && (this.#needs(link) || (isTimely && link.isUrgent))
    if (isWanted && this.#makeRoom(nowMs)) this.#activate(link, nowMs)
    // Too late, not of use any more, or never asked: both ends have to agree.
    else this.#say(link, { op: 'demote' }, nowMs)
  }

  // L9. Where each end asked on another of their connections, the ask on the one that both prefer counts.
  #isChosenTwin(link: Link): boolean {
    const isFirst = (twin: Link): boolean => twin.askedUntilMs > 0 && compareLinks(twin, link) < 0
    const twins = this.#candidates.of(link.peerId)
    return twins.every(twin => twin === link || (twin.role === 'standby' && !isFirst(twin)))
  }

  #needs(link: Link): boolean {
    const isShort = this.active.length < this.#candidates.wanted()
    return isShort || (link.isOutbound && this.#candidates.missingOutbound(this.active) > 0)
  }

  #makeRoom(nowMs: number): boolean {
    if (this.#places.free > 0) return true
    const spare = this.#places.spare(true)
    if (spare === undefined) return false
    this.#demote(spare, nowMs)
    return true
  }

  // L8.
  #exchange(nowMs: number): void {
    const { limits, random } = this.#options
    this.#exchangeAtMs = nowMs + limits.exchangeMs * (0.75 + random() / 2)
    if (this.active.length < limits.activeLinks || this.#candidates.sorted(nowMs).length === 0) return
    const links = this.#places.exchangeable()
    const link = links[Math.floor(random() * links.length)]
    if (link !== undefined) this.#demote(link, nowMs)
  }

  // L4, L6: asks as many as are missing. Returns whether there are too few of them.
  #fill(nowMs: number): boolean {
    let missing = this.#candidates.wanted() - this.active.length
    let missingOutbound = this.#candidates.missingOutbound(this.active)
    for (const link of this.#asks.open) {
      missing--
      if (link.isOutbound) missingOutbound--
    }
    if (missing <= 0 && missingOutbound <= 0) return false
    const links = this.#candidates.sorted(nowMs)
    const outbound = links.filter(link => link.isOutbound)
    for (const link of outbound.slice(0, Math.max(0, missingOutbound))) {
      this.#ask(link, false, nowMs)
      missing--
    }
    for (const link of links) {
      if (missing <= 0) break
      if (link.askedUntilMs > 0) continue
      this.#ask(link, false, nowMs)
      missing--
    }
    if (links.length === 0) this.#plead(nowMs)
    return missing > 0 || outbound.length < missingOutbound
  }

  // L10. All have refused: then ten seconds with so few are too long.
  #plead(nowMs: number): void {
    const missing = this.#options.limits.minActiveLinks - this.active.length - this.#asks.open.size
    // Of few peers all are wanted, and without any active link we are isolated: that is another matter.
    if (missing <= 0 || this.active.length === 0 || !this.#candidates.areMany) return
    for (const link of this.#candidates.forPleas(nowMs).slice(0, missing)) this.askUrgently(link, nowMs)
  }

  #ask(link: Link, isUrgent: boolean, nowMs: number): void {
    this.#asks.add(link, isUrgent, nowMs)
    this.#wake(link.askedUntilMs)
    this.#say(link, { op: 'ask', high: isUrgent }, nowMs)
  }

  #refused(link: Link, backoffMs: number, nowMs: number): void {
    this.#asks.refused(link, backoffMs, nowMs)
    link.refusesUs = true
    this.#wake(nowMs)
  }

  #activate(link: Link, nowMs: number): void {
    for (const twin of this.#candidates.of(link.peerId)) this.#asks.forget(twin)
    this.#asks.clear(link, nowMs)
    link.wasRefused = false
    link.refusesUs = false
    link.needyUntilMs = nowMs
    link.heardMs = nowMs
    this.#places.take(link)
    this.#wake(nowMs)
  }

  #demote(link: Link, nowMs: number): void {
    this.#asks.backOff(link, 0, nowMs)
    // If it finds no other it may come back.
    link.wasRefused = true
    this.#say(link, { op: 'demote', backoffMs: this.#options.limits.linkBackoffMs }, nowMs)
    this.#standBy(link, nowMs)
  }

  #standBy(link: Link, nowMs: number): void {
    if (!this.#places.leave(link)) return
    this.#wake(nowMs)
    const { outbox } = this.#options
    outbox.add({ type: 'linkRole', link: link.id, role: 'standby' })
    if (!link.isSuspect) outbox.trace({ type: 'link', link: link.id, state: 'standby' })
  }

  #say(link: Link, word: Partial<LinkWord> & Pick<LinkWord, 'op'>, nowMs: number): void {
    const degree = this.active.length
    const frame = { kind: 'link', high: false, backoffMs: 0, degree, ...word } as const
    this.#options.outbox.send(link, { class: SEND_CONTROL, frame }, nowMs)
  }
}
