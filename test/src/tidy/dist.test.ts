import test from 'ava'
import { reachable, staleTests, untypedFaults } from './dist.js'
import { declarationEntries, PACKAGES, readSources } from './sources.js'

test('every compiled test has its source', t => {
  const dist = readSources('', path => /\/dist\/.*\.test\.js$/.test(path), true).map(({ path }) => path)
  const sources = readSources('', path => path.endsWith('.test.ts')).map(({ path }) => path)
  t.true(dist.length > 5, 'the check reads nothing')
  t.deepEqual(staleTests(dist, sources), [])
})

test('no public declaration names a module without types', t => {
  const declarations = readSources('packages', path => /^packages\/[^/]+\/dist\/.*\.d\.ts$/.test(path), true)
  const seen = reachable(declarations, PACKAGES.flatMap(declarationEntries))
  t.true(seen.length > 5, 'the check reads nothing')
  t.deepEqual(untypedFaults(seen), [])
})

test('planted: a compiled test without a source is found, one with a source is not', t => {
  const dist = [
    'test/dist/sim/a.test.js',
    'packages/gossip/test/dist/b.test.js',
    'packages/gossip/test/dist/c.test.js'
  ]
  const sources = ['test/src/sim/a.test.ts', 'packages/gossip/test/b.test.ts']
  t.deepEqual(staleTests(dist, sources), ['packages/gossip/test/dist/c.test.js'])
})

test('planted: a declaration is reached over another one, an unused one is not', t => {
  const declarations = [
    { path: 'packages/x/dist/index.d.ts', text: "export * from './a.js';" },
    { path: 'packages/x/dist/a.d.ts', text: "export declare const b: import('./node/b.js').B;" },
    { path: 'packages/x/dist/node/b.d.ts', text: "import Hypercore from 'hypercore';" },
    { path: 'packages/x/dist/node/c.d.ts', text: "import Hypercore from 'hypercore';" }
  ]
  const seen = reachable(declarations, ['packages/x/dist/index.d.ts'])
  t.deepEqual(
    seen.map(({ path }) => path),
    declarations.slice(0, 3).map(({ path }) => path)
  )
})

test('planted: each way to leak an untyped module is found', t => {
  const leaks = [
    "import Hypercore from 'hypercore';",
    'export { default } from "protomux";',
    "export declare const a: import('corestore').default;",
    "import createTestnet from 'hyperdht/testnet.js';"
  ]
  for (const text of leaks)
    t.is(untypedFaults([{ path: 'packages/feeds/dist/index.d.ts', text }]).length, 1, text)
  t.deepEqual(
    untypedFaults([{ path: 'a.d.ts', text: '/** As in `hypercore`. */\nimport b from "b4a";' }]),
    []
  )
})
