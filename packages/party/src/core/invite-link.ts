/**
 * Invite links: all that a newcomer needs, as one line of text that can be copied.
 *
 *   "hearsay-invite:" ‖ z-base-32 of: version u8 ‖ founder fixed(32) ‖ salt fixed(32) ‖ seed fixed(32) ‖ expires uint (s)
 *                                     ‖ chain buf ‖ check fixed(4)
 *
 * Founder and salt are the genesis, which the party key follows from. The seed makes the key pair of the invite. The chain
 * is that of an unlimited invite, so that members who haven't heard of it yet can check it; empty for one that is counted.
 * `check` is the start of H(NS("hearsay/party/1/invite") ‖ all before it): it finds typos, and proves nothing.
 *
 * Whoever holds a link may use it: it is a secret, like the party key that follows from it.
 *
 * Invariant: `decodeInviteLink` never throws, and reads no more than `maxInviteChars`.
 */
import b4a from 'b4a'
import { decodeText, encodeText } from '../key.js'
import { LIMITS } from '../limits.js'
import type { Genesis } from '../types.js'
import { copyOf, Reader, Writer } from './bytes.js'
import { type Hashes, namespaceOf } from './keys.js'
import { MALFORMED, type Result, success, TOO_LARGE, UNKNOWN } from './result.js'

/** What a link says. */
export interface InviteLink {
  /** Who founded the party. */
  readonly genesis: Genesis
  /** Makes the key pair of the invite, 32 bytes. Secret. */
  readonly seed: Uint8Array
  /** Unix s; 0: never. */
  readonly expiresSeconds: number
  /** Credential of an unlimited invite, from the genesis down; empty if uses are counted. */
  readonly chain: Uint8Array
}

const PREFIX = 'hearsay-invite:'
const VERSION = 1
const KEY_BYTES = 32
const CHECK_BYTES = 4
const EXPIRES_MAX = 2 ** 32

/** Makes a link. `chain` is within `maxCredentialBytes`. */
export function encodeInviteLink(crypto: Hashes, link: InviteLink): string {
  const writer = new Writer().u8(VERSION).fixed(link.genesis.founderPublicKey).fixed(link.genesis.salt)
  const body = writer.fixed(link.seed).uint(link.expiresSeconds).buffer(link.chain).finish()
  return PREFIX + encodeText(b4a.concat([body, checkOf(crypto, body)]))
}

/** Does this text claim to be a link? */
export function isInviteLink(text: unknown): text is string {
  return typeof text === 'string' && text.trimStart().startsWith(PREFIX)
}

/** Reads a link; blanks around it don't matter. 'unknown': of a later version. */
export function decodeInviteLink(crypto: Hashes, text: string): Result<InviteLink> {
  if (text.length > LIMITS.maxInviteChars) return TOO_LARGE
  const trimmed = text.trim()
  if (!trimmed.startsWith(PREFIX)) return MALFORMED
  const bytes = decodeText(trimmed.slice(PREFIX.length).toLowerCase())
  if (bytes === null || bytes.length < CHECK_BYTES) return MALFORMED
  const body = bytes.subarray(0, bytes.length - CHECK_BYTES)
  if (!b4a.equals(checkOf(crypto, body), bytes.subarray(body.length))) return MALFORMED
  const reader = new Reader(body)
  if (reader.u8() !== VERSION) return UNKNOWN
  const genesis = { founderPublicKey: copyOf(reader.fixed(KEY_BYTES)), salt: copyOf(reader.fixed(KEY_BYTES)) }
  const seed = copyOf(reader.fixed(KEY_BYTES))
  const expiresSeconds = reader.uint(EXPIRES_MAX)
  const chain = copyOf(reader.buffer(LIMITS.maxCredentialBytes))
  if (!reader.isGood || reader.remaining > 0) return MALFORMED
  return success({ genesis, seed, expiresSeconds, chain })
}

function checkOf(crypto: Hashes, body: Uint8Array): Uint8Array {
  return crypto.hash(namespaceOf(crypto, 'hearsay/party/1/invite'), body).subarray(0, CHECK_BYTES)
}
