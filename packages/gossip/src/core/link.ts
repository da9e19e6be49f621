/**
 * One link: what is known of it, and what it may spend. Data only; links.ts has the states.
 */
import b4a from 'b4a'
import type { Limits } from '../limits.js'
import { IncomingAuthors } from './author-indexes.js'
import { Intake } from './intake.js'
import { nameOf } from './keys.js'
import { LinkBudgets } from './link-budgets.js'
import type { AuthorRef, ConnectionBinding, IntakePort, LinkId } from './types.js'

/** A frame that waits until the link is admitted. */
export interface HeldFrame {
  readonly kind: number
  readonly bytes: Uint8Array
}

/** A batch that the remote doesn't want from us. */
export interface Skip {
  readonly ref: AuthorRef
  readonly seq0: number
}

/** One link. */
export interface Link {
  /** The driver's number; what effects and inputs name. */
  readonly id: LinkId
  /** Of the connection under it: what its proof was checked against. */
  readonly binding: ConnectionBinding
  /** Noise key of the remote, hex: who is charged. */
  readonly peerId: string
  /** Did we dial the connection? */
  readonly isOutbound: boolean
  /** See the drawing in links.ts: frames are interpreted only in 'up'. */
  state: 'opening' | 'admitting' | 'up'
  /** Batches are pushed to 'active' links; a 'standby' gets control frames and answers to its WANTs. */
  role: 'active' | 'standby'
  /** Its bit in the records of trees while it is active; else -1. */
  slot: number
  /** Silent although it should have spoken: as an active link, or when it was asked. Over with its next frame. */
  isSuspect: boolean
  /** Since when. */
  suspectSinceMs: number
  /** Until when we wait for the answer to our ask; 0: not asked. */
  askedUntilMs: number
  /** Was our last ask urgent? */
  isUrgent: boolean
  /** Was our last ask given up without an answer? An 'ok' may still come. */
  isOwed: boolean
  /** We don't ask it again before. */
  backoffUntilMs: number
  /** The wait after its next no. */
  backoffMs: number
  /** We don't ask it urgently before. */
  urgentAtMs: number
  /** The wait after its next urgent ask, unless it answers. */
  urgentWaitMs: number
  /** When its last urgent ask was honoured; -Infinity: never. */
  honouredMs: number
  /** Until when it counts as one that needs a place and gets none: its urgent ask was refused. */
  needyUntilMs: number
  /** Did we refuse or demote it because we had links enough? Who asks again gets a place. */
  wasRefused: boolean
  /** It said no to what we asked last. */
  refusesUs: boolean
  /** When we last told it that it isn't active; -Infinity: never. */
  correctedMs: number
  /** Since when it lags; Infinity: it doesn't. */
  lagsSinceMs: number
  /** When it was last told peers of the topic; -Infinity: never. */
  peersToldMs: number
  /** When it last told us some. */
  peersHeardMs: number
  /** Does our queue for it take payload? */
  flow: 'open' | 'blocked' | 'lagging'
  /** When it began to open, `nowMs` of the core. */
  readonly openedMs: number
  /** When its last frame came. */
  heardMs: number
  /** When its last BATCH came; -Infinity: none did. While they come, an answer may wait behind them. */
  batchMs: number
  /** When it was last sent anything: after `liveMs` of silence an empty HAVE is due. */
  toldMs: number
  /** Smoothed round trip; 0: unknown. */
  rttMs: number
  /** Largest BATCH frame that it takes. */
  maxFrameBytes: number
  /** `FEATURE_` bits of its hello. */
  features: number
  /** Its wall clock - ours, when it said hello. */
  clockOffsetMs: number
  /** Large batches that it said it has, oldest first; at most `maxSkips`. */
  skips: readonly Skip[]
  /** What the remote's indexes stand for. */
  readonly authors: IncomingAuthors
  /** Frames that came while it was 'admitting', in order; at most `maxHeldFrames`, and some more of AUTHOR and HAVE. */
  held: HeldFrame[]
  /** Size of `held`, bounded in the same way. */
  heldBytes: number
  /** What its connection may send. */
  readonly intake: IntakePort
  /** What it may spend. */
  readonly budgets: LinkBudgets
}

/** The remote has a batch and doesn't want it from us. At most `max` are remembered. */
export function skip(link: Link, what: Skip, max: number): void {
  link.skips = [...link.skips, what].slice(-max)
}

/** Did it say so? */
export function hasSkipped(link: Link, ref: AuthorRef, seq0: number): boolean {
  if (link.skips.length === 0) return false
  // By name: an author that is new to us has an object for each link that named it.
  const name = nameOf(ref)
  return link.skips.some(known => known.seq0 === seq0 && nameOf(known.ref) === name)
}

/** Orders links of one peer alike at both ends: by handshake hash, which only two channels of one connection share. */
export function compareLinks(a: Link, b: Link): number {
  return b4a.compare(a.binding.handshakeHash, b.binding.handshakeHash) || a.id - b.id
}

/** A link whose channel is being opened. */
export function makeLink(
  id: LinkId,
  opening: { binding: ConnectionBinding; outbound: boolean; peerId: string; intake?: IntakePort },
  { limits, nowMs }: { limits: Limits; nowMs: number }
): Link {
  return {
    id,
    binding: opening.binding,
    peerId: opening.peerId,
    isOutbound: opening.outbound,
    state: 'opening',
    role: 'standby',
    slot: -1,
    isSuspect: false,
    suspectSinceMs: Number.NEGATIVE_INFINITY,
    askedUntilMs: 0,
    isUrgent: false,
    isOwed: false,
    backoffUntilMs: Number.NEGATIVE_INFINITY,
    backoffMs: limits.linkBackoffMs,
    urgentAtMs: Number.NEGATIVE_INFINITY,
    urgentWaitMs: limits.isolationMs,
    honouredMs: Number.NEGATIVE_INFINITY,
    needyUntilMs: Number.NEGATIVE_INFINITY,
    wasRefused: false,
    refusesUs: false,
    correctedMs: Number.NEGATIVE_INFINITY,
    lagsSinceMs: Number.POSITIVE_INFINITY,
    peersToldMs: Number.NEGATIVE_INFINITY,
    peersHeardMs: Number.NEGATIVE_INFINITY,
    flow: 'open',
    openedMs: nowMs,
    heardMs: nowMs,
    batchMs: Number.NEGATIVE_INFINITY,
    toldMs: nowMs,
    rttMs: 0,
    maxFrameBytes: 0,
    features: 0,
    clockOffsetMs: 0,
    skips: [],
    authors: new IncomingAuthors(limits.maxAuthorIndexes),
    held: [],
    heldBytes: 0,
    intake: opening.intake ?? new Intake(limits),
    budgets: new LinkBudgets(limits)
  }
}
