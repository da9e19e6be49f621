/**
 * What a tracer sees: typed events of a topic, for people and for the simulator. Nothing is ever decided by them.
 *
 * Keys are text: lowercase hex as the core tells them. `direction` is 'out' for what we sent and 'in' for what a peer sent;
 * 'in' only for what was understood, the rest are drops. Types only, so nothing of this file is left at run time.
 */
import type { DropReason, LinkDownReason, LinkId, MissReason } from './types.js'

/** Who sent a control frame: we ('out') or the peer ('in'). */
export type TraceDirection = 'in' | 'out'

/** The batch that an event is about. */
export interface TracedBatch {
  /** Who signed it. */
  author: string
  /** In which run of the author, 16 hex digits. */
  incarnation: string
  /** Seq of its first message. */
  seq0: number
  /** Number of its messages. */
  count: number
}

/** An author in one of its runs. */
export interface TracedIncarnation {
  /** Whose. */
  author: string
  /** 16 hex digits. */
  incarnation: string
}

/**
 * What became of a link: 'up', then its role ('suspect': a standby because it is silent); 'open', 'blocked' or 'lagging' as
 * its queue takes payload; in the end why it went.
 */
export type TracedLinkState =
  | 'up'
  | 'active'
  | 'standby'
  | 'suspect'
  | 'open'
  | 'blocked'
  | 'lagging'
  | LinkDownReason

/** One event. */
export type TraceEvent =
  /** A batch was handed to a link: our own, or another's on its way. */
  | ({ type: 'push'; link: LinkId; hops: number } & TracedBatch)
  /** A batch was handed to a link that had asked for it. */
  | ({ type: 'repair'; link: LinkId } & TracedBatch)
  /** A new batch was accepted. `repair`: it came because we asked for it. */
  | ({ type: 'receive'; link: LinkId; hops: number; repair: boolean } & TracedBatch)
  /** A batch came that was known already. */
  | ({ type: 'duplicate'; link: LinkId } & TracedBatch)
  /** The tree of an author is built again, because it asks for that. `link` null: we are that author. */
  | ({ type: 'mark'; link: LinkId | null; seq0: number } & TracedIncarnation)
  /** "Don't push me this author." Author and incarnation null: none at all. */
  | {
      type: 'prune'
      link: LinkId
      direction: TraceDirection
      author: string | null
      incarnation: string | null
    }
  /** "Push me this author." It comes with a WANT. */
  | ({ type: 'graft'; link: LinkId; direction: TraceDirection } & TracedIncarnation)
  /** "Send me these": `from` to `from + count - 1`. */
  | ({
      type: 'want'
      link: LinkId
      direction: TraceDirection
      from: number
      count: number
    } & TracedIncarnation)
  /** "I can't": the answer to a WANT. */
  | ({
      type: 'miss'
      link: LinkId
      direction: TraceDirection
      from: number
      count: number
      reason: MissReason
    } & TracedIncarnation)
  /** Messages `from` to `to` were given up: nobody has them. */
  | ({ type: 'gap'; from: number; to: number } & TracedIncarnation)
  /** Input wasn't delivered; `points` of demerit were charged to the peer. `link` null: nobody's fault. */
  | { type: 'drop'; link: LinkId | null; reason: DropReason; points: number }
  /** A link came, changed its role, takes more or less, or went. */
  | { type: 'link'; link: LinkId; state: TracedLinkState }
