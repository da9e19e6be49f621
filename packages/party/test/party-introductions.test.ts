import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { createKeyPair } from '@hearsay/gossip'
import { type Introduction, type Party, type PartyPeer, rules } from '@hearsay/party'
import test, { type ExecutionContext } from 'ava'
import b4a from 'b4a'
import { connect, folder, newParty, next, until } from './support-parties.js'

const text = (value: unknown): string => b4a.toString(value as Uint8Array)

/** A party with one writer of one block, introduced to all. */
async function writerParty(t: ExecutionContext, seed: number, options = {}) {
  const party = await newParty(t, seed, { rules: rules.open(), ...options })
  const feed = await party.feeds.writer('w')
  await feed.append(b4a.from(`of ${seed}`))
  await party.introduce(feed)
  return { party, feed }
}

const onlyPeer = (party: Party): PartyPeer => [...party.peers][0] as PartyPeer
const connected = (...parties: Party[]) =>
  until('a peer each', () => parties.every(one => one.peers.size > 0))

test('a rejected introduction is told to both sides and opens nothing', async t => {
  const { party: a, feed } = await writerParty(t, 1)
  const b = await newParty(t, 2, { rules: { onIntroduceFeeds: () => false } })
  const rejected = next<[{ key: Uint8Array; author: Uint8Array; reason: string }]>(b, 'reject')
  connect(a, b)
  const [event] = await rejected
  t.deepEqual(b4a.from(event.key), b4a.from(feed.key))
  t.is(event.reason, 'ERR_PARTY_REJECTED')
  const answer = await onlyPeer(a).introduceFeeds({ keys: [feed.key] })
  t.is(answer.accepted.length, 0)
  t.is(answer.rejected.length, 1)
  t.is(b.feeds.size, 0)
})

test('without rules an introduction stays pending until the app accepts it', async t => {
  const { party: a, feed } = await writerParty(t, 1)
  const b = await newParty(t, 2)
  const told = next<[Introduction]>(b, 'introduction')
  connect(a, b)
  const [introduction] = await told
  t.is(introduction.state, 'pending')
  t.is(introduction.id, feed.id)
  t.true(introduction.own)
  t.is(b.feeds.size, 0)
  for await (const listed of b.introductions()) {
    t.is(listed, introduction)
    break
  }
  const accepted = await introduction.accept()
  t.is(introduction.state as string, 'accepted')
  t.is(text(await accepted.get(0)), 'of 1')
  await t.throwsAsync(introduction.accept(), { code: 'ERR_PARTY_EXPIRED' })
})

test('B20 of two introduced feeds the rule takes one', async t => {
  const a = await newParty(t, 1)
  const b = await newParty(t, 2, {
    rules: { onIntroduceFeeds: ({ message }) => [message.keys[0] as Uint8Array] }
  })
  const one = await a.feeds.writer('one')
  const two = await a.feeds.writer('two')
  connect(a, b)
  await connected(a, b)
  const answer = await onlyPeer(a).introduceFeeds({ keys: [one.key, two.id], meta: { type: 'log' } })
  t.deepEqual(answer.accepted.map(text), [one.key].map(text))
  t.deepEqual(
    answer.rejected.map(({ key }) => text(key)),
    [two.key].map(text)
  )
  t.true(b.feeds.has(one.key))
  t.false(b.feeds.has(two.key))
})

test('a late joiner hears of a feed through a third peer, when its author is gone', async t => {
  const { party: a, feed } = await writerParty(t, 1)
  const b = await newParty(t, 2, { rules: rules.open() })
  const c = await newParty(t, 3, { rules: rules.open() })
  const wire = connect(a, b)
  await b.synced({ timeoutMs: 8000 })
  wire.cut()
  await a.close()
  connect(b, c)
  await c.synced({ timeoutMs: 8000 })
  t.is(text(await c.feeds.get(feed.key)?.get(0)), 'of 1')
})

test('feeds pass a line of three, also one that is introduced later', async t => {
  const { party: a, feed } = await writerParty(t, 1)
  const b = await newParty(t, 2, { rules: rules.open() })
  const { party: c, feed: other } = await writerParty(t, 3)
  connect(a, b)
  connect(b, c)
  await until('both ends have both', () => a.feeds.has(other.key) && c.feeds.has(feed.key))
  t.is(text(await c.feeds.get(feed.key)?.get(0)), 'of 1')
  t.is(text(await a.feeds.get(other.key)?.get(0)), 'of 3')
  const late = await a.feeds.writer('late')
  await late.append(b4a.from('late'))
  await a.introduce(late)
  await until('it has passed', () => c.feeds.has(late.key))
  t.is(text(await c.feeds.get(late.key)?.get(0)), 'late')
})

test('a revocation by the author is heard by all, and the feed is closed everywhere', async t => {
  const { party: a, feed } = await writerParty(t, 1)
  const b = await newParty(t, 2, { rules: rules.open() })
  const c = await newParty(t, 3, { rules: rules.open() })
  connect(a, b)
  connect(b, c)
  await until('all have it', () => b.feeds.has(feed.key) && c.feeds.has(feed.key))
  const copy = c.feeds.get(feed.key)
  await copy?.get(0)
  const told = next<[Uint8Array, string]>(c, 'revoke')
  await a.revoke(feed.key, { reason: 'over' })
  t.false(a.feeds.has(feed.key))
  const [key, reason] = await told
  t.deepEqual(b4a.from(key), b4a.from(feed.key))
  t.is(reason, 'over')
  t.false(b.feeds.has(feed.key))
  t.false(c.feeds.has(feed.key))
  await t.throwsAsync(copy?.get(1) as Promise<unknown>, { code: 'ERR_FEEDS_NOT_AUTHORIZED' })
  await until(
    'it is closed',
    () => ![...onlyPeer(b).replicating, ...onlyPeer(c).replicating].includes(feed.id)
  )
})

test('a late joiner learns of a revocation before any rule is asked, and a remote cannot revive the feed', async t => {
  const { party: a, feed } = await writerParty(t, 1)
  const b = await newParty(t, 2, { rules: rules.open() })
  const first = connect(a, b)
  await until('it has it', () => b.feeds.has(feed.key))
  first.cut()
  await until('they are apart', () => a.peers.size === 0 && b.peers.size === 0)
  await a.revoke(feed.key)
  let hadIt: boolean | null = null
  b.setRules({
    ready: () => {
      hadIt = b.feeds.has(feed.key)
    },
    onIntroduceFeeds: () => true
  })
  connect(a, b)
  await until('the rule was asked', () => hadIt !== null)
  t.false(hadIt)
  await b.synced({ timeoutMs: 8000 })
  t.false(b.feeds.has(feed.key))
})

test('a member cannot revoke the feed of another', async t => {
  const { party: a, feed } = await writerParty(t, 1)
  const b = await newParty(t, 2, { rules: rules.open() })
  connect(a, b)
  await until('it has it', () => b.feeds.has(feed.key))
  await b.revoke(feed.key)
  t.false(b.feeds.has(feed.key))
  await until('it was heard and dropped', () => (a.drops.inadmissible ?? 0) > 0)
  t.true(a.feeds.has(feed.key))
})

test('U13 whom rules.admin accepts can revoke the feed of another', async t => {
  const boss = createKeyPair(new Uint8Array(32).fill(2)).publicKey
  const admin = ({ author }: { author: Uint8Array }) => b4a.equals(author, boss)
  const { party: a, feed } = await writerParty(t, 1, { rules: { ...rules.open(), admin } })
  const b = await newParty(t, 2, { rules: rules.open() })
  connect(a, b)
  await until('it has it', () => b.feeds.has(feed.key))
  await b.revoke(feed.key)
  await until('it was obeyed', () => !a.feeds.has(feed.key))
  t.pass()
})

test('B39 a feed that share hides never shows its key', async t => {
  const a = await newParty(t, 1, {
    rules: { ...rules.open(), share: ({ feed }) => feed.meta?.secret !== true }
  })
  const b = await newParty(t, 2, { rules: rules.open() })
  const open = await a.feeds.writer('open')
  const secret = await a.feeds.writer('secret', { meta: { secret: true } })
  await a.introduce(open)
  await a.introduce(secret)
  connect(a, b)
  await b.synced({ timeoutMs: 8000 })
  t.true(b.feeds.has(open.key))
  t.false(b.feeds.has(secret.key))
})

test('a withdrawn introduction reaches no later joiner, but stays where it was accepted', async t => {
  const { party: a, feed } = await writerParty(t, 1)
  const b = await newParty(t, 2, { rules: rules.open() })
  const c = await newParty(t, 3, { rules: rules.open() })
  connect(a, b)
  await until('it has it', () => b.feeds.has(feed.key))
  await a.withdraw(feed)
  connect(a, c)
  await c.synced({ timeoutMs: 8000 })
  t.true(b.feeds.has(feed.key))
  t.false(c.feeds.has(feed.key))
})

test('B41 X28 5,000 introductions without rules open nothing and write nothing', async t => {
  const a = await newParty(t, 1)
  const storage = await folder(t)
  const b = await newParty(t, 2, { storage })
  connect(a, b)
  await connected(a, b)
  const bytesBefore = await bytesOfFacts(b, storage)
  const peer = onlyPeer(a)
  const calls: Promise<unknown>[] = []
  for (let i = 0; i < 100; i++) {
    const keys = Array.from({ length: 50 }, (_, j) => createKeyPair(seedOf(i * 50 + j)).publicKey)
    calls.push(peer.introduceFeeds({ keys }).catch(() => null))
  }
  await Promise.all(calls)
  t.is(b.feeds.size, 0)
  t.is(await bytesOfFacts(b, storage), bytesBefore)
  let pending = 0
  const stop = new AbortController()
  const reader = b.introductions({ signal: stop.signal })
  for (;;) {
    const step = reader.next()
    // What is pending comes without a turn of the event loop; then the reader waits.
    const idle = new Promise<'idle'>(resolve => setImmediate(resolve, 'idle'))
    if ((await Promise.race([step, idle])) === 'idle') {
      stop.abort(new Error('enough'))
      await t.throwsAsync(step, { message: 'enough' })
      break
    }
    pending++
  }
  t.true(pending > 0 && pending <= 64, `${pending} are pending`)
})

test('feeds and introductions are there after a restart, without being asked for again', async t => {
  const { party: a, feed } = await writerParty(t, 1)
  const storage = await folder(t)
  let asked = 0
  const counting = { onIntroduceFeeds: () => ++asked > 0 }
  const b = await newParty(t, 2, { storage, rules: counting })
  const wire = connect(a, b)
  await b.synced({ timeoutMs: 8000 })
  wire.cut()
  await b.close()
  const again = await newParty(t, 2, { storage, rules: counting })
  t.is(text(await again.feeds.get(feed.key)?.get(0)), 'of 1')
  connect(a, again)
  await again.synced({ timeoutMs: 8000 })
  t.is(asked, 1)
})

function seedOf(n: number): Uint8Array {
  const seed = new Uint8Array(32).fill(9)
  new DataView(seed.buffer).setUint32(0, n)
  return seed
}

// The storage engine keeps a diary of its own; cores and facts are what an introduction could add to.
async function bytesOfFacts(party: Party, storage: string): Promise<number> {
  await party.feeds.flush()
  let bytes = 0
  for (const name of await readdir(storage, { recursive: true })) {
    const info = await stat(join(storage, name))
    if (info.isFile() && name.includes('facts')) bytes += info.size
  }
  return bytes
}
