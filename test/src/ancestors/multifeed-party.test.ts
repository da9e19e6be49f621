/**
 * multifeed made a union: whoever connects gets the feeds of the other. Here a party does that, under rules that say which. The
 * exchange of two and more parties over real connections and storage.
 */
import { createKeyPair, cryptoFor } from '@hearsay/gossip'
import { type Feed, Party, type PartyRules, rules } from '@hearsay/party'
import { encodeFrame, encodeHello, FrameKind, PartyKeys } from '@hearsay/party/core'
import test from 'ava'
import b4a from 'b4a'
import Protomux from 'protomux'
import { connectParties, onlyPeer, overhear, PARTY_KEY, partyNode } from '../support/party-node.js'
import { RAW } from '../support/raw-peer.js'
import { noisePair } from '../support/streams.js'
import { temporaryFolder } from '../support/temporary.js'
import { turns, until } from '../support/until.js'
import { blocksOf, filesIn, isIn, link, tell, text } from './support-feeds.js'

const open = (): { rules: PartyRules } => ({ rules: rules.open() })
const key = (fill: number): Uint8Array => new Uint8Array(32).fill(fill)

/** Counts how often each feed is told of. */
function countFeeds(party: Party): Map<string, number> {
  const seen = new Map<string, number>()
  party.on('feed', feed => seen.set(feed.id, (seen.get(feed.id) ?? 0) + 1))
  return seen
}

test('S23 S31 an empty set and one with a feed: both have one, with one event each, and a second sync reports as well', async t => {
  const [a, b] = [await partyNode(t, open()), await partyNode(t, open())]
  const seen = [countFeeds(a.party), countFeeds(b.party)]
  const feed = await tell(a.party, 'log', 'foo')
  link(a.party, b.party)
  t.deepEqual(await b.party.synced({ timeoutMs: 8000 }), { feeds: 1, blocks: 1 })
  t.deepEqual(await b.party.synced({ timeoutMs: 8000 }), { feeds: 0, blocks: 0 })
  t.deepEqual(await a.party.synced({ timeoutMs: 8000 }), { feeds: 0, blocks: 0 })
  for (const [node, events] of [
    [a, seen[0]],
    [b, seen[1]]
  ] as const) {
    t.is(node.party.feeds.size, 1)
    t.deepEqual([...(events ?? [])], [[feed.id, 1]])
  }
})

test('C6 C7 X25 S24 two sets with a writer 0 each have both, tell each once, read the other, and keep their own names', async t => {
  const [a, b] = [await partyNode(t, open()), await partyNode(t, open())]
  const seen = [countFeeds(a.party), countFeeds(b.party)]
  const [foo, bar] = [await tell(a.party, '0', 'foo'), await tell(b.party, '0', 'bar')]
  t.notDeepEqual(foo.key, bar.key)
  link(a.party, b.party)
  await Promise.all([a.party.synced({ timeoutMs: 8000 }), b.party.synced({ timeoutMs: 8000 })])
  for (const events of seen) {
    t.deepEqual(
      [...events].sort(),
      [
        [foo.id, 1],
        [bar.id, 1]
      ].sort()
    )
  }
  t.is(text(await a.party.feeds.get(bar.key)?.get(0)), 'bar')
  t.is(text(await b.party.feeds.get(foo.key)?.get(0)), 'foo')
  t.is(a.party.feeds.get('0')?.id, foo.id, 'a name is local')
  t.is(b.party.feeds.get('0')?.id, bar.id)
  t.is((await a.party.feeds.writer('0')).id, foo.id, 'and not shadowed by the feed of the other')
})

test('C7 a set that is opened again tells each feed once, own ones and those of others', async t => {
  const storage = await temporaryFolder(t)
  const keyPair = createKeyPair()
  const [a, b] = [await partyNode(t, { ...open(), storage, keyPair }), await partyNode(t, open())]
  const [foo, bar] = [await tell(a.party, 'log', 'foo'), await tell(b.party, 'log', 'bar')]
  link(a.party, b.party)
  await a.party.synced({ timeoutMs: 8000 })
  await a.party.close()
  const again = new Party({ key: PARTY_KEY, storage, keyPair, rules: rules.open() })
  t.teardown(() => again.close())
  const seen = countFeeds(again)
  await again.ready()
  link(again, b.party)
  await again.synced({ timeoutMs: 8000 })
  await turns(50)
  t.deepEqual(new Map([...seen].sort()), new Map([foo.id, bar.id].sort().map(id => [id, 1])))
})

test('S25 S40 feeds that are made, and blocks that are appended, while connected arrive on the other side', async t => {
  const [a, b] = [await partyNode(t, open()), await partyNode(t, open())]
  link(a.party, b.party)
  await Promise.all([onlyPeer(a.party), onlyPeer(b.party)])
  const [foo, bar] = [await tell(a.party, 'log', 'foo', '1'), await tell(b.party, 'log', 'bar')]
  await until(() => b.party.feeds.has(foo.key) && a.party.feeds.has(bar.key))
  const copy = b.party.feeds.get(foo.key) as Feed
  t.deepEqual([text(await copy.get(0)), text(await copy.get(1))], ['foo', '1'])
  t.is(text(await a.party.feeds.get(bar.key)?.get(0)), 'bar')
  await foo.append([b4a.from('2'), b4a.from('3')])
  t.deepEqual([text(await copy.get(2)), text(await copy.get(3))], ['2', '3'])
})

test('C10 S29 while two are connected a third joins one of them: the other gets its feed through the middle', async t => {
  const [a, b, c] = [await partyNode(t, open()), await partyNode(t, open()), await partyNode(t, open())]
  await tell(a.party, 'log', 'of a')
  link(a.party, b.party)
  await Promise.all([a.party.synced({ timeoutMs: 8000 }), b.party.synced({ timeoutMs: 8000 })])
  const feed = await tell(c.party, 'log', 'of c')
  link(b.party, c.party)
  await until(() => a.party.feeds.has(feed.key))
  t.is(text(await a.party.feeds.get(feed.key)?.get(0)), 'of c')
  t.is(a.party.peers.size, 1, 'over b, not from c')
})

test('C10 of the feeds A, B, C who allows A, C and one that nobody has gets A and C, and no more', async t => {
  const a = await partyNode(t, open())
  const feeds: Feed[] = []
  for (const name of ['A', 'B', 'C']) feeds.push(await tell(a.party, name, name))
  const [A, B, C] = feeds as [Feed, Feed, Feed]
  const b = await partyNode(t, { rules: rules.allow([A.key, C.key, createKeyPair().publicKey]) })
  link(a.party, b.party)
  const peer = await onlyPeer(a.party)
  await b.party.synced({ timeoutMs: 8000 })
  t.deepEqual(b.party.feeds.keys().map(String).sort(), [A.key, C.key].map(String).sort())
  t.deepEqual(await blocksOf(b.party.feeds.get(A.key)), ['A'])
  t.false(peer.replicating.has(B.id))
})

test('C16 only feeds that are marked as cats pass, both ways, though the other side shares and takes everything', async t => {
  const isCat = (meta: unknown): boolean => (meta as { kind?: string } | null)?.kind === 'cat'
  const picky: PartyRules = {
    share: ({ feed }) => isCat(feed.meta),
    onIntroduceFeeds: ({ message }) => isCat(message.meta)
  }
  const [a, b] = [await partyNode(t, { rules: picky }), await partyNode(t, open())]
  const cats: Feed[] = []
  for (const { party } of [a, b]) {
    for (const kind of ['dog', 'cat']) {
      const feed = await party.feeds.writer(kind, { meta: { kind } })
      await feed.append(b4a.from(kind))
      await party.introduce(feed, { kind })
      if (kind === 'cat') cats.push(feed)
    }
  }
  link(a.party, b.party)
  await until(() => cats.every(cat => a.party.feeds.has(cat.key) && b.party.feeds.has(cat.key)))
  await Promise.all([a.party.synced({ timeoutMs: 8000 }), b.party.synced({ timeoutMs: 8000 })])
  t.is(a.party.feeds.size, 3, 'its own two, and a cat')
  t.is(b.party.feeds.size, 3)
  t.deepEqual(await blocksOf(b.party.feeds.get((cats[0] as Feed).key)), ['cat'])
})

test('S33 what is removed by name or key is gone after a restart, is not told on, stays away, and stays with the remote', async t => {
  const storage = await temporaryFolder(t)
  const keyPair = createKeyPair()
  const [a, b] = [await partyNode(t, { ...open(), storage, keyPair }), await partyNode(t, open())]
  const [x, y, z] = [
    await tell(a.party, 'x', 'x0'),
    await tell(a.party, 'y', 'y0'),
    await tell(b.party, 'z', 'z0')
  ]
  link(a.party, b.party)
  await Promise.all([a.party.synced({ timeoutMs: 8000 }), b.party.synced({ timeoutMs: 8000 })])
  t.true(await a.party.feeds.revoke((a.party.feeds.get('x') as Feed).key), 'by name')
  t.true(await a.party.feeds.revoke(z.key), 'by key')
  await a.party.close()

  const again = await partyNode(t, { ...open(), storage, keyPair })
  t.deepEqual(again.party.feeds.keys(), [y.key])
  const c = await partyNode(t, open())
  link(again.party, c.party)
  await c.party.synced({ timeoutMs: 8000 })
  t.deepEqual(c.party.feeds.keys(), [y.key])
  link(again.party, b.party)
  await again.party.synced({ timeoutMs: 8000 })
  await turns(50)
  t.deepEqual(again.party.feeds.keys(), [y.key], 'b still tells of x and z')
  t.deepEqual(await blocksOf(b.party.feeds.get(x.key)), ['x0'])
})

test('C18 S35 a party that is made later meets on the connection that is there, and the feeds of the two do not mix', async t => {
  const pair = noisePair()
  const first = [await partyNode(t, open()), await partyNode(t, open())] as const
  const one = await tell(first[0].party, 'log', 'one')
  first[0].party.attach(pair.a)
  first[1].party.attach(pair.b)
  await until(() => first[1].party.feeds.has(one.key))

  const other = { ...open(), key: key(7) }
  const second = [await partyNode(t, other), await partyNode(t, other)] as const
  const two = await tell(second[1].party, 'log', 'two')
  second[0].party.attach(pair.a)
  second[1].party.attach(pair.b)
  await until(() => second[0].party.feeds.has(two.key))
  t.is(text(await second[0].party.feeds.get(two.key)?.get(0)), 'two')
  t.is(text(await first[1].party.feeds.get(one.key)?.get(0)), 'one')
  for (const { party } of first) t.deepEqual(party.feeds.keys(), [one.key])
  for (const { party } of second) t.deepEqual(party.feeds.keys(), [two.key])
  t.is(first[0].party.peers.size, 1)
  t.is(second[0].party.peers.size, 1)
})

test('C19 a peer of one party recognises one of the three ids that it is told, and no key of the others', async t => {
  const keys = [key(1), key(2), key(3)]
  const parties = await Promise.all(keys.map(async of => (await partyNode(t, { ...open(), key: of })).party))
  for (const party of parties) await tell(party, 'log', 'x')
  const pair = noisePair()
  const heard = overhear(pair.b)
  const guest = await partyNode(t, { ...open(), key: key(1) })
  for (const party of parties) party.attach(pair.a)
  guest.party.attach(pair.b)
  await onlyPeer(guest.party)
  await guest.party.synced({ timeoutMs: 8000 })

  const crypto = cryptoFor(createKeyPair())
  const derived = keys.map(of => new PartyKeys(crypto, of))
  const ids = derived.map(of => of.channelId(pair.b.handshakeHash))
  t.deepEqual(
    ids.map(id => isIn(heard, id)),
    [true, true, true],
    'whoever initiates opens all: their number shows'
  )
  for (const of of derived) t.false(isIn(heard, of.discoveryKey))
  for (const of of derived) t.false(isIn(heard, of.partyId))
  t.deepEqual(
    derived.map(of => of.channelId(key(9))).filter(id => isIn(heard, id)),
    [],
    'the ids of another connection are others'
  )
  t.true(isIn(heard, parties[0]?.feeds.keys()[0] as Uint8Array), 'the search finds what is there')
  for (const party of parties.slice(1)) t.false(isIn(heard, party.feeds.keys()[0] as Uint8Array))
})

test('C2 S37 nothing moves between sets with different keys, and there is no key by default', async t => {
  t.throws(() => new Party({} as never), { instanceOf: TypeError, code: 'ERR_PARTY_BAD_KEY' })
  const [a, b] = [
    await partyNode(t, { ...open(), key: key(1) }),
    await partyNode(t, { ...open(), key: key(2) })
  ]
  const [foo, bar] = [await tell(a.party, 'log', 'foo'), await tell(b.party, 'log', 'bar')]
  const { a: left } = connectParties(a.party, b.party)
  await left.opened
  await turns(200)
  t.deepEqual(a.party.feeds.keys(), [foo.key])
  t.deepEqual(b.party.feeds.keys(), [bar.key])
  t.is(a.party.peers.size + b.party.peers.size, 0)
  t.deepEqual([...Protomux.from(left)], [])
})

test('C3 the party key is in no file of the storage, and in nothing that the party shows', async t => {
  const secret = createKeyPair().publicKey
  const [a, b] = [
    await partyNode(t, { ...open(), key: secret }),
    await partyNode(t, { ...open(), key: secret })
  ]
  const feed = await tell(a.party, 'log', 'a block to be found')
  link(a.party, b.party)
  await b.party.synced({ timeoutMs: 8000 })
  for (const { party, folder } of [a, b]) {
    const shown = JSON.stringify(party)
    await party.feeds.flush()
    await party.close()
    const files = await filesIn(folder)
    t.true(isIn(files, feed.key), 'the search finds what is there')
    t.false(isIn(files, secret))
    t.false(isIn([b4a.from(shown)], secret))
  }
})

test('C12 X26 of the options only what a rule sends is told to the remote', async t => {
  const secrets = { name: 'a name of ours', metadata: { note: 'a note of ours' } }
  const keyPair = createKeyPair()
  let nick: unknown
  const [a, b] = [
    await partyNode(t, {
      ...secrets,
      keyPair,
      rules: {
        ...rules.open(),
        async handshake({ peer }) {
          nick = (await peer.request({ type: 'nick', value: 'alice' })).value
        }
      }
    }),
    await partyNode(t, { rules: { ...rules.open(), onRequest: () => ({ type: 'nick', value: 'bob' }) } })
  ]
  const pair = noisePair()
  const [atA, atB] = [overhear(pair.a), overhear(pair.b)]
  await tell(a.party, 'log', 'foo')
  a.party.attach(pair.a)
  b.party.attach(pair.b)
  await b.party.synced({ timeoutMs: 8000 })
  t.is(nick, 'bob')
  const has = (heard: Uint8Array[], word: string): boolean =>
    heard.some(bytes => b4a.indexOf(bytes, word) >= 0)
  t.true(has(atB, 'alice') && has(atA, 'bob'), 'the search finds what is there')
  for (const word of ['a name of ours', 'a note of ours', a.folder]) t.false(has(atB, word), word)
  for (const secret of [PARTY_KEY, keyPair.secretKey.subarray(0, 32)]) t.false(isIn(atB, secret))
})

/** A channel of the party's protocol, at the other end of a connection of `party`, that says what the test says. */
async function rawMember(party: Party): Promise<{
  open(hello: (proof: Uint8Array) => Uint8Array): void
  send(kind: number, bytes: Uint8Array): void
  bind(): Uint8Array
  received: [kind: number, bytes: Uint8Array][]
  isDead(): boolean
}> {
  const pair = noisePair()
  party.attach(pair.a)
  await Promise.all([pair.a.opened, pair.b.opened])
  const keyPair = createKeyPair()
  const crypto = cryptoFor(keyPair)
  const keys = new PartyKeys(crypto, PARTY_KEY)
  const { isInitiator, handshakeHash, publicKey, remotePublicKey } = pair.b
  const binding = { isInitiator, handshakeHash, publicKey, remotePublicKey }
  const name = { protocol: 'hearsay/party/1', id: keys.channelId(handshakeHash) }
  const mux = Protomux.from(pair.b)
  await new Promise<void>(resolve => mux.pair(name, () => resolve()))
  const received: [number, Uint8Array][] = []
  const messages = Array.from({ length: Object.keys(FrameKind).length }, (_, kind) => ({
    encoding: RAW,
    onmessage: (bytes: Uint8Array) => received.push([kind, new Uint8Array(bytes)])
  }))
  const channel = mux.createChannel({ ...name, handshake: RAW, messages })
  const signature = crypto.sign(keys.authorDigest(binding, 'own'))
  const author = { author: keyPair.publicKey, signature, agent: '', credential: new Uint8Array(0) }
  return {
    open: hello => channel?.open(hello(keys.proof(binding, 'own'))),
    send: (kind, bytes) => channel?.messages[kind]?.send(bytes),
    bind: () => encodeFrame({ type: 'bind', setVersion: 0, ...author }),
    received,
    isDead: () => pair.a.destroyed
  }
}

test('C11 a peer of another version is no peer, and a warning tells both versions; features and fields to come do no harm', async t => {
  const { party, warnings } = await partyNode(t)
  const fields = { features: 0, maxFrameBytes: 65_536 }
  const other = await rawMember(party)
  other.open(proof => encodeHello({ version: 7, proof, ...fields }))
  await until(() => warnings.length > 0, { what: 'a warning' })
  t.like(warnings[0], {
    code: 'WARN_PARTY_VERSION',
    message: 'the peer speaks version 7, we speak version 1'
  })
  t.is(party.peers.size, 0)
  t.deepEqual(other.received, [])
  t.false(other.isDead(), 'the connection is the application of both')

  const later = await rawMember(party)
  const more = b4a.from('a field of later')
  later.open(proof => b4a.concat([encodeHello({ version: 1, proof, ...fields, features: 2 ** 40 }), more]))
  const isRoot = ([kind]: [number, Uint8Array]): boolean => kind === FrameKind.ROOT
  const root = await until(() => later.received.find(isRoot), { what: 'its root' })
  later.send(FrameKind.BIND, b4a.concat([later.bind(), more]))
  later.send(FrameKind.ROOT, b4a.concat([root[1], more])) // the same set as theirs
  await onlyPeer(party)
  t.is(warnings.length, 1)
})
