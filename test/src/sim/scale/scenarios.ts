/**
 * The stages by name: what is asked of a topic, and what it is to survive.
 *
 * All have links of 10 to 50 ms, uniform, and a random regular overlay. Traffic begins at 3 s, when whoever wants few
 * links has chosen them; what is published in the warm-up isn't measured.
 */
import { Rng } from '../rng.js'
import {
  type Body,
  churn,
  cold,
  coldBoot,
  dropped,
  eclipse,
  halfOpen,
  killed,
  type Outline,
  partitioned,
  stalled,
  steady,
  turned
} from './bodies.js'
import { drawOverlay, drawSome } from './draw.js'
import type { Stage, StageEdge } from './stage.js'

/** What can be chosen; all else is drawn from the seed. */
export interface StageOptions {
  /** Honest nodes and droppers; attackers from outside come on top. At least 2. */
  readonly nodes?: number
  /** Connections of each node. */
  readonly connections?: number
  /** Who publishes, where the scenario lets one choose. */
  readonly authors?: number
  /** How long is measured. */
  readonly seconds?: number
  /** Payload of each message, at least 4. Default 64. */
  readonly payloadBytes?: number
  /** See `Stage.loss`. */
  readonly loss?: number
  /** See `Stage.bytesPerMs`. Default: no bound. */
  readonly bytesPerMs?: number
  /** See `Stage.frameCostMs`. Default 0. */
  readonly frameCostMs?: number
}

/** A named stage. */
export interface Scenario {
  /** One line. */
  readonly about: string
  readonly nodes: number
  readonly connections: number
  readonly draw: (seed: number, options?: StageOptions) => Stage
  /** Does each message have to reach everybody whom it can reach? */
  readonly mustDeliver: boolean
  /** Latest time of a delivery that counts as in time, ms after an honest path existed; null: the end of the run. */
  readonly withinMs: number | null
  /** Can systems that know nothing but open connections, kills, droppers and loss play it? */
  readonly isPlain: boolean
}

interface Definition {
  readonly about: string
  readonly nodes: number
  readonly connections: number
  readonly authors?: number
  readonly seconds?: number
  readonly loss?: number
  readonly mayMiss?: boolean
  readonly withinMs?: number
  readonly isPlain?: boolean
  readonly body: (outline: Outline, edges: readonly StageEdge[]) => Body
}

const plain = { isPlain: true } as const

const DEFINITIONS: Readonly<Record<string, Definition>> = {
  single: { about: 'one author, 10 messages/s', nodes: 1000, connections: 12, ...plain, body: steady(10) },
  multi: {
    about: 'eight authors, 20 messages/s in all',
    nodes: 1000,
    connections: 12,
    authors: 8,
    ...plain,
    body: steady(20)
  },
  all: {
    about: 'each node publishes one message, all within a second',
    nodes: 100,
    connections: 12,
    ...plain,
    body: outline => cold(outline, drawSome(outline.rng, outline.nodes, outline.nodes), 1000 / outline.nodes)
  },
  hot20: {
    about: 'twenty authors, 50 messages/s in all',
    nodes: 1000,
    connections: 12,
    authors: 20,
    ...plain,
    body: steady(50)
  },
  'hot20-500': {
    about: 'twenty authors, 500 messages/s in all',
    nodes: 1000,
    connections: 12,
    authors: 20,
    seconds: 3,
    ...plain,
    body: steady(500, { warmUpMs: 2000 })
  },
  cold: {
    about: '200 messages of authors drawn anew, one per 300 ms',
    nodes: 64,
    connections: 12,
    ...plain,
    body: outline =>
      cold(
        outline,
        Array.from({ length: 200 }, () => outline.rng.int(0, outline.nodes - 1)),
        300
      )
  },
  'each-one': {
    about: 'each node publishes one message, one per 300 ms',
    nodes: 64,
    connections: 12,
    ...plain,
    body: outline => cold(outline, drawSome(outline.rng, outline.nodes, outline.nodes), 300)
  },
  kill30: {
    about: '30 % die without a word',
    nodes: 500,
    connections: 64,
    authors: 2,
    seconds: 12,
    ...plain,
    body: killed(0.3)
  },
  kill50: {
    about: '50 % die without a word',
    nodes: 500,
    connections: 64,
    authors: 2,
    seconds: 12,
    mayMiss: true,
    ...plain,
    body: killed(0.5)
  },
  kill80: {
    about: '80 % die without a word',
    nodes: 500,
    connections: 64,
    authors: 2,
    seconds: 12,
    mayMiss: true,
    ...plain,
    body: killed(0.8)
  },
  drop30: {
    about: '30 % pass nothing on, and 5 % of all frames are lost',
    nodes: 50,
    connections: 10,
    authors: 3,
    seconds: 2,
    loss: 0.05,
    withinMs: 4000, // nine of ten neighbours may be such: each is given 200 ms to answer, after up to 1.5 s of silence
    ...plain,
    body: dropped({ censors: false })
  },
  censor30: {
    about: '30 % pass on nothing of one author',
    nodes: 50,
    connections: 10,
    seconds: 2,
    withinMs: 2000,
    ...plain,
    body: dropped({ censors: true })
  },
  partition60: {
    about: 'two halves, apart for 60 s; connections break after 13 s',
    nodes: 50,
    connections: 10,
    authors: 4,
    seconds: 70,
    withinMs: 2000,
    body: partitioned('both', 'cut')
  },
  'one-way60': {
    about: 'for 60 s one half hears nothing of the other; connections break after 13 s',
    nodes: 50,
    connections: 10,
    authors: 4,
    seconds: 70,
    withinMs: 2000,
    body: partitioned('forward', 'cut')
  },
  stall12: {
    about: 'a tenth of the nodes hears and says nothing for 12 s, then all at once',
    nodes: 50,
    connections: 10,
    authors: 4,
    seconds: 20,
    withinMs: 2000,
    body: stalled
  },
  'half-open': {
    about: 'a tenth of the connections is open at one end only, for 13 s',
    nodes: 50,
    connections: 10,
    authors: 4,
    seconds: 20,
    withinMs: 2000,
    body: halfOpen
  },
  churn40: {
    about: '40 % crash and come back per minute, half of them with another clock',
    nodes: 50,
    connections: 10,
    authors: 4,
    seconds: 60,
    withinMs: 2000,
    body: churn
  },
  eclipse: {
    about: '100 attackers dial one node, and pass nothing on',
    nodes: 50,
    connections: 10,
    authors: 2,
    withinMs: 2000,
    body: eclipse
  },
  'cold-boot': {
    about: 'all start within 3 s, 30 % pass nothing on; measured from 10 s on',
    nodes: 50,
    connections: 10,
    authors: 2,
    withinMs: 3000,
    body: coldBoot
  },
  turned30: {
    about: '30 % pass nothing on any more',
    nodes: 50,
    connections: 10,
    authors: 2,
    withinMs: 3000,
    body: turned
  },
  'crowd-10000': {
    about: 'ten thousand nodes, twenty authors, 50 messages/s in all',
    nodes: 10_000,
    connections: 10,
    authors: 20,
    seconds: 4,
    ...plain,
    body: steady(50, { warmUpMs: 3000 })
  }
}

function drawStage(name: string, seed: number, options: StageOptions): Stage {
  const definition = DEFINITIONS[name]
  if (definition === undefined) throw new RangeError(`no scenario ${name}`)
  const { nodes = definition.nodes, connections = definition.connections } = options
  const rng = new Rng(seed)
  const edges = drawOverlay(rng, nodes, connections)
  const outline: Outline = {
    rng,
    nodes,
    authors: Math.min(nodes, options.authors ?? definition.authors ?? 1),
    seconds: options.seconds ?? definition.seconds ?? 10,
    bytes: options.payloadBytes ?? 64
  }
  return {
    name,
    seed,
    nodes,
    edges,
    kills: [],
    droppers: null,
    loss: options.loss ?? definition.loss ?? 0,
    bytesPerMs: options.bytesPerMs ?? Number.POSITIVE_INFINITY,
    frameCostMs: options.frameCostMs ?? 0,
    ...definition.body(outline, edges)
  }
}

/** All scenarios, by name. */
export const SCENARIOS: Readonly<Record<string, Scenario>> = Object.fromEntries(
  Object.entries(DEFINITIONS).map(([name, definition]) => {
    const { about, nodes, connections, mayMiss = false, withinMs = null, isPlain = false } = definition
    const draw = (seed: number, options: StageOptions = {}): Stage => drawStage(name, seed, options)
    return [name, { about, nodes, connections, draw, mustDeliver: !mayMiss, withinMs, isPlain }]
  })
)

/** Draws a stage, by name of its scenario. Equal arguments give equal stages. */
export const STAGES: Readonly<Record<string, Scenario['draw']>> = Object.fromEntries(
  Object.entries(SCENARIOS).map(([name, { draw }]) => [name, draw])
)

/** Names of scenarios that can be played with nothing but open connections, kills, droppers and loss. */
export const PLAIN_SCENARIOS: readonly string[] = Object.keys(SCENARIOS).filter(
  name => SCENARIOS[name]?.isPlain === true
)
