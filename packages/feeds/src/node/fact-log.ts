/**
 * The fact log: one file, appended and synced before anything acts on it. Decides nothing about what facts mean.
 *
 * All facts that come while an entry is being written make the next entry: one write, one fdatasync, then they are
 * acknowledged, and only then the next. So at most the last entry can be torn.
 *
 * PF1 No acknowledged fact is lost by a crash or power cut. Replay ends at the first bad entry: with nothing but a torn
 * piece or zeros behind it the tail is cut off; with a good entry anywhere behind it the file is damaged, and nothing is
 * opened. The file is never rewritten in place: a compacted log is a new file that takes the place of the old one.
 */
import { readFile, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import b4a from 'b4a'
import { FeedsError } from '../errors.js'
import { encodeEntry, encodeFact, encodeHeader, type Fact, HEADER_BYTES } from '../facts.js'
import type { FeedsLimits } from '../limits.js'
import { errorOf } from './guard.js'
import {
  type LogFile,
  makeLogFile,
  type OpenLogFile,
  openLogFile,
  takePlace,
  writeNewFile
} from './log-file.js'
import { type Replayed, replayLog } from './log-replay.js'

/** Options of FactLog.open(). */
export interface FactLogOptions {
  path: string
  /** Whose facts these are, 32 bytes. */
  setId: Uint8Array
  limits: Readonly<FeedsLimits>
  /** Called for each fact of the file and where it lies, in order, before open() resolves. */
  replay(fact: Fact, offset: number, bytes: number): void
  openFile?: OpenLogFile
}

/** Where a fact lies in the file. */
export interface FactPlace {
  offset: number
  bytes: number
}

interface Waiting {
  facts: Uint8Array[]
  resolve(places: FactPlace[]): void
  reject(error: FeedsError): void
}

/** A fact of the log, and where it lies. */
export interface PlacedFact extends FactPlace {
  fact: Fact
}

/** What a compaction asks for, and tells. */
export interface Compaction {
  /** The facts that stand for all of them. Taken when it is their turn; all that was acknowledged must be in it. */
  facts(): Iterable<Fact>
  /** Where they lie now; called only if the new file is in its place. */
  placed(facts: readonly PlacedFact[]): void
}

interface PendingCompaction {
  of: Compaction
  resolve(): void
  reject(error: FeedsError): void
}

/** See the head of this file. */
export class FactLog {
  readonly #path: string
  readonly #setId: Uint8Array
  readonly #limits: Readonly<FeedsLimits>
  readonly #openFile: OpenLogFile
  #file: LogFile
  #position: number
  #sequence: number
  #facts: number
  #inFile: number
  #queue: Waiting[] = []
  #compaction: PendingCompaction | null = null
  #writing: Promise<void> | null = null
  #fault: FeedsError | null = null
  #isClosed = false

  private constructor(file: LogFile, options: FactLogOptions, end: Replayed) {
    this.#file = file
    this.#path = options.path
    this.#setId = options.setId
    this.#limits = options.limits
    this.#openFile = options.openFile ?? openLogFile
    this.#position = end.position
    this.#sequence = end.sequence
    this.#facts = end.facts
    this.#inFile = end.inFile
  }

  /**
   * Opens the log, makes it if there is none, and replays it.
   *
   * @throws {FeedsError} `ERR_FEEDS_LOG_DAMAGED` with the offset, `ERR_FEEDS_LOG_FOREIGN`, `ERR_FEEDS_STORAGE`.
   */
  static async open(options: FactLogOptions): Promise<FactLog> {
    const { path } = options
    try {
      // Of a compaction that was cut off: the log itself is whole.
      await rm(temporaryOf(path), { force: true })
      const bytes = (await readIfThere(path)) ?? (await create(path, options.setId))
      const end = replayLog(bytes, options)
      const file = await (options.openFile ?? openLogFile)(path)
      if (end.position < bytes.byteLength) {
        await file.truncate(end.position)
        await file.sync()
      }
      return new FactLog(file, options, end)
    } catch (cause) {
      if (cause instanceof FeedsError) throw cause
      throw storageError(`fact log ${path} could not be opened`, cause)
    }
  }

  /** How many facts were ever logged; only grows. */
  get facts(): number {
    return this.#facts
  }

  /** How many facts the file holds, and its bytes. */
  get size(): { facts: number; bytes: number } {
    return { facts: this.#inFile, bytes: this.#position }
  }

  /**
   * Appends facts, all in one entry if they fit. Resolves with their places when they are on the disk.
   *
   * @throws {FeedsError} `ERR_FEEDS_STORAGE`: none of them counts. `ERR_FEEDS_CLOSED`.
   */
  append(facts: readonly Fact[]): Promise<FactPlace[]> {
    const refusal = this.#refusal()
    if (refusal !== null) return Promise.reject(refusal)
    if (facts.length === 0) return Promise.resolve([])
    return new Promise((resolve, reject) => {
      this.#queue.push({ facts: facts.map(encodeFact), resolve, reject })
      this.#writing ??= this.#drain()
    })
  }

  /**
   * Writes the log anew, without what is superseded. What is appended meanwhile waits.
   *
   * @throws {FeedsError} `ERR_FEEDS_STORAGE`: the old file stays, and goes on.
   */
  compact(compaction: Compaction): Promise<void> {
    const refusal = this.#refusal()
    if (refusal !== null) return Promise.reject(refusal)
    if (this.#compaction !== null) return Promise.resolve()
    return new Promise((resolve, reject) => {
      this.#compaction = { of: compaction, resolve, reject }
      this.#writing ??= this.#drain()
    })
  }

  /** Writes what waits, and closes the file. Idempotent. */
  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    await this.#writing
    await this.#file.close()
  }

  #refusal(): FeedsError | null {
    return this.#isClosed ? new FeedsError('ERR_FEEDS_CLOSED', 'the fact log is closed') : this.#fault
  }

  async #drain(): Promise<void> {
    // Facts of one tick share an entry.
    await new Promise(resolve => setImmediate(resolve))
    while (this.#queue.length > 0 || this.#compaction !== null) {
      // After what was asked for before it, so that its snapshot holds all that was acknowledged.
      if (this.#queue.length > 0) await this.#writeEntry(this.#takeGroup())
      else await this.#runCompaction()
    }
    this.#writing = null
  }

  /** As many whole appends as fit into one entry, at least one. */
  #takeGroup(): Waiting[] {
    const { maxFactsPerEntry, maxEntryBytes } = this.#limits
    let facts = 0
    let bytes = 8
    let count = 0
    for (const waiting of this.#queue) {
      facts += waiting.facts.length
      for (const fact of waiting.facts) bytes += fact.byteLength
      if (count > 0 && (facts > maxFactsPerEntry || bytes > maxEntryBytes)) break
      count++
    }
    return this.#queue.splice(0, count)
  }

  async #writeEntry(group: Waiting[]): Promise<void> {
    const facts = group.flatMap(waiting => waiting.facts)
    const entry = encodeEntry(this.#sequence, facts)
    try {
      if (this.#fault !== null) throw this.#fault
      await this.#file.write(entry, this.#position)
      await this.#file.sync()
    } catch (cause) {
      await this.#onFault(cause, group)
      return
    }
    let offset = this.#position + ENTRY_FACTS_AT
    this.#position += entry.byteLength
    this.#sequence++
    this.#facts += facts.length
    this.#inFile += facts.length
    for (const waiting of group) {
      waiting.resolve(
        waiting.facts.map(({ byteLength: bytes }) => {
          offset += bytes
          return { offset: offset - bytes, bytes }
        })
      )
    }
  }

  /** Takes back what may have been written. If that fails too, what is on the disk is unknown: the log is given up. */
  async #onFault(cause: unknown, group: Waiting[]): Promise<void> {
    const error = this.#fault ?? storageError(`fact log ${this.#path} could not be written`, cause)
    try {
      await this.#file.truncate(this.#position)
      await this.#file.sync()
    } catch {
      this.#fault ??= error
    }
    for (const waiting of group) waiting.reject(error)
  }

  async #runCompaction(): Promise<void> {
    const { of, resolve, reject } = this.#compaction as PendingCompaction
    this.#compaction = null
    try {
      if (this.#fault !== null) throw this.#fault
      // Whoever was told that a fact is on the disk applies it in this turn: only then is the snapshot whole.
      await new Promise(next => setImmediate(next))
      const written = await this.#writeAnew([...of.facts()])
      of.placed(written)
      resolve()
    } catch (cause) {
      reject(
        cause instanceof FeedsError
          ? cause
          : storageError(`fact log ${this.#path} could not be compacted`, cause)
      )
    }
  }

  async #writeAnew(facts: Fact[]): Promise<PlacedFact[]> {
    const temporary = temporaryOf(this.#path)
    const all: Fact[] = [{ kind: 'compacted', facts: this.#facts, kept: facts.length }, ...facts]
    const places: PlacedFact[] = []
    let position = HEADER_BYTES
    let sequence = 0
    await makeLogFile(temporary)
    const file = await this.#openFile(temporary)
    try {
      await file.write(encodeHeader(this.#setId), 0)
      for (const group of this.#groupsOf(all)) {
        let offset = position + ENTRY_FACTS_AT
        for (const { fact, encoded } of group) {
          places.push({ fact, offset, bytes: encoded.byteLength })
          offset += encoded.byteLength
        }
        const entry = encodeEntry(
          sequence++,
          group.map(({ encoded }) => encoded)
        )
        await file.write(entry, position)
        position += entry.byteLength
      }
      await file.sync()
    } catch (fault) {
      await file.close().catch(() => {})
      await rm(temporary, { force: true })
      throw fault
    }
    await this.#takeOver(file, temporary)
    this.#position = position
    this.#sequence = sequence
    this.#inFile = all.length
    return places
  }

  /** Facts as they go into entries. */
  *#groupsOf(facts: readonly Fact[]): IterableIterator<{ fact: Fact; encoded: Uint8Array }[]> {
    const { maxFactsPerEntry, maxEntryBytes } = this.#limits
    let group: { fact: Fact; encoded: Uint8Array }[] = []
    let bytes = ENTRY_FACTS_AT
    for (const fact of facts) {
      const encoded = encodeFact(fact)
      if (group.length === maxFactsPerEntry || bytes + encoded.byteLength > maxEntryBytes) {
        yield group
        group = []
        bytes = ENTRY_FACTS_AT
      }
      group.push({ fact, encoded })
      bytes += encoded.byteLength
    }
    yield group
  }

  /** From the rename on the new file is the log, whatever comes. */
  async #takeOver(file: LogFile, temporary: string): Promise<void> {
    const before = this.#file
    try {
      await takePlace(temporary, this.#path, () => {
        this.#file = file
      })
    } catch (cause) {
      const isReplaced = this.#file === file
      await (isReplaced ? before : file).close().catch(() => {})
      // A power cut may bring the old file back, and with it the loss of what would be acknowledged from now on.
      if (isReplaced) this.#fault = storageError(`fact log ${this.#path} could not be replaced`, cause)
      throw cause
    }
    await before.close().catch(() => {})
  }
}

/** Bytes of an entry before its first fact. */
const ENTRY_FACTS_AT = 16

function temporaryOf(path: string): string {
  return join(dirname(path), 'compact.tmp')
}

function storageError(message: string, cause: unknown): FeedsError {
  return new FeedsError('ERR_FEEDS_STORAGE', `${message}: ${errorOf(cause).message}`, { cause })
}

async function readIfThere(path: string): Promise<Uint8Array | null> {
  try {
    return await readFile(path)
  } catch (fault) {
    if ((fault as { code?: unknown }).code === 'ENOENT') return null
    throw fault
  }
}

/** Makes a log with a header only: written beside its place, synced, then renamed, so that a torn header can't exist. */
async function create(path: string, setId: Uint8Array): Promise<Uint8Array> {
  const header = encodeHeader(setId)
  await writeNewFile(path, header)
  return b4a.from(header)
}
