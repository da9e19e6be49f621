import { readFile } from 'node:fs/promises'
import test from 'ava'
import type { Result } from '#cli/demo/messages'
import { table } from '#cli/demo/table'
import { findText, linesOfMember, readLines } from '#cli/demo/text'

test('a real text of 10,000 lines and more is found, the same each time', async t => {
  const file = await findText()
  t.is(await findText(), file)
  const lines = await readLines(file, 1_000_000)
  t.true(lines.length >= 10_000)
  t.is(`${lines.join('\n')}\n`, (await readFile(file, 'utf8')).replace(/\n?$/, '\n'))
})

test('each line belongs to one member', t => {
  const lines = Array.from({ length: 11 }, (_, line) => `line ${line}`)
  const shares = [0, 1, 2].map(index => linesOfMember(lines, index, 3))
  t.deepEqual(shares[1], ['line 1', 'line 4', 'line 7', 'line 10'])
  t.deepEqual(shares.flat().sort(), [...lines].sort())
})

test('the table shows what each member did, and its faults', t => {
  const result: Result = {
    index: 0,
    pid: 4711,
    written: 10,
    delivered: 19,
    expected: 20,
    wrong: 0,
    introduced: 2,
    accepted: 2,
    refused: 2,
    blocks: 20,
    bytes: 12_345,
    faults: []
  }
  const text = table([result, { ...result, index: 1, faults: ['messages: timeout'] }])
  const [head, first, second] = text.split('\n')
  t.regex(head ?? '', /^member +pid +lines written/)
  t.regex(first ?? '', /^m0 +4711 +10 +19 of 20 +2 +2 +2 +20 +12345 +ok$/)
  t.regex(second ?? '', /FAULT: messages: timeout$/)
})
