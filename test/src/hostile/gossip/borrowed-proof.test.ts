/** Proofs that somebody else made: reflected to who made it, replayed on another connection, passed on by a man in the middle. */
import test from 'ava'
import { TOPIC_KEY, underAttack } from '../../support/attack.js'
import { connectRaw, RawAuthor, type RawPeer } from '../../support/raw-peer.js'
import { soon } from '../../support/until.js'

const author = new RawAuthor(TOPIC_KEY)

/** Opens with a hello that isn't its own, and sends what only a member may. */
function openWith(peer: RawPeer, hello: Uint8Array): void {
  peer.open(hello)
  peer.push(author.batch(['smuggled']))
}

test('B35 a proof that is reflected to who made it is refused, on its own connection too', async t => {
  const { victim, stranger, cut, heard, goesOn } = await underAttack(t)
  const peer = await stranger()
  await soon(() => peer.remoteHello !== null, { what: 'the hello of the victim' })
  t.deepEqual(peer.remoteHello?.slice(0, 1), new Uint8Array([1]), 'its version')
  openWith(peer, peer.remoteHello as Uint8Array)
  await cut(peer)
  t.is(victim.gossip.stats.badProofs, 1)
  await goesOn()
  t.deepEqual(heard(author), [])
})

test('B35 a proof that an honest member made is refused on every other connection: replayed, or by a man in the middle', async t => {
  const { victim, friend, stranger, cut, heard, goesOn } = await underAttack(t)
  // The man in the middle is dialled by the honest friend, and dials the victim with what the friend proves to him.
  const middle = await connectRaw(friend.gossip, TOPIC_KEY, { isInitiator: false })
  await soon(() => middle.remoteHello !== null, { what: 'the hello of an honest member' })
  for (let tries = 1; tries <= 2; tries++) {
    const peer = await stranger()
    openWith(peer, middle.remoteHello as Uint8Array)
    await cut(peer)
    t.is(victim.gossip.stats.badProofs, tries)
  }
  await goesOn()
  t.deepEqual(heard(author), [])
})

test('B35 a right proof of the same peer on an earlier connection is refused on the next', async t => {
  const { victim, stranger, cut, heard, goesOn } = await underAttack(t)
  const earlier = await stranger()
  const hello = earlier.hello()
  earlier.open(hello)
  await soon(() => earlier.isOpen)
  const later = await stranger()
  openWith(later, hello)
  await cut(later)
  t.is(victim.gossip.stats.badProofs, 1)
  await goesOn()
  t.deepEqual(heard(author), [])
  t.true(earlier.isOpen)
})
