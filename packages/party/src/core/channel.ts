/**
 * One party on one connection: its phase, and what it may send in it.
 *
 *   BINDING   --BIND right-----------------------> FACTS       denials are compared before anything else
 *   BINDING   --BIND wrong | 5 s-----------------> CLOSED
 *   FACTS     --set 0 the same on both sides-----> HANDSHAKE   the peer is added, the rules are asked
 *   FACTS     --no progress for 10 s-------------> CLOSED
 *   HANDSHAKE --our rules agreed-----------------> HANDSHAKE   READY and the roots of sets 1 and 2 are sent
 *   HANDSHAKE --agreed, and READY received-------> LIVE
 *   HANDSHAKE --rules refuse, throw, or 10 s-----> CLOSED
 *   any       --malformed | limit | wrong phase--> CLOSED
 *
 * A channel starts when the remote's hello was proven; what comes before never gets here.
 *
 * An app may introduce or grant a feed to the peer from within its own handshake rule. To name a feed to a peer is to
 * agree to it, so READY is sent then (`speak`), and that feed alone is talked about until the rule has ended: roots of
 * sets 1 and 2, gossip and all other grants wait for the rule. Without this both ends would wait for each other.
 *
 * Invariants: 1. no frame that holds a feed key is sent before our READY, or taken before we sent it. 2. LIVE is entered
 * at most once. 3. At most one ROOT per set is held for later. 4. CLOSED is final.
 */
import type { ConnectionBinding } from '@hearsay/gossip/core'
import { Calls } from './calls.js'
import { Claims } from './claims.js'
import type { PartyFrame } from './frames.js'

/** See the drawing. */
export type Phase = 'binding' | 'facts' | 'handshake' | 'live' | 'closed'

/** The first frame of a comparison. */
export type RootFrame = Extract<PartyFrame, { type: 'root' }>

/** What is to be done with a frame that came. */
export type Admission = 'take' | 'hold' | 'ignore' | 'wrong-phase'

/** Deadlines of the phases, ms. */
export interface ChannelTimes {
  bindDeadlineMs: number
  handshakeDeadlineMs: number
}

/** What a channel is made of. */
export interface ChannelOptions {
  id: number
  binding: ConnectionBinding
  nowMs: number
  times: ChannelTimes
  maxCalls: number
  maxClaims: number
}

/** Kinds that name feeds: never before READY of the side that sends them. */
const NAMES_FEEDS: ReadonlySet<string> = new Set(['introduce', 'answer', 'lengths', 'grant', 'synced'])
const COMPARES: ReadonlySet<string> = new Set(['root', 'nodes', 'items', 'pull', 'records', 'done'])
const CALLS: ReadonlySet<string> = new Set(['request', 'response', 'error', 'ephemeral'])

/** The phase of one channel. */
export class Channel {
  readonly id: number
  readonly binding: ConnectionBinding
  readonly calls: Calls
  readonly claims: Claims
  /** Discovery keys (hex) that the peer opened and was refused; bounded by whoever adds. */
  readonly refused = new Set<string>()
  /** Keys (hex) that the app granted to this peer alone. */
  readonly granted = new Set<string>()
  /** Slots (hex) of records that the peer has, so that they aren't sent back to it; bounded by whoever adds. */
  readonly knows = new Map<string, number>()
  /** RECORDS, INTRODUCE and LENGTHS sent and received: what SYNCED refers to. */
  newsSent = 0
  newsReceived = 0
  /** What SYNCED of the remote said last. */
  remoteSynced: { round: number; missing: number } | null = null
  /** The transport takes no more for now. */
  isBlocked = false
  /** Author of the remote, 32 bytes; null before its BIND. */
  author: Uint8Array | null = null
  authorId = ''
  credential: Uint8Array = new Uint8Array(0)
  /** The remote is no member yet and holds an invite: until it has redeemed it, only that is answered in HANDSHAKE. */
  isNewcomer = false
  /** Our BIND said that of us. */
  hasSaidNewcomer = false
  readonly #times: ChannelTimes
  readonly #held = new Map<number, RootFrame>()
  #phase: Phase = 'binding'
  #deadlineMs: number
  #isAgreed = false
  #hasSpoken = false
  #hasHeard = false

  constructor(options: ChannelOptions) {
    this.id = options.id
    this.binding = options.binding
    this.calls = new Calls(options.maxCalls)
    this.claims = new Claims(options.maxClaims)
    this.#times = options.times
    this.#deadlineMs = options.nowMs + options.times.bindDeadlineMs
  }

  get phase(): Phase {
    return this.#phase
  }

  /** Did our rules agree? */
  get isAgreed(): boolean {
    return this.#isAgreed
  }

  /** Was our READY sent? */
  get hasSpoken(): boolean {
    return this.#hasSpoken
  }

  /** May feeds be named in both directions? True in LIVE, and before it if both sides named one from their rules. */
  get isTalking(): boolean {
    return this.#hasSpoken && this.#hasHeard && this.#phase !== 'closed'
  }

  get isLive(): boolean {
    return this.#phase === 'live'
  }

  /** Earliest time at which `isLate` may turn true. */
  get deadlineMs(): number {
    return this.#deadlineMs
  }

  /** Has the deadline of this phase passed? */
  isLate(nowMs: number): boolean {
    return this.#phase !== 'closed' && nowMs >= this.#deadlineMs
  }

  /** What to do with this frame. */
  admit(frame: PartyFrame): Admission {
    const { type } = frame
    if (this.#phase === 'closed') return 'ignore'
    if (type === 'close') return 'take'
    if (type === 'bind') return this.#phase === 'binding' ? 'take' : 'wrong-phase'
    if (this.#phase === 'binding') return 'wrong-phase'
    if (COMPARES.has(type)) return this.#admitComparing(frame)
    if (this.#phase === 'facts') return 'wrong-phase'
    if (type === 'ready' || CALLS.has(type)) return 'take'
    if (NAMES_FEEDS.has(type)) return this.isTalking ? 'take' : 'wrong-phase'
    return 'ignore'
  }

  #admitComparing(frame: PartyFrame): Admission {
    if (!('set' in frame) || frame.set === 0 || this.#phase === 'live') return 'take'
    if (this.#phase !== 'handshake') return 'wrong-phase'
    if (frame.type === 'root') return this.#isAgreed ? 'take' : 'hold'
    if (frame.type === 'records' && frame.round === 0 && this.isTalking) return 'take'
    return 'wrong-phase'
  }

  /** Keeps a ROOT for later; a newer one takes the place of the last. */
  hold(frame: RootFrame): void {
    this.#held.set(frame.set, frame)
  }

  /** The ROOTs that were held; they are forgotten. */
  takeHeld(): RootFrame[] {
    const held = Array.from(this.#held.values())
    this.#held.clear()
    return held
  }

  /** The remote's author was verified. */
  bound(): boolean {
    if (this.#phase !== 'binding') return false
    this.#phase = 'facts'
    // From here on the comparison of set 0 has its own deadline, which counts progress.
    this.#deadlineMs = Number.POSITIVE_INFINITY
    return true
  }

  /** Set 0 is the same on both sides. */
  factsDone(nowMs: number): boolean {
    if (this.#phase !== 'facts') return false
    this.#phase = 'handshake'
    this.#deadlineMs = nowMs + this.#times.handshakeDeadlineMs
    return true
  }

  /** READY is to be sent now. False: it was, or may not be yet. */
  speak(): boolean {
    if (this.#hasSpoken || this.#phase !== 'handshake') return false
    this.#hasSpoken = true
    return true
  }

  /** Our rules agreed. False: that isn't asked for any more. */
  agreed(): boolean {
    if (this.#phase !== 'handshake' || this.#isAgreed) return false
    this.#isAgreed = true
    return true
  }

  /** READY of the remote. */
  heard(): void {
    this.#hasHeard = true
  }

  /** Enters LIVE if both sides are ready for it. True at most once. */
  enterLive(): boolean {
    if (this.#phase !== 'handshake' || !this.#isAgreed || !this.#hasSpoken || !this.#hasHeard) return false
    this.#phase = 'live'
    this.#deadlineMs = Number.POSITIVE_INFINITY
    return true
  }

  /** Frees all that the remote made us keep. Returns the calls of ours that end with it. */
  close(): number[] {
    this.#phase = 'closed'
    this.#deadlineMs = Number.POSITIVE_INFINITY
    this.#held.clear()
    this.claims.clear()
    this.refused.clear()
    this.granted.clear()
    this.knows.clear()
    return this.calls.clear()
  }
}
