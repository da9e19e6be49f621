/**
 * Rules decide here, never a remote: what they don't take isn't opened, what hangs refuses alone, and both directions
 * are filtered.
 */
import { type Feed, type Introduction, Party, type PartyRules, rules } from '@hearsay/party'
import test from 'ava'
import b4a from 'b4a'
import Protomux from 'protomux'
import {
  bytesIn,
  connectParties,
  onlyPeer,
  overhear,
  PARTY_KEY,
  type PartyNode,
  partyNode
} from '../support/party-node.js'
import { noisePair } from '../support/streams.js'
import { temporaryFolder } from '../support/temporary.js'
import { turns, until } from '../support/until.js'

const OTHER_KEY = new Uint8Array(32).fill(0x43)

/** A writer with one block, introduced to all. */
async function introduced({ party }: PartyNode, name: string, meta?: object): Promise<Feed> {
  const feed = await party.feeds.writer(name)
  await feed.append(b4a.from(name))
  await party.introduce(feed, meta as never)
  return feed as Feed
}

test('B4 B54 with {} as rules, and with rules that decide nothing, what is introduced opens no feed and writes nothing', async t => {
  const silent: PartyRules[] = [{}, rules.manual(), { onIntroduceFeeds: () => undefined }]
  for (const judge of silent) {
    const [a, b] = [await partyNode(t, { rules: rules.open() }), await partyNode(t, { rules: judge })]
    await introduced(a, 'w')
    connectParties(a.party, b.party)
    const peer = await onlyPeer(a.party)
    await onlyPeer(b.party)
    const before = await bytesIn(b.folder)
    const { key } = await a.party.feeds.writer('w')
    const answer = await peer.introduceFeeds({ keys: [key] })
    t.deepEqual(answer.accepted, [])
    t.is(b.party.feeds.size, 0)
    t.is(peer.replicating.size, 0)
    t.is(await bytesIn(b.folder), before)
  }
})

test('B4 X41 a rule that is no function is a coded TypeError, when it is made and when it is set', async t => {
  const storage = await temporaryFolder(t)
  const code = 'ERR_PARTY_BAD_OPTION'
  for (const bad of [{ findFeed: 7 }, { handshake: 'yes' }, 7, null]) {
    t.throws(() => new Party({ key: PARTY_KEY, storage, rules: bad as never }), {
      instanceOf: TypeError,
      code
    })
  }
  const { party } = await partyNode(t)
  t.throws(() => party.setRules({ findFeed: 7 } as never), { instanceOf: TypeError, code })
})

test('B5 an introduction is judged by the rules of now; what was accepted stays until it is revoked', async t => {
  const [a, b] = [await partyNode(t, { rules: rules.open() }), await partyNode(t, { rules: rules.open() })]
  connectParties(a.party, b.party)
  const first = await introduced(a, 'first')
  await until(() => b.party.feeds.has(first.key))
  let asked = 0
  b.party.setRules({
    onIntroduceFeeds: () => {
      asked++
      return false
    }
  })
  await introduced(a, 'second')
  await until(() => asked === 1)
  await first.append(b4a.from('more'))
  t.is(b4a.toString((await b.party.feeds.get(first.key)?.get(1)) as Uint8Array), 'more')
  t.is(b.party.feeds.size, 1)
  await b.party.revoke(first.key)
  t.is(b.party.feeds.size, 0)
})

test('B6 every rule is called on its own object, with the peer of the connection', async t => {
  const called = new Map<string, boolean>()
  class Rules {
    readonly isMine = true
    note(name: string, self: unknown): void {
      called.set(name, self === this)
    }
    ready({ peer }: { peer: unknown }): void {
      this.note('ready', peer === undefined ? null : this)
    }
    handshake(): void {
      this.note('handshake', this)
    }
    onIntroduceFeeds(): boolean {
      this.note('onIntroduceFeeds', this)
      return true
    }
    onRequest(): { type: string } {
      this.note('onRequest', this)
      return { type: 'ok' }
    }
    onEphemeralMessage(): void {
      this.note('onEphemeralMessage', this)
    }
    findFeed(): null {
      this.note('findFeed', this)
      return null
    }
    share(): boolean {
      this.note('share', this)
      return true
    }
    admin(): boolean {
      this.note('admin', this)
      return false
    }
  }
  const judge = new Rules()
  const [a, b] = [
    await partyNode(t, { rules: rules.open() }),
    await partyNode(t, { rules: judge as PartyRules })
  ]
  connectParties(a.party, b.party)
  const peer = await onlyPeer(a.party)
  const theirs = await introduced(a, 'theirs')
  await until(() => b.party.feeds.has(theirs.key))
  const ours = await introduced(b, 'ours')
  await until(() => a.party.feeds.has(ours.key))
  t.is((await peer.request({ type: 'any' })).type, 'ok')
  await peer.sendEphemeralMessage({ type: 'any' })
  await a.party.revoke(ours.key)
  const unknown = await b.party.feeds.writer('unknown')
  const wanted = await a.party.feeds.authorize(unknown.key)
  b.party.setRules(judge as PartyRules)
  await b.party.feeds.revoke(unknown.key)
  await peer.replicate(wanted)
  wanted.get(0).catch(() => {})
  await until(() => called.size === 8, { what: `all rules, so far ${[...called.keys()]}` })
  t.true([...called.values()].every(Boolean))
})

test('B6 B57 a rule that hangs refuses alone: the channel of its party closes at the deadline, the other party goes on', async t => {
  const hanging: PartyRules = { ...rules.open(), handshake: () => new Promise(() => {}) }
  const limits = { handshakeDeadlineMs: 200 }
  const [a, b] = [await partyNode(t, { rules: rules.open() }), await partyNode(t, { rules: rules.open() })]
  const [c, d] = [
    await partyNode(t, { key: OTHER_KEY, rules: hanging, limits }),
    await partyNode(t, { key: OTHER_KEY, rules: rules.open() })
  ]
  const events: string[] = []
  c.party.on('peer-add', () => events.push('peer-add'))
  c.party.on('peer-remove', () => events.push('peer-remove'))
  const pair = noisePair()
  for (const { party } of [a, c]) party.attach(pair.a)
  for (const { party } of [b, d]) party.attach(pair.b)
  await until(() => events.includes('peer-remove'))
  await until(() => d.party.peers.size === 0)
  t.deepEqual(events, ['peer-add', 'peer-remove'])
  const feed = await introduced(a, 'w')
  await until(() => b.party.feeds.has(feed.key))
  t.is(b4a.toString((await b.party.feeds.get(feed.key)?.get(0)) as Uint8Array), 'w')
  t.false(pair.a.destroyed || pair.b.destroyed)
})

test('B39 B42 both ways are filtered: what share hides is not told, what onIntroduceFeeds refuses is not taken', async t => {
  const a = await partyNode(t, {
    rules: {
      share: ({ feed }) => feed.meta?.name !== 'hidden',
      onIntroduceFeeds: ({ message }) => message.meta?.kind === 'cat'
    }
  })
  const b = await partyNode(t, {
    rules: { onIntroduceFeeds: ({ message }) => message.meta?.kind === 'cat' }
  })
  const [cat, dog, hidden] = [
    await introduced(a, 'cat', { kind: 'cat' }),
    await introduced(a, 'dog', { kind: 'dog' }),
    await introduced(a, 'hidden', { kind: 'cat' })
  ]
  const [otherCat, otherDog] = [
    await introduced(b, 'cat', { kind: 'cat' }),
    await introduced(b, 'dog', { kind: 'dog' })
  ]
  const link = connectParties(a.party, b.party)
  const heard = overhear(link.b)
  await Promise.all([a.party.synced({ timeoutMs: 8000 }), b.party.synced({ timeoutMs: 8000 })])
  const keysOf = ({ party }: PartyNode): string[] =>
    [cat, dog, hidden, otherCat, otherDog].flatMap((feed, at) =>
      party.feeds.has(feed.key) ? [['cat', 'dog', 'hidden', 'other cat', 'other dog'][at] as string] : []
    )
  t.deepEqual(keysOf(a), ['cat', 'dog', 'hidden', 'other cat'])
  t.deepEqual(keysOf(b), ['cat', 'other cat', 'other dog'])
  const isTold = (feed: Feed): boolean => heard.some(bytes => b4a.indexOf(bytes, feed.key) >= 0)
  t.true(isTold(dog), 'it was told, and refused')
  t.false(isTold(hidden))
})

test('S20 what a peer says of itself on request may refuse it: it is no peer any more, and got no feed key', async t => {
  const who = (nick: string): PartyRules => ({
    ...rules.open(),
    onRequest: () => ({ type: 'who', value: { nick } })
  })
  const guard = await partyNode(t, {
    rules: {
      ...rules.open(),
      async handshake({ peer }) {
        const { value } = await peer.request({ type: 'who' })
        if ((value as { nick?: string }).nick !== 'alice') throw new Error('not authorized')
      }
    }
  })
  const feed = await introduced(guard, 'w')
  const [alice, mallory] = [
    await partyNode(t, { rules: who('alice') }),
    await partyNode(t, { rules: who('mallory') })
  ]
  const link = connectParties(guard.party, mallory.party)
  const heard = overhear(link.b)
  await until(() => mallory.party.peers.size === 1)
  await until(() => mallory.party.peers.size === 0)
  connectParties(guard.party, alice.party)
  await until(() => alice.party.feeds.has(feed.key))
  await turns(50)
  t.is(mallory.party.feeds.size, 0)
  t.true(heard.length > 0)
  t.false(heard.some(bytes => b4a.indexOf(bytes, feed.key) >= 0))
  t.is(guard.party.peers.size, 1)
})

test('U14 U15 what a feed is for is known before it is opened, and it is got by its key in every spelling, or its name', async t => {
  const [a, b] = [await partyNode(t, { rules: rules.open() }), await partyNode(t)]
  const told = new Promise<Introduction>(resolve => b.party.once('introduction', resolve))
  const feed = await introduced(a, 'w', { type: 'chat', title: 'Cats' })
  connectParties(a.party, b.party)
  const introduction = await told
  t.deepEqual(introduction.meta, { type: 'chat', title: 'Cats' })
  t.is(b.party.feeds.size, 0)
  const opened = await introduction.accept()
  t.is(b.party.feeds.get(feed.key), opened)
  t.is(b.party.feeds.get(feed.id), opened)
  t.is(b.party.feeds.get(b4a.toString(feed.key, 'hex')), opened)
  t.deepEqual(b.party.feeds.meta(feed.key), { type: 'chat', title: 'Cats' })
  t.is(a.party.feeds.get('w'), feed)
  t.is(b.party.feeds.get('w'), null, 'names are local')
})

test('B8 a remote without a party: no peer, no channel, and the other protocols on the connection go on', async t => {
  const rejections: unknown[] = []
  const onRejection = (fault: unknown): void => void rejections.push(fault)
  process.on('unhandledRejection', onRejection)
  t.teardown(() => process.off('unhandledRejection', onRejection))
  const { party } = await partyNode(t, { rules: rules.open() })
  const pair = noisePair()
  const echo = (stream: typeof pair.a, onmessage: (text: string) => void) => {
    const channel = Protomux.from(stream).createChannel({ protocol: 'echo' })
    const message = channel?.addMessage({ onmessage: (bytes: Uint8Array) => onmessage(b4a.toString(bytes)) })
    channel?.open()
    return message
  }
  const got: string[] = []
  echo(pair.a, text => got.push(text))
  party.attach(pair.a)
  const remote = echo(pair.b, () => {})
  await pair.b.opened
  for (let i = 0; i < 10; i++) {
    remote?.send(b4a.from(`word ${i}`))
    await turns(10)
  }
  await until(() => got.length === 10)
  t.is(party.peers.size, 0)
  await t.throwsAsync(party.synced({ timeoutMs: 100 }), { code: 'ERR_PARTY_TIMEOUT' })
  await party.close()
  remote?.send(b4a.from('after'))
  await until(() => got.length === 11)
  t.false(pair.a.destroyed)
  t.deepEqual(rejections, [])
})
