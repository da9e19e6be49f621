/**
 * Writers that lose their end: storage folders that are set back in place, peers that remember, and limits that don't make a
 * test wait for minutes.
 */
import { cp, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { FeedSet, FeedSetOptions } from '@hearsay/feeds'
import type { ExecutionContext } from 'ava'
import { connectionPair } from './sets.js'

/** Waiting times of the gate, a hundredth of the real ones. */
export const FAST: NonNullable<FeedSetOptions['limits']> = {
  settleMs: 80,
  replicaMs: 400,
  claimMs: 100,
  lookMs: 5,
  checkpointMs: 5,
  flushMs: 5
}

/**
 * Keeps what a storage folder holds. The set must be closed.
 *
 * @param isWhole - With the records of the writers; else the store alone, as if a power cut had taken its end.
 * @returns Sets it back to that, in place: the file that tells a copied folder stays the one that it is.
 */
export async function snapshot(
  t: ExecutionContext,
  folder: string,
  isWhole: boolean
): Promise<() => Promise<void>> {
  const kept = `${folder}-kept-${Math.random().toString(36).slice(2)}`
  t.teardown(() => rm(kept, { recursive: true, force: true }))
  const parts = isWhole ? ['db', 'hearsay/writers', 'hearsay/facts.log'] : ['db']
  for (const part of parts) await cp(join(folder, part), join(kept, part), { recursive: true })
  return async () => {
    for (const part of parts) {
      await rm(join(folder, part), { recursive: true })
      await cp(join(kept, part), join(folder, part), { recursive: true })
    }
  }
}

/** Files with the records of the writers of a folder. */
export async function recordsOf(folder: string): Promise<string[]> {
  const home = join(folder, 'hearsay', 'writers')
  return (await readdir(home)).filter(name => !name.startsWith('.')).map(name => join(home, name))
}

/** Connects two sets; the function takes the connection down. */
export function connect<T>(t: ExecutionContext, one: FeedSet<T>, two: FeedSet<T>): () => void {
  const [left, right] = connectionPair(t)
  one.replicate(left)
  two.replicate(right)
  return () => {
    left.destroy()
    right.destroy()
  }
}

/** Blocks of a feed that are here, as texts. */
export async function textsOf(feed: {
  length: number
  ready(): Promise<void>
  get(seq: number, options: object): Promise<unknown>
}): Promise<(string | null)[]> {
  await feed.ready()
  const texts: (string | null)[] = []
  for (let seq = 0; seq < feed.length; seq++) {
    const block = (await feed.get(seq, { wait: false, valueEncoding: 'utf-8' })) as string | null
    texts.push(block)
  }
  return texts
}
