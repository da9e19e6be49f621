/**
 * How many feeds are being opened in this process at once, over all connections: opening costs disk, memory and round trips,
 * and a thousand at a time would stop everything else.
 *
 * Found under a global symbol, so that all copies of this package share the places.
 */

/** See the head of this file. */
export class OpeningSlots {
  readonly #waiting = new Set<() => void>()
  #taken = 0

  /** @returns False: all are taken; `freed` is called once when one is given back. `isForced` takes one in any case. */
  take(max: number, isForced: boolean, freed: () => void): boolean {
    if (this.#taken >= max && !isForced) {
      this.#waiting.add(freed)
      return false
    }
    this.#taken++
    return true
  }

  give(): void {
    this.#taken--
    const [first] = this.#waiting
    if (first === undefined) return
    this.#waiting.delete(first)
    // Later: whoever gives a place back is in the middle of something.
    queueMicrotask(first)
  }

  /** Who doesn't wait any more. */
  leave(freed: () => void): void {
    this.#waiting.delete(freed)
  }

  get taken(): number {
    return this.#taken
  }
}

const REGISTRY = Symbol.for('hearsay.opening/1')
const shared = globalThis as { [REGISTRY]?: OpeningSlots }
shared[REGISTRY] ??= new OpeningSlots()

/** Those of this process. */
export const openingSlots = shared[REGISTRY]
