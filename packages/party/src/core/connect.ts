/**
 * The life of a channel: proof, author, denials, rules, LIVE, end. The phases are drawn in channel.ts.
 *
 * Two connections to one member (Noise key and author) are one peer: the rules are asked once, 'peerAdd' and 'peerRemove'
 * come once, and a call goes to the newest of its channels that can take it.
 *
 * Invariants: 1. nothing of a channel is decoded before its hello was proven. 2. A peer is added after its author is
 * bound and the denials are compared, and before the rules are asked. 3. Each channel that was up goes down once, and all
 * that the remote made pending is freed then. 4. A Noise key that failed is refused for a time that doubles.
 */
import { TokenBucket } from '@hearsay/gossip/core'
import b4a from 'b4a'
import type { Announce } from './announce.js'
import { Channel } from './channel.js'
import type { Compare } from './compare.js'
import { decodeCredential } from './credential.js'
import type { Facts } from './facts.js'
import { decodeHello, encodeHello, PARTY_VERSION, type PartyFrame } from './frames.js'
import type { Lengths } from './lengths.js'
import type { Messages } from './messages.js'
import type { Newcomer } from './newcomer.js'
import type { Redeem } from './redeem.js'
import type { ChannelState, CoreState } from './state.js'
import type { ChannelDownReason, ChannelId, CloseReason, PartyInput } from './types.js'
import type { Verdicts } from './verdicts.js'

/** Claims kept of one peer beyond the feeds that we know. */
const UNKNOWN_CLAIMS_MAX = 1024
const SECOND_BURST = 2
/** Reasons after which the remote isn't told anything, or which have no number on the wire. */
const SILENT: ReadonlySet<ChannelDownReason> = new Set(['bad-proof', 'backoff', 'closed'])
/** What the remote did wrong: its Noise key is refused for a while. */
const PUNISHED: ReadonlySet<ChannelDownReason> = new Set([
  'bad-proof',
  'version',
  'malformed',
  'limit',
  'wrong-phase',
  'bad-binding',
  'timeout'
])

/** The member at the other end, over all its channels. */
interface Member {
  readonly id: string
  /** Channel by which it was added. */
  readonly first: ChannelId
  readonly channels: Set<ChannelId>
  readonly question: number
  isAgreed: boolean
}

/** What the other machines do at the turns of a channel's life. */
export interface ConnectParts {
  compare: Compare
  verdicts: Verdicts
  lengths: Lengths
  messages: Messages
  announce: Announce
  facts: Facts
  newcomer: Newcomer
  redeem: Redeem
}

/** Opens, advances and ends channels. */
export class Connect {
  readonly #state: CoreState
  readonly #parts: ConnectParts
  readonly #members = new Map<string, Member>()
  readonly #memberOf = new Map<ChannelId, Member>()
  readonly #backoff = new Map<string, { untilMs: number; lastMs: number }>()

  constructor(state: CoreState, parts: ConnectParts) {
    this.#state = state
    this.#parts = parts
    state.onClose((id, reason) => this.close(id, reason))
  }

  /** Our hello for a connection. */
  hello(binding: ChannelState['channel']['binding']): Uint8Array {
    return encodeHello({
      version: PARTY_VERSION,
      proof: this.#state.keys.proof(binding, 'own'),
      features: 0,
      maxFrameBytes: this.#state.limits.maxFrameBytes
    })
  }

  /** The remote opened the channel: proves it, or closes. */
  up(input: PartyInput & { type: 'channelUp' }): void {
    const { channel: id, binding } = input
    const remoteId = b4a.toString(binding.remotePublicKey, 'hex')
    const refusal = this.#refusal(input, remoteId)
    if (refusal !== null) {
      if (PUNISHED.has(refusal)) this.#punish(remoteId)
      if (refusal === 'bad-proof') this.#state.warn('WARN_PARTY_BAD_PROOF', id, refusal)
      if (refusal === 'version') {
        // The version is the first byte of every hello, whatever follows.
        const told = `the peer speaks version ${input.hello[0]}, we speak version ${PARTY_VERSION}`
        this.#state.warn('WARN_PARTY_VERSION', id, told)
      }
      this.#state.emit({ type: 'closeChannel', channel: id, reason: refusal })
      this.#state.emit({ type: 'channelDown', channel: id, reason: refusal })
      return
    }
    const state = this.#newState(input)
    this.#state.channels.set(id, state)
    this.#sendBind(state)
    this.#parts.compare.start(state, 0)
  }

  #refusal(input: PartyInput & { type: 'channelUp' }, remoteId: string): ChannelDownReason | null {
    const until = this.#backoff.get(remoteId)?.untilMs ?? 0
    if (until > this.#state.nowMs) return 'backoff'
    const hello = decodeHello(input.hello)
    if (!hello.ok) return 'bad-proof'
    if (hello.value.version !== PARTY_VERSION) return 'version'
    const expected = this.#state.keys.proof(input.binding, 'remote')
    return isEqual(expected, hello.value.proof) ? null : 'bad-proof'
  }

  #newState(input: PartyInput & { type: 'channelUp' }): ChannelState {
    const { limits, nowMs } = this.#state
    const { lengthsFramesPerSecond, ephemeralPerSecond, pushedRecordsPerSecond } = limits
    const channel = new Channel({
      id: input.channel,
      binding: input.binding,
      nowMs,
      times: limits,
      maxCalls: limits.maxCalls,
      maxClaims: Math.max(limits.maxFeeds, this.#state.feeds.size) + UNKNOWN_CLAIMS_MAX
    })
    return {
      channel,
      digests: [null, null, null],
      compared: [],
      bulk: [],
      pushes: new TokenBucket(pushedRecordsPerSecond, limits.maxPushedRecordsBurst),
      ephemerals: new TokenBucket(ephemeralPerSecond, ephemeralPerSecond * SECOND_BURST),
      lengthFrames: new TokenBucket(lengthsFramesPerSecond, lengthsFramesPerSecond * SECOND_BURST),
      points: 0,
      queued: [],
      told: null
    }
  }

  #sendBind(state: ChannelState): void {
    const { options, keys } = this.#state
    const own = options.credential ?? this.#parts.facts.chainOf(options.author)
    const asNewcomer = own === null ? this.#parts.newcomer.credential() : null
    state.channel.hasSaidNewcomer = asNewcomer !== null
    this.#state.send(state, {
      type: 'bind',
      author: options.author,
      signature: options.crypto.sign(keys.authorDigest(state.channel.binding, 'own')),
      setVersion: options.setVersion?.() ?? 0,
      agent: options.agent ?? '',
      credential: own ?? asNewcomer ?? new Uint8Array(0)
    })
  }

  /** BIND: is the author who it says it is, on this very connection? */
  bind(state: ChannelState, frame: PartyFrame & { type: 'bind' }): void {
    const { channel } = state
    const { keys, options } = this.#state
    const { binding } = channel
    const digest = keys.authorDigest(binding, 'remote')
    const isOurself = b4a.equals(binding.publicKey, binding.remotePublicKey)
    if (isOurself || !options.crypto.verify(frame.signature, digest, frame.author)) {
      this.#state.warn('WARN_PARTY_BAD_BINDING', channel.id, 'bad-binding')
      this.close(channel.id, 'bad-binding')
      return
    }
    channel.author = frame.author
    channel.authorId = b4a.toString(frame.author, 'hex')
    channel.credential = frame.credential
    channel.bound()
  }

  /** Set 0 is the same on both sides: the peer is added and the rules are asked, once per member. */
  factsDone(state: ChannelState): void {
    const { channel } = state
    if (!channel.factsDone(this.#state.nowMs) || channel.author === null) return
    this.#parts.facts.present(decodeCredential(channel.credential), state)
    this.#state.settle() // it may close this very channel
    if (this.#state.members.isRemoved(channel.authorId)) this.close(channel.id, 'removed')
    if (!this.#state.channels.has(channel.id)) return
    channel.isNewcomer = this.#parts.redeem.isNewcomer(state)
    this.#join(state, channel.author)
    this.#parts.newcomer.meet(state)
  }

  // The peer is added by its first channel; the others join it.
  #join(state: ChannelState, author: Uint8Array): void {
    const { channel } = state
    const id = b4a.toString(channel.binding.remotePublicKey, 'hex') + channel.authorId
    const known = this.#members.get(id)
    if (known !== undefined) {
      known.channels.add(channel.id)
      this.#memberOf.set(channel.id, known)
      this.#state.emit({ type: 'peerJoin', channel: channel.id, first: known.first, author })
      if (known.isAgreed) this.#agree(state)
      return
    }
    const question = this.#state.newQuestion()
    const member = { id, first: channel.id, channels: new Set([channel.id]), question, isAgreed: false }
    this.#members.set(id, member)
    this.#memberOf.set(channel.id, member)
    const { credential } = channel
    this.#state.emit({ type: 'peerAdd', channel: channel.id, author, credential })
    this.#state.emit({ type: 'ask', question, about: 'handshake', channel: channel.id })
  }

  /** The rules have judged a member. An answer that comes late or twice finds nothing to do. */
  ruled(question: number, agreed: boolean, reason: string): void {
    const member = Array.from(this.#members.values()).find(one => one.question === question)
    if (member === undefined || member.isAgreed) return
    if (agreed) member.isAgreed = true
    for (const id of [...member.channels]) {
      const state = this.#state.channels.get(id)
      if (state === undefined) continue
      if (agreed) this.#agree(state)
      else this.close(id, reason === 'ERR_PARTY_RULES_TIMEOUT' ? 'rules-timeout' : 'refused')
    }
  }

  #agree(state: ChannelState): void {
    const { channel } = state
    if (!channel.agreed()) return
    this.speak(state)
    const held = channel.takeHeld()
    this.#parts.compare.start(state, 1)
    this.#parts.compare.start(state, 2)
    for (const frame of held) this.#parts.compare.receive(state, frame)
    this.#enterLive(state)
  }

  /** Says READY, if it wasn't said: our rules agreed, or the app names a feed to the peer from within them. */
  speak(state: ChannelState): void {
    if (!state.channel.speak()) return
    this.#state.send(state, { type: 'ready' })
    this.#talk(state)
  }

  /** READY of the remote. */
  heard(state: ChannelState): void {
    state.channel.heard()
    this.#talk(state)
    this.#enterLive(state)
  }

  #talk(state: ChannelState): void {
    if (!state.channel.isTalking) return
    this.#parts.lengths.spoken(state)
    for (const send of state.queued.splice(0)) send()
  }

  #enterLive(state: ChannelState): void {
    if (!state.channel.enterLive()) return
    this.#state.emit({ type: 'live', channel: state.channel.id })
    this.#parts.lengths.live(state)
    this.#parts.compare.live(state)
  }

  /** Newest channel with the member of this one that can take a call; the channel itself if there is no other. */
  best(id: ChannelId): ChannelState | null {
    const member = this.#memberOf.get(id)
    let best = this.#state.channels.get(id) ?? null
    for (const other of member?.channels ?? []) {
      const state = this.#state.channels.get(other)
      if (state === undefined) continue
      const isBetter = best === null || (state.channel.isTalking && !best.channel.isTalking)
      const isNewer = best !== null && state.channel.isTalking && state.channel.id > best.channel.id
      if (isBetter || isNewer) best = state
    }
    return best
  }

  /** All channels with the member of this one. */
  siblings(id: ChannelId): ChannelId[] {
    return [...(this.#memberOf.get(id)?.channels ?? [id])]
  }

  /** Ends a channel, telling the remote why. */
  close(id: ChannelId, reason: ChannelDownReason): void {
    const state = this.#state.channels.get(id)
    if (state === undefined) return
    if (!SILENT.has(reason)) this.#state.send(state, { type: 'close', reason: wireReason(reason), text: '' })
    this.#state.emit({ type: 'closeChannel', channel: id, reason })
    if (PUNISHED.has(reason)) {
      this.#punish(b4a.toString(state.channel.binding.remotePublicKey, 'hex'))
      this.#state.warn('WARN_PARTY_CHANNEL_CLOSED', id, reason)
    }
    this.down(id, reason)
  }

  /** The channel is gone: frees everything of it. */
  down(id: ChannelId, reason: ChannelDownReason): void {
    const state = this.#state.channels.get(id)
    if (state === undefined) return
    this.#state.channels.delete(id)
    for (const call of state.channel.close()) {
      this.#parts.announce.forget(call)
      const message = 'the channel to the peer closed'
      this.#state.settleCall(call, { ok: false, code: 'ERR_PARTY_CLOSED', message })
    }
    this.#parts.messages.dropChannel(id)
    this.#parts.verdicts.dropChannel(id)
    this.#state.emit({ type: 'channelDown', channel: id, reason })
    const member = this.#memberOf.get(id)
    if (member === undefined) return
    this.#memberOf.delete(id)
    member.channels.delete(id)
    if (member.channels.size > 0) return
    this.#members.delete(member.id)
    this.#state.emit({ type: 'peerRemove', channel: member.first })
  }

  /** Closes what missed its deadline. */
  tick(): void {
    for (const [id, { channel }] of [...this.#state.channels]) {
      if (!channel.isLate(this.#state.nowMs)) continue
      this.close(id, channel.phase === 'handshake' && !channel.isAgreed ? 'rules-timeout' : 'timeout')
    }
  }

  /** Earliest deadline of a phase; Infinity without one. */
  nextDeadlineMs(): number {
    let earliest = Number.POSITIVE_INFINITY
    for (const { channel } of this.#state.channels.values()) earliest = Math.min(earliest, channel.deadlineMs)
    return earliest
  }

  #punish(remoteId: string): void {
    const { backoffMs, maxBackoffMs, maxRememberedPeers } = this.#state.limits
    const known = this.#backoff.get(remoteId)
    const lastMs = known === undefined ? backoffMs : Math.min(known.lastMs * 2, maxBackoffMs)
    this.#backoff.delete(remoteId)
    this.#backoff.set(remoteId, { untilMs: this.#state.nowMs + lastMs, lastMs })
    if (this.#backoff.size <= maxRememberedPeers) return
    const oldest = this.#backoff.keys().next().value
    if (oldest !== undefined) this.#backoff.delete(oldest)
  }
}

function wireReason(reason: ChannelDownReason): CloseReason {
  switch (reason) {
    case 'bad-proof':
    case 'backoff':
    case 'closed':
      return 'leaving'
    case 'timeout':
      return 'limit'
    default:
      return reason
  }
}

// Looks at every byte, so that the time says nothing about where the first difference is.
function isEqual(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  let difference = 0
  for (let i = 0; i < a.length; i++) difference |= (a[i] as number) ^ (b[i] as number)
  return difference === 0
}
