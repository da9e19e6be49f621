/**
 * The working half of a Party: connections, peers, and what the core wants to be done with app, rules and gossip.
 */
import { type FeedProgress, type FeedSet, feedKeyOfNamespace } from '@hearsay/feeds'
import { cryptoFor, type Gossip, type Peer } from '@hearsay/gossip'
import type { CryptoPort } from '@hearsay/gossip/core'
import type { PartyKeys } from '../core/keys.js'
import { PartyCore } from '../core/party-core.js'
import type { CallResult, HeldInvite, PartyInput } from '../core/types.js'
import { PartyError } from '../errors.js'
import { hexOf } from '../key.js'
import type { Limits } from '../limits.js'
import type {
  DuplexLike,
  Genesis,
  KeyPair,
  PartyPeer,
  PartyProgress,
  PartyRules,
  RevokeOptions,
  SyncedResult
} from '../types.js'
import { RuleCaller } from './ask-rules.js'
import { Bundles } from './bundles.js'
import { Connections, type SharedOptions } from './connections.js'
import { Driver, type JobOutcome, type PartyMatter } from './driver.js'
import { FeedsBridge } from './feeds-bridge.js'
import { IntroductionTable } from './introduction-table.js'
import type { JobOptions } from './jobs.js'
import { MemberFacts } from './member-facts.js'
import { MemberTopics } from './member-topics.js'
import { OwnIntroductions } from './own-introductions.js'
import type { Party } from './party.js'
import { partyProgress } from './party-progress.js'
import { PeerTable } from './peer-table.js'
import { answerQuestion } from './questions.js'
import { RecordGossip } from './record-gossip.js'
import { decodeMeta, decodeValue } from './values.js'
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
  invite: HeldInvite | undefined
  shared: SharedOptions
  /** Tells the app, in a later microtask and in order. */
  emit(tell: (party: Party) => void): void
}

/** See the head of this file. */
export class Membership {
  /** The gossip topics whose peers are this party's. */
  readonly topics = new MemberTopics()
  /** Introductions that wait for the app. */
  readonly introductions: IntroductionTable
  /** Admissions, removals and authorizations of ours. */
  readonly facts: MemberFacts
  /** What we introduce. */
  readonly own: OwnIntroductions
  /** Structures of several feeds. */
  readonly bundles: Bundles
  readonly #table: PeerTable
  readonly #options: MembershipOptions
  readonly #caller: RuleCaller
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
    const warn = (error: Error): void => options.emit(to => to.emit('warning', error))
    this.introductions = new IntroductionTable({
      maxPending: limits.maxPending,
      peer: channel => this.#table.get(channel),
      job: make => this.#job(make),
      feed: key => party.feeds.get(key),
      tell: introduction => options.emit(to => to.emit('introduction', introduction))
    })
    this.facts = new MemberFacts({
      core: () => this.#core,
      author: () => this.#author ?? new Uint8Array(0),
      channelOf: peer => this.#table.channelFor(peer),
      warn,
      job: make => this.#job(make)
    })
    this.own = new OwnIntroductions({
      feeds: party.feeds,
      keys: partyKeys,
      limits,
      identity: () => ({ author: this.#author as Uint8Array, crypto: this.#crypto as CryptoPort }),
      introduce: introductions => this.#job(job => ({ type: 'introduce', introductions, job })),
      withdraw: keys => this.#job(job => ({ type: 'withdraw', keys, job })),
      onwarning: warn
    })
    this.bundles = new Bundles({
      feeds: party.feeds,
      timeoutMs: limits.bundleTimeoutMs,
      crypto: () => this.#crypto as CryptoPort,
      onbundle: bundle => options.emit(to => to.emit('bundle', bundle)),
      onwarning: warn
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
        own: (key, about) => this.own.of(key, about)
      },
      isShared: (channel, key) => this.#isShared(channel, key),
      shared: options.shared,
      warn
    })
  }

  /** What the set knows of a feed, and what the peers say of it. */
  progressOf(progress: FeedProgress): PartyProgress {
    return partyProgress(progress, {
      claimsOf: key => this.#core?.claimsOf(key) ?? [],
      peerOf: channel => this.#table.get(channel)
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
    const { limits, party, genesis, credential, invite, shared, emit } = this.#options
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
      ...(invite === undefined ? {} : { invite }),
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
      keepGenesis: shared.keepGenesis,
      onmatter: effect => this.#onMatter(effect),
      maxBytesPerFeed: () => this.#caller.rules.maxBytesPerFeed,
      onwarning: error => emit(to => to.emit('warning', error))
    })
    this.#driver = driver
    driver.feed({ type: 'replayed', records: [...feeds.records.list()] })
    this.#bridge = new FeedsBridge(feeds, {
      feed: input => driver.feed(input),
      onfeed: (feed, meta) => emit(to => to.emit('feed', feed, meta)),
      onrevoke: (key, reason) => {
        emit(to => to.emit('revoke', key, reason))
        this.bundles.revoked(key)
      },
      onprogress: progress => emit(to => to.emit('progress', this.progressOf(progress))),
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
        this.facts.redeemed(effect.channel)
        this.#table.apply(effect)
        if (peer !== null && this.#table.channelOf(peer) === null) this.topics.dismiss(peer.remotePublicKey)
        return
      }
      case 'peerAdd':
      case 'peerJoin':
      case 'live':
      case 'peerRemove':
        this.#table.apply(effect)
        if (effect.type === 'live') this.#connections.onLive(effect.channel)
        return
      case 'ask':
        return void answerQuestion(
          {
            party: this.#options.party,
            caller: this.#caller,
            limits: this.#options.limits,
            peer: channel => this.#table.get(channel),
            bundleOf: introductions => this.bundles.knownOf(introductions),
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
        this.introductions.add(effect.introduction)
        return
      case 'introductionDone':
        this.introductions.done(effect.introduction, effect.state)
        return
      case 'bundle':
        this.bundles.held(effect.slotId, effect.bundle, decodeMeta(effect.meta))
        return
      case 'reject':
        emit(to => to.emit('reject', { key: effect.key, author: effect.author, reason: effect.reason }))
        return
      case 'members':
      case 'redeemed':
      case 'inviteFailed':
        this.facts.apply(effect)
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

  async revoke(key: Uint8Array, { purge = false, cutoff, reason = '' }: RevokeOptions): Promise<void> {
    await this.#job(job => ({ type: 'revoke', key, cutoff: cutoff ?? null, purge, reason, job }))
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
    this.facts.close()
    this.own.close()
    this.bundles.close()
    this.#table.close()
    this.#bridge?.stop()
    this.introductions.close()
    const { closeDeadlineMs } = this.#options.limits
    await Promise.all([
      this.#connections.close(),
      within(this.#records?.leave() ?? Promise.resolve(), closeDeadlineMs, undefined)
    ])
    this.#driver?.stop()
  }
}
