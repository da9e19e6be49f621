/**
 * What the app wants of one peer: calls, messages, grants, goodbye. They go to the newest channel that can take them.
 *
 * Invariant: each call and job is answered once, also when the peer is gone.
 */
import b4a from 'b4a'
import type { Announce } from './announce.js'
import type { Connect } from './connect.js'
import type { Lengths } from './lengths.js'
import type { Messages } from './messages.js'
import type { ChannelState, CoreState } from './state.js'
import type { CallToken, PartyInput } from './types.js'

/** Who carries them out. */
export interface PeerCallParts {
  connect: Connect
  messages: Messages
  announce: Announce
  lengths: Lengths
}

/** See the head of this file. */
export class PeerCalls {
  readonly #state: CoreState
  readonly #parts: PeerCallParts

  constructor(state: CoreState, parts: PeerCallParts) {
    this.#state = state
    this.#parts = parts
  }

  /** Takes an input that concerns one peer; others do nothing. */
  take(input: PartyInput): void {
    if (!('channel' in input) || input.channel === null) return
    const state = this.#parts.connect.best(input.channel)
    switch (input.type) {
      case 'call':
        if (state === null || state.channel.author === null) {
          this.#gone(input.call)
          return
        }
        this.#parts.messages.request(state, { token: input.call, name: input.typeName, ...input })
        return
      case 'introduceTo':
        if (state === null || !this.#mayName(state)) {
          this.#gone(input.call)
          return
        }
        this.#parts.announce.introduceTo(state, input.introductions, {
          token: input.call,
          timeoutMs: input.timeoutMs
        })
        return
      case 'ephemeral':
        if (state === null || state.channel.isBlocked) return
        this.#state.send(state, { type: 'ephemeral', name: input.typeName, value: input.value })
        return
      case 'replicate': {
        const isGone = state === null || !this.#mayName(state)
        const isNew = !isGone && this.#parts.lengths.replicate(state, input.key)
        this.#state.emit({ type: 'done', job: input.job, code: isGone ? 'ERR_PARTY_CLOSED' : null, isNew })
        return
      }
      case 'refused':
        this.#onRefused(input)
        return
      case 'closePeer':
        for (const id of this.#parts.connect.siblings(input.channel)) this.#parts.connect.close(id, 'leaving')
    }
  }

  // To name a feed to a peer is to agree to it: see channel.ts.
  #mayName(state: ChannelState): boolean {
    this.#parts.connect.speak(state)
    return state.channel.hasSpoken
  }

  #gone(call: CallToken): void {
    const message = 'the channel to the peer is closed'
    this.#state.emit({ type: 'settle', call, result: { ok: false, code: 'ERR_PARTY_CLOSED', message } })
  }

  #onRefused(input: PartyInput & { type: 'refused' }): void {
    const state = this.#state.channels.get(input.channel)
    if (state !== undefined) this.#parts.lengths.refused(state, b4a.toString(input.discoveryKey, 'hex'))
  }
}
