/**
 * docs/COMING-FROM.md against the tests: every behaviour of the ancestors has one row, and every row a test that carries its
 * id, or the word that it is obsolete.
 */
import type { Source } from './sources.js'
import { idsOf, rowsOf, titlesOf } from './titles.js'

/** How many ids each letter has. */
export const IDS: Readonly<Record<string, number>> = { A: 28, B: 62, C: 22, D: 35, E: 9, S: 50, X: 41, U: 17 }

/** Rows of behaviours that only appear in others: they give the reason instead of a test. */
const WITHOUT_TEST = /^– \S+ \S+ \S+/
const FATE = /^(keep|improved|replaced|obsolete)\b/
/** Sections whose rows begin with a fate. */
const WITH_FATE = /^[ABCD]/

const idsExpected = (): string[] =>
  Object.entries(IDS).flatMap(([letter, count]) =>
    Array.from({ length: count }, (_, i) => `${letter}${i + 1}`)
  )

/** What is wrong with the document, one line each. */
export function comingFromFaults(document: Source, tests: readonly Source[]): string[] {
  const faults: string[] = []
  const idsIn = new Map(tests.map(({ path, text }) => [path, new Set(titlesOf(text).flatMap(idsOf))]))
  const seen = new Set<string>()
  for (const { line, cells } of rowsOf(document.text, 'id')) {
    const [id = '', , now = '', shown = ''] = cells
    const where = `${document.path}:${line} ${id}`
    if (cells.length !== 4) faults.push(`${where} has ${cells.length} cells, not 4`)
    if (seen.has(id)) faults.push(`${where} is there twice`)
    seen.add(id)
    if (WITH_FATE.test(id) && !FATE.test(now)) faults.push(`${where} does not begin with its fate`)
    const files = shown.match(/[\w./-]+\.test\.ts/g) ?? []
    if (files.length === 0 && !now.startsWith('obsolete') && !WITHOUT_TEST.test(shown)) {
      faults.push(`${where} names no test and gives no reason`)
    }
    for (const file of files) {
      const ids = idsIn.get(file.replace(/^(\.\.\/)+/, ''))
      if (ids === undefined) faults.push(`${where}: there is no ${file}`)
      else if (!ids.has(id)) faults.push(`${where}: no title of ${file} begins with it`)
    }
  }
  const expected = idsExpected()
  for (const id of expected) if (!seen.has(id)) faults.push(`${document.path} has no row ${id}`)
  for (const id of seen) if (!expected.includes(id)) faults.push(`${document.path} has ${id}, which is no id`)
  return faults
}
