/**
 * `hearsay publish`, `subscribe` and `dht` as a shell would use them: real processes, pipes and signals.
 */
import { createReadStream } from 'node:fs'
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { findText } from '#cli/demo/text'
import { endAll, run, startDht, Tool } from './helpers/tool.js'

const dht = await startDht()
test.after.always(endAll)

let names = 0
const freshTopic = () => `cli-${process.pid}-${names++}`
const objects = (text: string) =>
  text
    .split('\n')
    .slice(0, -1)
    .map(line => JSON.parse(line))

test('a real file of 10,000 lines arrives whole at two subscribers, every line once', async t => {
  const topic = freshTopic()
  const file = await findText()
  const lines = (await readFile(file, 'utf8')).replace(/\n$/, '').split('\n')
  t.true(lines.length >= 10_000)
  const words = [topic, '--json', '--count', String(lines.length), '--timeout', '50', ...dht.flags]
  const subscribers = [new Tool('subscribe', ...words), new Tool('subscribe', ...words)]
  const publisher = new Tool('publish', topic, '--wait', '2', '--quiet', ...dht.flags)
  createReadStream(file).pipe(publisher.process.stdin)
  const published = await publisher.ended()
  t.is(published.stderr, '')
  t.is(published.code, 0)
  t.is(published.stdout, '')
  for (const subscriber of subscribers) {
    const { code, stdout, stderr } = await subscriber.ended()
    t.is(code, 0, stderr)
    const messages = objects(stdout)
    t.deepEqual(Object.keys(messages[0]), [
      'topic',
      'author',
      'incarnation',
      'seq',
      'data',
      'createdAt',
      'hops'
    ])
    // Not deepEqual over all: its report of a difference would take minutes.
    t.is(messages.length, lines.length)
    t.is(new Set(messages.map(({ seq }) => seq)).size, lines.length)
    t.is(messages.filter(({ seq, data }) => data !== lines[seq]).length, 0)
    t.is(messages[0].topic, topic)
  }
})

test('text, spaces, empty lines and bytes that are no UTF-8 come through a pipe as they are', async t => {
  const topic = freshTopic()
  const subscriber = new Tool('subscribe', topic, '--count', '5', ...dht.flags)
  const input = Buffer.concat([
    Buffer.from('  two  words \n\n€\r\n'),
    Buffer.from([0xff, 0x00, 0x0a]),
    Buffer.from('last\n')
  ])
  const publisher = new Tool('publish', topic, ...dht.flags)
  publisher.process.stdin.end(input)
  const published = await publisher.ended()
  t.is(published.code, 0, published.stderr)
  t.regex(
    published.stderr,
    /looking for a peer[\s\S]*connected to 1 peer[\s\S]*published 5 messages to 1 peer/
  )
  t.is((await subscriber.ended()).code, 0)
  t.deepEqual(subscriber.stdout, input)
})

test('words are one message; --json tells what became of it; bytes have a JSON form', async t => {
  const topic = freshTopic()
  const subscriber = new Tool('subscribe', topic, '--json', '--count', '2', ...dht.flags)
  await subscriber.says('to speak: hearsay publish')
  const { code, stdout } = await run(
    'publish',
    topic,
    'hello',
    'world',
    '--json',
    '--timeout',
    '20',
    ...dht.flags
  )
  t.is(code, 0)
  const [published] = objects(stdout)
  t.like(published, { topic, seq: 0, peers: 1 })
  const second = new Tool('publish', topic, ...dht.flags)
  second.process.stdin.end(Buffer.from([0xff]))
  t.is((await second.ended()).code, 0)
  const heard = objects((await subscriber.ended()).stdout)
  t.like(heard[0], { topic, author: published.author, incarnation: published.incarnation, seq: 0, hops: 0 })
  t.is(heard[0].data, 'hello world')
  t.deepEqual(heard[1].data, { base64: '/w==' })
})

test('--storage keeps the identity, readable by its owner only', async t => {
  const folder = await mkdtemp(join(tmpdir(), 'hearsay-cli-'))
  const authors: string[] = []
  for (let round = 0; round < 2; round++) {
    const { stdout } = await run(
      'publish',
      freshTopic(),
      'x',
      '--wait',
      '0',
      '--json',
      '--storage',
      folder,
      ...dht.flags
    )
    authors.push(objects(stdout)[0].author)
  }
  t.is(authors[0], authors[1])
  t.deepEqual(await readdir(folder), ['identity'])
  t.is((await stat(join(folder, 'identity'))).mode & 0o777, 0o600)
  await rm(folder, { recursive: true })
})

test('a reader that goes ends subscribe quietly', async t => {
  const topic = freshTopic()
  const subscriber = new Tool('subscribe', topic, '--quiet', ...dht.flags)
  const publisher = new Tool('publish', topic, '--quiet', ...dht.flags)
  publisher.process.stdin.write('one\n')
  await new Promise(resolve => subscriber.process.stdout.once('data', resolve))
  subscriber.process.stdout.destroy()
  const writer = setInterval(() => publisher.process.stdin.write('more\n'), 10)
  const { code, stderr } = await subscriber.ended()
  clearInterval(writer)
  t.is(code, 0)
  t.is(stderr, '')
  publisher.process.stdin.end()
  t.is((await publisher.ended()).code, 0)
})

test('a slow reader of the output loses nothing', async t => {
  const topic = freshTopic()
  const subscriber = new Tool('subscribe', topic, '--count', '3000', ...dht.flags)
  subscriber.process.stdout.pause()
  const publisher = new Tool('publish', topic, '--quiet', ...dht.flags)
  const line = 'x'.repeat(500)
  publisher.process.stdin.end(Array.from({ length: 3000 }, (_, number) => `${number} ${line}\n`).join(''))
  t.is((await publisher.ended()).code, 0)
  subscriber.process.stdout.resume()
  const { code, stdout, stderr } = await subscriber.ended()
  t.is(code, 0)
  t.notRegex(stderr, /lost/)
  t.is(new Set(stdout.trimEnd().split('\n')).size, 3000)
})

test('Ctrl+C leaves with 130 within 2 s, whatever the command is doing', async t => {
  const cases: [string, Tool][] = [
    ['looking for', new Tool('subscribe', freshTopic(), ...dht.flags)],
    ['looking for', new Tool('publish', freshTopic(), ...dht.flags)],
    ['others join', new Tool('dht', '--port', '0')]
  ]
  for (const [words, tool] of cases) {
    await tool.says(words)
    const began = performance.now()
    tool.process.kill('SIGINT')
    const { code, stderr } = await tool.ended()
    t.is(code, 130)
    t.true(performance.now() - began < 2000)
    t.notRegex(stderr, /ERR_/)
  }
})

test('what was published before Ctrl+C has arrived', async t => {
  const topic = freshTopic()
  const subscriber = new Tool('subscribe', topic, '--count', '1000', ...dht.flags)
  const publisher = new Tool('publish', topic, '--json', ...dht.flags)
  publisher.process.stdin.write(Array.from({ length: 1000 }, (_, number) => `${number}\n`).join(''))
  let published = 0
  for await (const chunk of publisher.process.stdout) {
    published += String(chunk).split('\n').length - 1
    if (published === 1000) break
  }
  publisher.process.kill('SIGINT')
  t.is((await publisher.ended()).code, 130)
  t.is((await subscriber.ended()).code, 0)
})

test('wrong usage ends with 2, help with 0, failure with 1, each saying so in a line', async t => {
  const wrong = await run('publish')
  t.is(wrong.code, 2)
  t.is(wrong.stderr, 'hearsay: ERR_USAGE: missing <topic>\n')
  t.is((await run('subscribe', 'x', '--bootstrap', 'nonsense')).code, 2)
  t.is((await run('subscribe', '')).code, 2)
  const help = await run('--help')
  t.is(help.code, 0)
  t.regex(help.stdout, /publish/)
  t.regex((await run('--version')).stdout, /^\d+\.\d+\.\d+\n$/)
  const late = await run('publish', freshTopic(), 'x', '--timeout', '0.2', ...dht.flags)
  t.is(late.code, 1)
  t.regex(late.stderr, /^hearsay: ERR_GOSSIP_TIMEOUT: 0 of 1 peers after 200 ms[^\n]*\n$/m)
  const long = new Tool('publish', freshTopic(), '--wait', '0', '--quiet', ...dht.flags)
  long.process.stdin.end('a'.repeat(70_000))
  t.like(await long.ended(), {
    code: 1,
    stderr:
      'hearsay: ERR_LINE_TOO_LONG: line 1 is over 65536 bytes (maxMessageBytes); share a file as a feed\n'
  })
})
