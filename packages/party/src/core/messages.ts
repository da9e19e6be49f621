/**
 * Requests, their answers, and ephemeral messages.
 *
 * A handler of the app is a question: its answer may come late, twice or never. Values are bytes here; the driver decodes
 * them outside of every guard.
 *
 * Invariants: 1. every call of ours is settled exactly once: answer, deadline, cancel, or the end of the channel. 2. An
 * answer of ours goes to the channel that asked, as long as that is open. 3. Open calls are bounded in both directions.
 */
import type { ChannelState, CoreState } from './state.js'
import type { Answer, CallToken, ChannelId } from './types.js'

/** Name of the one request that the protocol itself answers: see redeem.ts. */
export const REDEEM = 'sys/redeem'

/** Requests and messages of all channels. */
export class Messages {
  readonly #state: CoreState
  /** Requests of remotes that the app is answering, by question. */
  readonly #asked = new Map<number, { channel: ChannelId; call: number }>()
  #redeem: (state: ChannelState, frame: { call: number; value: Uint8Array }) => void = () => {}

  constructor(state: CoreState) {
    this.#state = state
  }

  /** Who redeems invites; set once. */
  onRedeem(redeem: (state: ChannelState, frame: { call: number; value: Uint8Array }) => void): void {
    this.#redeem = redeem
  }

  /** Sends a request of ours. */
  request(
    state: ChannelState,
    about: { token: CallToken; name: string; value: Uint8Array; timeoutMs: number }
  ): void {
    const { maxCalls } = this.#state.limits
    const { token, name, value, timeoutMs } = about
    if (state.channel.isBlocked) {
      this.#fail(token, 'ERR_PARTY_BUSY', 'the peer takes no more for now')
      return
    }
    const call = state.channel.calls.open(token, this.#state.nowMs + timeoutMs)
    if (call === null) {
      this.#fail(token, 'ERR_PARTY_BUSY', `${maxCalls} calls are open (maxCalls)`)
      return
    }
    this.#state.send(state, { type: 'request', call, name, value })
  }

  #fail(call: CallToken, code: string, message: string): void {
    this.#state.settleCall(call, { ok: false, code, message })
  }

  /** A request of the remote. */
  requested(state: ChannelState, frame: { call: number; name: string; value: Uint8Array }): void {
    const taken = state.channel.calls.take(frame.call)
    if (taken === 'stale') {
      this.#state.close(state.channel.id, 'malformed')
      return
    }
    if (taken === 'busy') {
      const message = `${this.#state.limits.maxCalls} calls are open (maxCalls)`
      this.#state.send(state, { type: 'error', call: frame.call, code: 'ERR_PARTY_BUSY', message })
      return
    }
    if (frame.name === REDEEM) {
      this.#redeem(state, frame)
      return
    }
    if (state.channel.isNewcomer && !state.channel.isAgreed) {
      const message = 'the invite is to be redeemed first'
      this.reply(
        { channel: state.channel.id, call: frame.call },
        { about: 'request', ok: false, code: 'ERR_PARTY_NOT_AUTHORIZED', message }
      )
      return
    }
    const question = this.#state.newQuestion()
    this.#asked.set(question, { channel: state.channel.id, call: frame.call })
    this.#state.emit({
      type: 'ask',
      question,
      about: 'request',
      channel: state.channel.id,
      typeName: frame.name,
      value: frame.value
    })
  }

  /** The app's handler answered. */
  handled(question: number, answer: Extract<Answer, { about: 'request' }>): void {
    const asked = this.#asked.get(question)
    if (asked === undefined) return
    this.#asked.delete(question)
    this.reply(asked, answer)
  }

  /** Answers a call of the remote, if it still waits. */
  reply(asked: { channel: ChannelId; call: number }, answer: Extract<Answer, { about: 'request' }>): void {
    const state = this.#state.channels.get(asked.channel)
    if (state === undefined || !state.channel.calls.reply(asked.call)) return
    const { call } = asked
    if (answer.ok)
      this.#state.send(state, { type: 'response', call, name: answer.typeName, value: answer.value })
    else this.#state.send(state, { type: 'error', call, code: answer.code, message: answer.message })
  }

  /** RESPONSE: a late or double one finds no call. */
  responded(state: ChannelState, frame: { call: number; name: string; value: Uint8Array }): void {
    const call = state.channel.calls.settle(frame.call)
    if (call === null) return
    this.#state.settleCall(call, { ok: true, typeName: frame.name, value: frame.value })
  }

  /** ERROR: as a RESPONSE. */
  failed(state: ChannelState, frame: { call: number; code: string; message: string }): void {
    const call = state.channel.calls.settle(frame.call)
    if (call !== null) this.#fail(call, frame.code, frame.message)
  }

  /** An ephemeral message of the remote. */
  ephemeral(state: ChannelState, frame: { name: string; value: Uint8Array }): void {
    const { channel } = state
    if (channel.isNewcomer && !channel.isAgreed) {
      this.#state.drop(channel.id, 'inadmissible')
      return
    }
    if (!state.ephemerals.take(1, this.#state.nowMs)) {
      this.#state.drop(channel.id, 'over-budget')
      return
    }
    this.#state.emit({ type: 'ephemeral', channel: channel.id, typeName: frame.name, value: frame.value })
  }

  /** Calls whose time is over. */
  expire(settled: (call: CallToken) => void): void {
    for (const { channel } of this.#state.channels.values()) {
      for (const call of channel.calls.expire(this.#state.nowMs)) {
        settled(call)
        this.#fail(call, 'ERR_PARTY_TIMEOUT', 'the peer did not answer in time')
      }
    }
  }

  /** A channel is gone: what it asked isn't answered any more. */
  dropChannel(channel: ChannelId): void {
    for (const [question, asked] of this.#asked) {
      if (asked.channel === channel) this.#asked.delete(question)
    }
  }
}
