/** What comes before, in place of, and beside a right hello: nothing of it is interpreted. */
import { keyId, type Peer, publicTopicKey } from '@hearsay/gossip'
import { encodeAuthor, encodeBatch, encodeHave, encodeWant, FrameKind, LIMITS } from '@hearsay/gossip/core'
import test from 'ava'
import { TOPIC_KEY, underAttack } from '../support/attack.js'
import { connectRaw, dropsOf, RAW, RawAuthor, type RawPeer } from '../support/raw-peer.js'
import { soon, until } from '../support/until.js'

/** An authentic message, which a link would have delivered, and one frame of each other kind. */
function volley(peer: RawPeer): void {
  const batch = new RawAuthor(TOPIC_KEY).batch(['smuggled'])
  peer.push(batch)
  for (let kind = 2; kind < 12; kind++) peer.send(kind, new Uint8Array(40).fill(kind))
}

test("X10 frames on a channel that was never opened are nobody's, and do not spoil a later hello", async t => {
  const { victim, stranger, goesOn } = await underAttack(t)
  const peer = await stranger()
  const batch = new RawAuthor(TOPIC_KEY).batch(['smuggled'])
  const frame = encodeBatch(0, batch, { hops: 0, mark: false, repair: false, last: false })
  // Channel 1, which the remote would name first, then the kind: written below the muxer.
  for (const [kind, bytes] of [
    [FrameKind.author, encodeAuthor(0, batch.ref)],
    [FrameKind.batch, frame]
  ] as const) {
    for (const channel of [1, 2, 7]) peer.stream.write(new Uint8Array([channel, kind, ...bytes]))
  }
  await goesOn()
  t.false(victim.data().includes('smuggled'))
  t.is(dropsOf(victim.gossip, 'malformed'), 0)
  peer.open()
  await soon(() => peer.isOpen)
  peer.push(batch)
  await until(() => victim.data().includes('smuggled'))
})

test('X10 frames that are pipelined behind a wrong proof are not interpreted, whether in one write or many', async t => {
  const { victim, stranger, cut, goesOn } = await underAttack(t)
  for (const isCorked of [true, false]) {
    const peer = await stranger()
    const wrong = peer.hello()
    wrong[9] = (wrong[9] as number) ^ 1
    if (isCorked) peer.mux.cork()
    peer.open(wrong)
    volley(peer)
    if (isCorked) peer.mux.uncork()
    await cut(peer)
  }
  await goesOn()
  t.is(victim.gossip.stats.badProofs, 2)
  t.is(victim.warnings.filter(({ code }) => code === 'WARN_GOSSIP_BAD_PROOF').length, 2)
  t.false(victim.data().includes('smuggled'))
  // The friend's own message is all that was ever verified.
  t.is(victim.gossip.stats.verified, 1)
  t.is(victim.topic.peers().length, 1)
})

test('X10 a wrong version, a proof of another topic and one of zeros are refused', async t => {
  const { victim, stranger, cut, goesOn } = await underAttack(t)
  const hellos = [
    (peer: RawPeer) => peer.hello({}, publicTopicKey('dogs')),
    (peer: RawPeer) => peer.hello({ proof: new Uint8Array(32) }),
    ...[0, 2, 255].map(version => (peer: RawPeer) => peer.hello({ version }))
  ]
  for (const hello of hellos) {
    const peer = await stranger()
    peer.open(hello(peer))
    volley(peer)
    await cut(peer)
  }
  await goesOn()
  t.is(victim.gossip.stats.badProofs, 2, 'a version is no proof')
  t.is(victim.warnings.filter(({ code }) => code === 'WARN_GOSSIP_VERSION').length, 3)
  t.false(victim.data().includes('smuggled'))
})

test('B35 a proof that is reflected to who made it is refused, on its own connection too', async t => {
  const { victim, stranger, cut, goesOn } = await underAttack(t)
  const peer = await stranger()
  await soon(() => peer.remoteHello !== null, { what: 'the hello of the victim' })
  t.deepEqual(peer.remoteHello?.slice(0, 1), new Uint8Array([1]), 'its version')
  peer.open(peer.remoteHello as Uint8Array)
  volley(peer)
  await cut(peer)
  t.is(victim.gossip.stats.badProofs, 1)
  await goesOn()
  t.false(victim.data().includes('smuggled'))
})

test('B35 a proof that an honest member made is refused on every other connection: replayed, or by a man in the middle', async t => {
  const { victim, friend, stranger, cut, goesOn } = await underAttack(t)
  // The man in the middle is dialled by the honest friend, and dials the victim with what the friend proves to him.
  const middle = await connectRaw(friend.gossip, TOPIC_KEY, { isInitiator: false })
  await soon(() => middle.remoteHello !== null, { what: 'the hello of an honest member' })
  for (let tries = 1; tries <= 2; tries++) {
    const peer = await stranger()
    peer.open(middle.remoteHello as Uint8Array)
    volley(peer)
    await cut(peer)
    t.is(victim.gossip.stats.badProofs, tries)
  }
  await goesOn()
  t.false(victim.data().includes('smuggled'))
})

test('X10 a second hello on an open channel makes no second link', async t => {
  const { victim, member, goesOn } = await underAttack(t)
  const peer = await member()
  const { linksOpened } = victim.gossip.stats
  const { protocol, id } = [...peer.mux][0] as { protocol: string; id: Uint8Array }
  let refused = 0
  for (const hello of [peer.hello(), new Uint8Array(60), peer.hello({ version: 2 })]) {
    const onclose = (): void => {
      refused++
    }
    peer.mux.createChannel({ protocol, id, unique: false, handshake: RAW, onclose })?.open(hello)
  }
  await soon(() => refused === 3)
  peer.push(new RawAuthor(TOPIC_KEY).batch(['still here']))
  await until(() => victim.data().includes('still here'))
  await goesOn()
  t.is(victim.gossip.stats.linksOpened, linksOpened)
})

test('X10 a hello over 256 bytes is refused before it is read', async t => {
  const { victim, stranger, goesOn } = await underAttack(t)
  const peer = await stranger()
  peer.open(new Uint8Array([...peer.hello(), ...new Uint8Array(300)]))
  volley(peer)
  await soon(() => peer.closed === 1)
  await goesOn()
  t.is(victim.topic.peers().length, 1)
  t.regex(victim.warnings[0]?.message ?? '', /limit is 256/)
  t.false(peer.stream.destroyed)
})

test('X10 a member that says nothing after its hello, and one that never says hello, hold nobody up', async t => {
  const { victim, stranger, member, goesOn } = await underAttack(t)
  const silent = await stranger()
  const mute = await member()
  await goesOn()
  t.is(victim.topic.peers().length, 2, 'who proved nothing is nobody')
  t.is(mute.isOpen, true)
  t.is(victim.gossip.peers.size, 3)
  silent.stream.destroy()
  mute.stream.destroy()
  await until(() => victim.gossip.peers.size === 1)
})

test('X10 frames of a link that is not admitted yet are held up to a bound, and forgotten when it is refused', async t => {
  const enemies = new Set<string>()
  const pending: ((isAdmitted: boolean) => void)[] = []
  const admit = (peer: Peer): boolean | Promise<boolean> => {
    if (!enemies.has(keyId(peer.remotePublicKey))) return true
    return new Promise(resolve => pending.push(resolve))
  }
  const { victim, stranger, goesOn } = await underAttack(t, { topic: { admit } })
  const peer = await stranger()
  enemies.add(keyId(peer.stream.publicKey))
  peer.open()
  peer.push(new RawAuthor(TOPIC_KEY).batch(['smuggled']))
  // AUTHOR and HAVE have room of their own, because an honest peer sends them once; it ends, too.
  for (let i = 0; i < 2998; i++) peer.send(FrameKind.have, encodeHave('tick', [], []))
  for (let i = 0; i < 1000; i++) peer.send(FrameKind.want, encodeWant(false, [], []))
  const held = LIMITS.maxHeldFrames + LIMITS.maxAuthorIndexes
  await soon(() => dropsOf(victim.gossip, 'unadmitted') === 4000 - held, { what: 'drops' })
  await goesOn()
  pending[0]?.(false)
  await soon(() => peer.closed === 1)
  await goesOn()
  t.is(victim.topic.peers().length, 1)
  t.false(victim.data().includes('smuggled'))
})
