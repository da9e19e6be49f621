/**
 * Feeds that were signed twice for one length, and the proofs of it. First seen stays.
 *
 * That a feed forked is kept for ever; of proofs, which are large, only the latest so many.
 */
import type { QuarantineFact } from '../facts.js'
import { slotOf } from './fact-set.js'

const NO_BYTES = new Uint8Array(0)

/** See the head of this file. */
export class ForkBook implements Iterable<QuarantineFact> {
  readonly #maxProofs: number
  /** By feed, in the order in which they were found. */
  readonly #forks = new Map<string, QuarantineFact>()
  /** Those with a proof, oldest first. */
  readonly #proven = new Set<string>()

  constructor(maxProofs: number) {
    this.#maxProofs = maxProofs
  }

  [Symbol.iterator](): Iterator<QuarantineFact> {
    return this.#forks.values()
  }

  /** What is known of a feed, by the id that facts name it by; undefined: it didn't fork. */
  get(feedId: Uint8Array): QuarantineFact | undefined {
    return this.#forks.get(slotOf(feedId))
  }

  /** Notes a fork; a proof takes the place of none, and of no other. */
  add(fact: QuarantineFact): void {
    const slot = slotOf(fact.feedId)
    const known = this.#forks.get(slot)
    if (known !== undefined && (known.proof.byteLength > 0 || fact.proof.byteLength === 0)) return
    this.#forks.set(slot, fact)
    if (fact.proof.byteLength === 0) return
    this.#proven.add(slot)
    if (this.#proven.size <= this.#maxProofs) return
    const [oldest] = this.#proven as Iterable<string> as [string]
    this.#proven.delete(oldest)
    this.#forks.set(oldest, { ...(this.#forks.get(oldest) as QuarantineFact), proof: NO_BYTES })
  }
}
