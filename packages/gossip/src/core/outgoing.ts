/**
 * Hands batches to links, own ones and forwarded ones, and knows which incarnations are ours.
 *
 * Invariants: a link that lags gets no batch, it hears watermarks and pulls; none gets one that is larger than what it
 * said it takes; none gets back what it sent (that is `Spread.targets`).
 */
import type { Limits } from '../limits.js'
import type { AuthorTable } from './author-table.js'
import { type BatchCache, expiresMsOf } from './cache.js'
import type { Clock } from './clock.js'
import { batchFrameBytes } from './frames.js'
import type { Haves } from './haves.js'
import { FEATURE_OFFER } from './hello.js'
import { hasSkipped, type Link } from './link.js'
import type { Neighbours } from './neighbours.js'
import { type Outbox, traced } from './outbox.js'
import type { OwnBatch } from './publisher.js'
import type { Spread } from './spread.js'
import {
  type AuthorRef,
  type Batch,
  SEND_BULK,
  SEND_CONTROL,
  SEND_FORWARD,
  SEND_OWN,
  type SendClass
} from './types.js'

/** A batch larger than this waits behind smaller ones. */
const SMALL_BYTES = 4096

/** How a batch goes on. */
interface Hop {
  readonly class: SendClass
  /** Who brought it; null: it is ours. */
  readonly from: Link | null
  /** Who has it already. */
  readonly knowing: readonly Link[]
  readonly hops: number
  readonly isMarked: boolean
}

/** The machines that are told of own batches. */
export interface OutgoingParts {
  readonly clock: Clock
  readonly table: AuthorTable
  readonly cache: BatchCache
  readonly haves: Haves
  readonly spread: Spread
  readonly outbox: Outbox
  readonly neighbours: Neighbours
  readonly limits: Limits
  /** Our author, as `AuthorRef.authorKey`. */
  readonly authorKey: string
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
    return ref.authorKey === this.#parts.authorKey && this.#own.has(ref.incarnationId)
  }

  /** The entry of an incarnation left the table: what it signed is refused as expired now. */
  forget(ref: AuthorRef): void {
    if (ref.authorKey === this.#parts.authorKey) this.#own.delete(ref.incarnationId)
  }

  /** An own batch: marked, kept for repair, sent, told. */
  publish({ batch, publishes }: OwnBatch): void {
    const { clock, table, cache, haves, spread, outbox, neighbours } = this.#parts
    const { ref, seq0, count } = batch
    const incarnation = ref.incarnationId
    this.#own.add(incarnation)
    const entry = table.get(ref) ?? table.admitOwn(ref)
    table.accept(entry, { seq0, count, expiresMs: expiresMsOf(batch) })
    cache.add(batch, { hops: 0, highMs: clock.highMs })
    outbox.counters.signed++
    outbox.counters.published += count
    const mark = spread.marks(batch, clock.nowMs)
    if (mark) outbox.trace({ type: 'mark', link: null, seq0, ...traced(ref) })
    const pushed = this.#send(batch, {
      class: SEND_OWN,
      from: null,
      knowing: [],
      hops: 0,
      isMarked: mark
    })
    const to = seq0 + count - 1
    haves.changed(entry, { active: neighbours.active, from: null, pushed, knowing: [], to }, clock.nowMs)
    for (const [i, publish] of publishes.entries()) {
      const seq = seq0 + i
      outbox.add({ type: 'published', publish, incarnation, seq, links: pushed.length })
    }
    outbox.add({ type: 'deliver', batch, hops: 0, accepted: null, link: null })
  }

  /** A batch of another author, as it came. Returns the links that it was pushed to. */
  forward(batch: Batch, hop: Omit<Hop, 'class'>): readonly Link[] {
    const sendClass = batch.payloadBytes.length <= SMALL_BYTES ? SEND_FORWARD : SEND_BULK
    const pushed = this.#send(batch, { class: sendClass, ...hop })
    this.#parts.outbox.counters.forwarded += pushed.length
    return pushed
  }

  #send(batch: Batch, how: Hop): Link[] {
    const { spread, outbox, clock } = this.#parts
    const { from, knowing, hops, isMarked: mark } = how
    const frame = { kind: 'batch', batch, hops, mark, repair: false, last: false } as const
    const size = batchFrameBytes(batch)
    const { nowMs } = clock
    const { push, offer } = spread.targets(batch, { from, isMarked: mark, nowMs })
    const { ref, seq0, count } = batch
    const isOpen = (link: Link): boolean => !knowing.includes(link) && this.#takes(link, batch, size)
    const pushed = (from === null ? this.#withAsked(push) : push).filter(isOpen)
    for (const link of offer.filter(isOpen)) {
      if ((link.features & FEATURE_OFFER) === 0) pushed.push(link)
      else {
        const what = { kind: 'offer', ref, seq0, count, bytes: size } as const
        outbox.send(link, { class: SEND_CONTROL, frame: what }, nowMs)
      }
    }
    for (const link of pushed) outbox.send(link, { class: how.class, frame }, nowMs)
    return pushed
  }

  #takes(link: Link, { ref, seq0 }: Batch, size: number): boolean {
    if (size > link.maxFrameBytes) this.#parts.outbox.counters.oversized++
    return size <= link.maxFrameBytes && link.flow !== 'lagging' && !hasSkipped(link, ref, seq0)
  }

  // With few active links, those that were asked count as such for what we publish: else the first messages of a new
  // connection would wait for the answer, and then for repair.
  #withAsked(push: readonly Link[]): readonly Link[] {
    const { neighbours, limits, clock } = this.#parts
    if (neighbours.active.length >= limits.minActiveLinks) return push
    return [...push, ...neighbours.asked(clock.nowMs)]
  }
}
