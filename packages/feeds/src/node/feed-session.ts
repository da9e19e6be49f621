/**
 * One set on one connection: which of its feeds the peer may replicate. The gate does the rest.
 *
 * A grant is a rule, not an entry: the gate hears of a feed when it is wanted here or asked for by the peer, and forgets it
 * when neither wants it. So a connection costs nothing for feeds that nobody moves.
 *
 * Without `manual` every authorized feed is granted as far as the filter lets it. There is no control channel that tells
 * lengths, so who lacks blocks opens: feeds of others when the connection comes, all when they enter the set or grow, and when
 * the application waits for a block. With `manual` a protocol on top grants, and says what to open.
 */
import b4a from 'b4a'
import { slotOf } from '../core/fact-set.js'
import { FeedsError } from '../errors.js'
import type { FeedsLimits } from '../limits.js'
import type { Feed, FeedSession, Key, ReplicateOptions } from '../types.js'
import type { Connection } from './connection.js'
import { type Gate, gateOf } from './gate.js'
import type { GateFeed, GateHolder } from './gate-types.js'
import { errorOf } from './guard.js'
import { discoveryKeyOf } from './hypercore.js'
import { gateId, keyBytes, keyId } from './keys.js'

/** What a session needs of its set. */
export interface SessionHost<T> {
  readonly limits: Readonly<FeedsLimits>
  ready(): Promise<void>
  isAuthorized(key: Uint8Array): boolean
  /** The authorized feed with this discovery key. */
  keyOf(discoveryKey: Uint8Array): Uint8Array | null
  keys(): Iterable<Uint8Array>
  /** Is a feed to be opened at each peer as soon as there is one? */
  isSought(key: Uint8Array): boolean
  /** Its writer has to hear of peers before it may append: it goes before all others. */
  isUrgent(key: Uint8Array): boolean
  /** The application waits for a block of it, and began to when there was no peer to ask. */
  isAwaited(key: Uint8Array): boolean
  /** Blocks that we know of. */
  lengthOf(key: Uint8Array): number
  feedOf(key: Uint8Array): Feed<T>
  gateFeedOf(key: Uint8Array): GateFeed
  /** Is the feed wanted or attached on another connection to the same peer? */
  isElsewhere(session: SetSession<T>, key: Uint8Array): boolean
  /** The peer asks for a feed here: it ends on other connections to it. False: it stays on one of them. */
  moveHere(session: SetSession<T>, key: Uint8Array): boolean
  /** A peer says how far one of our own feeds goes. */
  claimed(key: Uint8Array, peer: Uint8Array | null, length: number): void
  warn(error: FeedsError): void
  /** Something about this session's feeds changed. */
  changed(key: Uint8Array): void
  ended(session: SetSession<T>): void
}

/** See the head of this file. */
export class SetSession<T> implements FeedSession<T> {
  readonly #host: SessionHost<T>
  readonly #connection: Connection
  readonly #options: ReplicateOptions<T>
  readonly #gate: Gate
  readonly #holder: GateHolder
  /** What the protocol on top granted, by slotOf(key). */
  readonly #granted = new Set<string>()
  /** Keys of what the gate knows of this session, by gate id. */
  readonly #active = new Map<string, Uint8Array>()
  readonly #replicating = new Set<string>()
  readonly #opening: Promise<boolean>
  readonly #offClose: () => void
  #idleTimer: NodeJS.Timeout | null = null
  #isOpen = false
  #isClosed = false
  #closing: Promise<void> | null = null
  asked: FeedSession<T>['asked'] = undefined

  constructor(host: SessionHost<T>, connection: Connection, options: ReplicateOptions<T>) {
    this.#host = host
    this.#connection = connection
    this.#options = options
    this.#gate = gateOf(connection.mux, host.limits)
    this.#holder = {
      number: this.#gate.newHolderNumber(),
      admit: discoveryKey => this.#admit(discoveryKey),
      find: discoveryKey => this.#find(discoveryKey),
      changed: (id, isAttached) => this.#onChanged(id, isAttached),
      rested: id => this.#onRested(id),
      warn: error => host.warn(error)
    }
    this.#gate.join(this.#holder)
    this.#offClose = connection.onClose(() => void this.close())
    this.#opening = this.#open()
  }

  get replicating(): ReadonlySet<string> {
    return this.#replicating
  }

  get closed(): boolean {
    return this.#isClosed
  }

  get remotePublicKey(): Uint8Array | null {
    return this.#connection.binding?.remotePublicKey ?? null
  }

  /** Are the set and the connection open, and is everything asked for that is sought? */
  get isOpen(): boolean {
    return this.#isOpen && !this.#isClosed
  }

  /** Is nothing about this feed undecided on this connection? */
  isSettled(key: Uint8Array): boolean {
    const state = this.#gate.state(gateIdOf(key))
    return state === undefined || state === 'granted' || state === 'attached' || state === 'refused'
  }

  /** Keys of the feeds that are wanted or attached on this connection. */
  active(): Iterable<Uint8Array> {
    return this.#active.values()
  }

  async grant(key: Key): Promise<boolean> {
    const bytes = keyBytes(key)
    await this.#host.ready()
    if (this.#isClosed) throw new FeedsError('ERR_FEEDS_CLOSED', 'the session is closed')
    if (!this.#host.isAuthorized(bytes)) {
      throw new FeedsError('ERR_FEEDS_NOT_AUTHORIZED', 'only a feed of the set can be granted')
    }
    const slot = slotOf(bytes)
    if (this.#granted.has(slot)) return false
    this.#granted.add(slot)
    if (this.#host.isUrgent(bytes) || this.#host.isAwaited(bytes)) this.demand(bytes, false)
    return true
  }

  async revoke(key: Key): Promise<boolean> {
    return this.end(keyBytes(key))
  }

  wanted(key: Key, remoteLength: number): void {
    const bytes = keyBytes(key)
    if (!this.#host.isAuthorized(bytes) || remoteLength <= 0) return
    this.#host.claimed(bytes, this.remotePublicKey, remoteLength)
    this.demand(bytes, false)
  }

  invited(key: Key): void {
    const bytes = keyBytes(key)
    if (this.#host.isAuthorized(bytes)) this.demand(bytes, true)
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  /** A feed entered the set. */
  added(key: Uint8Array): void {
    if (this.#options.manual !== true) this.demand(key, false)
  }

  /** A feed got longer here: a peer that has it open hears of that by itself. */
  grown(key: Uint8Array): void {
    if (this.#options.manual !== true && !this.isActive(key)) this.demand(key, false)
  }

  /** Something of this feed is wanted from the peer, or can be had here: opens it, if it is granted. */
  demand(key: Uint8Array, isInvited: boolean): void {
    if (!this.#isClosed) void this.#want(key, isInvited)
  }

  /** Offers what the peer hasn't asked for: only its answer shows that it doesn't want it. */
  offer(): void {
    if (this.#options.manual === true || !this.isOpen) return
    for (const key of this.#host.keys()) if (this.#host.lengthOf(key) > 0) this.demand(key, false)
  }

  /** Is this feed wanted or attached on this connection? */
  isActive(key: Uint8Array): boolean {
    return this.#active.has(gateIdOf(key))
  }

  isAttached(key: Uint8Array): boolean {
    return this.#gate.state(gateIdOf(key)) === 'attached'
  }

  /** Are they on one connection? */
  isBeside(other: SetSession<T>): boolean {
    return this.#gate === other.#gate
  }

  /** Which of two connections stays: both ends say the same. */
  comesBefore(other: SetSession<T>): boolean {
    const [ours, theirs] = [this, other].map(of => of.#connection.binding?.handshakeHash)
    return ours !== undefined && theirs !== undefined && b4a.compare(ours, theirs) > 0
  }

  /** Another connection to the same peer has this feed now. */
  async leave(key: Uint8Array): Promise<void> {
    const id = gateIdOf(key)
    this.#active.delete(id)
    this.#replicating.delete(keyId(key))
    await this.#gate.ungrant(this.#holder, id)
  }

  /** As Gate.rest(). */
  rest(key: Uint8Array, idleMs: number, isCrowded: boolean): void {
    this.#gate.rest(gateIdOf(key), idleMs, isCrowded)
  }

  /** What waits for room may have it now. */
  pump(): void {
    this.#gate.pump()
  }

  /** Ends this session's grant of a feed; resolves when it is detached and closed. */
  async end(key: Uint8Array): Promise<boolean> {
    const wasGranted = this.#granted.delete(slotOf(key))
    const id = gateIdOf(key)
    const isEnded = await this.#gate.ungrant(this.#holder, id)
    if (!this.#gate.isGrantedBy(this.#holder, id)) this.#active.delete(id)
    return isEnded || wasGranted
  }

  async #open(): Promise<boolean> {
    try {
      await this.#host.ready()
      await this.#connection.opened()
    } catch {
      return false // the set tells its own fault; a connection that dies before its handshake is nobody's
    }
    this.#isOpen = true
    for (const key of [...this.#host.keys()]) {
      const isSought = this.#options.manual !== true && this.#host.isSought(key)
      if (isSought || this.#host.isUrgent(key)) this.demand(key, false)
    }
    return true
  }

  async #want(key: Uint8Array, isInvited: boolean): Promise<void> {
    // Attaching waits for the handshake, and a job that waits for a remote would hold up a revoke.
    if (this.#connection.binding === null && !(await this.#opening)) return
    if (this.#isClosed || !this.#mayGrant(key) || this.#host.isElsewhere(this, key)) return
    this.#gate.want(this.#grant(key), isInvited, this.#host.isUrgent(key))
  }

  /** Does this session grant a feed of the set? */
  #mayGrant(key: Uint8Array): boolean {
    if (!this.#host.isAuthorized(key)) return false
    if (this.#granted.has(slotOf(key))) return true
    return this.#options.filter === undefined ? this.#options.manual !== true : this.#passes(key)
  }

  #passes(key: Uint8Array): boolean {
    try {
      return this.#options.filter?.(this.#host.feedOf(key)) === true
    } catch (fault) {
      const cause = errorOf(fault)
      this.#host.warn(new FeedsError('WARN_FEEDS_FINDER', `a filter threw: ${cause.message}`, { cause }))
      return false
    }
  }

  #grant(key: Uint8Array): string {
    const feed = this.#host.gateFeedOf(key)
    const id = gateId(feed.discoveryKey)
    this.#active.set(id, key)
    this.#gate.grant(this.#holder, feed)
    return id
  }

  /** The peer asks: what this session grants is granted, on this connection alone. */
  #admit(discoveryKey: Uint8Array): void {
    if (!this.isOpen) return
    const key = this.#host.keyOf(discoveryKey)
    if (key !== null && this.#mayGrant(key) && this.#host.moveHere(this, key)) this.#grant(key)
  }

  #find(discoveryKey: Uint8Array): Promise<void> | null {
    if (this.#isClosed) return null
    if (!this.isOpen) return this.#admitLater(discoveryKey)
    const answer = this.asked?.(discoveryKey)
    return answer ? this.#grantFound(discoveryKey, answer) : null
  }

  /** An open that came before our own log was replayed. */
  async #admitLater(discoveryKey: Uint8Array): Promise<void> {
    if (!(await this.#opening)) return
    this.#admit(discoveryKey)
    const isFound = this.#active.has(gateId(discoveryKey))
    if (!isFound) await this.#find(discoveryKey)
  }

  async #grantFound(discoveryKey: Uint8Array, answer: Promise<Feed<T> | null>): Promise<void> {
    const feed = await answer
    if (feed === null || feed === undefined) return
    const isInSet = !this.#isClosed && this.#host.isAuthorized(feed.key)
    if (isInSet && gateIdOf(feed.key) === gateId(discoveryKey)) {
      this.#granted.add(slotOf(feed.key))
      this.#grant(feed.key)
      return
    }
    const message = isInSet
      ? 'a finder answered with another feed than the one asked for'
      : 'a finder answered with a feed that is not in the set'
    this.#host.warn(new FeedsError('WARN_FEEDS_FINDER', message))
  }

  #onChanged(id: string, isAttached: boolean): void {
    const key = this.#active.get(id)
    if (key === undefined) return
    if (isAttached) this.#replicating.add(keyId(key))
    else this.#replicating.delete(keyId(key))
    if (isAttached && this.#options.manual === true) this.#restLater()
    this.#host.changed(key)
  }

  #onRested(id: string): void {
    void this.#gate.ungrant(this.#holder, id)
    this.#active.delete(id)
  }

  /** Where a protocol on top tells of news, a feed that is idle needs no channel. */
  #restLater(): void {
    const { idleMs } = this.#host.limits
    this.#idleTimer ??= setTimeout(
      () => {
        this.#idleTimer = null
        for (const key of [...this.#active.values()]) this.rest(key, idleMs, false)
        if (this.#replicating.size > 0 && !this.#isClosed) this.#restLater()
      },
      Math.max(1, idleMs / 2)
    ).unref()
  }

  async #close(): Promise<void> {
    this.#isClosed = true
    this.#offClose()
    if (this.#idleTimer !== null) clearTimeout(this.#idleTimer)
    await this.#gate.leave(this.#holder)
    this.#granted.clear()
    this.#replicating.clear()
    this.#host.ended(this)
    this.#active.clear()
  }
}

function gateIdOf(key: Uint8Array): string {
  return gateId(discoveryKeyOf(key))
}
