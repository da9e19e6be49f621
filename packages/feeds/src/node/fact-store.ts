/**
 * The authorized set of one FeedSet with its log: turns wishes into versioned facts, logs them, merges them.
 *
 * An allow counts only after it is on the disk; a deny counts in memory before it is logged. PF2: a deny takes at least the
 * version of every authorize that is being logged at that moment, and a deny wins a tie, so no allow can overtake it.
 */
import b4a from 'b4a'
import { FactSet, slotOf } from '../core/fact-set.js'
import { decodeMeta, encodeMeta } from '../core/meta.js'
import { FeedsError, rangeError, typeError } from '../errors.js'
import type { AuthorizeFact, DenyFact, Fact, MetaFact } from '../facts.js'
import type { FeedsLimits } from '../limits.js'
import type { FeedMeta } from '../types.js'
import { FactLog, type OpenLogFile } from './fact-log.js'
import { feedIdOf, setIdOf, writerNameOf } from './keys.js'
import { deviceOf, type LogPlace, takeLog } from './storage.js'

/** What authorize() of the store needs. */
export interface AuthorizeWish {
  meta?: FeedMeta | undefined
  /** Full writer name of a local writer. */
  origin?: Uint8Array | undefined
  version?: number | undefined
  record?: Uint8Array | undefined
  policy?: 0 | 1 | undefined
}

/** What deny() of the store needs. */
export interface DenyWish {
  purge: boolean
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
  readonly #namespace: Uint8Array
  readonly #limits: Readonly<FeedsLimits>
  readonly #set = new FactSet()
  readonly #meta = new Map<string, MetaFact>()
  /** Keys of local writers by name, those of revoked ones included. */
  readonly #writers = new Map<string, Uint8Array>()
  readonly #records: Uint8Array[] = []
  /** Versions of authorizes that are being logged. */
  readonly #pending = new Map<string, number[]>()
  #device: Uint8Array = NO_BYTES
  #log: FactLog | null = null
  #place: LogPlace | null = null

  constructor(namespace: Uint8Array, limits: Readonly<FeedsLimits>) {
    this.#namespace = namespace
    this.#limits = limits
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
        replay: fact => this.#apply(fact),
        ...(options.openFile === undefined ? {} : { openFile: options.openFile })
      })
    } catch (fault) {
      this.#place.release()
      throw fault
    }
  }

  /** Writes what waits and gives the log back. Idempotent. */
  async close(): Promise<void> {
    try {
      await this.#log?.close()
    } finally {
      this.#place?.release()
      this.#place = null
    }
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
    return this.#set.isAuthorized(this.#idOf(key))
  }

  keys(): IterableIterator<Uint8Array> {
    return this.#set.keys()
  }

  isQuarantined(key: Uint8Array): boolean {
    return this.#set.row(this.#idOf(key))?.quarantined ?? false
  }

  /** 0: every block is fetched, 1: only what is asked for. */
  policy(key: Uint8Array): 0 | 1 {
    return this.#set.row(this.#idOf(key))?.policy ?? 0
  }

  /** The greatest version of a fact about this feed, and whether it is denied; null: nothing known. */
  versionOf(key: Uint8Array): { version: number; denied: boolean } | null {
    const row = this.#set.row(this.#idOf(key))
    if (row === undefined) return null
    return { version: Math.max(row.allowed, row.denied), denied: row.denied >= row.allowed }
  }

  meta(key: Uint8Array): FeedMeta | null {
    const noted = this.#meta.get(slotOf(key))
    return noted === undefined ? null : decodeMeta(noted.meta)
  }

  /** Full writer name of a local writer; null for others. */
  origin(key: Uint8Array): Uint8Array | null {
    const origin = this.#meta.get(slotOf(key))?.origin
    return origin === undefined || origin.byteLength === 0 ? null : origin
  }

  /** Key of a local writer's feed, revoked or not. */
  writerKey(name: string): Uint8Array | null {
    return this.#writers.get(name) ?? null
  }

  records(): Iterable<Uint8Array> {
    return this.#records
  }

  /** @throws {RangeError | FeedsError} `ERR_FEEDS_BAD_OPTION`, `ERR_FEEDS_STORAGE`. */
  async appendRecords(records: readonly Uint8Array[]): Promise<void> {
    for (const record of records) this.#checkRecord(record)
    await this.#append(records.map(record => ({ kind: 'record', record: b4a.from(record) })))
    for (const record of records) this.#records.push(b4a.from(record))
  }

  /**
   * Authorizes a feed. Resolves when the fact is on the disk and counts.
   *
   * @returns True if the feed wasn't authorized until now.
   * @throws {FeedsError} `ERR_FEEDS_NOT_AUTHORIZED` if it is denied by a higher version, quarantined, or was revoked meanwhile.
   */
  async authorize(key: Uint8Array, wish: AuthorizeWish): Promise<boolean> {
    const feedId = this.#idOf(key)
    const row = this.#set.row(feedId)
    const facts: Fact[] = []
    const isKnown = this.#set.isAuthorized(feedId) && (wish.version ?? 0) <= (row?.allowed ?? 0)
    const fact: AuthorizeFact = {
      kind: 'authorize',
      key: b4a.from(key),
      version: this.#authorizeVersion(feedId, wish.version),
      policy: wish.policy ?? row?.policy ?? 0,
      evidence: NO_BYTES
    }
    if (row?.quarantined) throw refused('the feed was signed twice for one length')
    if (fact.version <= (row?.denied ?? -1)) throw refused('the feed is denied by a higher version')
    if (!isKnown) {
      this.#checkRoom(slotOf(feedId))
      facts.push(fact)
    }
    const meta = this.#metaFact(key, wish)
    if (meta !== null) facts.push(meta)
    if (wish.record !== undefined) {
      this.#checkRecord(wish.record)
      facts.push({ kind: 'record', record: b4a.from(wish.record) })
    }
    await this.#appendPending(slotOf(feedId), fact.version, facts)
    const before = this.#set.isAuthorized(feedId)
    for (const logged of facts) this.#apply(logged)
    if (!this.#set.isAuthorized(feedId)) throw refused('the feed was revoked meanwhile')
    return !before
  }

  /**
   * Denies a feed, in memory before this returns.
   *
   * @returns Was it authorized until now, and when the tombstone is on the disk.
   */
  deny(key: Uint8Array, wish: DenyWish): { wasAuthorized: boolean; logged: Promise<void> } {
    const feedId = this.#idOf(key)
    const row = this.#set.row(feedId)
    const allowed = Math.max(row?.allowed ?? -1, ...(this.#pending.get(slotOf(feedId)) ?? []))
    const denied = row?.denied ?? -1
    const version = wish.version ?? Math.max(allowed, denied, 1)
    this.#checkVersion(version, Math.max(allowed, denied))
    const facts: Fact[] = []
    const isDenied = denied >= Math.max(allowed, version)
    if (!isDenied || (wish.purge && row?.purged !== denied)) {
      const fact: DenyFact = { kind: 'deny', feedId, version, cutoff: null, purge: wish.purge }
      facts.push(fact)
    }
    if (wish.record !== undefined) {
      this.#checkRecord(wish.record)
      facts.push({ kind: 'record', record: b4a.from(wish.record) })
    }
    const before = this.#set.isAuthorized(feedId)
    for (const fact of facts) this.#apply(fact)
    return { wasAuthorized: before && !this.#set.isAuthorized(feedId), logged: this.#append(facts) }
  }

  /** A feed that was signed twice: in memory before this returns. @returns As deny(). */
  quarantine(
    key: Uint8Array,
    length: number,
    fork: number
  ): { wasAuthorized: boolean; logged: Promise<void> } {
    const fact: Fact = { kind: 'quarantine', feedId: this.#idOf(key), fork, length, proof: NO_BYTES }
    const wasAuthorized = this.isAuthorized(key)
    this.#apply(fact)
    return { wasAuthorized, logged: this.#append([fact]) }
  }

  #idOf(key: Uint8Array): Uint8Array {
    return feedIdOf(this.#namespace, key)
  }

  #append(facts: readonly Fact[]): Promise<void> {
    if (this.#log === null) return Promise.reject(new FeedsError('ERR_FEEDS_CLOSED', 'the set is not open'))
    return this.#log.append(facts)
  }

  async #appendPending(slot: string, version: number, facts: readonly Fact[]): Promise<void> {
    const versions = this.#pending.get(slot) ?? []
    this.#pending.set(slot, [...versions, version])
    try {
      await this.#append(facts)
    } finally {
      const left = [...(this.#pending.get(slot) ?? [])]
      left.splice(left.indexOf(version), 1)
      if (left.length === 0) this.#pending.delete(slot)
      else this.#pending.set(slot, left)
    }
  }

  #apply(fact: Fact): void {
    switch (fact.kind) {
      case 'authorize':
        this.#set.authorize(this.#idOf(fact.key), fact)
        return
      case 'deny':
        this.#set.deny(fact)
        return
      case 'quarantine':
        this.#set.quarantine(fact)
        return
      case 'meta': {
        this.#meta.set(slotOf(fact.key), fact)
        const name = fact.origin.byteLength === 0 ? null : writerNameOf(fact.origin)
        if (name !== null) this.#writers.set(name, fact.key)
        return
      }
      case 'record':
        this.#records.push(fact.record)
        return
      case 'bulk-end':
        return
    }
  }

  #authorizeVersion(feedId: Uint8Array, wished: number | undefined): number {
    const row = this.#set.row(feedId)
    const denied = row?.denied ?? -1
    const known = Math.max(row?.allowed ?? -1, denied)
    if (wished !== undefined) this.#checkVersion(wished, known)
    return wished ?? Math.max(row?.allowed ?? 0, denied + 1, 1)
  }

  /** The meta fact that is needed, or null if nothing changes. */
  #metaFact(key: Uint8Array, wish: AuthorizeWish): MetaFact | null {
    if (wish.meta === undefined && wish.origin === undefined) return null
    const noted = this.#meta.get(slotOf(key))
    const meta = wish.meta === undefined ? (noted?.meta ?? NO_BYTES) : this.#encodeMeta(wish.meta)
    const origin = wish.origin ?? noted?.origin ?? NO_BYTES
    if (noted !== undefined && b4a.equals(noted.meta, meta) && b4a.equals(noted.origin, origin)) return null
    return { kind: 'meta', key: b4a.from(key), origin, meta }
  }

  #encodeMeta(meta: FeedMeta): Uint8Array {
    if (typeof meta !== 'object' || meta === null || Array.isArray(meta)) {
      throw typeError('ERR_FEEDS_BAD_META', 'meta must be an object')
    }
    const encoded = encodeMeta(meta)
    if (!encoded.ok) throw typeError('ERR_FEEDS_BAD_META', encoded.reason)
    const bytes = encoded.value.byteLength
    const limit = this.#limits.maxMetaBytes
    if (bytes > limit)
      throw rangeError('ERR_FEEDS_BAD_META', `meta is ${bytes} bytes, limit is ${limit} (maxMetaBytes)`)
    return encoded.value
  }

  #checkRoom(slot: string): void {
    const others = this.#pending.size - Number(this.#pending.has(slot))
    const { maxFeeds } = this.#limits
    if (this.#set.size + others < maxFeeds) return
    throw new FeedsError(
      'ERR_FEEDS_SET_FULL',
      `the set has ${this.#set.size} feeds, limit is ${maxFeeds} (maxFeeds)`
    )
  }

  #checkRecord(record: unknown): void {
    if (!(record instanceof Uint8Array)) throw typeError('ERR_FEEDS_BAD_OPTION', 'a record is a Uint8Array')
    const limit = this.#limits.maxRecordBytes
    if (record.byteLength <= limit) return
    const message = `record is ${record.byteLength} bytes, limit is ${limit} (maxRecordBytes)`
    throw rangeError('ERR_FEEDS_BAD_OPTION', message)
  }

  #checkVersion(version: number, known: number): void {
    const most = Math.max(known, 0) + this.#limits.maxVersionStep
    if (Number.isSafeInteger(version) && version >= 0 && version <= most) return
    throw rangeError(
      'ERR_FEEDS_BAD_OPTION',
      `version is ${version}, limit is ${most} (maxVersionStep above the known one)`
    )
  }
}

function refused(reason: string): FeedsError {
  return new FeedsError('ERR_FEEDS_NOT_AUTHORIZED', reason)
}
