/** A hello that proves nothing, and what is pipelined behind it: nothing of it is interpreted. */
import { publicTopicKey } from '@hearsay/gossip'
import test from 'ava'
import { type Attack, TOPIC_KEY, underAttack } from '../../support/attack.js'
import { dropsOf, RawAuthor, type RawPeer } from '../../support/raw-peer.js'

/** An authentic message, which a link would have delivered, and one frame of each other kind. */
function volley(peer: RawPeer, author: RawAuthor): void {
  peer.push(author.batch(['smuggled']))
  for (let kind = 2; kind < 12; kind++) peer.send(kind, new Uint8Array(40).fill(kind))
}

async function refused({ victim, heard, verified, goesOn }: Attack, author: RawAuthor): Promise<boolean> {
  await goesOn()
  const isQuiet = dropsOf(victim.gossip, 'malformed') === 0 && dropsOf(victim.gossip, 'unknown-kind') === 0
  return isQuiet && heard(author).length === 0 && verified() === 0 && victim.topic.peers().length === 2
}

test('X10 frames that are pipelined behind a wrong proof are not interpreted, whether in one write or many', async t => {
  const attack = await underAttack(t)
  const { victim, stranger, cut } = attack
  const author = new RawAuthor(TOPIC_KEY)
  for (const isCorked of [true, false]) {
    const peer = await stranger()
    const wrong = peer.hello()
    wrong[9] = (wrong[9] as number) ^ 1
    if (isCorked) peer.mux.cork()
    peer.open(wrong)
    volley(peer, author)
    if (isCorked) peer.mux.uncork()
    await cut(peer)
  }
  t.true(await refused(attack, author))
  t.is(victim.gossip.stats.badProofs, 2)
  t.is(victim.warnings.filter(({ code }) => code === 'WARN_GOSSIP_BAD_PROOF').length, 2)
})

test('X10 a proof that differs in one bit is wrong, whichever bit it is', async t => {
  const attack = await underAttack(t)
  const { victim, stranger, cut } = attack
  const author = new RawAuthor(TOPIC_KEY)
  for (let bit = 0; bit < 256; bit += 5) {
    const peer = await stranger()
    const wrong = peer.hello()
    wrong[1 + (bit >> 3)] = (wrong[1 + (bit >> 3)] as number) ^ (1 << (bit & 7))
    peer.open(wrong)
    volley(peer, author)
    await cut(peer)
    peer.stream.destroy()
  }
  t.true(await refused(attack, author))
  t.is(victim.gossip.stats.badProofs, 52)
})

test('X10 another version, a proof of another topic and one of zeros are refused', async t => {
  const attack = await underAttack(t)
  const { victim, stranger, cut } = attack
  const author = new RawAuthor(TOPIC_KEY)
  const hellos = [
    (peer: RawPeer) => peer.hello({}, publicTopicKey('dogs')),
    (peer: RawPeer) => peer.hello({ proof: new Uint8Array(32) }),
    ...[0, 2, 255].map(version => (peer: RawPeer) => peer.hello({ version }))
  ]
  for (const hello of hellos) {
    const peer = await stranger()
    peer.open(hello(peer))
    volley(peer, author)
    await cut(peer)
  }
  t.true(await refused(attack, author))
  t.is(victim.gossip.stats.badProofs, 2, 'a version is no proof')
  t.is(victim.warnings.filter(({ code }) => code === 'WARN_GOSSIP_VERSION').length, 3)
})
