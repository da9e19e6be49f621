/**
 * Records: the signed facts that members tell each other. `kind || author || signature || body`, at most 4 KiB, kept and
 * passed on byte for byte.
 *
 * Decoding and judging are separate: `decodeRecord` says that the bytes are a record, `verifyRecord` that its author signed
 * it for this party, `checkOrigin` whose feed it introduces. Nobody but the caller decides whether the author may.
 *
 * Invariants: a decoded record is a copy, never a view on a network frame. The digest covers the body as it was sent, so
 * fields of later versions stay signed. The genesis alone has no signature: it has exactly one form.
 */
import type { CryptoPort } from '@hearsay/gossip/core'
import b4a from 'b4a'
import { LIMITS } from '../limits.js'
import { copyOf, Reader } from './bytes.js'
import { admitSlotOf, GENESIS_SLOT, type PartyKeys, removeSlotOf } from './keys.js'
import {
  CAPABILITY,
  encodeBody,
  type IntroduceBody,
  type RecordBody,
  readBody,
  tooLarge
} from './record-body.js'
import { MALFORMED, type Result, success, TOO_LARGE, UNKNOWN } from './result.js'

export {
  type AdmitBody,
  type AuthorizeBody,
  CAPABILITY,
  encodeBody,
  type GenesisBody,
  type IntroduceBody,
  type Origin,
  type RecordBody,
  type RemoveBody,
  type RevokeBody,
  type WithdrawBody
} from './record-body.js'

/** A record that follows the format. Not verified. */
export interface PartyRecord<B extends RecordBody = RecordBody> {
  /** Key of who claims to have signed it, 32 bytes. */
  readonly author: Uint8Array
  /** 64 bytes; zeros in a genesis, which nobody signs. */
  readonly signature: Uint8Array
  /** What it says. */
  readonly body: B
  /** The body as it was sent; what the digest covers. */
  readonly bodyBytes: Uint8Array
  /** The whole record as it was sent. */
  readonly bytes: Uint8Array
}

/** What an author can do and sign; a part of `CryptoPort`. */
export type Signer = Pick<CryptoPort, 'sign'> & { readonly author: Uint8Array }

const KINDS = ['genesis', 'revoke', 'remove', 'introduce', 'withdraw', 'authorize', 'admit'] as const
const KEY_BYTES = 32
const SIGNATURE_BYTES = 64
const HEAD_BYTES = 1 + KEY_BYTES + SIGNATURE_BYTES
const SLOT_BYTES = 16
const NO_SIGNATURE = new Uint8Array(SIGNATURE_BYTES)

/** Reads a record. 'unknown': a kind or origin of a later version, which is neither kept nor passed on. */
export function decodeRecord(bytes: Uint8Array): Result<PartyRecord> {
  if (bytes.length > LIMITS.maxRecordBytes) return TOO_LARGE
  if (bytes.length < HEAD_BYTES) return MALFORMED
  const copy = copyOf(bytes)
  const kind = KINDS[copy[0] as number]
  if (kind === undefined) return UNKNOWN
  const author = copy.subarray(1, 1 + KEY_BYTES)
  const signature = copy.subarray(1 + KEY_BYTES, HEAD_BYTES)
  const bodyBytes = copy.subarray(HEAD_BYTES)
  const reader = new Reader(bodyBytes)
  const body = readBody(kind, reader)
  if (reader.reason !== null) return { ok: false, reason: reader.reason }
  if (kind === 'genesis' && (reader.remaining > 0 || !b4a.equals(signature, NO_SIGNATURE))) return MALFORMED
  return success({ author, signature, body, bodyBytes, bytes: copy })
}

/** Makes and signs a record of ours. @throws {RangeError} ERR_PARTY_TOO_LARGE, ERR_PARTY_BAD_OPTION. */
export function signRecord<B extends RecordBody>(signer: Signer, keys: PartyKeys, body: B): PartyRecord<B> {
  const bodyBytes = encodeBody(body)
  const kind = kindNumber(body)
  const isSigned = body.kind !== 'genesis'
  const signature = isSigned ? signer.sign(keys.recordDigest(kind, signer.author, bodyBytes)) : NO_SIGNATURE
  const bytes = copyOf(b4a.concat([Uint8Array.of(kind), signer.author, signature, bodyBytes]))
  if (bytes.length > LIMITS.maxRecordBytes) throw tooLarge('record', bytes.length, 'maxRecordBytes')
  return {
    author: bytes.subarray(1, 1 + KEY_BYTES),
    signature: bytes.subarray(1 + KEY_BYTES, HEAD_BYTES),
    body,
    bodyBytes: bytes.subarray(HEAD_BYTES),
    bytes
  }
}

/** What is signed, and what tells two records of one slot apart; 32 bytes. */
export function recordDigest(keys: PartyKeys, record: PartyRecord): Uint8Array {
  return keys.recordDigest(kindNumber(record.body), record.author, record.bodyBytes)
}

/** Did the author sign this record for this party? A genesis: does it hash to the party key? */
export function verifyRecord(
  crypto: Pick<CryptoPort, 'verify'>,
  keys: PartyKeys,
  record: PartyRecord
): boolean {
  const { author, body } = record
  if (body.kind === 'genesis') return keys.isGenesis({ founderPublicKey: author, salt: body.salt })
  return crypto.verify(record.signature, recordDigest(keys, record), author)
}

/** Compared set that the record belongs to: 0 denials (and who may deny), 1 all others. */
export function recordSet(record: PartyRecord): 0 | 1 {
  switch (record.body.kind) {
    case 'genesis':
    case 'revoke':
    case 'remove':
      return 0
    case 'admit':
      return (record.body.capabilities & CAPABILITY.admin) !== 0 ? 0 : 1
    default:
      return 1
  }
}

/** Slot of the record in its set, 16 bytes: of all records in a slot one counts. */
export function recordSlot(
  crypto: Pick<CryptoPort, 'hash' | 'keyedHash'>,
  keys: PartyKeys,
  record: PartyRecord
): Uint8Array {
  const { author, body } = record
  switch (body.kind) {
    case 'genesis':
      return GENESIS_SLOT
    case 'revoke':
      return copyOf(body.feedId.subarray(0, SLOT_BYTES))
    case 'remove':
      return removeSlotOf(crypto, body.subject, author)
    case 'introduce':
      return keys.introductionSlot(body.keys[0] as Uint8Array, author)
    case 'withdraw':
      return keys.introductionSlot(body.key, author)
    case 'authorize':
      return keys.authorizeSlot(body.key)
    case 'admit':
      return admitSlotOf(crypto, author, body.subject)
  }
}

/** Keys of the feeds that the record tells: what `share` may hide. Denials tell none. */
export function feedsOf({ body }: PartyRecord): readonly Uint8Array[] {
  if (body.kind === 'introduce') return body.keys
  return body.kind === 'authorize' ? [body.key] : []
}

/** Version of the record; 0 for the genesis, which has one form only. */
export function recordVersion(record: PartyRecord): number {
  return record.body.kind === 'genesis' ? 0 : record.body.version
}

/** Does the record take back or deny rather than tell? Such a record wins at equal versions. */
export function isDenial(record: PartyRecord): boolean {
  return record.body.kind === 'revoke' || record.body.kind === 'remove' || record.body.kind === 'withdraw'
}

/** How a version lies to the highest known of its slot (0: none): 'too-far' is malformed. */
export function compareVersion(known: number, version: number): 'older' | 'same' | 'newer' | 'too-far' {
  if (version < known) return 'older'
  if (version === known) return 'same'
  return version <= known + LIMITS.maxVersionStep ? 'newer' : 'too-far'
}

/**
 * Which of two records of one slot and set counts? The higher version; then a denial; then the larger digest. A total
 * order over different records, so that the result doesn't depend on the order of arrival.
 */
export function recordWins(keys: PartyKeys, challenger: PartyRecord, holder: PartyRecord): boolean {
  const difference = recordVersion(challenger) - recordVersion(holder)
  if (difference !== 0) return difference > 0
  if (isDenial(challenger) !== isDenial(holder)) return isDenial(challenger)
  return b4a.compare(recordDigest(keys, challenger), recordDigest(keys, holder)) > 0
}

/** Is the first key of an introduction the author's own feed? `feedKeyOf` is that of `@hearsay/feeds`; cheaper than a signature. */
export function checkOrigin(
  keys: PartyKeys,
  record: PartyRecord<IntroduceBody>,
  feedKeyOf: (author: Uint8Array, namespace: Uint8Array) => Uint8Array
): 'foreign' | 'own' | 'wrong' {
  const { origin } = record.body
  if (origin.kind === 'none') return 'foreign'
  const namespace = origin.kind === 'writer' ? keys.feedNamespace(origin.bytes) : origin.namespace
  return b4a.equals(feedKeyOf(record.author, namespace), record.body.keys[0] as Uint8Array) ? 'own' : 'wrong'
}

function kindNumber(body: RecordBody): number {
  return KINDS.indexOf(body.kind)
}
