/**
 * From what a caller wishes to the facts that it takes. Each refusal names the limit and the value.
 */
import b4a from 'b4a'
import type { FeedRow } from '../core/fact-set.js'
import { encodeMeta } from '../core/meta.js'
import { FeedsError, rangeError, typeError } from '../errors.js'
import type { Fact, MetaFact } from '../facts.js'
import type { FeedsLimits } from '../limits.js'
import type { FeedMeta } from '../types.js'

/** What authorize() of the store needs. */
export interface AuthorizeWish {
  meta?: FeedMeta | undefined
  /** Full writer name of a local writer. */
  origin?: Uint8Array | undefined
  version?: number | undefined
  record?: Uint8Array | undefined
  policy?: 0 | 1 | undefined
  /** Bytes of blocks that may be fetched. */
  maxBytes?: number | undefined
  /** Blocks from this length on are invalid. */
  until?: number | undefined
  /** The feed that this one follows, and what is good of it. */
  successorOf?: { key: Uint8Array; length: number } | undefined
}

/** What is known of the feed of a wish. */
export interface KnownFeed {
  row: FeedRow | undefined
  isAuthorized: boolean
  meta: MetaFact | null
}

const NO_BYTES = new Uint8Array(0)

/**
 * The facts that a wish takes, the authorize first; none if it is so already. Terms of a feed that is in the set change with
 * a higher version only, since else a local whim would overtake a revoke that is under way.
 *
 * @throws {TypeError | RangeError | FeedsError} `ERR_FEEDS_BAD_OPTION`, `ERR_FEEDS_BAD_META`, `ERR_FEEDS_NOT_AUTHORIZED`.
 */
export function authorizeFacts(
  key: Uint8Array,
  wish: AuthorizeWish,
  known: KnownFeed,
  limits: Readonly<FeedsLimits>
): Fact[] {
  const { row } = known
  const [allowed, denied] = [row?.allowed ?? -1, row?.denied ?? -1]
  if (wish.version !== undefined) checkVersion(wish.version, Math.max(allowed, denied), limits)
  if (wish.maxBytes !== undefined) checkCount('maxBytes', wish.maxBytes)
  if (wish.until !== undefined) checkCount('until', wish.until)
  const version = wish.version ?? Math.max(allowed, denied + 1, 1)
  if (row?.quarantined) throw refusedError('the feed was signed twice for one length')
  if (version <= denied) throw refusedError('the feed is denied by a higher version')
  const facts: Fact[] = []
  if (!known.isAuthorized || version > allowed) {
    const policy = wish.policy ?? row?.policy ?? 0
    const { maxBytes = 0, until = null } = wish
    const terms = maxBytes === 0 && until === null ? {} : { maxBytes, until }
    facts.push({ kind: 'authorize', key: b4a.from(key), version, policy, evidence: NO_BYTES, ...terms })
  }
  const meta = metaFact(key, wish, known.meta, limits)
  if (meta !== null) facts.push(meta)
  if (wish.successorOf !== undefined) {
    const { key: from, length } = wish.successorOf
    facts.push({ kind: 'rotation', from, to: b4a.from(key), length })
  }
  if (wish.record !== undefined) {
    checkRecord(wish.record, limits)
    facts.push({ kind: 'record', record: b4a.from(wish.record) })
  }
  return facts
}

/** The meta fact that is needed, or null if nothing changes. */
function metaFact(
  key: Uint8Array,
  wish: AuthorizeWish,
  noted: MetaFact | null,
  limits: Readonly<FeedsLimits>
): MetaFact | null {
  if (wish.meta === undefined && wish.origin === undefined) return null
  const meta = wish.meta === undefined ? (noted?.meta ?? NO_BYTES) : metaBytes(wish.meta, limits)
  const origin = wish.origin ?? noted?.origin ?? NO_BYTES
  if (noted !== null && b4a.equals(noted.meta, meta) && b4a.equals(noted.origin, origin)) return null
  return { kind: 'meta', key: b4a.from(key), origin, meta }
}

/** Meta as bytes. @throws {TypeError | RangeError} `ERR_FEEDS_BAD_META`. */
function metaBytes(meta: FeedMeta, limits: Readonly<FeedsLimits>): Uint8Array {
  if (typeof meta !== 'object' || meta === null || Array.isArray(meta)) {
    throw typeError('ERR_FEEDS_BAD_META', 'meta must be an object')
  }
  const encoded = encodeMeta(meta)
  if (!encoded.ok) throw typeError('ERR_FEEDS_BAD_META', encoded.reason)
  const bytes = encoded.value.byteLength
  const limit = limits.maxMetaBytes
  if (bytes > limit)
    throw rangeError('ERR_FEEDS_BAD_META', `meta is ${bytes} bytes, limit is ${limit} (maxMetaBytes)`)
  return encoded.value
}

/** @throws {TypeError | RangeError} `ERR_FEEDS_BAD_OPTION`. */
export function checkRecord(record: unknown, limits: Readonly<FeedsLimits>): void {
  if (!(record instanceof Uint8Array)) throw typeError('ERR_FEEDS_BAD_OPTION', 'a record is a Uint8Array')
  const limit = limits.maxRecordBytes
  if (record.byteLength <= limit) return
  const message = `record is ${record.byteLength} bytes, limit is ${limit} (maxRecordBytes)`
  throw rangeError('ERR_FEEDS_BAD_OPTION', message)
}

/** @param known - Greatest version that is known. @throws {RangeError} `ERR_FEEDS_BAD_OPTION`. */
export function checkVersion(version: number, known: number, limits: Readonly<FeedsLimits>): void {
  const most = Math.max(known, 0) + limits.maxVersionStep
  if (Number.isSafeInteger(version) && version >= 0 && version <= most) return
  throw rangeError(
    'ERR_FEEDS_BAD_OPTION',
    `version is ${version}, limit is ${most} (maxVersionStep above the known one)`
  )
}

/** Blocks or bytes that a caller names. @throws {RangeError} `ERR_FEEDS_BAD_OPTION`. */
export function checkCount(name: string, count: number, most = 2 ** 48 - 1): void {
  if (Number.isSafeInteger(count) && count >= 0 && count <= most) return
  throw rangeError('ERR_FEEDS_BAD_OPTION', `${name} is ${count}, it can be 0 to ${most}`)
}

/** What is refused because of what the facts say. */
export function refusedError(reason: string): FeedsError {
  return new FeedsError('ERR_FEEDS_NOT_AUTHORIZED', reason)
}
