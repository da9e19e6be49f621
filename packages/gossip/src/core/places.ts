/**
 * The places of active links: at most `maxActiveLinks`, each with a slot, which is its bit in the records of trees.
 *
 * Invariant: a link has a slot if and only if it is active, and no two have the same. It keeps it until the trees have
 * forgotten it.
 */
import type { Limits } from '../limits.js'
import type { Link } from './link.js'
import type { Outbox } from './outbox.js'

/** Who is told when a link begins or ceases to carry batches, and knows what links are worth. */
export interface NeighbourListener {
  /** Carries batches from now on. */
  linkActive(link: Link): void
  /** Carries batches no more; it may still be up. */
  linkInactive(link: Link): void
  /** Does it bring the messages of an author who publishes much? Such a link isn't demoted for one that asks. */
  isFeeding(link: Link): boolean
}

/** What the places are made of. */
export interface PlacesOptions {
  readonly limits: Limits
  readonly outbox: Outbox
  readonly listener: NeighbourListener
}

/** The places of active links. */
export class Places {
  readonly #options: PlacesOptions
  readonly #slots: (Link | null)[]
  #active: readonly Link[] = []

  constructor(options: PlacesOptions) {
    this.#options = options
    this.#slots = new Array<Link | null>(options.limits.maxActiveLinks).fill(null)
  }

  /** Who has a place, in the order in which they got it. Never changed: a new array each time. */
  get active(): readonly Link[] {
    return this.#active
  }

  /** How many more there is room for. */
  get free(): number {
    return this.#slots.length - this.#active.length
  }

  /** Gives a standby a place; false if there is none. */
  take(link: Link): boolean {
    const { outbox, listener } = this.#options
    const slot = this.#slots.indexOf(null)
    if (slot === -1 || link.role === 'active') return false
    this.#slots[slot] = link
    link.slot = slot
    link.role = 'active'
    this.#active = [...this.#active, link]
    outbox.add({ type: 'linkRole', link: link.id, role: 'active' })
    outbox.trace({ type: 'link', link: link.id, state: 'active' })
    listener.linkActive(link)
    return true
  }

  /** Takes its place from a link; false if it had none. */
  leave(link: Link): boolean {
    if (link.role !== 'active') return false
    const { slot } = link
    link.role = 'standby'
    this.#active = this.#active.filter(other => other !== link)
    this.#options.listener.linkInactive(link)
    this.#slots[slot] = null
    link.slot = -1
    return true
  }

  /**
   * Whose place another may have: the newest that the other end dialled and that brings nothing much.
   *
   * @param isOurs - We want the change, so a link that feeds us may go, too, if no other can.
   */
  spare(isOurs: boolean): Link | undefined {
    const { listener } = this.#options
    const inbound = this.#active.filter(link => !link.isOutbound)
    const idle = inbound.findLast(link => !listener.isFeeding(link))
    if (idle !== undefined || !isOurs) return idle
    return inbound.at(-1) ?? this.#active.findLast(link => !listener.isFeeding(link))
  }

  /** Links that the other end dialled and that bring nothing much. */
  exchangeable(): Link[] {
    const { listener } = this.#options
    return this.#active.filter(link => !link.isOutbound && !listener.isFeeding(link))
  }
}
