/**
 * The working half of a Party: connections, peers, and what the core wants to be done with app, rules and gossip.
 */
import { type FeedSet, feedKeyOfNamespace } from '@hearsay/feeds'
import { cryptoFor, type Gossip, type Peer } from '@hearsay/gossip'
import type { CryptoPort } from '@hearsay/gossip/core'
import type { PartyKeys } from '../core/keys.js'
import { PartyCore } from '../core/party-core.js'
import type { CallResult, OwnIntroduction, PartyInput } from '../core/types.js'
import { PartyError } from '../errors.js'
import { hexOf } from '../key.js'
import type { Limits } from '../limits.js'
import type {
  AbortSignalLike,
  DuplexLike,
  Feed,
  FeedMeta,
  Genesis,
  Introduction,
  KeyPair,
  PartyPeer,
  PartyRules,
  RevokeOptions,
  SyncedResult
} from '../types.js'
import { RuleCaller } from './ask-rules.js'
import { Connections } from './connections.js'
import { Driver, type JobOutcome, type PartyMatter } from './driver.js'
import { FeedsBridge } from './feeds-bridge.js'
import { PartyIntroduction } from './introduction.js'
import { IntroductionQueue } from './introduction-queue.js'
import type { JobOptions } from './jobs.js'
import { MemberFacts } from './member-facts.js'
import { MemberTopics } from './member-topics.js'
import { type KeyBundle, originOf } from './own-introductions.js'
import type { Party } from './party.js'
import { PeerTable } from './peer-table.js'
import { answerQuestion } from './questions.js'
import { RecordGossip } from './record-gossip.js'
import { decodeMeta, decodeValue, encodeValue } from './values.js'
import { within } from './within.js'

const AGENT = 'hearsay/0.1'

/** What a membership is made of. */
export interface MembershipOptions {
  party: Party
  partyKeys: PartyKeys
  limits: Limits
  rules: PartyRules
  genesis: Genesis | null
  credential: Uint8Array | undefined
  /** Tells the app, in a later microtask and in order. */
  emit(tell: (party: Party) => void): void
}

/** See the head of this file. */
export class Membership {
  /** The gossip topics whose peers are this party's. */
  readonly topics = new MemberTopics()
  /** Admissions, removals and authorizations of ours. */
  readonly facts: MemberFacts
  readonly #table: PeerTable
  readonly #options: MembershipOptions
  readonly #caller: RuleCaller
  readonly #introductions = new Map<number, PartyIntroduction>()
  readonly #queues = new Set<IntroductionQueue>()
  readonly #connections: Connections
  #driver: Driver | null = null
  #core: PartyCore | null = null
  #crypto: CryptoPort | null = null
  #author: Uint8Array | null = null
  #records: RecordGossip | null = null
  #bridge: FeedsBridge | null = null
  #isClosed = false

  constructor(options: MembershipOptions) {
    this.#options = options
    this.#table = new PeerTable((event, peer) => options.emit(party => party.emit(event, peer)))
    this.#caller = new RuleCaller(options.rules, {
      timeoutMs: options.limits.ruleTimeoutMs,
      warn: error => options.emit(to => to.emit('warning', error))
    })
    const { party, partyKeys, limits } = options
    this.facts = new MemberFacts({
      feeds: party.feeds,
      core: () => this.#core,
      job: make => this.#job(make)
    })
    this.#connections = new Connections({
      feeds: party.feeds,
      keys: partyKeys,
      limits,
      table: this.#table,
      caller: this.#caller,
      peerHost: {
        party,
        limits,
        call: (make, waiting) => this.#call(make, { signal: waiting.signal }),
        job: make => this.#job(make),
        tell: input => this.#driver?.feed(input),
        own: (key, about) => this.#own(key, about)
      },
      isShared: (channel, key) => this.#isShared(channel, key),
      warn: error => options.emit(to => to.emit('warning', error))
    })
  }

  get peers(): ReadonlySet<PartyPeer> {
    return this.#table.peers
  }

  get rulesName(): string | null {
    return this.#caller.rules.name ?? null
  }

  get drops(): Readonly<Record<string, number>> {
    return this.#driver?.drops ?? {}
  }

  /** The set is open: from now on the party speaks. */
  async open(feeds: FeedSet, keyPair: KeyPair, gossip: Gossip): Promise<void> {
    const { limits, party, genesis, credential, emit } = this.#options
    this.#crypto = cryptoFor(keyPair)
    this.#author = keyPair.publicKey
    this.#core = new PartyCore({
      partyKey: party.key,
      author: keyPair.publicKey,
      crypto: this.#crypto,
      limits,
      genesis,
      agent: AGENT,
      ...(credential === undefined ? {} : { credential }),
      setVersion: () => feeds.version,
      feedKeyOf: feedKeyOfNamespace,
      versionOf: key => feeds.versionOf(key),
      share: (channel, key) => this.#isShared(channel, key),
      isSelective: () => this.#caller.rules.share !== undefined,
      isAdmin: (author, record) => this.#caller.askNow('admin', { author, record }, false)
    })
    const startMs = Date.now() - performance.now()
    const driver = new Driver({
      core: this.#core,
      feeds,
      nowMs: () => startMs + performance.now(),
      onmatter: effect => this.#onMatter(effect),
      onwarning: error => emit(to => to.emit('warning', error))
    })
    this.#driver = driver
    driver.feed({ type: 'replayed', records: [...feeds.records.list()] })
    this.#bridge = new FeedsBridge(feeds, {
      feed: input => driver.feed(input),
      onfeed: (feed, meta) => emit(to => to.emit('feed', feed, meta)),
      onrevoke: (key, reason) => emit(to => to.emit('revoke', key, reason)),
      onprogress: progress => emit(to => to.emit('progress', progress)),
      onwarning: error => emit(to => to.emit('warning', error))
    })
    this.#bridge.start()
    this.#joinRecords(gossip)
    this.#connections.open({ core: this.#core, driver, gossip })
  }

  #joinRecords(gossip: Gossip): void {
    const author = this.#author as Uint8Array
    // Records are published by their author; a gossip with another author leaves them to the comparison of sets.
    if (hexOf(gossip.publicKey) !== hexOf(author)) return
    const core = this.#core as PartyCore
    this.#records = new RecordGossip(gossip, {
      topicKey: this.#options.partyKeys.recordsTopicKey(),
      admit: peer => this.isLive(peer),
      isRecordOf: (bytes, by) => core.isRecordOf(bytes, by),
      onrecord: (record, from) => {
        this.#driver?.feed({ type: 'gossiped', record, channel: this.#table.channelOf(from) })
      },
      onwarning: error => this.#options.emit(party => party.emit('warning', error))
    })
    this.topics.add(this.#records.topic)
  }

  /** See `Party.attach`. */
  attach(stream: DuplexLike, options: { initiator?: boolean }): PartyPeer {
    return this.#connections.attach(stream, options)
  }

  #isShared(channel: number, key: Uint8Array): boolean {
    const peer = this.#table.get(channel)
    if (peer === null) return false
    if (this.#caller.rules.share === undefined) return true
    const meta = this.#options.party.feeds.meta(key)
    return this.#caller.askNow('share', { feed: { key, meta }, peer }, true)
  }

  /** Has this peer of the gossip a LIVE channel here, now or before a handshake would be over? */
  isLive(peer: Peer): boolean | Promise<boolean> {
    return this.#table.whenLive(peer, this.#options.limits.handshakeDeadlineMs)
  }

  #onMatter(effect: PartyMatter): void {
    const { emit } = this.#options
    switch (effect.type) {
      case 'channelDown': {
        const peer = this.#table.get(effect.channel)
        this.#table.apply(effect)
        if (peer !== null && this.#table.channelOf(peer) === null) this.topics.dismiss(peer.remotePublicKey)
        return
      }
      case 'peerAdd':
      case 'peerJoin':
      case 'live':
      case 'peerRemove':
        this.#table.apply(effect)
        return
      case 'ask':
        return void answerQuestion(
          {
            party: this.#options.party,
            caller: this.#caller,
            limits: this.#options.limits,
            peer: channel => this.#table.get(channel),
            answer: (question, answer) => this.#driver?.feed({ type: 'answer', question, answer })
          },
          effect
        )
      case 'ephemeral':
        return void this.#onEphemeral(effect)
      case 'publish':
        this.#records?.publish(effect.record)
        return
      case 'introduction':
        this.#onIntroduction(effect)
        return
      case 'introductionDone': {
        const introduction = this.#introductions.get(effect.introduction)
        this.#introductions.delete(effect.introduction)
        if (introduction !== undefined) introduction.current = effect.state
        return
      }
      case 'reject':
        emit(to => to.emit('reject', { key: effect.key, author: effect.author, reason: effect.reason }))
        return
      case 'warning':
        emit(to => to.emit('warning', new PartyError(effect.code, effect.detail)))
        return
    }
  }

  async #onEphemeral(effect: PartyMatter & { type: 'ephemeral' }): Promise<void> {
    await null // the app's code never runs inside a guard of the transport
    const peer = this.#table.get(effect.channel)
    if (peer === null) return
    try {
      const message = { type: effect.typeName, value: decodeValue(effect.value) }
      await this.#caller.ask('onEphemeralMessage', { peer, message })
    } catch (fault) {
      const text = 'an ephemeral message could not be decoded'
      this.#options.emit(party =>
        party.emit('warning', new PartyError('WARN_PARTY_CHANNEL_CLOSED', text, { cause: fault }))
      )
    }
  }

  #onIntroduction({ introduction: info }: PartyMatter & { type: 'introduction' }): void {
    if (this.#introductions.has(info.id)) return
    const via = this.#table.get(info.channel)
    const introduction = new PartyIntroduction(info, {
      meta: decodeMeta(info.meta),
      via,
      host: {
        accept: (id, key) => this.#accept(id, key),
        reject: (id, reason) => {
          void this.#job(job => ({ type: 'decide', introduction: id, accept: false, reason, job })).catch(
            () => {}
          )
        }
      }
    })
    this.#introductions.set(info.id, introduction)
    this.#options.emit(party => party.emit('introduction', introduction))
    for (const queue of this.#queues) queue.push(introduction)
  }

  async #accept(id: number, key: Uint8Array): Promise<Feed> {
    await this.#job(job => ({ type: 'decide', introduction: id, accept: true, reason: '', job }))
    const feed = this.#options.party.feeds.get(key)
    if (feed === null) throw new PartyError('ERR_PARTY_REVOKED', 'the feed is revoked')
    return feed
  }

  #own(
    key: Uint8Array,
    about: { type: string; keys: readonly Uint8Array[]; meta?: FeedMeta | undefined }
  ): OwnIntroduction {
    const { party, limits, partyKeys } = this.#options
    const crypto = this.#crypto as CryptoPort
    const author = this.#author as Uint8Array
    return {
      keys: about.keys,
      type: about.type,
      // What the set notes about its feeds stays here: only what the app says to the party is told.
      meta: encodeValue(about.meta, limits.maxMetaBytes),
      expires: 0,
      origin: originOf(party.feeds, key, { author, crypto, keys: partyKeys })
    }
  }

  /** See `Party.introduce`. */
  async introduce(bundles: readonly KeyBundle[], meta: FeedMeta | undefined): Promise<void> {
    const { feeds } = this.#options.party
    const missing = bundles.flatMap(bundle => bundle.keys).filter(key => !feeds.has(key))
    await Promise.all(missing.map(key => feeds.authorize(key, meta)))
    const introductions = bundles.map(({ type, keys }) =>
      this.#own(keys[0] as Uint8Array, { type, keys, meta })
    )
    await this.#job(job => ({ type: 'introduce', introductions, job }))
  }

  async withdraw(keys: readonly Uint8Array[]): Promise<void> {
    await this.#job(job => ({ type: 'withdraw', keys, job }))
  }

  async revoke(key: Uint8Array, { purge = false, reason = '' }: RevokeOptions): Promise<void> {
    await this.#job(job => ({ type: 'revoke', key, cutoff: null, purge, reason, job }))
  }

  introductions(signal: AbortSignalLike | undefined): IntroductionQueue {
    const queue = new IntroductionQueue(this.#introductions.values(), {
      max: this.#options.limits.maxPending,
      signal,
      onend: ended => this.#queues.delete(ended)
    })
    if (this.#isClosed) queue.end()
    else this.#queues.add(queue)
    return queue
  }

  /** Introductions that wait for the app. */
  pending(): Introduction[] {
    return [...this.#introductions.values()]
  }

  setRules(rules: PartyRules): void {
    this.#caller.rules = rules
    this.#driver?.feed({ type: 'setRules' })
  }

  async synced(options: JobOptions): Promise<SyncedResult> {
    const result = await this.#call(call => ({ type: 'sync', call }), options)
    if (!result.ok) throw new PartyError(result.code, result.message)
    return 'blocks' in result ? { feeds: result.feeds, blocks: result.blocks } : { feeds: 0, blocks: 0 }
  }

  #call(make: (call: number) => PartyInput, options: JobOptions): Promise<CallResult> {
    const driver = this.#driverOrThrow()
    const oncancel = (call: number): void => driver.feed({ type: 'cancelCall', call })
    const { job, promise } = driver.calls.open({ ...options, oncancel })
    this.#feedJob(driver, make(job), fault => driver.calls.reject(job, fault))
    return promise
  }

  #job(make: (job: number) => PartyInput): Promise<JobOutcome> {
    const driver = this.#driverOrThrow()
    const { job, promise } = driver.jobs.open()
    this.#feedJob(driver, make(job), fault => driver.jobs.reject(job, fault))
    return promise
  }

  // The core signs while it steps, and tells what is too large by throwing: before anything was changed.
  #feedJob(driver: Driver, input: PartyInput, refuse: (fault: unknown) => void): void {
    try {
      driver.feed(input)
    } catch (fault) {
      refuse(fault)
    }
  }

  #driverOrThrow(): Driver {
    if (this.#driver === null || this.#isClosed)
      throw new PartyError('ERR_PARTY_CLOSED', 'the party is closed')
    return this.#driver
  }

  /** Says goodbye to all peers and ends what is ours. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#driver?.feed({ type: 'close' })
    this.#caller.close()
    this.#table.close()
    this.#bridge?.stop()
    for (const queue of [...this.#queues]) queue.end()
    const { closeDeadlineMs } = this.#options.limits
    await Promise.all([
      this.#connections.close(),
      within(this.#records?.leave() ?? Promise.resolve(), closeDeadlineMs, undefined)
    ])
    this.#driver?.stop()
  }
}
