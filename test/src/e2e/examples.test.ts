/**
 * The examples of the ancestors' READMEs, written anew, as separate processes: what they print is what the READMEs promise.
 */
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { startNode } from '../support/child.js'
import { temporaryFolder } from '../support/temporary.js'
import { testnet } from '../support/testnet.js'
import { within } from '../support/until.js'

const example = (name: string): string =>
  fileURLToPath(new URL(`../../../examples/dist/${name}.js`, import.meta.url))

test('E1 S8 two processes greet each other over Hyperswarm, know who signed, and exit by themselves', async t => {
  t.timeout(60_000)
  const net = await testnet(t)
  const first = startNode(t, [example('greeting'), net.address])
  const second = startNode(t, [example('greeting'), net.address])
  const idOf = async (child: typeof first): Promise<string> =>
    (await child.line(/^I am /)).slice('I am '.length)
  const [one, two] = [await idOf(first), await idOf(second)]
  t.not(one, two)
  t.is(await first.line(/says hello/), `${two} says hello, and calls itself ${two}`)
  t.is(await second.line(/says hello/), `${one} says hello, and calls itself ${one}`)
  for (const child of [first, second]) {
    t.deepEqual(await within(child.exit), { code: 0, signal: null })
    t.deepEqual(child.errors, [])
  }
})

test('E2 what Alice writes live is read by Bob once and in order, over the streams of party.replicate()', async t => {
  t.timeout(60_000)
  const key = 'a7'.repeat(32)
  const alice = startNode(t, [example('alice-and-bob'), 'alice', key, '0', await temporaryFolder(t), '20'])
  const port = (await alice.line(/^listening on /)).slice('listening on '.length)
  const bob = startNode(t, [example('alice-and-bob'), 'bob', key, port, await temporaryFolder(t), '20'])
  t.deepEqual(await within(bob.exit, { ms: 30_000 }), { code: 0, signal: null })
  t.deepEqual(await within(alice.exit, { ms: 30_000 }), { code: 0, signal: null })
  t.deepEqual(
    bob.lines,
    Array.from({ length: 20 }, (_, i) => `read line ${i + 1} of Alice`)
  )
  t.is(alice.lines.filter(line => line.startsWith('wrote')).length, 20)
  t.deepEqual([...alice.errors, ...bob.errors], [])
})

test('E4 one Corestore, one Hyperswarm, two parties in common: one connection carries both, and their feeds do not mix', async t => {
  t.timeout(60_000)
  const net = await testnet(t)
  const first = startNode(t, [example('many-parties'), 'Ann', await temporaryFolder(t), net.address])
  const keys = await Promise.all(
    [/^family (.*)$/, /^chess (.*)$/].map(async line => (await first.line(line)).split(' ')[1] ?? '')
  )
  const second = startNode(t, [
    example('many-parties'),
    'Ben',
    await temporaryFolder(t),
    net.address,
    ...keys
  ])
  for (const [child, other] of [
    [first, 'Ben'],
    [second, 'Ann']
  ] as const) {
    t.deepEqual(await within(child.exit, { ms: 30_000 }), { code: 0, signal: null })
    const lines = child.lines.filter(line => !keys.some(key => line.endsWith(key)))
    t.deepEqual(lines.slice(0, 2).sort(), [`chess: ${other} in chess`, `family: ${other} in family`])
    t.deepEqual(lines.slice(2), [
      'family has 2 feeds and 1 peers',
      'chess has 2 feeds and 1 peers',
      'diary has 1 feeds and 0 peers',
      '1 connection'
    ])
    t.deepEqual(child.errors, [])
  }
})
