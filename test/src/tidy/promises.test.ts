/** docs/PROMISES.md against the README's table and the tests. */
import test from 'ava'
import { readSources, type Source, testSources } from './sources.js'
import { rowsOf, titlesOf } from './titles.js'

/** Rows of the README's table, by name, with what they don't guarantee. */
function guarantees(readme: string): Map<string, string> {
  const [, section = ''] = readme.match(/^## What is guaranteed[^\n]*\n([\s\S]*?)^## /m) ?? []
  return new Map(rowsOf(section, '').map(({ cells: [name = '', , without = ''] }) => [name, without]))
}

/** What is wrong, one line each. */
function promiseFaults(readme: string, promises: string, tests: readonly Source[]): string[] {
  const rows = rowsOf(promises, 'Row').map(({ cells }) => cells)
  const titles = new Map(tests.map(({ path, text }) => [path, titlesOf(text)]))
  const named = guarantees(readme)
  const faults = rows.flatMap(([name = '', side = '', file = '', start = '']) => {
    if (!named.has(name)) return [`the README has no row ${name}`]
    if (side !== 'promised' && side !== 'not promised') return [`${name}: ${side} is no side`]
    if (start !== '' && titles.get(file)?.some(title => title.startsWith(start))) return []
    return [`${name}: ${file} has no test '${start}'`]
  })
  for (const name of named.keys()) {
    if (!rows.some(([row, side]) => row === name && side === 'promised')) faults.push(`${name} has no test`)
  }
  return faults
}

const fileAt = (path: string): string => readSources('', name => name === path)[0]?.text ?? ''

test('A22 every promise of the README names its test, and so do things that are not promised', t => {
  const readme = fileAt('README.md')
  t.true(guarantees(readme).size > 5)
  t.deepEqual(promiseFaults(readme, fileAt('docs/PROMISES.md'), testSources()), [])
})

test('planted: a promise without a test, a test that is not there, and a row that the README lacks are found', t => {
  const readme =
    '## What is guaranteed\n\n| | Guaranteed | Not guaranteed |\n|---|---|---|\n| order | none | all |\n\n## Next\n'
  const tests = [{ path: 'a.test.ts', text: "test('right title', t => {})" }]
  const faultsOf = (...rows: string[]): string[] =>
    promiseFaults(readme, ['| Row | Side | Test | Title |', '|---|---|---|---|', ...rows].join('\n'), tests)
  t.deepEqual(faultsOf('| order | promised | a.test.ts | right |'), [])
  t.deepEqual(faultsOf(), ['order has no test'])
  t.deepEqual(faultsOf('| order | promised | a.test.ts | wrong |'), ["order: a.test.ts has no test 'wrong'"])
  t.deepEqual(faultsOf('| order | not promised | a.test.ts | right |'), ['order has no test'])
  t.deepEqual(
    faultsOf('| order | promised | a.test.ts | right |', '| peace | promised | a.test.ts | right |'),
    ['the README has no row peace']
  )
})
