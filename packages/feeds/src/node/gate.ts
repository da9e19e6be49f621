/**
 * Runs the gate of one muxer: does what core/gate decides, and answers the peer's opens.
 *
 * There is one gate per muxer in the process, found under a global symbol, so that two sets, two sessions and two copies
 * of this package share it: with two gates the second would silently replace the first. Default deny: the gate pairs
 * for every feed and attaches only those that a holder grants.
 *
 * A revoke is three things: no new channel may be made (at once, through the guard), the feed is detached, and its channel
 * is closed. Each of the last two alone leaks: a detached feed goes on sending on its open channel, a closed channel is
 * opened again by the replicator.
 */
import { GateCore, type GateEffect, type GateInput, type GateState } from '../core/gate.js'
import { FeedsError } from '../errors.js'
import type { FeedsLimits } from '../limits.js'
import { guardChannels } from './channel-guard.js'
import { AskBudget } from './gate-asks.js'
import { channelsOf, closeChannels } from './gate-channels.js'
import type { GateFeed, GateHolder } from './gate-types.js'
import { GateWarnings } from './gate-warnings.js'
import { errorOf } from './guard.js'
import { type Core, REPLICATION_PROTOCOL } from './hypercore.js'
import { gateId } from './keys.js'
import { openingSlots } from './opening-slots.js'
import type { MuxLike } from './protomux.js'
import { within } from './within.js'

const REGISTRY = Symbol.for('hearsay.gates/1')
const shared = globalThis as { [REGISTRY]?: WeakMap<object, Gate> }
shared[REGISTRY] ??= new WeakMap()
const gates = shared[REGISTRY]

/** The gate of this muxer; made with these limits if there is none yet. */
export function gateOf(mux: MuxLike, limits: Readonly<FeedsLimits>): Gate {
  const known = gates.get(mux)
  if (known !== undefined) return known
  const gate = new Gate(mux, limits)
  gates.set(mux, gate)
  return gate
}

interface Attachment {
  feed: GateFeed
  core: Core
}

/** See the head of this file. */
export class Gate {
  readonly #mux: MuxLike
  readonly #limits: Readonly<FeedsLimits>
  readonly #core: GateCore
  readonly #holders = new Map<number, GateHolder>()
  /** By feed, then by holder. */
  readonly #feeds = new Map<string, Map<number, GateFeed>>()
  readonly #attached = new Map<string, Attachment>()
  readonly #waiting = new Map<string, (() => void)[]>()
  readonly #warnings = new GateWarnings(error => {
    for (const holder of this.#holders.values()) holder.warn(error)
  })
  readonly #asks: AskBudget
  readonly #pump = (): void => this.#step({ kind: 'tick' })
  #nextHolder = 1
  #timer: NodeJS.Timeout | null = null
  /** Opens of the peer that were refused. */
  refused = 0

  constructor(mux: MuxLike, limits: Readonly<FeedsLimits>) {
    this.#mux = mux
    this.#limits = limits
    this.#asks = new AskBudget(limits)
    this.#core = new GateCore(
      { ...limits, maxOpening: limits.maxOpeningPerMux },
      {
        take: isForced => openingSlots.take(limits.maxOpening, isForced, this.#pump),
        give: () => openingSlots.give(),
        hasRoom: (id, beside) => this.#hasRoom(id, beside, false)
      }
    )
    mux.stream.on('close', () => this.#onMuxClose())
    guardChannels(mux, {
      protocol: REPLICATION_PROTOCOL,
      asked: id => this.#asked(id),
      mayBeOpen: id => this.#mayBeOpen(gateId(id)),
      refused: id => this.#onForeign(id)
    })
  }

  /** A number for a new holder. */
  newHolderNumber(): number {
    return this.#nextHolder++
  }

  join(holder: GateHolder): void {
    this.#holders.set(holder.number, holder)
  }

  /** Ends every grant of this holder. Resolves when what nobody else grants is closed. */
  async leave(holder: GateHolder): Promise<void> {
    const ids = this.#core.idsOf(holder.number)
    await Promise.all(ids.map(id => this.ungrant(holder, id)))
    this.#holders.delete(holder.number)
  }

  /** Where this feed stands; undefined: not granted. */
  state(id: string): GateState | undefined {
    return this.#core.state(id)
  }

  isGrantedBy(holder: GateHolder, id: string): boolean {
    return this.#core.isGrantedBy(id, holder.number)
  }

  /** Grants a feed; nothing is opened until it is wanted, or the peer asks. */
  grant(holder: GateHolder, feed: GateFeed): void {
    const id = gateId(feed.discoveryKey)
    if (this.#core.isGrantedBy(id, holder.number)) return
    const feeds = this.#feeds.get(id) ?? new Map<number, GateFeed>()
    feeds.set(holder.number, feed)
    this.#feeds.set(id, feeds)
    this.#step({ kind: 'grant', id, holder: holder.number })
    if (this.#core.state(id) === 'attached') holder.changed(id, true)
  }

  /**
   * Ends this holder's grant. Resolves when the feed is detached and closed, or when another holder keeps it.
   *
   * @returns False: it wasn't granted by this holder.
   */
  async ungrant(holder: GateHolder, id: string): Promise<boolean> {
    const isGranted = this.#core.isGrantedBy(id, holder.number)
    if (isGranted) {
      this.#step({ kind: 'ungrant', id, holder: holder.number })
      const feeds = this.#feeds.get(id)
      feeds?.delete(holder.number)
      if (feeds?.size === 0) this.#feeds.delete(id)
      holder.changed(id, false)
    }
    while (!this.#core.isGranted(id) && this.#core.isBusy(id)) await this.#settled(id)
    return isGranted
  }

  /** The peer has more of this feed than we, or says that it may be opened now. `isUrgent`: before all others. */
  want(id: string, isInvited: boolean, isUrgent = false): void {
    this.#step({ kind: 'want', id, isInvited, isUrgent })
  }

  /**
   * Closes a feed that is attached, if nothing has moved for `idleMs`; it stays granted. `isCrowded`: others wait for its place,
   * so that also one that lacks blocks gives it up, if they don't come, and tries again later.
   */
  rest(id: string, idleMs: number, isCrowded: boolean): void {
    const core = this.#attached.get(id)?.core
    if (core === undefined || this.#core.state(id) !== 'attached' || core.idleMs < idleMs) return
    const isStalled = core.idleMs >= this.#limits.stallMs
    const { isLacking } = core
    if (!isLacking && (isStalled || !core.isOfUse)) this.#step({ kind: 'idle', id })
    else if (isLacking && isStalled && isCrowded && !core.isWaitedFor) {
      this.#step({ kind: 'gone', id, isMissed: true })
    }
  }

  /** Feeds that are attached now. */
  attached(): string[] {
    return [...this.#attached.keys()]
  }

  /** What waits for room may have it now. */
  pump(): void {
    this.#pump()
  }

  /** Resolves when the running job of this feed is done. */
  #settled(id: string): Promise<void> {
    return new Promise(resolve => {
      const waiting = this.#waiting.get(id)
      if (waiting === undefined) this.#waiting.set(id, [resolve])
      else waiting.push(resolve)
    })
  }

  #mayBeOpen(id: string): boolean {
    return this.#core.mayBeOpen(id) && this.#feedsOf(id).some(feed => feed.isAllowed())
  }

  #hasRoom(id: string, beside: number, isAsked: boolean): boolean {
    return this.#feedsOf(id).some(feed => feed.hasRoom(beside, isAsked))
  }

  #feedsOf(id: string): GateFeed[] {
    return [...(this.#feeds.get(id)?.values() ?? [])]
  }

  #step(input: GateInput): void {
    const nowMs = performance.now()
    for (const effect of this.#core.step(input, nowMs)) this.#apply(effect, nowMs)
    if (input.kind !== 'tick') this.#wakeWaiting(input.id)
  }

  #wakeWaiting(id: string): void {
    if (this.#core.isBusy(id)) return
    const waiting = this.#waiting.get(id)
    if (waiting === undefined) return
    this.#waiting.delete(id)
    for (const resolve of waiting) resolve()
  }

  #apply(effect: GateEffect, nowMs: number): void {
    switch (effect.kind) {
      case 'open':
        void this.#open(effect.id)
        return
      case 'attach':
        void this.#attach(effect.id)
        return
      case 'detach':
        void this.#detach(effect.id)
        return
      case 'destroy':
        this.#destroy(effect.id)
        return
      case 'rest':
        for (const number of [...(this.#feeds.get(effect.id)?.keys() ?? [])]) {
          this.#holders.get(number)?.rested(effect.id)
        }
        return
      case 'wake':
        this.#wakeAt(effect.atMs - nowMs)
        return
    }
  }

  #wakeAt(delayMs: number): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = setTimeout(this.#pump, Math.max(1, delayMs))
    this.#timer.unref()
  }

  async #open(id: string): Promise<void> {
    const before = this.#attached.get(id)
    let isOpen = false
    for (const feed of this.#feedsOf(id)) {
      if (!feed.isAllowed()) continue
      try {
        const core = await feed.acquire()
        // It may have been revoked, or the connection closed, while it opened.
        isOpen = feed.isAllowed() && !this.#mux.stream.destroying
        if (isOpen) this.#attached.set(id, { feed, core })
        else feed.release()
        if (isOpen) before?.feed.release()
      } catch (fault) {
        if (feed.isAllowed()) this.#warn(id, 'WARN_FEEDS_OPEN', 'a feed could not be opened', fault)
      }
      if (isOpen) break
    }
    if (!isOpen) before?.core.detach(this.#mux)
    this.#step({ kind: 'opened', id, isOpen })
    if (!isOpen || this.#core.state(id) === undefined) this.#drop(id)
  }

  async #attach(id: string): Promise<void> {
    const attachment = this.#attached.get(id)
    try {
      attachment?.core.attach(this.#mux)
    } catch (fault) {
      this.#warn(id, 'WARN_FEEDS_OPEN', 'a feed could not be attached', fault)
    }
    // Hypercore makes its channel one microtask after the stream opened.
    await this.#mux.stream.opened
    this.#step({ kind: 'attached', id })
    this.#tellHolders(id)
    const isAccepted = (await channelsOf(this.#mux, id)[0]?.fullyOpened()) === true
    // Revoked and granted again meanwhile: this answer belongs to a channel that is gone.
    if (this.#attached.get(id) !== attachment) return
    this.#step({ kind: 'answered', id, isAccepted })
    this.#tellHolders(id)
    if (attachment !== undefined) await this.#watch(id, attachment)
  }

  /** Sees when the peer closes its channel; Hypercore may make another one at once. */
  async #watch(id: string, attachment: Attachment): Promise<void> {
    for (
      let [channel] = channelsOf(this.#mux, id);
      channel !== undefined;
      [channel] = channelsOf(this.#mux, id)
    ) {
      await channel.fullyClosed()
    }
    if (this.#attached.get(id) === attachment)
      this.#step({ kind: 'gone', id, isMissed: attachment.core.isLacking })
  }

  async #detach(id: string): Promise<void> {
    const attachment = this.#attached.get(id)
    this.#attached.delete(id)
    this.#tellHolders(id)
    let isDone = false
    try {
      attachment?.core.detach(this.#mux)
      isDone = await within(closeChannels(this.#mux, id), this.#limits.closeMs, false)
    } catch (fault) {
      this.#warn(id, 'WARN_FEEDS_STUCK', 'a feed could not be detached', fault)
    }
    attachment?.feed.release()
    this.#step({ kind: 'detached', id, isDone })
  }

  #drop(id: string): void {
    this.#attached.get(id)?.feed.release()
    this.#attached.delete(id)
  }

  #destroy(id: string): void {
    this.#warn(id, 'WARN_FEEDS_STUCK', `a feed did not close within ${this.#limits.closeMs} ms (closeMs)`)
    this.#mux.stream.destroy(new Error('a revoked feed could not be closed'))
  }

  /** The peer opened a feed that has no slot. Never throws or rejects: that would end the process or the stream. */
  async #asked(discoveryKey: Uint8Array): Promise<void> {
    try {
      await within(this.#answer(discoveryKey), this.#limits.finderMs, undefined)
    } catch (fault) {
      this.#warn(gateId(discoveryKey), 'WARN_FEEDS_FINDER', 'a feed could not be looked up', fault)
    }
  }

  async #answer(discoveryKey: Uint8Array): Promise<void> {
    const id = gateId(discoveryKey)
    if (!this.#core.isGranted(id)) for (const holder of this.#holders.values()) holder.admit(discoveryKey)
    if (!this.#core.isGranted(id)) {
      if (!this.#asks.take()) {
        this.refused++
        return this.#warn(id, 'WARN_FEEDS_PEER', 'a peer opens too many feeds that it was not granted')
      }
      await Promise.all([...this.#holders.values()].map(holder => this.#find(holder, discoveryKey)))
    }
    while (this.#core.isGranted(id) && this.#core.isBusy(id)) await this.#settled(id)
    // Has the job that was just waited for made the channel that the peer asks for?
    if (this.#core.isGranted(id) && channelsOf(this.#mux, id).length === 0) {
      if (this.#hasRoom(id, 0, true)) this.#step({ kind: 'asked', id })
      // Refused for now; as soon as there is room it is we who open it.
      else this.#step({ kind: 'want', id, isInvited: true })
      while (this.#core.isBusy(id)) await this.#settled(id)
    }
    if (!this.#mayBeOpen(id)) this.refused++
  }

  async #find(holder: GateHolder, discoveryKey: Uint8Array): Promise<void> {
    try {
      await holder.find(discoveryKey)
    } catch (fault) {
      const cause = errorOf(fault)
      holder.warn(new FeedsError('WARN_FEEDS_FINDER', `a finder failed: ${cause.message}`, { cause }))
    }
  }

  #onForeign(discoveryKey: Uint8Array | null): void {
    // A feed that we know is hypercore's own reopening after a revoke: refused, and nothing to tell.
    if (discoveryKey !== null && this.#core.state(gateId(discoveryKey)) !== undefined) return
    this.#warn(
      '',
      'WARN_FEEDS_FOREIGN_REPLICATE',
      'something else replicates hypercores on this connection; it was stopped. Never call replicate() of a store or core here'
    )
  }

  #tellHolders(id: string): void {
    const state = this.#core.state(id)
    for (const number of this.#feeds.get(id)?.keys() ?? []) {
      this.#holders.get(number)?.changed(id, state === 'attached')
    }
  }

  #warn(id: string, code: FeedsError['code'], message: string, fault?: unknown): void {
    const text = id === '' ? message : `${message} (discovery key ${id.slice(0, 8)})`
    this.#warnings.warn(code, text, fault)
  }

  #onMuxClose(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    openingSlots.leave(this.#pump)
    for (const id of this.attached()) {
      for (const number of this.#feeds.get(id)?.keys() ?? []) this.#holders.get(number)?.changed(id, false)
      this.#drop(id)
    }
    for (const waiting of this.#waiting.values()) for (const resolve of waiting) resolve()
    this.#waiting.clear()
  }
}
