/**
 * Reads all feeds of a set as one sequence: each feed in its own order, the feeds in turns. A feed that has nothing new isn't
 * opened, and isn't looked at again until it moves.
 *
 * A feed whose next block isn't here is passed over, so that one absent author never holds up the others. Nothing of a
 * feed is given out once it was revoked: that is asked again right before each entry.
 */
import { decodeCursor, encodeCursor } from '../core/cursor.js'
import { slotOf } from '../core/fact-set.js'
import { typeError } from '../errors.js'
import type { AbortSignalLike, EntriesOptions, Feed, FeedEntry } from '../types.js'
import type { Watch } from './movement.js'

/** What entries() reads from. */
export interface EntriesHost<T> {
  ready(): Promise<void>
  isClosed(): boolean
  isAuthorized(key: Uint8Array): boolean
  keys(): Iterable<Uint8Array>
  /** Length of a feed as far as it is known, also while it isn't open. */
  lengthOf(key: Uint8Array): number
  feedOf(key: Uint8Array): Feed<T>
  /** Collects the feeds that grow, come, or get a block. */
  watch(): Watch
}

/** Entries of one feed before it is another's turn. */
const TURN = 64

/** @throws {TypeError} `ERR_FEEDS_BAD_CURSOR`, at once. */
export function readEntries<T>(
  host: EntriesHost<T>,
  options: EntriesOptions
): AsyncIterableIterator<FeedEntry<T>> {
  const since = options.since === undefined ? new Map<string, number>() : decodeCursor(options.since)
  if (since === null) throw typeError('ERR_FEEDS_BAD_CURSOR', 'this cursor was not made by entries()')
  return new Reader(host, options, since).read()
}

class Reader<T> {
  readonly #host: EntriesHost<T>
  readonly #options: EntriesOptions
  readonly #positions: Map<string, number>
  /** Without `live`: where each feed ended when it was first looked at, so that a busy writer can't keep us for ever. */
  readonly #ends = new Map<string, number>()

  constructor(host: EntriesHost<T>, options: EntriesOptions, positions: Map<string, number>) {
    this.#host = host
    this.#options = options
    this.#positions = positions
  }

  async *read(): AsyncIterableIterator<FeedEntry<T>> {
    const { signal, live } = this.#options
    await this.#host.ready()
    // From before the first look, so that nothing is missed in between.
    const watch = this.#host.watch()
    try {
      const pending = keysOf(this.#host.keys())
      for (;;) {
        for (const [slot, key] of [...pending]) {
          let count = 0
          for await (const entry of this.#turn(key)) {
            signal?.throwIfAborted()
            count++
            yield entry
          }
          if (count < TURN) pending.delete(slot)
        }
        for (const [slot, key] of keysOf(watch.take())) pending.set(slot, key)
        signal?.throwIfAborted()
        if (this.#host.isClosed() || (pending.size === 0 && live !== true)) return
        if (pending.size === 0) await untilAborted(watch.next(), signal)
      }
    } finally {
      watch.close()
    }
  }

  async *#turn(key: Uint8Array): AsyncIterableIterator<FeedEntry<T>> {
    const slot = slotOf(key)
    if (!this.#isReadable(key) || this.#host.lengthOf(key) <= (this.#positions.get(slot) ?? 0)) return
    const feed = this.#host.feedOf(key)
    await feed.ready()
    const end = this.#endOf(slot, feed)
    for (let count = 0; count < TURN; count++) {
      const seq = this.#positions.get(slot) ?? 0
      if (seq >= end || !this.#isReadable(key) || feed.closed || !(await feed.has(seq))) return
      const value = await feed.get(seq, { wait: false })
      if (!this.#isReadable(key)) return
      this.#positions.set(slot, seq + 1)
      yield entryOf(feed, seq, value, new Map(this.#positions))
    }
  }

  #isReadable(key: Uint8Array): boolean {
    return !this.#host.isClosed() && this.#host.isAuthorized(key)
  }

  #endOf(slot: string, feed: Feed<T>): number {
    if (this.#options.live === true) return feed.length
    const known = this.#ends.get(slot)
    if (known !== undefined) return known
    this.#ends.set(slot, feed.length)
    return feed.length
  }
}

function keysOf(keys: Iterable<Uint8Array>): Map<string, Uint8Array> {
  return new Map(Array.from(keys, key => [slotOf(key), key]))
}

/** The cursor is made when it is asked for: with many feeds it is long. */
function entryOf<T>(feed: Feed<T>, seq: number, value: T, positions: Map<string, number>): FeedEntry<T> {
  return {
    feed,
    seq,
    value,
    get cursor() {
      return encodeCursor(positions)
    }
  }
}

async function untilAborted(change: Promise<void>, signal: AbortSignalLike | undefined): Promise<void> {
  if (signal === undefined) return change
  let abort = (): void => {}
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(signal.reason)
    signal.addEventListener('abort', abort, { once: true })
  })
  try {
    await Promise.race([change, aborted])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}
