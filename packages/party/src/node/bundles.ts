/**
 * The bundles of a party: which structures are whole, what is missing of the others, and the stores to open them with.
 *
 *   introduction held --a part isn't in the set------------> 'warning', at once
 *                     --drive whose second key isn't named--> EXPANDING  its first feed is followed until its manifest is here
 *   EXPANDING         --manifest--------------------------> the feed of its contents is authorized: one verdict for the drive
 *   a part is revoked --------------------------------------> 'warning'
 *
 * Invariants: 1. a type is a hint of a stranger: no code is chosen by it but the derivation of a drive's second key, which is
 * checked against the manifest of the first. 2. A derived key never revives a feed that was revoked.
 */
import { type CorestoreLike, type FeedSet, feedKeyOfManifest } from '@hearsay/feeds'
import type { CryptoPort } from '@hearsay/gossip/core'
import b4a from 'b4a'
import { type BundleState, BundleTable, DRIVE_TYPE } from '../core/bundles.js'
import { driveContentManifest } from '../core/drive.js'
import type { IntroducedBundle } from '../core/types.js'
import { bundleError, PartyError } from '../errors.js'
import { keyId } from '../key.js'
import type { Feed, FeedMeta, PartyBundle } from '../types.js'
import { messageOf } from './ask-rules.js'
import { bundleStore } from './bundle-store.js'

/** What bundles need of their party. */
export interface BundlesHost {
  readonly feeds: FeedSet
  readonly timeoutMs: number
  /** Known once the party is open. */
  crypto(): CryptoPort
  onbundle(bundle: PartyBundle): void
  onwarning(error: Error): void
}

/** See the head of this file. */
export class Bundles {
  readonly #host: BundlesHost
  readonly #table: BundleTable
  /** Ends the following of a drive's first feed, by slot. */
  readonly #expanding = new Map<string, () => void>()

  constructor(host: BundlesHost) {
    this.#host = host
    this.#table = new BundleTable(key => host.feeds.has(key))
  }

  /** The bundle with this first key; null if there is none. */
  get(key: Uint8Array): PartyBundle | null {
    const bundle = this.#table.first(key)
    return bundle === null ? null : publicBundle(bundle)
  }

  /** First key of the bundle that is introduced here, in a version of the same author; null if none was held before. */
  knownOf(introductions: readonly Pick<IntroducedBundle, 'author' | 'keys'>[]): Uint8Array | null {
    const [one, ...others] = introductions
    const key = one?.keys[0]
    if (one === undefined || key === undefined || others.length > 0) return null
    const isKnown = this.#table.of(key).some(({ author, keys }) => {
      return b4a.equals(author, one.author) && b4a.equals(keys[0] as Uint8Array, key)
    })
    return isKnown ? key : null
  }

  /** A new session of the set's Corestore whose reads of what can't come end. */
  store(): CorestoreLike {
    const { feeds, timeoutMs } = this.#host
    return bundleStore(feeds.store(), {
      timeoutMs,
      feed: key => feeds.get(key),
      missingFor: key => this.#table.missingFor(key)
    })
  }

  /** The introduction of a slot counts now, or counts no more. */
  held(slotId: string, bundle: IntroducedBundle | null, meta: FeedMeta | null): void {
    this.#expanding.get(slotId)?.()
    if (bundle === null) {
      this.#table.delete(slotId)
      return
    }
    this.#table.put(slotId, bundle)
    this.#tell(slotId)
    if (bundle.type === DRIVE_TYPE && bundle.keys.length === 1) this.#expand(slotId, bundle, meta)
  }

  /** A feed has left the set. */
  revoked(key: Uint8Array): void {
    for (const bundle of this.#table.of(key)) this.#warn(bundle)
  }

  close(): void {
    for (const end of [...this.#expanding.values()]) end()
  }

  #tell(slotId: string): void {
    const bundle = this.#table.at(slotId)
    if (bundle === null) return
    this.#warn(bundle)
    this.#host.onbundle(publicBundle(bundle))
  }

  #warn({ type, keys, missing }: BundleState): void {
    if (missing.length === 0) return
    const text = `a bundle of ${keys.length} feeds${type === '' ? '' : ` (${type})`} is incomplete`
    this.#host.onwarning(bundleError('WARN_PARTY_BUNDLE_INCOMPLETE', missing, text))
  }

  /** Follows the first feed of a drive until its manifest tells the second. */
  #expand(slotId: string, { keys }: IntroducedBundle, meta: FeedMeta | null): void {
    const key = keys[0] as Uint8Array
    const feed = this.#host.feeds.get(key)
    if (feed === null) return
    const look = (): void => {
      const { manifest = null } = feed as Feed & { readonly manifest?: unknown }
      if (manifest === null) return
      end()
      void this.#expanded(slotId, { key, manifest, meta })
    }
    const end = (): void => {
      feed.off('append', look)
      this.#expanding.delete(slotId)
    }
    this.#expanding.set(slotId, end)
    feed.on('append', look)
    feed.ready().then(look, end) // it was revoked or closed meanwhile
  }

  async #expanded(
    slotId: string,
    about: { key: Uint8Array; manifest: unknown; meta: FeedMeta | null }
  ): Promise<void> {
    const { feeds, crypto, onwarning } = this.#host
    try {
      const { hash } = crypto()
      const contents = driveContentManifest(hash, about.manifest, about.key)
      if (contents === null) return
      const key = feedKeyOfManifest(contents)
      this.#table.extend(slotId, key)
      // The lowest version: a revoke of any version counts more.
      if (!feeds.has(key)) await feeds.authorize(key, about.meta ?? undefined, { version: 1 }).catch(() => {})
      if (!feeds.closed) this.#tell(slotId) // a part that was revoked, or had no place, is warned of
    } catch (fault) {
      const text = `the contents of a drive could not be found: ${messageOf(fault)}`
      onwarning(new PartyError('WARN_PARTY_BUNDLE_INCOMPLETE', text, { cause: fault }))
    }
  }
}

function publicBundle({ type, keys, missing, isComplete, author }: BundleState): PartyBundle {
  const key = keys[0] as Uint8Array
  return { key, id: keyId(key), type, keys, missing, isComplete, author }
}
