/**
 * `hearsay demo` as `npm start` runs it, with less text.
 */
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { endAll, run, Tool } from './helpers/tool.js'

test.after.always(endAll)

test('the demo shows a row for each process, all is well, and it ends by itself', async t => {
  const folder = await mkdtemp(join(tmpdir(), 'hearsay-text-'))
  const file = join(folder, 'text')
  // Empty lines, lines that are equal, and characters of several bytes.
  const lines = Array.from({ length: 601 }, (_, line) => (line % 7 === 0 ? '' : `€ ${line % 50}`))
  await writeFile(file, `${lines.join('\n')}\n`)
  const { code, stdout, stderr } = await run('demo', '--file', file, '--members', '3', '--json')
  t.is(code, 0, stderr)
  const rows = stdout
    .trimEnd()
    .split('\n')
    .map(line => JSON.parse(line))
  t.is(rows.length, 3)
  t.is(new Set(rows.map(({ pid }) => pid)).size, 3)
  t.is(
    rows.reduce((sum, { written }) => sum + written, 0),
    601
  )
  const share = (index: number) => lines.filter((_, line) => line % 3 === index)
  const sizeOf = (text: string[]) => text.reduce((sum, line) => sum + Buffer.byteLength(line), 0)
  for (const row of rows) {
    const others = [0, 1, 2].filter(index => index !== row.index).flatMap(share)
    t.like(row, { introduced: 2, accepted: 2, refused: 2, wrong: 0, faults: [] })
    t.like(row, { delivered: others.length, expected: others.length, blocks: others.length })
    t.is(row.bytes, sizeOf(others))
  }
  await rm(folder, { recursive: true })
})

test('the demo fails in one line when there is no text', async t => {
  const { code, stdout, stderr } = await run('demo', '--file', join(tmpdir(), 'hearsay-no-such-file'))
  t.is(code, 1)
  t.is(stdout, '')
  t.regex(stderr, /^hearsay: ENOENT: [^\n]*\n$/)
})

test('Ctrl+C ends the demo with 130 within 2 s, and leaves nothing behind', async t => {
  const folder = await mkdtemp(join(tmpdir(), 'hearsay-demo-test-'))
  const before = process.env.TMPDIR
  process.env.TMPDIR = folder
  const tool = new Tool('demo')
  if (before === undefined) delete process.env.TMPDIR
  else process.env.TMPDIR = before
  await tool.says('publishing')
  t.is((await readdir(folder)).length, 1)
  const began = performance.now()
  tool.process.kill('SIGINT')
  const { code, stderr } = await tool.ended()
  t.is(code, 130)
  t.true(performance.now() - began < 2000)
  t.notRegex(stderr, /ERR_/)
  t.deepEqual(await readdir(folder), [])
  await rm(folder, { recursive: true })
})
