/**
 * The table at the end of the demo.
 */
import type { Result } from './messages.js'

const HEAD = [
  'member',
  'pid',
  'lines written',
  'messages delivered',
  'introduced',
  'accepted',
  'refused',
  'blocks replicated',
  'bytes compared',
  'verdict'
]

const row = (result: Result): string[] => [
  `m${result.index}`,
  String(result.pid),
  String(result.written),
  `${result.delivered} of ${result.expected}`,
  String(result.introduced),
  String(result.accepted),
  String(result.refused),
  String(result.blocks),
  String(result.bytes),
  result.faults.length === 0 ? 'ok' : `FAULT: ${result.faults.join('; ')}`
]

/** Columns aligned, numbers to the right. */
export function table(results: readonly Result[]): string {
  const rows = [HEAD, ...results.map(row)]
  const widths = HEAD.map((_, column) => Math.max(...rows.map(cells => cellOf(cells, column).length)))
  const last = HEAD.length - 1
  const line = (cells: string[]) =>
    widths.map((width, at) =>
      at === 0 || at === last ? cellOf(cells, at).padEnd(width) : cellOf(cells, at).padStart(width)
    )
  return `${rows.map(cells => line(cells).join('  ').trimEnd()).join('\n')}\n`
}

// The verdict may be long and is the last column: it needs no width of its own beyond its text.
const cellOf = (cells: readonly string[], at: number): string => cells[at] ?? ''
