/** Size and form of files: length, width, head comment, names. */
import type { Source } from './sources.js'

const MAX_LINES = 400
/** A test file is a list; it may be longer. */
const MAX_TEST_LINES = 600
/** The formatter keeps code at 110; this is for comments and strings, which it doesn't break. */
const MAX_COLUMNS = 140
/** A file with fewer lines than this explains itself. */
const HEAD_FROM_LINES = 20

/** Files that are too long or too wide, without a head comment, or named against the convention. */
export function shapeFaults(sources: readonly Source[]): string[] {
  return sources.flatMap(({ path, text }) => {
    const lines = text.trimEnd().split('\n')
    const faults: string[] = []
    const wide = lines.findIndex(line => line.length > MAX_COLUMNS && !/https?:\/\//.test(line))
    if (wide >= 0) faults.push(`${path}:${wide + 1} is wider than ${MAX_COLUMNS} columns`)
    const head = text.replace(/^#![^\n]*\n/, '').replace(/^\/\/\/[^\n]*\n/, '')
    const isTest = path.endsWith('.test.ts')
    const max = isTest ? MAX_TEST_LINES : MAX_LINES
    if (lines.length > max) faults.push(`${path} has ${lines.length} lines, at most ${max}`)
    if (!isTest && lines.length >= HEAD_FROM_LINES && !/^\s*(\/\*\*|\/\/)/.test(head)) {
      faults.push(`${path} has no head comment`)
    }
    const name = path.split('/').at(-1) ?? ''
    if (!/^[a-z0-9]+(-[a-z0-9]+)*(\.(test|d|bench))?\.(ts|mjs)$/.test(name))
      faults.push(`${path} isn't in kebab-case`)
    return faults
  })
}

/** Files that are kept as copies in several packages and differ: `groups` are the paths that must be equal. */
export function copyFaults(sources: readonly Source[], groups: readonly (readonly string[])[]): string[] {
  const texts = new Map(sources.map(({ path, text }) => [path, text]))
  return groups.flatMap(group => {
    const missing = group.filter(path => !texts.has(path))
    if (missing.length > 0) return missing.map(path => `${path} is missing; it is a copy of ${group[0]}`)
    return group
      .filter(path => texts.get(path) !== texts.get(group[0] ?? ''))
      .map(path => `${path} isn't ${group[0]}`)
  })
}
