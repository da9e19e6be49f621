/**
 * party, megafeed and multifeed took every feed that anybody named, told feed keys before any check, and left callers
 * waiting. Two real parties over real connections and storage; an outsider looks at all bytes that it is sent.
 */
import { createKeyPair, cryptoFor } from '@hearsay/gossip'
import { type PartyPeer, type PartyRules, rules } from '@hearsay/party'
import { FrameKind, PartyKeys } from '@hearsay/party/core'
import test from 'ava'
import b4a from 'b4a'
import Corestore from 'corestore'
import Protomux from 'protomux'
import { bytesIn, connectParties, onlyPeer, overhear, PARTY_KEY, partyNode } from '../support/party-node.js'
import { RAW, RawPeer } from '../support/raw-peer.js'
import { noisePair } from '../support/streams.js'
import { temporaryFolder } from '../support/temporary.js'
import { turns, until } from '../support/until.js'
import { isIn } from './support-feeds.js'

const crypto = cryptoFor(createKeyPair())

test('B35 B3 B51 X21 U12 who has the discovery key alone learns no key, whatever it opens, while members are at work', async t => {
  const [a, b] = [await partyNode(t, { rules: rules.open() }), await partyNode(t, { rules: rules.open() })]
  const feed = await a.party.feeds.writer('log')
  await a.party.introduce(feed)
  const topic = a.party.topic('talk', {})
  b.party.topic('talk', {})

  const pair = noisePair()
  const heard = overhear(pair.b)
  a.party.attach(pair.a)
  await Promise.all([pair.a.opened, pair.b.opened])
  const outsider = new RawPeer(pair.b, a.party.discoveryKey)
  outsider.open()
  const mux = Protomux.from(pair.b)
  const guess = new PartyKeys(crypto, a.party.discoveryKey)
  const ids = [guess.channelId(pair.b.handshakeHash), a.party.discoveryKey, feed.discoveryKey]
  for (const id of ids) {
    for (const protocol of ['hearsay/party/1', 'hearsay/gossip/1', 'hypercore/alpha']) {
      const channel = mux.createChannel({ protocol, id, unique: false, handshake: RAW })
      channel?.open(new Uint8Array(44))
    }
  }
  connectParties(a.party, b.party)
  await feed.append(b4a.from('something to say'))
  await until(() => b.party.feeds.has(feed.key))
  await topic.publish('secret words')
  await turns(100)

  const keys = new PartyKeys(crypto, PARTY_KEY)
  const secrets = {
    party: PARTY_KEY,
    'party id': keys.partyId,
    records: keys.recordsTopicKey(),
    talk: keys.appTopicKey('talk'),
    feed: feed.key,
    'feed, by discovery key': feed.discoveryKey,
    'discovery key of the party': a.party.discoveryKey,
    'writer of the party': a.party.feeds.author
  }
  t.true(heard.length > 0, 'it was answered something')
  for (const [name, key] of Object.entries(secrets)) t.false(isIn(heard, key), name)
  t.false(
    heard.some(
      bytes => b4a.indexOf(bytes, 'secret words') >= 0 || b4a.indexOf(bytes, 'something to say') >= 0
    )
  )
  t.is(a.party.peers.size, 1, 'b, not the outsider')
  t.is(topic.peers().length, 1)
  t.false(pair.b.destroyed, 'the stream is the application of both')
})

test('B51 X21 a member is told no feed key before our rules agreed; afterwards it is', async t => {
  let agree: (() => void) | undefined
  const handshake = (): Promise<void> => new Promise(resolve => (agree = resolve))
  const [a, b] = [
    await partyNode(t, { rules: { ...rules.open(), handshake } }),
    await partyNode(t, { rules: rules.open() })
  ]
  const feed = await a.party.feeds.writer('log')
  await a.party.introduce(feed)
  const pair = noisePair()
  const heard = overhear(pair.b)
  a.party.attach(pair.a)
  b.party.attach(pair.b)
  await until(() => agree !== undefined)
  await turns(50)
  t.true(heard.length > 0)
  t.false(isIn(heard, feed.key))
  t.false(isIn(heard, feed.discoveryKey))
  t.is(b.party.feeds.size, 0)
  agree?.()
  await until(() => b.party.feeds.has(feed.key))
  t.true(isIn(heard, feed.key), 'the search finds what is there')
})

test('X35 a feed on disk that was never introduced is not served to who knows its key, as corestore.replicate would', async t => {
  const store = new Corestore(await temporaryFolder(t))
  t.teardown(() => store.close())
  const hidden = store.get({ name: 'hidden' })
  await hidden.append(b4a.from('nobody was told'))
  const victim = await partyNode(t, { storage: store })
  const mine = await victim.party.feeds.writer('mine')
  await mine.append(b4a.from('mine'))

  const thief = new Corestore(await temporaryFolder(t))
  t.teardown(() => thief.close())
  const wanted = [thief.get({ key: hidden.key }), thief.get({ key: mine.key })]
  for (const core of wanted) await core.ready()
  const pair = noisePair()
  victim.party.attach(pair.a)
  for (const core of wanted) core.replicate(Protomux.from(pair.b))
  await pair.b.opened
  await turns(200)
  for (const core of wanted) {
    t.is(core.length, 0)
    await t.throwsAsync(core.get(0, { timeout: 100 }))
  }
  t.false(pair.b.destroyed)

  const leak = noisePair()
  store.replicate(leak.a)
  for (const core of wanted) core.replicate(leak.b)
  t.is(b4a.toString(await (wanted[0] as (typeof wanted)[0]).get(0, { timeout: 5000 })), 'nobody was told')
  leak.a.destroy()
})

test('X28 B41 X19 U7 300 introduced keys without rules open nothing and write nothing, and above the limit a code says so', async t => {
  const [victim, member] = [await partyNode(t), await partyNode(t)]
  connectParties(member.party, victim.party)
  const peer = await onlyPeer(member.party)
  await onlyPeer(victim.party)
  const before = await bytesIn(victim.folder)
  const results: { accepted: Uint8Array[]; rejected: { reason: string }[] }[] = []
  for (let page = 0; page < 6; page++) {
    const keys = Array.from({ length: 50 }, () => createKeyPair().publicKey)
    results.push(await peer.introduceFeeds({ keys }))
  }
  const reasons = results.flatMap(({ rejected }) => rejected.map(({ reason }) => reason))
  t.is(reasons.length, 300)
  t.is(results.flatMap(({ accepted }) => accepted).length, 0)
  t.is(victim.party.feeds.size, 0)
  t.is(await bytesIn(victim.folder), before)
  const pending = reasons.filter(reason => reason === 'pending').length
  t.true(pending > 0 && pending <= 64, `${pending} are pending`)
  const over = reasons.filter(reason => reason !== 'pending')
  t.deepEqual([...new Set(over)], ['ERR_PARTY_LIMIT'])
})

test('X14 X16 a request whose remote throws, or is late, rejects with an Error and a code; the late answer does nothing', async t => {
  let answer: (() => void) | undefined
  const handlers: PartyRules = {
    onRequest({ message }) {
      if (message.type === 'throw') throw Object.assign(new TypeError('by the handler'), { code: 'E_OWN' })
      if (message.type === 'late')
        return new Promise(resolve => (answer = () => resolve({ type: 'too late' })))
      return { type: 'ok', value: message.value }
    }
  }
  const [a, b] = [await partyNode(t), await partyNode(t, { rules: handlers })]
  connectParties(a.party, b.party)
  const peer = await onlyPeer(a.party)
  const thrown = await t.throwsAsync(peer.request({ type: 'throw' }))
  t.like(thrown, { code: 'E_OWN', message: 'by the handler' })
  const late = await t.throwsAsync(peer.request({ type: 'late' }, { timeoutMs: 50 }))
  t.true(late instanceof Error)
  t.like(late, { code: 'ERR_PARTY_TIMEOUT' })
  await until(() => answer !== undefined)
  answer?.()
  t.deepEqual(await peer.request({ type: 'ok', value: 7 }), { type: 'ok', value: 7 })
  t.is(a.party.peers.size, 1)
  t.deepEqual(a.warnings, [])
})

test('X15 all requests that are open when the stream dies reject at once', async t => {
  const hanging: PartyRules = { onRequest: () => new Promise(() => {}) }
  const [a, b] = [await partyNode(t, { rules: hanging }), await partyNode(t, { rules: hanging })]
  const { a: stream } = connectParties(a.party, b.party)
  const peers: PartyPeer[] = [await onlyPeer(a.party), await onlyPeer(b.party)]
  const open = peers.flatMap(peer => Array.from({ length: 5 }, () => peer.request({ type: 'x' })))
  const settled = Promise.allSettled(open)
  stream.destroy(new Error('cut'))
  for (const result of await settled) {
    t.like(result, { status: 'rejected' })
    t.is((result as PromiseRejectedResult).reason.code, 'ERR_PARTY_CLOSED')
  }
  await until(() => a.party.peers.size === 0 && b.party.peers.size === 0)
})

test('X17 a peer whose handshake rule throws is not listed, on either side, and was told no feed key', async t => {
  const handshake = (): never => {
    throw new TypeError('in a rule')
  }
  const [a, b] = [
    await partyNode(t, { rules: { ...rules.open(), handshake } }),
    await partyNode(t, { rules: rules.open() })
  ]
  const feed = await a.party.feeds.writer('log')
  await a.party.introduce(feed)
  const events: string[] = []
  a.party.on('peer-add', () => events.push('peer-add'))
  a.party.on('peer-remove', () => events.push('peer-remove'))
  const pair = noisePair()
  const heard = overhear(pair.b)
  a.party.attach(pair.a)
  b.party.attach(pair.b)
  await until(() => events.length === 2)
  await turns(50)
  t.deepEqual(events, ['peer-add', 'peer-remove'])
  t.is(a.party.peers.size, 0)
  t.is(b.party.peers.size, 0)
  t.true(a.warnings.length >= 1)
  t.false(isIn(heard, feed.key))
  t.false(pair.a.destroyed)
})

test('X18 a key of 5 bytes reaches no rule, from here or from the wire', async t => {
  let asked = 0
  const counting: PartyRules = {
    onIntroduceFeeds: () => {
      asked++
    }
  }
  const [victim, member] = [await partyNode(t, { rules: counting }), await partyNode(t)]
  const link = connectParties(victim.party, member.party)
  const peer = await onlyPeer(member.party)
  await onlyPeer(victim.party)
  const code = 'ERR_PARTY_BAD_KEY'
  await t.throwsAsync(peer.introduceFeeds({ keys: [new Uint8Array(5)] }), { code, instanceOf: TypeError })
  await t.throwsAsync(member.party.introduce('12345'), { code })
  t.is(victim.party.peers.size, 1)
  // Call 1, one record of 5 bytes.
  link.channel().messages[FrameKind.INTRODUCE]?.send(new Uint8Array([1, 1, 5, 1, 2, 3, 4, 5]))
  await until(() => victim.party.peers.size === 0)
  t.is(asked, 0)
  t.is(victim.party.feeds.size, 0)
})
