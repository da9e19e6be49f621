/**
 * Introductions that aren't decided yet, and the memory of those that were refused.
 *
 *   QUEUED ---a place is free----------------> ASKING     the rules are thinking; `question` names the call
 *   ASKING ---accept-------------------------> LOGGING    the fact is being written; nothing is opened yet
 *   ASKING ---undecided----------------------> UNDECIDED  the app decides by accept() or reject()
 *   ASKING ---reject, throw, time out--------> gone, remembered
 *   UNDECIDED -accept() | reject()-----------> LOGGING | gone, remembered
 *   LOGGING --durable------------------------> gone (accepted)       --write failed--> UNDECIDED
 *   any ------deny, expiry, eviction---------> gone                  rules changed: ASKING, UNDECIDED -> QUEUED
 *
 * Invariants: 1. at most one entry per slot. 2. At most `maxPending` entries, `maxPendingPerAuthor` of one author and
 * `maxPendingPerChannel` of one channel; who has most loses its newest first, so a flood evicts itself. 3. At most
 * `maxRuleCalls` questions are open, `maxRuleCallsPerPeer` for one channel; authors take turns. 4. An answer finds only
 * the entries that still wait for just that question, so it may come late, twice, or after a deny.
 */

/** Where an introduction stands until it is decided. */
export type PendingState = 'queued' | 'asking' | 'undecided' | 'logging'

/** One introduction that isn't decided. Its bytes are copies. */
export interface PendingIntroduction {
  /** Number of it in this process; never used twice. */
  readonly id: number
  readonly slotId: string
  readonly version: number
  /** Ed25519 public key of the introducer, 32 bytes; its signature was verified. */
  readonly author: Uint8Array
  readonly authorId: string
  readonly keys: readonly Uint8Array[]
  readonly keyIds: readonly string[]
  /** Slots of the feeds (hex), as denials name them. */
  readonly feedSlots: readonly string[]
  /** Which of `keys` were proven to be feeds of the author itself. */
  readonly own: readonly boolean[]
  readonly type: string
  /** msgpack of the introducer; not decoded here. */
  readonly meta: Uint8Array
  /** Row of the record, 32 bytes: what a comparison knows it by. */
  readonly row: Uint8Array
  /** The whole signed record. */
  readonly record: Uint8Array
  /** Version of an admin's authorization; 0: an introduction. */
  readonly authorizes: number
  /** Role and bytes that an admin's authorization gives; 0: none. */
  readonly role: number
  readonly maxBytes: number
  /** When the record itself expires, Unix s; 0: never. */
  readonly expiresSeconds: number
  /** Who brought it; null if nobody that is connected did. */
  channel: number | null
  /** Was it told to us alone? Then it goes when that channel goes. */
  readonly isDirect: boolean
  /** Peers that wait for an ANSWER. */
  readonly waiting: { channel: number; call: number }[]
  state: PendingState
  question: number
  /** Keys of hex that were accepted, while LOGGING. */
  accepted: readonly string[]
  readonly expiresAtMs: number
}

/** What an introduction is made of before it has a number. */
export type NewIntroduction = Omit<PendingIntroduction, 'id' | 'state' | 'question' | 'accepted'>

/** Bounds of the table. */
export interface IntroductionLimits {
  maxPending: number
  maxPendingPerAuthor: number
  maxPendingPerChannel: number
  maxRefused: number
  maxRuleCalls: number
  maxRuleCallsPerPeer: number
}

/** How a refused introduction is answered when it comes again. */
export interface Refusal {
  version: number
  verdict: 'rejected' | 'ignored'
  reason: string
}

/** Introductions of one INTRODUCE by one author: judged by one call of the rules. */
interface Group {
  ids: number[]
  authorId: string
  channel: number | null
}

/** The pending table. */
export class Introductions {
  readonly #limits: IntroductionLimits
  readonly #entries = new Map<number, PendingIntroduction>()
  readonly #bySlot = new Map<string, PendingIntroduction>()
  readonly #byFeed = new Map<string, Set<number>>()
  readonly #perAuthor = new Map<string, Set<number>>()
  readonly #perChannel = new Map<number, Set<number>>()
  readonly #queues = new Map<string, Group[]>()
  readonly #questions = new Map<number, number | null>()
  readonly #refused = new Map<string, Refusal>()
  #nextId = 1

  constructor(limits: IntroductionLimits) {
    this.#limits = limits
  }

  get size(): number {
    return this.#entries.size
  }

  /** Remembered refusals; bounded by `maxRefused`. */
  get refusedSize(): number {
    return this.#refused.size
  }

  get(id: number): PendingIntroduction | null {
    return this.#entries.get(id) ?? null
  }

  bySlot(slotId: string): PendingIntroduction | null {
    return this.#bySlot.get(slotId) ?? null
  }

  /** Introductions of this feed (hex of its slot). */
  ofFeed(slotId: string): PendingIntroduction[] {
    const ids = this.#byFeed.get(slotId) ?? []
    return Array.from(ids, id => this.#entries.get(id) as PendingIntroduction)
  }

  [Symbol.iterator](): Iterator<PendingIntroduction> {
    return this.#entries.values()
  }

  /** Was this version, or a higher one, refused before? */
  refusal(slotId: string, version: number): Refusal | null {
    const refusal = this.#refused.get(slotId)
    return refusal !== undefined && refusal.version >= version ? refusal : null
  }

  /** Remembers a refusal; the oldest is forgotten above the bound and would be judged again. */
  refuse(slotId: string, refusal: Refusal): void {
    this.#refused.delete(slotId)
    this.#refused.set(slotId, refusal)
    if (this.#refused.size <= this.#limits.maxRefused) return
    const oldest = this.#refused.keys().next().value
    if (oldest !== undefined) this.#refused.delete(oldest)
  }

  /** Adds introductions that are to be judged together. Returns the entries, and what had to go for them. */
  add(news: readonly NewIntroduction[]): { added: PendingIntroduction[]; evicted: PendingIntroduction[] } {
    const added: PendingIntroduction[] = []
    const evicted: PendingIntroduction[] = []
    for (const fields of news) {
      const older = this.#bySlot.get(fields.slotId)
      if (older !== undefined) evicted.push(this.#drop(older))
      const entry: PendingIntroduction = {
        ...fields,
        id: this.#nextId++,
        state: 'queued',
        question: 0,
        accepted: []
      }
      this.#entries.set(entry.id, entry)
      this.#bySlot.set(entry.slotId, entry)
      for (const slotId of entry.feedSlots) addTo(this.#byFeed, slotId, entry.id)
      addTo(this.#perAuthor, entry.authorId, entry.id)
      if (entry.channel !== null) addTo(this.#perChannel, entry.channel, entry.id)
      added.push(entry)
      const victim = this.#victim(entry)
      if (victim !== null) evicted.push(this.#drop(victim))
    }
    const kept = added.filter(entry => this.#entries.has(entry.id))
    this.#enqueue(kept)
    return { added: kept, evicted }
  }

  /** The next group to ask the rules about, now in state 'asking'; null if there is none or no place is free. */
  next(question: number): PendingIntroduction[] | null {
    if (this.#questions.size >= this.#limits.maxRuleCalls) return null
    for (const [authorId, groups] of this.#queues) {
      const at = groups.findIndex(group => this.#hasPlace(group.channel))
      if (at < 0) continue
      const group = groups.splice(at, 1)[0] as Group
      // To the end of the round: authors take turns, whatever they queued.
      this.#queues.delete(authorId)
      if (groups.length > 0) this.#queues.set(authorId, groups)
      const entries = group.ids
        .map(id => this.#entries.get(id))
        .filter(entry => entry !== undefined && entry.state === 'queued') as PendingIntroduction[]
      if (entries.length === 0) return this.next(question)
      this.#questions.set(question, group.channel)
      for (const entry of entries) {
        entry.state = 'asking'
        entry.question = question
      }
      return entries
    }
    return null
  }

  /** A question came back: frees its place. Returns the entries that still wait for it. */
  answered(question: number): PendingIntroduction[] {
    if (!this.#questions.delete(question)) return []
    return Array.from(this.#entries.values()).filter(
      entry => entry.state === 'asking' && entry.question === question
    )
  }

  /** Takes an entry out: decided, denied or expired. */
  remove(entry: PendingIntroduction): void {
    if (this.#entries.has(entry.id)) this.#drop(entry)
  }

  /** The rules changed: everything undecided is asked again, refusals are forgotten, answers under way count no more. */
  reset(): void {
    this.#refused.clear()
    for (const entry of this.#entries.values()) {
      if (entry.state !== 'asking' && entry.state !== 'undecided') continue
      entry.state = 'queued'
      entry.question = 0
      this.#enqueue([entry])
    }
  }

  /** Asks the rules again about what they left undecided, of these authors. */
  askAgain(isMeant: (authorId: string) => boolean): void {
    for (const entry of this.#entries.values()) {
      if (entry.state !== 'undecided' || !isMeant(entry.authorId)) continue
      entry.state = 'queued'
      entry.question = 0
      this.#enqueue([entry])
    }
  }

  /** A channel is gone. Returns the introductions that go with it: those that were told to us alone. */
  dropChannel(channel: number): PendingIntroduction[] {
    const gone: PendingIntroduction[] = []
    for (const id of this.#perChannel.get(channel) ?? []) {
      const entry = this.#entries.get(id)
      if (entry === undefined) continue
      if (entry.isDirect && entry.state !== 'logging') gone.push(entry)
      else entry.channel = null
    }
    for (const entry of gone) this.#drop(entry)
    this.#perChannel.delete(channel)
    for (const entry of this.#entries.values()) {
      if (entry.waiting.length === 0) continue
      const kept = entry.waiting.filter(waiter => waiter.channel !== channel)
      entry.waiting.splice(0, entry.waiting.length, ...kept)
    }
    return gone
  }

  /** Takes out what has expired; what is being logged is decided already. */
  expire(nowMs: number): PendingIntroduction[] {
    const expired = Array.from(this.#entries.values()).filter(
      entry => entry.expiresAtMs <= nowMs && entry.state !== 'logging'
    )
    for (const entry of expired) this.#drop(entry)
    return expired
  }

  /** Earliest expiry; Infinity when empty. */
  nextExpiryMs(): number {
    let earliest = Number.POSITIVE_INFINITY
    for (const entry of this.#entries.values()) earliest = Math.min(earliest, entry.expiresAtMs)
    return earliest
  }

  /** Is anything of this channel still to be judged by the rules? Undecided ones wait for a human and don't count. */
  isJudging(channel: number): boolean {
    for (const id of this.#perChannel.get(channel) ?? []) {
      const state = this.#entries.get(id)?.state
      if (state !== undefined && state !== 'undecided') return true
    }
    return false
  }

  #hasPlace(channel: number | null): boolean {
    let open = 0
    for (const asked of this.#questions.values()) if (asked === channel) open++
    return open < this.#limits.maxRuleCallsPerPeer
  }

  #enqueue(entries: readonly PendingIntroduction[]): void {
    const first = entries[0]
    if (first === undefined) return
    const group = { ids: entries.map(entry => entry.id), authorId: first.authorId, channel: first.channel }
    const groups = this.#queues.get(first.authorId)
    if (groups === undefined) this.#queues.set(first.authorId, [group])
    else groups.push(group)
  }

  // Who has most loses its newest, so a flood evicts itself and nobody else.
  #victim(entry: PendingIntroduction): PendingIntroduction | null {
    const { maxPending, maxPendingPerAuthor, maxPendingPerChannel } = this.#limits
    const ofAuthor = this.#perAuthor.get(entry.authorId)
    if (ofAuthor !== undefined && ofAuthor.size > maxPendingPerAuthor) return this.#newest(ofAuthor)
    const ofChannel = entry.channel === null ? undefined : this.#perChannel.get(entry.channel)
    if (ofChannel !== undefined && ofChannel.size > maxPendingPerChannel) return this.#newest(ofChannel)
    if (this.#entries.size <= maxPending) return null
    let largest = ofAuthor
    for (const ids of this.#perAuthor.values()) {
      if (largest === undefined || ids.size > largest.size) largest = ids
    }
    return largest === undefined ? null : this.#newest(largest)
  }

  #newest(ids: ReadonlySet<number>): PendingIntroduction | null {
    let newest: PendingIntroduction | null = null
    for (const id of ids) {
      const entry = this.#entries.get(id)
      if (entry !== undefined && entry.state !== 'logging' && (newest === null || id > newest.id))
        newest = entry
    }
    return newest
  }

  #drop(entry: PendingIntroduction): PendingIntroduction {
    this.#entries.delete(entry.id)
    if (this.#bySlot.get(entry.slotId) === entry) this.#bySlot.delete(entry.slotId)
    for (const slotId of entry.feedSlots) removeFrom(this.#byFeed, slotId, entry.id)
    removeFrom(this.#perAuthor, entry.authorId, entry.id)
    if (entry.channel !== null) removeFrom(this.#perChannel, entry.channel, entry.id)
    return entry
  }
}

function addTo<K>(map: Map<K, Set<number>>, key: K, id: number): void {
  const ids = map.get(key)
  if (ids === undefined) map.set(key, new Set([id]))
  else ids.add(id)
}

function removeFrom<K>(map: Map<K, Set<number>>, key: K, id: number): void {
  const ids = map.get(key)
  if (ids === undefined) return
  ids.delete(id)
  if (ids.size === 0) map.delete(key)
}
