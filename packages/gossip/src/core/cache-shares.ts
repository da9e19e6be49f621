/**
 * How much of the cache each author holds, and who holds most: that one pays when there is no room (longest queue drop:
 * Suter, Lakshman, Stiliadis and Choudhury, "Design considerations for supporting TCP with per-flow queueing", 1998). So an
 * author that floods drives out its own batches: with n authors, whoever holds less than an n-th of what isn't ours loses
 * nothing to the others. Among equals the one pays that didn't change for longest: its batches got around by now.
 *
 * Bytes and number count as one: the cache is `maxCacheBatches` pages, and a batch takes as many whole ones as its bytes
 * need. All incarnations of an author share. Authors are listed by the number of their pages, which changes by few at a time:
 * so finding the most costs no more than what made it the most, O(1) amortised for a batch that takes a page.
 *
 * Bound: authors with a batch in the cache.
 */
import type { Limits } from '../limits.js'
import type { AuthorRef } from './types.js'

/** What one author holds. */
export class Share {
  /** Incarnations that have batches here. */
  readonly refs: AuthorRef[] = []
  /** What its batches take. */
  pages = 0
  /** The ring of those with as many pages; itself, if there is no other. */
  before: Share = this
  /** The other way around. */
  behind: Share = this
}

/** The shares of all authors but ourselves. */
export class CacheShares {
  readonly #pageBytes: number
  /** By `AuthorRef.authorKey`. */
  readonly #shares = new Map<string, Share>()
  /** By number of pages: the first of those that have as many; who came last is before it. */
  readonly #levels = new Map<number, Share>()
  /** No share has more pages. */
  #most = 0

  constructor({ maxCacheBytes, maxCacheBatches }: Limits) {
    this.#pageBytes = Math.max(1, Math.ceil(maxCacheBytes / maxCacheBatches))
  }

  /** Whoever holds most; of several, who did so first. Undefined: nobody holds anything. */
  get largest(): Share | undefined {
    while (this.#most > 0 && !this.#levels.has(this.#most)) this.#most--
    return this.#levels.get(this.#most)
  }

  /** A batch of so many bytes was added. Returns the share of its author. */
  add(ref: AuthorRef, bytes: number): Share {
    let share = this.#shares.get(ref.authorKey)
    if (share === undefined) {
      share = new Share()
      this.#shares.set(ref.authorKey, share)
    } else this.#leave(share)
    share.pages += this.#pagesOf(bytes)
    this.#enter(share)
    return share
  }

  /** A batch of so many bytes was removed. Returns the share of its author, perhaps its last. */
  remove(ref: AuthorRef, bytes: number): Share {
    const share = this.#shares.get(ref.authorKey) as Share
    this.#leave(share)
    share.pages -= this.#pagesOf(bytes)
    if (share.pages > 0) this.#enter(share)
    else this.#shares.delete(ref.authorKey)
    return share
  }

  #pagesOf(bytes: number): number {
    return Math.ceil(bytes / this.#pageBytes)
  }

  #enter(share: Share): void {
    const { pages } = share
    const first = this.#levels.get(pages)
    if (first === undefined) this.#levels.set(pages, share)
    else {
      share.before = first.before
      share.behind = first
      first.before.behind = share
      first.before = share
    }
    if (pages > this.#most) this.#most = pages
  }

  #leave(share: Share): void {
    const { before, behind, pages } = share
    if (behind === share) this.#levels.delete(pages)
    else if (this.#levels.get(pages) === share) this.#levels.set(pages, behind)
    before.behind = behind
    behind.before = before
    share.before = share
    share.behind = share
  }
}
