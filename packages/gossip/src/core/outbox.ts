/**
 * The effects of one step, in order, and the counters of a topic. Every machine of the core writes here and reads
 * nothing from it, so the order of effects is the order of decisions.
 */
import type { DropReason, LinkId, OutFrame, SendClass, TopicEffect, TraceEvent } from './types.js'

/** What a topic counted since it was made. Never decides anything. */
export interface TopicCounters {
  /** Own messages that were signed. */
  published: number
  /** Messages delivered, own ones not counted. */
  delivered: number
  /** Copies of received batches handed to links. */
  forwarded: number
  /** Batches that had been accepted before. */
  duplicates: number
  /** Signatures made. */
  signed: number
  /** Signatures checked. */
  verified: number
  /** Batches that came as the answer to a WANT and were accepted. */
  repaired: number
  /** Messages given up. */
  missed: number
  /** Links that failed to prove the topic key. */
  badProofs: number
  /** Publishes dropped by the option `onFull`. */
  unsent: number
  /** Times that an author was found to have signed two batches for one seq. */
  equivocations: number
  /** Batches not sent because the other end takes no frame of that size. */
  oversized: number
  /** Input that wasn't delivered, by reason. */
  drops: Partial<Record<DropReason, number>>
}

/** Where frames are handed over; a part of a link. */
export interface Addressee {
  readonly id: LinkId
  /** When something was last sent to it. */
  toldMs: number
}

/** Collects effects. */
export class Outbox {
  /** Counters of the topic. */
  readonly counters: TopicCounters = {
    published: 0,
    delivered: 0,
    forwarded: 0,
    duplicates: 0,
    signed: 0,
    verified: 0,
    repaired: 0,
    missed: 0,
    badProofs: 0,
    unsent: 0,
    equivocations: 0,
    oversized: 0,
    drops: {}
  }

  readonly #trace: ((event: TraceEvent) => void) | undefined
  #effects: TopicEffect[] = []

  /** @param trace - Sees what happens; for people. */
  constructor(trace: ((event: TraceEvent) => void) | undefined) {
    this.#trace = trace
  }

  /** Adds an effect. */
  add(effect: TopicEffect): void {
    this.#effects.push(effect)
  }

  /** Hands a frame to a link. */
  send(to: Addressee, what: { class: SendClass; frame: OutFrame }, nowMs: number): void {
    to.toldMs = nowMs
    this.#effects.push({ type: 'send', link: to.id, class: what.class, frame: what.frame })
    if (this.#trace !== undefined) this.#traceSend(to.id, what.frame)
  }

  /** Tells why input wasn't delivered, and counts it. */
  drop(link: LinkId | null, reason: DropReason, points: number): void {
    const { drops } = this.counters
    drops[reason] = (drops[reason] ?? 0) + 1
    this.#effects.push({ type: 'drop', link, reason, points })
    this.#trace?.({ type: 'drop', link, reason })
  }

  /** Tells a tracer; nothing else. */
  trace(event: TraceEvent): void {
    this.#trace?.(event)
  }

  /** The effects since the last call. */
  take(): TopicEffect[] {
    const effects = this.#effects
    this.#effects = []
    return effects
  }

  #traceSend(link: LinkId, frame: OutFrame): void {
    if (frame.kind === 'batch') {
      const { batch, repair } = frame
      const { authorId: author, incarnationId: incarnation } = batch.ref
      const { seq0, count } = batch
      this.#trace?.({ type: 'push', link, author, incarnation, seq0, count, repair })
    }
    if (frame.kind === 'want') {
      for (const { ref, from, count } of frame.ranges) {
        this.#trace?.({
          type: 'want',
          link,
          author: ref.authorId,
          incarnation: ref.incarnationId,
          from,
          count
        })
      }
    }
  }
}
