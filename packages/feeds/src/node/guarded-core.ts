/**
 * The sessions that applications get: Hypercore's, with a switch that takes the feed away, a gate before each append, and
 * sleep. What a switch says holds for all sessions of its feed, so that also those that a Hyperbee made for itself stop.
 *
 *   ASLEEP --first use of a method-------------> AWAKE    opens the feed; every method waits for that, as at Hypercore
 *   AWAKE  --sleep(), and nothing is waited for-> ASLEEP   lets go of the feed, so that it can be closed; the object stays
 *
 * A session of the set is born asleep: 10,000 feeds that the application holds, and doesn't use, open nothing. Sessions made
 * from it (`session()`, `snapshot()`) never sleep.
 *
 * Internals used, each pinned by a contract test: `onwait` is called synchronously before a get() waits; every method waits
 * for `opening` while `opened` is false; `_open` with a parent; what `_close` undoes: monitors, sessions, activity, state.
 */
import Hypercore from 'hypercore'
import { FeedsError } from '../errors.js'

/** What stands before the appends of an own feed. */
export interface AppendGate {
  /**
   * May the next append be made? Undefined: at once. Rejects if not; `isPatient` waits for as long as it may change.
   */
  admit(isPatient: boolean): Promise<void> | undefined
  /** An append that was admitted begins; the function is called when it ended. */
  begin(): () => void
  /** Resolves when everything appended so far survives a power cut. */
  durable(): Promise<void>
}

/** Shared by all sessions of one feed that this package gives out. */
export interface FeedSwitch {
  readonly key: Uint8Array
  readonly discoveryKey: Uint8Array
  readonly id: string
  /** Why the feed is closed to them; null: it isn't. */
  denied: FeedsError | null
  /** Blocks from this length on are hidden; null: none. */
  cutoff: number | null
  /** Null: not a feed of ours. */
  gate: AppendGate | null
  /** Last known lengths, for a session that sleeps. */
  known(): { fork: number; length: number; complete: number }
  /** Something of a peer is waited for. Throws if it must not be: a block over the quota. */
  demand(seq: number | null): void
}

/** What a session that sleeps needs. */
export interface Bed {
  /** Opens the feed: a ready Hypercore session that the woken one is made from. */
  open(): Promise<object>
  /** It was woken, and is one of its feed's sessions again. */
  woke(): void
  /** Somebody listens to it, so that it must hear what happens. */
  heard(): void
}

/** What the set itself does with a session that sleeps. Not the class: our declarations name no module without types. */
export interface SleepingSession {
  readonly opened: boolean
  readonly closed: boolean
  readonly isAsleep: boolean
  /** Is it awake, and waits for nothing? */
  readonly canSleep: boolean
  /**
   * Lets go of the feed, which opens again at the next use.
   *
   * @returns False: something is waited for, or it was not awake.
   */
  sleep(): boolean
  ready(): Promise<void>
  close(): Promise<void>
  once(event: 'close', listener: () => void): unknown
}

/** A session that is born asleep. `options` are Hypercore's. */
export function sleepingSession(feedSwitch: FeedSwitch, bed: Bed, options: object): SleepingSession {
  return new GuardedCore(null, null, { ...options, feedSwitch, bed })
}

/** Options of a session that Hypercore doesn't know. */
interface GuardedOptions {
  parent?: unknown
  feedSwitch?: FeedSwitch
  bed?: Bed
}

/** Options of an append that Hypercore doesn't know. */
interface AppendOptions {
  wait?: boolean
  durable?: boolean
}

interface ReadOptions {
  wait?: boolean
}

interface Sleep {
  readonly bed: Bed
  /** Hypercore's options, kept for each time that it wakes. */
  readonly options: object
  isAwake: boolean
}

// Not private fields: Hypercore's constructor calls `_open` and sets `opening` before there are any.
const SLEEP = Symbol('sleep')
const OPENING = Symbol('opening')
/** Events whose listeners need no open feed. */
const QUIET_EVENTS = new Set(['close', 'ready', 'newListener', 'removeListener'])

class GuardedCore extends Hypercore implements SleepingSession {
  readonly #switch: FeedSwitch
  /** Sessions that were made while it slept, and aren't open yet. */
  #children = 0
  /** Calls that have begun and need the open feed until they end. */
  #running = 0
  declare [SLEEP]: Sleep | undefined
  declare [OPENING]: Promise<void>

  constructor(storage: unknown, key: unknown, options: GuardedOptions) {
    const feedSwitch = options.parent instanceof GuardedCore ? options.parent.#switch : options.feedSwitch
    if (feedSwitch === undefined) throw new Error('a guarded session needs its switch')
    const onwait = (seq: number): void => {
      if (feedSwitch.denied !== null) throw feedSwitch.denied
      feedSwitch.demand(seq)
    }
    super(storage, key, { ...options, onwait })
    this.#switch = feedSwitch
    const { bed } = options
    if (bed !== undefined) {
      this.on('newListener', (name: string) => {
        if (!QUIET_EVENTS.has(name)) bed.heard()
      })
    }
  }

  get isAsleep(): boolean {
    return this[SLEEP]?.isAwake === false && !this.closed
  }

  get canSleep(): boolean {
    const isWaiting = this.activeRequests.length > 0 || this.#running > 0 || this.#children > 0
    return this.opened && this.closing === null && !isWaiting
  }

  override get key(): Uint8Array {
    return this.#switch.key
  }

  override get discoveryKey(): Uint8Array {
    return this.#switch.discoveryKey
  }

  override get id(): string {
    return this.#switch.id
  }

  override get length(): number {
    return this.#visible(this.isAsleep ? this.#switch.known().length : super.length)
  }

  override get contiguousLength(): number {
    return this.#visible(this.isAsleep ? this.#switch.known().complete : super.contiguousLength)
  }

  override get fork(): number {
    return this.isAsleep ? this.#switch.known().fork : super.fork
  }

  override get opening(): Promise<void> {
    // In the constructor nothing is asked for yet.
    if (#switch in this && this.isAsleep) this.#wake()
    return this[OPENING]
  }

  override set opening(opening: Promise<void>) {
    this[OPENING] = opening
  }

  override async _open(storage: unknown, key: unknown, options: GuardedOptions): Promise<void> {
    const { bed } = options
    if (bed === undefined) return super._open(storage, key, options)
    this[SLEEP] = { bed, options, isAwake: false }
  }

  sleep(): boolean {
    const sleep = this[SLEEP]
    if (sleep === undefined || !this.canSleep) return false
    const isMonitor = this._monitorIndex >= 0
    const { core, state } = this
    core.removeMonitor(this)
    state.removeSession(this)
    this._removeSession()
    core.replicator.updateActivity(this._active ? -1 : 0)
    state.unref()
    this.opened = false
    this.state = null
    this.core = null
    // Hypercore's mark for a session that has listeners and no core yet.
    if (isMonitor) this._monitorIndex = -2
    sleep.isAwake = false
    return true
  }

  override close(options?: object): Promise<void> {
    if (!this.isAsleep) return super.close(options)
    this.closing = Promise.resolve()
    this.closed = true
    this.emit('close')
    return this.closing
  }

  override session(options: object = {}): Hypercore {
    if (this[SLEEP] === undefined || this.opened) return super.session({ class: GuardedCore, ...options })
    // Hypercore takes the core from its parent, which has none until it is awake.
    const preload = this.ready().then(() => ({}))
    const child = super.session({ class: GuardedCore, preload, ...options })
    this.#children++
    const opened = (): void => void this.#children--
    child.ready().then(opened, opened)
    return child
  }

  override async get(seq: number, options?: ReadOptions): Promise<unknown> {
    if (!this.#isHidden(seq + 1)) return this.#awake(() => super.get(seq, options))
    if (options?.wait === false) return null
    throw this.#switch.denied ?? hiddenError()
  }

  override async has(start: number, end = start + 1): Promise<boolean> {
    return this.#isHidden(end) ? false : this.#awake(() => super.has(start, end))
  }

  override async update(options?: ReadOptions): Promise<boolean> {
    if (options?.wait !== false && this.#switch.denied === null) this.#switch.demand(null)
    else if (options?.wait === true && this.#switch.denied !== null) throw this.#switch.denied
    return this.#awake(() => super.update(options))
  }

  override async clear(start: number, end?: number, options?: object): Promise<unknown> {
    return this.#awake(() => super.clear(start, end, options))
  }

  override download(range?: object): ReturnType<Hypercore['download']> {
    if (this.#switch.denied === null) this.#switch.demand(null)
    return super.download(range)
  }

  override async append(
    blocks: unknown,
    options: AppendOptions = {}
  ): Promise<{ length: number; byteLength: number }> {
    const { wait = false, durable = false, ...rest } = options
    const result = await this.#write(wait, () => super.append(blocks, rest))
    if (durable) await this.#switch.gate?.durable()
    return result
  }

  override async truncate(length?: number, options?: object): Promise<void> {
    return this.#write(false, () => super.truncate(length, options))
  }

  override async commit(session: Hypercore, options?: object): Promise<unknown> {
    return this.#write(false, () => super.commit(session, options))
  }

  override async applyProof(proof: object): Promise<boolean> {
    if (this.#switch.denied !== null) throw this.#switch.denied
    return this.#awake(() => super.applyProof(proof))
  }

  #visible(length: number): number {
    return Math.min(length, this.#switch.cutoff ?? Number.POSITIVE_INFINITY)
  }

  #isHidden(end: number): boolean {
    return this.#switch.cutoff !== null && end > this.#switch.cutoff
  }

  #wake(): void {
    const sleep = this[SLEEP] as Sleep
    sleep.isAwake = true
    this[OPENING] = this.#open(sleep)
    this[OPENING].catch(() => {}) // whoever waits for it is told
  }

  async #open({ bed, options }: Sleep): Promise<void> {
    try {
      const parent = await bed.open()
      await super._open(null, null, { ...options, bed: undefined, parent })
    } catch (fault) {
      this.closed = true
      this.emit('close')
      throw fault
    } finally {
      bed.woke()
    }
  }

  async #write<R>(isPatient: boolean, write: () => Promise<R>): Promise<R> {
    const { gate, denied } = this.#switch
    if (denied !== null) throw denied
    if (gate === null) return this.#awake(write)
    const admission = gate.admit(isPatient)
    if (admission !== undefined) await admission
    // It may have been revoked while this waited.
    if (this.#switch.denied !== null) throw this.#switch.denied
    const ended = gate.begin()
    try {
      return await this.#awake(write)
    } finally {
      ended()
    }
  }

  // Hypercore reads from the disk in between, and would find no feed if it slept by then: a revoke closes it at any time.
  async #awake<R>(call: () => Promise<R>): Promise<R> {
    this.#running++
    try {
      return await call()
    } finally {
      this.#running--
    }
  }
}

function hiddenError(): FeedsError {
  return new FeedsError('ERR_FEEDS_NOT_AUTHORIZED', 'this block is behind the cutoff of its feed')
}
