/**
 * The author of a set, and which feeds it writes here: their keys follow from its key, the set's namespace, the writer's name,
 * the storage folder, and how often the writer was given up.
 */
import type { OwnFeeds } from '../core/own-feeds.js'
import { FeedsError } from '../errors.js'
import type { KeyPair } from '../types.js'
import { feedKeyOf, manifestOf } from './hypercore.js'
import { feedNamespaceOf, fullWriterName } from './keys.js'

/** What the log knows of own feeds. */
export interface AuthorFacts {
  readonly own: OwnFeeds
  /** 8 bytes of this storage folder. */
  readonly device: Uint8Array
}

/** See the head of this file. */
export class Author {
  readonly #facts: AuthorFacts
  readonly #namespace: Uint8Array
  #keyPair: KeyPair | null

  /** @param keyPair - Null: it is known later. */
  constructor(facts: AuthorFacts, namespace: Uint8Array, keyPair: KeyPair | null) {
    this.#facts = facts
    this.#namespace = namespace
    this.#keyPair = keyPair
  }

  /** @throws {FeedsError} `ERR_FEEDS_NOT_READY` */
  get keyPair(): KeyPair {
    if (this.#keyPair !== null) return this.#keyPair
    throw new FeedsError('ERR_FEEDS_NOT_READY', 'author is known only after ready()')
  }

  /** The key pair, if none was passed. */
  async settle(make: () => Promise<KeyPair>): Promise<void> {
    this.#keyPair ??= await make()
  }

  /** Manifest and key pair of a feed that this author writes; null for others, also for writers of another key pair. */
  writerOf(key: Uint8Array): { manifest: object; keyPair: KeyPair } | null {
    const origin = this.#facts.own.origin(key)
    if (origin === null) return null
    const own = feedKeyOf(this.keyPair.publicKey, this.#namespace, origin)
    if (own.some((byte, i) => byte !== key[i])) return null
    const manifest = manifestOf(this.keyPair.publicKey, feedNamespaceOf(this.#namespace, origin))
    return { manifest, keyPair: this.keyPair }
  }

  /** Full name and feed key of a writer in this storage folder. */
  feedOf(name: string, rotation: number): { origin: Uint8Array; key: Uint8Array } {
    const origin = fullWriterName(name, this.#facts.device, rotation)
    return { origin, key: feedKeyOf(this.keyPair.publicKey, this.#namespace, origin) }
  }

  /** The feed that a name leads to now, if it is ours and of this storage folder. */
  current(name: string): { origin: Uint8Array; key: Uint8Array } {
    const key = this.#facts.own.key(name)
    const isHere = key !== null && this.isOfDevice(key) && this.writerOf(key) !== null
    return isHere ? { key, origin: this.#facts.own.origin(key) as Uint8Array } : this.feedOf(name, 0)
  }

  /** Full name and feed key of what follows a feed; null for one that isn't ours. */
  successorOf(key: Uint8Array): { name: string; origin: Uint8Array; key: Uint8Array } | null {
    const full = this.#facts.own.nameOf(key)
    if (full === null) return null
    // A feed of another folder has its successors in this one from the first on.
    return { name: full.name, ...this.feedOf(full.name, this.isOfDevice(key) ? full.rotation + 1 : 0) }
  }

  isOfDevice(key: Uint8Array): boolean {
    const device = this.#facts.own.nameOf(key)?.device
    return device?.every((byte, i) => byte === this.#facts.device[i]) === true
  }
}
