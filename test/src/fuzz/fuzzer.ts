/**
 * A mutation fuzzer: makes inputs for a decoder, well formed ones and their neighbours, and looks for one that breaks what
 * every decoder of bytes of a remote must keep.
 *
 * 1. It returns a result; it never throws.
 * 2. No input takes longer than 5 ms, or allocates more than 1 MB. What seems to is decoded again before it counts, because
 *    the machine has other things to do and a heap is collected whenever it likes.
 * 3. Every number is a safe integer from 0, unless the target says that numbers are payload.
 * 4. What was decoded is encoded to bytes that decode to an equal value, and from then on to the same bytes. Where the
 *    format has one spelling, to the bytes that came.
 * 5. Where values are said to be copies, changing the input changes nothing in them.
 *
 * An input whose result looks like none before joins the pool of those that are mutated, so that the fuzzer gets further in
 * without knowing the code. A failing input is cut down before it is reported.
 */
import v8 from 'node:v8'
import { Rng } from '../sim/rng.js'
import { Draw } from './draw.js'
import { mutate, systematic } from './mutate.js'
import { areBytesSame, isSame, shapeOf, someLeaf } from './values.js'

/** What a decoder said. */
export type Outcome<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly reason: string }

/** A decoder under test. */
export interface Target<T = unknown> {
  /** Names its corpus file, too. */
  readonly name: string
  /** The decoder. Throws only if the decoder does. */
  decode(bytes: Uint8Array): Outcome<T>
  /** A value that was decoded, as bytes again; null if it can't be written as it came. Without it nothing is compared. */
  readonly encode?: (value: T) => Uint8Array | null
  /** What is wrong with a decoded value that came as `bytes`; null: nothing. */
  readonly check?: (value: T, bytes: Uint8Array) => string | null
  /** An input that is well formed, or would be but for one bound. */
  make(draw: Draw): Uint8Array
  /** Has a value only one spelling? */
  readonly isCanonical?: boolean
  /** Does the decoder promise copies? */
  readonly isCopy?: boolean
  /** Are numbers in a value whatever the sender put there? */
  readonly hasPayloadNumbers?: boolean
  /** Default 5 ms and 1 MB: for one frame. A target that runs many through a machine says how many. */
  readonly frames?: number
  /** How often it is drawn compared to others; default 1. Slow targets have less. */
  readonly weight?: number
}

/** An input that breaks a rule. */
export interface Failure {
  readonly target: string
  /** Which rule, in words. */
  readonly rule: string
  readonly input: Uint8Array
}

/** What a run did. */
export interface Report {
  readonly target: string
  inputs: number
  accepted: number
  /** How often each reason was given. */
  readonly reasons: Map<string, number>
  /** The shortest input for each shape of result that was seen, by that shape. */
  readonly pool: Map<string, Uint8Array>
  slowestMs: number
  largestBytes: number
  failure: Failure | null
}

/** Options of `fuzz`. */
export interface FuzzOptions {
  readonly inputs: number
  readonly seed: number
  /** Tried first, and mutated like all else. */
  readonly corpus?: readonly Uint8Array[]
}

const MAX_MS = 5
const MAX_BYTES = 1024 * 1024
const MAX_POOL = 4000
const TRIES = 6
/** Up to this size well formed inputs are cut off at every length and lose every bit, for a quarter of the run. */
const MAX_SYSTEMATIC_BYTES = 300

/** Runs `target` on so many inputs, or until one fails. */
export function fuzz<T>(target: Target<T>, { inputs, seed, corpus = [] }: FuzzOptions): Report {
  const report: Report = {
    target: target.name,
    inputs: 0,
    accepted: 0,
    reasons: new Map(),
    pool: new Map(),
    slowestMs: 0,
    largestBytes: 0,
    failure: null
  }
  for (const input of inputsOf(target, report, { inputs, seed, corpus })) {
    if (report.inputs >= inputs) break
    const rule = tryOne(target, report, input)
    if (rule === null) continue
    report.failure = { target: target.name, rule, input: cutDown(target, rule, input) }
    break
  }
  return report
}

function* inputsOf<T>(
  target: Target<T>,
  report: Report,
  { inputs, seed, corpus }: Required<FuzzOptions>
): Generator<Uint8Array> {
  const { pool } = report
  const draw = new Draw(new Rng(seed))
  const { rng } = draw
  yield new Uint8Array(0)
  yield* corpus
  while (report.inputs < inputs / 4) {
    const input = target.make(draw)
    yield input
    if (input.length < MAX_SYSTEMATIC_BYTES) yield* systematic(input)
  }
  let known: Uint8Array[] = [...corpus]
  let poolSize = 0
  for (let turn = 0; ; turn++) {
    // A copy now and then: the pool grows fast at first, and hardly at all later.
    if (pool.size > poolSize && (turn & 0xff) === 0) {
      known = [...corpus, ...pool.values()]
      poolSize = pool.size
    }
    const kind = rng.uint32() & 15
    if (kind < 4 || known.length === 0) yield target.make(draw)
    else if (kind === 4) yield draw.bytes(draw.length(300))
    else yield mutate(draw, rng.pick(known), rng.pick(known))
  }
}

// Which rule the input breaks; null: none.
function tryOne<T>(target: Target<T>, report: Report, input: Uint8Array): string | null {
  report.inputs++
  // The decoder gets bytes of its own: a corpus must not change.
  const bytes = new Uint8Array(input)
  const heapBefore = heapBytes()
  const startMs = performance.now()
  let outcome: Outcome<T>
  try {
    outcome = target.decode(bytes)
  } catch (fault) {
    return `throws ${fault instanceof Error ? `${fault.constructor.name}: ${fault.message}` : String(fault)}`
  }
  let ms = performance.now() - startMs
  let size = heapBytes() - heapBefore
  const frames = target.frames ?? 1
  if (ms > MAX_MS * frames) ms = least(target, bytes, timeOf)
  if (size > MAX_BYTES * frames) size = least(target, bytes, sizeOf)
  if (ms > MAX_MS * frames) return `takes over ${MAX_MS} ms`
  if (size > MAX_BYTES * frames) return 'allocates over 1 MB'
  report.slowestMs = Math.max(report.slowestMs, ms)
  report.largestBytes = Math.max(report.largestBytes, size)
  const shape = outcome.ok ? shapeOf(outcome.value) : outcome.reason
  const known = report.pool.get(shape)
  if (known === undefined ? report.pool.size < MAX_POOL : input.length < known.length)
    report.pool.set(shape, input)
  if (!outcome.ok) {
    report.reasons.set(outcome.reason, (report.reasons.get(outcome.reason) ?? 0) + 1)
    return null
  }
  report.accepted++
  return brokenBy(target, outcome.value, { input, bytes })
}

function brokenBy<T>(
  target: Target<T>,
  value: T,
  from: { input: Uint8Array; bytes: Uint8Array }
): string | null {
  if (target.hasPayloadNumbers !== true && someLeaf(value, isBadNumber)) return 'holds a number that is none'
  const fault = target.check?.(value, from.input) ?? null
  if (fault !== null) return fault
  const encoded = target.encode?.(value) ?? null
  if (encoded === null) return null
  if (target.isCanonical === true && !areBytesSame(encoded, from.input)) return 'has a second spelling'
  if (target.isCopy === true) {
    from.bytes.fill(0xa5)
    const after = target.encode?.(value)
    if (!after || !areBytesSame(after, encoded)) return 'holds a view on the input'
    from.bytes.set(from.input)
  }
  const again = target.decode(encoded)
  if (!again.ok) return `is not taken back: ${again.reason}`
  if (!isSame(again.value, value)) return 'comes back as something else'
  const twice = target.encode?.(again.value)
  return twice && areBytesSame(twice, encoded) ? null : 'is written in two ways'
}

const isBadNumber = (leaf: unknown): boolean =>
  typeof leaf === 'number' && !(Number.isSafeInteger(leaf) && leaf >= 0)

function heapBytes(): number {
  const { used_heap_size: used, external_memory: external } = v8.getHeapStatistics()
  return used + external
}

function timeOf(run: () => void): number {
  const startMs = performance.now()
  run()
  return performance.now() - startMs
}

function sizeOf(run: () => void): number {
  const before = heapBytes()
  run()
  return heapBytes() - before
}

// A pause of the process, or a page that the heap takes, happens once; what the decoder does, each time.
function least<T>(target: Target<T>, bytes: Uint8Array, measure: (run: () => void) => number): number {
  let min = Number.POSITIVE_INFINITY
  for (let i = 0; i < TRIES; i++)
    min = Math.min(
      min,
      measure(() => target.decode(bytes))
    )
  return min
}

// The same rule broken by fewer bytes: halves, quarters, ... are left out as long as that works.
function cutDown<T>(target: Target<T>, rule: string, input: Uint8Array): Uint8Array {
  const scratch = (): Report => ({
    ...{ target: target.name, inputs: 0, accepted: 0, slowestMs: 0, largestBytes: 0, failure: null },
    ...{ reasons: new Map(), pool: new Map() }
  })
  let least = input
  for (let size = Math.ceil(least.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let at = 0; at < least.length; ) {
      const shorter = new Uint8Array([...least.subarray(0, at), ...least.subarray(at + size)])
      if (tryOne(target, scratch(), shorter) === rule) least = shorter
      else at += size
    }
  }
  return least
}
