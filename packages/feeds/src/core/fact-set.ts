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
import type { AuthorizeFact, ClearedFact, DenyFact, Fact, QuarantineFact } from '../facts.js'
import { FeedRows } from './feed-rows.js'

/** What is known about one feed: a copy, as of the moment in which it was asked for. */
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
  /** Of the greatest authorize: bytes of blocks that may be fetched; 0: as many as the set allows. */
  maxBytes: number
  /** Of the greatest authorize: blocks from this length on are invalid; null: all are valid. */
  until: number | null
  /** Cutoffs that still count, as [version, cutoff]; a higher authorize lifts those below it. */
  cutoffs: [number, number][]
  /** Purge was asked for by the deny of this version; -1: by none. */
  purged: number
  /** What was deleted from the disk: blocks from `from` on, because of facts up to `version`. Null: none yet. */
  cleared: { version: number; from: number } | null
  /** Signed twice for one length; for ever, whatever is authorized later. */
  quarantined: boolean
  /** Grows with each change of this row. */
  generation: number
}

/** Fields that few rows have; they lie apart from the columns. */
type RareFields = Pick<FeedRow, 'evidence' | 'maxBytes' | 'until' | 'cutoffs' | 'purged' | 'cleared'>

/** Blocks that have to be deleted: those from `from` on. */
export interface Clearing {
  /** Of the feed, 32 bytes. */
  key: Uint8Array
  /** The first of them. */
  from: number
  /** What to note when it is done. */
  version: number
}

const NO_BYTES = new Uint8Array(0)
const COMMON: Readonly<RareFields> = Object.freeze({
  evidence: NO_BYTES,
  maxBytes: 0,
  until: null,
  cutoffs: [],
  purged: -1,
  cleared: null
})
const HAS_KEY = 1
const IS_SPARSE = 2
const IS_QUARANTINED = 4

/** A 32-byte id as a Map key: 32 characters take half the memory of 64 hex digits. */
export function slotOf(id: Uint8Array): string {
  return b4a.toString(id, 'latin1')
}

/** See the head of this file. Ids are whatever the caller derives from a feed key, 32 bytes. */
export class FactSet {
  /** What is remembered of each feed beside the facts. */
  readonly table = new FeedRows()
  readonly #discoveryKeyOf: (key: Uint8Array) => Uint8Array
  readonly #rare = new Map<number, RareFields>()
  #authorized = 0
  #known = 0
  #generation = 0

  /** @param discoveryKeyOf - What a feed is called on a connection. Default: its key. */
  constructor(discoveryKeyOf: (key: Uint8Array) => Uint8Array = key => key) {
    this.#discoveryKeyOf = discoveryKeyOf
  }

  /** Feeds that are authorized now. */
  get size(): number {
    return this.#authorized
  }

  /** Rows in memory: authorized feeds and tombstones. */
  get rows(): number {
    return this.table.count
  }

  /** Feeds of which nothing but a tombstone is known. */
  get unknown(): number {
    return this.table.count - this.#known
  }

  /** The row of a feed, by the id that its facts name; undefined: nothing known. */
  row(feedId: Uint8Array): FeedRow | undefined {
    const row = this.table.find(feedId)
    return row < 0 ? undefined : this.#view(row)
  }

  /** May the feed be replicated now? False for one of which nothing is known. */
  isAuthorized(feedId: Uint8Array): boolean {
    const row = this.table.find(feedId)
    return row >= 0 && this.#isAuthorized(row)
  }

  /** Blocks from this length on are invalid: the lowest cutoff that counts, 0 for a purged feed; null: all are valid. */
  cutoff(feedId: Uint8Array): number | null {
    const row = this.table.find(feedId)
    return row < 0 ? null : lowestCutoff(this.#rare.get(row) ?? COMMON)
  }

  /** Keys of the authorized feeds, in the order in which their rows were made. */
  *keys(): IterableIterator<Uint8Array> {
    for (let row = 0; row < this.table.count; row++) if (this.#isAuthorized(row)) yield this.table.key(row)
  }

  /** The key of the authorized feed with this discovery key; null: there is none. */
  keyOf(discoveryKey: Uint8Array): Uint8Array | null {
    const row = this.table.findDiscovery(discoveryKey, candidate =>
      b4a.equals(this.#discoveryKeyOf(this.table.key(candidate)), discoveryKey)
    )
    return row >= 0 && this.#isAuthorized(row) ? this.table.key(row) : null
  }

  /** @returns True if the feed became authorized by it. */
  authorize(feedId: Uint8Array, fact: AuthorizeFact): boolean {
    return this.#change(feedId, (row, rare) => {
      if (!this.#has(row, HAS_KEY)) {
        this.table.setKey(row, fact.key, this.#discoveryKeyOf(fact.key))
        this.#set(row, HAS_KEY, true)
        this.#known++
      }
      const allowed = this.table.allowed[row] as number
      if (fact.version < allowed) return rare
      this.table.allowed[row] = fact.version
      if (fact.version === allowed && !isLarger(fact, this.#has(row, IS_SPARSE) ? 1 : 0, rare)) return rare
      this.#set(row, IS_SPARSE, fact.policy === 1)
      const { evidence, maxBytes = 0, until = null } = fact
      return { ...rare, evidence, maxBytes, until }
    })
  }

  /** @returns True if the feed was authorized until now. */
  deny(fact: DenyFact): boolean {
    const before = this.isAuthorized(fact.feedId)
    this.#change(fact.feedId, (row, rare) => {
      this.table.denied[row] = Math.max(this.table.denied[row] as number, fact.version)
      const purged = fact.purge ? Math.max(rare.purged, fact.version) : rare.purged
      const { cutoff } = fact
      return {
        ...rare,
        purged,
        cutoffs: cutoff === null ? rare.cutoffs : [...rare.cutoffs, [fact.version, cutoff]]
      }
    })
    return before
  }

  /** @returns True if the feed was authorized until now. */
  quarantine(fact: QuarantineFact): boolean {
    const before = this.isAuthorized(fact.feedId)
    this.#change(fact.feedId, (row, rare) => {
      this.#set(row, IS_QUARANTINED, true)
      return rare
    })
    return before
  }

  /** What facts up to a version invalidated was deleted. */
  cleared(fact: ClearedFact): void {
    const { version, from } = fact
    this.#change(fact.feedId, (_, rare) => {
      const known = rare.cleared
      const isOlder =
        known !== null && (known.version > version || (known.version === version && known.from <= from))
      return isOlder ? rare : { ...rare, cleared: { version, from } }
    })
  }

  /** Blocks that facts invalidated and that may still be on the disk. */
  *clearings(): IterableIterator<Clearing> {
    for (const row of [...this.#rare.keys()]) {
      const clearing = this.#clearing(row)
      if (clearing !== null) yield clearing
    }
  }

  /** As clearings(), of one feed. */
  clearing(feedId: Uint8Array): Clearing | null {
    const row = this.table.find(feedId)
    return row < 0 ? null : this.#clearing(row)
  }

  /** The fewest facts that give this set. Replayed in any order they make an equal one. */
  *facts(): IterableIterator<Fact> {
    for (let row = 0; row < this.table.count; row++) yield* this.#factsOf(row)
  }

  /** All rows in a canonical order, to compare sets with. */
  dump(): [string, Omit<FeedRow, 'generation'>][] {
    const rows: [string, Omit<FeedRow, 'generation'>][] = []
    for (let row = 0; row < this.table.count; row++) {
      const { generation: _, ...rest } = this.#view(row)
      rows.push([slotOf(this.table.id(row)), { ...rest, cutoffs: [...rest.cutoffs].sort(byVersion) }])
    }
    return rows.sort(([a], [b]) => (a < b ? -1 : 1))
  }

  #view(row: number): FeedRow {
    return {
      key: this.#has(row, HAS_KEY) ? this.table.key(row) : null,
      allowed: this.table.allowed[row] as number,
      denied: this.table.denied[row] as number,
      policy: this.#has(row, IS_SPARSE) ? 1 : 0,
      quarantined: this.#has(row, IS_QUARANTINED),
      generation: this.table.generation[row] as number,
      ...(this.#rare.get(row) ?? COMMON)
    }
  }

  #change(
    feedId: Uint8Array,
    apply: (row: number, rare: Readonly<RareFields>) => Readonly<RareFields>
  ): boolean {
    const found = this.table.find(feedId)
    const row = found < 0 ? this.table.add(feedId) : found
    const before = this.#isAuthorized(row)
    const rare = apply(row, this.#rare.get(row) ?? COMMON)
    const allowed = this.table.allowed[row] as number
    const cutoffs = staircase(rare.cutoffs, allowed)
    const purged = rare.purged < allowed ? -1 : rare.purged
    if (isCommon({ ...rare, cutoffs, purged })) this.#rare.delete(row)
    else this.#rare.set(row, { ...rare, cutoffs, purged })
    this.table.generation[row] = ++this.#generation
    const after = this.#isAuthorized(row)
    this.#authorized += Number(after) - Number(before)
    return after && !before
  }

  #clearing(row: number): Clearing | null {
    const rare = this.#rare.get(row)
    if (rare === undefined || !this.#has(row, HAS_KEY)) return null
    const from = lowestCutoff(rare)
    if (from === null) return null
    const versions = [rare.purged, ...rare.cutoffs.map(([version]) => version)]
    if (rare.until !== null) versions.push(this.table.allowed[row] as number)
    const version = Math.max(...versions)
    const isDone = rare.cleared !== null && rare.cleared.version >= version && rare.cleared.from <= from
    return isDone ? null : { key: this.table.key(row), from, version }
  }

  *#factsOf(row: number): IterableIterator<Fact> {
    const feedId = this.table.id(row)
    const { key, allowed, denied, cutoffs, purged, cleared, ...fact } = this.#view(row)
    const { policy, evidence, maxBytes, until } = fact
    const terms = maxBytes === 0 && until === null ? {} : { maxBytes, until }
    if (key !== null) yield { kind: 'authorize', key, version: allowed, policy, evidence, ...terms }
    const denies = new Map<number, { cutoff: number | null; purge: boolean }>()
    if (denied >= 0) denies.set(denied, { cutoff: null, purge: false })
    for (const [version, cutoff] of cutoffs) denies.set(version, { cutoff, purge: false })
    if (purged >= 0) denies.set(purged, { cutoff: denies.get(purged)?.cutoff ?? null, purge: true })
    for (const [version, deny] of denies) yield { kind: 'deny', feedId, version, ...deny }
    if (cleared !== null) yield { kind: 'cleared', feedId, ...cleared }
  }

  #isAuthorized(row: number): boolean {
    const allowed = this.table.allowed[row] as number
    return allowed > (this.table.denied[row] as number) && !this.#has(row, IS_QUARANTINED)
  }

  #has(row: number, flag: number): boolean {
    return ((this.table.flags[row] as number) & flag) !== 0
  }

  #set(row: number, flag: number, isSet: boolean): void {
    const flags = this.table.flags[row] as number
    this.table.flags[row] = isSet ? flags | flag : flags & ~flag
  }
}

/** Two authorizes of one version: any rule does that all nodes share; the larger one wins. */
function isLarger(fact: AuthorizeFact, policy: 0 | 1, rare: Readonly<RareFields>): boolean {
  if (fact.policy !== policy) return fact.policy > policy
  const evidence = b4a.compare(fact.evidence, rare.evidence)
  if (evidence !== 0) return evidence > 0
  const { maxBytes = 0 } = fact
  if (maxBytes !== rare.maxBytes) return maxBytes > rare.maxBytes
  return (fact.until ?? -1) > (rare.until ?? -1)
}

function lowestCutoff({ cutoffs, until, purged }: Readonly<RareFields>): number | null {
  if (purged >= 0) return 0
  const lowest = cutoffs.reduce(
    (least, [, cutoff]) => Math.min(least, cutoff),
    until ?? Number.POSITIVE_INFINITY
  )
  return lowest === Number.POSITIVE_INFINITY ? null : lowest
}

function isCommon({ evidence, maxBytes, until, cutoffs, purged, cleared }: RareFields): boolean {
  const isPlain = evidence.byteLength === 0 && maxBytes === 0 && until === null
  return isPlain && cutoffs.length === 0 && purged === -1 && cleared === null
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
