/**
 * The effects of one step, in order, and the counters of a topic. Every machine of the core writes here and reads
 * nothing from it, so the order of effects is the order of decisions.
 */
import {
  type AuthorRef,
  type Batch,
  type DropReason,
  type LinkId,
  type OutFrame,
  SEND_CONTROL,
  type SendClass,
  type TopicEffect,
  type TracedBatch,
  type TracedIncarnation,
  type TraceEvent
} from './types.js'

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

  /** Hands control frames to links. */
  sendAll(frames: readonly { link: Addressee; frame: OutFrame }[], nowMs: number): void {
    for (const { link, frame } of frames) this.send(link, { class: SEND_CONTROL, frame }, nowMs)
  }

  /** Tells why input wasn't delivered, and counts it. */
  drop(link: LinkId | null, reason: DropReason, points: number): void {
    const { drops } = this.counters
    drops[reason] = (drops[reason] ?? 0) + 1
    this.#effects.push({ type: 'drop', link, reason, points })
    this.#trace?.({ type: 'drop', link, reason, points })
  }

  /** Tells a tracer; nothing else. On paths that every batch takes use `tracer?.(...)`: then no event is made for nobody. */
  trace(event: TraceEvent): void {
    this.#trace?.(event)
  }

  /** The tracer, if somebody looks. */
  get tracer(): ((event: TraceEvent) => void) | undefined {
    return this.#trace
  }

  /** The effects since the last call. */
  take(): TopicEffect[] {
    const effects = this.#effects
    this.#effects = []
    return effects
  }

  #traceSend(link: LinkId, frame: OutFrame): void {
    const trace = this.#trace
    if (trace === undefined) return
    const out = { link, direction: 'out' } as const
    switch (frame.kind) {
      case 'batch': {
        const { repair, hops } = frame
        const batch = tracedBatch(frame.batch)
        trace(repair ? { type: 'repair', link, ...batch } : { type: 'push', link, hops, ...batch })
        break
      }
      case 'want':
        for (const { ref, from, count } of frame.ranges) {
          if (frame.graft) trace({ type: 'graft', ...out, ...traced(ref) })
          if (count > 0) trace({ type: 'want', ...out, ...traced(ref), from, count })
        }
        break
      case 'miss':
        for (const { ref, from, count, reason } of frame.entries) {
          trace({ type: 'miss', ...out, ...traced(ref), from, count, reason })
        }
        break
      case 'prune':
        for (const ref of frame.refs) trace({ type: 'prune', ...out, ...traced(ref) })
        if (frame.refs.length === 0) trace({ type: 'prune', ...out, author: null, incarnation: null })
        break
    }
  }
}

/** An incarnation, as traces name it. */
export function traced({ authorId: author, incarnationId: incarnation }: AuthorRef): TracedIncarnation {
  return { author, incarnation }
}

/** A batch, as traces name it. */
export function tracedBatch({ ref, seq0, count }: Pick<Batch, 'ref' | 'seq0' | 'count'>): TracedBatch {
  return { ...traced(ref), seq0, count }
}
