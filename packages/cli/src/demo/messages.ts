/**
 * What the demo and its members tell each other over the channel between parent and child process.
 *
 *   demo -> start                 -> member joins the party on the DHT
 *   demo <- joined                <- with the keys of its feeds
 *   demo <- connected             <- it sees all the others
 *   demo -> go (all members)      -> it publishes, appends and introduces
 *   demo <- result                <- it has compared everything, or the time is up
 *   demo -> leave                 -> it goes
 *
 * Keys travel as hex; all processes are on one machine and belong to one person.
 */

/** How the text is dealt out: line `i` belongs to member `i % members`. */
export interface Start {
  type: 'start'
  /** Place of this member, from 0. */
  index: number
  members: number
  /** Party key. */
  key: string
  file: string
  /** Lines of the file that are used. */
  lines: number
  storage: string
  bootstrap: { host: string; port: number }[]
  /** Longest time from `go` to `result`. */
  timeoutMs: number
}

/** Who a member is. */
export interface Identity {
  index: number
  author: string
  /** Feed with its lines, which all accept. */
  linesKey: string
  /** Feed that it introduces as well, and that all refuse. */
  draftKey: string
}

/** From the demo to a member. */
export type ToMember = Start | { type: 'go'; members: Identity[] } | { type: 'leave' }

/** What a member saw. */
export interface Result {
  index: number
  pid: number
  /** Lines appended and published. */
  written: number
  /** Messages of others that came, each counted once, with the right text. */
  delivered: number
  expected: number
  /** Messages that came twice or with a wrong text. */
  wrong: number
  introduced: number
  accepted: number
  refused: number
  /** Blocks of the others' feeds that are here. */
  blocks: number
  /** Bytes of them that are equal to the text. */
  bytes: number
  /** All that isn't as it should be; empty: all is well. */
  faults: string[]
}

/** From a member to the demo. */
export type FromMember =
  | ({ type: 'joined' } & Identity)
  | { type: 'connected'; index: number }
  | ({ type: 'result' } & Result)
