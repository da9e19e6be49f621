/**
 * What replicates on a connection, seen from outside: the channels of its muxer, and raw sessions beside those of a set.
 */
import type NoiseSecretStream from '@hyperswarm/secret-stream'
import b4a from 'b4a'
import type Corestore from 'corestore'
import type Hypercore from 'hypercore'
import Protomux from 'protomux'

/** Replication channels of a stream; of one feed, if its discovery key is given. */
export function channelsOf(stream: NoiseSecretStream, discoveryKey?: Uint8Array): number {
  let count = 0
  for (const channel of Protomux.from(stream)) {
    if (channel.protocol !== 'hypercore/alpha' || channel.id === null) continue
    if (discoveryKey === undefined || b4a.equals(channel.id, discoveryKey)) count++
  }
  return count
}

/** What comes and goes of a feed, whatever the set says; counted on a session of the Corestore itself. */
export interface Witness {
  core: Hypercore
  /** Blocks that came, and that went, since the last reset. */
  downloads: number
  uploads: number
  reset(): void
}

export async function witnessOf(store: Corestore, key: Uint8Array): Promise<Witness> {
  const core = store.get({ key, active: false })
  await core.ready()
  const witness: Witness = {
    core,
    downloads: 0,
    uploads: 0,
    reset() {
      witness.downloads = 0
      witness.uploads = 0
    }
  }
  core.on('download', () => witness.downloads++)
  core.on('upload', () => witness.uploads++)
  return witness
}
