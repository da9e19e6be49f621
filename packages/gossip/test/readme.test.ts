/** The programs of the README do what it says: each is run as it stands there, and prints what stands below it. */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import test from 'ava'

const folder = new URL('../../', import.meta.url)
const text = readFileSync(new URL('README.md', folder), 'utf8')
const block = '((?:(?!```).*\\n)*)```'
const programs = Array.from(
  text.matchAll(new RegExp(`^\`\`\`js\\n${block}\\n\\n\`\`\`\\n${block}$`, 'gm')),
  ([, code = '', output = '']) => ({ code, output })
)

test('there are two programs with their output', t => {
  t.is(programs.length, 2)
  t.true(programs.every(({ code }) => code.includes("from '@hearsay/gossip'")))
})

for (const [number, { code, output }] of programs.entries()) {
  test(`program ${number + 1} prints what the README says`, t => {
    const args = ['--input-type=module', '-']
    const { stdout, stderr, status } = spawnSync(process.execPath, args, {
      cwd: fileURLToPath(folder),
      input: code,
      encoding: 'utf8',
      timeout: 20_000
    })
    t.is(stderr, '')
    t.is(stdout, output)
    t.is(status, 0)
  })
}
