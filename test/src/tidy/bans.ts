/**
 * Calls and words that have no place, each with what to use in their stead.
 *
 * A ban is a regular expression over code without comments and without the insides of strings, unless it says that it
 * looks at the whole text.
 */
import { codeOf, lineOf, type Source } from './sources.js'

interface Ban {
  readonly pattern: RegExp
  readonly instead: string
  /** Paths that the ban holds for. */
  readonly where: RegExp
  /** Paths that it doesn't hold for. */
  readonly except?: RegExp
  /** Allowed in a helper that is named so, up to this many characters behind its name: 400. */
  readonly helper?: RegExp
  /** Look at comments and strings, too. */
  readonly wholeText?: boolean
}

const PURE = /^packages\/(gossip|feeds|party)\/src\/(core\/.*|[^/]+)\.ts$/
const LIBRARY = /^packages\/(gossip|feeds|party)\/src\/.*\.ts$/
const TESTS = /^(packages\/[^/]+\/test|test\/src)\/.*\.ts$/
/** Tests that plant what is banned, as text. */
const PLANTING = /^test\/src\/tidy\//
/** Rules of a party are an application's code, though they come with the package. */
const ENTRIES = /src\/(index|swarm|core|connection|rules)\.ts$/

// Joined at run time, so that this file doesn't hold what it looks for.
const word = (...parts: string[]): string => parts.join('')

/** The bans. */
const BANS: readonly Ban[] = [
  { where: PURE, except: ENTRIES, pattern: /\bDate\b(?!['"])/g, instead: 'nowMs, which is passed in' },
  { where: PURE, except: ENTRIES, pattern: /\bMath\.random\b/g, instead: 'random() of the injected port' },
  {
    where: PURE,
    except: ENTRIES,
    pattern: /\b(setTimeout|setInterval|setImmediate|queueMicrotask|clearTimeout|process\.nextTick)\b/g,
    instead: "the effect 'wake' and the input 'tick'"
  },
  {
    where: PURE,
    except: ENTRIES,
    pattern: /\basync\b|\bawait\b|\bnew Promise\b|\bPromise\./g,
    instead: 'a question with an id, whose answer comes as an input'
  },
  { where: /^packages\/[^/]+\/src\/core\//, pattern: /\bPromise\b/g, instead: 'a question with an id' },
  {
    where: PURE,
    pattern: /\bperformance\b|\bcrypto\.(subtle|getRandom)/g,
    instead: 'what the driver injects'
  },
  { where: PURE, pattern: /\blocaleCompare\b/g, instead: 'a comparison that is the same everywhere' },
  { where: LIBRARY, pattern: /\bconsole\b/g, instead: "an effect, a counter, or the injected 'logger'" },
  { where: LIBRARY, pattern: /(?<!\bas )\bBuffer\b/g, instead: 'Uint8Array and b4a' },
  { where: LIBRARY, pattern: /\bMath\.random\b/g, instead: 'random bytes of sodium' },
  {
    where: /^packages\/[^/]+\/src\//,
    pattern: /emit\(\s*'error'/g,
    instead: "'warning', or a rejected call or `closed`"
  },
  {
    where: TESTS,
    except: PLANTING,
    pattern: /\btest(\.\w+)*\.(only|skip|todo|failing)\b/g,
    instead: 'a test that runs and passes'
  },
  {
    where: /^(packages\/[^/]+\/test|test\/src)\/.*\.test\.ts$/,
    except: PLANTING,
    helper: /\b(function|const) (until|within|deadline)\b/,
    pattern: /\bsetTimeout\(/g,
    instead: 'until(predicate, { ms }), or an event; a deadline belongs into a helper'
  },
  {
    where: TESTS,
    except: PLANTING,
    pattern: /['"](node:)?timers\/promises['"]|\b(function|const) (sleep|delay|pause)\b/g,
    instead: 'until(predicate, { ms }), or an event',
    wholeText: true
  },
  {
    where: /./,
    except: PLANTING,
    pattern: /\b(TODO|FIXME|XXX)\b(?!.*#\d+)/g,
    instead: 'the work done, or an issue number beside it',
    wholeText: true
  }
]

/** Uses of what is banned. */
export function banFaults(sources: readonly Source[], bans: readonly Ban[] = BANS): string[] {
  return sources.flatMap(({ path, text }) => {
    const code = codeOf(text)
    // `emit('error'` needs the insides of strings, all others must not be found there.
    const blank = codeOf(text, { blankStrings: true })
    return bans
      .filter(({ where, except }) => where.test(path) && except?.test(path) !== true)
      .flatMap(({ pattern, instead, helper, wholeText }) => {
        const seen = wholeText ? text : pattern.source.includes("'") ? code : blank
        return Array.from(seen.matchAll(pattern))
          .filter(({ index }) => helper?.test(seen.slice(Math.max(0, index - 400), index)) !== true)
          .map(match => `${path}:${lineOf(seen, match.index)} ${match[0]}: use ${instead}`)
      })
  })
}

/** Documents that lie outside of the repository; a reader of the repository can't follow a reference to them. */
const OUTSIDE = [
  'DECISIONS',
  'API',
  'GOSSIP',
  'PARTY',
  'SECURITY',
  'STACK',
  'SEEDS',
  'TOOLCHAIN',
  'PERFORMANCE'
]

/**
 * References to what a reader doesn't have: paths and the name of the machine that wrote a file, folders beside the
 * repository, documents that aren't in `present`.
 */
export function foreignReferences(
  sources: readonly Source[],
  { root, host, present }: { root: string; host: string; present: readonly string[] }
): string[] {
  const machine = [
    word('/wo', 'rk/'),
    word('../sha', 'red'),
    word('shared/', 'design'),
    word('/tmp/con', 'tracts')
  ]
  if (root.replace(/\/$/, '').length > 5) machine.push(root.replace(/\/$/, ''))
  if (host.length > 7 && host !== 'localhost') machine.push(host)
  const missing = OUTSIDE.filter(
    name => !present.some(path => path.endsWith(`/${name}.md`) || path === `${name}.md`)
  )
  const documents = missing.length > 0 ? new RegExp(`\\b(${missing.join('|')})\\.md\\b`, 'g') : /$^/g
  return sources.flatMap(({ path, text }) => {
    const lines = text.split('\n')
    return lines.flatMap((line, index) => {
      const found = [...machine.filter(part => line.includes(part)), ...(line.match(documents) ?? [])]
      return found.map(part => `${path}:${index + 1} mentions ${part}`)
    })
  })
}
