import test from 'ava'
import { copyFaults, shapeFaults } from './shape.js'
import { librarySources, readSources, testSources } from './sources.js'

/** Shared by gossip and feeds without a fifth package; state that must exist once per muxer lies under `Symbol.for`. */
const COPIES = ['guard', 'harden', 'noise', 'connection'].map(name =>
  ['gossip', 'feeds'].map(folder => `packages/${folder}/src/node/${name}.ts`)
)

test('files have at most 400 lines and 140 columns, a head comment, and names in kebab-case', t => {
  const scripts = readSources('scripts', path => path.endsWith('.mjs'))
  t.deepEqual(shapeFaults([...librarySources(), ...testSources(), ...scripts]), [])
})

test('copies of a file in two packages are equal, byte for byte', t => {
  t.deepEqual(copyFaults(librarySources(), COPIES), [])
})

test('planted: each fault of shape is found', t => {
  const path = 'packages/gossip/src/core/x.ts'
  const head = '/** Head. */\n'
  const count = (text: string, name = path) => shapeFaults([{ path: name, text }]).length
  t.is(count(head + 'a\n'.repeat(399)), 0)
  t.is(count(head + 'a\n'.repeat(400)), 1)
  t.is(count(`${head}${'a'.repeat(141)}\n`), 1)
  t.is(count('a\n'.repeat(30)), 1)
  t.is(count(head, 'packages/gossip/src/core/topicCore.ts'), 1)
})

test('planted: a copy that differs by one byte, and one that is missing, are found', t => {
  const sources = [
    { path: 'a', text: 'x\n' },
    { path: 'b', text: 'x \n' }
  ]
  t.is(copyFaults(sources, [['a', 'b']]).length, 1)
  t.is(copyFaults(sources, [['a', 'c']]).length, 1)
  t.is(copyFaults(sources, [['a', 'a']]).length, 0)
})
