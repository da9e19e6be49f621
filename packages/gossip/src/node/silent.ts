/**
 * Connections of a Hyperswarm of our own on which nobody has said hello: whoever connects and then says nothing must not
 * hold one of our few places for ever.
 *
 *   (none) --connected--> waiting --in use by then: hello on any topic, or another protocol | closed--> (none)
 *                                 --helloDeadlineMs | no room for another, and it is the oldest-------> destroyed
 *
 * An application's connections are left alone: other protocols may live there, and a topic may be joined later.
 */
import type { Limits } from '../limits.js'
import type { DuplexLike } from '../types.js'

interface Waiting {
  readonly timer: ReturnType<typeof setTimeout>
  readonly isInUse: () => boolean
}

/** See the head of this file. */
export class SilentConnections {
  readonly #limits: Pick<Limits, 'helloDeadlineMs' | 'maxSilentConnections'>
  /** Oldest first. */
  readonly #waiting = new Map<DuplexLike, Waiting>()

  constructor(limits: Pick<Limits, 'helloDeadlineMs' | 'maxSilentConnections'>) {
    this.#limits = limits
  }

  /** Connections that are waited for. */
  get size(): number {
    return this.#waiting.size
  }

  /** A connection was opened. `isInUse`: does anybody speak on it by now? */
  add(stream: DuplexLike, isInUse: () => boolean): void {
    const { helloDeadlineMs, maxSilentConnections } = this.#limits
    if (this.#waiting.size >= maxSilentConnections) this.#makeRoom()
    const timer = setTimeout(() => this.#judge(stream), helloDeadlineMs)
    // Nothing to stay awake for. Only Node's timers have this.
    ;(timer as { unref?(): void }).unref?.()
    this.#waiting.set(stream, { timer, isInUse })
    stream.on('close', () => this.#forget(stream))
  }

  /** Waits for nobody any more, and destroys nothing. */
  clear(): void {
    for (const stream of [...this.#waiting.keys()]) this.#forget(stream)
  }

  #makeRoom(): void {
    for (const [stream, { isInUse }] of [...this.#waiting]) if (isInUse()) this.#forget(stream)
    const [oldest] = this.#waiting.keys()
    if (oldest !== undefined && this.#waiting.size >= this.#limits.maxSilentConnections) this.#judge(oldest)
  }

  #judge(stream: DuplexLike): void {
    const isInUse = this.#waiting.get(stream)?.isInUse() ?? true
    this.#forget(stream)
    if (!isInUse) stream.destroy?.()
  }

  #forget(stream: DuplexLike): void {
    clearTimeout(this.#waiting.get(stream)?.timer)
    this.#waiting.delete(stream)
  }
}
