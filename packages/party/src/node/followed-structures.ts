/**
 * Structures of the application that are joined to the set if they lie in another Corestore, and followed, because an
 * Autobase gets writers, and the second feed of a drive that is only read is known later.
 *
 *   FOLLOWED --it has further feeds, or one was revoked--> LOOKING   ours: authorize, join, introduce a new version
 *                                                                    of others: join what their introductions brought
 *   LOOKING  --nothing moved meanwhile--------------------> FOLLOWED
 *   any      --withdrawn, followed again, closed----------> gone
 *
 * Invariants: 1. one look at a time per structure, so that no version is overtaken by an older one. 2. A feed that was revoked
 * is neither revived nor named: an introduction that names one is ignored as a whole.
 */
import type { FeedSet } from '@hearsay/feeds'
import { PartyError } from '../errors.js'
import { hexOf } from '../key.js'
import type { Feed, FeedMeta } from '../types.js'
import { messageOf } from './ask-rules.js'
import { BundleMirror, isSameCore } from './bundle-mirror.js'
import type { Structure } from './bundle-structures.js'

/** What followed structures need of their party. */
export interface FollowedHost {
  readonly feeds: FeedSet
  /** Feeds that one introduction may name. */
  readonly maxKeys: number
  /** Introduces a version, after its feeds were authorized. */
  introduce(type: string, keys: readonly Uint8Array[], meta: FeedMeta | undefined): Promise<void>
  onwarning(error: Error): void
}

/** See the head of this file. */
export class FollowedStructures {
  readonly #host: FollowedHost
  /** By first key (hex). */
  readonly #followed = new Map<string, Followed>()
  #isClosed = false

  constructor(host: FollowedHost) {
    this.#host = host
  }

  /**
   * Joins and follows a structure from now on.
   *
   * @param told - What we introduced it with; null: another member did.
   */
  async follow(
    structure: Structure,
    told: { keys: readonly Uint8Array[]; meta: FeedMeta | undefined } | null
  ): Promise<void> {
    const [key] = told?.keys ?? (await structure.keys())
    const id = hexOf(key as Uint8Array)
    this.#end(id)
    if (this.#isClosed) return
    const followed = new Followed(this.#host, structure, told)
    this.#followed.set(id, followed)
    const ended = (): void => {
      if (this.#followed.get(id) === followed) this.#end(id)
    }
    const { instance } = structure as { instance: { once?(event: 'close', listener: () => void): unknown } }
    instance.once?.('close', ended)
    if (!(await followed.start())) ended()
  }

  /** The structure with this first key is followed no more. */
  unfollow(key: Uint8Array): void {
    this.#end(hexOf(key))
  }

  close(): void {
    this.#isClosed = true
    for (const id of [...this.#followed.keys()]) this.#end(id)
  }

  #end(id: string): void {
    this.#followed.get(id)?.end()
    this.#followed.delete(id)
  }
}

class Followed {
  readonly #host: FollowedHost
  readonly #structure: Structure
  readonly #meta: FeedMeta | undefined
  readonly #isOurs: boolean
  /** Feeds (hex) of the last version that was introduced. */
  #told: string
  /** Feeds (hex) that were joined. */
  readonly #joined = new Set<string>()
  #mirror: BundleMirror | null = null
  readonly #ends: (() => void)[] = []
  #isLooking = false
  #isMoved = false
  #isEnded = false

  constructor(
    host: FollowedHost,
    structure: Structure,
    told: { keys: readonly Uint8Array[]; meta: FeedMeta | undefined } | null
  ) {
    this.#host = host
    this.#structure = structure
    this.#meta = told?.meta
    this.#isOurs = told !== null
    this.#told = idOf(told?.keys ?? [])
  }

  /** Returns false if there is nothing to follow. */
  async start(): Promise<boolean> {
    await this.#changed()
    const { watch, grown } = this.#structure
    if (this.#isEnded || (watch === null && this.#mirror === null)) return false
    if (watch === null) return true
    const { feeds } = this.#host
    const onchange = (): void => void this.#changed()
    this.#ends.push(watch(onchange))
    const onrevoke = (key: Uint8Array): void => {
      if (this.#joined.has(hexOf(key))) onchange()
    }
    const onappend = ({ key, length }: Feed): void => {
      if (this.#joined.has(hexOf(key))) grown?.(key, length)
    }
    // What rules accept later is a part that may be known already.
    feeds.on('authorize', onchange).on('revoke', onrevoke).on('append', onappend)
    this.#ends.push(() => {
      feeds.off('authorize', onchange).off('revoke', onrevoke).off('append', onappend)
    })
    await this.#changed()
    return true
  }

  end(): void {
    this.#isEnded = true
    for (const end of this.#ends) end()
    this.#mirror?.close()
  }

  // What moves during a look is looked at once more.
  async #changed(): Promise<void> {
    this.#isMoved = true
    if (this.#isLooking) return
    this.#isLooking = true
    try {
      while (this.#isMoved && !this.#isEnded) {
        this.#isMoved = false
        await this.#look()
      }
    } catch (fault) {
      this.#onFault(fault)
    } finally {
      this.#isLooking = false
    }
  }

  async #look(): Promise<void> {
    const { feeds, maxKeys, introduce } = this.#host
    const all = await this.#structure.keys()
    const keys = all.filter(key => feeds.versionOf(key)?.denied !== true)
    if (this.#isEnded || keys[0] !== all[0]) return // the structure itself was revoked
    const isNews = this.#isOurs && idOf(keys) !== this.#told
    if (isNews) this.#told = idOf(keys)
    if (isNews && keys.length > maxKeys) {
      const text = `a bundle has ${keys.length} feeds, limit is ${maxKeys} (maxRecordKeys): this version isn't introduced`
      throw new PartyError('WARN_PARTY_LIMIT', text)
    }
    if (isNews) {
      const missing = keys.filter(key => !feeds.has(key))
      await Promise.all(missing.map(key => feeds.authorize(key, this.#meta)))
    }
    for (const key of keys) await this.#join(key)
    if (isNews && !this.#isEnded) await introduce(this.#structure.type, keys, this.#meta)
  }

  async #join(key: Uint8Array): Promise<void> {
    const { feeds } = this.#host
    const feed = feeds.get(key)
    if (feed === null || this.#joined.has(hexOf(key))) return
    const core = this.#structure.open(key)
    await Promise.all([feed.ready(), core.ready()])
    this.#joined.add(hexOf(key))
    if (feed.length > 0) this.#structure.grown?.(key, feed.length)
    if (this.#isEnded || isSameCore(feed, core)) {
      await core.close()
      return
    }
    this.#mirror ??= new BundleMirror(feeds)
    this.#mirror.add(core)
  }

  #onFault(fault: unknown): void {
    if (this.#isEnded) return
    const isLimit = fault instanceof PartyError && fault.code === 'WARN_PARTY_LIMIT'
    const text = `a structure could not be followed: ${messageOf(fault)}`
    const warning = isLimit ? fault : new PartyError('WARN_PARTY_BUNDLE_INCOMPLETE', text, { cause: fault })
    this.#host.onwarning(warning)
  }
}

const idOf = (keys: readonly Uint8Array[]): string => keys.map(hexOf).join()
