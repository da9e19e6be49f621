/**
 * A broadcast tree for each live incarnation of an author, over the active links: after its first batch every message
 * takes one path to every node, and that path was the fastest when the tree was built (Leitao, Pereira and Rodrigues,
 * "Epidemic Broadcast Trees", 2007; there one tree for all authors).
 *
 *   new    --first batch, from p-------------------> fed(p)   children: the links of the backbone but p (backbone.ts)
 *   new    --seq 0 with a mark, from p-------------> fed(p)   children: all active links but p; also without a backbone
 *   fed(p) --new batch from p----------------------> fed(p)
 *   fed(p) --new batch pushed by q-----------------> fed(q)   q is no child any more; not if q was pruned lately
 *   fed(p) --new batch with a mark, first from q---> fed(p)   it goes to all active links; a graft to q if q isn't p
 *   fed(p) --copy, pushed by q, of what p brought--> fed(p)   PRUNE to q, once a second
 *   fed(p) --answer to a WANT, from an active q----> fed(q)   p wasn't trusted with it: what it pushes now doesn't count
 *   any    --PRUNE from q--------------------------> same     q is no child any more
 *   any    --WANT with graft from an active q------> same     q is a child; if it was the parent: orphan
 *   any    --link r becomes active-----------------> same     r is a child, until its HAVE(join) shows that it is fed
 *   orphan --link r becomes active-----------------> orphan   a graft to r
 *   fed(p) --p is active no more-------------------> orphan   a graft to another link, at once
 *   orphan --new batch from an active q------------> fed(q)
 *
 * Invariants:
 * A1. The parent is never a child; it becomes one only by asking for it, and then is the parent no more.
 * A2. A batch is pushed to a link at most once, and never to the peer that brought it.
 * A3. A parent is adopted only by the arrival of a new batch, never because of what somebody says it has. A circle of
 *     parents starves, and repair breaks it.
 * A4. So what arrives twice is never more than in a flood over the active links.
 * A5. It doesn't matter how a batch came: also what was repaired goes to the children.
 * A6. Nobody is pruned for a copy of what the parent didn't bring: whoever still pushes may be all that we have.
 * A7. Own batches go to at least `minOwnLinks` links, whatever they prune: a single one could withhold them.
 * A8. Whoever becomes the parent although it may not push on (it was pruned lately, or a mark made it push) is grafted.
 *     So two links that were pruned for each other's sake don't leave us without any.
 *
 * A marked batch measures: it floods, and who learns of a faster path grafts it, and prunes the slower one by its next
 * copy. So a mark costs the copies of one batch, however many follow before it got around.
 *
 * A tree belongs to an incarnation, not to an author: two devices of one author would prune each other's paths. Bound:
 * the author table.
 */
import type { Limits } from '../limits.js'
import { Backbone } from './backbone.js'
import type { Link } from './link.js'
import { type Arrival, type Learned, type Plan, type Spread, type SpreadFrame, UNMARKED } from './spread.js'
import {
  bitCount,
  bitOf,
  build,
  count,
  distrust,
  isFlowing,
  isHeld,
  isHot,
  isOwn,
  isTried,
  isYoung,
  makeTree,
  mayBuild,
  nominate,
  prune,
  type Tree,
  take,
  timeOf
} from './tree.js'
import type { AuthorRef, Batch, LinkId, SeqRange } from './types.js'

/** What trees are made with. */
export interface TreesOptions {
  readonly limits: Limits
  /** Uniform in [0, 1). */
  readonly random: () => number
}

/** Who marks leaves a little more time between two than those who honour them count. */
const MARK_SLACK = 1.1

/** Spreads batches along one tree per author. */
export class Trees implements Spread {
  readonly #options: TreesOptions
  readonly #trees = new Map<AuthorRef, Tree>()
  readonly #slots: (Link | null)[]
  readonly #backbone = new Backbone({ [Symbol.iterator]: () => this.#trees.keys() })
  #all = 0

  constructor(options: TreesOptions) {
    this.#options = options
    this.#slots = new Array<Link | null>(options.limits.maxActiveLinks).fill(null)
  }

  /** Becomes a child of every tree, until it says what it has; it is asked for what nobody brings. */
  linkActive(link: Link): readonly SpreadFrame[] {
    const bit = bitOf(link)
    this.#slots[link.slot] = link
    this.#all |= bit
    const orphans: AuthorRef[] = []
    for (const [ref, tree] of this.#trees) {
      tree.children |= bit
      tree.pruned &= ~bit
      tree.candidate &= ~bit
      if (tree.parent === null && !isOwn(tree)) orphans.push(ref)
    }
    return this.#grafts(orphans, [link])
  }

  /** A link that became active has all that we have, so it is fed: no child, unless we are the author, or starve as well. */
  joined(link: Link, ref: AuthorRef, nowMs: number): void {
    const tree = this.#trees.get(ref)
    if (tree === undefined || isOwn(tree) || !isFlowing(tree, timeOf(ref, nowMs))) return
    tree.children &= ~bitOf(link)
    tree.proven &= tree.children
  }

  /** Leaves all trees. What it fed is asked for elsewhere at once. */
  linkInactive(link: Link): readonly SpreadFrame[] {
    const bit = 1 << link.slot
    this.#slots[link.slot] = null
    this.#all &= ~bit
    const orphans: AuthorRef[] = []
    for (const [ref, tree] of this.#trees) {
      tree.children &= ~bit
      tree.proven &= ~bit
      if (tree.parent !== link) continue
      tree.parent = null
      orphans.push(ref)
    }
    return this.#grafts(orphans, this.#active())
  }

  /** The children that aren't links of the peer that brought it; all active links, if it carries a mark. */
  targets(batch: Batch, how: { from: Link | null; isMarked: boolean; nowMs: number }): Plan {
    const { from, isMarked, nowMs } = how
    const tree = this.#trees.get(batch.ref)
    if (tree === undefined) return NOBODY
    if (isMarked) return { push: this.#links(this.#all, from), offer: [] }
    const isLarge = batch.payloadBytes.length > this.#options.limits.maxPushBytes
    // Nobody else has what we publish now: offering it would only cost time.
    const offered = isLarge && from !== null ? tree.children & ~tree.proven : 0
    const pushed = tree.children & ~offered
    // While it is built, many children are about to prune.
    if (!isYoung(tree, timeOf(batch.ref, nowMs))) tree.proven |= pushed
    return { push: this.#links(pushed, from), offer: this.#links(offered, from) }
  }

  /** Learns the parent, and whether the batch's mark is honoured. */
  arrived(arrival: Arrival, nowMs: number): Learned {
    const { batch, bytes, isRepair } = arrival
    const { ref, seq0 } = batch
    const at = timeOf(ref, nowMs)
    const isMarked = arrival.isMarked && !isRepair
    let tree = this.#trees.get(ref)
    if (tree === undefined) {
      const isFlood = isMarked && seq0 === 0
      tree = this.#grow(ref, { isOurs: false, isFlood }, nowMs)
      if (isFlood) build(tree, at)
      // They are fed, or graft, as in `joined`.
      for (const link of arrival.knowing) tree.children &= ~bitOf(link)
      return {
        isMarked: isFlood,
        isExcess: false,
        frames: this.#follow(tree, arrival, { isHonoured: false, at })
      }
    }
    count(tree, at)
    const { limits } = this.#options
    const isSmall = bytes <= limits.maxMarkBytes
    const isHonoured = isMarked && isSmall && seq0 > 0 && mayBuild(tree, limits.markMs, at)
    // Paths of different length bring marks closer together: who honours them by the rule isn't to blame for that.
    const isExcess = isMarked && seq0 > 0 && !mayBuild(tree, limits.markMs / 2, at)
    if (isHonoured) build(tree, at)
    const frames = this.#follow(tree, arrival, { isHonoured, at })
    if (isHonoured || isExcess || frames.length > 0) return { isMarked: isHonoured, isExcess, frames }
    return UNMARKED
  }

  /** Prunes who pushes a copy of what the parent brought. */
  repeated({ batch, from, isRepair, isMarked }: Arrival, nowMs: number): readonly SpreadFrame[] {
    const { ref, seq0, count: n } = batch
    const tree = this.#trees.get(ref)
    // What a mark made somebody push isn't pushed again.
    if (tree === undefined || isRepair || (isMarked && seq0 > 0)) return NO_FRAMES
    const to = seq0 + n - 1
    if (tree.parent === from) {
      tree.fedTo = Math.max(tree.fedTo, to)
      return NO_FRAMES
    }
    if (!isOwn(tree) && (tree.parent === null || to > tree.fedTo)) return NO_FRAMES
    if (isTried(tree, bitOf(from))) return NO_FRAMES
    const { pruneMs } = this.#options.limits
    if (!prune(tree, bitOf(from), { pruneMs, at: timeOf(ref, nowMs) })) return NO_FRAMES
    return [{ link: from, frame: { kind: 'prune', refs: [ref] } }]
  }

  /** No child any more. Own trees keep some. */
  pruned(link: Link, refs: readonly AuthorRef[] | null): void {
    const bit = bitOf(link)
    for (const ref of refs ?? this.#trees.keys()) {
      const tree = this.#trees.get(ref)
      if (tree === undefined) continue
      const rest = tree.children & ~bit
      if (isOwn(tree) && bitCount(rest) < this.#options.limits.minOwnLinks) continue
      tree.children = rest
      tree.proven &= rest
    }
  }

  /** A child. If it was the parent, it has nothing for us any more. */
  grafted(link: Link, ref: AuthorRef): readonly SpreadFrame[] {
    const tree = this.#trees.get(ref)
    const bit = bitOf(link)
    if (tree === undefined || bit === 0) return NO_FRAMES
    tree.children |= bit
    tree.proven |= bit
    if (tree.parent !== link) return NO_FRAMES
    tree.parent = null
    return this.#grafts(
      [ref],
      this.#active().filter(other => other !== link)
    )
  }

  /** Whoever carries batches is asked to go on. */
  asks(link: Link, refs: readonly AuthorRef[]): boolean {
    const bit = bitOf(link)
    if (bit === 0) return false
    for (const ref of refs) {
      const tree = this.#trees.get(ref)
      if (tree !== undefined) take(tree, bit)
    }
    return true
  }

  /**
   * Has an own tree to be built now? With the first batch if there is no backbone, with the fourth if there is one, then
   * every `markBatches`; never too often, nor with a large batch.
   */
  marks({ ref, payloadBytes }: Batch, nowMs: number): boolean {
    const { limits } = this.#options
    const isSmall = payloadBytes.length <= limits.maxMarkBytes
    const at = timeOf(ref, nowMs)
    let tree = this.#trees.get(ref)
    if (tree === undefined) {
      const isFlood = this.#borrowed(true, nowMs) === 0
      tree = this.#grow(ref, { isOurs: true, isFlood }, nowMs)
      tree.unmarked = 1
      if (isFlood && isSmall) build(tree, at)
      return isFlood && isSmall
    }
    count(tree, at)
    tree.unmarked++
    const isDue = tree.unmarked > (tree.isBuilt ? limits.markBatches : limits.unmarkedBatches)
    if (!isDue || !isSmall || !mayBuild(tree, limits.markMs * MARK_SLACK, at)) return false
    build(tree, at)
    return true
  }

  /** While the tree is built: all that weren't told not to push. */
  skips(ref: AuthorRef, from: Link, nowMs: number): readonly Link[] {
    const tree = this.#trees.get(ref)
    if (tree !== undefined && !isYoung(tree, timeOf(ref, nowMs))) return []
    return this.#links(this.#all & ~(tree?.pruned ?? 0), from)
  }

  /** Does somebody bring the batches of this incarnation? */
  isFed(ref: AuthorRef): boolean {
    const tree = this.#trees.get(ref)
    return tree !== undefined && (tree.parent !== null || isOwn(tree))
  }

  /** Is it the parent of an author who publishes much? */
  isFeeding(link: Link, nowMs: number): boolean {
    for (const [ref, tree] of this.#trees) {
      if (tree.parent === link && isHot(tree, timeOf(ref, nowMs))) return true
    }
    return false
  }

  /** Who brings the batches of an incarnation. */
  parentOf(ref: AuthorRef): LinkId | null {
    return this.#trees.get(ref)?.parent?.id ?? null
  }

  /** Who gets them. */
  childrenOf(ref: AuthorRef): readonly LinkId[] {
    return this.#links(this.#trees.get(ref)?.children ?? 0, null).map(link => link.id)
  }

  /**
   * When the last new batch of an incarnation came; if nobody is expected to bring the next, when its tree was begun. What
   * came by repair alone doesn't show that anybody does. -Infinity: none is remembered.
   */
  heardMs(ref: AuthorRef): number {
    const tree = this.#trees.get(ref)
    if (tree === undefined) return Number.NEGATIVE_INFINITY
    return ref.startMs + (tree.parent === null ? tree.builtAt : tree.heardAt)
  }

  /** An entry left the table. */
  forget(ref: AuthorRef): void {
    this.#trees.delete(ref)
    this.#backbone.remove(ref)
  }

  // Over all links; or along the backbone, if there is one.
  #grow(ref: AuthorRef, how: { isOurs: boolean; isFlood: boolean }, nowMs: number): Tree {
    const borrowed = how.isFlood ? 0 : this.#borrowed(how.isOurs, nowMs)
    const tree = makeTree(borrowed === 0 ? this.#all : borrowed, timeOf(ref, nowMs), how.isOurs)
    this.#trees.set(ref, tree)
    this.#backbone.add(ref, nowMs)
    return tree
  }

  // The links of the backbone, as bits; 0: there is none here. Own batches go to some more if it has few (A7).
  #borrowed(isOurs: boolean, nowMs: number): number {
    const ref = this.#backbone.at(nowMs)
    const base = ref === null ? undefined : this.#trees.get(ref)
    if (base === undefined || (base.parent === null && !isOwn(base))) return 0
    let bits = (base.children | (base.parent === null ? 0 : bitOf(base.parent))) & this.#all
    if (!isOurs) return bits
    for (const link of this.#slots) {
      if (bitCount(bits) >= this.#options.limits.minOwnLinks) break
      if (link !== null) bits |= bitOf(link)
    }
    return bits
  }

  // A new batch came: from whom do we expect the next one?
  #follow(tree: Tree, arrival: Arrival, how: { isHonoured: boolean; at: number }): readonly SpreadFrame[] {
    const { batch, from, isRepair, isMarked } = arrival
    const bit = bitOf(from)
    if (bit === 0) return NO_FRAMES
    tree.children &= ~bit
    tree.proven &= ~bit
    const to = batch.seq0 + batch.count - 1
    const { parent } = tree
    if (parent === from) {
      tree.fedTo = Math.max(tree.fedTo, to)
      return NO_FRAMES
    }
    const isMeasured = isMarked && !isRepair && batch.seq0 > 0
    const mayStop = isMeasured || (!isRepair && isHeld(tree, bit, how.at))
    if (parent !== null && isMeasured) {
      if (!how.isHonoured) return NO_FRAMES
      nominate(tree, bit)
      return this.#grafts([batch.ref], [from])
    }
    // Nor does a straggler move the tree: what came before it came another way.
    if (parent !== null && (mayStop || to < tree.fedTo)) return NO_FRAMES
    tree.parent = from
    tree.fedTo = to
    tree.candidate = 0
    if (isRepair && parent !== null)
      distrust(tree, bitOf(parent), { pruneMs: this.#options.limits.pruneMs, at: how.at })
    return mayStop ? this.#grafts([batch.ref], [from]) : NO_FRAMES
  }

  // One link for all orphans of a lost parent would be a single point of failure again. Children are asked last: what they
  // get comes from us, most likely.
  #grafts(orphans: readonly AuthorRef[], active: readonly Link[]): SpreadFrame[] {
    const ranges = new Map<Link, SeqRange[]>()
    for (const ref of orphans) {
      const tree = this.#trees.get(ref)
      if (tree === undefined || active.length === 0) continue
      const others = active.filter(link => (tree.children & bitOf(link)) === 0)
      const pool = others.length > 0 ? others : active
      const link = pool[Math.floor(this.#options.random() * pool.length)] as Link
      take(tree, bitOf(link))
      const range = { ref, from: 0, count: 0 }
      const list = ranges.get(link)
      if (list === undefined) ranges.set(link, [range])
      else list.push(range)
    }
    const { maxWantRanges } = this.#options.limits
    const frames: SpreadFrame[] = []
    for (const [link, list] of ranges) {
      for (let i = 0; i < list.length; i += maxWantRanges) {
        frames.push({ link, frame: { kind: 'want', graft: true, ranges: list.slice(i, i + maxWantRanges) } })
      }
    }
    return frames
  }

  #active(): Link[] {
    return this.#slots.filter(link => link !== null)
  }

  #links(bits: number, from: Link | null): Link[] {
    const links: Link[] = []
    for (let rest = bits; rest !== 0; rest &= rest - 1) {
      const link = this.#slots[31 - Math.clz32(rest & -rest)]
      if (link !== null && link !== undefined && link.peerId !== from?.peerId) links.push(link)
    }
    return links
  }
}

const NO_FRAMES: readonly SpreadFrame[] = []
const NOBODY: Plan = { push: [], offer: [] }
