/**
 * Files that survive a power cut: the port through which a log writes, and whole files that are there or not.
 */
import { closeSync, openSync, readSync } from 'node:fs'
import { type FileHandle, mkdir, open, readdir, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import b4a from 'b4a'
import { randomBytes } from './sodium.js'

/** What a log does to its file; the tests put faults in between. */
export interface LogFile {
  write(bytes: Uint8Array, position: number): Promise<void>
  /** Resolves when everything written is on the disk. */
  sync(): Promise<void>
  truncate(length: number): Promise<void>
  close(): Promise<void>
}

/** Opens a file for reading and writing. */
export type OpenLogFile = (path: string) => Promise<LogFile>

/** The real one. */
export async function openLogFile(path: string): Promise<LogFile> {
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

/** An empty file of mode 0600, also if there was another one. */
export async function makeLogFile(path: string): Promise<void> {
  await rm(path, { force: true })
  const file = await open(path, 'wx', 0o600)
  await file.close()
}

/**
 * A synced file takes the place of another one.
 *
 * @param renamed - Called when it has: what fails afterwards is only whether that survives a power cut.
 */
export async function takePlace(from: string, to: string, renamed: () => void): Promise<void> {
  await rename(from, to)
  renamed()
  await syncFolder(dirname(to))
}

/** Some bytes of a file, at once; null if they can't be read. */
export function readPiece(path: string, position: number, length: number): Uint8Array | null {
  let file: number | null = null
  try {
    file = openSync(path, 'r')
    const bytes = b4a.alloc(length)
    return readSync(file, bytes, 0, length, position) === length ? bytes : null
  } catch {
    return null
  } finally {
    if (file !== null) closeSync(file)
  }
}

/** A file of mode 0600 that is there as a whole or not at all; its folder is made with mode 0700. */
export async function writeNewFile(path: string, bytes: Uint8Array): Promise<void> {
  const folder = dirname(path)
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const temporary = join(folder, `.${b4a.toString(randomBytes(8), 'hex')}.tmp`)
  const file = await open(temporary, 'wx', 0o600)
  try {
    await file.writeFile(bytes) // write() alone may take only a part
    await file.sync()
  } finally {
    await file.close()
  }
  await takePlace(temporary, path, () => {})
}

/** Resolves when what a file holds is on the disk, whoever wrote it. */
export async function syncIfThere(path: string): Promise<void> {
  let handle: FileHandle
  try {
    handle = await open(path, 'r')
  } catch (fault) {
    if ((fault as { code?: unknown }).code === 'ENOENT') return
    throw fault
  }
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Takes away what writeNewFile() left in a folder when it was cut off. */
export async function removeTemporaries(folder: string): Promise<void> {
  const names = await readdir(folder).catch(() => [])
  const left = names.filter(name => name.startsWith('.') && name.endsWith('.tmp'))
  await Promise.all(left.map(name => rm(join(folder, name), { force: true })))
}

/** Resolves when what was made or renamed in a folder is so on the disk. */
export async function syncFolder(folder: string): Promise<void> {
  // Windows can't open a folder; there a rename is durable by the file system's own journal.
  if (process.platform === 'win32') return
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
