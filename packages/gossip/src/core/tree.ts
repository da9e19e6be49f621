/**
 * The broadcast tree of one incarnation, as far as one node knows it: who brings its batches, who gets them, who was told
 * not to bring them. Data, and what follows from it alone; trees.ts has the states.
 *
 * Thousands are kept, so it is small: links are bits by slot, there is one time for all that were pruned, and times count
 * from the start of the incarnation (`timeOf`), as in author-entry.ts: V8 keeps small integers in their fields.
 */
import type { Link } from './link.js'
import type { AuthorRef } from './types.js'

/** One tree. */
export interface Tree {
  /** Who brings its batches; null: nobody in particular. */
  parent: Link | null
  /** Last seq that the parent pushed since it is the parent; -1: none. */
  fedTo: number
  /** Who gets its batches. */
  children: number
  /** Children that were pushed to, and didn't prune since: along them even large batches are pushed. */
  proven: number
  /** Who was told not to push, or failed as a parent. */
  pruned: number
  /** When one of these was told last; `NEVER`. */
  prunedAt: number
  /** Whom a mark showed to be faster than the parent, and how many of its copies are still borne. */
  candidate: number
  trials: number
  /** When it was begun, or a mark was honoured last. */
  builtAt: number
  /** Was it built by a mark? Else its paths are those of another tree, or chance. */
  isBuilt: boolean
  /** When the last new batch came. */
  heardAt: number
  /** Batches per 1,000 s, smoothed, when the last one came. */
  rate: number
  /** Batches since the last mark, if it is our own; else `FOREIGN`. */
  unmarked: number
}

/** We don't mark it. One field tells both, since thousands of trees are kept. */
const FOREIGN = -1

/** Batches per 1,000 s from which on an author publishes much. */
const HOT_RATE = 1000
/** Time over which the rate is smoothed. */
const RATE_MS = 10_000
/** A tree that is so young is still being built: copies are under way. */
const YOUNG_MS = 1000
/** What a link pushes so soon after it was pruned doesn't make it the parent: it is about to stop, or doesn't listen. */
const HOLD_MS = 10_000
/** Copies that a candidate may push: the paths to it change as well, so at first it may come second. */
const TRIALS = 3
/** A time before all others. */
const NEVER = -(2 ** 30)

/** A time, counted from the start of an incarnation. */
export function timeOf(ref: AuthorRef, nowMs: number): number {
  const at = Math.floor(nowMs - ref.startMs)
  // A difference is a number of the large kind, whatever its value, until it went through an integer operator.
  return (at | 0) === at ? at | 0 : at
}

/** A tree without a parent. */
export function makeTree(children: number, at: number, isOurs: boolean): Tree {
  return {
    parent: null,
    fedTo: -1,
    children,
    proven: 0,
    pruned: 0,
    prunedAt: NEVER,
    candidate: 0,
    trials: 0,
    builtAt: at,
    isBuilt: false,
    heardAt: at,
    rate: 0,
    unmarked: isOurs ? 0 : FOREIGN
  }
}

/** Is it the tree of what we publish? */
export const isOwn = ({ unmarked }: Tree): boolean => unmarked !== FOREIGN

/** The bit of a link; 0: it isn't active. */
export const bitOf = (link: Link): number => (link.role === 'active' ? 1 << link.slot : 0)

/** Number of links in a set of bits. */
export function bitCount(bits: number): number {
  let n = 0
  for (let rest = bits; rest !== 0; rest &= rest - 1) n++
  return n
}

/** A new batch came, or was made. */
export function count(tree: Tree, at: number): void {
  tree.rate = Math.floor(rateOf(tree, at) + 1_000_000 / RATE_MS) | 0
  tree.heardAt = at
}

/** Does the author publish much? */
export const isHot = (tree: Tree, at: number): boolean => rateOf(tree, at) >= HOT_RATE

function rateOf({ rate, heardAt }: Tree, at: number): number {
  return rate * Math.exp((heardAt - at) / RATE_MS)
}

/** Are copies still under way because it is being built? */
export const isYoung = (tree: Tree, at: number): boolean => at < tree.builtAt + YOUNG_MS

/** Do batches come as they are published, as far as one can see? */
export function isFlowing(tree: Tree, at: number): boolean {
  if (tree.parent === null) return false
  // Of who is quiet one can't tell; who publishes much isn't silent for three times its interval without a reason.
  return !isHot(tree, at) || (at - tree.heardAt) * tree.rate < 3_000_000
}

/** Is the last mark that built it `markMs` ago, if one did? */
export function mayBuild({ isBuilt, builtAt }: Tree, markMs: number, at: number): boolean {
  return !isBuilt || at >= builtAt + markMs
}

/** Its paths are the fastest from now on. */
export function build(tree: Tree, at: number): void {
  tree.isBuilt = true
  tree.builtAt = at
  if (isOwn(tree)) tree.unmarked = 0
}

/** A link is asked to push, whatever it was told before. */
export function take(tree: Tree, bit: number): void {
  tree.pruned &= ~bit
}

/** A link was faster than the parent: it becomes the parent if it is so again. */
export function nominate(tree: Tree, bit: number): void {
  take(tree, bit)
  tree.candidate = bit
  tree.trials = TRIALS
}

/** Is this copy borne, because it is that of a candidate? */
export function isTried(tree: Tree, bit: number): boolean {
  if (tree.candidate !== bit || tree.trials === 0) return false
  tree.trials--
  return true
}

/** A link is told not to push; false: it was told less than `pruneMs` ago. */
export function prune(tree: Tree, bit: number, { pruneMs, at }: { pruneMs: number; at: number }): boolean {
  if (bit === 0 || ((tree.pruned & bit) !== 0 && at < tree.prunedAt + pruneMs)) return false
  if (at >= tree.prunedAt + HOLD_MS) tree.pruned = 0
  tree.pruned |= bit
  tree.prunedAt = at
  return true
}

/** A link failed as a parent: it isn't told anything, but must not become it again at once. */
export function distrust(tree: Tree, bit: number, { pruneMs, at }: { pruneMs: number; at: number }): void {
  if (at >= tree.prunedAt + HOLD_MS) {
    tree.pruned = 0
    tree.prunedAt = at - pruneMs
  }
  tree.pruned |= bit
}

/** Was a link pruned so lately that what it pushes doesn't count? */
export function isHeld(tree: Tree, bit: number, at: number): boolean {
  return (tree.pruned & bit) !== 0 && at < tree.prunedAt + HOLD_MS
}
