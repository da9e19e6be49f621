// Runs a root script with the pinned pnpm, on a machine that has only Node and npm.
//
// `start` is the main job: it installs and builds silently (all output on stderr), then hands its arguments
// to the `hearsay` command, so that its standard output can be piped.
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const [script, ...words] = process.argv.slice(2)
const manifest = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))
const pinned = manifest.packageManager // "pnpm@10.34.9"
const shell = process.platform === 'win32' // pnpm and npx are .cmd files there
const major = version => version.trim().split('.')[0]

// An installed pnpm of another major may not start on this Node, so it is used only when the major is the pinned one.
const installed = spawnSync('pnpm', ['--version'], { encoding: 'utf8', shell })
const usable = installed.status === 0 && major(installed.stdout) === major(pinned.split('@')[1])
const [file, ...prefix] = usable ? ['pnpm'] : ['npx', '--yes', pinned]

function run(command, args, stdout) {
  const { status, signal } = spawnSync(command, args, {
    cwd: root,
    stdio: ['inherit', stdout, 'inherit'],
    shell
  })
  if (status !== 0) process.exit(status ?? (signal === 'SIGINT' ? 130 : 1))
}

const install = process.env.CI ? ['install', '--frozen-lockfile'] : ['install']
if (script === 'start') {
  run(file, [...prefix, ...install], 2)
  run(file, [...prefix, 'run', 'build'], 2)
  const { status, signal } = spawnSync(
    process.execPath,
    [
      fileURLToPath(new URL('../packages/cli/dist/hearsay.js', import.meta.url)),
      ...(words.length > 0 ? words : ['demo'])
    ],
    { stdio: 'inherit', cwd: process.env.INIT_CWD ?? process.cwd() }
  )
  process.exit(status ?? (signal === 'SIGINT' ? 130 : 1))
}
run(file, [...prefix, ...install], 'inherit')
run(file, [...prefix, 'run', script, ...words], 'inherit')
