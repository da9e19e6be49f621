/**
 * What an app says about members: admissions, invites, removals, an admin's authorizations, and who may do what.
 *
 * It also keeps those who wait to become members: peers that redeem an invite, and this party itself.
 */
import { createKeyPair, cryptoFor, type KeyPair } from '@hearsay/gossip'
import { decodeInviteLink, encodeInviteLink, type InviteLink, isInviteLink } from '../core/invite-link.js'
import type { PartyCore } from '../core/party-core.js'
import type { PartyInput } from '../core/types.js'
import { PartyError, rangeError, typeError } from '../errors.js'
import { keyBytes } from '../key.js'
import type {
  AdmitOptions,
  AuthorizeOptions,
  Capability,
  InviteLinkOptions,
  Key,
  PartyPeer,
  RemoveOptions,
  WaitOptions
} from '../types.js'
import { capabilityBits, capabilityNames } from './capabilities.js'
import type { PartyMatter } from './driver.js'
import { Jobs } from './jobs.js'

const SECOND_MS = 1000
const SEED_BYTES = 32
/** Hashes only: no key of ours is needed to read or write a link. */
const hashes = cryptoFor(createKeyPair(new Uint8Array(SEED_BYTES)))

/** What member facts need of their party. */
export interface MemberFactsHost {
  /** Null until the party is open. */
  core(): PartyCore | null
  /** Our author key. */
  author(): Uint8Array
  /** Channel of a peer in the core; 0: none. */
  channelOf(peer: PartyPeer): number
  /** Remote trouble. */
  warn(error: PartyError): void
  /** Resolves when the fact is durable. */
  job(make: (job: number) => PartyInput): Promise<unknown>
}

/** What an invite link says. @throws {TypeError} `ERR_PARTY_INVITE_INVALID`. */
export function readInvite(text: string): InviteLink & { readonly keyPair: KeyPair } {
  const link = typeof text === 'string' ? decodeInviteLink(hashes, text) : null
  if (link === null)
    throw typeError('ERR_PARTY_INVITE_INVALID', `an invite is a string, got a ${typeof text}`)
  if (link.ok) return { ...link.value, keyPair: createKeyPair(link.value.seed) }
  const what = link.reason === 'unknown' ? 'is of a later version' : 'is none, or was not copied as a whole'
  throw typeError('ERR_PARTY_INVITE_INVALID', `the invite link ${what}`)
}

/** See the head of this file. */
export class MemberFacts {
  readonly #host: MemberFactsHost
  /** Who waits for the redemption of a channel. */
  readonly #redeeming = new Map<number, (() => void)[]>()
  /** Who waits until we are a member. */
  readonly #joining = new Jobs<void>()
  /** Why the invite that we hold admits nobody. */
  #failure: PartyError | null = null
  #isClosed = false

  constructor(host: MemberFactsHost) {
    this.#host = host
  }

  /** See `Party.capabilitiesOf`. */
  capabilitiesOf(author: Uint8Array): readonly Capability[] {
    return capabilityNames(this.#host.core()?.capabilitiesOf(author) ?? 0)
  }

  /** See `Party.admission`. */
  async admission(peer: PartyPeer): Promise<readonly Capability[]> {
    const channel = this.#host.channelOf(peer)
    if (!this.#isClosed && channel !== 0 && this.#host.core()?.isNewcomer(channel) === true) {
      await new Promise<void>(resolve => {
        const waiting = this.#redeeming.get(channel) ?? []
        waiting.push(resolve)
        this.#redeeming.set(channel, waiting)
      })
    }
    return this.capabilitiesOf(peer.author)
  }

  /** The peer of this channel has redeemed an invite, or failed to, or is gone. */
  redeemed(channel: number): void {
    const waiting = this.#redeeming.get(channel) ?? []
    this.#redeeming.delete(channel)
    for (const resolve of waiting) resolve()
  }

  /** See `Party.admitted`. */
  async admitted(options: WaitOptions): Promise<void> {
    options.signal?.throwIfAborted()
    if (this.#isMember()) return
    if (this.#isClosed) throw new PartyError('ERR_PARTY_CLOSED', 'the party is closed')
    if (this.#failure !== null) throw this.#failure
    await this.#joining.open(options).promise
  }

  #isMember(): boolean {
    return this.capabilitiesOf(this.#host.author()).length > 0
  }

  /** Follows the core. */
  apply(effect: PartyMatter & { type: 'members' | 'redeemed' | 'inviteFailed' }): void {
    if (effect.type === 'redeemed') this.redeemed(effect.channel)
    else if (effect.type === 'inviteFailed') this.#fail(effect.code)
    else if (this.#isMember()) this.#joining.resolveAll(undefined)
  }

  #fail(code: string): void {
    const what =
      code === 'ERR_PARTY_INVITE_USED' ? 'was redeemed as often as it may be' : 'is not valid, or has expired'
    this.#failure = new PartyError(code, `the invite ${what}`)
    this.#joining.rejectAll(this.#failure)
    this.#host.warn(this.#failure)
  }

  /** Nobody waits any more. */
  close(): void {
    this.#isClosed = true
    for (const channel of [...this.#redeeming.keys()]) this.redeemed(channel)
    this.#joining.rejectAll(new PartyError('ERR_PARTY_CLOSED', 'the party is closed'))
  }

  /** See `Party.admit`. */
  async admit(subject: Uint8Array, options: AdmitOptions): Promise<Uint8Array> {
    const { capabilities = ['read', 'write'], depth = 0, expiresMs = 0 } = options
    const admission = {
      subject,
      capabilities: capabilityBits(capabilities),
      depth: checkInteger('depth', depth, 255),
      expires: expirySeconds(expiresMs),
      uses: 1,
      isInvite: false
    }
    await this.#host.job(job => ({ type: 'admit', admission, job }))
    const chain = this.#host.core()?.chainOf(subject) ?? null
    if (chain === null) throw new PartyError('ERR_PARTY_NOT_AUTHORIZED', 'the admission counts no more')
    return chain
  }

  /** See `Party.invite`. */
  async invite(options: InviteLinkOptions): Promise<string> {
    const { capabilities = ['read', 'write'], uses = 1, depth = 0, expiresMs = 0 } = options
    const genesis = this.#host.core()?.genesis ?? null
    if (genesis === null) {
      throw new PartyError(
        'ERR_PARTY_NOT_AUTHORIZED',
        'the party has no founder, or its genesis is not known here'
      )
    }
    checkInteger('uses', uses, 65_535)
    checkInteger('depth', depth, 255)
    const { publicKey, secretKey } = createKeyPair()
    const admission = {
      subject: publicKey,
      capabilities: capabilityBits(capabilities),
      // The newcomer's own admission hangs on that of an unlimited invite, one below it.
      depth: uses === 0 ? depth + 1 : depth,
      expires: expirySeconds(expiresMs),
      uses,
      isInvite: true
    }
    await this.#host.job(job => ({ type: 'admit', admission, job }))
    const chain = uses === 0 ? (this.#host.core()?.chainOfInvite(publicKey) ?? null) : new Uint8Array(0)
    if (chain === null) throw new PartyError('ERR_PARTY_NOT_AUTHORIZED', 'the invite counts no more')
    const seed = secretKey.subarray(0, SEED_BYTES)
    return encodeInviteLink(hashes, { genesis, seed, expiresSeconds: admission.expires, chain })
  }

  /** See `Party.remove`. */
  async remove(who: Key, { feeds = true, cascade = false }: RemoveOptions): Promise<void> {
    const subject = isInviteLink(who) ? readInvite(who).keyPair.publicKey : keyBytes(who)
    await this.#host.job(job => ({
      type: 'remove',
      subject,
      isWithFeeds: feeds,
      isCascading: cascade,
      job
    }))
  }

  /** See `Party.authorize`. */
  async authorize(key: Uint8Array, options: AuthorizeOptions): Promise<void> {
    const { role = 0, maxBytes = 0, expiresMs = 0 } = options
    checkInteger('role', role, 255)
    checkInteger('maxBytes', maxBytes, 2 ** 48 - 1)
    const authorization = { key, role, maxBytes, expires: expirySeconds(expiresMs) }
    await this.#host.job(job => ({ type: 'authorizeAll', authorization, job }))
  }
}

function expirySeconds(fromNowMs: number): number {
  checkInteger('expiresMs', fromNowMs, Number.MAX_SAFE_INTEGER)
  return fromNowMs === 0 ? 0 : Math.min(2 ** 32, Math.ceil((Date.now() + fromNowMs) / SECOND_MS))
}

function checkInteger(name: string, value: number, most: number): number {
  if (Number.isSafeInteger(value) && value >= 0 && value <= most) return value
  throw rangeError('ERR_PARTY_BAD_OPTION', `${name} is ${value}, it must be an integer from 0 to ${most}`)
}
