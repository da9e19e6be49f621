import test from 'ava'
import { bootstrapOf, integerOf, numberOf, parse, UsageError } from '#cli/args'

const usage = { instanceOf: UsageError, code: 'ERR_USAGE' }

test('flags stand anywhere, also behind the words', t => {
  const { name, words, flags } = parse([
    'publish',
    'topic',
    'two',
    '--wait',
    '2',
    'words',
    '--json',
    '--bootstrap=h:1'
  ])
  t.is(name, 'publish')
  t.deepEqual(words, ['topic', 'two', 'words'])
  t.deepEqual(flags, { wait: '2', json: true, bootstrap: ['h:1'] })
})

test('a flag before the command counts as well', t => {
  const { name, flags } = parse(['--json', 'subscribe', 'topic', '-q'])
  t.is(name, 'subscribe')
  t.true(flags.json)
  t.true(flags.quiet)
})

test('words behind -- are no flags, and all of them stay', t => {
  const { words, flags } = parse(['publish', 'topic', '--', '--json', '-x', '--'])
  t.deepEqual(words, ['topic', '--json', '-x', '--'])
  t.deepEqual(flags, {})
})

test('wrong usage is refused, each in one line', t => {
  const cases: [string[], RegExp][] = [
    [[], /no command/],
    [['shout'], /unknown command or argument: shout/],
    [['publish'], /missing <topic>/],
    [['subscribe', 'a', 'b'], /unknown command or argument: b/],
    [['subscribe', 'a', '--loud'], /unknown flag --loud/],
    [['subscribe', 'a', '-x'], /unknown flag -x/],
    [['subscribe', 'a', '--count'], /--count has no or a wrong value/]
  ]
  for (const [words, message] of cases) t.throws(() => parse(words), { ...usage, message })
})

test('help is text, with the commands that exist and none that is hidden', t => {
  const { help } = parse(['--help'])
  for (const command of ['publish', 'subscribe', 'chat', 'peers', 'dht', 'demo'])
    t.regex(help ?? '', new RegExp(`^ +${command} `, 'm'))
  t.notRegex(help ?? '', /demo-member/)
  t.regex(parse(['publish', '--help']).help ?? '', /--wait <n>/)
})

test('numbers are checked against their bounds', t => {
  const bounds = { min: 1, max: 10, fallback: 3 }
  t.is(numberOf({}, 'x', bounds), 3)
  t.is(numberOf({ x: '1.5' }, 'x', bounds), 1.5)
  t.is(integerOf({ x: '10' }, 'x', bounds), 10)
  for (const x of ['0', '11', 'x', '', ' ', '1e9']) t.throws(() => numberOf({ x }, 'x', bounds), usage)
  t.throws(() => integerOf({ x: '1.5' }, 'x', bounds), usage)
})

test('bootstrap nodes are HOST:PORT', t => {
  t.is(bootstrapOf({}), undefined)
  t.deepEqual(bootstrapOf({ bootstrap: ['a:1', '::1:65535'] }), [
    { host: 'a', port: 1 },
    { host: '::1', port: 65_535 }
  ])
  for (const address of ['a', ':1', 'a:', 'a:0', 'a:65536', 'a:x']) {
    t.throws(() => bootstrapOf({ bootstrap: [address] }), usage)
  }
})
