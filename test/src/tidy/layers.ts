/**
 * Who may import whom.
 *
 *   leaf (src/*.ts) <- core/ <- node/ <- entries (those that `exports` and `bin` of the package name)
 *
 * Outside the layers: gossip and feeds know nothing of each other, party knows them by their public entries, everybody
 * else (command line, examples, tests) too. Every foreign library has one file that knows it, so that its traps are in
 * one place and a new major is one file's work.
 */
import { type Import, importsOf, resolveRelative, type Source } from './sources.js'

type Layer = 'leaf' | 'core' | 'node' | 'entry'

const MAY_IMPORT: Record<Layer, readonly Layer[]> = {
  leaf: ['leaf'],
  core: ['core', 'leaf'],
  node: ['node', 'core', 'leaf'],
  entry: ['entry', 'node', 'core', 'leaf']
}

/** Files of `src/` that are entries, per package. */
const ENTRIES: Record<string, readonly string[]> = {
  gossip: ['index.ts', 'swarm.ts', 'core.ts', 'connection.ts'],
  feeds: ['index.ts', 'core.ts'],
  party: ['index.ts', 'core.ts'],
  cli: ['hearsay.ts']
}

/** The public entries that code outside of a package may name. */
const PUBLIC: Record<string, readonly string[]> = {
  '@hearsay/gossip': ['', '/swarm', '/core', '/connection', '/package.json'],
  '@hearsay/feeds': ['', '/core', '/package.json'],
  '@hearsay/party': ['', '/core', '/package.json'],
  '@hearsay/cli': ['/package.json']
}

/** Which siblings a package may import. */
const SIBLINGS: Record<string, readonly string[]> = {
  gossip: [],
  feeds: [],
  party: ['@hearsay/gossip', '@hearsay/feeds'],
  cli: ['@hearsay/gossip', '@hearsay/feeds', '@hearsay/party']
}

/** The only files that may import a library as a value. A library that isn't listed is free above the core. */
const HOMES: Record<string, readonly string[]> = {
  hyperswarm: ['packages/gossip/src/node/hyperswarm.ts'],
  hyperdht: ['packages/gossip/src/node/hyperswarm.ts'],
  protomux: ['gossip', 'feeds'].flatMap(name =>
    ['protomux', 'harden', 'connection'].map(file => `packages/${name}/src/node/${file}.ts`)
  ),
  hypercore: ['hypercore', 'guarded-core', 'fork-proof'].map(file => `packages/feeds/src/node/${file}.ts`),
  corestore: ['packages/feeds/src/node/corestore.ts'],
  'sodium-universal': ['gossip', 'feeds', 'party'].map(name => `packages/${name}/src/node/sodium.ts`),
  'hypercore-crypto': [],
  msgpackr: ['gossip', 'party'].map(name => `packages/${name}/src/node/msgpack.ts`),
  '@hyperswarm/secret-stream': ['gossip', 'feeds'].map(name => `packages/${name}/src/node/noise.ts`),
  'lru-cache': ['packages/gossip/src/core/cache.ts']
}

const PURE_LIBRARIES = ['b4a', 'compact-encoding']

/** Name of the package in a bare specifier: `@scope/name` or `name`. */
const packageOf = (specifier: string): string => specifier.match(/^(@[^/]+\/[^/]+|[^/]+)/)?.[1] ?? specifier

function layerOf(path: string): { name: string; layer: Layer } | null {
  const [, name = '', file = ''] = path.match(/^packages\/([^/]+)\/src\/(.+)$/) ?? []
  if (name === '') return null
  if (file.startsWith('core/')) return { name, layer: 'core' }
  if (file.startsWith('node/') || name === 'cli') {
    return { name, layer: ENTRIES[name]?.includes(file) ? 'entry' : 'node' }
  }
  return { name, layer: ENTRIES[name]?.includes(file) ? 'entry' : 'leaf' }
}

function siblingFault(name: string, layer: Layer, found: Import): string | null {
  const target = packageOf(found.specifier)
  if (!(SIBLINGS[name] ?? []).includes(target)) return `${name} must not know ${target}`
  if (!PUBLIC[target]?.includes(found.specifier.slice(target.length)))
    return `${found.specifier} isn't a public entry`
  const isPure = found.typeOnly || found.specifier === `${target}/core`
  if ((layer === 'core' || layer === 'leaf') && !isPure)
    return `${layer} takes types and /core of a sibling only`
  return null
}

function relativeFault(path: string, own: { name: string; layer: Layer }, found: Import): string | null {
  const { specifier, typeOnly } = found
  const target = layerOf(resolveRelative(path, specifier))
  if (target === null || target.name !== own.name) return `${specifier} leaves the package`
  // The leaf of public types takes over some of the core's; nothing of that is left at run time.
  if (own.layer === 'leaf' && target.layer === 'core' && typeOnly) return null
  if (!MAY_IMPORT[own.layer].includes(target.layer)) return `${own.layer} must not import ${target.layer}`
  return null
}

function libraryFault(path: string, own: { name: string; layer: Layer }, found: Import): string | null {
  const library = packageOf(found.specifier)
  if (own.name === 'cli') return null
  if (HOMES[library] !== undefined) {
    const isAllowed = HOMES[library].includes(path) || (found.typeOnly && own.layer !== 'core')
    return isAllowed ? null : `${library} belongs into ${HOMES[library].join(' or ') || 'no file'}`
  }
  const isPure = own.layer === 'core' || own.layer === 'leaf'
  if (library.startsWith('node:')) {
    if (isPure) return `${library} has no place in ${own.layer}: the driver passes in what it gives`
    return own.name === 'gossip' ? `${library}: gossip runs without Node` : null
  }
  if (!isPure || PURE_LIBRARIES.includes(library)) return null
  return `${own.layer} may use ${PURE_LIBRARIES.join(' and ')} only, not ${library}`
}

function importFault(path: string, own: { name: string; layer: Layer }, found: Import): string | null {
  if (found.specifier.startsWith('.')) return relativeFault(path, own, found)
  if (found.specifier.startsWith('#')) return `${found.specifier}: the map of imports is for tests`
  if (found.specifier.startsWith('@hearsay/')) return siblingFault(own.name, own.layer, found)
  return libraryFault(path, own, found)
}

/** Imports of library sources that break a rule above. */
export function layerFaults(sources: readonly Source[]): string[] {
  return sources.flatMap(({ path, text }) => {
    const own = layerOf(path)
    if (own === null) return []
    return importsOf(text).flatMap(found => {
      const fault = importFault(path, own, found)
      return fault === null ? [] : [`${path}:${found.line} ${fault}`]
    })
  })
}

/** Imports of tests and examples that reach into a package by another way than its public entries. */
export function outsideFaults(sources: readonly Source[]): string[] {
  return sources.flatMap(({ path, text }) => {
    const own = path.match(/^packages\/([^/]+)\/test\//)?.[1]
    return importsOf(text).flatMap(({ specifier, line }) => {
      const target = packageOf(specifier)
      const isInternal = specifier.startsWith('#') && !specifier.startsWith(`#${own}/`)
      const isHidden =
        PUBLIC[target] !== undefined && !PUBLIC[target].includes(specifier.slice(target.length))
      const isDeep =
        specifier.startsWith('.') && /^packages\/[^/]+\/(src|dist)\//.test(resolveRelative(path, specifier))
      const isBroken = isInternal || isHidden || isDeep
      return isBroken ? [`${path}:${line} ${specifier} isn't a public entry`] : []
    })
  })
}

/** The simulator drives sans-IO cores, so that a seed repeats itself; `real-crypto.ts` alone may take the real primitives. */
export function simulatorFaults(sources: readonly Source[]): string[] {
  return sources
    .filter(({ path }) => path.startsWith('test/src/sim/') && !path.endsWith('/real-crypto.ts'))
    .flatMap(({ path, text }) =>
      importsOf(text)
        .filter(({ specifier }) => specifier.startsWith('@hearsay/') && !specifier.endsWith('/core'))
        .map(({ specifier, line }) => `${path}:${line} ${specifier} isn't a sans-IO core`)
    )
}

/** Cycles of imports that are left after compiling, each as `a -> b -> a`. */
export function importCycles(sources: readonly Source[]): string[] {
  const edges = new Map(
    sources.map(({ path, text }) => [
      path,
      importsOf(text)
        .filter(({ specifier, typeOnly }) => specifier.startsWith('.') && !typeOnly)
        .map(({ specifier }) => resolveRelative(path, specifier))
    ])
  )
  const cycles: string[] = []
  const done = new Set<string>()
  const visit = (path: string, trail: readonly string[]): void => {
    const start = trail.indexOf(path)
    if (start >= 0) cycles.push([...trail.slice(start), path].join(' -> '))
    if (start >= 0 || done.has(path)) return
    for (const target of edges.get(path) ?? []) visit(target, [...trail, path])
    done.add(path)
  }
  for (const path of edges.keys()) visit(path, [])
  return cycles
}
