/**
 * What is learned from a BATCH beside its messages: who brings an author's batches, who pushes what we have, and whose
 * copies can still be stopped. Called by receive.ts (a batch) and control.ts (an announcement of one).
 */
import type { AuthorEntry } from './author-entry.js'
import type { Involved } from './gaps.js'
import { FEATURE_OFFER } from './hello.js'
import type { Link } from './link.js'
import { traced, tracedBatch } from './outbox.js'
import type { Parts } from './parts.js'
import { Doubts } from './peer-book.js'
import { type Batch, type LinkId, SEND_CONTROL } from './types.js'

/** How a batch came: what of its frame a forwarder may change. */
export interface Hop {
  readonly hops: number
  readonly mark: boolean
  readonly repair: boolean
}

/** Tells trees and watermarks what came. */
export class Arrivals {
  readonly #parts: Parts

  constructor(parts: Parts) {
    this.#parts = parts
  }

  /** A new batch. */
  first(
    from: Link,
    batch: Batch,
    how: { hop: Hop } & Involved
  ): { isMarked: boolean; knowing: readonly Link[] } {
    const { spread, outbox, book, clock } = this.#parts
    const { hops, repair, mark } = how.hop
    const knowing = this.#others(from, how.knowing)
    outbox.tracer?.({ type: 'receive', link: from.id, hops, repair, ...tracedBatch(batch) })
    this.#skip(from, batch, this.#others(from, how.asked))
    const bytes = batch.payloadBytes.length
    const arrival = { batch, bytes, from, isRepair: repair, isMarked: mark, knowing }
    const learned = spread.arrived(arrival, clock.nowMs)
    const { seq0, ref } = batch
    if (learned.isMarked) outbox.tracer?.({ type: 'mark', link: from.id, seq0, ...traced(ref) })
    outbox.sendAll(learned.frames, clock.nowMs)
    if (learned.isExcess) book.doubt(from.peerId, Doubts.earlyMark, clock.nowMs)
    return { isMarked: learned.isMarked, knowing }
  }

  /** A copy of what we have, or its announcement (a hop without any flag). */
  copy(from: Link, batch: Pick<Batch, 'ref' | 'seq0' | 'count'>, hop: Pick<Hop, 'mark' | 'repair'>): void {
    const { spread, outbox, table, haves, clock } = this.#parts
    const { nowMs } = clock
    const copy = { batch, bytes: 0, from, isRepair: hop.repair, isMarked: hop.mark, knowing: [] }
    outbox.sendAll(spread.repeated(copy, nowMs), nowMs)
    const entry = table.get(batch.ref)
    const to = batch.seq0 + batch.count - 1
    // Who pushes the last batch of all isn't to be told of it.
    if (entry?.window.top === to) haves.known(from, entry as AuthorEntry, { next: to + 1, to, nowMs })
  }

  // A copy of a large batch may be on its way: from whoever is about to push it, or was asked for it, too.
  #skip(from: Link, { ref, seq0, payloadBytes }: Batch, asked: readonly Link[]): void {
    const { spread, outbox, options, clock } = this.#parts
    const { minSkipBytes, maxPushBytes } = options.limits
    const { length } = payloadBytes
    if (length < minSkipBytes) return
    // Still larger ones are offered meanwhile, not pushed.
    const pushing = length > maxPushBytes ? [] : spread.skips(ref, from, clock.nowMs)
    for (const other of new Set([...pushing, ...asked])) {
      if ((other.features & FEATURE_OFFER) === 0) continue
      outbox.send(other, { class: SEND_CONTROL, frame: { kind: 'skip', ref, seq0 } }, clock.nowMs)
    }
  }

  #others(from: Link, ids: readonly LinkId[]): Link[] {
    const links = ids.map(id => this.#parts.links.get(id))
    return links.filter(link => link !== undefined && link !== from) as Link[]
  }
}
