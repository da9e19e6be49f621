// Tries each package alone, as a user gets it: packed, installed with npm into an empty folder, used from there.
//
// For every package: what the tarball holds; every public entry by `import` and by `require()` without a word on
// stderr; its types under `strict`, `lib: [es2022]`, `types: []` and `skipLibCheck: false`, with one mistake that must
// be refused, so that the types are known to be real; the README's first example; how much gets installed. For the
// command line: `npx hearsay --help`. The last line is `pack checks: N passed, N failed`.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const shell = process.platform === 'win32' // npx and npm are .cmd files there
const pinned = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).packageManager
const tsc = join(root, 'node_modules/typescript/bin/tsc')

/** A use that the types must refuse, per entry. An entry without one imports a name that doesn't exist. */
const MISTAKES = {
  '@hearsay/gossip': 'new entry.Gossip({ keyPair: 1 })',
  '@hearsay/feeds': "new entry.FeedSet('folder', { maxFeeds: 'many' })",
  '@hearsay/party': 'new entry.Party({ key: true })'
}

/**
 * How many packages npm installs at most, ours included; a new dependency has to be meant.
 * The numbers are those seen when they were last raised, plus 10 %.
 */
const INSTALLED_MAX = {
  '@hearsay/gossip': 71,
  '@hearsay/feeds': 72,
  '@hearsay/party': 95,
  '@hearsay/cli': 110
}

let passed = 0
let failed = 0

/** Counts one check; `problem` is empty when it passed. */
function check(title, problem) {
  if (problem) failed++
  else passed++
  console.log(`${problem ? 'not ok' : 'ok'}  ${title}${problem ? `\n${indent(problem)}` : ''}`)
}

const indent = text => text.trim().replace(/^/gm, '      ')

/** Runs a command; all of its output, and whether it went well. */
function run(cwd, file, args, timeout = 60_000) {
  const env = { ...process.env, NODE_OPTIONS: '', NODE_PATH: '' }
  const result = spawnSync(file, args, { cwd, env, encoding: 'utf8', shell, timeout })
  const { stdout = '', stderr = '', status, error } = result
  return { ok: status === 0, stdout, stderr, output: `${stdout}${stderr}${error ?? ''}` }
}

/** Packs `folder` and returns the tarball's path and the files in it. */
function pack(folder, destination) {
  const args = ['--yes', pinned, 'pack', '--json', '--pack-destination', destination]
  const { ok, stdout, output } = run(folder, 'npx', args, 120_000)
  if (!ok) throw new Error(`pnpm pack failed in ${folder}\n${output}`)
  const parsed = JSON.parse(stdout.slice(stdout.search(/^[[{]/m)))
  const { filename, files } = Array.isArray(parsed) ? parsed[0] : parsed
  return { tarball: filename.startsWith(destination) ? filename : join(destination, filename), files }
}

/** Checks what the tarball holds: everything that a user needs, nothing that belongs to the repository. */
function checkFiles(name, folder, files) {
  const paths = files.map(file => file.path)
  const missing = ['package.json', 'README.md', 'LICENSE'].filter(path => !paths.includes(path))
  check(
    `${name} holds package.json, README.md and LICENSE`,
    missing.length > 0 ? `missing: ${missing.join(', ')}` : ''
  )
  const foreign = paths.filter(path => /(^|\/)(test|types|node_modules)\/|\.tsbuildinfo$|\.test\./.test(path))
  check(`${name} holds no test and no build state`, foreign.join('\n'))
  const built = readdirSync(join(folder, 'dist'), { recursive: true, encoding: 'utf8' })
  const unpacked = built.filter(
    path => path.endsWith('.js') && !paths.includes(`dist/${path.replaceAll('\\', '/')}`)
  )
  check(`${name} holds all that was built`, unpacked.join('\n'))
}

/** Installs one tarball alone, its siblings from their tarballs. */
function install(name, folder, tarballs) {
  const overrides = Object.fromEntries(
    Object.entries(tarballs).flatMap(([other, file]) => (other === name ? [] : [[other, `file:${file}`]]))
  )
  const manifest = {
    name: 'consumer',
    private: true,
    dependencies: { [name]: `file:${tarballs[name]}` },
    overrides
  }
  writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest, null, 2))
  const args = ['install', '--prefer-offline', '--no-audit', '--no-fund', '--loglevel', 'error']
  const { ok, output } = run(folder, 'npm', args, 240_000)
  check(`${name} installs alone with npm`, ok ? '' : output)
  return ok
}

/** Prints and bounds how many packages the install brought. */
function checkCount(name, folder) {
  const lock = JSON.parse(readFileSync(join(folder, 'node_modules/.package-lock.json'), 'utf8'))
  const count = Object.values(lock.packages).filter(entry => !entry.optional).length
  const max = INSTALLED_MAX[name] ?? 0
  check(
    `${name} brings ${count} packages, at most ${max}`,
    count > max ? 'a dependency came in; is it meant?' : ''
  )
}

/** Imports and requires every entry; a warning on stderr is a failure. */
function checkEntries(folder, entries) {
  for (const entry of entries) {
    const some = 'if (Object.keys(entry).length === 0) throw new Error("exports nothing")\n'
    writeFileSync(join(folder, 'use.mjs'), `import * as entry from '${entry}'\n${some}`)
    writeFileSync(join(folder, 'use.cjs'), `const entry = require('${entry}')\n${some}`)
    for (const [how, file] of Object.entries({ import: 'use.mjs', 'require()': 'use.cjs' })) {
      const { ok, stdout, stderr, output } = run(folder, process.execPath, [file])
      check(
        `${entry} by ${how}`,
        ok && stdout === '' && stderr === '' ? '' : output || 'failed without a word'
      )
    }
  }
}

/** Type-checks every entry, once right and once wrong, as ESM and as CommonJS. */
function checkTypes(name, folder, entries) {
  const lines = entries.flatMap((entry, index) => {
    const mistake = (MISTAKES[entry] ?? 'entry.thereIsNoSuchName').replace('entry', `entry${index}`)
    return [`import * as entry${index} from '${entry}'`, '// @ts-expect-error', mistake]
  })
  for (const file of ['types.mts', 'types.cts']) writeFileSync(join(folder, file), `${lines.join('\n')}\n`)
  const compilerOptions = {
    target: 'es2022',
    lib: ['es2022'],
    types: [],
    module: 'nodenext',
    moduleResolution: 'nodenext',
    strict: true,
    exactOptionalPropertyTypes: true,
    skipLibCheck: false,
    noEmit: true
  }
  const config = { compilerOptions, files: ['types.mts', 'types.cts'] }
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config, null, 2))
  const { ok, output } = run(folder, process.execPath, [tsc, '-p', 'tsconfig.json'])
  check(`${name} has types that a strict consumer can check`, ok ? '' : output)
}

/** Runs the first complete program of the package's README: a `js` block that imports the package. */
function checkReadme(name, packageFolder, folder) {
  const path = join(packageFolder, 'README.md')
  const text = existsSync(path) ? readFileSync(path, 'utf8') : ''
  const blocks = Array.from(text.matchAll(/^```js\n([\s\S]*?)^```/gm), ([, code]) => code)
  const program = blocks.find(code => code.includes(`from '${name}`))
  if (program === undefined)
    return check(`${name} has a README with an example`, 'no js block that imports it')
  writeFileSync(join(folder, 'readme.mjs'), program)
  const { ok, output } = run(folder, process.execPath, ['readme.mjs'])
  check(`${name} runs the example of its README`, ok ? '' : output || 'failed without a word')
}

/** Public entries of a manifest as import specifiers. */
function entriesOf({ name, exports }) {
  const paths = Object.keys(exports ?? {}).filter(path => path !== './package.json')
  return paths.map(path => name + path.slice(1))
}

function checkPackage(manifest, packageFolder, folder, tarballs) {
  const { name, bin } = manifest
  const entries = entriesOf(manifest)
  mkdirSync(folder)
  if (!install(name, folder, tarballs)) return
  checkCount(name, folder)
  checkEntries(folder, entries)
  if (entries.length > 0) {
    checkTypes(name, folder, entries)
    checkReadme(name, packageFolder, folder)
  }
  for (const command of Object.keys(bin ?? {})) {
    const { ok, stdout, output } = run(folder, 'npx', ['--no-install', command, '--help'])
    check(`npx ${command} --help`, ok && stdout.includes(command) ? '' : output || 'no output')
  }
}

const temporary = mkdtempSync(join(tmpdir(), 'hearsay-pack-'))
try {
  const folders = readdirSync(join(root, 'packages')).map(name => join(root, 'packages', name))
  const manifests = folders.map(folder => JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')))
  const tarballs = {}
  folders.forEach((folder, index) => {
    const { name } = manifests[index]
    const { tarball, files } = pack(folder, temporary)
    tarballs[name] = tarball
    checkFiles(name, folder, files)
  })
  folders.forEach((folder, index) => {
    checkPackage(manifests[index], folder, join(temporary, `consumer-${index}`), tarballs)
  })
} finally {
  rmSync(temporary, { recursive: true, force: true })
}
console.log(`pack checks: ${passed} passed, ${failed} failed`)
process.exitCode = failed === 0 ? 0 : 1
