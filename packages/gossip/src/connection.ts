/**
 * `@hearsay/gossip/connection`: for protocols that run beside gossip on the same connection.
 *
 * @example
 * import { connectionOf, openFrameChannel } from '@hearsay/gossip/connection'
 * const connection = connectionOf(stream) // the one that gossip.attach(stream) uses
 * const { handshakeHash } = await connection.opened()
 */

import { type Connection, connectionOf as sharedConnectionOf } from './node/connection.js'
import type { KeyPair } from './types.js'

export type { Connection, HandshakeBinding } from './node/connection.js'
export { type FrameChannel, type FrameChannelOptions, openFrameChannel } from './node/frame-channel.js'
export { type FaultListener, guarded } from './node/guard.js'
export type { NoiseStreamLike } from './node/noise.js'
export type { ChannelLike, MuxChannelOptions, MuxEncoding, MuxLike } from './node/protomux.js'

/**
 * The connection of a stream; the same stream gives the same object, however often and by whom it is asked for.
 *
 * @param stream - A Noise stream, a Protomux, or a plain Duplex.
 * @param options - `initiator` is needed for a plain Duplex; `keyPair` is its static Noise key, random by default.
 * @throws {TypeError} `ERR_GOSSIP_BAD_STREAM`: no stream, a Duplex without `initiator`, or `userData` in use.
 */
export function connectionOf(
  stream: unknown,
  options: { initiator?: boolean; keyPair?: KeyPair } = {}
): Connection {
  return sharedConnectionOf(stream, { errorCode: 'ERR_GOSSIP_BAD_STREAM', ...options })
}
