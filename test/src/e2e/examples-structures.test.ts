/** The example that any structure over Hypercore can be introduced, as a process of its own. */
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { startNode } from '../support/child.js'
import { temporaryFolder } from '../support/temporary.js'
import { within } from '../support/until.js'

const structures = fileURLToPath(new URL('../../../examples/dist/structures.js', import.meta.url))

test("E8 B36 a block, a pair, a file and two writers' entries are read at the other end", async t => {
  t.timeout(60_000)
  const child = startNode(t, [structures, await temporaryFolder(t)])
  t.deepEqual(await within(child.exit, { ms: 30_000 }), { code: 0, signal: null })
  t.deepEqual(child.lines, [
    'hypercore: a block',
    'hyperbee: the answer is 42',
    'hyperdrive: a file',
    'autobase: Bob reads alice was here',
    'autobase: Alice reads alice was here, bob, too'
  ])
  t.deepEqual(child.errors, [])
})
