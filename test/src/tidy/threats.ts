/** That docs/THREATS.md names each hostile test, and only tests that are there. */

const HOSTILE = /^test\/src\/hostile\/(?:.*\/)?([a-z0-9-]+)\.test\.ts$/
const TEST = /^(?:packages\/[^/]+\/test|test\/src)\/(?:.*\/)?([a-z0-9-]+)\.test\.ts$/

/** The last cell of each row of a table whose last column says what shows it. */
function shownBy(text: string): string[] {
  const cells: string[] = []
  let isIn = false
  for (const line of text.split('\n')) {
    const last = line.split('|').at(-2)?.trim() ?? ''
    if (!line.startsWith('|')) isIn = false
    else if (last === 'Test' || last === 'Shown by') isIn = true
    else if (isIn) cells.push(last)
  }
  return cells
}

/**
 * Hostile tests that the text doesn't name, and names in its tables that stand for no test file. What isn't a plain name (a
 * path, a command) is left alone, and what stands behind a command in the same cell.
 */
export function threatFaults(text: string, paths: readonly string[]): string[] {
  const cells = shownBy(text)
  const names = new Set(
    cells.flatMap(cell =>
      Array.from(
        cell.replace(/`npm run [^;]*/g, '').matchAll(/`([a-z0-9-]+)`/g),
        ([, name]) => name as string
      )
    )
  )
  const hostile = paths.flatMap(path => HOSTILE.exec(path)?.[1] ?? [])
  const tests = new Set(paths.flatMap(path => TEST.exec(path)?.[1] ?? []))
  return [
    ...hostile.filter(name => !names.has(name)).map(name => `${name} has no row`),
    ...[...names].filter(name => !tests.has(name)).map(name => `${name} is no test`)
  ]
}
