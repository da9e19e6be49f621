/**
 * The authorized set of one FeedSet with its log: turns wishes into versioned facts, logs them, merges them.
 *
 * An allow counts only after it is on the disk; a deny counts in memory before it is logged. PF2: a deny takes at least the
 * version of every authorize that is being logged at that moment, and a deny wins a tie, so no allow can overtake it.
 */
import b4a from 'b4a'
import { type Clearing, FactSet, slotOf } from '../core/fact-set.js'
import { ForkBook } from '../core/fork-book.js'
import { decodeMeta } from '../core/meta.js'
import { OwnFeeds } from '../core/own-feeds.js'
import { FeedsError } from '../errors.js'
import type { Fact, QuarantineFact } from '../facts.js'
import type { FeedsLimits } from '../limits.js'
import type { FeedMeta } from '../types.js'
import { FactLog, type FactPlace, type PlacedFact } from './fact-log.js'
import {
  type AuthorizeWish,
  authorizeFacts,
  checkCount,
  checkRecord,
  checkVersion,
  refusedError
} from './fact-wishes.js'
import { discoveryKeyOf } from './hypercore.js'
import { feedIdOf, setIdOf, writerNameOf } from './keys.js'
import { LogCompaction } from './log-compaction.js'
import type { OpenLogFile } from './log-file.js'
import { MetaPlaces } from './meta-places.js'
import { OwedFacts } from './owed-facts.js'
import { deviceOf, type LogPlace, takeLog } from './storage.js'

/** What deny() of the store needs. */
export interface DenyWish {
  purge: boolean
  cutoff?: number | undefined
  version?: number | undefined
  record?: Uint8Array | undefined
}

/** Where the store lies. */
export interface FactStoreOptions {
  folder: string
  isShared: boolean
  openFile?: OpenLogFile | undefined
}

const NO_BYTES = new Uint8Array(0)

/** See the head of this file. */
export class FactStore {
  readonly own = new OwnFeeds()
  readonly #namespace: Uint8Array
  readonly #limits: Readonly<FeedsLimits>
  readonly #set = new FactSet(discoveryKeyOf)
  #records: Uint8Array[] = []
  readonly #forks: ForkBook
  readonly #metas: MetaPlaces
  /** Versions of authorizes that are being logged. */
  readonly #pending = new Map<string, number[]>()
  readonly #owed = new OwedFacts()
  #device: Uint8Array = NO_BYTES
  #log: FactLog | null = null
  #place: LogPlace | null = null
  #compaction: LogCompaction | null = null

  constructor(namespace: Uint8Array, limits: Readonly<FeedsLimits>) {
    this.#namespace = namespace
    this.#limits = limits
    this.#forks = new ForkBook(limits.maxForkProofs)
    this.#metas = new MetaPlaces(this.#set.table, () => this.path)
  }

  /** Takes, opens and replays the log. @throws {FeedsError} As FactLog.open() and takeLog(). */
  async open(options: FactStoreOptions): Promise<void> {
    const setId = setIdOf(this.#namespace)
    this.#place = await takeLog(options.folder, setId, options.isShared)
    try {
      this.#device = await deviceOf(options.folder)
      this.#log = await FactLog.open({
        path: this.#place.path,
        setId,
        limits: this.#limits,
        replay: (fact, offset, bytes) => this.#apply(fact, { offset, bytes }),
        ...(options.openFile === undefined ? {} : { openFile: options.openFile })
      })
      this.#compaction = new LogCompaction(this.#log, this.#limits, {
        facts: () => this.#liveFacts(),
        placed: placed => this.#onPlaced(placed)
      })
    } catch (fault) {
      this.#place.release()
      throw fault
    }
  }

  /** Writes what waits and gives the log back. Idempotent. */
  async close(): Promise<void> {
    try {
      await this.#append([]).catch(() => {}) // What is owed; who revoked was told that it could not be written.
      await this.#compaction?.atClose()
      await this.#log?.close()
    } finally {
      this.#place?.release()
      this.#place = null
    }
  }

  /** Path of the log; its folder is that of all that belongs to the set. */
  get path(): string {
    return this.#place?.path ?? ''
  }

  get device(): Uint8Array {
    return this.#device
  }

  get size(): number {
    return this.#set.size
  }

  /** Facts that were ever logged. */
  get version(): number {
    return this.#log?.facts ?? 0
  }

  isAuthorized(key: Uint8Array): boolean {
    return this.#set.isAuthorized(this.idOf(key))
  }

  keys(): IterableIterator<Uint8Array> {
    return this.#set.keys()
  }

  /** The authorized feed with this discovery key; null: there is none. */
  keyOf(discoveryKey: Uint8Array): Uint8Array | null {
    return this.#set.keyOf(discoveryKey)
  }

  isQuarantined(key: Uint8Array): boolean {
    return this.#set.row(this.idOf(key))?.quarantined ?? false
  }

  /** 0: every block is fetched, 1: only what is asked for. */
  policy(key: Uint8Array): 0 | 1 {
    return this.#set.row(this.idOf(key))?.policy ?? 0
  }

  /** Bytes of blocks that may be fetched of a feed. */
  maxBytes(key: Uint8Array): number {
    const own = this.#set.row(this.idOf(key))?.maxBytes ?? 0
    return own === 0 ? this.#limits.maxBytesPerFeed : Math.min(own, this.#limits.maxBytesPerFeed)
  }

  /** Blocks from this length on are invalid here; null: all that are here are valid. */
  cutoff(key: Uint8Array): number | null {
    const fork = this.#forks.get(this.idOf(key))
    const cutoff = this.#set.cutoff(this.idOf(key))
    if (fork === undefined) return cutoff
    const { common = 0 } = fork
    return Math.min(cutoff ?? common, common)
  }

  /** The greatest version of a fact about this feed, and whether it is denied; null: nothing known. */
  versionOf(key: Uint8Array): { version: number; denied: boolean } | null {
    const row = this.#set.row(this.idOf(key))
    if (row === undefined) return null
    return { version: Math.max(row.allowed, row.denied), denied: row.denied >= row.allowed }
  }

  /** Was this feed ever in the set? */
  isKnown(key: Uint8Array): boolean {
    return this.keyOfId(this.idOf(key)) !== null
  }

  /** The key of a feed that was ever in the set. */
  keyOfId(feedId: Uint8Array): Uint8Array | null {
    return this.#set.row(feedId)?.key ?? null
  }

  meta(key: Uint8Array): FeedMeta | null {
    const noted = this.#metas.read(this.#set.table.find(this.idOf(key)))
    return noted === null ? null : decodeMeta(noted.meta)
  }

  /** Last known lengths of a feed, also while it isn't open; null for one of which nothing is known. */
  lengths(key: Uint8Array): { fork: number; length: number; complete: number } | null {
    const row = this.#set.table.find(this.idOf(key))
    if (row < 0) return null
    const { fork, length, complete } = this.#set.table
    return { fork: fork[row] ?? 0, length: length[row] ?? 0, complete: complete[row] ?? 0 }
  }

  noteLengths(key: Uint8Array, lengths: { fork: number; length: number; complete: number }): void {
    const row = this.#set.table.find(this.idOf(key))
    if (row < 0) return
    this.#set.table.fork[row] = lengths.fork
    this.#set.table.length[row] = lengths.length
    this.#set.table.complete[row] = lengths.complete
  }

  records(): Iterable<Uint8Array> {
    return this.#records
  }

  /** @throws {RangeError | FeedsError} `ERR_FEEDS_BAD_OPTION`, `ERR_FEEDS_STORAGE`. */
  async appendRecords(records: readonly Uint8Array[]): Promise<void> {
    for (const record of records) checkRecord(record, this.#limits)
    await this.#append(records.map(record => ({ kind: 'record', record: b4a.from(record) })))
    for (const record of records) this.#records.push(b4a.from(record))
  }

  /** Forgets records; they go from the disk with the next compaction. */
  retainRecords(keep: (record: Uint8Array) => boolean): void {
    this.#records = this.#records.filter(keep)
  }

  /** What is known of the feeds that were signed twice, in the order in which that was found. */
  forks(): Iterable<QuarantineFact> {
    return this.#forks
  }

  /** Blocks that facts invalidated and that may still be on the disk. */
  clearings(): Iterable<Clearing> {
    return this.#set.clearings()
  }

  /** As clearings(), of one feed. */
  clearing(key: Uint8Array): Clearing | null {
    return this.#set.clearing(this.idOf(key))
  }

  /** Notes that it was done. */
  async cleared({ key, from, version }: Clearing): Promise<void> {
    const fact: Fact = { kind: 'cleared', feedId: this.idOf(key), from, version }
    await this.#append([fact])
    this.#apply(fact, null)
  }

  /**
   * Authorizes a feed. Resolves when the fact is on the disk and counts.
   *
   * @returns True if the feed wasn't authorized until now.
   * @throws {FeedsError} `ERR_FEEDS_NOT_AUTHORIZED` if it is denied by a higher version, quarantined, or was revoked meanwhile.
   */
  async authorize(key: Uint8Array, wish: AuthorizeWish): Promise<boolean> {
    const feedId = this.idOf(key)
    const known = {
      row: this.#set.row(feedId),
      isAuthorized: this.#set.isAuthorized(feedId),
      meta: this.#metas.read(this.#set.table.find(feedId))
    }
    const facts = authorizeFacts(key, wish, known, this.#limits)
    if (facts[0]?.kind === 'authorize') this.#checkRoom(slotOf(feedId))
    const version = facts.find(fact => fact.kind === 'authorize')?.version ?? wish.version ?? 0
    const places = await this.#appendPending(slotOf(feedId), version, facts)
    const before = this.#set.isAuthorized(feedId)
    for (const [i, fact] of facts.entries()) this.#apply(fact, places[i] ?? null)
    if (!this.#set.isAuthorized(feedId)) throw refusedError('the feed was revoked meanwhile')
    return !before
  }

  /**
   * Denies a feed, in memory before this returns.
   *
   * @returns Was it authorized until now, and when the tombstone is on the disk.
   * @throws {RangeError | FeedsError} `ERR_FEEDS_BAD_OPTION`, `ERR_FEEDS_SET_FULL`: nothing was changed.
   */
  deny(key: Uint8Array, wish: DenyWish): { wasAuthorized: boolean; logged: Promise<void> } {
    const feedId = this.idOf(key)
    const row = this.#set.row(feedId)
    const allowed = Math.max(row?.allowed ?? -1, ...(this.#pending.get(slotOf(feedId)) ?? []))
    const denied = row?.denied ?? -1
    const version = wish.version ?? Math.max(allowed, denied, 1)
    const { purge, cutoff = null } = wish
    checkVersion(version, Math.max(allowed, denied), this.#limits)
    if (cutoff !== null) checkCount('cutoff', cutoff)
    if (row === undefined) this.#checkTombstones()
    const facts: Fact[] = []
    const isDenied = denied >= Math.max(allowed, version)
    const lowest = this.#set.cutoff(feedId) ?? Number.POSITIVE_INFINITY
    const isStricter = (purge && row?.purged !== denied) || (cutoff !== null && cutoff < lowest)
    if (!isDenied || isStricter) facts.push({ kind: 'deny', feedId, version, cutoff, purge })
    if (wish.record !== undefined) {
      checkRecord(wish.record, this.#limits)
      facts.push({ kind: 'record', record: b4a.from(wish.record) })
    }
    const before = this.#set.isAuthorized(feedId)
    for (const fact of facts) this.#apply(fact, null)
    const logged = this.#append(facts, true).then(() => {})
    return { wasAuthorized: before && !this.#set.isAuthorized(feedId), logged }
  }

  /** A feed that was signed twice: in memory before this returns. @returns As deny(). */
  quarantine(
    key: Uint8Array,
    fork: Pick<QuarantineFact, 'fork' | 'length' | 'proof' | 'common'>
  ): { wasAuthorized: boolean; logged: Promise<void> } {
    const feedId = this.idOf(key)
    if (this.#set.row(feedId) === undefined) this.#checkTombstones()
    const fact: Fact = { kind: 'quarantine', feedId, ...fork }
    const wasAuthorized = this.isAuthorized(key)
    this.#apply(fact, null)
    return { wasAuthorized, logged: this.#append([fact], true).then(() => {}) }
  }

  /** How facts name a feed. */
  idOf(key: Uint8Array): Uint8Array {
    return feedIdOf(this.#namespace, key)
  }

  async #append(facts: readonly Fact[], areInForce = false): Promise<FactPlace[]> {
    if (this.#log === null) throw new FeedsError('ERR_FEEDS_CLOSED', 'the set is not open')
    const places = await this.#owed.append(this.#log, facts, areInForce)
    this.#compaction?.grown()
    return places
  }

  /** What stands for all that was ever logged. Tombstones are always in it. */
  *#liveFacts(): IterableIterator<Fact> {
    yield* this.#set.facts()
    yield* this.#metas.all()
    yield* this.own.rotations()
    yield* this.#forks
    for (const record of this.#records) yield { kind: 'record', record }
  }

  #onPlaced(placed: readonly PlacedFact[]): void {
    for (const { fact, ...place } of placed) {
      if (fact.kind === 'meta') this.#metas.note(this.#set.table.find(this.idOf(fact.key)), place)
    }
  }

  async #appendPending(slot: string, version: number, facts: readonly Fact[]): Promise<FactPlace[]> {
    const versions = this.#pending.get(slot) ?? []
    this.#pending.set(slot, [...versions, version])
    try {
      return await this.#append(facts)
    } finally {
      const left = [...(this.#pending.get(slot) ?? [])]
      left.splice(left.indexOf(version), 1)
      if (left.length === 0) this.#pending.delete(slot)
      else this.#pending.set(slot, left)
    }
  }

  /** @param place - Where the fact lies in the log; null: not known yet, and not needed. */
  #apply(fact: Fact, place: FactPlace | null): void {
    switch (fact.kind) {
      case 'authorize':
        this.#set.authorize(this.idOf(fact.key), fact)
        return
      case 'deny':
        this.#set.deny(fact)
        return
      case 'cleared':
        this.#set.cleared(fact)
        return
      case 'quarantine':
        this.#set.quarantine(fact)
        this.#forks.add(fact)
        return
      case 'rotation':
        this.own.rotated(fact)
        return
      case 'meta':
        if (place !== null) this.#metas.note(this.#set.table.find(this.idOf(fact.key)), place)
        this.own.named(fact, writerNameOf(fact.origin), this.#device)
        return
      case 'record':
        this.#records.push(fact.record)
        return
      case 'bulk-end':
      case 'compacted':
        return
    }
  }

  #checkRoom(slot: string): void {
    const others = this.#pending.size - Number(this.#pending.has(slot))
    const { maxFeeds } = this.#limits
    if (this.#set.size + others < maxFeeds) return
    const message = `the set has ${this.#set.size} feeds, limit is ${maxFeeds} (maxFeeds)`
    throw new FeedsError('ERR_FEEDS_SET_FULL', message)
  }

  #checkTombstones(): void {
    const { maxUnknownTombstones } = this.#limits
    if (this.#set.unknown < maxUnknownTombstones) return
    throw new FeedsError(
      'ERR_FEEDS_SET_FULL',
      `${this.#set.unknown} unknown feeds are denied, limit is ${maxUnknownTombstones} (maxUnknownTombstones)`
    )
  }
}
