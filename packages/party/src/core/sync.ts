/**
 * One-shot sync: when is this node, and when are its peers, up to date?
 *
 *   GATHER --a peer is LIVE; with each proven peer the sets are compared and its introductions judged--> WAIT
 *   WAIT   --all targets reached, and each peer misses nothing of what it was told before----------------> done
 *
 * At the turn to WAIT the goal is frozen: per feed the greatest length that a LIVE peer claims to hold. Nothing raises it
 * afterwards: it falls when a peer goes, so every call ends. SYNCED tells a peer how many blocks we still want from it,
 * and its `round` how many of its RECORDS, INTRODUCE and LENGTHS we had seen: a SYNCED that doesn't cover all that we
 * sent before the freeze says nothing about them yet.
 *
 * Invariants: 1. a peer without progress for `stallMs` leaves the goal. 2. SYNCED is sent at most once per
 * `syncedEveryMs` and channel, and only when it says something new. 3. Undecided introductions are out of the goal.
 */
import type { Compare } from './compare.js'
import type { Lengths } from './lengths.js'
import type { ChannelState, CoreState } from './state.js'
import type { CallToken, ChannelId } from './types.js'

/** What one peer says that it holds of one feed, in blocks. */
export interface PeerClaim {
  readonly channel: ChannelId
  readonly length: number
  /** From 0 on, without a hole. */
  readonly complete: number
}

/** A peer in a frozen goal. */
interface GoalPeer {
  readonly newsSent: number
  /** What it missed last, and since when that hasn't changed. */
  missing: number
  sinceMs: number
}

/** One call of synced(). */
interface Goal {
  readonly token: CallToken
  /** Blocks here when it began, by feed. */
  readonly before: ReadonlyMap<string, number>
  /** Null while gathering. */
  targets: Map<string, number> | null
  readonly peers: Map<ChannelId, GoalPeer>
  /** Blocks missing when it changed last, and when that was. */
  missing: number
  sinceMs: number
  isWaitingForPeers: boolean
}

/** All calls of synced(), and SYNCED in both directions. */
export class Sync {
  readonly #state: CoreState
  readonly #compare: Compare
  readonly #lengths: Lengths
  readonly #goals = new Map<CallToken, Goal>()
  readonly #stalled = new Set<ChannelId>()

  constructor(state: CoreState, compare: Compare, lengths: Lengths) {
    this.#state = state
    this.#compare = compare
    this.#lengths = lengths
  }

  /** Begins a call. */
  start(token: CallToken): void {
    const before = new Map<string, number>()
    for (const feed of this.#state.feeds) before.set(feed.keyId, feed.complete)
    this.#goals.set(token, {
      token,
      before,
      targets: null,
      peers: new Map(),
      missing: -1,
      sinceMs: this.#state.nowMs,
      isWaitingForPeers: true
    })
  }

  /** The app lost interest. */
  cancel(token: CallToken): void {
    this.#goals.delete(token)
  }

  /** SYNCED of the peer. */
  received(state: ChannelState, frame: { round: number; missing: number }): void {
    state.channel.remoteSynced = { round: frame.round, missing: frame.missing }
    this.#stalled.delete(state.channel.id)
  }

  /** A channel is gone. */
  dropChannel(channel: ChannelId): void {
    this.#stalled.delete(channel)
  }

  /** After every step: does a goal change its state, and is there something to tell? */
  step(): void {
    for (const state of this.#state.live()) this.#tell(state)
    for (const goal of this.#goals.values()) {
      if (goal.targets === null) this.#gather(goal)
      if (goal.targets !== null) this.#wait(goal)
    }
  }

  /** Is this channel through the comparison, with nothing left to be judged? */
  #isSettled(state: ChannelState): boolean {
    const { channel } = state
    return channel.isLive && this.#compare.isSettled(state) && !this.#state.pending.isJudging(channel.id)
  }

  #gather(goal: Goal): void {
    const { nowMs, limits } = this.#state
    const proven = Array.from(this.#state.channels.values()).filter(
      ({ channel }) => channel.phase !== 'binding' && !this.#stalled.has(channel.id)
    )
    goal.isWaitingForPeers = proven.length === 0
    if (goal.isWaitingForPeers) {
      // Nobody to wait for yet: a stall is counted from the first peer on.
      goal.sinceMs = nowMs
      return
    }
    const unsettled = proven.filter(state => !this.#isSettled(state))
    if (unsettled.length === 0) {
      this.#freeze(goal)
      return
    }
    if (goal.sinceMs + limits.stallMs > nowMs) return
    for (const { channel } of unsettled) this.#stall(channel.id)
    if (unsettled.length < proven.length) this.#freeze(goal)
  }

  #freeze(goal: Goal): void {
    this.#lengths.flush(true)
    goal.targets = new Map()
    goal.sinceMs = this.#state.nowMs
    for (const feed of this.#state.feeds) {
      const target = this.#claimed(feed.slotId)
      if (feed.isWanted && target > 0) goal.targets.set(feed.keyId, target)
    }
    for (const { channel } of this.#state.live()) {
      if (this.#stalled.has(channel.id)) continue
      goal.peers.set(channel.id, { newsSent: channel.newsSent, missing: -1, sinceMs: this.#state.nowMs })
    }
  }

  /** What each LIVE peer says that it holds of a feed of the set; known before anything of it is opened. */
  claimsOf(keyId: string): PeerClaim[] {
    const feed = this.#state.feeds.byKey(keyId)
    const claims: PeerClaim[] = []
    for (const { channel } of feed === null ? [] : this.#state.live()) {
      const claim = channel.claims.get(feed?.slotId ?? '')
      if (claim !== null) claims.push({ channel: channel.id, length: claim.length, complete: claim.complete })
    }
    return claims
  }

  #claimed(slotId: string): number {
    let most = 0
    for (const { channel } of this.#state.live()) {
      if (this.#stalled.has(channel.id)) continue
      most = Math.max(most, channel.claims.get(slotId)?.complete ?? 0)
    }
    return most
  }

  #wait(goal: Goal): void {
    const missing = this.#missingOf(goal)
    const waiting = this.#waitingPeers(goal)
    const { nowMs, limits } = this.#state
    if (missing !== goal.missing) {
      goal.missing = missing
      goal.sinceMs = nowMs
    }
    if (missing > 0 && goal.sinceMs + limits.stallMs <= nowMs) {
      for (const { channel } of [...this.#state.live()])
        if (this.#owes(goal, channel.id)) this.#stall(channel.id)
      goal.sinceMs = nowMs
      if (this.#missingOf(goal) > 0) return
    } else if (missing > 0) return
    if (waiting.length > 0) return
    this.#goals.delete(goal.token)
    this.#state.emit({ type: 'settle', call: goal.token, result: { ok: true, ...this.#gained(goal) } })
  }

  #missingOf(goal: Goal): number {
    let missing = 0
    for (const [keyId, frozen] of goal.targets ?? []) {
      const feed = this.#state.feeds.byKey(keyId)
      if (feed === null || !feed.isWanted) continue
      missing += Math.max(0, Math.min(frozen, this.#claimed(feed.slotId)) - feed.complete)
    }
    return missing
  }

  #owes(goal: Goal, channel: ChannelId): boolean {
    const claims = this.#state.channels.get(channel)?.channel.claims
    for (const [keyId, frozen] of goal.targets ?? []) {
      const feed = this.#state.feeds.byKey(keyId)
      if (feed === null) continue
      if (Math.min(frozen, claims?.get(feed.slotId)?.complete ?? 0) > feed.complete) return true
    }
    return false
  }

  #waitingPeers(goal: Goal): ChannelId[] {
    const { nowMs, limits } = this.#state
    const waiting: ChannelId[] = []
    for (const [id, peer] of goal.peers) {
      const state = this.#state.channels.get(id)
      if (state === undefined || !state.channel.isLive || this.#stalled.has(id)) {
        goal.peers.delete(id)
        continue
      }
      const { remoteSynced } = state.channel
      if (remoteSynced !== null && remoteSynced.round >= peer.newsSent && remoteSynced.missing === 0) continue
      const missing = remoteSynced?.missing ?? -1
      if (missing !== peer.missing) {
        peer.missing = missing
        peer.sinceMs = nowMs
      }
      if (peer.sinceMs + limits.stallMs <= nowMs) this.#stall(id)
      else waiting.push(id)
    }
    return waiting
  }

  #stall(channel: ChannelId): void {
    this.#stalled.add(channel)
    this.#state.warn('WARN_PARTY_STALLED', channel, 'no progress')
  }

  #gained(goal: Goal): { feeds: number; blocks: number } {
    let feeds = 0
    let blocks = 0
    for (const feed of this.#state.feeds) {
      const gained = feed.complete - (goal.before.get(feed.keyId) ?? 0)
      if (gained <= 0 || feed.author === this.#state.authorId) continue
      feeds++
      blocks += gained
    }
    return { feeds, blocks }
  }

  // Told only when everything that the peer has told us so far was dealt with: then a zero means "I miss nothing".
  #tell(state: ChannelState): void {
    const { channel, told } = state
    const { nowMs, limits } = this.#state
    const stamp = this.#stamp(state)
    if (told?.stamp === stamp || !this.#isSettled(state)) return
    if (told !== null && nowMs < told.atMs + limits.syncedEveryMs) return
    const round = channel.newsReceived
    const missing = this.#missingFrom(state)
    if (told !== null && told.round === round && told.missing === missing) {
      told.stamp = stamp
      return
    }
    state.told = { round, missing, atMs: nowMs, stamp }
    this.#state.send(state, { type: 'synced', round, missing })
  }

  // Both only grow, so their sum changes whenever one of them does: counting again can wait until then.
  #stamp({ channel }: ChannelState): number {
    return channel.newsReceived + this.#lengths.changes
  }

  #missingFrom({ channel }: ChannelState): number {
    let missing = 0
    for (const feed of this.#state.feeds) {
      const claim = channel.claims.get(feed.slotId)
      if (claim !== null && feed.isWanted) missing += Math.max(0, claim.complete - feed.complete)
    }
    return missing
  }

  /** When `step` may have something to do without any input; Infinity: never. */
  nextDeadlineMs(): number {
    const { limits } = this.#state
    let earliest = Number.POSITIVE_INFINITY
    for (const goal of this.#goals.values()) {
      if (goal.isWaitingForPeers && goal.targets === null) continue
      earliest = Math.min(earliest, goal.sinceMs + limits.stallMs)
      for (const peer of goal.peers.values()) earliest = Math.min(earliest, peer.sinceMs + limits.stallMs)
    }
    for (const state of this.#state.live()) {
      if (state.told === null || state.told.stamp === this.#stamp(state) || !this.#isSettled(state)) continue
      earliest = Math.min(earliest, state.told.atMs + limits.syncedEveryMs)
    }
    return earliest
  }
}
