/**
 * Saved inputs, one file per decoder in `test/vectors/corpus`: `{ hex: 'ok' or why not }`. They are inputs that differ in what
 * becomes of them, and those that a fault was found with once. A changed answer is a changed protocol.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import type { Report, Target } from './fuzzer.js'

/** What a decoder said to an input, by its hex. */
export type Corpus = Readonly<Record<string, string>>

const FOLDER = new URL('../../vectors/corpus/', import.meta.url)
/** Entries per file at most; those that were there stay. */
const MAX_ENTRIES = 14
const MAX_BYTES = 240

const fileOf = (name: string): URL => new URL(`${name}.json`, FOLDER)

/** The saved inputs of a decoder; none if there is no file. */
export function readCorpus(name: string): Corpus {
  try {
    return JSON.parse(readFileSync(fileOf(name), 'utf8')) as Corpus
  } catch (error) {
    if ((error as { code?: string }).code === 'ENOENT') return {}
    throw error
  }
}

/** Writes them. */
export function writeCorpus(name: string, corpus: Corpus): void {
  writeFileSync(fileOf(name), `${JSON.stringify(corpus, null, 1)}\n`)
}

/** The inputs themselves. */
export const inputsOf = (corpus: Corpus): Uint8Array[] =>
  Object.keys(corpus).map(hex => new Uint8Array(Buffer.from(hex, 'hex')))

/** What `target` says to an input, in a word. */
export function answerOf(target: Target, input: Uint8Array): string {
  const outcome = target.decode(new Uint8Array(input))
  return outcome.ok ? 'ok' : outcome.reason
}

/** `corpus` with inputs of a run: short ones, as different as can be had. */
export function grown(corpus: Corpus, target: Target, { pool }: Report): Corpus {
  const maxBytes = MAX_BYTES * (target.frames ?? 1) ** 0.5
  const inputs = [...pool.values()].sort((a, b) => a.length - b.length)
  const answers = inputs.map(input => [Buffer.from(input).toString('hex'), answerOf(target, input)] as const)
  // Of what has no short form, the shortest.
  const answered = answers.filter(
    ([hex, answer], i) => hex.length <= 2 * maxBytes || answers.findIndex(other => other[1] === answer) === i
  )
  const refused = answered.filter(([, answer]) => answer !== 'ok')
  const accepted = answered.filter(([, answer]) => answer === 'ok')
  const left = Math.max(0, MAX_ENTRIES - Object.keys(corpus).length - refused.length)
  // From the shortest to the longest, at equal steps.
  const step = Math.max(1, accepted.length / left)
  const picked = accepted.filter((_, i) => Math.floor(i / step) !== Math.floor((i - 1) / step)).slice(0, left)
  return Object.fromEntries([...Object.entries(corpus), ...refused, ...picked])
}
