/** SKIP on a real stream: what waits for a link that has it already isn't written. */
import { Duplex } from 'node:stream'
import NoiseSecretStream from '@hyperswarm/secret-stream'
import test from 'ava'
import Protomux from 'protomux'
import { FrameWriter, type WrittenFrame } from '#gossip/core/frame-writer'
import { decodeBatch, FrameKind } from '#gossip/core/frames'
import { channelIdOf, makeAuthorRef } from '#gossip/core/keys'
import { TopicCore } from '#gossip/core/topic-core'
import type { OutFrame } from '#gossip/core/types'
import { createKeyPair, cryptoFor, publicTopicKey } from '#gossip/index'
import { LIMITS } from '#gossip/limits'
import { connect, node } from './support/gossip-nodes.js'
import { until } from './support/streams.js'

const RAW = {
  preencode(state: { end: number }, value: Uint8Array) {
    state.end += value.byteLength
  },
  encode(state: { buffer: Uint8Array | null; start: number }, value: Uint8Array) {
    state.buffer?.set(value, state.start)
    state.start += value.byteLength
  },
  decode(state: { buffer: Uint8Array | null; start: number; end: number }): Uint8Array {
    const value = (state.buffer as Uint8Array).subarray(state.start, state.end)
    state.start = state.end
    return new Uint8Array(value)
  }
}

/** Two byte streams that are connected. From `hold` to `release` what the first one writes waits. */
function halfStalled(): { ends: [Duplex, Duplex]; hold: () => void; release: () => void } {
  let isHeld = false
  let waiting: (() => void) | null = null
  const make = (other: () => Duplex, isFirst: boolean): Duplex =>
    new Duplex({
      read() {},
      write(bytes: Uint8Array, _encoding, done) {
        const pass = (): void => {
          other().push(bytes)
          setImmediate(done)
        }
        if (isFirst && isHeld) waiting = pass
        else pass()
      }
    })
  const ends: [Duplex, Duplex] = [make(() => ends[1], true), make(() => ends[0], false)]
  return {
    ends,
    hold: () => {
      isHeld = true
    },
    release: () => {
      isHeld = false
      waiting?.()
    }
  }
}

test('a large batch that a peer says it has is taken out of its queue, and nothing else is', async t => {
  const a = node(t)
  const { ends, hold, release } = halfStalled()
  t.teardown(() => {
    for (const end of ends) end.destroy()
  })
  a.gossip.attach(ends[0], { initiator: true })
  const stream = new NoiseSecretStream(false, ends[1])
  await stream.opened
  const crypto = cryptoFor(createKeyPair())
  const core = new TopicCore({
    topicKey: publicTopicKey('cats'),
    author: new Uint8Array(32),
    crypto,
    limits: LIMITS,
    startMs: Date.now()
  })
  const writer = new FrameWriter(LIMITS, 1)
  const came: number[] = []
  const channel = Protomux.from(stream).createChannel({
    protocol: 'hearsay/gossip/1',
    id: channelIdOf(crypto, core.topicId, stream.handshakeHash),
    handshake: RAW,
    messages: Array.from({ length: 10 }, (_, kind) => ({
      encoding: RAW,
      onmessage(bytes: Uint8Array) {
        if (kind === FrameKind.link && bytes[0] === 0)
          say({ kind: 'link', op: 'ok', high: false, backoffMs: 0, degree: 1 })
        const batch = kind === FrameKind.batch ? decodeBatch(bytes, LIMITS) : null
        if (batch?.ok) came.push(batch.value.seq0)
      }
    }))
  })
  const say = (frame: OutFrame): void => {
    const written: WrittenFrame[] = []
    writer.write(frame, written)
    for (const { kind, bytes } of written) channel?.messages[kind]?.send(bytes)
  }
  const { isInitiator, handshakeHash, publicKey, remotePublicKey } = stream
  channel?.open(core.ownHello({ isInitiator, handshakeHash, publicKey, remotePublicKey }))
  await until(() => a.topic.peers()[0]?.role('cats') === 'active')

  const b = node(t)
  connect(a, b)
  await until(() => b.topic.peers()[0]?.role('cats') === 'active')
  hold()
  // Forwarded batches wait at the link; own ones would wait before it.
  const queued = (): number => a.topic.peers().reduce((sum, peer) => sum + peer.stats.queuedBytes, 0)
  let published = 0
  let incarnation = ''
  while (queued() < 60_000) {
    incarnation = (await b.topic.publish('x'.repeat(10_000))).incarnation
    published++
    await until(() => a.messages.length === published)
  }
  const ref = makeAuthorRef(b.gossip.publicKey, Uint8Array.from(Buffer.from(incarnation, 'hex')))
  const before = queued()
  for (const seq0 of [published - 1, published - 3]) say({ kind: 'skip', ref, seq0 })
  await until(() => queued() < before - 20_000)
  release()
  await b.topic.publish('the last')
  await until(() => came.length === published - 1)
  const expected = Array.from({ length: published + 1 }, (_, seq) => seq)
  t.deepEqual(
    came.sort((x, y) => x - y),
    expected.filter(seq => seq !== published - 1 && seq !== published - 3)
  )
})
