/**
 * Facts that nobody here can judge yet: a denial of a feed that we don't know, a record of an issuer that isn't admitted.
 *
 * They wait without effect, apart from the records that count: otherwise anyone could hide a fact behind a higher version
 * of an own one.
 *
 * Invariant: at most `maxPerAuthor` of one author and `max` in all; above it the newest is dropped.
 */
import b4a from 'b4a'
import { type PartyRecord, recordVersion } from './records.js'

/** See the head of this file. */
export class Unchecked {
  readonly #max: number
  readonly #maxPerAuthor: number
  /** By author, then by slot (hex). */
  readonly #byAuthor = new Map<string, Map<string, PartyRecord>>()
  #size = 0

  constructor(limits: { maxUnchecked: number; maxUncheckedPerAuthor: number }) {
    this.#max = limits.maxUnchecked
    this.#maxPerAuthor = limits.maxUncheckedPerAuthor
  }

  get size(): number {
    return this.#size
  }

  /** Keeps a record. 'known': this version or a higher one waits already. */
  keep(slotId: string, record: PartyRecord): 'kept' | 'known' | 'full' {
    const authorId = b4a.toString(record.author, 'hex')
    const ofAuthor = this.#byAuthor.get(authorId) ?? new Map<string, PartyRecord>()
    const known = ofAuthor.get(slotId)
    if (known !== undefined && recordVersion(known) >= recordVersion(record)) return 'known'
    if (known === undefined) {
      if (ofAuthor.size >= this.#maxPerAuthor || this.#size >= this.#max) return 'full'
      this.#size++
    }
    ofAuthor.set(slotId, record)
    this.#byAuthor.set(authorId, ofAuthor)
    return 'kept'
  }

  /** Takes one out: it can be judged now. */
  take(authorId: string, slotId: string): PartyRecord | null {
    const ofAuthor = this.#byAuthor.get(authorId)
    const record = ofAuthor?.get(slotId)
    if (ofAuthor === undefined || record === undefined) return null
    ofAuthor.delete(slotId)
    if (ofAuthor.size === 0) this.#byAuthor.delete(authorId)
    this.#size--
    return record
  }

  /** Takes out all of whom `isJudged` says that they can be judged now. */
  takeWhere(isJudged: (record: PartyRecord) => boolean): PartyRecord[] {
    const taken: PartyRecord[] = []
    for (const [authorId, ofAuthor] of this.#byAuthor) {
      for (const [slotId, record] of ofAuthor) {
        if (isJudged(record)) taken.push(this.take(authorId, slotId) as PartyRecord)
      }
    }
    return taken
  }
}
