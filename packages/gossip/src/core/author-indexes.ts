/**
 * Small numbers that stand for authors on one channel. The sender of a frame binds an index by an AUTHOR frame; each
 * direction has its own table. The stream is ordered, so both ends agree, also when an index is bound again.
 *
 * Bound: `maxAuthorIndexes` per direction. The sender then takes the index that it used least recently.
 */
import type { AuthorRef } from './types.js'

/** An index, and whether the other end has to be told what it stands for. */
export interface AuthorIndex {
  readonly ix: number
  readonly isNew: boolean
}

/** The table of the sender: which index stands for an author. */
export class OutgoingAuthors {
  readonly #max: number
  readonly #indexes = new Map<AuthorRef, number>()
  readonly #refs: AuthorRef[] = []
  readonly #usedAt: number[] = []
  #uses = 0

  /** @param max - Indexes at most, from 0. */
  constructor(max: number) {
    this.#max = max
  }

  /** Was the other end told of `ref`? */
  has(ref: AuthorRef): boolean {
    return this.#indexes.has(ref)
  }

  /** The index of `ref`. If it is new, an AUTHOR frame must be written before any frame that names it. */
  bind(ref: AuthorRef): AuthorIndex {
    const known = this.#indexes.get(ref)
    if (known !== undefined) {
      this.#usedAt[known] = ++this.#uses
      return { ix: known, isNew: false }
    }
    const ix = this.#refs.length < this.#max ? this.#refs.length : this.#leastUsed()
    const old = this.#refs[ix]
    if (old !== undefined) this.#indexes.delete(old)
    this.#refs[ix] = ref
    this.#usedAt[ix] = ++this.#uses
    this.#indexes.set(ref, ix)
    return { ix, isNew: true }
  }

  // A scan only when the table is full, so that the common case is one look-up and one write, without reordering a Map.
  #leastUsed(): number {
    let least = 0
    for (let ix = 1; ix < this.#usedAt.length; ix++) {
      if ((this.#usedAt[ix] as number) < (this.#usedAt[least] as number)) least = ix
    }
    return least
  }
}

/** The table of the receiver: what an index stands for. */
export class IncomingAuthors {
  readonly #max: number
  readonly #refs: (AuthorRef | undefined)[] = []

  /** @param max - Indexes at most, from 0. */
  constructor(max: number) {
    this.#max = max
  }

  /** Binds `ix`, again if need be. False, and nothing happens, if the index is out of range. */
  bind(ix: number, ref: AuthorRef): boolean {
    if (!(ix >= 0 && ix < this.#max)) return false
    // Filled from below: a first index of 2,047 must not make a sparse array.
    while (this.#refs.length <= ix) this.#refs.push(undefined)
    this.#refs[ix] = ref
    return true
  }

  /** What `ix` stands for; undefined: it was never bound, which is a violation by the sender. */
  get(ix: number): AuthorRef | undefined {
    return this.#refs[ix]
  }
}
