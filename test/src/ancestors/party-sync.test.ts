/**
 * Everything at the end: one-shot synchronisation that ends, live feeds, fifteen peers in a tree, requests of every
 * outcome. The blocks themselves are compared, never a set with itself.
 */
import { type Feed, type FeedMeta, type PartyRules, rules } from '@hearsay/party'
import test, { type ExecutionContext } from 'ava'
import b4a from 'b4a'
import { connectParties, onlyPeer, type PartyNode, partyNode } from '../support/party-node.js'
import { turns, until } from '../support/until.js'

const text = (value: unknown): string => b4a.toString(value as Uint8Array)

async function written({ party }: PartyNode, blocks: readonly string[], name = 'log'): Promise<Feed> {
  const feed = (await party.feeds.writer(name)) as Feed
  for (const block of blocks) await feed.append(b4a.from(block))
  await party.introduce(feed)
  return feed
}

async function openNode(t: ExecutionContext): Promise<PartyNode> {
  return await partyNode(t, { rules: rules.open() })
}

/** All blocks of all feeds that are on this node's own disk, sorted. */
async function blocksOf({ party }: PartyNode): Promise<string[]> {
  const blocks: string[] = []
  for (const feed of party.feeds) {
    for (let at = 0; at < feed.length; at++) {
      const block = await feed.get(at, { wait: false })
      blocks.push(block === null ? 'missing' : text(block))
    }
  }
  return blocks.sort()
}

test('B16 S14 U8 one-shot: two peers with a feed each have the first block of the other when synced() resolves', async t => {
  const [a, b] = [await openNode(t), await openNode(t)]
  const [foo, bar] = [await written(a, ['foo']), await written(b, ['bar'])]
  t.deepEqual([a.party.feeds.size, b.party.feeds.size], [1, 1])
  connectParties(a.party, b.party)
  const results = await Promise.all([
    a.party.synced({ timeoutMs: 8000 }),
    b.party.synced({ timeoutMs: 8000 })
  ])
  t.deepEqual(results, [
    { feeds: 1, blocks: 1 },
    { feeds: 1, blocks: 1 }
  ])
  t.is(text(await a.party.feeds.get(bar.key)?.get(0, { wait: false })), 'bar')
  t.is(text(await b.party.feeds.get(foo.key)?.get(0, { wait: false })), 'foo')
  t.deepEqual(
    a.party.feeds.progress().map(({ state }) => state),
    ['complete', 'complete']
  )
})

test('B16 U8 synced() of sets without a feed resolves, twice; without a peer it rejects at its time, and by its signal', async t => {
  const [a, b] = [await openNode(t), await openNode(t)]
  await t.throwsAsync(a.party.synced({ timeoutMs: 60 }), { code: 'ERR_PARTY_TIMEOUT', message: /60 ms/ })
  const stop = new AbortController()
  const reason = new Error('enough')
  const waiting = a.party.synced({ signal: stop.signal })
  stop.abort(reason)
  t.is(await t.throwsAsync(waiting), reason)
  connectParties(a.party, b.party)
  for (let round = 0; round < 2; round++) {
    t.deepEqual(await a.party.synced({ timeoutMs: 8000 }), { feeds: 0, blocks: 0 })
  }
})

test('S15 one-shot with the open rules: both have the same multiset of messages, equal ones counted', async t => {
  const [a, b] = [await openNode(t), await openNode(t)]
  const words = (who: string): string[] =>
    Array.from({ length: 30 }, (_, i) => (i % 3 === 0 ? 'same' : `${who} ${i}`))
  for (const name of ['one', 'two']) {
    await written(a, words(`a ${name}`), name)
    await written(b, words(`b ${name}`), name)
  }
  connectParties(a.party, b.party)
  await Promise.all([a.party.synced({ timeoutMs: 8000 }), b.party.synced({ timeoutMs: 8000 })])
  const expected = [...words('a one'), ...words('a two'), ...words('b one'), ...words('b two')].sort()
  t.deepEqual(await blocksOf(a), expected)
  t.deepEqual(await blocksOf(b), expected)
})

test('B40 S16 live: a feed that is made after connecting arrives with its messages, and goes on', async t => {
  const [a, b] = [await openNode(t), await openNode(t)]
  connectParties(a.party, b.party)
  await Promise.all([onlyPeer(a.party), onlyPeer(b.party)])
  const feed = await written(a, ['one', 'two'], 'late')
  await until(() => b.party.feeds.has(feed.key))
  await feed.append(b4a.from('three'))
  const copy = b.party.feeds.get(feed.key) as Feed
  for (const [at, word] of ['one', 'two', 'three'].entries()) t.is(text(await copy.get(at)), word)
})

test('S16 what is appended while the rules of the other side think, after a reconnect in sync, arrives once they agreed', async t => {
  const limits = { lengthsEveryMs: 1 } // told at once, not a second after the last one
  const [a, b] = [await partyNode(t, { rules: rules.open(), limits }), await openNode(t)]
  const feed = await written(a, ['one'])
  const first = connectParties(a.party, b.party)
  await b.party.synced({ timeoutMs: 8000 })
  first.a.destroy()
  await until(() => a.party.peers.size === 0 && b.party.peers.size === 0)
  let agree: (() => void) | undefined
  b.party.setRules({ ...rules.open(), handshake: () => new Promise<void>(resolve => (agree = resolve)) })
  const isAgreed = new Promise<void>(resolve => {
    a.party.setRules({ ...rules.open(), handshake: () => resolve() })
  })
  connectParties(a.party, b.party)
  await isAgreed
  await until(() => agree !== undefined)
  await turns(50)
  await feed.append(b4a.from('two'))
  await turns(50)
  agree?.()
  const copy = b.party.feeds.get(feed.key) as Feed
  // Nobody asks for it: that would open the feed.
  await until(() => copy.contiguousLength === 2, { ms: 5000 })
  t.is(text(await copy.get(1, { wait: false })), 'two')
})

test('S17 fifteen peers in a binary tree: all have all fifteen feeds and every message of them', async t => {
  t.timeout(120_000)
  const nodes = await Promise.all(Array.from({ length: 15 }, () => openNode(t)))
  const expected: string[] = []
  for (const [at, node] of nodes.entries()) {
    const blocks = Array.from({ length: 5 }, (_, i) => `${at}: ${i}`)
    expected.push(...blocks)
    await written(node, blocks)
  }
  expected.sort()
  const startMs = performance.now()
  for (let at = 1; at < 15; at++) {
    connectParties((nodes[(at - 1) >> 1] as PartyNode).party, (nodes[at] as PartyNode).party)
  }
  const isThere = (node: PartyNode): boolean =>
    node.party.feeds.size === 15 && [...node.party.feeds].every(feed => feed.contiguousLength === 5)
  await until(() => nodes.every(isThere), { ms: 60_000 })
  t.log(`${Math.round(performance.now() - startMs)} ms until all had all`)
  for (const node of nodes) t.deepEqual(await blocksOf(node), expected)
  t.is((nodes[0] as PartyNode).party.peers.size, 2, 'nobody but neighbours is connected')
})

test('S21 close(): peer-remove is told once on each side, and peers is empty', async t => {
  const [a, b] = [await openNode(t), await openNode(t)]
  const events: string[] = []
  for (const [name, { party }] of Object.entries({ a, b })) {
    party.on('peer-add', () => events.push(`${name} +`))
    party.on('peer-remove', () => events.push(`${name} -`))
  }
  connectParties(a.party, b.party)
  await Promise.all([onlyPeer(a.party), onlyPeer(b.party)])
  await a.party.close()
  await until(() => events.length === 4)
  t.deepEqual([a.party.peers.size, b.party.peers.size], [0, 0])
  t.deepEqual(events.toSorted(), ['a +', 'a -', 'b +', 'b -'])
})

test('B21 B56 S22 requests with two results and with none, one-way, too late, unknown, thrown: each has its end', async t => {
  const heard: unknown[] = []
  const handlers: PartyRules = {
    onRequest({ message }) {
      switch (message.type) {
        case 'two':
          return { type: 'results', value: ['one', new Uint8Array([2])] }
        case 'none':
          return null
        case 'throws':
          throw Object.assign(new Error('by the handler'), { code: 'E_OWN' })
        case 'hangs':
          return new Promise(() => {})
      }
      throw Object.assign(new Error('unknown type'), { code: 'E_UNKNOWN_TYPE' })
    },
    onEphemeralMessage: ({ message }) => void heard.push(message.value)
  }
  const [a, b] = [await partyNode(t), await partyNode(t, { rules: handlers })]
  connectParties(a.party, b.party)
  const peer = await onlyPeer(a.party)
  const { type, value } = await peer.request({ type: 'two' })
  t.is(type, 'results')
  const [first, second] = value as [string, Uint8Array]
  t.is(first, 'one')
  t.deepEqual([...second], [2])
  const nothing = await peer.request({ type: 'none' })
  t.is(nothing.value ?? null, null)
  t.is(await peer.sendEphemeralMessage({ type: 'one way', value: 7 }), undefined)
  await until(() => heard.length === 1)
  t.deepEqual(heard, [7])
  const codes = ['throws', 'other', 'hangs'].map(async name => {
    const error = await t.throwsAsync(peer.request({ type: name }, { timeoutMs: 100 }))
    return (error as Error & { code?: string }).code
  })
  t.deepEqual(await Promise.all(codes), ['E_OWN', 'E_UNKNOWN_TYPE', 'ERR_PARTY_TIMEOUT'])
  const back = await onlyPeer(b.party)
  await t.throwsAsync(back.request({ type: 'two' }), { code: 'ERR_PARTY_NO_HANDLER' })
})

test('B43 authorizing a feed again, in any spelling and at once, gives the same object and one event', async t => {
  const { party } = await partyNode(t)
  const stranger = await partyNode(t)
  const { key, id } = await stranger.party.feeds.writer('w')
  const told: (FeedMeta | null)[] = []
  party.on('feed', (_feed, meta) => told.push(meta))
  const feeds = await Promise.all([key, id, b4a.toString(key, 'hex')].map(one => party.feeds.authorize(one)))
  const facts = party.feeds.version
  feeds.push(await party.feeds.authorize(key))
  t.is(new Set(feeds).size, 1)
  t.is(party.feeds.version, facts, 'no second fact')
  t.is(party.feeds.size, 1)
  await turns(10)
  t.is(told.length, 1)
})

test('B45 a reader of all feeds gets what a feed says that was authorized while it reads, each block once', async t => {
  const [a, b] = [await openNode(t), await openNode(t)]
  const read: string[] = []
  const stop = new AbortController()
  const reader = (async () => {
    for await (const { value } of b.party.feeds.entries({ live: true, signal: stop.signal }))
      read.push(text(value))
  })()
  await written(b, ['own'])
  await until(() => read.length === 1)
  connectParties(a.party, b.party)
  const late = await written(a, ['late 0', 'late 1'])
  await until(() => read.length === 3)
  await late.append(b4a.from('late 2'))
  await until(() => read.length === 4)
  stop.abort(new Error('read enough'))
  await t.throwsAsync(reader, { message: 'read enough' })
  t.deepEqual(read, ['own', 'late 0', 'late 1', 'late 2'])
})
