/**
 * Bodies of records: what each kind says, and how it is written.
 *
 * Reading fails by the `Reader`; writing throws, since only our own mistakes get there. Bytes behind the known fields
 * belong to a later version and are left alone.
 */
import b4a from 'b4a'
import { rangeError } from '../errors.js'
import { LIMITS } from '../limits.js'
import { type Reader, Writer } from './bytes.js'
import { decodeWriterName } from './keys.js'

/** What an introduction claims about its first key: nothing, or that the author writes it. */
export type Origin =
  | { readonly kind: 'none' }
  /** The feed is the author's, under this party. `bytes` as `encodeWriterName` makes them. */
  | { readonly kind: 'writer'; readonly bytes: Uint8Array }
  /** The feed is the author's, under a namespace of its own (32 bytes). */
  | { readonly kind: 'namespace'; readonly namespace: Uint8Array }

/** Says who founded the party. */
export interface GenesisBody {
  /** Number 0 on the wire. */
  readonly kind: 'genesis'
  /** 32 random bytes; with the author's key they hash to the party key. */
  readonly salt: Uint8Array
}

/** Denies a feed, named by its id so that it tells nothing to who doesn't know the feed. */
export interface RevokeBody {
  /** Number 1 on the wire. */
  readonly kind: 'revoke'
  /** From 1; the highest of a slot counts. */
  readonly version: number
  /** Keyed hash of the feed's key, 32 bytes. */
  readonly feedId: Uint8Array
  /** Index of the record's copy in the admin's feed; 0 for others. */
  readonly n: number
  /** First block that is denied; null: all. */
  readonly cutoff: number | null
  /** Delete the blocks, too. */
  readonly isPurge: boolean
  /** Only the blocks from the cutoff on are denied: the feed stays in the set up to there. */
  readonly isCut: boolean
  /** For people; at most 128 bytes of UTF-8, may be empty. */
  readonly reason: string
}

/** Takes a member, or an admin, out. */
export interface RemoveBody {
  /** Number 2 on the wire. */
  readonly kind: 'remove'
  /** From 1; the highest of a slot counts. */
  readonly version: number
  /** Author key of who is taken out, 32 bytes. */
  readonly subject: Uint8Array
  /** Index of the record's copy in the admin's feed; 0 for others. */
  readonly n: number
  /** Denials of the subject with a number below this stay in force. 0: none; the remover has signed them anew. */
  readonly adminLength: number
  /** 32 bytes, zeros: kept for a later version. */
  readonly adminHash: Uint8Array
  /** Deny the subject's feeds, too. */
  readonly isWithFeeds: boolean
}

/** Tells of a feed or bundle. */
export interface IntroduceBody {
  /** Number 3 on the wire. */
  readonly kind: 'introduce'
  /** From 1; the highest of a slot counts. */
  readonly version: number
  /** Unix ms by the author's clock; for showing only. */
  readonly createdMs: number
  /** Unix s; 0: never. */
  readonly expiresSeconds: number
  /** A hint, such as 'hyperdrive'; at most 32 bytes of UTF-8, empty if it wasn't said. */
  readonly bundleType: string
  /** 1 to 64, all different. */
  readonly keys: readonly Uint8Array[]
  /** What is claimed about the first key; `checkOrigin` finds out. */
  readonly origin: Origin
  /** The feed that this one follows, and their last common length. */
  readonly successor: { readonly feed: Uint8Array; readonly length: number } | null
  /** msgpack, or empty. */
  readonly meta: Uint8Array
}

/** Takes an introduction back; no revocation. */
export interface WithdrawBody {
  /** Number 4 on the wire. */
  readonly kind: 'withdraw'
  /** From 1, in one count with the introduction that it takes back; at equal versions the withdrawal wins. */
  readonly version: number
  /** First key of the introduction, 32 bytes. */
  readonly key: Uint8Array
}

/** An admin's word that a feed may be opened. */
export interface AuthorizeBody {
  /** Number 5 on the wire. */
  readonly kind: 'authorize'
  /** From 1; the highest of a slot counts. */
  readonly version: number
  /** Key of the feed, 32 bytes. */
  readonly key: Uint8Array
  /** Index of the record's copy in the admin's feed; 0 for others. */
  readonly n: number
  /** 0 to 255; the app's, without a meaning here. */
  readonly role: number
  /** 0: no bound of its own. */
  readonly maxBytes: number
  /** Unix s; 0: never. */
  readonly expiresSeconds: number
}

/** Admits a member, or the holder of an invite. */
export interface AdmitBody {
  /** Number 6 on the wire. */
  readonly kind: 'admit'
  /** From 1; the highest of a slot counts. */
  readonly version: number
  /** Author key of the member, or public key of the invite; 32 bytes. */
  readonly subject: Uint8Array
  /** Bits `CAPABILITY`. */
  readonly capabilities: number
  /** How many admissions may follow in the chain. */
  readonly depth: number
  /** Unix s; 0: never. */
  readonly expiresSeconds: number
  /** 1 for a member. How often an invite may be redeemed; 0: unlimited. */
  readonly uses: number
  /** Public key of the invite that was redeemed; the subject itself, if that is an invite whose uses are counted. */
  readonly via: Uint8Array | null
}

/** Body of a record. */
export type RecordBody =
  | GenesisBody
  | RevokeBody
  | RemoveBody
  | IntroduceBody
  | WithdrawBody
  | AuthorizeBody
  | AdmitBody

/** Capability bits of an admit. */
export const CAPABILITY = Object.freeze({ read: 1, write: 2, introduce: 4, invite: 8, admin: 16 })

const KEY_BYTES = 32
const DEVICE_BYTES = 8
const LENGTH_MAX = 2 ** 48 - 1
const EXPIRES_MAX = 2 ** 32
const USES_MAX = 65_535
const FLAG = 1
const CUT_FLAG = 2
const NO_KEY = new Uint8Array(KEY_BYTES)

/** Encodes a body of ours. @throws {RangeError} ERR_PARTY_TOO_LARGE, ERR_PARTY_BAD_OPTION. */
export function encodeBody(body: RecordBody): Uint8Array {
  const writer = new Writer()
  if (body.kind === 'genesis') return writer.fixed(body.salt).finish()
  writer.uint(checkInteger('version', body.version, Number.MAX_SAFE_INTEGER))
  switch (body.kind) {
    case 'revoke': {
      const cutoff = body.cutoff === null ? 0 : checkInteger('cutoff', body.cutoff, LENGTH_MAX - 1) + 1
      writer
        .fixed(body.feedId)
        .uint(body.n)
        .uint(cutoff)
        .u8((body.isPurge ? FLAG : 0) | (body.isCut ? CUT_FLAG : 0))
      return writer.buffer(checkText('reason', body.reason, 'maxReasonBytes')).finish()
    }
    case 'remove':
      writer.fixed(body.subject).uint(body.n).uint(body.adminLength).fixed(body.adminHash)
      return writer.u8(body.isWithFeeds ? FLAG : 0).finish()
    case 'introduce':
      return writeIntroduce(writer, body)
    case 'withdraw':
      return writer.fixed(body.key).finish()
    case 'authorize':
      writer.fixed(body.key).uint(body.n).u8(body.role).uint(body.maxBytes)
      return writer.uint(checkInteger('expires', body.expiresSeconds, EXPIRES_MAX)).finish()
    case 'admit':
      writer.fixed(body.subject).u8(body.capabilities).u8(body.depth)
      writer.uint(checkInteger('expires', body.expiresSeconds, EXPIRES_MAX))
      return writer
        .uint(checkInteger('uses', body.uses, USES_MAX))
        .fixed(body.via ?? NO_KEY)
        .finish()
  }
}

function writeIntroduce(writer: Writer, body: IntroduceBody): Uint8Array {
  const { keys, origin, successor, meta } = body
  if (keys.length < 1 || keys.length > LIMITS.maxRecordKeys)
    throw tooLarge('keys', keys.length, 'maxRecordKeys')
  if (meta.length > LIMITS.maxMetaBytes) throw tooLarge('meta', meta.length, 'maxMetaBytes')
  if (!areDifferent(keys)) throw rangeError('ERR_PARTY_BAD_OPTION', 'a key is named twice')
  writer.uint(body.createdMs).uint(checkInteger('expires', body.expiresSeconds, EXPIRES_MAX))
  writer.buffer(checkText('type', body.bundleType, 'maxBundleTypeBytes')).uint(keys.length)
  for (const key of keys) writer.fixed(key)
  if (origin.kind === 'none') writer.u8(0)
  else if (origin.kind === 'writer') writer.u8(1).fixed(origin.bytes)
  else writer.u8(2).fixed(origin.namespace)
  if (successor === null) writer.u8(0)
  else
    writer
      .u8(1)
      .fixed(successor.feed)
      .uint(checkInteger('length', successor.length, LENGTH_MAX))
  return writer.buffer(meta).finish()
}

/** Reads a body; whether it is good, the reader says afterwards. */
export function readBody(kind: RecordBody['kind'], reader: Reader): RecordBody {
  if (kind === 'genesis') return { kind, salt: reader.fixed(KEY_BYTES) }
  const version = reader.uint()
  if (version === 0) reader.fail('malformed')
  switch (kind) {
    case 'revoke': {
      const feedId = reader.fixed(KEY_BYTES)
      const n = reader.uint(LENGTH_MAX)
      const cutoff = reader.uint(LENGTH_MAX)
      const flags = reader.u8()
      const isPurge = (flags & FLAG) !== 0
      // Without a block to cut at it would deny nothing: then it denies all.
      const isCut = (flags & CUT_FLAG) !== 0 && cutoff > 0 && !isPurge
      const reason = b4a.toString(reader.buffer(LIMITS.maxReasonBytes))
      return { kind, version, feedId, n, cutoff: cutoff === 0 ? null : cutoff - 1, isPurge, isCut, reason }
    }
    case 'remove': {
      const subject = reader.fixed(KEY_BYTES)
      const n = reader.uint(LENGTH_MAX)
      const adminLength = reader.uint(LENGTH_MAX)
      const adminHash = reader.fixed(KEY_BYTES)
      return { kind, version, subject, n, adminLength, adminHash, isWithFeeds: (reader.u8() & FLAG) !== 0 }
    }
    case 'introduce':
      return readIntroduce(version, reader)
    case 'withdraw':
      return { kind, version, key: reader.fixed(KEY_BYTES) }
    case 'authorize': {
      const key = reader.fixed(KEY_BYTES)
      const n = reader.uint(LENGTH_MAX)
      const role = reader.u8()
      const maxBytes = reader.uint()
      return { kind, version, key, n, role, maxBytes, expiresSeconds: readExpires(reader) }
    }
    case 'admit': {
      const subject = reader.fixed(KEY_BYTES)
      const capabilities = reader.u8()
      const depth = reader.u8()
      const expiresSeconds = readExpires(reader)
      const uses = reader.uint(USES_MAX)
      const via = reader.fixed(KEY_BYTES)
      const viaOrNull = b4a.equals(via, NO_KEY) ? null : via
      return { kind, version, subject, capabilities, depth, expiresSeconds, uses, via: viaOrNull }
    }
  }
}

function readIntroduce(version: number, reader: Reader): IntroduceBody {
  const createdMs = reader.uint()
  const expiresSeconds = readExpires(reader)
  const bundleType = b4a.toString(reader.buffer(LIMITS.maxBundleTypeBytes))
  const count = reader.count(LIMITS.maxRecordKeys, KEY_BYTES)
  const keys: Uint8Array[] = []
  for (let i = 0; i < count; i++) keys.push(reader.fixed(KEY_BYTES))
  if (count === 0 || !areDifferent(keys)) reader.fail('malformed')
  const origin = readOrigin(reader)
  const successorKind = reader.u8()
  if (successorKind > 1) reader.fail('unknown')
  const successor =
    successorKind === 1 ? { feed: reader.fixed(KEY_BYTES), length: reader.uint(LENGTH_MAX) } : null
  const meta = reader.buffer(LIMITS.maxMetaBytes)
  return { kind: 'introduce', version, createdMs, expiresSeconds, bundleType, keys, origin, successor, meta }
}

function readOrigin(reader: Reader): Origin {
  const kind = reader.u8()
  if (kind === 2) return { kind: 'namespace', namespace: reader.fixed(KEY_BYTES) }
  if (kind === 0) return { kind: 'none' }
  if (kind > 2) reader.fail('unknown')
  const start = reader.position
  reader.buffer(LIMITS.maxWriterNameBytes)
  reader.fixed(DEVICE_BYTES)
  reader.uint()
  const bytes = reader.isGood ? reader.since(start) : new Uint8Array(0)
  if (reader.isGood && !decodeWriterName(bytes).ok) reader.fail('malformed')
  return { kind: 'writer', bytes }
}

/** An expiry beyond 2^32 s is one of never-in-practice, and stays a number that time arithmetic can bear. */
function readExpires(reader: Reader): number {
  return Math.min(reader.uint(), EXPIRES_MAX)
}

function areDifferent(keys: readonly Uint8Array[]): boolean {
  return new Set(keys.map(key => b4a.toString(key, 'hex'))).size === keys.length
}

function checkInteger(what: string, value: number, max: number): number {
  if (Number.isInteger(value) && value >= 0 && value <= max) return value
  throw rangeError('ERR_PARTY_BAD_OPTION', `${what} is ${value}, must be an integer from 0 to ${max}`)
}

function checkText(what: string, text: string, limit: 'maxReasonBytes' | 'maxBundleTypeBytes'): Uint8Array {
  const bytes = b4a.from(text)
  if (bytes.length > LIMITS[limit]) throw tooLarge(what, bytes.length, limit)
  return bytes
}

/** Our own record is over a bound. */
export function tooLarge(what: string, size: number, limit: keyof typeof LIMITS): RangeError {
  const unit = limit.endsWith('Bytes') ? ' bytes' : ''
  return rangeError('ERR_PARTY_TOO_LARGE', `${what} is ${size}${unit}, limit is ${LIMITS[limit]} (${limit})`)
}
