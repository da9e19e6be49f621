/**
 * May this writer append? The gate in front of one own feed. Sans-IO.
 *
 * Appends are not synced, and folders are restored from backups: a writer may come back without its last blocks. If it then
 * appended, it would sign a second tree for a length that others hold already, and its feed would be dead for everybody.
 *
 *   STARTING   --started, nothing is suspicious-------------------> OPEN
 *   STARTING   --started, `suspicionOf` is not null---------------> RECOVERING
 *   RECOVERING --a replica was seen; for settleMs all that is claimed is here, whole, not below the checkpoint--> OPEN
 *   RECOVERING --replicaMs after it was needed, nothing grew------> ROTATING   effect rotate; or OPEN, if only caution kept it shut
 *   RECOVERING --every claim proved false, and nothing else is suspicious--> OPEN
 *   OPEN       --a peer claims more than we have------------------> RECOVERING the claim has claimMs to be backed by our signature
 *   OPEN, RECOVERING --conflict | rotate--------------------------> ROTATING
 *   ROTATING   --rotated------------------------------------------> ROTATED    for ever
 *   ROTATING   --could not be logged------------------------------> as before, and once more after replicaMs
 *
 * Times are counted while we look: a machine that slept for an hour has not waited for its peers.
 *
 * RG1 (F9) An append is let through in OPEN only. RG2 From RECOVERING to OPEN it is never below the checkpoint, which was
 * signed, or with a block lost that nobody has: readers in order would wait for it for ever. RG3 Where nothing else is
 * suspicious, a claim that is not backed within its time is never believed again, and each false one shortens the time of the
 * next: a peer that lies can't keep a writer shut. Where something is, the claim counts: a peer that holds more may lack the
 * nodes to prove it to a writer that lost the blocks in between, and then the writer is given up. RG4 Nobody rotates a writer
 * that the application doesn't use.
 */
import { comparePositions, type Position, type WriterRecord } from '../writer-record.js'

/** See the head of this file. */
export type WriterState = 'starting' | 'open' | 'recovering' | 'rotating' | 'rotated'

/** Why a writer is not trusted as it was found. */
export type Suspicion =
  | 'no-record' // nothing is known of a feed that was written here, or may have been
  | 'shorter' // less than what was acknowledged
  | 'unclean' // the machine was restarted without a clean close, so that what wasn't synced is lost
  | 'moved' // another folder than the one that it was written in: a copy, or a restored backup
  | 'cautious' // nothing; the application wants to hear a peer first

/** What is known when a writer is opened. */
export interface WriterStart {
  /** Null: there is none, or it was damaged. */
  record: WriterRecord | null
  /** How far the feed goes that was found. */
  at: Position
  /** Of this boot of the machine; '': unknown, which counts as another one. */
  bootId: string
  /** 8 bytes of the storage folder. */
  device: Uint8Array
  /** Of this folder; '': unknown. */
  place: string
  /** Wait for a peer also if everything looks right. */
  isCautious: boolean
}

/** What a peer shows of the feed: told by itself, not yet proven. */
export interface Replica {
  /** Who; a peer keeps it over its connections, as far as it can. */
  id: string
  /** How far it says that the feed goes. */
  at: Position
}

/** What happens to a writer. */
export type RecoveryInput =
  | { kind: 'started'; at: Position; checkpoint: Position; suspicion: Suspicion | null }
  /**
   * How far the feed goes now, how many of its first blocks are without one that was lost, and what the peers that
   * replicate it show. `isAppending`: an append that was let through is under way, so that growth may be ours.
   */
  | { kind: 'look'; at: Position; intact: number; replicas: readonly Replica[]; isAppending: boolean }
  /**
   * A peer says how far it goes, on another way than by replicating it. `now`: how far the feed goes here; default: as at the
   * last look, which may be many appends ago.
   */
  | { kind: 'claimed'; replica: Replica; now?: Position }
  /** The application wants to append. */
  | { kind: 'needed' }
  /** The application, or a conflict, ends this feed. `length` is what is good of it. */
  | { kind: 'rotate'; length: number }
  | { kind: 'rotated'; isDone: boolean }

/** What the shell has to do, in this order. */
export type RecoveryEffect =
  | { kind: 'state'; state: WriterState }
  /** A question: make the successor, whose predecessor is good up to `length`. The answer is `rotated`. */
  | { kind: 'rotate'; length: number }
  /** Look again. */
  | { kind: 'wake'; atMs: number }

/** Bounds of the gate; see limits. */
export interface RecoveryLimits {
  /** ms without news before the writer is trusted again. */
  settleMs: number
  /** ms without a replica, or without anything new, before it is given up. */
  replicaMs: number
  /** ms that a peer has to back its claim. */
  claimMs: number
  /** ms between two looks at the peers. */
  lookMs: number
}

/** Claims of so many peers are kept at once, and so many that lied are remembered; the oldest goes first. */
const MAX_PEERS = 64
/** A gap of more than so many looks was none in which we could have seen anything. */
const MAX_GAP_LOOKS = 5
/** However many lied: a true claim is backed within a few round trips. */
const MIN_CLAIM_MS = 250

/** Why a writer can't be trusted as it was found; null: it can. */
export function suspicionOf(start: WriterStart): Suspicion | null {
  const { record, at } = start
  if (record === null) return 'no-record'
  if (comparePositions(at, record.checkpoint) < 0) return 'shorter'
  const isOtherDevice = record.device.some((byte, i) => byte !== start.device[i])
  if (isOtherDevice || record.place !== start.place) return 'moved'
  const isSameBoot = start.bootId !== '' && record.bootId === start.bootId
  if (!record.clean && !isSameBoot) return 'unclean'
  return start.isCautious ? 'cautious' : null
}

interface Claim {
  at: Position
  sinceMs: number
}

/** See the head of this file. */
export class RecoveryCore {
  readonly #limits: RecoveryLimits
  #state: WriterState = 'starting'
  /** Where a rotation began. */
  #before: WriterState = 'starting'
  #at: Position = { fork: 0, length: 0 }
  /** Blocks before the first one that was lost. */
  #intact = 0
  #checkpoint: Position = { fork: 0, length: 0 }
  /** Null: only claims keep it shut. */
  #suspicion: Suspicion | null = null
  #hasReplica = false
  #isNeeded = false
  /** Last time that the feed grew. */
  #grownMs = Number.NEGATIVE_INFINITY
  /** As that, or when a replica was seen first, or when it was shut. */
  #changedMs = 0
  /** The writer is given up when nothing has grown since then for replicaMs. */
  #waitsSinceMs = 0
  /** By peer; only of what is more than we have. */
  readonly #claims = new Map<string, Claim>()
  readonly #liars = new Set<string>()
  #falseClaims = 0
  /** ms that we looked so far, and when that was counted. */
  #clockMs = 0
  #countedMs = Number.NaN
  #effects: RecoveryEffect[] = []

  constructor(limits: RecoveryLimits) {
    this.#limits = limits
  }

  /** Where it stands. */
  get state(): WriterState {
    return this.#state
  }

  /** Why it was shut; null: it isn't, or only claims of peers shut it. */
  get suspicion(): Suspicion | null {
    return this.#suspicion
  }

  /** @param atMs - Never decreases. */
  step(input: RecoveryInput, atMs: number): RecoveryEffect[] {
    this.#effects = []
    const nowMs = this.#count(atMs)
    switch (input.kind) {
      case 'started':
        this.#onStarted(input, nowMs)
        break
      case 'look':
        this.#onLook(input, nowMs)
        break
      case 'claimed':
        this.#onClaimed(input, nowMs)
        break
      case 'needed':
        if (!this.#isNeeded) this.#waitsSinceMs = nowMs
        this.#isNeeded = true
        break
      case 'rotate':
        this.#rotate(input.length)
        break
      case 'rotated':
        this.#onRotated(input.isDone, nowMs)
        break
    }
    this.#judge(nowMs)
    if (this.#state === 'recovering') {
      this.#effects.push({ kind: 'wake', atMs: atMs + this.#limits.lookMs })
    }
    return this.#effects
  }

  #count(atMs: number): number {
    if (!Number.isNaN(this.#countedMs)) {
      this.#clockMs += Math.min(atMs - this.#countedMs, MAX_GAP_LOOKS * this.#limits.lookMs)
    }
    this.#countedMs = atMs
    return this.#clockMs
  }

  #onStarted(input: RecoveryInput & { kind: 'started' }, nowMs: number): void {
    if (this.#state !== 'starting') return
    this.#at = input.at
    this.#intact = input.at.length
    this.#checkpoint = input.checkpoint
    this.#suspicion = input.suspicion
    for (const [id, claim] of this.#claims)
      if (comparePositions(claim.at, input.at) <= 0) this.#claims.delete(id)
    if (input.suspicion === null && this.#claims.size === 0) this.#enter('open')
    else this.#shut(nowMs)
  }

  #onLook(input: RecoveryInput & { kind: 'look' }, nowMs: number): void {
    if (comparePositions(input.at, this.#at) > 0 || input.intact > this.#intact) {
      this.#grownMs = nowMs
      this.#changedMs = nowMs
      this.#waitsSinceMs = nowMs
      // What a peer could back was ours and is lost here: from now on the writer is as any that was rolled back.
      if (this.#state === 'recovering' && !input.isAppending) this.#suspicion ??= 'shorter'
    }
    this.#at = input.at
    this.#intact = input.intact
    for (const replica of furthest(input.replicas)) {
      // One without a block has nothing to tell about what was lost.
      if (replica.at.length > 0 && !this.#hasReplica) {
        this.#hasReplica = true
        this.#changedMs = nowMs
      }
      this.#claim(replica, nowMs)
    }
  }

  #onClaimed({ replica, now }: RecoveryInput & { kind: 'claimed' }, nowMs: number): void {
    // What an open writer has appended is its own, and peers may have it by now. Nothing of that is a claim, or came back.
    if (this.#state === 'open' && now !== undefined) {
      this.#at = now
      this.#intact = now.length
    }
    this.#claim(replica, nowMs)
  }

  #claim({ id, at }: Replica, nowMs: number): void {
    if (comparePositions(at, this.#at) <= 0) {
      this.#claims.delete(id)
      return
    }
    if (this.#liars.has(id)) return
    const known = this.#claims.get(id)
    if (known !== undefined) {
      known.at = at
      return
    }
    if (this.#claims.size >= MAX_PEERS) return
    this.#claims.set(id, { at, sinceMs: nowMs })
    if (this.#state === 'open') this.#shut(nowMs)
  }

  /** What follows from the time, and from what is known now. */
  #judge(nowMs: number): void {
    if (this.#state !== 'recovering') return
    this.#dropClaims(nowMs)
    const { settleMs, replicaMs } = this.#limits
    const isBack = comparePositions(this.#at, this.#checkpoint) >= 0 && this.#intact >= this.#at.length
    const isWhole = this.#claims.size === 0 && isBack
    if (this.#suspicion === null) {
      if (isWhole) this.#enter('open')
      return
    }
    const isSettled = nowMs - this.#changedMs >= settleMs
    if (isWhole && this.#hasReplica && isSettled) {
      this.#enter('open')
      return
    }
    if (!this.#isNeeded || nowMs - this.#waitsSinceMs < replicaMs) return
    if (this.#suspicion === 'cautious' && isWhole) this.#enter('open')
    else this.#rotate(this.#intact)
  }

  /** Forgets claims that were met, and those that should have been backed by now. */
  #dropClaims(nowMs: number): void {
    const allowedMs = Math.max(MIN_CLAIM_MS, this.#limits.claimMs / 2 ** Math.min(this.#falseClaims, 20))
    for (const [id, claim] of this.#claims) {
      if (comparePositions(claim.at, this.#at) <= 0) {
        this.#claims.delete(id)
        continue
      }
      if (this.#suspicion !== null) continue
      // Each block that comes is one that somebody could back.
      if (nowMs - Math.max(claim.sinceMs, this.#grownMs) < allowedMs) continue
      this.#claims.delete(id)
      this.#falseClaims++
      if (this.#liars.size >= MAX_PEERS) this.#liars.delete(this.#liars.values().next().value as string)
      this.#liars.add(id)
    }
  }

  #onRotated(isDone: boolean, nowMs: number): void {
    if (this.#state !== 'rotating') return
    if (isDone) {
      this.#enter('rotated')
      return
    }
    this.#waitsSinceMs = nowMs
    this.#enter(this.#before)
  }

  #rotate(length: number): void {
    if (this.#state === 'rotating' || this.#state === 'rotated') return
    this.#before = this.#state
    this.#enter('rotating')
    this.#effects.push({ kind: 'rotate', length })
  }

  #shut(nowMs: number): void {
    this.#changedMs = nowMs
    this.#waitsSinceMs = nowMs
    this.#enter('recovering')
  }

  #enter(state: WriterState): void {
    this.#state = state
    if (state === 'open') this.#suspicion = null
    this.#effects.push({ kind: 'state', state })
  }
}

/** One for each peer: over several connections it may show what it was, and what it is. */
function furthest(replicas: readonly Replica[]): Iterable<Replica> {
  const most = new Map<string, Replica>()
  for (const replica of replicas) {
    const known = most.get(replica.id)
    if (known === undefined || comparePositions(replica.at, known.at) > 0) most.set(replica.id, replica)
  }
  return most.values()
}
