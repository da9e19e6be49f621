/** Results as a table of text: a row a system, means over seeds, and the worst seed in brackets where it matters. */
import type { SeedResult } from './campaign.js'
import type { AfterKill, Figures } from './figures.js'
import { publishedOf } from './published.js'

interface Column {
  readonly title: string
  /** NaN: unknown. */
  readonly pick: (figures: Figures) => number
  readonly format: (value: number) => string
  /** Which seed is the worst; undefined: only the mean is told. */
  readonly worst?: 'highest' | 'lowest'
}

const fixed =
  (digits: number, unit = '') =>
  (value: number): string =>
    Number.isNaN(value)
      ? '-'
      : value === Number.POSITIVE_INFINITY
        ? 'never'
        : `${value.toFixed(digits)}${unit}`

/** A share in percent. 100 % is said only of all. */
export function percentOf(share: number): string {
  if (Number.isNaN(share)) return '-'
  return share === 1 ? '100 %' : `${Math.min(share * 100, 99.999).toFixed(3)} %`
}

const COLUMNS: readonly Column[] = [
  { title: 'delivered', pick: f => share(f.delivered, f.expected), format: percentOf, worst: 'lowest' },
  { title: 'missed', pick: f => f.expected - f.delivered, format: fixed(1), worst: 'highest' },
  { title: 'RMR', pick: f => f.redundancy, format: fixed(3), worst: 'highest' },
  { title: 'LDH', pick: f => f.lastHop, format: fixed(1) },
  { title: 'max', pick: f => f.maxHop, format: fixed(1), worst: 'highest' },
  { title: 'p50 ms', pick: f => f.p50Ms, format: fixed(0) },
  { title: 'p99 ms', pick: f => f.p99Ms, format: fixed(0), worst: 'highest' },
  { title: 'control/delivery', pick: f => f.controlPerDelivery, format: fixed(2) },
  { title: 'bytes/delivery', pick: f => f.bytesPerDelivery ?? Number.NaN, format: fixed(0) }
]

const after =
  (pick: (afterKill: AfterKill) => number) =>
  ({ afterKill }: Figures): number =>
    afterKill === null ? Number.NaN : pick(afterKill)

const KILL_COLUMNS: readonly Column[] = [
  { title: 'second 1', pick: after(kill => kill.firstSecond), format: percentOf, worst: 'lowest' },
  { title: 'its p99 ms', pick: after(kill => kill.firstSecondP99Ms), format: fixed(0), worst: 'highest' },
  { title: 'recovered s', pick: after(kill => kill.recoveredMs / 1000), format: fixed(1), worst: 'highest' },
  { title: 'RMR later', pick: after(kill => kill.redundancyLater), format: fixed(3), worst: 'highest' }
]

/** A table with a row for each system of `results`, and its notes below. */
export function tableOf(scenario: string, results: readonly SeedResult[]): string {
  const systems = (results[0]?.figures ?? []).map(({ system }) => system)
  const columns = results.some(({ figures }) => figures[0]?.afterKill)
    ? [...COLUMNS, ...KILL_COLUMNS]
    : COLUMNS
  const published = systems.map(system => publishedOf(system, scenario))
  const hasPublished = published.some(entry => entry !== undefined)
  const rows = systems.map((system, index) => {
    const seeds = results.flatMap(({ figures }) => figures[index] ?? [])
    const cells = columns.map(column => cellOf(column, seeds))
    return [system, ...cells, ...(hasPublished ? [published[index]?.text ?? ''] : [])]
  })
  const head = ['system', ...columns.map(({ title }) => title), ...(hasPublished ? ['published'] : [])]
  const sources = [...new Set(published.flatMap(entry => (entry === undefined ? [] : [entry.source])))]
  return [alignedRows([head, ...rows]), ...sources.map(source => `published: ${source}`)].join('\n')
}

function cellOf({ pick, format, worst }: Column, seeds: readonly Figures[]): string {
  const values = seeds.map(pick)
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length
  if (worst === undefined || seeds.length < 2) return format(mean)
  const sign = worst === 'highest' ? 1 : -1
  const edge = values.reduce((most, value) => (sign * value > sign * most ? value : most))
  return `${format(mean)} (${format(edge)})`
}

/** Rows as a table in Markdown, padded so that it is read as text as well. */
export function alignedRows(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map(row => (row[column] ?? '').length)))
  const lineOf = (cells: readonly string[]): string =>
    `| ${widths.map((width, column) => pad(cells[column] ?? '', width, column)).join(' | ')} |`
  const rule = `|${widths.map((width, column) => (column === 0 ? `${'-'.repeat(width + 2)}` : `${'-'.repeat(width + 1)}:`)).join('|')}|`
  const [head = [], ...body] = rows
  return [lineOf(head), rule, ...body.map(lineOf)].join('\n')
}

const pad = (cell: string, width: number, column: number): string =>
  column === 0 ? cell.padEnd(width) : cell.padStart(width)

const share = (part: number, whole: number): number => (whole === 0 ? Number.NaN : part / whole)
