/**
 * What the tidy checks read: the repository as a list of paths and texts.
 *
 * A check is a function from such a list to faults, one line each, so that every check can be tried on planted files
 * that exist in memory only. Paths are relative to the root and have forward slashes.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'

/** One file of the repository, or a planted one. */
export interface Source {
  /** Relative to the root, with forward slashes. */
  readonly path: string
  readonly text: string
}

/** The root of the repository; compiled, this file lies in `test/dist/tidy`. */
export const ROOT = fileURLToPath(new URL('../../..', import.meta.url))

const SKIPPED = new Set(['node_modules', '.git', 'coverage', '.mirror'])

/** All files below `folder` (relative to the root) whose path `accepts`; `dist` only when asked for. */
export function readSources(folder: string, accepts: (path: string) => boolean, dist = false): Source[] {
  const found: Source[] = []
  const walk = (absolute: string): void => {
    for (const entry of readdirSync(absolute, { withFileTypes: true })) {
      const path = join(absolute, entry.name)
      if (entry.isDirectory()) {
        if (!SKIPPED.has(entry.name) && (dist || entry.name !== 'dist')) walk(path)
        continue
      }
      const name = relative(ROOT, path).split(sep).join('/')
      if (entry.isFile() && accepts(name)) found.push({ path: name, text: readFileSync(path, 'utf8') })
    }
  }
  walk(join(ROOT, folder))
  return found.sort((a, b) => (a.path < b.path ? -1 : 1))
}

/** Names of the packages, as folders. */
export const PACKAGES: readonly string[] = readdirSync(join(ROOT, 'packages'))

/** Declaration files that the `exports` of a package name. */
export function declarationEntries(name: string): string[] {
  const manifest = JSON.parse(readFileSync(join(ROOT, 'packages', name, 'package.json'), 'utf8')) as {
    exports?: Record<string, string | { types?: string }>
  }
  return Object.values(manifest.exports ?? {}).flatMap(target =>
    typeof target === 'object' && target.types !== undefined
      ? [`packages/${name}${target.types.slice(1)}`]
      : []
  )
}

/** Sources of the packages that are published: `packages/<name>/src/**`. */
export const librarySources = (): Source[] =>
  readSources('packages', path => /^packages\/[^/]+\/src\/.*\.ts$/.test(path))

/** Tests of a package, and those that cross packages. */
export const testSources = (): Source[] => [
  ...readSources('packages', path => /^packages\/[^/]+\/test\/.*\.ts$/.test(path)),
  ...readSources('test/src', path => path.endsWith('.ts'))
]

/**
 * `text` without comments; with `blankStrings` also without what stands in string and template literals. Everything
 * that is taken out becomes spaces, so that line numbers stay right.
 */
export function codeOf(text: string, { blankStrings = false } = {}): string {
  // Comments, strings, templates and regular expressions in one alternation: whichever starts first wins.
  const comment = /\/\*[\s\S]*?\*\/|\/\/[^\n]*/
  const string = /'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\[\s\S]|[^`\\])*`/
  const regexp =
    /(?<=(?:^|[(,=:[!&|?{};+\-*%~^<>]|\breturn)\s*)\/(?![*/])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[])+\//
  const token = new RegExp([comment, string, regexp].map(({ source }) => source).join('|'), 'g')
  return text.replace(token, found => {
    const isComment = found.startsWith('/*') || found.startsWith('//')
    return isComment || blankStrings ? found.replace(/[^\n]/g, ' ') : found
  })
}

/** Number of the line (from 1) in which `index` lies. */
export const lineOf = (text: string, index: number): number => text.slice(0, index).split('\n').length

/** One import of a module. */
export interface Import {
  readonly specifier: string
  /** Is it gone after compiling? A mixed `import { type A, b }` isn't. */
  readonly typeOnly: boolean
  readonly line: number
}

/** Specifiers of `import … from`, `export … from`, bare `import 'x'` and `import('x')`. */
export function importsOf(text: string): Import[] {
  const code = codeOf(text)
  const found = code.matchAll(
    /(?:^[ \t]*(?:import|export)\s+(type\s)?(?:[^'"();]*?\sfrom\s+)?|\bimport\(\s*)['"]([^'"]+)['"]/gm
  )
  return Array.from(found, match => ({
    specifier: match[2] ?? '',
    typeOnly: match[1] !== undefined,
    line: lineOf(code, match.index)
  }))
}

/** The path that a relative specifier in `from` names, as a source: `.js` becomes `.ts`. */
export function resolveRelative(from: string, specifier: string): string {
  const parts = from.split('/').slice(0, -1)
  for (const part of specifier.split('/')) {
    if (part === '..') parts.pop()
    else if (part !== '.') parts.push(part)
  }
  return parts.join('/').replace(/\.js$/, '.ts')
}
