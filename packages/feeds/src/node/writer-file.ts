/**
 * The file with a writer's record, and what its start is compared with: the boot of the machine, and the place of the folder.
 *
 * A record is written as a new file that takes the place of the old one, so that it is there as a whole or not at all.
 * Records that come while one is being written make one more write: only the last of them is worth anything.
 */
import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import b4a from 'b4a'
import { decodeWriterRecord, encodeWriterRecord, type WriterRecord } from '../writer-record.js'
import { writeNewFile } from './log-file.js'

const BOOT_ID_PATH = '/proc/sys/kernel/random/boot_id'
/** Bytes of a feed's id in the name of its record. */
const NAME_BYTES = 8

/** Writes a whole file; the tests put faults in between. */
export type WriteWholeFile = (path: string, bytes: Uint8Array) => Promise<void>

/** The record of one writer on the disk. */
export class WriterFile {
  readonly #path: string
  readonly #write: WriteWholeFile
  #writing: Promise<void> | null = null
  #next: { record: WriterRecord; done: Promise<void> } | null = null

  /** @param feedId - What the facts call the feed. @param folder - That of the fact log. */
  constructor(folder: string, feedId: Uint8Array, write: WriteWholeFile = writeNewFile) {
    this.#path = join(folder, 'writers', b4a.toString(feedId.subarray(0, NAME_BYTES), 'hex'))
    this.#write = write
  }

  /** The record; null if there is none, or if it is damaged or that of another feed. */
  async read(key: Uint8Array): Promise<WriterRecord | null> {
    let bytes: Uint8Array
    try {
      bytes = await readFile(this.#path)
    } catch {
      return null // a record that can't be read is as good as none: the writer is not trusted
    }
    const record = decodeWriterRecord(bytes)
    return record !== null && b4a.equals(record.key, key) ? record : null
  }

  /** Resolves when this record, or a later one, is on the disk; rejects as the disk does. */
  write(record: WriterRecord): Promise<void> {
    if (this.#next !== null) {
      this.#next.record = record
      return this.#next.done
    }
    const before = this.#writing ?? Promise.resolve()
    const next = { record, done: before.catch(() => {}).then(() => this.#writeNext()) }
    this.#next = next
    this.#writing = next.done
    return next.done
  }

  async #writeNext(): Promise<void> {
    const record = this.#next?.record as WriterRecord
    this.#next = null
    await this.#write(this.#path, encodeWriterRecord(record))
  }
}

/** What this boot of the machine is called; '' where that is unknown, so that every unclean start counts as a power cut. */
export async function readBootId(): Promise<string> {
  try {
    return (await readFile(BOOT_ID_PATH, 'utf8')).trim()
  } catch {
    return ''
  }
}

/** What changes when the folder is copied or restored, but not when it is moved: which file on the disk this one is. */
export async function placeOf(path: string): Promise<string> {
  const { ino, birthtimeMs } = await stat(path, { bigint: true })
  return `${ino}:${birthtimeMs}`
}
