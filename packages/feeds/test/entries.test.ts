/**
 * entries(): all feeds as one sequence, live or not, from a cursor on.
 */
import type { FeedEntry, FeedSet } from '@hearsay/feeds'
import test from 'ava'
import b4a from 'b4a'
import { connectionPair, makeSet, openSet, temporaryFolder } from './support/sets.js'

const text = (entry: FeedEntry<Uint8Array>) => b4a.toString(entry.value)

async function read(set: FeedSet<Uint8Array>, options: { since?: string } = {}) {
  const entries: FeedEntry<Uint8Array>[] = []
  for await (const entry of set.entries(options)) entries.push(entry)
  return entries
}

test('entries of all feeds come with the order of each kept, and end with what is here', async t => {
  const set = await makeSet<Uint8Array>(t)
  const [a, b] = [await set.writer('a'), await set.writer('b')]
  for (let i = 0; i < 100; i++) await a.append(b4a.from(`a${i}`))
  for (let i = 0; i < 3; i++) await b.append(b4a.from(`b${i}`))
  await set.authorize(b4a.alloc(32, 1)) // an absent author holds nobody up
  const texts = (await read(set)).map(text)
  t.deepEqual(
    texts.filter(x => x.startsWith('a')),
    Array.from({ length: 100 }, (_, i) => `a${i}`)
  )
  t.deepEqual(
    texts.filter(x => x.startsWith('b')),
    ['b0', 'b1', 'b2']
  )
  t.true(texts.indexOf('b2') < texts.indexOf('a99'), 'the feeds come in turns')
})

test('a cursor goes on behind its entry, also after a restart, and from every entry', async t => {
  const folder = await temporaryFolder(t)
  const set = await openSet<Uint8Array>(t, folder)
  const [a, b] = [await set.writer('a'), await set.writer('b')]
  await a.append([b4a.from('a0'), b4a.from('a1')])
  await b.append([b4a.from('b0'), b4a.from('b1')])
  const entries = await read(set)
  const texts = entries.map(text)
  const cursors = entries.map(entry => entry.cursor)
  await set.close()
  const again = await openSet<Uint8Array>(t, folder)
  for (const [i, cursor] of cursors.entries()) {
    t.regex(cursor, /^[\w-]+$/)
    const rest = (await read(again, { since: cursor })).map(text)
    t.deepEqual([...rest].sort(), texts.slice(i + 1).sort(), `after ${texts[i]}`)
  }
})

test('a live reader gets what comes later: of new feeds, from peers, in order, once', async t => {
  const [alice, bob] = [await makeSet<Uint8Array>(t), await makeSet<Uint8Array>(t)]
  const writer = await alice.writer('a')
  await writer.append(b4a.from('0'))
  const [left, right] = connectionPair(t)
  alice.replicate(left)
  bob.replicate(right)
  const reader = bob.entries({ live: true })
  const first = reader.next()
  await bob.authorize(writer.key)
  t.is(text((await first).value), '0')
  for (let i = 1; i <= 20; i++) {
    const next = reader.next()
    await writer.append(b4a.from(`${i}`))
    t.is(text((await next).value), `${i}`)
  }
  await reader.return?.()
})

test('an aborted reader rejects with the reason, and one that breaks off leaves nothing behind', async t => {
  const set = await makeSet<Uint8Array>(t)
  const reason = new Error('enough')
  const abort = new AbortController()
  const next = set.entries({ live: true, signal: abort.signal }).next()
  abort.abort(reason)
  t.is(await t.throwsAsync(next), reason)
})

test('nothing of a revoked feed is given out, also in the middle of reading it', async t => {
  const set = await makeSet<Uint8Array>(t)
  const writer = await set.writer('a')
  await writer.append(Array.from({ length: 10 }, (_, i) => b4a.from(`${i}`)))
  const found: string[] = []
  for await (const entry of set.entries()) {
    found.push(text(entry))
    if (found.length === 3) await set.revoke(writer.key)
  }
  t.deepEqual(found, ['0', '1', '2'])
})

test('values come in the encoding of the set', async t => {
  const set = await makeSet<{ n: number } | null>(t, { valueEncoding: 'json' })
  const writer = await set.writer('a')
  await writer.append([{ n: 1 }, null])
  const values: unknown[] = []
  for await (const entry of set.entries()) values.push(entry.value)
  t.deepEqual(values, [{ n: 1 }, null])
})
