/**
 * Files that are there as a whole or not at all, also after a power cut: a new file, synced, takes the place of the old one.
 *
 * Always a new file: writing into one that exists leaves its mode as it is, however wide that was made.
 */
import { mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import b4a from 'b4a'
import { randomBytes } from './sodium.js'

/** Writes a whole file; the tests put faults in between. */
export type WriteWholeFile = (path: string, bytes: Uint8Array) => Promise<void>

/** Makes a file of mode 0600, in a folder of mode 0700 that is made if needed. */
export async function writeWholeFile(path: string, bytes: Uint8Array): Promise<void> {
  const temporary = await writeTemporaryFile(path, bytes)
  await rename(temporary, path)
  await syncFolder(dirname(path))
}

/** The first half of it: what is left of it if the process ends before the other half. */
export async function writeTemporaryFile(path: string, bytes: Uint8Array): Promise<string> {
  const folder = dirname(path)
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const temporary = join(folder, `.${b4a.toString(randomBytes(8), 'hex')}.tmp`)
  const file = await open(temporary, 'wx', 0o600)
  try {
    await file.writeFile(bytes)
    await file.sync()
  } finally {
    await file.close()
  }
  return temporary
}

/** The bytes of a file; null if there is none. @throws As the disk does, and {RangeError} above `maxBytes`. */
export async function readWholeFile(path: string, maxBytes: number): Promise<Uint8Array | null> {
  try {
    const { size } = await stat(path)
    if (size > maxBytes) throw new RangeError(`it has ${size} bytes, limit is ${maxBytes}`)
    return new Uint8Array(await readFile(path))
  } catch (fault) {
    if ((fault as { code?: unknown }).code === 'ENOENT') return null
    throw fault
  }
}

/** Takes away what writes left in a folder that were cut off. */
export async function removeTemporaries(folder: string): Promise<void> {
  const names = await readdir(folder).catch(() => [])
  const left = names.filter(name => name.startsWith('.') && name.endsWith('.tmp'))
  await Promise.all(left.map(name => rm(join(folder, name), { force: true })))
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
