import { fileURLToPath } from 'node:url'
import test from 'ava'
import { startNode } from '../support/child.js'
import { within } from '../support/until.js'

test('B62 presence on a topic: the end of a line of four sees all, who is alone itself, and who left is gone', async t => {
  const child = startNode(t, [fileURLToPath(new URL('../../../examples/dist/presence.js', import.meta.url))])
  t.deepEqual(await within(child.exit, { ms: 30_000 }), { code: 0, signal: null })
  t.deepEqual(child.lines, ['dan sees ann, ben, cat, dan', 'eve sees eve', 'dan sees ben, cat, dan'])
  t.deepEqual(child.errors, [])
})
