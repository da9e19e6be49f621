/**
 * The muxer of a Noise stream: found or made, and hardened. The only file that imports Protomux.
 *
 * Structural types stand for its classes, so that no untyped module is part of our declarations.
 *
 * This file has byte-identical copies in the packages that need it.
 */
import Protomux from 'protomux'
import { harden } from './harden.js'
import type { NoiseStreamLike } from './noise.js'

/** A channel of a muxer, as far as we use it. */
export interface ChannelLike {
  readonly protocol: string
  readonly id: Uint8Array | null
  readonly opened: boolean
  readonly closed: boolean
  readonly messages: readonly { send(value: Uint8Array): boolean }[]
  open(handshake: Uint8Array): void
  close(): void
  fullyClosed(): Promise<void>
}

/** How a value of a channel becomes bytes (compact-encoding's form). */
export interface MuxEncoding {
  /** Adds the size of `value` to `state.end`; the buffer is made afterwards. */
  preencode(state: { start: number; end: number; buffer: Uint8Array | null }, value: Uint8Array): void
  /** Writes `value` at `state.start`, and moves that behind it. */
  encode(state: { start: number; end: number; buffer: Uint8Array | null }, value: Uint8Array): void
  /** Reads from `state.start` to at most `state.end`, and moves `start` behind it. A throw destroys the stream. */
  decode(state: { start: number; end: number; buffer: Uint8Array | null }): Uint8Array
}

/** What `createChannel` takes. Every callback must be guarded. */
export interface MuxChannelOptions {
  /** Name that both ends use; a channel opens when both have opened it. */
  protocol: string
  /** Tells channels of one protocol apart. Default null: the one without an id. */
  id?: Uint8Array | null
  /** Default true: null instead of a second open channel with this protocol and id. */
  unique?: boolean
  /** Encoding of the bytes that `open` sends. Default: none are sent. */
  handshake?: MuxEncoding
  /** The kinds of messages by their number; both ends must agree on the order. Default: none. */
  messages?: { encoding: MuxEncoding; onmessage(message: Uint8Array, channel: ChannelLike): unknown }[]
  /** Both ends have opened it; `handshake` is the remote's. */
  onopen?(handshake: Uint8Array, channel: ChannelLike): unknown
  /** Called once, also for a channel that never opened. `isRemote`: the other end closed it, or the stream died. */
  onclose?(isRemote: boolean, channel: ChannelLike): unknown
  /** The transport's buffer is empty again after a write that filled it. */
  ondrain?(channel: ChannelLike): unknown
}

/** What we use of a Protomux; pass it to other protocols on the same connection. */
export interface MuxLike {
  readonly isProtomux: true
  readonly stream: NoiseStreamLike
  /** False from a write that filled the transport's buffer until it is empty again. */
  readonly drained: boolean
  /** How often it is corked, by anybody. */
  readonly corked: number
  cork(): void
  uncork(): void
  pair(key: { protocol: string; id?: Uint8Array | null }, notify: (id: Uint8Array | null) => unknown): void
  unpair(key: { protocol: string; id?: Uint8Array | null }): void
  opened(key: { protocol: string; id?: Uint8Array | null }): boolean
  /** Null if the stream is destroyed, or the channel is there already. */
  createChannel(options: MuxChannelOptions): ChannelLike | null
  [Symbol.iterator](): Iterator<ChannelLike>
}

/** Is this a Protomux, of whichever copy of the module? */
export function isMux(value: object): value is MuxLike {
  return (value as { isProtomux?: unknown }).isProtomux === true
}

/**
 * The muxer of `stream`, hardened; made if there is none yet.
 *
 * @returns Null if the application put something of its own into `stream.userData`: two parties would then each make a
 * muxer of their own, and both would misbehave.
 */
export function muxOf(stream: NoiseStreamLike): MuxLike | null {
  // Protomux takes the place only if it is null, not if it is undefined.
  if (stream.userData === undefined) stream.userData = null
  const taken = stream.userData
  if (taken !== null && !(typeof taken === 'object' && isMux(taken))) return null
  const mux = Protomux.from(stream) as unknown as MuxLike
  harden(mux)
  return mux
}
