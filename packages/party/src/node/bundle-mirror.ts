/**
 * Cores of another Corestore than the party's, joined to the feeds of the set: what is written on one side is copied to the
 * other for as long as both are open.
 *
 * They replicate as two peers would, over a pair of streams of this process. The other side is the application's own, so
 * nothing is gated there.
 */
import { type Duplex, duplexPair } from 'node:stream'
import type { Feed, FeedSession, FeedSet } from '@hearsay/feeds'
import { hexOf } from '../key.js'
import type { CoreLike } from './bundle-structures.js'

/** Are these sessions of one core of one Corestore? Both are ready. */
export function isSameCore(feed: Feed, core: CoreLike): boolean {
  const [ours, theirs] = [feed, core].map(session => (session as { core?: unknown }).core)
  return ours !== undefined && ours === theirs
}

/** See the head of this file. */
export class BundleMirror {
  readonly #outer: Duplex
  readonly #inner: Duplex
  readonly #session: FeedSession
  readonly #ids = new Set<string>()
  readonly #ends: (() => void)[] = []
  #stream: Duplex | null = null

  constructor(feeds: FeedSet) {
    const [inner, outer] = duplexPair()
    this.#inner = inner
    this.#outer = outer
    for (const half of [inner, outer]) half.on('error', () => {}) // 'close' follows
    this.#session = feeds.replicate(inner, {
      initiator: false,
      filter: ({ key }) => this.#ids.has(hexOf(key))
    })
  }

  /** Joins a core to the feed of the set with its key. The session is closed by close(). */
  add(core: CoreLike): void {
    const key = core.key as Uint8Array
    this.#ids.add(hexOf(key))
    if (this.#stream === null) {
      const stream = core.replicate(true) as Duplex
      stream.on('error', () => {})
      stream.pipe(this.#outer).pipe(stream)
      this.#stream = stream
    } else core.replicate(this.#stream)
    // The gate closes what rests; then nobody but us would hear of a new block.
    const tell = (): void => this.#session.wanted(key, core.length)
    core.on('append', tell)
    this.#ends.push(() => {
      core.off('append', tell)
      core.close().catch(() => {}) // its store may be closed already
    })
    tell()
  }

  close(): void {
    for (const end of this.#ends) end()
    this.#stream?.destroy()
    this.#outer.destroy()
    this.#inner.destroy()
  }
}
