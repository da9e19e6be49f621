/**
 * The introductions that wait for the app, and the queues that tell it of them.
 *
 * Invariant: bounded with the pending table of the core, which says when one is over.
 */
import type { IntroductionInfo, PartyInput } from '../core/types.js'
import { PartyError } from '../errors.js'
import type { AbortSignalLike, Feed, Introduction, PartyPeer } from '../types.js'
import { PartyIntroduction } from './introduction.js'
import { IntroductionQueue } from './introduction-queue.js'
import { decodeMeta } from './values.js'

/** What the table needs of its party. */
export interface IntroductionTableHost {
  readonly maxPending: number
  peer(channel: number | null): PartyPeer | null
  job(make: (job: number) => PartyInput): Promise<unknown>
  /** The feed of the set with this key, or null. */
  feed(key: Uint8Array): Feed | null
  /** Emits the event. */
  tell(introduction: Introduction): void
}

/** See the head of this file. */
export class IntroductionTable {
  readonly #host: IntroductionTableHost
  readonly #byId = new Map<number, PartyIntroduction>()
  readonly #queues = new Set<IntroductionQueue>()
  #isClosed = false

  constructor(host: IntroductionTableHost) {
    this.#host = host
  }

  /** One that the rules left undecided. */
  add(info: IntroductionInfo): void {
    if (this.#byId.has(info.id)) return
    const introduction = new PartyIntroduction(info, {
      meta: decodeMeta(info.meta),
      via: this.#host.peer(info.channel),
      host: {
        accept: (id, key) => this.#accept(id, key),
        reject: (introduction, reason) => {
          const decided = this.#host.job(job => ({
            type: 'decide',
            introduction,
            accept: false,
            reason,
            job
          }))
          decided.catch(() => {}) // it was decided before
        }
      }
    })
    this.#byId.set(info.id, introduction)
    this.#host.tell(introduction)
    for (const queue of this.#queues) queue.push(introduction)
  }

  async #accept(introduction: number, key: Uint8Array): Promise<Feed> {
    await this.#host.job(job => ({ type: 'decide', introduction, accept: true, reason: '', job }))
    const feed = this.#host.feed(key)
    if (feed === null) throw new PartyError('ERR_PARTY_REVOKED', 'the feed is revoked')
    return feed
  }

  /** One is decided, or over. */
  done(id: number, state: Introduction['state']): void {
    const introduction = this.#byId.get(id)
    this.#byId.delete(id)
    if (introduction !== undefined) introduction.current = state
  }

  /** Those that wait now. */
  list(): Introduction[] {
    return [...this.#byId.values()]
  }

  /** See `Party.introductions`. */
  queue(signal: AbortSignalLike | undefined): IntroductionQueue {
    const queue = new IntroductionQueue(this.#byId.values(), {
      max: this.#host.maxPending,
      signal,
      onend: ended => this.#queues.delete(ended)
    })
    if (this.#isClosed) queue.end()
    else this.#queues.add(queue)
    return queue
  }

  /** Ends all queues. */
  close(): void {
    this.#isClosed = true
    for (const queue of [...this.#queues]) queue.end()
  }
}
