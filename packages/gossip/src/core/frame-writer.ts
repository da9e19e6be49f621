/**
 * Turns frames that name authors by reference into the bytes of one link.
 *
 * The index of an author is bound when a frame is written, not when it is queued: queues with priorities reorder frames,
 * and an AUTHOR that is overtaken by its BATCH is a violation. So `write` must be called in the order of sending.
 * A list over a bound of the receiver becomes several frames; within one frame no index is bound twice, because a list
 * is never longer than the table.
 */
import type { Limits } from '../limits.js'
import { OutgoingAuthors } from './author-indexes.js'
import { AuthorPace } from './author-pace.js'
import {
  batchFrameBytes,
  encodeAuthor,
  encodeBatch,
  encodeHave,
  encodeLink,
  encodeMiss,
  encodeOffer,
  encodePeers,
  encodePrune,
  encodeSkip,
  encodeWant,
  FrameKind
} from './frames.js'
import type { AuthorRef, LinkId, OutFrame } from './types.js'

/** A frame as it goes to the channel. */
export interface WrittenFrame {
  /** The link that the writer was made for. */
  readonly link: LinkId
  /** A number of `FrameKind`: the Protomux message. */
  readonly kind: number
  /** The whole frame without its kind; freshly made, the caller's to keep. */
  readonly bytes: Uint8Array
}

/** Kind byte and element count of a list. */
const LIST_BYTES = 4
/** An index below 2,048 takes 3 bytes, a seq up to 9. */
const MAX_HAVE_ENTRY_BYTES = 3 + 9 + 9
/** Index, author, incarnation, length of the origin. */
const AUTHOR_BYTES = 3 + 32 + 8 + 3

/** Writes the frames of one link. */
export class FrameWriter {
  readonly #limits: Limits
  readonly #link: LinkId
  readonly #authors: OutgoingAuthors
  /** How many authors may be named anew. */
  readonly pace: AuthorPace
  readonly #maxHaveEntries: number

  /** @param link - Put into each written frame; default 0. */
  constructor(limits: Limits, link: LinkId = 0) {
    this.#limits = limits
    this.#link = link
    this.#authors = new OutgoingAuthors(limits.maxAuthorIndexes)
    this.pace = new AuthorPace(limits, this.#authors)
    // A full list of large watermarks would be over the frame bound.
    const fitting = Math.floor((limits.maxFrameBytes - LIST_BYTES) / MAX_HAVE_ENTRY_BYTES)
    this.#maxHaveEntries = Math.max(1, Math.min(limits.maxHaveEntries, fitting))
  }

  /** Entries that one HAVE holds at most. */
  get maxHaveEntries(): number {
    return this.#maxHaveEntries
  }

  /**
   * Encodes `frame`, with an AUTHOR before it for each author that the other end doesn't know.
   *
   * @param into - Where the frames are appended; default a new array.
   * @returns `into`.
   */
  write(frame: OutFrame, into: WrittenFrame[] = []): WrittenFrame[] {
    switch (frame.kind) {
      case 'batch': {
        const ix = this.#bind(frame.batch.ref, into)
        return this.#put(into, FrameKind.batch, encodeBatch(ix, frame.batch, frame))
      }
      case 'offer':
        return this.#put(into, FrameKind.offer, encodeOffer({ ...frame, ix: this.#bind(frame.ref, into) }))
      case 'skip':
        return this.#put(into, FrameKind.skip, encodeSkip({ ...frame, ix: this.#bind(frame.ref, into) }))
      case 'link':
        return this.#put(into, FrameKind.link, encodeLink(frame))
      default:
        return this.#writeList(frame, into)
    }
  }

  #writeList(frame: Extract<OutFrame, { kind: ListKind }>, into: WrittenFrame[]): WrittenFrame[] {
    const { maxWantRanges, maxHaveEntries, maxPeersKeys } = this.#limits
    switch (frame.kind) {
      case 'have':
        for (const entries of this.#pages(frame.entries, this.#maxHaveEntries)) {
          const ixs = entries.map(entry => this.#bind(entry.ref, into))
          this.#put(into, FrameKind.have, encodeHave(frame.have, entries, ixs))
        }
        return into
      case 'want':
        for (const ranges of this.#pages(frame.ranges, maxWantRanges)) {
          const ixs = ranges.map(range => this.#bind(range.ref, into))
          this.#put(into, FrameKind.want, encodeWant(frame.graft, ranges, ixs))
        }
        return into
      case 'miss':
        for (const entries of this.#pages(frame.entries, maxWantRanges)) {
          const ixs = entries.map(entry => this.#bind(entry.ref, into))
          this.#put(into, FrameKind.miss, encodeMiss(entries, ixs))
        }
        return into
      case 'prune':
        for (const refs of this.#pages(frame.refs, maxHaveEntries)) {
          const ixs = refs.map(ref => this.#bind(ref, into))
          this.#put(into, FrameKind.prune, encodePrune(ixs))
        }
        return into
      case 'peers':
        for (const keys of this.#pages(frame.keys, maxPeersKeys)) {
          this.#put(into, FrameKind.peers, encodePeers(keys))
        }
        return into
    }
  }

  /** `list` in pieces; an empty list is one empty piece. No piece names more authors than keep their indexes that long. */
  #pages<T>(list: readonly T[], max: number): (readonly T[])[] {
    const size = Math.max(1, Math.min(max, this.#authors.maxPerFrame))
    if (list.length <= size) return [list]
    const pages: T[][] = []
    for (let at = 0; at < list.length; at += size) pages.push(list.slice(at, at + size))
    return pages
  }

  #bind(ref: AuthorRef, into: WrittenFrame[]): number {
    const { ix, isNew } = this.#authors.bind(ref)
    if (isNew) this.#put(into, FrameKind.author, encodeAuthor(ix, ref))
    return ix
  }

  #put(into: WrittenFrame[], kind: FrameKind, bytes: Uint8Array): WrittenFrame[] {
    into.push({ link: this.#link, kind, bytes })
    return into
  }
}

type ListKind = 'have' | 'want' | 'miss' | 'prune' | 'peers'

/** Bytes that `frame` will take when it is written, without AUTHOR frames. Exact for batches with an index below 253. */
export function sizeOf(frame: OutFrame): number {
  switch (frame.kind) {
    case 'batch':
      return batchFrameBytes(frame.batch)
    case 'have':
      return LIST_BYTES + frame.entries.length * MAX_HAVE_ENTRY_BYTES
    case 'want':
      return LIST_BYTES + frame.ranges.length * MAX_HAVE_ENTRY_BYTES
    case 'miss':
      return LIST_BYTES + frame.entries.length * (MAX_HAVE_ENTRY_BYTES + 10)
    case 'prune':
      return LIST_BYTES + frame.refs.length * 3
    case 'peers':
      return LIST_BYTES + frame.keys.length * 32
    default:
      return 32
  }
}

/** Bytes of the AUTHOR frames that `frame` may need at most. */
export function authorBytesOf(frame: OutFrame): number {
  switch (frame.kind) {
    case 'batch':
      return AUTHOR_BYTES + frame.batch.ref.origin.length
    case 'offer':
    case 'skip':
      return AUTHOR_BYTES + frame.ref.origin.length
    case 'have':
    case 'miss':
      return sumOfAuthors(frame.entries)
    case 'want':
      return sumOfAuthors(frame.ranges)
    case 'prune':
      return frame.refs.reduce((sum, ref) => sum + AUTHOR_BYTES + ref.origin.length, 0)
    default:
      return 0
  }
}

function sumOfAuthors(entries: readonly { readonly ref: AuthorRef }[]): number {
  return entries.reduce((sum, { ref }) => sum + AUTHOR_BYTES + ref.origin.length, 0)
}
