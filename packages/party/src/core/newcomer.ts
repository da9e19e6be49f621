/**
 * We hold an invite and are no member yet: how we become one. Who admits us is in redeem.ts.
 *
 *   NO MEMBER --the invite is unlimited: we sign our admission with its key------> MEMBER   nobody needs to be online
 *   NO MEMBER --uses are counted: a peer answers sys/redeem with our chain-------> MEMBER
 *   NO MEMBER --used, recalled, expired------------------------------------------> FAILED   told; a later answer may mend it
 *
 * Invariants: 1. one peer is asked at a time, else two of them would count a use each. 2. Who is no member of those that
 * may invite can't say that the invite is worthless. 3. Once we are a member the admission is in our log, and the invite
 * isn't used again.
 */
import { Writer } from './bytes.js'
import { decodeCredential } from './credential.js'
import type { Facts } from './facts.js'
import type { AdmitRecord } from './members.js'
import { type Messages, REDEEM } from './messages.js'
import { CAPABILITY, signRecord } from './records.js'
import type { ChannelState, CoreState } from './state.js'
import type { CallResult, CallToken, ChannelId, HeldInvite } from './types.js'

const SECOND_MS = 1000
const NO_CHAIN = new Uint8Array(0)
/** After these the invite admits nobody any more, whoever is asked. */
const FINAL: ReadonlySet<string> = new Set(['ERR_PARTY_INVITE_USED', 'ERR_PARTY_INVITE_INVALID'])

/** See the head of this file. */
export class Newcomer {
  readonly #state: CoreState
  readonly #facts: Facts
  readonly #messages: Messages
  /** Channels to which we said that we hold an invite, and didn't ask yet. */
  readonly #unasked = new Set<ChannelId>()
  #asked: { readonly call: CallToken; readonly authorId: string } | null = null
  #nextCall = -1

  constructor(state: CoreState, parts: { facts: Facts; messages: Messages }) {
    this.#state = state
    this.#facts = parts.facts
    this.#messages = parts.messages
    state.onOwnCall((call, result) => this.#settled(call, result))
  }

  /** The log is read: of an unlimited invite we make use here and now. */
  start(): void {
    const { invite } = this.#state.options
    if (invite === undefined || this.#isMember()) return
    if (this.#isExpired(invite)) {
      this.#state.emit({ type: 'inviteFailed', code: 'ERR_PARTY_INVITE_INVALID' })
      return
    }
    if (invite.chain.length === 0) return
    const chain = decodeCredential(invite.chain)
    const last = chain.at(-1)
    this.#facts.present(chain, null)
    if (last?.body.kind === 'admit') {
      this.#facts.present([this.#admitOurselves(invite, last as AdmitRecord)], null)
    }
    this.#state.settle()
    if (!this.#isMember()) this.#state.emit({ type: 'inviteFailed', code: 'ERR_PARTY_INVITE_INVALID' })
  }

  #admitOurselves(invite: HeldInvite, last: AdmitRecord): AdmitRecord {
    const { capabilities, depth, expiresSeconds } = last.body
    const signer = { author: invite.publicKey, sign: (digest: Uint8Array) => invite.sign(digest) }
    return signRecord(signer, this.#state.keys, {
      kind: 'admit',
      version: 1,
      subject: this.#state.options.author,
      capabilities,
      depth: Math.max(0, depth - 1),
      expiresSeconds,
      uses: 1,
      via: invite.publicKey
    })
  }

  #isExpired({ expires }: HeldInvite): boolean {
    return expires > 0 && expires * SECOND_MS <= this.#state.nowMs
  }

  #isMember(): boolean {
    return this.#state.members.capabilitiesOf(this.#state.authorId) > 0
  }

  /** What we say about ourselves in BIND, as long as we are no member: that we hold an invite. */
  credential(): Uint8Array | null {
    const { invite } = this.#state.options
    return invite === undefined || this.#isExpired(invite) ? null : this.#facts.genesisAlone()
  }

  /** A peer is in HANDSHAKE to whom we said so. */
  meet(state: ChannelState): void {
    if (!state.channel.hasSaidNewcomer) return
    this.#unasked.add(state.channel.id)
    this.#askNext()
  }

  #askNext(): void {
    const { invite, limits } = this.#state.options
    if (invite === undefined || this.#asked !== null) return
    for (const id of this.#unasked) {
      this.#unasked.delete(id)
      const state = this.#state.channels.get(id)
      if (state === undefined) continue
      const message = this.#state.keys.redeemMessage(
        this.#state.options.author,
        state.channel.binding.handshakeHash
      )
      const writer = new Writer().fixed(invite.publicKey).fixed(invite.sign(message))
      const known = this.#isMember() ? this.#facts.chainOf(this.#state.options.author) : null
      const value = writer.fixed(known ?? NO_CHAIN).finish()
      const call = this.#nextCall--
      this.#asked = { call, authorId: state.channel.authorId }
      this.#messages.request(state, {
        token: call,
        name: REDEEM,
        value,
        timeoutMs: limits.callTimeoutMs
      })
      return
    }
  }

  #settled(call: CallToken, result: CallResult): void {
    const asked = this.#asked
    if (asked === null || call !== asked.call) return
    this.#asked = null
    if (result.ok && 'value' in result) {
      this.#facts.present(decodeCredential(result.value), null)
      this.#state.settle()
    } else if (!result.ok && FINAL.has(result.code) && !this.#isMember() && this.#mayInvite(asked.authorId)) {
      this.#state.emit({ type: 'inviteFailed', code: result.code })
    }
    this.#askNext()
  }

  // Anybody who knows the party key can answer; of those who can't redeem it no answer is the last word.
  #mayInvite(authorId: string): boolean {
    const { admin, invite } = CAPABILITY
    return (this.#state.members.capabilitiesOf(authorId) & (admin | invite)) !== 0
  }
}
