import test from 'ava'
import { importCycles, layerFaults, outsideFaults, simulatorFaults } from './layers.js'
import { importsOf, librarySources, readSources, testSources } from './sources.js'

const examples = () => readSources('examples/src', path => path.endsWith('.ts'))

test('every import of the packages keeps to its layer', t => {
  const sources = librarySources()
  t.true(sources.length > 20, 'the check reads nothing')
  t.deepEqual(layerFaults(sources), [])
})

test('tests and examples use public entries, or the map of imports of their own package', t => {
  t.deepEqual(outsideFaults([...testSources(), ...examples()]), [])
})

test('the simulator imports sans-IO cores only', t => {
  t.deepEqual(simulatorFaults(testSources()), [])
})

test('no cycle of imports is left after compiling', t => {
  t.deepEqual(importCycles([...librarySources(), ...testSources()]), [])
})

test('all four forms of an import are seen, in comments and strings none', t => {
  const text = [
    "import a from 'a'",
    'import {',
    '  b',
    "} from 'b'",
    "export * from 'c'",
    "import 'd'",
    "const e = await import('e')",
    "import type { F } from 'f'",
    "// import g from 'g'",
    "const h = `import h from 'h'`.length"
  ].join('\n')
  t.deepEqual(
    importsOf(text).map(({ specifier, typeOnly }) => `${specifier}${typeOnly ? '?' : ''}`),
    ['a', 'b', 'c', 'd', 'e', 'f?']
  )
})

const planted: [title: string, path: string, text: string][] = [
  ['core that imports node', 'packages/gossip/src/core/x.ts', "import { a } from '../node/a.js'"],
  [
    'core that imports a node file by a bare import',
    'packages/gossip/src/core/x.ts',
    "import '../node/a.js'"
  ],
  ['core that imports a builtin', 'packages/feeds/src/core/x.ts', "import 'node:fs'"],
  ['leaf that imports core', 'packages/gossip/src/limits.ts', "import { a } from './core/a.js'"],
  ['leaf that imports a library', 'packages/gossip/src/limits.ts', "import x from 'eventemitter3'"],
  ['node that imports an entry', 'packages/gossip/src/node/x.ts', "import { Gossip } from '../index.js'"],
  ['gossip that imports a builtin', 'packages/gossip/src/node/x.ts', "import { on } from 'node:events'"],
  ['feeds that imports gossip', 'packages/feeds/src/node/x.ts', "import { Gossip } from '@hearsay/gossip'"],
  [
    'gossip that takes a type of feeds',
    'packages/gossip/src/node/x.ts',
    "import type { F } from '@hearsay/feeds'"
  ],
  [
    'a relative path into a sibling',
    'packages/feeds/src/node/x.ts',
    "import a from '../../../gossip/src/limits.js'"
  ],
  [
    'party that reaches past an entry',
    'packages/party/src/node/x.ts',
    "import a from '@hearsay/gossip/dist/a.js'"
  ],
  [
    'party core with a shell as a value',
    'packages/party/src/core/x.ts',
    "import { Gossip } from '@hearsay/gossip'"
  ],
  [
    'party that holds hypercore as a value',
    'packages/party/src/node/x.ts',
    "import Hypercore from 'hypercore'"
  ],
  [
    'a second file that knows protomux',
    'packages/gossip/src/node/topic.ts',
    "import Protomux from 'protomux'"
  ],
  [
    'a second file that knows msgpackr',
    'packages/gossip/src/node/x.ts',
    "import { Packr } from 'msgpackr/pack'"
  ],
  ['a library that uses the map of tests', 'packages/gossip/src/node/x.ts', "import a from '#gossip/core/a'"]
]
for (const [title, path, text] of planted) {
  test(`planted: ${title} is found`, t => t.is(layerFaults([{ path, text }]).length, 1))
}

test('planted: what the layers allow is not found', t => {
  const allowed = [
    ['packages/gossip/src/core/x.ts', "import type { Limits } from '../limits.js'\nimport b4a from 'b4a'"],
    [
      'packages/party/src/core/x.ts',
      "import type { Topic } from '@hearsay/gossip'\nimport '@hearsay/feeds/core'"
    ],
    ['packages/feeds/src/node/hypercore.ts', "import Hypercore from 'hypercore'\nimport 'node:fs'"],
    ['packages/party/src/node/x.ts', "import type Hypercore from 'hypercore'"]
  ].map(([path = '', text = '']) => ({ path, text }))
  t.deepEqual(layerFaults(allowed), [])
})

test('planted: a test that reaches into a package is found', t => {
  const path = 'test/src/e2e/x.test.ts'
  const faults = [
    '../../../packages/gossip/src/limits.js',
    '#gossip/core/window',
    '@hearsay/gossip/dist/a.js'
  ].map(specifier => outsideFaults([{ path, text: `import a from '${specifier}'` }]).length)
  t.deepEqual(faults, [1, 1, 1])
})

test('planted: a simulator that drives a shell is found', t => {
  const text = "import { Gossip } from '@hearsay/gossip'\nimport { TopicCore } from '@hearsay/gossip/core'"
  t.is(simulatorFaults([{ path: 'test/src/sim/x.ts', text }]).length, 1)
})

test('planted: a cycle over three files is found, one of types is not', t => {
  const file = (name: string, target: string, type = '') => ({
    path: `packages/gossip/src/core/${name}.ts`,
    text: `import ${type}{ x } from './${target}.js'`
  })
  t.is(importCycles([file('a', 'b'), file('b', 'c'), file('c', 'a')]).length, 1)
  t.deepEqual(importCycles([file('a', 'b'), file('b', 'c'), file('c', 'a', 'type ')]), [])
})
