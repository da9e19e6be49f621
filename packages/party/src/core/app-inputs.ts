/**
 * What the app wants of its party: introductions, facts, decisions, calls. Each goes to the machine that it concerns.
 */
import b4a from 'b4a'
import type { Announce } from './announce.js'
import type { Compare } from './compare.js'
import type { Connect } from './connect.js'
import type { Denials } from './deny.js'
import type { Judge } from './judge.js'
import type { Lengths } from './lengths.js'
import type { Messages } from './messages.js'
import type { OwnFacts } from './own-facts.js'
import { PeerCalls } from './peer-calls.js'
import type { ChannelState, CoreState } from './state.js'
import type { Sync } from './sync.js'
import type { CallToken, PartyInput } from './types.js'
import type { Verdicts } from './verdicts.js'

/** The machines that carry it out. */
export interface AppInputParts {
  announce: Announce
  compare: Compare
  connect: Connect
  denials: Denials
  judge: Judge
  lengths: Lengths
  messages: Messages
  ownFacts: OwnFacts
  sync: Sync
  verdicts: Verdicts
}

/** See the head of this file. */
export class AppInputs {
  readonly #state: CoreState
  readonly #parts: AppInputParts
  readonly #peerCalls: PeerCalls

  constructor(state: CoreState, parts: AppInputParts) {
    this.#state = state
    this.#parts = parts
    this.#peerCalls = new PeerCalls(state, parts)
  }

  /** Takes an input; one that concerns a single peer goes on to `PeerCalls`. */
  take(input: PartyInput): void {
    switch (input.type) {
      case 'introduce':
        this.#parts.announce.introduce(input.introductions, input.job)
        return
      case 'withdraw':
        this.#parts.announce.withdraw(input.keys, input.job)
        return
      case 'revoke':
        this.#onRevoke(input)
        return
      case 'remove':
        this.#parts.ownFacts.remove(input)
        return
      case 'admit':
        this.#parts.ownFacts.admit(input.admission, input.job)
        return
      case 'authorizeAll':
        this.#parts.ownFacts.authorize(input.authorization, input.job)
        return
      case 'decide':
        this.#parts.verdicts.decide(input.introduction, input.accept, input)
        return
      case 'setRules':
        this.#state.pending.reset()
        this.#state.book.forgetRefused()
        this.#parts.compare.restart()
        this.#parts.verdicts.pump()
        return
      case 'gossiped':
        this.#parts.judge.receive([input.record], {
          from: this.#channel(input.channel),
          how: 'gossip',
          call: 0
        })
        return
      case 'sync':
        this.#parts.sync.start(input.call)
        return
      case 'cancelCall':
        this.#onCancel(input.call)
        return
      case 'close':
        for (const id of [...this.#state.channels.keys()]) this.#parts.connect.close(id, 'shutdown')
        return
      default:
        this.#peerCalls.take(input)
        return
    }
  }

  #onRevoke(input: PartyInput & { type: 'revoke' }): void {
    const { key, job, cutoff, reason } = input
    const about = { cutoff, isPurge: input.purge, isCut: false, reason }
    this.#parts.announce.revoke(this.#parts.denials, { key, job, ...about })
    this.#parts.verdicts.denied(b4a.toString(this.#state.keys.feedSlot(key), 'hex'))
  }

  #onCancel(call: CallToken): void {
    this.#parts.sync.cancel(call)
    this.#parts.announce.forget(call)
    for (const { channel } of this.#state.channels.values()) channel.calls.cancel(call)
  }

  #channel(id: number | null): ChannelState | null {
    return id === null ? null : (this.#state.channels.get(id) ?? null)
  }
}
