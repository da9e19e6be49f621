/**
 * The gate of one muxer: which feeds may have a channel on it, one state machine per feed. Sans-IO.
 *
 * A holder (one session of one set) grants a feed; the feed may be open while at least one holder is left. There is no
 * entry for a feed that nobody granted, so an unknown, a denied and a refused feed look the same from outside.
 *
 *   (none)    --grant------------------------------> GRANTED     nothing is opened; synchronous
 *   GRANTED   --want-------------------------------> WANTED      queued: at most maxOpening at once
 *   WANTED    --slot free--------------------------> OPENING     effect open
 *   GRANTED, WANTED, REFUSED  --asked by the peer--> OPENING     no queue: the peer's open waits for it
 *   OPENING   --opened, still granted--------------> ATTACHING   effect attach
 *   OPENING   --could not be opened----------------> GRANTED
 *   ATTACHING --attached---------------------------> OFFERED     or ATTACHED, if the peer had asked
 *   OFFERED   --the peer's channel opens-----------> ATTACHED
 *   OFFERED   --rejected | offerMs-----------------> CLOSING     then REFUSED; WANTED if the peer invited us meanwhile
 *   REFUSED   --want, after the back-off | invited-> WANTED      back-off refusedMs, doubling to maxRefusedMs
 *   ATTACHED  --asked again: its slot is gone------> OPENING
 *   ATTACHED  --idle, on both sides----------------> CLOSING     then GRANTED, and effect rest: nobody needs its entry
 *   ATTACHED  --the peer closed it-----------------> CLOSING     as when idle; if blocks are missing REFUSED for reopenMs
 *   OFFERED, ATTACHED --last holder gone-----------> CLOSING     effect detach
 *   OPENING, ATTACHING --last holder gone----------> as it is    and closed or dropped when the job is done
 *   CLOSING   --detached, a holder came meanwhile--> GRANTED | REFUSED
 *   CLOSING   --detached, no holder----------------> (none)
 *   CLOSING   --not detached in time---------------> effect destroy: the one way left to keep the promise of a revoke
 *
 * PG1 A core is attached only in ATTACHING, OFFERED, ATTACHED and CLOSING. PG2 One job at a time per feed: a job is what
 * lies between an effect and its answer. PG3 Holders change synchronously. PG6 An entry without holder and job is deleted.
 */

/** See the head of this file. */
export type GateState =
  | 'granted'
  | 'wanted'
  | 'opening'
  | 'attaching'
  | 'offered'
  | 'attached'
  | 'refused'
  | 'closing'

/** What happens to a gate. Ids are discovery keys in hex, holders are numbers that the shell gives out. */
export type GateInput =
  | { kind: 'grant'; id: string; holder: number }
  | { kind: 'ungrant'; id: string; holder: number }
  /** `isUrgent`: it waits for no other. */
  | { kind: 'want'; id: string; isInvited: boolean; isUrgent?: boolean }
  | { kind: 'asked'; id: string }
  | { kind: 'opened'; id: string; isOpen: boolean }
  | { kind: 'attached'; id: string }
  | { kind: 'answered'; id: string; isAccepted: boolean }
  | { kind: 'detached'; id: string; isDone: boolean }
  /** Nothing comes, goes or is missing any more. */
  | { kind: 'idle'; id: string }
  /** The peer closed its channel. */
  | { kind: 'gone'; id: string; isMissed: boolean }
  | { kind: 'tick' }

/** What the shell has to do, in this order. */
export type GateEffect =
  | { kind: 'open'; id: string }
  | { kind: 'attach'; id: string }
  | { kind: 'detach'; id: string }
  | { kind: 'destroy'; id: string }
  /** It is granted, and nobody wants it now: its holders may let go of it. */
  | { kind: 'rest'; id: string }
  | { kind: 'wake'; atMs: number }

/** Bounds of a gate; see limits. */
export interface GateLimits {
  /** Feeds that are being opened or offered at once; the rest waits its turn. One that the peer asked for doesn't wait. */
  maxOpening: number
  /** An offer that the peer doesn't take within so long counts as refused. */
  offerMs: number
  /** How long a refused feed isn't offered again; doubles with each refusal in a row. */
  refusedMs: number
  /** Longest such time. */
  maxRefusedMs: number
  /** How long a feed isn't offered again that the peer closed too early. */
  reopenMs: number
}

/** Places in which feeds are opened, shared by the gates of a process; and whether a feed may be opened now. */
export interface GatePorts {
  /** Takes a place; false: none is free. `isForced` takes one more than there are. */
  take(isForced: boolean): boolean
  /** Gives one back. */
  give(): void
  /** Is there room for this feed, beside those that are open and so many that are going to be? */
  hasRoom(id: string, beside: number): boolean
}

/** Wanted feeds that are looked at in one step: with thousands that find no room, each step would cost too much. */
const MAX_LOOKS = 32

const FRESH = { isWanted: false, isAsked: false, isInvited: false, backOffMs: 0, atMs: 0, refusals: 0 }
const OPEN_PORTS: GatePorts = { take: () => true, give: () => {}, hasRoom: () => true }

interface GateEntry {
  id: string
  state: GateState
  holders: Set<number>
  /** Somebody wants it as soon as its job or back-off is over. */
  isWanted: boolean
  /** The peer opened it: its channel needs no answer. */
  isAsked: boolean
  /** The peer said that it may be opened now, while its refusal of an earlier offer could still be on the way. */
  isInvited: boolean
  /** CLOSING leads to REFUSED for so long; 0: it doesn't. */
  backOffMs: number
  /** OFFERED: deadline of the peer's answer. REFUSED: end of the back-off. */
  atMs: number
  /** Rejections in a row. */
  refusals: number
}

/** See the head of this file. */
export class GateCore {
  readonly #limits: GateLimits
  readonly #ports: GatePorts
  readonly #entries = new Map<string, GateEntry>()
  /** Wanted entries, oldest first. */
  readonly #queue = new Set<GateEntry>()
  /** Entries with a deadline or a back-off. */
  readonly #timed = new Set<GateEntry>()
  #opening = 0
  #effects: GateEffect[] = []

  /** @param ports - Default: as many places as there are feeds. */
  constructor(limits: GateLimits, ports: GatePorts = OPEN_PORTS) {
    this.#limits = limits
    this.#ports = ports
  }

  /** Undefined: nobody granted it, and no job of it runs. */
  state(id: string): GateState | undefined {
    return this.#entries.get(id)?.state
  }

  /** Does any holder grant this feed? */
  isGranted(id: string): boolean {
    return (this.#entries.get(id)?.holders.size ?? 0) > 0
  }

  /** Does this holder grant it, whatever the others do? */
  isGrantedBy(id: string, holder: number): boolean {
    return this.#entries.get(id)?.holders.has(holder) ?? false
  }

  /** May this feed have a channel now? */
  mayBeOpen(id: string): boolean {
    const entry = this.#entries.get(id)
    if (entry === undefined || entry.holders.size === 0) return false
    return entry.state === 'attaching' || entry.state === 'offered' || entry.state === 'attached'
  }

  /** True while an effect of this feed waits for its answer. */
  isBusy(id: string): boolean {
    const state = this.#entries.get(id)?.state
    return state === 'opening' || state === 'attaching' || state === 'closing'
  }

  /** Feeds that this holder grants. */
  idsOf(holder: number): string[] {
    const ids: string[] = []
    for (const entry of this.#entries.values()) if (entry.holders.has(holder)) ids.push(entry.id)
    return ids
  }

  /** Entries in memory, and those that are being opened. */
  get counts(): { entries: number; opening: number } {
    return { entries: this.#entries.size, opening: this.#opening }
  }

  /** @param nowMs - Never decreases. */
  step(input: GateInput, nowMs: number): GateEffect[] {
    this.#effects = []
    if (input.kind === 'tick') this.#onTick(nowMs)
    else if (input.kind === 'grant') this.#onGrant(input.id, input.holder)
    else {
      const entry = this.#entries.get(input.id)
      if (entry !== undefined) this.#onEntry(entry, input, nowMs)
    }
    this.#pump()
    this.#wake()
    return this.#effects
  }

  #onEntry(entry: GateEntry, input: Exclude<GateInput, { kind: 'tick' | 'grant' }>, nowMs: number): void {
    switch (input.kind) {
      case 'ungrant':
        this.#onUngrant(entry, input.holder)
        return
      case 'want':
        this.#onWant(entry, input, nowMs)
        return
      case 'idle':
        if (entry.state === 'attached') this.#close(entry)
        return
      case 'gone':
        this.#onGone(entry, input.isMissed)
        return
      case 'asked':
        this.#onAsked(entry)
        return
      case 'opened':
        this.#onOpened(entry, input.isOpen)
        return
      case 'attached':
        this.#onAttached(entry, nowMs)
        return
      case 'answered':
        this.#onAnswered(entry, input.isAccepted)
        return
      case 'detached':
        this.#onDetached(entry, input.isDone, nowMs)
        return
    }
  }

  #onGrant(id: string, holder: number): void {
    let entry = this.#entries.get(id)
    if (entry === undefined) {
      entry = { id, state: 'granted', holders: new Set(), ...FRESH }
      this.#entries.set(id, entry)
    }
    entry.holders.add(holder)
  }

  #onUngrant(entry: GateEntry, holder: number): void {
    entry.holders.delete(holder)
    if (entry.holders.size > 0) return
    entry.isWanted = false
    if (entry.state === 'offered' || entry.state === 'attached') this.#close(entry)
    else if (!this.isBusy(entry.id)) this.#delete(entry)
  }

  #onWant(entry: GateEntry, input: GateInput & { kind: 'want' }, nowMs: number): void {
    const { isInvited, isUrgent = false } = input
    if (entry.holders.size === 0) return
    if (isInvited) {
      entry.refusals = 0
      entry.isInvited = isOpeningState(entry.state) || entry.state === 'closing'
    }
    const isFree = entry.state === 'refused' && (isInvited || nowMs >= entry.atMs)
    if (entry.state === 'granted' || entry.state === 'wanted' || isFree) {
      if (isUrgent) this.#open(entry, true)
      else if (entry.state !== 'wanted') this.#enqueue(entry)
    } else if (entry.state === 'refused' || entry.state === 'closing') entry.isWanted = true
  }

  #onAsked(entry: GateEntry): void {
    if (entry.holders.size === 0 || this.isBusy(entry.id)) return
    entry.isAsked = true
    entry.refusals = 0
    this.#open(entry, true)
  }

  #onOpened(entry: GateEntry, isOpen: boolean): void {
    if (entry.state !== 'opening') return
    if (entry.holders.size === 0) {
      this.#delete(entry)
      return
    }
    if (!isOpen) {
      this.#rest(entry)
      return
    }
    this.#enter(entry, 'attaching')
    this.#effects.push({ kind: 'attach', id: entry.id })
  }

  #onAttached(entry: GateEntry, nowMs: number): void {
    if (entry.state !== 'attaching') return
    if (entry.holders.size === 0) {
      this.#close(entry)
      return
    }
    entry.atMs = nowMs + this.#limits.offerMs
    this.#enter(entry, entry.isAsked ? 'attached' : 'offered')
    entry.isAsked = false
  }

  #onAnswered(entry: GateEntry, isAccepted: boolean): void {
    if (entry.state !== 'offered') return
    if (!isAccepted) {
      const { refusedMs, maxRefusedMs } = this.#limits
      entry.backOffMs = Math.min(maxRefusedMs, refusedMs * 2 ** Math.min(entry.refusals++, 20))
      this.#close(entry)
      return
    }
    entry.refusals = 0
    this.#enter(entry, 'attached')
  }

  #onGone(entry: GateEntry, isMissed: boolean): void {
    if (entry.state !== 'attached') return
    if (isMissed) {
      entry.isWanted = true
      entry.backOffMs = this.#limits.reopenMs
    }
    this.#close(entry)
  }

  #onDetached(entry: GateEntry, isDone: boolean, nowMs: number): void {
    if (entry.state !== 'closing') return
    if (!isDone) this.#effects.push({ kind: 'destroy', id: entry.id })
    const { backOffMs, isInvited } = entry
    entry.backOffMs = 0
    entry.isInvited = false
    if (entry.holders.size === 0) {
      this.#delete(entry)
      return
    }
    if (backOffMs > 0 && !isInvited) {
      entry.atMs = nowMs + backOffMs
      this.#enter(entry, 'refused')
      return
    }
    if (entry.isWanted || isInvited) this.#enqueue(entry)
    else this.#rest(entry)
  }

  #onTick(nowMs: number): void {
    for (const entry of [...this.#timed]) {
      if (entry.atMs > nowMs) continue
      if (entry.state === 'offered') this.#onAnswered(entry, false)
      else if (entry.state === 'refused' && entry.isWanted) this.#enqueue(entry)
    }
  }

  #enqueue(entry: GateEntry): void {
    entry.isWanted = false
    this.#enter(entry, 'wanted')
    this.#queue.add(entry)
  }

  #pump(): void {
    let looks = Math.min(this.#queue.size, MAX_LOOKS)
    for (const entry of this.#queue) {
      if (this.#opening >= this.#limits.maxOpening || looks-- === 0) return
      const beside = this.#effects.filter(effect => effect.kind === 'open').length
      if (this.#ports.hasRoom(entry.id, beside)) {
        if (!this.#open(entry, false)) return
      } else {
        // One that is open for others needs no room: the next look is at those behind.
        this.#queue.delete(entry)
        this.#queue.add(entry)
      }
    }
  }

  /** @returns False: there is no place for it now. */
  #open(entry: GateEntry, isForced: boolean): boolean {
    if (!isOpeningState(entry.state) && !this.#ports.take(isForced)) return false
    entry.isWanted = false
    this.#enter(entry, 'opening')
    this.#effects.push({ kind: 'open', id: entry.id })
    return true
  }

  #rest(entry: GateEntry): void {
    this.#enter(entry, 'granted')
    this.#effects.push({ kind: 'rest', id: entry.id })
  }

  #close(entry: GateEntry): void {
    this.#enter(entry, 'closing')
    this.#effects.push({ kind: 'detach', id: entry.id })
  }

  #delete(entry: GateEntry): void {
    this.#enter(entry, 'granted') // leaves the queue and the count
    this.#entries.delete(entry.id)
  }

  #enter(entry: GateEntry, state: GateState): void {
    this.#queue.delete(entry)
    if (state === 'offered' || state === 'refused') this.#timed.add(entry)
    else this.#timed.delete(entry)
    const [isOpening, wasOpening] = [isOpeningState(state), isOpeningState(entry.state)]
    this.#opening += Number(isOpening) - Number(wasOpening)
    if (wasOpening && !isOpening) this.#ports.give()
    if (state === 'attached') entry.isInvited = false
    entry.state = state
  }

  #wake(): void {
    let atMs = Number.POSITIVE_INFINITY
    for (const entry of this.#timed) {
      const waits = entry.state === 'offered' || (entry.state === 'refused' && entry.isWanted)
      if (waits && entry.atMs < atMs) atMs = entry.atMs
    }
    if (atMs < Number.POSITIVE_INFINITY) this.#effects.push({ kind: 'wake', atMs })
  }
}

function isOpeningState(state: GateState): boolean {
  return state === 'opening' || state === 'attaching' || state === 'offered'
}
