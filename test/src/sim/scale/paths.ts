/**
 * Who can be asked to have a message: those whom an honest path reached.
 *
 * A message that nobody could have brought isn't missed. So the judge lets each message spread over what was there: from
 * its author over connections that were open, between nodes that pass it on, each time for as long as repair may take.
 * Where nothing changes during a run this is one walk over the graph.
 */
import { REDIAL_WITHIN_MS } from './breaks.js'
import type { Stage, StagePublish } from './stage.js'

/** A spread that has less time than this may fail: a redial, two summaries, and the answer. */
const REPAIR_MS = 3000
/** Lifetime of a message by default. */
const TTL_MS = 30_000

/** Who has to have a message. */
export interface Expected {
  /** 1 for each node that has to have it. May be shared with other messages. */
  readonly nodes: Uint8Array
  /** By node: ms from the publish until a path existed; null: one existed at once for all. */
  readonly pathMs: Float32Array | null
}

/** Who has to have each message, in the order of `stage.publishes`. */
export function expectedOf(stage: Stage): readonly Expected[] {
  const judge = new Judge(stage)
  return stage.publishes.map(publish => judge.expected(publish))
}

interface Interval {
  readonly fromMs: number
  readonly untilMs: number
}

class Judge {
  readonly #stage: Stage
  readonly #isChanging: boolean
  readonly #edgeOut = new Map<number, Interval[]>()
  readonly #nodeOut = new Map<number, Interval[]>()
  readonly #diesMs: Float64Array
  readonly #isDropper: Uint8Array
  /** Moments at which the graph changes, ascending. */
  readonly #changes: readonly number[]
  readonly #neighbours: readonly (readonly { node: number; edge: number }[])[]
  /** Where nothing changes: by author and by time of the kill that is over. */
  readonly #known = new Map<string, Expected>()

  constructor(stage: Stage) {
    this.#stage = stage
    const { outages = [], downtimes = [], nodes, edges } = stage
    this.#isChanging = outages.length + downtimes.length > 0
    for (const { edges: some, atMs, untilMs } of outages) {
      for (const edge of some)
        push(this.#edgeOut, edge, { fromMs: atMs, untilMs: untilMs + REDIAL_WITHIN_MS })
    }
    for (const { node, atMs, untilMs } of downtimes) {
      push(this.#nodeOut, node, { fromMs: atMs, untilMs: untilMs + REDIAL_WITHIN_MS })
    }
    this.#diesMs = new Float64Array(nodes).fill(Number.POSITIVE_INFINITY)
    for (const { atMs, nodes: some } of stage.kills) for (const node of some) this.#diesMs[node] = atMs
    this.#isDropper = new Uint8Array(nodes)
    for (const node of stage.droppers?.nodes ?? []) this.#isDropper[node] = 1
    const ends = [...this.#edgeOut.values(), ...this.#nodeOut.values()].flat()
    this.#changes = [...new Set(ends.map(({ untilMs }) => untilMs))].sort((a, b) => a - b)
    const neighbours: { node: number; edge: number }[][] = Array.from({ length: nodes }, () => [])
    for (const [edge, { from, to }] of edges.entries()) {
      neighbours[from]?.push({ node: to, edge })
      neighbours[to]?.push({ node: from, edge })
    }
    this.#neighbours = neighbours
  }

  expected(publish: StagePublish): Expected {
    if (this.#isChanging) return this.#expected(publish)
    const kills = this.#stage.kills.filter(({ atMs }) => atMs <= publish.atMs).length
    const key = `${publish.author} ${kills}`
    const known = this.#known.get(key) ?? this.#expected(publish)
    this.#known.set(key, known)
    return known
  }

  #expected(publish: StagePublish): Expected {
    const { author, atMs } = publish
    const nodes = new Uint8Array(this.#stage.nodes)
    const pathMs = this.#isChanging ? new Float32Array(nodes.length) : null
    if (this.#diesMs[author] === Number.POSITIVE_INFINITY) nodes[author] = 1
    const endMs = Math.min(atMs + TTL_MS, this.#stage.endMs) - REPAIR_MS
    this.#spread({ nodes, pathMs }, publish, atMs)
    let lastMs = atMs
    for (const changeMs of this.#changes) {
      if (changeMs <= atMs || changeMs > endMs) continue
      // A crash forgets.
      for (const [node, intervals] of this.#nodeOut) if (isOut(intervals, lastMs, changeMs)) nodes[node] = 0
      this.#spread({ nodes, pathMs }, publish, changeMs)
      lastMs = changeMs
    }
    for (let node = 0; node < nodes.length; node++) if (!this.#isAsked(node, publish)) nodes[node] = 0
    return { nodes, pathMs }
  }

  /** Only those who are there all the time have to have it, and the author has it anyway. */
  #isAsked(node: number, { author, atMs }: StagePublish): boolean {
    if (node === author || this.#isDropper[node] === 1) return false
    if (this.#diesMs[node] !== Number.POSITIVE_INFINITY) return false
    const endMs = Math.min(atMs + TTL_MS, this.#stage.endMs)
    return !isOut(this.#nodeOut.get(node), atMs, endMs)
  }

  /** Walks over what is there from `fromMs` on for as long as repair takes. */
  #spread({ nodes: has, pathMs }: Expected, publish: StagePublish, fromMs: number): void {
    const untilMs = fromMs + REPAIR_MS
    const isThere = (node: number): boolean =>
      (this.#diesMs[node] as number) >= untilMs && !isOut(this.#nodeOut.get(node), fromMs, untilMs)
    const open: number[] = []
    for (let node = 0; node < has.length; node++) {
      if (has[node] === 1 && isThere(node)) open.push(node)
    }
    for (let node = open.pop(); node !== undefined; node = open.pop()) {
      if (!this.#passesOn(node, publish)) continue
      for (const { node: next, edge } of this.#neighbours[node] as readonly {
        node: number
        edge: number
      }[]) {
        if (has[next] === 1 || !isThere(next) || isOut(this.#edgeOut.get(edge), fromMs, untilMs)) continue
        has[next] = 1
        if (pathMs !== null) pathMs[next] = fromMs - publish.atMs
        open.push(next)
      }
    }
  }

  #passesOn(node: number, { author }: StagePublish): boolean {
    const censored = this.#stage.droppers?.censored ?? null
    return this.#isDropper[node] === 0 || (censored !== null && censored !== author)
  }
}

const isOut = (intervals: readonly Interval[] | undefined, fromMs: number, untilMs: number): boolean =>
  intervals?.some(interval => interval.fromMs < untilMs && interval.untilMs > fromMs) ?? false

function push(map: Map<number, Interval[]>, key: number, interval: Interval): void {
  const known = map.get(key)
  if (known === undefined) map.set(key, [interval])
  else known.push(interval)
}
