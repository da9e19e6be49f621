/** The README's program about structures does what it says: it is run as it stands there, and prints what stands below it. */
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
).filter(({ code }) => code.includes("from 'hyperdrive'"))

test('B36 the program that introduces and opens a drive prints what the README says', t => {
  t.is(programs.length, 1)
  const { stdout, stderr, status } = spawnSync(process.execPath, ['--input-type=module', '-'], {
    cwd: fileURLToPath(folder),
    input: programs[0]?.code ?? '',
    encoding: 'utf8',
    timeout: 30_000
  })
  t.is(stderr, '')
  t.is(stdout, programs[0]?.output ?? '')
  t.is(status, 0)
})
