/** The README's example of many parties runs, and prints what it should. */
import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import test from 'ava'

test('E4 the example of many parties in the README runs as it stands there', async t => {
  const root = new URL('../../', import.meta.url)
  const readme = await readFile(new URL('README.md', root), 'utf8')
  const [, code = ''] = /## Many parties[\s\S]*?```js\n([\s\S]*?)```/.exec(readme) ?? []
  const args = ['--input-type=module', '--eval', code]
  const { stdout, stderr } = await promisify(execFile)(process.execPath, args, {
    cwd: fileURLToPath(root),
    timeout: 30_000
  })
  t.deepEqual(stdout.trim().split('\n'), [
    'to the lake',
    "[ 'walks, friends rules, not open', 'diary, default rules, not open' ]",
    '{ since: 2026 }'
  ])
  t.is(stderr, '')
})
