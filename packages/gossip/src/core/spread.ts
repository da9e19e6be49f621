/**
 * Which links get a batch: the seam behind which trees grow.
 *
 * `TopicCore` tells a `Spread` all that a tree per author could learn from (links that come and go, first arrivals,
 * copies, PRUNE, GRAFT, entries that leave) and asks it where to send. `Flood` learns nothing and sends to all.
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

/** How a batch arrived. */
export interface Arrival {
  /** Whose batch it is, not who brought it. */
  readonly ref: AuthorRef
  /** The link that brought it; up, and not necessarily active. */
  readonly from: Link
  /** Answer to a WANT. */
  readonly isRepair: boolean
  /** The author asks that its tree be built again. */
  readonly isMarked: boolean
}

/** Decides where batches go. Methods that return frames may return none. */
export interface Spread {
  /** A link carries batches from now on. */
  linkActive(link: Link): void
  /** A link carries batches no more. */
  linkInactive(link: Link, nowMs: number): readonly SpreadFrame[]
  /**
   * A new batch was accepted, or made by us: who gets it? Never the link, nor another link of the peer, that it came from.
   *
   * @param from - Null: our own.
   */
  targets(batch: Batch, from: Link | null): readonly Link[]
  /** A new batch arrived; called before `targets`. */
  arrived(arrival: Arrival, nowMs: number): void
  /** A copy of a known batch arrived. */
  repeated(arrival: Arrival, nowMs: number): readonly SpreadFrame[]
  /** A link doesn't want these pushed; null: none at all. */
  pruned(link: Link, refs: readonly AuthorRef[] | null, nowMs: number): void
  /** A link wants this pushed. */
  grafted(link: Link, ref: AuthorRef, nowMs: number): void
  /** Should a WANT to this link ask for the pushes as well? */
  wantsGraft(link: Link): boolean
  /** Should this own batch ask that the tree be built again? */
  marks(batch: Batch, nowMs: number): boolean
  /** Who brings the batches of an incarnation; null: nobody in particular. */
  parentOf(ref: AuthorRef): LinkId | null
  /** An entry left the table. */
  forget(ref: AuthorRef): void
}

/**
 * Every batch goes to every active link but those of the peer that brought it. Right for small topics; in large ones each
 * message arrives once per link.
 */
export class Flood implements Spread {
  #active: readonly Link[] = []

  /** From the next batch on it is a target. */
  linkActive(link: Link): void {
    this.#active = [...this.#active, link]
  }

  /** It is a target no more. Returns no frames: a flood has nothing to repair. */
  linkInactive(link: Link): readonly SpreadFrame[] {
    this.#active = this.#active.filter(other => other !== link)
    return []
  }

  /** All active links, but none of the peer that brought the batch. */
  targets(_batch: Batch, from: Link | null): readonly Link[] {
    return from === null ? this.#active : this.#active.filter(link => link.peerId !== from.peerId)
  }

  /** Nothing is learned from arrivals. */
  arrived(): void {}

  /** Copies are the normal case of a flood: nobody is pruned for one. */
  repeated(): readonly SpreadFrame[] {
    return []
  }

  /** Without effect: a peer that prunes is pushed to all the same, and drops the copies. */
  pruned(): void {}

  /** Without effect: all is pushed anyway. */
  grafted(): void {}

  /** Never. */
  wantsGraft(): boolean {
    return false
  }

  /** Never: there is no tree. */
  marks(): boolean {
    return false
  }

  /** Nobody in particular. */
  parentOf(): null {
    return null
  }

  /** Nothing is kept per author. */
  forget(): void {}
}
