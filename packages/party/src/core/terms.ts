/**
 * On what terms a feed is in the set: what the records that are held say beside yes or no.
 *
 * An admin's authorization bounds the bytes. A cut, which is a revocation from a block on that leaves the feed in the set,
 * bounds the blocks, until an authorization of a higher version lifts it.
 */
import b4a from 'b4a'
import type { AuthorizeBody, PartyRecord, RevokeBody } from './records.js'
import type { CoreState } from './state.js'
import type { FeedTerms } from './types.js'

/** A denial from a block on that leaves the feed in the set. */
export type CutRecord = PartyRecord<RevokeBody & { readonly cutoff: number; readonly isCut: true }>

/** A cut, and nothing else. */
export function isCut(record: PartyRecord | null): record is CutRecord {
  return record?.body.kind === 'revoke' && record.body.isCut
}

/** What is held about a feed; `authorizes` is the version of an authorization that is being accepted, 0: of none. */
export function termsOf(state: CoreState, key: Uint8Array, authorizes: number): FeedTerms {
  const { book, keys } = state
  const held = book.get(1, b4a.toString(keys.authorizeSlot(key), 'hex'))
  const authorize = held?.body.kind === 'authorize' ? (held.body as AuthorizeBody) : null
  const denial = book.get(0, b4a.toString(keys.feedSlot(key), 'hex'))
  const lifted = Math.max(authorizes, authorize?.version ?? 0)
  const until = isCut(denial) && denial.body.version >= lifted ? denial.body.cutoff : null
  return { maxBytes: authorize?.maxBytes ?? 0, until }
}
