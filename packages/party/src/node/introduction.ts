/**
 * An introduction as the app sees it: what was told, by whom, and the two things that can be done about it.
 */
import type { IntroductionInfo } from '../core/types.js'
import { keyId } from '../key.js'
import type { Feed, FeedMeta, Introduction, IntroductionState, PartyPeer } from '../types.js'

/** What an introduction does with the app's decision. */
export interface IntroductionHost {
  accept(id: number, key: Uint8Array): Promise<Feed>
  reject(id: number, reason: string): void
}

/** See the head of this file. */
export class PartyIntroduction implements Introduction {
  readonly key: Uint8Array
  readonly keys: readonly Uint8Array[]
  readonly id: string
  readonly type: string
  readonly meta: FeedMeta | null
  readonly author: Uint8Array
  readonly own: boolean
  readonly seq: number
  readonly via: PartyPeer | null
  /** Set by the party. */
  current: IntroductionState = 'pending'
  readonly #number: number
  readonly #host: IntroductionHost

  constructor(
    info: IntroductionInfo,
    about: { host: IntroductionHost; meta: FeedMeta | null; via: PartyPeer | null }
  ) {
    this.#number = info.id
    this.#host = about.host
    this.key = info.keys[0] as Uint8Array
    this.keys = info.keys
    this.id = keyId(this.key)
    this.type = info.type
    this.meta = about.meta
    this.author = info.author
    this.own = info.own
    this.seq = info.version
    this.via = about.via
  }

  get state(): IntroductionState {
    return this.current
  }

  accept(): Promise<Feed> {
    return this.#host.accept(this.#number, this.key)
  }

  reject(reason = ''): void {
    this.#host.reject(this.#number, reason)
  }
}
