/**
 * The two files of a list of parties: the master key, and the sealed list.
 */
import { join } from 'node:path'
import { type Hashes, namespaceOf } from '../core/keys.js'
import {
  decodeMaster,
  decodeRegistryFile,
  encodeMaster,
  encodeRegistryFile,
  REGISTRY_BYTES_MAX
} from '../core/registry.js'
import { PartyError, typeError } from '../errors.js'
import type { Awaitable } from '../types.js'
import { randomBytes, seal, unseal } from './sodium.js'
import { readWholeFile, type WriteWholeFile } from './whole-file.js'

/** 32 bytes that the app keeps elsewhere, or a function that gives them. */
export type Secret = Uint8Array | (() => Awaitable<Uint8Array>)

const MASTER_BYTES = 32
const MASTER_FILE_BYTES_MAX = 128
const SECRET_NAMESPACE = 'hearsay/party/1/master'

/**
 * The master key of a folder; made if there is none. One that lies in clear is sealed as soon as there is a secret.
 *
 * @throws {PartyError} `ERR_PARTY_SECRET`, `ERR_PARTY_STORAGE`; {TypeError} `ERR_PARTY_BAD_OPTION` for a secret that is none.
 */
export async function readMaster(
  folder: string,
  options: { hashes: Hashes; secret: Secret | undefined; write: WriteWholeFile }
): Promise<Uint8Array> {
  const { hashes, write } = options
  const path = join(folder, 'master')
  const key = options.secret === undefined ? null : await sealKeyOf(hashes, options.secret)
  const bytes = await readWholeFile(path, MASTER_FILE_BYTES_MAX)
  const file = bytes === null ? null : decodeMaster(bytes)
  if (file !== null && !file.ok) throw new PartyError('ERR_PARTY_STORAGE', `${path} is ${file.reason}`)
  const known = file?.value ?? null
  if (known?.isSealed === true) {
    if (key === null) throw new PartyError('ERR_PARTY_SECRET', `${path} is sealed: pass the option secret`)
    const master = unseal(known.sealed, key)
    if (master === null) throw new PartyError('ERR_PARTY_SECRET', `${path} was sealed with another secret`)
    return master
  }
  if (known === null && (await readSealedFile(folder)) !== null) {
    // A new master key would make the list unreadable for ever.
    throw new PartyError('ERR_PARTY_STORAGE', `${path} is missing, and parties.bin can't be read without it`)
  }
  const master = known?.master ?? randomBytes(MASTER_BYTES)
  if (known === null || key !== null) {
    const sealed = key === null ? null : seal(master, key)
    await write(
      path,
      encodeMaster(sealed === null ? { isSealed: false, master } : { isSealed: true, sealed })
    )
  }
  return master
}

/** The bytes of the list; null if there is none yet. @throws {PartyError} `ERR_PARTY_STORAGE`. */
export async function readSealedList(folder: string, key: Uint8Array): Promise<Uint8Array | null> {
  const bytes = await readSealedFile(folder)
  if (bytes === null) return null
  const file = decodeRegistryFile(bytes)
  const list = file.ok ? unseal(file.value, key) : null
  if (list !== null) return list
  const what = file.ok ? 'damaged, or of another master key' : file.reason
  throw new PartyError('ERR_PARTY_STORAGE', `${pathOf(folder)} is ${what}`)
}

/** Writes the list. */
export function writeSealedList(
  folder: string,
  { bytes, key, write }: { bytes: Uint8Array; key: Uint8Array; write: WriteWholeFile }
): Promise<void> {
  return write(pathOf(folder), encodeRegistryFile(seal(bytes, key)))
}

function readSealedFile(folder: string): Promise<Uint8Array | null> {
  return readWholeFile(pathOf(folder), REGISTRY_BYTES_MAX)
}

function pathOf(folder: string): string {
  return join(folder, 'parties.bin')
}

async function sealKeyOf(hashes: Hashes, secret: Secret): Promise<Uint8Array> {
  const bytes = typeof secret === 'function' ? await secret() : secret
  if (!(bytes instanceof Uint8Array) || bytes.length !== 32) {
    throw typeError('ERR_PARTY_BAD_OPTION', 'secret must be 32 bytes, or a function that gives them')
  }
  return hashes.keyedHash(bytes, namespaceOf(hashes, SECRET_NAMESPACE))
}
