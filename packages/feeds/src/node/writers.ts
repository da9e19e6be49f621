/**
 * The own feeds of a set: their gates, the syncs that they share, and the successors of those that were given up.
 */
import { dirname, join } from 'node:path'
import b4a from 'b4a'
import { slotOf } from '../core/fact-set.js'
import type { WriterState } from '../core/recovery.js'
import { FeedsError } from '../errors.js'
import type { FeedsLimits } from '../limits.js'
import type { Feed, FeedMeta, Rotation } from '../types.js'
import type { Author } from './author.js'
import type { FactStore } from './fact-store.js'
import { type AuthorizeWish, refusedError } from './fact-wishes.js'
import { GroupFlush } from './group-flush.js'
import { errorOf } from './guard.js'
import type { Core } from './hypercore.js'
import { removeTemporaries } from './log-file.js'
import { within } from './within.js'
import { placeOf, readBootId, WriterFile, type WriteWholeFile } from './writer-file.js'
import { type Surroundings, WriterGate } from './writer-gate.js'

/** What the writers need of their set, and whom they tell. */
export interface WritersHost<T> {
  readonly limits: Readonly<FeedsLimits>
  readonly facts: FactStore
  readonly author: Author
  /** Opens a feed, and keeps it open until release(). */
  acquire(key: Uint8Array): Promise<Core>
  release(key: Uint8Array): void
  authorize(key: Uint8Array, wish: AuthorizeWish): Promise<Feed<T>>
  feedOf(key: Uint8Array): Feed<T>
  /** Syncs the storage. */
  sync(): Promise<void>
  /** A writer must hear of peers before it may append. */
  recovering(key: Uint8Array): void
  rotated(rotation: Rotation): void
  warn(error: FeedsError): void
}

/** Where and how the writers are. */
export interface WritersOptions {
  /** File whose place on the disk tells this folder from a copy. */
  placeFile: string
  isCautious: boolean
  /** What only tests pass: another boot of the machine, a gate that is off, a disk with faults. */
  bootId?: string | undefined
  isGateOff?: boolean | undefined
  writeFile?: WriteWholeFile | undefined
}

/** See the head of this file. */
export class Writers<T> {
  readonly #host: WritersHost<T>
  readonly #options: WritersOptions
  readonly #gates = new Map<string, WriterGate>()
  readonly #making = new Map<string, Promise<Feed<T>>>()
  readonly #flush: GroupFlush
  #surroundings: Surroundings | null = null
  #suspects: Uint8Array[] = []

  constructor(host: WritersHost<T>, options: WritersOptions) {
    this.#host = host
    this.#options = options
    this.#flush = new GroupFlush(() => this.#sync(), host.limits.flushMs)
  }

  /** Reads the records of all own feeds; opens none. */
  async load(): Promise<void> {
    const { placeFile, isCautious, bootId } = this.#options
    const { facts } = this.#host
    const surroundings = {
      isCautious,
      device: facts.device,
      bootId: bootId ?? (await readBootId()),
      place: await placeOf(placeFile)
    }
    this.#surroundings = surroundings
    await removeTemporaries(join(dirname(facts.path), 'writers'))
    for (const key of facts.own.keys()) {
      if (!this.isOwn(key) || !facts.isAuthorized(key) || facts.own.successor(key) !== undefined) continue
      const record = await this.#fileOf(key).read(key)
      const isSameBoot = surroundings.bootId !== '' && record?.bootId === surroundings.bootId
      // The others are compared when they are opened: nothing is opened at a start that doesn't have to be.
      if (record?.clean !== true && !isSameBoot) this.#suspects.push(key)
    }
  }

  /** Those that can't be trusted begin to recover. */
  recover(): void {
    for (const key of this.#suspects)
      this.gateOf(key)
        ?.start()
        .catch(fault => this.#onFault(fault))
    this.#suspects = []
  }

  isOwn(key: Uint8Array): boolean {
    return this.#host.author.writerOf(key) !== null
  }

  /** The gate of an own feed; null for others, and where the tests have it off. */
  gateOf(key: Uint8Array): WriterGate | null {
    if (this.#options.isGateOff === true || !this.isOwn(key)) return null
    const slot = slotOf(key)
    const known = this.#gates.get(slot)
    if (known !== undefined) return known
    const gate = new WriterGate(key, this.#fileOf(key), {
      limits: this.#host.limits,
      isEnded: this.#host.facts.own.successor(key) !== undefined,
      surroundings: () => this.#surroundings as Surroundings,
      refusal: of => (this.#host.facts.isAuthorized(of) ? null : refusedError('the feed was revoked')),
      acquire: of => this.#host.acquire(of),
      release: of => this.#host.release(of),
      flush: () => this.flush(),
      rotate: (of, length) => this.#makeSuccessor(of, length),
      changed: (of, state) => this.#onChanged(of, state),
      warn: error => this.#host.warn(error)
    })
    this.#gates.set(slot, gate)
    return gate
  }

  /** A feed was opened, by whomever. */
  opened(key: Uint8Array, core: Core): void {
    this.#gates.get(slotOf(key))?.opened(core)
  }

  /** Whether a feed may be appended to at all has changed. */
  changed(key: Uint8Array): void {
    this.#gates.get(slotOf(key))?.recheck()
  }

  isRecovering(key: Uint8Array): boolean {
    return this.#gates.get(slotOf(key))?.state === 'recovering'
  }

  /** A peer says how far a feed goes; only what it says of ours counts. */
  claimed(key: Uint8Array, peer: Uint8Array | null, length: number): void {
    const known = this.#host.facts.lengths(key)
    if (known === null || known.length >= length) return
    const id = peer === null ? '' : b4a.toString(peer, 'hex')
    this.gateOf(key)?.claimed(id, { fork: known.fork, length })
  }

  /** The writer of this name; two calls at once make one. */
  async make(name: string, meta: FeedMeta): Promise<Feed<T>> {
    const running = this.#making.get(name) ?? this.#make(name, meta)
    this.#making.set(name, running)
    try {
      return await running
    } finally {
      this.#making.delete(name)
    }
  }

  /** Ends a writer; resolves when its successor is there. @throws {FeedsError} `ERR_FEEDS_NOT_AUTHORIZED`, `ERR_FEEDS_STORAGE`. */
  async rotate(key: Uint8Array, length?: number): Promise<void> {
    const gate = this.gateOf(key)
    if (gate === null) throw new FeedsError('ERR_FEEDS_NOT_AUTHORIZED', 'there is no such writer')
    if (this.#host.facts.own.successor(key) === undefined) await gate.rotate(length)
  }

  /** Resolves when everything appended so far survives a power cut. @throws {FeedsError} `ERR_FEEDS_STORAGE`. */
  flush(): Promise<void> {
    return this.#flush.request()
  }

  /** Nothing more is appended; what was is synced, and the records say so. */
  async close(): Promise<void> {
    let syncing: Promise<boolean> | null = null
    const sync = (): Promise<boolean> => {
      syncing ??= this.#host.sync().then(
        () => true,
        () => false
      )
      return syncing
    }
    await within(this.#flush.idle(), this.#host.limits.goodbyeMs, null)
    await Promise.all([...this.#gates.values()].map(gate => gate.close(sync)))
  }

  async #make(name: string, meta: FeedMeta): Promise<Feed<T>> {
    const { facts, author } = this.#host
    const { key, origin } = author.current(name)
    if (facts.isQuarantined(key)) {
      // It forked, and its successor could not be logged then.
      await this.rotate(key, facts.cutoff(key) ?? 0)
      return this.#make(name, meta)
    }
    if (!facts.isAuthorized(key)) {
      if (facts.versionOf(key)?.denied) {
        const text = 'this writer was revoked; authorize() its key to revive it'
        throw new FeedsError('ERR_FEEDS_NOT_AUTHORIZED', text)
      }
      await this.#noteNew(key)
      await this.#host.authorize(key, { meta, origin })
    }
    const feed = this.#host.feedOf(key)
    try {
      await feed.ready()
    } catch (cause) {
      if (cause instanceof FeedsError) throw cause
      throw new FeedsError('ERR_FEEDS_STORAGE', 'the feed could not be opened', { cause })
    }
    await this.gateOf(key)?.needed()
    return feed
  }

  /** What follows a writer: made, logged together with that it does, told. */
  async #makeSuccessor(from: Uint8Array, length: number): Promise<void> {
    const { facts, author } = this.#host
    const successor = author.successorOf(from)
    if (successor === null) throw new FeedsError('ERR_FEEDS_NOT_AUTHORIZED', 'there is no such writer')
    const { name, key, origin } = successor
    await this.#noteNew(key)
    const meta = facts.meta(from) ?? { name }
    await this.#host.authorize(key, { meta, origin, successorOf: { key: from, length } })
    this.#host.rotated({ name, from, to: key, length })
  }

  /** A feed that is being made: from now on a missing record is a lost one. */
  async #noteNew(key: Uint8Array): Promise<void> {
    const { bootId, device, place } = this.#surroundings as Surroundings
    const checkpoint = { fork: 0, length: 0 }
    try {
      await this.#fileOf(key).write({ key, device, bootId, place, checkpoint, clean: true })
    } catch (cause) {
      const text = `the record of a writer could not be written: ${errorOf(cause).message}`
      throw new FeedsError('ERR_FEEDS_STORAGE', text, { cause })
    }
  }

  async #sync(): Promise<void> {
    const gates = [...this.#gates.values()].filter(gate => gate.isDirty)
    const acknowledged = gates.map(gate => gate.acknowledged)
    try {
      await this.#host.sync()
    } catch (cause) {
      if (cause instanceof FeedsError) throw cause
      const text = `the storage could not be synced: ${errorOf(cause).message}`
      throw new FeedsError('ERR_FEEDS_STORAGE', text, { cause })
    }
    await Promise.all(gates.map((gate, i) => gate.synced(acknowledged[i] as typeof gate.acknowledged)))
  }

  #onChanged(key: Uint8Array, state: WriterState): void {
    if (state === 'recovering') this.#host.recovering(key)
  }

  #onFault(fault: unknown): void {
    if (fault instanceof FeedsError) this.#host.warn(fault)
  }

  #fileOf(key: Uint8Array): WriterFile {
    const { facts } = this.#host
    return new WriterFile(dirname(facts.path), facts.idOf(key), this.#options.writeFile)
  }
}
