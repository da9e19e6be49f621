/**
 * The fact log: one file, appended and synced before anything acts on it. Decides nothing about what facts mean.
 *
 * All facts that come while an entry is being written make the next entry: one write, one fdatasync, then they are
 * acknowledged, and only then the next. So at most the last entry can be torn.
 *
 * PF1 No acknowledged fact is lost by a crash or power cut. Replay ends at the first bad entry: with nothing but a torn
 * piece or zeros behind it the tail is cut off; with a good entry anywhere behind it the file is damaged, and nothing is
 * opened. The file is never rewritten in place, since that would not narrow the mode of one that is readable by others.
 */
import { type FileHandle, mkdir, open, readFile, rename } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import b4a from 'b4a'
import { FeedsError } from '../errors.js'
import {
  decodeEntry,
  decodeHeader,
  encodeEntry,
  encodeFact,
  encodeHeader,
  entryBytesAt,
  type Fact,
  HEADER_BYTES,
  sequenceAt
} from '../facts.js'
import type { FeedsLimits } from '../limits.js'
import { errorOf } from './guard.js'

/** What the log does to its file; the tests put faults in between. */
export interface LogFile {
  write(bytes: Uint8Array, position: number): Promise<void>
  /** Resolves when everything written is on the disk. */
  sync(): Promise<void>
  truncate(length: number): Promise<void>
  close(): Promise<void>
}

/** Opens a file for reading and writing. */
export type OpenLogFile = (path: string) => Promise<LogFile>

/** Options of FactLog.open(). */
export interface FactLogOptions {
  path: string
  /** Whose facts these are, 32 bytes. */
  setId: Uint8Array
  limits: Readonly<FeedsLimits>
  /** Called for each fact of the file, in order, before open() resolves. */
  replay(fact: Fact): void
  openFile?: OpenLogFile
}

interface Waiting {
  facts: Uint8Array[]
  resolve(): void
  reject(error: FeedsError): void
}

/** See the head of this file. */
export class FactLog {
  readonly #file: LogFile
  readonly #path: string
  readonly #limits: Readonly<FeedsLimits>
  #position: number
  #sequence: number
  #facts: number
  #queue: Waiting[] = []
  #writing: Promise<void> | null = null
  #fault: FeedsError | null = null
  #isClosed = false

  private constructor(file: LogFile, options: FactLogOptions, end: Replayed) {
    this.#file = file
    this.#path = options.path
    this.#limits = options.limits
    this.#position = end.position
    this.#sequence = end.sequence
    this.#facts = end.facts
  }

  /**
   * Opens the log, makes it if there is none, and replays it.
   *
   * @throws {FeedsError} `ERR_FEEDS_LOG_DAMAGED` with the offset, `ERR_FEEDS_LOG_FOREIGN`, `ERR_FEEDS_STORAGE`.
   */
  static async open(options: FactLogOptions): Promise<FactLog> {
    const { path } = options
    try {
      const bytes = (await readIfThere(path)) ?? (await create(path, options.setId))
      const end = replay(bytes, options)
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

  /**
   * Appends facts, all in one entry if they fit. Resolves when they are on the disk.
   *
   * @throws {FeedsError} `ERR_FEEDS_STORAGE`: none of them counts. `ERR_FEEDS_CLOSED`.
   */
  append(facts: readonly Fact[]): Promise<void> {
    if (this.#isClosed) return Promise.reject(new FeedsError('ERR_FEEDS_CLOSED', 'the fact log is closed'))
    if (this.#fault !== null) return Promise.reject(this.#fault)
    if (facts.length === 0) return Promise.resolve()
    return new Promise((resolve, reject) => {
      this.#queue.push({ facts: facts.map(encodeFact), resolve, reject })
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

  async #drain(): Promise<void> {
    // Facts of one tick share an entry.
    await new Promise(resolve => setImmediate(resolve))
    while (this.#queue.length > 0) await this.#writeEntry(this.#takeGroup())
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
    this.#position += entry.byteLength
    this.#sequence++
    this.#facts += facts.length
    for (const waiting of group) waiting.resolve()
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
}

interface Replayed {
  position: number
  sequence: number
  facts: number
}

function replay(bytes: Uint8Array, options: FactLogOptions): Replayed {
  const header = decodeHeader(bytes)
  if (!header.ok) throw damaged(options.path, 0, header.reason)
  if (!b4a.equals(header.value, options.setId)) {
    const message = `fact log ${options.path} belongs to a set with another namespace`
    throw new FeedsError('ERR_FEEDS_LOG_FOREIGN', message)
  }
  const { maxEntryBytes } = options.limits
  const end: Replayed = { position: HEADER_BYTES, sequence: 0, facts: 0 }
  const replayed: Fact[] = []
  for (;;) {
    const size = entryBytesAt(bytes, end.position, maxEntryBytes)
    if (size === 0) break
    const sequence = sequenceAt(bytes, end.position)
    if (sequence !== end.sequence) {
      throw damaged(
        options.path,
        end.position,
        `entry ${end.sequence} was expected, entry ${sequence} is there`
      )
    }
    const entry = decodeEntry(bytes.subarray(end.position, end.position + size))
    if (!entry.ok) throw damaged(options.path, end.position, entry.reason)
    for (const { fact } of entry.value.facts) replayed.push(fact)
    end.facts += entry.value.facts.length
    end.sequence++
    end.position += size
  }
  checkTail(bytes, end, options)
  // Only now: of a damaged log nothing is applied.
  for (const fact of replayed) options.replay(fact)
  return end
}

/** Throws unless only a torn piece of one entry, or zeros, follow the last good entry. */
function checkTail(bytes: Uint8Array, end: Replayed, options: FactLogOptions): void {
  const { maxEntryBytes } = options.limits
  let last = bytes.byteLength
  while (last > end.position && bytes[last - 1] === 0) last--
  if (last - end.position > maxEntryBytes + 8) {
    throw damaged(options.path, end.position, 'more than one entry is unreadable')
  }
  const most = end.sequence + (bytes.byteLength - end.position) / 16
  for (let at = end.position + 1; at + 16 <= last; at++) {
    const sequence = sequenceAt(bytes, at)
    // Cheapest check first: nearly every offset fails it, so that the checksums don't make this quadratic.
    if (sequence < end.sequence || sequence > most) continue
    if (entryBytesAt(bytes, at, maxEntryBytes) > 0) {
      throw damaged(
        options.path,
        end.position,
        `entry ${end.sequence} is unreadable, entry ${sequence} follows`
      )
    }
  }
}

function damaged(path: string, offset: number, reason: string): FeedsError {
  const message =
    `fact log ${path} is damaged at byte ${offset}: ${reason}. Nothing was opened. Put back a copy of the file, or move it ` +
    'away and authorize the feeds again; revocations that only this file knew are lost then'
  return new FeedsError('ERR_FEEDS_LOG_DAMAGED', message, { offset })
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
  return header
}

/** A file of mode 0600 that is there as a whole or not at all; its folder is made with mode 0700. */
export async function writeNewFile(path: string, bytes: Uint8Array): Promise<void> {
  const folder = dirname(path)
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const temporary = join(folder, `.${process.pid}.${Math.random().toString(36).slice(2)}.tmp`)
  const file = await open(temporary, 'wx', 0o600)
  try {
    await file.write(bytes)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(temporary, path)
  await syncFolder(folder)
}

async function syncFolder(folder: string): Promise<void> {
  // Windows can't open a folder; there a rename is durable by the file system's own journal.
  if (process.platform === 'win32') return
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

async function openLogFile(path: string): Promise<LogFile> {
  const file: FileHandle = await open(path, 'r+')
  return {
    async write(bytes, position) {
      let written = 0
      while (written < bytes.byteLength) {
        const result = await file.write(bytes, written, bytes.byteLength - written, position + written)
        written += result.bytesWritten
      }
    },
    sync: () => file.datasync(),
    truncate: length => file.truncate(length),
    close: () => file.close()
  }
}
