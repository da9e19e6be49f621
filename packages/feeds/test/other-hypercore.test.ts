/**
 * The rules of the gate, and whatever of Hypercore's insides we use, on more than the installed Hypercore: on the lowest of our
 * range, and on the newest that there is. Each run is an AVA of its own, whose modules get the other Hypercore
 * (support/other-hypercore.ts); the versions are development dependencies, so that a clean checkout has them.
 */
import { execFile } from 'node:child_process'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import test from 'ava'

/** Tests of ours that stand on Hypercore's behaviour, rather than on ours. */
const FILES = ['contracts', 'fork', 'gate', 'gate-rules', 'open-feeds', 'quota', 'revoke-download']

interface Manifest {
  version: string
  peerDependencies: Record<string, string>
}

const require = createRequire(import.meta.url)
const run = promisify(execFile)

for (const [name, what] of [
  ['hypercore-lowest', 'the lowest of our range'],
  ['hypercore-next', 'the newest published one']
] as const) {
  const { version } = require(`${name}/package.json`) as Manifest
  test.serial(`the contracts hold on Hypercore ${version}, ${what}`, async t => {
    t.timeout(180_000)
    const root = fileURLToPath(new URL('../../../../', import.meta.url))
    const ava = fileURLToPath(new URL('cli.mjs', import.meta.resolve('ava')))
    const files = FILES.map(file => `packages/feeds/test/dist/${file}.test.js`)
    const hook = new URL('support/other-hypercore.js', import.meta.url).href
    const env = {
      ...process.env,
      HEARSAY_HYPERCORE: name,
      NODE_OPTIONS: `--import=${hook}`
    }
    const { stdout } = await run(process.execPath, [ava, '--tap', ...files, '--', '--runs=3'], {
      cwd: root,
      env
    }).catch(fault => fault as { stdout: string })
    const failed = stdout.split('\n').filter(line => line.startsWith('not ok'))
    t.deepEqual(failed, [], stdout)
    t.true(stdout.includes(`on Hypercore ${version}`), 'the run tells the version that it found')
    const [, passed] = /^# pass (\d+)$/m.exec(stdout) ?? []
    t.true(Number(passed) > 40, `${passed} tests passed`)
  })
}

test('the installed Hypercore is the newest of our range, and hypercore-lowest the lowest', t => {
  const { peerDependencies } = require('@hearsay/feeds/package.json') as Manifest
  const versionOf = (name: string): string => (require(`${name}/package.json`) as Manifest).version
  const [major, minor] = versionOf('hypercore').split('.').map(Number) as [number, number]
  const above = `${major}.${minor + 1}.0`
  t.is(peerDependencies.hypercore, `>=${versionOf('hypercore-lowest')} <${above}`)
  t.is(peerDependencies.corestore, `^${versionOf('corestore')}`)
})
