import test from 'ava'
import { comingFromFaults, IDS } from './coming-from.js'
import { readSources, testSources } from './sources.js'

test('every behaviour of the ancestors has one row, and a test that carries its id or a reason', t => {
  const [document] = readSources('docs', path => path === 'docs/COMING-FROM.md')
  if (document === undefined) return t.fail('there is no docs/COMING-FROM.md')
  t.deepEqual(comingFromFaults(document, testSources()), [])
})

const FILE = 'test/src/x.test.ts'
const tests = [{ path: FILE, text: "test('A1 A2 both', t => {})\ntest(`B1 one`, t => {})\n// test('A3 x')" }]

/** Faults of a document that has a right row for each id, but for `changes`. */
function faultsOf(changes: Record<string, string | null>): string[] {
  const ids = Object.entries(IDS).flatMap(([letter, count]) =>
    Array.from({ length: count }, (_, i) => `${letter}${i + 1}`)
  )
  const rows = ids.map(id => (id in changes ? changes[id] : `| ${id} | it did | obsolete | – |`))
  const text = [
    '| id | it did | hearsay | test |',
    '|---|---|---|---|',
    ...rows.filter(row => row !== null)
  ].join('\n')
  return comingFromFaults({ path: 'x.md', text }, tests).map(fault => fault.replace(/^x\.md(:\d+)? ?/, ''))
}

test('planted: each fault of a row is found', t => {
  t.deepEqual(faultsOf({}), [])
  t.deepEqual(
    faultsOf({ A1: `| A1 | x | keep | ${FILE} |`, B1: `| B1 | x | improved: y | [x](../${FILE}) |` }),
    []
  )
  t.deepEqual(faultsOf({ A3: null }), ['has no row A3'])
  t.deepEqual(faultsOf({ A3: '| A4 | x | obsolete | – |' }), ['A4 is there twice', 'has no row A3'])
  t.deepEqual(faultsOf({ A4: `| A4 | x | keep | ${FILE} |` }), [`A4: no title of ${FILE} begins with it`])
  t.deepEqual(
    faultsOf({ A3: `| A3 | x | keep | ${FILE} |` }),
    [`A3: no title of ${FILE} begins with it`],
    'a comment'
  )
  t.deepEqual(faultsOf({ A1: '| A1 | x | keep | test/src/y.test.ts |' }), [
    'A1: there is no test/src/y.test.ts'
  ])
  t.deepEqual(faultsOf({ A1: '| A1 | x | keep | – |' }), ['A1 names no test and gives no reason'])
  t.deepEqual(faultsOf({ A1: '| A1 | x | replaced | – see the rows above |' }), [])
  t.deepEqual(faultsOf({ A1: `| A1 | x | it stays | ${FILE} |` }), ['A1 does not begin with its fate'])
  t.deepEqual(faultsOf({ A1: '| A1 | x | obsolete |' }), ['A1 has 3 cells, not 4'])
  t.deepEqual(faultsOf({ U17: '| U17 | x | obsolete | – |\n| U18 | x | obsolete | – |' }), [
    'has U18, which is no id'
  ])
})
