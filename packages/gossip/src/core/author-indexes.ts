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

/**
 * The table of the sender: which index stands for an author.
 *
 * A Map lists its keys as they were set, so one that is set anew at each use lists the least recently used first. That is done
 * only while more than half of the indexes are bound: before, none is taken away soon. So what one frame names, at most half
 * as many authors as there are indexes (`maxPerFrame`), isn't taken away before the frame is written.
 */
export class OutgoingAuthors {
  readonly #max: number
  readonly #indexes = new Map<AuthorRef, number>()

  /** @param max - Indexes at most, from 0. */
  constructor(max: number) {
    this.#max = max
  }

  /** So many authors may be bound one after the other before the indexes of the first ones are needed. */
  get maxPerFrame(): number {
    return Math.floor(this.#max / 2)
  }

  /** Was the other end told of `ref`? */
  has(ref: AuthorRef): boolean {
    return this.#indexes.has(ref)
  }

  /** The index of `ref`. If it is new, an AUTHOR frame must be written before any frame that names it. */
  bind(ref: AuthorRef): AuthorIndex {
    const known = this.#indexes.get(ref)
    if (known === undefined) {
      const ix = this.#free()
      this.#indexes.set(ref, ix)
      return { ix, isNew: true }
    }
    if (this.#indexes.size * 2 > this.#max) {
      this.#indexes.delete(ref)
      this.#indexes.set(ref, known)
    }
    return { ix: known, isNew: false }
  }

  #free(): number {
    const { size } = this.#indexes
    if (size < this.#max) return size
    const [ref, ix] = this.#indexes.entries().next().value as [AuthorRef, number]
    this.#indexes.delete(ref)
    return ix
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
