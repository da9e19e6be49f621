/**
 * The replication channels of one muxer, found by the muxer: a feed's own list of peers loses an entry when the remote closed
 * first, and the channel may still be there.
 */
import { REPLICATION_PROTOCOL } from './hypercore.js'
import { gateId } from './keys.js'
import type { ChannelLike, MuxLike } from './protomux.js'

/** A channel, and whether the remote has opened it, too. */
export type ReplicationChannel = ChannelLike & { fullyOpened(): Promise<boolean> }

/** Rounds of closing until no channel of a feed is left; a remote that reopens at once can make a second one needed. */
const CLOSE_ROUNDS = 8

/** Those of one feed. */
export function channelsOf(mux: MuxLike, id: string): ReplicationChannel[] {
  const channels: ReplicationChannel[] = []
  for (const channel of mux) {
    if (channel.protocol !== REPLICATION_PROTOCOL || channel.id === null) continue
    if (gateId(channel.id) === id) channels.push(channel as ReplicationChannel)
  }
  return channels
}

/** Closes those of one feed. @returns False: new ones were made faster. */
export async function closeChannels(mux: MuxLike, id: string): Promise<boolean> {
  await mux.stream.opened
  for (let round = 0; round < CLOSE_ROUNDS; round++) {
    const channels = channelsOf(mux, id)
    if (channels.length === 0) return true
    // Waits for handlers of ours that still run, not for the remote.
    const closed = channels.map(channel => channel.fullyClosed())
    for (const channel of channels) channel.close()
    await Promise.all(closed)
  }
  return false
}
