/**
 * Checks what an app passes to `new Party()`.
 */
import { createKeyPair, cryptoFor } from '@hearsay/gossip'
import b4a from 'b4a'
import { partyKeyOf } from '../core/keys.js'
import type { HeldInvite } from '../core/types.js'
import { rangeError, typeError } from '../errors.js'
import { keyBytes } from '../key.js'
import { LIMITS, type Limits } from '../limits.js'
import type { Genesis, Key, PartyOptions } from '../types.js'
import { checkRules } from './ask-rules.js'
import { readInvite } from './member-facts.js'

/** What identifies a party, by its key or by an invite. */
export interface PartyIdentity {
  /** Party key, 32 bytes of their own. */
  readonly key: Uint8Array
  readonly genesis: Genesis | null
  readonly invite: HeldInvite | undefined
}

/** Longest feed there is, in blocks. */
const LENGTH_MAX = 2 ** 48 - 2

/**
 * Are these options of a party?
 *
 * @throws {TypeError} `ERR_PARTY_BAD_OPTION`, `ERR_PARTY_BAD_KEY`, `ERR_PARTY_INVITE_INVALID`.
 */
export function checkOptions(options: PartyOptions): PartyIdentity {
  if (typeof options !== 'object' || options === null) {
    throw typeError('ERR_PARTY_BAD_OPTION', 'a party needs { key, storage }, or an invite, or a set of feeds')
  }
  const identity = identityOf(options)
  if (options.feeds === undefined && options.storage === undefined) {
    throw typeError('ERR_PARTY_BAD_OPTION', 'a party needs a storage or a set of feeds')
  }
  if (options.rules !== undefined) checkRules(options.rules)
  const { keyPair } = options
  const isPair = keyPair?.publicKey?.byteLength === 32 && keyPair?.secretKey?.byteLength === 64
  if (keyPair !== undefined && !isPair) {
    throw typeError('ERR_PARTY_BAD_KEY', 'keyPair needs a publicKey of 32 bytes and a secretKey of 64')
  }
  return identity
}

function identityOf(options: PartyOptions): PartyIdentity {
  const { key, invite: link } = options
  const genesis = options.genesis ?? null
  if (link === undefined) {
    // Uint8Array.from(), not slice(): of a Buffer that is a view.
    return { key: Uint8Array.from(keyBytes(key as Key)), genesis, invite: undefined }
  }
  const invite = readInvite(link)
  const ofInvite = partyKeyOf(cryptoFor(createKeyPair(invite.seed)), invite.genesis)
  if (key !== undefined && !b4a.equals(keyBytes(key), ofInvite)) {
    throw typeError('ERR_PARTY_BAD_OPTION', 'the invite is one of another party than the key')
  }
  const { publicKey } = invite.keyPair
  const { sign } = cryptoFor(invite.keyPair)
  const held = { publicKey, sign, expires: invite.expiresSeconds, chain: invite.chain }
  return { key: ofInvite, genesis: invite.genesis, invite: held }
}

/** Block at which a feed is cut. @throws {RangeError} `ERR_PARTY_BAD_OPTION`. */
export function checkCutoff(cutoff: number | undefined): void {
  if (cutoff === undefined || (Number.isSafeInteger(cutoff) && cutoff >= 0 && cutoff <= LENGTH_MAX)) return
  throw rangeError(
    'ERR_PARTY_BAD_OPTION',
    `cutoff is ${cutoff}, it must be an integer from 0 to ${LENGTH_MAX}`
  )
}

/** The defaults with these instead. @throws {TypeError | RangeError} `ERR_PARTY_BAD_OPTION`. */
export function mergeLimits(limits: Partial<Limits> = {}): Limits {
  for (const [name, value] of Object.entries(limits)) {
    if (!Object.hasOwn(LIMITS, name)) throw typeError('ERR_PARTY_BAD_OPTION', `there is no limit ${name}`)
    if (typeof value !== 'number' || !(value >= 0)) {
      throw rangeError('ERR_PARTY_BAD_OPTION', `${name} is ${value}, it must be a number from 0`)
    }
  }
  return { ...LIMITS, ...limits }
}
