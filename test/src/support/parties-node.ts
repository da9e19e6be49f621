/** Lists of parties on real storage, and connections between them. */
import { Parties, type PartiesOptions, type Party, type PartyPeer } from '@hearsay/party'
import type NoiseSecretStream from '@hyperswarm/secret-stream'
import type { ExecutionContext } from 'ava'
import Protomux from 'protomux'
import { noisePair, type StreamPair } from './streams.js'
import { temporaryFolder } from './temporary.js'
import { until } from './until.js'

/** A list and its folder. */
export interface PartiesNode {
  readonly parties: Parties
  readonly folder: string
  readonly warnings: Error[]
}

/** Opens a list in a folder of its own; it is closed with the test. */
export async function partiesNode(
  t: ExecutionContext,
  options: Partial<PartiesOptions> = {}
): Promise<PartiesNode> {
  const folder = typeof options.storage === 'string' ? options.storage : await temporaryFolder(t)
  const parties = new Parties({ storage: folder, rules: { default: {} }, ...options })
  const warnings: Error[] = []
  parties.on('warning', warning => warnings.push(warning))
  parties.on('party', party => party.on('warning', warning => warnings.push(warning)))
  // Streams in memory keep no process up while it waits for a timer of the library.
  const alive = setInterval(() => {}, 1000)
  t.teardown(async () => {
    clearInterval(alive)
    await parties.close()
  })
  await parties.ready()
  return { parties, folder, warnings }
}

/** Attaches two lists to the ends of a Noise stream; `a` initiates. */
export function connectLists(a: Parties, b: Parties): StreamPair<NoiseSecretStream> {
  const pair = noisePair()
  a.attach(pair.a)
  b.attach(pair.b)
  return pair
}

/** Channels of the parties' protocol that are open on both ends of a stream. */
export function partyChannels(stream: NoiseSecretStream): number {
  const open = [...Protomux.from(stream)].filter(({ protocol, opened }) => {
    return protocol === 'hearsay/party/1' && opened
  })
  return open.length
}

/** Resolves with the only peer of `party`. */
export async function meets(party: Party): Promise<PartyPeer> {
  await until(() => party.peers.size === 1, { what: `a peer of ${party.name}` })
  return [...party.peers][0] as PartyPeer
}
