/**
 * The protocol of a party, sans I/O: who is a peer, whose records count, what is introduced, accepted, granted, denied.
 *
 *   step(input, nowMs) -> effects
 *
 * It composes one machine per concept, each with its own drawing and invariants:
 *   connect (with channel) proof, author, rules, LIVE      compare   denials before rules, records and lengths at LIVE
 *   judge (with introductions, deny) records of others     announce  records of our own, and passing on
 *   lengths  who holds how much, grants, wants             messages  requests and ephemeral messages
 *   sync     one-shot synced()
 *
 * Invariants, checked by a random-input test after every step: 1. `grant` names only feeds of the set, on channels in
 * which both sides have spoken. 2. `authorize` comes only from an acceptance of an introduction that is still pending and
 * not denied. 3. Each peer that was added is removed once; each call is settled once. 4. Before our READY no frame of
 * ours holds a feed key. 5. All tables are within their bounds.
 */
import type { ConnectionBinding } from '@hearsay/gossip/core'
import b4a from 'b4a'
import type { Genesis } from '../types.js'
import { Announce } from './announce.js'
import { AppInputs } from './app-inputs.js'
import { Compare } from './compare.js'
import { Connect } from './connect.js'
import { decodeCredential } from './credential.js'
import { Denials } from './deny.js'
import { Expiries } from './expiries.js'
import { Facts } from './facts.js'
import { Judge } from './judge.js'
import { Lengths } from './lengths.js'
import { Messages } from './messages.js'
import { Newcomer } from './newcomer.js'
import { OwnFacts } from './own-facts.js'
import { Receive } from './receive.js'
import { checkOrigin, decodeRecord, type IntroduceBody, type PartyRecord, signRecord } from './records.js'
import { Redeem } from './redeem.js'
import { CoreState } from './state.js'
import { type PeerClaim, Sync } from './sync.js'
import type { Answer, PartyCoreOptions, PartyEffect, PartyInput } from './types.js'
import { Verdicts } from './verdicts.js'

/** Core of one party. */
export class PartyCore {
  readonly #state: CoreState
  readonly #lengths: Lengths
  readonly #denials: Denials
  readonly #announce: Announce
  readonly #judge: Judge
  readonly #verdicts: Verdicts
  readonly #messages: Messages
  readonly #compare: Compare
  readonly #connect: Connect
  readonly #sync: Sync
  readonly #receive: Receive
  readonly #appInputs: AppInputs
  readonly #facts: Facts
  readonly #ownFacts: OwnFacts
  readonly #redeem: Redeem
  readonly #newcomer: Newcomer
  readonly #expiries: Expiries
  #wakeAtMs = Number.POSITIVE_INFINITY

  constructor(options: PartyCoreOptions) {
    const state = new CoreState(options)
    this.#state = state
    this.#lengths = new Lengths(state)
    this.#denials = new Denials(state)
    this.#announce = new Announce(state, this.#lengths)
    this.#expiries = new Expiries(state, this.#denials)
    this.#verdicts = new Verdicts(state, {
      denials: this.#denials,
      announce: this.#announce,
      expiries: this.#expiries
    })
    this.#facts = new Facts(state, {
      announce: this.#announce,
      denials: this.#denials,
      verdicts: this.#verdicts
    })
    this.#judge = new Judge(state, {
      denials: this.#denials,
      announce: this.#announce,
      verdicts: this.#verdicts,
      facts: this.#facts
    })
    this.#facts.onJudgeable(records => this.#judge.receive(records, { from: null, how: 'pulled', call: 0 }))
    state.onSettle(() => this.#facts.settle())
    this.#messages = new Messages(state)
    this.#ownFacts = new OwnFacts(state, {
      announce: this.#announce,
      denials: this.#denials,
      expiries: this.#expiries,
      facts: this.#facts
    })
    this.#newcomer = new Newcomer(state, { facts: this.#facts, messages: this.#messages })
    this.#redeem = new Redeem(state, {
      facts: this.#facts,
      ownFacts: this.#ownFacts,
      messages: this.#messages,
      log: (record, job) => this.#announce.log([record], job)
    })
    this.#compare = new Compare(state, this.#lengths, {
      factsDone: channel => this.#connect.factsDone(channel),
      records: (from, records, isPushed) =>
        this.#judge.receive(records, { from, how: isPushed ? 'pushed' : 'pulled', call: 0 })
    })
    this.#connect = new Connect(state, {
      compare: this.#compare,
      verdicts: this.#verdicts,
      lengths: this.#lengths,
      messages: this.#messages,
      announce: this.#announce,
      facts: this.#facts,
      newcomer: this.#newcomer,
      redeem: this.#redeem
    })
    this.#sync = new Sync(state, this.#compare, this.#lengths)
    this.#appInputs = new AppInputs(state, {
      announce: this.#announce,
      compare: this.#compare,
      connect: this.#connect,
      denials: this.#denials,
      judge: this.#judge,
      lengths: this.#lengths,
      messages: this.#messages,
      ownFacts: this.#ownFacts,
      sync: this.#sync,
      verdicts: this.#verdicts
    })
    this.#receive = new Receive(state, {
      announce: this.#announce,
      compare: this.#compare,
      connect: this.#connect,
      judge: this.#judge,
      lengths: this.#lengths,
      messages: this.#messages,
      sync: this.#sync
    })
    if (options.genesis) this.#addGenesis(options.genesis.founderPublicKey, options.genesis.salt)
  }

  /** Swarm topic of the party, 32 bytes. */
  get discoveryKey(): Uint8Array {
    return this.#state.keys.discoveryKey
  }

  /** Namespace of the party's own feed sets; never sent. 32 bytes. */
  get partyId(): Uint8Array {
    return this.#state.keys.partyId
  }

  /** Id of the party's channel on a connection, 32 bytes. */
  channelId(binding: Pick<ConnectionBinding, 'handshakeHash'>): Uint8Array {
    return this.#state.keys.channelId(binding.handshakeHash)
  }

  /** Our hello for a connection. */
  ownHello(binding: ConnectionBinding): Uint8Array {
    return this.#connect.hello(binding)
  }

  /** Is this record of `author`, well-formed and signed? For a validator of gossip, which asks before it forwards. */
  isRecordOf(bytes: Uint8Array, author: Uint8Array): boolean {
    const record = decodeRecord(bytes)
    if (!record.ok) return false
    return b4a.equals(record.value.author, author) && this.#state.book.isAuthentic(record.value)
  }

  /** Bits of `CAPABILITY` that the chains of this author give; those of the founder are all, of a stranger none. */
  capabilitiesOf(author: Uint8Array): number {
    return this.#state.members.capabilitiesOf(b4a.toString(author, 'hex'))
  }

  /** What each LIVE peer says that it holds of a feed of the set. */
  claimsOf(key: Uint8Array): PeerClaim[] {
    return this.#sync.claimsOf(b4a.toString(key, 'hex'))
  }

  /** Was this author removed, and not admitted again since? */
  isRemoved(author: Uint8Array): boolean {
    return this.#state.members.isRemoved(b4a.toString(author, 'hex'))
  }

  /** The credential of an author: its chain from the genesis down. Null: it has none. */
  chainOf(author: Uint8Array): Uint8Array | null {
    return this.#facts.chainOf(author)
  }

  /** Credential of an unlimited invite, for its link; null: no invite of this key counts, or its uses are counted. */
  chainOfInvite(invite: Uint8Array): Uint8Array | null {
    return this.#facts.chainOfInvite(b4a.toString(invite, 'hex'))
  }

  /** Is the peer of this channel no member yet, and holds an invite? */
  isNewcomer(channel: number): boolean {
    return this.#state.channels.get(channel)?.channel.isNewcomer ?? false
  }

  /** Who founded the party, as far as it is known here; null: nobody has proven it. */
  get genesis(): Genesis | null {
    return this.#facts.genesis
  }

  /** Sizes of the tables, for tests and for people who look. */
  counts(): Record<'channels' | 'feeds' | 'pending' | 'denials' | 'records' | 'unchecked', number> {
    const { channels, feeds, pending, book, unchecked } = this.#state
    return {
      channels: channels.size,
      feeds: feeds.size,
      pending: pending.size,
      denials: book.size(0),
      records: book.size(1),
      unchecked: unchecked.size
    }
  }

  /** Everything happens here. */
  step(input: PartyInput, nowMs: number): PartyEffect[] {
    this.#state.nowMs = Math.max(this.#state.nowMs, nowMs)
    this.#state.members.at(this.#state.nowMs)
    this.#take(input)
    this.#facts.settle()
    this.#lengths.flush(false)
    this.#sync.step()
    // The timer is spent, also if it came a little too early for anything to happen.
    if (input.type === 'tick') this.#wakeAtMs = Number.NaN
    this.#wake()
    return this.#state.takeEffects()
  }

  #wake(): void {
    const atMs = Math.min(
      this.#connect.nextDeadlineMs(),
      this.#compare.nextDeadlineMs(),
      this.#lengths.nextFlushMs(),
      this.#sync.nextDeadlineMs(),
      this.#state.pending.nextExpiryMs(),
      this.#expiries.nextMs(),
      this.#denials.nextMs(),
      this.#state.members.expiresAtMs,
      ...Array.from(this.#state.channels.values(), ({ channel }) => channel.calls.nextDeadlineMs())
    )
    if (atMs === this.#wakeAtMs) return
    this.#wakeAtMs = atMs
    this.#state.emit({ type: 'wake', atMs })
  }

  #take(input: PartyInput): void {
    switch (input.type) {
      case 'channelUp':
        this.#connect.up(input)
        return
      case 'frame':
        this.#receive.frame(input)
        return
      case 'channelDown':
        this.#sync.dropChannel(input.channel)
        this.#connect.down(input.channel, 'closed')
        return
      case 'blocked':
      case 'drained':
        this.#onFlow(input)
        return
      case 'tick':
        this.#onTick()
        return
      case 'answer':
        this.#onAnswer(input.question, input.answer)
        return
      case 'logged':
        this.#onLogged(input.job, input.code)
        return
      case 'replayed':
      case 'feedAdded':
      case 'feedRemoved':
      case 'feedLength':
        this.#onFeeds(input)
        return
      default:
        this.#appInputs.take(input)
        return
    }
  }

  #addGenesis(founder: Uint8Array, salt: Uint8Array): void {
    // The genesis is checked against the party key and needs no signature, so anybody can write the record.
    const signer = { author: founder, sign: () => new Uint8Array(0) }
    const record = signRecord(signer, this.#state.keys, { kind: 'genesis', salt })
    if (this.#state.book.isAuthentic(record)) this.#state.book.put(record)
  }

  #onFeeds(input: PartyInput & { type: 'replayed' | 'feedAdded' | 'feedRemoved' | 'feedLength' }): void {
    switch (input.type) {
      case 'replayed':
        for (const bytes of input.records) this.#replay(bytes)
        this.#presentOwn()
        this.#newcomer.start()
        return
      case 'feedAdded':
        this.#lengths.added(input.feed)
        this.#denials.entered(input.feed.key)
        return
      case 'feedRemoved': {
        const entry = this.#lengths.removed(b4a.toString(input.key, 'hex'))
        if (entry === null) return
        this.#expiries.removed(input.key)
        this.#verdicts.denied(entry.slotId)
        return
      }
      case 'feedLength':
        this.#lengths.changed(b4a.toString(input.key, 'hex'), input)
        return
    }
  }

  // A chain that was got out of band: from now on it is in the log, and in our BIND.
  #presentOwn(): void {
    const { credential } = this.#state.options
    if (credential !== undefined) this.#facts.present(decodeCredential(credential), null)
  }

  // Our own log is trusted, but for its signatures nothing would be lost by checking: they were checked before.
  #replay(bytes: Uint8Array): void {
    const record = decodeRecord(bytes)
    if (!record.ok) return
    const place = this.#state.book.placeOf(record.value)
    if (!this.#state.book.put(record.value, place)) return
    this.#expiries.replayed(place.slotId, record.value)
    if (record.value.body.kind !== 'introduce') return
    const introduce = record.value as PartyRecord<IntroduceBody>
    if (checkOrigin(this.#state.keys, introduce, this.#state.options.feedKeyOf) !== 'own') return
    const keyId = b4a.toString(introduce.body.keys[0] as Uint8Array, 'hex')
    this.#state.owners.set(keyId, b4a.toString(introduce.author, 'hex'))
  }

  #onFlow(input: PartyInput & { type: 'blocked' | 'drained' }): void {
    const state = this.#state.channels.get(input.channel)
    if (state === undefined) return
    state.channel.isBlocked = input.type === 'blocked'
    this.#compare.drain(state)
  }

  #onTick(): void {
    this.#connect.tick()
    this.#compare.tick()
    this.#verdicts.expire()
    this.#expiries.tick()
    this.#judge.tick()
    this.#messages.expire(call => this.#announce.forget(call))
  }

  #onAnswer(question: number, answer: Answer): void {
    switch (answer.about) {
      case 'handshake':
        this.#connect.ruled(question, answer.agreed, answer.reason)
        return
      case 'introduce':
        this.#verdicts.ruled(question, answer.verdict, answer.reason)
        return
      case 'request':
        this.#messages.handled(question, answer)
        return
    }
  }

  #onLogged(job: number, code: string | null): void {
    if (this.#verdicts.logged(job, code)) return
    if (this.#announce.logged(job, code)) {
      this.#redeem.logged(job, code)
      return
    }
    // A denial of ours is in force already; whoever asked for it wants to know that it is durable.
    if (job > 0) this.#state.emit({ type: 'done', job, code })
  }
}
