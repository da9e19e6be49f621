import { hostname } from 'node:os'
import test from 'ava'
import { banFaults, foreignReferences } from './bans.js'
import { codeOf, librarySources, ROOT, readSources, testSources } from './sources.js'

const texts = () =>
  readSources(
    '',
    path => /\.(ts|mjs|md|json|ya?ml)$|\.ci\/run$/.test(path) && !path.endsWith('pnpm-lock.yaml')
  )

test('nothing that is banned is used', t => {
  t.deepEqual(banFaults([...librarySources(), ...testSources()]), [])
})

test('no text names the machine that wrote it, or a document that the repository lacks', t => {
  const sources = texts()
  const present = sources.map(({ path }) => path)
  t.deepEqual(foreignReferences(sources, { root: ROOT, host: hostname(), present }), [])
})

test('comments and strings are told from code', t => {
  const text = 'a /* b */ // c\nconst d = "// e" + `/* f */` + /[/]g/.source // h'
  t.is(codeOf(text).replace(/ +/g, ' '), 'a \nconst d = "// e" + `/* f */` + /[/]g/.source ')
  t.is(codeOf(text, { blankStrings: true }).includes('f'), false)
  t.is(codeOf(text).length, text.length)
})

const core = 'packages/gossip/src/core/x.ts'
const node = 'packages/gossip/src/node/x.ts'
const unit = 'packages/gossip/test/x.test.ts'
const planted: [title: string, path: string, text: string][] = [
  ['a clock in core', core, 'const now = Date.now()'],
  ['a clock in a leaf', 'packages/gossip/src/limits.ts', 'const now = new Date()'],
  ['randomness in core', core, 'const id = Math.random().toString(16).slice(2)'],
  ['a timer in core', core, 'setTimeout(tick, 5)'],
  ['a promise in core', core, 'function ask(): Promise<void> {}'],
  ['a function that waits in a leaf', 'packages/party/src/frames.ts', 'export const a = async () => {}'],
  ['a log in core', core, 'console.log(1)'],
  ['a log in a shell', node, 'console.log(1)'],
  ['a Buffer', node, 'Buffer.alloc(5)'],
  ['an order that depends on the locale', core, 'keys.sort((a, b) => a.localeCompare(b))'],
  ['an error event', node, "this.emit('error', error)"],
  ['a test that runs alone', unit, "test.only('a', t => t.pass())"],
  ['a serial test that is skipped', unit, "test.serial.skip('a', t => t.pass())"],
  ['a test that sleeps', unit, 'await new Promise(resolve => setTimeout(resolve, 100))'],
  ['a sleep from the library', unit, "import { setTimeout as wait } from 'node:timers/promises'"],
  ['work that is left to others', node, '// TODO: bound this']
]
for (const [title, path, text] of planted) {
  test(`planted: ${title} is found`, t => t.true(banFaults([{ path, text }]).length > 0))
}

test('planted: what only looks banned is not found', t => {
  const sources = [
    { path: core, text: "/** Not Date.now(): see `wake`. */\nconst title = 'async Date'" },
    { path: 'packages/gossip/src/types.ts', text: 'export interface A { publish(): Promise<void> }' },
    { path: unit, text: 'async function until(ms: number) {\n  setTimeout(stop, ms)\n}' },
    { path: 'test/src/support/until.ts', text: 'const timer = setTimeout(stop, ms)' }
  ]
  t.deepEqual(banFaults(sources), [])
})

test('planted: a path of this machine, its name and a missing document are found', t => {
  const text = `see ${ROOT}docs\non build-host-7\nas ${'STACK'}.md says\nand docs/PROTOCOL.md`
  const faults = foreignReferences([{ path: 'README.md', text }], {
    root: ROOT,
    host: 'build-host-7',
    present: []
  })
  t.true(faults.some(fault => fault.startsWith('README.md:1 ')))
  t.true(faults.includes('README.md:2 mentions build-host-7'))
  t.true(faults.includes(`README.md:3 mentions ${'STACK'}.md`))
  t.false(faults.some(fault => fault.startsWith('README.md:4 ')))
})
