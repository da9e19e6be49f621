/**
 * Brings what the cores trace to the application's `trace`: with the topic, the time, and keys as people read them.
 *
 * An event is made ready when it happens, because its link may be gone a moment later, and handed over in a microtask of
 * its own, in order: application code never runs in the middle of a step. What `trace` throws, or rejects with, is told once
 * and changes nothing.
 */
import type { LinkId, TraceEvent } from '../core/types.js'
import type { Peer, TopicTraceEvent } from '../types.js'
import type { Clock } from './clock.js'
import { errorOf, guarded } from './guard.js'
import { KeyIds } from './key-ids.js'
import type { Scheduler } from './scheduler.js'

/** The topic whose events are told. */
export interface TracedTopic {
  peerOf(link: LinkId | null): Peer | null
  /** `trace` threw for the first time. */
  onthrow(error: Error): void
}

/** See the head of this file. */
export class Tracing {
  readonly #trace: (event: TopicTraceEvent) => void
  readonly #clock: Pick<Clock, 'nowMs'>
  readonly #scheduler: Pick<Scheduler, 'later'>
  readonly #ids = new KeyIds()
  #hasThrown = false

  constructor(
    trace: (event: TopicTraceEvent) => void,
    shared: { clock: Pick<Clock, 'nowMs'>; scheduler: Pick<Scheduler, 'later'> }
  ) {
    this.#trace = trace
    this.#clock = shared.clock
    this.#scheduler = shared.scheduler
  }

  /** What the core of a topic traces into. */
  of(topic: string, { peerOf, onthrow }: TracedTopic): (event: TraceEvent) => void {
    const call = guarded(fault => {
      if (this.#hasThrown) return
      this.#hasThrown = true
      onthrow(errorOf(fault))
    }, this.#trace)
    return event => {
      const told = this.#told(event, topic, 'link' in event ? peerOf(event.link) : null)
      this.#scheduler.later(() => void call(told))
    }
  }

  #told(event: TraceEvent, topic: string, from: Peer | null): TopicTraceEvent {
    const about = { topic, atMs: this.#clock.nowMs(), peer: from?.id ?? null }
    if (!('author' in event) || event.author === null) return { ...event, ...about }
    return { ...event, ...about, author: this.#ids.of(event.author) }
  }
}
