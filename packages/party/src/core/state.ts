/**
 * What the machines of the party core share: the tables, the clock of the step, and the effects made so far.
 *
 * Each machine (connect, compare, judge, announce, lengths, messages, sync) owns its decisions and calls the others by
 * name; `PartyCore` composes them. Nothing here decides anything but how a frame is put on its way.
 */

import type { Digest } from '@hearsay/feeds/core'
import type { TokenBucket } from '@hearsay/gossip/core'
import b4a from 'b4a'
import type { Limits } from '../limits.js'
import type { Channel } from './channel.js'
import { FeedTable } from './feed-table.js'
import { encodeFrame, frameIndex, type PartyFrame } from './frames.js'
import { Introductions } from './introductions.js'
import { PartyKeys } from './keys.js'
import { type AdmitRecord, Members, type RemoveRecord } from './members.js'
import { RecordBook } from './record-book.js'
import { type PartyRecord, recordDigest } from './records.js'
import type {
  CallResult,
  CallToken,
  ChannelDownReason,
  ChannelId,
  PartyCoreOptions,
  PartyDropReason,
  PartyEffect,
  WarningCode
} from './types.js'
import { Unchecked } from './unchecked.js'

const NO_META = new Uint8Array(0)
/** Types of introductions that say nothing of a feed. */
const PLAIN_TYPES: ReadonlySet<string> = new Set(['', 'hypercore'])
/** Types of frames that SYNCED counts: what may change how much the peer is missing. */
export const NEWS: ReadonlySet<string> = new Set(['records', 'introduce', 'lengths'])
/** A peer with so many points is closed. */
const DEMERITS_MAX = 100

/** Something that waits until the transport takes more: a frame, or rows to be supplied. */
export type Bulk =
  | { type: 'frame'; frame: PartyFrame }
  | { type: 'supply'; set: 0 | 1 | 2; round: number; rows: Uint8Array; at: number }

/** A channel and what the machines keep about it. */
export interface ChannelState {
  readonly channel: Channel
  /** One comparison per set; sets 1 and 2 from our READY on. */
  readonly digests: [Digest | null, Digest | null, Digest | null]
  /** `changes` of each set when it was compared last, when that began, and when it may be compared again. */
  readonly compared: { changes: number; startedMs: number; nextMs: number }[]
  readonly bulk: Bulk[]
  readonly pushes: TokenBucket
  readonly ephemerals: TokenBucket
  readonly lengthFrames: TokenBucket
  points: number
  /** Direct introductions that wait until both sides have spoken. */
  readonly queued: (() => void)[]
  /** What our SYNCED said last, and when; `stamp` of what it was counted from. */
  told: { round: number; missing: number; atMs: number; stamp: number } | null
}

/** Everything that the machines share. */
export class CoreState {
  readonly options: PartyCoreOptions
  readonly limits: Limits
  readonly keys: PartyKeys
  readonly authorId: string
  readonly feeds = new FeedTable()
  readonly book: RecordBook
  readonly pending: Introductions
  /** Founder, admissions and removals; follows the book. */
  readonly members: Members
  /** Facts that can't be judged yet. */
  readonly unchecked: Unchecked
  readonly channels = new Map<ChannelId, ChannelState>()
  /** Hex of the author that a feed (hex) was proven to be of. */
  readonly owners = new Map<string, string>()
  nowMs = 0
  /** Slots (hex) of introductions that were told to be bundles. */
  readonly #bundles = new Set<string>()
  #effects: PartyEffect[] = []
  #nextJob = -1
  #nextQuestion = 1
  #close: (id: ChannelId, reason: ChannelDownReason) => void = () => {}
  #settle: () => void = () => {}
  #ownCall: (call: CallToken, result: CallResult) => void = () => {}
  #onRecord: (record: PartyRecord) => void = () => {}

  constructor(options: PartyCoreOptions) {
    const { crypto, limits } = options
    this.options = options
    this.limits = limits
    this.keys = new PartyKeys(crypto, options.partyKey)
    this.authorId = b4a.toString(options.author, 'hex')
    this.members = new Members({
      maxChain: limits.maxChain,
      digestOf: record => recordDigest(this.keys, record),
      isNamed: record => this.isNamed(record)
    })
    this.unchecked = new Unchecked(limits)
    this.book = new RecordBook({
      crypto,
      keys: this.keys,
      maxVerified: limits.maxVerified,
      maxRefused: limits.maxRefused,
      onheld: (slotId, record) => this.#held(slotId, record)
    })
    this.pending = new Introductions({
      maxPending: limits.maxPending,
      maxPendingPerAuthor: limits.maxPendingPerAuthor,
      maxPendingPerChannel: limits.maxPendingPerPeer,
      maxRefused: limits.maxRefused,
      maxRuleCalls: limits.maxRuleCalls,
      maxRuleCallsPerPeer: limits.maxRuleCallsPerPeer
    })
  }

  /** Who closes a channel; set once by the machine that owns their lives. */
  onClose(close: (id: ChannelId, reason: ChannelDownReason) => void): void {
    this.#close = close
  }

  /** Who hears of each record that gets into the book; set once. */
  onHeld(onRecord: (record: PartyRecord) => void): void {
    this.#onRecord = onRecord
  }

  #held(slotId: string, record: PartyRecord | null): void {
    if (record !== null) this.#onRecord(record)
    if (record === null) this.members.delete(slotId)
    else if (record.body.kind === 'genesis') this.members.found(record.author)
    else if ('n' in record.body) this.members.count(b4a.toString(record.author, 'hex'), record.body.n)
    this.#bundleHeld(slotId, record)
    if (record?.body.kind === 'admit' || record?.body.kind === 'remove') {
      this.members.put(slotId, record as AdmitRecord | RemoveRecord)
    }
  }

  // Of a plain feed there is nothing to say that the set doesn't tell.
  #bundleHeld(slotId: string, record: PartyRecord | null): void {
    const body = record?.body
    if (record === null || body?.kind !== 'introduce') {
      if (!this.#bundles.delete(slotId)) return
      this.emit({ type: 'bundle', slotId, bundle: null, meta: NO_META })
    } else if (body.keys.length > 1 || !PLAIN_TYPES.has(body.bundleType)) {
      this.#bundles.add(slotId)
      const bundle = { author: record.author, type: body.bundleType, keys: body.keys }
      this.emit({ type: 'bundle', slotId, bundle, meta: body.meta })
    }
  }

  /** Do the app's rules name the author of this fact as an admin? */
  isNamed({ author, body }: PartyRecord): boolean {
    const isAdmin = this.options.isAdmin?.bind(this.options)
    if (isAdmin === undefined) return false
    switch (body.kind) {
      case 'revoke':
        return isAdmin(author, {
          kind: 'revoke',
          version: body.version,
          subject: body.feedId,
          cutoff: body.cutoff
        })
      case 'remove':
        return isAdmin(author, { kind: 'remove', version: body.version, subject: body.subject, cutoff: null })
      case 'authorize':
        return isAdmin(author, { kind: 'authorize', version: body.version, subject: body.key, cutoff: null })
      default:
        return false
    }
  }

  /** Who draws the consequences when who counts has changed; set once. */
  onSettle(settle: () => void): void {
    this.#settle = settle
  }

  /** Draws the consequences of changed membership now, rather than at the end of the step. */
  settle(): void {
    this.#settle()
  }

  /** Who made the calls of the core's own, which have negative numbers; set once. */
  onOwnCall(settled: (call: CallToken, result: CallResult) => void): void {
    this.#ownCall = settled
  }

  /** A call is over: its maker is told. */
  settleCall(call: CallToken, result: CallResult): void {
    if (call < 0) this.#ownCall(call, result)
    else this.emit({ type: 'settle', call, result })
  }

  /** Number of a job of the core's own; those of the driver are positive. */
  newJob(): number {
    return this.#nextJob--
  }

  /** Number of a question. */
  newQuestion(): number {
    return this.#nextQuestion++
  }

  /** Adds an effect. */
  emit(effect: PartyEffect): void {
    this.#effects.push(effect)
  }

  /** The effects since the last call, in order. */
  takeEffects(): PartyEffect[] {
    const effects = this.#effects
    this.#effects = []
    return effects
  }

  /** Sends a frame now. */
  send(to: ChannelState, frame: PartyFrame): void {
    if (to.channel.phase === 'closed') return
    if (NEWS.has(frame.type)) to.channel.newsSent++
    this.emit({
      type: 'send',
      channel: to.channel.id,
      kind: frameIndex(frame.type),
      bytes: encodeFrame(frame)
    })
  }

  /** Ends a channel: tells the remote why, frees what it holds. */
  close(id: ChannelId, reason: ChannelDownReason): void {
    this.#close(id, reason)
  }

  /** Counts input that wasn't taken. */
  drop(channel: ChannelId | null, reason: PartyDropReason): void {
    this.emit({ type: 'drop', channel, reason })
  }

  /** Tells the app of remote trouble. */
  warn(code: WarningCode, channel: ChannelId | null, detail: string): void {
    this.emit({ type: 'warning', code, channel, detail })
  }

  /** Charges a peer; enough of it closes the channel. */
  charge(state: ChannelState, points: number): void {
    state.points += points
    if (state.points >= DEMERITS_MAX) this.close(state.channel.id, 'limit')
  }

  /** May this feed be shown on this channel? */
  isShared(channel: ChannelId, key: Uint8Array): boolean {
    return this.options.share?.(channel, key) ?? true
  }

  /** Channels in which feeds may be named. */
  *talking(): Iterable<ChannelState> {
    for (const state of this.channels.values()) if (state.channel.isTalking) yield state
  }

  /** Channels that are LIVE. */
  *live(): Iterable<ChannelState> {
    for (const state of this.channels.values()) if (state.channel.isLive) yield state
  }
}
