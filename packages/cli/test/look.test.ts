/**
 * Looking inside from a terminal: `--trace`, `--stats`, `hearsay peers`; and `hearsay chat`. Real processes on a local DHT.
 */
import { createInterface } from 'node:readline'
import test from 'ava'
import { endAll, run, startDht, Tool } from './helpers/tool.js'

const dht = await startDht()
test.after.always(endAll)

let names = 0
const freshTopic = () => `look-${process.pid}-${names++}`
const objects = (text: string) =>
  text
    .split('\n')
    .filter(line => line.startsWith('{'))
    .map(line => JSON.parse(line))

test('--trace and --stats tell on standard error what happened; standard output is as ever', async t => {
  const topic = freshTopic()
  const subscriber = new Tool('subscribe', topic, '--count', '3', '--trace', ...dht.flags)
  const publisher = new Tool('publish', topic, '--trace', '--stats', '--json', '--quiet', ...dht.flags)
  publisher.process.stdin.end('one\ntwo\nthree\n')
  const published = await publisher.ended()
  t.is(published.code, 0, published.stderr)
  t.is(objects(published.stdout).length, 3)
  const lines = published.stderr.trimEnd().split('\n')
  t.true(
    lines.every(line => line.startsWith('{')),
    'with --json --quiet each line is an object'
  )
  const told = objects(published.stderr)
  const pushed = told.find(({ type }) => type === 'push')
  const [{ author, incarnation }] = objects(published.stdout)
  t.like(pushed, { topic, author, incarnation, seq0: 0 })
  t.regex(pushed.peer, /^[a-z0-9]{52}$/)
  t.like(
    told.find(({ published: count }) => count !== undefined),
    { published: 3, peers: 1, drops: {} }
  )
  const heard = await subscriber.ended()
  t.is(heard.code, 0)
  t.is(heard.stdout, 'one\ntwo\nthree\n')
  t.regex(
    heard.stderr,
    new RegExp(`^\\d\\d:\\d\\d:\\d\\d\\.\\d{3} {2}receive +<- [a-z0-9]{8} {2}${author.slice(0, 8)}/`, 'm')
  )
  t.regex(heard.stderr, /^[\d:.]+ {2}link +[a-z0-9]{8} {2}up$/m)
})

test('without --trace and --stats nothing of them is told', async t => {
  const topic = freshTopic()
  const { code, stderr } = await run('publish', topic, 'x', '--wait', '0', '--quiet', ...dht.flags)
  t.is(code, 0)
  t.is(stderr, '')
})

test('peers --once shows who is there, as a table or as an object', async t => {
  const topic = freshTopic()
  const others = [new Tool('subscribe', topic, ...dht.flags), new Tool('subscribe', topic, ...dht.flags)]
  for (const other of others) await other.says('connected')
  const words = ['peers', topic, '--once', '--wait', '2', '--timeout', '30', ...dht.flags]
  const shown = await run(...words)
  t.is(shown.code, 0, shown.stderr)
  const [head, ...rows] = shown.stdout.trimEnd().split('\n')
  t.regex(head ?? '', /^peer +role +state +rtt ms +delivered +duplicates +queued bytes +score$/)
  t.is(rows.length, 2)
  for (const row of rows) t.regex(row, /^[a-z0-9]{16} +(active|standby) +open +(\d+|-) +0 +0 +\d+ +-?[\d.]+$/)

  const json = await run(...words, '--json')
  const [object] = objects(json.stdout)
  t.is(json.stdout.split('\n').length, 2, 'one object, one line')
  t.deepEqual(Object.keys(object), ['topic', 'atMs', 'peers'])
  t.is(object.topic, topic)
  t.is(object.peers.length, 2)
  for (const peer of object.peers) {
    t.deepEqual(Object.keys(peer), ['id', 'rtt', 'topics', 'links', 'stats'])
    t.like(peer, { topics: [topic] })
  }
  for (const other of others) other.process.kill('SIGINT')
  t.is((await others[0]?.ended())?.code, 130)
})

test('peers goes on until Ctrl+C, and shows who comes', async t => {
  const topic = freshTopic()
  const watcher = new Tool('peers', topic, '--json', '--interval', '0.1', ...dht.flags)
  const counts: number[] = []
  const times: number[] = []
  let other: Tool | undefined
  for await (const line of createInterface({ input: watcher.process.stdout })) {
    const { atMs, peers } = JSON.parse(line)
    times.push(atMs)
    counts.push(peers.length)
    if (counts.length === 2) other = new Tool('subscribe', topic, ...dht.flags)
    if (counts.at(-1) === 1) break
  }
  t.deepEqual(counts.slice(0, 2), [0, 0])
  t.true((times[1] ?? 0) - (times[0] ?? 0) < 5000)
  const text = new Tool('peers', topic, '--interval', '0.1', ...dht.flags)
  await text.prints(/^[a-z0-9]{16} /m)
  t.regex(text.stdout.toString(), /^nobody yet\n\n/)
  t.false(text.stdout.includes('\u001b'), 'a pipe is no terminal')
  for (const tool of [watcher, text]) {
    tool.process.kill('SIGINT')
    t.is((await tool.ended()).code, 130)
  }
  other?.process.kill('SIGINT')
})

test('peers --once fails when too few are there in time', async t => {
  const { code, stderr, stdout } = await run(
    'peers',
    freshTopic(),
    '--once',
    '--timeout',
    '0.2',
    ...dht.flags
  )
  t.is(code, 1)
  t.is(stdout, '')
  t.regex(stderr, /^hearsay: ERR_GOSSIP_TIMEOUT: 0 of 1 peers after 200 ms/m)
})

test('two chat: each sees what the other says, in one line, and nothing that steers the terminal', async t => {
  const topic = freshTopic()
  const [alice, bob] = [new Tool('chat', topic, ...dht.flags), new Tool('chat', topic, ...dht.flags)]
  await Promise.all([alice.says('peers: 1'), bob.says('peers: 1')])
  const [, aliceId = ''] = /you are <([a-z0-9]{8})>/.exec(alice.stderr) ?? []
  const [, bobId = ''] = /you are <([a-z0-9]{8})>/.exec(bob.stderr) ?? []
  alice.process.stdin.write('hello  bob\n\n')
  await bob.prints(/hello/)
  bob.process.stdin.write('\u001b[31mred\u202e\r\n')
  await alice.prints(/red/)
  t.is(bob.stdout.toString(), `<${aliceId}> hello  bob\n`)
  t.is(alice.stdout.toString(), `<${bobId}> \\u{1b}[31mred\\u{202e}\\u{d}\n`)
  t.regex(alice.stderr, new RegExp(`to join: hearsay chat ${topic} --bootstrap `))
  bob.process.stdin.end('bye')
  t.is((await bob.ended()).code, 0)
  await alice.prints(/bye/)
  alice.process.kill('SIGINT')
  t.is((await alice.ended()).code, 130)
})

test('what is said before anybody is there waits for the first one, also at the end of the input', async t => {
  const topic = freshTopic()
  const early = new Tool('chat', topic, ...dht.flags)
  early.process.stdin.end('early\n')
  await early.says('nobody is here yet')
  const late = new Tool('chat', topic, '--json', ...dht.flags)
  await late.prints(/early/)
  t.is((await early.ended()).code, 0)
  t.like(objects(late.stdout.toString())[0], { topic, seq: 0, data: 'early' })
  late.process.kill('SIGINT')
  await late.ended()
})

test('subscribe --seed keeps what its author published for those who come later', async t => {
  const topic = freshTopic()
  const seed = new Tool('subscribe', topic, '--seed', ...dht.flags)
  await seed.says('peers 0, received 0')
  t.is((await run('publish', topic, 'still here', ...dht.flags)).code, 0)
  const late = await run('subscribe', topic, '--count', '1', '--timeout', '25', ...dht.flags)
  t.is(late.stdout, 'still here\n', late.stderr)
  seed.process.kill('SIGTERM')
  const { code, stdout } = await seed.ended()
  t.is(code, 143)
  t.is(stdout, '')
  const wrong = await run('subscribe', topic, '--seed', '--count', '1', ...dht.flags)
  t.is(wrong.code, 2)
})

test('what this version has not is wrong use, with a code', async t => {
  const lan = await run('subscribe', freshTopic(), '--lan')
  t.is(lan.code, 2)
  t.regex(lan.stderr, /^hearsay: ERR_GOSSIP_BAD_OPTION: lan is not available/)
  const key = await run('chat', 'no-key', '--private')
  t.is(key.code, 2)
  t.regex(key.stderr, /^hearsay: ERR_GOSSIP_BAD_KEY: /)
})
