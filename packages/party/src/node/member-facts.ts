/**
 * What an app says about members: admissions, removals, an admin's authorizations, and who may do what.
 */
import type { FeedSet } from '@hearsay/feeds'
import type { PartyCore } from '../core/party-core.js'
import type { PartyInput } from '../core/types.js'
import { PartyError } from '../errors.js'
import type { AdmitOptions, Capability, RemoveOptions } from '../types.js'
import { capabilityBits, capabilityNames } from './capabilities.js'

const SECOND_MS = 1000

/** What member facts need of their party. */
export interface MemberFactsHost {
  readonly feeds: FeedSet
  /** Null until the party is open. */
  core(): PartyCore | null
  /** Resolves when the fact is durable. */
  job(make: (job: number) => PartyInput): Promise<unknown>
}

/** See the head of this file. */
export class MemberFacts {
  readonly #host: MemberFactsHost

  constructor(host: MemberFactsHost) {
    this.#host = host
  }

  /** See `Party.capabilitiesOf`. */
  capabilitiesOf(author: Uint8Array): readonly Capability[] {
    return capabilityNames(this.#host.core()?.capabilitiesOf(author) ?? 0)
  }

  /** See `Party.admit`. */
  async admit(subject: Uint8Array, options: AdmitOptions): Promise<Uint8Array> {
    const { capabilities = ['read', 'write'], depth = 0, expiresMs = 0 } = options
    const admission = {
      subject,
      capabilities: capabilityBits(capabilities),
      depth,
      expires: expiresMs === 0 ? 0 : Math.ceil((Date.now() + expiresMs) / SECOND_MS),
      uses: 1
    }
    await this.#host.job(job => ({ type: 'admit', admission, job }))
    const chain = this.#host.core()?.chainOf(subject) ?? null
    if (chain === null) throw new PartyError('ERR_PARTY_NOT_AUTHORIZED', 'the admission counts no more')
    return chain
  }

  /** See `Party.remove`. */
  async remove(subject: Uint8Array, { feeds = true, cascade = false }: RemoveOptions): Promise<void> {
    await this.#host.job(job => ({
      type: 'remove',
      subject,
      isWithFeeds: feeds,
      isCascading: cascade,
      job
    }))
  }

  /** See `Party.authorize`. */
  async authorize(key: Uint8Array): Promise<void> {
    await this.#host.job(job => ({ type: 'authorizeAll', key, expires: 0, job }))
    await this.#host.feeds.authorize(key)
  }
}
