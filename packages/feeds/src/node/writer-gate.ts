/**
 * Stands before the appends of one own feed: drives core/recovery, and keeps the writer's record.
 *
 * Before the first append of a process the record is marked as unclean, and that is synced; from then on it follows the
 * acknowledged length. A clean close marks it as clean again. Appends pass in the order in which they came, also those
 * that had to wait.
 */
import { RecoveryCore, type RecoveryInput, suspicionOf, type WriterState } from '../core/recovery.js'
import { FeedsError } from '../errors.js'
import type { FeedsLimits } from '../limits.js'
import { comparePositions, type Position } from '../writer-record.js'
import { errorOf } from './guard.js'
import type { AppendGate } from './guarded-core.js'
import type { Core } from './hypercore.js'
import { within } from './within.js'
import type { WriterFile } from './writer-file.js'

/** What a start is compared with. */
export interface Surroundings {
  /** Of this boot of the machine; '': unknown. */
  bootId: string
  device: Uint8Array
  /** Of this folder; '': unknown. */
  place: string
  /** Wait for a peer before the first append of every process. */
  isCautious: boolean
}

/** What a gate needs, and whom it tells. */
export interface WriterGateHost {
  readonly limits: Readonly<FeedsLimits>
  /** It was given up earlier: nothing is ever let through. */
  readonly isEnded: boolean
  surroundings(): Surroundings
  /** Why nothing may be appended, whatever the gate says; null: it may. */
  refusal(key: Uint8Array): FeedsError | null
  /** Opens the feed, and keeps it open until release(). */
  acquire(key: Uint8Array): Promise<Core>
  release(key: Uint8Array): void
  /** Resolves when everything appended so far survives a power cut. */
  flush(): Promise<void>
  /** Makes the successor, and logs it. */
  rotate(key: Uint8Array, length: number): Promise<void>
  changed(key: Uint8Array, state: WriterState): void
  warn(error: FeedsError): void
}

const NOWHERE: Position = { fork: 0, length: 0 }

/** See the head of this file. */
export class WriterGate implements AppendGate {
  readonly key: Uint8Array
  readonly #host: WriterGateHost
  readonly #file: WriterFile
  readonly #recovery: RecoveryCore
  #core: Core | null = null
  /** Is the feed kept open by us? While it recovers, peers must be heard. */
  #isPinned = false
  #starting: Promise<void> | null = null
  /** Appends that wait, in their order; null: none does. */
  #line: Promise<void> | null = null
  /** Is the record on the disk marked as unclean? */
  #isMarked = false
  #appending = 0
  /** Acknowledged, as far as we saw. */
  #at: Position = NOWHERE
  /** Blocks that were here when it was shut: what is lost lies behind them. */
  #keptBlocks = 0
  /** On the disk. */
  #checkpoint: Position = NOWHERE
  #checkpointTimer: NodeJS.Timeout | null = null
  #lookTimer: NodeJS.Timeout | null = null
  #waiting: (() => void)[] = []
  #isClosed = false
  #hasWarned = false

  constructor(key: Uint8Array, file: WriterFile, host: WriterGateHost) {
    this.key = key
    this.#file = file
    this.#host = host
    const { settleMs, replicaMs, claimMs, lookMs } = host.limits
    this.#recovery = new RecoveryCore({ settleMs, replicaMs, claimMs, lookMs })
  }

  get state(): WriterState {
    return this.#host.isEnded ? 'rotated' : this.#recovery.state
  }

  /** Opens the feed and compares it with its record. Later calls wait for the first. */
  start(): Promise<void> {
    if (this.#host.isEnded) return Promise.resolve()
    this.#starting ??= this.#start().catch(fault => {
      this.#starting = null // so that the next append tries again
      throw fault
    })
    return this.#starting
  }

  /** The application asks for the writer: a writer that nobody uses is never rotated. */
  async needed(): Promise<void> {
    if (this.#host.isEnded) return
    await this.start()
    this.#step({ kind: 'needed' })
  }

  /** Whether it may append at all has changed. */
  recheck(): void {
    this.#wake()
  }

  /** The feed was opened, by whomever. */
  opened(core: Core): void {
    this.#core = core
  }

  /** A peer says how far the feed goes, on another way than by replicating it. */
  claimed(id: string, at: Position): void {
    if (this.#host.isEnded) return
    const now = this.#position()
    if (this.state === 'open') this.#keptBlocks = now.length
    this.#step({ kind: 'claimed', replica: { id, at }, now })
  }

  /** Ends the feed; resolves when the successor is there. `length`: what is good of it, default all. */
  async rotate(length?: number): Promise<void> {
    await this.start()
    this.#step({ kind: 'rotate', length: length ?? this.#position().length })
    while (this.state === 'rotating') await this.#change()
    if (this.state !== 'rotated')
      throw new FeedsError('ERR_FEEDS_STORAGE', 'the successor could not be logged')
  }

  admit(isPatient: boolean): Promise<void> | undefined {
    if (this.#line === null && this.#starting !== null) {
      this.#look()
      if (this.state === 'open' && this.#isMarked) return undefined
    }
    const turn = (this.#line ?? Promise.resolve()).then(() => this.#pass(isPatient))
    const line = turn.catch(() => {}) // whoever called is told
    this.#line = line
    this.#lookTimer?.ref()
    // Not at once: what `turn` lets through must come before what is called from now on.
    void line.then(() =>
      setImmediate(() => {
        if (this.#line === line) this.#line = null
      })
    )
    return turn
  }

  begin(): () => void {
    this.#appending++
    return () => {
      this.#appending--
      this.#at = this.#position()
      this.#noteLater()
      if (this.#appending === 0) this.#wake()
    }
  }

  durable(): Promise<void> {
    return this.#host.flush()
  }

  /** What the feed holds now: taken before a sync of the storage, to be noted after it. */
  get acknowledged(): Position {
    return this.#at
  }

  /** The storage was synced up to here. @throws {FeedsError} `ERR_FEEDS_STORAGE`. */
  async synced(at: Position): Promise<void> {
    if (this.#isMarked && !(await this.#note(at))) {
      throw new FeedsError('ERR_FEEDS_STORAGE', 'a checkpoint could not be written')
    }
  }

  /** Was anything appended in this process? */
  get isDirty(): boolean {
    return this.#isMarked
  }

  /**
   * Nothing more is let through. Waits for what was, and marks the record as clean if the storage was synced after it.
   *
   * @param sync - Syncs the storage; false: it couldn't.
   */
  async close(sync: () => Promise<boolean>): Promise<void> {
    this.#isClosed = true
    this.#stopTimers()
    this.#wake()
    const ended = async (): Promise<boolean> => {
      while (this.#appending > 0) await this.#change()
      return true
    }
    const isQuiet = await within(ended(), this.#host.limits.goodbyeMs, false)
    if (!this.#isMarked || !isQuiet) return
    const at = this.#position()
    if (await sync()) await this.#note(at, true)
  }

  async #start(): Promise<void> {
    const core = await this.#host.acquire(this.key)
    this.#isPinned = true
    const record = await this.#file.read(this.key)
    this.#core = core
    this.#at = core.position
    this.#keptBlocks = this.#at.length
    this.#checkpoint = record?.checkpoint ?? NOWHERE
    const { isCautious, ...surroundings } = this.#host.surroundings()
    const suspicion = suspicionOf({ record, at: this.#at, isCautious, ...surroundings })
    this.#step({ kind: 'started', at: this.#at, checkpoint: this.#checkpoint, suspicion })
  }

  async #pass(isPatient: boolean): Promise<void> {
    await this.needed()
    for (;;) {
      const refusal = this.#isClosed ? closedError() : this.#host.refusal(this.key)
      if (refusal !== null) throw refusal
      this.#look()
      if (this.state === 'open') {
        if (this.#isMarked) return
        await this.#mark() // a peer may have claimed more meanwhile
      } else if (this.state === 'rotated') throw rotatedError()
      else if (!isPatient) throw recoveringError()
      else await this.#change()
    }
  }

  /** The first append of a process: from here on an end without a close is an unclean one. */
  async #mark(): Promise<void> {
    this.#at = this.#position()
    try {
      await this.#write(this.#at, false)
    } catch (cause) {
      const text = `the record of a writer could not be written: ${errorOf(cause).message}`
      throw new FeedsError('ERR_FEEDS_STORAGE', text, { cause })
    }
    this.#isMarked = true
  }

  /** @returns False: it couldn't be written, which is warned about once until it works again. */
  async #note(at: Position, isClean = false): Promise<boolean> {
    try {
      await this.#write(at, isClean)
      this.#hasWarned = false
      return true
    } catch (cause) {
      const text = `a checkpoint could not be written: ${errorOf(cause).message}`
      if (!this.#hasWarned) this.#host.warn(new FeedsError('ERR_FEEDS_STORAGE', text, { cause }))
      this.#hasWarned = true
      return false
    }
  }

  async #write(at: Position, clean: boolean): Promise<void> {
    const { bootId, device, place } = this.#host.surroundings()
    const checkpoint = comparePositions(at, this.#checkpoint) < 0 ? this.#checkpoint : at
    await this.#file.write({ key: this.key, device, bootId, place, checkpoint, clean })
    this.#checkpoint = checkpoint
  }

  #noteLater(): void {
    if (this.#isClosed) return
    this.#checkpointTimer ??= setTimeout(() => {
      this.#checkpointTimer = null
      void this.#note(this.#at)
    }, this.#host.limits.checkpointMs).unref()
  }

  #look(): void {
    const core = this.#core
    if (core === null || core.isClosed || this.state === 'rotated' || this.state === 'starting') return
    const at = core.position
    const replicas = core
      .peers()
      .filter(peer => peer.isSynced)
      .map(({ id, fork, length }) => ({ id, at: { fork, length } }))
    // Nothing can come of it, and this is asked before each append.
    if (this.state === 'open' && replicas.every(replica => comparePositions(replica.at, at) <= 0)) return
    if (this.state === 'open') this.#keptBlocks = at.length
    const intact = core.blocksFrom(Math.min(this.#keptBlocks, at.length))
    this.#step({ kind: 'look', at, intact, replicas, isAppending: this.#appending > 0 })
  }

  #step(input: RecoveryInput): void {
    for (const effect of this.#recovery.step(input, performance.now())) {
      if (effect.kind === 'state') this.#onState(effect.state)
      else if (effect.kind === 'rotate') void this.#rotate(effect.length)
      else if (this.#lookTimer === null && !this.#isClosed) {
        const delayMs = Math.max(1, effect.atMs - performance.now())
        this.#lookTimer = setTimeout(() => {
          this.#lookTimer = null
          this.#look()
        }, delayMs)
        // An append that waits keeps the process up, a writer that nobody uses doesn't.
        if (this.#line === null) this.#lookTimer.unref()
      }
    }
  }

  #onState(state: WriterState): void {
    this.#wake()
    const isDone = state === 'open' || state === 'rotated'
    // What a peer has shown is worth as much as a clean close.
    if (state === 'open' && !this.#isMarked) void this.#note(this.#position(), true)
    this.#pin(!isDone)
    this.#host.changed(this.key, state)
  }

  #pin(isNeeded: boolean): void {
    if (isNeeded === this.#isPinned || this.#isClosed) return
    this.#isPinned = isNeeded
    if (!isNeeded) this.#host.release(this.key)
    else
      this.#host.acquire(this.key).then(
        core => this.opened(core),
        () => this.#onNotOpened()
      )
  }

  /** It stays shut, which is the safe side; the next append tries again. */
  #onNotOpened(): void {
    this.#isPinned = false
    this.#starting = null
  }

  async #rotate(length: number): Promise<void> {
    let isDone = false
    try {
      await this.#host.rotate(this.key, length)
      isDone = true
    } catch (fault) {
      if (!this.#isClosed && fault instanceof FeedsError) this.#host.warn(fault)
    }
    this.#step({ kind: 'rotated', isDone })
  }

  #position(): Position {
    return this.#core === null || this.#core.isClosed ? this.#at : this.#core.position
  }

  /** Resolves when the state changes, an append ends, or the set closes. */
  #change(): Promise<void> {
    return new Promise(resolve => this.#waiting.push(resolve))
  }

  #wake(): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const resolve of waiting) resolve()
  }

  #stopTimers(): void {
    if (this.#checkpointTimer !== null) clearTimeout(this.#checkpointTimer)
    if (this.#lookTimer !== null) clearTimeout(this.#lookTimer)
    this.#lookTimer = null
  }
}

function closedError(): FeedsError {
  return new FeedsError('ERR_FEEDS_CLOSED', 'the set was closed')
}

function recoveringError(): FeedsError {
  return new FeedsError(
    'ERR_FEEDS_RECOVERING',
    'this writer may have been rolled back: it takes no append until a peer has shown what is missing'
  )
}

function rotatedError(): FeedsError {
  return new FeedsError('ERR_FEEDS_ROTATED', 'this feed was ended: writer() has the successor')
}
