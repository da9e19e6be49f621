/** A process that awaits something of a party stays up until it has it, whatever its streams are, and ends afterwards. */
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { startNode } from '../support/child.js'
import { temporaryFolder } from '../support/temporary.js'
import { within } from '../support/until.js'

test('C14 S32 a process that awaits a one-shot sync over pipes in memory does not end before, and then it does', async t => {
  const file = fileURLToPath(new URL('./waiting-process.js', import.meta.url))
  const child = startNode(t, [file, await temporaryFolder(t)])
  t.deepEqual(await within(child.exit, { ms: 30_000 }), { code: 0, signal: null })
  t.deepEqual(child.lines, ['[{"feeds":1,"blocks":1},{"feeds":1,"blocks":1}]'])
  t.deepEqual(child.errors, [])
})
