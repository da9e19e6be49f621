/**
 * The examples of the ancestors that move feeds, as processes of their own: what they print is what was promised, and they end.
 */
import { fileURLToPath } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import { startNode } from '../support/child.js'
import { temporaryFolder } from '../support/temporary.js'
import { within } from '../support/until.js'

const example = (name: string): string =>
  fileURLToPath(new URL(`../../../examples/dist/${name}.js`, import.meta.url))

const DONE = { code: 0, signal: null }

/** Runs an example that plays all sides itself, to its end. */
async function prints(t: ExecutionContext, name: string, lines: string[]): Promise<void> {
  const child = startNode(t, [example(name), await temporaryFolder(t)])
  t.deepEqual(await within(child.exit, { ms: 30_000 }), DONE)
  t.deepEqual(child.lines, lines)
  t.deepEqual(child.errors, [])
}

test('E3 two empty sets with a writer each become the union of both, and the process ends', async t => {
  await prints(t, 'union', [
    'at first alice has 0, bob has 0',
    'with a writer each alice has 1, bob has 1',
    'asked again, the writer is the same: true',
    'in sync alice has 2, bob has 2',
    'alice reads bar, bob reads foo'
  ])
})

test('E5 two processes over TCP: each tells of two blocks that moved, and the second one has both', async t => {
  const first = startNode(t, [example('two-processes'), await temporaryFolder(t)])
  const start = 'start the other one with '
  const words = (await first.line(line => line.startsWith(start))).slice(start.length).split(' ')
  const second = startNode(t, [example('two-processes'), await temporaryFolder(t), ...words])
  t.deepEqual(await within(second.exit, { ms: 30_000 }), DONE)
  t.deepEqual(await within(first.exit, { ms: 30_000 }), DONE)
  t.deepEqual([...first.lines.slice(1)].sort(), ['uploaded block 0', 'uploaded block 1'])
  t.deepEqual([...second.lines.slice(0, 2)].sort(), ['downloaded block 0', 'downloaded block 1'])
  t.deepEqual(second.lines.slice(2), ['hello', 'world'])
  t.deepEqual([...first.errors, ...second.errors], [])
})

test('E6 a static feed has the same key wherever it was frozen, refuses an append, and is read with its key alone', async t => {
  await prints(t, 'static-feed', [
    'frozen with 2 blocks',
    'frozen elsewhere it has the same key: true',
    'append: SESSION_NOT_WRITABLE',
    'carol reads a first line',
    'carol reads a second line'
  ])
})

test('E7 D20 D21 of two feeds on a stream one ends and comes back, the other never pauses, and an unasked one is looked up', async t => {
  await prints(t, 'several-feeds', [
    'both granted: news 0, chat 0',
    'news ended: chat 1, and 1 block of news',
    'news granted again: news 1, chat 1',
    'findFeed is asked for the archive',
    'opened by the reader alone: archive 0'
  ])
})

test('E9 D30 a second writer is read by nobody, then by who follows the founder, and once revoked brings nothing new', async t => {
  await prints(t, 'second-writer', [
    'before: carol has 0 feeds',
    'bob asked, and alice said: it may',
    'authorized: carol reads hello from bob',
    'append: ERR_FEEDS_NOT_AUTHORIZED',
    'revoked (enough): carol has 1 block, and 0 feeds'
  ])
})
