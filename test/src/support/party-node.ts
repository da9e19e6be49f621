/** Parties on real storage and real Noise streams, and what a test can see of their connections and folders. */
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { createKeyPair } from '@hearsay/gossip'
import { Party, type PartyOptions, type PartyPeer } from '@hearsay/party'
import type NoiseSecretStream from '@hyperswarm/secret-stream'
import type { ExecutionContext } from 'ava'
import Protomux, { type Channel } from 'protomux'
import { noisePair } from './streams.js'
import { temporaryFolder } from './temporary.js'
import { until } from './until.js'

/** Key of all parties in tests that give no other. */
export const PARTY_KEY: Uint8Array = new Uint8Array(32).fill(0x42)

/** A party and its folder. */
export interface PartyNode {
  readonly party: Party
  /** Its storage, if it has a folder of its own. */
  readonly folder: string
  readonly warnings: Error[]
}

/** Opens a party in a folder of its own; it is closed with the test. */
export async function partyNode(
  t: ExecutionContext,
  options: Partial<PartyOptions> = {}
): Promise<PartyNode> {
  const folder = await temporaryFolder(t)
  const party = new Party({ key: PARTY_KEY, storage: folder, keyPair: createKeyPair(), ...options })
  const warnings: Error[] = []
  party.on('warning', warning => warnings.push(warning))
  // Streams in memory keep no process up while it waits for a timer of the library.
  const alive = setInterval(() => {}, 1000)
  t.teardown(async () => {
    clearInterval(alive)
    await party.close()
  })
  await party.ready()
  return { party, folder, warnings }
}

/** A connection between two parties. */
export interface PartyLink {
  readonly a: NoiseSecretStream
  readonly b: NoiseSecretStream
  /** The channel of the party's protocol at the end of `b`: to say on it what a Party would not. */
  channel(): Channel
}

/** Attaches two parties to the ends of a Noise stream; `a` initiates. */
export function connectParties(a: Party, b: Party): PartyLink {
  const pair = noisePair()
  a.attach(pair.a)
  b.attach(pair.b)
  return {
    a: pair.a,
    b: pair.b,
    channel() {
      for (const channel of Protomux.from(pair.b)) if (channel.protocol === 'hearsay/party/1') return channel
      throw new Error('the party has no channel')
    }
  }
}

/** Resolves with the only peer of `party`. */
export async function onlyPeer(party: Party): Promise<PartyPeer> {
  await until(() => party.peers.size === 1, { what: 'a peer of the party' })
  return [...party.peers][0] as PartyPeer
}

/** All that arrives at a Noise stream, decrypted. */
export function overhear(stream: NoiseSecretStream): Uint8Array[] {
  const heard: Uint8Array[] = []
  stream.on('data', (bytes: Uint8Array) => heard.push(new Uint8Array(bytes)))
  return heard
}

/** Bytes of all files below a folder. The log of the database is text about it, and left out. */
export async function bytesIn(folder: string): Promise<number> {
  let sum = 0
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (entry.isFile() && !entry.name.startsWith('LOG')) {
      sum += (await stat(join(entry.parentPath, entry.name))).size
    }
  }
  return sum
}
