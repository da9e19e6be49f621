/**
 * What one feed of the old hypercore did, by feeds of today: streams, blocks that are waited for, events, and what is told of keys.
 */
import { inspect } from 'node:util'
import type { Feed } from '@hearsay/feeds'
import { createKeyPair } from '@hearsay/gossip'
import NoiseSecretStream from '@hyperswarm/secret-stream'
import test from 'ava'
import b4a from 'b4a'
import Hypercore from 'hypercore'
import { connectParties, onlyPeer, partyNode } from '../support/party-node.js'
import { duplexPair, noisePair } from '../support/streams.js'
import { temporaryFolder } from '../support/temporary.js'
import { turns, until } from '../support/until.js'
import { blocksOf, isIn, link, tell, text, textSet } from './support-feeds.js'

const TEXT = { valueEncoding: 'utf-8' }
const numbers = (from: number, to: number): string[] =>
  Array.from({ length: to - from }, (_, n) => String(from + n))

async function read(feed: Feed<string>, options: object): Promise<string[]> {
  const blocks: string[] = []
  for await (const block of feed.createReadStream(options)) blocks.push(block)
  return blocks
}

test('D9 a read stream gives the blocks from start to before end, and a live one goes on with what is appended', async t => {
  const [a, b] = [await textSet(t), await textSet(t)]
  const log = await a.writer('log')
  await log.append(numbers(0, 5))
  const copy = await b.authorize(log.key)
  link(a, b)
  await b.synced()
  for (const feed of [log, copy]) {
    t.deepEqual(await read(feed, {}), numbers(0, 5))
    t.deepEqual(await read(feed, { start: 2 }), numbers(2, 5))
    t.deepEqual(await read(feed, { end: 2 }), numbers(0, 2))
    t.deepEqual(await read(feed, { start: 1, end: 4 }), numbers(1, 4))
    t.deepEqual(await read(feed, { start: 3, end: 3 }), [])
    t.deepEqual(await read(feed, { start: 5 }), [])
    t.deepEqual(await read(feed.snapshot(TEXT), {}), numbers(0, 5))
  }
  const live: string[] = []
  const reading = (async () => {
    for await (const block of copy.createReadStream({ start: 3, live: true })) live.push(block)
  })()
  await until(() => live.length === 2)
  await log.append(numbers(5, 7))
  await until(() => live.length === 4)
  t.deepEqual(live, numbers(3, 7))
  await b.close()
  await t.throwsAsync(reading, undefined, 'it waits for the next block until its feed is closed')
})

test('D10 warnings, refusals and a party that is printed name feeds by discovery keys, never by their keys', async t => {
  const a = await partyNode(t)
  const log = await tell(a.party, 'log', 'x')
  const foreign = createKeyPair().publicKey
  const copy = await a.party.feeds.authorize(foreign)
  t.deepEqual(copy.discoveryKey, Hypercore.discoveryKey(foreign))
  const faults: unknown[] = []
  const refused = async (call: Promise<unknown>): Promise<void> => {
    faults.push(await t.throwsAsync(call))
  }
  await refused(copy.append(b4a.from('not ours')))
  await refused(copy.get(0, { timeout: 10 }))
  await a.party.feeds.revoke(foreign)
  await a.party.feeds.revoke(log.key)
  await refused(copy.get(0))
  await refused(log.append(b4a.from('revoked')))
  await refused(a.party.feeds.writer('log'))
  await refused(a.party.feeds.authorize('short'))
  const told = [...faults, ...a.warnings, a.party, a.party.toJSON()].map(what =>
    b4a.from(inspect(what, { depth: 9 }))
  )
  for (const key of [foreign, log.key]) t.false(isIn(told, key))
  t.true(isIn(told, copy.discoveryKey), 'the search finds what is there')
})

test('D11 S44 what was appended before and after opening again is there: blocks, an empty one among them, and their bytes', async t => {
  const folder = await temporaryFolder(t)
  const first = await textSet(t, {}, folder)
  const log = await first.writer('log')
  t.deepEqual(await log.append('before'), { length: 1, byteLength: 6 })
  await log.append('')
  await first.close()
  const again = await textSet(t, {}, folder)
  const same = await again.writer('log')
  await same.append('after')
  t.deepEqual(await blocksOf(same), ['before', '', 'after'])
  t.is(same.byteLength, 11)
  t.true(await same.has(0, 3))
  t.false(await same.has(3))
  const reader = await textSet(t)
  const copy = await reader.authorize(same.key)
  link(again, reader)
  await reader.synced()
  t.deepEqual(await blocksOf(copy), ['before', '', 'after'])
})

test('D12 S41 four blocks that are asked for before there is a peer resolve when one comes; without waiting they are null', async t => {
  const [a, b] = [await textSet(t), await textSet(t)]
  const log = await a.writer('log')
  await log.append(numbers(0, 4))
  const copy = await b.authorize(log.key)
  t.is<unknown, unknown>(await copy.get(2, { wait: false }), null)
  await t.throwsAsync(copy.get(2, { timeout: 10 }), { code: 'REQUEST_TIMEOUT' })
  const early = Promise.all([3, 0, 2, 1].map(seq => copy.get(seq)))
  await turns(10)
  link(a, b)
  t.deepEqual(await early, ['3', '0', '2', '1'])
})

test('D13 one block or many are appended before anything was awaited, and a reader appends nothing', async t => {
  const [a, b] = [await textSet(t), await textSet(t)]
  await (await a.writer('log')).append(['0', '1'])
  const log = a.get('log') as Feed<string>
  await Promise.all([log.append('2'), log.append(['3', '4'])])
  t.deepEqual(await blocksOf(log), numbers(0, 5))
  const copy = await b.authorize(log.key)
  await t.throwsAsync(copy.append('x'), { code: 'SESSION_NOT_WRITABLE' })
  t.false(copy.writable)
  t.is(copy.length, 0)
})

test('D15 of a sparse feed only the ranges that were asked for come, and a range of nothing is done at once', async t => {
  const [a, b] = [await textSet(t), await textSet(t)]
  const log = await a.writer('log')
  await log.append(numbers(0, 20))
  const copy = await b.authorize(log.key, undefined, { download: 'sparse' })
  link(a, b)
  await copy.download({ start: 4, end: 7 }).done()
  await copy.download({ blocks: [1, 15] }).done()
  await copy.download({ start: 0, end: 0 }).done()
  const here: number[] = []
  for (let seq = 0; seq < 20; seq++) if (await copy.has(seq)) here.push(seq)
  t.deepEqual(here, [1, 4, 5, 6, 15])
  t.deepEqual(
    b.progress().map(({ state, length, complete }) => ({ state, length, complete })),
    [{ state: 'sparse', length: 20, complete: 0 }]
  )
})

test('D25 D26 each block is told once as moved on either side, and the events of a live append come in their order', async t => {
  const [a, b] = [await textSet(t), await textSet(t)]
  const log = await a.writer('log')
  await log.append(numbers(0, 30))
  const copy = await b.authorize(log.key)
  const events: string[] = []
  const note = (who: string, feed: Feed<string>): void => {
    for (const event of ['append', 'upload', 'download', 'remote-contiguous-length']) {
      feed.on(event, (index: unknown) =>
        events.push(typeof index === 'number' ? `${who} ${event} ${index}` : `${who} ${event}`)
      )
    }
  }
  note('writer', log)
  note('reader', copy)
  link(a, b)
  await b.synced()
  await until(() => events.filter(event => event.startsWith('writer upload')).length >= 30)
  const moved = (what: string): number[] =>
    events
      .filter(event => event.startsWith(what))
      .map(event => Number(event.slice(what.length)))
      .sort((x, y) => x - y)
  t.deepEqual(moved('writer upload '), numbers(0, 30).map(Number))
  t.deepEqual(moved('reader download '), numbers(0, 30).map(Number))

  await until(() => events.includes('writer remote-contiguous-length 30'))
  events.length = 0
  await log.append('30')
  await until(() => events.includes('writer remote-contiguous-length 31'), {
    what: 'the reader to say that it has it'
  })
  const at = (event: string): number => events.indexOf(event)
  for (const [before, after] of [
    ['writer append', 'reader remote-contiguous-length 31'],
    ['reader remote-contiguous-length 31', 'reader append'],
    ['reader append', 'reader download 30'],
    ['writer append', 'writer upload 30'],
    ['writer upload 30', 'reader download 30'],
    ['reader download 30', 'writer remote-contiguous-length 31']
  ] as const) {
    t.true(at(before) >= 0 && at(before) < at(after), `${before}, then ${after}: ${events.join(', ')}`)
  }
  t.is(events.length, 6)
})

test('D22 who connects to itself is no peer of itself', async t => {
  const { party, warnings } = await partyNode(t)
  await tell(party, 'log', 'x')
  const keyPair = createKeyPair()
  const { a, b } = duplexPair()
  const [near, far] = [
    new NoiseSecretStream(true, a, { keyPair }),
    new NoiseSecretStream(false, b, { keyPair })
  ]
  const added: unknown[] = []
  party.on('peer-add', peer => added.push(peer))
  party.attach(near)
  party.attach(far)
  await until(() => warnings.length > 0, { what: 'a warning' })
  await turns(50)
  t.deepEqual(added, [])
  t.is(party.peers.size, 0)

  const other = await partyNode(t)
  connectParties(party, other.party)
  await onlyPeer(party)
})

test('D32 one author that nobody has holds up no other in what is read of all feeds', async t => {
  const [a, b, c] = [await textSet(t), await textSet(t), await textSet(t)]
  const [mine, gone] = [await a.writer('log'), await c.writer('log')]
  await mine.append(numbers(0, 3))
  await gone.append(numbers(0, 3))
  await b.authorize(gone.key)
  const cut = link(b, c)
  await (b.get(gone.key) as Feed<string>).get(0)
  cut()
  await c.close()
  // Of this one b knows three blocks and has some; of the next nothing; the third is there.
  await (b.get(gone.key) as Feed<string>).clear(1, 3)
  await b.authorize(createKeyPair().publicKey)
  await b.authorize(mine.key)
  link(a, b)
  const got: string[] = []
  const abort = new AbortController()
  const reading = (async () => {
    for await (const { feed, value } of b.entries({ live: true, signal: abort.signal })) {
      if (feed.id === mine.id) got.push(text(value))
    }
  })()
  await until(() => got.length === 3)
  await mine.append('3')
  await until(() => got.length === 4)
  t.deepEqual(got, numbers(0, 4))
  abort.abort(new Error('enough'))
  await t.throwsAsync(reading, { message: 'enough' })
})

test('S45 a session that is closed while streams run breaks neither the other sessions nor the other feeds', async t => {
  const [a, b] = [await textSet(t), await textSet(t)]
  const [one, two] = [await a.writer('one'), await a.writer('two')]
  for (const feed of [one, two]) await feed.append(numbers(0, 3))
  const copies = [await b.authorize(one.key), await b.authorize(two.key)] as const
  const pair = noisePair()
  a.replicate(pair.a)
  b.replicate(pair.b)
  t.is(await copies[0].get(0), '0')
  const other = copies[0].session(TEXT)
  await copies[0].close()
  t.is(await other.get(1), '1')
  await two.append('3')
  t.is(await copies[1].get(3), '3')
  await one.close()
  t.is(await (b.get(one.key) as Feed<string>).get(2), '2', 'it stays in the set, and is served')
  t.false(pair.a.destroyed)
})
