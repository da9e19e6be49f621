/**
 * Who waits for something to move: readers of entries(), synced(), listeners of 'progress'.
 *
 * 'progress' comes once per feed and progressMs, however many blocks came meanwhile; without a listener nothing is kept.
 */
import { slotOf } from '../core/fact-set.js'
import { type FeedStatus, progressOf } from '../core/progress.js'
import type { FeedProgress } from '../types.js'

/** What movement needs of its set. */
export interface MovementHost {
  progressMs: number
  /** Where a feed stands; undefined: it isn't in the set. */
  statusOf(key: Uint8Array): FeedStatus | undefined
  /** Does anybody listen to 'progress'? */
  isHeard(): boolean
  tell(progress: FeedProgress): void
}

/** See the head of this file. */
export class Movement {
  readonly #host: MovementHost
  /** Feeds that moved since the last 'progress'. */
  readonly #dirty = new Map<string, Uint8Array>()
  readonly #watches = new Set<Watch>()
  #timer: NodeJS.Timeout | null = null
  /** Grows with everything that moves. */
  count = 0

  constructor(host: MovementHost) {
    this.#host = host
  }

  /** Something about this feed changed: a block, a peer, its place in the set. */
  moved(key: Uint8Array): void {
    this.count++
    for (const watch of this.#watches) watch.moved(key)
    if (!this.#host.isHeard()) return
    this.#dirty.set(slotOf(key), key)
    this.#timer ??= setTimeout(() => this.#tell(), this.#host.progressMs).unref()
  }

  /** Collects the feeds that move from now on, until it is closed. */
  watch(): Watch {
    const watch = new Watch(() => this.#watches.delete(watch))
    this.#watches.add(watch)
    return watch
  }

  close(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    for (const watch of this.#watches) watch.wake()
  }

  #tell(): void {
    this.#timer = null
    const dirty = [...this.#dirty.values()]
    this.#dirty.clear()
    for (const key of dirty) {
      const status = this.#host.statusOf(key)
      if (status !== undefined) this.#host.tell(progressOf(status))
    }
  }
}

/** The feeds that moved since somebody looked last. */
export class Watch {
  readonly #closed: () => void
  #moved = new Map<string, Uint8Array>()
  #waiting: (() => void)[] = []

  constructor(closed: () => void) {
    this.#closed = closed
  }

  /** Keys of the feeds that moved since the last call. */
  take(): Uint8Array[] {
    const moved = [...this.#moved.values()]
    this.#moved.clear()
    return moved
  }

  /** Resolves when a feed has moved that was not taken, and when the set closes. */
  async next(): Promise<void> {
    if (this.#moved.size === 0) await new Promise<void>(resolve => this.#waiting.push(resolve))
  }

  moved(key: Uint8Array): void {
    this.#moved.set(slotOf(key), key)
    this.wake()
  }

  wake(): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const resolve of waiting) resolve()
  }

  close(): void {
    this.#closed()
  }
}
