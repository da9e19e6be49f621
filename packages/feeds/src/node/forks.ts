/**
 * Feeds that were signed twice for one length: shut at once, for ever, with the proof kept for others.
 *
 * Hypercore finds a fork when two trees meet on a connection; others find it when they are handed the proof. A feed of our own
 * that forked gets a successor.
 */
import b4a from 'b4a'
import { FeedsError, rangeError, typeError } from '../errors.js'
import type { FeedsLimits } from '../limits.js'
import type { ForkProof } from '../types.js'
import type { Store } from './corestore.js'
import type { FactStore } from './fact-store.js'
import { encodeForkProof, type ForkEvidence, verifyForkProof } from './fork-proof.js'
import { errorOf } from './guard.js'
import type { Core, TreeProof } from './hypercore.js'

/** What forks need of their set, and whom they tell. */
export interface ForksHost {
  readonly limits: Readonly<FeedsLimits>
  readonly facts: FactStore
  store(): Store
  /** Closes a feed everywhere; rejects if the log does. */
  shut(key: Uint8Array, logged: Promise<void>): Promise<void>
  isOwn(key: Uint8Array): boolean
  rotate(key: Uint8Array, length: number): Promise<void>
  forked(proof: ForkProof): void
  warn(error: FeedsError): void
}

type Found = Omit<ForkEvidence, 'key'> & { proof: Uint8Array }

const NO_BYTES = new Uint8Array(0)

/** See the head of this file. */
export class Forks {
  readonly #host: ForksHost

  constructor(host: ForksHost) {
    this.#host = host
  }

  /** All that are known, in the order in which they were found. */
  list(): ForkProof[] {
    const forks: ForkProof[] = []
    for (const fact of this.#host.facts.forks()) {
      const key = this.#host.facts.keyOfId(fact.feedId) ?? verifyForkProof(fact.proof)?.key
      if (key !== undefined) forks.push(proofOf(key, { ...fact, common: fact.common ?? 0 }))
    }
    return forks
  }

  /** Hypercore met another tree with our signature, or that of the feed's author. */
  async onConflict(key: Uint8Array, theirs: unknown): Promise<void> {
    const { facts } = this.#host
    if (facts.isQuarantined(key)) return
    const proof = theirs as TreeProof
    const { fork } = proof
    const { length } = proof.upgrade
    const found = facts.quarantine(key, { fork, length, proof: NO_BYTES, common: 0 })
    await this.#shut(key, found.logged)
    const encoded = await this.#prove(key, proof)
    const common = encoded === null ? 0 : (verifyForkProof(encoded)?.common ?? 0)
    const fact = { fork, length, common, proof: encoded ?? NO_BYTES }
    if (encoded !== null) await this.#shut(key, facts.quarantine(key, fact).logged)
    await this.#told(key, fact)
  }

  /**
   * Takes the word of a proof that somebody else made.
   *
   * @returns False: the fork was known.
   * @throws {TypeError | RangeError | FeedsError} `ERR_FEEDS_BAD_PROOF`, `ERR_FEEDS_STORAGE`.
   */
  async quarantine(proof: Uint8Array): Promise<boolean> {
    const { facts, limits } = this.#host
    if (!(proof instanceof Uint8Array)) throw typeError('ERR_FEEDS_BAD_PROOF', 'a proof is a Uint8Array')
    const [bytes, limit] = [proof.byteLength, limits.maxForkProofBytes]
    if (bytes > limit) {
      throw rangeError(
        'ERR_FEEDS_BAD_PROOF',
        `proof is ${bytes} bytes, limit is ${limit} (maxForkProofBytes)`
      )
    }
    const evidence = verifyForkProof(proof)
    if (evidence === null) throw new FeedsError('ERR_FEEDS_BAD_PROOF', 'this proves no fork')
    const { key, ...fork } = evidence
    if (facts.isQuarantined(key)) return false
    const fact = { ...fork, proof: b4a.from(proof) }
    await this.#host.shut(key, facts.quarantine(key, fact).logged)
    await this.#told(key, fact)
    return true
  }

  async #told(key: Uint8Array, fact: Found): Promise<void> {
    try {
      if (this.#host.isOwn(key)) await this.#host.rotate(key, fact.common)
    } catch (fault) {
      this.#warn(fault) // writer() tries again
    }
    this.#host.forked(proofOf(key, fact))
  }

  async #shut(key: Uint8Array, logged: Promise<void>): Promise<void> {
    try {
      await this.#host.shut(key, logged)
    } catch (fault) {
      this.#warn(fault) // it is shut for this process, and found again in the next
    }
  }

  /** Our half of the proof has to be read from the feed; null: it can't be. */
  async #prove(key: Uint8Array, theirs: TreeProof): Promise<Uint8Array | null> {
    let core: Core | null = null
    try {
      core = this.#host.store().openCore(key)
      await core.ready()
      const proof = encodeForkProof(key, await core.treeProof(theirs.upgrade.length), theirs)
      return proof !== null && proof.byteLength <= this.#host.limits.maxForkProofBytes ? proof : null
    } catch {
      return null // it forked all the same
    } finally {
      await core?.close()
    }
  }

  #warn(fault: unknown): void {
    const cause = errorOf(fault)
    this.#host.warn(
      fault instanceof FeedsError ? fault : new FeedsError('ERR_FEEDS_STORAGE', cause.message, { cause })
    )
  }
}

/** What the application sees of a fork. */
function proofOf(key: Uint8Array, fact: Found): ForkProof {
  const { length, fork, common, proof } = fact
  return { key, length, fork, common, proof: proof.byteLength === 0 ? null : b4a.from(proof) }
}
