/**
 * Which feeds make one structure, as the introductions that are held say it, and what is missing of them.
 *
 * Several members may introduce one bundle, each with the parts that it knows. A reader needs one version that is whole, so
 * a member that names parts that nobody has takes nothing from a bundle that another one introduced.
 *
 * Invariant: one entry per held introduction that names a type or several feeds, so the table is bounded as the book is.
 */
import b4a from 'b4a'

/** Type whose second feed follows from the manifest of the first. */
export const DRIVE_TYPE = 'hyperdrive'
const DRIVE_FEEDS = 2

/** A bundle as one member introduced it. */
export interface IntroducedBundle {
  /** Who introduced it, 32 bytes. */
  readonly author: Uint8Array
  /** A hint; empty if it wasn't said. */
  readonly type: string
  /** The most important one first. */
  readonly keys: readonly Uint8Array[]
}

/** A bundle, and which of its feeds aren't in the set. */
export interface BundleState extends IntroducedBundle {
  readonly missing: readonly Uint8Array[]
  /** Is every feed that belongs to it known and in the set? */
  readonly isComplete: boolean
}

/** The bundles of a party. */
export class BundleTable {
  readonly #has: (key: Uint8Array) => boolean
  /** By the slot of the introduction. */
  readonly #bySlot = new Map<string, IntroducedBundle>()
  /** Slots by feed (hex). */
  readonly #byFeed = new Map<string, Set<string>>()

  /** @param has - Is this feed in the set now? */
  constructor(has: (key: Uint8Array) => boolean) {
    this.#has = has
  }

  get size(): number {
    return this.#bySlot.size
  }

  /** The introduction of a slot is held, or another version of it. */
  put(slotId: string, bundle: IntroducedBundle): void {
    this.delete(slotId)
    this.#bySlot.set(slotId, bundle)
    for (const key of bundle.keys) {
      const id = b4a.toString(key, 'hex')
      const slots = this.#byFeed.get(id) ?? new Set()
      this.#byFeed.set(id, slots.add(slotId))
    }
  }

  /** It is held no more. */
  delete(slotId: string): void {
    const bundle = this.#bySlot.get(slotId)
    if (bundle === undefined) return
    this.#bySlot.delete(slotId)
    for (const key of bundle.keys) {
      const id = b4a.toString(key, 'hex')
      const slots = this.#byFeed.get(id)
      slots?.delete(slotId)
      if (slots?.size === 0) this.#byFeed.delete(id)
    }
  }

  /** The introduction of a slot names a further feed, which follows from one that it names. */
  extend(slotId: string, key: Uint8Array): void {
    const bundle = this.#bySlot.get(slotId)
    if (bundle === undefined || bundle.keys.some(known => b4a.equals(known, key))) return
    this.put(slotId, { ...bundle, keys: [...bundle.keys, key] })
  }

  /** The bundle of a slot. */
  at(slotId: string): BundleState | null {
    const bundle = this.#bySlot.get(slotId)
    return bundle === undefined ? null : this.#stateOf(bundle)
  }

  /** The bundle with this first feed: of several versions the one that lacks least, and then has most. */
  first(key: Uint8Array): BundleState | null {
    return best(this.#with(key).filter(bundle => b4a.equals(bundle.keys[0] as Uint8Array, key)))
  }

  /** Bundles of which this feed is a part; one version of each introduction. */
  of(key: Uint8Array): BundleState[] {
    return this.#with(key)
  }

  /** Feeds without which a read of this one may wait for ever; none if it is part of a bundle that is whole, or of none. */
  missingFor(key: Uint8Array): readonly Uint8Array[] {
    const missing = best(this.#with(key))?.missing ?? []
    if (this.#has(key) || missing.some(other => b4a.equals(other, key))) return missing
    return [key, ...missing]
  }

  #with(key: Uint8Array): BundleState[] {
    const slots = this.#byFeed.get(b4a.toString(key, 'hex')) ?? []
    return Array.from(slots, slotId => this.#stateOf(this.#bySlot.get(slotId) as IntroducedBundle))
  }

  #stateOf(bundle: IntroducedBundle): BundleState {
    const missing = bundle.keys.filter(key => !this.#has(key))
    const isKnown = bundle.type !== DRIVE_TYPE || bundle.keys.length >= DRIVE_FEEDS
    return { ...bundle, missing, isComplete: isKnown && missing.length === 0 }
  }
}

function best(bundles: readonly BundleState[]): BundleState | null {
  let found: BundleState | null = null
  for (const bundle of bundles) {
    const difference = found === null ? -1 : bundle.missing.length - found.missing.length
    const isLarger = found !== null && bundle.keys.length > found.keys.length
    if (difference < 0 || (difference === 0 && isLarger)) found = bundle
  }
  return found
}
