/**
 * Who waits for something to move: readers of entries(), synced(), listeners of 'progress'.
 *
 * 'progress' comes once per feed and progressMs, however many blocks came meanwhile; without a listener nothing is kept.
 */
import type { FeedStatus } from '../core/progress.js'
import { progressOf } from '../core/progress.js'
import type { FeedProgress } from '../types.js'
import { keyId } from './keys.js'

/** What movement needs of its set. */
export interface MovementHost {
  progressMs: number
  statuses(): FeedStatus[]
  /** Does anybody listen to 'progress'? */
  isHeard(): boolean
  tell(progress: FeedProgress): void
}

/** See the head of this file. */
export class Movement {
  readonly #host: MovementHost
  /** Feeds that moved since the last 'progress', by id. */
  readonly #dirty = new Set<string>()
  #waiting: (() => void)[] = []
  #timer: NodeJS.Timeout | null = null
  /** Grows with everything that moves. */
  count = 0

  constructor(host: MovementHost) {
    this.#host = host
  }

  /** Something about this feed changed: a block, a peer, its place in the set. */
  moved(key: Uint8Array): void {
    this.count++
    this.#wake()
    if (!this.#host.isHeard()) return
    this.#dirty.add(keyId(key))
    this.#timer ??= setTimeout(() => this.#tell(), this.#host.progressMs).unref()
  }

  /** Resolves at the next move, and at close(). */
  next(): Promise<void> {
    return new Promise(resolve => this.#waiting.push(resolve))
  }

  close(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#wake()
  }

  #wake(): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const resolve of waiting) resolve()
  }

  #tell(): void {
    this.#timer = null
    const dirty = new Set(this.#dirty)
    this.#dirty.clear()
    for (const status of this.#host.statuses()) if (dirty.has(status.id)) this.#host.tell(progressOf(status))
  }
}
