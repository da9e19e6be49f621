/**
 * Sets on real RocksDB storage in temporary folders, and real Noise connections between them.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { FeedSetOptions } from '@hearsay/feeds'
import { FeedSet } from '@hearsay/feeds'
import NoiseSecretStream from '@hyperswarm/secret-stream'
import type { ExecutionContext } from 'ava'
import Corestore from 'corestore'
import type { InternalOptions } from '#feeds/node/feed-set'

/** A folder that is deleted after the test. */
export async function temporaryFolder(t: ExecutionContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'hearsay-feeds-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  return folder
}

/** A set on a folder of its own; closed after the test. */
export async function makeSet<T = Uint8Array>(
  t: ExecutionContext,
  options: FeedSetOptions = {},
  internal: InternalOptions = {}
): Promise<FeedSet<T>> {
  return openSet<T>(t, await temporaryFolder(t), options, internal)
}

/** A set on this storage; closed after the test. */
export async function openSet<T = Uint8Array>(
  t: ExecutionContext,
  storage: string | Corestore,
  options: FeedSetOptions = {},
  internal: InternalOptions = {}
): Promise<FeedSet<T>> {
  const set = new FeedSet<T>(storage, options, internal)
  t.teardown(() => set.close())
  await set.ready()
  return set
}

/** A Corestore on a folder of its own; closed after the test. */
export async function makeStore(t: ExecutionContext): Promise<Corestore> {
  const store = new Corestore(await temporaryFolder(t))
  t.teardown(() => store.close())
  await store.ready()
  return store
}

/** Who is at the ends of a connection; by default somebody new each time. */
export interface Ends {
  initiator?: { publicKey: Uint8Array; secretKey: Uint8Array }
  responder?: { publicKey: Uint8Array; secretKey: Uint8Array }
}

/** Both ends of a Noise connection in this process; the initiator first. Destroyed after the test. */
export function connectionPair(t: ExecutionContext, ends: Ends = {}): [NoiseSecretStream, NoiseSecretStream] {
  const a = new NoiseSecretStream(true, null, ends.initiator ? { keyPair: ends.initiator } : {})
  const b = new NoiseSecretStream(false, null, ends.responder ? { keyPair: ends.responder } : {})
  for (const stream of [a, b]) stream.on('error', () => {})
  const rawA = a.rawStream as NodeJS.ReadWriteStream
  const rawB = b.rawStream as NodeJS.ReadWriteStream
  rawA.pipe(rawB).pipe(rawA)
  t.teardown(() => {
    a.destroy()
    b.destroy()
  })
  return [a, b]
}

/** Waits until `condition` holds. Fails after `ms`. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  options: { ms?: number; what?: string } = {}
): Promise<void> {
  const { ms = 10_000, what = String(condition) } = options
  const endMs = performance.now() + ms
  while (!(await condition())) {
    if (performance.now() > endMs) throw new Error(`not within ${ms} ms: ${what}`)
    await new Promise(resolve => setTimeout(resolve, 5))
  }
}

/** Fails as soon as `condition` doesn't hold, for `ms`. */
export async function holds(condition: () => boolean, ms: number, what = String(condition)): Promise<void> {
  const endMs = performance.now() + ms
  while (performance.now() < endMs) {
    if (!condition()) throw new Error(`no more within ${ms} ms: ${what}`)
    await new Promise(resolve => setTimeout(resolve, 5))
  }
}

/** What `promise` resolves with. Fails after `ms`. */
export async function within<R>(promise: Promise<R>, ms: number, what: string): Promise<R> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not within ${ms} ms: ${what}`)), ms)
  })
  return Promise.race([promise, late]).finally(() => clearTimeout(timer))
}

/** Lets everything that two connected processes have to say to each other happen: `rounds` turns of the event loop. */
export async function turns(rounds = 20): Promise<void> {
  for (let i = 0; i < rounds; i++) await new Promise(resolve => setImmediate(resolve))
}
