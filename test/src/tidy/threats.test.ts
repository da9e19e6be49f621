import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { ROOT, testSources } from './sources.js'
import { threatFaults } from './threats.js'

test('each hostile test has a row in docs/THREATS.md, and each row a test', t => {
  const text = readFileSync(join(ROOT, 'docs/THREATS.md'), 'utf8')
  const paths = testSources().map(({ path }) => path)
  t.true(paths.filter(path => path.startsWith('test/src/hostile/')).length > 30)
  t.deepEqual(threatFaults(text, paths), [])
})

test('planted: a hostile test without a row and a row without a test are found', t => {
  const head = '| Attack | Test |\n|---|---|\n'
  const paths = ['test/src/hostile/gossip/bombs.test.ts', 'packages/gossip/test/cache.test.ts']
  t.deepEqual(
    threatFaults(`${head}| a | \`bombs\`, \`cache\`; \`npm run sim -- kill50\`, \`drop30\` |\n`, paths),
    []
  )
  t.deepEqual(threatFaults(`${head}| a | \`cache\` |\n`, paths), ['bombs has no row'])
  t.deepEqual(threatFaults(`${head}| a | \`bombs\`, \`gone\` |\n`, paths), ['gone is no test'])
  // A name in the text is no row.
  t.deepEqual(threatFaults(`${head}| a | \`cache\` |\n\nSee \`bombs\`.\n`, paths), ['bombs has no row'])
})
