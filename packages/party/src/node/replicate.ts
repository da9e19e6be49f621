/**
 * The streams of `party.replicate(isInitiator)`: a stream that has to be there before anything is at its other end.
 *
 * Each is one half of a pair: what is written to one half is read from the other. The inner half is the party's, the outer
 * one is piped by the app. They are made here, so they are ended here: with the party, after all was written.
 */
import { type Duplex, duplexPair } from 'node:stream'
import { within } from './within.js'

/** The streams that a party gave out. */
export class ReplicateStreams {
  readonly #inner = new Set<Duplex>()

  /** Makes a pair. Each half ends with the other. */
  make(): { inner: Duplex; outer: Duplex } {
    const [inner, outer] = duplexPair()
    link(inner, outer)
    link(outer, inner)
    this.#inner.add(inner)
    inner.once('close', () => this.#inner.delete(inner))
    return { inner, outer }
  }

  /** Ends all of them, so that whatever they are piped into ends, too; after `ms` they are destroyed. */
  async close(ms: number): Promise<void> {
    await Promise.all(Array.from(this.#inner, inner => end(inner, ms)))
  }
}

// A pair alone hears of an end, not of a destroy.
function link(from: Duplex, to: Duplex): void {
  from.on('close', () => void to.destroy())
  from.on('error', () => {}) // 'close' follows
}

async function end(inner: Duplex, ms: number): Promise<void> {
  const closed = new Promise<true>(resolve => inner.once('close', () => resolve(true)))
  inner.end()
  if (!(await within(closed, ms, false))) inner.destroy()
}
