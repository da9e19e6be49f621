/**
 * One link: what is known of it, and what it may spend. Data only; links.ts has the states.
 */
import type { Limits } from '../limits.js'
import { IncomingAuthors } from './author-indexes.js'
import { TokenBucket } from './budget.js'
import type { ConnectionBinding, LinkId } from './types.js'

/** A frame that waits until the link is admitted. */
export interface HeldFrame {
  readonly kind: number
  readonly bytes: Uint8Array
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
  /** Silent for longer than `suspectMs`; over with its next frame. */
  isSuspect: boolean
  /** Does our queue for it take payload? */
  flow: 'open' | 'blocked' | 'lagging'
  /** When it began to open, `nowMs` of the core. */
  readonly openedMs: number
  /** When its last frame came. */
  heardMs: number
  /** When it was last sent anything: after `liveMs` of silence an empty HAVE is due. */
  toldMs: number
  /** Smoothed round trip; 0: unknown. */
  rttMs: number
  /** Largest BATCH frame that it takes. */
  maxFrameBytes: number
  /** Its wall clock - ours, when it said hello. */
  clockOffsetMs: number
  /** What the remote's indexes stand for. */
  readonly authors: IncomingAuthors
  /** Frames that came while it was 'admitting', in order; at most `maxHeldFrames`, and some more of AUTHOR and HAVE. */
  held: HeldFrame[]
  /** Size of `held`, bounded in the same way. */
  heldBytes: number
  /** How much input of it is still interpreted. */
  readonly budgets: Budgets
}

/** Budgets of one link. */
export interface Budgets {
  readonly frames: TokenBucket
  readonly bytes: TokenBucket
  readonly bindings: TokenBucket
  readonly verifies: TokenBucket
  readonly wantsIn: TokenBucket
  /** Beyond it, a WANT over budget is no accident any more. */
  readonly wantsPatience: TokenBucket
  readonly wantsOut: TokenBucket
}

/** A link whose channel is being opened. */
export function makeLink(
  id: LinkId,
  opening: { binding: ConnectionBinding; outbound: boolean; peerId: string },
  { limits, nowMs }: { limits: Limits; nowMs: number }
): Link {
  return {
    id,
    binding: opening.binding,
    peerId: opening.peerId,
    isOutbound: opening.outbound,
    state: 'opening',
    role: 'standby',
    isSuspect: false,
    flow: 'open',
    openedMs: nowMs,
    heardMs: nowMs,
    toldMs: nowMs,
    rttMs: 0,
    maxFrameBytes: 0,
    clockOffsetMs: 0,
    authors: new IncomingAuthors(limits.maxAuthorIndexes),
    held: [],
    heldBytes: 0,
    budgets: makeBudgets(limits)
  }
}

function makeBudgets(limits: Limits): Budgets {
  const { framesPerSecond, bytesPerSecond, verifiesPerSecond, wantsPerSecond } = limits
  return {
    frames: new TokenBucket(framesPerSecond, framesPerSecond * 2),
    bytes: new TokenBucket(bytesPerSecond, bytesPerSecond * 2),
    bindings: new TokenBucket(framesPerSecond, framesPerSecond * 2),
    verifies: new TokenBucket(verifiesPerSecond, verifiesPerSecond * 2),
    // The one who asks keeps to half of what the one who answers allows: two buckets never agree exactly.
    wantsIn: new TokenBucket(wantsPerSecond, wantsPerSecond * 2),
    wantsPatience: new TokenBucket(wantsPerSecond * 2, wantsPerSecond * 10),
    wantsOut: new TokenBucket(wantsPerSecond, wantsPerSecond)
  }
}
