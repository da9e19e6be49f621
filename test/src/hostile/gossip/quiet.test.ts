/** What goes wrong is told to those who listen, and to nobody else. */
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { startNode } from '../../support/child.js'

test('X12 nothing is printed, whatever goes wrong and whoever does not listen', async t => {
  const file = fileURLToPath(new URL('./quiet-process.js', import.meta.url))
  const child = startNode(t, [file])
  t.deepEqual(await child.exit, { code: 0, signal: null })
  t.deepEqual(child.lines, [])
  t.deepEqual(child.errors, [])
})
