/**
 * The Corestore as structures of the application see it: what they open by a key of the set is a feed of the set, and no
 * read waits for ever for a feed that can't come.
 *
 *   WAITING --block comes-------------------------------> read
 *   WAITING --timeoutMs over, something is missing-------> rejected, naming what is missing
 *   WAITING --timeoutMs over, nothing is missing---------> WAITING   the network is slow, or nobody has it
 *
 * Methods of our own session of the Corestore are replaced, and of the sessions of cores that it gives out. Everything else
 * is Corestore's: names, key pairs, namespaces, sessions.
 */
import type { CorestoreLike, Feed } from '@hearsay/feeds'
import { bundleError } from '../errors.js'
import { parseKey } from '../key.js'

/** What a store needs of its party. */
export interface BundleStoreHost {
  /** How long a read waits while something is missing. */
  readonly timeoutMs: number
  /** The feed of the set; null if it isn't in the set. */
  feed(key: Uint8Array): Feed | null
  /** Feeds without which a read of this one may wait for ever. */
  missingFor(key: Uint8Array): readonly Uint8Array[]
}

interface CoreOptions {
  readonly key?: unknown
  readonly keyPair?: unknown
  readonly manifest?: unknown
  readonly preload?: unknown
  readonly valueEncoding?: unknown
  readonly exclusive?: unknown
  readonly compat?: unknown
}

interface CoreSession {
  get(index: number, options?: unknown): Promise<unknown>
  seek(bytes: number, options?: unknown): Promise<unknown>
  download(range?: unknown): { done(): Promise<unknown> }
  session(options?: unknown): CoreSession
}

interface StoreSession {
  get(options: unknown): CoreSession
  session(options?: unknown): StoreSession
}

/** The same store, with reads that end. */
export function bundleStore(store: CorestoreLike, host: BundleStoreHost): CorestoreLike {
  return watchStore(store as unknown as StoreSession, host) as unknown as CorestoreLike
}

function watchStore(store: StoreSession, host: BundleStoreHost): StoreSession {
  const get = store.get.bind(store)
  const session = store.session.bind(store)
  store.get = wanted => {
    const isKey = typeof wanted === 'string' || wanted instanceof Uint8Array
    const options: CoreOptions = isKey ? { key: wanted } : ((wanted ?? {}) as CoreOptions)
    const key = parseKey(options.key)
    if (key === null) return get(wanted)
    return watchCore(feedSession(host.feed(key), options) ?? get(wanted), key, host)
  }
  // namespace() makes its stores by session(), too.
  store.session = options => watchStore(session(options), host)
  return store
}

/** A session of the feed of the set, which a revoke ends. Null: it is to be opened as Corestore does. */
function feedSession(feed: Feed | null, options: CoreOptions): CoreSession | null {
  const { key, exclusive, compat, ...rest } = options
  if (feed === null || options.keyPair || options.manifest || options.preload) return null
  // The encoding of the set is not that of the structure.
  const session = feed.session({ ...rest, valueEncoding: options.valueEncoding ?? 'binary' })
  return session as unknown as CoreSession
}

function watchCore(core: CoreSession, key: Uint8Array, host: BundleStoreHost): CoreSession {
  const [get, seek] = [core.get.bind(core), core.seek.bind(core)]
  const [download, session] = [core.download.bind(core), core.session.bind(core)]
  core.get = (index, options) => endingRead(get(index, options), key, host)
  core.seek = (bytes, options) => endingRead(seek(bytes, options), key, host)
  core.download = range => {
    const running = download(range)
    const done = running.done.bind(running)
    running.done = () => endingRead(done(), key, host)
    return running
  }
  // snapshot() and checkouts make their sessions by session(), too.
  core.session = options => watchCore(session(options), key, host)
  return core
}

function endingRead<T>(reading: Promise<T>, key: Uint8Array, host: BundleStoreHost): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const timer = setInterval(() => {
      const missing = host.missingFor(key)
      if (missing.length === 0) return
      clearInterval(timer)
      const text = `a read waited ${host.timeoutMs} ms (bundleTimeoutMs) for a bundle that is incomplete`
      reject(bundleError('ERR_PARTY_BUNDLE_INCOMPLETE', missing, text))
    }, host.timeoutMs)
    // Who waits for what can't come is to be told; who waits for a peer keeps no process up.
    if (host.missingFor(key).length === 0) timer.unref()
    const ended = (): void => clearInterval(timer)
    reading.finally(ended).then(resolve, reject)
  })
}
