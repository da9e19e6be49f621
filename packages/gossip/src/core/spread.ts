/**
 * Which links get a batch: the seam behind which trees grow.
 *
 * `TopicCore` tells a `Spread` all that a tree per author could learn from (links that come and go, first arrivals,
 * copies, PRUNE, GRAFT, entries that leave) and asks it where to send. `Trees` (trees.ts)
 * does; `Flood` learns nothing and sends to all.
 */
import type { Link } from './link.js'
import type { AuthorRef, Batch, LinkId, OutFrame } from './types.js'

/** A control frame that a spread wants sent. */
export interface SpreadFrame {
  /** Where to. */
  readonly link: Link
  /** A control frame, never a batch: those go where `targets` says. */
  readonly frame: OutFrame
}

/** How a batch arrived, or an announcement of one. */
export interface Arrival {
  /** What of it counts. Its ref says whose it is, not who brought it. */
  readonly batch: Pick<Batch, 'ref' | 'seq0' | 'count'>
  /** Size of its payloads. */
  readonly bytes: number
  /** The link that brought it; up, and not necessarily active. */
  readonly from: Link
  /** Answer to a WANT. */
  readonly isRepair: boolean
  /** The author asks that its tree be built again. */
  readonly isMarked: boolean
  /** Links that have it already, they say. */
  readonly knowing: readonly Link[]
}

/** What follows from a first arrival. */
export interface Learned {
  /** Its mark is honoured: it goes to all active links, and the mark with it. */
  readonly isMarked: boolean
  /** Marks of this author come too often over this link. */
  readonly isExcess: boolean
  /** Control frames that follow from it. */
  readonly frames: readonly SpreadFrame[]
}

/** The usual case. */
export const UNMARKED: Learned = { isMarked: false, isExcess: false, frames: [] }

/** Where a batch goes. */
export interface Plan {
  /** Who gets it now. */
  readonly push: readonly Link[]
  /** Who is told that we have it: it is large, and they may be getting it elsewhere. */
  readonly offer: readonly Link[]
}

/** Decides where batches go. Methods that return frames may return none. */
export interface Spread {
  /** A link carries batches from now on. The frames go over it, behind all our watermarks. */
  linkActive(link: Link): readonly SpreadFrame[]
  /** An active link said when it became one that it has all that we have of an incarnation. */
  joined(link: Link, ref: AuthorRef, nowMs: number): void
  /** A link carries batches no more. */
  linkInactive(link: Link): readonly SpreadFrame[]
  /**
   * A new batch was accepted, or made by us: who gets it? Never the link, nor another link of the peer, that it came from.
   *
   * @param how.from - Null: our own.
   * @param how.isMarked - Its mark is ours, or honoured.
   */
  targets(batch: Batch, how: { from: Link | null; isMarked: boolean; nowMs: number }): Plan
  /** A new batch arrived; called before `targets`. */
  arrived(arrival: Arrival, nowMs: number): Learned
  /** A copy of a known batch arrived. */
  repeated(arrival: Arrival, nowMs: number): readonly SpreadFrame[]
  /** A link doesn't want these pushed; null: none at all. */
  pruned(link: Link, refs: readonly AuthorRef[] | null): void
  /** A link wants this pushed. */
  grafted(link: Link, ref: AuthorRef): readonly SpreadFrame[]
  /** A WANT for these incarnations goes to a link: should it ask for the pushes as well? */
  asks(link: Link, refs: readonly AuthorRef[]): boolean
  /** Should this own batch ask that the tree be built again? */
  marks(batch: Batch, nowMs: number): boolean
  /** Which links may be about to push a batch of this incarnation that just came from another? */
  skips(ref: AuthorRef, from: Link, nowMs: number): readonly Link[]
  /** Is somebody expected to bring the next batch of an incarnation? */
  isFed(ref: AuthorRef): boolean
  /** Does it bring the messages of an author who publishes much? */
  isFeeding(link: Link, nowMs: number): boolean
  /** Who brings the batches of an incarnation; null: nobody in particular. */
  parentOf(ref: AuthorRef): LinkId | null
  /** Who gets them. */
  childrenOf(ref: AuthorRef): readonly LinkId[]
  /** When the last new batch of an incarnation came, or if nobody brings them, since when; -Infinity: not remembered. */
  heardMs(ref: AuthorRef): number
  /** An entry left the table. */
  forget(ref: AuthorRef): void
}

/**
 * Every batch goes to every active link but those of the peer that brought it. Right for small topics; in large ones each
 * message arrives once per link.
 */
export class Flood implements Spread {
  #active: readonly Link[] = []

  /** From the next batch on it is a target. Returns no frames: nobody is asked to push. */
  linkActive(link: Link): readonly SpreadFrame[] {
    this.#active = [...this.#active, link]
    return []
  }

  /** Without effect: all is pushed anyway. */
  joined(): void {}

  /** It is a target no more. Returns no frames: a flood has nothing to repair. */
  linkInactive(link: Link): readonly SpreadFrame[] {
    this.#active = this.#active.filter(other => other !== link)
    return []
  }

  /** All active links, but none of the peer that brought the batch. */
  targets(_batch: Batch, { from }: { from: Link | null }): Plan {
    const push = from === null ? this.#active : this.#active.filter(link => link.peerId !== from.peerId)
    return { push, offer: [] }
  }

  /** Nothing is learned from arrivals; marks go on. */
  arrived({ isMarked }: Arrival): Learned {
    return isMarked ? { ...UNMARKED, isMarked } : UNMARKED
  }

  /** Copies are the normal case of a flood: nobody is pruned for one. */
  repeated(): readonly SpreadFrame[] {
    return []
  }

  /** Without effect: a peer that prunes is pushed to all the same, and drops the copies. */
  pruned(): void {}

  /** Without effect: all is pushed anyway. */
  grafted(): readonly SpreadFrame[] {
    return []
  }

  /** Never. */
  asks(): boolean {
    return false
  }

  /** Never: there is no tree. */
  marks(): boolean {
    return false
  }

  /** Nobody. */
  skips(): readonly Link[] {
    return []
  }

  /** By all. */
  isFed(): boolean {
    return true
  }

  /** None more than another. */
  isFeeding(): boolean {
    return false
  }

  /** Nobody in particular. */
  parentOf(): null {
    return null
  }

  /** All. */
  childrenOf(): readonly LinkId[] {
    return this.#active.map(link => link.id)
  }

  /** Not remembered. */
  heardMs(): number {
    return Number.NEGATIVE_INFINITY
  }

  /** Nothing is kept per author. */
  forget(): void {}
}
