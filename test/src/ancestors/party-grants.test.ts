/**
 * What one peer may replicate: by introduction, by a grant for it alone, by findFeed; opened too early, twice, by the
 * wrong key, or by a writer whom nobody authorized.
 */
import { FeedSet } from '@hearsay/feeds'
import { createKeyPair } from '@hearsay/gossip'
import { type Feed, type FeedMeta, type Introduction, rules } from '@hearsay/party'
import test, { type ExecutionContext } from 'ava'
import b4a from 'b4a'
import { connectParties, onlyPeer, type PartyNode, partyNode } from '../support/party-node.js'
import { noisePair } from '../support/streams.js'
import { temporaryFolder } from '../support/temporary.js'
import { turns, until } from '../support/until.js'

const text = (value: unknown): string => b4a.toString(value as Uint8Array)

async function written({ party }: PartyNode, name: string, blocks = 1): Promise<Feed> {
  const feed = (await party.feeds.writer(name)) as Feed
  for (let i = 0; i < blocks; i++) await feed.append(b4a.from(`${name} ${i}`))
  return feed
}

async function openNode(t: ExecutionContext): Promise<PartyNode> {
  return await partyNode(t, { rules: rules.open() })
}

test('B12 a feed that was introduced to nobody is pulled by who knows its key, where findFeed grants it', async t => {
  const [a, b] = [await partyNode(t), await partyNode(t)]
  const feed = await written(a, 'unlisted')
  a.party.setRules({
    share: () => true,
    findFeed: ({ discoveryKey }) => (b4a.equals(discoveryKey, feed.discoveryKey) ? feed : null)
  })
  const copy = (await b.party.feeds.authorize(feed.key)) as Feed
  connectParties(a.party, b.party)
  await (await onlyPeer(b.party)).replicate(copy)
  t.is(text(await copy.get(0)), 'unlisted 0')
})

test('B12 X24 a findFeed that answers every discovery key with one feed grants nothing for the others, and is told so', async t => {
  const [a, b] = [await partyNode(t), await partyNode(t)]
  const [mine, other] = [await written(a, 'mine'), await written(a, 'other')]
  await a.party.feeds.revoke(other.key)
  a.party.setRules({ findFeed: () => mine })
  const copy = (await b.party.feeds.authorize(other.key)) as Feed
  connectParties(a.party, b.party)
  await (await onlyPeer(b.party)).replicate(copy)
  const early = t.throwsAsync(copy.get(0, { timeout: 500 }))
  await until(() => a.warnings.length > 0)
  t.regex(a.warnings[0]?.message ?? '', /findFeed answered with another feed/)
  await early
  t.is(copy.length, 0)
  t.is((await onlyPeer(a.party)).replicating.size, 0)
})

for (const order of ['before its party is attached', 'while the rules think'] as const) {
  test(`B13 a feed that the remote opens ${order} replicates once they have agreed`, async t => {
    let agree: (() => void) | undefined
    const handshake = (): Promise<void> => new Promise(resolve => (agree = resolve))
    const a = await partyNode(t, { rules: { ...rules.open(), handshake } })
    const feed = await written(a, 'w')
    const set = new FeedSet(await temporaryFolder(t), { keyPair: createKeyPair() })
    const reader = await partyNode(t, { feeds: set })
    t.teardown(() => set.close())
    const copy = (await set.authorize(feed.key)) as Feed
    const pair = noisePair()
    a.party.attach(pair.a)
    const startMs = performance.now()
    if (order === 'while the rules think') reader.party.attach(pair.b)
    set.replicate(pair.b) // opens at once what it lacks, and asks no party
    await turns(100)
    reader.party.attach(pair.b)
    const block = copy.get(0, { timeout: 8000 })
    await until(() => agree !== undefined && performance.now() - startMs > 400)
    t.is(copy.length, 0, 'no block before the rules agreed')
    agree?.()
    t.is(text(await block), 'w 0')
  })
}

test('B18 B19 S19 a grant is one, however often it is made: true, then false; replicating is what was granted', async t => {
  const [a, b] = [await partyNode(t), await partyNode(t)]
  const [one, two] = [await written(a, 'one'), await written(a, 'two')]
  for (const feed of [one, two]) await b.party.feeds.authorize(feed.key)
  a.party.setRules({ share: () => false })
  b.party.setRules({ share: () => false })
  connectParties(a.party, b.party)
  const [atA, atB] = [await onlyPeer(a.party), await onlyPeer(b.party)]
  t.is(atA.party, a.party)
  t.is(atA.replicating.size, 0)
  t.true(await atA.replicate(one))
  t.false(await atA.replicate(one.key))
  t.false(await atA.replicate(one.id))
  t.true(await atB.replicate(one.key))
  t.false(await atB.replicate(one.key))
  t.is(text(await b.party.feeds.get(one.key)?.get(0)), 'one 0')
  for (const peer of [atA, atB]) t.deepEqual([...peer.replicating], [one.id])
  t.is(one.peers.length, 1, 'hypercore sees one peer')
  t.is(b.party.feeds.get(two.key)?.length, 0)
  await a.party.close()
  await t.throwsAsync(atA.replicate(two), { code: 'ERR_PARTY_CLOSED' })
})

test('B19 a writer that is granted while it is empty takes its first append at once, and the peer gets it', async t => {
  const [a, b] = [await openNode(t), await openNode(t)]
  const empty = (await a.party.feeds.writer('empty')) as Feed
  let granted: (() => void) | undefined
  const isGranted = new Promise<void>(resolve => (granted = resolve))
  a.party.setRules({
    async handshake({ peer }) {
      await peer.introduceFeeds({ keys: [empty.key] })
      await peer.replicate(empty)
      granted?.()
    }
  })
  connectParties(a.party, b.party)
  await isGranted
  t.is((await empty.append(b4a.from('first'))).length, 1)
  t.is(text(await b.party.feeds.get(empty.key)?.get(0, { timeout: 8000 })), 'first')
})

test('B20 S19 of A and B the rule takes A: the answer names both, with a reason; told again, A is replicated once', async t => {
  const [a, b] = [await partyNode(t), await partyNode(t)]
  const [taken, left] = [await written(a, 'A'), await written(a, 'B')]
  b.party.setRules({
    onIntroduceFeeds: ({ message }) => message.keys.filter(key => b4a.equals(key, taken.key))
  })
  connectParties(a.party, b.party)
  const peer = await onlyPeer(a.party)
  await onlyPeer(b.party)
  for (let round = 0; round < 3; round++) {
    const { accepted, rejected } = await peer.introduceFeeds({ keys: [taken.key, left.key] })
    t.deepEqual(accepted.map(text), [text(taken.key)])
    t.deepEqual(
      rejected.map(({ key }) => text(key)),
      [text(left.key)]
    )
    t.regex(rejected[0]?.reason ?? '', /./)
  }
  t.is(b.party.feeds.size, 1)
  await peer.replicate(taken)
  await (await onlyPeer(b.party)).replicate(taken.key)
  t.is(text(await b.party.feeds.get(taken.key)?.get(0)), 'A 0')
  t.is(taken.peers.length, 1)
})

test('B49 what a writer appends whom nobody authorized reaches nobody; authorized, it does', async t => {
  const [a, b, c] = [await openNode(t), await partyNode(t), await partyNode(t)]
  connectParties(a.party, b.party)
  connectParties(b.party, c.party)
  await until(() => b.party.peers.size === 2)
  let pending: Introduction | undefined
  b.party.on('introduction', introduction => {
    pending = introduction
  })
  const feed = await written(a, 'hopeful', 3)
  await a.party.introduce(feed)
  await until(() => pending !== undefined)
  for (let i = 0; i < 10; i++) await feed.append(b4a.from('again'))
  await turns(100)
  t.deepEqual([b.party.feeds.size, c.party.feeds.size], [0, 0])
  t.is(feed.peers.length, 0)
  const accepted = await pending?.accept()
  t.is(text(await accepted?.get(12)), 'again')
})

test('B53 that a feed is its author’s is known from its key: before a block of it exists, and for no other author', async t => {
  const [a, b] = [await partyNode(t), await partyNode(t)]
  const told: { key: string; own: boolean; author: string }[] = []
  b.party.setRules({
    onIntroduceFeeds: ({ message }) => {
      told.push({ key: text(message.keys[0]), own: message.own, author: text(message.author) })
    }
  })
  connectParties(a.party, b.party)
  const empty = (await a.party.feeds.writer('empty')) as Feed
  await a.party.introduce(empty)
  const stranger = await partyNode(t)
  const foreign = await stranger.party.feeds.writer('foreign')
  await a.party.introduce(foreign.key)
  await until(() => told.length === 2)
  t.is(empty.length, 0)
  const author = text(a.party.feeds.author)
  const sorted = told.toSorted((x, y) => Number(y.own) - Number(x.own))
  t.deepEqual(sorted, [
    { key: text(empty.key), own: true, author },
    { key: text(foreign.key), own: false, author }
  ])
  t.is(b.party.feeds.size, 0)
})

test('B55 a feed that is authorized while both are connected begins to replicate', async t => {
  const [a, b] = [await partyNode(t), await partyNode(t)]
  connectParties(a.party, b.party)
  await Promise.all([onlyPeer(a.party), onlyPeer(b.party)])
  const feed = await written(a, 'late', 5)
  const copy = (await b.party.feeds.authorize(feed.key)) as Feed
  t.is(text(await copy.get(4)), 'late 4')
  t.true((await onlyPeer(b.party)).replicating.has(feed.id))
})

test('B44 each event tells of its cause once: feed, append, revoke', async t => {
  const [a, b] = [await openNode(t), await openNode(t)]
  const events: string[] = []
  const nameOf = (key: Uint8Array): string => String((b.party.feeds.meta(key) ?? names.get(text(key)))?.name)
  const names = new Map<string, FeedMeta>()
  b.party.on('feed', (feed, meta) => {
    names.set(text(feed.key), meta ?? {})
    events.push(`feed ${meta?.name}`)
  })
  b.party.on('revoke', (key, reason) => events.push(`revoke ${nameOf(key)}: ${reason}`))
  const appends: string[] = []
  b.party.feeds.on('append', feed => appends.push(`${nameOf(feed.key)} ${feed.length}`))
  connectParties(a.party, b.party)
  const feed = (await a.party.feeds.writer('theirs')) as Feed
  await a.party.introduce(feed, { name: 'theirs' })
  await until(() => b.party.feeds.has(feed.key))
  for (let length = 1; length <= 3; length++) {
    await feed.append(b4a.from('x'))
    await until(() => b.party.feeds.get(feed.key)?.contiguousLength === length)
  }
  const mine = await b.party.feeds.writer('mine')
  await mine.append(b4a.from('y'))
  await a.party.introduce(feed, { name: 'theirs' })
  await a.party.revoke(feed.key, { reason: 'over' })
  await until(() => events.length >= 3, { what: 'the revocation' })
  t.false(b.party.feeds.has(feed.key))
  await turns(50)
  t.deepEqual(events, ['feed theirs', 'feed mine', 'revoke theirs: over'])
  t.deepEqual(appends, ['theirs 1', 'theirs 2', 'theirs 3', 'mine 1'])
})

test('B23 X31 U10 fifty connections come and go: listeners of party, set and process are as before', async t => {
  const [a, b] = [await openNode(t), await openNode(t)]
  const feed = await written(a, 'w')
  await a.party.introduce(feed)
  const emitters = [a.party, a.party.feeds, b.party, b.party.feeds] as unknown as {
    eventNames(): string[]
    listenerCount(name: string): number
  }[]
  const counts = (): unknown => [
    ...emitters.map(one => one.eventNames().map(name => [name, one.listenerCount(name)])),
    process.eventNames().map(name => [name, process.listenerCount(name)])
  ]
  const visit = async (): Promise<void> => {
    const link = connectParties(a.party, b.party)
    await until(() => b.party.feeds.get(feed.key)?.contiguousLength === 1 && b.party.peers.size === 1)
    link.a.destroy()
    await until(() => a.party.peers.size === 0 && b.party.peers.size === 0)
  }
  await visit()
  const before = counts()
  for (let i = 0; i < 50; i++) await visit()
  t.deepEqual(counts(), before)
  await until(() => feed.peers.length === 0)
})

test('X20 U3 U17 one feed is revoked in the middle of its download: no block of it afterwards, the other goes on', async t => {
  const [a, b] = [await openNode(t), await openNode(t)]
  const [ended, going] = [await written(a, 'ended', 300), await written(a, 'going', 300)]
  await a.party.introduce(ended)
  await a.party.introduce(going)
  connectParties(a.party, b.party)
  await until(() => (b.party.feeds.get(ended.key)?.contiguousLength ?? 0) > 0)
  const copy = b.party.feeds.get(ended.key) as Feed
  const told = new Promise(resolve => b.party.once('revoke', (_key, reason) => resolve(reason)))
  await a.party.revoke(ended.key, { reason: 'no longer mine' })
  t.is(ended.peers.length, 0, 'nobody is served any more')
  t.is(await told, 'no longer mine')
  await until(() => b.party.feeds.get(going.key)?.contiguousLength === 300)
  let served = 0
  ended.on('upload', () => served++)
  await t.throwsAsync(copy.get(400, { timeout: 300 }), { code: 'ERR_FEEDS_NOT_AUTHORIZED' })
  await going.append(b4a.from('after'))
  t.is(text(await b.party.feeds.get(going.key)?.get(300)), 'after')
  t.is(served, 0)
})

test('U3 U4 revoke({ purge }) takes the blocks off the disk here; without it they stay readable', async t => {
  const [a, b] = [await openNode(t), await openNode(t)]
  const [kept, purged] = [await written(a, 'kept'), await written(a, 'purged')]
  await a.party.introduce(kept)
  await a.party.introduce(purged)
  connectParties(a.party, b.party)
  await b.party.synced({ timeoutMs: 8000 })
  const copies = [kept, purged].map(({ key }) => b.party.feeds.get(key) as Feed)
  for (const copy of copies) await copy.get(0)
  await b.party.revoke(kept.key)
  await b.party.revoke(purged.key, { purge: true })
  t.is(text(await copies[0]?.get(0)), 'kept 0')
  await t.throwsAsync(copies[1]?.get(0, { timeout: 300 }) as Promise<unknown>)
  t.true(a.party.feeds.has(kept.key) && a.party.feeds.has(purged.key), 'a revocation by no admin is local')
})

test('U5 a member that wrote nothing introduced nothing: it is seen as a peer, and its empty feed by nobody', async t => {
  const reader = await openNode(t)
  const lurkers: PartyNode[] = []
  for (let i = 0; i < 8; i++) {
    const lurker = await openNode(t)
    await lurker.party.feeds.writer('log')
    connectParties(reader.party, lurker.party)
    lurkers.push(lurker)
  }
  await until(() => reader.party.peers.size === 8)
  const [first] = lurkers as [PartyNode]
  const feed = await written(first, 'log')
  await first.party.introduce(feed)
  await until(() => reader.party.feeds.has(feed.key))
  t.is(reader.party.feeds.size, 1)
})
