/** What the build left: tests whose source is gone, and declarations that name a module without types. */
import { importsOf, lineOf, resolveRelative, type Source } from './sources.js'

/** Modules that come without types; a declaration that imports one doesn't compile at a consumer (TS7016). */
const UNTYPED = [
  'hypercore',
  'hypercore-crypto',
  'hypercore-id-encoding',
  'corestore',
  'hyperbee',
  'hyperdrive',
  'hyperswarm',
  'hyperdht',
  'protomux',
  'sodium-universal',
  '@hyperswarm/secret-stream',
  'graceful-goodbye'
]

/** Compiled tests without a source: `tsc -b` leaves them behind, and the runner goes on running them. */
export function staleTests(dist: readonly string[], sources: readonly string[]): string[] {
  const known = new Set(sources)
  return dist.filter(path => {
    // packages/<name>/test lies beside its dist, test/src beside test/dist.
    const source = path
      .replace(/\.js$/, '.ts')
      .replace(/^test\/dist\//, 'test/src/')
      .replace(/\/test\/dist\//, '/test/')
    return path.endsWith('.test.js') && !known.has(source)
  })
}

/** Those of `declarations` that a consumer's compiler reads: what the entries import, and so on. */
export function reachable(declarations: readonly Source[], entries: readonly string[]): Source[] {
  const byPath = new Map(declarations.map(source => [source.path, source]))
  const found = new Set<Source>()
  const left = [...entries]
  for (const path of left) {
    const source = byPath.get(path)
    if (source === undefined || found.has(source)) continue
    found.add(source)
    for (const { specifier } of importsOf(source.text)) {
      if (specifier.startsWith('.')) left.push(resolveRelative(path, specifier).replace(/\.ts$/, '.d.ts'))
    }
  }
  return [...found]
}

/** Declarations that import, re-export or reference an untyped module. */
export function untypedFaults(declarations: readonly Source[]): string[] {
  const names = UNTYPED.map(name => name.replace('/', '\\/')).join('|')
  const pattern = new RegExp(`(from |import\\(|import |types=)['"](${names})(/[^'"]*)?['"]`, 'g')
  return declarations.flatMap(({ path, text }) =>
    Array.from(text.matchAll(pattern), match => `${path}:${lineOf(text, match.index)} names ${match[2]}`)
  )
}
