/**
 * A party as the list shows it, and finding one by what people call it.
 */
import { type Hashes, PartyKeys } from '../core/keys.js'
import type { RegistryEntry } from '../core/registry.js'
import { hexOf, keyId, parseKey } from '../key.js'
import type { Key } from '../types.js'
import { decodeValue } from './values.js'

/** A party in the list, open or not. Safe to log: the party key isn't shown. */
export class ListedParty {
  /** `discoveryKey` as z-base-32. */
  readonly id: string
  /** Local name; null: none. */
  readonly name: string | null
  /** Local notes. */
  readonly metadata: unknown
  /** Name of its rules; null: the default. */
  readonly rules: string | null
  /** Is it open now? */
  readonly isOpen: boolean
  /** What the DHT is asked for, 32 bytes. */
  readonly discoveryKey: Uint8Array
  readonly #key: Uint8Array

  constructor(entry: RegistryEntry, { hashes, isOpen }: { hashes: Hashes; isOpen: boolean }) {
    this.discoveryKey = new PartyKeys(hashes, entry.key).discoveryKey
    this.id = keyId(this.discoveryKey)
    this.name = entry.name === '' ? null : entry.name
    this.metadata = decodeValue(entry.metadata)
    this.rules = entry.rules === '' ? null : entry.rules
    this.isOpen = isOpen
    this.#key = entry.key
  }

  /** Party key, 32 bytes: the secret of its members. Never log it. */
  get key(): Uint8Array {
    return Uint8Array.from(this.#key)
  }

  /** No key but the discovery key's text. */
  toJSON(): object {
    const { id, name, metadata = null, rules, isOpen } = this
    return { id, name, metadata, rules, isOpen }
  }
}

/** The entry of this name, discovery key or party key, in any spelling; null: there is none. */
export function findEntry(
  entries: readonly RegistryEntry[],
  which: Key,
  hashes: Hashes
): RegistryEntry | null {
  const bytes = parseKey(which)
  if (bytes === null) return entries.find(({ name }) => name !== '' && name === which) ?? null
  const id = hexOf(bytes)
  const isIt = ({ key }: RegistryEntry): boolean =>
    hexOf(key) === id || hexOf(new PartyKeys(hashes, key).discoveryKey) === id
  return entries.find(isIt) ?? null
}
