/**
 * Bad input of parties: keys that are none, feeds that nobody authorized, lengths and metadata that lie, rules that answer
 * nonsense, disks that are full, damaged, or somebody else's. The party refuses by name, and goes on.
 */
import { open, readFile, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { FeedSet } from '@hearsay/feeds'
import { createKeyPair, cryptoFor } from '@hearsay/gossip'
import { type Key, Party, type PartyRules, rules } from '@hearsay/party'
import { encodeFrame, FrameKind, LIMITS, type PartyFrame, PartyKeys, signRecord } from '@hearsay/party/core'
import test from 'ava'
import b4a from 'b4a'
import { startNode } from '../support/child.js'
import { bytesIn, connectParties, onlyPeer, PARTY_KEY, partyNode } from '../support/party-node.js'
import { temporaryFolder } from '../support/temporary.js'
import { until } from '../support/until.js'

const keys = new PartyKeys(cryptoFor(createKeyPair()), PARTY_KEY)
const nothing = new Uint8Array(0)
const frame = (one: PartyFrame): Uint8Array => encodeFrame(one)
const codeOf = (fault: unknown): unknown => (fault as { code?: unknown }).code

/** A victim with a peer that is a member and says by hand what no Party would. */
async function withEnemy(t: Parameters<typeof partyNode>[0], options: Parameters<typeof partyNode>[1] = {}) {
  const victim = await partyNode(t, options)
  const { party } = await partyNode(t)
  const { channel, b } = connectParties(victim.party, party)
  await onlyPeer(party)
  await until(() => victim.party.peers.size === 1)
  // Answered once both have let each other in.
  await [...party.peers][0]?.introduceFeeds({ keys: [createKeyPair().publicKey] })
  const raw = channel()
  const send = (kind: number, bytes: Uint8Array): void => void raw.messages[kind]?.send(bytes)
  return { victim, enemy: party, send, stream: b, isCut: () => raw.closed }
}

test('X10 a key of a wrong length or type is ERR_PARTY_BAD_KEY wherever a key is taken, and changes nothing', async t => {
  const { party, folder } = await partyNode(t)
  const other = await partyNode(t)
  connectParties(party, other.party)
  const peer = await onlyPeer(party)
  const before = await bytesIn(folder)
  const bad = [
    nothing,
    new Uint8Array(31),
    new Uint8Array(33),
    'abc',
    'y'.repeat(53),
    'g'.repeat(64),
    7,
    null,
    {}
  ]
  for (const wrong of bad) {
    const key = wrong as Key
    const calls: Record<string, () => unknown> = {
      introduce: () => party.introduce(key as never),
      withdraw: () => party.withdraw(key as never),
      revoke: () => party.revoke(key),
      authorize: () => party.authorize(key),
      admit: () => party.admit(key),
      remove: () => party.remove(key),
      capabilitiesOf: () => party.capabilitiesOf(key),
      introduceFeeds: () => peer.introduceFeeds({ keys: [key] }),
      allow: () => rules.allow([key]),
      constructor: () => new Party({ key, storage: folder })
    }
    for (const [name, call] of Object.entries(calls)) {
      const fault = await t.throwsAsync(async () => call(), undefined, `${name} ${String(wrong)}`)
      t.true(
        ['ERR_PARTY_BAD_KEY', 'ERR_PARTY_BAD_OPTION'].includes(codeOf(fault) as string),
        `${name}: ${fault}`
      )
      t.true(fault instanceof TypeError, name)
    }
  }
  t.is(party.feeds.size, 0)
  t.is(await bytesIn(folder), before)
})

test('X35 a member that opens every feed on the disk is served those of the set alone', async t => {
  const folder = await temporaryFolder(t)
  const feeds = new FeedSet(folder, { keyPair: createKeyPair() })
  t.teardown(() => feeds.close())
  const written = await Promise.all(
    Array.from({ length: 12 }, async (_, n) => {
      const feed = await feeds.writer(`feed ${n}`)
      await feed.append(b4a.from('secret'))
      return feed
    })
  )
  const [allowed, ...shut] = written
  const all = written.map(feed => feed.key)
  for (const feed of shut) await feeds.revoke(feed.key)
  const victim = await partyNode(t, { feeds: feeds as never })
  const { party: enemy } = await partyNode(t)
  for (const key of all) await enemy.feeds.authorize(key) // so it opens each of them, with the right key
  connectParties(victim.party, enemy)
  const peer = await onlyPeer(enemy)
  for (const key of all) await peer.replicate(key)
  await until(() => enemy.feeds.get(allowed?.key as Uint8Array)?.contiguousLength === 1, {
    what: 'the one that is granted'
  })
  t.deepEqual(
    shut.filter(feed => (enemy.feeds.get(feed.key)?.length ?? 0) > 0).length,
    0,
    'of the others it knows no length'
  )
  t.is(victim.party.feeds.size, 1)
})

test('C14 lengths that are lies cost neither memory nor disk, and synced() ends', async t => {
  const { victim, enemy, send } = await withEnemy(t, { rules: rules.open(), limits: { stallMs: 500 } })
  const feed = await enemy.feeds.writer('w')
  await feed.append([b4a.from('a'), b4a.from('b')])
  await enemy.introduce(feed)
  await until(() => victim.party.feeds.get(feed.key)?.contiguousLength === 2)
  const before = await bytesIn(victim.folder)
  const slot = keys.feedSlot(feed.key)
  const most = 2 ** 47
  for (const [length, complete] of [
    [most, most],
    [3, 3],
    [most, 0],
    [0, 0]
  ] as const) {
    send(FrameKind.LENGTHS, frame({ type: 'lengths', entries: [{ slot, fork: 0, length, complete }] }))
    const synced = await victim.party.synced({ timeoutMs: 20_000 })
    t.is(synced.blocks, 0)
  }
  t.is(victim.party.feeds.get(feed.key)?.length, 2)
  t.is(await bytesIn(victim.folder), before)
})

test('X10 metadata that is too large is refused here, and closes the channel of a remote; a bomb in it is no meta', async t => {
  const { victim, enemy, send, isCut } = await withEnemy(t)
  const key = createKeyPair().publicKey
  const fault = await t.throwsAsync(victim.party.introduce(key, { text: 'x'.repeat(LIMITS.maxMetaBytes) }))
  t.is(codeOf(fault), 'ERR_PARTY_TOO_LARGE')
  t.regex((fault as Error).message, /1024/)
  const pair = createKeyPair()
  const author = { author: pair.publicKey, sign: cryptoFor(pair).sign }
  const about = {
    kind: 'introduce',
    version: 1,
    createdMs: 0,
    expiresSeconds: 0,
    bundleType: '',
    successor: null
  } as const
  const introduction = (meta: Uint8Array) => {
    const body = { ...about, keys: [createKeyPair().publicKey], origin: { kind: 'none' }, meta } as const
    return signRecord(author, keys, body)
  }
  for (const bomb of [
    new Uint8Array(LIMITS.maxMetaBytes).fill(0x91),
    b4a.from([0xdd, 255, 255, 255, 255]),
    b4a.from([0xc1])
  ]) {
    const told = new Promise<{ meta: unknown }>(resolve => victim.party.once('introduction', resolve))
    send(FrameKind.INTRODUCE, frame({ type: 'introduce', call: 0, records: [introduction(bomb).bytes] }))
    t.is((await told).meta, null)
  }
  const good = introduction(new Uint8Array(LIMITS.maxMetaBytes)).bytes
  const at = good.length - LIMITS.maxMetaBytes - 3
  const huge = b4a.concat([good.subarray(0, at), b4a.from([0xfd, 0, 8]), new Uint8Array(2048)])
  send(FrameKind.INTRODUCE, frame({ type: 'introduce', call: 0, records: [huge] }))
  await until(() => isCut(), { what: 'the channel is closed' })
  t.false(victim.party.closed)
  t.false(enemy.closed)
})

test('T5 thousands of introductions to a party without rules: none is opened, nothing is written, few are kept', async t => {
  const limits = { pushedRecordsPerSecond: 1e6, maxPushedRecordsBurst: 1e6 } // else most of them are dropped unread
  const { victim, send, isCut } = await withEnemy(t, { limits })
  const before = await bytesIn(victim.folder)
  const authors = Array.from({ length: 20 }, () => createKeyPair()).map(pair => {
    return { author: pair.publicKey, sign: cryptoFor(pair).sign }
  })
  const about = {
    kind: 'introduce',
    version: 1,
    createdMs: 0,
    expiresSeconds: 0,
    bundleType: '',
    successor: null
  } as const
  let dropped = 0
  for (let round = 0; round < 50; round++) {
    const records = authors.map(author => {
      const body = {
        ...about,
        keys: [createKeyPair().publicKey],
        origin: { kind: 'none' },
        meta: nothing
      } as const
      return signRecord(author, keys, body).bytes
    })
    send(FrameKind.INTRODUCE, frame({ type: 'introduce', call: 0, records }))
    dropped = (round + 1) * authors.length + 1 - LIMITS.maxPendingPerPeer
  }
  await until(() => victim.party.drops['pending-full'] === dropped, { what: 'all were judged' })
  t.is(victim.party.feeds.size, 0)
  t.is(await bytesIn(victim.folder), before)
  t.false(isCut(), 'a limit that is reached is no fault')
})

test('X10 rules that answer something of a wrong type refuse, and are told of', async t => {
  const answers: unknown[] = [1, 'yes', {}, [1], [nothing], [['y']], Symbol('yes'), () => true]
  for (const answer of answers) {
    const wrong = { onIntroduceFeeds: () => answer } as unknown as PartyRules
    const { victim, enemy } = await withEnemy(t, { rules: wrong })
    const [peer] = enemy.peers
    const result = await peer?.introduceFeeds({ keys: [createKeyPair().publicKey] })
    t.is(result?.accepted.length, 0)
    t.is(victim.party.feeds.size, 0)
    t.true(
      victim.warnings.some(warning => codeOf(warning) === 'WARN_PARTY_RULE_THREW'),
      String(answer)
    )
  }
})

test('T11 a second process, or a second party, on the same folder is refused and harms nothing', async t => {
  const folder = await temporaryFolder(t)
  const { party } = await partyNode(t, { storage: folder })
  const feed = await party.feeds.writer('w')
  const child = startNode(t, [fileURLToPath(new URL('./second-process.js', import.meta.url)), folder])
  t.is(await child.line(/./), 'ERR_FEEDS_LOCKED')
  t.deepEqual(await child.exit, { code: 0, signal: null })
  const second = new Party({ key: PARTY_KEY, storage: folder })
  t.teardown(() => second.close())
  await t.throwsAsync(second.ready(), { code: 'ERR_FEEDS_LOCKED' })
  await t.throwsAsync(second.introduce(feed.key), { code: 'ERR_FEEDS_LOCKED' })
  await feed.append(b4a.from('still here'))
  await party.introduce(feed)
})

test('on a disk that is full nothing is accepted or told; a revoke holds; with room again all of it works', async t => {
  let isFull = false
  const folder = await temporaryFolder(t)
  const feeds = new FeedSet(
    folder,
    { keyPair: createKeyPair() },
    { openFile: path => failing(path, () => isFull) }
  )
  t.teardown(() => feeds.close())
  const victim = await partyNode(t, { feeds: feeds as never, rules: rules.open() })
  const { party: friend } = await partyNode(t, { rules: rules.open() })
  connectParties(victim.party, friend)
  await onlyPeer(friend)
  const [known, fresh] = await Promise.all([friend.feeds.writer('known'), friend.feeds.writer('fresh')])
  await friend.introduce(known)
  await until(() => victim.party.feeds.has(known.key))
  isFull = true
  const mine = createKeyPair().publicKey
  t.is(codeOf(await t.throwsAsync(victim.party.introduce(mine))), 'ERR_FEEDS_STORAGE')
  await friend.introduce(fresh)
  await until(() => victim.warnings.some(warning => codeOf(warning) === 'ERR_PARTY_STORAGE'))
  t.false(victim.party.feeds.has(fresh.key))
  t.is(codeOf(await t.throwsAsync(victim.party.revoke(known.key))), 'ERR_PARTY_STORAGE')
  t.false(victim.party.feeds.has(known.key), 'it holds for this process')
  isFull = false
  for await (const pending of victim.party.introductions()) {
    await pending.accept()
    break
  }
  t.true(victim.party.feeds.has(fresh.key))
  await victim.party.introduce(mine)
})

/** The real file, on a disk that can be full: what is there can be synced, nothing is added. */
async function failing(path: string, isFull: () => boolean) {
  const file = await open(path, 'r+')
  return {
    async write(bytes: Uint8Array, position: number) {
      if (isFull()) throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' })
      await file.write(bytes, 0, bytes.byteLength, position)
    },
    sync: () => file.datasync(),
    truncate: (length: number) => file.truncate(length),
    close: () => file.close()
  }
}

test('a party on a damaged log says so and touches nothing; mended, it has all it had', async t => {
  const { party, folder } = await partyNode(t)
  const feeds = await Promise.all([1, 2, 3].map(n => party.feeds.writer(`feed ${n}`)))
  for (const feed of feeds) await party.introduce(feed)
  await party.close()
  const path = join(folder, 'hearsay', 'facts.log')
  const whole = await readFile(path)
  const damaged = Uint8Array.from(whole)
  damaged[whole.length >> 1] = (damaged[whole.length >> 1] as number) ^ 255
  await writeFile(path, damaged)
  const broken = new Party({ key: PARTY_KEY, storage: folder })
  await t.throwsAsync(broken.ready(), { code: 'ERR_FEEDS_LOG_DAMAGED' })
  await t.throwsAsync(broken.introduce(createKeyPair().publicKey), { code: 'ERR_FEEDS_LOG_DAMAGED' })
  await broken.close()
  t.deepEqual(Uint8Array.from(await readFile(path)), damaged, 'as it was')
  const foreign = new Party({ key: new Uint8Array(32).fill(9), storage: folder })
  await writeFile(path, whole)
  await t.throwsAsync(foreign.ready(), { code: 'ERR_FEEDS_LOG_FOREIGN' })
  await foreign.close()
  const again = new Party({ key: PARTY_KEY, storage: folder })
  t.teardown(() => again.close())
  await again.ready()
  t.true(feeds.every(feed => again.feeds.has(feed.key)))
})

test('T15 B48 a link that was redeemed stays used when the inviter is killed the moment it has answered', async t => {
  const storage = await temporaryFolder(t)
  const child = startNode(t, [fileURLToPath(new URL('./inviting-process.js', import.meta.url)), storage])
  const [invite = '', port = ''] = (await child.line(/^hearsay-invite:/)).split(' ')
  const first = new Party({ invite, storage: await temporaryFolder(t), keyPair: createKeyPair() })
  t.teardown(() => first.close())
  const socket = connect(Number(port), '127.0.0.1')
  socket.on('error', () => {})
  first.attach(socket, { initiator: true })
  await first.admitted({ timeoutMs: 10_000 })
  await child.kill()
  const keyPair = createKeyPair(new Uint8Array(32).fill(1))
  const genesis = { founderPublicKey: keyPair.publicKey, salt: new Uint8Array(32).fill(4) }
  const { party } = await partyNode(t, { key: first.key, genesis, keyPair, storage, rules: rules.invite() })
  t.deepEqual(party.capabilitiesOf(first.feeds.author), ['read', 'write'])
  const second = new Party({ invite, storage: await temporaryFolder(t), keyPair: createKeyPair() })
  t.teardown(() => second.close())
  connectParties(party, second)
  await t.throwsAsync(second.admitted({ timeoutMs: 10_000 }), { code: 'ERR_PARTY_INVITE_USED' })
})
