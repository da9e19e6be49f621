/**
 * Text in columns.
 */

/**
 * Rows of cells as lines: the first and the last column to the left, those between, mostly numbers, to the right.
 *
 * @param rows - All with as many cells as the first.
 */
export function aligned(rows: readonly (readonly string[])[]): string {
  const last = (rows[0]?.length ?? 0) - 1
  const widths = (rows[0] ?? []).map((_, at) => Math.max(...rows.map(cells => cells[at]?.length ?? 0)))
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, at) =>
        at === 0 || at === last ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0)
      )
      .join('  ')
      .trimEnd()
  return `${rows.map(line).join('\n')}\n`
}
