/** Titles of tests as they stand in the source, and tables of Markdown: for documents that name tests. */
import { codeOf } from './sources.js'

/** A string or template literal behind `test(`, `test.serial(`, `testProp(` or `title(`. */
const TITLE = /\b(?:test(?:\.\w+)*|testProp|title)\(\s*(['"`])((?:\\.|(?!\1)[^\\])*)\1/g

/** Titles of all tests in a source, in their order; what a template inserts stays `${…}`. */
export function titlesOf(text: string): string[] {
  return Array.from(codeOf(text).matchAll(TITLE), ([, , title = '']) => title.replace(/\\(.)/g, '$1'))
}

/** Ids that stand at the start of a title: `A3 S12 words` has two. */
export function idsOf(title: string): string[] {
  const [start = ''] = title.match(/^(?:[A-Z]\d+[ :]+)+/) ?? []
  return start.match(/[A-Z]\d+/g) ?? []
}

/** A row of a table of Markdown. */
export interface Row {
  readonly line: number
  readonly cells: readonly string[]
}

/** Rows of all tables whose header begins with `first`, without their headers. */
export function rowsOf(text: string, first: string): Row[] {
  const rows: Row[] = []
  let isInside = false
  for (const [at, line] of text.split('\n').entries()) {
    if (!line.startsWith('|')) isInside = false
    const cells = line
      .split(/(?<!\\)\|/)
      .slice(1, -1)
      .map(cell => cell.trim())
    if (isInside && !/^:?-+:?$/.test(cells[0] ?? '')) rows.push({ line: at + 1, cells })
    if (cells[0] === first) isInside = true
  }
  return rows
}
