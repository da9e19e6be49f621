/**
 * Class Party: a space known by a key, whose members introduce feeds to each other. Start reading here.
 *
 * It joins three things: `PartyCore` (the protocol, which decides), a FeedSet (what is authorized, on disk), and a Gossip
 * (latency over many hops). What the app passes in stays the app's; what is made here is closed here.
 *
 * Order of events of a peer: 'peer-add', rules.ready, rules.handshake, then introductions and grants; at the end
 * 'peer-remove'. Events are emitted after the step that caused them, never inside a guard of the transport.
 */
import { type CorestoreLike, FeedSet } from '@hearsay/feeds'
import { createKeyPair, cryptoFor, Gossip, type Topic, type TopicOptions } from '@hearsay/gossip'
import { PartyKeys } from '../core/keys.js'
import { PartyError, typeError } from '../errors.js'
import { keyBytes, keyId } from '../key.js'
import type { Limits } from '../limits.js'
import { rules as readyMade } from '../rules.js'
import type {
  AbortSignalLike,
  DuplexLike,
  FeedMeta,
  Introducible,
  Introduction,
  Key,
  KeyPair,
  NodeDuplexLike,
  PartyBundle,
  PartyLike,
  PartyOptions,
  PartyPeer,
  PartyProgress,
  PartyRules,
  PartySwarm,
  RevokeOptions,
  StructureLike,
  SyncedResult,
  WaitOptions
} from '../types.js'
import { checkRules } from './ask-rules.js'
import type { SharedOptions } from './connections.js'
import type { MemberFacts } from './member-facts.js'
import { Membership } from './membership.js'
import { keysOf } from './own-introductions.js'
import { PartyMembers } from './party-members.js'
import { checkCutoff, checkOptions, mergeLimits } from './party-options.js'
import { ReplicateStreams } from './replicate.js'
import { joinSwarm, type SwarmLike } from './swarm.js'
import { within } from './within.js'

/** See the head of this file. */
export class Party extends PartyMembers implements PartyLike {
  /** The secret of the members, 32 bytes. Never log it. */
  readonly key: Uint8Array
  /** What the DHT is asked for, 32 bytes. Tells nothing of the key. */
  readonly discoveryKey: Uint8Array
  /** `discoveryKey` as z-base-32. */
  readonly id: string
  /** Local name, never sent. */
  readonly name: string | null
  /** Local notes, never sent. */
  readonly metadata: unknown
  /** The authorized set. */
  readonly feeds: FeedSet
  readonly #options: PartyOptions
  readonly #limits: Limits
  readonly #ownsFeeds: boolean
  readonly #partyKeys: PartyKeys
  readonly #membership: Membership
  readonly #streams = new ReplicateStreams()
  #gossip: Gossip | null
  #ownsGossip = false
  #opening: Promise<void> | null = null
  #closing: Promise<void> | null = null
  #isOpened = false

  /**
   * @param shared - What `Parties` passes; an app does without.
   * @throws {TypeError | RangeError} `ERR_PARTY_BAD_KEY`, `ERR_PARTY_BAD_OPTION`; of a storage that is none:
   * `ERR_FEEDS_STORAGE`. Nothing is opened yet.
   */
  constructor(options: PartyOptions, shared: SharedOptions = {}) {
    super()
    const { key, genesis, invite } = checkOptions(options)
    this.#options = options
    this.key = key
    this.#limits = mergeLimits(options.limits)
    this.#partyKeys = new PartyKeys(cryptoFor(createKeyPair(new Uint8Array(32))), this.key)
    this.discoveryKey = this.#partyKeys.discoveryKey
    this.id = keyId(this.discoveryKey)
    this.name = options.name ?? null
    this.metadata = options.metadata
    this.#ownsFeeds = options.feeds === undefined
    this.feeds = this.#feedsOf(options)
    this.#gossip = (options.gossip as Gossip | undefined) ?? null
    this.#membership = new Membership({
      party: this,
      partyKeys: this.#partyKeys,
      limits: this.#limits,
      rules: options.rules ?? readyMade.manual(),
      genesis,
      invite,
      credential: options.credential,
      shared,
      // Never emitted from within a step or a guard: a listener that throws would count as somebody else's fault.
      emit: tell => queueMicrotask(() => tell(this))
    })
    this.ready().catch(() => {}) // whoever calls anything hears of it
  }

  /** True from ready() until close(). */
  get opened(): boolean {
    return this.#isOpened && this.#closing === null
  }

  /** True from the call of close() on. */
  get closed(): boolean {
    return this.#closing !== null
  }

  /** Members that are connected, proven and bound; each once, however many connections it has. */
  get peers(): ReadonlySet<PartyPeer> {
    return this.#membership.peers
  }

  /** Input of remotes that wasn't taken, by reason. */
  get drops(): Readonly<Record<string, number>> {
    return this.#membership.drops
  }

  /**
   * The gossip of the party's topics. Made at its first use, if none was passed: with the party's author after ready(),
   * with `keyPair` before; without either with a fresh author of its own.
   */
  get gossip(): Gossip {
    if (this.#gossip === null) {
      this.#gossip = new Gossip({ keyPair: this.#options.keyPair ?? this.#setKeyPair() ?? createKeyPair() })
      this.#ownsGossip = true
    }
    return this.#gossip
  }

  /**
   * Opens the set. Every other call waits for it.
   *
   * @throws Whatever `FeedSet.ready()` rejects with; {PartyError} `ERR_PARTY_CLOSED`.
   */
  ready(): Promise<void> {
    if (this.#closing !== null) return Promise.reject(closedError())
    this.#opening ??= this.#open()
    return this.#opening
  }

  /**
   * Joins this party on a connection, beside whatever else runs on it; the party's gossip as well. The stream stays the
   * app's. The same connection twice: the same peer.
   *
   * @param stream - Noise stream (as of Hyperswarm), Protomux, or a plain Duplex with `initiator`.
   * @returns The peer at the other end; in `peers`, with its author, once it has proven the party key.
   * @throws {TypeError} `ERR_GOSSIP_BAD_STREAM`; {PartyError} `ERR_PARTY_CLOSED`.
   */
  attach(stream: DuplexLike, options: { initiator?: boolean } = {}): PartyPeer {
    if (this.#closing !== null) throw closedError()
    return this.#membership.attach(stream, options)
  }

  /**
   * A stream to be piped into the one of the other side: `a.replicate(true).pipe(b.replicate(false)).pipe(…)`, or over
   * any transport. Encrypted by Noise.
   *
   * @param isInitiator - True on one side, false on the other.
   */
  replicate(isInitiator: boolean): NodeDuplexLike {
    if (typeof isInitiator !== 'boolean') {
      throw typeError('ERR_PARTY_BAD_OPTION', 'replicate() takes true on one side and false on the other')
    }
    const { inner, outer } = this.#streams.make()
    this.attach(inner, { initiator: isInitiator })
    return outer
  }

  /** Meets members by Hyperswarm: announces the discovery key, attaches connections that are there and that come. */
  join(swarm: SwarmLike): PartySwarm {
    if (this.#closing !== null) throw closedError()
    return joinSwarm(swarm, {
      topic: this.discoveryKey,
      attach: stream => this.attach(stream),
      warn: error => this.emit('warning', error)
    })
  }

  /**
   * Tells all members of feeds: signed, logged, gossiped, and repeated to whoever joins later. Feeds that aren't in the
   * set are authorized first. Resolves when that is durable and handed over; not when somebody accepted.
   *
   * @throws {TypeError} `ERR_PARTY_BAD_KEY`; {PartyError} `ERR_PARTY_TOO_LARGE`, `ERR_PARTY_STORAGE`, `ERR_PARTY_CLOSED`.
   */
  async introduce(what: Introducible | Iterable<Introducible>, meta?: FeedMeta): Promise<void> {
    await this.ready()
    await this.#membership.own.introduce(await keysOf(what), meta)
  }

  /** Where the replication of each feed of the set stands, and what each peer has of it; also before a feed is opened. */
  progress(): PartyProgress[] {
    return this.feeds.progress().map(progress => this.#membership.progressOf(progress))
  }

  /** The bundle with this first key, if it was introduced here or accepted; null otherwise. @throws {TypeError} `ERR_PARTY_BAD_KEY`. */
  bundle(key: Key): PartyBundle | null {
    return this.#membership.bundles.get(keyBytes(key))
  }

  /**
   * The Corestore of the set, for structures that open feeds of their own: `new Hyperdrive(party.store(), key)`. What is
   * opened by a key of the set is that feed. A read that waits for a feed that isn't in the set, or for a bundle of which a
   * part isn't, rejects `ERR_PARTY_BUNDLE_INCOMPLETE` after `limits.bundleTimeoutMs`.
   *
   * @returns A new session, the caller's to close. Structures that are written each need a namespace().
   * @throws {FeedsError} `ERR_FEEDS_CLOSED` before ready() and after close().
   */
  store(): CorestoreLike {
    return this.#membership.bundles.store()
  }

  /**
   * Keeps an instance up to date that another member introduced: joins it to the party's feeds if it lies in another
   * Corestore, and tells an Autobase of writers that it doesn't look at. introduce() does that, too.
   *
   * @throws {TypeError} `ERR_PARTY_BAD_OPTION` for what is no structure; {PartyError} `ERR_PARTY_CLOSED`.
   */
  async follow(instance: StructureLike): Promise<void> {
    await this.ready()
    await this.#membership.own.follow(instance)
  }

  /** Takes introductions of ours back. No revocation: feeds stay authorized wherever they were accepted. */
  async withdraw(what: Introducible | Iterable<Introducible>): Promise<void> {
    const bundles = await keysOf(what)
    await this.ready()
    await this.#membership.own.withdraw(bundles.map(bundle => bundle.keys[0] as Uint8Array))
  }

  /**
   * Introductions that wait for a decision: those that are pending, then each new one. Ends at close(), by `break`, or
   * rejects with the reason of `signal`.
   */
  introductions(options: { signal?: AbortSignalLike } = {}): AsyncIterableIterator<Introduction> {
    return this.#membership.introductions.queue(options.signal)
  }

  /**
   * Revokes a feed here, durably, and tells all members. Whose word counts with them is their rules' decision: by default
   * the founder's and the feed's own author's.
   *
   * @throws {TypeError | RangeError} `ERR_PARTY_BAD_KEY`, `ERR_PARTY_TOO_LARGE`; {PartyError} `ERR_PARTY_STORAGE`.
   */
  async revoke(key: Key, options: RevokeOptions = {}): Promise<void> {
    const bytes = keyBytes(key)
    checkCutoff(options.cutoff)
    await this.ready()
    await this.#membership.revoke(bytes, options)
  }

  /** @internal */
  protected override memberFacts(): MemberFacts {
    return this.#membership.facts
  }

  /**
   * Takes other rules from now on: what is pending or was rejected is asked again, what was accepted stays.
   *
   * @throws {TypeError} `ERR_PARTY_BAD_OPTION`.
   */
  setRules(rules: PartyRules): void {
    checkRules(rules)
    this.#membership.setRules(rules)
  }

  /**
   * A topic of the party: only members can find it, and only peers that the rules agreed to are admitted.
   *
   * @param name - 1 byte at least; no name can meet the party's own topics.
   */
  topic<T = unknown>(name: string, options: TopicOptions<T> & { durable?: false } = {}): Topic<T> {
    if (this.#closing !== null) throw closedError()
    if (typeof name !== 'string' || name.length === 0) {
      throw typeError('ERR_PARTY_BAD_OPTION', 'the name of a topic is a string that is not empty')
    }
    const { admit } = options
    const topic = this.gossip.join<T>(this.#partyKeys.appTopicKey(name), {
      ...options,
      admit: async peer => (await this.#membership.isLive(peer)) && ((await admit?.(peer)) ?? true)
    })
    this.#membership.topics.add(topic)
    return topic
  }

  /**
   * Waits until this node and its peers are up to date: sets compared, introductions judged, blocks here and there. The
   * goal is fixed when that begins, so it ends. Without a peer it waits for one.
   *
   * @returns Feeds that grew while it ran, and the blocks that came.
   * @throws {PartyError} `ERR_PARTY_TIMEOUT` after `timeoutMs`, `ERR_PARTY_CLOSED`; the reason of `signal`.
   */
  async synced(options: WaitOptions = {}): Promise<SyncedResult> {
    options.signal?.throwIfAborted()
    const { timeoutMs } = options
    const startMs = performance.now()
    const ready = this.ready().then(() => true)
    if (!(await (timeoutMs === undefined ? ready : within(ready, timeoutMs, false)))) {
      throw new PartyError('ERR_PARTY_TIMEOUT', `not up to date within ${timeoutMs} ms (timeoutMs)`)
    }
    options.signal?.throwIfAborted() // an abort is told once, and that was while we waited
    const leftMs =
      timeoutMs === undefined ? undefined : Math.max(0, timeoutMs - (performance.now() - startMs))
    return this.#membership.synced({ signal: options.signal, timeoutMs: leftMs, askedMs: timeoutMs })
  }

  /** Says goodbye, ends what is ours, leaves what was passed in. Idempotent; takes a few seconds at most. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  /** As close(). */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** What may be shown and logged: no key but the discovery key's text. */
  toJSON(): object {
    return {
      id: this.id,
      name: this.name,
      metadata: this.metadata ?? null,
      rules: this.#membership.rulesName,
      feeds: this.feeds.size,
      peers: this.peers.size,
      opened: this.opened,
      closed: this.closed
    }
  }

  /** For `console.log`: as toJSON(), since the object itself holds the key. */
  [Symbol.for('nodejs.util.inspect.custom')](): object {
    return this.toJSON()
  }

  async #open(): Promise<void> {
    await this.feeds.ready()
    const keyPair = this.#options.keyPair ?? this.#setKeyPair()
    if (keyPair === null) throw new PartyError('ERR_PARTY_STORAGE', 'the set has no author')
    await this.#membership.open(this.feeds, keyPair, this.gossip)
    this.#isOpened = true
  }

  #setKeyPair(): KeyPair | null {
    try {
      return this.feeds.authorKeyPair()
    } catch {
      return null // it isn't open yet
    }
  }

  #feedsOf(options: PartyOptions): FeedSet {
    if (options.feeds !== undefined) return options.feeds as unknown as FeedSet
    const { keyPair, limits } = options
    const maxBytesPerFeed = limits?.maxBytesPerFeed
    return new FeedSet(options.storage as string, {
      namespace: this.#partyKeys.partyId,
      ...(maxBytesPerFeed === undefined ? {} : { maxBytesPerFeed }),
      ...(keyPair === undefined ? {} : { keyPair })
    })
  }

  async #close(): Promise<void> {
    await this.#opening?.catch(() => {})
    await this.#membership.close()
    if (this.#ownsGossip) await this.#gossip?.close()
    if (this.#ownsFeeds) await this.feeds.close()
    await this.#streams.close(this.#limits.closeDeadlineMs)
    this.emit('close')
  }
}

function closedError(): PartyError {
  return new PartyError('ERR_PARTY_CLOSED', 'the party is closed')
}
