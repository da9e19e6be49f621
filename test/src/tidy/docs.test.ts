import test from 'ava'
import { parseDeclarations, undocumented } from './docs.js'
import { declarationEntries, PACKAGES, readSources } from './sources.js'

for (const name of PACKAGES) {
  const entries = declarationEntries(name)
  if (entries.length === 0) continue
  test(`U16 every public name of ${name} and each of its members has a docstring`, t => {
    const sources = readSources(`packages/${name}/dist`, path => path.endsWith('.d.ts'), true)
    t.deepEqual(undocumented(sources, entries), [])
  })
}

const path = 'packages/x/dist/index.d.ts'
const faultsOf = (text: string, more = '') =>
  undocumented(
    [
      { path, text },
      { path: 'packages/x/dist/more.d.ts', text: more }
    ],
    [path]
  ).map(fault => fault.split(' ')[1])

test('planted: a name without a docstring is found, a private member is not', t => {
  const text = [
    '/** Documented. `mentioned`: there. */',
    'export declare class A {',
    '    #private;',
    '    private secret;',
    '    readonly mentioned: number;',
    '    constructor(x: number);',
    '    /** Yes. */',
    '    documented(): {',
    '        /** Inner. */',
    '        inner: number;',
    '    };',
    '    bare(): void;',
    '    get [Symbol.toStringTag](): string;',
    '}',
    'export interface B {',
    '    /** Yes. */',
    '    c?: number;',
    '}',
    'export declare function d(): void;',
    'declare function hidden(): void;'
  ].join('\n')
  t.deepEqual(faultsOf(text), ['A.bare', 'A.[Symbol.toStringTag]', 'B', 'd'])
})

test('planted: names are followed through every form of re-export, and only they', t => {
  const more =
    '/** Yes. */\nexport declare const a: 1;\nexport declare const b: 2;\nexport declare const c: 3;\n'
  t.deepEqual(faultsOf("export { a, b as z } from './more.js';", more), ['b'])
  t.deepEqual(faultsOf("export * from './more.js';", more), ['b', 'c'])
  t.deepEqual(faultsOf("export type * from './more.js';", more), ['b', 'c'])
  t.deepEqual(faultsOf("import { c } from './more.js';\nexport { c };", more), ['c'])
  t.deepEqual(faultsOf('declare const e: 1;\nexport default e;'), ['e'])
  t.deepEqual(faultsOf("export type { a } from './more.js';", more), [])
})

test('planted: only the first of several overloads needs a docstring', t => {
  const text = '/** A. */\nexport interface A {\n    /** Yes. */\n    b(x: 1): 1;\n    b(x: 2): 2;\n}'
  t.deepEqual(
    parseDeclarations(text)
      .declarations.get('A')
      ?.members.map(({ documented }) => documented),
    [true, true]
  )
})
