/**
 * How many authors one link is told per second. The first frame that names an author costs an AUTHOR frame before it, and
 * whoever reads those has a budget for them, which an honest sender must not overdraw (see link-budgets.ts).
 *
 * Only topics with more authors than an index table holds come near it: there a link that joins is told all watermarks,
 * and each author that is named again after others took its index is bound again. What can't be named now is left out
 * of a frame. Watermarks wait; batches, questions and answers are lost, and repaired like any loss.
 */
import type { Limits } from '../limits.js'
import type { OutgoingAuthors } from './author-indexes.js'
import { TokenBucket } from './budget.js'
import type { AuthorRef, OutFrame } from './types.js'

/** Once watermarks have to wait, so many go at once: all that wait are looked through each time. */
const AT_ONCE = 64

/** What of a frame may be written now, and what later. */
interface Split {
  readonly now: OutFrame | null
  readonly later: Extract<OutFrame, { kind: 'have' }> | null
}

/** The pace of one link. */
export class AuthorPace {
  readonly #bucket: TokenBucket
  readonly #authors: OutgoingAuthors
  readonly #atOnce: number
  #isShort = false

  /** @param authors - Those that the link was told. */
  constructor({ authorsPerSecond, maxAuthorIndexes }: Limits, authors: OutgoingAuthors) {
    this.#bucket = new TokenBucket(authorsPerSecond, maxAuthorIndexes)
    this.#authors = authors
    this.#atOnce = Math.min(AT_ONCE, maxAuthorIndexes)
  }

  /** May watermarks be written? Not while some wait and few of them could go. */
  takesHaves(nowMs: number): boolean {
    if (this.#isShort && this.#bucket.left(nowMs) >= this.#atOnce) this.#isShort = false
    return !this.#isShort
  }

  /** Splits a frame into what may be named now and what not; takes from the budget for the first. */
  split(frame: OutFrame, nowMs: number): Split {
    const mayName = (ref: AuthorRef): boolean => this.#mayName(ref, nowMs)
    switch (frame.kind) {
      case 'batch':
        return { now: mayName(frame.batch.ref) ? frame : null, later: null }
      case 'offer':
      case 'skip':
        return { now: mayName(frame.ref) ? frame : null, later: null }
      case 'have': {
        const later = frame.entries.filter(({ ref }) => !mayName(ref))
        if (later.length === 0) return { now: frame, later: null }
        this.#isShort = true
        const isLater = new Set(later)
        const entries = frame.entries.filter(entry => !isLater.has(entry))
        return {
          now: entries.length === 0 ? null : { ...frame, entries },
          later: { ...frame, entries: later }
        }
      }
      case 'want':
        return {
          now: filled({ ...frame, ranges: frame.ranges.filter(({ ref }) => mayName(ref)) }),
          later: null
        }
      case 'miss':
        return {
          now: filled({ ...frame, entries: frame.entries.filter(({ ref }) => mayName(ref)) }),
          later: null
        }
      case 'prune':
        // None means all.
        if (frame.refs.length === 0) return { now: frame, later: null }
        return { now: filled({ ...frame, refs: frame.refs.filter(mayName) }), later: null }
      default:
        return { now: frame, later: null }
    }
  }

  #mayName(ref: AuthorRef, nowMs: number): boolean {
    return this.#authors.has(ref) || this.#bucket.take(1, nowMs)
  }
}

// A list that lost all of its elements says something else, or nothing.
function filled(frame: Extract<OutFrame, { kind: 'want' | 'miss' | 'prune' }>): OutFrame | null {
  const list = frame.kind === 'want' ? frame.ranges : frame.kind === 'miss' ? frame.entries : frame.refs
  return list.length === 0 ? null : frame
}
