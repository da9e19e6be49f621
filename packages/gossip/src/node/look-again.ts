/**
 * Looks a topic up again, soon after it was joined.
 *
 * Hyperswarm looks a topic up first and announces it then, and comes back after ten minutes. Two processes that join
 * in the same moment both look before the other is announced and miss each other for that time: seen in about a third
 * of the runs with four processes started at once on a DHT of ten nodes, and in none once each looked again.
 */
import type { DiscoveryLike } from '../network.js'

/** Waits between one look-up and the next, in ms. They grow, because each costs the DHT some packets. Guesses. */
const WAITS_MS = [300, 1000, 3000, 10_000, 30_000]

/**
 * Looks up again after each of the waits, and returns what ends that.
 *
 * @param discovery - What `network.join()` returned.
 */
export function lookAgain(discovery: DiscoveryLike): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined
  let stopped = false
  const next = (index: number) => {
    const wait = WAITS_MS[index]
    if (stopped || wait === undefined) return
    timer = setTimeout(() => {
      // Rejects when the topic was left meanwhile, and there is nothing more to look for.
      discovery.refresh().then(
        () => next(index + 1),
        () => {}
      )
    }, wait)
    // It must not keep the process alive. Only Node's timers have this.
    ;(timer as { unref?(): void }).unref?.()
  }
  discovery.flushed().then(
    () => next(0),
    () => {}
  )
  return () => {
    stopped = true
    clearTimeout(timer)
  }
}
