/**
 * Frames of peers: decoded under limits, checked against the phase of their channel, handed to the machine they concern.
 *
 * Invariants: 1. before the author is bound nothing but BIND and CLOSE is decoded. 2. What doesn't follow the format, is
 * over a limit, or comes in the wrong phase closes the channel; what belongs to a later version is ignored.
 */
import type { Announce } from './announce.js'
import type { Compare } from './compare.js'
import type { Connect } from './connect.js'
import { decodeFrame, FRAME_TYPES, type PartyFrame } from './frames.js'
import type { Judge } from './judge.js'
import type { Lengths } from './lengths.js'
import type { Messages } from './messages.js'
import { type ChannelState, type CoreState, NEWS } from './state.js'
import type { Sync } from './sync.js'
import type { PartyInput } from './types.js'

/** Kinds that may come before the author is bound. */
const EARLY: ReadonlySet<string> = new Set(['bind', 'close'])

/** The machines that frames go to. */
export interface ReceiveParts {
  announce: Announce
  compare: Compare
  connect: Connect
  judge: Judge
  lengths: Lengths
  messages: Messages
  sync: Sync
}

/** Takes frames in. */
export class Receive {
  readonly #state: CoreState
  readonly #parts: ReceiveParts

  constructor(state: CoreState, parts: ReceiveParts) {
    this.#state = state
    this.#parts = parts
  }

  /** A frame came. */
  frame(input: PartyInput & { type: 'frame' }): void {
    const state = this.#state.channels.get(input.channel)
    const type = FRAME_TYPES[input.kind]
    if (state === undefined || type === undefined) return
    if (state.channel.phase === 'binding' && !EARLY.has(type)) {
      this.#state.close(input.channel, 'wrong-phase')
      return
    }
    const frame = decodeFrame(input.kind, input.bytes)
    if (!frame.ok) {
      this.#state.drop(input.channel, frame.reason === 'unknown' ? 'unknown-kind' : frame.reason)
      if (frame.reason !== 'unknown') {
        this.#state.close(input.channel, frame.reason === 'too-large' ? 'limit' : 'malformed')
      }
      return
    }
    if (NEWS.has(type)) state.channel.newsReceived++
    switch (state.channel.admit(frame.value)) {
      case 'take':
        this.#dispatch(state, frame.value)
        return
      case 'hold':
        if (frame.value.type === 'root') state.channel.hold(frame.value)
        return
      case 'wrong-phase':
        this.#state.drop(input.channel, 'wrong-phase')
        this.#state.close(input.channel, 'wrong-phase')
        return
      case 'ignore':
    }
  }

  #dispatch(state: ChannelState, frame: PartyFrame): void {
    switch (frame.type) {
      case 'bind':
        this.#parts.connect.bind(state, frame)
        return
      case 'records':
        this.#parts.compare.records(state, frame)
        return
      case 'ready':
        this.#parts.connect.heard(state)
        return
      case 'introduce':
        this.#parts.judge.receive(frame.records, { from: state, how: 'pushed', call: frame.call })
        return
      case 'answer':
        this.#parts.announce.answered(state, frame.call, frame.results)
        return
      case 'lengths':
        if (state.lengthFrames.take(1, this.#state.nowMs)) this.#parts.lengths.received(state, frame.entries)
        else this.#state.drop(state.channel.id, 'over-budget')
        return
      case 'grant':
        if (frame.isGranted) this.#parts.lengths.granted(state, frame.slots)
        else this.#parts.lengths.ended(state, frame.slots)
        return
      case 'synced':
        this.#parts.sync.received(state, frame)
        return
      case 'close':
        this.#onClosed(state)
        return
      default:
        this.#dispatchMessage(state, frame)
        return
    }
  }

  #dispatchMessage(state: ChannelState, frame: PartyFrame): void {
    switch (frame.type) {
      case 'request':
        this.#parts.messages.requested(state, frame)
        return
      case 'response':
        this.#parts.messages.responded(state, frame)
        return
      case 'error':
        this.#parts.messages.failed(state, frame)
        return
      case 'ephemeral':
        this.#parts.messages.ephemeral(state, frame)
        return
      default:
        if ('set' in frame && frame.type !== 'records') this.#parts.compare.receive(state, frame)
    }
  }

  #onClosed(state: ChannelState): void {
    this.#state.emit({ type: 'closeChannel', channel: state.channel.id, reason: 'closed' })
    this.#parts.connect.down(state.channel.id, 'closed')
  }
}
