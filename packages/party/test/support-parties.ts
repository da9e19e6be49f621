/**
 * Parties on real storage and real Noise streams, for tests.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createKeyPair } from '@hearsay/gossip'
import { Party, type PartyOptions } from '@hearsay/party'
import type { ExecutionContext } from 'ava'

/** A party key for tests. */
export const KEY = new Uint8Array(32).fill(0x42)

/** Polls a condition; rejects with its text after `ms`. */
export async function until(what: string, isTrue: () => unknown, ms = 10_000): Promise<void> {
  const endMs = performance.now() + ms
  while (!isTrue()) {
    if (performance.now() > endMs) throw new Error(`not within ${ms} ms: ${what}`)
    await new Promise(resolve => setTimeout(resolve, 5))
  }
}

/** Resolves with the values of the next event of this name. */
export function next<T extends unknown[]>(
  // biome-ignore lint/suspicious/noExplicitAny: any emitter
  emitter: { once(event: any, listener: (...values: any[]) => void): unknown },
  event: string
): Promise<T> {
  return new Promise(resolve => emitter.once(event, (...values: unknown[]) => resolve(values as T)))
}

/** A folder that is removed after the test. */
export async function folder(t: ExecutionContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'party-'))
  t.teardown(() => rm(path, { recursive: true, force: true }))
  return path
}

/** A party on a folder of its own, closed after the test; its author follows from `seed`. */
export async function newParty(
  t: ExecutionContext,
  seed: number,
  options: Partial<PartyOptions> = {}
): Promise<Party> {
  const storage = options.storage ?? (await folder(t))
  const keyPair = createKeyPair(new Uint8Array(32).fill(seed))
  const party = new Party({ key: KEY, storage, keyPair, ...options })
  // Pipes in memory keep no process up, and neither do the timers of the library.
  const alive = setInterval(() => {}, 1000)
  t.teardown(async () => {
    clearInterval(alive)
    await party.close()
  })
  await party.ready()
  return party
}

/** What a test can do to a connection. */
export interface Wire {
  /** All bytes that went over it, in both directions. */
  readonly sent: Uint8Array[]
  cut(): void
}

/** Connects two parties by a pipe; `a` initiates. */
export function connect(a: Party, b: Party): Wire {
  const left = a.replicate(true)
  const right = b.replicate(false)
  const sent: Uint8Array[] = []
  left.on('data', chunk => sent.push(chunk))
  right.on('data', chunk => sent.push(chunk))
  left.pipe(right).pipe(left)
  return {
    sent,
    cut() {
      left.destroy()
      right.destroy()
    }
  }
}
