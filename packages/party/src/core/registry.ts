/**
 * The list of parties on disk, as bytes: what is sealed, and the two files around it. Reading and writing only; who seals, and
 * with what, is the driver's business.
 *
 *   parties.bin   magic 'HSPARTS1' | nonce fixed(24) | sealed list
 *   list          count uint, then per party: buf of an entry
 *   entry         key fixed(32) | author u8 | author's public key fixed(32) | genesis u8 [founder fixed(32) | salt fixed(32)] |
 *                 name buf | rules buf | metadata buf
 *   master        magic 'HSMASTR1' | u8 0 | fixed(32)   or   u8 1 | nonce fixed(24) | sealed 32 bytes
 *
 * Invariants: 1. no decoder throws, whatever the bytes are. 2. What decodes is written again as the same bytes: there is one
 * spelling of a list, and what a later version added is refused instead of lost with the next write.
 */
import b4a from 'b4a'
import { LIMITS } from '../limits.js'
import type { Genesis } from '../types.js'
import { copyOf, Reader, Writer } from './bytes.js'
import { MALFORMED, type Result, success, TOO_LARGE, UNKNOWN } from './result.js'

/** Where the key pair of a party's author comes from: the app, or the master key with the party's id or its salt. */
export type AuthorSource = 'app' | 'party-id' | 'salt'

/** A party in the list. Holds its key: never log it. */
export interface RegistryEntry {
  /** Party key, 32 bytes. */
  readonly key: Uint8Array
  /** Where the author's key pair comes from. */
  readonly author: AuthorSource
  /** Public key of the author, 32 bytes: whoever opens the party later must be the same. */
  readonly authorKey: Uint8Array
  /** Who founded it; null: not known. */
  readonly genesis: Genesis | null
  /** At most `maxPartyNameBytes` of UTF-8; empty: none. */
  readonly name: string
  /** Name of the rules; empty: the default. */
  readonly rules: string
  /** Encoded notes of the app, at most `maxPartyMetadataBytes`; empty: none. */
  readonly metadata: Uint8Array
}

/** Bytes that only who has the key can open. */
export interface SealedBytes {
  /** 24 bytes, never used twice with one key. */
  readonly nonce: Uint8Array
  /** As long as what is sealed, and 16 bytes more. */
  readonly box: Uint8Array
}

/** The master file: the master key, or what it is sealed in. */
export type MasterFile =
  | { readonly isSealed: false; readonly master: Uint8Array }
  | { readonly isSealed: true; readonly sealed: SealedBytes }

const KEY_BYTES = 32
const NONCE_BYTES = 24
/** The tag of Poly1305. */
const SEAL_BYTES = 16
const LIST_MAGIC = b4a.from('HSPARTS1')
const MASTER_MAGIC = b4a.from('HSMASTR1')
const AUTHORS: readonly AuthorSource[] = ['app', 'party-id', 'salt']
/** Two keys and two kinds, three texts of at most 253 bytes or with a length of three bytes, a genesis. */
const ENTRY_BYTES_MAX = 3 * KEY_BYTES + 2 + KEY_BYTES + LIMITS.maxPartyMetadataBytes + 2 * 256 + 16
/** Size of the largest list that is read: nothing longer was written by us. */
export const REGISTRY_BYTES_MAX: number = 64 + LIMITS.maxParties * (ENTRY_BYTES_MAX + 3)

/** Encodes the list. @throws nothing: who makes entries has checked their bounds. */
export function encodeRegistry(entries: readonly RegistryEntry[]): Uint8Array {
  const writer = new Writer().uint(entries.length)
  for (const entry of entries) writer.buffer(encodeEntry(entry))
  return writer.finish()
}

/** Reads the list. Entries are copies. */
export function decodeRegistry(bytes: Uint8Array): Result<RegistryEntry[]> {
  const reader = new Reader(bytes)
  const count = reader.count(LIMITS.maxParties, 1)
  const entries: RegistryEntry[] = []
  for (let i = 0; i < count && reader.isGood; i++) {
    const entry = decodeEntry(reader.buffer(ENTRY_BYTES_MAX))
    if (!reader.isGood) break
    if (!entry.ok) return entry
    entries.push(entry.value)
  }
  if (reader.reason === 'too-large') return TOO_LARGE
  const isWhole = reader.isGood && reader.remaining === 0
  return isWhole && b4a.equals(encodeRegistry(entries), bytes) ? success(entries) : MALFORMED
}

/** The file of the sealed list. */
export function encodeRegistryFile({ nonce, box }: SealedBytes): Uint8Array {
  return new Writer().fixed(LIST_MAGIC).fixed(nonce).fixed(box).finish()
}

/** What is sealed in the file of the list; 'unknown': it is no such file, or that of a later version. */
export function decodeRegistryFile(bytes: Uint8Array): Result<SealedBytes> {
  if (bytes.length > REGISTRY_BYTES_MAX) return TOO_LARGE
  const reader = new Reader(bytes)
  if (!b4a.equals(reader.fixed(LIST_MAGIC.length), LIST_MAGIC)) return UNKNOWN
  return sealedOf(reader)
}

/** The master file. */
export function encodeMaster(file: MasterFile): Uint8Array {
  const writer = new Writer().fixed(MASTER_MAGIC)
  if (!file.isSealed) return writer.u8(0).fixed(file.master).finish()
  return writer.u8(1).fixed(file.sealed.nonce).fixed(file.sealed.box).finish()
}

/** Reads the master file; 'unknown': it is no such file, or that of a later version. */
export function decodeMaster(bytes: Uint8Array): Result<MasterFile> {
  const reader = new Reader(bytes)
  if (!b4a.equals(reader.fixed(MASTER_MAGIC.length), MASTER_MAGIC)) return UNKNOWN
  const kind = reader.u8()
  if (!reader.isGood) return MALFORMED
  if (kind === 0) {
    const master = copyOf(reader.rest())
    return master.length === KEY_BYTES ? success({ isSealed: false, master }) : MALFORMED
  }
  if (kind !== 1) return UNKNOWN
  const sealed = sealedOf(reader)
  if (!sealed.ok) return sealed
  return sealed.value.box.length === KEY_BYTES + SEAL_BYTES
    ? success({ isSealed: true, sealed: sealed.value })
    : MALFORMED
}

function sealedOf(reader: Reader): Result<SealedBytes> {
  const nonce = copyOf(reader.fixed(NONCE_BYTES))
  const box = copyOf(reader.rest())
  return reader.isGood && box.length >= SEAL_BYTES ? success({ nonce, box }) : MALFORMED
}

function encodeEntry(entry: RegistryEntry): Uint8Array {
  const writer = new Writer().fixed(entry.key).u8(AUTHORS.indexOf(entry.author)).fixed(entry.authorKey)
  if (entry.genesis === null) writer.u8(0)
  else writer.u8(1).fixed(entry.genesis.founderPublicKey).fixed(entry.genesis.salt)
  return writer.buffer(b4a.from(entry.name)).buffer(b4a.from(entry.rules)).buffer(entry.metadata).finish()
}

function decodeEntry(bytes: Uint8Array): Result<RegistryEntry> {
  const reader = new Reader(bytes)
  const key = copyOf(reader.fixed(KEY_BYTES))
  const author = AUTHORS[reader.u8()]
  const authorKey = copyOf(reader.fixed(KEY_BYTES))
  const hasGenesis = reader.u8()
  let genesis: Genesis | null = null
  if (hasGenesis === 1) {
    const founderPublicKey = copyOf(reader.fixed(KEY_BYTES))
    genesis = { founderPublicKey, salt: copyOf(reader.fixed(KEY_BYTES)) }
  }
  const name = b4a.toString(reader.buffer(LIMITS.maxPartyNameBytes))
  const rules = b4a.toString(reader.buffer(LIMITS.maxPartyNameBytes))
  const metadata = copyOf(reader.buffer(LIMITS.maxPartyMetadataBytes))
  if (reader.reason === 'too-large') return TOO_LARGE
  const isWhole = reader.isGood && reader.remaining === 0 && hasGenesis <= 1 && author !== undefined
  // An author of the salt needs a salt.
  if (!isWhole || (author === 'salt' && genesis === null)) return MALFORMED
  return success({ key, author, authorKey, genesis, name, rules, metadata })
}
