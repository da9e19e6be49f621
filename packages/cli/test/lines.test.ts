import test from 'ava'
import fc from 'fast-check'
import { type Line, LineTooLong, linesOf } from '#cli/lines'

async function* cut(bytes: Uint8Array, sizes: number[]): AsyncGenerator<Uint8Array> {
  let at = 0
  for (let turn = 0; at < bytes.byteLength; turn++) {
    const size = sizes[turn % sizes.length] ?? 1
    yield bytes.subarray(at, at + size)
    at += size
  }
}

async function collect(bytes: Uint8Array, sizes: number[], max = 1000): Promise<Line[]> {
  const lines: Line[] = []
  for await (const line of linesOf(cut(bytes, sizes), max)) lines.push(line)
  return lines
}

const text = (value: string, sizes = [3]) => collect(Buffer.from(value), sizes)

test('only the line break is taken off', async t => {
  t.deepEqual(await text('a\n  b \n\n\r\nc'), ['a', '  b ', '', '\r', 'c'])
  t.deepEqual(await text(''), [])
  t.deepEqual(await text('\n'), [''])
  t.deepEqual(await text('\n\n'), ['', ''])
  t.deepEqual(await text('a\n'), ['a'])
  t.deepEqual(await text('\ufeffa\n'), ['\ufeffa'])
})

test('a character that is cut in two is one character', async t => {
  t.deepEqual(await text('€\n𝄞€', [1]), ['€', '𝄞€'])
})

test('a line that is not UTF-8 stays the bytes that it is', async t => {
  const lines = await collect(Buffer.from([0x61, 0x0a, 0xff, 0xfe, 0x0a, 0x62]), [2])
  t.is(lines[0], 'a')
  t.deepEqual(lines[1], Buffer.from([0xff, 0xfe]))
  t.is(lines[2], 'b')
})

test('lines put together again are the file, wherever it was cut', async t => {
  const byte = fc.oneof(fc.constantFrom(0x0a, 0x0d, 0x61, 0xc3, 0xa9, 0xff), fc.integer({ min: 0, max: 255 }))
  await fc.assert(
    fc.asyncProperty(
      fc.uint8Array({ maxLength: 60 }).chain(() => fc.array(byte, { maxLength: 60 })),
      fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 5 }),
      async (bytes, sizes) => {
        const file = Buffer.from([...bytes, 0x0a])
        const lines = await collect(file, sizes)
        const again = Buffer.concat(lines.flatMap(line => [Buffer.from(line as string), Buffer.from('\n')]))
        t.deepEqual(again, file)
      }
    )
  )
})

test('a line over the limit is refused with its number, before it is collected', async t => {
  t.deepEqual(await collect(Buffer.from('12345\n12345'), [2], 5), ['12345', '12345'])
  let pulled = 0
  async function* endless(): AsyncGenerator<Uint8Array> {
    yield Buffer.from('ok\n')
    for (;;) {
      pulled++
      yield Buffer.alloc(10, 0x61)
    }
  }
  await t.throwsAsync(
    async () => {
      for await (const line of linesOf(endless(), 25)) t.is(line, 'ok')
    },
    { instanceOf: LineTooLong, code: 'ERR_LINE_TOO_LONG', message: /^line 2 is over 25 bytes/ }
  )
  t.is(pulled, 3)
})
