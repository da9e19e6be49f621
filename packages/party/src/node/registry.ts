/**
 * The list of parties in a folder: read once, kept in memory, and written as a whole with every change.
 *
 *   master        the only secret in clear; with a `secret` of the app it is sealed, too
 *   parties.bin   everything else, sealed with a key that follows from the master key
 *
 * A change is in force once it is on the disk, and changes are written one after the other: a process that is killed in
 * between leaves the list before or the list after it.
 */
import { join, resolve } from 'node:path'
import type { Hashes } from '../core/keys.js'
import { registryKeyOf } from '../core/keys.js'
import { decodeRegistry, encodeRegistry, type RegistryEntry } from '../core/registry.js'
import { PartyError } from '../errors.js'
import { hexOf } from '../key.js'
import type { Limits } from '../limits.js'
import type { Genesis } from '../types.js'
import { messageOf } from './ask-rules.js'
import { readMaster, readSealedList, type Secret, writeSealedList } from './registry-files.js'
import { removeTemporaries, type WriteWholeFile } from './whole-file.js'

const LOCKS = Symbol.for('hearsay.registries/1')
const shared = globalThis as { [LOCKS]?: Set<string> }
shared[LOCKS] ??= new Set()
/** Folders whose list is open in this process; other processes are kept out by the lock of the Corestore. */
const openFolders = shared[LOCKS]

/** What a registry is made of. */
export interface RegistryOptions {
  readonly hashes: Hashes
  readonly secret: Secret | undefined
  readonly limits: Limits
  readonly write: WriteWholeFile
}

/** See the head of this file. */
export class Registry {
  /** Secret of all that is derived here, 32 bytes. Never log it. */
  readonly master: Uint8Array
  readonly #folder: string
  readonly #options: RegistryOptions
  /** By party key in hex, in the order in which they came. */
  #entries: ReadonlyMap<string, RegistryEntry>
  #writing: Promise<unknown> = Promise.resolve()

  private constructor(
    folder: string,
    options: RegistryOptions,
    { master, entries }: { master: Uint8Array; entries: readonly RegistryEntry[] }
  ) {
    this.#folder = folder
    this.#options = options
    this.master = master
    this.#entries = new Map(entries.map(entry => [hexOf(entry.key), entry]))
  }

  /**
   * Opens the list in `<storage folder>/hearsay/parties`; makes an empty one if there is none.
   *
   * @throws {PartyError} `ERR_PARTY_LOCKED`, `ERR_PARTY_SECRET`, `ERR_PARTY_STORAGE`: it is damaged, or can't be read.
   */
  static async open(storageFolder: string, options: RegistryOptions): Promise<Registry> {
    const folder = join(resolve(storageFolder), 'hearsay', 'parties')
    if (openFolders.has(folder)) {
      throw new PartyError(
        'ERR_PARTY_LOCKED',
        `${folder} is in use by another list of parties in this process`
      )
    }
    openFolders.add(folder)
    try {
      await removeTemporaries(folder)
      const master = await readMaster(folder, options)
      const key = registryKeyOf(options.hashes, master)
      const list = await readSealedList(folder, key)
      const entries = list === null ? [] : entriesOf(list, folder)
      const registry = new Registry(folder, options, { master, entries })
      if (list === null) await registry.#change(() => {})
      return registry
    } catch (cause) {
      openFolders.delete(folder)
      throw storageError(folder, cause)
    }
  }

  /** All entries, oldest first. */
  list(): RegistryEntry[] {
    return [...this.#entries.values()]
  }

  /** The entry of a party key. */
  get(key: Uint8Array): RegistryEntry | null {
    return this.#entries.get(hexOf(key)) ?? null
  }

  /**
   * Adds a party. Resolves when that is on the disk.
   *
   * @throws {PartyError} `ERR_PARTY_EXISTS`: key or name is taken; `ERR_PARTY_LIMIT`, `ERR_PARTY_STORAGE`.
   */
  add(entry: RegistryEntry): Promise<void> {
    return this.#change(entries => {
      const { maxParties } = this.#options.limits
      if (entries.size >= maxParties) {
        const message = `${entries.size} parties are in the list, limit is ${maxParties} (maxParties)`
        throw new PartyError('ERR_PARTY_LIMIT', message)
      }
      const isTaken = [...entries.values()].some(({ name }) => name !== '' && name === entry.name)
      if (isTaken) throw new PartyError('ERR_PARTY_EXISTS', `there is a party of the name ${entry.name}`)
      if (entries.has(hexOf(entry.key))) {
        throw new PartyError('ERR_PARTY_EXISTS', 'the party is in the list already')
      }
      entries.set(hexOf(entry.key), entry)
    })
  }

  /** Notes who founded a party, as somebody proved. Resolves when that is on the disk. @throws {PartyError} `ERR_PARTY_STORAGE`. */
  prove(key: Uint8Array, genesis: Genesis): Promise<void> {
    return this.#change(entries => {
      const entry = entries.get(hexOf(key))
      if (entry !== undefined) entries.set(hexOf(key), { ...entry, genesis })
    })
  }

  /** Takes a party out. Resolves when that is on the disk. @throws {PartyError} `ERR_PARTY_STORAGE`. */
  remove(key: Uint8Array): Promise<void> {
    return this.#change(entries => void entries.delete(hexOf(key)))
  }

  /** Lets go of the folder, once the changes under way are written. */
  async close(): Promise<void> {
    await this.#writing.catch(() => {})
    openFolders.delete(this.#folder)
  }

  #change(apply: (entries: Map<string, RegistryEntry>) => void): Promise<void> {
    const { hashes, write } = this.#options
    const done = this.#writing.then(async () => {
      const entries = new Map(this.#entries)
      apply(entries)
      const bytes = encodeRegistry([...entries.values()])
      try {
        await writeSealedList(this.#folder, { bytes, key: registryKeyOf(hashes, this.master), write })
      } catch (cause) {
        throw storageError(this.#folder, cause)
      }
      this.#entries = entries
    })
    this.#writing = done.catch(() => {})
    return done
  }
}

function entriesOf(list: Uint8Array, folder: string): RegistryEntry[] {
  const entries = decodeRegistry(list)
  if (entries.ok) return entries.value
  throw new PartyError('ERR_PARTY_STORAGE', `the list of parties in ${folder} is ${entries.reason}`)
}

function storageError(folder: string, cause: unknown): unknown {
  if (cause instanceof PartyError || cause instanceof TypeError) return cause
  return new PartyError('ERR_PARTY_STORAGE', `${folder}: ${messageOf(cause)}`, { cause })
}
