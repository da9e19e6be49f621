/**
 * Compares one set with one peer, round after round: what each side lacks, without sending what both have.
 *
 * Salted range fingerprints (Meyer, "Range-Based Set Reconciliation", 2023) over a radix tree of 16 children.
 *
 *   IDLE    --start(round): snapshot, send ROOT----------------> ROOTS
 *   ROOTS   --equal--------------------------------------------> SAME      nothing is sent
 *   ROOTS   --own count 0--------------------------------------> PULLING   PULL all; or RANGES, if something is refused
 *   ROOTS   --differ, we are the Noise initiator---------------> RANGES    first turn: NODES of the root
 *   RANGES  --a turn of the peer ends, it asked----------------> RANGES    our turn
 *   RANGES  --a turn that asks nothing ends, ours or theirs----> PULLING
 *   PULLING --RECORDS last, nothing left to pull---------------> PULLING   DONE
 *   PULLING --DONE sent and received---------------------------> SAME
 *   any     --no frame of this round for too long--------------> IDLE
 *   any     --the peer breaks a rule---------------------------> FAULTY
 *
 * A turn answers the turn before it: ITEMS (reply 1: answers), ITEMS (reply 0: questions), and at its end NODES. A NODES
 * frame that isn't full ends the turn; a turn without nodes ends with an empty one. A turn that asks neither by nodes nor
 * by items is not answered. One range may go on in the next group or frame of its turn.
 *
 * Set 2 has no PULL: who gets a question supplies what the other lacks, and its answer names what it lacks itself.
 *
 * Invariants: DI1. All ranges of a turn have one depth, one more than those of the turn before, and go upwards, each below
 * a node of that turn: so each row is hashed at most once per depth, whatever the peer sends. DI2. The peer names at most
 * as many shorts as its root counted. DI3. A row is supplied at most once a round. DI4. At most one PULL of ours is open.
 */
import {
  DIGEST_LIMITS,
  type DigestEffect,
  type DigestFault,
  type DigestFrame,
  type DigestLimits,
  type DigestOptions,
  type DigestState,
  type RecordsMark
} from './digest-types.js'
import { Round } from './round.js'

/** One per (channel, set). */
export class Digest {
  readonly #options: DigestOptions
  readonly #limits: DigestLimits
  #current: Round | null = null
  #state: 'idle' | 'running' | 'same' | 'faulty' = 'idle'
  #round = 0
  #deadlineMs = 0
  #remoteStartMs: number | null = null
  #failures = 0

  constructor(options: DigestOptions) {
    this.#options = options
    this.#limits = { ...DIGEST_LIMITS, ...options.limits }
  }

  /** See the drawing. */
  get state(): DigestState {
    return this.#state === 'running' ? (this.#current as Round).phase : this.#state
  }

  /** The round now, or the last one; 0: none yet. */
  get round(): number {
    return this.#round
  }

  /** When `tick` has to be called; null: no need. */
  get deadlineMs(): number | null {
    return this.#state === 'running' ? this.#deadlineMs : null
  }

  /** Starts the next round; one that runs is given up. At most one per `roundEveryMs`, else the peer ignores it. */
  start(nowMs: number): DigestEffect[] {
    if (this.#state === 'faulty') return []
    const effects: DigestEffect[] = []
    this.#begin(this.#round + 1, nowMs, effects)
    return effects
  }

  /** A frame of the peer for this set. Those of lower rounds are dropped. */
  receive(frame: DigestFrame | RecordsMark, nowMs: number): DigestEffect[] {
    const effects: DigestEffect[] = []
    if (this.#state === 'faulty') return effects
    if (frame.type === 'root' && frame.round > this.#round) {
      if (!this.#adopt(frame.round, nowMs, effects)) return effects
    }
    if (frame.round < this.#round) return effects
    // The peer can't be ahead of us but by a ROOT, unless that one was ignored for coming too soon.
    if (frame.round > this.#round)
      return this.#remoteStartMs === null ? this.#fail('order', effects) : effects
    if (this.#state !== 'running' || this.#current === null) return effects
    this.#deadlineMs = nowMs + this.#limits.roundDeadlineMs
    const fault = this.#current.receive(frame, effects)
    if (fault !== null) return this.#fail(fault, effects)
    this.#finish(effects)
    return effects
  }

  /** Did we pull this row (32 bytes) in this round? To be asked before the frame that brings it is received. */
  wasAsked(round: number, row: Uint8Array): boolean {
    return this.#state === 'running' && round === this.#round && (this.#current as Round).wasAsked(row)
  }

  /** We sent a frame of RECORDS in this round: that is progress, too. */
  touch(nowMs: number): void {
    if (this.#state === 'running') this.#deadlineMs = nowMs + this.#limits.roundDeadlineMs
  }

  /** The deadline may have come. */
  tick(nowMs: number): DigestEffect[] {
    if (this.#state !== 'running' || nowMs < this.#deadlineMs) return []
    const { retryMs, maxRetryMs } = this.#limits
    this.#state = 'idle'
    this.#current = null
    const effect = { round: this.#round, retryMs: Math.min(retryMs * 2 ** this.#failures, maxRetryMs) }
    this.#failures++
    return [{ type: 'timeout', ...effect }]
  }

  /** The peer starts a round: is it to be answered? */
  #adopt(round: number, nowMs: number, effects: DigestEffect[]): boolean {
    if (round > this.#round + this.#limits.maxRoundStep) {
      this.#fail('limit', effects)
      return false
    }
    if (this.#remoteStartMs !== null && nowMs - this.#remoteStartMs < this.#limits.roundEveryMs) {
      effects.push({ type: 'demerit', reason: 'round-rate' })
      return false
    }
    this.#remoteStartMs = nowMs
    this.#begin(round, nowMs, effects)
    return true
  }

  #begin(round: number, nowMs: number, effects: DigestEffect[]): void {
    this.#round = round
    this.#state = 'running'
    this.#deadlineMs = nowMs + this.#limits.roundDeadlineMs
    this.#current = new Round(this.#options, this.#limits, round)
    this.#current.start(effects)
  }

  #finish(effects: DigestEffect[]): void {
    const current = this.#current as Round
    if (current.phase !== 'same') return
    effects.push({ type: 'done', round: this.#round, isSame: current.isSame })
    this.#state = 'same'
    this.#failures = 0
    this.#current = null
  }

  #fail(reason: DigestFault, effects: DigestEffect[]): DigestEffect[] {
    this.#state = 'faulty'
    this.#current = null
    effects.push({ type: 'fault', reason })
    return effects
  }
}
