/**
 * The feeds that this set writes: their names, and the successors of those that were given up.
 *
 * A name leads to one feed: of this storage folder before any other, and the last in the row of successors.
 */
import b4a from 'b4a'
import type { MetaFact, RotationFact } from '../facts.js'
import { slotOf } from './fact-set.js'

/** What a full writer name is made of. */
export interface WriterName {
  name: string
  /** 8 bytes: the storage folder. */
  device: Uint8Array
  /** How many feeds this name had before in this folder. */
  rotation: number
}

interface OwnFeed extends WriterName {
  key: Uint8Array
  origin: Uint8Array
}

/** See the head of this file. */
export class OwnFeeds {
  /** By feed key. Those of other folders and those that were revoked included. */
  readonly #feeds = new Map<string, OwnFeed>()
  readonly #byName = new Map<string, OwnFeed>()
  readonly #rotations = new Map<string, RotationFact>()

  /** Keys of all feeds that were ever written here. */
  keys(): Uint8Array[] {
    return [...this.#feeds.values()].map(({ key }) => key)
  }

  /** Full writer name of an own feed; null for others. */
  origin(key: Uint8Array): Uint8Array | null {
    return this.#feeds.get(slotOf(key))?.origin ?? null
  }

  /** Name, folder and rotation of an own feed; null for others. */
  nameOf(key: Uint8Array): WriterName | null {
    return this.#feeds.get(slotOf(key)) ?? null
  }

  /** Key of the feed that a name leads to; null: there is none. */
  key(name: string): Uint8Array | null {
    return this.#byName.get(name)?.key ?? null
  }

  /** The successor of a feed; undefined: it has none. */
  successor(key: Uint8Array): RotationFact | undefined {
    return this.#rotations.get(slotOf(key))
  }

  /** Feeds that were given up, with their successors. */
  rotations(): Iterable<RotationFact> {
    return this.#rotations.values()
  }

  /** @param device - Of this storage folder. @param full - What the origin of the fact is made of; null: it is none. */
  named({ key, origin }: MetaFact, full: WriterName | null, device: Uint8Array): void {
    if (full === null) return
    const feed = { ...full, key, origin }
    this.#feeds.set(slotOf(key), feed)
    const known = this.#byName.get(full.name)
    if (known === undefined || isLater(feed, known, device)) this.#byName.set(full.name, feed)
  }

  /** First seen stays: a feed has one successor. */
  rotated(fact: RotationFact): void {
    const slot = slotOf(fact.from)
    if (!this.#rotations.has(slot)) this.#rotations.set(slot, fact)
  }
}

function isLater(feed: OwnFeed, known: OwnFeed, device: Uint8Array): boolean {
  const [isHere, wasHere] = [feed, known].map(of => b4a.equals(of.device, device))
  return isHere === wasHere ? feed.rotation >= known.rotation : isHere === true
}
