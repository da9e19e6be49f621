/**
 * One set on one connection: which of its feeds the peer may replicate. The gate does the rest.
 *
 * Without `manual` every authorized feed is granted and opened, as far as the filter lets it, also those that are
 * authorized later: there is no control channel to tell lengths, so both sides open eagerly. With `manual` a protocol on
 * top grants.
 */
import { FeedsError } from '../errors.js'
import type { FeedsLimits } from '../limits.js'
import type { Feed, FeedSession, Key, ReplicateOptions } from '../types.js'
import type { Connection } from './connection.js'
import { type Gate, type GateFeed, type GateHolder, gateId, gateOf } from './gate.js'
import { errorOf } from './guard.js'
import { keyBytes, keyId } from './keys.js'

/** What a session needs of its set. */
export interface SessionHost<T> {
  readonly limits: Readonly<FeedsLimits>
  ready(): Promise<void>
  isAuthorized(key: Uint8Array): boolean
  keys(): Iterable<Uint8Array>
  feedOf(key: Uint8Array): Feed<T>
  gateFeedOf(key: Uint8Array): GateFeed
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
  /** Keys of what this session grants, by gate id. */
  readonly #granted = new Map<string, Uint8Array>()
  readonly #replicating = new Set<string>()
  readonly #opening: Promise<boolean>
  readonly #offClose: () => void
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
      find: discoveryKey => this.#find(discoveryKey),
      changed: (id, isAttached) => this.#onChanged(id, isAttached),
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

  /** Are the set and the connection open, and is everything granted that has to be? */
  get isOpen(): boolean {
    return this.#isOpen && !this.#isClosed
  }

  /** Does this session grant the feed, and is nothing about it undecided on this connection? */
  isSettled(key: Uint8Array): boolean {
    const state = this.#gate.state(gateId(this.#host.gateFeedOf(key).discoveryKey))
    return state === undefined || state === 'granted' || state === 'attached' || state === 'refused'
  }

  async grant(key: Key): Promise<boolean> {
    const bytes = keyBytes(key)
    await this.#host.ready()
    if (this.#isClosed) throw new FeedsError('ERR_FEEDS_CLOSED', 'the session is closed')
    if (!this.#host.isAuthorized(bytes)) {
      throw new FeedsError('ERR_FEEDS_NOT_AUTHORIZED', 'only a feed of the set can be granted')
    }
    return this.#grant(bytes)
  }

  async revoke(key: Key): Promise<boolean> {
    return this.end(keyBytes(key))
  }

  wanted(key: Key, remoteLength: number): void {
    const bytes = keyBytes(key)
    if (!this.#host.isAuthorized(bytes) || remoteLength <= 0) return
    void this.#want(bytes, false)
  }

  invited(key: Key): void {
    const bytes = keyBytes(key)
    if (this.#host.isAuthorized(bytes)) void this.#want(bytes, true)
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  /** A feed entered the set. */
  added(key: Uint8Array): void {
    if (this.#options.manual === true || this.#isClosed || !this.#isWanted(key)) return
    this.#grant(key)
    void this.#want(key, false)
  }

  /** Ends this session's grant of a feed; resolves when it is detached and closed. */
  async end(key: Uint8Array): Promise<boolean> {
    const id = gateId(this.#host.gateFeedOf(key).discoveryKey)
    const isEnded = await this.#gate.ungrant(this.#holder, id)
    if (!this.#gate.isGrantedBy(this.#holder, id)) this.#granted.delete(id)
    return isEnded
  }

  async #open(): Promise<boolean> {
    try {
      await this.#host.ready()
      await this.#connection.opened()
    } catch {
      return false // the set tells its own fault; a connection that dies before its handshake is nobody's
    }
    for (const key of [...this.#host.keys()]) this.added(key)
    this.#isOpen = true
    return true
  }

  #grant(key: Uint8Array): boolean {
    const feed = this.#host.gateFeedOf(key)
    this.#granted.set(gateId(feed.discoveryKey), key)
    return this.#gate.grant(this.#holder, feed)
  }

  async #want(key: Uint8Array, isInvited: boolean): Promise<void> {
    // Attaching waits for the handshake, and a job that waits for a remote would hold up a revoke.
    if (this.#connection.binding === null && !(await this.#opening)) return
    if (!this.#isClosed) this.#gate.want(gateId(this.#host.gateFeedOf(key).discoveryKey), isInvited)
  }

  #isWanted(key: Uint8Array): boolean {
    const { filter } = this.#options
    if (filter === undefined) return true
    try {
      return filter(this.#host.feedOf(key)) === true
    } catch (fault) {
      const cause = errorOf(fault)
      this.#host.warn(new FeedsError('WARN_FEEDS_FINDER', `a filter threw: ${cause.message}`, { cause }))
      return false
    }
  }

  #find(discoveryKey: Uint8Array): Promise<void> | null {
    if (this.#isClosed) return null
    if (this.#options.manual !== true) return this.#waitUntilLoaded()
    const answer = this.asked?.(discoveryKey)
    return answer ? this.#grantFound(discoveryKey, answer) : null
  }

  /** An open that came before our own log was replayed: everything is granted by then, or never. */
  async #waitUntilLoaded(): Promise<void> {
    await this.#opening
  }

  async #grantFound(discoveryKey: Uint8Array, answer: Promise<Feed<T> | null>): Promise<void> {
    const feed = await answer
    if (feed === null || feed === undefined) return
    await feed.ready()
    const isInSet = !this.#isClosed && this.#host.isAuthorized(feed.key)
    if (isInSet && gateId(this.#host.gateFeedOf(feed.key).discoveryKey) === gateId(discoveryKey)) {
      this.#grant(feed.key)
      return
    }
    const message = isInSet
      ? 'a finder answered with another feed than the one asked for'
      : 'a finder answered with a feed that is not in the set'
    this.#host.warn(new FeedsError('WARN_FEEDS_FINDER', message))
  }

  #onChanged(id: string, isAttached: boolean): void {
    const key = this.#granted.get(id)
    if (key === undefined) return
    if (isAttached) this.#replicating.add(keyId(key))
    else this.#replicating.delete(keyId(key))
    this.#host.changed(key)
  }

  async #close(): Promise<void> {
    this.#isClosed = true
    this.#offClose()
    await this.#gate.leave(this.#holder)
    this.#granted.clear()
    this.#replicating.clear()
    this.#host.ended(this)
  }
}
