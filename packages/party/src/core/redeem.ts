/**
 * Invites are redeemed: who made an invite, or an admin, admits the newcomer that holds it. Its own half is in newcomer.ts.
 *
 *   newcomer --REQUEST sys/redeem: invite fixed(32) ‖ signature fixed(64) ‖ credential rest--> one peer after another
 *            <--RESPONSE: credential: the newcomer's chain from the genesis down-----------  admission written: one use
 *            <--ERROR: ERR_PARTY_NOT_AUTHORIZED (ask somebody else), _INVITE_USED, _INVITE_INVALID, _BUSY, _STORAGE
 *
 * The credential is empty, or the chain that another peer has given meanwhile: then no use is counted.
 *
 * Invariants: 1. a use is written before it is answered, and counts from before it is written, so that two who come at
 * once don't share the last one. 2. The same author redeems an invite once, however often it asks. 3. Each Noise key has
 * `redeemTriesPerMinute`; the signature is bound to author and connection.
 */
import { TokenBucket } from '@hearsay/gossip/core'
import { hexOf } from '../key.js'
import { copyOf, Reader } from './bytes.js'
import { decodeCredential } from './credential.js'
import type { Facts } from './facts.js'
import { InviteUses } from './invite-uses.js'
import type { AdmitRecord } from './members.js'
import { type Messages, REDEEM } from './messages.js'
import type { OwnFacts } from './own-facts.js'
import type { ChannelState, CoreState } from './state.js'
import type { ChannelId } from './types.js'

const KEY_BYTES = 32
const SIGNATURE_BYTES = 64
const SECONDS_PER_MINUTE = 60

/** A use that is being written. */
interface Writing {
  readonly channel: ChannelId
  readonly call: number
  readonly author: Uint8Array
  readonly inviteId: string
}

/** The machines that it needs. */
export interface RedeemParts {
  facts: Facts
  ownFacts: OwnFacts
  messages: Messages
  /** Writes a record of ours. */
  log(record: AdmitRecord, job: number): void
}

/** See the head of this file. */
export class Redeem {
  readonly #state: CoreState
  readonly #parts: RedeemParts
  readonly #uses: InviteUses
  readonly #tries = new Map<string, TokenBucket>()
  readonly #writing = new Map<number, Writing>()

  constructor(state: CoreState, parts: RedeemParts) {
    this.#state = state
    this.#parts = parts
    this.#uses = new InviteUses(state.authorId, state.limits.maxAdmissions)
    state.onHeld(record => this.#uses.note(record))
    parts.messages.onRedeem((from, frame) => this.requested(from, frame))
  }

  /** Is this the author of a peer that holds an invite, and is no member yet? */
  isNewcomer(state: ChannelState): boolean {
    const records = decodeCredential(state.channel.credential)
    const isAlone = records.length === 1 && records[0]?.body.kind === 'genesis'
    return isAlone && this.#state.members.capabilitiesOf(state.channel.authorId) === 0
  }

  /** REQUEST sys/redeem. */
  requested(state: ChannelState, frame: { call: number; value: Uint8Array }): void {
    const { channel } = state
    const author = channel.author as Uint8Array
    const reader = new Reader(frame.value)
    const invite = copyOf(reader.fixed(KEY_BYTES))
    const signature = reader.fixed(SIGNATURE_BYTES)
    const credential = reader.rest()
    const code = this.#refusal(state, { invite, signature, isGood: reader.isGood })
    if (code !== null) {
      this.#answer(channel.id, frame.call, code)
      return
    }
    this.#parts.facts.present(decodeCredential(credential), state)
    this.#state.settle()
    if (this.#state.members.capabilitiesOf(channel.authorId) > 0) this.#answer(channel.id, frame.call, null)
    else this.#admit({ channel: channel.id, call: frame.call, author, inviteId: hexOf(invite) })
  }

  #refusal(
    state: ChannelState,
    about: { invite: Uint8Array; signature: Uint8Array; isGood: boolean }
  ): string | null {
    const { options, keys, members } = this.#state
    if (!this.#mayTry(state)) return 'ERR_PARTY_BUSY'
    const { channel } = state
    const message = keys.redeemMessage(channel.author as Uint8Array, channel.binding.handshakeHash)
    const isSigned = about.isGood && options.crypto.verify(about.signature, message, about.invite)
    if (!isSigned) return 'ERR_PARTY_INVITE_INVALID'
    const isOut = members.removalOf(channel.authorId) > 0 && members.capabilitiesOf(channel.authorId) === 0
    return isOut ? 'ERR_PARTY_NOT_AUTHORIZED' : null
  }

  #mayTry({ channel }: ChannelState): boolean {
    const { redeemTriesPerMinute, maxRememberedPeers } = this.#state.limits
    const id = hexOf(channel.binding.remotePublicKey)
    const tries =
      this.#tries.get(id) ?? new TokenBucket(redeemTriesPerMinute / SECONDS_PER_MINUTE, redeemTriesPerMinute)
    this.#tries.delete(id)
    this.#tries.set(id, tries)
    const oldest = this.#tries.keys().next().value
    if (this.#tries.size > maxRememberedPeers && oldest !== undefined) this.#tries.delete(oldest)
    return tries.take(1, this.#state.nowMs)
  }

  #admit(about: Writing): void {
    const { members, authorId } = this.#state
    const { inviteId, author } = about
    const isOfficer = members.isAdmin(authorId)
    const mine = members
      .invites(inviteId)
      .map(chain => chain.at(-1) as AdmitRecord)
      .find(({ author: issuer }) => isOfficer || hexOf(issuer) === authorId)
    if (mine === undefined) {
      const isRecalled = members.isRemoved(inviteId)
      this.#answer(
        about.channel,
        about.call,
        isRecalled ? 'ERR_PARTY_INVITE_INVALID' : 'ERR_PARTY_NOT_AUTHORIZED'
      )
      return
    }
    const { capabilities, depth, uses } = mine.body
    const issuerId = hexOf(mine.author)
    const isCounted = (byId: string): boolean =>
      byId === issuerId || byId === authorId || members.isAdmin(byId)
    const used = this.#uses.subjects(inviteId, isCounted)
    if (uses > 0 && !used.has(hexOf(author)) && used.size >= uses) {
      this.#answer(about.channel, about.call, 'ERR_PARTY_INVITE_USED')
      return
    }
    const admission = { subject: author, capabilities, depth, expires: 0, uses: 1, via: mine.body.subject }
    const record = this.#parts.ownFacts.admission(admission)
    if (record === null) {
      this.#answer(about.channel, about.call, 'ERR_PARTY_NOT_AUTHORIZED')
      return
    }
    this.#uses.use(inviteId, hexOf(author), authorId)
    const job = this.#state.newJob()
    this.#writing.set(job, about)
    this.#parts.log(record, job)
  }

  /** An admission of ours was written, or not. */
  logged(job: number, code: string | null): void {
    const writing = this.#writing.get(job)
    if (writing === undefined) return
    this.#writing.delete(job)
    if (code !== null) this.#uses.unuse(writing.inviteId, hexOf(writing.author), this.#state.authorId)
    this.#answer(writing.channel, writing.call, code)
  }

  #answer(channel: ChannelId, call: number, code: string | null): void {
    const state = this.#state.channels.get(channel)
    if (state === undefined) return
    const chain = code === null ? this.#parts.facts.chainOf(state.channel.author as Uint8Array) : null
    const failure = code ?? (chain === null ? 'ERR_PARTY_NOT_AUTHORIZED' : null)
    if (failure === null) state.channel.isNewcomer = false
    const answer =
      chain === null
        ? ({ about: 'request', ok: false, code: failure ?? '', message: messageOf(failure) } as const)
        : ({ about: 'request', ok: true, typeName: REDEEM, value: chain } as const)
    this.#parts.messages.reply({ channel, call }, answer)
    this.#state.emit({ type: 'redeemed', channel, code: failure })
  }
}

function messageOf(code: string | null): string {
  switch (code) {
    case 'ERR_PARTY_INVITE_USED':
      return 'the invite was redeemed as often as it may be'
    case 'ERR_PARTY_INVITE_INVALID':
      return 'the invite is not valid, or was recalled'
    case 'ERR_PARTY_BUSY':
      return 'too many tries'
    case 'ERR_PARTY_NOT_AUTHORIZED':
      return 'this member cannot redeem the invite'
    default:
      return 'the admission could not be written'
  }
}
