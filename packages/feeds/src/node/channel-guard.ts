/**
 * Lets no channel of one protocol be made on a muxer unless it is allowed now, whoever asks for it.
 *
 * The pair slots of a muxer are last-writer-wins: `corestore.replicate(stream)` by another module would take the gate's
 * place and serve every feed on disk. So the muxer's own public `pair`, `unpair` and `createChannel` are replaced on this
 * instance, for this protocol only. What isn't allowed gets what Protomux itself answers when a channel can't be made:
 * null. Both sides of every replication go through createChannel, so no other way is left.
 */
import type { MuxChannelOptions, MuxLike } from './protomux.js'

/** What the guard asks and tells. */
export interface ChannelRules {
  protocol: string
  /** The peer opened a channel that nothing is attached for. Must not throw or reject. */
  asked(id: Uint8Array): Promise<void>
  /** May this channel be made now? Must not throw. */
  mayBeOpen(id: Uint8Array): boolean
  /** Somebody tried to make, or to answer, a channel that isn't allowed. Must not throw. */
  refused(id: Uint8Array | null): void
}

/** Puts the guard on. Channels that are there already are closed and told as refused. */
export function guardChannels(mux: MuxLike, rules: ChannelRules): void {
  const { protocol } = rules
  const pair = mux.pair.bind(mux)
  const unpair = mux.unpair.bind(mux)
  const createChannel = mux.createChannel.bind(mux)
  pair({ protocol }, id => (id === null ? undefined : rules.asked(id)))

  const guarded: Pick<MuxLike, 'pair' | 'unpair' | 'createChannel'> = {
    pair(key, notify) {
      const id = key.id ?? null
      if (key.protocol !== protocol || (id !== null && rules.mayBeOpen(id))) return pair(key, notify)
      rules.refused(id)
    },
    unpair(key) {
      const isOurs = key.protocol === protocol && (key.id ?? null) === null
      if (!isOurs) unpair(key)
    },
    createChannel(options: MuxChannelOptions) {
      const id = options.id ?? null
      if (options.protocol !== protocol || (id !== null && rules.mayBeOpen(id))) return createChannel(options)
      rules.refused(id)
      return null
    }
  }
  Object.assign(mux, guarded)

  for (const channel of [...mux]) {
    if (channel.protocol !== protocol) continue
    rules.refused(channel.id)
    channel.close()
  }
}
