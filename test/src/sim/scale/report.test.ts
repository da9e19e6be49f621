import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { readArguments, replayOf, UsageError } from './arguments.js'
import { playSeed, runCampaign, type SeedResult } from './campaign.js'
import type { Figures } from './figures.js'
import { plotOf } from './plot.js'
import { PUBLISHED } from './published.js'
import { report } from './report.js'
import { SCENARIOS } from './scenarios.js'
import { alignedRows, percentOf, tableOf } from './table.js'

const CLI = fileURLToPath(new URL('./cli.js', import.meta.url))

/** Runs the command as a shell would. */
function run(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  return new Promise(resolve => {
    execFile(process.execPath, [CLI, ...args], { timeout: 50_000 }, (error, out, err) =>
      resolve({ code: error === null ? 0 : Number(error.code), out, err })
    )
  })
}

const FIGURES: Figures = {
  system: 'hearsay',
  expected: 100,
  delivered: 100,
  redundancy: 0.5,
  lastHop: 5,
  maxHop: 6,
  p50Ms: 60,
  p99Ms: 100,
  controlPerDelivery: 0.25,
  bytesPerDelivery: 150,
  afterKill: null
}

const RESULT = playSeed(
  { scenario: 'drop30', options: { nodes: 12, connections: 5 }, seeds: [1], peers: false },
  1,
  true
)

const resultOf = (seed: number, ...figures: Figures[]): SeedResult => ({
  ...RESULT,
  seed,
  figures,
  faults: []
})

/** Rows of cells. */
const cellsOf = (table: string): string[][] =>
  table
    .split('\n')
    .filter(line => line.startsWith('|'))
    .map(line =>
      line
        .split('|')
        .slice(1, -1)
        .map(cell => cell.trim())
    )

test('a table has a row a system, means, and the worst seed beside them', t => {
  const other = { ...FIGURES, system: 'gossipsub', redundancy: 4, bytesPerDelivery: null }
  const table = tableOf('hot20', [
    resultOf(1, FIGURES, other),
    resultOf(2, { ...FIGURES, delivered: 90, redundancy: 0.7 }, other)
  ])
  const [head = [], , hearsay = [], gossipsub = []] = cellsOf(table)
  t.true(cellsOf(table).every(({ length }) => length === head.length))
  const cell = (row: string[], title: string) => row[head.indexOf(title)]
  t.is(cell(hearsay, 'system'), 'hearsay')
  t.is(cell(hearsay, 'delivered'), '95.000 % (90.000 %)')
  t.is(cell(hearsay, 'missed'), '5.0 (10.0)')
  t.is(cell(hearsay, 'RMR'), '0.600 (0.700)')
  t.is(cell(hearsay, 'bytes/delivery'), '150')
  t.is(cell(gossipsub, 'bytes/delivery'), '-')
  t.regex(cell(gossipsub, 'published') ?? '', /RMR/)
  t.regex(table, /published: .*ethresear/)
})

test('after a kill a table has columns for it, and says never', t => {
  const afterKill = {
    firstSecond: 0.9,
    firstSecondP99Ms: 800,
    recoveredMs: Number.POSITIVE_INFINITY,
    redundancyLater: 0.04
  }
  const [head = [], , row = []] = cellsOf(tableOf('kill50', [resultOf(1, { ...FIGURES, afterKill })]))
  t.is(row[head.indexOf('second 1')], '90.000 %')
  t.is(row[head.indexOf('recovered s')], 'never')
  t.false(
    cellsOf(tableOf('single', [resultOf(1, FIGURES)]))
      .flat()
      .includes('second 1')
  )
})

test('almost all is never called all', t => {
  t.is(percentOf(1), '100 %')
  t.is(percentOf(0.9999999), '99.999 %')
  t.is(percentOf(Number.NaN), '-')
})

test('cells are padded to their column', t => {
  t.is(
    alignedRows([
      ['a', 'bb'],
      ['ccc', 'd']
    ]),
    '| a   | bb |\n|-----|---:|\n| ccc |  d |'
  )
})

test('a failing seed is told with its cause and the command that plays it again', t => {
  const command = { ...readArguments(['drop30', '--nodes', '12', '--seeds', '2']) }
  const bad = { ...resultOf(2, FIGURES), faults: ['missed 1 of 100: message 3 at node 4'] }
  const text = report(command, [resultOf(1, FIGURES), bad], 1)
  t.regex(text, /npm run sim -- drop30 --nodes 12 --seeds 2\.\.2\n {4}missed 1 of 100/)
  t.regex(text, /1 of 2 seeds failed/)
})

test('a replayed command reads as the same options', t => {
  const args = [
    'kill30',
    '--nodes',
    '60',
    '--connections',
    '20',
    '--loss',
    '0.01',
    '--payload-bytes',
    '128',
    '--seeds',
    '3..9'
  ]
  const command = readArguments(args)
  t.deepEqual(command.seeds, [3, 4, 5, 6, 7, 8, 9])
  const again = readArguments(replayOf(command, 5).split(' ').slice(4))
  t.deepEqual(again, { ...command, seeds: [5] })
})

test('a picture is well-formed, and has axes, units, a legend, a title and what broke', t => {
  const stage = SCENARIOS.kill30?.draw(1, { nodes: 30, connections: 10, seconds: 2 })
  const { outcome } = RESULT
  if (stage === undefined) return t.fail()
  const svg = plotOf({ ...stage, name: 'a < b & c' }, outcome.fates, 'about')
  const open: string[] = []
  for (const [, close, name = '', self] of svg.matchAll(/<(\/)?([a-z]+)[^<>]*?(\/)?>/g)) {
    if (close !== undefined) t.is(open.pop(), name)
    else if (self === undefined) open.push(name)
  }
  t.deepEqual(open, [])
  t.regex(svg, /a &lt; b &amp; c, seed 1, 30 nodes/)
  for (const text of [
    'time of publish, s',
    'delivered, %',
    'copies per delivery',
    'within 1 s',
    '9 nodes die'
  ]) {
    t.true(svg.includes(text), text)
  }
  t.is(svg.match(/<polyline/g)?.length, 3)
  t.false(/NaN|Infinity|undefined/.test(svg))
})

test('a campaign over workers gives what one seed alone gives, in the order of seeds', async t => {
  const campaign = {
    scenario: 'drop30',
    options: { nodes: 12, connections: 5 },
    seeds: [1, 2, 3],
    peers: false
  }
  let heard = 0
  const results = await runCampaign(campaign, () => heard++, 2)
  t.is(heard, 3)
  t.deepEqual(
    results.map(({ seed }) => seed),
    [1, 2, 3]
  )
  t.is(results[0]?.outcome.hash, RESULT.outcome.hash)
  t.deepEqual(results[0]?.figures, RESULT.figures)
})

test('with peers the others play the same stage', t => {
  const options = { nodes: 20, connections: 8, seconds: 1 }
  const { figures } = playSeed({ scenario: 'single', options, seeds: [1], peers: true }, 1, false)
  t.true(figures.length > 1)
  t.true(figures.every(({ expected }) => expected === figures[0]?.expected))
  t.true(PUBLISHED.every(({ system }) => figures.some(figure => figure.system === system)))
  const changing = { scenario: 'half-open', options: { ...options, nodes: 8 }, seeds: [1], peers: true }
  t.is(playSeed(changing, 1, false).figures.length, 1)
})

test('published figures name scenarios that there are', t => {
  t.true(PUBLISHED.every(({ scenarios }) => scenarios.every(name => SCENARIOS[name] !== undefined)))
})

for (const [args, message] of [
  [[], 'which scenario'],
  [['nothing'], 'no scenario nothing'],
  [['toString'], 'no scenario toString'],
  [['single', 'multi'], 'one scenario at a time'],
  [['single', '--nodes', '1'], '--nodes is a number from 2'],
  [['single', '--nodes', '2.5'], '--nodes is a whole number'],
  [['single', '--nodes', ''], '--nodes'],
  [['single', '--loss', '1'], '--loss'],
  [['single', '--seeds', '5..3'], '--seeds'],
  [['single', '--seeds', 'x'], '--seeds'],
  [['single', '--seeds', '0'], '--seeds'],
  [['single', '--seeds', '1..2000000'], 'at most'],
  [['single', '--colour'], '--colour']
] as const) {
  test(`usage: '${args.join(' ')}' is refused`, t => {
    const error = t.throws(() => readArguments(args), { instanceOf: UsageError })
    t.true(error?.message.includes(message), error?.message)
  })
}

test('the command prints a table and draws; it exits with 2 for what it does not know', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'hearsay-sim-'))
  const file = join(folder, 'plot.svg')
  const small = ['drop30', '--nodes', '12', '--connections', '5']
  const [good, wrong, trace] = await Promise.all([
    run(...small, '--plot', file, '--json'),
    run('drop31'),
    run(...small, '--trace')
  ])
  t.is(wrong.code, 2)
  t.regex(wrong.err, /no scenario drop31\n\nnpm run sim/)
  t.is(good.code, 0, good.out)
  const { results } = JSON.parse(good.out) as { results: SeedResult[] }
  t.is(results[0]?.outcome.hash, RESULT.outcome.hash)
  t.regex(readFileSync(file, 'utf8'), /^<svg/)
  const [line = ''] = trace.out.split('\n')
  t.true(['atMs', 'node', 'type'].every(key => key in JSON.parse(line)))
  rmSync(folder, { recursive: true })
})
