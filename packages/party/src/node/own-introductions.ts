/**
 * What an app introduces, as records know it: bundles of keys, with the proof of who writes the first.
 */
import type { FeedSet } from '@hearsay/feeds'
import type { CryptoPort } from '@hearsay/gossip/core'
import b4a from 'b4a'
import { feedNamespaceOf, type PartyKeys } from '../core/keys.js'
import type { Origin } from '../core/records.js'
import { PartyError, typeError } from '../errors.js'
import { keyBytes } from '../key.js'
import type { Introducible, Key } from '../types.js'

/** Keys that are introduced together. */
export interface KeyBundle {
  type: string
  keys: Uint8Array[]
}

/**
 * The keys of what is introduced; waits for instances that know their key only when they are ready.
 *
 * @throws {TypeError} `ERR_PARTY_BAD_KEY`, `ERR_PARTY_BAD_OPTION`.
 */
export async function keysOf(what: Introducible | Iterable<Introducible>): Promise<KeyBundle[]> {
  if (typeof what === 'string' || what instanceof Uint8Array) return [{ type: '', keys: [keyBytes(what)] }]
  if (typeof what !== 'object' || what === null) {
    throw typeError('ERR_PARTY_BAD_OPTION', 'a feed, a key, a bundle or a list of these can be introduced')
  }
  if ('keys' in what && Array.isArray(what.keys)) return [bundleOf(what as { type: string; keys: Key[] })]
  if ('key' in what) return [await instanceOf(what as Keyed)]
  if (!(Symbol.iterator in what)) {
    throw typeError('ERR_PARTY_BAD_OPTION', 'a feed, a key, a bundle or a list of these can be introduced')
  }
  const bundles: KeyBundle[] = []
  for (const one of what as Iterable<Introducible>) bundles.push(...(await keysOf(one)))
  return bundles
}

type Keyed = { key: Uint8Array | null; ready?(): Promise<unknown> }

function bundleOf({ type, keys }: { type: string; keys: readonly Key[] }): KeyBundle {
  if (typeof type !== 'string') throw typeError('ERR_PARTY_BAD_OPTION', 'a bundle has a type, a string')
  if (keys.length === 0) throw typeError('ERR_PARTY_BAD_OPTION', 'a bundle has one key at least')
  return { type, keys: keys.map(key => keyBytes(key)) }
}

async function instanceOf(instance: Keyed): Promise<KeyBundle> {
  await instance.ready?.()
  if (instance.key === null) throw new PartyError('ERR_PARTY_BAD_KEY', 'it has no key yet: await its ready()')
  return { type: '', keys: [keyBytes(instance.key)] }
}

/** How the feed follows from our author key: what lets everybody check that it is ours. */
export function originOf(
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
