/**
 * Peers that are kept out of a network of our own for a while, because they failed to prove that they know the topic.
 *
 * Hyperswarm's ban works in both directions and lasts for ever; here it ends. Bounded: when full, the oldest is let
 * in again, which costs us one more handshake with it and nothing else.
 */
import type { PeerInfoLike } from '../network.js'

/** Banned peers, oldest first. */
export class Refused {
  readonly #max: number
  readonly #ms: number
  readonly #timers = new Map<PeerInfoLike, ReturnType<typeof setTimeout>>()

  /**
   * @param max - Peers remembered at once.
   * @param ms - How long each stays out.
   */
  constructor(max: number, ms: number) {
    this.#max = max
    this.#ms = ms
  }

  /** Number of peers that are kept out now. */
  get size(): number {
    return this.#timers.size
  }

  /** Keeps a peer out, from now on. */
  refuse(info: PeerInfoLike): void {
    this.#forgive(info)
    const [oldest] = this.#timers.keys()
    if (oldest !== undefined && this.#timers.size >= this.#max) this.#forgive(oldest)
    info.ban(true)
    const timer = setTimeout(() => this.#forgive(info), this.#ms)
    // Nothing to stay awake for. Only Node's timers have this.
    ;(timer as { unref?(): void }).unref?.()
    this.#timers.set(info, timer)
  }

  /** Lets everybody in again and stops all timers. */
  clear(): void {
    for (const info of [...this.#timers.keys()]) this.#forgive(info)
  }

  #forgive(info: PeerInfoLike): void {
    const timer = this.#timers.get(info)
    if (timer === undefined) return
    clearTimeout(timer)
    this.#timers.delete(info)
    info.ban(false)
  }
}
