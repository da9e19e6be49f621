/** Control frames with ends beyond 2^53-1, lists longer than their frame, and words that there are not: the link is closed. */
import { encodeHave, encodeMiss, encodeOffer, encodeWant, FrameKind } from '@hearsay/gossip/core'
import test from 'ava'
import { underAttack } from '../../support/attack.js'
import { inventedAuthors } from '../../support/raw-peer.js'

const LAST = Number.MAX_SAFE_INTEGER

test('X10 what can not be closes the link: ends beyond 2^53-1, lists longer than their frame, unknown words', async t => {
  const { victim, member, dropped, cut, goesOn } = await underAttack(t)
  const ref = inventedAuthors(1)[0] as ReturnType<typeof inventedAuthors>[number]
  const lies: [number, Uint8Array][] = [
    [FrameKind.have, encodeHave('tick', [{ ref, next: LAST, ahead: 2 }], [0])],
    [FrameKind.want, encodeWant(false, [{ ref, from: LAST, count: 2 }], [0])],
    [FrameKind.miss, encodeMiss([{ ref, from: LAST, count: 2, floor: 0, reason: 'expired' }], [0])],
    [FrameKind.offer, encodeOffer({ ix: 0, seq0: LAST, count: 2, bytes: 1 })],
    [FrameKind.have, new Uint8Array([0, 0xfd, 0xe8, 0x03])],
    [FrameKind.prune, new Uint8Array([0xfd, 0xe8, 0x03, 1])],
    [FrameKind.want, new Uint8Array([0, 60, 0, 0, 1])],
    [FrameKind.miss, new Uint8Array([64, 0, 0, 0, 0])],
    [FrameKind.peers, new Uint8Array([16, 1, 2, 3])],
    [FrameKind.link, new Uint8Array([9, 0, 0, 0])],
    [FrameKind.link, new Uint8Array([0, 1, 0xff, 0, 0])],
    [FrameKind.skip, new Uint8Array([0, 0xff, 0, 0, 0, 0, 0, 0, 0x20, 0])],
    [FrameKind.have, new Uint8Array([77, 0])]
  ]
  for (const [kind, bytes] of lies) {
    const peer = await member()
    peer.bind(ref)
    peer.send(kind, bytes)
    await dropped('malformed')
    await cut(peer)
    peer.stream.destroy()
  }
  await goesOn()
  t.is(victim.topic.peers().length, 2)
})

test('X10 counts of 2^16 to 2^64-1 in every list close the link, and nothing is allocated for them', async t => {
  const { member, dropped, cut, goesOn } = await underAttack(t)
  const counts = [
    [0xfd, 0xff, 0xff],
    [0xfe, 0xff, 0xff, 0xff, 0xff],
    [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x1f, 0],
    [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]
  ]
  const before = process.memoryUsage().arrayBuffers
  for (const count of counts) {
    for (const [kind, head] of [
      [FrameKind.have, [0]],
      [FrameKind.want, [0]],
      [FrameKind.miss, []],
      [FrameKind.prune, []],
      [FrameKind.peers, []],
      [FrameKind.author, [0, ...new Array(40).fill(7)]]
    ] as const) {
      const peer = await member()
      peer.send(kind, new Uint8Array([...head, ...count, 0, 0, 0]))
      const isNumber = count.at(-1) !== 0xff || count.length < 9
      await dropped(isNumber && kind !== FrameKind.author ? 'too-large' : 'malformed')
      await cut(peer)
      peer.stream.destroy()
    }
  }
  t.true(process.memoryUsage().arrayBuffers - before < 64 * 1024 * 1024)
  await goesOn()
})
