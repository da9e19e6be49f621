/**
 * The tree along which the first messages of an author travel, before it has a tree of its own: that of another author.
 *
 * A first batch that floods costs a copy on every link. Most authors of a large topic say little, so floods would be most
 * of what it costs. But a tree reaches everybody from any of its nodes if it is taken without direction: whoever
 * gets a batch passes it on over all links of that tree but the one that it came from. Paths are up to twice as long as
 * those of an own tree; an author that goes on marks, and gets one.
 *
 * All nodes have to take the same tree, without a word: that of the author and incarnation with the lowest key among those
 * that are remembered. One that is young is still being built, so it isn't taken yet. Where two nodes differ for a moment,
 * or the tree has a hole, watermarks find what is missing, as everywhere.
 *
 * Whoever makes a low key chooses whose tree it is, not what it looks like: that follows from the links over which honest
 * nodes passed it on, and from what they repaired.
 */
import { nameOf } from './keys.js'
import type { AuthorRef } from './types.js'

/** A tree is taken when it is so old: it stands everywhere then. */
const STANDING_MS = 1000

/** Chooses the backbone among the trees that exist. */
export class Backbone {
  readonly #trees: Iterable<AuthorRef>
  #ref: AuthorRef | null = null
  #next: AuthorRef | null = null
  #nextSinceMs = 0
  #isLost = false

  /** @param trees - All that are remembered, now and later. */
  constructor(trees: Iterable<AuthorRef>) {
    this.#trees = trees
  }

  /** A tree was begun. */
  add(ref: AuthorRef, nowMs: number): void {
    this.#find(ref)
    const lowest = this.#next ?? this.#ref
    if (lowest !== null && isBefore(lowest, ref)) return
    this.#next = ref
    this.#nextSinceMs = nowMs
  }

  /** A tree is forgotten. */
  remove(ref: AuthorRef): void {
    if (ref === this.#next) this.#next = null
    if (ref !== this.#ref) return
    this.#ref = null
    // Looked for when it is needed: thousands may be forgotten at once, each the lowest of those that are left.
    this.#isLost = true
  }

  /** The tree to take; null: there is none yet. */
  at(nowMs: number): AuthorRef | null {
    this.#find(null)
    if (this.#next !== null && nowMs >= this.#nextSinceMs + STANDING_MS) {
      this.#ref = this.#next
      this.#next = null
    }
    return this.#ref
  }

  // Young ones don't count.
  #find(young: AuthorRef | null): void {
    if (!this.#isLost) return
    this.#isLost = false
    for (const ref of this.#trees) {
      if (ref !== this.#next && ref !== young && (this.#ref === null || isBefore(ref, this.#ref)))
        this.#ref = ref
    }
  }
}

function isBefore(a: AuthorRef, b: AuthorRef): boolean {
  return a.authorKey === b.authorKey ? nameOf(a) < nameOf(b) : a.authorKey < b.authorKey
}
