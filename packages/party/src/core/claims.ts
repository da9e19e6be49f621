/**
 * What one peer says that it holds: lengths by slot.
 *
 * A claim may come before we know the feed of its slot (its introduction is still being judged), so claims are kept by
 * slot and looked up when the feed enters the set. They are hints: a wrong one makes us open a feed for nothing.
 *
 * Invariant: at most `maxClaims`; the oldest goes first and is told again by the next comparison.
 */

/** Lengths of one feed at a peer, in blocks. */
export interface Claim {
  fork: number
  length: number
  /** Blocks from 0 on that the peer holds without a hole. */
  complete: number
}

/** Claims of one peer. */
export class Claims {
  readonly #maxClaims: number
  readonly #bySlot = new Map<string, Claim>()

  constructor(maxClaims: number) {
    this.#maxClaims = maxClaims
  }

  get size(): number {
    return this.#bySlot.size
  }

  get(slotId: string): Claim | null {
    return this.#bySlot.get(slotId) ?? null
  }

  /** Takes a claim. Returns whether it promises more than the last one. */
  set(slotId: string, claim: Claim): boolean {
    const known = this.#bySlot.get(slotId)
    this.#bySlot.delete(slotId)
    this.#bySlot.set(slotId, claim)
    if (this.#bySlot.size > this.#maxClaims) {
      const oldest = this.#bySlot.keys().next().value
      if (oldest !== undefined) this.#bySlot.delete(oldest)
    }
    return known === undefined || claim.complete > known.complete || claim.length > known.length
  }

  /** The peer takes its claim back. */
  delete(slotId: string): void {
    this.#bySlot.delete(slotId)
  }

  clear(): void {
    this.#bySlot.clear()
  }
}
