/**
 * Are all public names documented? Read from the declarations that the compiler printed.
 *
 * Their layout is regular: declarations start in column 0, members in column 4, and a docstring stands right above what
 * it documents. A member may be documented in the docstring of its parent, by its name in backticks. Members of an
 * interface `…Like` are those of the foreign class that it stands for, and are documented there.
 */
import { resolveRelative, type Source } from './sources.js'

interface Member {
  readonly name: string
  readonly documented: boolean
}

interface Declaration {
  readonly name: string
  readonly exported: boolean
  readonly isError: boolean
  readonly doc: string | null
  readonly members: readonly Member[]
}

interface Reexport {
  /** Relative specifier; empty: this file. */
  readonly from: string
  /** Pairs of the name there and the name here; null: everything. */
  readonly names: readonly (readonly [there: string, here: string])[] | null
}

interface Module {
  readonly declarations: ReadonlyMap<string, Declaration>
  readonly reexports: readonly Reexport[]
  readonly imports: ReadonlyMap<string, { from: string; name: string }>
}

const DECLARATION =
  /^(export )?(?:default )?(?:declare )?(?:abstract )?(class|interface|function|const|let|var|type|enum)\s+([\w$]+)/
const MEMBER = /^ {4}(?:(?:static|readonly|get|set|override|abstract|accessor) )*([\w$]+|\[[\w.]+\]|"[^"]+")/
const HIDDEN = /^ {4}(#|private |protected |constructor\b)/

const listOf = (text: string): [string, string][] =>
  text
    .split(',')
    .map(part => part.trim().replace(/^type /, ''))
    .filter(part => part !== '')
    .map(part => {
      const [there = '', here = there] = part.split(' as ')
      return [there, here]
    })

/** Splits a declaration file into docstrings and the lines that start a declaration or a member. */
function* linesOf(text: string): Generator<{ line: string; doc: string | null }> {
  let doc: string | null = null
  let open: { indent: number; lines: string[] } | null = null
  for (const line of text.split('\n')) {
    const start = line.match(/^( *)\/\*\*/)
    if (start && open === null) open = { indent: start[1]?.length ?? 0, lines: [] }
    if (open !== null) {
      open.lines.push(line)
      if (!line.includes('*/')) continue
      // Docstrings inside of members (column 8 and on) belong to nothing that is looked at.
      if (open.indent <= 4) doc = open.lines.join('\n')
      open = null
      continue
    }
    if (!/^( {4})?[^\s})|&]/.test(line)) continue
    yield { line, doc }
    doc = null
  }
}

/** Reads one declaration file. */
export function parseDeclarations(text: string): Module {
  const declarations = new Map<string, Declaration & { members: Member[] }>()
  const reexports: Reexport[] = []
  const imports = new Map<string, { from: string; name: string }>()
  let current: (Declaration & { members: Member[] }) | null = null
  for (const { line, doc } of linesOf(text)) {
    if (line.startsWith('    ')) {
      const name = HIDDEN.test(line) ? undefined : line.match(MEMBER)?.[1]
      // What an error's name is needs no words.
      if (current === null || name === undefined || (current.isError && name === 'name')) continue
      const inParent = current.doc?.includes(`\`${name}\``) === true
      const isOverload = current.members.some(member => member.name === name && member.documented)
      current.members.push({ name, documented: doc !== null || inParent || isOverload })
      continue
    }
    current = null
    const [, names, from = ''] = line.match(/^export (?:type )?\{([^}]*)\}(?: from ['"]([^'"]+)['"])?/) ?? []
    if (names !== undefined) reexports.push({ from, names: listOf(names) })
    const star = line.match(/^export (?:type )?\* from ['"]([^'"]+)['"]/)?.[1]
    if (star !== undefined) reexports.push({ from: star, names: null })
    const [, imported, source = ''] = line.match(/^import (?:type )?\{([^}]*)\} from ['"]([^'"]+)['"]/) ?? []
    for (const [name, here] of listOf(imported ?? '')) imports.set(here, { from: source, name })
    const fallback = line.match(/^export default ([\w$]+);/)?.[1]
    if (fallback !== undefined) reexports.push({ from: '', names: [[fallback, 'default']] })
    const [, exported, kind, name] = line.match(DECLARATION) ?? []
    if (name === undefined) continue
    const known = declarations.get(name)
    const isError = line.includes(' extends Error ')
    const about = { exported: exported !== undefined, isError, doc: doc ?? known?.doc ?? null }
    const declaration = { name, ...about, members: [] }
    declarations.set(name, declaration)
    if (kind === 'class' || kind === 'interface') current = declaration
  }
  return { declarations, reexports, imports }
}

/** Names reachable from `entries` that have no docstring, as `path name` or `path name.member`. */
export function undocumented(sources: readonly Source[], entries: readonly string[]): string[] {
  const modules = new Map(sources.map(({ path, text }) => [path, parseDeclarations(text)]))
  const faults = new Set<string>()
  const visited = new Set<string>()
  const pathOf = (from: string, specifier: string): string =>
    resolveRelative(from, specifier).replace(/(?<!\.d)\.ts$/, '.d.ts')

  const judge = (path: string, { name, doc, members }: Declaration): void => {
    if (doc === null) faults.add(`${path} ${name}`)
    if (name.endsWith('Like')) return
    for (const member of members) if (!member.documented) faults.add(`${path} ${name}.${member.name}`)
  }
  const visit = (path: string, name: string | null): void => {
    const module = modules.get(path)
    if (module === undefined || visited.has(`${path} ${name}`)) return
    visited.add(`${path} ${name}`)
    for (const declaration of module.declarations.values()) {
      if (name === null ? declaration.exported : declaration.name === name) judge(path, declaration)
    }
    for (const { from, names } of module.reexports) {
      const wanted = names?.filter(([, here]) => name === null || here === name) ?? [[name, name] as const]
      for (const [there] of wanted) {
        if (from.startsWith('.')) visit(pathOf(path, from), there)
        else if (from === '' && there !== null && !module.declarations.has(there))
          visitImport(path, module, there)
        else if (from === '' && there !== name) visit(path, there)
      }
    }
  }
  const visitImport = (path: string, module: Module, name: string): void => {
    const target = module.imports.get(name)
    if (target?.from.startsWith('.')) visit(pathOf(path, target.from), target.name)
  }
  for (const entry of entries) visit(entry, null)
  return Array.from(faults)
}
