import { EventEmitter } from 'node:events'
import { duplexPair } from 'node:stream'
import { createKeyPair } from '@hearsay/gossip'
import { connectionOf } from '@hearsay/gossip/connection'
import { type DuplexLike, Party, type PartyPeer, rules } from '@hearsay/party'
import test from 'ava'
import b4a from 'b4a'
import { connect, folder, KEY, newParty, next, until } from './support-parties.js'

const onlyPeer = (party: Party): PartyPeer => [...party.peers][0] as PartyPeer
const connected = (...parties: Party[]) =>
  until('a peer each', () => parties.every(one => one.peers.size > 0))

test('B21 X14 a request is answered by the remote rule; every kind of failure has its code', async t => {
  const a = await newParty(t, 1)
  const b = await newParty(t, 2, {
    rules: {
      async onRequest({ message }) {
        if (message.type === 'add')
          return { type: 'sum', value: (message.value as number[]).reduce((x, y) => x + y) }
        if (message.type === 'throw') throw new TypeError('no')
        if (message.type === 'coded') throw Object.assign(new Error('no'), { code: 'E_MINE' })
        return new Promise(() => {})
      }
    }
  })
  connect(a, b)
  await connected(a, b)
  const peer = onlyPeer(a)
  t.deepEqual(await peer.request({ type: 'add', value: [1, 2, 3] }), { type: 'sum', value: 6 })
  await t.throwsAsync(peer.request({ type: 'throw' }), { code: 'ERR_PARTY_REMOTE', message: 'no' })
  await t.throwsAsync(peer.request({ type: 'coded' }), { code: 'E_MINE' })
  await t.throwsAsync(peer.request({ type: 'never' }, { timeoutMs: 60 }), { code: 'ERR_PARTY_TIMEOUT' })
  const stop = new AbortController()
  const reason = new Error('enough')
  const aborted = peer.request({ type: 'never' }, { signal: stop.signal })
  stop.abort(reason)
  t.is(await t.throwsAsync(aborted), reason)
  await t.throwsAsync(onlyPeer(b).request({ type: 'any' }), { code: 'ERR_PARTY_NO_HANDLER' })
  await t.throwsAsync(peer.request({ type: 'x'.repeat(65) }), { code: 'ERR_PARTY_TOO_LARGE' })
})

test('X15 a request that is open when the connection dies is rejected at once', async t => {
  const a = await newParty(t, 1)
  const b = await newParty(t, 2, { rules: { onRequest: () => new Promise(() => {}) } })
  const wire = connect(a, b)
  await connected(a, b)
  const peer = onlyPeer(a)
  const request = peer.request({ type: 'never' })
  const failed = t.throwsAsync(request, { code: 'ERR_PARTY_CLOSED' })
  wire.cut()
  await failed
  await until('no peers', () => a.peers.size === 0 && b.peers.size === 0)
  await t.throwsAsync(peer.request({ type: 'late' }), { code: 'ERR_PARTY_CLOSED' })
  await t.throwsAsync(peer.replicate(new Uint8Array(32)), { code: 'ERR_PARTY_CLOSED' })
})

test('B22 100 ephemeral messages arrive in order, at that peer only', async t => {
  const got: unknown[] = []
  const others: unknown[] = []
  const a = await newParty(t, 1)
  const b = await newParty(t, 2, { rules: { onEphemeralMessage: ({ message }) => got.push(message.value) } })
  const c = await newParty(t, 3, {
    rules: { onEphemeralMessage: ({ message }) => others.push(message.value) }
  })
  connect(a, b)
  await connected(a, b)
  const peer = onlyPeer(a)
  connect(a, c)
  await until('two peers', () => a.peers.size === 2)
  for (let i = 0; i < 100; i++) await peer.sendEphemeralMessage({ type: 'n', value: i })
  await until('all came', () => got.length === 100)
  t.deepEqual(
    got,
    Array.from({ length: 100 }, (_, i) => i)
  )
  t.is(others.length, 0)
})

test('B9 B10 the events of a peer come in their order, once, on both sides', async t => {
  const orders: string[][] = [[], []]
  const parties = await Promise.all(
    [0, 1].map(index =>
      newParty(t, index + 1, {
        rules: {
          ready: () => void orders[index]?.push('ready'),
          handshake: () => void orders[index]?.push('handshake'),
          onIntroduceFeeds: () => void orders[index]?.push('introduce')
        }
      })
    )
  )
  const [a, b] = parties as [Party, Party]
  for (const [index, party] of parties.entries()) {
    party.on('peer-add', () => orders[index]?.push('peer-add'))
    party.on('peer-remove', () => orders[index]?.push('peer-remove'))
    await party.introduce(await party.feeds.writer('w'))
  }
  const wire = connect(a, b)
  await until('both asked', () => orders.every(order => order.includes('introduce')))
  wire.cut()
  await until('both gone', () => orders.every(order => order.includes('peer-remove')))
  const expected = ['peer-add', 'ready', 'handshake', 'introduce', 'peer-remove']
  t.deepEqual(orders, [expected, expected])
})

for (const [name, handshake] of [
  ['throws', () => Promise.reject(new TypeError('no'))],
  ['returns false', () => false],
  ['hangs', () => new Promise(() => {})]
] as const) {
  test(`B11 X17 a handshake that ${name} removes the peer, and no feed key was sent`, async t => {
    const a = await newParty(t, 1, {
      rules: { ...rules.open(), handshake },
      limits: { handshakeDeadlineMs: 150 }
    })
    const b = await newParty(t, 2, { rules: rules.open() })
    const feed = await a.feeds.writer('w')
    await feed.append(b4a.from('secret'))
    await a.introduce(feed)
    const removed = next(a, 'peer-remove')
    connect(a, b)
    await removed
    t.is(a.peers.size, 0)
    await until('the other side, too', () => b.peers.size === 0)
    t.is(b.feeds.size, 0)
    t.is(Object.keys(b.drops).length, 0)
  })
}

test('B26 a password is asked for within the handshake; the wrong one gets nothing', async t => {
  const guard = await newParty(t, 1, {
    rules: {
      ...rules.open(),
      async handshake({ peer }) {
        const { value } = await peer.request({ type: 'password' })
        if (value !== 'open sesame') throw new Error('wrong password')
      }
    }
  })
  await guard.introduce(await guard.feeds.writer('w'))
  const answering = (value: string) => ({ ...rules.open(), onRequest: () => ({ type: 'password', value }) })
  const right = await newParty(t, 2, { rules: answering('open sesame') })
  const wrong = await newParty(t, 3, { rules: answering('12345') })
  const removed = next<[PartyPeer]>(guard, 'peer-remove')
  connect(guard, wrong)
  await removed
  connect(guard, right)
  await until('the right one has it', () => right.feeds.size === 1)
  t.is(wrong.feeds.size, 0)
})

test('grants end with the channel: what was granted within a handshake that then refused is closed', async t => {
  const a = await newParty(t, 1)
  const feed = await a.feeds.writer('w')
  await feed.append(b4a.from('early'))
  const seen = { go: () => {} }
  a.setRules({
    async handshake({ peer }) {
      await peer.replicate(feed)
      await new Promise<void>(resolve => {
        seen.go = resolve
      })
      throw new Error('no, after all')
    }
  })
  const b = await newParty(t, 2)
  const copy = await b.feeds.authorize(feed.key)
  connect(a, b)
  await connected(a, b)
  t.true(await onlyPeer(b).replicate(copy))
  t.is(b4a.toString((await copy.get(0)) as Uint8Array), 'early')
  seen.go()
  await until('it is refused', () => a.peers.size === 0 && b.peers.size === 0)
  await until('no channel is left', () => feed.peers.length === 0)
  await feed.append(b4a.from('late'))
  await t.throwsAsync(copy.get(1, { timeout: 100 }) as Promise<unknown>)
})

test('C18 join() takes the connections that a swarm has and gets, and leave() lets go of them', async t => {
  const a = await newParty(t, 1)
  const b = await newParty(t, 2)
  const swarms = [new FakeSwarm(), new FakeSwarm()] as const
  const pair = () => {
    const [left, right] = duplexPair()
    return [
      connectionOf(left, { initiator: true }).stream,
      connectionOf(right, { initiator: false }).stream
    ] as const
  }
  const [first, other] = pair()
  swarms[0].connections.add(first as never)
  const joinedA = a.join(swarms[0])
  const joinedB = b.join(swarms[1])
  swarms[1].add(other as never)
  await connected(a, b)
  t.deepEqual(b4a.from(swarms[0].topics[0] as Uint8Array), b4a.from(a.discoveryKey))
  await joinedA.flushed()
  await joinedA.leave()
  await until('both know', () => a.peers.size === 0 && b.peers.size === 0)
  t.false((first as unknown as { destroyed: boolean }).destroyed)
  t.is(swarms[0].listenerCount('connection'), 0)
  await joinedB.leave()
})

test('B14 who has another party key is no peer, and the connection lives', async t => {
  const a = await newParty(t, 1)
  const b = await newParty(t, 2, { key: new Uint8Array(32).fill(0x43) })
  const both = await newParty(t, 3, { key: new Uint8Array(32).fill(0x43) })
  const left = a.replicate(true)
  const right = b.replicate(false)
  left.pipe(right).pipe(left)
  connect(b, both)
  await connected(b, both)
  t.is(a.peers.size, 0)
  t.false(left.destroyed || right.destroyed)
})

test('two connections of one member are one peer, whose calls move to the one that lives', async t => {
  const a = await newParty(t, 1)
  const b = await newParty(t, 2, { rules: { onRequest: ({ message }) => message } })
  let added = 0
  let removed = 0
  a.on('peer-add', () => added++)
  a.on('peer-remove', () => removed++)
  const first = connect(a, b)
  await connected(a, b)
  const peer = onlyPeer(a)
  await peer.request({ type: 'one' })
  const second = connect(b, a)
  const { links } = peer as unknown as { links: Set<{ channel: number }> }
  await until('the second is up', () => links.size === 2)
  first.cut()
  await until('the first is down', () => Array.from(links).filter(link => link.channel !== 0).length === 1)
  t.deepEqual(await peer.request({ type: 'two', value: 2 }), { type: 'two', value: 2 })
  t.is(a.peers.size, 1)
  second.cut()
  await until('both are down', () => a.peers.size === 0)
  t.deepEqual([added, removed], [1, 1])
})

test('the same connection attached twice is the same peer', async t => {
  const a = await newParty(t, 1)
  const b = await newParty(t, 2)
  const stream = { a: a.replicate(true), b: b.replicate(false) }
  stream.a.pipe(stream.b).pipe(stream.a)
  await connected(a, b)
  const { link } = onlyPeer(a) as unknown as { link: { connection: { stream: object; mux: object } } }
  t.is(a.attach(link.connection.stream as never), onlyPeer(a))
  t.is(a.attach(link.connection.mux as never), onlyPeer(a))
})

test('a feed that only findFeed knows can be opened by a peer that has its key', async t => {
  const a = await newParty(t, 1)
  const hidden = await a.feeds.writer('hidden')
  await hidden.append(b4a.from('found'))
  a.setRules({
    share: () => true,
    findFeed: ({ discoveryKey }) => (b4a.equals(discoveryKey, hidden.discoveryKey) ? hidden : null)
  })
  const b = await newParty(t, 2)
  const feed = await b.feeds.authorize(hidden.key)
  connect(a, b)
  await connected(a, b)
  t.true(await onlyPeer(b).replicate(feed))
  t.false(await onlyPeer(b).replicate(feed.key))
  t.is(b4a.toString((await feed.get(0)) as Uint8Array), 'found')
})

test('topics of a party are heard by its members only, and carry the author', async t => {
  const a = await newParty(t, 1)
  const b = await newParty(t, 2)
  const topicA = a.topic<string>('chat')
  const topicB = b.topic<string>('chat')
  const heard = next<[string, { author: Uint8Array }]>(topicB, 'message')
  connect(a, b)
  await connected(a, b)
  await topicA.publish('hello', { waitForPeers: 1 })
  const [data, message] = await heard
  t.is(data, 'hello')
  t.deepEqual(b4a.from(message.author), b4a.from(createKeyPair(new Uint8Array(32).fill(1)).publicKey))
})

test('who is no peer any more hears no record and no topic, though the connection lives', async t => {
  const [alice, bob] = [await newParty(t, 1), await newParty(t, 2)]
  connect(alice, bob)
  const [atAlice, atBob] = [alice.topic<string>('chat'), bob.topic<string>('chat')]
  const heard: string[] = []
  atBob.on('message', (data: string) => heard.push(data))
  await until('both topics are linked', () => atAlice.peers().length === 1 && atBob.peers().length === 1)
  await atAlice.publish('before')
  await until('it is heard', () => heard.length === 1)
  alice.setRules({ handshake: () => false })
  await onlyPeer(alice).close()
  await until('the links are closed', () => atAlice.peers().length + atBob.peers().length === 0)
  t.is((await atAlice.publish('after')).peers, 0)
  t.deepEqual(heard, ['before'])
})

test('C2 wrong options are coded errors at once', async t => {
  const storage = await folder(t)
  const make = (options: unknown) => () => new Party(options as never)
  t.throws(make(undefined), { code: 'ERR_PARTY_BAD_OPTION' })
  t.throws(make({}), { code: 'ERR_PARTY_BAD_KEY' })
  t.throws(make({ key: KEY }), { code: 'ERR_PARTY_BAD_OPTION' })
  t.throws(make({ key: 'short', storage }), { code: 'ERR_PARTY_BAD_KEY' })
  t.throws(make({ key: KEY, storage, rules: { findFeed: 7 } }), { code: 'ERR_PARTY_BAD_OPTION' })
  t.throws(make({ key: KEY, storage, limits: { nonsense: 1 } }), { code: 'ERR_PARTY_BAD_OPTION' })
})

test('B15 toJSON and inspect show no key', async t => {
  const a = await newParty(t, 1, { name: 'mine', metadata: { note: 1 } })
  const { secretKey } = createKeyPair(new Uint8Array(32).fill(1))
  const shown = JSON.stringify(a) + JSON.stringify(a.toJSON())
  for (const secret of [a.key, secretKey]) {
    for (const encoding of ['hex', 'base64'] as const) t.false(shown.includes(b4a.toString(secret, encoding)))
  }
  t.true(shown.includes(a.id))
})

test('synced() without a peer waits for one, until its timeout', async t => {
  const a = await newParty(t, 1)
  const b = await newParty(t, 2)
  await t.throwsAsync(a.synced({ timeoutMs: 50 }), { code: 'ERR_PARTY_TIMEOUT' })
  const waiting = a.synced({ timeoutMs: 8000 })
  connect(a, b)
  t.deepEqual(await waiting, { feeds: 0, blocks: 0 })
})

test('close is idempotent, says goodbye, and rejects what comes later', async t => {
  const a = await newParty(t, 1)
  const b = await newParty(t, 2)
  connect(a, b)
  await connected(a, b)
  await Promise.all([a.close(), a.close()])
  await until('the other side knows', () => b.peers.size === 0)
  await t.throwsAsync(a.ready(), { code: 'ERR_PARTY_CLOSED' })
  await t.throwsAsync(a.introduce(new Uint8Array(32)), { code: 'ERR_PARTY_CLOSED' })
  t.throws(() => a.replicate(true), { code: 'ERR_PARTY_CLOSED' })
})

/** A Hyperswarm, as far as a party sees one. */
class FakeSwarm extends EventEmitter {
  readonly connections = new Set<DuplexLike>()
  readonly topics: Uint8Array[] = []

  add(stream: DuplexLike): void {
    this.connections.add(stream)
    this.emit('connection', stream)
  }

  join(topic: Uint8Array) {
    this.topics.push(topic)
    return { flushed: async () => true, destroy: async () => {} }
  }

  async flush(): Promise<boolean> {
    return true
  }
}
