/**
 * How a topic looks from outside: its links, and why messages of an author are late. Reads only, changes nothing; what
 * isn't known is null, never guessed.
 */
import b4a from 'b4a'
import { authorKeyOf } from './keys.js'
import type { Link } from './link.js'
import type { Parts } from './parts.js'
import type { AuthorRef, IncarnationState, LinkId } from './types.js'

/** A link that is up, as it looks from outside. */
export interface LinkState {
  /** The driver's number. */
  link: LinkId
  /** Batches are pushed to 'active' links; a 'standby' hears watermarks and is asked for what is missing. */
  role: 'active' | 'standby'
  /** Smoothed round trip, ms; 0: unknown. */
  rttMs: number
  /** Demerit points; negative: useful. At 100 the peer key is refused. */
  score: number
  /** Does our queue for it take payload? 'lagging': it hears watermarks only, and pulls. */
  flow: 'open' | 'blocked' | 'lagging'
  /** Silent for longer than `suspectMs`. */
  isSuspect: boolean
}

type Seen = Pick<Parts, 'book' | 'clock' | 'table' | 'repair' | 'spread'>

/** The state of a link that is up. */
export function linkState({ book, clock }: Pick<Seen, 'book' | 'clock'>, from: Link): LinkState {
  const { id: link, role, rttMs, peerId, flow, isSuspect } = from
  return { link, role, rttMs, score: book.points(peerId, clock.nowMs), flow, isSuspect }
}

/** One state per live incarnation of an author, then those that others only told of. `authorHex`: 64 lowercase hex digits. */
export function explain(seen: Seen, authorHex: string): IncarnationState[] {
  const states: IncarnationState[] = []
  const authorKey = authorKeyOf(b4a.from(authorHex, 'hex'))
  for (const { ref, watermark, window, haveFrom, haveMs } of seen.table.of(authorKey)) {
    states.push(stateOf(seen, ref, { watermark, top: window.top, lastHave: lastHave(haveFrom, haveMs) }))
  }
  for (const { ref, floor, haveFrom, haveMs } of seen.repair.strangersOf(authorKey)) {
    states.push(stateOf(seen, ref, { watermark: floor - 1, top: -1, lastHave: lastHave(haveFrom, haveMs) }))
  }
  return states
}

function stateOf(
  { repair, spread }: Seen,
  ref: AuthorRef,
  known: Pick<IncarnationState, 'watermark' | 'top' | 'lastHave'>
): IncarnationState {
  const gaps = repair.gapsOf(ref).map(({ from, to, askedOf, nextAtMs }) => ({ from, to, askedOf, nextAtMs }))
  const parent = spread.parentOf(ref)
  return { incarnation: ref.incarnationId, parent, children: spread.childrenOf(ref), ...known, gaps }
}

function lastHave(link: LinkId, atMs: number): IncarnationState['lastHave'] {
  return link < 0 ? null : { link, atMs }
}
