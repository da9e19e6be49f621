/**
 * A member at the other end of a connection.
 *
 * One object per connection; a member with two connections is told and listed once, by its first, and what is sent to it
 * goes over the newest of them.
 */
import type { AnswerResult, CallResult, OwnIntroduction, PartyInput } from '../core/types.js'
import { PartyError, rangeError, typeError } from '../errors.js'
import { keyBytes } from '../key.js'
import type { Limits } from '../limits.js'
import type {
  AbortSignalLike,
  Feed,
  FeedMeta,
  IntroductionAnswer,
  Key,
  PartyLike,
  PartyPeer,
  PeerMessage,
  RequestOptions
} from '../types.js'
import type { Link } from './link.js'
import { decodeValue, encodeValue } from './values.js'

/** What a peer needs of its party. */
export interface PeerHost {
  readonly party: PartyLike
  readonly limits: Limits
  call(
    make: (call: number) => PartyInput,
    options: { timeoutMs: number; signal?: AbortSignalLike | undefined }
  ): Promise<CallResult>
  job(make: (job: number) => PartyInput): Promise<{ isNew: boolean }>
  tell(input: PartyInput): void
  own(
    key: Uint8Array,
    about: { type: string; keys: readonly Uint8Array[]; meta?: FeedMeta | undefined }
  ): OwnIntroduction
  closeLinks(peer: MemberPeer): Promise<void>
}

const NO_KEY = new Uint8Array(0)

/** See the head of this file. */
export class MemberPeer implements PartyPeer {
  /** Links of the same member; the own one is among them. */
  readonly links = new Set<Link>()
  readonly link: Link
  /** Its author; empty until it was proven. */
  author: Uint8Array = NO_KEY
  /** What it sent for the rules. */
  credential: Uint8Array = NO_KEY
  readonly #host: PeerHost

  constructor(link: Link, host: PeerHost) {
    this.link = link
    this.links.add(link)
    this.#host = host
  }

  get remotePublicKey(): Uint8Array {
    return this.link.connection.binding?.remotePublicKey ?? NO_KEY
  }

  get party(): PartyLike {
    return this.#host.party
  }

  get replicating(): ReadonlySet<string> {
    if (this.links.size === 1) return this.link.session.replicating
    const ids = new Set<string>()
    for (const { session } of this.links) for (const id of session.replicating) ids.add(id)
    return ids
  }

  async introduceFeeds(
    message: { keys: Key[]; meta?: FeedMeta },
    options: RequestOptions = {}
  ): Promise<IntroductionAnswer> {
    if (!Array.isArray(message?.keys) || message.keys.length === 0) {
      throw typeError('ERR_PARTY_BAD_OPTION', 'introduceFeeds() takes { keys: [...] }, at least one')
    }
    const keys = message.keys.map(key => keyBytes(key))
    const introductions = keys.map(key => {
      return this.#host.own(key, { type: '', keys: [key], meta: message.meta })
    })
    const { timeoutMs, signal } = this.#times(options)
    const channel = this.#channel()
    const result = await this.#host.call(
      call => ({ type: 'introduceTo', channel, call, introductions, timeoutMs }),
      { timeoutMs, signal }
    )
    if (!result.ok) throw new PartyError(result.code, result.message)
    return answerOf('results' in result ? result.results : [])
  }

  async replicate(feed: Feed | Key): Promise<boolean> {
    const isKey = typeof feed === 'string' || feed instanceof Uint8Array
    if (!isKey) await feed.ready()
    const key = keyBytes(isKey ? feed : feed.key)
    const channel = this.#channel()
    const { isNew } = await this.#host.job(job => ({ type: 'replicate', channel, key, job }))
    return isNew
  }

  async request(
    message: PeerMessage,
    options: RequestOptions = {}
  ): Promise<{ type: string; value: unknown }> {
    const { typeName, value } = this.#encode(message)
    const { timeoutMs, signal } = this.#times(options)
    const channel = this.#channel()
    const result = await this.#host.call(
      call => ({ type: 'call', channel, call, typeName, value, timeoutMs }),
      { timeoutMs, signal }
    )
    if (!result.ok) throw new PartyError(result.code, result.message)
    if (!('typeName' in result)) throw new PartyError('ERR_PARTY_REMOTE', 'the answer was none')
    return { type: result.typeName, value: decodeValue(result.value) }
  }

  async sendEphemeralMessage(message: PeerMessage): Promise<void> {
    const { typeName, value } = this.#encode(message)
    const channel = this.#channel()
    if (this.link.isBlocked) throw new PartyError('ERR_PARTY_BUSY', 'the peer takes no more for now')
    this.#host.tell({ type: 'ephemeral', channel, typeName, value })
  }

  close(): Promise<void> {
    return this.#host.closeLinks(this)
  }

  /** Never a key: it may end up in a log. */
  toJSON(): object {
    return { replicating: this.replicating.size, links: this.links.size }
  }

  #channel(): number {
    for (const { channel } of [this.link, ...this.links]) if (channel !== 0) return channel
    throw new PartyError('ERR_PARTY_CLOSED', 'the channel to the peer is closed')
  }

  #encode(message: PeerMessage): { typeName: string; value: Uint8Array } {
    const { maxTypeBytes, maxFrameBytes } = this.#host.limits
    const type = message?.type
    if (typeof type !== 'string' || type.length === 0) {
      throw typeError('ERR_PARTY_BAD_OPTION', 'a message has a type, a string that is not empty')
    }
    const bytes = new TextEncoder().encode(type).length
    if (bytes > maxTypeBytes) {
      throw rangeError(
        'ERR_PARTY_TOO_LARGE',
        `type is ${bytes} bytes, limit is ${maxTypeBytes} (maxTypeBytes)`
      )
    }
    return { typeName: type, value: encodeValue(message.value, maxFrameBytes - bytes - 32, 'maxFrameBytes') }
  }

  #times(options: RequestOptions): { timeoutMs: number; signal: AbortSignalLike | undefined } {
    const { callTimeoutMs, maxCallTimeoutMs } = this.#host.limits
    const { timeoutMs = callTimeoutMs, signal } = options
    signal?.throwIfAborted()
    if (!(timeoutMs > 0 && timeoutMs <= maxCallTimeoutMs)) {
      const message = `timeoutMs is ${timeoutMs}, limit is ${maxCallTimeoutMs} (maxCallTimeoutMs)`
      throw rangeError('ERR_PARTY_BAD_OPTION', message)
    }
    return { timeoutMs, signal }
  }
}

function answerOf(results: readonly AnswerResult[]): IntroductionAnswer {
  const answer: IntroductionAnswer = { accepted: [], rejected: [] }
  for (const { key, verdict, reason } of results) {
    if (verdict === 'accepted') answer.accepted.push(key)
    else answer.rejected.push({ key, reason: reason === '' ? verdict : reason })
  }
  return answer
}
