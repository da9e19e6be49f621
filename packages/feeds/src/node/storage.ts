/**
 * Where a set's own files lie: the folder `hearsay` in the storage folder, mode 0700.
 *
 *   hearsay/device                    8 random bytes, made with the folder: part of every writer's full name
 *   hearsay/facts.log                 the facts of the set
 *   hearsay/writers/<id>              what is known of an own feed, beside the log of its set
 *   hearsay/sets/<setId>/facts.log    the facts of further sets that share one Corestore
 *
 * Corestore holds the lock of the storage folder against other processes for as long as it is open, and we only get here
 * after it was opened. Against a second set on the same log in this process there is a list of open logs.
 */
import { mkdir, readFile, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import b4a from 'b4a'
import { FeedsError } from '../errors.js'
import { decodeHeader, HEADER_BYTES } from '../facts.js'
import { errorOf } from './guard.js'
import { DEVICE_BYTES } from './keys.js'
import { writeNewFile } from './log-file.js'
import { randomBytes } from './sodium.js'

const REGISTRY = Symbol.for('hearsay.logs/1')
const shared = globalThis as { [REGISTRY]?: Map<string, string> }
shared[REGISTRY] ??= new Map()
/** Paths of open logs, and the set that has each of them. */
const openLogs = shared[REGISTRY]

/** A log that is ours until release(). */
export interface LogPlace {
  path: string
  release(): void
}

/**
 * Finds the log of a set and takes it.
 *
 * @param isShared - The Corestore was passed in, so other sets may have their logs here, too.
 * @throws {FeedsError} `ERR_FEEDS_LOCKED`, `ERR_FEEDS_STORAGE`.
 */
export async function takeLog(folder: string, setId: Uint8Array, isShared: boolean): Promise<LogPlace> {
  const home = join(resolve(folder), 'hearsay')
  const id = b4a.toString(setId, 'hex')
  const main = join(home, 'facts.log')
  const own = join(home, 'sets', id.slice(0, 16), 'facts.log')
  try {
    await checkNotMoved(folder)
    await mkdir(home, { recursive: true, mode: 0o700 })
    if (await isThere(own)) return take(own, id, folder)
    const onDisk = await ownerOf(main)
    // Asked last, and without an await until it is taken: two sets may look at the same time.
    const owner = openLogs.get(main) ?? onDisk
    const isForeign = owner !== null && owner !== id
    return take(isShared && isForeign ? own : main, id, folder)
  } catch (cause) {
    if (cause instanceof FeedsError) throw cause
    throw new FeedsError('ERR_FEEDS_STORAGE', `${home} could not be opened: ${errorOf(cause).message}`, {
      cause
    })
  }
}

/** The file that says which storage folder this is. */
export function deviceFileOf(folder: string): string {
  return join(resolve(folder), 'hearsay', 'device')
}

/** Devices that are being read or made: two sets that open one folder at once must not make two. */
const devices = new Map<string, Promise<Uint8Array>>()

/** The 8 bytes that tell this storage folder from every other. */
export async function deviceOf(folder: string): Promise<Uint8Array> {
  const path = deviceFileOf(folder)
  const running = devices.get(path) ?? readOrMakeDevice(path)
  devices.set(path, running)
  try {
    return await running
  } finally {
    devices.delete(path)
  }
}

async function readOrMakeDevice(path: string): Promise<Uint8Array> {
  try {
    const bytes = await readFile(path)
    if (bytes.byteLength === DEVICE_BYTES) return new Uint8Array(bytes)
    throw new Error(`it has ${bytes.byteLength} bytes instead of ${DEVICE_BYTES}`)
  } catch (cause) {
    if ((cause as { code?: unknown }).code !== 'ENOENT') {
      throw new FeedsError('ERR_FEEDS_STORAGE', `${path} could not be read: ${errorOf(cause).message}`, {
        cause
      })
    }
  }
  const device = randomBytes(DEVICE_BYTES)
  await writeNewFile(path, device)
  return device
}

function take(path: string, id: string, folder: string): LogPlace {
  if (openLogs.has(path)) {
    const message = `storage ${folder} is in use: another FeedSet of this process has its fact log open`
    throw new FeedsError('ERR_FEEDS_LOCKED', message)
  }
  openLogs.set(path, id)
  return { path, release: () => void openLogs.delete(path) }
}

/** Set id of the log at `path`; null if there is no readable one. */
async function ownerOf(path: string): Promise<string | null> {
  if (!(await isThere(path))) return null
  const header = decodeHeader((await readFile(path)).subarray(0, HEADER_BYTES))
  return header.ok ? b4a.toString(header.value, 'hex') : null
}

async function isThere(path: string): Promise<boolean> {
  try {
    await stat(path)
    return true
  } catch (fault) {
    if ((fault as { code?: unknown }).code === 'ENOENT') return false
    throw fault
  }
}

/** Corestore moves unknown folders into its `db` when its own CORESTORE file is gone; a set without its log is no set. */
async function checkNotMoved(folder: string): Promise<void> {
  if (!(await isThere(join(folder, 'db', 'hearsay')))) return
  throw new FeedsError(
    'ERR_FEEDS_STORAGE',
    `${join(folder, 'db', 'hearsay')} was moved: move it back to ${folder}`
  )
}
