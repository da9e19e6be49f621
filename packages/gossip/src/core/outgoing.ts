/**
 * Hands batches to links, own ones and forwarded ones, and knows which incarnations are ours.
 *
 * Invariants: a link that lags gets no batch, it hears watermarks and pulls; none gets one that is larger than what it
 * said it takes; none gets back what it sent (that is `Spread.targets`).
 */
import type { AuthorTable } from './author-table.js'
import { type BatchCache, expiresMsOf } from './cache.js'
import type { Clock } from './clock.js'
import { batchFrameBytes } from './frames.js'
import type { Haves } from './haves.js'
import type { Link } from './link.js'
import type { Outbox } from './outbox.js'
import type { OwnBatch } from './publisher.js'
import type { Spread } from './spread.js'
import { type AuthorRef, type Batch, SEND_BULK, SEND_FORWARD, SEND_OWN, type SendClass } from './types.js'

/** A batch larger than this waits behind smaller ones. */
const SMALL_BYTES = 4096

/** The machines that are told of own batches. */
export interface OutgoingParts {
  readonly clock: Clock
  readonly table: AuthorTable
  readonly cache: BatchCache
  readonly haves: Haves
  readonly spread: Spread
  readonly outbox: Outbox
  /** Our author, hex. */
  readonly authorId: string
}

/** Sends batches. */
export class Outgoing {
  readonly #parts: OutgoingParts
  /** Ids of own incarnations that still have an entry. */
  readonly #own = new Set<string>()

  constructor(parts: OutgoingParts) {
    this.#parts = parts
  }

  /** Was this incarnation drawn by us? Another one of our key is another device. */
  isOwn(ref: AuthorRef): boolean {
    return ref.authorId === this.#parts.authorId && this.#own.has(ref.incarnationId)
  }

  /** The entry of an incarnation left the table: what it signed is refused as expired now. */
  forget(ref: AuthorRef): void {
    if (ref.authorId === this.#parts.authorId) this.#own.delete(ref.incarnationId)
  }

  /** An own batch: marked, kept for repair, sent, told. */
  publish({ batch, publishes }: OwnBatch, activeLinks: number): void {
    const { clock, table, cache, haves, spread, outbox } = this.#parts
    const { ref, seq0, count } = batch
    this.#own.add(ref.incarnationId)
    const entry = table.get(ref) ?? table.admitOwn(ref)
    table.accept(entry, { seq0, count, expiresMs: expiresMsOf(batch) })
    cache.add(batch, true)
    haves.changed(entry, activeLinks, clock.nowMs)
    outbox.counters.signed++
    outbox.counters.published += count
    const mark = spread.marks(batch, clock.nowMs)
    const links = this.#send(batch, null, { class: SEND_OWN, hops: 0, mark })
    for (const [i, publish] of publishes.entries()) {
      const seq = seq0 + i
      outbox.add({ type: 'published', publish, incarnation: ref.incarnationId, seq, links })
    }
    outbox.add({ type: 'deliver', batch, hops: 0, accepted: null, link: null })
  }

  /** A batch of another author, as it came. */
  forward(batch: Batch, from: Link, hop: { hops: number; mark: boolean }): void {
    const sendClass = batch.payloadBytes.length <= SMALL_BYTES ? SEND_FORWARD : SEND_BULK
    const hops = Math.min(hop.hops + 1, 255)
    this.#parts.outbox.counters.forwarded += this.#send(batch, from, {
      class: sendClass,
      hops,
      mark: hop.mark
    })
  }

  #send(batch: Batch, from: Link | null, how: { class: SendClass; hops: number; mark: boolean }): number {
    const { spread, outbox, clock } = this.#parts
    const { hops, mark } = how
    const frame = { kind: 'batch', batch, hops, mark, repair: false, last: false } as const
    const size = batchFrameBytes(batch)
    let links = 0
    for (const link of spread.targets(batch, from)) {
      if (link.flow === 'lagging') continue
      if (size > link.maxFrameBytes) {
        outbox.counters.oversized++
        continue
      }
      links++
      outbox.send(link, { class: how.class, frame }, clock.nowMs)
    }
    return links
  }
}
