/**
 * What is noted about feeds stays in the fact log, and is read from there when somebody asks: a set of 10,000 feeds must not
 * hold 10 MB of notes.
 */
import type { FeedRows } from '../core/feed-rows.js'
import { decodeFact, type MetaFact } from '../facts.js'
import type { FactPlace } from './fact-log.js'
import { readPiece } from './log-file.js'

/** See the head of this file. */
export class MetaPlaces {
  readonly #rows: FeedRows
  readonly #path: () => string

  /** @param path - Of the log, as it is now. */
  constructor(rows: FeedRows, path: () => string) {
    this.#rows = rows
    this.#path = path
  }

  /** The latest meta fact of a row lies here. */
  note(row: number, { offset, bytes }: FactPlace): void {
    if (row < 0) return
    this.#rows.metaAt[row] = offset
    this.#rows.metaBytes[row] = bytes
  }

  /** The meta fact of a row; null: there is none, or the disk refuses. */
  read(row: number): MetaFact | null {
    const bytes = this.#rows.metaBytes[row] ?? 0
    if (row < 0 || bytes === 0) return null
    const piece = readPiece(this.#path(), this.#rows.metaAt[row] as number, bytes)
    const fact = piece === null ? null : decodeFact(piece)
    return fact?.ok === true && fact.value.kind === 'meta' ? fact.value : null
  }

  /** All of them. */
  *all(): IterableIterator<MetaFact> {
    for (let row = 0; row < this.#rows.count; row++) {
      const fact = this.read(row)
      if (fact !== null) yield fact
    }
  }
}
