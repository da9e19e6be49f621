/**
 * Compares the three sets with every peer, and supplies what a peer asks for.
 *
 * The comparison itself is `Digest` of @hearsay/feeds; here it gets its rows, its salt and its frames. Rows that are
 * supplied become RECORDS (sets 0 and 1) or LENGTHS (set 2); while the transport is blocked they wait, and so do the
 * frames of the comparison behind them, since a DONE must not overtake what it stands for.
 *
 * Invariants: 1. set 0 is compared before the rules are asked, sets 1 and 2 from our READY on. 2. What is supplied is
 * what is held when it is sent: a record that was replaced meanwhile is left out. 3. One round per `compareEveryMs` and
 * set is started by us, and only if something changed.
 */
import { Digest, type DigestEffect, type DigestFrame } from '@hearsay/feeds/core'
import b4a from 'b4a'
import type { RecordsFrame } from './frames.js'
import type { SetNumber } from './keys.js'
import type { Lengths } from './lengths.js'
import { rowOf } from './record-book.js'
import { decodeRecord, feedsOf, type PartyRecord } from './records.js'
import type { Bulk, ChannelState, CoreState } from './state.js'

const ROW_BYTES = 32
const DEMERIT = 5
/** What two frames may differ in how long they travel. */
const ROUND_MARGIN_MS = 500
const SETS: readonly SetNumber[] = [0, 1, 2]

/** What the comparison tells the others. */
export interface CompareHooks {
  /** Set 0 is the same on both sides. */
  factsDone(state: ChannelState): void
  /** Records of the peer; `isPushed`: we hadn't asked for them. */
  records(state: ChannelState, records: readonly Uint8Array[], isPushed: boolean): void
}

/** Drives the comparisons of all channels. */
export class Compare {
  readonly #state: CoreState
  readonly #lengths: Lengths
  readonly #hooks: CompareHooks

  constructor(state: CoreState, lengths: Lengths, hooks: CompareHooks) {
    this.#state = state
    this.#lengths = lengths
    this.#hooks = hooks
  }

  /** Starts a round of one set on one channel; the digest is made at the first. */
  start(state: ChannelState, set: SetNumber): void {
    const digest = state.digests[set] ?? this.#newDigest(state, set)
    state.digests[set] = digest
    this.#mark(state, set)
    this.#apply(state, set, digest.start(this.#state.nowMs))
  }

  #mark(state: ChannelState, set: SetNumber): void {
    const { nowMs, limits } = this.#state
    const nextMs = nowMs + limits.compareEveryMs
    state.compared[set] = { changes: this.#changes(set), startedMs: nowMs, nextMs }
  }

  #changes(set: SetNumber): number {
    return set === 2 ? this.#lengths.changes : (this.#state.book.changes[set] as number)
  }

  #newDigest(state: ChannelState, set: SetNumber): Digest {
    const { keys, options, limits } = this.#state
    const { binding } = state.channel
    const { maxNodes, maxGroups, maxShorts, maxDepth, roundEveryMs, roundDeadlineMs } = limits
    return new Digest({
      set,
      isInitiator: binding.isInitiator,
      snapshot: () => this.#snapshot(state, set),
      refused: () => this.#refusedRows(set),
      salt: round => keys.digestSalt(binding.handshakeHash, set, round),
      keyedHash: (key, ...parts) => options.crypto.keyedHash(key, ...parts),
      limits: {
        maxNodes,
        maxGroups,
        maxShorts,
        maxDepth,
        roundEveryMs,
        roundDeadlineMs: set === 0 ? limits.factsDeadlineMs : roundDeadlineMs,
        retryMs: limits.compareEveryMs,
        maxRetryMs: limits.maxCompareBackoffMs
      }
    })
  }

  #snapshot(state: ChannelState, set: SetNumber): Uint8Array {
    if (set === 0) return this.#state.book.snapshot(0)
    if (set === 2) return this.#lengths.snapshot(state.channel.id)
    return this.#state.book.snapshot(1, record => this.#isShared(state, record) && !this.#isShutHere(record))
  }

  #isShared(state: ChannelState, record: PartyRecord): boolean {
    return feedsOf(record).every(key => this.#state.isShared(state.channel.id, key))
  }

  // Whoever tells of a feed can serve it, so one that was revoked here alone is not told of. What the party revoked is: only
  // who knows a feed can judge its author's denial, and pass that on.
  #isShutHere({ body }: PartyRecord): boolean {
    if (body.kind !== 'introduce') return false
    const { feeds, book, keys, options } = this.#state
    if (body.keys.some(key => feeds.byKey(b4a.toString(key, 'hex')) !== null)) return false
    return body.keys.some(key => {
      const isDeniedByAll = book.versionAt(0, b4a.toString(keys.feedSlot(key), 'hex')) > 0
      return !isDeniedByAll && options.versionOf(key)?.denied === true
    })
  }

  // What waits for a verdict isn't asked for again, either, nor what isn't told of.
  #refusedRows(set: SetNumber): Uint8Array {
    if (set === 2) return new Uint8Array(0)
    const { book, pending } = this.#state
    const rows = book.refusedRows(set)
    if (set === 0) return b4a.concat(rows)
    for (const entry of pending) rows.push(entry.row)
    for (const record of book.all(1)) if (this.#isShutHere(record)) rows.push(rowOf(book.placeOf(record)))
    return b4a.concat(rows)
  }

  /** A frame that compares sets. */
  receive(state: ChannelState, frame: DigestFrame): void {
    const digest = state.digests[frame.set]
    if (digest === null) return
    this.#apply(state, frame.set, digest.receive(frame, this.#state.nowMs))
  }

  /** RECORDS: judged first, so that denials are in force when the comparison ends. */
  records(state: ChannelState, frame: RecordsFrame): void {
    const { set, round, isLast, records } = frame
    const digest = round === 0 ? null : state.digests[set]
    if (digest === null) {
      this.#hooks.records(state, records, true)
      return
    }
    const rows: Uint8Array[] = []
    for (const bytes of records) {
      const record = decodeRecord(bytes)
      if (record.ok) rows.push(rowOf(this.#state.book.placeOf(record.value)))
    }
    const mark = { type: 'records', set, round, isLast, rows: b4a.concat(rows) } as const
    const effects = digest.receive(mark, this.#state.nowMs)
    const isUnasked = effects.some(effect => effect.type === 'demerit')
    this.#hooks.records(state, records, isUnasked)
    this.#apply(state, set, effects)
  }

  #apply(state: ChannelState, set: SetNumber, effects: readonly DigestEffect[]): void {
    for (const effect of effects) {
      if (state.channel.phase === 'closed') return
      switch (effect.type) {
        case 'send':
          this.#push(state, { type: 'frame', frame: effect.frame })
          break
        case 'supply':
          this.#push(state, { type: 'supply', set, round: effect.round, rows: effect.rows, at: 0 })
          break
        case 'done':
          if (set === 0) this.#hooks.factsDone(state)
          break
        case 'demerit':
          this.#state.charge(state, DEMERIT)
          break
        case 'fault':
          this.#state.close(state.channel.id, 'malformed')
          break
        case 'timeout':
          if (set === 0 && state.channel.phase === 'facts') this.#state.close(state.channel.id, 'timeout')
          else this.#retry(state, set, effect.retryMs)
      }
    }
  }

  #retry(state: ChannelState, set: SetNumber, retryMs: number): void {
    const startedMs = state.compared[set]?.startedMs ?? this.#state.nowMs
    state.compared[set] = { changes: -1, startedMs, nextMs: this.#state.nowMs + retryMs }
  }

  #push(state: ChannelState, bulk: Bulk): void {
    state.bulk.push(bulk)
    this.drain(state)
  }

  /** Writes what waits, as long as the transport takes it. */
  drain(state: ChannelState): void {
    while (state.bulk.length > 0 && !state.channel.isBlocked && state.channel.phase !== 'closed') {
      const bulk = state.bulk[0] as Bulk
      if (bulk.type === 'frame') this.#state.send(state, bulk.frame)
      else if (bulk.set === 2) this.#lengths.supply(state, bulk.rows)
      else if (!this.#supply(state, bulk as Bulk & { type: 'supply'; set: 0 | 1 })) continue
      state.bulk.shift()
    }
  }

  /** One RECORDS frame. True: it was the last. */
  #supply(state: ChannelState, bulk: Bulk & { type: 'supply'; set: 0 | 1 }): boolean {
    const { maxRecords, maxRecordsBytes } = this.#state.limits
    const records: Uint8Array[] = []
    let bytes = 0
    while (bulk.at < bulk.rows.length && records.length < maxRecords) {
      const record = this.#state.book.ofRow(bulk.set, bulk.rows.subarray(bulk.at, bulk.at + ROW_BYTES))
      if (record !== null && this.#isShared(state, record)) {
        if (bytes + record.bytes.length > maxRecordsBytes) break
        records.push(record.bytes)
        bytes += record.bytes.length
      }
      bulk.at += ROW_BYTES
    }
    const isLast = bulk.at >= bulk.rows.length
    this.#state.send(state, { type: 'records', set: bulk.set, round: bulk.round, isLast, records })
    state.digests[bulk.set]?.touch(this.#state.nowMs)
    return isLast
  }

  /** Compares again what changed, as a safety net under the pushes, and keeps the deadlines. */
  tick(): void {
    const { nowMs } = this.#state
    for (const state of this.#state.channels.values()) {
      for (const set of SETS) {
        const digest = state.digests[set]
        if (digest === null || state.channel.phase === 'closed') continue
        if (digest.deadlineMs !== null && digest.deadlineMs <= nowMs) {
          this.#apply(state, set, digest.tick(nowMs))
        }
        if (this.#isDue(state, set)) this.start(state, set)
      }
    }
  }

  #isDue(state: ChannelState, set: SetNumber): boolean {
    const compared = state.compared[set]
    if (compared === undefined || !state.channel.isLive || compared.nextMs > this.#state.nowMs) return false
    return compared.changes !== this.#changes(set)
  }

  /** The rules changed: set 1 is compared again, so that what was refused comes once more. */
  restart(): void {
    for (const state of this.#state.live()) this.#again(state)
  }

  /** The channel is LIVE. What was accepted here since our roots were sent was passed on to nobody there. */
  live(state: ChannelState): void {
    if (state.compared[1]?.changes !== this.#changes(1)) this.#again(state)
  }

  #again(state: ChannelState): void {
    const { nowMs, limits } = this.#state
    const startedMs = state.compared[1]?.startedMs ?? Number.NEGATIVE_INFINITY
    // A round that comes too early is ignored by the peer, so it waits for its time.
    const nextMs = startedMs + limits.roundEveryMs + ROUND_MARGIN_MS
    if (nextMs <= nowMs) this.start(state, 1)
    else state.compared[1] = { changes: -1, startedMs, nextMs }
  }

  /** Earliest deadline; Infinity without one. */
  nextDeadlineMs(): number {
    let earliest = Number.POSITIVE_INFINITY
    for (const state of this.#state.channels.values()) {
      for (const set of SETS) {
        const deadlineMs = state.digests[set]?.deadlineMs ?? null
        if (deadlineMs !== null) earliest = Math.min(earliest, deadlineMs)
        const compared = state.compared[set]
        if (compared !== undefined && state.channel.isLive && compared.changes !== this.#changes(set)) {
          earliest = Math.min(earliest, compared.nextMs)
        }
      }
    }
    return earliest
  }

  /** Have sets 0 to 2 been compared to the end on this channel, and is nothing of ours still waiting to be supplied? */
  isSettled(state: ChannelState): boolean {
    return state.bulk.length === 0 && SETS.every(set => state.digests[set]?.state === 'same')
  }
}
