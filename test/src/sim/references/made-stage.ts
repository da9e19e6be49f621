/** Stages made by hand, small enough that what has to come out of them can be worked out on paper. */
import type { Stage, StageEdge } from '../scale/stage.js'

/** Traffic begins then, ms. */
export const START_MS = 1000
/** From one message to the next, ms: all is quiet in between. */
export const GAP_MS = 1000

/** From, to, one-way latency in ms. */
export type MadeEdge = readonly [from: number, to: number, latencyMs: number]

/** What differs from a quiet stage. */
export type MadeStage = Partial<Omit<Stage, 'edges' | 'publishes'>> & {
  readonly edges: readonly MadeEdge[]
  /** Of each message; one a second, all of 64 bytes. */
  readonly authors: readonly number[]
  /** The first so many messages aren't measured. Default 0. */
  readonly warmUp?: number
}

/** Makes a stage. It ends 5 s after its last message. */
export function madeStage({ edges, authors, warmUp = 0, ...rest }: MadeStage): Stage {
  return {
    name: 'made',
    seed: 1,
    nodes: 1 + Math.max(...edges.map(([from, to]) => Math.max(from, to))),
    edges: edges.map(([from, to, latencyMs]): StageEdge => ({ from, to, latencyMs })),
    publishes: authors.map((author, i) => ({
      atMs: START_MS + i * GAP_MS,
      author,
      bytes: 64,
      isMeasured: i >= warmUp
    })),
    kills: [],
    droppers: null,
    loss: 0,
    endMs: START_MS + authors.length * GAP_MS + 5000,
    bytesPerMs: Number.POSITIVE_INFINITY,
    frameCostMs: 0,
    ...rest
  }
}

/** 0 - 1 - 2 - 3, 10, 20 and 30 ms. */
export const LINE: readonly MadeEdge[] = [
  [0, 1, 10],
  [1, 2, 20],
  [2, 3, 30]
]

/** Three nodes, all connected, 10 ms each. */
export const TRIANGLE: readonly MadeEdge[] = [
  [0, 1, 10],
  [1, 2, 10],
  [0, 2, 10]
]

/** Node 0 in the middle of `leaves` others, 10 ms each; the leaves dial. */
export const star = (leaves: number): MadeEdge[] =>
  Array.from({ length: leaves }, (_, leaf): MadeEdge => [leaf + 1, 0, 10])
