/**
 * Trees without a core: links are made up, and a test says what comes over them. For unit tests of `Trees`.
 */
import type { Link } from '#gossip/core/link'
import { makeLink } from '#gossip/core/link'
import type { Learned, SpreadFrame } from '#gossip/core/spread'
import { Trees } from '#gossip/core/trees'
import type { AuthorRef, Batch } from '#gossip/core/types'
import { LIMITS, type Limits } from '#gossip/limits'
import { Author, bindings, noiseKey, START_MS } from './core-rig.js'

/** How a batch comes. */
export interface Coming {
  readonly mark?: boolean
  readonly repair?: boolean
  /** Payload bytes. */
  readonly bytes?: number
  readonly knowing?: readonly Link[]
}

/** What became of a batch that came. */
export interface Passed extends Learned {
  readonly push: readonly Link[]
  readonly offer: readonly Link[]
}

/** One node's trees, and its links. */
export class Grove {
  readonly limits: Limits
  readonly trees: Trees
  nowMs = START_MS
  readonly #slots: (Link | null)[]
  #links = 0

  constructor(overrides: Partial<Limits> = {}, random: () => number = () => 0) {
    this.limits = { ...LIMITS, ...overrides }
    this.trees = new Trees({ limits: this.limits, random })
    this.#slots = new Array<Link | null>(this.limits.maxActiveLinks).fill(null)
  }

  /** A link to a peer of its own that isn't active. */
  standby(peerNumber = this.#links): Link {
    const [binding] = bindings(noiseKey(0), noiseKey(100 + peerNumber), this.#links)
    const opening = { binding, outbound: true, peerId: String(peerNumber) }
    const link = makeLink(++this.#links, opening, { limits: this.limits, nowMs: this.nowMs })
    link.state = 'up'
    return link
  }

  /** Makes a link active. */
  activate(link: Link): readonly SpreadFrame[] {
    link.slot = this.#slots.indexOf(null)
    this.#slots[link.slot] = link
    link.role = 'active'
    return this.trees.linkActive(link)
  }

  /** Active links. */
  active(count: number): Link[] {
    return Array.from({ length: count }, () => {
      const link = this.standby()
      this.activate(link)
      return link
    })
  }

  /** Makes an active link a standby, as neighbours.ts does it. */
  deactivate(link: Link): readonly SpreadFrame[] {
    link.role = 'standby'
    const frames = this.trees.linkInactive(link)
    this.#slots[link.slot] = null
    link.slot = -1
    return frames
  }

  /** A new batch of a message comes over a link. */
  push(from: Link, ref: AuthorRef, seq0: number, how: Coming = {}): Passed {
    const batch = batchOf(ref, seq0, how.bytes)
    const learned = this.trees.arrived({ ...this.#arrival(from, batch, how) }, this.nowMs)
    const plan = this.trees.targets(batch, { from, isMarked: learned.isMarked, nowMs: this.nowMs })
    return { ...learned, ...plan }
  }

  /** A copy comes over a link. */
  copy(from: Link, ref: AuthorRef, seq0: number, how: Coming = {}): readonly SpreadFrame[] {
    return this.trees.repeated(this.#arrival(from, batchOf(ref, seq0, how.bytes), how), this.nowMs)
  }

  /** We publish. */
  publish(ref: AuthorRef, seq0: number, bytes = 10): { isMarked: boolean; push: readonly Link[] } {
    const batch = batchOf(ref, seq0, bytes)
    const isMarked = this.trees.marks(batch, this.nowMs)
    const { push } = this.trees.targets(batch, { from: null, isMarked, nowMs: this.nowMs })
    return { isMarked, push }
  }

  /** Links that get the batches of an incarnation. */
  children(ref: AuthorRef): number[] {
    return [...this.trees.childrenOf(ref)].sort((a, b) => a - b)
  }

  #arrival(from: Link, batch: Batch, { mark = false, repair = false, knowing = [] }: Coming) {
    const { length: bytes } = batch.payloadBytes
    return { batch, bytes, from, isRepair: repair, isMarked: mark, knowing }
  }
}

/** An incarnation. */
export const refOf = (seed: number): AuthorRef => new Author(seed).ref

/** Ids of links, ascending. */
export const idsOf = (links: readonly Link[]): number[] => links.map(({ id }) => id).sort((a, b) => a - b)

/** What frames say: `prune 3`, `graft 2`. */
export const saidIn = (frames: readonly SpreadFrame[]): string[] =>
  frames.map(({ link, frame }) => {
    if (frame.kind !== 'want') return `${frame.kind} ${link.id}`
    return `${frame.graft ? 'graft' : 'want'} ${link.id}${frame.ranges.some(({ count }) => count > 0) ? ' with a range' : ''}`
  })

function batchOf(ref: AuthorRef, seq0: number, bytes = 10): Batch {
  const empty = new Uint8Array(0)
  const about = { createdMs: START_MS, ttlSeconds: 30, class: 0, head: empty, signature: new Uint8Array(64) }
  return { ref, seq0, count: 1, payloadBytes: new Uint8Array(bytes), payloads: [empty], ...about }
}
