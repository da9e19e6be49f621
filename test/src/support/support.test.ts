import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { startNode } from './child.js'
import { duplexPair, noisePair } from './streams.js'
import { temporaryFolder } from './temporary.js'
import { turns, until, within } from './until.js'

const program = async (folder: string, text: string): Promise<[string]> => {
  const file = join(folder, 'program.mjs')
  await writeFile(file, text)
  return [file]
}

test('until resolves with the first truthy value and fails with what it waited for', async t => {
  let asked = 0
  t.is(await until(() => (++asked > 3 ? 'yes' : '')), 'yes')
  await t.throwsAsync(
    until(() => false, { ms: 20, what: 'the moon' }),
    { message: /20 ms in vain: the moon/ }
  )
  await t.throwsAsync(within(new Promise(() => {}), { ms: 20 }), { message: /in vain/ })
})

test('a pair of streams carries bytes both ways, in pieces when told so', async t => {
  const { a, b, hits } = duplexPair({ chunkBytes: 3, delayTurns: 2 })
  const got: Buffer[] = []
  b.on('data', data => got.push(data))
  a.write('hello world')
  await until(() => Buffer.concat(got).length === 11)
  t.is(Buffer.concat(got).toString(), 'hello world')
  t.is(hits.chunks, 4)
  b.end('bye')
  t.is(String(await new Promise(resolve => a.once('data', resolve))), 'bye')
})

test('a pair that is cut dies at both ends, with the bytes that were left', async t => {
  const { a, b, hits } = duplexPair({ chunkBytes: 4, cutAfterBytes: 8 })
  const errors: (string | undefined)[] = []
  for (const end of [a, b]) end.on('error', (error: NodeJS.ErrnoException) => errors.push(error.code))
  b.on('data', () => {})
  a.write('twelve bytes')
  await until(() => errors.length === 2)
  t.deepEqual(errors, ['ECONNRESET', 'ECONNRESET'])
  t.true(hits.isCut)
  t.is(hits.bytes, 8)
})

test('destroying one end closes the other', async t => {
  const { a, b } = duplexPair()
  a.destroy()
  await until(() => b.destroyed)
  await turns(2)
  t.true(b.destroyed)
})

test('a Noise pair shakes hands over pieces of a few bytes', async t => {
  const { a, b, hits } = noisePair({ chunkBytes: 7 })
  await Promise.all([a.opened, b.opened])
  t.deepEqual(a.handshakeHash, b.handshakeHash)
  t.deepEqual(a.publicKey, b.remotePublicKey)
  t.true(hits.chunks > 10)
  a.destroy()
  await until(() => b.destroyed)
})

test('a child is read by lines, written to, and killed', async t => {
  const folder = await temporaryFolder(t)
  const echo = await program(
    folder,
    'console.log("ready"); process.stdin.on("data", data => console.log("got " + data))'
  )
  const child = startNode(t, echo)
  await child.line(/^ready$/)
  child.write('a word')
  t.is(await child.line(/^got/), 'got a word')
  t.deepEqual(await child.kill(), { code: null, signal: 'SIGKILL' })
})

test('waiting for a line of a child that has ended fails with its output', async t => {
  const folder = await temporaryFolder(t)
  const child = startNode(t, await program(folder, "console.error('broken'); process.exitCode = 3"))
  await t.throwsAsync(child.line(/never/), { message: /broken/ })
  t.is((await child.exit).code, 3)
})
