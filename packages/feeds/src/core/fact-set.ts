/**
 * The authorized set as a function of facts. Merges; knows no disk, no key derivation, no rule.
 *
 * A feed is authorized if its greatest authorize version is above its greatest deny version, and it isn't quarantined:
 *
 *   UNKNOWN    --authorize a-------------------> AUTHORIZED
 *   UNKNOWN    --deny r------------------------> DENIED        tombstone, kept for ever
 *   AUTHORIZED --deny r >= a-------------------> DENIED        a tie is a deny
 *   DENIED     --authorize a > r---------------> AUTHORIZED    a deliberate revival; the tombstone stays
 *   any        --quarantine--------------------> QUARANTINED   not a deny: no tombstone, but never asked for again
 *
 * PF2 after replay nothing is authorized that a tombstone denies. PF3 equal facts give equal sets, in any order, with any
 * repetition: every field is a maximum, a minimum or a union. PF4 rows are bounded by the authorized feeds and tombstones.
 * A row's generation grows with each change, so that who waited for something can see that the answer is stale.
 */
import b4a from 'b4a'
import type { AuthorizeFact, DenyFact, QuarantineFact } from '../facts.js'

/** What is known about one feed. */
export interface FeedRow {
  /** 32 bytes; null while only a tombstone is known. */
  key: Uint8Array | null
  /** Greatest version of an authorize, -1: none. */
  allowed: number
  /** Greatest version of a deny, -1: none. */
  denied: number
  /** Of the greatest authorize: 0 fetch all blocks, 1 only what is asked for. */
  policy: 0 | 1
  /** Of the greatest authorize: digest of what led to it, 0 or 32 bytes. */
  evidence: Uint8Array
  /** Cutoffs that still count, as [version, cutoff]; a higher authorize lifts those below it. */
  cutoffs: [number, number][]
  /** Purge was asked for by the deny of this version; -1: by none. */
  purged: number
  /** Signed twice for one length; for ever, whatever is authorized later. */
  quarantined: boolean
  /** Grows with each change of this row. */
  generation: number
}

const NO_BYTES = new Uint8Array(0)

/** A 32-byte id as a Map key: 32 characters take half the memory of 64 hex digits. */
export function slotOf(id: Uint8Array): string {
  return b4a.toString(id, 'latin1')
}

/** See the head of this file. Ids are whatever the caller derives from a feed key, 32 bytes. */
export class FactSet {
  readonly #rows = new Map<string, FeedRow>()
  #authorized = 0
  #generation = 0

  /** Feeds that are authorized now. */
  get size(): number {
    return this.#authorized
  }

  /** Rows in memory: authorized feeds and tombstones. */
  get rows(): number {
    return this.#rows.size
  }

  /** The row of a feed, by the id that its facts name; undefined: nothing known. */
  row(feedId: Uint8Array): Readonly<FeedRow> | undefined {
    return this.#rows.get(slotOf(feedId))
  }

  /** May the feed be replicated now? False for one of which nothing is known. */
  isAuthorized(feedId: Uint8Array): boolean {
    const row = this.#rows.get(slotOf(feedId))
    return row !== undefined && authorizedRow(row)
  }

  /** The lowest cutoff that counts, or null. */
  cutoff(feedId: Uint8Array): number | null {
    const row = this.#rows.get(slotOf(feedId))
    if (row === undefined || row.cutoffs.length === 0) return null
    return row.cutoffs.reduce((lowest, [, cutoff]) => Math.min(lowest, cutoff), Number.POSITIVE_INFINITY)
  }

  /** Keys of the authorized feeds, in the order in which their rows were made. */
  *keys(): IterableIterator<Uint8Array> {
    for (const row of this.#rows.values()) {
      if (row.key !== null && authorizedRow(row)) yield row.key
    }
  }

  /** @returns True if the feed became authorized by it. */
  authorize(feedId: Uint8Array, fact: AuthorizeFact): boolean {
    return this.#change(feedId, row => {
      row.key = fact.key
      const isTie = fact.version === row.allowed && isLarger(fact, row)
      if (fact.version > row.allowed || isTie) {
        row.policy = fact.policy
        row.evidence = fact.evidence
      }
      row.allowed = Math.max(row.allowed, fact.version)
    })
  }

  /** @returns True if the feed was authorized until now. */
  deny(fact: DenyFact): boolean {
    const before = this.isAuthorized(fact.feedId)
    this.#change(fact.feedId, row => {
      row.denied = Math.max(row.denied, fact.version)
      if (fact.purge) row.purged = Math.max(row.purged, fact.version)
      if (fact.cutoff !== null) row.cutoffs.push([fact.version, fact.cutoff])
    })
    return before
  }

  /** @returns True if the feed was authorized until now. */
  quarantine(fact: QuarantineFact): boolean {
    const before = this.isAuthorized(fact.feedId)
    this.#change(fact.feedId, row => {
      row.quarantined = true
    })
    return before
  }

  /** All rows in a canonical order, to compare sets with. */
  dump(): [string, Omit<FeedRow, 'generation'>][] {
    const rows: [string, Omit<FeedRow, 'generation'>][] = []
    for (const [slot, row] of this.#rows) {
      const { generation: _, ...rest } = row
      rows.push([slot, { ...rest, cutoffs: [...row.cutoffs].sort(byVersion) }])
    }
    return rows.sort(([a], [b]) => (a < b ? -1 : 1))
  }

  #change(feedId: Uint8Array, apply: (row: FeedRow) => void): boolean {
    const slot = slotOf(feedId)
    let row = this.#rows.get(slot)
    if (row === undefined) {
      row = emptyRow()
      this.#rows.set(slot, row)
    }
    const before = authorizedRow(row)
    apply(row)
    row.cutoffs = staircase(row.cutoffs, row.allowed)
    if (row.purged < row.allowed) row.purged = -1
    row.generation = ++this.#generation
    const after = authorizedRow(row)
    this.#authorized += Number(after) - Number(before)
    return after && !before
  }
}

function emptyRow(): FeedRow {
  return {
    key: null,
    allowed: -1,
    denied: -1,
    policy: 0,
    evidence: NO_BYTES,
    cutoffs: [],
    purged: -1,
    quarantined: false,
    generation: 0
  }
}

function authorizedRow(row: FeedRow): boolean {
  return row.key !== null && row.allowed > row.denied && !row.quarantined
}

/** Two authorizes of one version: any rule does that all nodes share; the bytewise larger one wins. */
function isLarger(fact: AuthorizeFact, row: FeedRow): boolean {
  if (fact.policy !== row.policy) return fact.policy > row.policy
  return b4a.compare(fact.evidence, row.evidence) > 0
}

function byVersion(a: [number, number], b: [number, number]): number {
  return a[0] - b[0] || a[1] - b[1]
}

/** Drops what a higher authorize lifted, and what a cutoff of a higher version makes needless. */
function staircase(cutoffs: [number, number][], allowed: number): [number, number][] {
  if (cutoffs.length === 0) return cutoffs
  const kept: [number, number][] = []
  let lowest = Number.POSITIVE_INFINITY
  for (const [version, cutoff] of [...cutoffs].sort((a, b) => b[0] - a[0] || a[1] - b[1])) {
    if (version < allowed || cutoff >= lowest) continue
    lowest = cutoff
    kept.push([version, cutoff])
  }
  return kept
}
