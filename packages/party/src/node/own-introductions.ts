/**
 * What an app introduces, as records know it: bundles of keys, with the proof of who writes the first; and how it gets there.
 */
import type { FeedSet } from '@hearsay/feeds'
import type { CryptoPort } from '@hearsay/gossip/core'
import b4a from 'b4a'
import { feedNamespaceOf, type PartyKeys } from '../core/keys.js'
import type { Origin } from '../core/records.js'
import type { OwnIntroduction } from '../core/types.js'
import { PartyError, typeError } from '../errors.js'
import { keyBytes } from '../key.js'
import type { Limits } from '../limits.js'
import type { FeedMeta, Introducible, Key } from '../types.js'
import { type Structure, structureOf } from './bundle-structures.js'
import { FollowedStructures } from './followed-structures.js'
import { encodeValue } from './values.js'

/** Keys that are introduced together. */
export interface KeyBundle {
  type: string
  keys: Uint8Array[]
  /** The instance that they were read from; null: only keys were passed. */
  structure: Structure | null
}

/** What own introductions need of their party. */
export interface OwnIntroductionsHost {
  readonly feeds: FeedSet
  readonly keys: PartyKeys
  readonly limits: Limits
  /** Known once the party is open. */
  identity(): { author: Uint8Array; crypto: CryptoPort }
  /** Signs, logs and tells; resolves when it is durable. */
  introduce(introductions: readonly OwnIntroduction[]): Promise<unknown>
  withdraw(keys: readonly Uint8Array[]): Promise<unknown>
  onwarning(error: Error): void
}

/** The introductions of one party by itself. */
export class OwnIntroductions {
  readonly #host: OwnIntroductionsHost
  readonly #followed: FollowedStructures

  constructor(host: OwnIntroductionsHost) {
    this.#host = host
    const { feeds, limits, onwarning } = host
    this.#followed = new FollowedStructures({
      feeds,
      maxKeys: limits.maxRecordKeys,
      introduce: async (type, keys, meta) => {
        await host.introduce([this.of(keys[0] as Uint8Array, { type, keys, meta })])
      },
      onwarning
    })
  }

  /** What a record says of these keys. `key` is the one whose writer is proven. */
  of(
    key: Uint8Array,
    about: { type: string; keys: readonly Uint8Array[]; meta?: FeedMeta | undefined }
  ): OwnIntroduction {
    const { feeds, keys, limits, identity } = this.#host
    return {
      keys: about.keys,
      type: about.type,
      // What the set notes about its feeds stays here: only what the app says to the party is told.
      meta: encodeValue(about.meta, limits.maxMetaBytes, 'maxMetaBytes'),
      expires: 0,
      origin: originOf(feeds, key, { ...identity(), keys })
    }
  }

  /** See `Party.introduce`. */
  async introduce(bundles: readonly KeyBundle[], meta: FeedMeta | undefined): Promise<void> {
    const { feeds } = this.#host
    const parts = bundles.map(bundle => ({ ...bundle, keys: this.#partsOf(bundle) }))
    const introductions = parts.map(({ type, keys }) => this.of(keys[0] as Uint8Array, { type, keys, meta }))
    const missing = parts.flatMap(bundle => bundle.keys).filter(key => !feeds.has(key))
    await Promise.all(missing.map(key => feeds.authorize(key, meta)))
    await this.#host.introduce(introductions)
    for (const { structure, keys } of parts) {
      const isOurs = structure?.instance === feeds.get(keys[0] as Uint8Array)
      if (structure !== null && !isOurs) await this.#followed.follow(structure, { keys, meta })
    }
  }

  // The app means the structure: that revives nothing of it that was revoked.
  #partsOf({ structure, keys }: KeyBundle): Uint8Array[] {
    if (structure === null) return keys
    return keys.filter((key, index) => index === 0 || this.#host.feeds.versionOf(key)?.denied !== true)
  }

  /** See `Party.follow`. */
  async follow(instance: object): Promise<void> {
    const structure = await structureOf(instance)
    if (structure === null) {
      throw typeError('ERR_PARTY_BAD_OPTION', 'only an instance of a structure can be followed')
    }
    await this.#followed.follow(structure, null)
  }

  /** See `Party.withdraw`. */
  async withdraw(keys: readonly Uint8Array[]): Promise<void> {
    for (const key of keys) this.#followed.unfollow(key)
    await this.#host.withdraw(keys)
  }

  close(): void {
    this.#followed.close()
  }
}

/**
 * The keys of what is introduced; waits for instances that know their key only when they are ready.
 *
 * @throws {TypeError} `ERR_PARTY_BAD_KEY`, `ERR_PARTY_BAD_OPTION`.
 */
export async function keysOf(what: Introducible | Iterable<Introducible>): Promise<KeyBundle[]> {
  if (typeof what === 'string' || what instanceof Uint8Array) {
    return [{ type: '', keys: [keyBytes(what)], structure: null }]
  }
  if (typeof what !== 'object' || what === null) throw notIntroducible()
  if ('keys' in what && Array.isArray(what.keys)) return [bundleOf(what as { type: string; keys: Key[] })]
  const structure = await structureOf(what)
  if (structure !== null) return [{ type: structure.type, keys: await structure.keys(), structure }]
  if ('key' in what) return [await keyedOf(what as Keyed)]
  if (!(Symbol.iterator in what)) throw notIntroducible()
  const bundles: KeyBundle[] = []
  for (const one of what as Iterable<Introducible>) bundles.push(...(await keysOf(one)))
  return bundles
}

type Keyed = { key: Uint8Array | null; ready?(): Promise<unknown> }

function notIntroducible(): TypeError {
  return typeError('ERR_PARTY_BAD_OPTION', 'a feed, a key, a bundle or a list of these can be introduced')
}

function bundleOf({ type, keys }: { type: string; keys: readonly Key[] }): KeyBundle {
  if (typeof type !== 'string') throw typeError('ERR_PARTY_BAD_OPTION', 'a bundle has a type, a string')
  if (keys.length === 0) throw typeError('ERR_PARTY_BAD_OPTION', 'a bundle has one key at least')
  return { type, keys: keys.map(key => keyBytes(key)), structure: null }
}

async function keyedOf(instance: Keyed): Promise<KeyBundle> {
  await instance.ready?.()
  if (instance.key === null) throw new PartyError('ERR_PARTY_BAD_KEY', 'it has no key yet: await its ready()')
  return { type: '', keys: [keyBytes(instance.key)], structure: null }
}

/** How the feed follows from our author key: what lets everybody check that it is ours. */
function originOf(
  feeds: FeedSet,
  key: Uint8Array,
  about: { author: Uint8Array; crypto: CryptoPort; keys: PartyKeys }
): Origin {
  const { author, crypto, keys } = about
  const fullName = b4a.equals(feeds.author, author) ? feeds.origin(key) : null
  if (fullName === null) return { kind: 'none' }
  if (b4a.equals(feeds.namespace, keys.partyId)) return { kind: 'writer', bytes: fullName }
  return { kind: 'namespace', namespace: feedNamespaceOf(crypto, feeds.namespace, fullName) }
}
