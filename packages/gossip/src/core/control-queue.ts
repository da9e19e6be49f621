/**
 * Control frames of one link that wait to be written.
 *
 * They tell a state, so a newer one replaces an older one: a link that can't be written for long keeps one watermark per
 * author, one LINK, one PEERS, one set of PRUNEs. Questions and answers (WANT, MISS, OFFER, SKIP) can't be merged; of
 * those the newest are kept, since the older ones are asked again after their timeout. A PRUNE and a graft of one author
 * contradict each other, and leave in another order than they came in: only the later one stays.
 *
 * Bounds: `maxAuthors` watermarks beyond those of the last HAVE that was added, `maxAuthors` PRUNEs, `maxLooseFrames`
 * others. A list of all authors always fits: a table holds more than `maxAuthors`, because own and authorized ones aren't
 * counted, and whoever forgot such a list would be told to send it again, for ever.
 */
import type { Limits } from '../limits.js'
import type { AuthorRef, HaveEntry, HaveKind, OutFrame, SeqRange } from './types.js'

/** Later ones stay when two watermarks of one author meet: they make the receiver look closer. */
const HAVE_ORDER: readonly HaveKind[] = ['live', 'tick', 'summary', 'lag', 'join']

interface WaitingHave {
  kind: HaveKind
  entry: HaveEntry
}

/** A coalescing queue; frames come out in the order LINK, PRUNE, HAVE, questions and answers, PEERS. */
export class ControlQueue {
  readonly #maxAuthors: number
  readonly #maxLoose: number
  #returned: OutFrame | undefined
  #link: OutFrame | undefined
  #peers: OutFrame | undefined
  #prunesAll = false
  readonly #prunes = new Set<AuthorRef>()
  #emptyHave: HaveKind | undefined
  readonly #haves = new Map<AuthorRef, WaitingHave>()
  #loose: OutFrame[] = []

  constructor(limits: Limits) {
    this.#maxAuthors = limits.maxAuthors
    this.#maxLoose = limits.maxLooseFrames
  }

  /** Is there nothing to write? */
  get isEmpty(): boolean {
    return (
      this.#haves.size === 0 &&
      this.#loose.length === 0 &&
      this.#returned === undefined &&
      this.#link === undefined &&
      this.#peers === undefined &&
      this.#prunes.size === 0 &&
      !this.#prunesAll &&
      this.#emptyHave === undefined
    )
  }

  /**
   * Adds a frame that is no batch.
   *
   * @returns What had to be forgotten: 'watermarks' means all that waited, so that the peer has to be told all again.
   */
  add(frame: OutFrame): 'nothing' | 'frame' | 'watermarks' {
    switch (frame.kind) {
      case 'have':
        return this.#addHave(frame)
      case 'prune':
        return this.#addPrune(frame.refs)
      case 'link':
        this.#link = frame
        return 'nothing'
      case 'peers':
        this.#peers = frame
        return 'nothing'
      default:
        // PRUNEs leave first, so one that is older than this graft could stay. But the graft counts, and it needs none.
        if (frame.kind === 'want' && frame.graft) for (const { ref } of frame.ranges) this.#prunes.delete(ref)
        this.#loose.push(frame)
        if (this.#loose.length <= this.#maxLoose) return 'nothing'
        this.#loose.shift()
        return 'frame'
    }
  }

  /** Takes the next frame; a HAVE of at most `maxHaveEntries`, none if that is 0. */
  next(maxHaveEntries: number): OutFrame | undefined {
    return (
      this.#takeReturned() ??
      this.#takeLink() ??
      this.#takePrune() ??
      (maxHaveEntries > 0 ? this.#takeHave(maxHaveEntries) : undefined) ??
      this.#takeLoose()
    )
  }

  /** Gives back the frame that `next` returned last: it comes first again. */
  giveBack(frame: OutFrame): void {
    this.#returned = frame
  }

  #addHave(frame: Extract<OutFrame, { kind: 'have' }>): 'nothing' | 'watermarks' {
    if (frame.entries.length === 0) this.#emptyHave = stronger(this.#emptyHave ?? 'live', frame.have)
    for (const entry of frame.entries) {
      const waiting = this.#haves.get(entry.ref)
      if (waiting === undefined) {
        this.#haves.set(entry.ref, { kind: frame.have, entry })
      } else {
        waiting.kind = stronger(waiting.kind, frame.have)
        waiting.entry = entry
      }
    }
    if (this.#haves.size <= this.#maxAuthors + frame.entries.length) return 'nothing'
    this.#haves.clear()
    return 'watermarks'
  }

  #addPrune(refs: readonly AuthorRef[]): 'nothing' | 'frame' {
    this.#ungraft(refs)
    if (refs.length === 0) {
      this.#prunesAll = true
      this.#prunes.clear()
    }
    if (this.#prunesAll) return 'nothing'
    for (const ref of refs) this.#prunes.add(ref)
    if (this.#prunes.size <= this.#maxAuthors) return 'nothing'
    // A lost PRUNE costs one duplicate, which is pruned again.
    this.#prunes.clear()
    return 'frame'
  }

  // Takes back the grafts that wait; no refs: all of them. What is asked for beside the graft still is.
  #ungraft(refs: readonly AuthorRef[]): void {
    this.#loose = this.#loose.flatMap(frame => {
      if (frame.kind !== 'want' || !frame.graft) return [frame]
      const isPruned = ({ ref }: SeqRange): boolean => refs.length === 0 || refs.includes(ref)
      const rest = frame.ranges.filter(range => !isPruned(range))
      const bare = frame.ranges.filter(range => isPruned(range) && range.count > 0)
      const wants: OutFrame[] = []
      if (rest.length > 0) wants.push({ ...frame, ranges: rest })
      if (bare.length > 0) wants.push({ ...frame, graft: false, ranges: bare })
      return wants
    })
  }

  #takeReturned(): OutFrame | undefined {
    const frame = this.#returned
    this.#returned = undefined
    return frame
  }

  #takeLink(): OutFrame | undefined {
    const frame = this.#link
    this.#link = undefined
    return frame
  }

  #takePrune(): OutFrame | undefined {
    if (!this.#prunesAll && this.#prunes.size === 0) return undefined
    const refs = Array.from(this.#prunes)
    this.#prunesAll = false
    this.#prunes.clear()
    return { kind: 'prune', refs }
  }

  #takeHave(max: number): OutFrame | undefined {
    const empty = this.#emptyHave
    if (empty !== undefined) {
      this.#emptyHave = undefined
      return { kind: 'have', have: empty, entries: [] }
    }
    const first = this.#haves.values().next().value
    if (first === undefined) return undefined
    const entries: HaveEntry[] = []
    for (const [ref, { kind, entry }] of this.#haves) {
      if (kind !== first.kind) continue
      entries.push(entry)
      this.#haves.delete(ref)
      if (entries.length === max) break
    }
    return { kind: 'have', have: first.kind, entries }
  }

  #takeLoose(): OutFrame | undefined {
    const frame = this.#loose.shift()
    if (frame !== undefined) return frame
    const peers = this.#peers
    this.#peers = undefined
    return peers
  }
}

function stronger(a: HaveKind, b: HaveKind): HaveKind {
  return HAVE_ORDER.indexOf(a) > HAVE_ORDER.indexOf(b) ? a : b
}
