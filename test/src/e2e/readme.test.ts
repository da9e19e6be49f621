/** The front door is true: the README's example is the example that examples.test.ts runs, and its links lead somewhere. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import test from 'ava'

const root = new URL('../../../', import.meta.url)
const read = (path: string): string => readFileSync(new URL(path, root), 'utf8')

test("the README's example is examples/src/greeting.ts, to the letter", t => {
  const [, block = ''] = /```ts\n([\s\S]*?)```/.exec(read('README.md')) ?? []
  t.true(block.length > 400)
  t.true(read('examples/src/greeting.ts').endsWith(block))
})

const documents = [
  'README.md',
  ...readdirSync(new URL('docs/', root)).flatMap(name => (name.endsWith('.md') ? [`docs/${name}`] : [])),
  ...readdirSync(new URL('packages/', root)).map(name => `packages/${name}/README.md`)
]

for (const path of documents) {
  test(`every relative link of ${path} leads to a file`, t => {
    const targets = Array.from(
      read(path).matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)/g),
      ([, target = '']) => target
    )
    const broken = targets.filter(target => !existsSync(new URL(target, new URL(path, root))))
    t.deepEqual(broken, [])
  })
}
